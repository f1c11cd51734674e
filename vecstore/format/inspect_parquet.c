// SPDX-License-Identifier: Apache-2.0
// The structure of a Parquet file: footer, columns, row groups, column chunks.
#include "vecstore/format/inspect_internal.h"

#include <stdio.h>

struct report {
    struct vs_parquet_reader *reader;
    struct vs_json_writer *w;
    struct vs_arena arena;
    const struct vs_inspect_request *options;
    struct vs_type type;
    struct vs_record_leaf_info *infos;
    size_t leaf_count;
    struct vs_inspect_column *columns; // NULL: no digest was asked for
    struct vs_inspect_leaf *leaves;
};

#define TEXT_SIZE 64

static void physical_name(const struct vs_pq_schema_element *e, char text[TEXT_SIZE])
{
    if (e->type == VS_PQ_FIXED) {
        (void)snprintf(text, TEXT_SIZE, "%s(%d)", vs_pq_type_name(e->type), (int)e->type_length);
    } else {
        (void)snprintf(text, TEXT_SIZE, "%s", vs_pq_type_name(e->type));
    }
}

static const char *plain_logical_name(enum vs_pq_logical_kind kind)
{
    switch (kind) {
    case VS_PQ_LOGICAL_STRING:
        return "STRING";
    case VS_PQ_LOGICAL_MAP:
        return "MAP";
    case VS_PQ_LOGICAL_LIST:
        return "LIST";
    case VS_PQ_LOGICAL_ENUM:
        return "ENUM";
    case VS_PQ_LOGICAL_DATE:
        return "DATE";
    case VS_PQ_LOGICAL_UNKNOWN:
        return "NULL";
    case VS_PQ_LOGICAL_JSON:
        return "JSON";
    case VS_PQ_LOGICAL_BSON:
        return "BSON";
    case VS_PQ_LOGICAL_UUID:
        return "UUID";
    case VS_PQ_LOGICAL_FLOAT16:
        return "FLOAT16";
    case VS_PQ_LOGICAL_VARIANT:
        return "VARIANT";
    case VS_PQ_LOGICAL_GEOMETRY:
        return "GEOMETRY";
    case VS_PQ_LOGICAL_GEOGRAPHY:
        return "GEOGRAPHY";
    case VS_PQ_LOGICAL_UNDEFINED:
        return "UNDEFINED";
    case VS_PQ_LOGICAL_NONE:
    case VS_PQ_LOGICAL_DECIMAL:
    case VS_PQ_LOGICAL_TIME:
    case VS_PQ_LOGICAL_TIMESTAMP:
    case VS_PQ_LOGICAL_INTEGER:
        break;
    }
    return "NONE";
}

static void logical_name(const struct vs_pq_schema_element *e, char text[TEXT_SIZE])
{
    static const char *const units[] = {"?", "MILLIS", "MICROS", "NANOS"};
    struct vs_pq_logical l = vs_pq_logical_of(e);
    if (l.kind == VS_PQ_LOGICAL_DECIMAL) {
        (void)snprintf(text, TEXT_SIZE, "DECIMAL(%d,%d)", (int)l.precision, (int)l.scale);
    } else if (l.kind == VS_PQ_LOGICAL_INTEGER) {
        (void)snprintf(text, TEXT_SIZE, "INT(%d,%s)", (int)l.bit_width,
                       l.is_signed ? "signed" : "unsigned");
    } else if (l.kind == VS_PQ_LOGICAL_TIME || l.kind == VS_PQ_LOGICAL_TIMESTAMP) {
        unsigned unit = (unsigned)l.unit <= VS_PQ_NANOS ? (unsigned)l.unit : 0;
        (void)snprintf(text, TEXT_SIZE, "%s(%s,%s)",
                       l.kind == VS_PQ_LOGICAL_TIME ? "TIME" : "TIMESTAMP", units[unit],
                       l.utc ? "utc" : "local");
    } else if (e->has_converted && e->converted == VS_PQ_CONVERTED_INTERVAL &&
               e->logical.kind == VS_PQ_LOGICAL_NONE) {
        (void)snprintf(text, TEXT_SIZE, "INTERVAL");
    } else {
        (void)snprintf(text, TEXT_SIZE, "%s", plain_logical_name(l.kind));
    }
}

// ---- names of codecs and encodings, sorted and without repetition ----

#define MAX_NAMES 16

struct name_set {
    const char *names[MAX_NAMES];
    size_t count;
};

