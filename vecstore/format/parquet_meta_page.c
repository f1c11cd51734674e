// SPDX-License-Identifier: Apache-2.0
// Page headers, offset index and column index. The footer is parquet_meta.c's.
#include "vecstore/format/parquet_meta_internal.h"

// ---- page headers ----

static enum vs_status use_data_page(struct vs_thrift_reader *r,
                                    const struct vs_thrift_field *f,
                                    struct vs_arena *arena,
                                    void *target,
                                    struct vs_error *err)
{
    (void)arena;
    struct vs_pq_page_header *h = (struct vs_pq_page_header *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_i32(r, f, &h->num_values, err);
    case 2:
        return vs_thrift_read_i32(r, f, &h->encoding, err);
    case 3:
        return vs_thrift_read_i32(r, f, &h->definition_encoding, err);
    case 4:
        return vs_thrift_read_i32(r, f, &h->repetition_encoding, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_dictionary_page(struct vs_thrift_reader *r,
                                          const struct vs_thrift_field *f,
                                          struct vs_arena *arena,
                                          void *target,
                                          struct vs_error *err)
{
    (void)arena;
    struct vs_pq_page_header *h = (struct vs_pq_page_header *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_i32(r, f, &h->num_values, err);
    case 2:
        return vs_thrift_read_i32(r, f, &h->encoding, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_data_page_v2(struct vs_thrift_reader *r,
                                       const struct vs_thrift_field *f,
                                       struct vs_arena *arena,
                                       void *target,
                                       struct vs_error *err)
{
    (void)arena;
    struct vs_pq_page_header *h = (struct vs_pq_page_header *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_i32(r, f, &h->num_values, err);
    case 2:
        return vs_thrift_read_i32(r, f, &h->num_nulls, err);
    case 3:
        return vs_thrift_read_i32(r, f, &h->num_rows, err);
    case 4:
        return vs_thrift_read_i32(r, f, &h->encoding, err);
    case 5:
        return vs_thrift_read_i32(r, f, &h->definition_length, err);
    case 6:
        return vs_thrift_read_i32(r, f, &h->repetition_length, err);
    case 7:
        return vs_thrift_read_bool(r, f, &h->is_compressed, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_page_header(struct vs_thrift_reader *r,
                                      const struct vs_thrift_field *f,
                                      struct vs_arena *arena,
                                      void *target,
                                      struct vs_error *err)
{
    struct vs_pq_page_header *h = (struct vs_pq_page_header *)target;
    int32_t crc = 0;
    switch (f->id) {
    case 1:
        return vs_thrift_read_i32(r, f, &h->type, err);
    case 2:
        return vs_thrift_read_i32(r, f, &h->uncompressed_size, err);
    case 3:
        return vs_thrift_read_i32(r, f, &h->compressed_size, err);
    case 4:
        VS_TRY(vs_thrift_read_i32(r, f, &crc, err));
        h->has_crc = true;
        h->crc = (uint32_t)crc;
        return VS_OK;
    case 5:
        return vs_pq_parse_struct_field(r, f, arena, use_data_page, h, err);
    case 7:
        return vs_pq_parse_struct_field(r, f, arena, use_dictionary_page, h, err);
    case 8:
        return vs_pq_parse_struct_field(r, f, arena, use_data_page_v2, h, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

enum vs_status vs_pq_page_header_parse(const void *bytes,
                                       size_t n,
                                       const char *what,
                                       struct vs_pq_page_header *header_out,
                                       size_t *used_out,
                                       struct vs_error *err)
{
    struct vs_thrift_reader r;
    struct vs_pq_page_header header = {.is_compressed = true, .type = -1};
    vs_thrift_reader_init(&r, bytes, n, what);
    VS_TRY(vs_pq_parse_struct(&r, NULL, use_page_header, &header, err));
    if (header.type < 0 || header.uncompressed_size < 0 || header.compressed_size < 0 ||
        header.num_values < 0) {
        return vs_reader_fail(&r.in, err, "a page header lacks its type or has negative sizes");
    }
    *header_out = header;
    *used_out = vs_reader_offset(&r.in);
    return VS_OK;
}

// ---- page indexes ----

static enum vs_status use_page_location(struct vs_thrift_reader *r,
                                        const struct vs_thrift_field *f,
                                        struct vs_arena *arena,
                                        void *target,
                                        struct vs_error *err)
{
    (void)arena;
    struct vs_pq_page_location *p = (struct vs_pq_page_location *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_i64(r, f, &p->offset, err);
    case 2:
        return vs_thrift_read_i32(r, f, &p->compressed_size, err);
    case 3:
        return vs_thrift_read_i64(r, f, &p->first_row_index, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_offset_index(struct vs_thrift_reader *r,
                                       const struct vs_thrift_field *f,
                                       struct vs_arena *arena,
                                       void *target,
                                       struct vs_error *err)
{
    struct vs_pq_offset_index *index = (struct vs_pq_offset_index *)target;
    struct vs_pq_list list = {NULL, 0};
    if (f->id != 1) {
        return vs_thrift_skip(r, f, err);
    }
    VS_TRY(
        vs_pq_parse_struct_list(r, f, arena, use_page_location, sizeof *index->pages, &list, err));
    index->pages = (struct vs_pq_page_location *)list.items;
    index->page_count = list.count;
    return VS_OK;
}

enum vs_status vs_pq_offset_index_parse(const void *bytes,
                                        size_t n,
                                        const char *what,
                                        struct vs_arena *arena,
                                        struct vs_pq_offset_index *index_out,
                                        struct vs_error *err)
{
    struct vs_thrift_reader r;
    struct vs_pq_offset_index index = {0};
    vs_thrift_reader_init(&r, bytes, n, what);
    VS_TRY(vs_pq_parse_struct(&r, arena, use_offset_index, &index, err));
    *index_out = index;
    return VS_OK;
}

// Counts of the lists, which must agree.
struct column_index_parse {
    struct vs_pq_column_index index;
    size_t min_count, max_count, null_count_count;
};

static enum vs_status parse_bool_list(struct vs_thrift_reader *r,
                                      const struct vs_thrift_field *f,
                                      struct vs_arena *arena,
                                      bool **array_out,
                                      size_t *count_out,
                                      struct vs_error *err)
{
    struct vs_thrift_field element;
    size_t count = 0;
    void *array = NULL;
    VS_TRY(vs_thrift_read_list(r, f, &element, &count, err));
    if (count > 0 && element.type != VS_THRIFT_TRUE && element.type != VS_THRIFT_FALSE) {
        return vs_reader_fail(&r->in, err, "a list holds no booleans where booleans are expected");
    }
    VS_TRY(vs_pq_make_array(r, arena, count, sizeof(bool), &array, err));
    bool *values = (bool *)array;
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_thrift_read_bool_element(r, &values[i], err));
    }
    *array_out = values;
    *count_out = count;
    return VS_OK;
}

static enum vs_status parse_i64_list(struct vs_thrift_reader *r,
                                     const struct vs_thrift_field *f,
                                     struct vs_arena *arena,
                                     int64_t **array_out,
                                     size_t *count_out,
                                     struct vs_error *err)
{
    struct vs_thrift_field element;
    size_t count = 0;
    void *array = NULL;
    VS_TRY(vs_thrift_read_list(r, f, &element, &count, err));
    VS_TRY(vs_pq_make_array(r, arena, count, sizeof(int64_t), &array, err));
    int64_t *values = (int64_t *)array;
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_thrift_read_i64(r, &element, &values[i], err));
    }
    *array_out = values;
    *count_out = count;
    return VS_OK;
}

static enum vs_status use_column_index(struct vs_thrift_reader *r,
                                       const struct vs_thrift_field *f,
                                       struct vs_arena *arena,
                                       void *target,
                                       struct vs_error *err)
{
    struct column_index_parse *p = (struct column_index_parse *)target;
    switch (f->id) {
    case 1:
        return parse_bool_list(r, f, arena, &p->index.null_pages, &p->index.page_count, err);
    case 2:
        return vs_pq_parse_str_list(r, f, arena, &p->index.min_values, &p->min_count, err);
    case 3:
        return vs_pq_parse_str_list(r, f, arena, &p->index.max_values, &p->max_count, err);
    case 4:
        return vs_thrift_read_i32(r, f, &p->index.boundary_order, err);
    case 5:
        return parse_i64_list(r, f, arena, &p->index.null_counts, &p->null_count_count, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

enum vs_status vs_pq_column_index_parse(const void *bytes,
                                        size_t n,
                                        const char *what,
                                        struct vs_arena *arena,
                                        struct vs_pq_column_index *index_out,
                                        struct vs_error *err)
{
    struct vs_thrift_reader r;
    struct column_index_parse parse = {0};
    vs_thrift_reader_init(&r, bytes, n, what);
    VS_TRY(vs_pq_parse_struct(&r, arena, use_column_index, &parse, err));
    size_t pages = parse.index.page_count;
    if (parse.min_count != pages || parse.max_count != pages ||
        (parse.index.null_counts != NULL && parse.null_count_count != pages)) {
        return vs_reader_fail(&r.in, err, "the lists of a column index differ in length");
    }
    *index_out = parse.index;
    return VS_OK;
}
