// SPDX-License-Identifier: Apache-2.0
// `table check`: each kind of damage is reported with the name of the object that has it, and
// nothing else is.
#include "ingest/check_job.h"
#include "tests/support/check.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"

#define NAME "n.t"
#define ROWS INT64_C(50)

struct lake {
    struct vs_catalog *catalog;
    struct vs_store *store;
    struct vs_table *table; // newest
    struct vs_arena arena;
    struct vs_buf report;
    struct vs_check_result result;
    struct vs_error err;
};

static void reload(struct lake *l)
{
    vs_table_release(l->table);
    l->table = NULL;
    CHECK_OK(vs_catalog_load(l->catalog, NAME, &l->table, &l->err), l->err);
}

static void append(struct lake *l, int64_t first)
{
    struct vs_commit_result result = {0};
    CHECK_OK(test_table_append(l->catalog, NAME, first, ROWS, NULL, &result, &l->err), l->err);
    vs_table_release(result.table);
    reload(l);
}

// Deletes rows 3 and 4 of the first file.
static void delete_rows(struct lake *l)
{
    struct vs_scan_plan *plan = NULL;
    struct vs_deletes_written written = {0};
    struct vs_commit_result result = {0};
    const struct vs_table_metadata *m = l->table->metadata;
    REQUIRE_OK(
        vs_scan_plan_make(vs_env_default(), l->store, m, m->current_snapshot_id, &plan, &l->err),
        l->err);
    struct vs_position_delete rows[] = {{plan->files[0].data.path, 3},
                                        {plan->files[0].data.path, 4}};
    const struct vs_deletes_request request = {
        .metadata = m, .snapshot_id = m->current_snapshot_id, .rows = rows, .row_count = 2};
    CHECK_OK(vs_deletes_write(l->store, &request, &l->arena, &written, &l->err), l->err);
    const struct vs_intent intent = {.operation = "delete",
                                     .added_deletes = written.added,
                                     .added_delete_count = written.added_count};
    CHECK_OK(vs_catalog_commit(l->catalog, NAME, &intent, NULL, &result, &l->err), l->err);
    vs_table_release(result.table);
    vs_scan_plan_free(plan);
    reload(l);
}

// Two data files and deletes, three snapshots.
static bool open_lake(struct lake *l, int version)
{
    struct vs_field fields[TEST_FIELDS];
    int32_t identifier[1];
    struct vs_schema schema = test_schema(fields, identifier);
    const struct vs_pair properties[] = {
        {VS_STR("vecstore.vector.embedding.dimension"), VS_STR("4")}};
    const struct vs_table_create create = {.schema = &schema,
                                           .format_version = version,
                                           .properties = properties,
                                           .property_count = 1};
    int before = check_failures;
    *l = (struct lake){0};
    vs_arena_init(&l->arena, vs_env_default(), 0);
    vs_buf_init(&l->report, vs_env_default(), 1 << 20);
    CHECK_OK(vs_store_open_mem(vs_env_default(), "check", &l->store, &l->err), l->err);
    CHECK_OK(vs_catalog_open_store(vs_env_default(), l->store, &l->catalog, &l->err), l->err);
    CHECK_OK(vs_catalog_create(l->catalog, NAME, &create, &l->table, &l->err), l->err);
    append(l, 0);
    append(l, ROWS);
    delete_rows(l);
    return check_failures == before;
}

static void close_lake(struct lake *l)
{
    vs_table_release(l->table);
    vs_catalog_free(l->catalog);
    vs_buf_clear(&l->report);
    vs_arena_clear(&l->arena);
}

static void run_check(struct lake *l)
{
    struct vs_json_writer w;
    vs_buf_reset(&l->report);
    vs_json_writer_init(&w, &l->report, false);
    vs_jw_object_begin(&w);
    CHECK_OK(vs_check_job_run(l->catalog, l->table, NULL, &w, &l->result, &l->err), l->err);
    vs_jw_object_end(&w);
    CHECK_OK(vs_json_writer_finish(&w, &l->err), l->err);
}

// Exactly `count` problems, one of them this one.
static void expect(struct lake *l, size_t count, struct vs_str object, const char *problem)
{
    char head[700];
    run_check(l);
    (void)snprintf(head, sizeof head, "{\"object\":\"%.*s\",\"problem\":\"", VS_STR_ARG(object));
    const char *text = vs_buf_c_str(&l->report), *found = strstr(text, head);
    bool is_named = false;
    while (found != NULL && !is_named) {
        const char *end = strchr(found, '}'), *at = strstr(found, problem);
        is_named = at != NULL && end != NULL && at < end;
        found = strstr(found + 1, head);
    }
    if (!is_named || l->result.problems != count) {
        check_report(__FILE__, __LINE__, "the damage is reported by the object's name");
        fprintf(stderr, "    expected %zu problems, %.*s: %s\n    %s\n", count, VS_STR_ARG(object),
                problem, text);
    }
}

