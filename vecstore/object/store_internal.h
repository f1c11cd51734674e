// SPDX-License-Identifier: Apache-2.0
/*
 * What the implementations of the store share; included by this folder only.
 */
#ifndef VS_OBJECT_STORE_INTERNAL_H
#define VS_OBJECT_STORE_INTERNAL_H

#include "vecstore/base/text.h"
#include "vecstore/object/store.h"

#define VS_KEY_SIZE_MAX 1024 // bytes, as in S3

// Names of staged files start with this; keys whose last part does are refused, lists skip them.
#define VS_STAGED_PREFIX ".vs-staged-"

// INVALID unless key keeps the rules at the top of store.h.
enum vs_status vs_key_validate(const char *key, struct vs_error *err);
// The same for the start of a key; "" is allowed.
enum vs_status vs_key_prefix_validate(const char *prefix, struct vs_error *err);

// A file-system store whose root directory is `path` (absolute).
enum vs_status vs_store_dir_open(const struct vs_env *env,
                                 struct vs_str path,
                                 bool create,
                                 struct vs_store **store_out,
                                 struct vs_error *err);

// A store in a bucket: `rest` is what follows the colon of "s3://bucket/prefix".
enum vs_status vs_store_s3_open(const struct vs_env *env,
                                struct vs_str rest,
                                const struct vs_settings *settings,
                                struct vs_store **store_out,
                                struct vs_error *err);

// Counters; any thread.
void vs_store_count_request(struct vs_store *store);
void vs_store_count_read(struct vs_store *store, size_t n);
void vs_store_count_written(struct vs_store *store, size_t n);

#endif
