// SPDX-License-Identifier: Apache-2.0
/*
 * State of decoding one descriptor, shared by descriptor.c, descriptor_segments.c and
 * descriptor_members.c, nobody else. Ownership: everything lives in the arena. Threads: single
 * owner.
 */
#ifndef VS_INDEX_DESCRIPTOR_INTERNAL_H
#define VS_INDEX_DESCRIPTOR_INTERNAL_H

#include "index/descriptor.h"
#include "vecstore/base/json.h"

struct vs_descriptor_decoder {
    const struct vs_env *env;
    struct vs_arena *arena;
    const char *what;
    struct vs_descriptor *d;
    struct vs_error *err;
};

// descriptor_members.c: members that have to be there, and be in range.
enum vs_status vs_descriptor_no_memory(struct vs_descriptor_decoder *x);
// An array of at most `limit` elements, and zeroed room for them in the arena.
enum vs_status vs_descriptor_array(struct vs_descriptor_decoder *x,
                                   const struct vs_json *object,
                                   const char *key,
                                   size_t limit,
                                   size_t size,
                                   const struct vs_json **array_out,
                                   size_t *count_out,
                                   void **room_out);
enum vs_status vs_descriptor_range(struct vs_descriptor_decoder *x,
                                   const struct vs_json *object,
                                   const char *key,
                                   int64_t low,
                                   int64_t high,
                                   int64_t *out);
enum vs_status vs_descriptor_bool(struct vs_descriptor_decoder *x,
                                  const struct vs_json *object,
                                  const char *key,
                                  bool *out);
enum vs_status vs_descriptor_text(struct vs_descriptor_decoder *x,
                                  const struct vs_json *object,
                                  const char *key,
                                  struct vs_str *out);
enum vs_status vs_descriptor_number(struct vs_descriptor_decoder *x,
                                    const struct vs_json *object,
                                    const char *key,
                                    double most,
                                    float *out);

// descriptor_segments.c; fields and columns have been decoded, and segments before blobs.
enum vs_status vs_descriptor_segments(struct vs_descriptor_decoder *x, const struct vs_json *root);
enum vs_status vs_descriptor_blobs(struct vs_descriptor_decoder *x, const struct vs_json *root);

#endif
