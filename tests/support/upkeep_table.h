// SPDX-License-Identifier: Apache-2.0
/*
 * A table over a memory store behind a hook, with a clock that the test moves, for tests of expiry
 * and orphans. What must be there is told by plans of every snapshot, not by the code under test.
 */
#ifndef VS_TESTS_UPKEEP_TABLE_H
#define VS_TESTS_UPKEEP_TABLE_H

#include "ingest/table_files.h"
#include "ingest/write_job.h"
#include "tests/support/id_table.h"
#include "vecstore/iceberg/metadata_edit.h"

#include <stdlib.h>

#define UPKEEP_T0 INT64_C(1750000000000)
#define UPKEEP_DAY (INT64_C(24) * 3600 * 1000)
#define UPKEEP_KEYS 400

struct upkeep {
    struct test_env env;
    struct id_table t;
    // Called before every storage operation; NULL: nothing.
    enum vs_status (*on_io)(struct upkeep *u,
                            const char *op,
                            const char *key,
                            struct vs_error *err);
    long io_calls, io_fail_at; // for on_io's use
    bool in_hook;
};

static inline enum vs_status upkeep_hook(void *ctx,
                                         const char *op,
                                         const char *key,
                                         struct vs_error *err)
{
    struct upkeep *u = ctx;
    if (u->on_io == NULL || u->in_hook) {
        return VS_OK;
    }
    u->in_hook = true;
    enum vs_status status = u->on_io(u, op, key, err);
    u->in_hook = false;
    return status;
}

static inline bool upkeep_open(struct upkeep *u, struct vs_error *err)
{
    struct vs_field fields[2];
    int32_t identifier[1] = {1};
    struct vs_store *memory = NULL;
    const struct vs_schema schema = {
        .field_count = 2, .fields = fields, .identifier_count = 1, .identifier_ids = identifier};
    const struct vs_table_create create = {.schema = &schema};
    memset(u, 0, sizeof *u);
    test_env_init(&u->env);
    u->env.now_ms = UPKEEP_T0;
    u->t = (struct id_table){.env = &u->env.env, .kind = VS_KIND_LONG};
    id_fields(VS_KIND_LONG, fields);
    return vs_store_open_mem(u->t.env, "upkeep", &memory, err) == VS_OK &&
           vs_store_wrap_hook(memory, upkeep_hook, u, &u->t.store, err) == VS_OK &&
           vs_catalog_open_store(u->t.env, u->t.store, &u->t.catalog, err) == VS_OK &&
           vs_catalog_create(u->t.catalog, ID_TABLE, &create, &u->t.table, err) == VS_OK;
}

static inline void upkeep_close(struct upkeep *u)
{
    u->on_io = NULL;
    id_table_close(&u->t);
    CHECK_INT(u->env.live, 0);
}

// ---- commits ----

static inline enum vs_status upkeep_edit(struct upkeep *u,
                                         vs_intent_edit_fn edit,
                                         void *ctx,
                                         struct vs_error *err)
{
    const struct vs_intent intent = {.edit = edit, .edit_ctx = ctx};
    struct vs_commit_result result = {0};
    VS_TRY(vs_catalog_commit(u->t.catalog, ID_TABLE, &intent, NULL, &result, err));
    vs_table_release(result.table);
    return id_table_reload(&u->t, err);
}

static inline enum vs_status upkeep_set_property(void *ctx,
                                                 struct vs_metadata_edit *edit,
                                                 struct vs_error *err)
{
    const char *const *pair = ctx;
    return vs_edit_set_property(edit, vs_str_from_c(pair[0]), vs_str_from_c(pair[1]), err);
}

static inline enum vs_status upkeep_property(struct upkeep *u,
                                             const char *key,
                                             const char *value,
                                             struct vs_error *err)
{
    const char *pair[2] = {key, value};
    return upkeep_edit(u, upkeep_set_property, pair, err);
}

struct upkeep_ref {
    const char *name;
    bool is_branch, remove;
};

static inline enum vs_status upkeep_change_ref(void *ctx,
                                               struct vs_metadata_edit *edit,
                                               struct vs_error *err)
{
    const struct upkeep_ref *ref = ctx;
    const struct vs_ref_retention retention = {0};
    return ref->remove ? vs_edit_remove_ref(edit, vs_str_from_c(ref->name), err)
                       : vs_edit_set_ref(edit, vs_str_from_c(ref->name), ref->is_branch,
                                         edit->base->current_snapshot_id, &retention, err);
}

static inline enum vs_status upkeep_upgrade(void *ctx,
                                            struct vs_metadata_edit *edit,
                                            struct vs_error *err)
{
    (void)ctx;
    return vs_edit_upgrade(edit, 3, err);
}

