// SPDX-License-Identifier: Apache-2.0
// Compaction through the public interface: the same rows and answers before and after, the index
// comes along, and other writers are never undone.
#include "ingest/compact_job.h"
#include "tests/support/api_db.h"
#include "tests/support/check.h"

#include <stdlib.h>

#define TABLE "t.rows"
#define BATCHES 6
#define BATCH_ROWS 40

struct fixture {
    struct test_env env;
    struct vs_store *store; // owned by db
    struct vs_db *db;
    struct vs_buf report, before, after;
    struct vs_error err;
    // What the store's hook does once, when an object with this ending is written:
    const char *trigger;
    void (*act)(struct fixture *f);
    bool busy;
    int acted;
    long calls, fail_from; // storage operations from this one on fail; 0: none
    bool fails_once, failed;
    bool rounded; // scores are compared to five digits: scans and the index round differently
};

static enum vs_status on_io(void *ctx, const char *op, const char *key, struct vs_error *err)
{
    struct fixture *f = ctx;
    size_t n = strlen(key), m = f->trigger != NULL ? strlen(f->trigger) : 0;
    bool writes = strcmp(op, "read") != 0 && strcmp(op, "open") != 0;
    f->calls++;
    if (f->fail_from > 0 && f->calls >= f->fail_from && !(f->fails_once && f->failed)) {
        f->failed = true;
        return vs_fail(err, VS_UNAVAILABLE, "injected failure of %s %s", op, key);
    }
    if (m > 0 && !f->busy && writes && n >= m && strcmp(key + n - m, f->trigger) == 0) {
        f->busy = true;
        f->trigger = NULL;
        f->acted++;
        struct vs_buf outer = f->report; // of the operation that is under way
        vs_buf_init(&f->report, &f->env.env, SIZE_MAX);
        f->act(f);
        vs_buf_clear(&f->report);
        f->report = outer;
        f->busy = false;
    }
    return VS_OK;
}

static bool open_db(struct fixture *f)
{
    struct vs_store *memory = NULL;
    memset(f, 0, sizeof *f);
    test_env_init(&f->env);
    const struct vs_env *env = &f->env.env;
    vs_buf_init(&f->report, env, SIZE_MAX);
    vs_buf_init(&f->before, env, SIZE_MAX);
    vs_buf_init(&f->after, env, SIZE_MAX);
    return vs_store_open_mem(env, "compact", &memory, &f->err) == VS_OK &&
           vs_store_wrap_hook(memory, on_io, f, &f->store, &f->err) == VS_OK &&
           test_db_over(env, f->store, &f->db, &f->err) == VS_OK;
}

static void teardown(struct fixture *f)
{
    vs_db_close(f->db);
    vs_buf_clear(&f->report);
    vs_buf_clear(&f->before);
    vs_buf_clear(&f->after);
    CHECK_INT(f->env.live, 0);
}

static enum vs_status create(struct fixture *f, const char *partition_by, int version)
{
    struct vs_create_options options = {.size = sizeof options,
                                        .table = TABLE,
                                        .dim = 4,
                                        .schema = "id long, title string, tag string",
                                        .partition_by = partition_by,
                                        .format_version = version};
    vs_buf_reset(&f->report);
    return vs_db_create_table(f->db, &options, &f->report, &f->err);
}

static enum vs_status insert(struct fixture *f, int first, int count, bool upsert)
{
    static char rows[8 << 20];
    size_t len = test_rows(rows, sizeof rows, first, count);
    vs_buf_reset(&f->report);
    return test_insert(f->db, TABLE, (struct vs_str){rows, len}, upsert, &f->report, &f->err);
}

static enum vs_status build(struct fixture *f)
{
    struct vs_index_options options = {
        .size = sizeof options, .table = TABLE, .min_recall = -1, .store_vectors = "f32"};
    vs_buf_reset(&f->report);
    return vs_db_build_index(f->db, &options, &f->report, &f->err);
}

static enum vs_status delete_where(struct fixture *f, const char *filter)
{
    struct vs_delete_options options = {.size = sizeof options, .table = TABLE, .filter = filter};
    vs_buf_reset(&f->report);
    return vs_db_delete(f->db, &options, &f->report, &f->err);
}

static enum vs_status compact(struct fixture *f)
{
    struct vs_compact_options options = {.size = sizeof options, .table = TABLE};
    vs_buf_reset(&f->report);
    return vs_db_compact(f->db, &options, &f->report, &f->err);
}

