// SPDX-License-Identifier: Apache-2.0
/*
 * Walking to the directory of a key, one part at a time and without following symbolic links, so
 * that no key and no link inside the warehouse leads out of it.
 *
 * A new file survives a crash only if every directory above it does. The walk of a writer therefore
 * syncs the parent of each directory that this process has not yet seen synced, whoever made it.
 */
#include "vecstore/object/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum vs_status vs_dir_fail(const struct vs_store *store,
                           const char *key,
                           const char *action,
                           int errno_value,
                           struct vs_error *err)
{
    if (errno_value == ENOSPC || errno_value == EDQUOT) {
        vs_ignore(vs_fail(err, VS_UNAVAILABLE,
                          "cannot %s %s/%s: no space left on the device: free space or choose "
                          "another warehouse",
                          action, store->root_uri, key));
        if (err != NULL) {
            err->system_code = errno_value;
        }
        return VS_UNAVAILABLE;
    }
    if (errno_value == ENAMETOOLONG) {
        return vs_fail(err, VS_INVALID, "cannot %s %s/%s: a part of the name is too long", action,
                       store->root_uri, key);
    }
    return vs_fail_errno(err, errno_value, "cannot %s %s/%s", action, store->root_uri, key);
}

int vs_dir_sync(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    // EINVAL: a file system that has no sync of directories, as opposed to one that failed.
    int failure = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    (void)close(fd);
    return failure;
}

static struct vs_durable_dir *durable_slot(struct vs_store_dir *store, const struct stat *info)
{
    uint64_t hash = ((uint64_t)info->st_ino ^ ((uint64_t)info->st_dev << 40)) * 0x9E3779B97F4A7C15u;
    return &store->durable[hash >> 54];
}

static bool is_durable(struct vs_store_dir *store, const struct stat *info)
{
    (void)pthread_mutex_lock(&store->lock);
    const struct vs_durable_dir *slot = durable_slot(store, info);
    bool known = slot->device == info->st_dev && slot->inode == info->st_ino;
    (void)pthread_mutex_unlock(&store->lock);
    return known;
}

static void set_durable(struct vs_store_dir *store, const struct stat *info)
{
    (void)pthread_mutex_lock(&store->lock);
    *durable_slot(store, info) = (struct vs_durable_dir){info->st_dev, info->st_ino};
    (void)pthread_mutex_unlock(&store->lock);
}

static int open_dir(int parent_fd, const char *name)
{
    return openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// Syncs the parent unless `made_now` is false and the directory is known to be durable. 0 or an
// errno.
static int make_durable(struct vs_store_dir *store, int parent_fd, int fd, bool made_now)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return errno;
    }
    if (!made_now && is_durable(store, &info)) {
        return 0;
    }
    int failure = vs_dir_sync(parent_fd);
    if (failure == 0) {
        set_durable(store, &info);
    }
    return failure;
}

// Opens one part below parent_fd; 0 or an errno.
static int enter(
    struct vs_store_dir *store, int parent_fd, const char *name, bool create, int *fd_out)
{
    bool made_now = false;
    int fd = open_dir(parent_fd, name);
    if (fd < 0 && errno == ENOENT && create) {
        made_now = mkdirat(parent_fd, name, 0777) == 0;
        if (!made_now && errno != EEXIST) {
            return errno;
        }
        fd = open_dir(parent_fd, name);
    }
    if (fd < 0) {
        return errno;
    }
    int failure = create ? make_durable(store, parent_fd, fd, made_now) : 0;
    if (failure != 0) {
        (void)close(fd);
        return failure;
    }
    *fd_out = fd;
    return 0;
}

static enum vs_status fail_enter(const struct vs_store *store,
                                 const char *key,
                                 int parent_fd,
                                 const char *name,
                                 int failure,
                                 struct vs_error *err)
{
    struct stat info;
    bool found = fstatat(parent_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (found && S_ISLNK(info.st_mode)) {
        return vs_fail(err, VS_DENIED,
                       "%s/%s: \"%s\" is a symbolic link, and links inside a warehouse are not "
                       "followed: open the warehouse at its real place",
                       store->root_uri, key, name);
    }
    if (failure == ENOENT) {
        return vs_fail(err, VS_NOT_FOUND, "%s/%s does not exist", store->root_uri, key);
    }
    return vs_dir_fail(store, key, "open the directory of", failure, err);
}

enum vs_status vs_dir_open_parent(struct vs_store_dir *store,
                                  const char *key,
                                  bool create,
                                  int *fd_out,
                                  const char **leaf_out,
                                  struct vs_error *err)
{
    int fd = store->root_fd;
    const char *part = key;
    for (const char *slash = strchr(part, '/'); slash != NULL; slash = strchr(part, '/')) {
        char name[NAME_MAX + 1];
        size_t len = (size_t)(slash - part);
        int failure = ENAMETOOLONG;
        int next = -1;
        if (len <= NAME_MAX) {
            memcpy(name, part, len);
            name[len] = '\0';
            failure = enter(store, fd, name, create, &next);
        }
        enum vs_status status = VS_OK;
        if (failure == ENAMETOOLONG) {
            status = vs_dir_fail(&store->base, key, "open the directory of", failure, err);
        } else if (failure == ENOTDIR && !create) {
            status = fail_enter(&store->base, key, fd, name, ENOENT, err);
        } else if (failure != 0) {
            status = fail_enter(&store->base, key, fd, name, failure, err);
        }
        if (fd != store->root_fd) {
            (void)close(fd);
        }
        if (status != VS_OK) {
            return status;
        }
        fd = next;
        part = slash + 1;
    }
    if (fd == store->root_fd) {
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            return vs_dir_fail(&store->base, key, "open the directory of", errno, err);
        }
    }
    *fd_out = fd;
    *leaf_out = part;
    return VS_OK;
}

// Links above the root are the user's own and are followed.
static int make_one(const char *path)
{
    if (mkdir(path, 0777) != 0) {
        return errno == EEXIST ? 0 : errno;
    }
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash > path ? (size_t)(slash - path) : 1;
    memcpy(parent, path, len);
    parent[len] = '\0';
    int fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    int failure = vs_dir_sync(fd);
    (void)close(fd);
    return failure;
}

int vs_dir_make_path(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part) {
        return ENAMETOOLONG;
    }
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        part[i] = '\0';
        struct stat info;
        int failure = stat(part, &info) == 0 ? 0 : make_one(part);
        if (failure != 0) {
            return failure;
        }
        part[i] = path[i];
    }
    return 0;
}
