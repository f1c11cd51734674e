// SPDX-License-Identifier: Apache-2.0
/*
 * Files that leave a table: the manifests that hold them are written anew, live entries as
 * EXISTING, removed ones as DELETED by the new snapshot (Spec "Manifest Entry Fields").
 */
#include "vecstore/iceberg/commit_internal.h"

#include <stdio.h>
#include <stdlib.h>

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for the manifests of a commit");
}

// ---- the files to remove, sorted ----

struct removal {
    struct vs_str path;
    int64_t content_offset; // of deletion vectors, else -1
    bool found;
};

struct removals {
    struct removal *items;
    size_t count, found;
};

static int compare_removals(const void *a, const void *b)
{
    const struct removal *x = a, *y = b;
    int order = vs_str_compare(x->path, y->path);
    return order != 0
               ? order
               : (x->content_offset > y->content_offset) - (x->content_offset < y->content_offset);
}

// A data file has no offset, whatever the caller's struct says.
static struct removal removal_of(const struct vs_data_file *file)
{
    bool is_vector = file->content == VS_CONTENT_POSITION_DELETES && file->content_offset >= 0;
    return (struct removal){file->path, is_vector ? file->content_offset : -1, false};
}

static enum vs_status sort_removals(struct vs_commit_state *state,
                                    const struct vs_data_file *files,
                                    size_t count,
                                    struct removals *out,
                                    struct vs_error *err)
{
    *out = (struct removals){.count = count};
    out->items = vs_arena_alloc_array(&state->scratch, count, sizeof *out->items);
    if (out->items == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        out->items[i] = removal_of(&files[i]);
    }
    if (count > 1) {
        qsort(out->items, count, sizeof *out->items, compare_removals);
    }
    for (size_t i = 1; i < count; i++) {
        if (compare_removals(&out->items[i - 1], &out->items[i]) == 0) {
            return vs_fail(err, VS_INTERNAL, "%.*s: a file is to be removed twice",
                           VS_STR_ARG(out->items[i].path));
        }
    }
    return VS_OK;
}

static struct removal *find_removal(const struct removals *removals,
                                    const struct vs_data_file *file)
{
    struct removal key = removal_of(file);
    return removals->count == 0
               ? NULL
               : bsearch(&key, removals->items, removals->count, sizeof key, compare_removals);
}

// ---- manifests ----

enum vs_status vs_commit_read_manifest(struct vs_commit_state *state,
                                       const struct commit_base *base,
                                       const struct vs_manifest_file *manifest,
                                       struct vs_data_file **files_out,
                                       size_t *count_out,
                                       struct vs_error *err)
{
    char what[256];
    struct vs_buf bytes;
    (void)snprintf(what, sizeof what, "manifest %.*s", VS_STR_ARG(manifest->path));
    vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_object_read(state->env, state->store, base->metadata,
                                                 manifest->path, "manifest", &bytes, err);
    if (status == VS_OK) {
        const struct vs_manifest_read read = {.env = state->env,
                                              .bytes = vs_buf_view(&bytes),
                                              .what = what,
                                              .manifest = manifest,
                                              .metadata = base->metadata};
        status = vs_manifest_read(&read, &state->scratch, files_out, count_out, err);
    }
    vs_buf_clear(&bytes);
    return status;
}

// Marks the entries; live ones stay. True when any is removed.
static bool mark_entries(struct vs_commit_state *state,
                         struct removals *removals,
                         struct vs_data_file *files,
                         size_t *count)
{
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < *count; i++) {
        if (files[i].status == VS_ENTRY_DELETED) {
            continue; // of an earlier snapshot
        }
        struct removal *removal = find_removal(removals, &files[i]);
        files[n] = files[i];
        files[n].status = VS_ENTRY_EXISTING;
        if (removal != NULL && !removal->found) {
            files[n].status = VS_ENTRY_DELETED;
            files[n].snapshot_id = state->snapshot_id;
            removal->found = true;
            removals->found++;
            any = true;
        }
        n++;
    }
    *count = n;
    return any;
}

struct rewrite {
    struct vs_commit_state *state;
    struct commit_base *base;
    struct vs_data_file *removed;
    size_t removed_count;
    bool *rewritten;
};

static enum vs_status rewrite_manifest(struct rewrite *r,
                                       size_t at,
                                       struct removals *removals,
                                       struct vs_error *err)
{
    struct vs_manifest_file *manifest = &r->base->manifests[at];
    struct vs_data_file *files = NULL;
    size_t count = 0, index;
    VS_TRY(vs_commit_read_manifest(r->state, r->base, manifest, &files, &count, err));
    if (!mark_entries(r->state, removals, files, &count)) {
        return VS_OK;
    }
    for (size_t i = 0; i < count; i++) {
        if (files[i].status == VS_ENTRY_DELETED) {
            r->removed[r->removed_count++] = files[i];
        }
    }
    const struct vs_manifest_write spec = {.metadata = r->base->metadata,
                                           .snapshot_id = r->state->snapshot_id,
                                           .spec_id = manifest->spec_id,
                                           .is_deletes = manifest->content == 1,
                                           .files = files,
                                           .file_count = count};
    struct vs_manifest_file entry;
    VS_TRY(vs_commit_write_manifest(r->state, &spec, &r->state->scratch, &entry, &index, err));
    *manifest = entry;
    manifest->sequence_number = r->base->sequence_number;
    if (manifest->min_sequence_number > r->base->sequence_number) {
        manifest->min_sequence_number = r->base->sequence_number; // nothing live is left in it
    }
    r->rewritten[at] = true;
    return VS_OK;
}

static enum vs_status remove_content(struct rewrite *r,
                                     int content,
                                     const struct vs_data_file *files,
                                     size_t count,
                                     struct vs_error *err)
{
    struct removals removals;
    VS_TRY(sort_removals(r->state, files, count, &removals, err));
    for (size_t i = 0; i < r->base->manifest_count && removals.found < removals.count; i++) {
        if (r->base->manifests[i].content == content) {
            VS_TRY(rewrite_manifest(r, i, &removals, err));
        }
    }
    for (size_t i = 0; i < removals.count; i++) {
        if (!removals.items[i].found) {
            return vs_fail(err, VS_CONFLICT,
                           "%.*s, which this commit removes, is no longer part of the table: "
                           "somebody else removed or rewrote it; plan the change again",
                           VS_STR_ARG(removals.items[i].path));
        }
    }
    return VS_OK;
}

enum vs_status vs_commit_remove_files(struct vs_commit_state *state,
                                      struct commit_base *base,
                                      bool **rewritten_out,
                                      struct vs_error *err)
{
    const struct vs_intent *intent = base->intent;
    struct rewrite r = {.state = state, .base = base};
    size_t count = intent->removed_data_count + intent->removed_delete_count;
    r.rewritten = vs_arena_alloc_array(&state->scratch, base->manifest_count, sizeof *r.rewritten);
    r.removed = vs_arena_alloc_array(&state->scratch, count, sizeof *r.removed);
    if (r.rewritten == NULL || r.removed == NULL) {
        return no_memory(err);
    }
    VS_TRY(remove_content(&r, 0, intent->removed_data, intent->removed_data_count, err));
    VS_TRY(remove_content(&r, 1, intent->removed_deletes, intent->removed_delete_count, err));
    base->removed = r.removed;
    base->removed_count = r.removed_count;
    *rewritten_out = r.rewritten;
    return VS_OK;
}
