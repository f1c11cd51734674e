// SPDX-License-Identifier: Apache-2.0
/*
 * Table metadata as JSON, members in the order in which Java writes them.
 */
#include "vecstore/base/seal.h"
#include "vecstore/format/codec.h"
#include "vecstore/iceberg/iceberg_internal.h"

#define GZIP_LEVEL 6

static void write_pairs(struct vs_json_writer *w,
                        const char *key,
                        const struct vs_pair *pairs,
                        size_t count)
{
    vs_jw_key(w, key);
    vs_jw_object_begin(w);
    for (size_t i = 0; i < count; i++) {
        vs_jw_key_str(w, pairs[i].key);
        vs_jw_str(w, pairs[i].value);
    }
    vs_jw_object_end(w);
}

static void write_i64(struct vs_json_writer *w, const char *key, int64_t value)
{
    vs_jw_key(w, key);
    vs_jw_i64(w, value);
}

static void write_str(struct vs_json_writer *w, const char *key, struct vs_str value)
{
    vs_jw_key(w, key);
    vs_jw_str(w, value);
}

static void write_raw(struct vs_json_writer *w, const char *key, struct vs_str json)
{
    vs_jw_key(w, key);
    vs_jw_raw(w, json);
}

static void write_schemas(struct vs_json_writer *w, const struct vs_table_metadata *m)
{
    vs_jw_key(w, "schemas");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->schema_count; i++) {
        vs_jw_raw(w, m->schema_json[i]);
    }
    vs_jw_array_end(w);
}

// Closes an object; its members that we did not interpret come last. They are text
// `"key":value,...` kept from the input.
static void end_with_extra(struct vs_json_writer *w, struct vs_str extra)
{
    if (extra.len > 0) {
        vs_jw_raw(w, extra); // placed by the writer behind a comma, as the next member
    }
    vs_jw_object_end(w);
}

static void write_snapshot(struct vs_json_writer *w, const struct vs_snapshot *s)
{
    vs_jw_object_begin(w);
    write_i64(w, "sequence-number", s->sequence_number);
    write_i64(w, "snapshot-id", s->snapshot_id);
    if (s->parent_id != VS_NO_SNAPSHOT) {
        write_i64(w, "parent-snapshot-id", s->parent_id);
    }
    write_i64(w, "timestamp-ms", s->timestamp_ms);
    if (s->summary_count > 0) {
        write_pairs(w, "summary", s->summary, s->summary_count);
    }
    if (s->manifest_list.len > 0) { // else extra_json has the list of manifests of a v1 snapshot
        write_str(w, "manifest-list", s->manifest_list);
    }
    if (s->schema_id >= 0) {
        write_i64(w, "schema-id", s->schema_id);
    }
    if (s->first_row_id >= 0) {
        write_i64(w, "first-row-id", s->first_row_id);
    }
    if (s->added_rows >= 0) {
        write_i64(w, "added-rows", s->added_rows);
    }
    end_with_extra(w, s->extra_json);
}

static void write_snapshots(struct vs_json_writer *w, const struct vs_table_metadata *m)
{
    if (m->current_snapshot_id == VS_NO_SNAPSHOT && m->format_version >= 3) {
        vs_jw_key(w, "current-snapshot-id");
        vs_jw_null(w);
    } else {
        write_i64(w, "current-snapshot-id", m->current_snapshot_id);
    }
    if (m->format_version >= 3) {
        write_i64(w, "next-row-id", m->next_row_id);
    }
    vs_jw_key(w, "refs");
    vs_jw_object_begin(w);
    for (size_t i = 0; i < m->ref_count; i++) {
        vs_jw_key_str(w, m->refs[i].name);
        vs_jw_raw(w, m->refs[i].json);
    }
    vs_jw_object_end(w);
    vs_jw_key(w, "snapshots");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->snapshot_count; i++) {
        write_snapshot(w, &m->snapshots[i]);
    }
    vs_jw_array_end(w);
}

static void write_statistics(struct vs_json_writer *w, const struct vs_table_metadata *m)
{
    vs_jw_key(w, "statistics");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->statistics_count; i++) {
        const struct vs_statistics *s = &m->statistics[i];
        vs_jw_object_begin(w);
        write_i64(w, "snapshot-id", s->snapshot_id);
        write_str(w, "statistics-path", s->path);
        vs_jw_key(w, "file-size-in-bytes");
        vs_jw_u64(w, s->file_size);
        vs_jw_key(w, "file-footer-size-in-bytes");
        vs_jw_u64(w, s->footer_size);
        if (s->key_metadata.len > 0) {
            write_str(w, "key-metadata", s->key_metadata);
        }
        write_raw(w, "blob-metadata",
                  s->blob_metadata_json.len > 0 ? s->blob_metadata_json : VS_STR("[]"));
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    write_raw(w, "partition-statistics",
              m->partition_statistics_json.len > 0 ? m->partition_statistics_json : VS_STR("[]"));
}

