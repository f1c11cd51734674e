// SPDX-License-Identifier: Apache-2.0
// Vectors made by hand from the compact protocol's specification, and pyarrow's footers through
// parser and encoder.
#include "tests/support/check.h"
#include "tests/support/parquet_render.h"
#include "vecstore/format/parquet_meta.h"
#include "vecstore/format/thrift.h"

// {1: i32 5, 2: true, 3: "ab", 20: i64 -1, 21: [1, -2], 22: {1: i8 -1}}
static const uint8_t vector[] = {0x15, 0x0a, 0x11, 0x18, 0x02, 'a',  'b',  0x06, 0x28, 0x01,
                                 0x19, 0x25, 0x02, 0x03, 0x1c, 0x13, 0xff, 0x00, 0x00};

static void case_writer_vector(void)
{
    struct vs_buf out;
    struct vs_thrift_writer w;
    struct vs_error err = {0};
    vs_buf_init(&out, vs_env_default(), 1000);
    vs_thrift_writer_init(&w, &out);
    vs_tw_begin(&w);
    vs_tw_field_i32(&w, 1, 5);
    vs_tw_field_bool(&w, 2, true);
    vs_tw_field_binary(&w, 3, VS_STR("ab"));
    vs_tw_field_i64(&w, 20, -1);
    vs_tw_field_list(&w, 21, VS_THRIFT_I32, 2);
    vs_tw_i32(&w, 1);
    vs_tw_i32(&w, -2);
    vs_tw_field_begin(&w, 22);
    vs_tw_field_i8(&w, 1, -1);
    vs_tw_end(&w);
    CHECK_STATUS(vs_thrift_writer_finish(&w, NULL), VS_INTERNAL);
    vs_tw_end(&w);
    CHECK_OK(vs_thrift_writer_finish(&w, &err), err);
    CHECK_INT(out.len, sizeof vector);
    CHECK(out.len == sizeof vector && memcmp(out.data, vector, sizeof vector) == 0);
    vs_buf_clear(&out);
    vs_tw_field_i32(&w, 1, 5);
    CHECK_STATUS(vs_thrift_writer_finish(&w, NULL), VS_INTERNAL);
}

static enum vs_status read_vector(const uint8_t *bytes, size_t n, int64_t sums[3])
{
    struct vs_thrift_reader r;
    struct vs_thrift_field f, e, inner;
    vs_thrift_reader_init(&r, bytes, n, "vector");
    VS_TRY(vs_thrift_begin(&r, &f, NULL));
    for (;;) {
        int32_t i32 = 0;
        int64_t i64 = 0;
        size_t count = 0;
        bool flag = false;
        struct vs_str text = {NULL, 0};
        VS_TRY(vs_thrift_next(&r, &f, NULL));
        switch (f.id) {
        case 1:
            VS_TRY(vs_thrift_read_i32(&r, &f, &i32, NULL));
            sums[0] += i32;
            break;
        case 2:
            VS_TRY(vs_thrift_read_bool(&r, &f, &flag, NULL));
            sums[1] += flag;
            break;
        case 3:
            VS_TRY(vs_thrift_read_binary(&r, &f, &text, NULL));
            sums[1] += 10 * (int64_t)text.len;
            break;
        case 20:
            VS_TRY(vs_thrift_read_i64(&r, &f, &i64, NULL));
            sums[2] += i64;
            break;
        case 21:
            VS_TRY(vs_thrift_read_list(&r, &f, &e, &count, NULL));
            for (size_t i = 0; i < count; i++) {
                VS_TRY(vs_thrift_read_i32(&r, &e, &i32, NULL));
                sums[2] += 100 * (int64_t)i32;
            }
            break;
        default:
            if (f.type == VS_THRIFT_STRUCT) {
                VS_TRY(vs_thrift_begin(&r, &inner, NULL));
                VS_TRY(vs_thrift_next(&r, &inner, NULL));
                VS_TRY(vs_thrift_read_i32(&r, &inner, &i32, NULL));
                sums[0] += 1000 * (int64_t)i32;
                VS_TRY(vs_thrift_next(&r, &inner, NULL));
                CHECK_INT(inner.type, VS_THRIFT_STOP);
            }
        }
        if (f.type == VS_THRIFT_STOP) {
            CHECK_INT(vs_reader_left(&r.in), 0);
            return VS_OK;
        }
    }
}