static int64_t reported(struct fixture *f, const char *key)
{
    struct vs_json_doc *doc = NULL;
    int64_t value = -1;
    if (vs_json_parse(&f->env.env, vs_buf_view(&f->report), "report", NULL, &doc, NULL) == VS_OK) {
        vs_json_to_i64(vs_json_get(vs_json_root(doc), key), &value);
    }
    vs_json_free(doc);
    return value;
}

static bool report_has(struct fixture *f, const char *text)
{
    const char *all = vs_buf_c_str(&f->report);
    return all != NULL && strstr(all, text) != NULL;
}

static int64_t newest(struct fixture *f)
{
    struct vs_table *table = NULL;
    int64_t id = -1;
    if (vs_catalog_load(f->db->catalog, TABLE, &table, &f->err) == VS_OK) {
        id = table->metadata->current_snapshot_id;
    }
    vs_table_release(table);
    return id;
}

// ---- answers as text ----

struct question {
    int id; // its vector, or "like" it
    bool like, exact;
    const char *filter;
    size_t k;
};

static const struct question questions[] = {
    {3, false, false, NULL, 12},        {3, false, true, NULL, 12},
    {120, false, true, NULL, 300},      {77, false, false, "tag = 'even'", 20},
    {77, false, true, "id > 100", 250}, {20, true, false, NULL, 7},
    {55, true, true, "tag = 'odd'", 9}, {200, false, false, "title = 'row 201'", 3},
};
#define QUESTION_COUNT (sizeof questions / sizeof questions[0])

static enum vs_status ask(
    struct fixture *f, const struct question *q, int64_t at, struct vs_buf *out, int64_t *scanned)
{
    char id[16];
    float vector[4] = {(float)cos(q->id * 0.1), (float)sin(q->id * 0.1), (float)(q->id * 0.01), 1};
    struct vs_query_options options = {.size = sizeof options,
                                       .table = TABLE,
                                       .k = q->k,
                                       .filter = q->filter,
                                       .exact = q->exact,
                                       .include_vector = true,
                                       .at = {.snapshot_id = at}};
    snprintf(id, sizeof id, "%d", q->id);
    if (q->like) {
        options.like_id = vs_str_from_c(id);
    } else {
        options.vectors = vector;
        options.vector_count = 1;
        options.dim = 4;
    }
    struct vs_answer *answer = NULL;
    enum vs_status status = vs_db_query(f->db, &options, &answer, &f->err);
    const struct vs_result *result = status == VS_OK ? vs_answer_result(answer, 0) : NULL;
    for (size_t i = 0; result != NULL && i < result->hit_count; i++) {
        const struct vs_hit *hit = &result->hits[i];
        vs_ignore(vs_buf_printf(out, NULL, "%.*s %.*g %.9g %.*s\n", VS_STR_ARG(hit->id_json),
                                f->rounded ? 4 : 9, (double)hit->score, (double)hit->vector[0],
                                VS_STR_ARG(hit->fields_json)));
    }
    if (status == VS_OK) {
        *scanned += (int64_t)vs_answer_coverage(answer)->scanned;
        vs_ignore(vs_buf_printf(out, NULL, "-- %llu no vector, %llu filtered\n",
                                (unsigned long long)vs_answer_coverage(answer)->no_vector,
                                (unsigned long long)vs_answer_coverage(answer)->filtered));
    }
    vs_answer_free(answer);
    return status;
}

// Every question, some rows by id; *scanned_out: rows that the index did not answer for.
static void ask_all(struct fixture *f, int64_t at, struct vs_buf *out, int64_t *scanned_out)
{
    struct vs_str ids[] = {VS_STR("0"), VS_STR("17"), VS_STR("90"), VS_STR("239"), VS_STR("9999")};
    struct vs_get_options get = {.size = sizeof get,
                                 .table = TABLE,
                                 .ids = ids,
                                 .id_count = 5,
                                 .include_vector = true,
                                 .at = {.snapshot_id = at}};
    vs_buf_reset(out);
    *scanned_out = 0;
    for (size_t i = 0; i < QUESTION_COUNT; i++) {
        if (ask(f, &questions[i], at, out, scanned_out) != VS_OK) {
            vs_ignore(vs_buf_printf(out, NULL, "%s\n", f->err.message));
        }
    }
    vs_buf_reset(&f->report);
    CHECK(vs_db_get(f->db, &get, &f->report, &f->err) == VS_OK);
    const char *rows = strstr(vs_buf_c_str(&f->report), "\"rows\"");
    vs_ignore(vs_buf_printf(out, NULL, "%s\n", rows != NULL ? rows : "no rows"));
}

