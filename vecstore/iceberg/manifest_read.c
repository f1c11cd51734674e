// SPDX-License-Identifier: Apache-2.0
/*
 * Manifests: entries by field id, with sequence numbers inherited (iceberg.md 1.5, 1.6).
 */
#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/iceberg/iceberg_internal.h"
#include "vecstore/iceberg/partition_key.h"
#include "vecstore/iceberg/partition_values.h"

#include <string.h>

#define MAX_KEY_BYTES ((size_t)1 << 24)
#define RAW_IDS 7

struct manifest_reader {
    const struct vs_manifest_read *read;
    struct vs_arena *arena;
    const char *what;
    const struct vs_manifest_file *manifest;
    int32_t spec_id;
    // partition tuples
    size_t field_count;
    struct vs_field *fields;
    struct vs_value *values; // of the current entry
    struct vs_buf key;
    // parts of an entry that are not decoded
    int32_t raw_ids[RAW_IDS];
    size_t raw_count;
    int64_t next_row_id; // -1: not assigned
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
    bool is_bytes;
    const char *name;
};

static const struct map_spec map_specs[] = {
    {108, 117, 118, false, "column_sizes"},      {109, 119, 120, false, "value_counts"},
    {110, 121, 122, false, "null_value_counts"}, {137, 138, 139, false, "nan_value_counts"},
    {125, 126, 127, true, "lower_bounds"},       {128, 129, 130, true, "upper_bounds"}};
#define MAP_COUNT (sizeof map_specs / sizeof map_specs[0])

struct map_out { // one of the two
    struct vs_int_long **longs;
    struct vs_int_bytes **bytes;
    size_t *count;
};

static bool is_wanted(const struct manifest_reader *r, int64_t key)
{
    for (size_t i = 0; r->read->few_statistics && i < r->read->statistics_id_count; i++) {
        if (r->read->statistics_ids[i] == key) {
            return true;
        }
    }
    return !r->read->few_statistics;
}

static enum vs_status new_map(struct manifest_reader *r,
                              const struct map_out *out,
                              size_t count,
                              struct vs_error *err)
{
    size_t most = r->read->few_statistics && count > r->read->statistics_id_count
                      ? r->read->statistics_id_count
                      : count;
    void *items = vs_arena_alloc_array(
        r->arena, most, out->bytes != NULL ? sizeof **out->bytes : sizeof **out->longs);
    if (items == NULL) {
        return no_memory(r, err);
    }
    if (out->bytes != NULL) {
        *out->bytes = items;
    } else {
        *out->longs = items;
    }
    return VS_OK;
}

static bool has_key(const struct map_out *out, int64_t key)
{
    for (size_t i = 0; i < *out->count; i++) {
        if ((out->bytes != NULL ? (*out->bytes)[i].key : (*out->longs)[i].key) == key) {
            return true;
        }
    }
    return false;
}

static enum vs_status add_bytes(struct manifest_reader *r,
                                const struct map_out *out,
                                int64_t key,
                                struct vs_str value,
                                struct vs_error *err)
{
    struct vs_str copy = vs_arena_copy_str(r->arena, value);
    if (copy.ptr == NULL) {
        return no_memory(r, err);
    }
    (*out->bytes)[(*out->count)++] = (struct vs_int_bytes){(int32_t)key, copy};
    return VS_OK;
}

static enum vs_status read_map(struct manifest_reader *r,
                               const struct vs_avro_value *map,
                               const struct map_spec *spec,
                               const struct map_out *out,
                               struct vs_error *err)
{
    VS_TRY(new_map(r, out, map->count, err));
    for (size_t i = 0; i < map->count; i++) {
        int64_t key, number = 0;
        struct vs_str bytes = {NULL, 0};
        const struct vs_avro_value *value =
            vs_avro_field(&map->as.items[i], spec->value_id, "value");
        bool good =
            vs_avro_to_i64(vs_avro_field(&map->as.items[i], spec->key_id, "key"), &key) &&
            key >= 0 && key <= INT32_MAX &&
            (spec->is_bytes ? vs_avro_to_bytes(value, &bytes) : vs_avro_to_i64(value, &number));
        if (!good) {
            return bad_entry(r, "has a malformed map of counts or bounds", err);
        }
        if (!is_wanted(r, key) || (r->read->few_statistics && has_key(out, key))) {
            continue;
        }
        if (spec->is_bytes) {
            VS_TRY(add_bytes(r, out, key, bytes, err));
        } else {
            (*out->longs)[(*out->count)++] = (struct vs_int_long){(int32_t)key, number};
        }
    }
    return VS_OK;
}

