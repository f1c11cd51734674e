// SPDX-License-Identifier: Apache-2.0
#include "ingest/partition_split.h"

#include "vecstore/iceberg/partition_key.h"
#include "vecstore/iceberg/partition_values.h"

#include <string.h>

#define MAX_PARTITIONS 65536
#define MAX_KEY_BYTES ((size_t)1 << 24)
#define NOT_TOUCHED SIZE_MAX

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory to split rows by partition");
}

static enum vs_status bind_field(struct vs_partition_split *split,
                                 size_t index,
                                 struct vs_error *err)
{
    const struct vs_partition_field *field = &split->spec->fields[index];
    struct split_column *column = &split->columns[index];
    VS_TRY(vs_transform_parse(field->transform, &column->transform, err));
    column->column = vs_schema_find_id(split->schema, field->source_id);
    bool is_void = column->transform.kind == VS_TRANSFORM_VOID;
    if (split->fields[index].kind == VS_KIND_OTHER || (column->column == SIZE_MAX && !is_void)) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the table is partitioned by %.*s with transform %.*s, which cannot be "
                       "written with; write with the engine that made the table or change its "
                       "partition spec",
                       VS_STR_SHORT(field->name), VS_STR_SHORT(field->transform));
    }
    return VS_OK;
}

enum vs_status vs_partition_split_init(struct vs_partition_split *split,
                                       const struct vs_env *env,
                                       const struct vs_table_metadata *metadata,
                                       struct vs_error *err)
{
    static const struct vs_partition_spec unpartitioned = {0};
    *split = (struct vs_partition_split){.env = env, .schema = vs_table_current_schema(metadata)};
    split->spec = vs_table_spec(metadata, metadata->default_spec_id);
    vs_arena_init(&split->arena, env, 0);
    vs_buf_init(&split->key, env, MAX_KEY_BYTES);
    vs_buf_init(&split->path, env, MAX_KEY_BYTES);
    if (split->spec == NULL) {
        if (metadata->is_partitioned) {
            return vs_fail(err, VS_CORRUPT, "the table has no partition spec %d, its default",
                           metadata->default_spec_id);
        }
        split->spec = &unpartitioned;
    }
    size_t count = split->spec->field_count;
    split->columns = vs_arena_alloc_array(&split->arena, count, sizeof *split->columns);
    split->values = vs_arena_alloc_array(&split->arena, count, sizeof *split->values);
    if (split->columns == NULL || split->values == NULL) {
        return no_memory(err);
    }
    VS_TRY(vs_partition_fields(metadata, split->spec, &split->arena, &split->fields, err));
    for (size_t i = 0; i < count; i++) {
        VS_TRY(bind_field(split, i, err));
    }
    return VS_OK;
}

void vs_partition_split_clear(struct vs_partition_split *split)
{
    if (split->env == NULL) {
        return;
    }
    vs_free(split->env, split->partitions);
    vs_free(split->env, split->slots);
    vs_free(split->env, split->owners);
    vs_free(split->env, split->rows);
    vs_free(split->env, split->touched);
    vs_buf_clear(&split->path);
    vs_buf_clear(&split->key);
    vs_arena_clear(&split->arena);
    *split = (struct vs_partition_split){0};
}

// ---- partitions by key ----

static uint32_t hash_key(struct vs_str key)
{
    uint32_t hash = 2166136261u; // FNV-1a
    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ (uint8_t)key.ptr[i]) * 16777619u;
    }
    return hash;
}

static uint32_t *find_slot(const struct vs_partition_split *split, struct vs_str key)
{
    size_t at = hash_key(key) & (split->slot_count - 1);
    while (split->slots[at] != 0 &&
           !vs_str_equal(split->partitions[split->slots[at] - 1].key, key)) {
        at = (at + 1) & (split->slot_count - 1);
    }
    return &split->slots[at];
}

static enum vs_status grow_slots(struct vs_partition_split *split, struct vs_error *err)
{
    if (split->slot_count >= 2 * (split->count + 1)) {
        return VS_OK;
    }
    size_t slot_count = split->slot_count == 0 ? 64 : split->slot_count * 2;
    uint32_t *slots = vs_alloc_zeroed(split->env, slot_count, sizeof *slots);
    if (slots == NULL) {
        return no_memory(err);
    }
    vs_free(split->env, split->slots);
    split->slots = slots;
    split->slot_count = slot_count;
    for (size_t i = 0; i < split->count; i++) {
        *find_slot(split, split->partitions[i].key) = (uint32_t)i + 1;
    }
    return VS_OK;
}

static enum vs_status grow_partitions(struct vs_partition_split *split, struct vs_error *err)
{
    if (split->count < split->capacity) {
        return VS_OK;
    }
    if (split->count >= MAX_PARTITIONS) {
        return vs_fail(err, VS_LIMIT,
                       "the rows fall into more than %d partitions; ingest in smaller parts or "
                       "choose a coarser partition spec",
                       MAX_PARTITIONS);
    }
    size_t capacity = split->capacity == 0 ? 16 : split->capacity * 2;
    struct vs_partition *partitions =
        vs_realloc(split->env, split->partitions, capacity * sizeof *partitions);
    if (partitions == NULL) {
        return no_memory(err);
    }
    split->partitions = partitions;
    uint32_t *touched = vs_realloc(split->env, split->touched, capacity * sizeof *touched);
    if (touched == NULL) {
        return no_memory(err);
    }
    split->touched = touched;
    split->capacity = capacity;
    return VS_OK;
}