static void check_same_answers(struct fixture *f, int64_t at, bool all_indexed, const char *when)
{
    int64_t scanned = 0;
    ask_all(f, at, &f->after, &scanned);
    if (!vs_str_equal(vs_buf_view(&f->before), vs_buf_view(&f->after))) {
        fprintf(stderr, "%s: answers differ, before:\n%s\nafter:\n%s\n", when,
                vs_buf_c_str(&f->before), vs_buf_c_str(&f->after));
        check_failures++;
    }
    if (all_indexed) {
        CHECK_INT(scanned, 0);
    }
}

static void check_table(struct fixture *f)
{
    vs_buf_reset(&f->report);
    if (vs_db_check_table(f->db, TABLE, NULL, &f->report, &f->err) != VS_OK) {
        fprintf(stderr, "%s\n%s\n", f->err.message, vs_buf_c_str(&f->report));
        check_failures++;
    }
    vs_buf_reset(&f->report);
    struct vs_error err = {0};
    enum vs_status status = vs_db_verify_index(f->db, TABLE, NULL, &f->report, &err);
    if (status != VS_OK && status != VS_NOT_FOUND) {
        fprintf(stderr, "%s\n", err.message);
        check_failures++;
    }
}

// Batches of rows in files of their own, an index over them, and then deletes.
static bool make_table(struct fixture *f, const char *partition_by, int version)
{
    bool made = open_db(f) && create(f, partition_by, version) == VS_OK;
    for (int i = 0; made && i < BATCHES; i++) {
        made = insert(f, i * BATCH_ROWS, BATCH_ROWS, false) == VS_OK;
    }
    made = made && build(f) == VS_OK && delete_where(f, "id >= 30 AND id < 47") == VS_OK &&
           delete_where(f, "id IN (99, 101, 103, 239)") == VS_OK;
    if (!made) {
        fprintf(stderr, "%s\n", f->err.message);
    }
    return made;
}

// ---- cases ----

static void answers_stay(void)
{
    struct fixture f;
    int64_t scanned = 0;
    REQUIRE(make_table(&f, NULL, 0));
    int64_t old = newest(&f);
    ask_all(&f, 0, &f.before, &scanned);
    CHECK_INT(scanned, 0);
    REQUIRE_OK(compact(&f), f.err);
    CHECK(report_has(&f, "\"index\":\"remapped\""));
    CHECK_INT(reported(&f, "rewritten_files"), BATCHES);
    CHECK_INT(reported(&f, "added_files"), 1);
    CHECK_INT(reported(&f, "rows"), BATCHES * BATCH_ROWS - 21);
    CHECK(reported(&f, "removed_delete_files") >= 3);
    CHECK(newest(&f) != old);
    check_same_answers(&f, 0, true, "after compaction");
    check_same_answers(&f, old, true, "time travel");
    check_table(&f);
    // Nothing is left to do, and no snapshot is made for it.
    old = newest(&f);
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(reported(&f, "rewritten_files"), 0);
    CHECK_INT(newest(&f), old);
    teardown(&f);
}

static void life_goes_on(void)
{
    struct fixture f;
    int64_t scanned = 0;
    REQUIRE(make_table(&f, NULL, 0));
    REQUIRE_OK(compact(&f), f.err);
    int64_t first = newest(&f);
    // Deletes, new rows and replaced rows over a remapped index.
    REQUIRE_OK(delete_where(&f, "id > 60 AND id < 95 AND tag = 'odd'"), f.err);
    REQUIRE_OK(insert(&f, 235, 20, true), f.err);
    REQUIRE_OK(insert(&f, 300, 9, false), f.err);
    REQUIRE_OK(insert(&f, 320, 9, false), f.err);
    ask_all(&f, 0, &f.before, &scanned);
    CHECK(scanned > 0); // the new rows are not indexed
    int64_t second = newest(&f);
    REQUIRE_OK(compact(&f), f.err);
    CHECK(report_has(&f, "\"index\":\"remapped\""));
    CHECK_INT(reported(&f, "rewritten_files"), 4);
    CHECK_INT(reported(&f, "added_files"), 2); // what the index covers stays apart
    check_same_answers(&f, 0, false, "after the second compaction");
    check_table(&f);
    f.rounded = true; // the former compaction's files are scanned
    ask_all(&f, 0, &f.before, &scanned);
    check_same_answers(&f, second, false, "time travel before it");
    f.rounded = false;
    // A snapshot between the compactions, and one before all: exact scans or the index, same rows.
    f.rounded = true;
    ask_all(&f, first, &f.before, &scanned);
    REQUIRE_OK(build(&f), f.err);
    check_same_answers(&f, first, false, "time travel after a new index");
    f.rounded = false;
    // A third one composes runs of runs: the new index covers all files but not these rows.
    REQUIRE_OK(insert(&f, 400, 9, false), f.err);
    REQUIRE_OK(delete_where(&f, "id > 200 AND id < 230"), f.err);
    ask_all(&f, 0, &f.before, &scanned);
    REQUIRE_OK(compact(&f), f.err);
    check_same_answers(&f, 0, false, "after the third compaction");
    check_table(&f);
    teardown(&f);
}

