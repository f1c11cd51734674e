// SPDX-License-Identifier: Apache-2.0
/*
 * The typed loops of filters, every instruction set against a plain loop written here, over lengths
 * around the block and places that are not aligned; and long IN lists, prefixes and texts that
 * differ late, against expectations computed from the values, row by row.
 */
#include "api/query/filter.h"
#include "api/query/filter_key.h"
#include "api/query/filter_words.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <math.h>
#include <stdlib.h>

#define MOST 300

static uint64_t state = 99;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static bool bit(const uint64_t *words, size_t i)
{
    return (words[i / 64] >> (i % 64) & 1) != 0;
}

// ---- loops ----

static int32_t ints[MOST + 8];
static int64_t longs[MOST + 8];
static float floats[MOST + 8];
static double doubles[MOST + 8];
static uint32_t codes[MOST + 8];
static uint8_t bytes[MOST + 8];

static void make_values(void)
{
    static const double special[] = {(double)NAN, -(double)NAN, 0.0,    -0.0,
                                     HUGE_VAL,    -HUGE_VAL,    5e-324, -5e-324};
    for (size_t i = 0; i < MOST + 8; i++) {
        uint64_t n = next_random();
        ints[i] = n % 7 == 0 ? INT32_MIN : (n % 7 == 1 ? INT32_MAX : (int32_t)(n >> 40) % 50 - 25);
        longs[i] = n % 7 == 0 ? INT64_MIN : (n % 7 == 1 ? INT64_MAX : (int64_t)(n >> 40) % 50 - 25);
        doubles[i] = n % 4 == 0 ? special[(n >> 8) % 8] : (double)((int64_t)(n >> 50) % 50) - 25;
        floats[i] = (float)doubles[i];
        codes[i] = (uint32_t)(n >> 33) % 12;
        bytes[i] = (uint8_t)(n >> 20) % 3;
    }
}

