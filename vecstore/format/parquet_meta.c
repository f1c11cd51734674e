// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_meta.h"

#include "vecstore/format/parquet_meta_internal.h"

enum vs_status vs_pq_parse_struct(struct vs_thrift_reader *r,
                                  struct vs_arena *arena,
                                  vs_pq_field_fn use,
                                  void *target,
                                  struct vs_error *err)
{
    struct vs_thrift_field field;
    VS_TRY(vs_thrift_begin(r, &field, err));
    for (;;) {
        VS_TRY(vs_thrift_next(r, &field, err));
        if (field.type == VS_THRIFT_STOP) {
            return VS_OK;
        }
        VS_TRY(use(r, &field, arena, target, err));
    }
}

enum vs_status vs_pq_parse_struct_field(struct vs_thrift_reader *r,
                                        const struct vs_thrift_field *f,
                                        struct vs_arena *arena,
                                        vs_pq_field_fn use,
                                        void *target,
                                        struct vs_error *err)
{
    VS_TRY(vs_thrift_need_struct(r, f, err));
    return vs_pq_parse_struct(r, arena, use, target, err);
}

// Allocates count elements; the arena's limit turns a hostile count into an error as well.
enum vs_status vs_pq_make_array(struct vs_thrift_reader *r,
                                struct vs_arena *arena,
                                size_t count,
                                size_t size,
                                void **array_out,
                                struct vs_error *err)
{
    void *array = vs_arena_alloc_array(arena, count, size);
    if (array == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for %zu elements of metadata", r->in.what,
                       count);
    }
    *array_out = array;
    return VS_OK;
}

enum vs_status vs_pq_parse_struct_list(struct vs_thrift_reader *r,
                                       const struct vs_thrift_field *f,
                                       struct vs_arena *arena,
                                       vs_pq_field_fn use,
                                       size_t size,
                                       struct vs_pq_list *list_out,
                                       struct vs_error *err)
{
    struct vs_thrift_field element;
    size_t count = 0;
    void *array = NULL;
    VS_TRY(vs_thrift_read_list(r, f, &element, &count, err));
    if (count > 0) {
        VS_TRY(vs_thrift_need_struct(r, &element, err));
    }
    VS_TRY(vs_pq_make_array(r, arena, count, size, &array, err));
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_pq_parse_struct(r, arena, use, (uint8_t *)array + i * size, err));
    }
    *list_out = (struct vs_pq_list){array, count};
    return VS_OK;
}

static enum vs_status parse_i32_list(struct vs_thrift_reader *r,
                                     const struct vs_thrift_field *f,
                                     struct vs_arena *arena,
                                     int32_t **array_out,
                                     size_t *count_out,
                                     struct vs_error *err)
{
    struct vs_thrift_field element;
    size_t count = 0;
    void *array = NULL;
    VS_TRY(vs_thrift_read_list(r, f, &element, &count, err));
    VS_TRY(vs_pq_make_array(r, arena, count, sizeof(int32_t), &array, err));
    int32_t *values = (int32_t *)array;
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_thrift_read_i32(r, &element, &values[i], err));
    }
    *array_out = values;
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_pq_parse_str_list(struct vs_thrift_reader *r,
                                    const struct vs_thrift_field *f,
                                    struct vs_arena *arena,
                                    struct vs_str **array_out,
                                    size_t *count_out,
                                    struct vs_error *err)
{
    struct vs_thrift_field element;
    size_t count = 0;
    void *array = NULL;
    VS_TRY(vs_thrift_read_list(r, f, &element, &count, err));
    VS_TRY(vs_pq_make_array(r, arena, count, sizeof(struct vs_str), &array, err));
    struct vs_str *values = (struct vs_str *)array;
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_thrift_read_binary(r, &element, &values[i], err));
    }
    *array_out = values;
    *count_out = count;
    return VS_OK;
}

// ---- schema ----

