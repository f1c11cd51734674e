// SPDX-License-Identifier: Apache-2.0
// Filters as predicates: a set of rows in which one matches is never ruled out, whatever the
// filter; sets that cannot match are mostly ruled out.
#include "api/query/filter_predicate.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <math.h>
#include <stdlib.h>

#define ROWS 6
#define FIELDS 5

static const struct vs_field fields[FIELDS] = {
    {.id = 1, .name = {"n", 1}, .kind = VS_KIND_LONG, .element_id = -1},
    {.id = 2, .name = {"s", 1}, .kind = VS_KIND_STRING, .element_id = -1},
    {.id = 3, .name = {"x", 1}, .kind = VS_KIND_DOUBLE, .element_id = -1},
    {.id = 4,
     .name = {"d", 1},
     .kind = VS_KIND_DECIMAL,
     .precision = 9,
     .scale = 1,
     .element_id = -1},
    {.id = 5,
     .name = {"t", 1},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_LONG,
     .element_id = 6},
};
static const struct vs_schema schema = {.field_count = FIELDS,
                                        .fields = (struct vs_field *)(uintptr_t)fields};
static const char *const words[] = {"a", "ab", "abc", "b", "ba", "", "z%", "ab_"};
#define WORDS (sizeof words / sizeof words[0])

static unsigned seed = 7;

static unsigned draw(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 12) % n;
}

static void fill(struct vs_batch *batch)
{
    struct vs_error err = {0};
    for (int row = 0; row < ROWS; row++) {
        const char *word = words[draw(WORDS)];
        struct vs_value values[FIELDS] = {
            {.kind = VS_KIND_LONG, .as.integer = (int64_t)draw(7) - 3},
            {.kind = VS_KIND_STRING, .as.text = vs_str_from_c(word)},
            {.kind = VS_KIND_DOUBLE,
             .as.real = draw(6) == 0 ? (double)NAN : (double)draw(7) / 2 - 1.5},
            {.kind = VS_KIND_DECIMAL, .as.decimal = (int)draw(40) - 20},
        };
        for (int c = 0; c < FIELDS - 1; c++) {
            CHECK_OK(draw(5) == 0 ? vs_column_append_null(&batch->columns[c], &err)
                                  : vs_column_append(&batch->columns[c], &values[c], &err),
                     err);
        }
        for (unsigned i = draw(3); i > 0; i--) {
            CHECK_OK(vs_column_append(batch->columns[4].child, &values[0], &err), err);
        }
        CHECK_OK(vs_column_end_list(&batch->columns[4], &err), err);
    }
    batch->row_count = ROWS;
}

// Exact bounds of a column.
static struct vs_value_range range_of(void *ctx, int32_t field_id)
{
    const struct vs_batch *batch = (const struct vs_batch *)ctx;
    const struct vs_column *column = &batch->columns[field_id - 1];
    struct vs_value_range r = {0};
    CHECK(field_id >= 1 && field_id <= 4); // never the list
    for (size_t row = 0; row < ROWS; row++) {
        struct vs_value value = vs_column_get(column, row);
        if (vs_column_is_null(column, row)) {
            r.may_be_null = true;
        } else if (value.kind == VS_KIND_DOUBLE && isnan(value.as.real)) {
            r.may_be_nan = true;
        } else {
            r.may_be_value = true;
            if (!r.has_lower || vs_value_compare(&value, &r.lower) < 0) {
                r.lower = value;
            }
            if (!r.has_upper || vs_value_compare(&value, &r.upper) > 0) {
                r.upper = value;
            }
            r.has_lower = r.has_upper = true;
        }
    }
    return r;
}

static void put_leaf(char *out, size_t size)
{
    static const char *const ops[] = {"=", "!=", "<", "<=", ">", ">="};
    const char *op = ops[draw(6)];
    const char *word = words[draw(WORDS - 2)];
    switch (draw(9)) {
    case 0:
        (void)snprintf(out, size, "n %s %d", op, (int)draw(9) - 4);
        break;
    case 1:
        (void)snprintf(out, size, "s %s '%s'", op, word);
        break;
    case 2:
        (void)snprintf(out, size, "x %s %.1f", op, (double)draw(9) / 2 - 2);
        break;
    case 3:
        (void)snprintf(out, size, "d %s %.1f", op, ((double)draw(50) - 25) / 10);
        break;
    case 4:
        (void)snprintf(out, size, "s LIKE '%s%s'", word, draw(2) == 0 ? "%" : "_");
        break;
    case 5:
        (void)snprintf(out, size, "n IN (%d, %d, 99)", (int)draw(9) - 4, (int)draw(9) - 4);
        break;
    case 6:
        (void)snprintf(out, size, "%s IS %sNULL", draw(2) == 0 ? "x" : "s",
                       draw(2) == 0 ? "NOT " : "");
        break;
    case 7:
        (void)snprintf(out, size, "n BETWEEN %d AND %d", (int)draw(9) - 4, (int)draw(9) - 4);
        break;
    default:
        (void)snprintf(out, size, "t %s %d", draw(2) == 0 ? "=" : "!=", (int)draw(7) - 3);
        break;
    }
}

