// SPDX-License-Identifier: Apache-2.0
/*
 * Rows that the gate refused, set aside under <table>/quarantine/<uuid>.jsonl: one JSON object a
 * row with source, row, reason and values, so that they can be mended and ingested again.
 */
#ifndef VS_INGEST_QUARANTINE_H
#define VS_INGEST_QUARANTINE_H

#include "vecstore/format/column.h"
#include "vecstore/iceberg/table_metadata.h"
#include "vecstore/object/store.h"

struct vs_quarantine;

enum vs_status vs_quarantine_open(const struct vs_env *env,
                                  struct vs_store *store,
                                  const struct vs_table_metadata *metadata,
                                  const struct vs_schema *schema,
                                  struct vs_quarantine **quarantine_out,
                                  struct vs_error *err);
enum vs_status vs_quarantine_add(struct vs_quarantine *quarantine,
                                 const struct vs_batch *batch,
                                 size_t row,
                                 const char *source,
                                 uint64_t source_row,
                                 const char *reason,
                                 struct vs_error *err);
// Makes the file visible and writes its URI.
enum vs_status vs_quarantine_finish(struct vs_quarantine *quarantine,
                                    char *uri_out,
                                    size_t size,
                                    struct vs_error *err);
// keep: the rows around those set aside are in the table, or may be; else a finished file is
// removed again. Accepts NULL.
void vs_quarantine_free(struct vs_quarantine *quarantine, bool keep);

#endif
