// SPDX-License-Identifier: Apache-2.0
/*
 * The evaluator against a slow one written here: row by row over the parsed tree, with literals
 * parsed on the spot, long double comparison of numbers and a recursive LIKE. It shares no code
 * with filter_bind.c and filter_eval.c.
 */
#include "api/query/filter.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/base/datetime.h"
#include "vecstore/base/decimal.h"
#include "vecstore/base/uuid.h"

#include <stdlib.h>

#define ROWS 70001 // more than two chunks, not a multiple of 64

enum truth { NO, YES, UNKNOWN };

static struct vs_field fields[] = {
    {.id = 1, .name = {"b", 1}, .kind = VS_KIND_BOOLEAN},
    {.id = 2, .name = {"i", 1}, .kind = VS_KIND_INT},
    {.id = 3, .name = {"l", 1}, .kind = VS_KIND_LONG},
    {.id = 4, .name = {"f", 1}, .kind = VS_KIND_FLOAT},
    {.id = 5, .name = {"d", 1}, .kind = VS_KIND_DOUBLE},
    {.id = 6, .name = {"s", 1}, .kind = VS_KIND_STRING},
    {.id = 7, .name = {"day", 3}, .kind = VS_KIND_DATE},
    {.id = 8, .name = {"ts", 2}, .kind = VS_KIND_TIMESTAMP},
    {.id = 9, .name = {"dec", 3}, .kind = VS_KIND_DECIMAL, .precision = 20, .scale = 3},
    {.id = 10, .name = {"u", 1}, .kind = VS_KIND_UUID},
    {.id = 11,
     .name = {"tags", 4},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_STRING,
     .element_id = 12},
    {.id = 13,
     .name = {"nums", 4},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_INT,
     .element_id = 14},
    {.id = 15, .name = {"coded", 5}, .kind = VS_KIND_STRING},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])
#define CODED 12
static const struct vs_schema schema = {.field_count = FIELD_COUNT, .fields = fields};

static struct vs_batch rows;

static uint64_t state = 7;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static const char *const words[] = {"",    "a",   "ab",        "abc", "b",     "B",
                                    "50%", "a_c", "\xC3\xA4x", "zz",  "abcabc"};
#define WORD_COUNT (sizeof words / sizeof words[0])

static void append(size_t c, struct vs_value value)
{
    struct vs_error err = {0};
    if (next_random() % 6 == 0) {
        CHECK_OK(vs_column_append_null(&rows.columns[c], &err), err);
        return;
    }
    value.kind = fields[c].kind;
    CHECK_OK(vs_column_append(&rows.columns[c], &value, &err), err);
}

static void append_list(size_t c)
{
    struct vs_error err = {0};
    struct vs_column *column = &rows.columns[c];
    if (next_random() % 6 == 0) {
        CHECK_OK(vs_column_append_null(column, &err), err);
        return;
    }
    for (uint64_t n = next_random() % 4; n > 0; n--) {
        if (next_random() % 5 == 0) {
            CHECK_OK(vs_column_append_null(column->child, &err), err);
        } else {
            const struct vs_value value = {.kind = VS_KIND_INT,
                                           .as.integer = (int64_t)(next_random() % 5)};
            CHECK_OK(vs_column_append(column->child, &value, &err), err);
        }
    }
    CHECK_OK(vs_column_end_list(column, &err), err);
}

static void append_word_list(size_t c)
{
    struct vs_error err = {0};
    struct vs_column *column = &rows.columns[c];
    if (next_random() % 6 == 0) {
        CHECK_OK(vs_column_append_null(column, &err), err);
        return;
    }
    for (uint64_t n = next_random() % 4; n > 0; n--) {
        const char *word = words[next_random() % WORD_COUNT];
        if (next_random() % 5 == 0) {
            CHECK_OK(vs_column_append_null(column->child, &err), err);
        } else {
            CHECK_OK(vs_column_append_bytes(column->child, word, strlen(word), &err), err);
        }
    }
    CHECK_OK(vs_column_end_list(column, &err), err);
}

static double draw_real(void)
{
    static const double special[] = {0.0, -0.0, 1.5, -1.5, 0.1, 1e300, -1e300, 3};
    uint64_t n = next_random() % 12;
    return n < 8 ? special[n] : (n == 8 ? (double)NAN : (double)(int64_t)(next_random() % 21) - 10);
}

