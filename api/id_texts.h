// SPDX-License-Identifier: Apache-2.0
/*
 * Ids as they come from outside (texts) to a set of the table's id type.
 */
#ifndef VS_API_ID_TEXTS_H
#define VS_API_ID_TEXTS_H

#include "ingest/id_set.h"
#include "vecstore/catalog/catalog.h"

// INVALID names the first text that is no id of this table's type. Repeated ids count once.
enum vs_status vs_id_texts_parse(const struct vs_env *env,
                                 const struct vs_table *table,
                                 const struct vs_str *texts,
                                 size_t count,
                                 struct vs_id_set **ids_out,
                                 struct vs_error *err);

#endif
