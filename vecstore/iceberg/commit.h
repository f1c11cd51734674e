// SPDX-License-Identifier: Apache-2.0
/*
 * A change to a table: what is to happen (intent), and the metadata that results when it is applied
 * to a base.
 *
 * The only place that makes new snapshots. The loop around it (reload, rebase, compare-and-swap,
 * R1-R4) is the catalog's (vecstore/catalog/catalog.h). Manifests are written once and reused
 * across attempts; manifest list and metadata are made per attempt.
 */
#ifndef VS_ICEBERG_COMMIT_H
#define VS_ICEBERG_COMMIT_H

#include "vecstore/iceberg/scan.h"

struct vs_intent;

// Called before every attempt with the base it will be applied to (the first one too): may
// (re)compute the intent from that base, for example the positions that an upsert deletes or the
// statistics to carry. Fails to abort the commit.
typedef enum vs_status (*vs_intent_rebase_fn)(void *ctx,
                                              const struct vs_table_metadata *base,
                                              struct vs_intent *intent,
                                              struct vs_error *err);

// Changes the metadata besides the snapshot (schema, spec, refs, expiry, …) with the functions of
// metadata_edit.h; called on every attempt with a copy of the base.
struct vs_metadata_edit;
typedef enum vs_status (*vs_intent_edit_fn)(void *ctx,
                                            struct vs_metadata_edit *edit,
                                            struct vs_error *err);

struct vs_intent {
    const char *operation; // snapshot summary: "append", "overwrite", "delete" or "replace"; NULL:
                           // metadata only, no new snapshot
    const struct vs_data_file *added_data;
    size_t added_data_count;
    const struct vs_data_file *added_deletes;
    size_t added_delete_count;
    const struct vs_pair *set_properties;
    size_t set_property_count;
    const char *const *removed_properties;
    size_t removed_property_count;
    // Registered on the new snapshot, or for a metadata-only change on statistics->snapshot_id.
    // NULL: none.
    const struct vs_statistics *statistics;
    const struct vs_pair *summary; // added to the snapshot summary
    size_t summary_count;
    // Files that leave the table, by path; each has to be live in the base, else the commit is a
    // CONFLICT (somebody else removed or rewrote it). record counts, sizes and partitions are those
    // of the manifest entry.
    const struct vs_data_file *removed_data;
    size_t removed_data_count;
    const struct vs_data_file
        *removed_deletes; // delete files and deletion vectors (by path and offset)
    size_t removed_delete_count;
    // Rewrites (operation "replace"): added data files carry this data sequence number, so that
    // deletes made meanwhile still apply to them. 0: the new snapshot's own.
    int64_t data_sequence_number;
    const char *branch;     // that gets the snapshot; NULL: "main"
    vs_intent_edit_fn edit; // may be NULL; runs before the snapshot is made
    void *edit_ctx;
    vs_intent_rebase_fn rebase; // may be NULL
    void *rebase_ctx;
};

struct vs_commit_attempt {
    struct vs_table_metadata *metadata; // the new one; owned by the attempt until taken
    int64_t snapshot_id; // of the new snapshot, or the current one for a metadata-only change
};

// Writes manifests and manifest list of `intent` on `base` and builds the new metadata. commit_id
// goes into the summary as "vecstore.commit-id" (R1) or, for metadata-only changes, into table
// property "vecstore.last-commit-id". prepared (made by vs_commit_state_new, one per logical
// commit) keeps manifests between attempts and the list of files it wrote.
struct vs_commit_state;
enum vs_status vs_commit_state_new(const struct vs_env *env,
                                   struct vs_store *store,
                                   struct vs_uuid commit_id,
                                   struct vs_commit_state **state_out,
                                   struct vs_error *err);
// Removes what was written by attempts that are known not to have landed (keep_last: the last
// attempt's files stay: it landed or is unknown).
void vs_commit_state_free(struct vs_commit_state *state, bool keep_last);
// Forgets every file written so far, so that a later free removes none of them: for a commit whose
// outcome is unknown (R5).
void vs_commit_state_forget(struct vs_commit_state *state);
enum vs_status vs_commit_prepare(struct vs_commit_state *state,
                                 const struct vs_table_metadata *base,
                                 const char *base_metadata_uri,
                                 const struct vs_intent *intent,
                                 struct vs_commit_attempt *attempt_out,
                                 struct vs_error *err);
// True when the lineage of `metadata` holds our commit id (R3); gives the snapshot.
bool vs_commit_find(const struct vs_table_metadata *metadata,
                    struct vs_uuid commit_id,
                    int64_t *snapshot_id_out);

#endif
