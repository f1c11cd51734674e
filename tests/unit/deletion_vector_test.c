// SPDX-License-Identifier: Apache-2.0
/*
 * Deletion vectors: bytes against those of an independent writer, damage, reading by a manifest
 * entry, writing.
 */
#include "tests/support/check.h"
#include "tests/support/delete_table.h"
#include "tests/support/iceberg_table.h"
#include "tests/support/test_env.h"
#include "vecstore/format/codec.h"
#include "vecstore/format/puffin.h"
#include "vecstore/iceberg/delete_schema.h"
#include "vecstore/iceberg/deletion_vector.h"
#include "vecstore/iceberg/metadata_edit.h"

/*
 * Rows 1, 3, 9 and 2^32 + 5, written by this Python:
 *
 *   import struct, zlib
 *   def part(key, vals):
 *       return (struct.pack('<I', key) + struct.pack('<IIHHI', 12346, 1, 0, len(vals) - 1, 16) +
 *               b''.join(struct.pack('<H', v) for v in vals))
 *   inner = bytes.fromhex('d1d33964') + struct.pack('<Q', 2) + part(0, [1, 3, 9]) + part(1, [5])
 *   blob = struct.pack('>I', len(inner)) + inner + struct.pack('>I', zlib.crc32(inner))
 */
static const uint8_t golden[] = {
    0x00, 0x00, 0x00, 0x3c, 0xd1, 0xd3, 0x39, 0x64, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x30, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x02, 0x00, 0x10, 0x00, 0x00, 0x00, 0x01, 0x00, 0x03, 0x00, 0x09, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x3a, 0x30, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x05, 0x00, 0xb0, 0xce, 0xf9, 0x04};
static const uint64_t golden_rows[] = {1, 3, 9, (UINT64_C(1) << 32) + 5};

static void case_golden(void)
{
    struct vs_bitmap bitmap;
    struct vs_buf out;
    struct vs_error err = {0};
    struct vs_str blob = {(const char *)golden, sizeof golden};
    REQUIRE_OK(vs_deletion_vector_decode(vs_env_default(), blob, "golden", &bitmap, &err), err);
    CHECK_INT(vs_bitmap_cardinality(&bitmap), 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK(vs_bitmap_contains(&bitmap, golden_rows[i]));
    }
    vs_bitmap_clear(&bitmap);
    CHECK_OK(vs_bitmap_add_many(&bitmap, golden_rows, 4, &err), err);
    vs_bitmap_optimize(&bitmap);
    vs_buf_init(&out, vs_env_default(), SIZE_MAX);
    CHECK_OK(vs_deletion_vector_encode(&bitmap, &out, &err), err);
    CHECK(out.len == sizeof golden && memcmp(out.data, golden, sizeof golden) == 0);
    vs_buf_clear(&out);
    vs_bitmap_clear(&bitmap);
}

static void case_damage_has_a_reason(void)
{
    static const struct {
        size_t at;
        const char *reason;
    } damages[] = {{3, "length field"}, {5, "magic number"}, {40, "CRC-32"}, {66, "CRC-32"}};
    struct vs_bitmap bitmap;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        uint8_t bytes[sizeof golden];
        struct vs_error err = {0};
        memcpy(bytes, golden, sizeof golden);
        bytes[damages[i].at] ^= 0x10;
        struct vs_str blob = {(const char *)bytes, sizeof bytes};
        CHECK_STATUS(vs_deletion_vector_decode(vs_env_default(), blob, "x", &bitmap, &err),
                     VS_CORRUPT);
        CHECK(strstr(err.message, damages[i].reason) != NULL);
    }
    for (size_t n = 0; n < sizeof golden; n++) {
        struct vs_str blob = {(const char *)golden, n};
        CHECK_STATUS(vs_deletion_vector_decode(vs_env_default(), blob, "x", &bitmap, NULL),
                     VS_CORRUPT);
    }
    // a bad bitmap under a right CRC
    uint8_t bytes[sizeof golden];
    memcpy(bytes, golden, sizeof golden);
    bytes[36] = 9; // 9, 3, 9
    uint32_t crc = __builtin_bswap32(vs_crc32_zlib(0, bytes + 4, sizeof bytes - 8));
    memcpy(bytes + sizeof bytes - 4, &crc, 4);
    struct vs_error err = {0};
    struct vs_str blob = {(const char *)bytes, sizeof bytes};
    CHECK_STATUS(vs_deletion_vector_decode(vs_env_default(), blob, "x", &bitmap, &err), VS_CORRUPT);
    CHECK(strstr(err.message, "not ascending") != NULL);
}

