// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/seal.h"
#include "vecstore/format/parquet_seal.h"
#include "vecstore/format/parquet_writer.h"

#include <inttypes.h>

#define FOOTER_LIMIT ((size_t)1 << 30)
#define MAX_PATH 3

// What a kind looks like as a Parquet leaf.
struct leaf_type {
    int32_t type, converted;
    enum vs_pq_logical_kind logical;
};

static struct leaf_type leaf_type_of(enum vs_kind kind, uint8_t precision)
{
    static const struct leaf_type types[VS_KIND_COUNT] = {
        [VS_KIND_BOOLEAN] = {VS_PQ_BOOLEAN, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_NONE},
        [VS_KIND_INT] = {VS_PQ_INT32, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_NONE},
        [VS_KIND_LONG] = {VS_PQ_INT64, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_NONE},
        [VS_KIND_FLOAT] = {VS_PQ_FLOAT, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_NONE},
        [VS_KIND_DOUBLE] = {VS_PQ_DOUBLE, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_NONE},
        [VS_KIND_STRING] = {VS_PQ_BYTE_ARRAY, VS_PQ_CONVERTED_UTF8, VS_PQ_LOGICAL_STRING},
        [VS_KIND_DATE] = {VS_PQ_INT32, VS_PQ_CONVERTED_DATE, VS_PQ_LOGICAL_DATE},
        // The older annotation stands at both timestamps: LogicalTypes.md asks writers for it.
        [VS_KIND_TIMESTAMP] = {VS_PQ_INT64, VS_PQ_CONVERTED_TIMESTAMP_MICROS,
                               VS_PQ_LOGICAL_TIMESTAMP},
        [VS_KIND_TIMESTAMPTZ] = {VS_PQ_INT64, VS_PQ_CONVERTED_TIMESTAMP_MICROS,
                                 VS_PQ_LOGICAL_TIMESTAMP},
        [VS_KIND_TIME] = {VS_PQ_INT64, VS_PQ_CONVERTED_TIME_MICROS, VS_PQ_LOGICAL_TIME},
        [VS_KIND_TIMESTAMP_NS] = {VS_PQ_INT64, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_TIMESTAMP},
        [VS_KIND_TIMESTAMPTZ_NS] = {VS_PQ_INT64, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_TIMESTAMP},
        [VS_KIND_FIXED] = {VS_PQ_FIXED, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_NONE},
        [VS_KIND_BINARY] = {VS_PQ_BYTE_ARRAY, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_NONE},
        [VS_KIND_UUID] = {VS_PQ_FIXED, VS_PQ_CONVERTED_NONE, VS_PQ_LOGICAL_UUID},
        [VS_KIND_DECIMAL] = {VS_PQ_FIXED, VS_PQ_CONVERTED_DECIMAL, VS_PQ_LOGICAL_DECIMAL},
    };
    struct leaf_type type = types[kind];
    if (kind == VS_KIND_DECIMAL && precision <= 18) {
        type.type = precision <= 9 ? VS_PQ_INT32 : VS_PQ_INT64;
    }
    return type;
}

static void set_leaf(struct vs_pq_schema_element *element,
                     enum vs_kind kind,
                     const struct vs_field *field)
{
    struct leaf_type type = leaf_type_of(kind, field->precision);
    element->has_type = true;
    element->type = type.type;
    if (type.type == VS_PQ_FIXED) {
        element->type_length = kind == VS_KIND_UUID ? 16
                               : kind == VS_KIND_FIXED
                                   ? (int32_t)field->fixed_length
                                   : (int32_t)vs_decimal_byte_width(field->precision);
    }
    element->has_converted = type.converted != VS_PQ_CONVERTED_NONE;
    element->converted = type.converted;
    element->logical.kind = type.logical;
    if (kind == VS_KIND_DECIMAL) {
        element->scale = element->logical.scale = field->scale;
        element->precision = element->logical.precision = field->precision;
    }
    if (type.logical == VS_PQ_LOGICAL_TIMESTAMP) {
        bool is_nanos = kind == VS_KIND_TIMESTAMP_NS || kind == VS_KIND_TIMESTAMPTZ_NS;
        element->logical.utc = kind == VS_KIND_TIMESTAMPTZ || kind == VS_KIND_TIMESTAMPTZ_NS;
        element->logical.unit = is_nanos ? VS_PQ_NANOS : VS_PQ_MICROS;
    }
    if (type.logical == VS_PQ_LOGICAL_TIME) {
        element->logical.unit = VS_PQ_MICROS; // Iceberg: not adjusted to UTC
    }
}

