// SPDX-License-Identifier: Apache-2.0
// Attr parts: every kind round trip, nulls, dictionaries; every flip and every truncation is
// refused; damage with good checksums.
#include "index/attrs.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>

static uint64_t state = 11;

static uint32_t next_random(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static struct vs_field field_of(enum vs_kind kind, enum vs_kind element)
{
    return (struct vs_field){.id = 4,
                             .name = VS_STR("f"),
                             .kind = kind,
                             .element_kind = element,
                             .precision = 20,
                             .scale = 3};
}

// A value of a kind; texts are short and repeat.
static enum vs_status append_value(struct vs_column *column, size_t i, struct vs_error *err)
{
    struct vs_value value = {.kind = column->kind};
    char text[40];
    switch (column->kind) {
    case VS_KIND_BOOLEAN:
        value.as.boolean = i % 3 == 0;
        break;
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
        value.as.real = (double)((float)i * 1.25f - 7.0f);
        break;
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
    case VS_KIND_FIXED:
        snprintf(text, sizeof text, "text %zu", i % 50);
        text[i % 4 == 0 ? 0 : strlen(text)] = '\0';
        return vs_column_append_bytes(column, text, strlen(text), err);
    case VS_KIND_UUID:
        memset(text, (int)(i & 127), 16);
        return vs_column_append_bytes(column, text, 16, err);
    case VS_KIND_DECIMAL:
        value.as.decimal = (vs_int128)i * -1000000007 * 1000000009;
        break;
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_DATE:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
        value.as.integer = (int64_t)i * 7919 - 100000;
        break;
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
    default:
        return VS_INVALID;
    }
    return vs_column_append(column, &value, err);
}

static enum vs_status fill(struct vs_column *column, size_t rows, bool nulls, struct vs_error *err)
{
    for (size_t i = 0; i < rows; i++) {
        if (nulls && i % 5 == 2) {
            VS_TRY(vs_column_append_null(column, err));
        } else if (column->kind == VS_KIND_LIST) {
            for (size_t e = 0; e < i % 4; e++) {
                VS_TRY(nulls && e == 1 ? vs_column_append_null(column->child, err)
                                       : append_value(column->child, i + e, err));
            }
            VS_TRY(vs_column_end_list(column, err));
        } else {
            VS_TRY(append_value(column, i, err));
        }
    }
    return VS_OK;
}

static bool same_value(const struct vs_column *a, const struct vs_column *b, size_t row)
{
    bool null = vs_column_is_null(a, row);
    if (null != vs_column_is_null(b, row)) {
        return false;
    }
    struct vs_value left = null ? (struct vs_value){0} : vs_column_get(a, row);
    struct vs_value right = null ? (struct vs_value){0} : vs_column_get(b, row);
    return null || vs_value_compare(&left, &right) == 0;
}

static bool same_column(const struct vs_column *a, const struct vs_column *b)
{
    bool same = a->row_count == b->row_count && a->kind == b->kind;
    for (size_t row = 0; row < a->row_count && same; row++) {
        if (a->kind != VS_KIND_LIST) {
            same = same_value(a, b, row);
            continue;
        }
        size_t first_a, count_a, first_b, count_b;
        vs_column_get_list(a, row, &first_a, &count_a);
        vs_column_get_list(b, row, &first_b, &count_b);
        same = vs_column_is_null(a, row) == vs_column_is_null(b, row) && count_a == count_b;
        for (size_t e = 0; e < count_a && same; e++) {
            same = same_value(a->child, b->child, first_a + e) && first_a == first_b;
        }
    }
    return same;
}

static void check_damage(const struct vs_buf *part, const struct vs_field *field, size_t rows)
{
    struct vs_column read;
    for (size_t len = 0; len < part->len; len++) {
        struct vs_str cut = {(const char *)part->data, len};
        CHECK_STATUS(vs_attr_decode(vs_env_default(), cut, "t", field, rows, &read, NULL),
                     VS_CORRUPT);
    }
    for (size_t i = 0; i < part->len; i++) {
        part->data[i] ^= (uint8_t)(1u << (i % 8));
        CHECK_STATUS(
            vs_attr_decode(vs_env_default(), vs_buf_view(part), "t", field, rows, &read, NULL),
            VS_CORRUPT);
        part->data[i] ^= (uint8_t)(1u << (i % 8));
    }
}

static void check_round_trip(const struct vs_field *field, size_t rows, bool nulls, bool damage)
{
    struct vs_column column = {0}, read = {0};
    struct vs_error err = {0};
    struct vs_buf part;
    vs_buf_init(&part, vs_env_default(), SIZE_MAX / 2);
    REQUIRE_OK(vs_column_init_field(&column, vs_env_default(), field, &err), err);
    CHECK_OK(fill(&column, rows, nulls, &err), err);
    CHECK_OK(vs_attr_encode(&column, field, &part, &err), err);
    CHECK_INT(part.len % 8, 0);
    enum vs_status status =
        vs_attr_decode(vs_env_default(), vs_buf_view(&part), "t", field, rows, &read, &err);
    CHECK_OK(status, err);
    if (status == VS_OK) {
        CHECK(same_column(&column, &read));
        struct vs_column wrong;
        CHECK_STATUS(vs_attr_decode(vs_env_default(), vs_buf_view(&part), "t", field, rows + 1,
                                    &wrong, &err),
                     VS_CORRUPT);
        struct vs_field other = *field;
        other.kind = field->kind == VS_KIND_INT ? VS_KIND_DATE : VS_KIND_INT;
        CHECK_STATUS(
            vs_attr_decode(vs_env_default(), vs_buf_view(&part), "t", &other, rows, &wrong, &err),
            VS_CORRUPT);
        // A column that came back dictionary-coded encodes to the same bytes.
        struct vs_buf again;
        vs_buf_init(&again, vs_env_default(), SIZE_MAX / 2);
        CHECK_OK(vs_attr_encode(&read, field, &again, &err), err);
        CHECK(again.len == part.len && memcmp(again.data, part.data, part.len) == 0);
        vs_buf_clear(&again);
        vs_column_clear(&read);
    }
    if (damage) {
        check_damage(&part, field, rows);
    }
    vs_column_clear(&column);
    vs_buf_clear(&part);
}

static void case_round_trip(void)
{
    for (int kind = 0; kind < VS_KIND_LIST; kind++) {
        struct vs_field plain = field_of((enum vs_kind)kind, VS_KIND_BOOLEAN);
        struct vs_field list = field_of(VS_KIND_LIST, (enum vs_kind)kind);
        for (int nulls = 0; nulls < 2; nulls++) {
            check_round_trip(&plain, 0, nulls, true);
            check_round_trip(&plain, 23, nulls, true);
            check_round_trip(&plain, 1000, nulls, false);
            check_round_trip(&list, 0, nulls, true);
            check_round_trip(&list, 17, nulls, true);
            check_round_trip(&list, 1000, nulls, false);
        }
    }
}

// Appends `rows` texts out of `distinct`, encodes and returns the width of the codes (0: plain).
static int code_width(size_t rows, size_t distinct, size_t len)
{
    struct vs_field field = field_of(VS_KIND_STRING, VS_KIND_BOOLEAN);
    struct vs_column column = {0}, read = {0};
    struct vs_error err = {0};
    struct vs_buf part;
    char text[64];
    vs_buf_init(&part, vs_env_default(), SIZE_MAX / 2);
    CHECK_OK(vs_column_init_field(&column, vs_env_default(), &field, &err), err);
    for (size_t i = 0; i < rows; i++) {
        int n = snprintf(text, sizeof text, "%0*zu", (int)len, i % distinct);
        CHECK_OK(vs_column_append_bytes(&column, text, (size_t)n, &err), err);
    }
    CHECK_OK(vs_attr_encode(&column, &field, &part, &err), err);
    CHECK_OK(vs_attr_decode(vs_env_default(), vs_buf_view(&part), "t", &field, rows, &read, &err),
             err);
    CHECK(same_column(&column, &read));
    int width = part.data[14];
    CHECK_INT(read.dictionary != NULL, width != 0);
    vs_column_clear(&column);
    vs_column_clear(&read);
    vs_buf_clear(&part);
    return width;
}

static void case_dictionary(void)
{
    CHECK_INT(code_width(1000, 1, 8), 1);
    CHECK_INT(code_width(5000, 256, 8), 1);
    CHECK_INT(code_width(5000, 257, 8), 2);
    CHECK_INT(code_width(200000, 65537, 12), 4);
    CHECK_INT(code_width(1000, 1000, 8), 0); // all different: plain is smaller
    CHECK_INT(code_width(1, 1, 8), 0);
}

static void case_all_null(void)
{
    struct vs_field field = field_of(VS_KIND_STRING, VS_KIND_BOOLEAN);
    struct vs_column column = {0}, read = {0};
    struct vs_error err = {0};
    struct vs_buf part;
    vs_buf_init(&part, vs_env_default(), SIZE_MAX / 2);
    REQUIRE_OK(vs_column_init_field(&column, vs_env_default(), &field, &err), err);
    for (size_t i = 0; i < 100; i++) {
        CHECK_OK(vs_column_append_null(&column, &err), err);
    }
    CHECK_OK(vs_attr_encode(&column, &field, &part, &err), err);
    REQUIRE_OK(vs_attr_decode(vs_env_default(), vs_buf_view(&part), "t", &field, 100, &read, &err),
               err);
    CHECK(same_column(&column, &read));
    CHECK_INT(vs_column_get_bytes(&read, 50).len, 0);
    vs_column_clear(&column);
    vs_column_clear(&read);
    vs_buf_clear(&part);
}

static void seal(struct vs_buf *part)
{
    vs_store_u32le(part->data + 48, vs_crc32c(0, part->data + 64, part->len - 64));
    vs_store_u32le(part->data + 60, vs_crc32c(0, part->data, 60));
}

// Damage with good checksums: refused, or read without harm (sanitizers watch), never anything
// else.
static void check_hostile(const struct vs_field *field, size_t rows)
{
    struct vs_column column = {0}, read = {0};
    struct vs_error err = {0};
    struct vs_buf part;
    vs_buf_init(&part, vs_env_default(), SIZE_MAX / 2);
    REQUIRE_OK(vs_column_init_field(&column, vs_env_default(), field, &err), err);
    CHECK_OK(fill(&column, rows, true, &err), err);
    CHECK_OK(vs_attr_encode(&column, field, &part, &err), err);
    size_t refused = 0;
    for (int round = 0; round < 3000; round++) {
        size_t at = 4 + next_random() % (part.len - 4);
        uint8_t before = part.data[at];
        part.data[at] = (uint8_t)next_random();
        seal(&part);
        if (vs_attr_decode(vs_env_default(), vs_buf_view(&part), "t", field, rows, &read, &err) ==
            VS_OK) {
            for (size_t row = 0; row < rows; row++) {
                CHECK(field->kind == VS_KIND_LIST || same_value(&read, &read, row));
            }
            vs_column_clear(&read);
        } else {
            refused++;
        }
        part.data[at] = before;
    }
    CHECK(refused > 100);
    vs_column_clear(&column);
    vs_buf_clear(&part);
}

static void case_hostile(void)
{
    struct vs_field text = field_of(VS_KIND_STRING, VS_KIND_BOOLEAN),
                    list = field_of(VS_KIND_LIST, VS_KIND_STRING);
    struct vs_field boolean = field_of(VS_KIND_BOOLEAN, VS_KIND_BOOLEAN);
    check_hostile(&text, 9);
    check_hostile(&text, 300);
    check_hostile(&list, 40);
    check_hostile(&boolean, 200);
}

static void case_no_memory(void)
{
    static const enum vs_kind kinds[][2] = {{VS_KIND_STRING, VS_KIND_BOOLEAN},
                                            {VS_KIND_LIST, VS_KIND_STRING},
                                            {VS_KIND_LONG, VS_KIND_BOOLEAN}};

    for (size_t k = 0; k < 3; k++) {
        struct vs_field field = field_of(kinds[k][0], kinds[k][1]);
        struct vs_column column = {0};
        struct vs_error err = {0};
        REQUIRE_OK(vs_column_init_field(&column, vs_env_default(), &field, &err), err);
        CHECK_OK(fill(&column, 200, true, &err), err);
        for (long n = 0;; n++) {
            struct test_env test;
            struct vs_buf part;
            struct vs_column read = {0};
            test_env_init(&test);
            test.fail_at = n;
            vs_buf_init(&part, &test.env, SIZE_MAX / 2);
            enum vs_status status = vs_attr_encode(&column, &field, &part, &err);
            if (status == VS_OK) {
                status =
                    vs_attr_decode(&test.env, vs_buf_view(&part), "t", &field, 200, &read, &err);
            }
            CHECK_INT(status, test.failed ? VS_NO_MEMORY : VS_OK);
            if (status == VS_OK) {
                vs_column_clear(&read);
            }
            vs_buf_clear(&part);
            CHECK_INT(test.live, 0);
            if (!test.failed) {
                break;
            }
        }
        vs_column_clear(&column);
    }
}

static void case_unsupported(void)
{
    struct vs_field field = field_of(VS_KIND_OTHER, VS_KIND_BOOLEAN);
    struct vs_column column = {0};
    struct vs_error err;
    struct vs_buf part;
    vs_buf_init(&part, vs_env_default(), 1000);
    vs_column_init(&column, vs_env_default(), VS_KIND_OTHER);
    CHECK_STATUS(vs_attr_encode(&column, &field, &part, &err), VS_INVALID);
    CHECK_INT(part.len, 0);
}

TEST_MAIN(TEST(case_round_trip),
          TEST(case_dictionary),
          TEST(case_all_null),
          TEST(case_hostile),
          TEST(case_no_memory),
          TEST(case_unsupported))
