// SPDX-License-Identifier: Apache-2.0
/*
 * Manifest lists: one Avro file per snapshot, read by field id (old writers use other names),
 * written as Java does.
 */
#include "vecstore/base/checked.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/manifest_schema.h"

#include <string.h>

struct list_reader {
    struct vs_arena *arena;
    const char *what;
    struct vs_manifest_file *entries;
    size_t count;
    size_t capacity;
};

static enum vs_status no_memory(const char *what, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the manifest list", what);
}

static int64_t i64_or(const struct vs_avro_value *record,
                      int32_t id,
                      const char *name,
                      int64_t absent)
{
    int64_t value = absent;
    (void)vs_avro_to_i64(vs_avro_field(record, id, name), &value);
    return value;
}

// Java up to 1.4 used other names, which count where a file has no field ids.
static int64_t count_or_null(const struct vs_avro_value *record,
                             int32_t id,
                             const char *name,
                             const char *old_name)
{
    return i64_or(record, id, name, i64_or(record, id, old_name, -1));
}

static enum vs_status copy_bound(struct list_reader *r,
                                 const struct vs_avro_value *value,
                                 struct vs_str *out,
                                 struct vs_error *err)
{
    struct vs_str bytes;
    if (!vs_avro_to_bytes(value, &bytes)) {
        return VS_OK;
    }
    *out = vs_arena_copy_str(r->arena, bytes);
    return out->ptr != NULL ? VS_OK : no_memory(r->what, err);
}

static enum vs_status read_summaries(struct list_reader *r,
                                     const struct vs_avro_value *value,
                                     struct vs_manifest_file *m,
                                     struct vs_error *err)
{
    if (value == NULL || value->node->type != VS_AVRO_ARRAY || value->count == 0) {
        return VS_OK;
    }
    m->partitions = vs_arena_alloc_array(r->arena, value->count, sizeof *m->partitions);
    if (m->partitions == NULL) {
        return no_memory(r->what, err);
    }
    m->partition_count = value->count;
    for (size_t i = 0; i < value->count; i++) {
        const struct vs_avro_value *item = &value->as.items[i];
        const struct vs_avro_value *has_null = vs_avro_field(item, 509, "contains_null");
        const struct vs_avro_value *has_nan = vs_avro_field(item, 518, "contains_nan");
        struct vs_partition_summary *s = &m->partitions[i];
        // Without the fact, "may contain nulls" is the safe summary.
        s->contains_null = has_null == NULL || has_null->node->type != VS_AVRO_BOOLEAN ||
                           has_null->as.integer != 0;
        s->contains_nan = has_nan != NULL && has_nan->node->type == VS_AVRO_BOOLEAN
                              ? has_nan->as.integer != 0
                              : -1;
        VS_TRY(copy_bound(r, vs_avro_field(item, 510, "lower_bound"), &s->lower_bound, err));
        VS_TRY(copy_bound(r, vs_avro_field(item, 511, "upper_bound"), &s->upper_bound, err));
    }
    return VS_OK;
}

static enum vs_status read_entry(struct list_reader *r,
                                 const struct vs_avro_value *record,
                                 struct vs_manifest_file *m,
                                 struct vs_error *err)
{
    struct vs_str path;
    int64_t content = i64_or(record, 517, "content", 0);
    int64_t spec_id = i64_or(record, 502, "partition_spec_id", 0);
    if (!vs_avro_to_bytes(vs_avro_field(record, 500, "manifest_path"), &path) || path.len == 0) {
        return vs_fail(err, VS_CORRUPT, "%s: an entry has no manifest_path", r->what);
    }
    if (content != 0 && content != 1) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: a manifest has the unknown content %lld", r->what,
                       (long long)content);
    }
    if (spec_id < 0 || spec_id > INT32_MAX) {
        return vs_fail(err, VS_CORRUPT, "%s: a manifest has partition spec %lld", r->what,
                       (long long)spec_id);
    }
    struct vs_str key_metadata = {NULL, 0};
    if (vs_avro_to_bytes(vs_avro_field(record, 519, "key_metadata"), &key_metadata) &&
        key_metadata.len > 0) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: manifest %.*s is encrypted, which cannot be read",
                       r->what, VS_STR_ARG(path));
    }
    *m = (struct vs_manifest_file){
        .path = vs_arena_copy_str(r->arena, path),
        .length = i64_or(record, 501, "manifest_length", -1),
        .spec_id = (int32_t)spec_id,
        .content = (int)content,
        .sequence_number = i64_or(record, 515, "sequence_number", 0),
        .min_sequence_number = i64_or(record, 516, "min_sequence_number", 0),
        .added_snapshot_id = i64_or(record, 503, "added_snapshot_id", VS_NO_SNAPSHOT),
        .added_files = count_or_null(record, 504, "added_files_count", "added_data_files_count"),
        .existing_files =
            count_or_null(record, 505, "existing_files_count", "existing_data_files_count"),
        .deleted_files =
            count_or_null(record, 506, "deleted_files_count", "deleted_data_files_count"),
        .added_rows = i64_or(record, 512, "added_rows_count", -1),
        .existing_rows = i64_or(record, 513, "existing_rows_count", -1),
        .deleted_rows = i64_or(record, 514, "deleted_rows_count", -1),
        .first_row_id = i64_or(record, 520, "first_row_id", -1),
    };
    if (m->path.ptr == NULL) {
        return no_memory(r->what, err);
    }
    return read_summaries(r, vs_avro_field(record, 507, "partitions"), m, err);
}

