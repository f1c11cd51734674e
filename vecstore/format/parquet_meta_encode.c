// SPDX-License-Identifier: Apache-2.0
// Encoders of parquet_meta.h. Field ids and order as in parquet.thrift.
#include "vecstore/format/parquet_meta.h"
#include "vecstore/format/thrift.h"

static void put_logical(struct vs_thrift_writer *w, int16_t id, const struct vs_pq_logical *logical)
{
    vs_tw_field_begin(w, id);
    vs_tw_field_begin(w, (int16_t)logical->kind);
    if (logical->kind == VS_PQ_LOGICAL_DECIMAL) {
        vs_tw_field_i32(w, 1, logical->scale);
        vs_tw_field_i32(w, 2, logical->precision);
    } else if (logical->kind == VS_PQ_LOGICAL_TIME || logical->kind == VS_PQ_LOGICAL_TIMESTAMP) {
        vs_tw_field_bool(w, 1, logical->utc);
        vs_tw_field_begin(w, 2);
        if (logical->unit != 0) {
            vs_tw_field_begin(w, (int16_t)logical->unit);
            vs_tw_end(w);
        }
        vs_tw_end(w);
    } else if (logical->kind == VS_PQ_LOGICAL_INTEGER) {
        if (logical->bit_width != 0) {
            vs_tw_field_i8(w, 1, logical->bit_width);
        }
        vs_tw_field_bool(w, 2, logical->is_signed);
    }
    vs_tw_end(w);
    vs_tw_end(w);
}

static void put_schema_element(struct vs_thrift_writer *w, const struct vs_pq_schema_element *e)
{
    vs_tw_begin(w);
    if (e->has_type) {
        vs_tw_field_i32(w, 1, e->type);
        if (e->type == VS_PQ_FIXED) {
            vs_tw_field_i32(w, 2, e->type_length);
        }
    }
    if (e->has_repetition) {
        vs_tw_field_i32(w, 3, e->repetition);
    }
    vs_tw_field_binary(w, 4, e->name);
    if (!e->has_type) {
        vs_tw_field_i32(w, 5, e->child_count);
    }
    if (e->has_converted) {
        vs_tw_field_i32(w, 6, e->converted);
        if (e->converted == VS_PQ_CONVERTED_DECIMAL) {
            vs_tw_field_i32(w, 7, e->scale);
            vs_tw_field_i32(w, 8, e->precision);
        }
    }
    if (e->has_field_id) {
        vs_tw_field_i32(w, 9, e->field_id);
    }
    if (e->logical.kind != VS_PQ_LOGICAL_NONE) {
        put_logical(w, 10, &e->logical);
    }
    vs_tw_end(w);
}

static void put_statistics(struct vs_thrift_writer *w, int16_t id, const struct vs_pq_statistics *s)
{
    if (!s->present) {
        return;
    }
    vs_tw_field_begin(w, id);
    if (s->has_null_count) {
        vs_tw_field_i64(w, 3, s->null_count);
    }
    if (s->has_max) {
        vs_tw_field_binary(w, 5, s->max);
    }
    if (s->has_min) {
        vs_tw_field_binary(w, 6, s->min);
    }
    if (s->has_exact && s->has_max) {
        vs_tw_field_bool(w, 7, s->max_exact);
    }
    if (s->has_exact && s->has_min) {
        vs_tw_field_bool(w, 8, s->min_exact);
    }
    vs_tw_end(w);
}

static void put_column_meta(struct vs_thrift_writer *w, const struct vs_pq_column_chunk *c)
{
    vs_tw_field_begin(w, 3);
    vs_tw_field_i32(w, 1, c->type);
    vs_tw_field_list(w, 2, VS_THRIFT_I32, c->encoding_count);
    for (size_t i = 0; i < c->encoding_count; i++) {
        vs_tw_i32(w, c->encodings[i]);
    }
    vs_tw_field_list(w, 3, VS_THRIFT_BINARY, c->path_count);
    for (size_t i = 0; i < c->path_count; i++) {
        vs_tw_binary(w, c->path[i]);
    }
    vs_tw_field_i32(w, 4, c->codec);
    vs_tw_field_i64(w, 5, c->num_values);
    vs_tw_field_i64(w, 6, c->total_uncompressed_size);
    vs_tw_field_i64(w, 7, c->total_compressed_size);
    vs_tw_field_i64(w, 9, c->data_page_offset);
    if (c->has_dictionary_page_offset) {
        vs_tw_field_i64(w, 11, c->dictionary_page_offset);
    }
    put_statistics(w, 12, &c->statistics);
    vs_tw_end(w);
}

