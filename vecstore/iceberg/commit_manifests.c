// SPDX-License-Identifier: Apache-2.0
/*
 * The manifests of a new snapshot: one new manifest for added data, one for added deletes, the
 * base's carried along; more than 100 small ones are merged into one (as Java's
 * commit.manifest.min-count-to-merge).
 */
#include "vecstore/iceberg/commit_internal.h"

#include <stdio.h>

#define MERGE_MIN_COUNT 100
#define MERGE_BYTES ((int64_t)8 << 20) // Java: commit.manifest.target-size-bytes

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for the manifests of a commit");
}

// Writes one manifest under a new name and describes it, sequence numbers excepted.
static enum vs_status write_manifest(struct vs_commit_state *state,
                                     const struct vs_manifest_write *spec,
                                     struct kept_manifest *kept,
                                     struct vs_error *err)
{
    char name[96];
    struct vs_buf bytes;
    struct vs_manifest_file *entry = &kept->entry;
    (void)snprintf(name, sizeof name, "%s-m%u.avro", state->commit_text, state->manifest_number++);
    vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
    enum vs_status status = vs_manifest_write_bytes(state->env, spec, &bytes, err);
    if (status == VS_OK) {
        status = vs_commit_put(state, spec->metadata, name, vs_buf_view(&bytes),
                               &kept->written_index, err);
    }
    if (status == VS_OK) {
        *entry = (struct vs_manifest_file){
            .path = vs_table_uri(spec->metadata, &state->arena, "metadata", name),
            .length = (int64_t)bytes.len,
            .spec_id = spec->metadata->default_spec_id,
            .content = spec->is_deletes ? 1 : 0,
            .min_sequence_number = INT64_MAX,
            .added_snapshot_id = spec->snapshot_id};
        for (size_t i = 0; i < spec->file_count; i++) {
            const struct vs_data_file *file = &spec->files[i];
            if (file->status == VS_ENTRY_ADDED) {
                entry->added_files++;
                entry->added_rows += file->record_count;
            } else {
                entry->existing_files++;
                entry->existing_rows += file->record_count;
                entry->min_sequence_number = file->sequence_number < entry->min_sequence_number
                                                 ? file->sequence_number
                                                 : entry->min_sequence_number;
            }
        }
        status = entry->path.ptr != NULL ? VS_OK : no_memory(err);
    }
    vs_buf_clear(&bytes);
    return status;
}

static enum vs_status keep_source(struct vs_commit_state *state,
                                  struct kept_manifest *kept,
                                  struct vs_str path,
                                  struct vs_error *err)
{
    struct vs_str copy = vs_arena_copy_str(&state->arena, path);
    if (copy.ptr == NULL) {
        return no_memory(err);
    }
    kept->sources[kept->source_count++] = copy;
    return VS_OK;
}

// ---- added files ----

static bool is_same_files(const struct kept_manifest *kept,
                          const struct vs_table_metadata *m,
                          const struct vs_data_file *files,
                          size_t count)
{
    if (!kept->is_set || kept->source_count != count || kept->schema_id != m->current_schema_id ||
        kept->spec_id != m->default_spec_id) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!vs_str_equal(kept->sources[i], files[i].path)) {
            return false;
        }
    }
    return true;
}

static enum vs_status make_added(struct vs_commit_state *state,
                                 const struct commit_base *base,
                                 const struct vs_data_file *files,
                                 size_t count,
                                 struct kept_manifest *kept,
                                 struct vs_error *err)
{
    const struct vs_table_metadata *m = base->metadata;
    if (is_same_files(kept, m, files, count)) {
        state->written[kept->written_index].attempt = state->attempt;
        return VS_OK;
    }
    *kept =
        (struct kept_manifest){.schema_id = m->current_schema_id, .spec_id = m->default_spec_id};
    kept->sources = vs_arena_alloc_array(&state->arena, count, sizeof *kept->sources);
    if (kept->sources == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        if (files[i].status != VS_ENTRY_ADDED) {
            return vs_fail(err, VS_INTERNAL, "%.*s: a file to commit is not marked as added",
                           VS_STR_ARG(files[i].path));
        }
        VS_TRY(keep_source(state, kept, files[i].path, err));
    }
    const struct vs_manifest_write spec = {.metadata = m,
                                           .snapshot_id = state->snapshot_id,
                                           .is_deletes = kept == &state->deletes,
                                           .files = files,
                                           .file_count = count};
    VS_TRY(write_manifest(state, &spec, kept, err));
    kept->is_set = true;
    return VS_OK;
}

