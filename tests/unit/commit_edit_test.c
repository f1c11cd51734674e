// SPDX-License-Identifier: Apache-2.0
// Commits beyond plain appends: removed files, branches, rewrites, several specs, row lineage,
// version 1. Attempts are chained by hand, without a catalog, so that the manifests can be looked
// at.
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/format/avro_file.h"
#include "vecstore/iceberg/commit.h"
#include "vecstore/iceberg/metadata_edit.h"

#include <stdlib.h>

#define S(text) VS_STR(text)

struct lake {
    struct test_env t;
    char location[64];
    struct vs_store *store;
    struct vs_table_metadata *m; // the newest
    struct vs_arena arena;       // of what tests read
};

static struct vs_field table_fields[] = {
    {.id = 1, .name = {"id", 2}, .kind = VS_KIND_LONG, .required = true},
    {.id = 2, .name = {"lang", 4}, .kind = VS_KIND_STRING},
};
static const struct vs_schema table_schema = {.field_count = 2, .fields = table_fields};

static bool open_lake(struct lake *lake,
                      int version,
                      const struct vs_pair *properties,
                      size_t count)
{
    struct vs_error err = {0};
    memset(lake, 0, sizeof *lake);
    test_env_init(&lake->t);
    snprintf(lake->location, sizeof lake->location, "mem://lake/t");
    const struct vs_table_create create = {.location = vs_str_from_c(lake->location),
                                           .schema = &table_schema,
                                           .properties = properties,
                                           .property_count = count,
                                           .format_version = version};
    vs_arena_init(&lake->arena, &lake->t.env, 0);
    CHECK_OK(vs_store_open_mem(&lake->t.env, "lake", &lake->store, &err), err);
    CHECK_OK(vs_table_metadata_new(&lake->t.env, &create, &lake->m, &err), err);
    return lake->store != NULL && lake->m != NULL;
}

static void close_lake(struct lake *lake)
{
    vs_arena_clear(&lake->arena);
    vs_table_metadata_free(lake->m);
    vs_store_free(lake->store);
    CHECK_INT(lake->t.live, 0);
}

// Commits the intent; the new metadata becomes lake->m.
static enum vs_status commit(struct lake *lake,
                             const struct vs_intent *intent,
                             struct vs_error *err)
{
    struct vs_commit_state *state = NULL;
    struct vs_commit_attempt attempt = {0};
    VS_TRY(
        vs_commit_state_new(&lake->t.env, lake->store, vs_uuid_new_v7(&lake->t.env), &state, err));
    enum vs_status status = vs_commit_prepare(state, lake->m, NULL, intent, &attempt, err);
    vs_commit_state_free(state, status == VS_OK);
    if (status == VS_OK) {
        vs_table_metadata_free(lake->m);
        lake->m = attempt.metadata;
    }
    return status;
}

static struct vs_data_file data_file(struct lake *lake, const char *name, int64_t rows)
{
    return (struct vs_data_file){
        .path = vs_arena_printf(&lake->arena, "%s/data/%s", lake->location, name),
        .format = S("PARQUET"),
        .record_count = rows,
        .file_size = 1000 + rows,
        .sort_order_id = -1,
        .content_offset = -1,
        .content_size = -1,
        .first_row_id = -1,
        .status = VS_ENTRY_ADDED};
}

static enum vs_status append(struct lake *lake,
                             const char *name,
                             int64_t rows,
                             struct vs_error *err)
{
    const struct vs_data_file file = data_file(lake, name, rows);
    const struct vs_intent intent = {
        .operation = "append", .added_data = &file, .added_data_count = 1};
    return commit(lake, &intent, err);
}

static const struct vs_snapshot *head_of(const struct lake *lake, const char *branch)
{
    const struct vs_ref *ref = vs_table_ref(lake->m, vs_str_from_c(branch));
    return ref != NULL ? vs_table_snapshot(lake->m, ref->snapshot_id) : NULL;
}

static bool has_summary(const struct vs_snapshot *s, const char *key, const char *value)
{
    for (size_t i = 0; i < s->summary_count; i++) {
        if (vs_str_equal_c(s->summary[i].key, key)) {
            return value != NULL && vs_str_equal_c(s->summary[i].value, value);
        }
    }
    return value == NULL;
}

struct listing {
    struct vs_manifest_file *manifests;
    size_t manifest_count;
    struct vs_data_file *files; // of all manifests, newest first
    size_t file_count;
};