static inline enum vs_status upkeep_delete(
    struct upkeep *u, int64_t first, int64_t count, const char *branch, struct vs_error *err)
{
    struct vs_id_set *set = NULL;
    struct vs_delete_result result;
    VS_TRY(vs_id_set_new(u->t.env, VS_KIND_LONG, &set, err));
    enum vs_status status = VS_OK;
    for (int64_t i = 0; status == VS_OK && i < count; i++) {
        const struct vs_value id = {.kind = VS_KIND_LONG, .as.integer = first + i};
        bool added;
        status = vs_id_set_add(set, &id, &added, err);
    }
    const struct vs_delete_job job = {.table = ID_TABLE, .ids = set, .branch = branch};
    if (status == VS_OK) {
        status = vs_delete_job_run(u->t.catalog, &job, &result, err);
    }
    vs_id_set_free(set);
    return status == VS_OK ? id_table_reload(&u->t, err) : status;
}

// ---- what is in the store ----

struct upkeep_keys {
    char *items[UPKEEP_KEYS];
    size_t count;
};

static inline void upkeep_keys_clear(struct upkeep_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        free(keys->items[i]);
    }
    keys->count = 0;
}

static inline bool upkeep_keys_has(const struct upkeep_keys *keys, const char *key)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->items[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static inline void upkeep_keys_add(struct upkeep_keys *keys, struct vs_str key)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s", VS_STR_ARG(key));
    if (!upkeep_keys_has(keys, text) && keys->count < UPKEEP_KEYS) {
        keys->items[keys->count++] = strdup(text);
    }
}

static inline enum vs_status upkeep_visit(void *ctx,
                                          const struct vs_object_info *object,
                                          struct vs_error *err)
{
    (void)err;
    upkeep_keys_add(ctx, object->key);
    return VS_OK;
}

static inline void upkeep_list(struct upkeep *u, const char *prefix, struct upkeep_keys *keys)
{
    struct vs_error err = {0};
    bool was = u->in_hook;
    u->in_hook = true;
    keys->count = 0;
    CHECK_OK(vs_store_list(u->t.store, prefix, upkeep_visit, keys, &err), err);
    u->in_hook = was;
}

static inline void upkeep_add_uri(struct upkeep *u, struct vs_str uri, struct upkeep_keys *keys)
{
    struct vs_buf key;
    struct vs_error err = {0};
    vs_buf_init(&key, u->t.env, 4096);
    CHECK_OK(vs_store_key(u->t.store, uri, &key, &err), err);
    upkeep_keys_add(keys, vs_buf_view(&key));
    vs_buf_clear(&key);
}

// Data and delete files, and manifest lists, that the table's snapshots need.
static inline void upkeep_needed(struct upkeep *u, struct upkeep_keys *keys)
{
    const struct vs_table_metadata *m = u->t.table->metadata;
    keys->count = 0;
    for (size_t s = 0; s < m->snapshot_count; s++) {
        struct vs_scan_plan *plan = NULL;
        struct vs_error err = {0};
        upkeep_add_uri(u, m->snapshots[s].manifest_list, keys);
        REQUIRE_OK(
            vs_scan_plan_make(u->t.env, u->t.store, m, m->snapshots[s].snapshot_id, &plan, &err),
            err);
        for (size_t f = 0; f < plan->file_count; f++) {
            upkeep_add_uri(u, plan->files[f].data.path, keys);
            for (size_t d = 0; d < plan->files[f].delete_count; d++) {
                upkeep_add_uri(u, plan->files[f].deletes[d]->path, keys);
            }
        }
        vs_scan_plan_free(plan);
    }
}

// Everything needed is there. exact: below data/ and among the lists there is nothing else.
static inline void upkeep_check(struct upkeep *u, bool exact)
{
    struct upkeep_keys there, needed;
    struct vs_error err = {0};
    u->in_hook = true;
    CHECK_OK(id_table_reload(&u->t, &err), err);
    upkeep_needed(u, &needed);
    upkeep_list(u, "t/ids/", &there);
    for (size_t i = 0; i < needed.count; i++) {
        if (!upkeep_keys_has(&there, needed.items[i])) {
            fprintf(stderr, "missing: %s\n", needed.items[i]);
            check_failures++;
        }
    }
    for (size_t i = 0; exact && i < there.count; i++) {
        bool told = strstr(there.items[i], "/data/") != NULL ||
                    strstr(there.items[i], "/metadata/snap-") != NULL;
        if (told && !upkeep_keys_has(&needed, there.items[i])) {
            fprintf(stderr, "left behind: %s\n", there.items[i]);
            check_failures++;
        }
    }
    u->in_hook = false;
    upkeep_keys_clear(&there);
    upkeep_keys_clear(&needed);
}

static inline size_t upkeep_count(struct upkeep *u, const char *prefix)
{
    struct upkeep_keys keys;
    upkeep_list(u, prefix, &keys);
    size_t count = keys.count;
    upkeep_keys_clear(&keys);
    return count;
}

static inline bool upkeep_exists(struct upkeep *u, const char *key)
{
    bool exists = false;
    struct vs_error err = {0};
    CHECK_OK(vs_store_exists(u->t.store, key, &exists, &err), err);
    return exists;
}

#endif
