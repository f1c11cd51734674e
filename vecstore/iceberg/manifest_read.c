// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests: entries by field id, with sequence numbers inherited (iceberg.md 1.5, 1.6).
 */
#include "vecstore/base/bytes.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/partition_key.h"

struct manifest_reader {
    const struct vs_env *env;
    struct vs_arena *arena;
    const char *what;
    const struct vs_manifest_file *manifest;
    struct vs_data_file *entries;
    size_t count;
    size_t capacity;
};

static enum vs_status no_memory(const struct manifest_reader *r, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: no memory for the manifest", r->what);
}

static enum vs_status bad_entry(const struct manifest_reader *r,
                                const char *reason,
                                struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: entry %zu %s", r->what, r->count, reason);
}

static const struct vs_avro_value *array_of(const struct vs_avro_value *record,
                                            int32_t id,
                                            const char *name)
{
    const struct vs_avro_value *value = vs_avro_field(record, id, name);
    return value != NULL && value->node->type == VS_AVRO_ARRAY ? value : NULL;
}

// The ids of key and value of one of the int-keyed maps.
struct map_spec {
    int32_t id, key_id, value_id;
    const char *name;
};

static enum vs_status read_long_map(struct manifest_reader *r,
                                    const struct vs_avro_value *file,
                                    struct map_spec spec,
                                    struct vs_int_long **out,
                                    size_t *count_out,
                                    struct vs_error *err)
{
    const struct vs_avro_value *map = array_of(file, spec.id, spec.name);
    if (map == NULL) {
        return VS_OK;
    }
    *out = vs_arena_alloc_array(r->arena, map->count, sizeof **out);
    if (*out == NULL) {
        return no_memory(r, err);
    }
    for (size_t i = 0; i < map->count; i++) {
        int64_t key, value;
        if (!vs_avro_to_i64(vs_avro_field(&map->as.items[i], spec.key_id, "key"), &key) ||
            key < 0 || key > INT32_MAX ||
            !vs_avro_to_i64(vs_avro_field(&map->as.items[i], spec.value_id, "value"), &value)) {
            return bad_entry(r, "has a malformed map of counts", err);
        }
        (*out)[(*count_out)++] = (struct vs_int_long){(int32_t)key, value};
    }
    return VS_OK;
}

static enum vs_status read_bytes_map(struct manifest_reader *r,
                                     const struct vs_avro_value *file,
                                     struct map_spec spec,
                                     struct vs_int_bytes **out,
                                     size_t *count_out,
                                     struct vs_error *err)
{
    const struct vs_avro_value *map = array_of(file, spec.id, spec.name);
    if (map == NULL) {
        return VS_OK;
    }
    *out = vs_arena_alloc_array(r->arena, map->count, sizeof **out);
    if (*out == NULL) {
        return no_memory(r, err);
    }
    for (size_t i = 0; i < map->count; i++) {
        int64_t key;
        struct vs_str value;
        if (!vs_avro_to_i64(vs_avro_field(&map->as.items[i], spec.key_id, "key"), &key) ||
            key < 0 || key > INT32_MAX ||
            !vs_avro_to_bytes(vs_avro_field(&map->as.items[i], spec.value_id, "value"), &value)) {
            return bad_entry(r, "has a malformed map of bounds", err);
        }
        struct vs_str copy = vs_arena_copy_str(r->arena, value);
        if (copy.ptr == NULL) {
            return no_memory(r, err);
        }
        (*out)[(*count_out)++] = (struct vs_int_bytes){(int32_t)key, copy};
    }
    return VS_OK;
}

static enum vs_status read_statistics(struct manifest_reader *r,
                                      const struct vs_avro_value *file,
                                      struct vs_data_file *d,
                                      struct vs_error *err)
{
    VS_TRY(read_long_map(r, file, (struct map_spec){108, 117, 118, "column_sizes"},
                         &d->column_sizes, &d->column_size_count, err));
    VS_TRY(read_long_map(r, file, (struct map_spec){109, 119, 120, "value_counts"},
                         &d->value_counts, &d->value_count_count, err));
    VS_TRY(read_long_map(r, file, (struct map_spec){110, 121, 122, "null_value_counts"},
                         &d->null_counts, &d->null_count_count, err));
    VS_TRY(read_long_map(r, file, (struct map_spec){137, 138, 139, "nan_value_counts"},
                         &d->nan_counts, &d->nan_count_count, err));
    VS_TRY(read_bytes_map(r, file, (struct map_spec){125, 126, 127, "lower_bounds"},
                          &d->lower_bounds, &d->lower_count, err));
    return read_bytes_map(r, file, (struct map_spec){128, 129, 130, "upper_bounds"},
                          &d->upper_bounds, &d->upper_count, err);
}