static void read_listing(struct lake *lake, const struct vs_snapshot *s, struct listing *out)
{
    struct vs_error err = {0};
    struct vs_buf bytes, key;
    memset(out, 0, sizeof *out);
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    vs_buf_init(&key, vs_env_default(), 4096);
    CHECK_OK(vs_store_key(lake->store, s->manifest_list, &key, &err), err);
    CHECK_OK(vs_store_get(lake->store, vs_buf_c_str(&key), &bytes, &err), err);
    CHECK_OK(vs_manifest_list_read(&lake->t.env, vs_buf_view(&bytes), "list", &lake->arena,
                                   &out->manifests, &out->manifest_count, &err),
             err);
    out->files = vs_arena_alloc_array(&lake->arena, 100, sizeof *out->files);
    for (size_t i = 0; i < out->manifest_count; i++) {
        struct vs_data_file *files = NULL;
        size_t count = 0;
        vs_buf_reset(&bytes);
        vs_buf_reset(&key);
        CHECK_OK(vs_store_key(lake->store, out->manifests[i].path, &key, &err), err);
        CHECK_OK(vs_store_get(lake->store, vs_buf_c_str(&key), &bytes, &err), err);
        const struct vs_manifest_read read = {.env = &lake->t.env,
                                              .bytes = vs_buf_view(&bytes),
                                              .what = "manifest",
                                              .manifest = &out->manifests[i],
                                              .metadata = lake->m};
        CHECK_OK(vs_manifest_read(&read, &lake->arena, &files, &count, &err), err);
        CHECK_INT(out->manifests[i].length, bytes.len);
        for (size_t j = 0; j < count && out->file_count < 100; j++) {
            out->files[out->file_count++] = files[j];
        }
    }
    vs_buf_clear(&key);
    vs_buf_clear(&bytes);
}

static const struct vs_data_file *find_file(const struct listing *l, const char *name)
{
    for (size_t i = 0; i < l->file_count; i++) {
        if (vs_str_ends_with(l->files[i].path, vs_str_from_c(name))) {
            return &l->files[i];
        }
    }
    return NULL;
}

// ---- removed files ----

static void removed_files(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    REQUIRE(open_lake(&lake, 2, NULL, 0));
    const struct vs_data_file both[] = {data_file(&lake, "a", 10), data_file(&lake, "b", 20)};
    const struct vs_intent first = {
        .operation = "append", .added_data = both, .added_data_count = 2};
    REQUIRE_OK(commit(&lake, &first, &err), err);
    REQUIRE_OK(append(&lake, "c", 30, &err), err);
    int64_t first_id = lake.m->snapshots[0].snapshot_id;
    const struct vs_data_file d = data_file(&lake, "d", 5);
    const struct vs_intent swap = {.operation = "overwrite",
                                   .added_data = &d,
                                   .added_data_count = 1,
                                   .removed_data = both,
                                   .removed_data_count = 1};
    REQUIRE_OK(commit(&lake, &swap, &err), err);
    const struct vs_snapshot *s = head_of(&lake, "main");
    REQUIRE(s != NULL);
    CHECK(has_summary(s, "operation", "overwrite"));
    CHECK(has_summary(s, "added-data-files", "1"));
    CHECK(has_summary(s, "deleted-data-files", "1"));
    CHECK(has_summary(s, "deleted-records", "10"));
    CHECK(has_summary(s, "removed-files-size", "1010"));
    CHECK(has_summary(s, "total-data-files", "3"));
    CHECK(has_summary(s, "total-records", "55"));
    CHECK(has_summary(s, "total-files-size", "3055"));
    CHECK(has_summary(s, "changed-partition-count", "1"));
    read_listing(&lake, s, &l);
    CHECK_INT(l.manifest_count, 3);
    const struct vs_data_file *a = find_file(&l, "/a"), *b = find_file(&l, "/b");
    REQUIRE(a != NULL && b != NULL && find_file(&l, "/c") != NULL);
    CHECK_INT(a->status, VS_ENTRY_DELETED);
    CHECK(a->snapshot_id == s->snapshot_id);
    CHECK_INT(a->sequence_number, 1);
    CHECK_INT(b->status, VS_ENTRY_EXISTING);
    CHECK(b->snapshot_id == first_id);
    CHECK_INT(b->sequence_number, 1);
    CHECK_INT(b->file_sequence_number, 1);
    CHECK_INT(find_file(&l, "/d")->sequence_number, 3);
    CHECK_STATUS(commit(&lake, &swap, &err), VS_CONFLICT); // it is gone already
    CHECK(strstr(err.message, "/data/a") != NULL);
    CHECK_INT(lake.m->snapshot_count, 3);
    const struct vs_intent rest = {
        .operation = "delete", .removed_data = &both[1], .removed_data_count = 1};
    REQUIRE_OK(commit(&lake, &rest, &err), err);
    s = head_of(&lake, "main");
    read_listing(&lake, s, &l);
    CHECK_INT(l.file_count, 3); // a, deleted before, is not carried on; b is now DELETED
    CHECK(find_file(&l, "/a") == NULL);
    REQUIRE_OK(append(&lake, "e", 1, &err), err);
    read_listing(&lake, head_of(&lake, "main"), &l);
    CHECK_INT(l.manifest_count, 3); // the manifest without live files went
    close_lake(&lake);
}

