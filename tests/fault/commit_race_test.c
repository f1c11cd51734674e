// SPDX-License-Identifier: Apache-2.0
// Many writers on one table in a real directory: each row exactly once, a linear lineage, every
// commit gets through.
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"
#include "vecstore/base/pool.h"

#include <glob.h>

#define THREADS 8
#define PROCESSES 4
#define COMMITS 10

struct race {
    const char *kind;
    char dir[256];
    atomic_uint attempts, most_attempts;
};

static bool is_sql(const struct race *race)
{
    return strcmp(race->kind, "sql") == 0;
}

static struct vs_catalog *open_catalog(const struct race *race)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    const struct vs_catalog_options options = {
        .kind = race->kind, .warehouse = race->dir, .create_warehouse = true};
    CHECK_OK(vs_catalog_open(vs_env_default(), &options, &catalog, &err), err);
    return catalog;
}

static enum vs_status write_commits(struct vs_catalog *catalog,
                                    int64_t writer,
                                    struct race *race,
                                    struct vs_error *err)
{
    for (int64_t i = 0; i < COMMITS; i++) {
        struct vs_commit_result result = {0};
        VS_TRY(test_table_append(catalog, "race.t", writer * COMMITS + i, 1, NULL, &result, err));
        vs_table_release(result.table);
        atomic_fetch_add(&race->attempts, result.attempts);
        unsigned most = atomic_load(&race->most_attempts);
        while (result.attempts > most &&
               !atomic_compare_exchange_weak(&race->most_attempts, &most, result.attempts)) {
        }
    }
    return VS_OK;
}

struct shared {
    struct race *race;
    struct vs_catalog *catalog;
};

static enum vs_status thread_task(void *ctx, size_t index, struct vs_error *err)
{
    struct shared *shared = ctx;
    return write_commits(shared->catalog, (int64_t)index, shared->race, err);
}

static void check_lineage(const struct vs_table_metadata *m, int64_t commits)
{
    int64_t snapshot_id = m->current_snapshot_id, left = commits;
    while (snapshot_id != VS_NO_SNAPSHOT) {
        const struct vs_snapshot *snapshot = vs_table_snapshot(m, snapshot_id);
        REQUIRE(snapshot != NULL);
        CHECK_INT(snapshot->sequence_number, left);
        for (size_t i = 0; i < snapshot->summary_count; i++) {
            if (vs_str_equal_c(snapshot->summary[i].key, "total-records")) {
                int64_t records = 0;
                CHECK_INT(vs_parse_i64(snapshot->summary[i].value, &records, NULL), VS_OK);
                CHECK_INT(records, left);
            }
        }
        left--;
        snapshot_id = snapshot->parent_id;
    }
    CHECK_INT(left, 0);
    CHECK_INT(m->snapshot_count, commits);
    CHECK_INT(m->snapshot_log_count, commits);
    CHECK_INT(m->metadata_log_count, commits > 100 ? 100 : commits);
}

// Attempts that lost have removed their manifest lists: one is left per snapshot.
static void check_no_leftovers(const char *dir, const char *name, int64_t count)
{
    char pattern[512];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/race/t/metadata/%s", dir, name);
    CHECK_INT(glob(pattern, 0, NULL, &found), 0);
    CHECK_INT(found.gl_pathc, count);
    globfree(&found);
}

// Other engines trust the hint, so it has to end at the newest version.
static void check_hint(const char *dir, int64_t version)
{
    char path[512], text[32] = "";
    snprintf(path, sizeof path, "%s/race/t/metadata/version-hint.text", dir);
    FILE *file = fopen(path, "r");
    REQUIRE(file != NULL);
    CHECK(fgets(text, sizeof text, file) != NULL);
    fclose(file);
    CHECK_INT(strtoll(text, NULL, 10), version);
}

static void check_table(const struct race *race, int64_t commits)
{
    struct vs_error err = {0};
    struct vs_catalog *catalog = open_catalog(race);
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    REQUIRE_OK(vs_catalog_load(catalog, "race.t", &table, &err), err);
    CHECK_INT(table->version, is_sql(race) ? -1 : commits + 1);
    check_lineage(table->metadata, commits);
    CHECK_OK(test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id, &rows,
                             &err),
             err);
    CHECK_INT(rows.count, commits);
    for (size_t i = 0; i < rows.count; i++) {
        CHECK_INT(rows.ids[i], (int64_t)i);
    }
    if (!is_sql(race)) {
        check_hint(race->dir, commits + 1);
    }
    check_no_leftovers(race->dir, "snap-*.avro", commits);
    check_no_leftovers(race->dir, "*.metadata.json", commits + 1);
    free(rows.ids);
    vs_table_release(table);
    vs_catalog_free(catalog);
}

static void threads_then_processes(const char *kind)
{
    struct race race = {.kind = kind};
    struct vs_error err = {0};
    test_dir_make(race.dir, sizeof race.dir);
    struct vs_catalog *catalog = open_catalog(&race);
    REQUIRE_OK(test_table_create(catalog, "race.t", &err), err);
    struct shared shared = {&race, catalog};
    int64_t start = vs_monotonic_ns(vs_env_default());
    CHECK_OK(vs_pool_run(vs_env_default(), THREADS, THREADS, thread_task, &shared, &err), err);
    double seconds = (double)(vs_monotonic_ns(vs_env_default()) - start) / 1e9;
    printf("%s: %d threads x %d commits: %.1f s, %u attempts, at most %u for one commit\n", kind,
           THREADS, COMMITS, seconds, atomic_load(&race.attempts),
           atomic_load(&race.most_attempts));
    vs_catalog_free(catalog);
    check_table(&race, (int64_t)THREADS * COMMITS);

    start = vs_monotonic_ns(vs_env_default());
    pid_t children[PROCESSES];
    for (int p = 0; p < PROCESSES; p++) {
        fflush(stdout);
        children[p] = fork();
        REQUIRE(children[p] >= 0);
        if (children[p] == 0) {
            struct vs_catalog *own = open_catalog(&race);
            enum vs_status status = write_commits(own, THREADS + p, &race, &err);
            if (status != VS_OK) {
                fprintf(stderr, "%s\n", err.message);
            }
            vs_catalog_free(own);
            _exit(status == VS_OK ? 0 : 1);
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        int state = -1;
        CHECK(waitpid(children[p], &state, 0) == children[p]);
        CHECK(WIFEXITED(state) && WEXITSTATUS(state) == 0);
    }
    seconds = (double)(vs_monotonic_ns(vs_env_default()) - start) / 1e9;
    printf("%d processes x %d commits: %.1f s\n", PROCESSES, COMMITS, seconds);
    check_table(&race, (int64_t)(THREADS + PROCESSES) * COMMITS);
    test_dir_remove(race.dir);
}

static void filesystem(void)
{
    threads_then_processes("filesystem");
}

static void sql(void)
{
    threads_then_processes("sql");
}

TEST_MAIN(TEST(filesystem), TEST(sql))
