// SPDX-License-Identifier: Apache-2.0
/*
 * Objects as files below a directory: the store, and reading. New objects: store_dir_write.c.
 */
#include "vecstore/object/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define IO_MAX ((size_t)1 << 30) // one call; Linux takes at most 2 GiB

struct dir_file {
    struct vs_file base;
    struct vs_store *store;
    char *key; // owned
    int fd;
};

static struct vs_store_dir *dir_of(struct vs_store *store)
{
    return (struct vs_store_dir *)store;
}

// ---- files ----

static enum vs_status dir_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct dir_file *self = (const struct dir_file *)file;
    uint8_t *next = (uint8_t *)dst;
    vs_store_count_request(self->store);
    while (len > 0) {
        ssize_t got = pread(self->fd, next, len < IO_MAX ? len : IO_MAX, (off_t)offset);
        if (got < 0 && errno != EINTR) {
            return vs_dir_fail(self->store, self->key, "read", errno, err);
        }
        if (got == 0) {
            return vs_fail(err, VS_CORRUPT, "%s/%s ends at byte %" PRIu64 ", expected %" PRIu64,
                           self->store->root_uri, self->key, offset, file->size);
        }
        if (got > 0) {
            vs_store_count_read(self->store, (size_t)got);
            next += got;
            offset += (uint64_t)got;
            len -= (size_t)got;
        }
    }
    return VS_OK;
}

static void dir_close(struct vs_file *file)
{
    struct dir_file *self = (struct dir_file *)file;
    const struct vs_env *env = self->store->env;
    (void)close(self->fd);
    vs_free(env, self->key);
    vs_free(env, self);
}

static const struct vs_file_vtable dir_file_vtable = {.read = dir_read, .close = dir_close};

int vs_dir_file_fd(const struct vs_file *file)
{
    return file->vtable == &dir_file_vtable ? ((const struct dir_file *)file)->fd : -1;
}