// Bits [0, count) as TEST says of x = VALUES[at + i]; the rest of the last word 0.
#define EXPECT(TYPE, VALUES, TEST)                                                                 \
    do {                                                                                           \
        for (size_t i = 0; i < (count + 63) / 64 * 64; i++) {                                      \
            const TYPE x = (VALUES)[at + (i < count ? i : 0)];                                     \
            bool expected = i < count && (TEST);                                                   \
            if (bit(words, i) != expected) {                                                       \
                fprintf(stderr, "    %s: %s, value %zu of %zu\n", loops->name, #VALUES, i, count); \
            }                                                                                      \
            CHECK(bit(words, i) == expected);                                                      \
        }                                                                                          \
    } while (0)

static bool in_test_set(int64_t x)
{
    return x == 3 || x == -7 || x == INT32_MIN || x == 1000000007;
}

static void check_loops(const struct vs_filter_words *loops, size_t at, size_t count)
{
    uint64_t words[MOST / 64 + 1];
    int32_t low = (int32_t)(next_random() % 50) - 30, high = low + (int32_t)(next_random() % 20);
    float nothing = HUGE_VALF;
    loops->range_u8(bytes + at, count, 1, 1, words);
    EXPECT(uint8_t, bytes, x != 0);
    loops->range_i32(ints + at, count, low, high, words);
    EXPECT(int32_t, ints, x >= low && x <= high);
    loops->range_i32(ints + at, count, INT32_MIN, low, words);
    EXPECT(int32_t, ints, x <= low);
    loops->range_i64(longs + at, count, low, INT64_MAX, words);
    EXPECT(int64_t, longs, x >= low);
    loops->range_f32(floats + at, count, (float)low, (float)high, true, words);
    EXPECT(float, floats, isnan(x) || (x >= (float)low && x <= (float)high));
    loops->range_f64(doubles + at, count, low, high, false, words);
    EXPECT(double, doubles, x >= low && x <= high);
    loops->range_f32(floats + at, count, nothing, -nothing, true, words);
    EXPECT(float, floats, isnan(x));
    const int32_t few[] = {-3, 4, INT32_MIN};
    const int64_t few_long[] = {-3, 4, INT64_MIN};
    loops->points_i32(ints + at, count, few, 3, words);
    EXPECT(int32_t, ints, x == -3 || x == 4 || x == INT32_MIN);
    loops->points_i64(longs + at, count, few_long, 3, words);
    EXPECT(int64_t, longs, x == -3 || x == 4 || x == INT64_MIN);
    static const uint8_t members[] = {1, 0, 1, 1, 0, 0, 0, 1, 0};
    const struct vs_key_table table = {members, -4, 7};
    loops->table_i32(ints + at, count, &table, words);
    EXPECT(int32_t, ints, x == -4 || x == -2 || x == -1 || x == 3);
    loops->table_i64(longs + at, count, &table, words);
    EXPECT(int64_t, longs, x == -4 || x == -2 || x == -1 || x == 3);
    static const uint8_t entries[] = {0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0}; // codes 10 and 11 are none
    loops->lookup(codes + at, count, entries, 10, words);
    EXPECT(uint32_t, codes, x < 10 && entries[x] != 0);
    loops->bytes(bytes + at, count, words);
    EXPECT(uint8_t, bytes, x != 0);
    int64_t slots[64];
    const int64_t keys[] = {3, -7, INT32_MIN, 1000000007};
    const struct vs_key_set set = {slots, keys[0], 58};
    for (size_t i = 0; i < 64; i++) {
        slots[i] = keys[0];
    }
    for (size_t i = 1; i < 4; i++) {
        uint64_t place = vs_key_hash(keys[i], 58);
        while (slots[place] != keys[0]) {
            place = (place + 1) % 64;
        }
        slots[place] = keys[i];
    }
    loops->set_i32(ints + at, count, &set, words);
    EXPECT(int32_t, ints, in_test_set(x));
    loops->set_i64(longs + at, count, &set, words);
    EXPECT(int64_t, longs, in_test_set(x));
}

static void every_instruction_set(void)
{
    static const char *const names[] = {"scalar", "avx2", "avx512"};
    static const size_t counts[] = {1, 2, 63, 64, 65, 127, 128, 191, 256, 290};
    for (size_t n = 0; n < 3; n++) {
        const struct vs_filter_words *loops = vs_filter_words_find(names[n]);
        if (loops == NULL) {
            printf("    %s: not on this processor\n", names[n]);
            continue;
        }
        for (size_t round = 0; round < 20; round++) {
            make_values();
            for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
                check_loops(loops, round % 5, counts[c]);
            }
        }
    }
    CHECK(vs_filter_words_get() != NULL && vs_filter_words_find("nothing") == NULL);
}

// ---- whole predicates over one column ----

#define ROWS 40001

struct table {
    struct vs_field fields[7];
    struct vs_column columns[7];
    int64_t *numbers;  // [ROWS]: what int, long, day and the list hold
    double *reals;     // [ROWS]
    char (*texts)[24]; // [ROWS]
    bool *nulls;       // [ROWS]
    struct vs_arena arena;
};

enum column {
    INT_COLUMN,
    LONG_COLUMN,
    FLOAT_COLUMN,
    DOUBLE_COLUMN,
    TEXT_COLUMN,
    CODED_COLUMN,
    LIST_COLUMN
};

static const char *const text_starts[] = {"", "a", "common/start/", "common/start/of", "zz"};

