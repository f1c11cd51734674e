// SPDX-License-Identifier: Apache-2.0
/*
 * A set of row ids (long or string) in insertion order, with exact membership.
 *
 * Open addressing over 64-bit hashes seeded per set, so that hostile ids cannot make it slow.
 * Threads: single owner while filling, then immutable.
 */
#ifndef VS_INGEST_ID_SET_H
#define VS_INGEST_ID_SET_H

#include "vecstore/format/column.h"

struct vs_id_set;

enum vs_status vs_id_set_new(const struct vs_env *env,
                             enum vs_kind kind,
                             struct vs_id_set **set_out,
                             struct vs_error *err); // LONG, INT or STRING
void vs_id_set_free(struct vs_id_set *set);
// added_out: false when it was there already.
enum vs_status vs_id_set_add(struct vs_id_set *set,
                             const struct vs_value *id,
                             bool *added_out,
                             struct vs_error *err);
// Position in insertion order, or SIZE_MAX.
size_t vs_id_set_find(const struct vs_id_set *set, const struct vs_value *id);
size_t vs_id_set_count(const struct vs_id_set *set);
struct vs_value vs_id_set_get(const struct vs_id_set *set, size_t index);
// Smallest and largest member; false when empty.
bool vs_id_set_range(const struct vs_id_set *set,
                     struct vs_value *min_out,
                     struct vs_value *max_out);
enum vs_kind vs_id_set_kind(const struct vs_id_set *set);
// How many bytes of a string id a message shows: at most 80, whole UTF-8 characters.
int vs_id_shown_length(struct vs_str text);

#endif