// A rewrite keeps the data sequence number, so that deletes made meanwhile still apply.
static void replaced_files(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    REQUIRE(open_lake(&lake, 2, NULL, 0));
    REQUIRE_OK(append(&lake, "a", 10, &err), err);
    REQUIRE_OK(append(&lake, "b", 10, &err), err);
    const struct vs_data_file old[] = {data_file(&lake, "a", 10), data_file(&lake, "b", 10)};
    const struct vs_data_file big = data_file(&lake, "ab", 20);
    struct vs_intent compact = {.operation = "replace",
                                .added_data = &big,
                                .added_data_count = 1,
                                .removed_data = old,
                                .removed_data_count = 2,
                                .data_sequence_number = 2};
    REQUIRE_OK(commit(&lake, &compact, &err), err);
    const struct vs_snapshot *s = head_of(&lake, "main");
    read_listing(&lake, s, &l);
    const struct vs_data_file *ab = find_file(&l, "/ab");
    REQUIRE(ab != NULL);
    CHECK_INT(ab->sequence_number, 2);
    CHECK_INT(ab->file_sequence_number, 3);
    CHECK_INT(l.manifests[0].min_sequence_number, 2);
    CHECK_INT(l.manifests[0].sequence_number, 3);
    CHECK(has_summary(s, "total-records", "20"));
    CHECK(has_summary(s, "total-data-files", "1"));
    compact.data_sequence_number = 9;
    CHECK_STATUS(commit(&lake, &compact, &err), VS_INTERNAL);
    close_lake(&lake);
}

// ---- branches ----

static enum vs_status make_refs(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    (void)ctx;
    int64_t head = edit->base->current_snapshot_id;
    VS_TRY(vs_edit_set_ref(edit, S("dev"), true, head, NULL, err));
    return vs_edit_set_ref(edit, S("v1"), false, head, NULL, err);
}

static void branches(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    REQUIRE(open_lake(&lake, 2, NULL, 0));
    REQUIRE_OK(append(&lake, "a", 10, &err), err);
    const struct vs_intent refs = {.edit = make_refs};
    REQUIRE_OK(commit(&lake, &refs, &err), err);
    int64_t main_id = lake.m->current_snapshot_id;
    const struct vs_data_file b = data_file(&lake, "b", 7);
    struct vs_intent intent = {
        .operation = "append", .added_data = &b, .added_data_count = 1, .branch = "dev"};
    REQUIRE_OK(commit(&lake, &intent, &err), err);
    const struct vs_snapshot *dev = head_of(&lake, "dev");
    REQUIRE(dev != NULL);
    CHECK(lake.m->current_snapshot_id == main_id);
    CHECK(dev->snapshot_id != main_id && dev->parent_id == main_id);
    CHECK_INT(lake.m->snapshot_log_count, 1);
    CHECK_INT(dev->sequence_number, 2);
    CHECK(has_summary(dev, "total-records", "17"));
    REQUIRE_OK(append(&lake, "c", 1, &err), err);
    CHECK(head_of(&lake, "main")->parent_id == main_id);
    CHECK_INT(head_of(&lake, "main")->sequence_number, 3);
    CHECK(has_summary(head_of(&lake, "main"), "total-records", "11"));
    read_listing(&lake, head_of(&lake, "dev"), &l);
    CHECK_INT(l.file_count, 2);
    intent.branch = "none";
    CHECK_STATUS(commit(&lake, &intent, &err), VS_NOT_FOUND);
    intent.branch = "v1";
    CHECK_STATUS(commit(&lake, &intent, &err), VS_INVALID);
    close_lake(&lake);
}

// ---- several specs ----