static void fill_row(struct table *t, size_t i)
{
    struct vs_error err = {0};
    uint64_t n = next_random();
    t->nulls[i] = n % 9 == 0;
    t->numbers[i] = n % 5 == 0 ? (int64_t)(n >> 34) : (int64_t)(n >> 34) % 3000 - 1000;
    t->numbers[i] = (int32_t)t->numbers[i];
    t->reals[i] = n % 11 == 0 ? (double)NAN : (double)(t->numbers[i] % 4000) / 8;
    snprintf(t->texts[i], sizeof t->texts[i], "%s%u", text_starts[(n >> 12) % 5],
             (unsigned)(n >> 50) % 400);
    struct vs_value values[] = {
        {.kind = VS_KIND_INT, .as.integer = t->numbers[i]},
        {.kind = VS_KIND_LONG, .as.integer = t->numbers[i] * 1000003},
        {.kind = VS_KIND_FLOAT, .as.real = t->reals[i]},
        {.kind = VS_KIND_DOUBLE, .as.real = t->reals[i]},
        {.kind = VS_KIND_STRING, .as.text = {t->texts[i], strlen(t->texts[i])}},
    };
    for (size_t c = 0; c <= TEXT_COLUMN; c++) {
        CHECK_OK(t->nulls[i] ? vs_column_append_null(&t->columns[c], &err)
                             : vs_column_append(&t->columns[c], &values[c], &err),
                 err);
    }
    uint32_t code = (uint32_t)i;
    CHECK_OK(vs_buf_append(&t->columns[CODED_COLUMN].values, &code, sizeof code, &err), err);
    CHECK_OK(vs_buf_append_byte(&t->columns[CODED_COLUMN].valid, !t->nulls[i], &err), err);
    CHECK_OK(vs_column_append_bytes(t->columns[CODED_COLUMN].dictionary, t->texts[i],
                                    strlen(t->texts[i]), &err),
             err);
    if (t->nulls[i]) {
        CHECK_OK(vs_column_append_null(&t->columns[LIST_COLUMN], &err), err);
        return;
    }
    for (size_t e = 0; e < i % 3; e++) { // the number is the last element
        const struct vs_value element = {.kind = VS_KIND_INT,
                                         .as.integer = e + 1 == i % 3 ? t->numbers[i] : -99999};
        CHECK_OK(vs_column_append(t->columns[LIST_COLUMN].child, &element, &err), err);
    }
    CHECK_OK(vs_column_end_list(&t->columns[LIST_COLUMN], &err), err);
}

static void make_table(struct table *t)
{
    static const enum vs_kind kinds[] = {VS_KIND_INT,    VS_KIND_LONG,   VS_KIND_FLOAT,
                                         VS_KIND_DOUBLE, VS_KIND_STRING, VS_KIND_STRING,
                                         VS_KIND_LIST};

    static const char names[] = "ilfdscn";
    struct vs_error err = {0};
    *t = (struct table){.numbers = calloc(ROWS, sizeof *t->numbers),
                        .reals = calloc(ROWS, sizeof *t->reals),
                        .texts = calloc(ROWS, sizeof *t->texts),
                        .nulls = calloc(ROWS, sizeof *t->nulls)};
    vs_arena_init(&t->arena, vs_env_default(), 0);
    for (size_t c = 0; c < 7; c++) {
        t->fields[c] = (struct vs_field){.id = (int32_t)c + 1,
                                         .name = {&names[c], 1},
                                         .kind = kinds[c],
                                         .element_kind = VS_KIND_INT,
                                         .element_id = 20};
        REQUIRE_OK(vs_column_init_field(&t->columns[c], vs_env_default(), &t->fields[c], &err),
                   err);
    }
    t->columns[CODED_COLUMN].dictionary = calloc(1, sizeof(struct vs_column));
    vs_column_init(t->columns[CODED_COLUMN].dictionary, vs_env_default(), VS_KIND_STRING);
    t->columns[CODED_COLUMN].row_count = ROWS;
    for (size_t i = 0; i < ROWS; i++) {
        fill_row(t, i);
    }
}

static void free_table(struct table *t)
{
    for (size_t c = 0; c < 7; c++) {
        vs_column_clear(&t->columns[c]);
    }
    vs_arena_clear(&t->arena);
    free(t->numbers);
    free(t->reals);
    free(t->texts);
    free(t->nulls);
}

// The rows for which the text is true; the column it names is the only one.
static void rows_of(struct table *t, const char *text, enum column c, uint64_t *words)
{
    struct vs_error err = {0};
    const struct vs_schema schema = {.field_count = 7, .fields = t->fields};
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    const struct vs_str str = {text, strlen(text)};
    REQUIRE_OK(vs_filter_parse_text(str, &t->arena, &root, &err), err);
    REQUIRE_OK(vs_filter_bind(root, &schema, &t->arena, &filter, &err), err);
    const struct vs_column *columns[] = {&t->columns[c]};
    REQUIRE_OK(vs_filter_eval(vs_env_default(), filter, columns, ROWS, words, &err), err);
}