static void make_coded(struct vs_column *column)
{
    struct vs_error err = {0};
    column->dictionary = calloc(1, sizeof *column->dictionary);
    vs_column_init(column->dictionary, vs_env_default(), VS_KIND_STRING);
    for (size_t i = 0; i < WORD_COUNT; i++) {
        CHECK_OK(vs_column_append_bytes(column->dictionary, words[i], strlen(words[i]), &err), err);
    }
    for (size_t i = 0; i < ROWS; i++) {
        uint32_t code = (uint32_t)(next_random() % WORD_COUNT);
        bool present = next_random() % 6 != 0;
        code = present ? code : 0;
        CHECK_OK(vs_buf_append(&column->values, &code, sizeof code, &err), err);
        CHECK_OK(vs_buf_append_byte(&column->valid, present, &err), err);
    }
    column->row_count = ROWS;
}

static void make_rows(void)
{
    struct vs_error err = {0};
    if (rows.column_count > 0) {
        return;
    }
    CHECK_OK(vs_batch_init(&rows, vs_env_default(), fields, FIELD_COUNT, &err), err);
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t uuid[16] = {0};
        uuid[15] = (uint8_t)(next_random() % 4);
        const char *word = words[next_random() % WORD_COUNT];
        append(0, (struct vs_value){.as.boolean = next_random() % 2 != 0});
        append(1, (struct vs_value){.as.integer = (int64_t)(next_random() % 9) - 4});
        append(2, (struct vs_value){.as.integer = next_random() % 5 == 0
                                                      ? INT64_MAX - (int64_t)(next_random() % 2)
                                                      : (int64_t)(next_random() % 9) - 4});
        append(3, (struct vs_value){
                      .as.real = (double)(float)(next_random() % 3 == 0
                                                     ? 0.1
                                                     : (double)(int64_t)(next_random() % 7) - 3)});
        append(4, (struct vs_value){.as.real = draw_real()});
        append(5, (struct vs_value){.as.text = {word, strlen(word)}});
        append(6, (struct vs_value){.as.integer = 19000 + (int64_t)(next_random() % 10)});
        append(7, (struct vs_value){.as.integer =
                                        (19000 + (int64_t)(next_random() % 3)) * 86400000000 +
                                        (int64_t)(next_random() % 2)});
        append(8, (struct vs_value){.as.decimal =
                                        (vs_int128)(int64_t)(next_random() % 9) * 500 - 2000});
        append(9, (struct vs_value){.as.text = {(const char *)uuid, 16}});
        append_word_list(10);
        append_list(11);
    }
    make_coded(&rows.columns[CODED]);
    rows.row_count = ROWS;
}

// ---- the slow evaluator ----

// NOLINTNEXTLINE(misc-no-recursion): as deep as the pattern is long
static bool slow_like(const char *p, const char *pe, const char *t, const char *te)
{
    if (p == pe) {
        return t == te;
    }
    if (*p == '%') {
        for (const char *at = t; at <= te; at++) {
            if (slow_like(p + 1, pe, at, te)) {
                return true;
            }
        }
        return false;
    }
    if (t == te) {
        return false;
    }
    if (*p == '_') {
        size_t n = ((unsigned char)*t & 0xE0) == 0xC0 ? 2 : 1;
        return slow_like(p + 1, pe, t + n, te);
    }
    p += *p == '\\';
    return *p == *t && slow_like(p + 1, pe, t + 1, te);
}

// Sign of value - literal; 2 for NaN, which is above all.
static int slow_compare(const struct vs_value *value,
                        const struct vs_field *field,
                        enum vs_kind kind,
                        const struct vs_literal *literal)
{
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)literal->text.len, literal->text.ptr);
    if (kind == VS_KIND_BOOLEAN) {
        return (int)value->as.boolean - (strcmp(text, "true") == 0);
    }
    if (kind == VS_KIND_STRING) {
        size_t n = value->as.text.len < literal->text.len ? value->as.text.len : literal->text.len;
        int order = n > 0 ? memcmp(value->as.text.ptr, literal->text.ptr, n) : 0;
        return order != 0 ? order
                          : (value->as.text.len > literal->text.len) -
                                (value->as.text.len < literal->text.len);
    }
    if (kind == VS_KIND_UUID) {
        struct vs_uuid uuid;
        CHECK_INT(vs_uuid_parse(literal->text, &uuid, NULL), VS_OK);
        return memcmp(value->as.text.ptr, uuid.bytes, 16);
    }
    long double x, y = strtold(text, NULL);
    if (kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE) {
        x = (long double)value->as.real;
        y = kind == VS_KIND_FLOAT ? (long double)strtof(text, NULL)
                                  : (long double)strtod(text, NULL);
    } else if (kind == VS_KIND_DECIMAL) {
        x = (long double)value->as.decimal / 1000;
    } else {
        x = (long double)value->as.integer;
    }
    int32_t days;
    int64_t micros;
    if (kind == VS_KIND_DATE) {
        CHECK_INT(vs_date_parse(literal->text, &days, NULL), VS_OK);
        y = days;
    } else if (kind == VS_KIND_TIMESTAMP) {
        CHECK_INT(vs_timestamp_parse(literal->text, &micros, NULL, NULL), VS_OK);
        y = micros;
    }
    (void)field;
    return x != x ? 2 : (x > y) - (x < y);
}