// The same from the encoded bytes, which are known to be a sequence of blocks of key and value.
static enum vs_status read_raw_map(struct manifest_reader *r,
                                   struct vs_str raw,
                                   bool is_bytes,
                                   const struct map_out *out,
                                   struct vs_error *err)
{
    struct vs_reader reader;
    int64_t count, size, key, number;
    const uint8_t *bytes;
    if (r->read->statistics_id_count == 0) {
        return VS_OK;
    }
    vs_reader_init(&reader, raw.ptr, raw.len, r->what);
    for (;;) {
        VS_TRY(vs_read_zigzag(&reader, &count, err));
        if (count == 0) {
            return VS_OK;
        }
        if (count < 0) {
            VS_TRY(vs_read_zigzag(&reader, &size, err));
            count = -count;
        }
        for (int64_t i = 0; i < count; i++) {
            VS_TRY(vs_read_zigzag(&reader, &key, err));
            VS_TRY(vs_read_zigzag(&reader, &number, err));
            if (is_bytes) {
                VS_TRY(vs_read_bytes(&reader, (size_t)number, &bytes, err));
            }
            if (!is_wanted(r, key) || key > INT32_MAX || has_key(out, key)) {
                continue;
            }
            if (*out->count == 0) {
                VS_TRY(new_map(r, out, SIZE_MAX, err));
            }
            if (is_bytes) {
                struct vs_str value = {(const char *)bytes, (size_t)number};
                VS_TRY(add_bytes(r, out, key, value, err));
            } else {
                (*out->longs)[(*out->count)++] = (struct vs_int_long){(int32_t)key, number};
            }
        }
    }
}

static enum vs_status read_statistics(struct manifest_reader *r,
                                      const struct vs_avro_value *file,
                                      struct vs_data_file *d,
                                      struct vs_error *err)
{
    const struct map_out outs[MAP_COUNT] = {
        {.longs = &d->column_sizes, .count = &d->column_size_count},
        {.longs = &d->value_counts, .count = &d->value_count_count},
        {.longs = &d->null_counts, .count = &d->null_count_count},
        {.longs = &d->nan_counts, .count = &d->nan_count_count},
        {.bytes = &d->lower_bounds, .count = &d->lower_count},
        {.bytes = &d->upper_bounds, .count = &d->upper_count}};
    for (size_t i = r->read->few_statistics ? 1 : 0; i < MAP_COUNT; i++) {
        const struct map_spec *spec = &map_specs[i];
        const struct vs_avro_value *map = vs_avro_field(file, spec->id, spec->name);
        if (map == NULL) {
            continue;
        }
        if (map->node->type == VS_AVRO_ARRAY) {
            VS_TRY(read_map(r, map, spec, &outs[i], err));
        } else if (map->node->type == VS_AVRO_BYTES && r->raw_count > 0) {
            VS_TRY(read_raw_map(r, map->as.bytes, spec->is_bytes, &outs[i], err));
        }
    }
    return VS_OK;
}