// ---- reading ----

// The vector of `rows` as an object of its own behind `before` other bytes.
static struct vs_data_file put_vector(
    struct delete_table *t, const uint64_t *rows, size_t count, size_t before, struct vs_str target)
{
    struct vs_bitmap bitmap;
    struct vs_buf bytes;
    char key[64];
    vs_bitmap_init(&bitmap, vs_env_default());
    vs_buf_init(&bytes, vs_env_default(), SIZE_MAX);
    snprintf(key, sizeof key, "t/data/v%zu.puffin", t->file_number++);
    if (vs_buf_append_zeros(&bytes, before, NULL) != VS_OK ||
        vs_bitmap_add_many(&bitmap, rows, count, NULL) != VS_OK ||
        vs_deletion_vector_encode(&bitmap, &bytes, NULL) != VS_OK ||
        vs_store_put(t->store, key, vs_buf_view(&bytes), VS_PUT_IF_ABSENT, NULL) != VS_OK) {
        abort();
    }
    struct vs_data_file file = {.content = VS_CONTENT_POSITION_DELETES,
                                .format = VS_STR("puffin"),
                                .record_count = (int64_t)count,
                                .file_size = (int64_t)bytes.len,
                                .content_offset = (int64_t)before,
                                .content_size = (int64_t)(bytes.len - before),
                                .referenced_data_file = target,
                                .sequence_number = 9};
    file.path = vs_arena_printf(&t->arena, "%s/%s", t->store->root_uri, key);
    vs_buf_clear(&bytes);
    vs_bitmap_clear(&bitmap);
    return file;
}

static void case_read_by_entry(void)
{
    struct delete_table t;
    struct vs_bitmap bitmap;
    struct vs_error err = {0};
    const uint64_t rows[] = {2, 4};
    delete_table_open(&t);
    struct vs_data_file bare = put_vector(&t, rows, 2, 0, VS_STR("x"));
    struct vs_data_file framed = put_vector(&t, rows, 2, 100, VS_STR("x"));
    CHECK(vs_is_deletion_vector(&bare) && vs_is_deletion_vector(&framed));
    REQUIRE_OK(
        vs_deletion_vector_read(vs_env_default(), t.store, &t.metadata, &bare, &bitmap, &err), err);
    CHECK(vs_bitmap_contains(&bitmap, 4) && vs_bitmap_cardinality(&bitmap) == 2);
    vs_bitmap_clear(&bitmap);
    REQUIRE_OK(
        vs_deletion_vector_read(vs_env_default(), t.store, &t.metadata, &framed, &bitmap, &err),
        err);
    vs_bitmap_clear(&bitmap);

    struct {
        struct vs_data_file file;
        const char *reason;
    } bad[5] = {{bare, "manifest says 3"},
                {framed, "leaves"},
                {framed, "not puffin"},
                {framed, "does not say where"},
                {framed, "is missing"}};

    bad[0].file.record_count = 3;
    bad[1].file.content_offset = INT64_MAX;
    bad[2].file.format = VS_STR("PARQUET");
    bad[3].file.content_size = -1;
    bad[4].file.path = vs_arena_printf(&t.arena, "%s/data/none.puffin", t.location);
    for (size_t i = 0; i < 5; i++) {
        CHECK_STATUS(vs_deletion_vector_read(vs_env_default(), t.store, &t.metadata, &bad[i].file,
                                             &bitmap, &err),
                     VS_CORRUPT);
        if (strstr(err.message, bad[i].reason) == NULL) {
            check_report(__FILE__, __LINE__, err.message);
        }
    }
    delete_table_close(&t);
}

