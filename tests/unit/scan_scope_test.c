// SPDX-License-Identifier: Apache-2.0
// Which delete files a plan gives to which data file, and old forms of manifests, with manifests
// made by hand.
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/format/avro_file.h"
#include "vecstore/iceberg/scan.h"

#define S(text) VS_STR(text)
#define ROOT "mem://scope/t"
#define PATH_FIELD 2147483546 // file_path of position delete files
#define MAX_MANIFESTS 8

struct lake {
    struct vs_store *store;
    struct vs_table_metadata *m;
    struct vs_partition_spec specs[2]; // 0: by lang, 1: none
    struct vs_snapshot snapshot;
    struct vs_manifest_file manifests[MAX_MANIFESTS];
    size_t manifest_count;
    struct vs_arena arena;
    struct vs_error err;
};

static struct vs_field fields[] = {{.id = 1, .name = {"id", 2}, .kind = VS_KIND_LONG},
                                   {.id = 2, .name = {"lang", 4}, .kind = VS_KIND_STRING}};
static struct vs_partition_field spec_fields[] = {
    {.source_id = 2, .field_id = 1000, .name = {"lang", 4}, .transform = {"identity", 8}}};

static bool open_lake(struct lake *l)
{
    const struct vs_schema schema = {.field_count = 2, .fields = fields};
    const struct vs_table_create create = {
        .location = S(ROOT), .schema = &schema, .format_version = 3};
    *l = (struct lake){0};
    vs_arena_init(&l->arena, vs_env_default(), 0);
    CHECK_OK(vs_store_open_mem(vs_env_default(), "scope", &l->store, &l->err), l->err);
    CHECK_OK(vs_table_metadata_new(vs_env_default(), &create, &l->m, &l->err), l->err);
    if (l->m == NULL) {
        return false;
    }
    l->specs[0] = (struct vs_partition_spec){0, 1, spec_fields};
    l->specs[1] = (struct vs_partition_spec){1, 0, NULL};
    l->m->specs = l->specs;
    l->m->spec_count = 2;
    l->snapshot = (struct vs_snapshot){.snapshot_id = 77,
                                       .parent_id = VS_NO_SNAPSHOT,
                                       .sequence_number = 20,
                                       .manifest_list = S(ROOT "/metadata/list.avro"),
                                       .first_row_id = 0};
    l->m->snapshots = &l->snapshot;
    l->m->snapshot_count = 1;
    l->m->current_snapshot_id = 77;
    return true;
}

static void close_lake(struct lake *l)
{
    vs_table_metadata_free(l->m);
    vs_store_free(l->store);
    vs_arena_clear(&l->arena);
}

static struct vs_str uri_of(struct lake *l, const char *name)
{
    return vs_arena_printf(&l->arena, ROOT "/data/%s", name);
}

// lang NULL: of the spec without fields.
static struct vs_data_file entry(struct lake *l,
                                 const char *name,
                                 enum vs_file_content content,
                                 const char *lang,
                                 int64_t sequence)
{
    struct vs_data_file file = {.content = content,
                                .path = uri_of(l, name),
                                .format = S("PARQUET"),
                                .record_count = 10,
                                .file_size = 100,
                                .sort_order_id = -1,
                                .content_offset = -1,
                                .content_size = -1,
                                .first_row_id = -1,
                                .status = VS_ENTRY_EXISTING,
                                .snapshot_id = 70,
                                .sequence_number = sequence,
                                .file_sequence_number = sequence,
                                .spec_id = lang == NULL ? 1 : 0};
    if (lang != NULL) {
        file.has_partition = true;
        file.partition_count = 1;
        file.partition = vs_arena_alloc(&l->arena, sizeof *file.partition);
        *file.partition = (struct vs_value){.kind = VS_KIND_STRING, .as.text = vs_str_from_c(lang)};
    }
    if (content == VS_CONTENT_EQUALITY_DELETES) {
        static int32_t ids[] = {1};
        file.equality_count = 1;
        file.equality_ids = ids;
    }
    return file;
}

