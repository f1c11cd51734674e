// SPDX-License-Identifier: Apache-2.0
/*
 * Objects behind a URI: the only way to disk or network.
 *
 * A store is rooted at a warehouse URI; keys are relative paths below it
 * ("ns/table/metadata/v1.metadata.json", '/'-separated, no leading '/', no empty, "." or ".."
 * part). Objects are immutable once visible: a put or a finished writer makes the whole object
 * visible at once or not at all.
 *
 * Promised of every implementation (tests/conform runs one suite over all of them):
 *  - put IF_ABSENT: exactly one of several concurrent callers wins, the others get VS_EXISTS;
 *  - a put that returns VS_OK is durable (local: fsync of file and directory); a put that returns
 * VS_UNKNOWN may or may not be visible later;
 *  - open/read sees all that was put before; list sees all finished objects in ascending byte order
 * of keys. Implementations: store_dir.c, store_dir_write.c (file system), store_s3.c (S3),
 * store_mem.c (tests), store_hook.c (faults). Ownership: a store outlives its files and writers.
 * Threads: stores and files may be shared; a writer has one owner.
 */
#ifndef VS_OBJECT_STORE_H
#define VS_OBJECT_STORE_H

#include "vecstore/base/buf.h"
#include "vecstore/base/env.h"
#include "vecstore/base/io.h"
#include "vecstore/base/settings.h"
#include "vecstore/base/str.h"

struct vs_store;

struct vs_object_info {
    struct vs_str key; // borrowed for the callback
    uint64_t size;
    int64_t modified_ms;
};

typedef enum vs_status (*vs_list_fn)(void *ctx,
                                     const struct vs_object_info *object,
                                     struct vs_error *err);

// name: one folder, without '/'; borrowed for the callback.
typedef enum vs_status (*vs_folder_fn)(void *ctx, struct vs_str name, struct vs_error *err);

// What a store says about one state of an object, to change it only if it is still that state (an
// S3 ETag).
#define VS_ETAG_SIZE 128

// What tells one object from every other that had or will have its key: device, file number, size,
// and when content or name last changed.
struct vs_object_stamp {
    uint64_t device, number, size;
    int64_t changed_s, changed_ns, modified_s, modified_ns;
};

struct vs_store_vtable {
    enum vs_status (*open)(struct vs_store *store,
                           const char *key,
                           struct vs_file **file_out,
                           struct vs_error *err);
    enum vs_status (*put)(struct vs_store *store,
                          const char *key,
                          struct vs_str bytes,
                          enum vs_put_mode mode,
                          struct vs_error *err);
    enum vs_status (*create)(struct vs_store *store,
                             const char *key,
                             struct vs_writer **writer_out,
                             struct vs_error *err);
    enum vs_status (*list)(struct vs_store *store,
                           const char *prefix,
                           vs_list_fn visit,
                           void *ctx,
                           struct vs_error *err);
    enum vs_status (*remove)(struct vs_store *store, const char *key, struct vs_error *err);
    // The rest may be NULL: see the functions of the same names for what then happens.
    enum vs_status (*get_tagged)(struct vs_store *store,
                                 const char *key,
                                 struct vs_buf *buf,
                                 char etag_out[VS_ETAG_SIZE],
                                 struct vs_error *err);
    enum vs_status (*put_match)(struct vs_store *store,
                                const char *key,
                                struct vs_str bytes,
                                const char *etag,
                                struct vs_error *err);
    enum vs_status (*remove_many)(struct vs_store *store,
                                  const char *const *keys,
                                  size_t count,
                                  struct vs_error *err);
    enum vs_status (*check_writable)(struct vs_store *store,
                                     const char *prefix,
                                     struct vs_error *err);
    enum vs_status (*list_folders)(struct vs_store *store,
                                   const char *prefix,
                                   vs_folder_fn visit,
                                   void *ctx,
                                   struct vs_error *err);
    enum vs_status (*exists)(struct vs_store *store,
                             const char *key,
                             bool *exists_out,
                             struct vs_error *err);
    enum vs_status (*copy)(struct vs_store *store,
                           const char *from,
                           const char *to,
                           struct vs_error *err);
    enum vs_status (*open_sized)(struct vs_store *store,
                                 const char *key,
                                 uint64_t size,
                                 struct vs_file **file_out,
                                 struct vs_error *err);
    bool (*stamp)(struct vs_store *store, const char *key, struct vs_object_stamp *stamp_out);
    void (*free)(struct vs_store *store);
};

