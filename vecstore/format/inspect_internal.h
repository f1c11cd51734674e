// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by the inspect_*.c files. Not for other files.
 */
#ifndef VS_FORMAT_INSPECT_INTERNAL_H
#define VS_FORMAT_INSPECT_INTERNAL_H

#include "vecstore/format/inspect.h"
#include "vecstore/format/record_internal.h"

void vs_inspect_text(struct vs_json_writer *w, const char *key, const char *text);
void vs_inspect_str(struct vs_json_writer *w, const char *key, struct vs_str text);
void vs_inspect_u64(struct vs_json_writer *w, const char *key, uint64_t value);
void vs_inspect_i64(struct vs_json_writer *w, const char *key, int64_t value);
void vs_inspect_digest(struct vs_json_writer *w, const char *key, uint64_t digest);
// The whole file; free with vs_buf_clear. LIMIT above VS_INSPECT_MAX_BYTES.
enum vs_status vs_inspect_read_all(const struct vs_env *env,
                                   struct vs_file *file,
                                   struct vs_buf *bytes_out,
                                   struct vs_error *err);

struct vs_inspect_column {
    uint64_t nulls, digest;
};

struct vs_inspect_leaf {
    uint64_t entries, present, digest;
};

// inspect_digest.c: arrays as long as the columns and the leaves, in the arena.
enum vs_status vs_inspect_digest_columns(struct vs_parquet_reader *reader,
                                         struct vs_arena *arena,
                                         struct vs_inspect_column **columns_out,
                                         struct vs_error *err);
enum vs_status vs_inspect_digest_leaves(struct vs_parquet_reader *reader,
                                        struct vs_arena *arena,
                                        const struct vs_record_leaf_info *infos,
                                        size_t count,
                                        struct vs_inspect_leaf **leaves_out,
                                        struct vs_error *err);
// The member `values`.
enum vs_status vs_inspect_rows(struct vs_parquet_reader *reader,
                               const struct vs_inspect_request *options,
                               struct vs_json_writer *w,
                               struct vs_error *err);

#endif