// A vector makes position delete files void for its file, and for no other.
static void case_vector_over_positions(void)
{
    struct delete_table t;
    struct vs_error err = {0};
    struct vs_deleted_rows rows = {0};
    const uint64_t vector_rows[] = {7};
    struct vs_position_delete positions[2];
    struct vs_data_file *written;
    size_t written_count;
    delete_table_open(&t);
    struct vs_scan_file files[2] = {{.data = delete_table_data(&t, 0, 10, 1)},
                                    {.data = delete_table_data(&t, 10, 10, 1)}};
    positions[0] = (struct vs_position_delete){files[0].data.path, 2};
    positions[1] = (struct vs_position_delete){files[1].data.path, 3};
    REQUIRE_OK(vs_position_deletes_write(t.store, &t.metadata, positions, 2, &t.arena, &written,
                                         &written_count, &err),
               err);
    CHECK_INT(written_count, 2);
    struct vs_data_file vector = put_vector(&t, vector_rows, 1, 0, files[0].data.path);
    const struct vs_data_file *of_first[] = {&written[0], &written[1], &vector};
    const struct vs_data_file *of_second[] = {&written[0], &written[1]};
    files[0].deletes = of_first;
    files[0].delete_count = 3;
    files[1].deletes = of_second;
    files[1].delete_count = 2;
    struct vs_scan_plan plan = {.file_count = 2, .files = files, .location = t.metadata.location};
    REQUIRE_OK(vs_deleted_rows_read(vs_env_default(), t.store, &t.metadata, &plan, &rows, &err),
               err);
    CHECK(rows.counts[0] == 1 && rows.positions[0][0] == 7);
    CHECK(rows.counts[1] == 1 && rows.positions[1][0] == 3);
    CHECK_INT(rows.total, 2);
    vs_deleted_rows_clear(&rows);

    for (long n = 0;; n++) {
        struct test_env env;
        test_env_init(&env);
        env.fail_at = n;
        enum vs_status status =
            vs_deleted_rows_read(&env.env, t.store, &t.metadata, &plan, &rows, NULL);
        CHECK(status == VS_OK || (env.failed && status == VS_NO_MEMORY));
        if (status == VS_OK) {
            CHECK_INT(rows.total, 2);
            vs_deleted_rows_clear(&rows);
        }
        CHECK_INT(env.live, 0);
        if (!env.failed) {
            break;
        }
    }

    files[0].data.record_count = 7; // row 7 is behind the end
    CHECK_STATUS(vs_deleted_rows_read(vs_env_default(), t.store, &t.metadata, &plan, &rows, &err),
                 VS_CORRUPT);
    CHECK(strstr(err.message, "deletes row 7") != NULL);
    delete_table_close(&t);
}

// ---- writing into a table of version 3 ----

static void create_v3(struct vs_catalog *catalog)
{
    struct vs_field fields[TEST_FIELDS];
    int32_t identifier[1];
    struct vs_error err = {0};
    struct vs_schema schema = test_schema(fields, identifier);
    struct vs_table_create create = {.schema = &schema, .format_version = 3};
    struct vs_table *table = NULL;
    CHECK_OK(vs_catalog_create(catalog, "n.v3", &create, &table, &err), err);
    vs_table_release(table);
}

