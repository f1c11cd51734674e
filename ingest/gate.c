// SPDX-License-Identifier: Apache-2.0
#include "ingest/gate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNIT_TOLERANCE 1e-3

struct vs_gate {
    const struct vs_env *env;
    const struct vs_schema *schema;
    const struct vs_vector_contract *contracts;
    size_t contract_count;
    size_t id_field; // SIZE_MAX: none
    struct vs_id_set *ids;
    uint8_t *duplicate; // per row of the batch last checked
    size_t duplicate_capacity;
};

enum vs_status vs_gate_open(const struct vs_env *env,
                            const struct vs_schema *schema,
                            const struct vs_vector_contract *contracts,
                            size_t contract_count,
                            struct vs_gate **gate_out,
                            struct vs_error *err)
{
    struct vs_gate *gate = vs_alloc_zeroed(env, 1, sizeof *gate);
    if (gate == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the quality gate");
    }
    gate->env = env;
    gate->schema = schema;
    gate->contracts = contracts;
    gate->contract_count = contract_count;
    gate->id_field = vs_schema_identifier(schema);
    if (gate->id_field != SIZE_MAX) {
        enum vs_status status =
            vs_id_set_new(env, schema->fields[gate->id_field].kind, &gate->ids, err);
        if (status != VS_OK) {
            vs_gate_free(gate);
            return status;
        }
    }
    *gate_out = gate;
    return VS_OK;
}

void vs_gate_free(struct vs_gate *gate)
{
    if (gate == NULL) {
        return;
    }
    vs_id_set_free(gate->ids);
    vs_free(gate->env, gate->duplicate);
    vs_free(gate->env, gate);
}

const struct vs_id_set *vs_gate_ids(const struct vs_gate *gate)
{
    return gate->ids;
}

// An exponent of all ones is NaN or infinity; the loop has no branch, so it vectorises.
static bool all_finite(const float *values, size_t count)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bad |= (bits & UINT32_C(0x7f800000)) == UINT32_C(0x7f800000);
    }
    return bad == 0;
}

static double squared_norm(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i] * (double)values[i];
    }
    return sum;
}

static bool has_null_element(const struct vs_column *column, size_t row)
{
    size_t first, count;
    vs_column_get_list(column, row, &first, &count);
    if (column->child->valid.len == 0) {
        return false;
    }
    return count > 0 && memchr(column->child->valid.data + first, 0, count) != NULL;
}

static bool check_vector(const struct vs_vector_contract *contract,
                         const struct vs_column *column,
                         size_t row,
                         char reason[200])
{
    if (vs_column_is_null(column, row)) {
        return true;
    }
    size_t count;
    const float *values = vs_column_get_floats(column, row, &count);
    const struct vs_str name = contract->column;
    if (count != contract->dimension) {
        snprintf(reason, 200, "%.*s has %zu values, the table's contract says %u", VS_STR_ARG(name),
                 count, contract->dimension);
        return false;
    }
    if (has_null_element(column, row)) {
        snprintf(reason, 200, "%.*s has a null element", VS_STR_ARG(name));
        return false;
    }
    if (!all_finite(values, count)) {
        snprintf(reason, 200, "%.*s has a NaN or infinite value", VS_STR_ARG(name));
        return false;
    }
    bool cosine = vs_str_equal_c(contract->metric, "cosine");
    if (!cosine && !contract->normalized) {
        return true;
    }
    double norm = sqrt(squared_norm(values, count));
    if (cosine && norm < 1e-18) {
        snprintf(reason, 200,
                 "%.*s is a zero vector, which has no direction; cosine cannot rank it",
                 VS_STR_ARG(name));
        return false;
    }
    if (contract->normalized && fabs(norm - 1) > UNIT_TOLERANCE) {
        snprintf(reason, 200, "%.*s has length %.4f, the table's contract says unit length",
                 VS_STR_ARG(name), norm);
        return false;
    }
    return true;
}

static bool is_utf8(const struct vs_column *column, const struct vs_field *field, size_t row)
{
    if (field->kind == VS_KIND_STRING) {
        return vs_utf8_validate(vs_column_get_bytes(column, row));
    }
    if (field->kind != VS_KIND_LIST || field->element_kind != VS_KIND_STRING) {
        return true;
    }
    size_t first, count;
    vs_column_get_list(column, row, &first, &count);
    for (size_t i = first; i < first + count; i++) {
        if (!vs_column_is_null(column->child, i) &&
            !vs_utf8_validate(vs_column_get_bytes(column->child, i))) {
            return false;
        }
    }
    return true;
}