static void put(struct lake *l, struct vs_str uri, struct vs_str bytes)
{
    struct vs_buf key;
    vs_buf_init(&key, vs_env_default(), 4096);
    CHECK_OK(vs_store_key(l->store, uri, &key, &l->err), l->err);
    CHECK_OK(vs_store_put(l->store, vs_buf_c_str(&key), bytes, VS_PUT_ANY, &l->err), l->err);
    vs_buf_clear(&key);
}

static void add_manifest(struct lake *l, const struct vs_data_file *files, size_t count)
{
    struct vs_buf bytes;
    bool is_deletes = files[0].content != VS_CONTENT_DATA;
    const struct vs_manifest_write write = {.metadata = l->m,
                                            .snapshot_id = 77,
                                            .spec_id = files[0].spec_id,
                                            .is_deletes = is_deletes,
                                            .files = files,
                                            .file_count = count};
    struct vs_manifest_file *m = &l->manifests[l->manifest_count++];
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    CHECK_OK(vs_manifest_write_bytes(vs_env_default(), &write, &bytes, &l->err), l->err);
    *m = (struct vs_manifest_file){
        .path = vs_arena_printf(&l->arena, ROOT "/metadata/m%zu.avro", l->manifest_count),
        .length = (int64_t)bytes.len,
        .spec_id = files[0].spec_id,
        .content = is_deletes,
        .sequence_number = 20,
        .min_sequence_number = 1,
        .added_snapshot_id = 77,
        .existing_files = (int64_t)count,
        .existing_rows = 10 * (int64_t)count,
        .first_row_id = is_deletes ? -1 : 0};
    CHECK_OK(vs_manifest_summarize(&write, &l->arena, m, &l->err), l->err);
    put(l, m->path, vs_buf_view(&bytes));
    vs_buf_clear(&bytes);
}

static void write_list(struct lake *l)
{
    struct vs_buf bytes;
    const struct vs_manifest_list_write write = {.entries = l->manifests,
                                                 .count = l->manifest_count,
                                                 .snapshot_id = 77,
                                                 .parent_id = VS_NO_SNAPSHOT,
                                                 .sequence_number = 20,
                                                 .format_version = 3};
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    CHECK_OK(vs_manifest_list_write_bytes(vs_env_default(), &write, &bytes, &l->err), l->err);
    put(l, l->snapshot.manifest_list, vs_buf_view(&bytes));
    vs_buf_clear(&bytes);
}

static const char *name_of(struct vs_str path)
{
    return path.ptr + sizeof ROOT "/data/" - 1;
}

// The names of the delete files of a data file, in the plan's order: "p1 e2".
static void check_deletes(const struct vs_scan_plan *plan, const char *name, const char *expected)
{
    char text[200] = "(no such file)";
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct vs_scan_file *file = &plan->files[i];
        size_t at = 0;
        if (strncmp(name_of(file->data.path), name, strlen(name)) != 0) {
            continue;
        }
        text[0] = '\0';
        for (size_t k = 0; k < file->delete_count; k++) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.2s", k > 0 ? " " : "",
                                   name_of(file->deletes[k]->path));
        }
    }
    CHECK_TEXT(text, expected);
}

static void make_scopes(struct lake *l)
{
    const struct vs_data_file by_lang[] = {entry(l, "a", VS_CONTENT_DATA, "en", 5),
                                           entry(l, "b", VS_CONTENT_DATA, "de", 5),
                                           entry(l, "c", VS_CONTENT_DATA, "en", 7)};
    const struct vs_data_file plain = entry(l, "u", VS_CONTENT_DATA, NULL, 5);
    struct vs_data_file deletes[] = {
        entry(l, "p1", VS_CONTENT_POSITION_DELETES, "en", 5),
        entry(l, "p2", VS_CONTENT_POSITION_DELETES, "en", 9), // of c alone, by field 143
        entry(l, "p4", VS_CONTENT_POSITION_DELETES, "de", 9), // void: b has a vector
        entry(l, "p5", VS_CONTENT_POSITION_DELETES, "en", 9), // of a alone, by bounds
        entry(l, "v1", VS_CONTENT_POSITION_DELETES, "de", 8), // vector of b
        entry(l, "e1", VS_CONTENT_EQUALITY_DELETES, "en", 5), // not below a's number
        entry(l, "e2", VS_CONTENT_EQUALITY_DELETES, "en", 7)};
    const struct vs_data_file global[] = {entry(l, "p3", VS_CONTENT_POSITION_DELETES, NULL, 9),
                                          entry(l, "e3", VS_CONTENT_EQUALITY_DELETES, NULL, 6)};
    struct vs_int_bytes bound = {PATH_FIELD, by_lang[0].path};
    deletes[1].referenced_data_file = by_lang[2].path;
    deletes[3].lower_bounds = deletes[3].upper_bounds = &bound;
    deletes[3].lower_count = deletes[3].upper_count = 1;
    deletes[4].format = S("PUFFIN");
    deletes[4].referenced_data_file = by_lang[1].path;
    deletes[4].content_offset = 4;
    deletes[4].content_size = 40;
    add_manifest(l, by_lang, 3);
    add_manifest(l, &plain, 1);
    add_manifest(l, deletes, 7);
    add_manifest(l, global, 2);
    write_list(l);
}

