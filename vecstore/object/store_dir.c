// SPDX-License-Identifier: Apache-2.0
/*
 * Objects as files below a directory.
 *
 * A new object is staged in its own directory under a hidden name, synced, and then given its name:
 * by link(2), which fails when the name exists, or by rename(2), which replaces it. Then the
 * directory is synced. A sync that failed is never repeated (the kernel may have dropped the
 * pages): before the name exists the staged file is discarded and the put fails; afterwards the
 * outcome is VS_UNKNOWN.
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
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define STAGED_NAME_SIZE 40
#define IO_MAX ((size_t)1 << 30) // one call; Linux takes at most 2 GiB

struct dir_file {
    struct vs_file base;
    struct vs_store *store;
    char *key; // owned
    int fd;
};

// A file that has no name yet; zero-initialised but for the descriptors, which are -1.
struct staged {
    int dir_fd;
    int fd;
    const char *leaf; // points into the key
    char name[STAGED_NAME_SIZE];
    bool exists; // under its hidden name
};

struct dir_writer {
    struct vs_writer base;
    struct vs_store *store;
    char *key; // owned
    struct staged staged;
    uint8_t *buffer; // BUFFER_BYTES
    size_t buffered;
    bool finished;
};

static struct vs_store_dir *dir_of(struct vs_store *store)
{
    return (struct vs_store_dir *)store;
}

// ---- staging ----

static void staged_clear(struct staged *staged)
{
    if (staged->exists) {
        (void)unlinkat(staged->dir_fd, staged->name, 0);
    }
    if (staged->fd >= 0) {
        (void)close(staged->fd);
    }
    if (staged->dir_fd >= 0) {
        (void)close(staged->dir_fd);
    }
    *staged = (struct staged){.dir_fd = -1, .fd = -1};
}

static enum vs_status staged_open(struct vs_store *store,
                                  const char *key,
                                  struct staged *staged,
                                  struct vs_error *err)
{
    VS_TRY(vs_dir_open_parent(dir_of(store), key, true, &staged->dir_fd, &staged->leaf, err));
    for (int attempt = 0; staged->fd < 0 && attempt < 8; attempt++) {
        (void)snprintf(staged->name, sizeof staged->name, VS_STAGED_PREFIX "%016" PRIx64,
                       vs_random_u64(store->env));
        staged->fd = openat(staged->dir_fd, staged->name,
                            O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (staged->fd < 0 && errno != EEXIST && errno != EINTR) {
            break;
        }
    }
    if (staged->fd < 0) {
        int failure = errno;
        staged_clear(staged);
        // EEXIST of a hidden name must not look like an existing object.
        return vs_dir_fail(store, key, "create", failure == EEXIST ? EIO : failure, err);
    }
    staged->exists = true;
    return VS_OK;
}

// 0 or an errno.
static int write_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n < IO_MAX ? n : IO_MAX);
        if (done < 0 && errno != EINTR) {
            return errno;
        }
        if (done == 0) {
            return EIO;
        }
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

// fsync and close; 0 or an errno. Never repeated.
static int staged_sync(struct staged *staged)
{
    int failure = fsync(staged->fd) == 0 ? 0 : errno;
    if (close(staged->fd) != 0 && failure == 0 && errno != EINTR) {
        failure = errno;
    }
    staged->fd = -1;
    return failure;
}

enum publish { PUBLISH_DONE, PUBLISH_EXISTS, PUBLISH_FAILED, PUBLISH_UNSURE };

// After a link that reported failure: network file systems repeat requests, so the name may be ours
// after all.
static enum publish judge_link(const struct staged *staged, int failure)
{
    struct stat ours;
    struct stat theirs;
    if (fstatat(staged->dir_fd, staged->name, &ours, AT_SYMLINK_NOFOLLOW) != 0) {
        return PUBLISH_UNSURE;
    }
    if (fstatat(staged->dir_fd, staged->leaf, &theirs, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT && failure != EEXIST ? PUBLISH_FAILED : PUBLISH_UNSURE;
    }
    if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) {
        return PUBLISH_DONE;
    }
    return failure == EEXIST ? PUBLISH_EXISTS : PUBLISH_FAILED;
}

// Gives the staged file its name unless that exists. File systems without links have an exclusive
// rename or nothing.
static enum publish publish_if_absent(struct staged *staged, int *failure_out)
{
    if (linkat(staged->dir_fd, staged->name, staged->dir_fd, staged->leaf, 0) == 0) {
        return PUBLISH_DONE;
    }
    *failure_out = errno;
    bool no_links = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK;
    if (!no_links) {
        return judge_link(staged, *failure_out);
    }
    if (renameat2(staged->dir_fd, staged->name, staged->dir_fd, staged->leaf, RENAME_NOREPLACE) ==
        0) {
        staged->exists = false;
        return PUBLISH_DONE;
    }
    *failure_out = errno;
    return errno == EEXIST ? PUBLISH_EXISTS : PUBLISH_FAILED;
}

static enum publish publish_any(struct staged *staged, int *failure_out)
{
    if (renameat(staged->dir_fd, staged->name, staged->dir_fd, staged->leaf) == 0) {
        staged->exists = false;
        return PUBLISH_DONE;
    }
    *failure_out = errno;
    return PUBLISH_FAILED;
}

static enum vs_status fail_publish(const struct vs_store *store,
                                   const char *key,
                                   enum publish outcome,
                                   int failure,
                                   struct vs_error *err)
{
    if (outcome == PUBLISH_EXISTS) {
        return vs_fail(err, VS_EXISTS, "%s/%s exists already", store->root_uri, key);
    }
    if (outcome == PUBLISH_UNSURE) {
        vs_ignore(vs_fail_errno(err, failure, "it is not known whether %s/%s was created",
                                store->root_uri, key));
        if (err != NULL) {
            err->code = VS_UNKNOWN;
        }
        return VS_UNKNOWN;
    }
    if (failure == EINVAL || failure == EPERM || failure == EOPNOTSUPP || failure == ENOSYS) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the file system of %s can neither link nor rename without replacing, so "
                       "concurrent writers would not be safe: choose another warehouse",
                       store->root_uri);
    }
    if (failure == EISDIR || failure == ENOTDIR) {
        return vs_fail(err, VS_INVALID, "%s/%s is a directory, not an object", store->root_uri,
                       key);
    }
    return vs_dir_fail(store, key, "publish", failure, err);
}

// Syncs, names and syncs again. The staged file is gone afterwards, whatever the outcome.
static enum vs_status staged_publish(struct vs_store *store,
                                     const char *key,
                                     struct staged *staged,
                                     enum vs_put_mode mode,
                                     struct vs_error *err)
{
    int failure = staged_sync(staged);
    if (failure != 0) {
        staged_clear(staged);
        return vs_dir_fail(store, key, "sync", failure, err);
    }
    enum publish outcome =
        mode == VS_PUT_ANY ? publish_any(staged, &failure) : publish_if_absent(staged, &failure);
    if (outcome != PUBLISH_DONE) {
        staged_clear(staged);
        return fail_publish(store, key, outcome, failure, err);
    }
    if (staged->exists) {
        (void)unlinkat(staged->dir_fd, staged->name, 0); // a leftover is hidden from lists
        staged->exists = false;
    }
    failure = vs_dir_sync(staged->dir_fd);
    staged_clear(staged);
    if (failure != 0) {
        return fail_publish(store, key, PUBLISH_UNSURE, failure, err);
    }
    return VS_OK;
}

static enum vs_status dir_put(struct vs_store *store,
                              const char *key,
                              struct vs_str bytes,
                              enum vs_put_mode mode,
                              struct vs_error *err)
{
    struct staged staged = {.dir_fd = -1, .fd = -1};
    VS_TRY(staged_open(store, key, &staged, err));
    int failure = write_all(staged.fd, (const uint8_t *)bytes.ptr, bytes.len);
    if (failure != 0) {
        staged_clear(&staged);
        return vs_dir_fail(store, key, "write", failure, err);
    }
    return staged_publish(store, key, &staged, mode, err);
}

// ---- writers ----

static enum vs_status flush(struct dir_writer *writer, struct vs_error *err)
{
    int failure = write_all(writer->staged.fd, writer->buffer, writer->buffered);
    writer->buffered = 0;
    return failure == 0 ? VS_OK : vs_dir_fail(writer->store, writer->key, "write", failure, err);
}

static enum vs_status dir_write(struct vs_writer *base,
                                const void *bytes,
                                size_t n,
                                struct vs_error *err)
{
    struct dir_writer *writer = (struct dir_writer *)base;
    if (writer->finished || writer->staged.fd < 0) {
        return vs_fail(err, VS_INTERNAL, "%s is finished: nothing can be added", writer->key);
    }
    enum vs_status status = VS_OK;
    if (n > BUFFER_BYTES - writer->buffered) {
        status = flush(writer, err);
    }
    if (status == VS_OK && n >= BUFFER_BYTES) {
        int failure = write_all(writer->staged.fd, (const uint8_t *)bytes, n);
        status =
            failure == 0 ? VS_OK : vs_dir_fail(writer->store, writer->key, "write", failure, err);
    } else if (status == VS_OK) {
        memcpy(writer->buffer + writer->buffered, bytes, n);
        writer->buffered += n;
    }
    if (status != VS_OK) {
        staged_clear(&writer->staged); // part of the bytes is missing: nothing to finish any more
        return status;
    }
    vs_store_count_written(writer->store, n);
    return VS_OK;
}

static enum vs_status dir_finish(struct vs_writer *base,
                                 enum vs_put_mode mode,
                                 struct vs_error *err)
{
    struct dir_writer *writer = (struct dir_writer *)base;
    vs_store_count_request(writer->store);
    if (writer->finished || writer->staged.fd < 0) {
        return vs_fail(err, VS_INTERNAL, "%s is finished already or a write of it failed",
                       writer->key);
    }
    writer->finished = true;
    enum vs_status status = flush(writer, err);
    if (status != VS_OK) {
        staged_clear(&writer->staged);
        return status;
    }
    return staged_publish(writer->store, writer->key, &writer->staged, mode, err);
}

static void dir_writer_free(struct vs_writer *base)
{
    struct dir_writer *writer = (struct dir_writer *)base;
    const struct vs_env *env = writer->store->env;
    staged_clear(&writer->staged);
    vs_free(env, writer->buffer);
    vs_free(env, writer->key);
    vs_free(env, writer);
}

static const struct vs_writer_vtable dir_writer_vtable = {
    .write = dir_write, .finish = dir_finish, .free = dir_writer_free};

static enum vs_status dir_create(struct vs_store *store,
                                 const char *key,
                                 struct vs_writer **writer_out,
                                 struct vs_error *err)
{
    const struct vs_env *env = store->env;
    struct dir_writer *writer = (struct dir_writer *)vs_alloc_zeroed(env, 1, sizeof *writer);
    char *key_copy = vs_text_clone(env, vs_str_from_c(key));
    uint8_t *buffer = (uint8_t *)vs_alloc(env, BUFFER_BYTES);
    if (writer == NULL || key_copy == NULL || buffer == NULL) {
        vs_free(env, writer);
        vs_free(env, key_copy);
        vs_free(env, buffer);
        return vs_fail(err, VS_NO_MEMORY, "out of memory creating %s/%s", store->root_uri, key);
    }
    writer->base = (struct vs_writer){&dir_writer_vtable, 0, key_copy};
    writer->store = store;
    writer->key = key_copy;
    writer->staged = (struct staged){.dir_fd = -1, .fd = -1};
    writer->buffer = buffer;
    enum vs_status status = staged_open(store, key_copy, &writer->staged, err);
    if (status != VS_OK) {
        dir_writer_free(&writer->base);
        return status;
    }
    *writer_out = &writer->base;
    return VS_OK;
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
        !S_ISREG(info.st_mode)) {
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
    .put = dir_put,
    .create = dir_create,
    .list = vs_dir_list,
    .remove = dir_remove,
    .list_folders = vs_dir_list_folders,
    .free = dir_free,
};

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
