// SPDX-License-Identifier: Apache-2.0
// The filesystem catalog: discovery in all its forms (interop failures 16, 20), names, create,
// list, drop, other layouts.
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"
#include "tests/support/test_io.h"

#include <glob.h>
#include <sys/stat.h>

struct fixture {
    char dir[256];
    char metadata[300];
    struct test_env t;
    struct vs_catalog *catalog;
    struct vs_error err;
};

static void set_up(struct fixture *f, size_t commits)
{
    *f = (struct fixture){0};
    test_dir_make(f->dir, sizeof f->dir);
    snprintf(f->metadata, sizeof f->metadata, "%s/n/t/metadata", f->dir);
    test_env_init(&f->t);
    const struct vs_catalog_options options = {.warehouse = f->dir, .create_warehouse = true};
    CHECK_OK(vs_catalog_open(&f->t.env, &options, &f->catalog, &f->err), f->err);
    CHECK_OK(test_table_create(f->catalog, "n.t", &f->err), f->err);
    for (size_t i = 0; i < commits; i++) {
        struct vs_commit_result result = {0};
        CHECK_OK(test_table_append(f->catalog, "n.t", (int64_t)i, 1, NULL, &result, &f->err),
                 f->err);
        vs_table_release(result.table);
    }
}

static void tear_down(struct fixture *f)
{
    vs_catalog_free(f->catalog);
    CHECK_INT(f->t.live, 0);
    test_dir_remove(f->dir);
}

static void write_hint(struct fixture *f, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/version-hint.text", f->metadata);
    CHECK(test_file_write(path, text, strlen(text)));
}

static void read_hint(struct fixture *f, char *out, size_t size)
{
    char path[400];
    snprintf(path, sizeof path, "%s/version-hint.text", f->metadata);
    FILE *file = fopen(path, "r");
    out[0] = '\0';
    if (file != NULL) {
        CHECK(fgets(out, (int)size, file) != NULL);
        fclose(file);
    }
}

static void rename_metadata(struct fixture *f, const char *from, const char *to)
{
    char a[400], b[400];
    snprintf(a, sizeof a, "%s/%s", f->metadata, from);
    snprintf(b, sizeof b, "%s/%s", f->metadata, to);
    CHECK_INT(rename(a, b), 0);
}

static void expect_version(struct fixture *f, int64_t version)
{
    struct vs_table *table = NULL;
    REQUIRE_OK(vs_catalog_load(f->catalog, "n.t", &table, &f->err), f->err);
    CHECK_INT(table->version, version);
    CHECK_TEXT(table->name, "n.t");
    vs_table_release(table);
}

// Failure 20: whatever the hint says, the newest version is found, and the hint is put right.
static void hints(void)
{
    static const char *const texts[] = {
        "4",  "4\n", "2",   "1",       "", "junk", "999", "v2.metadata.json",
        "v4", "-1",  "4 4", "../../x", "0"};
    struct fixture f;
    set_up(&f, 3);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char hint[64];
        write_hint(&f, texts[i]);
        expect_version(&f, 4);
        read_hint(&f, hint, sizeof hint);
        CHECK(strcmp(hint, "4") == 0 || strcmp(hint, "4\n") == 0 || strcmp(hint, "v4") == 0);
    }
    char path[400], hint[64];
    snprintf(path, sizeof path, "%s/version-hint.text", f.metadata);
    CHECK_INT(remove(path), 0);
    expect_version(&f, 4);
    read_hint(&f, hint, sizeof hint);
    CHECK_TEXT(hint, "4");
    // old versions may be gone
    snprintf(path, sizeof path, "%s/v1.metadata.json", f.metadata);
    CHECK_INT(remove(path), 0);
    write_hint(&f, "1");
    expect_version(&f, 4);
    tear_down(&f);
}