static void put_column_chunk(struct vs_thrift_writer *w, const struct vs_pq_column_chunk *c)
{
    vs_tw_begin(w);
    if (c->file_path.len > 0) {
        vs_tw_field_binary(w, 1, c->file_path);
    }
    vs_tw_field_i64(w, 2, c->file_offset);
    if (c->has_meta) {
        put_column_meta(w, c);
    }
    if (c->offset_index_offset > 0) {
        vs_tw_field_i64(w, 4, c->offset_index_offset);
        vs_tw_field_i32(w, 5, c->offset_index_length);
    }
    if (c->column_index_offset > 0) {
        vs_tw_field_i64(w, 6, c->column_index_offset);
        vs_tw_field_i32(w, 7, c->column_index_length);
    }
    vs_tw_end(w);
}

static void put_row_group(struct vs_thrift_writer *w, const struct vs_pq_row_group *g)
{
    vs_tw_begin(w);
    vs_tw_field_list(w, 1, VS_THRIFT_STRUCT, g->column_count);
    for (size_t i = 0; i < g->column_count; i++) {
        put_column_chunk(w, &g->columns[i]);
    }
    vs_tw_field_i64(w, 2, g->total_byte_size);
    vs_tw_field_i64(w, 3, g->num_rows);
    if (g->has_file_offset) {
        vs_tw_field_i64(w, 5, g->file_offset);
    }
    if (g->has_total_compressed_size) {
        vs_tw_field_i64(w, 6, g->total_compressed_size);
    }
    if (g->has_ordinal) {
        vs_tw_field_i16(w, 7, g->ordinal);
    }
    vs_tw_end(w);
}

enum vs_status vs_pq_file_meta_encode(const struct vs_pq_file_meta *meta,
                                      struct vs_buf *out,
                                      struct vs_error *err)
{
    struct vs_thrift_writer w;
    vs_thrift_writer_init(&w, out);
    vs_tw_begin(&w);
    vs_tw_field_i32(&w, 1, meta->version);
    vs_tw_field_list(&w, 2, VS_THRIFT_STRUCT, meta->schema_count);
    for (size_t i = 0; i < meta->schema_count; i++) {
        put_schema_element(&w, &meta->schema[i]);
    }
    vs_tw_field_i64(&w, 3, meta->num_rows);
    vs_tw_field_list(&w, 4, VS_THRIFT_STRUCT, meta->row_group_count);
    for (size_t i = 0; i < meta->row_group_count; i++) {
        put_row_group(&w, &meta->row_groups[i]);
    }
    if (meta->key_value_count > 0) {
        vs_tw_field_list(&w, 5, VS_THRIFT_STRUCT, meta->key_value_count);
        for (size_t i = 0; i < meta->key_value_count; i++) {
            vs_tw_begin(&w);
            vs_tw_field_binary(&w, 1, meta->key_values[i].key);
            vs_tw_field_binary(&w, 2, meta->key_values[i].value);
            vs_tw_end(&w);
        }
    }
    if (meta->created_by.len > 0) {
        vs_tw_field_binary(&w, 6, meta->created_by);
    }
    if (meta->column_order_count > 0) {
        vs_tw_field_list(&w, 7, VS_THRIFT_STRUCT, meta->column_order_count);
        for (size_t i = 0; i < meta->column_order_count; i++) {
            vs_tw_begin(&w);
            vs_tw_field_begin(&w, 1); // TYPE_ORDER
            vs_tw_end(&w);
            vs_tw_end(&w);
        }
    }
    vs_tw_end(&w);
    return vs_thrift_writer_finish(&w, err);
}

