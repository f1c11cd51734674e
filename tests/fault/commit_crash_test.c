// SPDX-License-Identifier: Apache-2.0
/*
 * Commits that are stopped, or whose requests have unknown outcomes, at every point (interop
 * failure 18; regression list B1-B4).
 *
 * Crash: from the n-th store operation on nothing works any more; reopened, the table is the old or
 * the new one. Unknown: the n-th put answers VS_UNKNOWN, before or after its effect, or takes
 * effect later; other writers may come between.
 */
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"

#define BEFORE_ROWS 10
#define ADDED_ROWS 5

// ---- stopping ----

struct stopper {
    long left;
    bool stopped;
};

static enum vs_status stop_hook(void *ctx, const char *op, const char *key, struct vs_error *err)
{
    struct stopper *s = ctx;
    if (s->left-- > 0) {
        return VS_OK;
    }
    s->stopped = true;
    return vs_fail(err, VS_UNAVAILABLE, "stopped at %s of %s", op, key);
}

static struct vs_catalog *open_catalog(const struct vs_env *env, const char *dir)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    const struct vs_catalog_options options = {.warehouse = dir, .create_warehouse = true};
    CHECK_OK(vs_catalog_open(env, &options, &catalog, &err), err);
    return catalog;
}

// A catalog over a store that passes through the given wrapper.
static struct vs_catalog *open_over(const struct vs_env *env, struct vs_store *store)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    CHECK_OK(vs_catalog_open_store(env, store, &catalog, &err), err);
    return catalog;
}

static size_t live_rows(struct vs_catalog *catalog)
{
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    CHECK_OK(vs_catalog_load(catalog, "t", &table, &err), err);
    if (table == NULL) {
        return 0;
    }
    CHECK_OK(test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id, &rows,
                             &err),
             err);
    for (size_t i = 0; i < rows.count; i++) {
        CHECK_INT(rows.ids[i], (int64_t)i); // each exactly once
    }
    free(rows.ids);
    vs_table_release(table);
    return rows.count;
}

static void make_base(const struct vs_env *env, const char *dir)
{
    struct vs_error err = {0};
    struct vs_commit_result result = {0};
    struct vs_catalog *catalog = open_catalog(env, dir);
    CHECK_OK(test_table_create(catalog, "t", &err), err);
    CHECK_OK(test_table_append(catalog, "t", 0, BEFORE_ROWS, NULL, &result, &err), err);
    vs_table_release(result.table);
    vs_catalog_free(catalog);
}

static void check_after(const struct vs_env *env,
                        const char *dir,
                        enum vs_status status,
                        bool is_certain)
{
    struct vs_error err = {0};
    struct vs_commit_result result = {0};
    struct vs_catalog *catalog = open_catalog(env, dir);
    size_t rows = live_rows(catalog);
    CHECK(rows == BEFORE_ROWS || rows == BEFORE_ROWS + ADDED_ROWS);
    if (status == VS_OK) {
        CHECK_INT(rows, BEFORE_ROWS + ADDED_ROWS);
    } else if (is_certain && status != VS_UNKNOWN) {
        CHECK_INT(rows, BEFORE_ROWS);
    }
    // the table can be written on
    CHECK_OK(test_table_append(catalog, "t", (int64_t)rows, 1, NULL, &result, &err), err);
    vs_table_release(result.table);
    CHECK_INT(live_rows(catalog), rows + 1);
    vs_catalog_free(catalog);
}

static void stopped_at_every_operation(void)
{
    size_t old_state = 0, new_state = 0, unknown = 0;
    for (long n = 0;; n++) {
        char dir[256];
        struct test_env t;
        struct vs_error err = {0};
        struct vs_store *inner = NULL, *store = NULL;
        struct vs_commit_result result = {0};
        struct stopper stopper = {.left = n};
        test_dir_make(dir, sizeof dir);
        test_env_init(&t);
        t.seed = (uint64_t)n + 1;
        make_base(&t.env, dir);
        REQUIRE_OK(vs_store_open(&t.env, dir, false, &inner, &err), err);
        REQUIRE_OK(vs_store_wrap_hook(inner, stop_hook, &stopper, &store, &err), err);
        struct vs_catalog *catalog = open_over(&t.env, store);
        enum vs_status status =
            test_table_append(catalog, "t", BEFORE_ROWS, ADDED_ROWS, NULL, &result, &err);
        vs_table_release(result.table);
        vs_catalog_free(catalog);
        struct vs_catalog *fresh = open_catalog(&t.env, dir);
        size_t rows = live_rows(fresh);
        vs_catalog_free(fresh);
        old_state += rows == BEFORE_ROWS;
        new_state += rows == BEFORE_ROWS + ADDED_ROWS;
        unknown += status == VS_UNKNOWN;
        check_after(&t.env, dir, status, true);
        CHECK_INT(t.live, 0);
        test_dir_remove(dir);
        if (!stopper.stopped) {
            CHECK_INT(status, VS_OK);
            break;
        }
    }
    printf("%zu stops left the old state, %zu the new one, %zu were reported as unknown\n",
           old_state, new_state, unknown);
    CHECK(old_state > 5);
    CHECK(new_state > 1);
}

