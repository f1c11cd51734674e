// SPDX-License-Identifier: Apache-2.0
// The folders right below a prefix: one directory is read, nothing is walked.
#include "vecstore/object/store_dir_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A directory of its own; links and what is staged are no folders.
static bool is_folder(int dir_fd, const struct dirent *entry)
{
    struct stat info;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
        strncmp(entry->d_name, VS_STAGED_PREFIX, sizeof VS_STAGED_PREFIX - 1) == 0) {
        return false;
    }
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dir_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

static enum vs_status read_folders(
    struct vs_store *store, DIR *dir, vs_folder_fn visit, void *ctx, struct vs_error *err)
{
    for (;;) {
        errno = 0;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): safe, each stream belongs to one thread
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            return errno == 0 ? VS_OK
                              : vs_fail_errno(err, errno, "cannot list %s", store->root_uri);
        }
        if (is_folder(dirfd(dir), entry)) {
            VS_TRY(visit(ctx, vs_str_from_c(entry->d_name), err));
        }
    }
}

enum vs_status vs_dir_list_folders(
    struct vs_store *store, const char *prefix, vs_folder_fn visit, void *ctx, struct vs_error *err)
{
    char key[VS_KEY_SIZE_MAX + 4];
    int parent_fd = -1;
    const char *leaf = NULL;
    (void)snprintf(key, sizeof key, "%sx", prefix); // the directory that would hold it
    enum vs_status status =
        vs_dir_open_parent((struct vs_store_dir *)store, key, false, &parent_fd, &leaf, err);
    if (status == VS_NOT_FOUND) {
        return VS_OK;
    }
    VS_TRY(status);
    int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failure = errno;
    (void)close(parent_fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        failure = fd < 0 ? failure : errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return vs_fail_errno(err, failure, "cannot list %s/%s", store->root_uri, prefix);
    }
    status = read_folders(store, dir, visit, ctx, err);
    (void)closedir(dir);
    return status;
}
