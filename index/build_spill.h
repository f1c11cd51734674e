// SPDX-License-Identifier: Apache-2.0
/*
 * Encoded vectors that do not fit into memory: one unlinked file, to which each batch is written
 * cut by partition, a range of lists; later the lists come back a range at a time, in order of
 * arrival. Also memory's other end: what an index needs and what it may have.
 *
 * Private to one build; nothing of the file survives the process. Ownership: a column owns its
 * spill. Threads: single owner.
 */
#ifndef VS_INDEX_BUILD_SPILL_H
#define VS_INDEX_BUILD_SPILL_H

#include "index/build_internal.h"

// Bytes that are in use whatever happens: batches, values of rows.
uint64_t vs_build_base_bytes(const struct vs_build *build);
// Whether the column's encoded vectors have to go to a file.
bool vs_build_spills(const struct vs_build *build, const struct vs_build_column *column);

enum vs_status vs_build_spill_open(struct vs_build *build,
                                   struct vs_build_column *column,
                                   struct vs_error *err);
void vs_build_spill_close(struct vs_build_spill *spill);
// Writes the column's set, which is one batch.
enum vs_status vs_build_spill_write(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err);
// Loads as many lists from `first` on as memory allows, at least one; the set is cleared by the
// caller, also after a failure.
enum vs_status vs_build_spill_load(struct vs_build *build,
                                   struct vs_build_column *column,
                                   uint32_t first,
                                   uint32_t *end_out,
                                   struct vs_build_set *set,
                                   struct vs_error *err);
// Sections of the lists, one range after the other; at the end all of them as a map of the file.
enum vs_status vs_build_spill_sections(struct vs_build_spill *spill,
                                       const uint8_t *bytes,
                                       size_t n,
                                       struct vs_error *err);
enum vs_status vs_build_spill_map(struct vs_build_spill *spill,
                                  uint64_t length,
                                  const uint8_t **sections_out,
                                  struct vs_error *err);

#endif
