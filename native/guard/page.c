#define _GNU_SOURCE
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAPPED_BYTES 4096
/* A write takes microseconds: a copy that is torn this often is not torn but damaged. */
#define READ_TRIES 3

static const char *order_path;
static const volatile unsigned char *order_page;
static ino_t order_inode;
static int state_fd = -1;

static uint32_t crc32(const void *data, size_t length) {
  const unsigned char *bytes = data;
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < length; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

int order_open(const char *path) {
  order_path = path;
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  struct stat status;
  /* Reading a page that has no byte in the file would end us. */
  if (fstat(fd, &status) || (status.st_size < MAPPED_BYTES && ftruncate(fd, MAPPED_BYTES))) goto failed;
  void *page = mmap(NULL, MAPPED_BYTES, PROT_READ, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) goto failed;
  close(fd);
  if (order_page) munmap((void *)(uintptr_t)order_page, MAPPED_BYTES);
  order_page = page;
  order_inode = status.st_ino;
  return 0;
failed:;
  int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

/* Somebody removed the file and pvcnoded made another one: follow it, or its orders would never be seen. */
static void follow_order(void) {
  struct stat status;
  if (stat(order_path, &status) == 0 && status.st_ino != order_inode) order_open(order_path);
}

int order_read(struct order *order) {
  follow_order();
  for (int attempt = 0; attempt < READ_TRIES; attempt++) {
    for (size_t i = 0; i < sizeof *order; i++) ((unsigned char *)order)[i] = order_page[i];
    if (order->magic != ORDER_MAGIC || order->version != PAGE_VERSION) continue;
    if (order->checksum != crc32(order, offsetof(struct order, checksum))) continue;
    order->watchdog_device[DEVICE_SIZE - 1] = '\0';
    return 1;
  }
  return 0;
}

int state_open(const char *path, struct state *state) {
  state_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (state_fd < 0) return -1;
  ssize_t got = pread(state_fd, state, sizeof *state, 0);
  if (got == 0) return 0;
  if (got != (ssize_t)sizeof *state || state->magic != STATE_MAGIC || state->version != PAGE_VERSION) return -1;
  return state->checksum == crc32(state, offsetof(struct state, checksum)) ? 1 : -1;
}

void state_write(struct state *state) {
  state->magic = STATE_MAGIC;
  state->version = PAGE_VERSION;
  state->checksum = crc32(state, offsetof(struct state, checksum));
  /* A write that fails leaves an old heartbeat, which is how the other side learns of it. */
  if (pwrite(state_fd, state, sizeof *state, 0) < 0) return;
}
