#define _GNU_SOURCE
#include "latch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LATCH_FILE "guard-latch"

/* The working directory is the run directory. */
static void remove_all(const char *directory) {
  DIR *files = opendir(directory);
  if (!files) {
    if (errno != ENOENT) say(LOG_WARNING "%s cannot be read: %s", directory, strerror(errno));
    return;
  }
  for (struct dirent *entry; (entry = readdir(files));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (unlinkat(dirfd(files), entry->d_name, 0)) say(LOG_WARNING "%s/%s: %s", directory, entry->d_name, strerror(errno));
  }
  closedir(files);
}

void latch_close(uint32_t latch) {
  int fd = open(LATCH_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) {
    say(LOG_CRITICAL "%s cannot be made: %s", LATCH_FILE, strerror(errno));
  } else {
    dprintf(fd, "%u\n", latch);
    close(fd);
  }
  remove_all("permit");
  remove_all("incoming");
}

void latch_open(void) {
  if (unlink(LATCH_FILE) && errno != ENOENT) say(LOG_WARNING "%s cannot be removed: %s", LATCH_FILE, strerror(errno));
}
