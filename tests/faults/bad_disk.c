/* A disk that goes bad under a running process: preloaded, it stands before the C library's calls.
 *
 * BAD_DISK_CONTROL names a file of two 32-bit numbers that bad_disk.py changes at any time: what is wrong (0 nothing,
 * 1 syncs fail with EIO, 2 everything that writes fails with EROFS), and by how many milliseconds a sync is late.
 * BAD_DISK_FOLDER is the only folder that is bad.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { WELL, SYNC_FAILS, READ_ONLY };

static volatile uint32_t *control;
static const char *folder;
static size_t folder_length;

static int (*real_open)(const char *, int, ...);
static int (*real_open64)(const char *, int, ...);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_ftruncate64)(int, off64_t);

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open");
    real_open64 = dlsym(RTLD_NEXT, "open64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
    const char *path = getenv("BAD_DISK_CONTROL");
    folder = getenv("BAD_DISK_FOLDER");
    if (path == NULL || folder == NULL) return;
    folder_length = strlen(folder);
    int file = real_open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *page = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) control = page;
}

static int is_bad_path(const char *path) {
    return control != NULL && strncmp(path, folder, folder_length) == 0;
}

static int is_bad_file(int file) {
    char link[64], path[PATH_MAX];
    if (control == NULL || (control[0] == WELL && control[1] == 0)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_bad_path(path);
}

static int fail(int why) {
    errno = why;
    return -1;
}

static int synced(int file, int (*real)(int)) {
    if (!is_bad_file(file)) return real(file);
    uint32_t late_ms = control[1];
    if (late_ms > 0) {
        struct timespec wait = {late_ms / 1000, (long)(late_ms % 1000) * 1000000};
        nanosleep(&wait, NULL);
    }
    if (control[0] == SYNC_FAILS) return fail(EIO);
    return control[0] == READ_ONLY ? fail(EROFS) : real(file);
}

int fsync(int file) { return synced(file, real_fsync); }
int fdatasync(int file) { return synced(file, real_fdatasync); }

ssize_t pwrite64(int file, const void *data, size_t count, off64_t offset) {
    if (is_bad_file(file) && control[0] == READ_ONLY) return fail(EROFS);
    return real_pwrite64(file, data, count, offset);
}

int ftruncate64(int file, off64_t length) {
    if (is_bad_file(file) && control[0] == READ_ONLY) return fail(EROFS);
    return real_ftruncate64(file, length);
}

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    if (writes && is_bad_path(path) && control[0] == READ_ONLY) return fail(EROFS);
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(real_open, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(real_open64, path, flags, mode);
}
