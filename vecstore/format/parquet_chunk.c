// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_chunk.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/format/codec.h"

#define TRUSTED_SIZE                                                                               \
    (4u << 20) // a page that states more, at an unlikely ratio, grows as it comes out instead of
               // being allocated at once
#define TRUSTED_RATIO 32
#define HEADER_STEP 4096         // bytes in which a page header is looked for first
#define HEADER_LIMIT (16u << 20) // statistics can make headers large
#define SIZE_SLACK                                                                                 \
    100 // parquet-mr before 1.2.9 left the dictionary page's header out of the chunk's size
        // (PARQUET-816)

void vs_pq_chunk_init(struct vs_pq_chunk *chunk, const struct vs_env *env, struct vs_file *file)
{
    *chunk = (struct vs_pq_chunk){.env = env, .file = file};
    vs_buf_init(&chunk->window, env, SIZE_MAX / 2);
    vs_buf_init(&chunk->page, env, VS_PQ_PAGE_LIMIT);
}

void vs_pq_chunk_clear(struct vs_pq_chunk *chunk)
{
    vs_buf_clear(&chunk->window);
    vs_buf_clear(&chunk->page);
}

enum vs_status vs_pq_chunk_open(struct vs_pq_chunk *chunk,
                                const struct vs_pq_column_chunk *meta,
                                uint64_t data_end,
                                struct vs_error *err)
{
    if (meta->is_encrypted) {
        return vs_fail(
            err, VS_UNSUPPORTED,
            "the column is encrypted (Parquet modular encryption); decrypt the file first");
    }
    if (meta->file_path.len > 0) {
        return vs_fail(err, VS_UNSUPPORTED, "the column's data lies in another file ('%.*s')",
                       VS_STR_ARG(meta->file_path));
    }
    if (!meta->has_meta) {
        return vs_fail(err, VS_CORRUPT, "the column chunk has no metadata");
    }
    if (meta->codec == VS_PQ_LZO || meta->codec < 0 || meta->codec > VS_PQ_LZ4_RAW) {
        return vs_fail(err, VS_UNSUPPORTED, "codec %s (%d) cannot be read",
                       vs_pq_codec_name(meta->codec), (int)meta->codec);
    }
    int64_t start = meta->data_page_offset;
    // An offset of 0 means that there is no dictionary page, whatever the flag says.
    if (meta->has_dictionary_page_offset && meta->dictionary_page_offset > 0 &&
        meta->dictionary_page_offset < start) {
        start = meta->dictionary_page_offset;
    }
    if (meta->num_values == 0) { // offsets of empty chunks are anything: there are no pages to read
        start = 4;
    } else if (start < 4 || meta->total_compressed_size < 0 ||
               !vs_range_fits((uint64_t)start, (uint64_t)meta->total_compressed_size, data_end)) {
        return vs_fail(err, VS_CORRUPT,
                       "the column chunk at byte %lld with %lld bytes does not fit into the file's "
                       "data area of %llu bytes",
                       (long long)start, (long long)meta->total_compressed_size,
                       (unsigned long long)data_end);
    }
    chunk->codec = meta->codec;
    chunk->start = (uint64_t)start;
    chunk->next = chunk->start;
    chunk->stated_end = chunk->start;
    chunk->end = chunk->start;
    if (meta->num_values != 0) {
        chunk->stated_end += (uint64_t)meta->total_compressed_size;
        chunk->end =
            data_end - chunk->stated_end < SIZE_SLACK ? data_end : chunk->stated_end + SIZE_SLACK;
    }
    chunk->read_ahead = VS_PQ_READ_AHEAD;
    chunk->window_offset = 0;
    vs_buf_reset(&chunk->window);
    return VS_OK;
}