static enum vs_status read_lists(struct manifest_reader *r,
                                 const struct vs_avro_value *file,
                                 struct vs_data_file *d,
                                 struct vs_error *err)
{
    const struct vs_avro_value *splits = array_of(file, 132, "split_offsets");
    const struct vs_avro_value *ids = array_of(file, 135, "equality_ids");
    if (splits != NULL) {
        d->split_offsets = vs_arena_alloc_array(r->arena, splits->count, sizeof *d->split_offsets);
        if (d->split_offsets == NULL) {
            return no_memory(r, err);
        }
        for (size_t i = 0; i < splits->count; i++) {
            if (!vs_avro_to_i64(&splits->as.items[i], &d->split_offsets[d->split_count++])) {
                return bad_entry(r, "has malformed split_offsets", err);
            }
        }
    }
    if (ids != NULL) {
        d->equality_ids = vs_arena_alloc_array(r->arena, ids->count, sizeof *d->equality_ids);
        if (d->equality_ids == NULL) {
            return no_memory(r, err);
        }
        for (size_t i = 0; i < ids->count; i++) {
            int64_t id;
            if (!vs_avro_to_i64(&ids->as.items[i], &id) || id < 0 || id > INT32_MAX) {
                return bad_entry(r, "has malformed equality_ids", err);
            }
            d->equality_ids[d->equality_count++] = (int32_t)id;
        }
    }
    return VS_OK;
}

static enum vs_status copy_text(struct manifest_reader *r,
                                const struct vs_avro_value *file,
                                int32_t id,
                                const char *name,
                                struct vs_str *out,
                                struct vs_error *err)
{
    struct vs_str text;
    if (!vs_avro_to_bytes(vs_avro_field(file, id, name), &text)) {
        return VS_OK;
    }
    *out = vs_arena_copy_str(r->arena, text);
    return out->ptr != NULL ? VS_OK : no_memory(r, err);
}

static enum vs_status read_file(struct manifest_reader *r,
                                const struct vs_avro_value *file,
                                struct vs_data_file *d,
                                struct vs_error *err)
{
    int64_t content = 0, order = -1;
    d->content_offset = d->content_size = -1;
    d->spec_id = r->manifest->spec_id;
    (void)vs_avro_to_i64(vs_avro_field(file, 134, "content"), &content);
    if (content < VS_CONTENT_DATA || content > VS_CONTENT_EQUALITY_DELETES) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: entry %zu has the unknown content %lld", r->what,
                       r->count, (long long)content);
    }
    d->content = (enum vs_file_content)content;
    VS_TRY(copy_text(r, file, 100, "file_path", &d->path, err));
    VS_TRY(copy_text(r, file, 101, "file_format", &d->format, err));
    VS_TRY(copy_text(r, file, 143, "referenced_data_file", &d->referenced_data_file, err));
    if (d->path.len == 0) {
        return bad_entry(r, "has no file_path", err);
    }
    if (!vs_avro_to_i64(vs_avro_field(file, 103, "record_count"), &d->record_count) ||
        d->record_count < 0 ||
        !vs_avro_to_i64(vs_avro_field(file, 104, "file_size_in_bytes"), &d->file_size) ||
        d->file_size < 0) {
        return bad_entry(r, "has no record_count or file_size_in_bytes", err);
    }
    if (vs_avro_field(file, 131, "key_metadata") != NULL) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: file %.*s is encrypted, which cannot be read",
                       r->what, VS_STR_ARG(d->path));
    }
    (void)vs_avro_to_i64(vs_avro_field(file, 140, "sort_order_id"), &order);
    d->sort_order_id = order >= 0 && order <= INT32_MAX ? (int32_t)order : -1;
    (void)vs_avro_to_i64(vs_avro_field(file, 144, "content_offset"), &d->content_offset);
    (void)vs_avro_to_i64(vs_avro_field(file, 145, "content_size_in_bytes"), &d->content_size);
    const struct vs_avro_value *partition = vs_avro_field(file, 102, "partition");
    if (partition != NULL && partition->node->type == VS_AVRO_RECORD && partition->count > 0) {
        d->has_partition = true;
        VS_TRY(vs_partition_key_encode(r->arena, partition, r->what, &d->partition_key, err));
    }
    VS_TRY(read_statistics(r, file, d, err));
    return read_lists(r, file, d, err);
}

