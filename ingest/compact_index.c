// SPDX-License-Identifier: Apache-2.0
#include "ingest/compact_index.h"

#include <string.h>

#define KEY_LIMIT 8192

void vs_compact_index_init(struct vs_compact_index *index,
                           const struct vs_env *env,
                           struct vs_store *store,
                           const struct vs_op *op)
{
    *index = (struct vs_compact_index){.env = env, .store = store, .op = op};
    vs_arena_init(&index->arena, env, 0);
    vs_buf_init(&index->keys, env, SIZE_MAX);
}

static void close_index(struct vs_compact_index *index)
{
    vs_index_map_free(index->map);
    vs_file_close(index->file);
    index->map = NULL;
    index->file = NULL;
    index->uri = (struct vs_str){NULL, 0};
}

void vs_compact_index_clear(struct vs_compact_index *index)
{
    close_index(index);
    vs_buf_clear(&index->keys);
    vs_arena_clear(&index->arena);
}

void vs_compact_index_discard(struct vs_compact_index *index, bool keep_last)
{
    for (size_t at = 0; at < index->keys.len;) {
        const char *key = (const char *)index->keys.data + at;
        if (!keep_last || at != index->last_key) {
            vs_ignore(vs_store_remove(index->store, key, NULL));
        }
        at += strlen(key) + 1;
    }
    vs_buf_reset(&index->keys);
}

// What says something about the index file, not about this machine or the operation.
static bool is_index_fault(enum vs_status status)
{
    return status == VS_CORRUPT || status == VS_NOT_FOUND || status == VS_UNSUPPORTED ||
           status == VS_INVALID || status == VS_LIMIT;
}

static enum vs_status open_file(struct vs_compact_index *index,
                                const struct vs_table_metadata *metadata,
                                const struct vs_statistics *found,
                                struct vs_error *err)
{
    struct vs_buf key;
    vs_buf_init(&key, index->env, KEY_LIMIT);
    enum vs_status status = vs_store_key(index->store, found->path, &key, err);
    if (status == VS_OK) {
        status = vs_file_open(index->store, vs_buf_c_str(&key), &index->file, err);
    }
    vs_buf_clear(&key);
    if (status == VS_OK) {
        status = vs_index_map_read(index->env, index->file, &index->map, err);
    }
    if (status == VS_OK && memcmp(&vs_index_map_info(index->map)->table_uuid, &metadata->uuid,
                                  sizeof metadata->uuid) != 0) {
        status = vs_fail(err, VS_INVALID, "%s is the index of another table", index->file->name);
    }
    return status;
}

static void warn(const struct vs_compact_index *index, const struct vs_error *why)
{
    vs_log(index->env, VS_LOG_WARN, "ingest", "index_left_behind",
           "path=%.*s reason=\"%s\" effect=\"rewritten files are not indexed\"",
           VS_STR_ARG(index->uri), why->message);
}

enum vs_status vs_compact_index_open(struct vs_compact_index *index,
                                     const struct vs_table_metadata *metadata,
                                     struct vs_error *err)
{
    struct vs_statistics found;
    if (!vs_stats_file_find(metadata, metadata->current_snapshot_id, &found)) {
        close_index(index);
        return VS_OK;
    }
    if (index->uri.len > 0 && vs_str_equal(index->uri, found.path)) {
        return VS_OK;
    }
    close_index(index);
    index->uri = vs_arena_copy_str(&index->arena, found.path);
    if (index->uri.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the index of a compaction");
    }
    struct vs_error why = {0};
    enum vs_status status = open_file(index, metadata, &found, &why);
    if (status == VS_OK) {
        return VS_OK;
    }
    vs_index_map_free(index->map);
    vs_file_close(index->file);
    index->map = NULL;
    index->file = NULL;
    if (!is_index_fault(status)) {
        return vs_fail(err, status, "%s", why.message);
    }
    warn(index, &why);
    return VS_OK;
}

// ---- the new file ----

// False: some row of the file is not in the index.
static enum vs_status compose(const struct vs_compact_index *index,
                              const struct vs_scan_plan *plan,
                              const struct vs_compact_output *output,
                              struct vs_index_run_list *runs,
                              bool *covered_out,
                              struct vs_error *err)
{
    *covered_out = false;
    for (size_t p = 0; p < output->piece_count; p++) {
        const struct vs_compact_piece *piece = &output->pieces[p];
        const struct vs_data_file *data = &plan->files[piece->file].data;
        size_t run_count = 0;
        const struct vs_index_run *found =
            vs_index_map_find(index->map, data->path, (uint64_t)data->record_count,
                              data->sequence_number, &run_count);
        if (found == NULL) {
            return VS_OK;
        }
        VS_TRY(vs_index_run_list_add(runs, found, run_count, piece->first, piece->count, err));
    }
    *covered_out =
        output->piece_count > 0 && runs->row_count == (uint64_t)output->data->record_count;
    return VS_OK;
}

static size_t count_outputs(const struct vs_compact_moved *moved)
{
    size_t count = 0;
    for (size_t i = 0; i < moved->rewrite_count; i++) {
        count += moved->takes_part[i] ? moved->rewrites[i].output_count : 0;
    }
    return count;
}

