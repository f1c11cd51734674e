// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by commit.c (state, attempts), commit_manifests.c (manifests of a new snapshot) and
 * commit_summary.c (its summary).
 */
#ifndef VS_ICEBERG_COMMIT_INTERNAL_H
#define VS_ICEBERG_COMMIT_INTERNAL_H

#include "vecstore/iceberg/commit.h"
#include "vecstore/iceberg/iceberg_internal.h"

#define VS_COMMIT_ID_KEY "vecstore.commit-id" // snapshot summary
#define VS_LAST_COMMIT_KEY                                                                         \
    "vecstore.last-commit-id" // table property of metadata-only changes: the newest ids

struct written_file {
    const char *key;
    unsigned attempt; // last attempt that uses it
};

// A manifest kept between attempts, with what it was made of.
struct kept_manifest {
    bool is_set;
    struct vs_manifest_file entry; // sequence numbers are set per attempt
    int32_t schema_id, spec_id;
    size_t source_count;
    struct vs_str *sources; // paths of its files, or of the manifests merged into it
    size_t written_index;
};

struct vs_commit_state {
    const struct vs_env *env;
    struct vs_store *store;
    struct vs_uuid commit_id;
    char commit_text[VS_UUID_TEXT_SIZE];
    struct vs_arena arena;   // as long as the commit
    struct vs_arena scratch; // one attempt
    unsigned attempt;
    unsigned manifest_number;
    int64_t snapshot_id; // 0: not chosen yet; the same for all attempts, since manifests name it
    struct kept_manifest data, deletes;
    struct kept_manifest merged[2]; // by content
    struct written_file *written;
    size_t written_count, written_capacity;
};

struct commit_base {
    const struct vs_table_metadata *metadata;
    const struct vs_intent *intent;
    int64_t sequence_number;            // of the new snapshot
    struct vs_manifest_file *manifests; // of the base's current snapshot
    size_t manifest_count;
};

// Puts bytes below the table's metadata folder and remembers the key; a put of unknown outcome is
// repeated, the name is ours alone.
enum vs_status vs_commit_put(struct vs_commit_state *state,
                             const struct vs_table_metadata *metadata,
                             const char *name,
                             struct vs_str bytes,
                             size_t *written_index_out,
                             struct vs_error *err);

// Manifests of the new snapshot, newest first: added ones, then the base's, small ones merged when
// there are many.
enum vs_status vs_commit_manifests(struct vs_commit_state *state,
                                   const struct commit_base *base,
                                   struct vs_manifest_file **entries_out,
                                   size_t *count_out,
                                   struct vs_error *err);

// Summary of the new snapshot with all totals, in state->scratch.
enum vs_status vs_commit_summary(struct vs_commit_state *state,
                                 const struct commit_base *base,
                                 struct vs_pair **pairs_out,
                                 size_t *count_out,
                                 struct vs_error *err);

#endif
