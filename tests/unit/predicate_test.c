// SPDX-License-Identifier: Apache-2.0
// Pruning against brute force: random rows, random predicates. A set of rows in which one matches
// is never passed over, neither by its bounds nor by its partition values; many that hold none are.
#include "tests/support/check.h"
#include "vecstore/iceberg/transform.h"

#include <stdlib.h>

#define T(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    } // a constant, unlike VS_STR
#define COLUMNS 6
#define ROWS 6
#define NODES 64
#define ROUNDS 60000

static uint64_t seed;

static uint64_t rnd(void) // splitmix64
{
    uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static struct vs_field fields[COLUMNS] = {
    {.id = 1, .kind = VS_KIND_INT},
    {.id = 2, .kind = VS_KIND_STRING},
    {.id = 3, .kind = VS_KIND_DOUBLE},
    {.id = 4, .kind = VS_KIND_TIMESTAMP},
    {.id = 5, .kind = VS_KIND_LONG},
    {.id = 6, .kind = VS_KIND_DECIMAL, .precision = 9, .scale = 2}};
static const struct vs_schema schema = {.field_count = COLUMNS, .fields = fields};

static struct vs_partition_field spec_fields[] = {
    {1, 1000, T("a"), T("bucket[4]")},   {1, 1001, T("b"), T("truncate[10]")},
    {2, 1002, T("c"), T("truncate[2]")}, {2, 1003, T("d"), T("identity")},
    {3, 1004, T("e"), T("identity")},    {4, 1005, T("f"), T("year")},
    {4, 1006, T("g"), T("month")},       {4, 1007, T("h"), T("day")},
    {4, 1008, T("i"), T("hour")},        {5, 1009, T("j"), T("truncate[7]")},
    {5, 1010, T("k"), T("identity")},    {6, 1011, T("l"), T("truncate[50]")},
    {6, 1012, T("m"), T("bucket[3]")},   {2, 1013, T("n"), T("void")},
    {2, 1014, T("o"), T("zorder[2]")}};
#define SPEC_FIELDS (sizeof spec_fields / sizeof spec_fields[0])

static struct vs_value random_value(size_t column)
{
    static const char *const texts[] = {
        "", "a", "ab", "abc", "abd", "b", "ba", "\xc3\xa9", "\xc3\xa9z\xf0\x9f\x98\x80"};
    static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 3, INT64_MAX, INT64_MAX - 3, 0, -1};
    struct vs_value v = {.kind = fields[column].kind};
    switch (column) {
    case 0:
        v.as.integer = rnd() % 40 == 0 ? (rnd() % 2 ? INT32_MIN + 2 : INT32_MAX - 2)
                                       : (int64_t)(rnd() % 60) - 30;
        break;
    case 1:
        v.as.text = vs_str_from_c(texts[rnd() % 9]);
        break;
    case 2:
        v.as.real =
            rnd() % 5 == 0 ? (double)NAN : (rnd() % 9 == 0 ? -0.0 : (double)(rnd() % 9) - 4);
        break;
    case 3:
        v.as.integer =
            ((int64_t)(rnd() % 2000) - 1000) * INT64_C(1800000000) * (rnd() % 8 ? 1 : 400) +
            (int64_t)(rnd() % 3) - 1;
        break;
    case 4:
        v.as.integer = rnd() % 20 == 0 ? extremes[rnd() % 6] : (int64_t)(rnd() % 40) - 20;
        break;
    default:
        v.as.decimal = (vs_int128)(rnd() % 400) - 200;
        break;
    }
    return v;
}

struct rows {
    struct vs_value cell[ROWS][COLUMNS];
};

static struct rows random_rows(void)
{
    struct rows r;
    bool narrow = rnd() % 2; // all rows alike but for one column
    for (size_t c = 0; c < COLUMNS; c++) {
        bool all_null = rnd() % 10 == 0;
        struct vs_value common = random_value(c);
        for (size_t i = 0; i < ROWS; i++) {
            r.cell[i][c] = narrow && rnd() % 4 ? common : random_value(c);
            r.cell[i][c].is_null = all_null || rnd() % 12 == 0;
        }
    }
    return r;
}