static void compressed_metadata(void)
{
    struct fixture f;
    struct vs_commit_result result = {0};
    struct vs_table *table = NULL;
    const struct vs_pair gzip = {VS_STR("write.metadata.compression-codec"), VS_STR("gzip")};
    const struct vs_intent intent = {.set_properties = &gzip, .set_property_count = 1};
    set_up(&f, 1);
    REQUIRE_OK(vs_catalog_commit(f.catalog, "n.t", &intent, NULL, &result, &f.err), f.err);
    // The version that brings the property is still named as its rivals are.
    CHECK(strstr(result.table->metadata_uri, "v3.metadata.json") != NULL);
    vs_table_release(result.table);
    CHECK_OK(test_table_append(f.catalog, "n.t", 5, 2, NULL, &result, &f.err), f.err);
    vs_table_release(result.table);
    expect_version(&f, 4);
    rename_metadata(&f, "v4.gz.metadata.json", "v4.metadata.json.gz"); // the older spelling
    expect_version(&f, 4);
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &table, &f.err), f.err);
    struct test_rows rows = {0};
    CHECK_OK(test_table_rows(f.catalog, table->metadata, table->metadata->current_snapshot_id,
                             &rows, &f.err),
             f.err);
    CHECK_INT(rows.count, 3);
    free(rows.ids);
    vs_table_release(table);
    tear_down(&f);
}

// The layout of other catalogs is read, by hint or by number, and not written.
static void other_layouts(void)
{
    struct fixture f;
    struct vs_table *table = NULL;
    struct vs_commit_result result = {0};
    const struct vs_pair pair = {VS_STR("a"), VS_STR("b")};
    const struct vs_intent intent = {.set_properties = &pair, .set_property_count = 1};
    bool current = false;
    set_up(&f, 2);
    rename_metadata(&f, "v1.metadata.json", "00000-aaaa.metadata.json");
    rename_metadata(&f, "v2.metadata.json", "00001-cccc.metadata.json");
    rename_metadata(&f, "v3.metadata.json", "00002-bbbb.metadata.json");
    write_hint(&f, "00001-cccc");
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &table, &f.err), f.err);
    CHECK(strstr(table->metadata_uri, "00001-cccc.metadata.json") != NULL);
    CHECK_INT(table->version, -1);
    CHECK_OK(vs_catalog_is_current(f.catalog, table, &current, &f.err), f.err);
    CHECK(current);
    write_hint(&f, "00002-bbbb.metadata.json");
    CHECK_OK(vs_catalog_is_current(f.catalog, table, &current, &f.err), f.err);
    CHECK(!current);
    vs_table_release(table);
    write_hint(&f, "none");
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &table, &f.err), f.err);
    CHECK(strstr(table->metadata_uri, "00002-bbbb.metadata.json") != NULL);
    CHECK_INT(table->metadata->snapshot_count, 2);
    vs_table_release(table);
    CHECK_STATUS(vs_catalog_commit(f.catalog, "n.t", &intent, NULL, &result, &f.err),
                 VS_UNSUPPORTED);
    CHECK(strstr(f.err.message, "another catalog") != NULL);
    tear_down(&f);
}

// Failure 16: a table that was moved is refused with a sentence.
static void moved_tables(void)
{
    struct fixture f;
    struct vs_table *table = NULL;
    char from[300], to[300];
    set_up(&f, 1);
    snprintf(from, sizeof from, "%s/n/t", f.dir);
    snprintf(to, sizeof to, "%s/n/u", f.dir);
    CHECK_INT(rename(from, to), 0);
    CHECK_STATUS(vs_catalog_load(f.catalog, "n.u", &table, &f.err), VS_DENIED);
    CHECK(strstr(f.err.message, "moved") != NULL);
    CHECK_STATUS(vs_catalog_load(f.catalog, "n.t", &table, &f.err), VS_NOT_FOUND);
    tear_down(&f);
}

static enum vs_status collect(void *ctx, const char *name, struct vs_error *err)
{
    (void)err;
    char *all = ctx;
    size_t len = strlen(all);
    snprintf(all + len, 512 - len, "%s;", name);
    return VS_OK;
}