static enum vs_status read_lists(struct manifest_reader *r,
                                 const struct vs_avro_value *file,
                                 struct vs_data_file *d,
                                 struct vs_error *err)
{
    const struct vs_avro_value *splits = array_of(file, 132, "split_offsets");
    const struct vs_avro_value *ids = array_of(file, 135, "equality_ids");
    if (splits != NULL && !r->read->few_statistics) {
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

// ---- partitions ----

// The spec's fields, or what the manifest's own schema says where the spec is not known.
static enum vs_status choose_fields(struct manifest_reader *r,
                                    const struct vs_avro_node *record,
                                    struct vs_error *err)
{
    const struct vs_table_metadata *metadata = r->read->metadata;
    const struct vs_partition_spec *spec =
        metadata != NULL ? vs_table_spec(metadata, r->spec_id) : NULL;
    if (spec != NULL) {
        r->field_count = spec->field_count;
        VS_TRY(vs_partition_fields(metadata, spec, r->arena, &r->fields, err));
    } else {
        r->field_count = record->field_count;
        r->fields = vs_arena_alloc_array(r->arena, r->field_count, sizeof *r->fields);
        for (size_t i = 0; r->fields != NULL && i < r->field_count; i++) {
            r->fields[i] =
                (struct vs_field){.kind = VS_KIND_OTHER,
                                  .id = record->fields[i].field_id,
                                  .name = vs_arena_copy_str(r->arena, record->fields[i].name)};
        }
    }
    r->values = vs_arena_alloc_array(r->arena, r->field_count, sizeof *r->values);
    return r->fields != NULL && r->values != NULL ? VS_OK : no_memory(r, err);
}

static const struct vs_avro_value *partition_value(const struct vs_avro_value *partition,
                                                   const struct vs_field *field,
                                                   size_t index)
{
    char name[128];
    if (field->name.len >= sizeof name) {
        return field->id >= 0 ? vs_avro_field(partition, field->id, "") : NULL;
    }
    if (field->name.len > 0) {
        memcpy(name, field->name.ptr, field->name.len);
    }
    name[field->name.len] = 0;
    const struct vs_avro_value *value = vs_avro_field(partition, field->id, name);
    // without ids and spec: by place
    bool by_place = value == NULL && field->id < 0 && index < partition->count;
    return by_place ? &partition->as.items[index] : value;
}

static enum vs_status copy_tuple(struct manifest_reader *r,
                                 struct vs_data_file *d,
                                 struct vs_error *err)
{
    d->partition = vs_arena_alloc_array(r->arena, r->field_count, sizeof *d->partition);
    d->partition_key = vs_arena_copy_str(r->arena, vs_buf_view(&r->key));
    if (d->partition == NULL || d->partition_key.ptr == NULL) {
        return no_memory(r, err);
    }
    for (size_t i = 0; i < r->field_count; i++) {
        d->partition[i] = r->values[i];
        if (!vs_value_keep(&d->partition[i], r->arena)) {
            return no_memory(r, err);
        }
    }
    return VS_OK;
}

static enum vs_status read_tuple(struct manifest_reader *r,
                                 const struct vs_avro_value *partition,
                                 struct vs_data_file *d,
                                 struct vs_error *err)
{
    for (size_t i = 0; i < r->field_count; i++) {
        const struct vs_avro_value *value = partition_value(partition, &r->fields[i], i);
        if (!vs_partition_value_from_avro(value, &r->fields[i], r->arena, &r->values[i])) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "%s: the value of partition field %.*s in entry %zu is a %s", r->what,
                           VS_STR_SHORT(r->fields[i].name), r->count,
                           vs_avro_type_name(value->node->type));
        }
    }
    vs_buf_reset(&r->key);
    VS_TRY(vs_partition_key_encode(&r->key, r->fields, r->values, r->field_count, err));
    d->has_partition = true;
    d->partition_count = r->field_count;
    // Neighbours are often of one partition.
    const struct vs_data_file *last = r->count > 0 ? &r->entries[r->count - 1] : NULL;
    if (last != NULL && last->has_partition &&
        vs_str_equal(last->partition_key, vs_buf_view(&r->key))) {
        d->partition = last->partition;
        d->partition_key = last->partition_key;
        return VS_OK;
    }
    return copy_tuple(r, d, err);
}

static enum vs_status read_partition(struct manifest_reader *r,
                                     const struct vs_avro_value *file,
                                     struct vs_data_file *d,
                                     struct vs_error *err)
{
    const struct vs_avro_value *partition = vs_avro_field(file, 102, "partition");
    if (partition == NULL || partition->node->type != VS_AVRO_RECORD) {
        return VS_OK;
    }
    if (r->values == NULL) {
        VS_TRY(choose_fields(r, partition->node, err));
    }
    return r->field_count > 0 ? read_tuple(r, partition, d, err) : VS_OK;
}

// ---- entries ----

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

static enum vs_status copy_format(struct manifest_reader *r,
                                  const struct vs_avro_value *file,
                                  struct vs_str *out,
                                  struct vs_error *err)
{
    struct vs_str text;
    if (vs_avro_to_bytes(vs_avro_field(file, 101, "file_format"), &text) &&
        vs_str_equal_c(text, "PARQUET")) {
        *out = VS_STR("PARQUET");
        return VS_OK;
    }
    return copy_text(r, file, 101, "file_format", out, err);
}

