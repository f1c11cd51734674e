// SPDX-License-Identifier: Apache-2.0
/*
 * Summaries of lists: what was built says what the rows hold; a filter leaves out only lists
 * without a matching row, checked row by row; damage is found.
 */
#include "api/query/filter_lists.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <math.h>
#include <stdlib.h>

#define LISTS 301
#define MOST_ROWS 40000
#define COLUMNS 6

static uint64_t state = 5;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static struct vs_field fields[COLUMNS] = {
    {.id = 1, .name = {"n", 1}, .kind = VS_KIND_INT},
    {.id = 2, .name = {"x", 1}, .kind = VS_KIND_DOUBLE},
    {.id = 3, .name = {"lang", 4}, .kind = VS_KIND_STRING},   // 200 texts
    {.id = 4, .name = {"author", 6}, .kind = VS_KIND_STRING}, // thousands, few to a list
    {.id = 5, .name = {"title", 5}, .kind = VS_KIND_STRING},  // one a row
    {.id = 6, .name = {"flag", 4}, .kind = VS_KIND_BOOLEAN},
};
static const struct vs_schema schema = {.field_count = COLUMNS, .fields = fields};

struct world {
    struct vs_list_record records[LISTS];
    struct vs_row_fact *facts;
    struct vs_column columns[COLUMNS];
    const struct vs_column *pointers[COLUMNS];
    uint32_t *list_of; // [row_count]
    size_t row_count;
    struct vs_arena arena;
};

// Values go with the list, so that lists differ; every fifth row is null, and in the last lists
// all.
static void append_row(struct world *w, uint32_t list)
{
    struct vs_error err = {0};
    char lang[16], author[24], title[24];
    uint64_t n = next_random();
    snprintf(lang, sizeof lang, "l%u", (unsigned)(list / 3 + n % 3) % 200);
    snprintf(author, sizeof author, "author %u", (unsigned)((uint64_t)list * 7 + n % 5));
    snprintf(title, sizeof title, "title %llx", (unsigned long long)n);
    const struct vs_value values[COLUMNS] = {
        {.kind = VS_KIND_INT, .as.integer = (int64_t)list * 10 + (int64_t)(n % 15)},
        {.kind = VS_KIND_DOUBLE,
         .as.real = n % 97 == 0 ? (double)NAN : ((double)list - 150) * (double)(n % 3)},
        {.kind = VS_KIND_STRING, .as.text = {lang, strlen(lang)}},
        {.kind = VS_KIND_STRING, .as.text = {author, strlen(author)}},
        {.kind = VS_KIND_STRING, .as.text = {title, strlen(title)}},
        {.kind = VS_KIND_BOOLEAN, .as.boolean = list % 40 == 0},
    };
    for (size_t c = 0; c < COLUMNS; c++) {
        bool null = list >= LISTS - 20 ? c != 5 : (n >> (8 * c)) % 5 == 0 && list % 2 == 0;
        CHECK_OK(null ? vs_column_append_null(&w->columns[c], &err)
                      : vs_column_append(&w->columns[c], &values[c], &err),
                 err);
    }
}

// Rows come in an order of their own: row r is in list_of[r]; a few rows have no slot.
static void make_world(struct world *w)
{
    struct vs_error err = {0};
    uint32_t slot = 0;
    *w = (struct world){.row_count = MOST_ROWS,
                        .facts = calloc(MOST_ROWS, sizeof *w->facts),
                        .list_of = calloc(MOST_ROWS, sizeof *w->list_of)};
    vs_arena_init(&w->arena, vs_env_default(), 0);
    for (size_t c = 0; c < COLUMNS; c++) {
        REQUIRE_OK(vs_column_init_field(&w->columns[c], vs_env_default(), &fields[c], &err), err);
        w->pointers[c] = &w->columns[c];
    }
    for (size_t row = 0; row < w->row_count; row++) {
        w->list_of[row] = next_random() % 50 == 0 ? UINT32_MAX : (uint32_t)(next_random() % LISTS);
        append_row(w, w->list_of[row] == UINT32_MAX ? 7 : w->list_of[row]);
    }
    for (uint32_t list = 0; list < LISTS; list++) {
        w->records[list].first_slot = slot;
        for (size_t row = 0; row < w->row_count; row++) {
            if (w->list_of[row] == list) {
                w->facts[slot++].row = (uint32_t)row;
            }
        }
        w->records[list].slot_count = slot - w->records[list].first_slot;
    }
}

