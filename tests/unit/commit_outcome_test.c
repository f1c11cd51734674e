// SPDX-License-Identifier: Apache-2.0
/*
 * The commit loop and publishes whose outcome is unknown (R3-R5; regression list B1-B4), over a
 * catalog that passes everything on to the SQL catalog and spoils the n-th publish.
 */
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"
#include "vecstore/catalog/catalog_internal.h"

enum spoil {
    DROPPED,             // never arrives
    APPLIED,             // arrives, the reply is lost
    LANDS_ON_RESEND,     // arrives just before the second send
    SUPERSEDED,          // never arrives, others commit
    APPLIED_THEN_OTHERS, // arrives, then others commit
    BLIND,               // never arrives, and nothing can be read any more
    SUPERSEDED_BLIND,    // never arrives, others commit, and the kind cannot resolve
    TABLE_GONE,          // never arrives, the table is dropped
    SPOIL_COUNT
};

struct spoiler {
    struct vs_catalog base;
    struct vs_catalog *inner;
    struct vs_catalog *other; // of the other writer
    enum spoil spoil;
    int publishes;
    bool blind;
    struct vs_error err;
};

static struct spoiler *spoiler_of(struct vs_catalog *catalog)
{
    return (struct spoiler *)catalog;
}

static enum vs_status s_load(struct vs_catalog *catalog,
                             const char *name,
                             struct vs_table **table_out,
                             struct vs_error *err)
{
    struct spoiler *s = spoiler_of(catalog);
    if (s->blind) {
        return vs_fail(err, VS_UNAVAILABLE, "nothing can be read");
    }
    return s->inner->vtable->load(s->inner, name, table_out, err);
}

static enum vs_outcome s_send(struct spoiler *s, const struct vs_publish *publish)
{
    struct vs_table *table = NULL;
    struct vs_table_metadata *keep = *publish->taken;
    struct vs_publish copy = *publish;
    struct vs_table_metadata *none = keep;
    enum vs_status status;
    copy.taken = &none;
    enum vs_outcome outcome = s->inner->vtable->publish(s->inner, &copy, &table, &status, &s->err);
    if (none == NULL) { // a table was made of it: keep the metadata for the loop, drop the table
        CHECK(table != NULL);
        *publish->taken = NULL;
        vs_table_release(table);
    }
    return outcome;
}

static void others_commit(struct spoiler *s)
{
    struct vs_commit_result result = {0};
    CHECK_OK(test_table_append(s->other, "n.t", 100, 1, NULL, &result, &s->err), s->err);
    vs_table_release(result.table);
}

static enum vs_outcome s_publish(struct vs_catalog *catalog,
                                 const struct vs_publish *publish,
                                 struct vs_table **table_out,
                                 enum vs_status *status_out,
                                 struct vs_error *err)
{
    struct spoiler *s = spoiler_of(catalog);
    s->publishes++;
    CHECK(publish->is_resend == (s->publishes == 2 && s->spoil != SUPERSEDED));
    if (s->publishes > 1 && s->spoil != LANDS_ON_RESEND) {
        return s->inner->vtable->publish(s->inner, publish, table_out, status_out, err);
    }
    if (s->publishes > 1) { // the first send lands now; this one meets it
        const struct vs_table_metadata *next = publish->next;
        struct vs_publish first = *publish;
        first.is_resend = false;
        first.next = next;
        struct vs_table_metadata *spare = *publish->taken;
        first.taken = &spare;
        CHECK_INT(s->inner->vtable->publish(s->inner, &first, table_out, status_out, err),
                  VS_OUTCOME_DONE);
        vs_table_release(*table_out); // its reply is lost, with the metadata
        *table_out = NULL;
        *publish->taken = NULL;
        return VS_OUTCOME_CONFLICT;
    }
    switch (s->spoil) {
    case APPLIED_THEN_OTHERS:
    case APPLIED:
        CHECK_INT(s_send(s, publish), VS_OUTCOME_DONE);
        break;
    case BLIND:
        s->blind = true;
        break;
    case TABLE_GONE:
        CHECK_OK(vs_catalog_drop(s->other, "n.t", &s->err), s->err);
        break;
    case DROPPED:
    case LANDS_ON_RESEND:
    case SUPERSEDED:
    case SUPERSEDED_BLIND:
    case SPOIL_COUNT:
        break;
    }
    if (s->spoil == SUPERSEDED || s->spoil == SUPERSEDED_BLIND || s->spoil == APPLIED_THEN_OTHERS) {
        others_commit(s);
    }
    *status_out = vs_fail(err, VS_UNKNOWN, "the reply was lost");
    return VS_OUTCOME_UNKNOWN;
}