static void names_and_lists(void)
{
    static const char *const bad[] = {"",     ".",   "a.", ".b",   "a..b", "a/b",
                                      "../a", "a b", "-a", "a.-b", "ä",    "a.b%"};
    static const char *const good[] = {"t", "n.t", "A_9.b-c", "_x", "a.b.c"};
    struct fixture f;
    char all[512] = "";
    set_up(&f, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_STATUS(vs_table_name_check(bad[i], &f.err), VS_INVALID);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK_OK(vs_table_name_check(good[i], &f.err), f.err);
    }
    CHECK_STATUS(test_table_create(f.catalog, "a.b.c", &f.err), VS_INVALID); // one level here
    CHECK_OK(test_table_create(f.catalog, "n-a.z", &f.err), f.err);
    CHECK_OK(test_table_create(f.catalog, "n.a-b", &f.err), f.err);
    CHECK_OK(test_table_create(f.catalog, "plain", &f.err), f.err);
    CHECK_STATUS(test_table_create(f.catalog, "n.t", &f.err), VS_EXISTS);
    CHECK_STATUS(test_table_create(f.catalog, "default.plain", &f.err), VS_EXISTS);
    CHECK_OK(vs_catalog_list(f.catalog, collect, all, &f.err), f.err);
    CHECK_TEXT(all, "default.plain;n-a.z;n.a-b;n.t;");
    CHECK_OK(vs_catalog_drop(f.catalog, "n.a-b", &f.err), f.err);
    CHECK_STATUS(vs_catalog_drop(f.catalog, "n.a-b", &f.err), VS_NOT_FOUND);
    CHECK_OK(vs_catalog_drop(f.catalog, "n.t", &f.err), f.err);
    CHECK_OK(test_table_create(f.catalog, "n.t", &f.err), f.err); // the name is free again
    expect_version(&f, 1);
    const struct vs_catalog_options other = {.kind = "hive", .warehouse = "x"};
    const struct vs_pair misspelt = {VS_STR("s3.endpoit"), VS_STR("x")},
                         foreign = {VS_STR("token"), VS_STR("x")};
    const struct vs_settings wrong = {&misspelt, 1}, right = {&foreign, 1};
    struct vs_catalog *catalog = NULL;
    CHECK_STATUS(vs_catalog_open(&f.t.env, &other, &catalog, &f.err), VS_UNSUPPORTED);
    CHECK_STATUS(vs_settings_check_known(&wrong, &f.err), VS_INVALID);
    CHECK(strstr(f.err.message, "s3.endpoint") != NULL);
    CHECK_OK(vs_settings_check_known(&right, &f.err), f.err);
    tear_down(&f);
}

struct expiring {
    struct vs_catalog *catalog;
    int calls;
};

// While the commit is being made, another one lands and the base's manifest list is expired.
static enum vs_status expire_base(void *ctx,
                                  const struct vs_table_metadata *base,
                                  struct vs_intent *intent,
                                  struct vs_error *err)
{
    struct expiring *expiring = ctx;
    (void)intent;
    if (expiring->calls++ > 0) {
        return VS_OK;
    }
    struct vs_commit_result result = {0};
    struct vs_str list = vs_table_snapshot(base, base->current_snapshot_id)->manifest_list;
    VS_TRY(test_table_append(expiring->catalog, "n.t", 500, 1, NULL, &result, err));
    vs_table_release(result.table);
    struct vs_store *store = vs_catalog_store(expiring->catalog);
    struct vs_buf key;
    vs_buf_init(&key, vs_catalog_env(expiring->catalog), 1 << 16);
    enum vs_status status = vs_store_key(store, list, &key, err);
    if (status == VS_OK) {
        status = vs_store_remove(store, vs_buf_c_str(&key), err);
    }
    vs_buf_clear(&key);
    return status;
}

static void expired_base(void)
{
    struct fixture f;
    struct vs_commit_result result = {0};
    set_up(&f, 1);
    REQUIRE_OK(test_table_append(f.catalog, "n.t", 1, 1, NULL, &result, &f.err), f.err);
    vs_table_release(result.table);
    result = (struct vs_commit_result){0};
    struct expiring expiring = {.catalog = f.catalog};
    const struct vs_intent intent = {
        .operation = "append", .rebase = expire_base, .rebase_ctx = &expiring};
    CHECK_OK(vs_catalog_commit(f.catalog, "n.t", &intent, NULL, &result, &f.err), f.err);
    CHECK_INT(result.attempts, 2);
    vs_table_release(result.table);
    tear_down(&f);
}

