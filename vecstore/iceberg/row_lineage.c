// SPDX-License-Identifier: Apache-2.0
/*
 * Row lineage of format version 3: _row_id is the file's first row id plus the position,
 * _last_updated_sequence_number the data sequence number of the file, unless the file stores them
 * (it was rewritten; there null means the same as absent). Spec: "Row Lineage"; iceberg.md 1.9.
 */
#include "vecstore/base/bytes.h"
#include "vecstore/iceberg/file_scan_internal.h"

bool vs_is_lineage_field(int32_t field_id)
{
    return field_id == VS_ROW_ID_FIELD || field_id == VS_ROW_SEQUENCE_FIELD;
}

// False: null, in files of tables that never were of version 3.
static bool inherited(const struct vs_data_file *data,
                      int32_t field_id,
                      uint64_t position,
                      int64_t *value_out)
{
    if (data->first_row_id < 0) {
        return false;
    }
    if (field_id == VS_ROW_SEQUENCE_FIELD) {
        *value_out = data->sequence_number;
        return true;
    }
    return position <= INT64_MAX &&
           !__builtin_add_overflow(data->first_row_id, (int64_t)position, value_out);
}

static enum vs_status append_all(const struct vs_data_file *data,
                                 int32_t field_id,
                                 uint64_t position,
                                 size_t count,
                                 struct vs_column *column,
                                 struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct vs_value value = {.kind = VS_KIND_LONG};
        if (inherited(data, field_id, position + i, &value.as.integer)) {
            VS_TRY(vs_column_append(column, &value, err));
        } else {
            VS_TRY(vs_column_append_null(column, err));
        }
    }
    return VS_OK;
}

enum vs_status vs_row_lineage_fill(const struct vs_data_file *data,
                                   const struct vs_scan_column *source,
                                   int32_t field_id,
                                   uint64_t position,
                                   size_t first,
                                   size_t count,
                                   struct vs_column *column,
                                   struct vs_error *err)
{
    if (column->kind != VS_KIND_LONG) {
        return vs_fail(err, VS_INVALID, "row lineage is read as long, not as %s",
                       vs_kind_name(column->kind));
    }
    if (source->file_column == VS_COLUMN_ABSENT) {
        return append_all(data, field_id, position, count, column, err);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        if (vs_column_is_null(column, first + i) &&
            inherited(data, field_id, position + i, &value)) {
            vs_store_u64le(column->values.data + 8 * (first + i), (uint64_t)value);
            column->valid.data[first + i] = 1;
        }
    }
    return VS_OK;
}
