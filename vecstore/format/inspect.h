// SPDX-License-Identifier: Apache-2.0
/*
 * One file of a table, described as one JSON object: structure, and with a digest what its values
 * are (render_value.h), so that two readers can be compared exactly.
 *
 * The object is written to the caller's writer; on failure what was written is incomplete and the
 * caller drops it. Members are named in docs/internals/inspect.md. Memory: as the readers; Avro and
 * bitmaps are read whole, up to VS_INSPECT_MAX_BYTES. Threads: values.
 */
#ifndef VS_FORMAT_INSPECT_H
#define VS_FORMAT_INSPECT_H

#include "vecstore/base/io.h"
#include "vecstore/base/json.h"

#define VS_INSPECT_MAX_BYTES ((size_t)1 << 30)

struct vs_inspect_request {
    bool digest;        // also reads every value: nulls and digests
    uint64_t rows;      // renders so many rows (Parquet, Avro) as an array `values`
    uint64_t first_row; // from this one on
};

// A rendering: a text, or {"hex": …} where the bytes are no UTF-8.
void vs_inspect_rendering(struct vs_json_writer *w, struct vs_str bytes);
// Chooses by the file's first and last bytes; INVALID names the formats that are known.
enum vs_status vs_inspect_file(const struct vs_env *env,
                               struct vs_file *file,
                               const struct vs_inspect_request *options,
                               struct vs_json_writer *w,
                               struct vs_error *err);

enum vs_status vs_inspect_parquet(const struct vs_env *env,
                                  struct vs_file *file,
                                  const struct vs_inspect_request *options,
                                  struct vs_json_writer *w,
                                  struct vs_error *err);
// Manifests, manifest lists and any other Avro file.
enum vs_status vs_inspect_avro(const struct vs_env *env,
                               struct vs_file *file,
                               const struct vs_inspect_request *options,
                               struct vs_json_writer *w,
                               struct vs_error *err);
enum vs_status vs_inspect_puffin(const struct vs_env *env,
                                 struct vs_file *file,
                                 const struct vs_inspect_request *options,
                                 struct vs_json_writer *w,
                                 struct vs_error *err);
// A bare deletion-vector blob or a portable 64-bit roaring bitmap.
enum vs_status vs_inspect_bitmap(const struct vs_env *env,
                                 struct vs_file *file,
                                 const struct vs_inspect_request *options,
                                 struct vs_json_writer *w,
                                 struct vs_error *err);

#endif