// Counters of one store since it was opened; relaxed atomics.
struct vs_store_counters {
    uint64_t requests;
    uint64_t bytes_read;
    uint64_t bytes_written;
    double usd; // price of the requests at the store's rates; 0 for stores that cost nothing
};

// Implementations embed these as their first member.
struct vs_store {
    const struct vs_store_vtable *vtable;
    const struct vs_env *env;
    const char *root_uri;   // canonical, no trailing slash: "file:///abs/path", "mem://name"
    const char *root_alias; // another spelling that vs_store_key accepts (symbolic links resolved);
                            // NULL: none
    bool counts_itself;     // requests and bytes, since one call is not one request there
    _Atomic uint64_t requests, bytes_read, bytes_written;
    _Atomic uint64_t nano_usd; // price of the requests so far, in billionths of a dollar
    _Atomic int writable;      // vs_store_check_writable: 0 not asked, 1 proved
};

// Opens "file:///abs", "file:/abs" or a plain path (made absolute; created when missing and create
// is true). NOT_FOUND when missing; UNSUPPORTED names an unknown scheme and lists the known ones.
enum vs_status vs_store_open(const struct vs_env *env,
                             const char *uri,
                             bool create,
                             struct vs_store **store_out,
                             struct vs_error *err);
// The same with settings (s3.endpoint, s3.access-key-id, client.region, …; docs/operations/s3.md).
// "s3://bucket/prefix" (also s3a, s3n) makes no request yet.
enum vs_status vs_store_open_with(const struct vs_env *env,
                                  const char *uri,
                                  const struct vs_settings *settings,
                                  bool create,
                                  struct vs_store **store_out,
                                  struct vs_error *err);
// Of an S3 store whose catalog vends credentials; see aws_credentials.h. Before the first request.
struct vs_aws_provider;
struct vs_aws_provider *vs_store_credentials(struct vs_store *store); // NULL: not an S3 store
enum vs_status vs_store_open_mem(const struct vs_env *env,
                                 const char *name,
                                 struct vs_store **store_out,
                                 struct vs_error *err);
void vs_store_free(struct vs_store *store); // accepts NULL

// The object's full URI, as written into table metadata. NUL-terminated in buf (buf is reset
// first).
enum vs_status vs_store_uri(const struct vs_store *store,
                            const char *key,
                            struct vs_buf *buf,
                            struct vs_error *err);
// The key of a URI below this store's root ("file:/x", "file:///x" and plain "/x" are the same);
// VS_DENIED with both names when it lies outside. NUL-terminated in buf (buf is reset first).
enum vs_status vs_store_key(const struct vs_store *store,
                            struct vs_str uri,
                            struct vs_buf *buf,
                            struct vs_error *err);

// VS_NOT_FOUND when there is no such object.
enum vs_status vs_file_open(struct vs_store *store,
                            const char *key,
                            struct vs_file **file_out,
                            struct vs_error *err);
// The same for an object whose size is known from elsewhere: a store that is far away is not asked
// before the first read, which then says NOT_FOUND. CORRUPT when it has another size.
enum vs_status vs_file_open_sized(struct vs_store *store,
                                  const char *key,
                                  uint64_t size,
                                  struct vs_file **file_out,
                                  struct vs_error *err);
// Whole object into buf (initialised by the caller; its limit is honoured with VS_LIMIT).
enum vs_status vs_store_get(struct vs_store *store,
                            const char *key,
                            struct vs_buf *buf,
                            struct vs_error *err);
// The same with the tag of the state that was read ("" when the store has none).
enum vs_status vs_store_get_tagged(struct vs_store *store,
                                   const char *key,
                                   struct vs_buf *buf,
                                   char etag_out[VS_ETAG_SIZE],
                                   struct vs_error *err);