enum vs_status vs_pq_chunk_jump(struct vs_pq_chunk *chunk,
                                uint64_t offset,
                                size_t read_ahead,
                                struct vs_error *err)
{
    if (offset < chunk->start || offset >= chunk->end) {
        return vs_fail(err, VS_CORRUPT,
                       "the offset index names a page at byte %llu, outside of its column chunk",
                       (unsigned long long)offset);
    }
    chunk->next = offset;
    chunk->read_ahead = read_ahead;
    return VS_OK;
}

bool vs_pq_chunk_at_end(const struct vs_pq_chunk *chunk)
{
    return chunk->next >= chunk->stated_end;
}

// Makes n bytes from chunk->next available and returns where they are.
static enum vs_status need_bytes(struct vs_pq_chunk *chunk,
                                 size_t n,
                                 const uint8_t **bytes_out,
                                 struct vs_error *err)
{
    struct vs_buf *window = &chunk->window;
    if (n > chunk->end - chunk->next) {
        return vs_fail(err, VS_CORRUPT,
                       "the page at byte %llu reaches beyond the end of its column chunk",
                       (unsigned long long)chunk->next);
    }
    uint64_t window_end = chunk->window_offset + window->len;
    if (chunk->next < chunk->window_offset || chunk->next > window_end) {
        vs_buf_reset(window);
        chunk->window_offset = chunk->next;
        window_end = chunk->next;
    }
    size_t at = (size_t)(chunk->next - chunk->window_offset),
           have = (size_t)(window_end - chunk->next);
    if (have < n) {
        if (have > 0 && at > 0) {
            memmove(window->data, window->data + at, have);
        }
        window->len = have;
        chunk->window_offset = chunk->next;
        size_t want = n > chunk->read_ahead ? n : chunk->read_ahead;
        want = want < chunk->end - chunk->next ? want : (size_t)(chunk->end - chunk->next);
        VS_TRY(vs_buf_reserve(window, want - have, err));
        VS_TRY(
            vs_file_read(chunk->file, chunk->next + have, want - have, window->data + have, err));
        window->len = want;
        chunk->read_ahead =
            chunk->read_ahead < VS_PQ_READ_AHEAD / 2 ? chunk->read_ahead * 2 : VS_PQ_READ_AHEAD;
        at = 0;
    }
    *bytes_out = window->data + at;
    return VS_OK;
}

enum vs_status vs_pq_chunk_peek(struct vs_pq_chunk *chunk,
                                struct vs_pq_page_header *header_out,
                                size_t *size_out,
                                struct vs_error *err)
{
    if (chunk->next >= chunk->end) {
        return vs_fail(err, VS_CORRUPT, "the column chunk ends before its last value");
    }
    uint64_t left = chunk->end - chunk->next;
    for (size_t step = HEADER_STEP;; step *= 8) {
        size_t n = step < left ? step : (size_t)left;
        bool is_last = n == left || step >= HEADER_LIMIT;
        const uint8_t *bytes = NULL;
        VS_TRY(need_bytes(chunk, n, &bytes, err));
        enum vs_status status =
            vs_pq_page_header_parse(bytes, n, "page header", header_out, size_out, err);
        if (status == VS_OK) {
            return VS_OK;
        }
        if (status != VS_CORRUPT || is_last) {
            return vs_wrap(err, status, "page at byte %llu", (unsigned long long)chunk->next);
        }
    }
}

enum vs_status vs_pq_chunk_skip(struct vs_pq_chunk *chunk,
                                const struct vs_pq_page_header *header,
                                size_t header_size,
                                struct vs_error *err)
{
    uint64_t size = header_size + (uint64_t)header->compressed_size;
    if (size > chunk->end - chunk->next) {
        return vs_fail(err, VS_CORRUPT,
                       "the page at byte %llu reaches beyond the end of its column chunk",
                       (unsigned long long)chunk->next);
    }
    chunk->next += size;
    return VS_OK;
}

