// SPDX-License-Identifier: Apache-2.0
/*
 * The columns of JSON lines from a sample of them: integers become long, reals double, texts string
 * (dates too), arrays lists; numbers under the vector column's name (or a base64 text there) become
 * list<float>.
 */
#ifndef VS_INGEST_JSONL_INFER_H
#define VS_INGEST_JSONL_INFER_H

#include "ingest/line_reader.h"
#include "vecstore/base/arena.h"
#include "vecstore/format/schema.h"

#define VS_INFER_LINES 1000

// Reads at most VS_INFER_LINES lines; the caller rewinds. INVALID names line and key where types
// contradict each other.
enum vs_status vs_jsonl_infer(const struct vs_env *env,
                              struct vs_line_reader *reader,
                              struct vs_str vector_name,
                              struct vs_arena *arena,
                              struct vs_schema *schema_out,
                              struct vs_error *err);

#endif