// ---- objects ----

static const char *key_of(struct lake *l, struct vs_str uri)
{
    struct vs_buf key;
    vs_buf_init(&key, vs_env_default(), 4096);
    CHECK_OK(vs_store_key(l->store, uri, &key, &l->err), l->err);
    struct vs_str copy = vs_arena_copy_str(&l->arena, vs_buf_view(&key));
    vs_buf_clear(&key);
    return copy.ptr;
}

static void lose(struct lake *l, struct vs_str uri)
{
    CHECK_OK(vs_store_remove(l->store, key_of(l, uri), &l->err), l->err);
}

static struct vs_str get(struct lake *l, struct vs_str uri)
{
    struct vs_buf bytes;
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    CHECK_OK(vs_store_get(l->store, key_of(l, uri), &bytes, &l->err), l->err);
    struct vs_str copy = vs_arena_copy_str(&l->arena, vs_buf_view(&bytes));
    vs_buf_clear(&bytes);
    return copy;
}

static void put(struct lake *l, struct vs_str uri, struct vs_str bytes)
{
    CHECK_OK(vs_store_put(l->store, key_of(l, uri), bytes, VS_PUT_ANY, &l->err), l->err);
}

static void flip(struct lake *l, struct vs_str uri)
{
    struct vs_str bytes = get(l, uri);
    char *copy = vs_arena_alloc(&l->arena, bytes.len);
    memcpy(copy, bytes.ptr, bytes.len);
    copy[bytes.len / 3] = (char)(copy[bytes.len / 3] ^ 4);
    put(l, uri, (struct vs_str){copy, bytes.len});
}

// ---- manifests ----

struct listing {
    const struct vs_snapshot *snapshot;
    struct vs_manifest_file *manifests;
    size_t count;
    struct vs_data_file *entries; // of one manifest
    size_t entry_count;
};

static struct listing read_listing(struct lake *l)
{
    struct listing out = {
        .snapshot = vs_table_snapshot(l->table->metadata, l->table->metadata->current_snapshot_id)};
    CHECK_OK(vs_manifest_list_read(vs_env_default(), get(l, out.snapshot->manifest_list), "list",
                                   &l->arena, &out.manifests, &out.count, &l->err),
             l->err);
    return out;
}

static void read_entries(struct lake *l, struct listing *out, size_t manifest)
{
    const struct vs_manifest_read read = {.env = vs_env_default(),
                                          .bytes = get(l, out->manifests[manifest].path),
                                          .what = "manifest",
                                          .manifest = &out->manifests[manifest],
                                          .metadata = l->table->metadata};
    CHECK_OK(vs_manifest_read(&read, &l->arena, &out->entries, &out->entry_count, &l->err), l->err);
}

static size_t manifest_of(const struct listing *list, int content)
{
    size_t found = 0;
    for (size_t i = 0; i < list->count; i++) {
        found = list->manifests[i].content == content ? i : found;
    }
    return found;
}

static void write_list(struct lake *l, const struct listing *list)
{
    struct vs_buf bytes;
    const struct vs_manifest_list_write write = {.entries = list->manifests,
                                                 .count = list->count,
                                                 .snapshot_id = list->snapshot->snapshot_id,
                                                 .parent_id = list->snapshot->parent_id,
                                                 .sequence_number = list->snapshot->sequence_number,
                                                 .format_version =
                                                     l->table->metadata->format_version,
                                                 .first_row_id = list->snapshot->first_row_id};
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    CHECK_OK(vs_manifest_list_write_bytes(vs_env_default(), &write, &bytes, &l->err), l->err);
    put(l, list->snapshot->manifest_list, vs_buf_view(&bytes));
    vs_buf_clear(&bytes);
}

// Writes the manifest with the entries of the listing, and the list for it.
static void write_manifest(struct lake *l, struct listing *list, size_t manifest)
{
    struct vs_buf bytes;
    struct vs_manifest_file *m = &list->manifests[manifest];
    const struct vs_manifest_write write = {.metadata = l->table->metadata,
                                            .snapshot_id = m->added_snapshot_id,
                                            .spec_id = m->spec_id,
                                            .is_deletes = m->content == 1,
                                            .files = list->entries,
                                            .file_count = list->entry_count};
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    CHECK_OK(vs_manifest_write_bytes(vs_env_default(), &write, &bytes, &l->err), l->err);
    put(l, m->path, vs_buf_view(&bytes));
    m->length = (int64_t)bytes.len;
    vs_buf_clear(&bytes);
    write_list(l, list);
}