static void versions_and_locations(void)
{
    struct fixture f;
    struct vs_table *table = NULL, *again = NULL;
    struct vs_commit_result result = {0};
    bool current = false;
    set_up(&f, 1);
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &table, &f.err), f.err);
    CHECK_OK(vs_catalog_is_current(f.catalog, table, &current, &f.err), f.err);
    CHECK(current);
    again = vs_table_retain(table);
    CHECK_OK(test_table_append(f.catalog, "n.t", 10, 1, NULL, &result, &f.err), f.err);
    vs_table_release(result.table);
    CHECK_OK(vs_catalog_is_current(f.catalog, table, &current, &f.err), f.err);
    CHECK(!current);
    vs_table_release(table);
    CHECK_INT(again->version, 2);
    vs_table_release(again);
    struct vs_field field = {.name = VS_STR("id"), .kind = VS_KIND_LONG, .required = true};
    struct vs_schema schema = {.field_count = 1, .fields = &field};
    struct vs_table_create elsewhere = {.location = VS_STR("file:///elsewhere/x"),
                                        .schema = &schema};
    CHECK_STATUS(vs_catalog_create(f.catalog, "n.x", &elsewhere, &table, &f.err), VS_INVALID);
    tear_down(&f);
}

// ---- the drop fence: a commit and a drop of one table at the same time ----

struct meddler {
    struct fixture *f;
    bool make_anew;
};

static enum vs_status drop_between(void *ctx,
                                   const struct vs_table_metadata *base,
                                   struct vs_intent *intent,
                                   struct vs_error *err)
{
    struct meddler *m = ctx;
    (void)base;
    (void)intent;
    VS_TRY(vs_catalog_drop(m->f->catalog, "n.t", err));
    return m->make_anew ? test_table_create(m->f->catalog, "n.t", err) : VS_OK;
}

