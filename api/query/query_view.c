// SPDX-License-Identifier: Apache-2.0
#include "api/query/query_view.h"

#include "vecstore/base/datetime.h"
#include "vecstore/base/pool.h"

#include <stdio.h>
#include <string.h>

#define LISTED_MAX 8
#define REMOTE_READS 16 // manifests at once

struct view_request {
    struct vs_engine *engine;
    struct vs_table *table;
    int64_t snapshot_id;
    const struct vs_schema *schema;
    const struct vs_op *op;
};

static enum vs_status no_snapshot(const struct vs_table_metadata *metadata,
                                  int64_t snapshot_id,
                                  struct vs_error *err)
{
    char list[LISTED_MAX * 24 + 8] = "none";
    size_t used = 0;
    for (size_t i = 0; i < metadata->snapshot_count && i < LISTED_MAX; i++) { // newest first
        const struct vs_snapshot *snapshot = &metadata->snapshots[metadata->snapshot_count - 1 - i];
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%lld", i > 0 ? ", " : "",
                                 (long long)snapshot->snapshot_id);
    }
    return vs_fail(err, VS_NOT_FOUND, "the table has no snapshot %lld; it has %zu: %s%s",
                   (long long)snapshot_id, metadata->snapshot_count, list,
                   metadata->snapshot_count > LISTED_MAX ? ", …" : "");
}

static enum vs_status no_ref(const struct vs_table_metadata *metadata,
                             const char *name,
                             struct vs_error *err)
{
    char list[256] = "none";
    size_t used = 0;
    for (size_t i = 0; i < metadata->ref_count && used + 1 < sizeof list; i++) {
        int n = snprintf(list + used, sizeof list - used, "%s%.*s", i > 0 ? ", " : "",
                         VS_STR_ARG(metadata->refs[i].name));
        used += n > 0 ? (size_t)n : 0;
    }
    return vs_fail(err, VS_NOT_FOUND, "the table has no branch or tag '%s'; it has: %s", name,
                   list);
}

static enum vs_status resolve_ref(const struct vs_table_metadata *metadata,
                                  const char *name,
                                  int64_t *snapshot_id_out,
                                  const struct vs_schema **schema_out,
                                  struct vs_error *err)
{
    const struct vs_ref *ref = vs_table_ref(metadata, vs_str_from_c(name));
    if (ref == NULL && strcmp(name, "main") == 0) {
        *snapshot_id_out = metadata->current_snapshot_id;
        return VS_OK;
    }
    if (ref == NULL) {
        return no_ref(metadata, name, err);
    }
    const struct vs_snapshot *snapshot = vs_table_snapshot(metadata, ref->snapshot_id);
    if (snapshot == NULL) {
        return vs_fail(err, VS_CORRUPT,
                       "'%s' points at snapshot %lld, which the table's metadata does not have",
                       name, (long long)ref->snapshot_id);
    }
    *snapshot_id_out = snapshot->snapshot_id;
    if (!ref->is_branch) {
        *schema_out = vs_table_schema_of(metadata, snapshot);
    }
    return VS_OK;
}

enum vs_status vs_view_resolve(const struct vs_table_metadata *metadata,
                               const struct vs_at *at,
                               int64_t *snapshot_id_out,
                               const struct vs_schema **schema_out,
                               struct vs_error *err)
{
    int given = (at->snapshot_id != 0) + (at->as_of != NULL) + (at->ref != NULL);
    if (given > 1) {
        return vs_fail(
            err, VS_INVALID,
            "a snapshot is named in %d ways; give one of snapshot id, time (as_of) and ref", given);
    }
    int64_t snapshot_id = metadata->current_snapshot_id;
    const struct vs_schema *schema = vs_table_current_schema(metadata);
    const struct vs_snapshot *snapshot = NULL;
    if (at->ref != NULL) {
        VS_TRY(resolve_ref(metadata, at->ref, &snapshot_id, &schema, err));
    } else if (at->as_of != NULL) {
        int64_t micros;
        enum vs_status status = vs_timestamp_parse(vs_str_from_c(at->as_of), &micros, NULL, err);
        if (status != VS_OK) {
            return vs_wrap(err, status, "as of");
        }
        VS_TRY(vs_table_snapshot_as_of(
            metadata, micros >= 0 ? micros / 1000 : (micros - 999) / 1000, &snapshot, err));
    } else if (at->snapshot_id != 0) {
        snapshot = vs_table_snapshot(metadata, at->snapshot_id);
        if (snapshot == NULL) {
            return no_snapshot(metadata, at->snapshot_id, err);
        }
    }
    if (snapshot != NULL) {
        snapshot_id = snapshot->snapshot_id;
        schema = snapshot_id == metadata->current_snapshot_id
                     ? schema
                     : vs_table_schema_of(metadata, snapshot);
    }
    *snapshot_id_out = snapshot_id;
    *schema_out = schema;
    return VS_OK;
}