static void delete_scopes(void)
{
    struct lake l;
    REQUIRE(open_lake(&l));
    make_scopes(&l);
    for (size_t threads = 1; threads <= 2; threads++) {
        struct vs_scan_plan *plan = NULL;
        const struct vs_scan_options options = {.thread_count = threads};
        REQUIRE_OK(vs_scan_plan_make_with(vs_env_default(), l.store, l.m, 77, &options, &plan, NULL,
                                          &l.err),
                   l.err);
        CHECK_INT(plan->file_count, 4);
        check_deletes(plan, "a", "p1 e3 e2 p5");
        check_deletes(plan, "b", "v1 e3");
        check_deletes(plan, "c", "p2");
        check_deletes(plan, "u", "e3 p3");
        vs_scan_plan_free(plan);
    }
    close_lake(&l);
}

// With a filter, delete files of partitions that are left out go with them.
static void scopes_with_a_filter(void)
{
    struct lake l;
    REQUIRE(open_lake(&l));
    make_scopes(&l);
    const struct vs_value german = {.kind = VS_KIND_STRING, .as.text = S("de")};
    const struct vs_predicate is_german = {
        .op = VS_PREDICATE_EQ, .field_id = 2, .value_count = 1, .values = &german};
    const struct vs_scan_options options = {.predicate = &is_german};
    struct vs_scan_plan *plan = NULL;
    struct vs_scan_counts counts;
    REQUIRE_OK(vs_scan_plan_make_with(vs_env_default(), l.store, l.m, 77, &options, &plan, &counts,
                                      &l.err),
               l.err);
    CHECK_INT(plan->file_count, 2); // b, and u whose rows may be of any language
    check_deletes(plan, "b", "v1 e3");
    check_deletes(plan, "u", "e3 p3");
    vs_scan_plan_free(plan);
    close_lake(&l);
}

static void two_vectors_are_refused(void)
{
    struct lake l;
    struct vs_scan_plan *plan = NULL;
    REQUIRE(open_lake(&l));
    const struct vs_data_file data = entry(&l, "u", VS_CONTENT_DATA, NULL, 5);
    struct vs_data_file vectors[] = {entry(&l, "v1", VS_CONTENT_POSITION_DELETES, NULL, 8),
                                     entry(&l, "v2", VS_CONTENT_POSITION_DELETES, NULL, 9)};
    for (int i = 0; i < 2; i++) {
        vectors[i].format = S("PUFFIN");
        vectors[i].referenced_data_file = data.path;
        vectors[i].content_offset = 4;
        vectors[i].content_size = 40;
    }
    add_manifest(&l, &data, 1);
    add_manifest(&l, vectors, 2);
    write_list(&l);
    CHECK_STATUS(vs_scan_plan_make(vs_env_default(), l.store, l.m, 77, &plan, &l.err), VS_CORRUPT);
    CHECK(strstr(l.err.message, "/data/u") != NULL);
    close_lake(&l);
}