// ---- unknown outcomes ----

enum fault { NOT_APPLIED, APPLIED, LANDS_LATER, OTHERS_COME, APPLIED_THEN_OTHERS, FAULT_COUNT };

struct fault_store {
    struct vs_store base;
    struct vs_store *inner;
    const struct vs_env *env;
    const char *dir;
    enum fault fault;
    long left; // puts until the fault; -1: done
    bool delivered;
    char late_key[512];
    struct vs_buf late;
    enum vs_put_mode late_mode;
    size_t others; // rows that another writer added
};

static struct fault_store *fault_of(struct vs_store *store)
{
    return (struct fault_store *)store;
}

static enum vs_status f_open(struct vs_store *store,
                             const char *key,
                             struct vs_file **out,
                             struct vs_error *err)
{
    return vs_file_open(fault_of(store)->inner, key, out, err);
}

static void land_late(struct fault_store *f)
{
    if (f->late_key[0] != '\0') {
        vs_ignore(vs_store_put(f->inner, f->late_key, vs_buf_view(&f->late), f->late_mode, NULL));
        f->late_key[0] = '\0';
    }
}

static void let_others_commit(struct fault_store *f)
{
    struct vs_error err = {0};
    struct vs_commit_result result = {0};
    struct vs_catalog *catalog = open_catalog(f->env, f->dir);
    CHECK_OK(test_table_append(catalog, "t", BEFORE_ROWS + ADDED_ROWS, 1, NULL, &result, &err),
             err);
    f->others = 1;
    vs_table_release(result.table);
    vs_catalog_free(catalog);
}

static enum vs_status f_put(struct vs_store *store,
                            const char *key,
                            struct vs_str bytes,
                            enum vs_put_mode mode,
                            struct vs_error *err)
{
    struct fault_store *f = fault_of(store);
    land_late(f);
    if (f->left < 0 || f->left-- > 0) {
        return vs_store_put(f->inner, key, bytes, mode, err);
    }
    f->delivered = true;
    f->left = -1;
    if (f->fault == APPLIED || f->fault == APPLIED_THEN_OTHERS) {
        vs_ignore(vs_store_put(f->inner, key, bytes, mode, NULL));
    }
    if (f->fault == LANDS_LATER) {
        snprintf(f->late_key, sizeof f->late_key, "%s", key);
        vs_buf_reset(&f->late);
        vs_ignore(vs_buf_append_str(&f->late, bytes, NULL));
        f->late_mode = mode;
    }
    if (f->fault == OTHERS_COME || f->fault == APPLIED_THEN_OTHERS) {
        let_others_commit(f);
    }
    return vs_fail(err, VS_UNKNOWN, "the reply to the put of %s was lost", key);
}

static enum vs_status f_create(struct vs_store *store,
                               const char *key,
                               struct vs_writer **out,
                               struct vs_error *err)
{
    return vs_writer_open(fault_of(store)->inner, key, out, err);
}

static enum vs_status f_list(
    struct vs_store *store, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err)
{
    return vs_store_list(fault_of(store)->inner, prefix, visit, ctx, err);
}

static enum vs_status f_remove(struct vs_store *store, const char *key, struct vs_error *err)
{
    return vs_store_remove(fault_of(store)->inner, key, err);
}

static void f_free(struct vs_store *store)
{
    struct fault_store *f = fault_of(store);
    land_late(f);
    vs_buf_clear(&f->late);
    vs_store_free(f->inner);
    vs_free(f->env, f);
}

