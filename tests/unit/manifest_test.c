// SPDX-License-Identifier: Apache-2.0
// Manifests and manifest lists: what is written is read again, numbers are inherited by the rules
// (interop failures 4, 6, 9).
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/iceberg/manifest.h"

static struct vs_table_metadata *make_metadata(void)
{
    struct vs_error err = {0};
    struct vs_field field = {.name = VS_STR("id"), .kind = VS_KIND_LONG, .required = true};
    struct vs_schema schema = {.field_count = 1, .fields = &field};
    struct vs_table_create create = {.location = VS_STR("file:///w/t"), .schema = &schema};
    struct vs_table_metadata *m = NULL;
    CHECK_OK(vs_table_metadata_new(vs_env_default(), &create, &m, &err), err);
    return m;
}

static struct vs_int_long sizes[] = {{1, 100}, {2, INT64_MAX}};
static struct vs_int_bytes lower[] = {{1, {"\0\1", 2}}};
static struct vs_int_bytes upper[] = {{1, {"\xff", 1}}};
static int64_t splits[] = {4, 1 << 20};

static struct vs_data_file make_file(const char *path, enum vs_entry_status status)
{
    return (struct vs_data_file){.content = VS_CONTENT_DATA,
                                 .path = vs_str_from_c(path),
                                 .format = VS_STR("PARQUET"),
                                 .record_count = 17,
                                 .file_size = 12345,
                                 .column_size_count = 2,
                                 .column_sizes = sizes,
                                 .value_count_count = 1,
                                 .value_counts = sizes,
                                 .null_count_count = 1,
                                 .null_counts = sizes,
                                 .lower_count = 1,
                                 .lower_bounds = lower,
                                 .upper_count = 1,
                                 .upper_bounds = upper,
                                 .split_count = 2,
                                 .split_offsets = splits,
                                 .sort_order_id = 0,
                                 .content_offset = -1,
                                 .content_size = -1,
                                 .status = status,
                                 .snapshot_id = 77,
                                 .sequence_number = 5,
                                 .file_sequence_number = 4};
}

static enum vs_status write_and_read(const struct vs_env *env,
                                     const struct vs_data_file *files,
                                     size_t count,
                                     struct vs_arena *arena,
                                     struct vs_data_file **out,
                                     size_t *out_count,
                                     struct vs_error *err)
{
    struct vs_table_metadata *m = make_metadata();
    const struct vs_manifest_write spec = {
        .metadata = m, .snapshot_id = 99, .files = files, .file_count = count};
    const struct vs_manifest_file list_entry = {.sequence_number = 12, .added_snapshot_id = 88};
    struct vs_buf bytes;
    vs_buf_init(&bytes, env, 1 << 24);
    enum vs_status status = vs_manifest_write_bytes(env, &spec, &bytes, err);
    if (status == VS_OK) {
        const struct vs_manifest_read read = {.env = env,
                                              .bytes = vs_buf_view(&bytes),
                                              .what = "m.avro",
                                              .manifest = &list_entry,
                                              .metadata = m};
        status = vs_manifest_read(&read, arena, out, out_count, err);
    }
    vs_buf_clear(&bytes);
    vs_table_metadata_free(m);
    return status;
}

static void entries_round_trip(void)
{
    struct vs_error err = {0};
    struct vs_arena arena;
    struct vs_data_file files[] = {make_file("file:///w/t/data/a", VS_ENTRY_ADDED),
                                   make_file("file:///w/t/data/b", VS_ENTRY_EXISTING),
                                   make_file("file:///w/t/data/c", VS_ENTRY_DELETED)};
    struct vs_data_file *read = NULL;
    size_t count = 0;
    vs_arena_init(&arena, vs_env_default(), 0);
    files[1].sort_order_id = -1;
    REQUIRE_OK(write_and_read(vs_env_default(), files, 3, &arena, &read, &count, &err), err);
    REQUIRE(count == 3);
    CHECK_INT(read[0].status, VS_ENTRY_ADDED);
    CHECK_INT(read[0].snapshot_id, 99);
    CHECK_INT(read[0].sequence_number, 12); // inherited
    CHECK_INT(read[0].file_sequence_number, 12);
    CHECK_INT(read[1].sequence_number, 5); // explicit
    CHECK_INT(read[1].file_sequence_number, 4);
    CHECK_INT(read[1].snapshot_id, 77);
    CHECK_INT(read[1].sort_order_id, -1);
    CHECK_INT(read[2].status, VS_ENTRY_DELETED);
    for (size_t i = 0; i < 3; i++) {
        CHECK(vs_str_equal(read[i].path, files[i].path));
        CHECK(vs_str_equal_c(read[i].format, "PARQUET"));
        CHECK_INT(read[i].record_count, 17);
        CHECK_INT(read[i].file_size, 12345);
        CHECK(read[i].column_size_count == 2 && read[i].column_sizes[1].value == INT64_MAX);
        CHECK(read[i].nan_count_count == 0 && read[i].nan_counts == NULL);
        CHECK(read[i].lower_count == 1 &&
              vs_str_equal(read[i].lower_bounds[0].value, lower[0].value));
        CHECK(read[i].split_count == 2 && read[i].split_offsets[1] == 1 << 20);
        CHECK(read[i].referenced_data_file.ptr == NULL && !read[i].has_partition &&
              read[i].content_offset == -1);
    }
    vs_arena_clear(&arena);
}