static void set_names(struct vs_pq_schema_element *element,
                      struct vs_str name,
                      int32_t repetition,
                      int32_t field_id)
{
    element->name = name;
    element->has_repetition = true;
    element->repetition = repetition;
    element->has_field_id = field_id >= 0;
    element->field_id = field_id;
}

// The three-level list: field ids on the outer group and on the element, none on the repeated
// group.
static size_t add_field(struct vs_pq_schema_element *elements, const struct vs_field *field)
{
    set_names(&elements[0], field->name, field->required ? VS_PQ_REQUIRED : VS_PQ_OPTIONAL,
              field->id);
    if (field->kind != VS_KIND_LIST) {
        set_leaf(&elements[0], field->kind, field);
        return 1;
    }
    elements[0].child_count = 1;
    elements[0].has_converted = true;
    elements[0].converted = VS_PQ_CONVERTED_LIST;
    elements[0].logical.kind = VS_PQ_LOGICAL_LIST;
    set_names(&elements[1], VS_STR("list"), VS_PQ_REPEATED, -1);
    elements[1].child_count = 1;
    set_names(&elements[2], VS_STR("element"),
              field->element_required ? VS_PQ_REQUIRED : VS_PQ_OPTIONAL, field->element_id);
    set_leaf(&elements[2], field->element_kind, field);
    return 3;
}

static enum vs_status no_memory(const struct vs_parquet_writer *writer, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for the footer", writer->out->name);
}

static enum vs_status build_schema(struct vs_parquet_writer *writer,
                                   struct vs_pq_file_meta *meta,
                                   struct vs_error *err)
{
    const struct vs_schema *schema = writer->schema;
    struct vs_pq_schema_element *elements =
        vs_arena_alloc_array(&writer->arena, schema->field_count * 3 + 1, sizeof *elements);
    if (elements == NULL) {
        return no_memory(writer, err);
    }
    elements[0].name = VS_STR("table");
    elements[0].child_count = (int32_t)schema->field_count;
    meta->schema_count = 1;
    for (size_t i = 0; i < schema->field_count; i++) {
        meta->schema_count += add_field(elements + meta->schema_count, &schema->fields[i]);
    }
    meta->schema = elements;
    return VS_OK;
}

// ---- chunks ----

struct footer_bound {
    struct vs_str text;
    bool has, exact;
};

static struct vs_bound_type bound_type(const struct vs_column_writer *column)
{
    return (struct vs_bound_type){column->leaf_kind, column->field->precision, VS_BOUND_PARQUET};
}

static enum vs_status copy_bound(struct vs_parquet_writer *writer,
                                 const struct vs_column_writer *column,
                                 bool upper,
                                 const struct vs_bound *bound,
                                 struct footer_bound *copy_out,
                                 struct vs_error *err)
{
    struct vs_bound_type type = bound_type(column);
    struct vs_bound_bytes stored;
    *copy_out = (struct footer_bound){0};
    if (!vs_bound_store(&type, upper, bound, &stored)) {
        return VS_OK;
    }
    copy_out->text =
        vs_arena_copy_str(&writer->arena, (struct vs_str){(const char *)stored.bytes, stored.len});
    copy_out->has = true;
    copy_out->exact = stored.exact;
    return copy_out->text.ptr == NULL ? no_memory(writer, err) : VS_OK;
}

static enum vs_status build_statistics(struct vs_parquet_writer *writer,
                                       const struct vs_column_writer *column,
                                       const struct vs_leaf_stats *stats,
                                       struct vs_pq_statistics *out,
                                       struct vs_error *err)
{
    struct footer_bound min, max;
    out->present = true;
    out->has_null_count = true;
    out->null_count = (int64_t)stats->null_count;
    if (!stats->has_range) {
        return VS_OK;
    }
    VS_TRY(copy_bound(writer, column, false, &stats->min, &min, err));
    VS_TRY(copy_bound(writer, column, true, &stats->max, &max, err));
    out->has_exact = true;
    out->has_min = min.has;
    out->min = min.text;
    out->min_exact = min.exact;
    out->has_max = max.has;
    out->max = max.text;
    out->max_exact = max.exact;
    return VS_OK;
}