static void case_reader_vector(void)
{
    int64_t sums[3] = {0};
    CHECK_STATUS(read_vector(vector, sizeof vector, sums), VS_OK);
    CHECK_INT(sums[0], 5 - 1000);
    CHECK_INT(sums[1], 21);
    CHECK_INT(sums[2], -1 - 100);
    for (size_t cut = 0; cut < sizeof vector; cut++) {
        CHECK_STATUS(read_vector(vector, cut, sums), VS_CORRUPT);
    }
}

static enum vs_status skip_all(const uint8_t *bytes, size_t n)
{
    struct vs_thrift_reader r;
    struct vs_thrift_field f = {0, VS_THRIFT_STRUCT};
    vs_thrift_reader_init(&r, bytes, n, "skip");
    VS_TRY(vs_thrift_skip(&r, &f, NULL));
    CHECK_INT(vs_reader_left(&r.in), 0);
    CHECK_INT(r.depth, 0);
    return VS_OK;
}

static void case_skip(void)
{
    // map<binary, list<bool>>, double, empty map, set of i64, uuid
    static const uint8_t everything[] = {0x1b, 0x01, 0x89, 0x01, 'k', 0x21, 0x01, 0x02, 0x17, 0,
                                         0,    0,    0,    0,    0,   0,    0,    0x1b, 0x00, 0x1a,
                                         0x16, 0x08, 0x1d, 0,    1,   2,    3,    4,    5,    6,
                                         7,    8,    9,    10,   11,  12,   13,   14,   15,   0x00};
    static const uint8_t bad_type[] = {0x1e, 0x00}, bad_element[] = {0x19, 0x1f, 0x00},
                         zero_type[] = {0x19, 0x10, 0x00};
    static const uint8_t huge_list[] = {0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00},
                         huge_text[] = {0x18, 0xff, 0xff, 0xff, 0x7f, 0x00};
    static const uint8_t huge_map[] = {0x1b, 0xff, 0x7f, 0x55, 0x00};
    uint8_t deep[200];
    CHECK_STATUS(skip_all(everything, sizeof everything), VS_OK);
    CHECK_STATUS(skip_all(bad_type, sizeof bad_type), VS_CORRUPT);
    CHECK_STATUS(skip_all(bad_element, sizeof bad_element), VS_CORRUPT);
    CHECK_STATUS(skip_all(zero_type, sizeof zero_type), VS_CORRUPT);
    CHECK_STATUS(skip_all(huge_list, sizeof huge_list), VS_CORRUPT);
    CHECK_STATUS(skip_all(huge_text, sizeof huge_text), VS_CORRUPT);
    CHECK_STATUS(skip_all(huge_map, sizeof huge_map), VS_CORRUPT);
    memset(deep, 0x1c, sizeof deep); // a struct in a struct in …
    CHECK_STATUS(skip_all(deep, sizeof deep), VS_LIMIT);
    memset(deep, 0x19, sizeof deep); // a list of one list of …
    CHECK_STATUS(skip_all(deep, sizeof deep), VS_LIMIT);
}

// pyarrow's footer parsed, encoded, parsed and encoded again: the same bytes, and the facts of the
// first parse.
static void case_footers(void)
{
    static const char *const names[] = {"flat_dictionary_v2", "row_groups", "lists_plain_v1",
                                        "small_pages_index"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        struct vs_error err = {0};
        struct vs_arena arena;
        struct vs_buf first, second;
        struct vs_pq_file_meta meta, again;
        snprintf(path, sizeof path, "tests/golden/parquet/%s.parquet", names[i]);
        struct vs_str file = read_whole_file(path);
        REQUIRE(file.ptr != NULL && file.len > 12);
        size_t footer = vs_load_u32le(file.ptr + file.len - 8);
        vs_arena_init(&arena, vs_env_default(), 0);
        vs_buf_init(&first, vs_env_default(), 1 << 20);
        vs_buf_init(&second, vs_env_default(), 1 << 20);
        REQUIRE_OK(vs_pq_file_meta_parse(file.ptr + file.len - 8 - footer, footer, path, &arena,
                                         &meta, &err),
                   err);
        CHECK_INT(meta.num_rows, 40);
        CHECK_OK(vs_pq_file_meta_encode(&meta, &first, &err), err);
        REQUIRE_OK(vs_pq_file_meta_parse(first.data, first.len, "again", &arena, &again, &err),
                   err);
        CHECK_OK(vs_pq_file_meta_encode(&again, &second, &err), err);
        CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
        CHECK_INT(again.schema_count, meta.schema_count);
        CHECK_INT(again.row_group_count, meta.row_group_count);
        CHECK(vs_str_equal(again.created_by, meta.created_by) &&
              vs_str_starts_with(meta.created_by, VS_STR("parquet-cpp-arrow version ")));
        for (size_t k = 0; k < meta.schema_count; k++) {
            CHECK(vs_str_equal(meta.schema[k].name, again.schema[k].name));
            CHECK_INT(meta.schema[k].converted, again.schema[k].converted);
            CHECK_INT(meta.schema[k].logical.kind, again.schema[k].logical.kind);
            CHECK_INT(meta.schema[k].logical.unit, again.schema[k].logical.unit);
        }
        for (size_t cut = 0; cut < footer; cut += 3) {
            CHECK(vs_pq_file_meta_parse(file.ptr + file.len - 8 - footer, cut, path, &arena, &again,
                                        NULL) != VS_OK);
        }
        vs_buf_clear(&first);
        vs_buf_clear(&second);
        vs_arena_clear(&arena);
        free_whole_file(file);
    }
}