// Failure 6: data and delete files never share a manifest.
static void mixed_content_is_refused(void)
{
    struct vs_error err = {0};
    struct vs_arena arena;
    struct vs_data_file files[] = {make_file("a", VS_ENTRY_ADDED), make_file("b", VS_ENTRY_ADDED)};
    struct vs_data_file *read = NULL;
    size_t count = 0;
    files[1].content = VS_CONTENT_POSITION_DELETES;
    vs_arena_init(&arena, vs_env_default(), 0);
    CHECK_STATUS(write_and_read(vs_env_default(), files, 2, &arena, &read, &count, &err),
                 VS_INVALID);
    vs_arena_clear(&arena);
}

static void lists_round_trip(void)
{
    struct vs_error err = {0};
    struct vs_arena arena;
    struct vs_buf bytes, again;
    struct vs_partition_summary summary = {
        .contains_nan = -1, .lower_bound = VS_STR("a"), .upper_bound = VS_STR("b")};
    struct vs_manifest_file entries[] = {
        {.path = VS_STR("file:///m1"),
         .length = 4711,
         .sequence_number = 9,
         .min_sequence_number = 3,
         .added_snapshot_id = 5,
         .added_files = 1,
         .existing_files = 2,
         .deleted_files = 3,
         .added_rows = 10,
         .existing_rows = 20,
         .deleted_rows = 30},
        // one partition summary: not null, no NaN flag
        {.path = VS_STR("file:///m2"),
         .length = 1,
         .spec_id = 3,
         .content = 1,
         .sequence_number = 8,
         .min_sequence_number = 8,
         .added_snapshot_id = 6,
         .added_files = -1,
         .existing_files = -1,
         .deleted_files = -1,
         .added_rows = -1,
         .existing_rows = -1,
         .deleted_rows = -1,
         .partition_count = 1,
         .partitions = &summary},
    };
    struct vs_manifest_file *read = NULL;
    size_t count = 0;
    vs_arena_init(&arena, vs_env_default(), 0);
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    vs_buf_init(&again, vs_env_default(), 1 << 24);
    const struct vs_manifest_list_write list = {.entries = entries,
                                                .count = 2,
                                                .snapshot_id = 5,
                                                .parent_id = VS_NO_SNAPSHOT,
                                                .sequence_number = 9};
    REQUIRE_OK(vs_manifest_list_write_bytes(vs_env_default(), &list, &bytes, &err), err);
    REQUIRE_OK(vs_manifest_list_read(vs_env_default(), vs_buf_view(&bytes), "l.avro", &arena, &read,
                                     &count, &err),
               err);
    REQUIRE(count == 2);
    CHECK(vs_str_equal(read[0].path, entries[0].path));
    CHECK_INT(read[0].length, 4711);
    CHECK_INT(read[0].deleted_rows, 30);
    CHECK_INT(read[0].min_sequence_number, 3);
    CHECK_INT(read[1].spec_id, 3);
    CHECK_INT(read[1].content, 1);
    CHECK(read[1].added_files != 0); // failure 4: an unknown count must not read as none
    CHECK_INT((int)read[0].partition_count, 0);
    REQUIRE(read[1].partition_count == 1);
    CHECK(!read[1].partitions[0].contains_null);
    CHECK_INT(read[1].partitions[0].contains_nan, -1);
    CHECK(vs_str_equal_c(read[1].partitions[0].lower_bound, "a"));
    CHECK(vs_str_equal_c(read[1].partitions[0].upper_bound, "b"));
    vs_buf_clear(&bytes);
    vs_buf_clear(&again);
    vs_arena_clear(&arena);
}

// ---- partitions, version 3 ----

#define PART_COUNT 11
#define T(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    } // a constant, unlike VS_STR