// ---- predicates ----

struct tree {
    struct vs_predicate nodes[NODES];
    const struct vs_predicate *children[NODES][3];
    struct vs_value values[NODES][3];
    size_t count;
};

// NOLINTNEXTLINE(misc-no-recursion): ends at the depth that is asked for
static const struct vs_predicate *random_predicate(struct tree *t, unsigned depth)
{
    size_t at = t->count++;
    struct vs_predicate *p = &t->nodes[at];
    *p = (struct vs_predicate){0};
    if (depth > 0 && rnd() % 2) {
        static const enum vs_predicate_op ops[] = {VS_PREDICATE_AND, VS_PREDICATE_OR,
                                                   VS_PREDICATE_NOT};

        p->op = ops[rnd() % 3];
        p->child_count = p->op == VS_PREDICATE_NOT ? 1 : 1 + rnd() % 3;
        p->children = t->children[at];
        for (size_t i = 0; i < p->child_count; i++) {
            t->children[at][i] = random_predicate(t, depth - 1);
        }
        return p;
    }
    if (rnd() % 20 == 0) {
        p->op = rnd() % 2 ? VS_PREDICATE_TRUE : VS_PREDICATE_FALSE;
        return p;
    }
    size_t column = rnd() % COLUMNS;
    p->op = (enum vs_predicate_op)(VS_PREDICATE_EQ +
                                   rnd() % (VS_PREDICATE_IS_NAN - VS_PREDICATE_EQ + 1));
    if (p->op == VS_PREDICATE_STARTS_WITH) {
        column = 1;
    }
    p->field_id = fields[column].id;
    p->value_count = p->op == VS_PREDICATE_IN        ? 1 + rnd() % 3
                     : p->op >= VS_PREDICATE_IS_NULL ? 0
                                                     : 1;
    p->values = t->values[at];
    for (size_t i = 0; i < p->value_count; i++) {
        t->values[at][i] = random_value(column);
    }
    return p;
}

enum truth { NO, YES, MAYBE };