static void put_data_page_v2(struct vs_thrift_writer *w, const struct vs_pq_page_header *h)
{
    vs_tw_field_begin(w, 8);
    vs_tw_field_i32(w, 1, h->num_values);
    vs_tw_field_i32(w, 2, h->num_nulls);
    vs_tw_field_i32(w, 3, h->num_rows);
    vs_tw_field_i32(w, 4, h->encoding);
    vs_tw_field_i32(w, 5, h->definition_length);
    vs_tw_field_i32(w, 6, h->repetition_length);
    vs_tw_field_bool(w, 7, h->is_compressed);
    put_statistics(w, 8, &h->statistics);
    vs_tw_end(w);
}

enum vs_status vs_pq_page_header_encode(const struct vs_pq_page_header *header,
                                        struct vs_buf *out,
                                        struct vs_error *err)
{
    struct vs_thrift_writer w;
    vs_thrift_writer_init(&w, out);
    vs_tw_begin(&w);
    vs_tw_field_i32(&w, 1, header->type);
    vs_tw_field_i32(&w, 2, header->uncompressed_size);
    vs_tw_field_i32(&w, 3, header->compressed_size);
    if (header->has_crc) {
        vs_tw_field_i32(&w, 4, (int32_t)header->crc);
    }
    if (header->type == VS_PQ_DATA_PAGE) {
        vs_tw_field_begin(&w, 5);
        vs_tw_field_i32(&w, 1, header->num_values);
        vs_tw_field_i32(&w, 2, header->encoding);
        vs_tw_field_i32(&w, 3, header->definition_encoding);
        vs_tw_field_i32(&w, 4, header->repetition_encoding);
        put_statistics(&w, 5, &header->statistics);
        vs_tw_end(&w);
    } else if (header->type == VS_PQ_DICTIONARY_PAGE) {
        vs_tw_field_begin(&w, 7);
        vs_tw_field_i32(&w, 1, header->num_values);
        vs_tw_field_i32(&w, 2, header->encoding);
        vs_tw_end(&w);
    } else if (header->type == VS_PQ_DATA_PAGE_V2) {
        put_data_page_v2(&w, header);
    }
    vs_tw_end(&w);
    return vs_thrift_writer_finish(&w, err);
}

enum vs_status vs_pq_offset_index_encode(const struct vs_pq_offset_index *index,
                                         struct vs_buf *out,
                                         struct vs_error *err)
{
    struct vs_thrift_writer w;
    vs_thrift_writer_init(&w, out);
    vs_tw_begin(&w);
    vs_tw_field_list(&w, 1, VS_THRIFT_STRUCT, index->page_count);
    for (size_t i = 0; i < index->page_count; i++) {
        vs_tw_begin(&w);
        vs_tw_field_i64(&w, 1, index->pages[i].offset);
        vs_tw_field_i32(&w, 2, index->pages[i].compressed_size);
        vs_tw_field_i64(&w, 3, index->pages[i].first_row_index);
        vs_tw_end(&w);
    }
    vs_tw_end(&w);
    return vs_thrift_writer_finish(&w, err);
}

enum vs_status vs_pq_column_index_encode(const struct vs_pq_column_index *index,
                                         struct vs_buf *out,
                                         struct vs_error *err)
{
    struct vs_thrift_writer w;
    vs_thrift_writer_init(&w, out);
    vs_tw_begin(&w);
    vs_tw_field_list(&w, 1, VS_THRIFT_TRUE, index->page_count);
    for (size_t i = 0; i < index->page_count; i++) {
        vs_tw_bool(&w, index->null_pages[i]);
    }
    vs_tw_field_list(&w, 2, VS_THRIFT_BINARY, index->page_count);
    for (size_t i = 0; i < index->page_count; i++) {
        vs_tw_binary(&w, index->min_values[i]);
    }
    vs_tw_field_list(&w, 3, VS_THRIFT_BINARY, index->page_count);
    for (size_t i = 0; i < index->page_count; i++) {
        vs_tw_binary(&w, index->max_values[i]);
    }
    vs_tw_field_i32(&w, 4, index->boundary_order);
    if (index->null_counts != NULL) {
        vs_tw_field_list(&w, 5, VS_THRIFT_I64, index->page_count);
        for (size_t i = 0; i < index->page_count; i++) {
            vs_tw_i64(&w, index->null_counts[i]);
        }
    }
    vs_tw_end(&w);
    return vs_thrift_writer_finish(&w, err);
}
