// What the Glibc module of Swift omits: newer headers, calls that glibc has no wrapper for or declares
// only under _GNU_SOURCE, and the constants of those.
#pragma once
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/// renameat2(2) with RENAME_NOREPLACE: fails with EEXIST where rename(2) would
/// overwrite, or (two links of one inode) would do nothing and say it did.
static inline int clinux_rename_noreplace(int from_dir, const char *from, int to_dir, const char *to) {
  return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 1u /* RENAME_NOREPLACE */);
}

/// renameat2(2) with RENAME_EXCHANGE: the two names change places in one step.
static inline int clinux_exchange(int one_dir, const char *one, int other_dir, const char *other) {
  return (int)syscall(SYS_renameat2, one_dir, one, other_dir, other, 2u /* RENAME_EXCHANGE */);
}

/// getdents64(2): readdir(3) hides errors and copies twice.
static inline long clinux_getdents64(int fd, void *buffer, unsigned long size) {
  return syscall(SYS_getdents64, fd, buffer, size);
}

/// pidfd_open(2): a descriptor that becomes readable when the process ends.
static inline int clinux_pidfd_open(pid_t pid) {
  return (int)syscall(SYS_pidfd_open, pid, 0);
}

/// syncfs(2): everything on the file system of this descriptor becomes durable.
static inline int clinux_syncfs(int fd) { return (int)syscall(SYS_syncfs, fd); }

/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE, over the whole file: begins to write it, waits for nothing, and
/// leaves errors to fsync(2).
static inline int clinux_start_writing(int fd) {
#ifdef SYS_sync_file_range
  return (int)syscall(SYS_sync_file_range, fd, 0L, 0L, 2u);
#else
  return 0;
#endif
}

/// memfd_create(2) with MFD_CLOEXEC | MFD_ALLOW_SEALING, and MFD_NOEXEC_SEAL where it is known (Linux 6.3).
static inline int clinux_memfd(const char *name) {
  int fd = (int)syscall(SYS_memfd_create, name, 3u | 8u);
  return fd < 0 && errno == EINVAL ? (int)syscall(SYS_memfd_create, name, 3u) : fd;
}

/// fcntl(2): seal the size, the content and the seals; fallocate(2): free the pages, keep the size.
enum { clinux_add_seals = 1033, clinux_seal_all = 15, clinux_punch_hole = 3 };

/// Byte-range locks that belong to the open file description, fcntl_locking(2).
enum { clinux_ofd_getlk = 36, clinux_ofd_setlk = 37 };

// glibc declares these under _GNU_SOURCE only, which would make this module's types differ from Glibc's.
int fallocate(int fd, int mode, off_t offset, off_t length);
int pipe2(int ends[2], int flags);
ssize_t fgetxattr(int fd, const char *name, void *value, size_t size);
int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int ppoll(struct pollfd *set, nfds_t count, const struct timespec *limit, const sigset_t *mask);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
