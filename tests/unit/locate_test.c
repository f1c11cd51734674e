// SPDX-License-Identifier: Apache-2.0
#include "ingest/locate.h"
#include "ingest/row_change.h"
#include "tests/support/id_table.h"

static struct vs_id_set *make_set(const struct vs_env *env,
                                  enum vs_kind kind,
                                  const int64_t *ids,
                                  size_t count)
{
    struct vs_id_set *set = NULL;
    struct vs_error err = {0};
    CHECK_OK(vs_id_set_new(env, kind, &set, &err), err);
    for (size_t i = 0; set != NULL && i < count; i++) {
        char text[32];
        bool added;
        struct vs_value id = id_value(kind, ids[i], text);
        CHECK_OK(vs_id_set_add(set, &id, &added, &err), err);
    }
    return set;
}

static enum vs_status locate(struct id_table *t,
                             const struct vs_id_set *set,
                             struct vs_arena *arena,
                             struct vs_located *located,
                             struct vs_error *err)
{
    vs_arena_clear(arena);
    const struct vs_locate locate = {.env = t->env,
                                     .store = t->store,
                                     .base = t->table->metadata,
                                     .snapshot_id = t->table->metadata->current_snapshot_id,
                                     .ids = set};
    return vs_locate_ids(&locate, arena, located, err);
}

static enum vs_status delete_ids(struct id_table *t, struct vs_id_set *set, struct vs_error *err)
{
    const struct vs_delete_job job = {.table = ID_TABLE, .ids = set};
    struct vs_delete_result result;
    VS_TRY(vs_delete_job_run(t->catalog, &job, &result, err));
    return id_table_reload(t, err);
}

// Three files of 40,000, 100 and 100 rows; positions, order, what was deleted, what was never
// there.
static void find_in(enum vs_kind kind)
{
    static const int64_t asked[] = {40120, 0, 20000, 39999, 40000, 777777, -5, 40199};
    struct test_env env;
    struct id_table t;
    struct vs_arena arena;
    struct vs_located located;
    struct vs_error err = {0};
    test_env_init(&env);
    vs_arena_init(&arena, &env.env, 0);
    REQUIRE_OK(id_table_open(&t, &env.env, kind, &err), err);
    struct vs_id_set *set = make_set(&env.env, kind, asked, 8);
    REQUIRE_OK(locate(&t, set, &arena, &located, &err), err); // an empty table
    CHECK_INT(located.row_count, 0);
    REQUIRE_OK(id_table_append(&t, "a", kind, 0, 40000, &err), err);
    REQUIRE_OK(id_table_append(&t, "b", kind, 40000, 100, &err), err);
    REQUIRE_OK(id_table_append(&t, "c", kind, 40100, 100, &err), err);
    REQUIRE_OK(locate(&t, set, &arena, &located, &err), err);
    CHECK_INT(located.distinct_ids, 6);
    REQUIRE(located.row_count == 6);

    static const struct {
        const char *file;
        uint64_t position;
        size_t index;
    } expected[] = {{"a", 0, 1}, {"a", 20000, 2}, {"a", 39999, 3},
                    {"b", 0, 4}, {"c", 20, 0},    {"c", 99, 7}};

    for (size_t i = 0; i < 6; i++) {
        CHECK(id_file_is(located.rows[i].path, expected[i].file));
        CHECK_INT(located.rows[i].position, expected[i].position);
        CHECK_INT(located.id_index[i], expected[i].index);
    }
    static const int64_t gone[] = {20000, 40199};
    struct vs_id_set *deleted = make_set(&env.env, kind, gone, 2);
    REQUIRE_OK(delete_ids(&t, deleted, &err), err);
    REQUIRE_OK(locate(&t, set, &arena, &located, &err), err);
    CHECK(located.row_count == 4 && located.distinct_ids == 4);
    for (size_t i = 0; i < located.row_count; i++) {
        CHECK(located.id_index[i] != 2 && located.id_index[i] != 7);
    }
    REQUIRE_OK(id_table_append(&t, "d", kind, 20000, 1, &err), err); // comes back in another file
    REQUIRE_OK(locate(&t, set, &arena, &located, &err), err);
    CHECK(located.row_count == 5 && id_file_is(located.rows[4].path, "d") &&
          located.id_index[4] == 2);
    vs_id_set_free(deleted);
    vs_id_set_free(set);
    vs_arena_clear(&arena);
    id_table_close(&t);
    CHECK_INT(env.live, 0);
}

static void numbers(void)
{
    find_in(VS_KIND_LONG);
}

static void texts(void)
{
    find_in(VS_KIND_STRING);
}

