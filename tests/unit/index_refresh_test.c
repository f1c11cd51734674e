// SPDX-License-Identifier: Apache-2.0
// Refresh, merge and rollback of the index of a table in memory.
#include "index/index_facts.h"
#include "index/index_remap.h"
#include "ingest/compact_job.h"
#include "ingest/index_refresh.h"
#include "ingest/index_rollback.h"
#include "tests/support/check.h"
#include "tests/support/table_maker.h"
#include "vecstore/iceberg/stats_file.h"

#define DIM 16
#define ID_FIELD 1

struct world {
    struct test_env test;
    struct table_maker maker;
};

static bool world_open(struct world *w)
{
    struct vs_error err = {0};
    *w = (struct world){0};
    test_env_init(&w->test);
    enum vs_status status = table_maker_open(&w->maker, &w->test.env, NULL, "cosine", DIM, &err);
    CHECK_OK(status, err);
    return status == VS_OK;
}

static void world_close(struct world *w)
{
    table_maker_close(&w->maker);
    CHECK_INT(w->test.live, 0);
}

static enum vs_status refresh(struct world *w,
                              bool merge,
                              struct vs_refresh_result *result,
                              struct vs_error *err)
{
    const struct vs_refresh_job job = {.table = MADE_TABLE,
                                       .merge = merge,
                                       .thread_count = 2,
                                       .list_rows = 500,
                                       .small_rows = 2000};
    return vs_refresh_job_run(w->maker.catalog, &job, result, err);
}

// ---- what the index holds ----

struct opened {
    struct vs_table *table;
    struct vs_statistics entry;
    struct vs_file *file;
    struct vs_index *index;
    struct vs_index_map *map;
    struct vs_scan_plan *plan;
};

static enum vs_status open_current(struct world *w, struct opened *o, struct vs_error *err)
{
    struct vs_buf key;
    const struct vs_index_open_options options = {.thread_count = 1};
    *o = (struct opened){0};
    VS_TRY(vs_catalog_load(w->maker.catalog, MADE_TABLE, &o->table, err));
    const struct vs_table_metadata *metadata = o->table->metadata;
    if (!vs_stats_file_find(metadata, metadata->current_snapshot_id, &o->entry)) {
        return VS_NOT_FOUND;
    }
    vs_buf_init(&key, &w->test.env, 4096);
    enum vs_status status = vs_store_key(o->table->store, o->entry.path, &key, err);
    if (status == VS_OK) {
        status = vs_file_open(o->table->store, vs_buf_c_str(&key), &o->file, err);
    }
    vs_buf_clear(&key);
    VS_TRY(status);
    VS_TRY(vs_index_open(&w->test.env, o->file, &options, &o->index, err));
    VS_TRY(vs_index_map_read(&w->test.env, o->file, &o->map, err));
    return vs_scan_plan_make(&w->test.env, o->table->store, metadata, metadata->current_snapshot_id,
                             &o->plan, err);
}

static void close_current(struct opened *o)
{
    vs_scan_plan_free(o->plan);
    vs_index_map_free(o->map);
    vs_index_close(o->index);
    vs_file_close(o->file);
    vs_table_release(o->table);
}

// Every row of every data file of the newest snapshot stands in the index with its own id.
static void check_rows(struct world *w, const struct opened *o)
{
    const struct vs_index_info *info = vs_index_info(o->index);
    struct vs_column ids[16];
    struct vs_error err;
    size_t checked = 0;
    REQUIRE(info->segment_count <= 16);
    for (size_t s = 0; s < info->segment_count; s++) {
        REQUIRE_OK(vs_index_load_column(o->index, s, ID_FIELD, &ids[s], &err), err);
    }
    for (size_t i = 0; i < w->maker.row_count; i++) {
        const struct made_row *row = &w->maker.rows[i];
        for (size_t f = 0; f < o->plan->file_count; f++) {
            const struct vs_data_file *data = &o->plan->files[f].data;
            size_t count = 0;
            if (!vs_str_equal_c(data->path, w->maker.files[row->file])) {
                continue;
            }
            const struct vs_index_run *runs = vs_index_map_find(
                o->map, data->path, (uint64_t)data->record_count, data->sequence_number, &count);
            REQUIRE(runs != NULL && count == 1);
            struct vs_value id =
                vs_column_get(&ids[runs[0].segment], runs[0].first_row + row->position);
            CHECK_INT(id.as.integer, row->id);
            checked++;
        }
    }
    CHECK_INT(checked, o->plan->record_count);
    for (size_t s = 0; s < info->segment_count; s++) {
        vs_column_clear(&ids[s]);
    }
}

