// SPDX-License-Identifier: Apache-2.0
#include "vecstore/iceberg/contract.h"

#include <stdio.h>

#define PREFIX "vecstore.vector."
#define MAX_DIMENSION 16384

static bool split_key(struct vs_str key, struct vs_str *column_out, struct vs_str *part_out)
{
    if (!vs_str_starts_with(key, VS_STR(PREFIX))) {
        return false;
    }
    size_t from = sizeof PREFIX - 1;
    for (size_t i = key.len; i > from; i--) {
        if (key.ptr[i - 1] == '.') { // the column's name may hold dots, the part does not
            *column_out = (struct vs_str){key.ptr + from, i - 1 - from};
            *part_out = (struct vs_str){key.ptr + i, key.len - i};
            return column_out->len > 0;
        }
    }
    return false;
}

static void apply_part(struct vs_vector_contract *contract,
                       struct vs_str part,
                       struct vs_str value,
                       uint64_t *dimension)
{
    if (vs_str_equal_c(part, "dimension")) {
        if (vs_parse_u64(value, dimension, NULL) != VS_OK) {
            *dimension = UINT64_MAX;
        }
    } else if (vs_str_equal_c(part, "metric")) {
        contract->metric = value;
    } else if (vs_str_equal_c(part, "normalized")) {
        contract->normalized = vs_str_equal_c(value, "true");
    } else if (vs_str_equal_c(part, "model")) {
        contract->model = value;
    } else if (vs_str_equal_c(part, "model-version")) {
        contract->model_version = value;
    }
}

static enum vs_status read_contract(const struct vs_table_metadata *metadata,
                                    struct vs_vector_contract *contract,
                                    struct vs_error *err)
{
    uint64_t dimension = 0;
    for (size_t i = 0; i < metadata->property_count; i++) {
        struct vs_str column, part;
        if (split_key(metadata->properties[i].key, &column, &part) &&
            vs_str_equal(column, contract->column)) {
            apply_part(contract, part, metadata->properties[i].value, &dimension);
        }
    }
    if (dimension < 1 || dimension > MAX_DIMENSION) {
        return vs_fail(err, VS_CORRUPT,
                       "the contract of vector column '%.*s' states no dimension between 1 and %d; "
                       "set table property " PREFIX "%.*s.dimension",
                       VS_STR_ARG(contract->column), MAX_DIMENSION, VS_STR_ARG(contract->column));
    }
    contract->dimension = (uint32_t)dimension;
    if (contract->metric.len == 0) {
        contract->metric = VS_STR("cosine");
    }
    if (!vs_str_equal_c(contract->metric, "cosine") && !vs_str_equal_c(contract->metric, "ip") &&
        !vs_str_equal_c(contract->metric, "l2")) {
        return vs_fail(
            err, VS_CORRUPT,
            "the contract of vector column '%.*s' names metric '%.*s'; known are cosine, ip and l2",
            VS_STR_ARG(contract->column), VS_STR_ARG(contract->metric));
    }
    return VS_OK;
}

// A column has a contract when any property of its own stands in the table.
static bool has_contract(const struct vs_table_metadata *metadata, struct vs_str name)
{
    for (size_t i = 0; i < metadata->property_count; i++) {
        struct vs_str column, part;
        if (split_key(metadata->properties[i].key, &column, &part) && vs_str_equal(column, name)) {
            return true;
        }
    }
    return false;
}

static enum vs_status check_columns_exist(const struct vs_table_metadata *metadata,
                                          const struct vs_schema *schema,
                                          struct vs_error *err)
{
    for (size_t i = 0; i < metadata->property_count; i++) {
        struct vs_str column, part;
        if (split_key(metadata->properties[i].key, &column, &part) &&
            vs_schema_find(schema, column) == SIZE_MAX) {
            return vs_fail(
                err, VS_CORRUPT,
                "table property %.*s names column '%.*s', which the schema does not have",
                VS_STR_ARG(metadata->properties[i].key), VS_STR_ARG(column));
        }
    }
    return VS_OK;
}

enum vs_status vs_contracts_read(const struct vs_table_metadata *metadata,
                                 const struct vs_schema *schema,
                                 struct vs_arena *arena,
                                 struct vs_vector_contract **contracts_out,
                                 size_t *count_out,
                                 struct vs_error *err)
{
    VS_TRY(check_columns_exist(metadata, schema, err));
    struct vs_vector_contract *contracts =
        vs_arena_alloc_array(arena, schema->field_count + 1, sizeof *contracts);
    if (contracts == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the contracts of %zu columns",
                       schema->field_count);
    }
    size_t count = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct vs_field *field = &schema->fields[i];
        if (!has_contract(metadata, field->name)) {
            continue;
        }
        if (field->kind != VS_KIND_LIST || field->element_kind != VS_KIND_FLOAT) {
            return vs_fail(
                err, VS_CORRUPT,
                "column '%.*s' has an embedding contract but is %s; vectors are list<float>",
                VS_STR_ARG(field->name), vs_kind_name(field->kind));
        }
        struct vs_vector_contract contract = {
            .column = field->name, .field_id = field->id, .field = i};
        VS_TRY(read_contract(metadata, &contract, err));
        contracts[count++] = contract;
    }
    *contracts_out = contracts;
    *count_out = count;
    return VS_OK;
}

static enum vs_status fail_choice(const struct vs_vector_contract *contracts,
                                  size_t count,
                                  const char *column,
                                  struct vs_error *err)
{
    char names[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used + 2 < sizeof names; i++) {
        int n = snprintf(names + used, sizeof names - used, "%s%.*s", i > 0 ? ", " : "",
                         VS_STR_ARG(contracts[i].column));
        used += n > 0 ? (size_t)n : 0;
    }
    if (column == NULL) {
        return vs_fail(err, VS_INVALID, "the table has %zu vector columns (%s); name one", count,
                       names);
    }
    return vs_fail(err, VS_INVALID, "the table has no vector column '%s'; it has: %s", column,
                   names);
}

enum vs_status vs_contract_find(const struct vs_vector_contract *contracts,
                                size_t count,
                                const char *column,
                                const struct vs_vector_contract **contract_out,
                                struct vs_error *err)
{
    if (count == 0) {
        return vs_fail(err, VS_INVALID,
                       "the table has no vector column: no table property " PREFIX
                       "<column>.dimension is set; create it with vecstore table create");
    }
    if (column == NULL && count == 1) {
        *contract_out = &contracts[0];
        return VS_OK;
    }
    for (size_t i = 0; column != NULL && i < count; i++) {
        if (vs_str_equal_c(contracts[i].column, column)) {
            *contract_out = &contracts[i];
            return VS_OK;
        }
    }
    return fail_choice(contracts, count, column, err);
}

size_t vs_schema_identifier(const struct vs_schema *schema)
{
    if (schema->identifier_count == 0) {
        return SIZE_MAX;
    }
    return vs_schema_find_id(schema, schema->identifier_ids[0]);
}