// The newest manifest of this content with its entries.
static struct listing open_listing(struct lake *l, int content, size_t *manifest_out)
{
    struct listing list = read_listing(l);
    *manifest_out = manifest_of(&list, content);
    read_entries(l, &list, *manifest_out);
    return list;
}

// ---- cases ----

static void a_sound_table(void)
{
    for (int version = 2; version <= 3; version++) {
        struct lake l;
        REQUIRE(open_lake(&l, version));
        run_check(&l);
        CHECK_INT(l.result.problems, 0);
        CHECK_INT(l.result.files, 2);
        CHECK_INT(l.result.rows, 2 * ROWS);
        CHECK_INT(l.result.deleted, 2);
        close_lake(&l);
    }
}

static void damaged_data(void)
{
    size_t m;
    for (int kind = 0; kind < 3; kind++) {
        struct lake l;
        REQUIRE(open_lake(&l, 2));
        struct listing list = open_listing(&l, 0, &m);
        struct vs_str path = list.entries[0].path;
        struct vs_str bytes = get(&l, path);
        if (kind == 0) {
            lose(&l, path);
            expect(&l, 1, path, "missing");
        } else if (kind == 1) {
            put(&l, path, (struct vs_str){bytes.ptr, bytes.len - 9});
            expect(&l, 1, path, "its manifest says");
        } else {
            flip(&l, path);
            expect(&l, 1, path, "checksum");
        }
        close_lake(&l);
    }
}

static void damaged_deletes(void)
{
    size_t m;
    for (int version = 2; version <= 3; version++) {
        struct lake l;
        REQUIRE(open_lake(&l, version));
        struct listing list = open_listing(&l, 1, &m);
        struct vs_str path = list.entries[0].path, bytes = get(&l, path);
        if (version == 2) {
            flip(&l, path);
            expect(&l, 1, path, "checksum");
        }
        char *copy = vs_arena_alloc(&l.arena, bytes.len); // the vector's first bytes
        memcpy(copy, bytes.ptr, bytes.len);
        copy[version == 3 ? (size_t)list.entries[0].content_offset + 20 : 30] ^= 1;
        put(&l, path, (struct vs_str){copy, bytes.len});
        expect(&l, 1, path, version == 3 ? "CRC" : "checksum");
        lose(&l, path);
        expect(&l, 1, path, "missing");
        close_lake(&l);
    }
}

static void damaged_manifests(void)
{
    struct lake l;
    REQUIRE(open_lake(&l, 2));
    struct listing list = read_listing(&l);
    struct vs_str path = list.manifests[0].path, bytes = get(&l, path);
    flip(&l, path);
    expect(&l, 1, path, "checksum");
    put(&l, path, (struct vs_str){bytes.ptr, bytes.len - 1});
    expect(&l, 1, path, "its manifest list says");
    lose(&l, path);
    expect(&l, 1, path, "missing");
    close_lake(&l);
}

// Also of a snapshot that is not the current one.
static void damaged_lists(void)
{
    for (size_t i = 0; i < 3; i++) {
        struct lake l;
        REQUIRE(open_lake(&l, 2));
        struct vs_str path = l.table->metadata->snapshots[i].manifest_list;
        flip(&l, path);
        expect(&l, 1, path, "checksum");
        lose(&l, path);
        expect(&l, 1, path, "missing");
        close_lake(&l);
    }
}

static void wrong_facts_of_files(void)
{
    size_t m;
    struct lake l;
    REQUIRE(open_lake(&l, 2));
    struct listing list = open_listing(&l, 0, &m);
    struct vs_data_file *entry = &list.entries[0];
    struct vs_str path = entry->path;
    entry->file_size++;
    write_manifest(&l, &list, m);
    expect(&l, 1, path, "its manifest says");
    entry->file_size--;
    entry->record_count++;
    list.manifests[m].added_rows++;
    write_manifest(&l, &list, m);
    expect(&l, 1, path, "has 50 rows, but the manifest says 51");
    entry->record_count--;
    list.manifests[m].added_rows--;
    entry->path = VS_STR("mem://elsewhere/t/data/x.parquet");
    write_manifest(&l, &list, m);
    expect(&l, 1, entry->path, "outside of its location");
    close_lake(&l);
}