// Spec "Sequence Number Inheritance": nulls of added entries, and all of version 1 manifests, come
// from the manifest list.
static enum vs_status inherit(const struct manifest_reader *r,
                              const struct vs_avro_value *record,
                              struct vs_data_file *d,
                              struct vs_error *err)
{
    int64_t list_number = r->manifest->sequence_number;
    bool may_inherit = d->status == VS_ENTRY_ADDED || list_number == 0;
    d->snapshot_id = r->manifest->added_snapshot_id;
    (void)vs_avro_to_i64(vs_avro_field(record, 1, "snapshot_id"), &d->snapshot_id);
    d->sequence_number = d->file_sequence_number = list_number;
    bool has_number =
        vs_avro_to_i64(vs_avro_field(record, 3, "sequence_number"), &d->sequence_number);
    (void)vs_avro_to_i64(vs_avro_field(record, 4, "file_sequence_number"),
                         &d->file_sequence_number);
    if (!has_number && !may_inherit && d->status == VS_ENTRY_EXISTING) {
        return bad_entry(r, "is EXISTING without a sequence number", err);
    }
    return VS_OK;
}

static enum vs_status read_entry(struct manifest_reader *r,
                                 const struct vs_avro_value *record,
                                 struct vs_data_file *d,
                                 struct vs_error *err)
{
    int64_t status;
    *d = (struct vs_data_file){.sort_order_id = -1};
    if (!vs_avro_to_i64(vs_avro_field(record, 0, "status"), &status) ||
        status < VS_ENTRY_EXISTING || status > VS_ENTRY_DELETED) {
        return bad_entry(r, "has an unknown status", err);
    }
    d->status = (enum vs_entry_status)status;
    const struct vs_avro_value *file = vs_avro_field(record, 2, "data_file");
    if (file == NULL || file->node->type != VS_AVRO_RECORD) {
        return bad_entry(r, "has no data_file", err);
    }
    VS_TRY(read_file(r, file, d, err));
    return inherit(r, record, d, err);
}

static enum vs_status grow(struct manifest_reader *r, struct vs_error *err)
{
    if (r->count < r->capacity) {
        return VS_OK;
    }
    size_t capacity = r->capacity == 0 ? 16 : r->capacity * 2;
    struct vs_data_file *entries = vs_arena_alloc_array(r->arena, capacity, sizeof *entries);
    if (entries == NULL) {
        return no_memory(r, err);
    }
    if (r->count > 0) {
        memcpy(entries, r->entries, r->count * sizeof *entries);
    }
    r->entries = entries;
    r->capacity = capacity;
    return VS_OK;
}

static enum vs_status read_all(struct manifest_reader *r,
                               struct vs_avro_file *file,
                               struct vs_error *err)
{
    if (vs_avro_file_schema(file)->type != VS_AVRO_RECORD) {
        return vs_fail(err, VS_CORRUPT, "%s: not a manifest: its Avro schema is no record",
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

enum vs_status vs_manifest_read(const struct vs_env *env,
                                struct vs_str bytes,
                                const char *what,
                                const struct vs_manifest_file *manifest,
                                struct vs_arena *arena,
                                struct vs_data_file **entries_out,
                                size_t *count_out,
                                struct vs_error *err)
{
    struct vs_avro_file *file = NULL;
    VS_TRY(vs_avro_file_open(env, bytes, what, &file, err));
    struct manifest_reader reader = {
        .env = env, .arena = arena, .what = what, .manifest = manifest};
    enum vs_status status = read_all(&reader, file, err);
    vs_avro_file_close(file);
    if (status == VS_OK) {
        *entries_out = reader.entries;
        *count_out = reader.count;
    }
    return status;
}
