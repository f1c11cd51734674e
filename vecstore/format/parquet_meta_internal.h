// SPDX-License-Identifier: Apache-2.0
/*
 * How parquet_meta.c and parquet_meta_page.c walk Thrift structs. Not for other files.
 */
#ifndef VS_FORMAT_PARQUET_META_INTERNAL_H
#define VS_FORMAT_PARQUET_META_INTERNAL_H

#include "vecstore/format/parquet_meta.h"
#include "vecstore/format/thrift.h"

// Handles one field of a struct: consumes its value into target, or skips it.
typedef enum vs_status (*vs_pq_field_fn)(struct vs_thrift_reader *r,
                                         const struct vs_thrift_field *f,
                                         struct vs_arena *arena,
                                         void *target,
                                         struct vs_error *err);

enum vs_status vs_pq_parse_struct(struct vs_thrift_reader *r,
                                  struct vs_arena *arena,
                                  vs_pq_field_fn use,
                                  void *target,
                                  struct vs_error *err);
enum vs_status vs_pq_parse_struct_field(struct vs_thrift_reader *r,
                                        const struct vs_thrift_field *f,
                                        struct vs_arena *arena,
                                        vs_pq_field_fn use,
                                        void *target,
                                        struct vs_error *err);

struct vs_pq_list {
    void *items;
    size_t count;
};

// A list of structs of `size` bytes each, in the arena.
enum vs_status vs_pq_parse_struct_list(struct vs_thrift_reader *r,
                                       const struct vs_thrift_field *f,
                                       struct vs_arena *arena,
                                       vs_pq_field_fn use,
                                       size_t size,
                                       struct vs_pq_list *list_out,
                                       struct vs_error *err);
enum vs_status vs_pq_parse_str_list(struct vs_thrift_reader *r,
                                    const struct vs_thrift_field *f,
                                    struct vs_arena *arena,
                                    struct vs_str **array_out,
                                    size_t *count_out,
                                    struct vs_error *err);
enum vs_status vs_pq_make_array(struct vs_thrift_reader *r,
                                struct vs_arena *arena,
                                size_t count,
                                size_t size,
                                void **array_out,
                                struct vs_error *err);

#endif