static void check_index(struct world *w, size_t segments, uint64_t rows)
{
    struct opened o;
    struct vs_error err = {0};
    struct vs_buf report;
    uint64_t sum = 0;
    vs_buf_init(&report, &w->test.env, 1 << 20);
    CHECK_OK(open_current(w, &o, &err), err);
    if (o.plan != NULL) {
        const struct vs_index_info *info = vs_index_info(o.index);
        CHECK_INT(info->segment_count, segments);
        for (size_t s = 0; s < info->segment_count; s++) {
            sum += info->segments[s].row_count;
        }
        CHECK_INT(sum, rows);
        CHECK_INT(o.entry.file_size, o.file->size);
        const struct vs_statistics *newest =
            vs_table_statistics(o.table->metadata, o.table->metadata->current_snapshot_id);
        CHECK(newest != NULL && vs_str_equal(newest->path, o.entry.path));
        check_rows(w, &o);
        CHECK_OK(vs_index_verify(&w->test.env, o.file, NULL, &report, &err), err);
    }
    vs_buf_clear(&report);
    close_current(&o);
}

// ---- cases ----

static void without_an_index(void)
{
    struct world w;
    struct vs_refresh_result result;
    struct vs_error err = {0};
    REQUIRE(world_open(&w));
    CHECK_STATUS(refresh(&w, false, &result, &err), VS_INVALID); // no rows yet
    REQUIRE_OK(table_maker_append(&w.maker, 0, 20, 0, &err), err);
    CHECK_STATUS(refresh(&w, false, &result, &err), VS_NOT_FOUND);
    CHECK(strstr(err.message, "index build") != NULL);
    world_close(&w);
}

// A small table has one flat segment, however often it grows.
static void a_small_table_stays_one_segment(void)
{
    struct world w;
    struct vs_refresh_result result;
    struct vs_error err = {0};
    REQUIRE(world_open(&w));
    REQUIRE_OK(table_maker_append(&w.maker, 0, 300, 0, &err), err);
    REQUIRE_OK(table_maker_index(&w.maker, 100000, false, &err), err);
    for (int64_t round = 1; round <= 3; round++) {
        REQUIRE_OK(table_maker_append(&w.maker, 1000 * round, 50, 0, &err), err);
        REQUIRE_OK(refresh(&w, false, &result, &err), err);
        CHECK_INT(result.kind, VS_REFRESH_EXTENDED);
        CHECK_INT(result.new_rows, 50);
        CHECK_INT(result.drift.count, 0);
        check_index(&w, 1, (uint64_t)(300 + 50 * round));
    }
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    CHECK_INT(result.kind, VS_REFRESH_NOTHING);
    CHECK_INT(result.attempts, 0);
    world_close(&w);
}

static void a_large_table_gets_segments(void)
{
    struct world w;
    struct vs_refresh_result result;
    struct vs_error err = {0};
    REQUIRE(world_open(&w));
    REQUIRE_OK(table_maker_append(&w.maker, 0, 3000, 0, &err), err);
    REQUIRE_OK(table_maker_index(&w.maker, 1000, true, &err), err);
    REQUIRE_OK(table_maker_append(&w.maker, 10000, 600, 0, &err), err);
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    CHECK_INT(result.kind, VS_REFRESH_EXTENDED);
    CHECK(result.drift.count > 0 && result.drift.error > 0.0F);
    CHECK_INT(result.joined, 0);
    check_index(&w, 2, 3600);
    REQUIRE_OK(table_maker_append(&w.maker, 20000, 70, 0, &err), err);
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    check_index(&w, 3, 3670);
    // Few rows again: the flat segment takes them in.
    REQUIRE_OK(table_maker_append(&w.maker, 30000, 40, 0, &err), err);
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    CHECK_INT(result.new_rows, 40);
    check_index(&w, 3, 3710);
    // Together they are enough for lists.
    REQUIRE_OK(table_maker_append(&w.maker, 40000, 480, 0, &err), err);
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    CHECK_INT(result.new_rows, 480);
    CHECK(result.drift.count > 0);
    check_index(&w, 3, 4190);
    REQUIRE_OK(refresh(&w, true, &result, &err), err);
    CHECK_INT(result.kind, VS_REFRESH_JOINED);
    CHECK_INT(result.joined, 3);
    check_index(&w, 1, 4190);
    REQUIRE_OK(refresh(&w, true, &result, &err), err);
    CHECK_INT(result.kind, VS_REFRESH_NOTHING);
    world_close(&w);
}