static enum vs_outcome s_resolve(struct vs_catalog *catalog,
                                 const struct vs_publish *publish,
                                 const struct vs_table *now)
{
    struct spoiler *s = spoiler_of(catalog);
    return s->spoil == SUPERSEDED_BLIND ? VS_OUTCOME_UNKNOWN
                                        : s->inner->vtable->resolve(s->inner, publish, now);
}

static const struct vs_catalog_vtable vtable = {
    .load = s_load, .publish = s_publish, .resolve = s_resolve};

struct expected {
    enum vs_status status;
    int publishes;
    unsigned attempts;
    size_t rows; // after it, of 2 old ones
};

static const struct expected expectations[SPOIL_COUNT] = {
    [DROPPED] = {VS_OK, 2, 1, 5},
    [APPLIED] = {VS_OK, 1, 1, 5},
    [LANDS_ON_RESEND] = {VS_OK, 2, 1, 5},
    [SUPERSEDED] = {VS_OK, 2, 2, 6},
    [APPLIED_THEN_OTHERS] = {VS_OK, 1, 1, 6},
    [BLIND] = {VS_UNKNOWN, 1, 0, 2},
    [SUPERSEDED_BLIND] = {VS_UNKNOWN, 1, 0, 3},
    [TABLE_GONE] = {VS_UNKNOWN, 1, 0, 0},
};

static void check_rows(struct spoiler *s, const struct expected *expected)
{
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    if (s->spoil == TABLE_GONE) {
        CHECK_STATUS(vs_catalog_load(s->other, "n.t", &table, &s->err), VS_NOT_FOUND);
        return;
    }
    REQUIRE_OK(vs_catalog_load(s->other, "n.t", &table, &s->err), s->err);
    CHECK_OK(test_table_rows(s->other, table->metadata, table->metadata->current_snapshot_id, &rows,
                             &s->err),
             s->err);
    CHECK_INT(rows.count, expected->rows);
    for (size_t i = 1; i < rows.count; i++) {
        CHECK(rows.ids[i] != rows.ids[i - 1]);
    }
    free(rows.ids);
    vs_table_release(table);
}

static struct vs_catalog *open_sql(const struct vs_env *env, const char *dir, struct vs_error *err)
{
    struct vs_catalog *catalog = NULL;
    const struct vs_catalog_options options = {
        .kind = "sql", .warehouse = dir, .create_warehouse = true};
    CHECK_OK(vs_catalog_open(env, &options, &catalog, err), *err);
    return catalog;
}

static void append_old_rows(struct spoiler *s)
{
    struct vs_commit_result result = {0};
    CHECK_OK(test_table_create(s->other, "n.t", &s->err), s->err);
    CHECK_OK(test_table_append(s->other, "n.t", 0, 2, NULL, &result, &s->err), s->err);
    vs_table_release(result.table);
}

static void every_unknown(void)
{
    for (int spoil = 0; spoil < SPOIL_COUNT; spoil++) {
        char dir[256];
        struct test_env t;
        struct spoiler s = {.spoil = (enum spoil)spoil};
        struct vs_commit_result result = {0};
        const struct expected *expected = &expectations[spoil];
        test_dir_make(dir, sizeof dir);
        test_env_init(&t);
        s.inner = open_sql(&t.env, dir, &s.err);
        s.other = open_sql(&t.env, dir, &s.err);
        s.base = (struct vs_catalog){
            .vtable = &vtable, .env = &t.env, .store = vs_catalog_store(s.inner)};
        append_old_rows(&s);
        int before = check_failures;
        CHECK_INT(test_table_append(&s.base, "n.t", 2, 3, NULL, &result, &s.err), expected->status);
        CHECK_INT(s.publishes, expected->publishes);
        if (expected->status == VS_OK) {
            CHECK_INT(result.attempts, expected->attempts);
            CHECK(result.table != NULL);
        } else {
            CHECK(strstr(s.err.message, "snapshot") != NULL);
        }
        vs_table_release(result.table);
        check_rows(&s, expected);
        if (check_failures != before) {
            fprintf(stderr, "in case %d\n", spoil);
        }
        vs_catalog_free(s.inner);
        vs_catalog_free(s.other);
        CHECK_INT(t.live, 0);
        test_dir_remove(dir);
    }
}

TEST_MAIN(TEST(every_unknown))
