// SPDX-License-Identifier: Apache-2.0
/*
 * Processes whose clocks are up to a day wrong, and jump back between two commits: time never goes
 * back within the table, and neither expiry nor the removal of orphans takes a file that is used or
 * that a slow writer is about to commit.
 *
 * clock_skew_test [ROUNDS [SEED]]
 */
#include "ingest/expire_job.h"
#include "ingest/orphan_job.h"
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

#define NAME "n.t"
#define DAY_MS INT64_C(86400000)
#define ORPHAN_AGE_MS (3 * DAY_MS) // the default of `table orphans`
#define MAX_ROWS 4096

struct world {
    char path[256];
    uint64_t random;
    bool is_live[MAX_ROWS];
    int64_t next_id, last_updated_ms;
    size_t live_count, snapshots_expired, orphans_removed;
    // a data file that is written and not yet committed
    struct vs_arena slow_arena;
    struct vs_data_file slow_file;
    int64_t slow_first;
    int slow_wait; // rounds; 0: none
};

static uint64_t below(struct world *w, uint64_t n)
{
    uint64_t z = w->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % n;
}

static int64_t real_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// A process of its own: its clock is wrong by up to a day in either direction.
struct process {
    struct test_env env;
    struct vs_catalog *catalog;
};

static bool start(struct world *w, struct process *p)
{
    struct vs_error err = {0};
    const struct vs_catalog_options options = {.warehouse = w->path, .create_warehouse = true};
    test_env_init(&p->env);
    p->env.seed = below(w, UINT64_MAX); // a stream of its own: names must not repeat
    p->env.now_ms = real_ms() - DAY_MS + (int64_t)below(w, 2 * DAY_MS);
    CHECK_OK(vs_catalog_open(&p->env.env, &options, &p->catalog, &err), err);
    return p->catalog != NULL;
}

static void stop(struct process *p)
{
    vs_catalog_free(p->catalog);
    CHECK_INT(p->env.live, 0);
}

static void set_live(struct world *w, int64_t first, size_t count, bool live)
{
    for (size_t i = 0; i < count; i++) {
        w->live_count += (size_t)live - (size_t)w->is_live[first + (int64_t)i];
        w->is_live[first + (int64_t)i] = live;
    }
}

// ---- what a process does ----

static void append(struct world *w, struct process *p)
{
    struct vs_error err = {0};
    struct vs_commit_result result = {0};
    CHECK_OK(test_table_append(p->catalog, NAME, w->next_id, 8, NULL, &result, &err), err);
    vs_table_release(result.table);
    set_live(w, w->next_id, 8, true);
    w->next_id += 8;
}

static void delete_one(struct world *w, struct process *p)
{
    struct vs_error err = {0};
    struct vs_commit_result result = {0};
    int64_t id = (int64_t)below(w, (uint64_t)w->next_id);
    if (!w->is_live[id]) {
        return;
    }
    CHECK_OK(test_table_delete(p->catalog, NAME, &id, 1, &result, &err), err);
    vs_table_release(result.table);
    set_live(w, id, 1, false);
}

static void expire(struct world *w, struct process *p)
{
    struct vs_error err = {0};
    struct vs_expire_result result = {0};
    const struct vs_expire_job job = {.table = NAME,
                                      .older_than_ms = p->env.now_ms - 1000,
                                      .retain_last = 1 + (uint32_t)below(w, 3)};
    enum vs_status status = vs_expire_job_run(p->catalog, &job, &result, &err);
    CHECK_OK(status, err);
    if (status == VS_OK) {
        w->snapshots_expired += result.expired_count;
        vs_expire_result_clear(&result);
    }
}

// A file that nothing names, ten days old.
static void leave_orphan(struct world *w)
{
    char path[512];
    const time_t then = (time_t)(real_ms() / 1000 - 10 * DAY_MS / 1000);
    const struct timeval times[2] = {{.tv_sec = then}, {.tv_sec = then}};
    (void)snprintf(path, sizeof path, "%s/n/t/data/left-%llu.parquet", w->path,
                   (unsigned long long)below(w, UINT64_MAX));
    CHECK(test_file_write(path, "left", 4) && utimes(path, times) == 0);
}

static void remove_orphans(struct world *w, struct process *p)
{
    struct vs_error err = {0};
    struct vs_orphan_result result = {0};
    leave_orphan(w);
    const struct vs_orphan_job job = {
        .table = NAME, .older_than_ms = p->env.now_ms - ORPHAN_AGE_MS, .remove = true};
    enum vs_status status = vs_orphan_job_run(p->catalog, &job, &result, &err);
    CHECK_OK(status, err);
    if (status == VS_OK) {
        CHECK(result.removed >= 1);
        w->orphans_removed += result.removed;
        vs_orphan_result_clear(&result);
    }
}