static void free_world(struct world *w)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        vs_column_clear(&w->columns[c]);
    }
    vs_arena_clear(&w->arena);
    free(w->facts);
    free(w->list_of);
}

static enum vs_status build(const struct world *w,
                            const struct vs_env *env,
                            struct vs_buf *out,
                            struct vs_error *err)
{
    uint32_t slots = w->records[LISTS - 1].first_slot + w->records[LISTS - 1].slot_count;
    const struct vs_summary_source source = {w->records,   LISTS,  slots,       w->facts,
                                             w->row_count, fields, w->pointers, COLUMNS};
    return vs_list_summary_build(env, &source, out, err);
}

// Lists of rows for which the text is true, and lists that the summary leaves in.
static void lists_of(struct world *w,
                     const struct vs_list_summary *summary,
                     const char *text,
                     uint64_t *truth,
                     uint64_t *may,
                     uint64_t *count_out)
{
    struct vs_error err = {0};
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    const struct vs_column *columns[COLUMNS];
    const struct vs_str str = {text, strlen(text)};
    REQUIRE_OK(vs_filter_parse_text(str, &w->arena, &root, &err), err);
    REQUIRE_OK(vs_filter_bind(root, &schema, &w->arena, &filter, &err), err);
    uint64_t *rows = calloc(w->row_count / 64 + 1, sizeof *rows);
    for (size_t i = 0; i < filter->column_count; i++) {
        columns[i] = &w->columns[filter->columns[i] - fields];
    }
    CHECK_OK(vs_filter_eval(vs_env_default(), filter, columns, w->row_count, rows, &err), err);
    CHECK_OK(vs_filter_lists(vs_env_default(), filter, summary, may, count_out, &err), err);
    memset(truth, 0, (LISTS / 64 + 1) * sizeof *truth);
    for (size_t row = 0; row < w->row_count; row++) {
        if (w->list_of[row] != UINT32_MAX && (rows[row / 64] >> (row % 64) & 1) != 0) {
            truth[w->list_of[row] / 64] |= UINT64_C(1) << (w->list_of[row] % 64);
        }
    }
    free(rows);
}