static enum truth compare(const struct vs_predicate *p, const struct vs_value *v)
{
    if (p->op == VS_PREDICATE_IS_NULL) {
        return v->is_null ? YES : NO;
    }
    bool nan = !v->is_null && v->kind == VS_KIND_DOUBLE && isnan(v->as.real);
    if (p->op == VS_PREDICATE_IS_NAN) {
        return nan ? YES : NO;
    }
    if (v->is_null) {
        return MAYBE;
    }
    if (p->values == NULL) {
        return MAYBE; // (comparisons have values)
    }
    if (p->op == VS_PREDICATE_STARTS_WITH) {
        return vs_str_starts_with(v->as.text, p->values[0].as.text) ? YES : NO;
    }
    bool any = false;
    for (size_t i = 0; i < p->value_count; i++) {
        any = any || vs_value_compare(v, &p->values[i]) == 0;
    }
    int order = vs_value_compare(v, &p->values[0]);
    bool result = p->op == VS_PREDICATE_EQ || p->op == VS_PREDICATE_IN ? any
                  : p->op == VS_PREDICATE_NE                           ? !any
                  : p->op == VS_PREDICATE_LT                           ? order < 0
                  : p->op == VS_PREDICATE_LE                           ? order <= 0
                  : p->op == VS_PREDICATE_GT                           ? order > 0
                                                                       : order >= 0;
    return result ? YES : NO;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as random_predicate goes
static enum truth evaluate(const struct vs_predicate *p, const struct vs_value *row)
{
    if (p->op == VS_PREDICATE_TRUE || p->op == VS_PREDICATE_FALSE) {
        return p->op == VS_PREDICATE_TRUE ? YES : NO;
    }
    if (p->op == VS_PREDICATE_NOT) {
        enum truth t = evaluate(p->children[0], row);
        return t == MAYBE ? MAYBE : t == YES ? NO : YES;
    }
    if (p->op == VS_PREDICATE_AND || p->op == VS_PREDICATE_OR) {
        enum truth stop = p->op == VS_PREDICATE_AND ? NO : YES, result = stop == NO ? YES : NO;
        for (size_t i = 0; i < p->child_count; i++) {
            enum truth t = evaluate(p->children[i], row);
            if (t == stop) {
                return stop;
            }
            result = t == MAYBE ? MAYBE : result;
        }
        return result;
    }
    return compare(p, &row[p->field_id - 1]);
}

// ---- ranges ----

static void widen(struct vs_value_range *r, const struct vs_value *v)
{
    if (v->is_null) {
        r->may_be_null = true;
        return;
    }
    if ((v->kind == VS_KIND_DOUBLE || v->kind == VS_KIND_FLOAT) && isnan(v->as.real)) {
        r->may_be_nan = true;
        return;
    }
    r->may_be_value = true;
    if (!r->has_lower || vs_value_compare(v, &r->lower) < 0) {
        r->lower = *v;
    }
    if (!r->has_upper || vs_value_compare(v, &r->upper) > 0) {
        r->upper = *v;
    }
    r->has_lower = r->has_upper = true;
}

static struct vs_value_range column_range(void *ctx, int32_t field_id)
{
    const struct rows *rows = ctx;
    struct vs_value_range r = {0};
    for (size_t i = 0; i < ROWS; i++) {
        widen(&r, &rows->cell[i][field_id - 1]);
    }
    if (r.has_upper && rows->cell[0][0].as.integer % 7 == 0) { // as writers may leave it out
        r.has_upper = false;
    }
    return r;
}

static bool partition_may_match(const struct vs_predicate *p, const struct rows *rows)
{
    const struct vs_partition_spec spec = {.field_count = SPEC_FIELDS, .fields = spec_fields};
    struct vs_value_range ranges[SPEC_FIELDS];
    for (size_t f = 0; f < SPEC_FIELDS; f++) {
        struct vs_transform t;
        size_t column = (size_t)spec_fields[f].source_id - 1;
        ranges[f] = (struct vs_value_range){0};
        CHECK_INT(vs_transform_parse(spec_fields[f].transform, &t, NULL), VS_OK);
        for (size_t i = 0; i < ROWS && t.kind != VS_TRANSFORM_UNKNOWN; i++) {
            struct vs_value v = {0};
            CHECK_INT(vs_transform_apply(&t, &fields[column], &rows->cell[i][column], &v, NULL),
                      VS_OK);
            widen(&ranges[f], &v);
        }
    }
    return vs_partition_may_match(&spec, &schema, p, ranges);
}

static void nothing_that_matches_is_dropped(void)
{
    size_t unmatched = 0, by_bounds = 0, by_partition = 0, wrong = 0;
    seed = 42;
    for (int round = 0; round < ROUNDS; round++) {
        static struct tree tree;
        struct rows rows = random_rows();
        tree.count = 0;
        const struct vs_predicate *p = random_predicate(&tree, 2);
        bool any = false;
        for (size_t i = 0; i < ROWS; i++) {
            any = any || evaluate(p, rows.cell[i]) == YES;
        }
        bool bounds = vs_predicate_may_match(p, column_range, &rows);
        bool partition = partition_may_match(p, &rows);
        wrong += any && (!bounds || !partition);
        unmatched += !any;
        by_bounds += !bounds;
        by_partition += !partition;
    }
    CHECK_INT(wrong, 0);
    printf("    %zu of %d sets hold no match; bounds drop %zu, partitions %zu\n", unmatched, ROUNDS,
           by_bounds, by_partition);
    CHECK(by_bounds * 2 > unmatched);
    CHECK(by_partition * 2 > unmatched);
}

// What exactly a comparison becomes at the edges of a transform.
static bool day_may_match(enum vs_predicate_op op, int64_t micros, int64_t day)
{
    struct vs_partition_field field = {4, 1000, VS_STR("d"), VS_STR("day")};
    const struct vs_partition_spec spec = {.field_count = 1, .fields = &field};
    const struct vs_value value = {.kind = VS_KIND_TIMESTAMP, .as.integer = micros};
    const struct vs_predicate p = {.op = op, .field_id = 4, .value_count = 1, .values = &value};
    const struct vs_value at = {.kind = VS_KIND_DATE, .as.integer = day};
    const struct vs_value_range range = {
        .has_lower = true, .has_upper = true, .lower = at, .upper = at, .may_be_value = true};
    return vs_partition_may_match(&spec, &schema, &p, &range);
}

static void edges_of_days(void)
{
    const int64_t day = INT64_C(86400000000);
    CHECK(!day_may_match(VS_PREDICATE_LT, 10 * day, 10));
    CHECK(day_may_match(VS_PREDICATE_LE, 10 * day, 10));
    CHECK(day_may_match(VS_PREDICATE_LT, 10 * day + 1, 10));
    CHECK(!day_may_match(VS_PREDICATE_GT, 11 * day - 1, 10));
    CHECK(day_may_match(VS_PREDICATE_GE, 11 * day - 1, 10));
    CHECK(!day_may_match(VS_PREDICATE_EQ, 11 * day, 10));
    CHECK(day_may_match(VS_PREDICATE_NE, 10 * day, 10));
    // files of early writers, which rounded times before 1970 towards zero
    CHECK(day_may_match(VS_PREDICATE_EQ, -day - 1, -1));
    CHECK(day_may_match(VS_PREDICATE_EQ, -day - 1, -2));
    CHECK(!day_may_match(VS_PREDICATE_EQ, -day - 1, 0));
    CHECK(day_may_match(VS_PREDICATE_LT, -1, 0));
}

// Bounds of UUIDs by writers that compare their halves as signed numbers (Java's UUID.compareTo):
// 80… comes before 7f…, and what lies between the two in the order of the bytes is not the range.
static struct vs_value_range signed_uuid_range(void *ctx, int32_t field_id)
{
    static char low[16] = {(char)0x80}, high[16] = {0x7f};
    struct vs_value_range range = {
        .has_lower = true, .has_upper = true, .may_be_null = ctx != NULL, .may_be_value = true};
    range.lower = (struct vs_value){.kind = VS_KIND_UUID, .as.text = {low, 16}};
    range.upper = (struct vs_value){.kind = VS_KIND_UUID, .as.text = {high, 16}};
    CHECK_INT(field_id, 7);
    return range;
}

static void bounds_in_another_order(void)
{
    static const enum vs_predicate_op ops[] = {VS_PREDICATE_EQ, VS_PREDICATE_NE, VS_PREDICATE_LT,
                                               VS_PREDICATE_GT, VS_PREDICATE_IN};
    struct vs_field uuid = {.id = 7, .kind = VS_KIND_UUID};
    const struct vs_schema of_uuid = {.field_count = 1, .fields = &uuid};
    struct vs_partition_field by = {7, 1000, VS_STR("u"), VS_STR("identity")};
    const struct vs_partition_spec spec = {.field_count = 1, .fields = &by};
    const struct vs_value_range range = signed_uuid_range(NULL, 7);
    for (int first = 0; first < 256; first += 15) {
        char bytes[16] = {(char)first};
        const struct vs_value value = {.kind = VS_KIND_UUID, .as.text = {bytes, 16}};
        for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
            const struct vs_predicate p = {
                .op = ops[i], .field_id = 7, .value_count = 1, .values = &value};
            CHECK(vs_predicate_may_match(&p, signed_uuid_range, NULL));
            CHECK(vs_partition_may_match(&spec, &of_uuid, &p, &range));
        }
    }
}

TEST_MAIN(TEST(nothing_that_matches_is_dropped), TEST(edges_of_days), TEST(bounds_in_another_order))
