// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing of table metadata and the questions asked of it.
 */
#include "vecstore/base/seal.h"
#include "vecstore/format/codec.h"
#include "vecstore/iceberg/metadata_parser.h"

#include <string.h>

#define MAX_LOCATION 2048

enum vs_status vs_json_raw(const struct vs_json *value,
                           const struct vs_env *env,
                           struct vs_arena *arena,
                           struct vs_str *out,
                           struct vs_error *err)
{
    struct vs_buf text;
    vs_buf_init(&text, env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_json_write_value(value, &text, err);
    if (status == VS_OK) {
        struct vs_str copy = vs_arena_copy_str(arena, vs_buf_view(&text));
        if (copy.ptr != NULL) {
            *out = copy;
        } else {
            status = vs_fail(err, VS_NO_MEMORY, "no memory to keep a part of the table metadata");
        }
    }
    vs_buf_clear(&text);
    return status;
}

// ---- parts ----

static enum vs_status add_schema(const struct metadata_parser *p,
                                 const struct vs_json *json,
                                 struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    VS_TRY(vs_iceberg_schema_parse(json, p->what, &m->arena, &m->schemas[m->schema_count], err));
    VS_TRY(vs_metadata_raw(p, json, &m->schema_json[m->schema_count], err));
    m->schema_count++;
    return VS_OK;
}

static enum vs_status parse_schemas(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    const struct vs_json *schemas;
    const struct vs_json *single = vs_json_get(p->root, "schema");
    VS_TRY(vs_metadata_array(p, p->root, "schemas", &schemas, err));
    if (schemas == NULL) {
        if (m->format_version > 1 || !vs_json_is(single, VS_JSON_OBJECT)) {
            return vs_fail(err, VS_CORRUPT, "%s: the table has no schemas", p->what);
        }
        m->schemas = vs_arena_alloc(&m->arena, sizeof *m->schemas);
        m->schema_json = vs_arena_alloc(&m->arena, sizeof *m->schema_json);
        if (m->schemas == NULL || m->schema_json == NULL) {
            return vs_metadata_no_memory(p, err);
        }
        VS_TRY(add_schema(p, single, err));
        m->current_schema_id = m->schemas[0].schema_id;
        return VS_OK;
    }
    VS_TRY(vs_metadata_new_array(p, schemas, sizeof *m->schemas, &m->schemas, err));
    VS_TRY(vs_metadata_new_array(p, schemas, sizeof *m->schema_json, &m->schema_json, err));
    struct vs_json_iter iter;
    const struct vs_json *schema;
    vs_json_iter_init(&iter, schemas);
    while (vs_json_iter_next(&iter, NULL, &schema)) {
        VS_TRY(add_schema(p, schema, err));
    }
    if (m->format_version == 1 && vs_json_get(p->root, "current-schema-id") == NULL &&
        single != NULL) {
        VS_TRY(vs_metadata_i32(p, single, "schema-id", &m->current_schema_id, err));
    } else {
        VS_TRY(vs_metadata_i32(p, p->root, "current-schema-id", &m->current_schema_id, err));
    }
    if (vs_table_current_schema(m) == NULL) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: current-schema-id is %d, but the table has no such schema", p->what,
                       m->current_schema_id);
    }
    return VS_OK;
}

// ---- whole document ----

static enum vs_status check_version(const struct metadata_parser *p, struct vs_error *err)
{
    int64_t version;
    if (!vs_json_is(p->root, VS_JSON_OBJECT) || vs_json_get(p->root, "format-version") == NULL) {
        return vs_fail(err, VS_CORRUPT,
                       "%s is not Iceberg table metadata: it has no format-version", p->what);
    }
    if (vs_json_get(p->root, "view-uuid") != NULL) {
        return vs_fail(err, VS_UNSUPPORTED, "%s is the metadata of a view; only tables can be read",
                       p->what);
    }
    VS_TRY(vs_json_need_i64(p->root, "format-version", p->what, &version, err));
    if (version < 1 || version > VS_FORMAT_VERSION_MAX) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: the table has Iceberg format version %lld, and this program knows "
                       "versions 1 to %d; read it with a newer engine, or copy it into a version "
                       "2 table with one",
                       p->what, (long long)version, VS_FORMAT_VERSION_MAX);
    }
    p->m->format_version = (int)version;
    return VS_OK;
}

