// SPDX-License-Identifier: Apache-2.0
/*
 * Schemas as people write them: "id long, title string not null, price decimal(10,2), tags
 * list<string>".
 */
#ifndef VS_API_SCHEMA_TEXT_H
#define VS_API_SCHEMA_TEXT_H

#include "vecstore/format/schema.h"

// Fields live in arena, ids are -1 (the table assigns them). INVALID tells position and known
// types.
enum vs_status vs_schema_text_parse(struct vs_str text,
                                    struct vs_arena *arena,
                                    struct vs_field **fields_out,
                                    size_t *count_out,
                                    struct vs_error *err);

#endif
