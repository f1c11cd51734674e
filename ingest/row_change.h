// SPDX-License-Identifier: Apache-2.0
/*
 * The moving part of a commit that deletes rows: on every base, find the rows anew and write their
 * position deletes; carry the index pointer.
 */
#ifndef VS_INGEST_ROW_CHANGE_H
#define VS_INGEST_ROW_CHANGE_H

#include "ingest/write_job.h"

enum vs_row_change_kind {
    VS_ROW_CHANGE_INSERT, // ids must not exist
    VS_ROW_CHANGE_UPSERT, // rows with the ids are deleted
    VS_ROW_CHANGE_DELETE, // found rows are deleted; none left: VS_NOT_FOUND
};

struct vs_row_change {
    const struct vs_env *env;
    struct vs_store *store;
    enum vs_row_change_kind kind;
    // What is deleted: the rows that find gives, or all; and by id. An insert with find or
    // everything overwrites: ids that are left after the deletion must not exist.
    const struct vs_id_set *ids; // NULL: none, or a table without an id column
    vs_delete_find_fn find;
    void *find_ctx;
    bool everything;
    const char *branch; // whose rows are meant; NULL: main
    const struct vs_table_metadata
        *loaded; // whose schema the new rows follow; NULL: none are added
    const struct vs_op *op;
    // results of the last rebase
    bool nothing_left;         // a delete found no row
    int64_t snapshot_id;       // of the branch
    struct vs_scan_plan *plan; // of that snapshot, where it was needed
    struct vs_arena arena;
    uint64_t deleted_rows, distinct_ids;
    struct vs_statistics statistics;
    struct vs_buf keys;  // of every delete file written so far, NUL-terminated one after the other
    size_t current_from; // offset in keys where those of the last rebase start
};

void vs_row_change_init(struct vs_row_change *change,
                        const struct vs_env *env,
                        struct vs_store *store,
                        enum vs_row_change_kind kind);
// A vs_intent_rebase_fn; ctx is the vs_row_change.
enum vs_status vs_row_change_rebase(void *ctx,
                                    const struct vs_table_metadata *base,
                                    struct vs_intent *intent,
                                    struct vs_error *err);
// Releases; removes the delete files that no commit refers to: all of them when outcome is a
// definite failure, those of earlier bases after success, none when it is VS_UNKNOWN.
void vs_row_change_clear(struct vs_row_change *change, enum vs_status outcome);

#endif