static double value_of(const struct table *t, enum column c, size_t i)
{
    if (c == FLOAT_COLUMN || c == DOUBLE_COLUMN) {
        return t->reals[i];
    }
    return c == LONG_COLUMN ? (double)(t->numbers[i] * 1000003) : (double)t->numbers[i];
}

// IN of `count` numbers, `step` apart, and its negation.
static void check_numbers(struct table *t, enum column c, size_t count, int64_t step)
{
    static uint64_t words[ROWS / 64 + 1], others[ROWS / 64 + 1];
    static char text[80000];
    static double members[4096];
    static const char names[] = "ilfdscn";
    size_t used = (size_t)snprintf(text, sizeof text, "%c IN (", names[c]);
    for (size_t i = 0; i < count; i++) {
        int64_t value = ((int64_t)i - (int64_t)count / 2) * step * (c == LONG_COLUMN ? 1000003 : 1);
        members[i] = (double)value;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", i == 0 ? "" : ",",
                                 (long long)value);
    }
    snprintf(text + used, sizeof text - used, ")");
    rows_of(t, text, c, words);
    memmove(text + 4, text, strlen(text) + 1);
    memcpy(text, "NOT ", 4);
    rows_of(t, text, c, others);
    size_t found = 0;
    for (size_t i = 0; i < ROWS; i++) {
        bool expected = false, known = !t->nulls[i];
        for (size_t m = 0; m < count; m++) {
            expected = expected || value_of(t, c, i) == members[m];
        }
        if (c == LIST_COLUMN && i % 3 == 0) {
            expected = false; // no elements
        }
        CHECK(bit(words, i) == (known && expected));
        CHECK(bit(others, i) == (known && !expected));
        found += expected;
    }
    CHECK(found > 0);
}

static void long_lists_of_numbers(void)
{
    struct table t;
    static const size_t counts[] = {1, 2, 16, 17, 130};

    static const enum column columns[] = {INT_COLUMN, LONG_COLUMN, FLOAT_COLUMN, DOUBLE_COLUMN,
                                          LIST_COLUMN};

    make_table(&t);
    for (size_t c = 0; c < 5; c++) {
        for (size_t n = 0; n < 5; n++) {
            check_numbers(&t, columns[c], counts[n], 1);
            check_numbers(&t, columns[c], counts[n], 50);
        }
    }
    check_numbers(&t, INT_COLUMN, 1000, 100000); // too far apart for a table
    free_table(&t);
}

enum text_test { EQUAL, PREFIX, ABOVE, NOT_ABOVE, MEMBER };

static bool text_expected(const char *text, const char *literal, enum text_test test)
{
    switch (test) {
    case EQUAL:
        return strcmp(text, literal) == 0;
    case PREFIX:
        return strncmp(text, literal, strlen(literal)) == 0;
    case ABOVE:
        return strcmp(text, literal) > 0;
    case NOT_ABOVE:
        return strcmp(text, literal) <= 0;
    case MEMBER:
        return strcmp(text, literal) == 0 || strcmp(text, "zz17") == 0 ||
               strcmp(text, "common/start/of399") == 0 || text[0] == 0;
    }
    return false;
}

static void write_predicate(
    char *out, size_t size, char column, const char *literal, enum text_test test)
{
    switch (test) {
    case EQUAL:
        snprintf(out, size, "%c = '%s'", column, literal);
        break;
    case PREFIX:
        snprintf(out, size, "%c LIKE '%s%%'", column, literal);
        break;
    case ABOVE:
        snprintf(out, size, "%c > '%s'", column, literal);
        break;
    case NOT_ABOVE:
        snprintf(out, size, "%c <= '%s'", column, literal);
        break;
    case MEMBER:
        snprintf(out, size, "%c IN ('%s', 'zz17', 'common/start/of399', '')", column, literal);
        break;
    }
}