// ---- merging ----

static bool is_true(const struct vs_table_metadata *m, const char *key, bool absent)
{
    struct vs_str value = vs_table_property(m, key);
    return value.ptr == NULL ? absent : vs_str_equal_nocase(value, VS_STR("true"));
}

static size_t merge_min_count(const struct vs_table_metadata *m)
{
    int64_t count;
    struct vs_str value = vs_table_property(m, "commit.manifest.min-count-to-merge");
    if (value.ptr == NULL || vs_parse_i64(value, &count, NULL) != VS_OK || count < 1 ||
        count > 1000000) {
        return MERGE_MIN_COUNT;
    }
    return (size_t)count;
}

static bool may_merge(const struct commit_base *base, const struct vs_manifest_file *m, int content)
{
    return m->content == content && m->spec_id == base->metadata->default_spec_id &&
           m->length >= 0 && m->length < MERGE_BYTES && m->partitions_raw.len == 0;
}

// Reads the live entries of the chosen manifests; *possible_out is false when they cannot share a
// manifest.
static enum vs_status read_sources(struct vs_commit_state *state,
                                   const struct commit_base *base,
                                   const size_t *chosen,
                                   size_t chosen_count,
                                   struct vs_data_file **files_out,
                                   size_t *count_out,
                                   struct vs_error *err)
{
    struct vs_data_file **parts =
        vs_arena_alloc_array(&state->scratch, chosen_count, sizeof *parts);
    size_t *counts = vs_arena_alloc_array(&state->scratch, chosen_count, sizeof *counts);
    size_t total = 0;
    if (parts == NULL || counts == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < chosen_count; i++) {
        const struct vs_manifest_file *manifest = &base->manifests[chosen[i]];
        char what[256];
        struct vs_buf bytes;
        (void)snprintf(what, sizeof what, "manifest %.*s", VS_STR_ARG(manifest->path));
        vs_buf_init(&bytes, state->env, VS_METADATA_MAX_BYTES);
        enum vs_status status = vs_table_object_read(state->env, state->store, base->metadata,
                                                     manifest->path, "manifest", &bytes, err);
        if (status == VS_OK) {
            status = vs_manifest_read(state->env, vs_buf_view(&bytes), what, manifest,
                                      &state->scratch, &parts[i], &counts[i], err);
        }
        vs_buf_clear(&bytes);
        VS_TRY(status);
        total += counts[i];
    }
    struct vs_data_file *files = vs_arena_alloc_array(&state->scratch, total, sizeof *files);
    if (files == NULL) {
        return no_memory(err);
    }
    size_t n = 0;
    for (size_t i = 0; i < chosen_count; i++) {
        for (size_t j = 0; j < counts[i]; j++) {
            if (parts[i][j].status != VS_ENTRY_DELETED) {
                files[n] = parts[i][j];
                files[n++].status = VS_ENTRY_EXISTING;
            }
        }
    }
    *files_out = files;
    *count_out = n;
    return VS_OK;
}

static bool can_share(const struct vs_data_file *files, size_t count, int content)
{
    for (size_t i = 0; i < count; i++) {
        if ((files[i].content != VS_CONTENT_DATA) != (content == 1) || files[i].has_partition ||
            files[i].content_offset >= 0) {
            return false;
        }
    }
    return count > 0;
}

static bool is_chosen(const struct kept_manifest *kept, struct vs_str path)
{
    for (size_t i = 0; i < kept->source_count; i++) {
        if (vs_str_equal(kept->sources[i], path)) {
            return true;
        }
    }
    return false;
}

// A merge made for an earlier attempt serves again when all of its sources are still in the base.
static bool still_fits(const struct kept_manifest *kept, const struct commit_base *base)
{
    size_t found = 0;
    for (size_t i = 0; i < base->manifest_count; i++) {
        found += is_chosen(kept, base->manifests[i].path);
    }
    return kept->is_set && found == kept->source_count &&
           kept->spec_id == base->metadata->default_spec_id;
}