static void lists_answer_the_same(void)
{
    struct fixture f;
    int64_t scanned = 0;
    REQUIRE(open_db(&f) && create(&f, NULL, 0) == VS_OK);
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(insert(&f, i * 7000, 7000, false), f.err);
    }
    enum vs_status built = build(&f);
    if (built == VS_UNSUPPORTED) { // a build without FAISS
        teardown(&f);
        SKIP("training needs FAISS");
    }
    REQUIRE_OK(built, f.err);
    REQUIRE_OK(delete_where(&f, "id > 60 AND id < 5000 AND tag = 'odd'"), f.err);
    int64_t old = newest(&f);
    ask_all(&f, 0, &f.before, &scanned);
    CHECK_INT(scanned, 0);
    REQUIRE_OK(compact(&f), f.err);
    CHECK(report_has(&f, "\"index\":\"remapped\""));
    check_same_answers(&f, 0, true, "after compaction");
    check_same_answers(&f, old, true, "time travel");
    check_table(&f);
    teardown(&f);
}

static void partitions_stay(void)
{
    struct fixture f;
    int64_t scanned = 0;
    REQUIRE(make_table(&f, "tag", 0));
    ask_all(&f, 0, &f.before, &scanned);
    REQUIRE_OK(compact(&f), f.err);
    CHECK(report_has(&f, "\"index\":\"remapped\""));
    CHECK_INT(reported(&f, "rewritten_files"), 2 * BATCHES);
    CHECK_INT(reported(&f, "added_files"), 2);
    check_same_answers(&f, 0, true, "partitioned");
    check_table(&f);
    // Another spec: the files of the former one are rewritten into it, rows scattered over files.
    struct vs_alter_step step = {.kind = VS_ALTER_PARTITION_BY, .value = "tag, bucket(4, id)"};
    struct vs_alter_options alter = {
        .size = sizeof alter, .table = TABLE, .steps = &step, .step_count = 1};
    vs_buf_reset(&f.report);
    REQUIRE_OK(vs_db_alter_table(f.db, &alter, &f.report, &f.err), f.err);
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(reported(&f, "rewritten_files"), 2);
    CHECK_INT(reported(&f, "added_files"), 8);
    check_same_answers(&f, 0, true, "another spec");
    check_table(&f);
    int64_t snapshot = newest(&f);
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(newest(&f), snapshot);
    teardown(&f);
}

// ---- row lineage ----

struct lineage {
    int64_t row_id[1024], sequence[1024]; // by id; -1: no such row
};

static enum vs_status read_lineage_file(struct fixture *f,
                                        const struct vs_table *table,
                                        const struct vs_scan_file *file,
                                        const uint64_t *deleted,
                                        size_t deleted_count,
                                        struct lineage *out)
{
    struct vs_field fields[3] = {
        {.id = 1, .name = VS_STR("id"), .kind = VS_KIND_LONG},
        {.id = VS_ROW_ID_FIELD, .name = VS_STR("_row_id"), .kind = VS_KIND_LONG},
        {.id = VS_ROW_SEQUENCE_FIELD, .name = VS_STR("_last"), .kind = VS_KIND_LONG}};
    struct vs_file_scan *scan = NULL;
    struct vs_batch batch = {0};
    uint64_t first = 0;
    size_t next = 0;
    enum vs_status status = vs_file_scan_open(f->db->env, table->store, table->metadata,
                                              &file->data, fields, 3, &scan, &f->err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, f->db->env, fields, 3, &f->err);
    }
    if (status == VS_OK) {
        status = vs_file_scan_next(scan, 8192, &batch, &first, &f->err);
    }
    for (size_t i = 0; status == VS_OK && i < batch.row_count; i++) {
        if (next < deleted_count && deleted[next] == i) {
            next++;
            continue;
        }
        int64_t id = vs_column_get(&batch.columns[0], i).as.integer;
        CHECK(!vs_column_is_null(&batch.columns[1], i));
        out->row_id[id] = vs_column_get(&batch.columns[1], i).as.integer;
        out->sequence[id] = vs_column_get(&batch.columns[2], i).as.integer;
    }
    vs_batch_clear(&batch);
    vs_file_scan_close(scan);
    return status;
}