static enum vs_status partition(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    return vs_edit_set_spec(edit, vs_str_from_c(ctx), err);
}

static void several_specs(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    char by_lang[] = "lang";
    REQUIRE(open_lake(&lake, 2, NULL, 0));
    REQUIRE_OK(append(&lake, "a", 10, &err), err);
    const struct vs_intent change = {.edit = partition, .edit_ctx = by_lang};
    REQUIRE_OK(commit(&lake, &change, &err), err);
    CHECK(lake.m->is_partitioned);
    CHECK_STATUS(append(&lake, "spec0", 10, &err), VS_OK); // an old spec may still be written
    struct vs_value langs[] = {{.kind = VS_KIND_STRING, .as.text = S("de")},
                               {.kind = VS_KIND_STRING, .as.text = S("en")},
                               {.kind = VS_KIND_STRING, .is_null = true}};
    struct vs_data_file files[5];
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%d", i);
        files[i] = data_file(&lake, name, 1);
        if (i < 4) { // the last one is unpartitioned
            files[i].spec_id = 1;
            files[i].has_partition = true;
            files[i].partition_count = 1;
            files[i].partition = &langs[i % 3];
        }
    }
    const struct vs_intent mixed = {
        .operation = "append", .added_data = files, .added_data_count = 5};
    REQUIRE_OK(commit(&lake, &mixed, &err), err);
    const struct vs_snapshot *s = head_of(&lake, "main");
    CHECK(has_summary(s, "changed-partition-count", "4")); // de, en, null, and all of spec 0
    read_listing(&lake, s, &l);
    CHECK_INT(l.manifest_count, 4);
    CHECK_INT(l.manifests[0].spec_id, 1);
    CHECK_INT(l.manifests[0].added_files, 4);
    CHECK_INT(l.manifests[1].spec_id, 0);
    REQUIRE(l.manifests[0].partition_count == 1);
    CHECK(l.manifests[0].partitions[0].contains_null);
    CHECK(vs_str_equal_c(l.manifests[0].partitions[0].lower_bound, "de"));
    CHECK(vs_str_equal_c(l.manifests[0].partitions[0].upper_bound, "en"));
    const struct vs_data_file *en = find_file(&l, "/f1");
    REQUIRE(en != NULL && en->partition_count == 1);
    CHECK(vs_str_equal_c(en->partition[0].as.text, "en"));
    const struct vs_intent gone = {
        .operation = "delete", .removed_data = &files[1], .removed_data_count = 1};
    REQUIRE_OK(commit(&lake, &gone, &err), err);
    read_listing(&lake, head_of(&lake, "main"), &l);
    en = find_file(&l, "/f1");
    REQUIRE(en != NULL);
    CHECK_INT(en->status, VS_ENTRY_DELETED);
    CHECK(vs_str_equal_c(find_file(&l, "/f0")->partition[0].as.text, "de"));
    files[0].spec_id = 5;
    files[0].path = S("file:///elsewhere/x");
    const struct vs_intent unknown = {
        .operation = "append", .added_data = files, .added_data_count = 1};
    CHECK_STATUS(commit(&lake, &unknown, &err), VS_CONFLICT);
    close_lake(&lake);
}

// Small manifests are merged within their spec only.
static void merging(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    char by_lang[] = "lang";
    const struct vs_pair few[] = {{S("commit.manifest.min-count-to-merge"), S("2")}};
    REQUIRE(open_lake(&lake, 3, few, 1));
    REQUIRE_OK(append(&lake, "a", 10, &err), err);
    REQUIRE_OK(append(&lake, "b", 20, &err), err);
    const struct vs_intent change = {.edit = partition, .edit_ctx = by_lang};
    REQUIRE_OK(commit(&lake, &change, &err), err);
    struct vs_value de = {.kind = VS_KIND_STRING, .as.text = S("de")};
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        struct vs_data_file file = data_file(&lake, name, 3);
        file.spec_id = 1;
        file.has_partition = true;
        file.partition_count = 1;
        file.partition = &de;
        const struct vs_intent intent = {
            .operation = "append", .added_data = &file, .added_data_count = 1};
        REQUIRE_OK(commit(&lake, &intent, &err), err);
    }
    read_listing(&lake, head_of(&lake, "main"), &l);
    CHECK_INT(l.manifest_count, 4); // a, b; p0 to p2 in one; p3
    CHECK_INT(l.file_count, 6);
    const struct vs_data_file *p1 = find_file(&l, "/p1");
    REQUIRE(p1 != NULL);
    CHECK_INT(p1->status, VS_ENTRY_EXISTING);
    CHECK_INT(p1->sequence_number, 4);
    CHECK_INT(p1->first_row_id, 33); // kept through the merge
    CHECK_INT(find_file(&l, "/b")->first_row_id, 10);
    CHECK(has_summary(head_of(&lake, "main"), "total-records", "42"));
    close_lake(&lake);
}

