// A disk that fails when it is told to: preloaded, it stands before the C library's calls that write below one folder.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ONCE, FROM_THEN_ON, KILL };
static char root[4096];
static long count, wanted = -1;
static int with, how;

// Count from now on what writes below `folder`; the nth operation fails with `error`, or ends this process.
void fail_at(const char *folder, long n, int error, int mode) {
    strncpy(root, folder, sizeof root - 1);
    count = 0, wanted = n, with = error, how = mode;
}

long operations(void) { return count; }

static int fails(const char *path) {
    if (wanted < 0 || (path[0] == '/' && strncmp(path, root, strlen(root)))) return 0;
    count++;
    if (how == FROM_THEN_ON ? wanted == 0 || count < wanted : count != wanted) return 0;
    if (how == KILL) kill(getpid(), SIGKILL);
    errno = with;
    return 1;
}

static int fails_fd(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = wanted < 0 ? -1 : readlink(link, path, sizeof path - 1);
    if (n <= 0 || path[0] != '/') return 0;  // a pipe or a socket
    path[n] = 0;
    return fails(path);
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))
#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) {
    MODE(flags, flags)
    return WRITES(flags) && fails(path) ? -1 : REAL(int, open, const char *, int, ...)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags, flags)
    return WRITES(flags) && fails(path) ? -1 : REAL(int, open64, const char *, int, ...)(path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags, flags)
    return WRITES(flags) && fails(path) ? -1 : REAL(int, openat, int, const char *, int, ...)(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE(flags, flags)
    return WRITES(flags) && fails(path) ? -1 : REAL(int, openat64, int, const char *, int, ...)(at, path, flags, mode);
}
ssize_t write(int fd, const void *from, size_t n) {
    return fails_fd(fd) ? -1 : REAL(ssize_t, write, int, const void *, size_t)(fd, from, n);
}
ssize_t writev(int fd, const struct iovec *from, int n) {
    return fails_fd(fd) ? -1 : REAL(ssize_t, writev, int, const struct iovec *, int)(fd, from, n);
}
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) {
    return fails_fd(fd) ? -1 : REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(fd, from, n, at);
}
ssize_t sendfile(int to, int from, off_t *at, size_t n) {
    return fails_fd(to) ? -1 : REAL(ssize_t, sendfile, int, int, off_t *, size_t)(to, from, at, n);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t n) {
    return fails_fd(to) ? -1 : REAL(ssize_t, sendfile64, int, int, off64_t *, size_t)(to, from, at, n);
}
int ftruncate64(int fd, off64_t n) { return fails_fd(fd) ? -1 : REAL(int, ftruncate64, int, off64_t)(fd, n); }
int fsync(int fd) { return fails_fd(fd) ? -1 : 0; }  // nobody cuts the power
int mkdir(const char *path, mode_t mode) {
    return fails(path) ? -1 : REAL(int, mkdir, const char *, mode_t)(path, mode);
}
int rename(const char *from, const char *to) {
    return fails(to) ? -1 : REAL(int, rename, const char *, const char *)(from, to);
}