static size_t count_files(const struct fixture *f, const char *pattern)
{
    char path[512];
    glob_t found;
    snprintf(path, sizeof path, "%s/%s", f->dir, pattern);
    size_t count = glob(path, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

// The writer comes second: it finds the version that it built on gone, or another table's.
static void dropped_in_mid_commit(void)
{
    for (int anew = 0; anew < 2; anew++) {
        struct fixture f;
        struct vs_commit_result result = {0};
        struct vs_table *table = NULL;
        set_up(&f, 0);
        struct meddler meddler = {&f, anew == 1};
        const struct vs_pair pair = {VS_STR("a"), VS_STR("b")};
        const struct vs_intent intent = {.set_properties = &pair,
                                         .set_property_count = 1,
                                         .rebase = drop_between,
                                         .rebase_ctx = &meddler};
        CHECK_STATUS(vs_catalog_commit(f.catalog, "n.t", &intent, NULL, &result, &f.err),
                     VS_NOT_FOUND);
        CHECK(strstr(f.err.message, "dropped") != NULL);
        CHECK_INT(count_files(&f, "n/t/metadata/*.metadata.json"), anew);
        CHECK_INT(vs_catalog_load(f.catalog, "n.t", &table, &f.err),
                  anew == 1 ? VS_OK : VS_NOT_FOUND);
        vs_table_release(table);
        tear_down(&f);
    }
}

// ---- names that are free again, since old versions were removed ----

struct cleaner {
    struct fixture *f;
    size_t commits; // by others, in the first attempt
    size_t removed; // versions, the oldest first
    bool gzip;      // the others' commit changes how metadata is written
    bool done;
};

static enum vs_status overtake(void *ctx,
                               const struct vs_table_metadata *base,
                               struct vs_intent *intent,
                               struct vs_error *err)
{
    struct cleaner *c = ctx;
    (void)base;
    (void)intent;
    for (size_t i = 0; !c->done && i < c->commits; i++) {
        struct vs_commit_result result = {0};
        const struct vs_pair gzip = {VS_STR("write.metadata.compression-codec"), VS_STR("gzip")};
        const struct vs_intent other = {.set_properties = &gzip, .set_property_count = 1};
        VS_TRY(c->gzip
                   ? vs_catalog_commit(c->f->catalog, "n.t", &other, NULL, &result, err)
                   : test_table_append(c->f->catalog, "n.t", (int64_t)i, 1, NULL, &result, err));
        vs_table_release(result.table);
    }
    for (size_t i = 1; !c->done && i <= c->removed; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/v%zu.metadata.json", c->f->metadata, i);
        CHECK_INT(remove(path), 0);
    }
    c->done = true;
    return VS_OK;
}

// Commits on v1 while others overtake; returns how many versions there are then.
static int64_t commit_overtaken(struct cleaner *c, struct fixture *f)
{
    struct vs_commit_result result = {0};
    struct vs_table *table = NULL;
    const struct vs_pair pair = {VS_STR("a"), VS_STR("b")};
    const struct vs_intent intent = {
        .set_properties = &pair, .set_property_count = 1, .rebase = overtake, .rebase_ctx = c};
    int64_t version = -1;
    set_up(f, 0);
    c->f = f;
    CHECK_OK(vs_catalog_commit(f->catalog, "n.t", &intent, NULL, &result, &f->err), f->err);
    CHECK_INT(result.attempts, 2);
    vs_table_release(result.table);
    CHECK_OK(vs_catalog_load(f->catalog, "n.t", &table, &f->err), f->err);
    if (table == NULL) {
        return version;
    }
    CHECK(vs_str_equal_c(vs_table_property(table->metadata, "a"), "b"));
    CHECK_INT(table->metadata->snapshot_count, c->gzip ? 0 : c->commits);
    version = table->version;
    vs_table_release(table);
    return version;
}

// A writer that was stalled for long finds the next name free, creates it, and is not in the table
// for that: it has to see this and to begin again.
static void overtaken_and_cleaned(void)
{
    for (size_t removed = 2; removed <= 4; removed++) {
        struct fixture f;
        struct cleaner cleaner = {.commits = 4, .removed = removed};
        CHECK_INT(commit_overtaken(&cleaner, &f), 6);
        CHECK_INT(count_files(&f, "n/t/metadata/v*.metadata.json"), 6 - removed);
        CHECK_INT(count_files(&f, "n/t/metadata/v2.metadata.json"), 0); // what it had made is gone
        tear_down(&f);
    }
}

// Two writers of one version have to meet at one name, whatever they change.
static void one_name_per_version(void)
{
    struct fixture f;
    struct cleaner cleaner = {.commits = 1, .gzip = true};
    CHECK_INT(commit_overtaken(&cleaner, &f), 3);
    CHECK_INT(count_files(&f, "n/t/metadata/v2.*"), 1);
    CHECK_INT(count_files(&f, "n/t/metadata/v3.gz.metadata.json"), 1);
    tear_down(&f);
}

struct late_writer {
    struct fixture *f;
    bool done;
};

// Commits just before the newest version is removed.
static enum vs_status commit_before_removal(void *ctx,
                                            const char *op,
                                            const char *key,
                                            struct vs_error *err)
{
    struct late_writer *w = ctx;
    (void)err;
    if (strcmp(op, "remove") == 0 && !w->done && strstr(key, "/v2.") != NULL) {
        struct vs_commit_result result = {0};
        const struct vs_pair pair = {VS_STR("a"), VS_STR("b")};
        const struct vs_intent intent = {.set_properties = &pair, .set_property_count = 1};
        w->done = true;
        CHECK_OK(vs_catalog_commit(w->f->catalog, "n.t", &intent, NULL, &result, &w->f->err),
                 w->f->err);
        vs_table_release(result.table);
    }
    return VS_OK;
}

// The dropper comes second: it finds the version that came after its list.
static void committed_in_mid_drop(void)
{
    struct fixture f;
    struct vs_store *inner = NULL, *store = NULL;
    struct vs_catalog *dropper = NULL;
    struct vs_table *table = NULL;
    set_up(&f, 1);
    struct late_writer writer = {&f, false};
    REQUIRE_OK(vs_store_open(&f.t.env, f.dir, false, &inner, &f.err), f.err);
    REQUIRE_OK(vs_store_wrap_hook(inner, commit_before_removal, &writer, &store, &f.err), f.err);
    REQUIRE_OK(vs_catalog_open_store(&f.t.env, store, &dropper, &f.err), f.err);
    CHECK_OK(vs_catalog_drop(dropper, "n.t", &f.err), f.err);
    CHECK(writer.done);
    CHECK_STATUS(vs_catalog_load(f.catalog, "n.t", &table, &f.err), VS_NOT_FOUND);
    CHECK_INT(count_files(&f, "n/t/metadata/*.metadata.json"), 0);
    vs_catalog_free(dropper);
    tear_down(&f);
}

// More than 100 small manifests become one, with the entries' own sequence numbers, for data and
// for deletes.
static void manifests_are_merged(void)
{
    struct fixture f;
    struct vs_table *table = NULL;
    struct vs_commit_result result = {0};
    struct test_rows rows = {0};
    const struct vs_pair few = {VS_STR("commit.manifest.min-count-to-merge"), VS_STR("5")};
    const struct vs_intent intent = {.set_properties = &few, .set_property_count = 1};
    set_up(&f, 0);
    REQUIRE_OK(vs_catalog_commit(f.catalog, "n.t", &intent, NULL, &result, &f.err), f.err);
    vs_table_release(result.table);
    for (int64_t i = 0; i < 23; i++) {
        CHECK_OK(test_table_append(f.catalog, "n.t", i, 1, NULL, &result, &f.err), f.err);
        vs_table_release(result.table);
        if (i % 3 == 2) {
            CHECK_OK(test_table_delete(f.catalog, "n.t", &i, 1, &result, &f.err), f.err);
            vs_table_release(result.table);
        }
    }
    REQUIRE_OK(vs_catalog_load(f.catalog, "n.t", &table, &f.err), f.err);
    CHECK_OK(test_table_rows(f.catalog, table->metadata, table->metadata->current_snapshot_id,
                             &rows, &f.err),
             f.err);
    CHECK_INT(rows.count, 23 - 7);
    CHECK_INT(rows.deleted, 7);
    free(rows.ids);
    struct vs_scan_plan *plan = NULL;
    REQUIRE_OK(vs_scan_plan_make(&f.t.env, vs_catalog_store(f.catalog), table->metadata,
                                 table->metadata->current_snapshot_id, &plan, &f.err),
               f.err);
    for (size_t i = 1; i < plan->file_count; i++) {
        CHECK(plan->files[i].data.sequence_number > plan->files[i - 1].data.sequence_number);
    }
    vs_scan_plan_free(plan);
    // the manifest list is short
    struct vs_buf key, bytes;
    struct vs_arena arena;
    struct vs_manifest_file *manifests = NULL;
    size_t count = 0;
    vs_arena_init(&arena, &f.t.env, 0);
    vs_buf_init(&key, &f.t.env, 4096);
    vs_buf_init(&bytes, &f.t.env, 1 << 24);
    const struct vs_snapshot *snapshot =
        vs_table_snapshot(table->metadata, table->metadata->current_snapshot_id);
    CHECK_OK(vs_store_key(vs_catalog_store(f.catalog), snapshot->manifest_list, &key, &f.err),
             f.err);
    CHECK_OK(vs_store_get(vs_catalog_store(f.catalog), vs_buf_c_str(&key), &bytes, &f.err), f.err);
    CHECK_OK(vs_manifest_list_read(&f.t.env, vs_buf_view(&bytes), "list", &arena, &manifests,
                                   &count, &f.err),
             f.err);
    CHECK(count <= 14);
    bool has_existing = false;
    for (size_t i = 0; i < count; i++) {
        has_existing = has_existing || manifests[i].existing_files > 1;
    }
    CHECK(has_existing);
    vs_buf_clear(&key);
    vs_buf_clear(&bytes);
    vs_arena_clear(&arena);
    vs_table_release(table);
    const char *python = test_python();
    if (python == NULL) {
        printf(
            "SKIP: verify_iceberg.py does not read table n.t back, no Python (VECSTORE_PYTHON)\n");
    } else {
        char path[300];
        snprintf(path, sizeof path, "%s/n/t", f.dir);

        union {
            const char *in;
            char *out;
        } args[] = {{python},
                    {"tests/conform/verify_iceberg.py"},
                    {path},
                    {"{\"ids\": [[0,2],[3,5],[6,8],[9,11],[12,14],[15,17],[18,20],[21,23]], "
                     "\"snapshots\": 30, \"deletes\": 7}"}};

        char *argv[] = {args[0].out, args[1].out, args[2].out, args[3].out, NULL};
        CHECK_INT(test_run_program(argv), 0);
    }
    tear_down(&f);
}

TEST_MAIN(TEST(hints),
          TEST(compressed_metadata),
          TEST(other_layouts),
          TEST(moved_tables),
          TEST(names_and_lists),
          TEST(expired_base),
          TEST(versions_and_locations),
          TEST(dropped_in_mid_commit),
          TEST(overtaken_and_cleaned),
          TEST(one_name_per_version),
          TEST(committed_in_mid_drop),
          TEST(manifests_are_merged))