static void a_table_that_outgrows_the_scan_is_trained(void)
{
    struct world w;
    struct vs_refresh_result result;
    struct vs_error err = {0};
    REQUIRE(world_open(&w));
    REQUIRE_OK(table_maker_append(&w.maker, 0, 1500, 0, &err), err);
    REQUIRE_OK(table_maker_index(&w.maker, 2000, false, &err), err);
    REQUIRE_OK(table_maker_append(&w.maker, 10000, 600, 0, &err), err);
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    CHECK_INT(result.kind, VS_REFRESH_REBUILT);
    CHECK_INT(result.rows, 2100);
    check_index(&w, 1, 2100);
    world_close(&w);
}

// Another engine's commit leaves the index off the newest snapshot.
static void the_version_is_registered_again(void)
{
    struct world w;
    struct vs_refresh_result result;
    struct vs_error err = {0};
    REQUIRE(world_open(&w));
    REQUIRE_OK(table_maker_append(&w.maker, 0, 100, 0, &err), err);
    REQUIRE_OK(table_maker_index(&w.maker, 100000, false, &err), err);
    REQUIRE_OK(refresh(&w, false, &result, &err), err); // notes path and UUID in the properties
    REQUIRE_OK(table_maker_delete(&w.maker, 10, 5, 1, &err), err);
    struct vs_table *table = NULL;
    REQUIRE_OK(vs_catalog_load(w.maker.catalog, MADE_TABLE, &table, &err), err);
    CHECK(vs_table_statistics(table->metadata, table->metadata->current_snapshot_id) == NULL);
    vs_table_release(table);
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    CHECK_INT(result.kind, VS_REFRESH_REGISTERED);
    check_index(&w, 1, 100);
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    CHECK_INT(result.kind, VS_REFRESH_NOTHING);
    world_close(&w);
}

static enum vs_status drop_file(struct world *w, size_t file, struct vs_error *err)
{
    const struct vs_data_file gone = {.path = vs_str_from_c(w->maker.files[file])};
    const struct vs_intent intent = {
        .operation = "delete", .removed_data = &gone, .removed_data_count = 1};
    struct vs_commit_result result = {0};
    VS_TRY(vs_catalog_commit(w->maker.catalog, MADE_TABLE, &intent, NULL, &result, err));
    vs_table_release(result.table);
    return VS_OK;
}

static void rows_of_files_that_are_gone_are_dropped(void)
{
    struct world w;
    struct vs_refresh_result result;
    struct vs_error err = {0};
    REQUIRE(world_open(&w));
    REQUIRE_OK(table_maker_append(&w.maker, 0, 1200, 0, &err), err);
    REQUIRE_OK(table_maker_append(&w.maker, 2000, 200, 0, &err), err);
    REQUIRE_OK(table_maker_append(&w.maker, 3000, 800, 0, &err), err);
    REQUIRE_OK(table_maker_index(&w.maker, 1000, true, &err), err);
    REQUIRE_OK(drop_file(&w, 1, &err), err);
    REQUIRE_OK(refresh(&w, false, &result, &err), err); // a tenth is dead: it stays
    CHECK_INT(result.kind, VS_REFRESH_REGISTERED);
    check_index(&w, 1, 2200);
    REQUIRE_OK(drop_file(&w, 2, &err), err);
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    CHECK_INT(result.kind, VS_REFRESH_JOINED);
    CHECK_INT(result.live_rows, 1200);
    check_index(&w, 1, 1200);
    world_close(&w);
}

static enum vs_status compact(struct world *w,
                              struct vs_compact_result *result,
                              struct vs_error *err)
{
    const struct vs_compact_job job = {
        .table = MADE_TABLE, .target_bytes = 1 << 30, .min_files = 1, .thread_count = 1};
    return vs_compact_job_run(w->maker.catalog, &job, result, err);
}

// Rows that a compaction dropped out of the midst of files cannot be dropped from a segment:
// nothing is written for their sake again and again.
static void a_compacted_table_is_left_alone(void)
{
    struct world w;
    struct vs_refresh_result result;
    struct vs_compact_result compacted;
    struct vs_error err = {0};
    REQUIRE(world_open(&w));
    REQUIRE_OK(table_maker_append(&w.maker, 0, 1500, 0, &err), err);
    REQUIRE_OK(table_maker_append(&w.maker, 2000, 1500, 0, &err), err);
    REQUIRE_OK(table_maker_index(&w.maker, 1000, true, &err), err);
    REQUIRE_OK(table_maker_delete(&w.maker, 0, 4000, 2, &err), err);
    REQUIRE_OK(compact(&w, &compacted, &err), err);
    CHECK_TEXT(compacted.index, "remapped");
    CHECK_INT(compacted.rows, 1500);
    for (int round = 0; round < 3; round++) {
        REQUIRE_OK(refresh(&w, false, &result, &err), err);
        CHECK(result.kind == VS_REFRESH_NOTHING || result.kind == VS_REFRESH_REGISTERED);
        CHECK_INT(result.copied_bytes, 0);
        CHECK_INT(result.rows, 3000);
        CHECK_INT(result.live_rows, 1500);
        CHECK(strstr(result.advice, "build the index anew") != NULL);
    }
    world_close(&w);
}