static enum vs_status merge_chosen(struct vs_commit_state *state,
                                   const struct commit_base *base,
                                   const size_t *chosen,
                                   size_t count,
                                   int content,
                                   struct vs_error *err)
{
    struct kept_manifest *kept = &state->merged[content];
    struct vs_data_file *files = NULL;
    size_t file_count = 0;
    VS_TRY(read_sources(state, base, chosen, count, &files, &file_count, err));
    if (!can_share(files, file_count, content)) {
        return VS_OK; // they stay as they are
    }
    kept->sources = vs_arena_alloc_array(&state->arena, count, sizeof *kept->sources);
    if (kept->sources == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        VS_TRY(keep_source(state, kept, base->manifests[chosen[i]].path, err));
    }
    const struct vs_manifest_write spec = {.metadata = base->metadata,
                                           .snapshot_id = state->snapshot_id,
                                           .is_deletes = content == 1,
                                           .files = files,
                                           .file_count = file_count};
    VS_TRY(write_manifest(state, &spec, kept, err));
    kept->schema_id = base->metadata->current_schema_id;
    kept->spec_id = base->metadata->default_spec_id;
    kept->is_set = true;
    return VS_OK;
}

// Oldest first, up to the target size.
static enum vs_status merge_content(struct vs_commit_state *state,
                                    const struct commit_base *base,
                                    int content,
                                    struct vs_error *err)
{
    struct kept_manifest *kept = &state->merged[content];
    if (still_fits(kept, base)) {
        state->written[kept->written_index].attempt = state->attempt;
        return VS_OK;
    }
    *kept = (struct kept_manifest){0};
    size_t *chosen = vs_arena_alloc_array(&state->scratch, base->manifest_count, sizeof *chosen);
    if (chosen == NULL) {
        return no_memory(err);
    }
    size_t small = 0, count = 0;
    int64_t bytes = 0;
    for (size_t i = base->manifest_count; i > 0; i--) {
        const struct vs_manifest_file *m = &base->manifests[i - 1];
        if (!may_merge(base, m, content)) {
            continue;
        }
        small++;
        if (bytes + m->length <= MERGE_BYTES) {
            bytes += m->length;
            chosen[count++] = i - 1;
        }
    }
    if (small <= merge_min_count(base->metadata) || count < 2) {
        return VS_OK;
    }
    return merge_chosen(state, base, chosen, count, content, err);
}

// ---- the list ----

static bool is_empty(const struct vs_manifest_file *m)
{
    return m->added_files == 0 && m->existing_files == 0;
}

static void put_entry(struct vs_manifest_file *list,
                      size_t *n,
                      const struct kept_manifest *kept,
                      int64_t sequence_number)
{
    if (!kept->is_set) {
        return;
    }
    list[*n] = kept->entry;
    list[*n].sequence_number = sequence_number;
    if (list[*n].min_sequence_number > sequence_number) {
        list[*n].min_sequence_number = sequence_number;
    }
    (*n)++;
}

enum vs_status vs_commit_manifests(struct vs_commit_state *state,
                                   const struct commit_base *base,
                                   struct vs_manifest_file **entries_out,
                                   size_t *count_out,
                                   struct vs_error *err)
{
    const struct vs_intent *intent = base->intent;
    struct vs_manifest_file *list =
        vs_arena_alloc_array(&state->scratch, base->manifest_count + 4, sizeof *list);
    if (list == NULL) {
        return no_memory(err);
    }
    size_t n = 0;
    if (intent->added_data_count > 0) {
        VS_TRY(make_added(state, base, intent->added_data, intent->added_data_count, &state->data,
                          err));
        put_entry(list, &n, &state->data, base->sequence_number);
    }
    if (intent->added_delete_count > 0) {
        VS_TRY(make_added(state, base, intent->added_deletes, intent->added_delete_count,
                          &state->deletes, err));
        put_entry(list, &n, &state->deletes, base->sequence_number);
    }
    bool merge = !base->metadata->is_partitioned &&
                 is_true(base->metadata, "commit.manifest-merge.enabled", true);
    for (int content = 0; content < 2 && merge; content++) {
        VS_TRY(merge_content(state, base, content, err));
        put_entry(list, &n, &state->merged[content], base->sequence_number);
    }
    for (size_t i = 0; i < base->manifest_count; i++) {
        const struct vs_manifest_file *m = &base->manifests[i];
        bool is_merged = merge && state->merged[m->content].is_set &&
                         is_chosen(&state->merged[m->content], m->path);
        if (!is_merged && !is_empty(m)) {
            list[n++] = *m;
        }
    }
    *entries_out = list;
    *count_out = n;
    return VS_OK;
}