static size_t find_id_field(const struct vs_schema *schema)
{
    size_t field = vs_schema_identifier(schema);
    if (field == SIZE_MAX) { // tables of other engines often declare none
        field = vs_schema_find(schema, VS_STR("id"));
    }
    if (field != SIZE_MAX && schema->fields[field].kind != VS_KIND_LONG &&
        schema->fields[field].kind != VS_KIND_STRING && schema->fields[field].kind != VS_KIND_INT) {
        return SIZE_MAX;
    }
    return field;
}

static enum vs_status fill_files(struct vs_view *view, struct vs_error *err)
{
    const struct vs_scan_plan *plan = view->plan;
    view->file_count = plan->file_count;
    view->files = vs_arena_alloc_array(&view->arena, plan->file_count, sizeof *view->files);
    if (view->files == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query plan: out of memory");
    }
    for (size_t i = 0; i < plan->file_count; i++) {
        struct vs_view_file *file = &view->files[i];
        file->data = &plan->files[i].data;
        if (file->data->record_count < 0 || file->data->record_count > UINT32_MAX) {
            return vs_fail(err, VS_UNSUPPORTED,
                           "data file %.*s: %lld rows; at most %lld can be read",
                           VS_STR_ARG(file->data->path), (long long)file->data->record_count,
                           (long long)UINT32_MAX);
        }
        file->row_count = (uint64_t)file->data->record_count;
        file->deleted = view->deleted.positions[i];
        file->deleted_count = view->deleted.counts[i];
        while (file->deleted_count > 0 &&
               file->deleted[file->deleted_count - 1] >= file->row_count) {
            file->deleted_count--;
        }
        view->row_count += file->row_count;
        view->deleted_rows += file->deleted_count;
    }
    return VS_OK;
}

// The two halves of a view that do not need each other.
struct halves {
    struct vs_view *view;
    const struct vs_op *op;
};

static enum vs_status make_plan(struct vs_view *view, const struct vs_op *op, struct vs_error *err)
{
    const struct vs_env *env = view->engine->env;
    struct vs_store *store = view->store;
    const struct vs_scan_options options = {.thread_count =
                                                vs_store_is_remote(store) ? REMOTE_READS : 1};
    VS_TRY(vs_scan_plan_make_with(env, store, view->metadata, view->snapshot_id, &options,
                                  &view->plan, NULL, err));
    VS_TRY(vs_op_check(env, op, err));
    return vs_deleted_rows_read(env, store, view->metadata, view->plan, &view->deleted, err);
}

static enum vs_status make_half(void *ctx, size_t half, struct vs_error *err)
{
    const struct halves *halves = (const struct halves *)ctx;
    return half == 0 ? make_plan(halves->view, halves->op, err)
                     : vs_view_open_index(halves->view, halves->op, err);
}

static enum vs_status fill_view(struct vs_view *view, const struct vs_op *op, struct vs_error *err)
{
    const struct vs_env *env = view->engine->env;
    VS_TRY(vs_op_check(env, op, err));
    VS_TRY(vs_contracts_read(view->metadata, view->schema, &view->arena, &view->contracts,
                             &view->contract_count, err));
    view->id_field = find_id_field(view->schema);
    struct halves halves = {view, op};
    size_t threads = vs_store_is_remote(view->store) ? 2 : 1;
    VS_TRY(vs_pool_run(env, threads, 2, make_half, &halves, err));
    VS_TRY(fill_files(view, err));
    return vs_view_map_index(view, err);
}