// Writes a data file now, and commits it some rounds later, from a process with another clock.
static void begin_slow(struct world *w, struct process *p)
{
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    REQUIRE_OK(vs_catalog_load(p->catalog, NAME, &table, &err), err);
    vs_arena_init(&w->slow_arena, vs_env_default(), 0);
    CHECK_OK(test_data_file(table->store, &p->env.env, table->metadata, w->next_id, 8,
                            &w->slow_arena, &w->slow_file, &err),
             err);
    vs_table_release(table);
    w->slow_first = w->next_id;
    w->next_id += 8;
    w->slow_wait = 1 + (int)below(w, 6);
}

static void end_slow(struct world *w, struct process *p)
{
    struct vs_error err = {0};
    struct vs_commit_result result = {0};
    const struct vs_intent intent = {
        .operation = "append", .added_data = &w->slow_file, .added_data_count = 1};
    CHECK_OK(vs_catalog_commit(p->catalog, NAME, &intent, NULL, &result, &err), err);
    vs_table_release(result.table);
    set_live(w, w->slow_first, 8, true);
    vs_arena_clear(&w->slow_arena);
}

// ---- what holds after each ----

static void check_time(struct world *w, const struct vs_table_metadata *m)
{
    CHECK(m->last_updated_ms >= w->last_updated_ms);
    w->last_updated_ms = m->last_updated_ms;
    for (size_t i = 1; i < m->snapshot_log_count; i++) {
        CHECK(m->snapshot_log[i].timestamp_ms >= m->snapshot_log[i - 1].timestamp_ms);
    }
    for (size_t i = 1; i < m->metadata_log_count; i++) {
        CHECK(m->metadata_log[i].timestamp_ms >= m->metadata_log[i - 1].timestamp_ms);
    }
    for (size_t i = 0; i < m->snapshot_count; i++) {
        const struct vs_snapshot *parent = vs_table_snapshot(m, m->snapshots[i].parent_id);
        CHECK(m->snapshots[i].timestamp_ms <= m->last_updated_ms);
        CHECK(parent == NULL || (parent->timestamp_ms <= m->snapshots[i].timestamp_ms &&
                                 parent->sequence_number < m->snapshots[i].sequence_number));
    }
}

// The snapshots that are left can be read (a look at each costs time), the newest has the rows of
// the model.
static void check_table(struct world *w, bool all)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    struct vs_table *table = NULL;
    const struct vs_catalog_options options = {.warehouse = w->path};
    REQUIRE_OK(vs_catalog_open(vs_env_default(), &options, &catalog, &err), err);
    REQUIRE_OK(vs_catalog_load(catalog, NAME, &table, &err), err);
    const struct vs_table_metadata *m = table->metadata;
    check_time(w, m);
    for (size_t i = 0; i < m->snapshot_count; i++) {
        struct test_rows rows = {0};
        if (!all && m->snapshots[i].snapshot_id != m->current_snapshot_id) {
            continue;
        }
        CHECK_OK(test_table_rows(catalog, m, m->snapshots[i].snapshot_id, &rows, &err), err);
        if (m->snapshots[i].snapshot_id == m->current_snapshot_id) {
            CHECK_INT(rows.count, w->live_count);
            for (size_t k = 0; k < rows.count; k++) {
                CHECK(w->is_live[rows.ids[k]] && (k == 0 || rows.ids[k] != rows.ids[k - 1]));
            }
        }
        free(rows.ids);
    }
    vs_table_release(table);
    vs_catalog_free(catalog);
}

static void one_round(struct world *w, bool all)
{
    struct process p;
    if (!start(w, &p)) {
        return;
    }
    if (w->slow_wait > 0 && --w->slow_wait == 0) {
        end_slow(w, &p);
    }
    switch (below(w, 6)) {
    case 0:
        delete_one(w, &p);
        break;
    case 1:
        expire(w, &p);
        break;
    case 2:
        remove_orphans(w, &p);
        break;
    case 3:
        if (w->slow_wait == 0) {
            begin_slow(w, &p);
        }
        break;
    default:
        append(w, &p);
        break;
    }
    stop(&p);
    check_table(w, all);
}

int main(int argc, char **argv)
{
    static struct world world;
    struct process first;
    struct vs_error err = {0};
    size_t rounds = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 30;
    world.random = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    test_dir_make(world.path, sizeof world.path);
    if (start(&world, &first)) {
        CHECK_OK(test_table_create(first.catalog, NAME, &err), err);
        append(&world, &first);
        stop(&first);
    }
    for (size_t i = 0; i < rounds && check_failures == 0; i++) {
        one_round(&world, i % 10 == 9 || i + 1 == rounds);
    }
    if (world.slow_wait > 0) {
        vs_arena_clear(&world.slow_arena);
    }
    printf("%zu rounds, %zu rows, %zu snapshots expired, %zu orphans removed, %d failed\n", rounds,
           world.live_count, world.snapshots_expired, world.orphans_removed, check_failures);
    test_dir_remove(world.path);
    return check_failures > 0;
}