static void case_page_structs(void)
{
    struct vs_buf out;
    struct vs_arena arena;
    struct vs_error err = {0};
    size_t used = 0;
    vs_buf_init(&out, vs_env_default(), 1 << 16);
    vs_arena_init(&arena, vs_env_default(), 0);
    struct vs_pq_page_header h = {.type = VS_PQ_DATA_PAGE_V2,
                                  .uncompressed_size = 1000,
                                  .compressed_size = 900,
                                  .has_crc = true,
                                  .crc = 0xfedcba98u,
                                  .num_values = 77,
                                  .encoding = VS_PQ_RLE_DICTIONARY,
                                  .num_nulls = 3,
                                  .num_rows = 70,
                                  .definition_length = 5,
                                  .repetition_length = 6},
                             back = {0};
    CHECK_OK(vs_pq_page_header_encode(&h, &out, &err), err);
    CHECK_OK(vs_pq_page_header_parse(out.data, out.len, "page", &back, &used, &err), err);
    CHECK_INT(used, out.len);
    CHECK(back.type == h.type && back.uncompressed_size == 1000 && back.compressed_size == 900 &&
          back.has_crc && back.crc == h.crc);
    CHECK(back.num_values == 77 && back.encoding == h.encoding && back.num_nulls == 3 &&
          back.num_rows == 70);
    CHECK(back.definition_length == 5 && back.repetition_length == 6 && !back.is_compressed);
    struct vs_pq_page_location pages[2] = {{4, 100, 0}, {104, 90, 20}};
    struct vs_pq_offset_index offsets = {2, pages}, offsets_back = {0};
    vs_buf_reset(&out);
    CHECK_OK(vs_pq_offset_index_encode(&offsets, &out, &err), err);
    CHECK_OK(vs_pq_offset_index_parse(out.data, out.len, "index", &arena, &offsets_back, &err),
             err);
    CHECK_INT(offsets_back.page_count, 2);
    CHECK_INT(offsets_back.pages[1].first_row_index, 20);
    CHECK_INT(offsets_back.pages[1].offset, 104);
    bool nulls[2] = {false, true};
    struct vs_str low[2] = {VS_STR("a"), VS_STR("")}, high[2] = {VS_STR("b"), VS_STR("")};
    int64_t counts[2] = {0, 20};
    struct vs_pq_column_index columns = {2, nulls, low, high, VS_PQ_ASCENDING, counts},
                              columns_back = {0};
    vs_buf_reset(&out);
    CHECK_OK(vs_pq_column_index_encode(&columns, &out, &err), err);
    CHECK_OK(vs_pq_column_index_parse(out.data, out.len, "index", &arena, &columns_back, &err),
             err);
    CHECK(columns_back.page_count == 2 && !columns_back.null_pages[0] &&
          columns_back.null_pages[1] && columns_back.null_counts[1] == 20 &&
          columns_back.boundary_order == VS_PQ_ASCENDING &&
          vs_str_equal(columns_back.max_values[0], VS_STR("b")));
    vs_buf_clear(&out);
    vs_arena_clear(&arena);
}

TEST_MAIN(TEST(case_writer_vector),
          TEST(case_reader_vector),
          TEST(case_skip),
          TEST(case_footers),
          TEST(case_page_structs))