static void put_filter(char *out, size_t size)
{
    char leaf[3][64];
    for (int i = 0; i < 3; i++) {
        put_leaf(leaf[i], sizeof leaf[i]);
    }
    (void)snprintf(out, size, "%s(%s %s %s(%s)) %s %s", draw(2) == 0 ? "NOT " : "", leaf[0],
                   draw(2) == 0 ? "AND" : "OR", draw(2) == 0 ? "NOT " : "", leaf[1],
                   draw(2) == 0 ? "AND" : "OR", leaf[2]);
}

static size_t ruled_out, matched_none;

static void check_one(const struct vs_env *env)
{
    char text[256];
    struct vs_error err = {0};
    struct vs_batch batch = {0};
    struct vs_arena arena;
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    const struct vs_predicate *predicate = NULL;
    const struct vs_column *columns[FIELDS] = {NULL};
    uint64_t match = 0;
    vs_arena_init(&arena, env, 0);
    CHECK_OK(vs_batch_init(&batch, env, fields, FIELDS, &err), err);
    fill(&batch);
    put_filter(text, sizeof text);
    CHECK_OK(vs_filter_parse_text(vs_str_from_c(text), &arena, &root, &err), err);
    CHECK_OK(vs_filter_bind(root, &schema, &arena, &filter, &err), err);
    CHECK_OK(vs_filter_predicate(filter, &arena, &predicate, &err), err);
    CHECK(vs_filter_fits(filter, &schema));
    for (size_t i = 0; i < filter->column_count; i++) {
        columns[i] = &batch.columns[filter->columns[i]->id - 1];
    }
    CHECK_OK(vs_filter_eval(env, filter, columns, ROWS, &match, &err), err);
    bool may = vs_predicate_may_match(predicate, range_of, &batch);
    if (match != 0 && !may) {
        fprintf(stderr, "    ruled out although rows match: %s\n", text);
        check_report(__FILE__, __LINE__, "not conservative");
    }
    ruled_out += !may;
    matched_none += match == 0;
    vs_batch_clear(&batch);
    vs_arena_clear(&arena);
}

static void conservative(void)
{
    for (int i = 0; i < 20000; i++) {
        check_one(vs_env_default());
    }
    printf("     %zu of %zu sets without a match were ruled out\n", ruled_out, matched_none);
    CHECK(ruled_out * 4 > matched_none);
}

// A column of another type in the current schema: the predicate must not be used there.
static void other_schema(void)
{
    struct vs_error err = {0};
    struct vs_arena arena;
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    struct vs_field wider = {.id = 1, .name = {"m", 1}, .kind = VS_KIND_INT, .element_id = -1};
    const struct vs_schema other = {.field_count = 1, .fields = &wider};
    vs_arena_init(&arena, vs_env_default(), 0);
    CHECK_OK(vs_filter_parse_text(VS_STR("n = 1"), &arena, &root, &err), err);
    CHECK_OK(vs_filter_bind(root, &schema, &arena, &filter, &err), err);
    CHECK(!vs_filter_fits(filter, &other));
    wider.kind = VS_KIND_LONG;
    CHECK(vs_filter_fits(filter, &other));
    vs_arena_clear(&arena);
}

static void no_memory(void)
{
    for (long n = 0;; n++) {
        struct test_env t;
        struct vs_arena arena;
        struct vs_filter_node *root = NULL;
        struct vs_filter *filter = NULL;
        const struct vs_predicate *predicate = NULL;
        struct vs_error err = {0};
        test_env_init(&t);
        vs_arena_init(&arena, &t.env, 0);
        t.fail_at = n;
        enum vs_status status = vs_filter_parse_text(
            VS_STR("NOT (n = 1 OR s LIKE 'ab%' AND d IN (1, 2)) AND x >= 2"), &arena, &root, &err);
        if (status == VS_OK) {
            status = vs_filter_bind(root, &schema, &arena, &filter, &err);
        }
        if (status == VS_OK) {
            status = vs_filter_predicate(filter, &arena, &predicate, &err);
        }
        // an arena may do with a smaller block
        CHECK(status == VS_OK || (t.failed && status == VS_NO_MEMORY));
        vs_arena_clear(&arena);
        CHECK_INT(t.live, 0);
        if (!t.failed) {
            break;
        }
    }
}

TEST_MAIN(TEST(conservative), TEST(other_schema), TEST(no_memory))