static void every_allocation_fails(void)
{
    struct lake l;
    REQUIRE(open_lake(&l));
    make_scopes(&l);
    const struct vs_value english = {.kind = VS_KIND_STRING, .as.text = S("en")};
    const struct vs_predicate is_english = {
        .op = VS_PREDICATE_EQ, .field_id = 2, .value_count = 1, .values = &english};
    for (size_t threads = 1; threads <= 2; threads++) {
        for (long n = 0;; n++) {
            struct test_env t;
            struct vs_scan_plan *plan = NULL;
            const struct vs_scan_options options = {.thread_count = threads,
                                                    .predicate = &is_english};
            test_env_init(&t);
            t.fail_at = n;
            enum vs_status status =
                vs_scan_plan_make_with(&t.env, l.store, l.m, 77, &options, &plan, NULL, &l.err);
            // Without memory to prune, nothing is pruned; a thread less does no harm.
            CHECK(status == VS_OK || (status == VS_NO_MEMORY && t.failed));
            if (status == VS_OK) {
                CHECK(plan->file_count >= 3);
                check_deletes(plan, "a", "p1 e3 e2 p5");
            }
            vs_scan_plan_free(plan);
            CHECK_INT(t.live, 0);
            if (!t.failed) {
                CHECK(n > 50);
                break;
            }
        }
    }
    close_lake(&l);
}

// ---- version 1 as the first writers wrote it: no field ids, no content, no sequence numbers ----