static void no_matching_list_is_left_out(void)
{
    static const struct {
        const char *text;
        uint64_t most; // lists that may stay
    } cases[] = {
        {"n < 100", 14},
        {"n BETWEEN 1000 AND 1100", 20},
        {"n = 123456", 0},
        {"n IN (5, 2500, 99999)", 12},
        {"x > 1e9", LISTS}, // NaN is above everything
        {"x < -250", 30},
        {"NOT (x >= -250)", 30},
        {"lang = 'l3'", 20},
        {"lang IN ('l3', 'l90', 'nowhere')", 40},
        {"lang = 'nowhere'", 0},
        {"lang LIKE 'l9%'", 100},
        {"lang IS NULL", LISTS},
        {"n IS NULL AND lang IS NOT NULL", 170},
        {"author = 'author 700'", 30},
        {"author LIKE 'author 700%'", LISTS},
        {"title = 'none'", LISTS}, // no summary: anything
        {"flag", 18},
        {"NOT flag", LISTS},
        {"flag AND n < 500", 4},
        {"n < 100 OR lang = 'l90'", 40},
        {"NOT (n >= 100)", 14},
        {"NOT (n != 7 OR lang != 'l0')", 4},
        {"TRUE", LISTS},
        {"FALSE", 0},
        {"n != 5", LISTS},
        {"n < 100 AND title = 'none'", 14},
    };
    struct world w;
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_list_summary *summary = NULL;
    make_world(&w);
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    REQUIRE_OK(build(&w, vs_env_default(), &bytes, &err), err);
    REQUIRE_OK(vs_list_summary_decode(vs_env_default(), vs_buf_view(&bytes), "test", LISTS,
                                      &summary, &err),
               err);
    CHECK_INT(summary->field_count, 5); // title fills its bits and is left out
    CHECK(bytes.len < (size_t)4 * MOST_ROWS);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t truth[LISTS / 64 + 1] = {0}, may[LISTS / 64 + 1] = {0}, count = 0;
        lists_of(&w, summary, cases[i].text, truth, may, &count);
        for (size_t word = 0; word < LISTS / 64 + 1; word++) {
            CHECK((truth[word] & ~may[word]) == 0);
        }
        if (count > cases[i].most) {
            fprintf(stderr, "    %s: %u lists stay\n", cases[i].text, (unsigned)count);
        }
        CHECK(count <= cases[i].most);
    }
    vs_list_summary_free(summary);
    vs_buf_clear(&bytes);
    free_world(&w);
}

// Random conjunctions and negations: never wrong.
static void random_filters(void)
{
    static const char *const leaves[] = {"n < %u",
                                         "n >= %u",
                                         "n = %u",
                                         "x <= %u",
                                         "x != %u",
                                         "lang = 'l%u'",
                                         "lang > 'l%u'",
                                         "lang LIKE 'l%u%%'",
                                         "lang NOT IN ('l%u', 'l7')",
                                         "author IN ('author %u', 'author 4')",
                                         "author != 'author %u'",
                                         "(flag OR n > %u)",
                                         "x IS NULL OR n = %u",
                                         "title > 'title %u'"};
    struct world w;
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_list_summary *summary = NULL;
    make_world(&w);
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    REQUIRE_OK(build(&w, vs_env_default(), &bytes, &err), err);
    REQUIRE_OK(vs_list_summary_decode(vs_env_default(), vs_buf_view(&bytes), "test", LISTS,
                                      &summary, &err),
               err);
    for (size_t round = 0; round < 400; round++) {
        char text[512] = "";
        for (size_t i = 0, used = 0; i < 1 + round % 4; i++) {
            uint64_t n = next_random();
            char leaf[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(leaf, sizeof leaf, leaves[n % 14], (unsigned)(n >> 40) % 3000 / (1 + n % 30));
#pragma GCC diagnostic pop
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s(%s)",
                                     i == 0               ? ""
                                     : (n >> 20) % 2 != 0 ? " AND "
                                                          : " OR ",
                                     (n >> 30) % 3 == 0 ? "NOT " : "", leaf);
        }
        uint64_t truth[LISTS / 64 + 1], may[LISTS / 64 + 1], count = 0;
        lists_of(&w, summary, text, truth, may, &count);
        for (size_t word = 0; word < LISTS / 64 + 1; word++) {
            if ((truth[word] & ~may[word]) != 0) {
                fprintf(stderr, "    %s\n", text);
            }
            CHECK((truth[word] & ~may[word]) == 0);
        }
    }
    vs_list_summary_free(summary);
    vs_buf_clear(&bytes);
    free_world(&w);
}