static enum vs_status roll_back(struct world *w,
                                const char *to,
                                struct vs_rollback_result *result,
                                struct vs_error *err)
{
    const struct vs_rollback_job job = {.table = MADE_TABLE, .to = to};
    return vs_rollback_job_run(w->maker.catalog, &job, result, err);
}

static void former_versions_can_be_published_again(void)
{
    struct world w;
    struct vs_refresh_result first, second, third;
    struct vs_rollback_result back;
    struct vs_error err = {0};
    char uuid[VS_UUID_TEXT_SIZE];
    REQUIRE(world_open(&w));
    REQUIRE_OK(table_maker_append(&w.maker, 0, 100, 0, &err), err);
    REQUIRE_OK(table_maker_index(&w.maker, 100000, false, &err), err);
    CHECK_STATUS(roll_back(&w, NULL, &back, &err), VS_NOT_FOUND);
    REQUIRE_OK(table_maker_append(&w.maker, 1000, 10, 0, &err), err);
    REQUIRE_OK(refresh(&w, false, &first, &err), err);
    REQUIRE_OK(table_maker_append(&w.maker, 2000, 10, 0, &err), err);
    REQUIRE_OK(refresh(&w, false, &second, &err), err);
    REQUIRE_OK(table_maker_append(&w.maker, 3000, 10, 0, &err), err);
    REQUIRE_OK(refresh(&w, false, &third, &err), err);
    REQUIRE_OK(roll_back(&w, NULL, &back, &err), err);
    CHECK(memcmp(&back.index_uuid, &second.index_uuid, sizeof second.index_uuid) == 0);
    CHECK(memcmp(&back.former_uuid, &third.index_uuid, sizeof third.index_uuid) == 0);
    CHECK_INT(back.rows, 120);
    vs_uuid_format(first.index_uuid, uuid);
    REQUIRE_OK(roll_back(&w, uuid, &back, &err), err);
    CHECK_INT(back.rows, 110);
    CHECK_STATUS(roll_back(&w, uuid, &back, &err), VS_INVALID); // it is the current one
    CHECK_STATUS(roll_back(&w, "00000000-0000-4000-8000-000000000000", &back, &err), VS_NOT_FOUND);
    CHECK_STATUS(roll_back(&w, "nonsense", &back, &err), VS_INVALID);
    // What it does not cover is new again.
    REQUIRE_OK(refresh(&w, false, &first, &err), err);
    CHECK_INT(first.new_rows, 20);
    check_index(&w, 1, 130);
    world_close(&w);
}

// A failure at any allocation leaves the table and the store as they were.
static void failures_leave_nothing(void)
{
    struct world w;
    struct vs_refresh_result result;
    struct vs_error err = {0};
    REQUIRE(world_open(&w));
    REQUIRE_OK(table_maker_append(&w.maker, 0, 1100, 0, &err), err);
    REQUIRE_OK(table_maker_index(&w.maker, 1000, true, &err), err);
    REQUIRE_OK(table_maker_append(&w.maker, 10000, 510, 0, &err), err);
    for (long n = 0; n < 20000; n += n < 40 ? 1 : n / 9) {
        w.test.fail_at = w.test.calls + n;
        w.test.failed = false;
        enum vs_status status = refresh(&w, false, &result, &err);
        bool failed = w.test.failed;
        w.test.fail_at = -1;
        if (status == VS_OK) {
            if (!failed) {
                break;
            }
            REQUIRE_OK(table_maker_append(&w.maker, 20000 + n, 3, 0, &err), err);
            continue;
        }
        CHECK(failed);
        CHECK(status == VS_NO_MEMORY || status == VS_UNKNOWN);
    }
    REQUIRE_OK(refresh(&w, false, &result, &err), err);
    struct opened o;
    REQUIRE_OK(open_current(&w, &o, &err), err);
    check_rows(&w, &o);
    close_current(&o);
    world_close(&w);
}

TEST_MAIN(TEST(without_an_index),
          TEST(a_small_table_stays_one_segment),
          TEST(a_large_table_gets_segments),
          TEST(a_table_that_outgrows_the_scan_is_trained),
          TEST(the_version_is_registered_again),
          TEST(rows_of_files_that_are_gone_are_dropped),
          TEST(a_compacted_table_is_left_alone),
          TEST(former_versions_can_be_published_again),
          TEST(failures_leave_nothing))