static enum vs_status grow(struct list_reader *r, struct vs_error *err)
{
    if (r->count < r->capacity) {
        return VS_OK;
    }
    size_t capacity = r->capacity == 0 ? 16 : r->capacity * 2;
    struct vs_manifest_file *entries = vs_arena_alloc_array(r->arena, capacity, sizeof *entries);
    if (entries == NULL) {
        return no_memory(r->what, err);
    }
    if (r->count > 0) {
        memcpy(entries, r->entries, r->count * sizeof *entries);
    }
    r->entries = entries;
    r->capacity = capacity;
    return VS_OK;
}

static enum vs_status read_all(struct list_reader *r,
                               struct vs_avro_file *file,
                               struct vs_error *err)
{
    if (vs_avro_file_schema(file)->type != VS_AVRO_RECORD) {
        return vs_fail(err, VS_CORRUPT, "%s: not a manifest list: its Avro schema is no record",
                       r->what);
    }
    for (;;) {
        const struct vs_avro_value *record;
        VS_TRY(vs_avro_file_next(file, &record, err));
        if (record == NULL) {
            return VS_OK;
        }
        VS_TRY(grow(r, err));
        VS_TRY(read_entry(r, record, &r->entries[r->count], err));
        r->count++;
    }
}

enum vs_status vs_manifest_list_read(const struct vs_env *env,
                                     struct vs_str bytes,
                                     const char *what,
                                     struct vs_arena *arena,
                                     struct vs_manifest_file **entries_out,
                                     size_t *count_out,
                                     struct vs_error *err)
{
    struct vs_avro_file *file = NULL;
    VS_TRY(vs_avro_file_open(env, bytes, what, &file, err));
    struct list_reader reader = {.arena = arena, .what = what};
    enum vs_status status = read_all(&reader, file, err);
    vs_avro_file_close(file);
    if (status == VS_OK) {
        *entries_out = reader.entries;
        *count_out = reader.count;
    }
    return status;
}

// ---- writing ----

static enum vs_status put_longs(struct vs_buf *out,
                                const int64_t *values,
                                size_t count,
                                struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        VS_TRY(vs_avro_put_long(out, values[i], err));
    }
    return VS_OK;
}

static enum vs_status put_bound(struct vs_buf *out, struct vs_str bound, struct vs_error *err)
{
    VS_TRY(vs_avro_put_long(out, bound.ptr != NULL, err));
    return bound.ptr != NULL ? vs_avro_put_bytes(out, bound, err) : VS_OK;
}

// Partition summaries (r508); none: null.
static enum vs_status put_summaries(struct vs_buf *out,
                                    const struct vs_manifest_file *m,
                                    struct vs_error *err)
{
    VS_TRY(vs_avro_put_long(out, m->partition_count > 0, err));
    if (m->partition_count == 0) {
        return VS_OK;
    }
    VS_TRY(vs_avro_put_long(out, (int64_t)m->partition_count, err));
    for (size_t i = 0; i < m->partition_count; i++) {
        const struct vs_partition_summary *s = &m->partitions[i];
        VS_TRY(vs_buf_append_byte(out, s->contains_null, err));
        VS_TRY(vs_avro_put_long(out, s->contains_nan >= 0, err));
        if (s->contains_nan >= 0) {
            VS_TRY(vs_buf_append_byte(out, s->contains_nan != 0, err));
        }
        VS_TRY(put_bound(out, s->lower_bound, err));
        VS_TRY(put_bound(out, s->upper_bound, err));
    }
    return vs_avro_put_long(out, 0, err);
}