static void add_name(struct name_set *set, const char *name)
{
    size_t at = 0;
    while (at < set->count && strcmp(set->names[at], name) < 0) {
        at++;
    }
    if (set->count == MAX_NAMES || (at < set->count && strcmp(set->names[at], name) == 0)) {
        return;
    }
    memmove(&set->names[at + 1], &set->names[at], (set->count - at) * sizeof set->names[0]);
    set->names[at] = name;
    set->count++;
}

static void write_names(struct vs_json_writer *w, const char *key, const struct name_set *set)
{
    vs_jw_key(w, key);
    vs_jw_array_begin(w);
    for (size_t i = 0; i < set->count; i++) {
        vs_jw_c(w, set->names[i]);
    }
    vs_jw_array_end(w);
}

static void add_encodings(struct name_set *set, const struct vs_pq_column_chunk *chunk)
{
    for (size_t i = 0; i < chunk->encoding_count; i++) {
        add_name(set, vs_pq_encoding_name(chunk->encodings[i]));
    }
}

// ---- parts of the report ----

static void write_summary(const struct report *r)
{
    const struct vs_pq_file_meta *meta = &r->reader->meta;
    struct vs_json_writer *w = r->w;
    struct name_set codecs = {.count = 0}, encodings = {.count = 0};
    for (size_t g = 0; g < meta->row_group_count; g++) {
        for (size_t c = 0; c < meta->row_groups[g].column_count; c++) {
            if (meta->row_groups[g].columns[c].has_meta) {
                add_name(&codecs, vs_pq_codec_name(meta->row_groups[g].columns[c].codec));
                add_encodings(&encodings, &meta->row_groups[g].columns[c]);
            }
        }
    }
    vs_inspect_text(w, "format", "parquet");
    vs_inspect_u64(w, "size", r->reader->file->size);
    vs_inspect_i64(w, "version", meta->version);
    vs_inspect_str(w, "created_by", meta->created_by);
    vs_inspect_u64(w, "rows", vs_parquet_row_count(r->reader));
    vs_inspect_i64(w, "footer_rows", meta->num_rows);
    vs_inspect_u64(w, "row_groups", meta->row_group_count);
    write_names(w, "codecs", &codecs);
    write_names(w, "encodings", &encodings);
    vs_jw_key(w, "key_values");
    vs_jw_object_begin(w);
    for (size_t i = 0; i < meta->key_value_count; i++) { // sizes: values can be long
        vs_jw_key_str(w, meta->key_values[i].key);
        vs_jw_u64(w, meta->key_values[i].value.len);
    }
    vs_jw_object_end(w);
}

static enum vs_status write_columns(const struct report *r, struct vs_error *err)
{
    struct vs_json_writer *w = r->w;
    struct vs_buf text;
    enum vs_status status = VS_OK;
    vs_buf_init(&text, r->reader->env, SIZE_MAX / 2);
    vs_jw_key(w, "columns");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < r->type.child_count && status == VS_OK; i++) {
        const struct vs_type *column = &r->type.children[i];
        vs_buf_reset(&text);
        status = vs_type_tree_format(column, &text, err);
        vs_jw_object_begin(w);
        vs_inspect_str(w, "name", column->name);
        vs_inspect_str(w, "type", vs_buf_view(&text));
        vs_jw_key(w, "required");
        vs_jw_bool(w, column->required);
        if (column->id >= 0) {
            vs_inspect_i64(w, "id", column->id);
        }
        if (r->columns != NULL) {
            vs_inspect_u64(w, "nulls", r->columns[i].nulls);
            vs_inspect_digest(w, "digest", r->columns[i].digest);
        }
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_buf_clear(&text);
    return status;
}

static uint64_t stated_entries(const struct report *r, size_t leaf)
{
    uint64_t entries = 0;
    const struct vs_pq_file_meta *meta = &r->reader->meta;
    for (size_t g = 0; g < meta->row_group_count; g++) {
        int64_t values = meta->row_groups[g].columns[leaf].num_values;
        entries += values > 0 ? (uint64_t)values : 0;
    }
    return entries;
}