// Deletes these rows of the first file in one commit; returns what was written.
static struct vs_deletes_written delete_rows(struct vs_catalog *catalog,
                                             const uint64_t *positions,
                                             size_t count,
                                             struct vs_arena *arena)
{
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    struct vs_scan_plan *plan = NULL;
    struct vs_deletes_written written = {0};
    struct vs_commit_result result = {0};
    struct vs_position_delete rows[16];
    CHECK_OK(vs_catalog_load(catalog, "n.v3", &table, &err), err);
    const struct vs_table_metadata *m = table->metadata;
    CHECK_OK(vs_scan_plan_make(vs_env_default(), vs_catalog_store(catalog), m,
                               m->current_snapshot_id, &plan, &err),
             err);
    for (size_t i = 0; i < count; i++) {
        rows[i] = (struct vs_position_delete){plan->files[0].data.path, positions[i]};
    }
    const struct vs_deletes_request request = {
        .metadata = m, .snapshot_id = m->current_snapshot_id, .rows = rows, .row_count = count};
    CHECK_OK(vs_deletes_write(vs_catalog_store(catalog), &request, arena, &written, &err), err);
    const struct vs_intent intent = {.operation = "delete",
                                     .added_deletes = written.added,
                                     .added_delete_count = written.added_count,
                                     .removed_deletes = written.removed,
                                     .removed_delete_count = written.removed_count};
    CHECK_OK(vs_catalog_commit(catalog, "n.v3", &intent, NULL, &result, &err), err);
    vs_table_release(result.table);
    vs_scan_plan_free(plan);
    vs_table_release(table);
    return written;
}

static void check_puffin(struct vs_catalog *catalog, const struct vs_deletes_written *written)
{
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_puffin puffin;
    const struct vs_data_file *entry = &written->added[0];
    vs_buf_init(&bytes, vs_env_default(), SIZE_MAX);
    REQUIRE_OK(vs_store_get(vs_catalog_store(catalog), written->keys[0], &bytes, &err), err);
    CHECK_INT(bytes.len, entry->file_size);
    REQUIRE_OK(vs_puffin_parse(vs_env_default(), vs_buf_view(&bytes), "vectors", &puffin, &err),
               err);
    CHECK_INT(puffin.blob_count, 1);
    const struct vs_puffin_blob *blob = &puffin.blobs[0];
    CHECK(vs_str_equal_c(blob->type, "deletion-vector-v1"));
    CHECK_INT(blob->offset, entry->content_offset);
    CHECK_INT(blob->length, entry->content_size);
    CHECK_INT(blob->snapshot_id, -1);
    CHECK_INT(blob->sequence_number, -1);
    CHECK(blob->field_count == 1 && blob->fields[0] == 2147483645);
    CHECK_INT(blob->property_count, 2);
    CHECK_INT(blob->codec.len, 0);
    vs_puffin_clear(&puffin);
    vs_buf_clear(&bytes);
}

static void check_live(struct vs_catalog *catalog, size_t count, int64_t gone)
{
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    struct test_rows rows = {0};
    CHECK_OK(vs_catalog_load(catalog, "n.v3", &table, &err), err);
    CHECK_OK(test_table_rows(catalog, table->metadata, table->metadata->current_snapshot_id, &rows,
                             &err),
             err);
    CHECK_INT(rows.count, count);
    for (size_t i = 0; i < rows.count; i++) {
        CHECK(rows.ids[i] != gone);
    }
    free(rows.ids);
    vs_table_release(table);
}

static void case_write_and_merge(void)
{
    char path[256];
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    struct vs_commit_result result = {0};
    struct vs_arena arena;
    const uint64_t first[] = {5, 1, 5}, second[] = {9, 99};
    test_dir_make(path, sizeof path);
    const struct vs_catalog_options options = {.warehouse = path, .create_warehouse = true};
    REQUIRE_OK(vs_catalog_open(vs_env_default(), &options, &catalog, &err), err);
    vs_arena_init(&arena, vs_env_default(), 0);
    create_v3(catalog);
    CHECK_OK(test_table_append(catalog, "n.v3", 0, 100, NULL, &result, &err), err);
    vs_table_release(result.table);

    struct vs_deletes_written written = delete_rows(catalog, first, 3, &arena);
    CHECK(written.added_count == 1 && written.removed_count == 0);
    CHECK_INT(written.added[0].record_count, 2);
    CHECK(vs_str_equal_c(written.added[0].format, "PUFFIN"));
    check_puffin(catalog, &written);
    check_live(catalog, 98, 5);

    struct vs_str old_path = written.added[0].path;
    written = delete_rows(catalog, second, 2, &arena);
    CHECK(written.added_count == 1 && written.removed_count == 1);
    CHECK(vs_str_equal(written.removed[0].path, old_path));
    CHECK_INT(written.added[0].record_count, 4); // the union
    check_live(catalog, 96, 1);

    vs_arena_clear(&arena);
    vs_catalog_free(catalog);
    test_dir_remove(path);
}

