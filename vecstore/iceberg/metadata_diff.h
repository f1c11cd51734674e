// SPDX-License-Identifier: Apache-2.0
/*
 * Two states of a table as a REST commit: the requirements that hold in the first, and the updates
 * that make the second of it (iceberg.md 2.2; open-api/rest-catalog-open-api.yaml,
 * CommitTableRequest).
 *
 * Threads: pure.
 */
#ifndef VS_ICEBERG_METADATA_DIFF_H
#define VS_ICEBERG_METADATA_DIFF_H

#include "vecstore/iceberg/table_metadata.h"

// Appends {"requirements":[…],"updates":[…]} without the braces: the two members, so that a caller
// can put "identifier" before them. `base` NULL: a create (assert-create, assign-uuid, …).
enum vs_status vs_metadata_diff(const struct vs_env *env,
                                const struct vs_table_metadata *base,
                                const struct vs_table_metadata *next,
                                struct vs_json_writer *w,
                                struct vs_error *err);

#endif