static enum vs_status parse_identity(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    struct vs_str text;
    if (vs_json_to_str(vs_json_get(p->root, "table-uuid"), &text)) {
        if (vs_uuid_parse(text, &m->uuid, NULL) != VS_OK) {
            return vs_fail(err, VS_CORRUPT, "%s: table-uuid '%.*s' is not a UUID", p->what,
                           VS_STR_ARG(text));
        }
    } else if (m->format_version > 1) {
        return vs_fail(err, VS_CORRUPT, "%s: the table has no table-uuid", p->what);
    }
    VS_TRY(vs_json_need_str(p->root, "location", p->what, &text, err));
    while (text.len > 1 && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    if (text.len == 0 || text.len > MAX_LOCATION) {
        return vs_fail(err, VS_LIMIT, "%s: the table's location is empty or longer than %d bytes",
                       p->what, MAX_LOCATION);
    }
    VS_TRY(vs_metadata_copy_str(p, text, &m->location, err));
    VS_TRY(vs_json_need_i64(p->root, "last-updated-ms", p->what, &m->last_updated_ms, err));
    VS_TRY(vs_metadata_i32(p, p->root, "last-column-id", &m->last_column_id, err));
    if (m->format_version > 1) {
        return vs_json_need_i64(p->root, "last-sequence-number", p->what, &m->last_sequence_number,
                                err);
    }
    return VS_OK;
}

// Required since version 3; where a writer left it out, ids go on behind those of the snapshots.
static enum vs_status parse_next_row_id(const struct metadata_parser *p, struct vs_error *err)
{
    struct vs_table_metadata *m = p->m;
    int64_t behind = 0, end;
    for (size_t i = 0; i < m->snapshot_count; i++) {
        const struct vs_snapshot *s = &m->snapshots[i];
        if (s->first_row_id >= 0 && s->added_rows >= 0 &&
            !__builtin_add_overflow(s->first_row_id, s->added_rows, &end) && end > behind) {
            behind = end;
        }
    }
    m->next_row_id = m->format_version >= 3 ? behind : -1;
    if (m->format_version >= 3) {
        VS_TRY(vs_metadata_i64(p, p->root, "next-row-id", &m->next_row_id, err));
        if (m->next_row_id < 0) {
            return vs_fail(err, VS_CORRUPT, "%s: next-row-id is %lld", p->what,
                           (long long)m->next_row_id);
        }
    }
    return VS_OK;
}

static enum vs_status parse_document(const struct metadata_parser *p, struct vs_error *err)
{
    static const char *const known[] = {"format-version",
                                        "table-uuid",
                                        "location",
                                        "last-sequence-number",
                                        "last-updated-ms",
                                        "last-column-id",
                                        "schemas",
                                        "schema",
                                        "current-schema-id",
                                        "partition-specs",
                                        "partition-spec",
                                        "default-spec-id",
                                        "last-partition-id",
                                        "sort-orders",
                                        "default-sort-order-id",
                                        "properties",
                                        "current-snapshot-id",
                                        "next-row-id",
                                        "snapshots",
                                        "snapshot-log",
                                        "metadata-log",
                                        "refs",
                                        "statistics",
                                        "partition-statistics",
                                        VS_METADATA_SEAL};
    struct vs_table_metadata *m = p->m;
    VS_TRY(check_version(p, err));
    VS_TRY(parse_identity(p, err));
    VS_TRY(parse_schemas(p, err));
    VS_TRY(vs_metadata_specs(p, err));
    VS_TRY(vs_metadata_orders(p, err));
    VS_TRY(vs_metadata_pairs(p, p->root, "properties", &m->properties, &m->property_count, err));
    VS_TRY(vs_metadata_snapshots(p, err));
    VS_TRY(parse_next_row_id(p, err));
    VS_TRY(vs_metadata_refs(p, err));
    VS_TRY(vs_metadata_check_current(p, err));
    VS_TRY(vs_metadata_log(p, "snapshot-log", &m->snapshot_log, &m->snapshot_log_count, err));
    VS_TRY(vs_metadata_log(p, "metadata-log", &m->metadata_log, &m->metadata_log_count, err));
    VS_TRY(vs_metadata_statistics(p, err));
    const struct vs_json *partition_statistics;
    VS_TRY(vs_metadata_array(p, p->root, "partition-statistics", &partition_statistics, err));
    if (partition_statistics != NULL) {
        VS_TRY(vs_metadata_raw(p, partition_statistics, &m->partition_statistics_json, err));
    }
    return vs_metadata_extra(p, p->root, known, sizeof known / sizeof known[0], &m->extra_json,
                             err);
}

static enum vs_status parse_text(const struct vs_env *env,
                                 struct vs_str text,
                                 const char *what,
                                 struct vs_table_metadata *m,
                                 struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_limits limits = {.max_depth = VS_JSON_MAX_DEPTH};
    enum vs_status status = vs_json_parse(env, text, what, &limits, &doc, err);
    if (status == VS_OK) {
        struct metadata_parser parser = {
            .env = env, .what = what, .root = vs_json_root(doc), .m = m};
        status = parse_document(&parser, err);
        vs_json_free(doc);
    }
    if (status == VS_INVALID) {
        // what is wrong lies in stored bytes, not in the caller's request
        status = VS_CORRUPT;
        if (err != NULL) {
            err->code = VS_CORRUPT;
        }
    }
    return status;
}

static enum vs_status gunzip(struct vs_str text,
                             const char *what,
                             struct vs_buf *plain,
                             struct vs_error *err)
{
    enum vs_status status =
        vs_codec_decompress_stream(VS_CODEC_GZIP, text.ptr, text.len, plain, err);
    return status == VS_OK ? VS_OK : vs_wrap(err, status, "%s", what);
}

static enum vs_status check_seal(struct vs_str text, const char *what, struct vs_error *err)
{
    const size_t head = sizeof VS_METADATA_SEAL_HEAD - 1, tail = head + VS_SEAL_SIZE + 2;
    if (text.len < tail || memcmp(text.ptr + text.len - tail, VS_METADATA_SEAL_HEAD, head) != 0 ||
        memcmp(text.ptr + text.len - 2, "\"}", 2) != 0 ||
        vs_seal_holds(text.ptr, text.len, text.len - VS_SEAL_SIZE - 2)) {
        return VS_OK;
    }
    return vs_fail(err, VS_CORRUPT,
                   "%s was changed after it was written: its checksum is wrong (if the change was "
                   "meant, remove the last member, %s)",
                   what, VS_METADATA_SEAL);
}

enum vs_status vs_table_metadata_parse(const struct vs_env *env,
                                       struct vs_str text,
                                       const char *what,
                                       struct vs_table_metadata **metadata_out,
                                       struct vs_error *err)
{
    struct vs_table_metadata *m = vs_alloc_zeroed(env, 1, sizeof *m);
    if (m == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the table metadata", what);
    }
    vs_arena_init(&m->arena, env, 0);
    struct vs_buf plain;
    vs_buf_init(&plain, env, VS_METADATA_MAX_BYTES);
    enum vs_status status = VS_OK;
    if (text.len >= 2 && (uint8_t)text.ptr[0] == 0x1f && (uint8_t)text.ptr[1] == 0x8b) {
        status = gunzip(text, what, &plain, err);
        text = vs_buf_view(&plain);
    }
    if (status == VS_OK) {
        status = check_seal(text, what, err);
    }
    if (status == VS_OK) {
        status = parse_text(env, text, what, m, err);
    }
    vs_buf_clear(&plain);
    if (status != VS_OK) {
        vs_table_metadata_free(m);
        return status;
    }
    *metadata_out = m;
    return VS_OK;
}

void vs_table_metadata_free(struct vs_table_metadata *metadata)
{
    if (metadata == NULL) {
        return;
    }
    const struct vs_env *env = metadata->arena.env;
    vs_arena_clear(&metadata->arena);
    vs_free(env, metadata);
}
