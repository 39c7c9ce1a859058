#define _GNU_SOURCE
#include "qemu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A killed process is followed by its pidfd: /proc shows a dead leader already while threads of it may still write. Only
 * the pidfd says that the whole process has ended.
 */
struct victim {
  pid_t pid;
  int pidfd;
};

#define MAX_VICTIMS 4096
static struct victim victims[MAX_VICTIMS];
static int victim_count;

static bool has_ended(int pidfd) {
  struct pollfd look = {.fd = pidfd, .events = POLLIN};
  return poll(&look, 1, 0) > 0 && (look.revents & POLLIN);
}

/* Reads a small file of a process; empty when the process is gone or has no memory any more. */
static size_t read_of(pid_t pid, const char *name, char *buffer, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t length = 0;
  while (fd >= 0 && length < size - 1) {
    ssize_t got = read(fd, buffer + length, size - 1 - length);
    if (got <= 0) break;
    length += (size_t)got;
  }
  if (fd >= 0) close(fd);
  buffer[length] = '\0';
  return length;
}

static bool is_qemu_name(const char *name) {
  return strncmp(name, "qemu-system-", 12) == 0 || strncmp(name, "qemu-kvm", 8) == 0;
}

/* By the program file, whatever it calls itself; by its own name once the kernel has taken its memory away. */
static bool is_qemu_program(pid_t pid) {
  char path[64], target[PATH_MAX], comm[32];
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  ssize_t length = readlink(path, target, sizeof target - 1);
  if (length > 0) {
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    const char *name = slash ? slash + 1 : target;
    if (is_qemu_name(name) || strcmp(name, "kvm") == 0) return true;
  }
  if (read_of(pid, "comm", comm, sizeof comm) == 0) return false;
  comm[strcspn(comm, "\n")] = '\0';
  return is_qemu_name(comm);
}

/* Not a QEMU that libvirt only asks what it can do: a guest has a name or a UUID among its arguments. */
static bool has_guest(pid_t pid) {
  static char arguments[65536];
  size_t length = read_of(pid, "cmdline", arguments, sizeof arguments);
  if (length == 0) return true; /* it is ending: whose it was cannot be told any more */
  if (length >= sizeof arguments - 1) return true;
  for (size_t at = 0; at < length; at += strlen(arguments + at) + 1) {
    if (strcmp(arguments + at, "-uuid") == 0 || strncmp(arguments + at, "guest=", 6) == 0) return true;
  }
  return false;
}

/* Containers on this machine may have a QEMU of their own; it is none of ours, and we see it in /proc as well. */
static bool is_in_our_namespace(pid_t pid) {
  char path[64];
  struct stat own, other;
  snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
  if (stat("/proc/self/ns/pid", &own) || stat(path, &other)) return true;
  return own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

static bool is_guest(pid_t pid) {
  return is_qemu_program(pid) && has_guest(pid) && is_in_our_namespace(pid);
}

static bool is_known(pid_t pid) {
  for (int i = 0; i < victim_count; i++) {
    if (victims[i].pid == pid) return true;
  }
  return false;
}

static void send_kill(int pidfd) { syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0); }

/* Sends SIGKILL again to those that live; returns their number. */
static int follow_victims(void) {
  for (int i = 0; i < victim_count;) {
    if (has_ended(victims[i].pidfd)) {
      close(victims[i].pidfd);
      victims[i] = victims[--victim_count];
    } else {
      send_kill(victims[i++].pidfd);
    }
  }
  return victim_count;
}

/* Returns 1 when the process is a guest that was not seen dead. */
static int strike(pid_t pid) {
  if (is_known(pid) || !is_guest(pid)) return 0;
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) return errno == ESRCH ? 0 : 1;
  /* Between the look and the opening the number may have gone to another process. */
  if (has_ended(pidfd) || !is_guest(pid)) {
    close(pidfd);
    return 0;
  }
  send_kill(pidfd);
  if (victim_count < MAX_VICTIMS) {
    victims[victim_count++] = (struct victim){.pid = pid, .pidfd = pidfd};
  } else {
    close(pidfd); /* it is found again at the next look */
  }
  return 1;
}

int qemu_kill_all(void) {
  int alive = follow_victims();
  DIR *processes = opendir("/proc");
  if (!processes) return -1;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(processes));) {
    char *end;
    long pid = strtol(entry->d_name, &end, 10);
    if (*end == '\0' && pid > 0) alive += strike((pid_t)pid);
    errno = 0;
  }
  int failed = errno;
  closedir(processes);
  return failed ? -1 : alive;
}