// Files whose bounds do not meet the ids are not opened: their bytes are gone, and nobody notices.
static void bounds_pruning(void)
{
    static const int64_t between[] = {5000, 5099}, below[] = {-1}, above[] = {9999}, edge[] = {999},
                         inside[] = {500};

    static const struct {
        const int64_t *ids;
        size_t count, found;
        bool opens_lost;
    } cases[] = {{between, 2, 2, false},
                 {below, 1, 0, false},
                 {above, 1, 0, false},
                 {edge, 1, 0, true},
                 {inside, 1, 0, true}};

    for (int k = 0; k < 2; k++) {
        enum vs_kind kind = k == 0 ? VS_KIND_LONG : VS_KIND_STRING;
        struct test_env env;
        struct id_table t;
        struct vs_arena arena;
        struct vs_error err = {0};
        test_env_init(&env);
        vs_arena_init(&arena, &env.env, 0);
        REQUIRE_OK(id_table_open(&t, &env.env, kind, &err), err);
        REQUIRE_OK(id_table_append(&t, "lost", kind, 0, 1000, &err), err);
        REQUIRE_OK(id_table_append(&t, "here", kind, 5000, 100, &err), err);
        REQUIRE_OK(id_table_lose(&t, "lost", &err), err);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct vs_located located = {0};
            struct vs_id_set *set = make_set(&env.env, kind, cases[i].ids, cases[i].count);
            enum vs_status status = locate(&t, set, &arena, &located, &err);
            if (cases[i].opens_lost) {
                CHECK(status != VS_OK && strstr(err.message, "lost.parquet") != NULL);
            } else {
                CHECK_OK(status, err);
                CHECK_INT(located.row_count, cases[i].found);
            }
            vs_id_set_free(set);
        }
        vs_arena_clear(&arena);
        id_table_close(&t);
        CHECK_INT(env.live, 0);
    }
}

// A file from before the id column grew from int to long: 4-byte bounds, 4-byte values.
static void promoted_ids(void)
{
    static const int64_t asked[] = {-7, 90, INT64_C(5000000000)};
    struct test_env env;
    struct id_table t;
    struct vs_arena arena;
    struct vs_located located = {0};
    struct vs_error err = {0};
    test_env_init(&env);
    vs_arena_init(&arena, &env.env, 0);
    REQUIRE_OK(id_table_open(&t, &env.env, VS_KIND_LONG, &err), err);
    REQUIRE_OK(id_table_append(&t, "old", VS_KIND_INT, -10, 101, &err), err);
    REQUIRE_OK(id_table_append(&t, "new", VS_KIND_LONG, INT64_C(5000000000), 3, &err), err);
    struct vs_id_set *set = make_set(&env.env, VS_KIND_LONG, asked, 3);
    REQUIRE_OK(locate(&t, set, &arena, &located, &err), err);
    REQUIRE(located.row_count == 3);
    CHECK(id_file_is(located.rows[0].path, "old") && located.rows[0].position == 3);
    CHECK(id_file_is(located.rows[1].path, "old") && located.rows[1].position == 100);
    CHECK(id_file_is(located.rows[2].path, "new") && located.rows[2].position == 0);
    vs_id_set_free(set);
    REQUIRE_OK(id_table_lose(&t, "old", &err), err);
    set =
        make_set(&env.env, VS_KIND_LONG, &asked[2], 1); // as 4 bytes this id would meet the bounds
    CHECK_OK(locate(&t, set, &arena, &located, &err), err);
    CHECK_INT(located.row_count, 1);
    vs_id_set_free(set);
    vs_arena_clear(&arena);
    id_table_close(&t);
    CHECK_INT(env.live, 0);
}

static void failures(void)
{
    static const int64_t asked[] = {3, 150, 900};
    struct test_env env;
    struct id_table t;
    struct vs_error err = {0};
    test_env_init(&env);
    REQUIRE_OK(id_table_open(&t, &env.env, VS_KIND_LONG, &err), err);
    REQUIRE_OK(id_table_append(&t, "a", VS_KIND_LONG, 0, 100, &err), err);
    REQUIRE_OK(id_table_append(&t, "b", VS_KIND_LONG, 100, 100, &err), err);
    struct vs_id_set *set = make_set(&env.env, VS_KIND_LONG, asked, 3);
    for (long n = 0;; n++) {
        struct vs_arena arena;
        struct vs_located located = {0};
        long live = env.live;
        vs_arena_init(&arena, &env.env, 0);
        env.fail_at = env.calls + n;
        env.failed = false;
        enum vs_status status = locate(&t, set, &arena, &located, &err);
        bool failed = env.failed;
        env.fail_at = -1;
        CHECK(status == VS_OK || (failed && status == VS_NO_MEMORY));
        CHECK(status != VS_OK || located.row_count == 2);
        vs_arena_clear(&arena);
        CHECK_INT(env.live, live);
        if (!failed) {
            CHECK(n > 20);
            break;
        }
    }
    vs_id_set_free(set);
    id_table_close(&t);
    CHECK_INT(env.live, 0);
}

TEST_MAIN(TEST(numbers), TEST(texts), TEST(bounds_pruning), TEST(promoted_ids), TEST(failures))