// ---- row lineage ----

// The worked example of the specification ("First Row ID Assignment"): next-row-id 1000.
static void lineage_example(void)
{
    struct vs_error err = {0};
    int64_t added = 0;
    struct vs_manifest_file list[] = {
        {.path = S("existing"), .added_rows = 75, .first_row_id = 925},
        {.path = S("added1"), .added_rows = 100, .existing_rows = 25, .first_row_id = -1},
        {.path = S("added2"), .added_rows = 0, .existing_rows = 100, .first_row_id = -1},
        {.path = S("added3"), .added_rows = 125, .existing_rows = 25, .first_row_id = -1},
        {.path = S("deletes"), .content = 1, .added_rows = 9, .first_row_id = -1},
    };
    REQUIRE_OK(vs_manifest_list_assign_rows(list, 5, 1000, &added, &err), err);
    CHECK_INT(list[0].first_row_id, 925);
    CHECK_INT(list[1].first_row_id, 1000);
    CHECK_INT(list[2].first_row_id, 1125);
    CHECK_INT(list[3].first_row_id, 1225);
    CHECK_INT(list[4].first_row_id, -1);
    CHECK_INT(1000 + added, 1375);
}

static void row_lineage(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    REQUIRE(open_lake(&lake, 3, NULL, 0));
    CHECK_INT(lake.m->next_row_id, 0);
    const struct vs_data_file both[] = {data_file(&lake, "a", 50), data_file(&lake, "b", 50)};
    const struct vs_intent first = {
        .operation = "append", .added_data = both, .added_data_count = 2};
    REQUIRE_OK(commit(&lake, &first, &err), err);
    CHECK_INT(head_of(&lake, "main")->first_row_id, 0);
    CHECK_INT(head_of(&lake, "main")->added_rows, 100);
    REQUIRE_OK(append(&lake, "c", 25, &err), err);
    CHECK_INT(head_of(&lake, "main")->first_row_id, 100);
    CHECK_INT(head_of(&lake, "main")->added_rows, 25);
    CHECK_INT(lake.m->next_row_id, 125);
    read_listing(&lake, head_of(&lake, "main"), &l);
    CHECK_INT(find_file(&l, "/a")->first_row_id, 0);
    CHECK_INT(find_file(&l, "/b")->first_row_id, 50);
    CHECK_INT(find_file(&l, "/c")->first_row_id, 100);
    // the rewritten manifest gets new ids for its 50 existing rows, its entry keeps its own
    const struct vs_intent gone = {
        .operation = "delete", .removed_data = both, .removed_data_count = 1};
    REQUIRE_OK(commit(&lake, &gone, &err), err);
    const struct vs_snapshot *s = head_of(&lake, "main");
    CHECK_INT(s->first_row_id, 125);
    CHECK_INT(s->added_rows, 50);
    CHECK_INT(lake.m->next_row_id, 175);
    read_listing(&lake, s, &l);
    CHECK_INT(find_file(&l, "/b")->first_row_id, 50);
    CHECK_INT(find_file(&l, "/c")->first_row_id, 100);
    close_lake(&lake);
}

