// SPDX-License-Identifier: Apache-2.0
/*
 * Opens arbitrary bytes as an index and searches it. What begins like a list directory or like JSON
 * goes to the decoder of that part alone. An odd byte in the gap behind the file's magic asks for
 * mended checksums of section headers and directories, so that damage gets past them.
 */
#include "index/descriptor.h"
#include "index/index.h"
#include "index/index_format.h"
#include "index/index_moved.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + VS_SECTION_HEADER_SIZE <= size; at += VS_INDEX_ALIGN) {
        uint8_t *header = bytes + at;
        if (header[0] != 'V' || header[1] != 'S') {
            continue;
        }
        if (memcmp(header, "VSHOT", 5) == 0) {
            uint64_t directory = (uint64_t)vs_load_u32le(header + 24) * VS_LIST_RECORD_SIZE;
            if (directory <= size - at - VS_SECTION_HEADER_SIZE) {
                vs_store_u32le(header + 44,
                               vs_crc32c(0, header + VS_SECTION_HEADER_SIZE, (size_t)directory));
            }
        }
        vs_store_u32le(header + 60, vs_crc32c(0, header, 60));
    }
}

static void search_all(const struct vs_index *index, struct vs_index_scratch *scratch)
{
    const struct vs_index_info *info = vs_index_info(index);
    for (size_t s = 0; s < info->segment_count && s < 4; s++) {
        for (size_t c = 0; c < info->column_count && c < 4; c++) {
            struct vs_index_hit hits[10];
            struct vs_error err;
            size_t count = 0;
            float *vector = calloc(info->columns[c].dim, sizeof *vector);
            if (vector == NULL) {
                return;
            }
            vector[0] = 1.0F;
            struct vs_index_query query = {.segment = s, .column = c, .vector = vector, .k = 10};
            vs_ignore(vs_index_search(index, &query, scratch, hits, &count, NULL, &err));
            const uint32_t row = 0;
            bool present = false;
            query.rescore = true; // stored vectors of either width
            vs_ignore(vs_index_search(index, &query, scratch, hits, &count, NULL, &err));
            vs_ignore(vs_index_fetch_vectors(index, s, c, &row, 1, vector, &present, &err));
            free(vector);
        }
        for (size_t f = 0; f < info->field_count && f < 8; f++) {
            struct vs_column column;
            struct vs_error err;
            if (vs_index_load_column(index, s, info->fields[f].id, &column, &err) == VS_OK) {
                vs_column_clear(&column);
            }
        }
    }
}

static void open_and_search(const uint8_t *bytes,
                            size_t size,
                            const struct vs_index_open_options *options)
{
    const struct vs_env *env = vs_env_default();
    struct vs_error err;
    struct vs_file *file = NULL;
    struct vs_index *index = NULL;
    struct vs_index_scratch *scratch = NULL;
    struct vs_str view = {(const char *)bytes, size};
    if (vs_file_open_bytes(env, view, "fuzz.puffin", &file, &err) == VS_OK &&
        vs_index_open(env, file, options, &index, &err) == VS_OK &&
        vs_index_scratch_new(env, &scratch, &err) == VS_OK) {
        search_all(index, scratch);
    }
    vs_index_scratch_free(scratch);
    vs_index_close(index);
    vs_file_close(file);
}

static void decode_hot(const uint8_t *bytes, size_t size)
{
    struct vs_error err;
    struct vs_hot_facts facts;
    if (size < VS_SECTION_HEADER_SIZE) {
        return;
    }
    uint32_t lists = vs_load_u32le(bytes + 24), dim = 8;
    if (lists > size / VS_LIST_RECORD_SIZE) {
        return;
    }
    struct vs_hot_expect expect = {lists,
                                   vs_load_u32le(bytes + 28),
                                   dim,
                                   vs_load_u32le(bytes + 36),
                                   vs_load_u64le(bytes + 48),
                                   vs_rows_blob_length(vs_load_u32le(bytes + 36), dim)};
    struct vs_list_record *records = calloc((size_t)lists + 1, sizeof *records);
    if (records != NULL) {
        vs_ignore(vs_hot_decode(bytes, size, &expect, "fuzz", &facts, records, &err));
    }
    free(records);
}

// The runs of one file, whose rows stand in a reserved field of the header.
static void decode_moved(const uint8_t *bytes, size_t size)
{
    struct vs_error err;
    struct vs_arena arena;
    if (size < VS_SECTION_HEADER_SIZE) {
        return;
    }
    const struct vs_index_segment segments[] = {{.row_count = 40}, {.row_count = 100000}};
    const struct vs_index_moved_file file = {.row_count = vs_load_u32le(bytes + 32),
                                             .run_count = vs_load_u32le(bytes + 28)};
    struct vs_index_info info = {
        .segment_count = 2, .segments = segments, .moved_count = 1, .moved = &file};
    vs_arena_init(&arena, vs_env_default(), 64u << 20);
    vs_ignore(vs_moved_runs_decode(vs_env_default(), (struct vs_str){(const char *)bytes, size},
                                   "fuzz", &arena, &info, &err));
    vs_arena_clear(&arena);
}

static void decode_descriptor(const uint8_t *bytes, size_t size)
{
    struct vs_error err;
    struct vs_arena arena;
    struct vs_descriptor descriptor;
    vs_arena_init(&arena, vs_env_default(), 64u << 20);
    vs_ignore(vs_descriptor_decode(vs_env_default(), (struct vs_str){(const char *)bytes, size},
                                   "fuzz", &arena, &descriptor, &err));
    vs_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    if (size > 0 && bytes[0] == '{') {
        decode_descriptor(bytes, size);
    } else if (size > 0 && bytes[0] == 'V') {
        mend(bytes, size);
        if (size > 7 && memcmp(bytes, "VSMOVED", 7) == 0) {
            decode_moved(bytes, size);
        } else {
            decode_hot(bytes, size);
        }
    } else {
        if (size > 4 && (bytes[4] & 1) != 0) {
            mend(bytes, size);
        }
        static const struct vs_index_open_options modes[] = {
            {.thread_count = 1},
            {.lazy = true, .idle = true},
            {.lazy = true, .idle = true, .rows_in_file = true, .tail_bytes = 1000}};
        for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
            open_and_search(bytes, size, &modes[i]);
        }
    }
    free(bytes);
    return 0;
}