static struct vs_store *fault_store_new(const struct vs_env *env,
                                        const char *dir,
                                        enum fault fault,
                                        long n)
{
    static const struct vs_store_vtable vtable = {.open = f_open,
                                                  .put = f_put,
                                                  .create = f_create,
                                                  .list = f_list,
                                                  .remove = f_remove,
                                                  .free = f_free};
    struct vs_error err = {0};
    struct fault_store *f = vs_alloc_zeroed(env, 1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    *f = (struct fault_store){.env = env, .dir = dir, .fault = fault, .left = n};
    CHECK_OK(vs_store_open(env, dir, false, &f->inner, &err), err);
    vs_buf_init(&f->late, env, 1 << 24);
    f->base.vtable = &vtable;
    f->base.env = env;
    f->base.root_uri = f->inner->root_uri;
    return &f->base;
}

static bool run_unknown(enum fault fault, long n, size_t *done, size_t *unknown)
{
    char dir[256];
    struct test_env t;
    struct vs_error err = {0};
    struct vs_commit_result result = {0};
    test_dir_make(dir, sizeof dir);
    test_env_init(&t);
    t.seed = (uint64_t)n * 16 + fault;
    make_base(&t.env, dir);
    struct vs_store *store = fault_store_new(&t.env, dir, fault, n);
    struct vs_catalog *catalog = open_over(&t.env, store);
    enum vs_status status =
        test_table_append(catalog, "t", BEFORE_ROWS, ADDED_ROWS, NULL, &result, &err);
    size_t others = fault_of(store)->others;
    bool delivered = fault_of(store)->delivered;
    vs_table_release(result.table);
    vs_catalog_free(catalog);
    struct vs_catalog *fresh = open_catalog(&t.env, dir);
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    CHECK_OK(vs_catalog_load(fresh, "t", &table, &err), err);
    CHECK_OK(
        test_table_rows(fresh, table->metadata, table->metadata->current_snapshot_id, &rows, &err),
        err);
    *done += status == VS_OK;
    *unknown += status == VS_UNKNOWN;
    if (status == VS_OK) {
        CHECK_INT(rows.count, BEFORE_ROWS + ADDED_ROWS + others);
    } else if (status == VS_UNKNOWN) {
        CHECK(rows.count == BEFORE_ROWS + others ||
              rows.count == BEFORE_ROWS + ADDED_ROWS + others);
    } else {
        CHECK_INT(rows.count, BEFORE_ROWS + others);
    }
    for (size_t i = 1; i < rows.count; i++) {
        CHECK(rows.ids[i] != rows.ids[i - 1]); // never twice
    }
    CHECK_INT(table->metadata->snapshot_count,
              (rows.count - others > BEFORE_ROWS ? 2 : 1) + others);
    free(rows.ids);
    vs_table_release(table);
    vs_catalog_free(fresh);
    CHECK_INT(t.live, 0);
    test_dir_remove(dir);
    return delivered;
}

static void unknown_at_every_put(void)
{
    static const char *const names[FAULT_COUNT] = {"not applied", "applied", "lands later",
                                                   "others come between", "applied, then others"};
    for (int fault = 0; fault < FAULT_COUNT; fault++) {
        size_t done = 0, unknown = 0;
        long n = 0;
        while (run_unknown((enum fault)fault, n, &done, &unknown)) {
            n++;
        }
        printf("%s: %ld puts, %zu commits done, %zu unknown\n", names[fault], n, done, unknown);
        CHECK(n >= 4);         // manifest, manifest list, metadata, hint
        CHECK_INT(unknown, 0); // all of these can be found out
        CHECK_INT(done, n + 1);
    }
}

// ---- running out of memory ----

static enum vs_status torture_once(const struct vs_env *env, const char *dir)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    struct vs_commit_result result = {0};
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    const struct vs_catalog_options options = {.warehouse = dir};
    const int64_t ids[] = {BEFORE_ROWS};
    VS_TRY(vs_catalog_open(env, &options, &catalog, &err));
    enum vs_status status =
        test_table_append(catalog, "t", BEFORE_ROWS, ADDED_ROWS, NULL, &result, &err);
    vs_table_release(result.table);
    result.table = NULL;
    if (status == VS_OK) {
        status = test_table_delete(catalog, "t", ids, 1, &result, &err);
        vs_table_release(result.table);
    }
    if (status == VS_OK) {
        status = vs_catalog_load(catalog, "t", &table, &err);
    }
    if (status == VS_OK) {
        status = test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id,
                                 &rows, &err);
        free(rows.ids);
    }
    vs_table_release(table);
    vs_catalog_free(catalog);
    return status;
}

// Parse, plan, commit, read: each allocation fails once; nothing leaks and the table stays whole.
static void every_allocation_fails(void)
{
    // `./dev test --all` and `./dev torture` take every one.
    long n = 0, step = getenv("VECSTORE_TORTURE_ALL") != NULL ? 1 : 31;
    char dir[256];
    struct test_env clean;
    test_env_init(&clean);
    for (;; n += n < 20 ? 1 : step) {
        struct test_env t;
        test_dir_make(dir, sizeof dir);
        make_base(&clean.env, dir);
        test_env_init(&t);
        t.fail_at = n;
        enum vs_status status = torture_once(&t.env, dir);
        CHECK_INT(t.live, 0);
        struct vs_catalog *catalog = open_catalog(&clean.env, dir);
        struct vs_error err = {0};
        struct vs_table *table = NULL;
        struct test_rows rows = {0};
        REQUIRE_OK(vs_catalog_load(catalog, "t", &table, &err), err);
        CHECK_OK(test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id,
                                 &rows, &err),
                 err);
        CHECK(rows.count == BEFORE_ROWS || rows.count == BEFORE_ROWS + ADDED_ROWS ||
              rows.count == BEFORE_ROWS + ADDED_ROWS - 1);
        free(rows.ids);
        vs_table_release(table);
        vs_catalog_free(catalog);
        test_dir_remove(dir);
        if (!t.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
        CHECK(status != VS_OK || rows.count == BEFORE_ROWS + ADDED_ROWS - 1);
    }
    printf("%ld allocations, every %ldth beyond 20 failed once\n", n, step);
}

TEST_MAIN(TEST(stopped_at_every_operation),
          TEST(unknown_at_every_put),
          TEST(every_allocation_fails))
