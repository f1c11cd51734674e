// SPDX-License-Identifier: Apache-2.0
/*
 * The quality gate: every row that enters a table passes here, whatever its source.
 *
 * Refused: null in a required column, null or repeated id within one commit, a vector of the wrong
 * dimension, with a null element, NaN or Inf, of zero length under cosine, or not of unit length
 * where the contract says normalized; text that is not UTF-8. A null vector is allowed: such a row
 * is found by id and filter, never by similarity.
 * Ownership: the gate keeps copies of the ids it has seen. Threads: single owner.
 */
#ifndef VS_INGEST_GATE_H
#define VS_INGEST_GATE_H

#include "ingest/id_set.h"
#include "vecstore/format/column.h"
#include "vecstore/iceberg/contract.h"

struct vs_gate;

// Schema and contracts are borrowed.
enum vs_status vs_gate_open(const struct vs_env *env,
                            const struct vs_schema *schema,
                            const struct vs_vector_contract *contracts,
                            size_t contract_count,
                            struct vs_gate **gate_out,
                            struct vs_error *err);
void vs_gate_free(struct vs_gate *gate); // accepts NULL

struct vs_gate_reject {
    size_t row; // in the batch
    char reason[200];
};

// Examines a batch (columns in schema order). accept[row_count] is set to 1 or 0. VS_OK also when
// rows are refused: *reject_out is the first one (when *reject_count_out > 0). Ids of accepted rows
// are remembered.
enum vs_status vs_gate_check(struct vs_gate *gate,
                             const struct vs_batch *batch,
                             uint8_t *accept,
                             struct vs_gate_reject *reject_out,
                             size_t *reject_count_out,
                             struct vs_error *err);
// The reason why one row of the batch just checked was refused; "" when it was accepted.
void vs_gate_explain(struct vs_gate *gate,
                     const struct vs_batch *batch,
                     size_t row,
                     char reason_out[200]);

// The ids accepted so far (ingest/id_set.h); NULL when the table has no id column.
const struct vs_id_set *vs_gate_ids(const struct vs_gate *gate);

#endif