static enum vs_status build_path(struct vs_parquet_writer *writer,
                                 const struct vs_field *field,
                                 struct vs_pq_column_chunk *chunk,
                                 struct vs_error *err)
{
    chunk->path = vs_arena_alloc_array(&writer->arena, MAX_PATH, sizeof *chunk->path);
    if (chunk->path == NULL) {
        return no_memory(writer, err);
    }
    chunk->path[chunk->path_count++] = field->name;
    if (field->kind == VS_KIND_LIST) {
        chunk->path[chunk->path_count++] = VS_STR("list");
        chunk->path[chunk->path_count++] = VS_STR("element");
    }
    return VS_OK;
}

static enum vs_status build_encodings(struct vs_parquet_writer *writer,
                                      const struct vs_chunk_fact *fact,
                                      struct vs_pq_column_chunk *chunk,
                                      struct vs_error *err)
{
    int32_t *list = vs_arena_alloc_array(&writer->arena, 4, sizeof *list);
    if (list == NULL) {
        return no_memory(writer, err);
    }
    size_t count = 0;
    if (fact->has_plain || fact->has_dictionary) {
        list[count++] = VS_PQ_PLAIN;
    }
    list[count++] = VS_PQ_RLE; // levels
    if (fact->has_codes) {
        list[count++] = VS_PQ_RLE_DICTIONARY;
    }
    if (fact->has_split) {
        list[count++] = VS_PQ_BYTE_STREAM_SPLIT;
    }
    chunk->encodings = list;
    chunk->encoding_count = count;
    return VS_OK;
}

static enum vs_status build_chunk(struct vs_parquet_writer *writer,
                                  const struct vs_column_writer *column,
                                  const struct vs_chunk_fact *fact,
                                  struct vs_pq_column_chunk *chunk,
                                  struct vs_error *err)
{
    chunk->has_meta = true;
    chunk->type = leaf_type_of(column->leaf_kind, column->field->precision).type;
    chunk->codec = VS_PQ_ZSTD;
    chunk->num_values = (int64_t)fact->value_count;
    chunk->total_uncompressed_size = (int64_t)fact->uncompressed_size;
    chunk->total_compressed_size = (int64_t)fact->compressed_size;
    chunk->data_page_offset = (int64_t)fact->data_offset;
    chunk->has_dictionary_page_offset = fact->has_dictionary;
    chunk->dictionary_page_offset = (int64_t)fact->offset;
    VS_TRY(build_path(writer, column->field, chunk, err));
    VS_TRY(build_encodings(writer, fact, chunk, err));
    if (column->field->kind == VS_KIND_LIST) {
        return VS_OK; // counts and bounds of list elements only do harm
    }
    return build_statistics(writer, column, &fact->stats, &chunk->statistics, err);
}

static enum vs_status build_group(struct vs_parquet_writer *writer,
                                  const struct vs_group_fact *fact,
                                  size_t ordinal,
                                  struct vs_pq_row_group *group,
                                  struct vs_error *err)
{
    size_t count = writer->schema->field_count;
    group->columns = vs_arena_alloc_array(&writer->arena, count, sizeof *group->columns);
    if (group->columns == NULL) {
        return no_memory(writer, err);
    }
    group->column_count = count;
    group->num_rows = (int64_t)fact->row_count;
    group->total_byte_size = (int64_t)fact->uncompressed_size;
    group->has_total_compressed_size = true;
    group->total_compressed_size = (int64_t)fact->compressed_size;
    group->has_file_offset = true;
    group->file_offset = (int64_t)fact->offset;
    group->has_ordinal = ordinal <= INT16_MAX;
    group->ordinal = (int16_t)(group->has_ordinal ? ordinal : 0);
    for (size_t i = 0; i < count; i++) {
        VS_TRY(build_chunk(writer, &writer->columns[i], &fact->chunks[i], &group->columns[i], err));
    }
    return VS_OK;
}

// ---- page indexes ----

// A page of nothing but NaN has no bounds and is no null page: such a chunk has no column index
// (parquet.thrift, ColumnIndex).
static bool has_column_index(const struct vs_column_writer *column,
                             const struct vs_chunk_fact *chunk)
{
    struct vs_bound_type type = bound_type(column);
    struct vs_bound_bytes stored;
    if (column->field->kind == VS_KIND_LIST) {
        return false;
    }
    for (size_t i = 0; i < chunk->page_count; i++) {
        const struct vs_leaf_stats *stats = &chunk->pages[i].stats;
        if (chunk->pages[i].is_null_page) {
            continue;
        }
        if (!stats->has_range || !vs_bound_store(&type, true, &stats->max, &stored)) {
            return false;
        }
    }
    return true;
}