static void check_texts(struct table *t,
                        enum column column,
                        enum text_test test,
                        const char *literal)
{
    static uint64_t words[ROWS / 64 + 1];
    char text[128];
    write_predicate(text, sizeof text, column == TEXT_COLUMN ? 's' : 'c', literal, test);
    rows_of(t, text, column, words);
    for (size_t i = 0; i < ROWS; i++) {
        CHECK(bit(words, i) == (!t->nulls[i] && text_expected(t->texts[i], literal, test)));
    }
}

static void texts_that_differ_late(void)
{
    static const char *const literals[] = {
        "", "a7", "common/s", "common/start/", "common/start/of12", "common/start/of1", "zz"};
    struct table t;
    make_table(&t);
    for (size_t f = 0; f < 5; f++) {
        for (size_t l = 0; l < 7; l++) {
            for (int c = TEXT_COLUMN; c <= CODED_COLUMN; c++) {
                check_texts(&t, (enum column)c, (enum text_test)f, literals[l]);
            }
        }
    }
    free_table(&t);
}

// Ends of ranges between which only zeros, infinities and NaN lie.
static void ends_of_floats(void)
{
    static const struct {
        const char *text;
        double low, high;
        bool nan;
    } cases[] = {
        {"d < 0", -HUGE_VAL, -4.9e-324, false},
        {"d <= 0", -HUGE_VAL, 0, false},
        {"d > 0", 4.9e-324, HUGE_VAL, true},
        {"d >= -0.0", 0, HUGE_VAL, true},
        {"d BETWEEN -0.0 AND 0", 0, 0, false},
        {"d > 1.7976931348623157e308", HUGE_VAL, HUGE_VAL, true},
        {"d BETWEEN 3 AND 2", 1, -1, false},
    };

    static const double values[] = {0.0,
                                    -0.0,
                                    4.9e-324,
                                    -4.9e-324,
                                    1,
                                    -1,
                                    HUGE_VAL,
                                    -HUGE_VAL,
                                    (double)NAN,
                                    -(double)NAN,
                                    1.7976931348623157e308};
    struct vs_error err = {0};
    struct table t = {.fields = {{.id = 1, .name = {"d", 1}, .kind = VS_KIND_DOUBLE}}};
    vs_arena_init(&t.arena, vs_env_default(), 0);
    vs_column_init(&t.columns[0], vs_env_default(), VS_KIND_DOUBLE);
    size_t count = sizeof values / sizeof values[0];
    for (size_t i = 0; i < count; i++) {
        const struct vs_value value = {.kind = VS_KIND_DOUBLE, .as.real = values[i]};
        REQUIRE_OK(vs_column_append(&t.columns[0], &value, &err), err);
    }
    const struct vs_schema schema = {.field_count = 1, .fields = t.fields};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct vs_filter_node *root = NULL;
        struct vs_filter *filter = NULL;
        uint64_t word = 0;
        const struct vs_column *columns[] = {&t.columns[0]};
        const struct vs_str text = {cases[c].text, strlen(cases[c].text)};
        REQUIRE_OK(vs_filter_parse_text(text, &t.arena, &root, &err), err);
        REQUIRE_OK(vs_filter_bind(root, &schema, &t.arena, &filter, &err), err);
        REQUIRE_OK(vs_filter_eval(vs_env_default(), filter, columns, count, &word, &err), err);
        for (size_t i = 0; i < count; i++) {
            bool expected = isnan(values[i])
                                ? cases[c].nan
                                : values[i] >= cases[c].low && values[i] <= cases[c].high;
            CHECK(bit(&word, i) == expected);
        }
    }
    vs_column_clear(&t.columns[0]);
    vs_arena_clear(&t.arena);
}

TEST_MAIN(TEST(every_instruction_set),
          TEST(long_lists_of_numbers),
          TEST(texts_that_differ_late),
          TEST(ends_of_floats))