static enum vs_status upgrade(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    (void)ctx;
    return vs_edit_upgrade(edit, 3, err);
}

// Position deletes from before the upgrade go into the first vector of their file.
static void case_upgraded_table(void)
{
    char path[256];
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    struct vs_commit_result result = {0};
    struct vs_arena arena;
    const uint64_t first[] = {5, 1}, second[] = {9, 5};
    const struct vs_intent raise = {.edit = upgrade};
    test_dir_make(path, sizeof path);
    const struct vs_catalog_options options = {.warehouse = path, .create_warehouse = true};
    REQUIRE_OK(vs_catalog_open(vs_env_default(), &options, &catalog, &err), err);
    vs_arena_init(&arena, vs_env_default(), 0);
    REQUIRE_OK(test_table_create(catalog, "n.v3", &err), err); // version 2 so far
    REQUIRE_OK(test_table_append(catalog, "n.v3", 0, 100, NULL, &result, &err), err);
    vs_table_release(result.table);

    struct vs_deletes_written written = delete_rows(catalog, first, 2, &arena);
    REQUIRE(written.added_count == 1);
    CHECK(vs_str_equal(written.added[0].format, VS_STR("PARQUET")));
    struct vs_str old_path = written.added[0].path;
    REQUIRE_OK(vs_catalog_commit(catalog, "n.v3", &raise, NULL, &result, &err), err);
    CHECK_INT(result.table->metadata->format_version, 3);
    vs_table_release(result.table);
    check_live(catalog, 98, 5);

    written = delete_rows(catalog, second, 2, &arena);
    REQUIRE(written.added_count == 1 && written.removed_count == 1);
    CHECK(vs_str_equal_c(written.added[0].format, "PUFFIN"));
    CHECK(vs_str_equal(written.removed[0].path, old_path));
    CHECK_INT(written.added[0].record_count, 3); // 1, 5 and 9
    check_live(catalog, 97, 1);

    vs_arena_clear(&arena);
    vs_catalog_free(catalog);
    test_dir_remove(path);
}

// The partition of a delete file is that of its data file, and the copy outlives it.
static void case_partition_is_carried(void)
{
    struct vs_arena arena;
    struct vs_error err = {0};
    char text[] = "en", key[] = "key";
    struct vs_value values[] = {{.kind = VS_KIND_STRING, .as.text = {text, 2}},
                                {.kind = VS_KIND_INT, .as.integer = 5},
                                {.kind = VS_KIND_STRING, .is_null = true}};
    const struct vs_data_file data = {.spec_id = 3,
                                      .has_partition = true,
                                      .partition_count = 3,
                                      .partition = values,
                                      .partition_key = {key, 3}};
    struct vs_data_file file = {.record_count = 1};
    vs_arena_init(&arena, vs_env_default(), 0);
    REQUIRE_OK(vs_delete_file_place(&file, &data, &arena, &err), err);
    memset(text, 'x', 2);
    memset(key, 'x', 3);
    values[1].as.integer = 6;
    CHECK(file.spec_id == 3 && file.has_partition && file.partition_count == 3);
    CHECK(vs_str_equal_c(file.partition[0].as.text, "en") && file.partition[1].as.integer == 5);
    CHECK(file.partition[2].is_null && vs_str_equal_c(file.partition_key, "key"));
    CHECK_INT(file.record_count, 1);
    vs_arena_clear(&arena);
}