static enum vs_status put_entry(struct vs_buf *out,
                                const struct vs_manifest_file *m,
                                int format_version,
                                struct vs_error *err)
{
    // Counts are required in version 2; an unknown one must not read as "none" (readers skip empty
    // manifests).
    int64_t added = m->added_files >= 0 ? m->added_files : 1;
    int64_t existing = m->existing_files >= 0 ? m->existing_files : 1;
    const int64_t numbers[] = {m->length,
                               m->spec_id,
                               m->content,
                               m->sequence_number,
                               m->min_sequence_number,
                               m->added_snapshot_id,
                               added,
                               existing,
                               m->deleted_files >= 0 ? m->deleted_files : 0,
                               m->added_rows >= 0 ? m->added_rows : 0,
                               m->existing_rows >= 0 ? m->existing_rows : 0,
                               m->deleted_rows >= 0 ? m->deleted_rows : 0};
    VS_TRY(vs_avro_put_bytes(out, m->path, err));
    VS_TRY(put_longs(out, numbers, sizeof numbers / sizeof numbers[0], err));
    VS_TRY(put_summaries(out, m, err));
    VS_TRY(vs_avro_put_long(out, 0, err)); // key_metadata
    if (format_version < 3) {
        return VS_OK;
    }
    bool has_rows = m->content == 0 && m->first_row_id >= 0;
    VS_TRY(vs_avro_put_long(out, has_rows, err));
    return has_rows ? vs_avro_put_long(out, m->first_row_id, err) : VS_OK;
}

static enum vs_status write_entries(struct vs_avro_writer *writer,
                                    const struct vs_manifest_list_write *list,
                                    struct vs_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        VS_TRY(put_entry(&writer->block, &list->entries[i], list->format_version, err));
        VS_TRY(vs_avro_writer_end_record(writer, err));
    }
    return vs_avro_writer_finish(writer, err);
}

static enum vs_status begin_list(struct vs_avro_writer *writer,
                                 const struct vs_manifest_list_write *list,
                                 struct vs_str avro,
                                 struct vs_str iceberg,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    char id[VS_MANIFEST_NUMBER_SIZE], parent[VS_MANIFEST_NUMBER_SIZE];
    char sequence[VS_MANIFEST_NUMBER_SIZE], row[VS_MANIFEST_NUMBER_SIZE];
    const struct vs_avro_header header[] = {
        {"snapshot-id", vs_manifest_number(id, list->snapshot_id)},
        {"parent-snapshot-id", list->parent_id == VS_NO_SNAPSHOT
                                   ? VS_STR("null")
                                   : vs_manifest_number(parent, list->parent_id)},
        {"sequence-number", vs_manifest_number(sequence, list->sequence_number)},
        {"format-version", list->format_version >= 3 ? VS_STR("3") : VS_STR("2")},
        {"iceberg.schema", iceberg},
        {"first-row-id", vs_manifest_number(row, list->first_row_id)},
    };
    size_t count = sizeof header / sizeof header[0];
    return vs_avro_writer_init(writer, out, avro, header,
                               list->format_version >= 3 ? count : count - 1, err);
}

enum vs_status vs_manifest_list_write_bytes(const struct vs_env *env,
                                            const struct vs_manifest_list_write *list,
                                            struct vs_buf *out,
                                            struct vs_error *err)
{
    struct vs_buf avro, iceberg;
    struct vs_avro_writer writer = {0};
    const struct vs_manifest_shape shape = {.format_version = list->format_version};
    vs_buf_init(&avro, env, VS_METADATA_MAX_BYTES);
    vs_buf_init(&iceberg, env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_manifest_schema_format(VS_MANIFEST_LIST_AVRO, &shape, &avro, err);
    if (status == VS_OK) {
        status = vs_manifest_schema_format(VS_MANIFEST_LIST_ICEBERG, &shape, &iceberg, err);
    }
    if (status == VS_OK) {
        status = begin_list(&writer, list, vs_buf_view(&avro), vs_buf_view(&iceberg), out, err);
    }
    if (status == VS_OK) {
        status = write_entries(&writer, list, err);
    }
    vs_avro_writer_clear(&writer);
    vs_buf_clear(&iceberg);
    vs_buf_clear(&avro);
    return status;
}

enum vs_status vs_manifest_list_assign_rows(struct vs_manifest_file *entries,
                                            size_t count,
                                            int64_t first_row_id,
                                            int64_t *added_rows_out,
                                            struct vs_error *err)
{
    int64_t next = first_row_id;
    for (size_t i = 0; i < count; i++) {
        struct vs_manifest_file *m = &entries[i];
        if (m->content != 0 || m->first_row_id >= 0) {
            continue;
        }
        int64_t added = m->added_rows > 0 ? m->added_rows : 0;
        int64_t existing = m->existing_rows > 0 ? m->existing_rows : 0;
        m->first_row_id = next;
        if (!vs_add_i64(next, added, &next) || !vs_add_i64(next, existing, &next)) {
            return vs_fail(err, VS_LIMIT, "the table's row ids are used up");
        }
    }
    *added_rows_out = next - first_row_id;
    return VS_OK;
}