static void write_logs(struct vs_json_writer *w, const struct vs_table_metadata *m)
{
    vs_jw_key(w, "snapshot-log");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->snapshot_log_count; i++) {
        vs_jw_object_begin(w);
        write_i64(w, "timestamp-ms", m->snapshot_log[i].timestamp_ms);
        write_i64(w, "snapshot-id", m->snapshot_log[i].snapshot_id);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_jw_key(w, "metadata-log");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < m->metadata_log_count; i++) {
        vs_jw_object_begin(w);
        write_i64(w, "timestamp-ms", m->metadata_log[i].timestamp_ms);
        write_str(w, "metadata-file", m->metadata_log[i].metadata_file);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

enum vs_status vs_table_check_writable(const struct vs_table_metadata *m, struct vs_error *err)
{
    for (size_t i = 0; i < m->snapshot_count; i++) {
        if (m->snapshots[i].snapshot_id < VS_NO_SNAPSHOT) {
            char text[VS_SNAPSHOT_ID_SIZE];
            vs_snapshot_id_format(m->snapshots[i].snapshot_id, text);
            return vs_fail(err, VS_UNSUPPORTED,
                           "the table has a snapshot %s; ids above 9223372036854775807 are read "
                           "but not written, since other engines cannot hold them",
                           text);
        }
    }
    if (m->format_version >= 2 && m->format_version <= VS_FORMAT_VERSION_MAX) {
        return VS_OK;
    }
    return vs_fail(err, VS_UNSUPPORTED,
                   "the table has Iceberg format version %d, and versions 2 and 3 are written; "
                   "upgrade it first: vecstore table alter NAME --set-format-version 2",
                   m->format_version);
}

enum vs_status vs_table_metadata_format(const struct vs_table_metadata *m,
                                        struct vs_buf *json_out,
                                        struct vs_error *err)
{
    VS_TRY(vs_table_check_writable(m, err));
    char uuid[VS_UUID_TEXT_SIZE];
    vs_uuid_format(m->uuid, uuid);
    struct vs_json_writer w;
    vs_json_writer_init(&w, json_out, false);
    vs_jw_object_begin(&w);
    write_i64(&w, "format-version", m->format_version);
    write_str(&w, "table-uuid", vs_str_from_c(uuid));
    write_str(&w, "location", m->location);
    write_i64(&w, "last-sequence-number", m->last_sequence_number);
    write_i64(&w, "last-updated-ms", m->last_updated_ms);
    write_i64(&w, "last-column-id", m->last_column_id);
    write_i64(&w, "current-schema-id", m->current_schema_id);
    write_schemas(&w, m);
    write_i64(&w, "default-spec-id", m->default_spec_id);
    write_raw(&w, "partition-specs", m->partition_specs_json);
    write_i64(&w, "last-partition-id", m->last_partition_id);
    write_i64(&w, "default-sort-order-id", m->default_sort_order_id);
    write_raw(&w, "sort-orders", m->sort_orders_json);
    write_pairs(&w, "properties", m->properties, m->property_count);
    write_snapshots(&w, m);
    write_statistics(&w, m);
    write_logs(&w, m);
    end_with_extra(&w, m->extra_json);
    return vs_json_writer_finish(&w, err);
}

bool vs_table_metadata_is_gzip(const struct vs_table_metadata *metadata)
{
    struct vs_str codec = vs_table_property(metadata, "write.metadata.compression-codec");
    return vs_str_equal_nocase(codec, VS_STR("gzip"));
}

// The last member of the document becomes a seal over it.
static enum vs_status seal(struct vs_buf *json, size_t start, struct vs_error *err)
{
    static const char tail[] = VS_METADATA_SEAL_HEAD VS_SEAL_BLANK "\"}";
    json->len--; // the closing brace
    VS_TRY(vs_buf_append(json, tail, sizeof tail - 1, err));
    size_t len = json->len - start;
    vs_seal_write(json->data + start, len, len - VS_SEAL_SIZE - 2);
    return VS_OK;
}

enum vs_status vs_table_metadata_encode_as(const struct vs_table_metadata *metadata,
                                           bool gzip,
                                           struct vs_buf *bytes_out,
                                           struct vs_error *err)
{
    if (!gzip) {
        size_t start = bytes_out->len;
        VS_TRY(vs_table_metadata_format(metadata, bytes_out, err));
        return seal(bytes_out, start, err);
    }
    struct vs_buf json;
    vs_buf_init(&json, metadata->arena.env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_metadata_format(metadata, &json, err);
    if (status == VS_OK) {
        status = vs_codec_compress(VS_CODEC_GZIP, GZIP_LEVEL, json.data, json.len, bytes_out, err);
    }
    vs_buf_clear(&json);
    return status;
}

enum vs_status vs_table_metadata_encode(const struct vs_table_metadata *metadata,
                                        struct vs_buf *bytes_out,
                                        struct vs_error *err)
{
    return vs_table_metadata_encode_as(metadata, vs_table_metadata_is_gzip(metadata), bytes_out,
                                       err);
}