// One system call answers the commonest question, "is there a newer version?", with no. It may go
// through a symbolic link, but only to learn that nothing is there; what exists is opened component
// by component below.
static bool is_absent(struct vs_store *store, const char *key)
{
    struct stat info;
    return fstatat(dir_of(store)->root_fd, key, &info, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

// Only ever compared, so a symbolic link on the way does no harm.
static bool dir_stamp(struct vs_store *store, const char *key, struct vs_object_stamp *stamp_out)
{
    struct stat info;
    if (fstatat(dir_of(store)->root_fd, key, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        (!S_ISREG(info.st_mode) &&
         !(S_ISDIR(info.st_mode) && info.st_dev == dir_of(store)->stamped_device))) {
        return false;
    }
    *stamp_out = (struct vs_object_stamp){.device = (uint64_t)info.st_dev,
                                          .number = (uint64_t)info.st_ino,
                                          .size = (uint64_t)info.st_size,
                                          .changed_s = info.st_ctim.tv_sec,
                                          .changed_ns = info.st_ctim.tv_nsec,
                                          .modified_s = info.st_mtim.tv_sec,
                                          .modified_ns = info.st_mtim.tv_nsec};
    return true;
}

// Opens a regular file for reading. O_NONBLOCK: opening a FIFO must not wait.
static enum vs_status open_object(
    struct vs_store *store, const char *key, int *fd_out, uint64_t *size_out, struct vs_error *err)
{
    int dir_fd = -1;
    const char *leaf = NULL;
    struct stat info = {0};
    if (is_absent(store, key)) {
        return vs_fail(err, VS_NOT_FOUND, "%s/%s does not exist", store->root_uri, key);
    }
    VS_TRY(vs_dir_open_parent(dir_of(store), key, false, &dir_fd, &leaf, err));
    int fd = openat(dir_fd, leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int failure = fd < 0 || fstat(fd, &info) != 0 ? errno : 0;
    (void)close(dir_fd);
    if (failure == 0 && !S_ISREG(info.st_mode)) {
        failure = ENOENT; // a directory or device is no object
    }
    if (failure == 0) {
        *fd_out = fd;
        *size_out = (uint64_t)info.st_size;
        return VS_OK;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (failure == ELOOP) {
        return vs_fail(err, VS_DENIED,
                       "%s/%s is a symbolic link, and links inside a warehouse are not followed",
                       store->root_uri, key);
    }
    if (failure == ENOENT) {
        return vs_fail(err, VS_NOT_FOUND, "%s/%s does not exist", store->root_uri, key);
    }
    return vs_dir_fail(store, key, "open", failure, err);
}

static enum vs_status dir_open(struct vs_store *store,
                               const char *key,
                               struct vs_file **file_out,
                               struct vs_error *err)
{
    struct dir_file *file = (struct dir_file *)vs_alloc_zeroed(store->env, 1, sizeof *file);
    char *key_copy = vs_text_clone(store->env, vs_str_from_c(key));
    uint64_t size = 0;
    enum vs_status status = VS_OK;
    if (file == NULL || key_copy == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory opening %s/%s", store->root_uri, key);
    } else {
        status = open_object(store, key, &file->fd, &size, err);
    }
    if (status != VS_OK) {
        vs_free(store->env, file);
        vs_free(store->env, key_copy);
        return status;
    }
    file->base = (struct vs_file){&dir_file_vtable, size, key_copy};
    file->store = store;
    file->key = key_copy;
    *file_out = &file->base;
    return VS_OK;
}

// ---- the store ----

static enum vs_status dir_remove(struct vs_store *store, const char *key, struct vs_error *err)
{
    int dir_fd = -1;
    const char *leaf = NULL;
    struct vs_error reason;
    vs_error_clear(&reason);
    enum vs_status status = vs_dir_open_parent(dir_of(store), key, false, &dir_fd, &leaf, &reason);
    if (status == VS_NOT_FOUND) {
        return VS_OK;
    }
    if (status != VS_OK) {
        if (err != NULL) {
            *err = reason;
        }
        return status;
    }
    int failure = unlinkat(dir_fd, leaf, 0) == 0 ? 0 : errno;
    bool removed = failure == 0;
    if (removed) {
        failure = vs_dir_sync(dir_fd);
    }
    (void)close(dir_fd);
    if (failure == 0 || (!removed && failure == ENOENT)) {
        return VS_OK;
    }
    return vs_dir_fail(store, key, "remove", failure, err);
}

static void dir_free(struct vs_store *base)
{
    struct vs_store_dir *store = dir_of(base);
    const struct vs_env *env = base->env;
    if (store->root_fd >= 0) {
        (void)close(store->root_fd);
    }
    (void)pthread_mutex_destroy(&store->lock);
    vs_free(env, (void *)(uintptr_t)base->root_uri);
    vs_free(env, (void *)(uintptr_t)base->root_alias);
    vs_free(env, store);
}

static const struct vs_store_vtable dir_store_vtable = {
    .open = dir_open,
    .stamp = dir_stamp,
    .put = vs_dir_put,
    .create = vs_dir_create,
    .list = vs_dir_list,
    .remove = dir_remove,
    .list_folders = vs_dir_list_folders,
    .free = dir_free,
};

// The device of the root if its file system is one that dates a folder anew with each change of a
// name in it, which some file systems over a network or in user space do not; else 0.
static dev_t stamped_device(int root_fd)
{
    static const uint32_t kinds[] = {0xEF53u /* ext2 to ext4 */,
                                     0x58465342u /* XFS */,
                                     0x9123683Eu /* Btrfs */,
                                     0x01021994u /* tmpfs */,
                                     0xF2F52010u /* F2FS */,
                                     0x2FC12FC1u /* ZFS */,
                                     0x794C7630u /* overlay */};
    struct statfs facts;
    struct stat info;
    if (fstatfs(root_fd, &facts) != 0 || fstat(root_fd, &info) != 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if ((uint32_t)facts.f_type == kinds[i]) {
            return info.st_dev;
        }
    }
    return 0;
}

// "file://" and the path; the root directory gives "file://". NULL when out of memory.
static char *uri_of_path(const struct vs_env *env, const char *path)
{
    char text[PATH_MAX + 8];
    (void)snprintf(text, sizeof text, "file://%s", strcmp(path, "/") == 0 ? "" : path);
    return vs_text_clone(env, vs_str_from_c(text));
}

// Opens the root and finds how it is spelled: as given, unless that has "..", and with links
// resolved.
static enum vs_status open_root(struct vs_store_dir *store,
                                const char *path,
                                bool create,
                                struct vs_error *err)
{
    char real[PATH_MAX];
    int failure = create ? vs_dir_make_path(path) : 0;
    if (failure == 0) {
        store->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        failure = store->root_fd < 0 || realpath(path, real) == NULL ? errno : 0;
    }
    store->stamped_device = failure == 0 ? stamped_device(store->root_fd) : 0;
    if (failure == ENOENT) {
        return vs_fail(err, VS_NOT_FOUND,
                       "the warehouse directory %s does not exist: create it or check the path",
                       path);
    }
    if (failure == ENOTDIR || failure == EEXIST) {
        return vs_fail(err, VS_INVALID,
                       "the warehouse %s is no directory, or a part of its path is a file", path);
    }
    if (failure != 0) {
        return vs_fail_errno(err, failure, "cannot open the warehouse directory %s", path);
    }
    bool has_dots =
        strstr(path, "/../") != NULL || vs_str_ends_with(vs_str_from_c(path), VS_STR("/.."));
    store->base.root_uri = uri_of_path(store->base.env, has_dots ? real : path);
    store->base.root_alias = uri_of_path(store->base.env, real);
    if (store->base.root_uri == NULL || store->base.root_alias == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening the warehouse %s", path);
    }
    return VS_OK;
}

enum vs_status vs_store_dir_open(const struct vs_env *env,
                                 struct vs_str path,
                                 bool create,
                                 struct vs_store **store_out,
                                 struct vs_error *err)
{
    char text[PATH_MAX];
    if (path.len >= sizeof text) {
        return vs_fail(err, VS_INVALID, "the warehouse path is longer than %d bytes", PATH_MAX);
    }
    memcpy(text, path.ptr, path.len);
    text[path.len] = '\0';
    struct vs_store_dir *store = (struct vs_store_dir *)vs_alloc_zeroed(env, 1, sizeof *store);
    if (store == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening the warehouse %s", text);
    }
    store->base.vtable = &dir_store_vtable;
    store->base.env = env;
    store->root_fd = -1;
    (void)pthread_mutex_init(&store->lock, NULL); // cannot fail on Linux with default attributes
    enum vs_status status = open_root(store, text, create, err);
    if (status != VS_OK) {
        dir_free(&store->base);
        return status;
    }
    *store_out = &store->base;
    return VS_OK;
}