static const char old_manifest[] =
    "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":["
    "{\"name\":\"status\",\"type\":\"int\"},"
    "{\"name\":\"snapshot_id\",\"type\":[\"null\",\"long\"],\"default\":null},"
    "{\"name\":\"data_file\",\"type\":{\"type\":\"record\",\"name\":\"r2\",\"fields\":["
    "{\"name\":\"file_path\",\"type\":\"string\"},{\"name\":\"file_format\",\"type\":\"string\"},"
    "{\"name\":\"partition\",\"type\":{\"type\":\"record\",\"name\":\"r102\",\"fields\":[]}},"
    "{\"name\":\"record_count\",\"type\":\"long\"},"
    "{\"name\":\"file_size_in_bytes\",\"type\":\"long\"},"
    "{\"name\":\"block_size_in_bytes\",\"type\":\"long\"}]}}]}";

static const char old_list[] =
    "{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":["
    "{\"name\":\"manifest_path\",\"type\":\"string\"},"
    "{\"name\":\"manifest_length\",\"type\":\"long\"},"
    "{\"name\":\"partition_spec_id\",\"type\":\"int\"},"
    "{\"name\":\"added_snapshot_id\",\"type\":[\"null\",\"long\"],\"default\":null},"
    "{\"name\":\"added_data_files_count\",\"type\":[\"null\",\"int\"],\"default\":null},"
    "{\"name\":\"existing_data_files_count\",\"type\":[\"null\",\"int\"],\"default\":null},"
    "{\"name\":\"deleted_data_files_count\",\"type\":[\"null\",\"int\"],\"default\":null}]}";

static void put_long(struct vs_buf *out, int64_t value)
{
    CHECK_STATUS(vs_avro_put_long(out, value, NULL), VS_OK);
}

static void put_text(struct vs_buf *out, struct vs_str text)
{
    CHECK_STATUS(vs_avro_put_bytes(out, text, NULL), VS_OK);
}

// Two live files and one that was deleted.
static void write_old_manifest(struct lake *l, struct vs_str uri)
{
    static const struct vs_avro_header header[] = {{"schema", {"{}", 2}},
                                                   {"partition-spec", {"[]", 2}},
                                                   {"partition-spec-id", {"1", 1}},
                                                   {"format-version", {"1", 1}}};
    struct vs_buf bytes;
    struct vs_avro_writer w;
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    CHECK_OK(vs_avro_writer_init(&w, &bytes, vs_str_from_c(old_manifest), header, 4, &l->err),
             l->err);
    for (int i = 0; i < 3; i++) {
        put_long(&w.block, i); // EXISTING, ADDED, DELETED
        put_long(&w.block, 1);
        put_long(&w.block, 77);
        put_text(&w.block, vs_arena_printf(&l->arena, ROOT "/data/old%d", i));
        put_text(&w.block, S("PARQUET"));
        put_long(&w.block, 10 + i);
        put_long(&w.block, 1000);
        put_long(&w.block, 67108864);
        CHECK_OK(vs_avro_writer_end_record(&w, &l->err), l->err);
    }
    CHECK_OK(vs_avro_writer_finish(&w, &l->err), l->err);
    vs_avro_writer_clear(&w);
    put(l, uri, vs_buf_view(&bytes));
    vs_buf_clear(&bytes);
}

static void check_old_plan(struct lake *l)
{
    struct vs_scan_plan *plan = NULL;
    REQUIRE_OK(vs_scan_plan_make(vs_env_default(), l->store, l->m, 77, &plan, &l->err), l->err);
    CHECK_INT(plan->file_count, 2);
    CHECK_INT(plan->record_count, 21);
    for (size_t i = 0; i < plan->file_count; i++) {
        CHECK_INT(plan->files[i].data.sequence_number, 0);
        CHECK_INT(plan->files[i].data.content, VS_CONTENT_DATA);
        CHECK_INT(plan->files[i].data.spec_id, 1);
        CHECK_INT(plan->files[i].data.file_size, 1000);
        CHECK_INT(plan->files[i].data.first_row_id, -1);
    }
    vs_scan_plan_free(plan);
}

static void embedded_manifests(void)
{
    struct lake l;
    struct vs_scan_plan *plan = NULL;
    REQUIRE(open_lake(&l));
    l.m->format_version = 1;
    l.snapshot.sequence_number = 0;
    l.snapshot.first_row_id = -1;
    l.snapshot.manifest_list = (struct vs_str){NULL, 0};
    l.snapshot.extra_json = S("\"manifests\":[\"" ROOT "/metadata/m1.avro\"]");
    write_old_manifest(&l, S(ROOT "/metadata/m1.avro"));
    check_old_plan(&l);
    char long_text[6000]; // many manifests make a long list
    memset(long_text, ' ', sizeof long_text);
    static const char tail[] = "\"manifests\":[\"" ROOT "/metadata/m1.avro\"]";
    memcpy(long_text + sizeof long_text - (sizeof tail - 1), tail, sizeof tail - 1);
    l.snapshot.extra_json = (struct vs_str){long_text, sizeof long_text};
    check_old_plan(&l);
    static const char gone[] = "\"manifests\":[\"" ROOT "/metadata/gone.avro\"]";
    static const char *const bad[] = {"\"manifests\":[7]", "\"manifests\":[\"\"]",
                                      "\"manifests\":{}", "\"other\":1", gone};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        l.snapshot.extra_json = vs_str_from_c(bad[i]);
        CHECK_STATUS(vs_scan_plan_make(vs_env_default(), l.store, l.m, 77, &plan, &l.err),
                     VS_CORRUPT);
    }
    l.snapshot.extra_json = S("\"manifests\":[\"mem://elsewhere/m.avro\"]");
    CHECK_STATUS(vs_scan_plan_make(vs_env_default(), l.store, l.m, 77, &plan, &l.err), VS_DENIED);
    close_lake(&l);
}

static void lists_without_field_ids(void)
{
    struct lake l;
    struct vs_buf bytes;
    struct vs_avro_writer w;
    REQUIRE(open_lake(&l));
    l.m->format_version = 1;
    l.snapshot.first_row_id = -1;
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    CHECK_OK(vs_avro_writer_init(&w, &bytes, vs_str_from_c(old_list), NULL, 0, &l.err), l.err);
    put_text(&w.block, S(ROOT "/metadata/m1.avro"));
    put_long(&w.block, 5000);
    put_long(&w.block, 1);
    put_long(&w.block, 1);
    put_long(&w.block, 77);
    for (int i = 0; i < 3; i++) { // one file each
        put_long(&w.block, 1);
        put_long(&w.block, 1);
    }
    CHECK_OK(vs_avro_writer_end_record(&w, &l.err), l.err);
    CHECK_OK(vs_avro_writer_finish(&w, &l.err), l.err);
    vs_avro_writer_clear(&w);
    put(&l, l.snapshot.manifest_list, vs_buf_view(&bytes));
    vs_buf_clear(&bytes);
    write_old_manifest(&l, S(ROOT "/metadata/m1.avro"));
    check_old_plan(&l);
    close_lake(&l);
}

TEST_MAIN(TEST(delete_scopes),
          TEST(scopes_with_a_filter),
          TEST(two_vectors_are_refused),
          TEST(every_allocation_fails),
          TEST(embedded_manifests),
          TEST(lists_without_field_ids))