static void damage_is_found(void)
{
    struct world w;
    struct vs_error err = {0};
    struct vs_buf bytes;
    struct vs_list_summary *summary = NULL;
    make_world(&w);
    vs_buf_init(&bytes, vs_env_default(), 1 << 24);
    REQUIRE_OK(build(&w, vs_env_default(), &bytes, &err), err);
    for (size_t at = 0; at < bytes.len; at += at < 400 ? 1 : 97) {
        bytes.data[at] ^= 0x20;
        enum vs_status status = vs_list_summary_decode(vs_env_default(), vs_buf_view(&bytes),
                                                       "test", LISTS, &summary, &err);
        CHECK(status == VS_CORRUPT || status == VS_UNSUPPORTED);
        bytes.data[at] ^= 0x20;
    }
    for (size_t len = 0; len < bytes.len; len += 61) {
        const struct vs_str part = {(const char *)bytes.data, len};
        CHECK_STATUS(vs_list_summary_decode(vs_env_default(), part, "test", LISTS, &summary, &err),
                     VS_CORRUPT);
    }
    CHECK_STATUS(vs_list_summary_decode(vs_env_default(), vs_buf_view(&bytes), "test", LISTS + 1,
                                        &summary, &err),
                 VS_CORRUPT);
    CHECK(summary == NULL);
    vs_buf_clear(&bytes);
    free_world(&w);
}

static void every_allocation_may_fail(void)
{
    struct world w;
    make_world(&w);
    bool done = false;
    for (long n = 0; !done && n < 1000; n++) {
        struct test_env test;
        struct vs_error err = {0};
        struct vs_buf bytes;
        struct vs_list_summary *summary = NULL;
        test_env_init(&test);
        test.fail_at = n;
        vs_buf_init(&bytes, &test.env, 1 << 24);
        enum vs_status status = build(&w, &test.env, &bytes, &err);
        if (status == VS_OK) {
            status = vs_list_summary_decode(&test.env, vs_buf_view(&bytes), "test", LISTS, &summary,
                                            &err);
        }
        done = status == VS_OK;
        CHECK(done || status == VS_NO_MEMORY);
        vs_list_summary_free(summary);
        vs_buf_clear(&bytes);
        CHECK_INT(test.live, 0);
    }
    CHECK(done);
    free_world(&w);
}

// Written by another program from the text of the format: three lists in groups of two.
static void golden_file(void)
{
    uint8_t bytes[1024];
    struct vs_error err = {0};
    struct vs_list_summary *summary = NULL;
    FILE *file = fopen("tests/golden/index/smallest.vssm", "rb");
    REQUIRE(file != NULL);
    const struct vs_str text = {(const char *)bytes, fread(bytes, 1, sizeof bytes, file)};
    fclose(file);
    REQUIRE_OK(vs_list_summary_decode(vs_env_default(), text, "golden", 3, &summary, &err), err);
    CHECK_INT(summary->group_count, 2);
    CHECK_INT(summary->group_lists, 2);
    REQUIRE(summary->field_count == 3);
    const struct vs_summary_field *n = vs_list_summary_field(summary, 1, VS_KIND_INT),
                                  *lang = vs_list_summary_field(summary, 2, VS_KIND_STRING),
                                  *author = vs_list_summary_field(summary, 3, VS_KIND_STRING);
    REQUIRE(n != NULL && lang != NULL && author != NULL);
    CHECK(vs_list_summary_field(summary, 1, VS_KIND_LONG) == NULL);
    CHECK(n->low[0] == 3 && n->high[0] == 9 && n->low[1] == 100 && n->high[1] == 100);
    CHECK(n->nulls[0] == 2 && n->present[0] == 3);
    CHECK(lang->words[0] == 3 && lang->words[1] == 2);
    CHECK(vs_str_equal_c(vs_column_get_bytes(&lang->entries, 1), "en"));
    uint64_t bloom[VS_SUMMARY_BLOOM_WORDS] = {0};
    vs_summary_bloom((struct vs_str){"anna", 4}, bloom);
    CHECK(memcmp(bloom, author->words, sizeof bloom) == 0);
    CHECK(author->nulls[0] == 2 && author->present[0] == 1);
    vs_list_summary_free(summary);
}

TEST_MAIN(TEST(golden_file),
          TEST(no_matching_list_is_left_out),
          TEST(random_filters),
          TEST(damage_is_found),
          TEST(every_allocation_may_fail))