static enum vs_status use_decimal(struct vs_thrift_reader *r,
                                  const struct vs_thrift_field *f,
                                  struct vs_arena *arena,
                                  void *target,
                                  struct vs_error *err)
{
    (void)arena;
    struct vs_pq_logical *logical = (struct vs_pq_logical *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_i32(r, f, &logical->scale, err);
    case 2:
        return vs_thrift_read_i32(r, f, &logical->precision, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_unit(struct vs_thrift_reader *r,
                               const struct vs_thrift_field *f,
                               struct vs_arena *arena,
                               void *target,
                               struct vs_error *err)
{
    (void)arena;
    if (f->id >= VS_PQ_MILLIS && f->id <= VS_PQ_NANOS) {
        ((struct vs_pq_logical *)target)->unit = (enum vs_pq_unit)f->id;
    }
    return vs_thrift_skip(r, f, err);
}

static enum vs_status use_time(struct vs_thrift_reader *r,
                               const struct vs_thrift_field *f,
                               struct vs_arena *arena,
                               void *target,
                               struct vs_error *err)
{
    struct vs_pq_logical *logical = (struct vs_pq_logical *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_bool(r, f, &logical->utc, err);
    case 2:
        return vs_pq_parse_struct_field(r, f, arena, use_unit, logical, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_integer(struct vs_thrift_reader *r,
                                  const struct vs_thrift_field *f,
                                  struct vs_arena *arena,
                                  void *target,
                                  struct vs_error *err)
{
    (void)arena;
    struct vs_pq_logical *logical = (struct vs_pq_logical *)target;
    int32_t width = 0;
    switch (f->id) {
    case 1:
        VS_TRY(vs_thrift_read_i32(r, f, &width, err));
        if (width != 8 && width != 16 && width != 32 && width != 64) {
            return vs_reader_fail(&r->in, err,
                                  "an integer type has a width other than 8, 16, 32 and 64");
        }
        logical->bit_width = (int8_t)width;
        return VS_OK;
    case 2:
        return vs_thrift_read_bool(r, f, &logical->is_signed, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

// The union: its one field's id is the kind.
static enum vs_status use_logical(struct vs_thrift_reader *r,
                                  const struct vs_thrift_field *f,
                                  struct vs_arena *arena,
                                  void *target,
                                  struct vs_error *err)
{
    struct vs_pq_logical *logical = (struct vs_pq_logical *)target;
    bool known = f->id >= VS_PQ_LOGICAL_STRING && f->id <= VS_PQ_LOGICAL_GEOGRAPHY && f->id != 9;
    logical->kind = known ? (enum vs_pq_logical_kind)f->id : VS_PQ_LOGICAL_UNDEFINED;
    switch (f->id) {
    case VS_PQ_LOGICAL_DECIMAL:
        return vs_pq_parse_struct_field(r, f, arena, use_decimal, logical, err);
    case VS_PQ_LOGICAL_TIME:
    case VS_PQ_LOGICAL_TIMESTAMP:
        return vs_pq_parse_struct_field(r, f, arena, use_time, logical, err);
    case VS_PQ_LOGICAL_INTEGER:
        return vs_pq_parse_struct_field(r, f, arena, use_integer, logical, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_schema_element(struct vs_thrift_reader *r,
                                         const struct vs_thrift_field *f,
                                         struct vs_arena *arena,
                                         void *target,
                                         struct vs_error *err)
{
    struct vs_pq_schema_element *e = (struct vs_pq_schema_element *)target;
    switch (f->id) {
    case 1:
        e->has_type = true;
        return vs_thrift_read_i32(r, f, &e->type, err);
    case 2:
        return vs_thrift_read_i32(r, f, &e->type_length, err);
    case 3:
        e->has_repetition = true;
        return vs_thrift_read_i32(r, f, &e->repetition, err);
    case 4:
        return vs_thrift_read_binary(r, f, &e->name, err);
    case 5:
        return vs_thrift_read_i32(r, f, &e->child_count, err);
    case 6:
        e->has_converted = true;
        return vs_thrift_read_i32(r, f, &e->converted, err);
    case 7:
        return vs_thrift_read_i32(r, f, &e->scale, err);
    case 8:
        return vs_thrift_read_i32(r, f, &e->precision, err);
    case 9:
        e->has_field_id = true;
        return vs_thrift_read_i32(r, f, &e->field_id, err);
    case 10:
        return vs_pq_parse_struct_field(r, f, arena, use_logical, &e->logical, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

// ---- row groups ----

static enum vs_status use_statistics(struct vs_thrift_reader *r,
                                     const struct vs_thrift_field *f,
                                     struct vs_arena *arena,
                                     void *target,
                                     struct vs_error *err)
{
    (void)arena;
    struct vs_pq_statistics *s = (struct vs_pq_statistics *)target;
    switch (f->id) {
    case 3:
        s->has_null_count = true;
        return vs_thrift_read_i64(r, f, &s->null_count, err);
    case 5:
        s->has_max = true;
        return vs_thrift_read_binary(r, f, &s->max, err);
    case 6:
        s->has_min = true;
        return vs_thrift_read_binary(r, f, &s->min, err);
    case 7:
        s->has_exact = true;
        return vs_thrift_read_bool(r, f, &s->max_exact, err);
    case 8:
        s->has_exact = true;
        return vs_thrift_read_bool(r, f, &s->min_exact, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_column_meta(struct vs_thrift_reader *r,
                                      const struct vs_thrift_field *f,
                                      struct vs_arena *arena,
                                      void *target,
                                      struct vs_error *err)
{
    struct vs_pq_column_chunk *c = (struct vs_pq_column_chunk *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_i32(r, f, &c->type, err);
    case 2:
        return parse_i32_list(r, f, arena, &c->encodings, &c->encoding_count, err);
    case 3:
        return vs_pq_parse_str_list(r, f, arena, &c->path, &c->path_count, err);
    case 4:
        return vs_thrift_read_i32(r, f, &c->codec, err);
    case 5:
        return vs_thrift_read_i64(r, f, &c->num_values, err);
    case 6:
        return vs_thrift_read_i64(r, f, &c->total_uncompressed_size, err);
    case 7:
        return vs_thrift_read_i64(r, f, &c->total_compressed_size, err);
    case 9:
        return vs_thrift_read_i64(r, f, &c->data_page_offset, err);
    case 11:
        c->has_dictionary_page_offset = true;
        return vs_thrift_read_i64(r, f, &c->dictionary_page_offset, err);
    case 12:
        c->statistics.present = true;
        return vs_pq_parse_struct_field(r, f, arena, use_statistics, &c->statistics, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_column_chunk(struct vs_thrift_reader *r,
                                       const struct vs_thrift_field *f,
                                       struct vs_arena *arena,
                                       void *target,
                                       struct vs_error *err)
{
    struct vs_pq_column_chunk *c = (struct vs_pq_column_chunk *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_binary(r, f, &c->file_path, err);
    case 2:
        return vs_thrift_read_i64(r, f, &c->file_offset, err);
    case 3:
        c->has_meta = true;
        return vs_pq_parse_struct_field(r, f, arena, use_column_meta, c, err);
    case 4:
        return vs_thrift_read_i64(r, f, &c->offset_index_offset, err);
    case 5:
        return vs_thrift_read_i32(r, f, &c->offset_index_length, err);
    case 6:
        return vs_thrift_read_i64(r, f, &c->column_index_offset, err);
    case 7:
        return vs_thrift_read_i32(r, f, &c->column_index_length, err);
    case 8: // crypto_metadata
    case 9:
        c->is_encrypted = true;
        return vs_thrift_skip(r, f, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_row_group(struct vs_thrift_reader *r,
                                    const struct vs_thrift_field *f,
                                    struct vs_arena *arena,
                                    void *target,
                                    struct vs_error *err)
{
    struct vs_pq_row_group *g = (struct vs_pq_row_group *)target;
    struct vs_pq_list list = {NULL, 0};
    int32_t ordinal = 0;
    switch (f->id) {
    case 1:
        VS_TRY(
            vs_pq_parse_struct_list(r, f, arena, use_column_chunk, sizeof *g->columns, &list, err));
        g->columns = (struct vs_pq_column_chunk *)list.items;
        g->column_count = list.count;
        return VS_OK;
    case 2:
        return vs_thrift_read_i64(r, f, &g->total_byte_size, err);
    case 3:
        return vs_thrift_read_i64(r, f, &g->num_rows, err);
    case 5:
        g->has_file_offset = true;
        return vs_thrift_read_i64(r, f, &g->file_offset, err);
    case 6:
        g->has_total_compressed_size = true;
        return vs_thrift_read_i64(r, f, &g->total_compressed_size, err);
    case 7:
        VS_TRY(vs_thrift_read_i32(r, f, &ordinal, err));
        g->has_ordinal = true;
        g->ordinal = (int16_t)ordinal; // informative only; some writers let it wrap
        return VS_OK;
    default:
        return vs_thrift_skip(r, f, err);
    }
}

static enum vs_status use_key_value(struct vs_thrift_reader *r,
                                    const struct vs_thrift_field *f,
                                    struct vs_arena *arena,
                                    void *target,
                                    struct vs_error *err)
{
    (void)arena;
    struct vs_pq_key_value *kv = (struct vs_pq_key_value *)target;
    switch (f->id) {
    case 1:
        return vs_thrift_read_binary(r, f, &kv->key, err);
    case 2:
        return vs_thrift_read_binary(r, f, &kv->value, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

// ---- footer ----

static enum vs_status use_column_order(struct vs_thrift_reader *r,
                                       const struct vs_thrift_field *f,
                                       struct vs_arena *arena,
                                       void *target,
                                       struct vs_error *err)
{
    (void)arena;
    (void)target;
    return vs_thrift_skip(r, f, err);
}

static enum vs_status use_file_meta(struct vs_thrift_reader *r,
                                    const struct vs_thrift_field *f,
                                    struct vs_arena *arena,
                                    void *target,
                                    struct vs_error *err)
{
    struct vs_pq_file_meta *m = (struct vs_pq_file_meta *)target;
    struct vs_pq_list list = {NULL, 0};
    switch (f->id) {
    case 1:
        return vs_thrift_read_i32(r, f, &m->version, err);
    case 2:
        VS_TRY(vs_pq_parse_struct_list(r, f, arena, use_schema_element, sizeof *m->schema, &list,
                                       err));
        m->schema = (struct vs_pq_schema_element *)list.items;
        m->schema_count = list.count;
        return VS_OK;
    case 3:
        return vs_thrift_read_i64(r, f, &m->num_rows, err);
    case 4:
        VS_TRY(
            vs_pq_parse_struct_list(r, f, arena, use_row_group, sizeof *m->row_groups, &list, err));
        m->row_groups = (struct vs_pq_row_group *)list.items;
        m->row_group_count = list.count;
        return VS_OK;
    case 5:
        VS_TRY(
            vs_pq_parse_struct_list(r, f, arena, use_key_value, sizeof *m->key_values, &list, err));
        m->key_values = (struct vs_pq_key_value *)list.items;
        m->key_value_count = list.count;
        return VS_OK;
    case 6:
        return vs_thrift_read_binary(r, f, &m->created_by, err);
    case 7:
        VS_TRY(vs_pq_parse_struct_list(r, f, arena, use_column_order, 1, &list, err));
        m->column_order_count = list.count;
        return VS_OK;
    case 8:
        m->is_encrypted = true;
        return vs_thrift_skip(r, f, err);
    default:
        return vs_thrift_skip(r, f, err);
    }
}

enum vs_status vs_pq_file_meta_parse(const void *bytes,
                                     size_t n,
                                     const char *what,
                                     struct vs_arena *arena,
                                     struct vs_pq_file_meta *meta_out,
                                     struct vs_error *err)
{
    struct vs_thrift_reader r;
    struct vs_pq_file_meta meta = {0};
    vs_thrift_reader_init(&r, bytes, n, what);
    VS_TRY(vs_pq_parse_struct(&r, arena, use_file_meta, &meta, err));
    for (size_t i = 0; i < meta.schema_count; i++) {
        if (!meta.schema[i].has_converted) {
            meta.schema[i].converted = VS_PQ_CONVERTED_NONE;
        }
    }
    *meta_out = meta;
    return VS_OK;
}

// ---- names ----

const char *vs_pq_type_name(int32_t type)
{
    static const char *const names[] = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                        "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
    return type >= 0 && (size_t)type < sizeof names / sizeof names[0] ? names[type]
                                                                      : "unknown type";
}

const char *vs_pq_encoding_name(int32_t encoding)
{
    static const char *const names[] = {"PLAIN",
                                        "GROUP_VAR_INT",
                                        "PLAIN_DICTIONARY",
                                        "RLE",
                                        "BIT_PACKED",
                                        "DELTA_BINARY_PACKED",
                                        "DELTA_LENGTH_BYTE_ARRAY",
                                        "DELTA_BYTE_ARRAY",
                                        "RLE_DICTIONARY",
                                        "BYTE_STREAM_SPLIT",
                                        "ALP"};
    return encoding >= 0 && (size_t)encoding < sizeof names / sizeof names[0] ? names[encoding]
                                                                              : "unknown encoding";
}

const char *vs_pq_codec_name(int32_t codec)
{
    static const char *const names[] = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO",
                                        "BROTLI",       "LZ4",    "ZSTD", "LZ4_RAW"};
    return codec >= 0 && (size_t)codec < sizeof names / sizeof names[0] ? names[codec]
                                                                        : "unknown codec";
}
