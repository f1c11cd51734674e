// SPDX-License-Identifier: Apache-2.0
/*
 * New objects of the file system.
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
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define STAGED_NAME_SIZE 40
#define WRITE_MAX ((size_t)1 << 30) // one call; Linux takes at most 2 GiB
#define COPY_BYTES ((size_t)32 << 20)

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
    VS_TRY(vs_dir_open_parent((struct vs_store_dir *)store, key, true, &staged->dir_fd,
                              &staged->leaf, err));
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
        ssize_t done = write(fd, bytes, n < WRITE_MAX ? n : WRITE_MAX);
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

enum vs_status vs_dir_put(struct vs_store *store,
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

// Appends a range of another file of a file system: the kernel moves the bytes. What it cannot do
// (other file systems, old kernels) is left to the caller.
static enum vs_status dir_copy(struct vs_writer *base,
                               struct vs_file *file,
                               uint64_t offset,
                               uint64_t len,
                               uint64_t *copied_out,
                               struct vs_error *err)
{
    struct dir_writer *writer = (struct dir_writer *)base;
    int source = vs_dir_file_fd(file);
    uint64_t copied = 0;
    if (source < 0 || writer->finished || writer->staged.fd < 0) {
        *copied_out = 0; // a write says what is wrong
        return VS_OK;
    }
    enum vs_status status = flush(writer, err);
    while (status == VS_OK && copied < len) {
        off_t at = (off_t)(offset + copied);
        off_t start = (off_t)(base->written + copied);
        size_t n = len - copied < COPY_BYTES ? (size_t)(len - copied) : COPY_BYTES;
        ssize_t done = copy_file_range(source, &at, writer->staged.fd, NULL, n, 0);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
            status = vs_dir_fail(writer->store, writer->key, "copy to", errno, err);
        }
        if (done <= 0) {
            break;
        }
        // The disk begins with it while the next piece is copied; a failure shows at the sync.
        (void)sync_file_range(writer->staged.fd, start, done, SYNC_FILE_RANGE_WRITE);
        copied += (uint64_t)done;
    }
    vs_store_count_written(writer->store, copied);
    if (status != VS_OK) {
        staged_clear(&writer->staged);
        return status;
    }
    *copied_out = copied;
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
    .write = dir_write, .copy = dir_copy, .finish = dir_finish, .free = dir_writer_free};

enum vs_status vs_dir_create(struct vs_store *store,
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
