// SPDX-License-Identifier: Apache-2.0
#include "ingest/index_gather.h"

#include "vecstore/iceberg/contract.h"

enum vs_status vs_gather_fields(const struct vs_schema *schema,
                                struct vs_arena *arena,
                                struct vs_index_build_params *params,
                                struct vs_error *err)
{
    struct vs_field *fields = vs_arena_alloc_array(arena, schema->field_count + 1, sizeof *fields);
    if (fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu fields", schema->field_count);
    }
    size_t count = 0;
    params->id_field = SIZE_MAX;
    for (size_t i = 0; i < schema->field_count; i++) {
        if (vs_field_is_readable(&schema->fields[i])) {
            if (i == vs_schema_identifier(schema)) {
                params->id_field = count;
            }
            fields[count++] = schema->fields[i];
        }
    }
    params->fields = fields;
    params->field_count = count;
    return VS_OK;
}

static size_t field_by_id(const struct vs_index_build_params *params, int32_t id)
{
    size_t i = 0;
    while (i < params->field_count && params->fields[i].id != id) {
        i++;
    }
    return i;
}

enum vs_status vs_gather_vectors(const struct vs_table_metadata *metadata,
                                 const struct vs_schema *schema,
                                 struct vs_arena *arena,
                                 struct vs_index_build_params *params,
                                 struct vs_error *err)
{
    struct vs_vector_contract *contracts;
    size_t count;
    VS_TRY(vs_contracts_read(metadata, schema, arena, &contracts, &count, err));
    if (count == 0) {
        const struct vs_vector_contract *none;
        return vs_contract_find(contracts, 0, NULL, &none, err); // says what is missing
    }
    struct vs_index_build_column *columns = vs_arena_alloc_array(arena, count, sizeof *columns);
    if (columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu vector columns", count);
    }
    for (size_t i = 0; i < count; i++) {
        columns[i] = (struct vs_index_build_column){
            .field = field_by_id(params, contracts[i].field_id),
            .dim = contracts[i].dimension,
            .normalized = contracts[i].normalized,
            .model = contracts[i].model,
        };
        VS_TRY(vs_metric_parse(contracts[i].metric, &columns[i].metric, err));
    }
    params->columns = columns;
    params->column_count = count;
    return VS_OK;
}

enum vs_status vs_gather_files(const struct vs_scan_plan *plan,
                               struct vs_arena *arena,
                               struct vs_index_build_params *params,
                               struct vs_error *err)
{
    struct vs_index_file_ref *files = vs_arena_alloc_array(arena, plan->file_count, sizeof *files);
    if (files == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu data files", plan->file_count);
    }
    uint64_t first_row = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct vs_data_file *data = &plan->files[i].data;
        files[i] = (struct vs_index_file_ref){
            .path = data->path,
            .row_count = (uint64_t)data->record_count,
            .sequence_number = data->sequence_number,
            .first_row = first_row,
        };
        first_row += files[i].row_count;
    }
    params->files = files;
    params->file_count = plan->file_count;
    return VS_OK;
}