// The most bytes that `n` compressed bytes can stand for: hostile sizes are refused before they
// allocate.
static uint64_t most_bytes(int32_t codec, uint64_t n)
{
    switch (codec) {
    case VS_PQ_UNCOMPRESSED:
        return n;
    case VS_PQ_SNAPPY:
        return n * 32;
    case VS_PQ_GZIP:
        return n * 1040;
    case VS_PQ_LZ4_HADOOP:
    case VS_PQ_LZ4_RAW:
        return n * 256;
    case VS_PQ_ZSTD:
        return n * 44000 + 131072; // 128 KiB from a block of 4 bytes
    default:
        return VS_PQ_PAGE_LIMIT; // brotli: 16 MiB from a few bytes
    }
}

// Hadoop's frames around LZ4 blocks: big-endian lengths, plain and compressed, before each. Some
// writers left the frames out.
static enum vs_status decompress_hadoop(const struct vs_env *env,
                                        const uint8_t *bytes,
                                        size_t n,
                                        uint8_t *dst,
                                        size_t dst_len,
                                        struct vs_error *err)
{
    size_t at = 0, done = 0;
    while (at < n && n - at >= 8) {
        size_t plain = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                       (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        size_t packed = (size_t)bytes[at + 4] << 24 | (size_t)bytes[at + 5] << 16 |
                        (size_t)bytes[at + 6] << 8 | bytes[at + 7];
        if (packed > n - at - 8 || plain > dst_len - done ||
            vs_codec_decompress(env, VS_CODEC_LZ4_RAW, bytes + at + 8, packed, dst + done, plain,
                                NULL) != VS_OK) {
            break;
        }
        at += 8 + packed;
        done += plain;
    }
    if (at == n && done == dst_len) {
        return VS_OK;
    }
    return vs_codec_decompress(env, VS_CODEC_LZ4_RAW, bytes, n, dst, dst_len, err);
}

// For sizes that are not worth believing: memory follows what really comes out.
static enum vs_status decompress_growing(struct vs_pq_chunk *chunk,
                                         enum vs_codec codec,
                                         struct vs_str in,
                                         size_t dst_len,
                                         struct vs_str *data_out,
                                         struct vs_error *err)
{
    chunk->page.limit = dst_len;
    enum vs_status status = vs_codec_decompress_stream(codec, in.ptr, in.len, &chunk->page, err);
    chunk->page.limit = VS_PQ_PAGE_LIMIT;
    if (status == VS_LIMIT || (status == VS_OK && chunk->page.len != dst_len)) {
        return vs_fail(err, VS_CORRUPT, "a page does not have the %zu bytes that it states",
                       dst_len);
    }
    *data_out = vs_buf_view(&chunk->page);
    return status;
}

static enum vs_status decompress(struct vs_pq_chunk *chunk,
                                 struct vs_str in,
                                 size_t dst_len,
                                 struct vs_str *data_out,
                                 struct vs_error *err)
{
    static const enum vs_codec codecs[] = {
        [VS_PQ_UNCOMPRESSED] = VS_CODEC_NONE, [VS_PQ_SNAPPY] = VS_CODEC_SNAPPY,
        [VS_PQ_GZIP] = VS_CODEC_GZIP,         [VS_PQ_LZO] = VS_CODEC_NONE,
        [VS_PQ_BROTLI] = VS_CODEC_BROTLI,     [VS_PQ_LZ4_HADOOP] = VS_CODEC_LZ4_RAW,
        [VS_PQ_ZSTD] = VS_CODEC_ZSTD,         [VS_PQ_LZ4_RAW] = VS_CODEC_LZ4_RAW};