static bool slow_test(const struct vs_filter_node *node,
                      const struct vs_field *field,
                      enum vs_kind kind,
                      const struct vs_value *value)
{
    if (node->op == VS_FILTER_LIKE) {
        const struct vs_str p = node->literals[0].text, t = value->as.text;
        return slow_like(p.ptr, p.ptr + p.len, t.ptr, t.ptr + t.len);
    }
    for (size_t i = 0; node->op == VS_FILTER_IN && i < node->literal_count; i++) {
        if (slow_compare(value, field, kind, &node->literals[i]) == 0) {
            return true;
        }
    }
    if (node->op == VS_FILTER_IN) {
        return false;
    }
    int order = slow_compare(value, field, kind, &node->literals[0]);
    switch (node->op) {
    case VS_FILTER_EQ:
    case VS_FILTER_NE:
        return order == 0; // NE is negated by the caller
    case VS_FILTER_LT:
        return order < 0;
    case VS_FILTER_LE:
        return order <= 0;
    case VS_FILTER_GT:
        return order > 0;
    case VS_FILTER_GE:
        return order >= 0;
    case VS_FILTER_BETWEEN:
        return order >= 0 && slow_compare(value, field, kind, &node->literals[1]) <= 0;
    case VS_FILTER_IN:
    case VS_FILTER_LIKE:
    case VS_FILTER_IS_NULL:
    case VS_FILTER_AND:
    case VS_FILTER_OR:
    case VS_FILTER_NOT:
        break;
    }
    return false;
}