static enum vs_status read_lineage(struct fixture *f, struct lineage *out)
{
    struct vs_table *table = NULL;
    struct vs_scan_plan *plan = NULL;
    struct vs_deleted_rows deleted = {0};
    memset(out, 0xff, sizeof *out);
    enum vs_status status = vs_catalog_load(f->db->catalog, TABLE, &table, &f->err);
    if (status == VS_OK) {
        status = vs_scan_plan_make(f->db->env, table->store, table->metadata,
                                   table->metadata->current_snapshot_id, &plan, &f->err);
    }
    if (status == VS_OK) {
        status = vs_deleted_rows_read(f->db->env, table->store, table->metadata, plan, &deleted,
                                      &f->err);
    }
    for (size_t i = 0; status == VS_OK && i < plan->file_count; i++) {
        status = read_lineage_file(f, table, &plan->files[i], deleted.positions[i],
                                   deleted.counts[i], out);
    }
    vs_deleted_rows_clear(&deleted);
    vs_scan_plan_free(plan);
    vs_table_release(table);
    return status;
}

static void lineage_stays(void)
{
    static struct lineage before, after;
    struct fixture f;
    int64_t scanned = 0;
    REQUIRE(make_table(&f, NULL, 3));
    ask_all(&f, 0, &f.before, &scanned);
    REQUIRE_OK(read_lineage(&f, &before), f.err);
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(reported(&f, "added_files"), 1);
    CHECK(reported(&f, "removed_delete_files") >= 3); // deletion vectors
    REQUIRE_OK(read_lineage(&f, &after), f.err);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK(before.row_id[5] >= 0 && before.sequence[200] > before.sequence[5]);
    check_same_answers(&f, 0, true, "version 3");
    check_table(&f);
    // Again, over a file that stores them.
    REQUIRE_OK(insert(&f, 240, 20, false), f.err);
    REQUIRE_OK(delete_where(&f, "id < 40"), f.err);
    REQUIRE_OK(read_lineage(&f, &before), f.err);
    REQUIRE_OK(compact(&f), f.err);
    REQUIRE_OK(read_lineage(&f, &after), f.err);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    check_table(&f);
    teardown(&f);
}

// ---- other writers ----

static void delete_one(struct fixture *f)
{
    CHECK(delete_where(f, "id = 10 OR id = 200") == VS_OK);
}

static void append_some(struct fixture *f)
{
    CHECK(insert(f, 500, 10, false) == VS_OK);
}

static void delete_in_one_partition(struct fixture *f)
{
    CHECK(delete_where(f, "id = 11") == VS_OK);
}

static void build_index(struct fixture *f)
{
    CHECK(build(f) == VS_OK);
}

static int64_t count_rows(struct fixture *f)
{
    struct vs_index_coverage coverage = {0};
    CHECK(vs_engine_coverage(f->db->engine, TABLE, &coverage, &f->err) == VS_OK);
    return (int64_t)(coverage.covered_rows + coverage.uncovered_rows - coverage.deleted_rows);
}

// A delete lands between reading and committing: it is not undone, the job starts anew.
static void deletes_meanwhile_hold(void)
{
    struct fixture f;
    int64_t scanned = 0;
    REQUIRE(make_table(&f, NULL, 0));
    int64_t rows = count_rows(&f);
    f.act = delete_one;
    f.trigger = "-vecstore.puffin";
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(f.acted, 1);
    CHECK_INT(reported(&f, "added_files"), 1);
    CHECK_INT(reported(&f, "rows"), rows - 2);
    CHECK_INT(count_rows(&f), rows - 2);
    ask_all(&f, 0, &f.before, &scanned);
    CHECK_INT(scanned, 0);
    check_table(&f);
    teardown(&f);
}