static bool check_nulls_and_text(const struct vs_gate *gate,
                                 const struct vs_batch *batch,
                                 size_t row,
                                 char reason[200])
{
    for (size_t i = 0; i < gate->schema->field_count; i++) {
        const struct vs_field *field = &gate->schema->fields[i];
        const struct vs_column *column = &batch->columns[i];
        if (vs_column_is_null(column, row)) {
            if (field->required) {
                snprintf(reason, 200, "%s%.*s is null",
                         i == gate->id_field ? "the id column " : "required column ",
                         VS_STR_ARG(field->name));
                return false;
            }
            continue;
        }
        if (!is_utf8(column, field, row)) {
            snprintf(reason, 200, "%.*s is not UTF-8", VS_STR_ARG(field->name));
            return false;
        }
    }
    return true;
}

static bool check_row(const struct vs_gate *gate,
                      const struct vs_batch *batch,
                      size_t row,
                      char reason[200])
{
    if (!check_nulls_and_text(gate, batch, row, reason)) {
        return false;
    }
    for (size_t i = 0; i < gate->contract_count; i++) {
        if (!check_vector(&gate->contracts[i], &batch->columns[gate->contracts[i].field], row,
                          reason)) {
            return false;
        }
    }
    return true;
}

static void explain_duplicate(const struct vs_value *id, char reason[200])
{
    if (id->kind == VS_KIND_STRING) {
        snprintf(reason, 200, "id '%.*s' occurs more than once in this commit",
                 vs_id_shown_length(id->as.text), id->as.text.ptr);
    } else {
        snprintf(reason, 200, "id %lld occurs more than once in this commit",
                 (long long)id->as.integer);
    }
}

static enum vs_status check_id(struct vs_gate *gate,
                               const struct vs_batch *batch,
                               size_t row,
                               bool *accept,
                               char reason[200],
                               struct vs_error *err)
{
    if (gate->id_field == SIZE_MAX) {
        return VS_OK;
    }
    struct vs_value id = vs_column_get(&batch->columns[gate->id_field], row);
    bool added = false;
    VS_TRY(vs_id_set_add(gate->ids, &id, &added, err));
    if (!added) {
        *accept = false;
        gate->duplicate[row] = 1;
        explain_duplicate(&id, reason);
    }
    return VS_OK;
}

static enum vs_status reserve_rows(struct vs_gate *gate, size_t rows, struct vs_error *err)
{
    if (rows > gate->duplicate_capacity) {
        uint8_t *grown = vs_realloc(gate->env, gate->duplicate, rows);
        if (grown == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory to check %zu rows", rows);
        }
        gate->duplicate = grown;
        gate->duplicate_capacity = rows;
    }
    if (rows > 0) {
        memset(gate->duplicate, 0, rows);
    }
    return VS_OK;
}

enum vs_status vs_gate_check(struct vs_gate *gate,
                             const struct vs_batch *batch,
                             uint8_t *accept,
                             struct vs_gate_reject *reject_out,
                             size_t *reject_count_out,
                             struct vs_error *err)
{
    if (batch->column_count != gate->schema->field_count) {
        return vs_fail(err, VS_INTERNAL,
                       "a batch of %zu columns came to the gate of a table with %zu",
                       batch->column_count, gate->schema->field_count);
    }
    VS_TRY(reserve_rows(gate, batch->row_count, err));
    size_t rejected = 0;
    for (size_t row = 0; row < batch->row_count; row++) {
        char reason[200] = "";
        bool good = check_row(gate, batch, row, reason);
        if (good) {
            VS_TRY(check_id(gate, batch, row, &good, reason, err));
        }
        accept[row] = good;
        if (!good && rejected++ == 0) {
            reject_out->row = row;
            memcpy(reject_out->reason, reason, sizeof reason);
        }
    }
    *reject_count_out = rejected;
    return VS_OK;
}

void vs_gate_explain(struct vs_gate *gate,
                     const struct vs_batch *batch,
                     size_t row,
                     char reason_out[200])
{
    reason_out[0] = '\0';
    if (check_row(gate, batch, row, reason_out) && row < gate->duplicate_capacity &&
        gate->duplicate[row]) {
        struct vs_value id = vs_column_get(&batch->columns[gate->id_field], row);
        explain_duplicate(&id, reason_out);
    }
}
