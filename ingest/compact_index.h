// SPDX-License-Identifier: Apache-2.0
/*
 * The index of a table that is compacted: opened to see what it covers, and written anew for the
 * rewritten files.
 *
 * An index that cannot be used is no reason not to compact: it is left behind, with a warning.
 * Ownership: owns what it opened; the objects written stay until discard. Threads: single owner.
 */
#ifndef VS_INGEST_COMPACT_INDEX_H
#define VS_INGEST_COMPACT_INDEX_H

#include "ingest/compact_write.h"
#include "ingest/index_publish.h"

struct vs_compact_index {
    const struct vs_env *env;
    struct vs_store *store;
    const struct vs_op *op;
    struct vs_arena arena;
    struct vs_str uri;        // of the index opened; empty: the table has none
    struct vs_file *file;     // NULL: it cannot be used
    struct vs_index_map *map; // NULL: the same
    struct vs_buf keys;       // of the objects written, each with a NUL
    size_t last_key;          // offset of the newest one
    struct vs_index_pointer pointer;
    char uuid[VS_UUID_TEXT_SIZE];
};

// New files of rewrites that take part.
struct vs_compact_moved {
    const struct vs_table_metadata *metadata;
    const struct vs_scan_plan *plan; // that the pieces of the rewrites speak of
    const struct vs_compact_rewrite *rewrites;
    const bool *takes_part;
    size_t rewrite_count;
    int64_t sequence_number; // that the new files will have
};

void vs_compact_index_init(struct vs_compact_index *index,
                           const struct vs_env *env,
                           struct vs_store *store,
                           const struct vs_op *op);
void vs_compact_index_clear(struct vs_compact_index *index);
// The index of the metadata's newest snapshot; nothing happens when it is open already.
enum vs_status vs_compact_index_open(struct vs_compact_index *index,
                                     const struct vs_table_metadata *metadata,
                                     struct vs_error *err);
// Writes a remapped index file and sets index->pointer; *written_out is false when the index covers
// none of the rewritten rows.
enum vs_status vs_compact_index_write(struct vs_compact_index *index,
                                      const struct vs_compact_moved *moved,
                                      bool *written_out,
                                      struct vs_error *err);
// Removes the objects written, but for the newest one where keep_last.
void vs_compact_index_discard(struct vs_compact_index *index, bool keep_last);

#endif