static void appends_meanwhile_hold(void)
{
    struct fixture f;
    REQUIRE(make_table(&f, NULL, 0));
    int64_t rows = count_rows(&f);
    f.act = append_some;
    f.trigger = "-vecstore.puffin";
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(f.acted, 1);
    CHECK_INT(reported(&f, "rewritten_files"), BATCHES);
    CHECK_INT(reported(&f, "rows"), rows);
    CHECK_INT(count_rows(&f), rows + 10);
    check_table(&f);
    teardown(&f);
}

// Only the group that was changed is left out.
static void changed_groups_are_left_out(void)
{
    struct fixture f;
    REQUIRE(make_table(&f, "tag", 0));
    int64_t rows = count_rows(&f);
    f.act = delete_in_one_partition;
    f.trigger = "-vecstore.puffin";
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(f.acted, 1);
    CHECK_INT(reported(&f, "rewritten_files"), BATCHES);
    CHECK_INT(reported(&f, "added_files"), 1);
    CHECK_INT(count_rows(&f), rows - 1);
    check_table(&f);
    int64_t scanned = 0;
    ask_all(&f, 0, &f.before, &scanned);
    CHECK_INT(scanned, 0);
    REQUIRE_OK(compact(&f), f.err); // and comes next time
    CHECK_INT(reported(&f, "rewritten_files"), BATCHES);
    check_same_answers(&f, 0, true, "the rest");
    check_table(&f);
    teardown(&f);
}

// A new index is published meanwhile: that one is remapped, not the former.
static void index_meanwhile_is_remapped(void)
{
    struct fixture f;
    int64_t scanned = 0;
    REQUIRE(make_table(&f, NULL, 0));
    ask_all(&f, 0, &f.before, &scanned);
    f.act = build_index;
    f.trigger = "-vecstore.puffin";
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(f.acted, 1);
    CHECK(report_has(&f, "\"index\":\"remapped\""));
    check_same_answers(&f, 0, true, "another index");
    check_table(&f);
    teardown(&f);
}

// ---- failures ----

// The process dies at each storage operation in turn: the table is as before or as after.
static void crashes_leave_a_sound_table(void)
{
    bool done = false;
    for (long n = 1; !done && n < 2000; n++) {
        struct fixture f;
        int64_t scanned = 0;
        REQUIRE(make_table(&f, NULL, n % 2 == 0 ? 3 : 2));
        int64_t rows = count_rows(&f);
        ask_all(&f, 0, &f.before, &scanned);
        f.calls = 0;
        f.fail_from = n;
        enum vs_status status = compact(&f);
        done = !f.failed;
        f.fail_from = 0;
        CHECK(done == (status == VS_OK) || status == VS_OK);
        CHECK_INT(count_rows(&f), rows);
        check_same_answers(&f, 0, true, "after a crash");
        check_table(&f);
        teardown(&f);
        if (check_failures > 0) {
            fprintf(stderr, "    storage operation %ld: %s\n", n, f.err.message);
            return;
        }
    }
    CHECK(done);
}

static enum vs_status count_object(void *ctx,
                                   const struct vs_object_info *object,
                                   struct vs_error *err)
{
    (void)object;
    (void)err;
    ++*(size_t *)ctx;
    return VS_OK;
}

// One operation fails: what was written for a compaction that did not happen is removed.
static void failures_leave_no_files(void)
{
    bool done = false;
    for (long n = 1; !done && n < 2000; n++) {
        struct fixture f;
        size_t before = 0, after = 0;
        REQUIRE(make_table(&f, "tag", 2));
        REQUIRE_OK(vs_store_list(f.store, "", count_object, &before, &f.err), f.err);
        f.calls = 0;
        f.fail_from = n;
        f.fails_once = true;
        struct vs_error err = {0};
        struct vs_compact_options options = {.size = sizeof options, .table = TABLE};
        enum vs_status status = vs_db_compact(f.db, &options, &f.report, &err);
        done = !f.failed;
        f.fail_from = 0;
        REQUIRE_OK(vs_store_list(f.store, "", count_object, &after, &f.err), f.err);
        if (status != VS_OK && status != VS_UNKNOWN && after != before) {
            fprintf(stderr, "    storage operation %ld (%s): %zu objects, before %zu\n", n,
                    err.message, after, before);
            check_failures++;
        }
        teardown(&f);
    }
    CHECK(done);
}