static void wrong_facts_of_manifests(void)
{
    size_t m;
    struct lake l;
    REQUIRE(open_lake(&l, 2));
    struct listing list = open_listing(&l, 0, &m);
    struct vs_str path = list.manifests[m].path;
    list.manifests[m].added_files = 7;
    write_list(&l, &list);
    expect(&l, 1, path, "holds 1 added files of 50 rows, its manifest list says 7 of 50");
    list.manifests[m].added_files = 1;
    list.manifests[m].added_rows = 49;
    write_list(&l, &list);
    expect(&l, 1, path, "says 1 of 49");
    list.manifests[m].added_rows = 50;
    list.manifests[m].path = VS_STR("mem://elsewhere/t/metadata/x-m0.avro");
    write_list(&l, &list);
    expect(&l, 1, list.manifests[m].path, "outside of its location");
    close_lake(&l);
}

static void a_file_listed_twice(void)
{
    size_t m;
    struct lake l;
    REQUIRE(open_lake(&l, 2));
    struct listing list = open_listing(&l, 0, &m);
    struct vs_data_file twice[2] = {list.entries[0], list.entries[0]};
    list.entries = twice;
    list.entry_count = 2;
    list.manifests[m].added_files = 2;
    list.manifests[m].added_rows = 2 * ROWS;
    write_manifest(&l, &list, m);
    expect(&l, 1, twice[0].path, "listed twice");
    CHECK_INT(l.result.files, 2); // the rows are read all the same
    close_lake(&l);
}

static void wrong_vectors(void)
{
    size_t m;
    struct lake l;
    REQUIRE(open_lake(&l, 3));
    struct listing list = open_listing(&l, 1, &m);
    struct vs_data_file *entry = &list.entries[0];
    entry->record_count = 3;
    list.manifests[m].added_rows = 3;
    write_manifest(&l, &list, m);
    expect(&l, 1, entry->path, "3");
    entry->record_count = 2;
    list.manifests[m].added_rows = 2;
    entry->referenced_data_file = vs_arena_printf(&l.arena, "%.*s/data/gone.parquet",
                                                  VS_STR_ARG(l.table->metadata->location));
    write_manifest(&l, &list, m);
    expect(&l, 1, entry->path, "gone.parquet, which the current snapshot does not have");
    close_lake(&l);
}

static void repeated_ids(void)
{
    struct lake l;
    REQUIRE(open_lake(&l, 2));
    append(&l, ROWS - 10); // 40..89: all but none of them are there already
    struct listing list = read_listing(&l);
    read_entries(&l, &list, 0);
    expect(&l, 1, list.entries[0].path, "50 rows have the id of another live row");
    close_lake(&l);
    REQUIRE(open_lake(&l, 2));
    append(&l, 3 - ROWS + 2); // -45..4: of 0..4 rows 3 and 4 are deleted
    list = read_listing(&l);
    read_entries(&l, &list, 0);
    expect(&l, 1, list.entries[0].path,
           "3 rows have the id of another live row, the first is row 45");
    close_lake(&l);
}

static void every_allocation_fails(void)
{
    struct lake l;
    REQUIRE(open_lake(&l, 3));
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_catalog *catalog = NULL;
        struct vs_json_writer w;
        struct vs_buf report;
        struct vs_check_result result = {0};
        struct vs_error err = {0};
        test_env_init(&t);
        t.fail_at = n;
        vs_buf_init(&report, vs_env_default(), 1 << 20);
        vs_json_writer_init(&w, &report, false);
        vs_jw_object_begin(&w);
        // The table is the one above; only the check's own memory fails.
        struct vs_store *hook = NULL;
        enum vs_status status = vs_store_open_mem(&t.env, "other", &hook, &err);
        if (status == VS_OK) {
            status = vs_catalog_open_store(&t.env, hook, &catalog, &err);
        }
        if (status == VS_OK) {
            status = vs_check_job_run(catalog, l.table, NULL, &w, &result, &err);
            CHECK(status != VS_OK || (result.problems == 0 && result.rows == (uint64_t)(2 * ROWS)));
        } else if (catalog == NULL) {
            vs_store_free(hook);
        }
        CHECK(status == VS_OK || status == VS_NO_MEMORY);
        vs_catalog_free(catalog);
        vs_buf_clear(&report);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK(n > 100);
            break;
        }
    }
    close_lake(&l);
}

TEST_MAIN(TEST(a_sound_table),
          TEST(damaged_data),
          TEST(damaged_deletes),
          TEST(damaged_manifests),
          TEST(damaged_lists),
          TEST(wrong_facts_of_files),
          TEST(wrong_facts_of_manifests),
          TEST(a_file_listed_twice),
          TEST(wrong_vectors),
          TEST(repeated_ids),
          TEST(every_allocation_fails))