static enum vs_status read_numbers(struct manifest_reader *r,
                                   const struct vs_avro_value *file,
                                   struct vs_data_file *d,
                                   struct vs_error *err)
{
    int64_t order = -1;
    d->content_offset = d->content_size = d->first_row_id = -1;
    if (!vs_avro_to_i64(vs_avro_field(file, 103, "record_count"), &d->record_count) ||
        d->record_count < 0 ||
        !vs_avro_to_i64(vs_avro_field(file, 104, "file_size_in_bytes"), &d->file_size) ||
        d->file_size < 0) {
        return bad_entry(r, "has no record_count or file_size_in_bytes", err);
    }
    (void)vs_avro_to_i64(vs_avro_field(file, 140, "sort_order_id"), &order);
    d->sort_order_id = order >= 0 && order <= INT32_MAX ? (int32_t)order : -1;
    (void)vs_avro_to_i64(vs_avro_field(file, 142, "first_row_id"), &d->first_row_id);
    (void)vs_avro_to_i64(vs_avro_field(file, 144, "content_offset"), &d->content_offset);
    (void)vs_avro_to_i64(vs_avro_field(file, 145, "content_size_in_bytes"), &d->content_size);
    return VS_OK;
}

static enum vs_status read_file(struct manifest_reader *r,
                                const struct vs_avro_value *file,
                                struct vs_data_file *d,
                                struct vs_error *err)
{
    int64_t content = 0;
    struct vs_str key_metadata = {NULL, 0};
    d->spec_id = r->spec_id;
    (void)vs_avro_to_i64(vs_avro_field(file, 134, "content"), &content);
    if (content < VS_CONTENT_DATA || content > VS_CONTENT_EQUALITY_DELETES) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: entry %zu has the unknown content %lld", r->what,
                       r->count, (long long)content);
    }
    d->content = (enum vs_file_content)content;
    VS_TRY(copy_text(r, file, 100, "file_path", &d->path, err));
    VS_TRY(copy_format(r, file, &d->format, err));
    VS_TRY(copy_text(r, file, 143, "referenced_data_file", &d->referenced_data_file, err));
    if (d->path.len == 0) {
        return bad_entry(r, "has no file_path", err);
    }
    if (vs_avro_to_bytes(vs_avro_field(file, 131, "key_metadata"), &key_metadata) &&
        key_metadata.len > 0) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: file %.*s is encrypted, which cannot be read",
                       r->what, VS_STR_ARG(d->path));
    }
    VS_TRY(read_numbers(r, file, d, err));
    VS_TRY(read_partition(r, file, d, err));
    VS_TRY(read_statistics(r, file, d, err));
    return read_lists(r, file, d, err);
}