static const struct {
    const char *name;
    enum vs_kind kind;
    const char *transform;
    struct vs_value value;
} parts[PART_COUNT] = {
    {"flag", VS_KIND_BOOLEAN, "identity", {.kind = VS_KIND_BOOLEAN, .as.boolean = true}},
    {"n", VS_KIND_INT, "bucket[7]", {.kind = VS_KIND_INT, .as.integer = 3}},
    {"big", VS_KIND_LONG, "truncate[10]", {.kind = VS_KIND_LONG, .as.integer = -20}},
    {"f", VS_KIND_FLOAT, "identity", {.kind = VS_KIND_FLOAT, .as.real = 1.5}},
    {"d", VS_KIND_DOUBLE, "identity", {.kind = VS_KIND_DOUBLE, .as.real = -2.25}},
    {"text", VS_KIND_STRING, "truncate[3]", {.kind = VS_KIND_STRING, .as.text = T("abc")}},
    {"day of", VS_KIND_TIMESTAMP, "day", {.kind = VS_KIND_DATE, .as.integer = -1}},
    {"ts", VS_KIND_TIMESTAMPTZ, "hour", {.kind = VS_KIND_INT, .as.integer = 411111}},
    {"bytes", VS_KIND_BINARY, "identity", {.kind = VS_KIND_BINARY, .is_null = true}},
    {"uuid", VS_KIND_UUID, "identity", {.kind = VS_KIND_UUID, .as.text = T("0123456789abcdef")}},
    {"price", VS_KIND_DECIMAL, "identity", {.kind = VS_KIND_DECIMAL, .as.decimal = -1234}},
};

static struct vs_table_metadata *make_partitioned(int version)
{
    struct vs_error err = {0};
    static struct vs_field fields[PART_COUNT];
    static struct vs_partition_field spec_fields[PART_COUNT];
    for (int i = 0; i < PART_COUNT; i++) {
        fields[i] = (struct vs_field){.id = i + 1,
                                      .name = vs_str_from_c(parts[i].name),
                                      .kind = parts[i].kind,
                                      .precision = 9,
                                      .scale = 2};
        spec_fields[i] =
            (struct vs_partition_field){.source_id = i + 1,
                                        .field_id = 1000 + i,
                                        .name = vs_str_from_c(parts[i].name),
                                        .transform = vs_str_from_c(parts[i].transform)};
        if (strcmp(parts[i].transform, "identity") != 0) {
            static const char *const names[] = {"", "n_b",    "big_t",    "",
                                                "", "text_t", "day of_d", "ts_h"};
            spec_fields[i].name = vs_str_from_c(names[i]);
        }
    }
    const struct vs_partition_spec spec = {.field_count = PART_COUNT, .fields = spec_fields};
    const struct vs_schema schema = {.field_count = PART_COUNT, .fields = fields};
    const struct vs_table_create create = {.location = VS_STR("file:///w/t"),
                                           .schema = &schema,
                                           .format_version = version,
                                           .spec = &spec};
    struct vs_table_metadata *m = NULL;
    CHECK_OK(vs_table_metadata_new(vs_env_default(), &create, &m, &err), err);
    return m;
}

