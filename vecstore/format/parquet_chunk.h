// SPDX-License-Identifier: Apache-2.0
/*
 * The pages of one column chunk, one after the other: bounded reads of the file, checksums,
 * decompression.
 *
 * Memory: a window over the file (1 MiB, or one page where pages are larger) and one decompressed
 * page of at most VS_PQ_PAGE_LIMIT bytes. A page's stated size is believed only as far as its codec
 * could have made it from the bytes present. Ownership: borrows the file. Threads: single owner.
 * Spec: apache/parquet-format README.md, "Data Pages".
 */
#ifndef VS_FORMAT_PARQUET_CHUNK_H
#define VS_FORMAT_PARQUET_CHUNK_H

#include "vecstore/base/buf.h"
#include "vecstore/base/io.h"
#include "vecstore/format/parquet_meta.h"

#define VS_PQ_PAGE_LIMIT (512u << 20) // decompressed bytes of one page
#define VS_PQ_READ_AHEAD (1u << 20)

struct vs_pq_chunk {
    const struct vs_env *env;
    struct vs_file *file;
    int32_t codec;        // enum vs_pq_codec
    uint64_t start, end;  // of its pages in the file, with slack for wrong sizes
    uint64_t stated_end;  // as the footer says
    uint64_t next;        // offset of the next page header
    size_t read_ahead;    // bytes of the next refill; doubles up to VS_PQ_READ_AHEAD
    struct vs_buf window; // bytes of the file from window_offset
    uint64_t window_offset;
    struct vs_buf page; // the decompressed page
};

// One page as stored: levels are empty in v1 (they stand at the front of the data).
struct vs_pq_page {
    struct vs_pq_page_header header;
    struct vs_str repetition, definition; // v2
    struct vs_str data;                   // decompressed; valid until the next read
};

void vs_pq_chunk_init(struct vs_pq_chunk *chunk, const struct vs_env *env, struct vs_file *file);
void vs_pq_chunk_clear(struct vs_pq_chunk *chunk);
// Goes to a column chunk: checks codec, offsets and sizes against the data area [4, data_end) of
// the file.
enum vs_status vs_pq_chunk_open(struct vs_pq_chunk *chunk,
                                const struct vs_pq_column_chunk *meta,
                                uint64_t data_end,
                                struct vs_error *err);
// Continues at a page (from an offset index) and reads no more than read_ahead bytes at first.
enum vs_status vs_pq_chunk_jump(struct vs_pq_chunk *chunk,
                                uint64_t offset,
                                size_t read_ahead,
                                struct vs_error *err);
bool vs_pq_chunk_at_end(const struct vs_pq_chunk *chunk);
// Reads the header of the next page without passing it; *size_out: bytes of the header.
enum vs_status vs_pq_chunk_peek(struct vs_pq_chunk *chunk,
                                struct vs_pq_page_header *header_out,
                                size_t *size_out,
                                struct vs_error *err);
// Passes the page that was peeked.
enum vs_status vs_pq_chunk_skip(struct vs_pq_chunk *chunk,
                                const struct vs_pq_page_header *header,
                                size_t header_size,
                                struct vs_error *err);
// Reads and passes the page that was peeked.
enum vs_status vs_pq_chunk_read(struct vs_pq_chunk *chunk,
                                const struct vs_pq_page_header *header,
                                size_t header_size,
                                struct vs_pq_page *page_out,
                                struct vs_error *err);

#endif