static enum vs_status copy_values(struct vs_partition_split *split,
                                  struct vs_partition *partition,
                                  struct vs_error *err)
{
    size_t count = split->spec->field_count;
    partition->values = vs_arena_alloc_array(&split->arena, count, sizeof *partition->values);
    if (partition->values == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        enum vs_kind kind = split->values[i].kind;
        partition->values[i] = split->values[i];
        bool is_text = kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_FIXED ||
                       kind == VS_KIND_UUID;
        if (is_text && !split->values[i].is_null) {
            partition->values[i].as.text =
                vs_arena_copy_str(&split->arena, split->values[i].as.text);
            if (partition->values[i].as.text.ptr == NULL) {
                return no_memory(err);
            }
        }
    }
    return VS_OK;
}

static enum vs_status add_partition(struct vs_partition_split *split, struct vs_error *err)
{
    struct vs_partition partition = {.count = NOT_TOUCHED};
    VS_TRY(grow_partitions(split, err));
    VS_TRY(copy_values(split, &partition, err));
    vs_buf_reset(&split->path);
    VS_TRY(vs_partition_path(split->spec, split->schema, split->values, &split->path, err));
    partition.key = vs_arena_copy_str(&split->arena, vs_buf_view(&split->key));
    partition.path = vs_arena_copy_str(&split->arena, vs_buf_view(&split->path));
    if (partition.key.ptr == NULL || partition.path.ptr == NULL) {
        return no_memory(err);
    }
    split->partitions[split->count++] = partition;
    return VS_OK;
}

// ---- rows ----

static enum vs_status partition_of(struct vs_partition_split *split,
                                   const struct vs_batch *batch,
                                   size_t row,
                                   uint32_t *index_out,
                                   struct vs_error *err)
{
    for (size_t i = 0; i < split->spec->field_count; i++) {
        const struct split_column *column = &split->columns[i];
        if (column->transform.kind == VS_TRANSFORM_VOID) {
            split->values[i] = (struct vs_value){.kind = split->fields[i].kind, .is_null = true};
            continue;
        }
        struct vs_value value = vs_column_get(&batch->columns[column->column], row);
        VS_TRY(vs_transform_apply(&column->transform, &split->schema->fields[column->column],
                                  &value, &split->values[i], err));
    }
    vs_buf_reset(&split->key);
    VS_TRY(vs_partition_key_encode(&split->key, split->fields, split->values,
                                   split->spec->field_count, err));
    VS_TRY(grow_slots(split, err));
    uint32_t *slot = find_slot(split, vs_buf_view(&split->key));
    if (*slot == 0) {
        VS_TRY(add_partition(split, err));
        *slot = (uint32_t)split->count;
    }
    *index_out = *slot - 1;
    return VS_OK;
}

static enum vs_status reserve_rows(struct vs_partition_split *split,
                                   size_t count,
                                   struct vs_error *err)
{
    if (count <= split->row_capacity) {
        return VS_OK;
    }
    if (count > UINT32_MAX) {
        return vs_fail(err, VS_LIMIT, "a batch of more than %u rows", UINT32_MAX);
    }
    split->row_capacity = 0;
    uint32_t *owners = vs_realloc(split->env, split->owners, count * sizeof *owners);
    if (owners == NULL) {
        return no_memory(err);
    }
    split->owners = owners;
    uint32_t *rows = vs_realloc(split->env, split->rows, count * sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    split->rows = rows;
    split->row_capacity = count;
    return VS_OK;
}

static enum vs_status count_rows(struct vs_partition_split *split,
                                 const struct vs_batch *batch,
                                 struct vs_error *err)
{
    for (size_t row = 0; row < batch->row_count; row++) {
        uint32_t index = 0;
        VS_TRY(partition_of(split, batch, row, &index, err));
        struct vs_partition *partition = &split->partitions[index];
        if (partition->count == NOT_TOUCHED) {
            partition->count = 0;
            split->touched[split->touched_count++] = index;
        }
        partition->count++;
        split->owners[row] = index;
    }
    return VS_OK;
}

enum vs_status vs_partition_split_batch(struct vs_partition_split *split,
                                        const struct vs_batch *batch,
                                        struct vs_error *err)
{
    for (size_t i = 0; i < split->count; i++) {
        split->partitions[i].count = NOT_TOUCHED;
    }
    split->touched_count = 0;
    VS_TRY(reserve_rows(split, batch->row_count, err));
    VS_TRY(count_rows(split, batch, err));
    size_t first = 0;
    for (size_t i = 0; i < split->touched_count; i++) {
        struct vs_partition *partition = &split->partitions[split->touched[i]];
        partition->first = partition->next = first;
        first += partition->count;
    }
    for (size_t row = 0; row < batch->row_count; row++) {
        split->rows[split->partitions[split->owners[row]].next++] = (uint32_t)row;
    }
    return VS_OK;
}
