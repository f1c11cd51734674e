// SPDX-License-Identifier: Apache-2.0
#include "ingest/id_set.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>

#define MANY 20000

static struct vs_value number(int64_t id)
{
    return (struct vs_value){.kind = VS_KIND_LONG, .as.integer = id};
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

// Ids that collide in weak hashes: multiples of large powers of two, bit patterns one apart,
// extremes.
static int64_t hostile(uint32_t i)
{
    switch (i % 5) {
    case 0:
        return (int64_t)((uint64_t)(i / 5) << 44);
    case 1:
        return (int64_t)(UINT64_MAX - i);
    case 2:
        return INT64_MIN + (int64_t)(i / 10); // each of these comes twice
    case 3:
        return (int64_t)(i * UINT64_C(0x9e3779b97f4a7c15));
    default:
        return INT64_MAX - (int64_t)(i / 15);
    }
}

// Against a sorted array with duplicates removed.
static void numbers(void)
{
    static int64_t sorted[MANY];
    struct test_env t;
    struct vs_id_set *set = NULL;
    struct vs_error err = {0};
    struct vs_value min, max;
    test_env_init(&t);
    REQUIRE_OK(vs_id_set_new(&t.env, VS_KIND_LONG, &set, &err), err);
    CHECK(!vs_id_set_range(set, &min, &max));
    struct vs_value zero = number(0);
    CHECK(vs_id_set_find(set, &zero) == SIZE_MAX);
    for (uint32_t i = 0; i < MANY; i++) {
        bool added = false;
        struct vs_value id = number(hostile(i));
        bool known = vs_id_set_find(set, &id) != SIZE_MAX;
        size_t before = vs_id_set_count(set);
        REQUIRE_OK(vs_id_set_add(set, &id, &added, &err), err);
        CHECK(added == !known);
        CHECK_INT(vs_id_set_count(set), before + added);
        if (added) {
            CHECK_INT(vs_id_set_get(set, before).as.integer, id.as.integer); // insertion order
            CHECK_INT(vs_id_set_find(set, &id), before);
        }
        sorted[i] = id.as.integer;
    }
    qsort(sorted, MANY, sizeof *sorted, compare);
    size_t distinct = 0;
    for (size_t i = 0; i < MANY; i++) {
        struct vs_value id = number(sorted[i]), next = number(sorted[i] + (sorted[i] < INT64_MAX));
        distinct += i == 0 || sorted[i] != sorted[i - 1];
        CHECK(vs_id_set_find(set, &id) != SIZE_MAX);
        bool has_next = bsearch(&next.as.integer, sorted, MANY, sizeof *sorted, compare) != NULL;
        CHECK((vs_id_set_find(set, &next) != SIZE_MAX) == has_next);
    }
    CHECK_INT(vs_id_set_count(set), distinct);
    REQUIRE(vs_id_set_range(set, &min, &max));
    CHECK_INT(min.as.integer, sorted[0]);
    CHECK_INT(max.as.integer, sorted[MANY - 1]);
    vs_id_set_free(set);
    CHECK_INT(t.live, 0);
}

// Strings that are prefixes of one another, hold NUL bytes or differ in the last byte only.
static void strings(void)
{
    struct test_env t;
    struct vs_id_set *set = NULL;
    struct vs_error err = {0};
    struct vs_value min, max;
    char bytes[40] = {0};
    bool added = false;
    size_t count = 0;
    test_env_init(&t);
    REQUIRE_OK(vs_id_set_new(&t.env, VS_KIND_STRING, &set, &err), err);
    CHECK_INT(vs_id_set_kind(set), VS_KIND_STRING);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        for (int last = 0; last < (len == 0 ? 1 : 256); last += 5) {
            if (len > 0) {
                bytes[len - 1] = (char)last;
            }
            struct vs_value id = {.kind = VS_KIND_STRING, .as.text = {bytes, len}};
            REQUIRE_OK(vs_id_set_add(set, &id, &added, &err), err);
            CHECK(added);
            REQUIRE_OK(vs_id_set_add(set, &id, &added, &err), err);
            CHECK(!added);
            CHECK_INT(vs_id_set_find(set, &id), count);
            struct vs_value member = vs_id_set_get(set, count++);
            CHECK(vs_str_equal(member.as.text, id.as.text) && member.as.text.ptr != bytes);
        }
        bytes[len < sizeof bytes ? len : 0] = 0;
        if (len > 0) {
            bytes[len - 1] = 0;
        }
    }
    REQUIRE(vs_id_set_range(set, &min, &max));
    CHECK_INT(min.as.text.len, 0);
    CHECK(max.as.text.len == 1 && (unsigned char)max.as.text.ptr[0] == 255); // bytes, unsigned
    vs_id_set_free(set);
    CHECK_INT(t.live, 0);
    CHECK_STATUS(vs_id_set_new(&t.env, VS_KIND_DOUBLE, &set, &err), VS_INVALID);
    vs_id_set_free(NULL);
}

// A failed addition leaves the set as it was.
static void failures(void)
{
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_id_set *set = NULL;
        size_t count = 0;
        test_env_init(&t);
        t.fail_at = n;
        enum vs_status status = vs_id_set_new(&t.env, VS_KIND_STRING, &set, NULL);
        for (int i = 0; status == VS_OK && i < 300; i++) {
            char text[32];
            bool added = false;
            int len = snprintf(text, sizeof text, "id %d", i);
            struct vs_value id = {.kind = VS_KIND_STRING, .as.text = {text, (size_t)len}};
            status = vs_id_set_add(set, &id, &added, NULL);
            count += status == VS_OK;
            CHECK((vs_id_set_find(set, &id) != SIZE_MAX) == (status == VS_OK));
            CHECK_INT(vs_id_set_count(set), count);
        }
        CHECK(status == VS_OK || (status == VS_NO_MEMORY && t.failed));
        vs_id_set_free(set);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            CHECK_INT(count, 300);
            break;
        }
    }
}

static void shown_length(void)
{
    char text[100];
    memset(text, 'x', sizeof text);
    CHECK_INT(vs_id_shown_length((struct vs_str){text, 0}), 0);
    CHECK_INT(vs_id_shown_length((struct vs_str){text, 80}), 80);
    CHECK_INT(vs_id_shown_length((struct vs_str){text, 81}), 80);
    for (size_t width = 2; width <= 4; width++) { // a character that begins at byte 79
        memset(text, 'x', sizeof text);
        text[79] = (char)(width == 2 ? 0xc3 : (width == 3 ? 0xe6 : 0xf0));
        memset(text + 80, 0x80, width - 1);
        int len = vs_id_shown_length((struct vs_str){text, sizeof text});
        CHECK_INT(len, 79);
        CHECK(vs_utf8_validate((struct vs_str){text, (size_t)len}));
    }
    memset(text, 0x80, sizeof text);
    CHECK_INT(vs_id_shown_length((struct vs_str){text, sizeof text}), 0);
}

TEST_MAIN(TEST(numbers), TEST(strings), TEST(failures), TEST(shown_length))
