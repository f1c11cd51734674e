// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of the file-system store share (store_dir.c, store_dir_write.c,
 * store_dir_path.c, store_dir_list.c).
 */
#ifndef VS_OBJECT_STORE_DIR_INTERNAL_H
#define VS_OBJECT_STORE_DIR_INTERNAL_H

#include "vecstore/object/store_internal.h"

#include <pthread.h>
#include <sys/types.h>

#define VS_DURABLE_SLOTS 1024

// A directory whose entry in its parent is known to be on disk.
struct vs_durable_dir {
    dev_t device;
    ino_t inode;
};

struct vs_store_dir {
    struct vs_store base;
    int root_fd;
    dev_t stamped_device; // where folders have stamps; 0: nowhere
    pthread_mutex_t lock;
    struct vs_durable_dir durable[VS_DURABLE_SLOTS]; // guarded by lock; a slot by hash, newest wins
};

// Fails for a system call on an object; a full disk says so and what to do.
enum vs_status vs_dir_fail(const struct vs_store *store,
                           const char *key,
                           const char *action,
                           int errno_value,
                           struct vs_error *err);

// Opens the directory that holds key, following no symbolic link; *leaf_out points at the last part
// of key. Makes missing directories, durably, when `create`. NOT_FOUND when missing.
enum vs_status vs_dir_open_parent(struct vs_store_dir *store,
                                  const char *key,
                                  bool create,
                                  int *fd_out,
                                  const char **leaf_out,
                                  struct vs_error *err);

// fsync of a directory given by an O_PATH descriptor; 0 or an errno.
int vs_dir_sync(int dir_fd);

// Makes the directories of an absolute path, durably; 0 or an errno.
int vs_dir_make_path(const char *path);

// The descriptor of an open file of a file-system store; -1 for any other file.
int vs_dir_file_fd(const struct vs_file *file);

// store_dir_write.c: the put and create operations of the store.
enum vs_status vs_dir_put(struct vs_store *store,
                          const char *key,
                          struct vs_str bytes,
                          enum vs_put_mode mode,
                          struct vs_error *err);
enum vs_status vs_dir_create(struct vs_store *store,
                             const char *key,
                             struct vs_writer **writer_out,
                             struct vs_error *err);

// The list operation of the store.
enum vs_status vs_dir_list(
    struct vs_store *store, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err);

// The list_folders operation of the store.
enum vs_status vs_dir_list_folders(struct vs_store *store,
                                   const char *prefix,
                                   vs_folder_fn visit,
                                   void *ctx,
                                   struct vs_error *err);

#endif