    if (chunk->codec == VS_PQ_UNCOMPRESSED || (in.len == 0 && dst_len == 0)) {
        if (in.len != dst_len) {
            return vs_fail(err, VS_CORRUPT, "an uncompressed page of %zu bytes states %zu bytes",
                           in.len, dst_len);
        }
        *data_out = in;
        return VS_OK;
    }
    if (dst_len > VS_PQ_PAGE_LIMIT) {
        return vs_fail(err, VS_LIMIT,
                       "a page of %zu bytes is larger than the limit of %u bytes; rewrite the file "
                       "with smaller pages",
                       dst_len, VS_PQ_PAGE_LIMIT);
    }
    if (dst_len > most_bytes(chunk->codec, in.len)) {
        return vs_fail(err, VS_CORRUPT,
                       "a page states %zu bytes, more than %s can make of %zu bytes", dst_len,
                       vs_pq_codec_name(chunk->codec), in.len);
    }
    vs_buf_reset(&chunk->page);
    if (dst_len > TRUSTED_SIZE && dst_len / TRUSTED_RATIO > in.len &&
        chunk->codec != VS_PQ_LZ4_HADOOP) {
        return decompress_growing(chunk, codecs[chunk->codec], in, dst_len, data_out, err);
    }
    VS_TRY(vs_buf_reserve(&chunk->page, dst_len > 0 ? dst_len : 1, err));
    if (chunk->codec == VS_PQ_LZ4_HADOOP) {
        VS_TRY(decompress_hadoop(chunk->env, (const uint8_t *)in.ptr, in.len, chunk->page.data,
                                 dst_len, err));
    } else {
        VS_TRY(vs_codec_decompress(chunk->env, codecs[chunk->codec], in.ptr, in.len,
                                   chunk->page.data, dst_len, err));
    }
    chunk->page.len = dst_len;
    *data_out = vs_buf_view(&chunk->page);
    return VS_OK;
}

static enum vs_status read_v2(struct vs_pq_chunk *chunk,
                              struct vs_str body,
                              struct vs_pq_page *page,
                              struct vs_error *err)
{
    const struct vs_pq_page_header *h = &page->header;
    if (h->repetition_length < 0 || h->definition_length < 0) {
        return vs_fail(err, VS_CORRUPT, "a page has levels of negative length");
    }
    size_t repetition = (size_t)h->repetition_length,
           levels = repetition + (size_t)h->definition_length;
    if (levels > body.len || levels > (size_t)h->uncompressed_size) {
        return vs_fail(err, VS_CORRUPT, "the levels of a page are longer than the page");
    }
    page->repetition = (struct vs_str){body.ptr, repetition};
    page->definition = (struct vs_str){body.ptr + repetition, levels - repetition};
    struct vs_str data = {body.ptr + levels, body.len - levels};
    size_t dst_len = (size_t)h->uncompressed_size - levels;
    if (!h->is_compressed || (data.len == 0 && dst_len == 0)) {
        page->data = data;
        return VS_OK;
    }
    return decompress(chunk, data, dst_len, &page->data, err);
}

enum vs_status vs_pq_chunk_read(struct vs_pq_chunk *chunk,
                                const struct vs_pq_page_header *header,
                                size_t header_size,
                                struct vs_pq_page *page_out,
                                struct vs_error *err)
{
    const uint8_t *bytes = NULL;
    struct vs_pq_page page = {.header = *header};
    if ((size_t)header->compressed_size > VS_PQ_PAGE_LIMIT) {
        return vs_fail(err, VS_LIMIT,
                       "the page at byte %llu is larger than the limit of %u bytes; rewrite the "
                       "file with smaller pages",
                       (unsigned long long)chunk->next, VS_PQ_PAGE_LIMIT);
    }
    VS_TRY(need_bytes(chunk, header_size + (size_t)header->compressed_size, &bytes, err));
    struct vs_str body = {(const char *)bytes + header_size, (size_t)header->compressed_size};
    if (header->has_crc && vs_crc32_zlib(0, body.ptr, body.len) != header->crc) {
        return vs_fail(err, VS_CORRUPT, "the page at byte %llu has a wrong checksum",
                       (unsigned long long)chunk->next);
    }
    if (header->type == VS_PQ_DATA_PAGE_V2) {
        VS_TRY(read_v2(chunk, body, &page, err));
    } else {
        VS_TRY(decompress(chunk, body, (size_t)header->uncompressed_size, &page.data, err));
    }
    chunk->next += header_size + (size_t)header->compressed_size;
    *page_out = page;
    return VS_OK;
}