enum vs_status vs_view_make(struct vs_engine *engine,
                            struct vs_store *store,
                            const struct vs_table_metadata *metadata,
                            int64_t snapshot_id,
                            const struct vs_schema *schema,
                            const struct vs_op *op,
                            struct vs_view **view_out,
                            struct vs_error *err)
{
    struct vs_view *view = vs_alloc_zeroed(engine->env, 1, sizeof *view);
    if (view == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "query plan: out of memory");
    }
    view->engine = engine;
    view->store = store;
    vs_arena_init(&view->arena, engine->env, 0);
    view->metadata = metadata;
    view->schema = schema;
    view->snapshot_id = snapshot_id;
    enum vs_status status = fill_view(view, op, err);
    if (status != VS_OK) {
        vs_view_free(view);
        return status;
    }
    *view_out = view;
    return VS_OK;
}

void vs_view_free(struct vs_view *view)
{
    if (view == NULL) {
        return;
    }
    const struct vs_env *env = view->engine->env;
    vs_cache_release(&view->index_ref);
    vs_deleted_rows_clear(&view->deleted);
    vs_scan_plan_free(view->plan);
    vs_arena_clear(&view->arena);
    vs_table_release(view->table);
    vs_free(env, view);
}

static void free_cached(const struct vs_env *env, void *value)
{
    (void)env;
    vs_view_free(value);
}

static enum vs_status make_cached(void *ctx,
                                  void **value_out,
                                  size_t *bytes_out,
                                  struct vs_error *err)
{
    const struct view_request *request = (const struct view_request *)ctx;
    struct vs_view *view = NULL;
    VS_TRY(vs_view_make(request->engine, request->table->store, request->table->metadata,
                        request->snapshot_id, request->schema, request->op, &view, err));
    view->table = vs_table_retain(request->table);
    *value_out = view;
    *bytes_out = view->arena.used_bytes + view->plan->arena.used_bytes +
                 request->table->metadata->arena.used_bytes +
                 view->deleted.total * sizeof(uint64_t);
    return VS_OK;
}

struct view_key { // without padding; the URI of the metadata follows
    char kind[8];
    struct vs_uuid table;
    int64_t snapshot_id, updated_ms, schema_id;
};

static enum vs_status get_view(const struct view_request *request,
                               struct vs_cache_ref *ref_out,
                               struct vs_error *err)
{
    const struct vs_table_metadata *metadata = request->table->metadata;
    const struct view_key head = {"view", metadata->uuid, request->snapshot_id,
                                  metadata->last_updated_ms, request->schema->schema_id};
    struct vs_str uri = vs_str_from_c(request->table->metadata_uri);
    char key[4096];
    if (uri.len > sizeof key - sizeof head) {
        return vs_fail(err, VS_LIMIT,
                       "table '%s': the URI of its metadata is longer than %zu bytes",
                       request->table->name, sizeof key - sizeof head);
    }
    memcpy(key, &head, sizeof head);
    memcpy(key + sizeof head, uri.ptr, uri.len);

    union { // the maker takes a plain pointer
        const struct view_request *in;
        void *out;
    } ctx = {.in = request};
    const struct vs_cache_maker maker = {make_cached, free_cached, ctx.out, request->op};
    VS_TRY(vs_query_cache_get(request->engine->cache, (struct vs_str){key, sizeof head + uri.len},
                              &maker, ref_out, err));
    if (((const struct vs_view *)ref_out->value)->retry_index) {
        vs_cache_forget(ref_out);
    }
    return VS_OK;
}

enum vs_status vs_view_get(struct vs_engine *engine,
                           const char *table,
                           const struct vs_at *at,
                           const struct vs_op *op,
                           struct vs_cache_ref *ref_out,
                           struct vs_error *err)
{
    struct view_request request = {.engine = engine, .op = op};
    VS_TRY(vs_op_check(engine->env, op, err));
    VS_TRY(vs_engine_table(engine, table, &request.table, err));
    enum vs_status status =
        vs_view_resolve(request.table->metadata, at, &request.snapshot_id, &request.schema, err);
    if (status == VS_OK) {
        status = get_view(&request, ref_out, err);
    }
    if (status != VS_OK) {
        status = vs_wrap(err, status, "table '%s'", table);
    }
    vs_table_release(request.table);
    return status;
}