static void write_leaves(const struct report *r)
{
    struct vs_json_writer *w = r->w;
    vs_jw_key(w, "leaves");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < r->leaf_count; i++) {
        const struct vs_record_leaf_info *info = &r->infos[i];
        char physical[TEXT_SIZE], logical[TEXT_SIZE];
        physical_name(info->element, physical);
        logical_name(info->element, logical);
        vs_jw_object_begin(w);
        vs_inspect_str(w, "path", info->path);
        vs_inspect_text(w, "physical", physical);
        vs_inspect_text(w, "logical", logical);
        vs_inspect_u64(w, "max_def", info->leaf.max_def);
        vs_inspect_u64(w, "max_rep", info->leaf.max_rep);
        vs_inspect_u64(w, "entries", stated_entries(r, i));
        if (r->leaves != NULL) {
            vs_inspect_u64(w, "present", r->leaves[i].present);
            vs_inspect_u64(w, "nulls", r->leaves[i].entries - r->leaves[i].present);
            vs_inspect_digest(w, "digest", r->leaves[i].digest);
        }
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void write_statistics(struct vs_json_writer *w, const struct vs_pq_statistics *statistics)
{
    vs_jw_key(w, "statistics");
    vs_jw_object_begin(w);
    if (statistics->has_null_count) {
        vs_inspect_i64(w, "nulls", statistics->null_count);
    }
    if (statistics->has_min) { // as stored
        vs_jw_key(w, "min");
        vs_inspect_rendering(w, statistics->min);
    }
    if (statistics->has_max) {
        vs_jw_key(w, "max");
        vs_inspect_rendering(w, statistics->max);
    }
    vs_jw_object_end(w);
}

static void write_chunk(struct vs_json_writer *w, const struct vs_pq_column_chunk *chunk)
{
    struct name_set encodings = {.count = 0};
    vs_jw_object_begin(w);
    if (chunk->is_encrypted) {
        vs_jw_key(w, "encrypted");
        vs_jw_bool(w, true);
    }
    if (chunk->file_path.len > 0) {
        vs_inspect_str(w, "file_path", chunk->file_path);
    }
    if (chunk->has_meta) {
        add_encodings(&encodings, chunk);
        vs_inspect_text(w, "codec", vs_pq_codec_name(chunk->codec));
        write_names(w, "encodings", &encodings);
        vs_inspect_i64(w, "values", chunk->num_values);
        vs_inspect_i64(w, "compressed", chunk->total_compressed_size);
        vs_inspect_i64(w, "uncompressed", chunk->total_uncompressed_size);
        vs_inspect_i64(w, "data_page_offset", chunk->data_page_offset);
        if (chunk->has_dictionary_page_offset) {
            vs_inspect_i64(w, "dictionary_page_offset", chunk->dictionary_page_offset);
        }
        write_statistics(w, &chunk->statistics);
    }
    vs_jw_key(w, "offset_index");
    vs_jw_bool(w, chunk->offset_index_offset > 0);
    vs_jw_key(w, "column_index");
    vs_jw_bool(w, chunk->column_index_offset > 0);
    vs_jw_object_end(w);
}

static void write_groups(const struct report *r)
{
    const struct vs_pq_file_meta *meta = &r->reader->meta;
    struct vs_json_writer *w = r->w;
    vs_jw_key(w, "groups");
    vs_jw_array_begin(w);
    for (size_t g = 0; g < meta->row_group_count; g++) {
        const struct vs_pq_row_group *group = &meta->row_groups[g];
        vs_jw_object_begin(w);
        vs_inspect_i64(w, "rows", group->num_rows);
        vs_inspect_i64(w, "bytes", group->total_byte_size);
        vs_jw_key(w, "chunks"); // in the order of the leaves
        vs_jw_array_begin(w);
        for (size_t c = 0; c < group->column_count; c++) {
            write_chunk(w, &group->columns[c]);
        }
        vs_jw_array_end(w);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static enum vs_status write_report(struct report *r, struct vs_error *err)
{
    VS_TRY(vs_record_schema(r->reader, true, &r->arena, &r->type, &r->infos, &r->leaf_count, err));
    if (r->options->digest) { // first: what cannot be read has no report
        VS_TRY(vs_inspect_digest_leaves(r->reader, &r->arena, r->infos, r->leaf_count, &r->leaves,
                                        err));
        VS_TRY(vs_inspect_digest_columns(r->reader, &r->arena, &r->columns, err));
    }
    vs_jw_object_begin(r->w);
    write_summary(r);
    VS_TRY(write_columns(r, err));
    write_leaves(r);
    write_groups(r);
    if (r->options->rows > 0) {
        VS_TRY(vs_inspect_rows(r->reader, r->options, r->w, err));
    }
    vs_jw_object_end(r->w);
    return VS_OK;
}

enum vs_status vs_inspect_parquet(const struct vs_env *env,
                                  struct vs_file *file,
                                  const struct vs_inspect_request *options,
                                  struct vs_json_writer *w,
                                  struct vs_error *err)
{
    struct report report = {.w = w, .options = options};
    VS_TRY(vs_parquet_open(env, file, &report.reader, err));
    vs_arena_init(&report.arena, env, 0);
    enum vs_status status = write_report(&report, err);
    vs_arena_clear(&report.arena);
    vs_parquet_close(report.reader);
    return status;
}
