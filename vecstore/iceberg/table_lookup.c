// SPDX-License-Identifier: Apache-2.0
/*
 * Questions asked of parsed table metadata.
 */
#include "vecstore/base/datetime.h"
#include "vecstore/iceberg/table_metadata.h"

#include <stdio.h>

static const struct vs_schema *schema_by_id(const struct vs_table_metadata *metadata, int32_t id)
{
    for (size_t i = 0; i < metadata->schema_count; i++) {
        if (metadata->schemas[i].schema_id == id) {
            return &metadata->schemas[i];
        }
    }
    return NULL;
}

const struct vs_schema *vs_table_current_schema(const struct vs_table_metadata *metadata)
{
    return schema_by_id(metadata, metadata->current_schema_id);
}

const struct vs_schema *vs_table_schema_of(const struct vs_table_metadata *metadata,
                                           const struct vs_snapshot *snapshot)
{
    const struct vs_schema *schema =
        snapshot != NULL ? schema_by_id(metadata, snapshot->schema_id) : NULL;
    return schema != NULL ? schema : vs_table_current_schema(metadata);
}

const struct vs_snapshot *vs_table_snapshot(const struct vs_table_metadata *metadata,
                                            int64_t snapshot_id)
{
    for (size_t i = metadata->snapshot_count; i > 0; i--) { // the newest are asked for most
        if (metadata->snapshots[i - 1].snapshot_id == snapshot_id) {
            return &metadata->snapshots[i - 1];
        }
    }
    return NULL;
}

enum vs_status vs_table_snapshot_as_of(const struct vs_table_metadata *metadata,
                                       int64_t wall_ms,
                                       const struct vs_snapshot **snapshot_out,
                                       struct vs_error *err)
{
    const struct vs_log_entry *best = NULL;
    for (size_t i = 0; i < metadata->snapshot_log_count; i++) {
        const struct vs_log_entry *entry = &metadata->snapshot_log[i];
        if (entry->timestamp_ms <= wall_ms) {
            best = entry;
        }
    }
    if (best == NULL) {
        if (metadata->snapshot_log_count == 0) {
            return vs_fail(err, VS_NOT_FOUND, "the table has no snapshots yet");
        }
        char first[VS_DATETIME_TEXT_SIZE];
        int64_t first_ms = metadata->snapshot_log[0].timestamp_ms;
        bool fits = first_ms > INT64_MIN / 1000 && first_ms < INT64_MAX / 1000;
        vs_timestamp_format(fits ? first_ms * 1000 : 0, true, first);
        return vs_fail(err, VS_NOT_FOUND,
                       "the table had no snapshot at that time; its first known one is %lld of %s",
                       (long long)metadata->snapshot_log[0].snapshot_id, first);
    }
    const struct vs_snapshot *snapshot = vs_table_snapshot(metadata, best->snapshot_id);
    if (snapshot == NULL) {
        return vs_fail(err, VS_NOT_FOUND,
                       "snapshot %lld, which was current at that time, has been expired",
                       (long long)best->snapshot_id);
    }
    *snapshot_out = snapshot;
    return VS_OK;
}

const struct vs_ref *vs_table_ref(const struct vs_table_metadata *metadata, struct vs_str name)
{
    for (size_t i = 0; i < metadata->ref_count; i++) {
        if (vs_str_equal(metadata->refs[i].name, name)) {
            return &metadata->refs[i];
        }
    }
    return NULL;
}

struct vs_str vs_table_property(const struct vs_table_metadata *metadata, const char *key)
{
    for (size_t i = 0; i < metadata->property_count; i++) {
        if (vs_str_equal_c(metadata->properties[i].key, key)) {
            return metadata->properties[i].value;
        }
    }
    return (struct vs_str){NULL, 0};
}

const struct vs_partition_spec *vs_table_spec(const struct vs_table_metadata *metadata,
                                              int32_t spec_id)
{
    for (size_t i = 0; i < metadata->spec_count; i++) {
        if (metadata->specs[i].spec_id == spec_id) {
            return &metadata->specs[i];
        }
    }
    return NULL;
}

const struct vs_statistics *vs_table_statistics(const struct vs_table_metadata *metadata,
                                                int64_t snapshot_id)
{
    for (size_t i = 0; i < metadata->statistics_count; i++) {
        if (metadata->statistics[i].snapshot_id == snapshot_id) {
            return &metadata->statistics[i];
        }
    }
    return NULL;
}

void vs_snapshot_id_format(int64_t snapshot_id, char text_out[VS_SNAPSHOT_ID_SIZE])
{
    (void)snprintf(text_out, VS_SNAPSHOT_ID_SIZE, "%llu", (unsigned long long)snapshot_id);
}