// A manifest list as version 1 writers left it: paths, without counts.
static void put_old_list(struct lake *lake, const struct listing *l, const char *name)
{
    struct vs_error err = {0};
    struct vs_avro_writer writer = {0};
    struct vs_buf bytes, key;
    vs_buf_init(&bytes, vs_env_default(), 1 << 20);
    vs_buf_init(&key, vs_env_default(), 4096);
    const struct vs_str schema =
        S("{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":["
          "{\"name\":\"manifest_path\",\"type\":\"string\",\"field-id\":500},"
          "{\"name\":\"manifest_length\",\"type\":\"long\",\"field-id\":501},"
          "{\"name\":\"partition_spec_id\",\"type\":\"int\",\"field-id\":502}]}");
    CHECK_OK(vs_avro_writer_init(&writer, &bytes, schema, NULL, 0, &err), err);
    for (size_t i = 0; i < l->manifest_count; i++) {
        CHECK_OK(vs_avro_put_bytes(&writer.block, l->manifests[i].path, &err), err);
        CHECK_OK(vs_avro_put_long(&writer.block, l->manifests[i].length, &err), err);
        CHECK_OK(vs_avro_put_long(&writer.block, l->manifests[i].spec_id, &err), err);
        CHECK_OK(vs_avro_writer_end_record(&writer, &err), err);
    }
    CHECK_OK(vs_avro_writer_finish(&writer, &err), err);
    vs_avro_writer_clear(&writer);
    struct vs_str uri = vs_arena_printf(&lake->arena, "%s/metadata/%s", lake->location, name);
    CHECK_OK(vs_store_key(lake->store, uri, &key, &err), err);
    CHECK_OK(vs_store_put(lake->store, vs_buf_c_str(&key), vs_buf_view(&bytes), VS_PUT_ANY, &err),
             err);
    lake->m->snapshots[lake->m->snapshot_count - 1].manifest_list = uri;
    vs_buf_clear(&key);
    vs_buf_clear(&bytes);
}

// A list without counts: the next one has them right, and no row id is given twice.
static void row_lineage_without_counts(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    REQUIRE(open_lake(&lake, 3, NULL, 0));
    REQUIRE_OK(append(&lake, "a", 50, &err), err);
    REQUIRE_OK(append(&lake, "b", 7, &err), err);
    read_listing(&lake, head_of(&lake, "main"), &l);
    put_old_list(&lake, &l, "old-list.avro");
    lake.m->next_row_id = 0; // as after an upgrade: no file has row ids yet
    REQUIRE_OK(append(&lake, "c", 25, &err), err);
    CHECK_INT(head_of(&lake, "main")->added_rows, 82);
    CHECK_INT(lake.m->next_row_id, 82);
    read_listing(&lake, head_of(&lake, "main"), &l);
    REQUIRE(l.manifest_count == 3 && l.file_count == 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(l.manifests[i].added_files, 1);
        CHECK_INT(l.manifests[i].existing_files, 0);
        CHECK_INT(l.manifests[i].deleted_files, 0);
        CHECK_INT(l.manifests[i].added_rows, l.files[i].record_count);
        for (size_t j = 0; j < 3; j++) {
            int64_t end = l.files[i].first_row_id + l.files[i].record_count;
            CHECK(i == j || l.files[j].first_row_id < l.files[i].first_row_id ||
                  l.files[j].first_row_id >= end);
        }
    }
    close_lake(&lake);
}

// A merge of manifests that had no row ids is not used again by the next attempt when another
// commit gave them theirs meanwhile: ids never change.
static void row_lineage_in_kept_merges(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    struct vs_commit_state *state = NULL;
    struct vs_commit_attempt lost = {0}, won = {0};
    const struct vs_pair few[] = {{S("commit.manifest.min-count-to-merge"), S("1")}};
    const struct vs_pair many[] = {{S("commit.manifest.min-count-to-merge"), S("100")}};
    REQUIRE(open_lake(&lake, 2, NULL, 0));
    REQUIRE_OK(append(&lake, "a", 50, &err), err);
    REQUIRE_OK(append(&lake, "b", 7, &err), err);
    const struct vs_intent merge = {.set_properties = few, .set_property_count = 1};
    REQUIRE_OK(commit(&lake, &merge, &err), err);
    lake.m->format_version = 3; // upgraded: no manifest has row ids yet
    lake.m->next_row_id = 0;
    const struct vs_data_file c = data_file(&lake, "c", 25), d = data_file(&lake, "d", 3);
    const struct vs_intent ours = {.operation = "append", .added_data = &c, .added_data_count = 1};
    const struct vs_intent theirs = {.operation = "append",
                                     .added_data = &d,
                                     .added_data_count = 1,
                                     .set_properties = many,
                                     .set_property_count = 1};
    REQUIRE_OK(
        vs_commit_state_new(&lake.t.env, lake.store, vs_uuid_new_v7(&lake.t.env), &state, &err),
        err);
    REQUIRE_OK(vs_commit_prepare(state, lake.m, NULL, &ours, &lost, &err), err);
    vs_table_metadata_free(lost.metadata);
    REQUIRE_OK(commit(&lake, &theirs, &err), err);
    read_listing(&lake, head_of(&lake, "main"), &l);
    int64_t a = find_file(&l, "/a")->first_row_id, b = find_file(&l, "/b")->first_row_id;
    CHECK(a >= 0 && b >= 0);
    REQUIRE_OK(vs_commit_prepare(state, lake.m, NULL, &ours, &won, &err), err);
    vs_commit_state_free(state, true);
    vs_table_metadata_free(lake.m);
    lake.m = won.metadata;
    read_listing(&lake, head_of(&lake, "main"), &l);
    CHECK_INT(find_file(&l, "/a")->first_row_id, a);
    CHECK_INT(find_file(&l, "/b")->first_row_id, b);
    close_lake(&lake);
}

// ---- deletion vectors ----

static struct vs_data_file vector_of(struct lake *lake, const char *data, int64_t offset)
{
    struct vs_data_file file = data_file(lake, "x.puffin", 3);
    file.content = VS_CONTENT_POSITION_DELETES;
    file.format = S("PUFFIN");
    file.referenced_data_file = vs_arena_printf(&lake->arena, "%s/data/%s", lake->location, data);
    file.content_offset = offset;
    file.content_size = 40;
    return file;
}

static void deletion_vectors(void)
{
    struct lake lake;
    struct vs_error err = {0};
    struct listing l;
    REQUIRE(open_lake(&lake, 3, NULL, 0));
    REQUIRE_OK(append(&lake, "a", 50, &err), err);
    const struct vs_data_file vectors[] = {vector_of(&lake, "a", 4), vector_of(&lake, "b", 44)};
    const struct vs_intent add = {
        .operation = "delete", .added_deletes = vectors, .added_delete_count = 2};
    REQUIRE_OK(commit(&lake, &add, &err), err);
    CHECK(has_summary(head_of(&lake, "main"), "added-dvs", "2"));
    CHECK(has_summary(head_of(&lake, "main"), "added-position-deletes", "6"));
    CHECK(has_summary(head_of(&lake, "main"), "added-files-size", "80"));
    CHECK(has_summary(head_of(&lake, "main"), "added-position-delete-files", NULL));
    CHECK_INT(head_of(&lake, "main")->added_rows, 0);
    // two vectors lie in one file: the offset tells which one goes
    const struct vs_data_file better = vector_of(&lake, "b", 200);
    const struct vs_intent swap = {.operation = "delete",
                                   .added_deletes = &better,
                                   .added_delete_count = 1,
                                   .removed_deletes = &vectors[1],
                                   .removed_delete_count = 1};
    REQUIRE_OK(commit(&lake, &swap, &err), err);
    const struct vs_snapshot *s = head_of(&lake, "main");
    CHECK(has_summary(s, "removed-dvs", "1"));
    CHECK(has_summary(s, "removed-delete-files", "1"));
    CHECK(has_summary(s, "total-delete-files", "2"));
    CHECK(has_summary(s, "total-position-deletes", "6"));
    read_listing(&lake, s, &l);
    size_t live = 0;
    for (size_t i = 0; i < l.file_count; i++) {
        if (l.files[i].content_offset == 44) {
            CHECK_INT(l.files[i].status, VS_ENTRY_DELETED);
        }
        live += l.files[i].content_offset >= 0 && l.files[i].status != VS_ENTRY_DELETED;
    }
    CHECK_INT(live, 2);
    CHECK_STATUS(commit(&lake, &swap, &err), VS_CONFLICT);
    struct vs_data_file plain = vectors[0];
    plain.content_offset = -1;
    const struct vs_intent old_kind = {
        .operation = "delete", .added_deletes = &plain, .added_delete_count = 1};
    CHECK_STATUS(commit(&lake, &old_kind, &err), VS_INVALID);
    close_lake(&lake);
}

// ---- version 1, metadata log ----

static enum vs_status upgrade(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    (void)ctx;
    return vs_edit_upgrade(edit, 2, err);
}

static void version_one(void)
{
    static const char text[] =
        "{\"format-version\":1,\"location\":\"%s\",\"last-updated-ms\":5,\"last-column-id\":1,"
        "\"schema\":{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,"
        "\"type\":\"long\"}]},\"partition-spec\":[]}";
    struct lake lake;
    struct vs_error err = {0};
    struct vs_buf json;
    REQUIRE(open_lake(&lake, 2, NULL, 0));
    vs_table_metadata_free(lake.m);
    lake.m = NULL;
    vs_buf_init(&json, vs_env_default(), 1 << 16);
    CHECK_OK(vs_buf_printf(&json, &err, text, lake.location), err);
    CHECK_OK(vs_table_metadata_parse(&lake.t.env, vs_buf_view(&json), "v1", &lake.m, &err), err);
    vs_buf_clear(&json);
    REQUIRE(lake.m != NULL);
    CHECK_STATUS(append(&lake, "a", 1, &err), VS_UNSUPPORTED);
    CHECK(strstr(err.message, "--set-format-version 2") != NULL);
    const struct vs_intent up = {.edit = upgrade};
    REQUIRE_OK(commit(&lake, &up, &err), err);
    CHECK_INT(lake.m->format_version, 2);
    REQUIRE_OK(append(&lake, "a", 1, &err), err);
    CHECK_INT(lake.m->last_sequence_number, 1);
    close_lake(&lake);
}

static void metadata_log(void)
{
    struct lake lake;
    struct vs_error err = {0};
    const struct vs_pair limits[] = {{S("write.metadata.previous-versions-max"), S("2")},
                                     {S("write.metadata.delete-after-commit.enabled"), S("true")}};
    REQUIRE(open_lake(&lake, 2, limits, 2));
    for (int i = 1; i <= 4; i++) {
        char uri[400];
        struct vs_commit_state *state = NULL;
        struct vs_commit_attempt attempt = {0};
        const struct vs_intent nothing = {.operation = NULL};
        snprintf(uri, sizeof uri, "%s/metadata/v%d.metadata.json", lake.location, i);
        REQUIRE_OK(
            vs_commit_state_new(&lake.t.env, lake.store, vs_uuid_new_v7(&lake.t.env), &state, &err),
            err);
        CHECK_OK(vs_commit_prepare(state, lake.m, uri, &nothing, &attempt, &err), err);
        vs_commit_state_free(state, true);
        REQUIRE(attempt.metadata != NULL);
        CHECK_INT(attempt.metadata->metadata_log_count, i < 2 ? i : 2);
        char oldest[32];
        snprintf(oldest, sizeof oldest, "/v%d.metadata.json", i < 2 ? i : i - 1);
        CHECK(vs_str_ends_with(attempt.metadata->metadata_log[0].metadata_file,
                               vs_str_from_c(oldest)));
        vs_table_metadata_free(lake.m);
        lake.m = attempt.metadata;
    }
    close_lake(&lake);
}

static enum vs_status break_contract(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    (void)ctx;
    return vs_edit_set_property(edit, S("vecstore.vector.none.dimension"), S("4"), err);
}

static void broken_contracts(void)
{
    struct lake lake;
    struct vs_error err = {0};
    REQUIRE(open_lake(&lake, 2, NULL, 0));
    const struct vs_intent bad = {.edit = break_contract};
    CHECK_STATUS(commit(&lake, &bad, &err), VS_INVALID);
    close_lake(&lake);
}

// ---- memory ----

static enum vs_status several_commits(struct lake *lake, struct vs_error *err)
{
    char by_lang[] = "lang";
    const struct vs_data_file a = data_file(lake, "a", 10), v = vector_of(lake, "a", 4);
    if (a.path.ptr == NULL || v.path.ptr == NULL || v.referenced_data_file.ptr == NULL) {
        return VS_NO_MEMORY;
    }
    const struct vs_intent steps[] = {
        {.operation = "append", .added_data = &a, .added_data_count = 1},
        {.edit = make_refs},
        {.operation = "delete", .added_deletes = &v, .added_delete_count = 1, .branch = "dev"},
        {.edit = partition, .edit_ctx = by_lang},
        {.operation = "delete", .removed_data = &a, .removed_data_count = 1},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        VS_TRY(commit(lake, &steps[i], err));
    }
    return VS_OK;
}

static void every_allocation_fails(void)
{
    for (long n = 0;; n++) {
        struct lake lake;
        struct vs_error err = {0};
        REQUIRE(open_lake(&lake, 3, NULL, 0));
        lake.t.fail_at = lake.t.calls + n;
        enum vs_status status = several_commits(&lake, &err);
        bool failed = lake.t.failed;
        lake.t.fail_at = -1;
        close_lake(&lake);
        if (!failed) {
            CHECK_OK(status, err);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK);
    }
}

TEST_MAIN(TEST(removed_files),
          TEST(replaced_files),
          TEST(branches),
          TEST(several_specs),
          TEST(merging),
          TEST(lineage_example),
          TEST(row_lineage),
          TEST(row_lineage_without_counts),
          TEST(row_lineage_in_kept_merges),
          TEST(deletion_vectors),
          TEST(version_one),
          TEST(metadata_log),
          TEST(broken_contracts),
          TEST(every_allocation_fails))