static void partitions_round_trip(void)
{
    for (int version = 2; version <= 3; version++) {
        struct vs_error err = {0};
        struct vs_table_metadata *m = make_partitioned(version);
        REQUIRE(m != NULL);
        struct vs_value values[PART_COUNT], nulls[PART_COUNT];
        for (int i = 0; i < PART_COUNT; i++) {
            values[i] = parts[i].value;
            nulls[i] = (struct vs_value){.kind = parts[i].value.kind, .is_null = true};
        }
        struct vs_data_file files[] = {make_file("file:///w/t/data/a", VS_ENTRY_ADDED),
                                       make_file("file:///w/t/data/b", VS_ENTRY_EXISTING),
                                       make_file("file:///w/t/data/c", VS_ENTRY_ADDED)};
        for (int i = 0; i < 3; i++) {
            files[i].has_partition = true;
            files[i].partition_count = PART_COUNT;
            files[i].partition = i == 1 ? nulls : values;
            files[i].first_row_id = i == 1 ? 500 : -1;
        }
        const struct vs_manifest_write spec = {
            .metadata = m, .snapshot_id = 99, .files = files, .file_count = 3};
        struct vs_manifest_file entry = {
            .sequence_number = 12, .added_snapshot_id = 88, .first_row_id = 1000};
        struct vs_buf bytes;
        struct vs_arena arena;
        struct vs_data_file *read = NULL;
        size_t count = 0;
        vs_arena_init(&arena, vs_env_default(), 0);
        vs_buf_init(&bytes, vs_env_default(), 1 << 24);
        REQUIRE_OK(vs_manifest_write_bytes(vs_env_default(), &spec, &bytes, &err), err);
        REQUIRE_OK(vs_manifest_summarize(&spec, &arena, &entry, &err), err);
        const int32_t wanted[] = {1};
        for (int few = 0; few < 2; few++) {
            const struct vs_manifest_read how = {.env = vs_env_default(),
                                                 .bytes = vs_buf_view(&bytes),
                                                 .what = "m.avro",
                                                 .manifest = &entry,
                                                 .metadata = m,
                                                 .few_statistics = few == 1,
                                                 .statistics_ids = wanted,
                                                 .statistics_id_count = 1};
            REQUIRE_OK(vs_manifest_read(&how, &arena, &read, &count, &err), err);
            REQUIRE(count == 3);
            for (int i = 0; i < PART_COUNT; i++) {
                CHECK_INT(read[0].partition[i].kind, values[i].kind);
                CHECK_INT(read[0].partition[i].is_null, values[i].is_null);
                CHECK(values[i].is_null ||
                      vs_value_compare(&read[0].partition[i], &values[i]) == 0);
                CHECK(read[1].partition[i].is_null);
            }
            CHECK(vs_str_equal(read[0].partition_key, read[2].partition_key));
            CHECK(!vs_str_equal(read[0].partition_key, read[1].partition_key));
            CHECK_INT(read[0].first_row_id, 1000);
            CHECK_INT(read[1].first_row_id, version == 3 ? 500 : 1017);
            CHECK_INT(read[2].first_row_id, version == 3 ? 1017 : 1034);
            CHECK_INT(read[0].lower_count, 1);
            CHECK_INT(read[0].null_count_count, 1);
            CHECK_INT(read[0].column_size_count, few ? 0 : 2);
            CHECK_INT(read[0].split_count, few ? 0 : 2);
            CHECK(vs_str_equal(read[0].lower_bounds[0].value, lower[0].value));
        }
        CHECK_INT(entry.partition_count, PART_COUNT);
        for (int i = 0; i < PART_COUNT; i++) {
            CHECK(entry.partitions[i].contains_null);
            CHECK_INT(entry.partitions[i].contains_nan, 0);
            CHECK_INT(entry.partitions[i].lower_bound.ptr != NULL, !parts[i].value.is_null);
        }
        CHECK(vs_str_equal(entry.partitions[1].lower_bound, (struct vs_str){"\3\0\0\0", 4}));
        CHECK(vs_str_equal(entry.partitions[10].upper_bound, (struct vs_str){"\xfb\x2e", 2}));
        vs_buf_clear(&bytes);
        vs_arena_clear(&arena);
        vs_table_metadata_free(m);
    }
}

static void row_ids_are_assigned(void)
{
    struct vs_error err = {0};
    struct vs_manifest_file entries[] = {{.first_row_id = -1, .added_rows = 10, .existing_rows = 5},
                                         {.first_row_id = -1, .content = 1, .added_rows = 10},
                                         {.first_row_id = 7, .added_rows = 10},
                                         {.first_row_id = -1, .added_rows = 3}};
    int64_t added = 0;
    REQUIRE_OK(vs_manifest_list_assign_rows(entries, 4, 100, &added, &err), err);
    CHECK_INT(added, 18);
    CHECK_INT(entries[0].first_row_id, 100);
    CHECK_INT(entries[1].first_row_id, -1);
    CHECK_INT(entries[2].first_row_id, 7);
    CHECK_INT(entries[3].first_row_id, 115);
    entries[3].first_row_id = -1;
    CHECK_STATUS(vs_manifest_list_assign_rows(entries, 4, INT64_MAX - 1, &added, NULL), VS_LIMIT);
}

static void every_allocation_fails(void)
{
    struct vs_data_file files[] = {make_file("file:///w/t/data/a", VS_ENTRY_ADDED),
                                   make_file("file:///w/t/data/b", VS_ENTRY_EXISTING)};
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_error err = {0};
        struct vs_arena arena;
        struct vs_data_file *read = NULL;
        size_t count = 0;
        test_env_init(&t);
        t.fail_at = n;
        vs_arena_init(&arena, &t.env, 0);
        enum vs_status status = write_and_read(&t.env, files, 2, &arena, &read, &count, &err);
        vs_arena_clear(&arena);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK_INT(status, VS_OK);
            break;
        }
        CHECK(status == VS_NO_MEMORY || status == VS_OK);
    }
}

TEST_MAIN(TEST(entries_round_trip),
          TEST(mixed_content_is_refused),
          TEST(lists_round_trip),
          TEST(partitions_round_trip),
          TEST(row_ids_are_assigned),
          TEST(every_allocation_fails))