static enum vs_status compose_all(const struct vs_compact_index *index,
                                  const struct vs_compact_moved *moved,
                                  struct vs_index_run_list *lists,
                                  struct vs_index_moved_file *files,
                                  size_t *count_out,
                                  struct vs_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < moved->rewrite_count; i++) {
        const struct vs_compact_rewrite *rewrite = &moved->rewrites[i];
        for (size_t o = 0;
             moved->takes_part[i] && !rewrite->is_untraced && o < rewrite->output_count; o++) {
            bool is_covered = false;
            vs_index_run_list_clear(&lists[n]);
            VS_TRY(compose(index, moved->plan, &rewrite->outputs[o], &lists[n], &is_covered, err));
            if (is_covered) {
                files[n] = (struct vs_index_moved_file){.path = rewrite->outputs[o].data->path,
                                                        .row_count = lists[n].row_count,
                                                        .sequence_number = moved->sequence_number,
                                                        .run_count = lists[n].count,
                                                        .runs = lists[n].runs};
                n++;
            }
        }
    }
    *count_out = n;
    return VS_OK;
}

static enum vs_status name_object(struct vs_compact_index *index,
                                  const struct vs_table_metadata *metadata,
                                  struct vs_uuid uuid,
                                  struct vs_str *uri_out,
                                  struct vs_str *key_out,
                                  struct vs_error *err)
{
    vs_uuid_format(uuid, index->uuid);
    struct vs_str uri = vs_arena_printf(&index->arena, "%.*s/metadata/%s" VS_INDEX_FILE_SUFFIX,
                                        VS_STR_ARG(metadata->location), index->uuid);
    if (uri.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory naming an index file");
    }
    struct vs_buf key;
    vs_buf_init(&key, index->env, KEY_LIMIT);
    enum vs_status status = vs_store_key(index->store, uri, &key, err);
    if (status == VS_OK) {
        *key_out = vs_arena_copy_str(&index->arena, vs_buf_view(&key));
        status = key_out->ptr != NULL
                     ? VS_OK
                     : vs_fail(err, VS_NO_MEMORY, "out of memory naming an index file");
    }
    vs_buf_clear(&key);
    *uri_out = uri;
    return status;
}

// The key is noted first: what was written is always known. No commit names the object yet, so that
// an unknown outcome of storing it is a failure.
static enum vs_status write_object(struct vs_compact_index *index,
                                   struct vs_str key,
                                   const struct vs_index_remap *remap,
                                   struct vs_index_remap_result *result,
                                   struct vs_error *err)
{
    struct vs_writer *out = NULL;
    size_t at = index->keys.len;
    VS_TRY(vs_buf_append(&index->keys, key.ptr, key.len + 1, err));
    index->last_key = at;
    enum vs_status status = vs_writer_open(index->store, key.ptr, &out, err);
    if (status == VS_OK) {
        status = vs_index_remap_write(index->env, index->file, index->map, remap, out, result, err);
    }
    if (status == VS_OK) {
        status = vs_status_definite(vs_writer_finish(out, VS_PUT_ANY, err), err);
    }
    vs_writer_free(out);
    return status;
}

static enum vs_status write_remapped(struct vs_compact_index *index,
                                     const struct vs_compact_moved *moved,
                                     struct vs_index_run_list *lists,
                                     struct vs_index_moved_file *files,
                                     bool *written_out,
                                     struct vs_error *err)
{
    struct vs_index_remap remap = {.moved = files, .op = index->op};
    struct vs_index_remap_result result = {0};
    struct vs_str uri, key;
    VS_TRY(compose_all(index, moved, lists, files, &remap.moved_count, err));
    if (remap.moved_count == 0) {
        return VS_OK;
    }
    remap.index_uuid = vs_uuid_new_v4(index->env);
    VS_TRY(name_object(index, moved->metadata, remap.index_uuid, &uri, &key, err));
    struct vs_error why = {0};
    enum vs_status status = write_object(index, key, &remap, &result, &why);
    if (status != VS_OK && !is_index_fault(status)) {
        return vs_fail(err, status, "%s", why.message);
    }
    if (status != VS_OK) { // damaged: it is of no use to queries either
        warn(index, &why);
        return VS_OK;
    }
    vs_index_pointer_set(&index->pointer, uri, index->uuid, result.file_size, result.footer_size);
    *written_out = true;
    return VS_OK;
}

enum vs_status vs_compact_index_write(struct vs_compact_index *index,
                                      const struct vs_compact_moved *moved,
                                      bool *written_out,
                                      struct vs_error *err)
{
    *written_out = false;
    if (index->map == NULL) {
        return VS_OK;
    }
    size_t count = count_outputs(moved);
    struct vs_index_run_list *lists = vs_alloc_zeroed(index->env, count + 1, sizeof *lists);
    struct vs_index_moved_file *files = vs_alloc_zeroed(index->env, count + 1, sizeof *files);
    enum vs_status status;
    for (size_t i = 0; lists != NULL && i < count + 1; i++) {
        vs_index_run_list_init(&lists[i], index->env);
    }
    if (lists == NULL || files == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory for the index of a compaction");
    } else {
        status = write_remapped(index, moved, lists, files, written_out, err);
    }
    for (size_t i = 0; lists != NULL && i < count + 1; i++) {
        vs_index_run_list_clear(&lists[i]);
    }
    vs_free(index->env, lists);
    vs_free(index->env, files);
    return status;
}
