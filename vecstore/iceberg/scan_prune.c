// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/partition_values.h"
#include "vecstore/iceberg/scan_internal.h"
#include "vecstore/iceberg/transform.h"

bool vs_prune_manifest(const struct vs_table_metadata *metadata,
                       const struct vs_predicate *predicate,
                       const struct vs_manifest_file *manifest,
                       struct vs_arena *scratch)
{
    const struct vs_partition_spec *spec = vs_table_spec(metadata, manifest->spec_id);
    struct vs_field *fields;
    if (spec == NULL || spec->field_count == 0 || manifest->partition_count != spec->field_count ||
        vs_partition_fields(metadata, spec, scratch, &fields, NULL) != VS_OK) {
        return true;
    }
    struct vs_value_range *ranges =
        vs_arena_alloc_array(scratch, spec->field_count, sizeof *ranges);
    if (ranges == NULL) {
        return true;
    }
    for (size_t i = 0; i < spec->field_count; i++) {
        ranges[i] = vs_partition_summary_range(&manifest->partitions[i], &fields[i]);
    }
    return vs_partition_may_match(spec, vs_table_current_schema(metadata), predicate, ranges);
}

enum vs_status vs_pruner_init(struct vs_pruner *pruner,
                              const struct vs_table_metadata *metadata,
                              const struct vs_predicate *predicate,
                              int32_t spec_id,
                              struct vs_arena *scratch,
                              struct vs_error *err)
{
    const struct vs_partition_spec *spec = vs_table_spec(metadata, spec_id);
    *pruner = (struct vs_pruner){
        .schema = vs_table_current_schema(metadata), .predicate = predicate, .spec = spec};
    if (spec == NULL) {
        return VS_OK;
    }
    pruner->ranges = vs_arena_alloc_array(scratch, spec->field_count, sizeof *pruner->ranges);
    return pruner->ranges != NULL ? VS_OK
                                  : vs_fail(err, VS_NO_MEMORY, "no memory to plan with a filter");
}

// ---- columns ----

struct file_columns {
    const struct vs_schema *schema;
    const struct vs_data_file *file;
};

static int64_t count_of(const struct vs_int_long *items, size_t count, int32_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].key == id) {
            return items[i].value;
        }
    }
    return -1;
}

static struct vs_str bound_of(const struct vs_int_bytes *items, size_t count, int32_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].key == id) {
            return items[i].value;
        }
    }
    return (struct vs_str){NULL, 0};
}

static struct vs_value_range column_range(void *ctx, int32_t field_id)
{
    const struct file_columns *c = ctx;
    const struct vs_data_file *f = c->file;
    struct vs_value_range range = {.may_be_null = true, .may_be_nan = true, .may_be_value = true};
    size_t at = vs_schema_find_id(c->schema, field_id);
    if (at == SIZE_MAX) {
        return range;
    }
    const struct vs_field *field = &c->schema->fields[at];
    int64_t values = count_of(f->value_counts, f->value_count_count, field_id);
    int64_t nulls = count_of(f->null_counts, f->null_count_count, field_id);
    int64_t nans = count_of(f->nan_counts, f->nan_count_count, field_id);
    bool is_real = field->kind == VS_KIND_FLOAT || field->kind == VS_KIND_DOUBLE;
    range.has_lower =
        vs_bound_decode(bound_of(f->lower_bounds, f->lower_count, field_id), field, &range.lower);
    range.has_upper =
        vs_bound_decode(bound_of(f->upper_bounds, f->upper_count, field_id), field, &range.upper);
    range.may_be_null = nulls != 0;
    range.may_be_nan = is_real && nans != 0;
    if (values >= 0 && nulls == values) {
        range.may_be_nan = range.may_be_value = false;
    } else if (is_real && values >= 0 && nulls >= 0 && nans >= 0 && nans == values - nulls) {
        range.may_be_value = false;
    }
    return range;
}

bool vs_prune_entry(const struct vs_pruner *pruner, const struct vs_data_file *entry)
{
    const struct vs_partition_spec *spec = pruner->spec;
    if (spec != NULL && spec->field_count > 0 && entry->partition_count == spec->field_count) {
        for (size_t i = 0; i < spec->field_count; i++) {
            pruner->ranges[i] = vs_partition_value_range(&entry->partition[i]);
        }
        if (!vs_partition_may_match(spec, pruner->schema, pruner->predicate, pruner->ranges)) {
            return false;
        }
    }
    struct file_columns columns = {pruner->schema, entry};
    return entry->content != VS_CONTENT_DATA ||
           vs_predicate_may_match(pruner->predicate, column_range, &columns);
}
