// SPDX-License-Identifier: Apache-2.0
/*
 * Parquet reader: streams rows in batches with memory bounded by pages, not by row groups or files.
 *
 * Reads data pages v1 and v2; PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY, RLE, BIT_PACKED levels,
 * DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY, BYTE_STREAM_SPLIT; codecs none,
 * snappy, gzip, zstd, lz4_raw, brotli; page CRCs are checked where present. Lists: 3-level and
 * legacy 2-level forms of a list of a primitive. Everything else is VS_UNSUPPORTED by name. Spec:
 * apache/parquet-format, README.md and Encodings.md; byte facts in iceberg.md section 4. Ownership:
 * the reader borrows the file. Threads: a reader may be shared; a scan has one owner.
 */
#ifndef VS_FORMAT_PARQUET_READ_H
#define VS_FORMAT_PARQUET_READ_H

#include "vecstore/base/io.h"
#include "vecstore/format/column.h"

struct vs_parquet_reader;
struct vs_parquet_scan;

enum vs_status vs_parquet_open(const struct vs_env *env,
                               struct vs_file *file,
                               struct vs_parquet_reader **reader_out,
                               struct vs_error *err);
void vs_parquet_close(struct vs_parquet_reader *reader);
// Verifies what reading rows does not need: the page indexes. The footer was verified when the file
// was opened, pages are when they are read.
enum vs_status vs_parquet_verify(const struct vs_parquet_reader *reader, struct vs_error *err);

// Top-level columns as fields (id -1 where the file has no field id; unsupported nested types are
// VS_KIND_OTHER). Borrowed.
const struct vs_schema *vs_parquet_schema(const struct vs_parquet_reader *reader);
uint64_t vs_parquet_row_count(const struct vs_parquet_reader *reader);
size_t vs_parquet_row_group_count(const struct vs_parquet_reader *reader);
const char *vs_parquet_created_by(const struct vs_parquet_reader *reader);

// Opens a scan over the given top-level columns (indexes into the schema). `as` (may be NULL) gives
// the field wanted for each, for the promotions int->long, float->double and for DOUBLE/FLOAT list
// elements read as LIST<FLOAT>; otherwise kinds must match.
enum vs_status vs_parquet_scan_open(struct vs_parquet_reader *reader,
                                    const size_t *columns,
                                    size_t column_count,
                                    const struct vs_field *as,
                                    struct vs_parquet_scan **scan_out,
                                    struct vs_error *err);
void vs_parquet_scan_close(struct vs_parquet_scan *scan);
// Appends up to max_rows rows to batch (which has one column per projected column; reset by the
// caller). batch->row_count is set; 0 new rows: end.
enum vs_status vs_parquet_scan_next(struct vs_parquet_scan *scan,
                                    size_t max_rows,
                                    struct vs_batch *batch,
                                    struct vs_error *err);
// Continues at this row of the file (0-based), reading as few pages as the offset index allows.
enum vs_status vs_parquet_scan_seek(struct vs_parquet_scan *scan,
                                    uint64_t row,
                                    struct vs_error *err);

#endif