static enum truth slow_leaf(const struct vs_filter_node *node, size_t row)
{
    size_t c = vs_schema_find(&schema, node->column), first = row, count = 1;
    const struct vs_column *column = &rows.columns[c];
    bool is_null = vs_column_is_null(column, row), any = false;
    if (node->op == VS_FILTER_IS_NULL) {
        return is_null ? YES : NO;
    }
    if (is_null) {
        return UNKNOWN;
    }
    enum vs_kind kind = fields[c].kind;
    if (kind == VS_KIND_LIST) {
        vs_column_get_list(column, row, &first, &count);
        column = column->child;
        kind = fields[c].element_kind;
    }
    for (size_t i = first; i < first + count; i++) {
        if (!vs_column_is_null(column, i)) {
            const struct vs_value value = vs_column_get(column, i);
            any = any || slow_test(node, &fields[c], kind, &value);
        }
    }
    return (node->op == VS_FILTER_NE) != any ? YES : NO;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the parsers build, VS_FILTER_MAX_DEPTH
static enum truth slow_eval(const struct vs_filter_node *node, size_t row)
{
    if (node->op == VS_FILTER_NOT) {
        enum truth inner = slow_eval(node->children[0], row);
        return inner == UNKNOWN ? UNKNOWN : (inner == YES ? NO : YES);
    }
    if (node->op != VS_FILTER_AND && node->op != VS_FILTER_OR) {
        return slow_leaf(node, row);
    }
    enum truth decisive = node->op == VS_FILTER_AND ? NO : YES, result = decisive == NO ? YES : NO;
    for (size_t i = 0; i < node->child_count; i++) {
        enum truth child = slow_eval(node->children[i], row);
        if (child == decisive) {
            return decisive;
        }
        result = child == UNKNOWN ? UNKNOWN : result;
    }
    return result;
}

// ---- cases ----

static void check_filter(const char *text, size_t row_count)
{
    struct test_env t;
    struct vs_arena arena;
    struct vs_error err = {0};
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    static uint64_t match[ROWS / 64 + 1];
    test_env_init(&t);
    vs_arena_init(&arena, &t.env, 0);
    REQUIRE_OK(vs_filter_parse_text(vs_str_from_c(text), &arena, &root, &err), err);
    REQUIRE_OK(vs_filter_bind(root, &schema, &arena, &filter, &err), err);
    const struct vs_column *columns[FIELD_COUNT];
    for (size_t i = 0; i < filter->column_count; i++) {
        columns[i] = &rows.columns[filter->columns[i] - fields];
    }
    memset(match, 0xA5, sizeof match);
    REQUIRE_OK(vs_filter_eval(&t.env, filter, columns, row_count, match, &err), err);
    size_t wrong = 0, matched = 0;
    for (size_t i = 0; i < row_count; i++) {
        bool is = (match[i / 64] >> (i % 64) & 1) != 0;
        matched += is;
        wrong += is != (slow_eval(root, i) == YES);
    }
    if (row_count % 64 != 0) {
        CHECK(match[row_count / 64] >> (row_count % 64) == 0);
    }
    if (wrong > 0) {
        check_report(__FILE__, __LINE__, text);
        fprintf(stderr, "    %zu of %zu rows differ, %zu matched\n", wrong, row_count, matched);
    }
    vs_arena_clear(&arena);
    CHECK_INT(t.live, 0);
}

static const char *const filters[] = {
    "b",
    "NOT b",
    "b = FALSE",
    "b != TRUE",
    "b IN (TRUE, FALSE)",
    "b IS NULL",
    "b IS NOT NULL",
    "TRUE",
    "FALSE",
    "i = 2",
    "i != 2",
    "i < 2",
    "i <= 2",
    "i > -1",
    "i >= -1",
    "i IN (1, -3, 7)",
    "i NOT IN (1, -3, 7)",
    "i BETWEEN -2 AND 2",
    "i BETWEEN 2 AND -2",
    "i NOT BETWEEN -2 AND 2",
    "i < 1.5",
    "i <= 1.5",
    "i > 1.5",
    "i >= -1.5",
    "i BETWEEN 0.5 AND 2.5",
    "i = 2.0",
    "i IN ()",
    "i < -2147483648",
    "l = 9223372036854775807",
    "l > 9223372036854775806",
    "l < -9223372036854775808",
    "l >= -9223372036854775808",
    "l IN (9223372036854775806, 0)",
    "f = 0.1",
    "f > 0.1",
    "f <= 0.1",
    "f = 0",
    "f != -1",
    "f IN (0.1, 2)",
    "f BETWEEN -1 AND 0.1",
    "d = 0",
    "d = -0.0",
    "d < 0",
    "d >= 0",
    "d > 1e299",
    "d <= 1e300",
    "d != 1.5",
    "d BETWEEN -1.5 AND 1.5",
    "d IN (0.1, 1.5)",
    "d > -1e300",
    "s = 'ab'",
    "s != 'ab'",
    "s < 'ab'",
    "s <= 'ab'",
    "s > 'ab'",
    "s >= 'ab'",
    "s = ''",
    "s > ''",
    "s IN ('a', 'zz', 'nope', '')",
    "s BETWEEN 'a' AND 'abc'",
    "s LIKE 'a%'",
    "s LIKE '%c'",
    "s LIKE '%b%'",
    "s LIKE '%%bc%'",
    "s LIKE '%0\\%%'",
    "s LIKE '%a_%'",
    "s NOT LIKE '%a%'",
    "coded LIKE '%b%'",
    "s LIKE 'a_c'",
    "s LIKE 'a\\_c'",
    "s LIKE '__'",
    "s LIKE '50\\%'",
    "s LIKE '%'",
    "s LIKE ''",
    "s LIKE '%abc'",
    "s NOT LIKE 'a%'",
    "s LIKE '_x'",
    "coded = 'ab'",
    "coded != 'ab'",
    "coded >= 'b'",
    "coded IN ('', 'B')",
    "coded LIKE '%c'",
    "coded IS NULL",
    "NOT coded = 'a'",
    "day = '2022-01-10'",
    "day > DATE '2022-01-10'",
    "day BETWEEN '2022-01-09' AND '2022-01-12'",
    "ts = '2022-01-09'",
    "ts > TIMESTAMP '2022-01-09 00:00:00'",
    "ts <= '2022-01-09T00:00:00.000001'",
    "dec = 0.5",
    "dec > -1.5",
    "dec IN (0, 1.500, '-2')",
    "dec BETWEEN -1 AND 0.500",
    "u = '00000000-0000-0000-0000-000000000002'",
    "u > '00000000-0000-0000-0000-000000000001'",
    "u IN ('00000000-0000-0000-0000-000000000003')",
    "tags = 'ab'",
    "tags != 'ab'",
    "NOT tags = 'ab'",
    "tags IN ('a', 'b')",
    "tags NOT IN ('a', 'b')",
    "tags IS NULL",
    "nums = 3",
    "nums IN (0, 4)",
    "nums != 1",
};

static void each_kind_and_operator(void)
{
    make_rows();
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        check_filter(filters[i], 4097);
    }
    check_filter("i > 0 AND coded LIKE 'a%' OR NOT (d < 1 AND tags = 'b')", ROWS);
    for (size_t n = 0; n < 130; n++) {
        check_filter("i > 0 OR s = 'a'", n);
    }
}