// ---- edges ----

static void without_an_index(void)
{
    struct fixture f;
    int64_t scanned = 0;
    REQUIRE(open_db(&f) && create(&f, NULL, 0) == VS_OK);
    REQUIRE_OK(compact(&f), f.err); // an empty table
    CHECK_INT(reported(&f, "rewritten_files"), 0);
    for (int i = 0; i < BATCHES; i++) {
        REQUIRE_OK(insert(&f, i * BATCH_ROWS, BATCH_ROWS, false), f.err);
    }
    ask_all(&f, 0, &f.before, &scanned);
    struct vs_compact_options dry = {.size = sizeof dry, .table = TABLE, .dry_run = true};
    int64_t snapshot = newest(&f);
    vs_buf_reset(&f.report);
    REQUIRE_OK(vs_db_compact(f.db, &dry, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "rewritten_files"), BATCHES);
    CHECK(report_has(&f, "\"dry_run\":true") && report_has(&f, "\"index\":\"none\""));
    CHECK_INT(newest(&f), snapshot);
    REQUIRE_OK(compact(&f), f.err);
    CHECK(report_has(&f, "\"index\":\"none\""));
    check_same_answers(&f, 0, false, "without an index");
    // Everything deleted: the file goes, none comes.
    REQUIRE_OK(delete_where(&f, "id >= 0"), f.err);
    REQUIRE_OK(compact(&f), f.err);
    CHECK_INT(count_rows(&f), 0);
    check_table(&f);
    teardown(&f);
}

static void sizes_decide(void)
{
    struct fixture f;
    REQUIRE(open_db(&f) && create(&f, NULL, 0) == VS_OK);
    for (int i = 0; i < BATCHES; i++) {
        REQUIRE_OK(insert(&f, i * BATCH_ROWS, BATCH_ROWS, false), f.err);
    }
    struct vs_compact_options options = {
        .size = sizeof options, .table = TABLE, .min_files = BATCHES + 1};
    vs_buf_reset(&f.report);
    REQUIRE_OK(vs_db_compact(f.db, &options, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "rewritten_files"), 0);
    options.min_files = 0;
    options.min_bytes = 1; // no file is that small
    vs_buf_reset(&f.report);
    REQUIRE_OK(vs_db_compact(f.db, &options, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "rewritten_files"), 0);
    // Only files that may hold such rows; a filter on nothing in the table is refused.
    options.min_bytes = 0;
    options.filter = "id >= 85 AND id < 150";
    options.dry_run = true;
    vs_buf_reset(&f.report);
    REQUIRE_OK(vs_db_compact(f.db, &options, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "rewritten_files"), 2);
    options.filter = "nothing = 1";
    CHECK_INT(vs_db_compact(f.db, &options, &f.report, &f.err), VS_INVALID);
    options.filter = NULL;
    options.dry_run = false;
    // A target for about two files each.
    struct vs_table *table = NULL;
    struct vs_scan_plan *plan = NULL;
    REQUIRE_OK(vs_catalog_load(f.db->catalog, TABLE, &table, &f.err), f.err);
    REQUIRE_OK(vs_scan_plan_make(f.db->env, table->store, table->metadata,
                                 table->metadata->current_snapshot_id, &plan, &f.err),
               f.err);
    options.min_bytes = 0;
    options.target_bytes = (uint64_t)plan->files[0].data.file_size * 5 / 2;
    vs_scan_plan_free(plan);
    vs_table_release(table);
    vs_buf_reset(&f.report);
    REQUIRE_OK(vs_db_compact(f.db, &options, &f.report, &f.err), f.err);
    CHECK_INT(reported(&f, "rewritten_files"), BATCHES);
    CHECK_INT(reported(&f, "added_files"), BATCHES / 2);
    check_table(&f);
    teardown(&f);
}

TEST_MAIN(TEST(answers_stay),
          TEST(life_goes_on),
          TEST(lists_answer_the_same),
          TEST(partitions_stay),
          TEST(lineage_stays),
          TEST(deletes_meanwhile_hold),
          TEST(appends_meanwhile_hold),
          TEST(changed_groups_are_left_out),
          TEST(index_meanwhile_is_remapped),
          TEST(crashes_leave_a_sound_table),
          TEST(failures_leave_no_files),
          TEST(without_an_index),
          TEST(sizes_decide))