// Spec "First Row ID Assignment": files without an id take the next ones of their manifest; in a
// manifest without one no file has one.
static enum vs_status inherit_rows(struct manifest_reader *r,
                                   struct vs_data_file *d,
                                   struct vs_error *err)
{
    if (r->next_row_id < 0) {
        d->first_row_id = -1;
        return VS_OK;
    }
    if (d->status == VS_ENTRY_DELETED || d->first_row_id >= 0) {
        return VS_OK;
    }
    d->first_row_id = r->next_row_id;
    return vs_add_i64(r->next_row_id, d->record_count, &r->next_row_id)
               ? VS_OK
               : bad_entry(r, "has a record_count beyond all row ids", err);
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
    *d = (struct vs_data_file){.sort_order_id = -1, .first_row_id = -1};
    if (!vs_avro_to_i64(vs_avro_field(record, 0, "status"), &status) ||
        status < VS_ENTRY_EXISTING || status > VS_ENTRY_DELETED) {
        return bad_entry(r, "has an unknown status", err);
    }
    d->status = (enum vs_entry_status)status;
    const struct vs_avro_value *file = vs_avro_field(record, 2, "data_file");
    if (file == NULL || file->node->type != VS_AVRO_RECORD) {
        return bad_entry(r, "has no data_file", err);
    }
    if (d->status == VS_ENTRY_DELETED && r->read->live_only) {
        return VS_OK;
    }
    VS_TRY(read_file(r, file, d, err));
    VS_TRY(inherit(r, record, d, err));
    return inherit_rows(r, d, err);
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

// ---- the file ----

static const struct vs_avro_field *field_of(const struct vs_avro_node *record, int32_t id)
{
    for (size_t i = 0; record != NULL && i < record->field_count; i++) {
        if (record->fields[i].field_id == id) {
            return &record->fields[i];
        }
    }
    return NULL;
}

// The node itself, or the only branch of a union that is not null.
static const struct vs_avro_node *value_node(const struct vs_avro_field *field)
{
    const struct vs_avro_node *node = field != NULL ? field->type : NULL;
    const struct vs_avro_node *found = NULL;
    if (node == NULL || node->type != VS_AVRO_UNION) {
        return node;
    }
    for (size_t i = 0; i < node->branch_count; i++) {
        if (node->branches[i]->type != VS_AVRO_NULL) {
            if (found != NULL) {
                return NULL;
            }
            found = node->branches[i];
        }
    }
    return found;
}

static bool is_integer(const struct vs_avro_node *node)
{
    return node->type == VS_AVRO_INT || node->type == VS_AVRO_LONG;
}

static bool is_plain_map(const struct vs_avro_node *array, const struct map_spec *spec)
{
    if (array == NULL || array->type != VS_AVRO_ARRAY || array->items->type != VS_AVRO_RECORD ||
        array->items->field_count != 2) {
        return false;
    }
    const struct vs_avro_field *pair = array->items->fields;
    bool good_value =
        spec->is_bytes ? pair[1].type->type == VS_AVRO_BYTES || pair[1].type->type == VS_AVRO_STRING
                       : is_integer(pair[1].type);
    return pair[0].field_id == spec->key_id && pair[1].field_id == spec->value_id &&
           is_integer(pair[0].type) && good_value;
}

// Statistics take most of a manifest's bytes: planning passes over them where their encoding is
// the usual one.
static void choose_raw(struct manifest_reader *r, struct vs_avro_file *file)
{
    const struct vs_avro_node *data_file = value_node(field_of(vs_avro_file_schema(file), 2));
    if (!r->read->few_statistics || data_file == NULL || data_file->type != VS_AVRO_RECORD) {
        return;
    }
    for (size_t i = 0; i < MAP_COUNT; i++) {
        if (is_plain_map(value_node(field_of(data_file, map_specs[i].id)), &map_specs[i])) {
            r->raw_ids[r->raw_count++] = map_specs[i].id;
        }
    }
    const struct vs_avro_node *splits = value_node(field_of(data_file, 132));
    if (splits != NULL && splits->type == VS_AVRO_ARRAY && is_integer(splits->items)) {
        r->raw_ids[r->raw_count++] = 132;
    }
    vs_avro_file_keep_raw(file, r->raw_ids, r->raw_count);
}

static enum vs_status read_all(struct manifest_reader *r,
                               struct vs_avro_file *file,
                               struct vs_error *err)
{
    if (vs_avro_file_schema(file)->type != VS_AVRO_RECORD) {
        return vs_fail(err, VS_CORRUPT, "%s: not a manifest: its Avro schema is no record",
                       r->what);
    }
    if (r->spec_id < 0) {
        uint64_t id = 0;
        struct vs_str text = vs_avro_file_header(file, "partition-spec-id");
        (void)vs_parse_u64(text, &id, NULL);
        r->spec_id = id <= INT32_MAX ? (int32_t)id : 0;
    }
    choose_raw(r, file);
    for (;;) {
        const struct vs_avro_value *record;
        VS_TRY(vs_avro_file_next(file, &record, err));
        if (record == NULL) {
            return VS_OK;
        }
        VS_TRY(grow(r, err));
        VS_TRY(read_entry(r, record, &r->entries[r->count], err));
        if (r->entries[r->count].status != VS_ENTRY_DELETED || !r->read->live_only) {
            r->count++;
        }
    }
}

enum vs_status vs_manifest_read(const struct vs_manifest_read *read,
                                struct vs_arena *arena,
                                struct vs_data_file **entries_out,
                                size_t *count_out,
                                struct vs_error *err)
{
    struct vs_avro_file *file = NULL;
    VS_TRY(vs_avro_file_open(read->env, read->bytes, read->what, &file, err));
    struct manifest_reader reader = {
        .read = read,
        .arena = arena,
        .what = read->what,
        .manifest = read->manifest,
        .spec_id = read->manifest->spec_id,
        .next_row_id = read->manifest->content == 0 ? read->manifest->first_row_id : -1};
    vs_buf_init(&reader.key, read->env, MAX_KEY_BYTES);
    enum vs_status status = read_all(&reader, file, err);
    vs_buf_clear(&reader.key);
    vs_avro_file_close(file);
    if (status == VS_OK) {
        *entries_out = reader.entries;
        *count_out = reader.count;
    }
    return status;
}