// Replaces the object if it still has this tag: VS_CONFLICT when it does not. A store without tags
// replaces it in any case (only hints are written so, where the last writer may win).
enum vs_status vs_store_put_match(struct vs_store *store,
                                  const char *key,
                                  struct vs_str bytes,
                                  const char *etag,
                                  struct vs_error *err);
enum vs_status vs_store_exists(struct vs_store *store,
                               const char *key,
                               bool *exists_out,
                               struct vs_error *err);

// One cheap look at which object a key names; false: the store has no such thing, or the object is
// not there. Equal stamps: still the same object with the same bytes. Of a folder, where the store
// can tell: no name in it came, went or was replaced after the first of two equal stamps was older
// than VS_STAMP_SETTLE_NS (clocks of file systems are coarse: two changes may have one time).
#define VS_STAMP_SETTLE_NS INT64_C(3000000000)
bool vs_store_stamp(struct vs_store *store, const char *key, struct vs_object_stamp *stamp_out);
bool vs_object_stamp_is(const struct vs_object_stamp *a, const struct vs_object_stamp *b);

// The first of at most VS_FIND_KEYS_MAX keys that is there, `count` when none is. A store that is
// far away is asked for all of them at once.
#define VS_FIND_KEYS_MAX 8
enum vs_status vs_store_find_first(struct vs_store *store,
                                   const char *const *keys,
                                   size_t count,
                                   size_t *first_out,
                                   struct vs_error *err);
// Whether requests travel: it pays to have several under way.
bool vs_store_is_remote(const struct vs_store *store);

// Makes `to` a copy of `from`, replacing what is there; inside the store where it can do that.
enum vs_status vs_store_copy(struct vs_store *store,
                             const char *from,
                             const char *to,
                             struct vs_error *err);

enum vs_status vs_store_put(struct vs_store *store,
                            const char *key,
                            struct vs_str bytes,
                            enum vs_put_mode mode,
                            struct vs_error *err);
// Streams a new object; nothing is visible before finish. free after finish releases, free without
// finish abandons and removes what was staged.
enum vs_status vs_writer_open(struct vs_store *store,
                              const char *key,
                              struct vs_writer **writer_out,
                              struct vs_error *err);
// (vs_file_read, vs_file_close, vs_writer_write, vs_writer_copy, vs_writer_finish, vs_writer_free:
// vecstore/base/io.h)

enum vs_status vs_store_list(
    struct vs_store *store, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err);
// The folders right below `prefix` ("" or ending in '/'), each once, in no promised order; a
// missing prefix has none. A store without list_folders walks all keys below the prefix.
enum vs_status vs_store_list_folders(struct vs_store *store,
                                     const char *prefix,
                                     vs_folder_fn visit,
                                     void *ctx,
                                     struct vs_error *err);
enum vs_status vs_store_remove(struct vs_store *store,
                               const char *key,
                               struct vs_error *err); // missing is VS_OK
// Many at once; missing ones are no error. A failure may leave some removed; the message names one
// that was not.
enum vs_status vs_store_remove_many(struct vs_store *store,
                                    const char *const *keys,
                                    size_t count,
                                    struct vs_error *err);
// Proves once per store that a conditional create below `prefix` is honoured (two creates of one
// scratch key: the first must win, the second must lose); UNSUPPORTED says what the store did
// wrong. Called before the first commit; local stores need no proof. The answer is remembered.
enum vs_status vs_store_check_writable(struct vs_store *store,
                                       const char *prefix,
                                       struct vs_error *err);
struct vs_store_counters vs_store_count(const struct vs_store *store);

// A wrapper for tests: calls before every operation of `inner`; the hook may fail it ("enospc at
// the n-th write") or stop the process. op is "open", "read", "put", "create", "write", "finish",
// "list", "remove", "exists", "copy" (key: what is made), "check" (vs_store_check_writable; key:
// the prefix). A whole object that is read is "open" and "read"; of several that are removed each
// is asked for. Takes `inner`.
typedef enum vs_status (*vs_store_hook_fn)(void *ctx,
                                           const char *op,
                                           const char *key,
                                           struct vs_error *err);
enum vs_status vs_store_wrap_hook(struct vs_store *inner,
                                  vs_store_hook_fn hook,
                                  void *ctx,
                                  struct vs_store **store_out,
                                  struct vs_error *err);

#endif