static int32_t boundary_order(enum vs_kind kind, const struct vs_chunk_fact *chunk)
{
    bool ascending = true, descending = true;
    const struct vs_leaf_stats *last = NULL;
    for (size_t i = 0; i < chunk->page_count; i++) {
        const struct vs_leaf_stats *stats = &chunk->pages[i].stats;
        if (chunk->pages[i].is_null_page) {
            continue;
        }
        if (last != NULL) {
            int min = vs_bound_compare(kind, &last->min, &stats->min);
            int max = vs_bound_compare(kind, &last->max, &stats->max);
            ascending = ascending && min <= 0 && max <= 0;
            descending = descending && min >= 0 && max >= 0;
        }
        last = stats;
    }
    return ascending ? VS_PQ_ASCENDING : (descending ? VS_PQ_DESCENDING : VS_PQ_UNORDERED);
}

static enum vs_status build_column_index(struct vs_parquet_writer *writer,
                                         const struct vs_column_writer *column,
                                         const struct vs_chunk_fact *chunk,
                                         struct vs_pq_column_index *index,
                                         struct vs_error *err)
{
    struct vs_arena *arena = &writer->arena;
    size_t count = chunk->page_count;
    index->page_count = count;
    index->null_pages = vs_arena_alloc_array(arena, count, sizeof *index->null_pages);
    index->min_values = vs_arena_alloc_array(arena, count, sizeof *index->min_values);
    index->max_values = vs_arena_alloc_array(arena, count, sizeof *index->max_values);
    index->null_counts = vs_arena_alloc_array(arena, count, sizeof *index->null_counts);
    if (index->null_pages == NULL || index->min_values == NULL || index->max_values == NULL ||
        index->null_counts == NULL) {
        return no_memory(writer, err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct vs_page_fact *page = &chunk->pages[i];
        struct footer_bound min, max;
        index->null_pages[i] = page->is_null_page;
        index->null_counts[i] = (int64_t)page->stats.null_count;
        if (page->is_null_page) {
            index->min_values[i] = index->max_values[i] = VS_STR("");
            continue;
        }
        VS_TRY(copy_bound(writer, column, false, &page->stats.min, &min, err));
        VS_TRY(copy_bound(writer, column, true, &page->stats.max, &max, err));
        index->min_values[i] = min.text;
        index->max_values[i] = max.text;
    }
    index->boundary_order = boundary_order(column->leaf_kind, chunk);
    return VS_OK;
}

static enum vs_status build_offset_index(struct vs_parquet_writer *writer,
                                         const struct vs_chunk_fact *chunk,
                                         struct vs_pq_offset_index *index,
                                         struct vs_error *err)
{
    index->pages = vs_arena_alloc_array(&writer->arena, chunk->page_count, sizeof *index->pages);
    if (index->pages == NULL) {
        return no_memory(writer, err);
    }
    index->page_count = chunk->page_count;
    for (size_t i = 0; i < chunk->page_count; i++) {
        index->pages[i] = (struct vs_pq_page_location){
            .offset = (int64_t)chunk->pages[i].offset,
            .compressed_size = (int32_t)chunk->pages[i].size,
            .first_row_index = (int64_t)chunk->pages[i].first_row,
        };
    }
    return VS_OK;
}

static uint64_t end_of(const struct vs_parquet_writer *writer, const struct vs_buf *tail)
{
    return writer->out->written - writer->base + tail->len;
}

// All column indexes, then all offset indexes, as other writers lay them.
static enum vs_status add_indexes(struct vs_parquet_writer *writer,
                                  struct vs_pq_file_meta *meta,
                                  bool offsets,
                                  struct vs_buf *tail,
                                  struct vs_error *err)
{
    const struct vs_group_fact *fact = writer->first_group;
    for (size_t g = 0; g < meta->row_group_count; g++, fact = fact->next) {
        for (size_t i = 0; i < writer->schema->field_count; i++) {
            struct vs_pq_column_chunk *chunk = &meta->row_groups[g].columns[i];
            uint64_t start = end_of(writer, tail);
            if (offsets) {
                struct vs_pq_offset_index index = {0};
                VS_TRY(build_offset_index(writer, &fact->chunks[i], &index, err));
                VS_TRY(vs_pq_offset_index_encode(&index, tail, err));
                chunk->offset_index_offset = (int64_t)start;
                chunk->offset_index_length = (int32_t)(end_of(writer, tail) - start);
            } else if (has_column_index(&writer->columns[i], &fact->chunks[i])) {
                struct vs_pq_column_index index = {0};
                VS_TRY(
                    build_column_index(writer, &writer->columns[i], &fact->chunks[i], &index, err));
                VS_TRY(vs_pq_column_index_encode(&index, tail, err));
                chunk->column_index_offset = (int64_t)start;
                chunk->column_index_length = (int32_t)(end_of(writer, tail) - start);
            }
        }
    }
    return VS_OK;
}

static enum vs_status build_meta(struct vs_parquet_writer *writer,
                                 struct vs_pq_file_meta *meta,
                                 struct vs_error *err)
{
    meta->version = 2; // logical types and RLE_DICTIONARY; pages are v1 all the same
    meta->num_rows = (int64_t)writer->row_count;
    meta->created_by = VS_STR("vecstore version " VECSTORE_VERSION " (build unknown)");
    meta->column_order_count = writer->schema->field_count;
    VS_TRY(build_schema(writer, meta, err));
    meta->row_groups =
        vs_arena_alloc_array(&writer->arena, writer->group_count, sizeof *meta->row_groups);
    if (meta->row_groups == NULL) {
        return no_memory(writer, err);
    }
    for (const struct vs_group_fact *fact = writer->first_group; fact != NULL; fact = fact->next) {
        VS_TRY(build_group(writer, fact, meta->row_group_count,
                           &meta->row_groups[meta->row_group_count], err));
        meta->row_group_count++;
    }
    return VS_OK;
}

// Keys of the footer: the Iceberg schema, and checksums of what has none in the format itself.
static enum vs_status add_keys(struct vs_parquet_writer *writer,
                               struct vs_pq_file_meta *meta,
                               const struct vs_buf *indexes,
                               struct vs_error *err)
{
    struct vs_str schema_json = writer->options.schema_json;
    struct vs_pq_key_value *keys = vs_arena_alloc_array(&writer->arena, 3, sizeof *keys);
    struct vs_str crc =
        vs_arena_printf(&writer->arena, "%08" PRIx32, vs_crc32c(0, indexes->data, indexes->len));
    if (keys == NULL || crc.ptr == NULL) {
        return no_memory(writer, err);
    }
    meta->key_values = keys;
    if (schema_json.len > 0) {
        keys[meta->key_value_count++] =
            (struct vs_pq_key_value){VS_STR("iceberg.schema"), schema_json};
    }
    keys[meta->key_value_count++] = (struct vs_pq_key_value){VS_STR(VS_PQ_INDEX_CRC_KEY), crc};
    keys[meta->key_value_count++] =
        (struct vs_pq_key_value){VS_STR(VS_PQ_SEAL_KEY), VS_STR(VS_SEAL_BLANK)};
    return VS_OK;
}

static enum vs_status build_tail(struct vs_parquet_writer *writer,
                                 struct vs_buf *tail,
                                 struct vs_error *err)
{
    struct vs_pq_file_meta meta = {0};
    uint8_t end[8] = {0};
    size_t seal_at;
    VS_TRY(build_meta(writer, &meta, err));
    VS_TRY(add_indexes(writer, &meta, false, tail, err));
    VS_TRY(add_indexes(writer, &meta, true, tail, err));
    VS_TRY(add_keys(writer, &meta, tail, err));
    size_t start = tail->len;
    VS_TRY(vs_pq_file_meta_encode(&meta, tail, err));
    struct vs_str footer = {(const char *)tail->data + start, tail->len - start};
    if (!vs_pq_seal_find(footer, &seal_at)) {
        return vs_fail(err, VS_INTERNAL, "%s: the footer has no place for its checksum",
                       writer->out->name);
    }
    vs_seal_write(tail->data + start, footer.len, seal_at);
    vs_store_u32le(end, (uint32_t)footer.len);
    memcpy(end + 4, "PAR1", 4);
    return vs_buf_append(tail, end, sizeof end, err);
}

enum vs_status vs_parquet_write_footer(struct vs_parquet_writer *writer, struct vs_error *err)
{
    struct vs_buf tail;
    vs_buf_init(&tail, writer->env, FOOTER_LIMIT);
    enum vs_status status = build_tail(writer, &tail, err);
    if (status == VS_OK) {
        status = vs_writer_write(writer->out, tail.data, tail.len, err);
    }
    vs_buf_clear(&tail);
    return status;
}
