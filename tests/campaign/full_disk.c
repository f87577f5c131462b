/* Lets the n-th change of a file below FAULT_DIR fail, and all later ones: a disk that is full or broken.

   FAULT_AFTER: changes that succeed first; FAULT_ERRNO: 28 (ENOSPC), 5 (EIO), 122 (EDQUOT);
   FAULT_ONCE: only one change fails; FAULT_LOG: gets a line for each failure; FAULT_TRACE: nothing fails, and
   FAULT_LOG gets a line for each change. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long changes;
static __thread int inside;

static int below(const char *path) {
    const char *folder = getenv("FAULT_DIR");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int fails(const char *what, const char *path) {
    if (inside || !below(path)) return 0;
    long after = atol(getenv("FAULT_AFTER") ? getenv("FAULT_AFTER") : "0");
    long n = atomic_fetch_add(&changes, 1);
    int trace = getenv("FAULT_TRACE") != NULL;
    if (!trace && (n < after || (getenv("FAULT_ONCE") && n > after))) return 0;
    const char *log = getenv("FAULT_LOG");
    if (log) {
        inside = 1;
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (fd >= 0) { dprintf(fd, "%s %s\n", what, path); close(fd); }
        inside = 0;
    }
    if (trace) return 0;
    errno = atoi(getenv("FAULT_ERRNO") ? getenv("FAULT_ERRNO") : "28");
    return 1;
}

static int fd_fails(const char *what, int fd) {
    char link[64], path[PATH_MAX];
    if (inside || !getenv("FAULT_DIR")) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return fails(what, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
    return fd_fails("write", fd) ? -1 : REAL(write)(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return fd_fails("pwrite", fd) ? -1 : REAL(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return fd_fails("pwrite", fd) ? -1 : REAL(pwrite64)(fd, data, size, at);
}
int ftruncate(int fd, off_t size) { return fd_fails("ftruncate", fd) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fd_fails("ftruncate", fd) ? -1 : REAL(ftruncate64)(fd, size); }
int fsync(int fd) { return fd_fails("fsync", fd) ? -1 : REAL(fsync)(fd); }
int rename(const char *a, const char *b) { return fails("rename", b) ? -1 : REAL(rename)(a, b); }
int link(const char *a, const char *b) { return fails("link", b) ? -1 : REAL(link)(a, b); }
int mkdir(const char *path, mode_t mode) { return fails("mkdir", path) ? -1 : REAL(mkdir)(path, mode); }

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if ((flags & O_CREAT) && fails("create", path)) return -1;
    return REAL(open64)(path, flags, mode);
}