// Whatever allocation fails while vectors are written, no object is left behind.
static enum vs_status count_object(void *ctx,
                                   const struct vs_object_info *object,
                                   struct vs_error *err)
{
    (void)object;
    (void)err;
    ++*(size_t *)ctx;
    return VS_OK;
}

static void case_write_allocation_failures(void)
{
    char path[256];
    struct vs_error err = {0};
    struct vs_catalog *catalog = NULL;
    struct vs_table *table = NULL;
    struct vs_commit_result result = {0};
    struct vs_scan_plan *plan = NULL;
    size_t before = 0;
    test_dir_make(path, sizeof path);
    const struct vs_catalog_options options = {.warehouse = path, .create_warehouse = true};
    REQUIRE_OK(vs_catalog_open(vs_env_default(), &options, &catalog, &err), err);
    create_v3(catalog);
    CHECK_OK(test_table_append(catalog, "n.v3", 0, 20, NULL, &result, &err), err);
    vs_table_release(result.table);
    REQUIRE_OK(vs_catalog_load(catalog, "n.v3", &table, &err), err);
    struct vs_store *store = vs_catalog_store(catalog);
    const struct vs_table_metadata *m = table->metadata;
    REQUIRE_OK(vs_scan_plan_make(vs_env_default(), store, m, m->current_snapshot_id, &plan, &err),
               err);
    CHECK_OK(vs_store_list(store, "", count_object, &before, &err), err);
    for (long n = 0;; n++) {
        struct test_env env;
        struct vs_arena arena;
        struct vs_deletes_written written;
        struct vs_position_delete row = {plan->files[0].data.path, 4};
        size_t after = 0;
        const struct vs_deletes_request request = {
            .metadata = m, .snapshot_id = m->current_snapshot_id, .rows = &row, .row_count = 1};
        test_env_init(&env);
        env.seed = (uint64_t)n + 1; // another name each time
        env.fail_at = n;
        vs_arena_init(&arena, &env.env, 0);
        enum vs_status status = vs_deletes_write(store, &request, &arena, &written, NULL);
        CHECK(status == VS_OK || (env.failed && status == VS_NO_MEMORY));
        if (status == VS_OK) {
            CHECK_INT(written.key_count, 1);
            vs_deletes_discard(store, &written);
        }
        CHECK_OK(vs_store_list(store, "", count_object, &after, &err), err);
        CHECK_INT(after, before);
        vs_arena_clear(&arena);
        CHECK_INT(env.live, 0);
        if (!env.failed) {
            break;
        }
    }
    struct vs_position_delete gone = {VS_STR("file:///no/such.parquet"), 0};
    struct vs_position_delete far = {plan->files[0].data.path, 20};
    struct vs_arena arena;
    struct vs_deletes_written written;
    vs_arena_init(&arena, vs_env_default(), 0);
    struct vs_deletes_request request = {
        .metadata = m, .snapshot_id = m->current_snapshot_id, .rows = &gone, .row_count = 1};
    CHECK_STATUS(vs_deletes_write(store, &request, &arena, &written, &err), VS_CONFLICT);
    request.rows = &far;
    CHECK_STATUS(vs_deletes_write(store, &request, &arena, &written, &err), VS_INVALID);
    vs_arena_clear(&arena);
    vs_scan_plan_free(plan);
    vs_table_release(table);
    vs_catalog_free(catalog);
    test_dir_remove(path);
}

TEST_MAIN(TEST(case_golden),
          TEST(case_partition_is_carried),
          TEST(case_write_allocation_failures),
          TEST(case_damage_has_a_reason),
          TEST(case_read_by_entry),
          TEST(case_vector_over_positions),
          TEST(case_write_and_merge),
          TEST(case_upgraded_table))
