// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by commit.c (attempts), commit_state.c (what one commit has written), commit_manifests.c
 * (manifests of a new snapshot), commit_rewrite.c (manifests that lose files) and commit_summary.c
 * (its summary).
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
    bool is_deletes, is_merged; // is_merged: of manifests of the base, else of added files
    int32_t spec_id, schema_id;
    int format_version;
    bool lacks_row_ids; // v3, merged: some source had none when it was read
    int64_t data_sequence_number;
    struct vs_manifest_file entry; // sequence numbers and row ids are set per attempt
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
    struct kept_manifest *kept;
    size_t kept_count, kept_capacity;
    struct written_file *written;
    size_t written_count, written_capacity;
};

struct commit_base {
    const struct vs_table_metadata *metadata; // the base with the intent's edits
    const struct vs_intent *intent;
    const struct vs_snapshot *parent;   // NULL: the branch has none yet
    int64_t sequence_number;            // of the new snapshot
    struct vs_manifest_file *manifests; // of the parent
    size_t manifest_count;
    const struct vs_data_file *removed; // entries of the files that leave the table
    size_t removed_count;
};

// ---- commit_state.c ----
// Puts bytes below the table's metadata folder and remembers the key; a put of unknown outcome is
// repeated, the name is ours alone.
enum vs_status vs_commit_put(struct vs_commit_state *state,
                             const struct vs_table_metadata *metadata,
                             const char *name,
                             struct vs_str bytes,
                             size_t *written_index_out,
                             struct vs_error *err);

// ---- commit_rewrite.c ----
// Entries of one manifest of the base, in state->scratch.
enum vs_status vs_commit_read_manifest(struct vs_commit_state *state,
                                       const struct commit_base *base,
                                       const struct vs_manifest_file *manifest,
                                       struct vs_data_file **files_out,
                                       size_t *count_out,
                                       struct vs_error *err);
// Replaces the base's manifests that hold removed files by ones that mark them as deleted, and
// fills base->removed. CONFLICT when one of the files is not live there. rewritten_out: per
// manifest, whether it is new.
enum vs_status vs_commit_remove_files(struct vs_commit_state *state,
                                      struct commit_base *base,
                                      bool **rewritten_out,
                                      struct vs_error *err);

// ---- commit_manifests.c ----
// Writes one manifest under a new name and describes it; sequence numbers of inheriting entries
// and row ids are left for the list.
enum vs_status vs_commit_write_manifest(struct vs_commit_state *state,
                                        const struct vs_manifest_write *spec,
                                        struct vs_arena *arena,
                                        struct vs_manifest_file *entry_out,
                                        size_t *written_index_out,
                                        struct vs_error *err);
// Manifests of the new snapshot, newest first: added ones, then the base's, small ones merged when
// there are many.
enum vs_status vs_commit_manifests(struct vs_commit_state *state,
                                   struct commit_base *base,
                                   struct vs_manifest_file **entries_out,
                                   size_t *count_out,
                                   struct vs_error *err);

// ---- commit_summary.c ----
// Summary of the new snapshot with all totals, in state->scratch. After vs_commit_manifests, which
// finds out what is removed.
enum vs_status vs_commit_summary(struct vs_commit_state *state,
                                 const struct commit_base *base,
                                 struct vs_pair **pairs_out,
                                 size_t *count_out,
                                 struct vs_error *err);

#endif