// Random trees over a fixed stock of predicates.
// NOLINTNEXTLINE(misc-no-recursion): depth counts down to 0
static size_t put_random(char *out, size_t size, unsigned depth)
{
    static const char *const stock[] = {"i = 1",
                                        "i < 0",
                                        "l >= 2",
                                        "f = 0.1",
                                        "d > 0",
                                        "s LIKE 'a%'",
                                        "s IS NULL",
                                        "coded != 'ab'",
                                        "b",
                                        "tags = 'a'",
                                        "nums NOT IN (1,2)",
                                        "dec <= 0.5",
                                        "day > '2022-01-11'",
                                        "coded IN ('a','b')"};
    size_t n = 0;
    if (depth == 0 || next_random() % 3 == 0) {
        return (size_t)snprintf(out, size, "%s",
                                stock[next_random() % (sizeof stock / sizeof stock[0])]);
    }
    if (next_random() % 3 == 0) {
        n = (size_t)snprintf(out, size, "NOT ");
    }
    n += (size_t)snprintf(out + n, size - n, "(");
    const char *joint = next_random() % 2 == 0 ? " AND " : " OR ";
    for (uint64_t i = 0, count = 1 + next_random() % 3; i < count; i++) {
        n += i > 0 ? (size_t)snprintf(out + n, size - n, "%s", joint) : 0;
        n += put_random(out + n, size - n, depth - 1);
    }
    return n + (size_t)snprintf(out + n, size - n, ")");
}

static void random_trees(void)
{
    make_rows();
    for (int i = 0; i < 150; i++) {
        char text[8192];
        put_random(text, sizeof text, 4);
        check_filter(text, 1000);
    }
}

static void like_is_linear_enough(void)
{
    static char text[20000], pattern[64];
    memset(text, 'a', sizeof text);
    snprintf(pattern, sizeof pattern, "%%a%%a%%a%%a%%a%%b");
    CHECK(!vs_like_match(vs_str_from_c(pattern), (struct vs_str){text, sizeof text}));
    text[sizeof text - 1] = 'b';
    CHECK(vs_like_match(vs_str_from_c(pattern), (struct vs_str){text, sizeof text}));
}

static void every_allocation_may_fail(void)
{
    make_rows();
    for (long n = 0; n < 100; n++) {
        struct test_env t;
        struct vs_arena arena;
        struct vs_filter_node *root = NULL;
        struct vs_filter *filter = NULL;
        uint64_t match[16];
        test_env_init(&t);
        vs_arena_init(&arena, vs_env_default(), 0);
        REQUIRE(
            vs_filter_parse_text(VS_STR("coded = 'a' AND (coded != 'b' OR NOT coded LIKE 'c%')"),
                                 &arena, &root, NULL) == VS_OK);
        REQUIRE(vs_filter_bind(root, &schema, &arena, &filter, NULL) == VS_OK);
        const struct vs_column *columns[] = {&rows.columns[CODED]};
        t.fail_at = n;
        enum vs_status status = vs_filter_eval(&t.env, filter, columns, 1000, match, NULL);
        CHECK_INT(status, t.failed ? VS_NO_MEMORY : VS_OK);
        CHECK_INT(t.live, 0);
        vs_arena_clear(&arena);
        if (!t.failed) {
            CHECK(n >= 3);
            return;
        }
    }
    check_report(__FILE__, __LINE__, "the loop ends");
}

TEST_MAIN(TEST(each_kind_and_operator),
          TEST(random_trees),
          TEST(like_is_linear_enough),
          TEST(every_allocation_may_fail))
