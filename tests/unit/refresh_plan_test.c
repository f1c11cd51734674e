// SPDX-License-Identifier: Apache-2.0
// Which segments a refresh puts together.
#include "index/index_format.h"
#include "ingest/refresh_plan.h"
#include "tests/support/check.h"

#define ITEM(row_count, of_lists)                                                                  \
    {                                                                                              \
        .rows = (row_count), .files = 1, .lists = (of_lists)                                       \
    }

static size_t groups(const struct vs_refresh_item *items, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += items[i].group == i;
        CHECK(items[items[i].group].group == items[i].group && items[i].group <= i);
    }
    return n;
}

static void few_of_different_sizes_stay(void)
{
    struct vs_refresh_item items[] = {ITEM(1000000, 1), ITEM(100000, 1), ITEM(90000, 1),
                                      ITEM(5000, 1)};
    vs_refresh_group(items, 4, false);
    CHECK_INT(groups(items, 4), 4);
}

static void four_of_one_size_are_joined(void)
{
    struct vs_refresh_item items[] = {ITEM(1000000, 1), ITEM(9000, 1),  ITEM(3000, 1),
                                      ITEM(2500, 1),    ITEM(10000, 1), ITEM(300000, 1)};
    vs_refresh_group(items, 6, false);
    CHECK_INT(groups(items, 6), 3);
    CHECK_INT(items[1].group, 1);
    CHECK_INT(items[2].group, 1);
    CHECK_INT(items[3].group, 1);
    CHECK_INT(items[4].group, 1);
    CHECK_INT(items[5].group, 5);
}

static void more_than_eight_become_eight(void)
{
    struct vs_refresh_item items[10];
    uint64_t rows = 3000;
    for (size_t i = 0; i < 10; i++, rows *= 5) {
        items[i] = (struct vs_refresh_item)ITEM(rows, 1);
    }
    vs_refresh_group(items, 10, false);
    CHECK_INT(groups(items, 10), VS_REFRESH_SEGMENTS_MOST);
    CHECK_INT(items[1].group, 0); // the smallest ones
    CHECK_INT(items[2].group, 0);
    CHECK_INT(items[9].group, 9);
}

// A long life of equal refreshes: never more than the bound, and rows are written few times.
static void a_long_life_is_cheap(void)
{
    struct vs_refresh_item items[64];
    size_t count = 1;
    uint64_t written = 0, total = 1000000;
    items[0] = (struct vs_refresh_item)ITEM(1000000, 1);
    for (size_t refresh = 0; refresh < 400; refresh++) {
        struct vs_refresh_item next[64] = {0};
        size_t kept = 0;
        items[count++] = (struct vs_refresh_item)ITEM(10000, 1);
        total += 10000;
        vs_refresh_group(items, count, false);
        for (size_t g = 0; g < count; g++) {
            uint64_t rows = 0, members = 0;
            for (size_t i = 0; i < count; i++) {
                rows += items[i].group == g ? items[i].rows : 0;
                members += items[i].group == g;
            }
            if (members > 0) {
                next[kept++] = (struct vs_refresh_item)ITEM(rows, 1);
                written += members > 1 ? rows : 0;
            }
        }
        memcpy(items, next, sizeof next);
        count = kept;
        CHECK(count <= VS_REFRESH_SEGMENTS_MOST);
    }
    uint64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        rows += items[i].rows;
    }
    CHECK_INT(rows, total);
    CHECK(written < 6 * total);
}

static void organised_differently_stay_apart(void)
{
    struct vs_refresh_item items[] = {ITEM(5000, 1), ITEM(5000, 1), ITEM(5000, 3),
                                      ITEM(5000, 3), ITEM(5000, 0), ITEM(5000, 1)};
    vs_refresh_group(items, 6, false);
    CHECK_INT(groups(items, 6), 6);
    vs_refresh_group(items, 6, true);
    CHECK_INT(groups(items, 6), 3);
    CHECK_INT(items[5].group, 0);
    CHECK_INT(items[3].group, 2);
    CHECK_INT(items[4].group, 4);
}

static void check_sizes(const struct vs_refresh_item *items, size_t count)
{
    for (size_t g = 0; g < count; g++) {
        uint64_t rows = 0, files = 0;
        for (size_t i = 0; i < count; i++) {
            rows += items[i].group == g ? items[i].rows : 0;
            files += items[i].group == g ? items[i].files : 0;
        }
        CHECK(rows <= VS_INDEX_MAX_ROWS && files <= VS_INDEX_MAX_FILES);
    }
}

// A segment has an end: what does not fit stays apart, and grouping comes to an end.
static void no_group_is_too_large(void)
{
    const uint64_t third = VS_INDEX_MAX_ROWS / 3, most_files = VS_INDEX_MAX_FILES;
    struct vs_refresh_item items[10];
    for (int by_files = 0; by_files < 2; by_files++) {
        for (int all = 0; all < 2; all++) {
            for (size_t i = 0; i < 10; i++) {
                items[i] = (struct vs_refresh_item){.rows = by_files ? 5000 : third,
                                                    .files = by_files ? most_files / 3 : 1,
                                                    .lists = 1};
            }
            vs_refresh_group(items, 10, all != 0);
            check_sizes(items, 10);
            CHECK_INT(groups(items, 10), all != 0 ? 5 : 4); // two or three fit
        }
    }
    struct vs_refresh_item halves[] = {
        ITEM(VS_INDEX_MAX_ROWS / 2 + 1, 1), ITEM(VS_INDEX_MAX_ROWS / 2 + 1, 1),
        ITEM(VS_INDEX_MAX_ROWS / 2 + 1, 1), ITEM(VS_INDEX_MAX_ROWS / 2 + 1, 1)};
    vs_refresh_group(halves, 4, false);
    CHECK_INT(groups(halves, 4), 4);
}

static void dead_share(void)
{
    CHECK(!vs_refresh_is_dead(70, 100));
    CHECK(vs_refresh_is_dead(69, 100));
    CHECK(!vs_refresh_is_dead(0, 0));
    CHECK(!vs_refresh_is_dead(200, 100)); // rows that no segment covers yet
}

TEST_MAIN(TEST(few_of_different_sizes_stay),
          TEST(four_of_one_size_are_joined),
          TEST(more_than_eight_become_eight),
          TEST(a_long_life_is_cheap),
          TEST(organised_differently_stay_apart),
          TEST(no_group_is_too_large),
          TEST(dead_share))
