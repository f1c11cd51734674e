// SPDX-License-Identifier: Apache-2.0
/*
 * Predicates over columns in memory: rows a second of one thread, from the bound filter to the
 * bits, beside the speed at which this thread reads memory. One JSON line per predicate.
 *
 * Usage: bench_predicate [ROWS]
 */
#include "api/query/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 7
#define PASSES 15

static struct vs_field fields[COLUMNS] = {
    {.id = 1, .name = {"i", 1}, .kind = VS_KIND_INT},
    {.id = 2, .name = {"l", 1}, .kind = VS_KIND_LONG},
    {.id = 3, .name = {"d", 1}, .kind = VS_KIND_DOUBLE},
    {.id = 4, .name = {"b", 1}, .kind = VS_KIND_BOOLEAN},
    {.id = 5, .name = {"coded", 5}, .kind = VS_KIND_STRING},
    {.id = 6, .name = {"text", 4}, .kind = VS_KIND_STRING},
    {.id = 7, .name = {"n", 1}, .kind = VS_KIND_INT}, // with nulls
};
static struct vs_column columns[COLUMNS];

static void die(const char *what, const struct vs_error *err)
{
    fprintf(stderr, "bench_predicate: %s: %s\n", what, err->message);
    exit(1);
}

static void need(enum vs_status status, const struct vs_error *err)
{
    if (status != VS_OK) {
        die("failed", err);
    }
}

static void fill_row(size_t row, struct vs_error *err)
{
    char text[32];
    uint64_t n = (row + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 20;
    int64_t number = (int64_t)(n % 100000);
    uint32_t code = (uint32_t)(n % 200);
    snprintf(text, sizeof text, "document-%u", (unsigned)number);
    const struct vs_value values[] = {{.kind = VS_KIND_INT, .as.integer = number},
                                      {.kind = VS_KIND_LONG, .as.integer = number},
                                      {.kind = VS_KIND_DOUBLE, .as.real = (double)number},
                                      {.kind = VS_KIND_BOOLEAN, .as.boolean = n % 3 == 0}};
    for (size_t c = 0; c < 4; c++) {
        need(vs_column_append(&columns[c], &values[c], err), err);
    }
    need(vs_buf_append(&columns[4].values, &code, sizeof code, err), err);
    need(vs_column_append_bytes(&columns[5], text, strlen(text), err), err);
    need(n % 10 == 0 ? vs_column_append_null(&columns[6], err)
                     : vs_column_append(&columns[6], &values[0], err),
         err);
}

static void fill(size_t rows)
{
    struct vs_error err = {0};
    char text[16];
    for (size_t c = 0; c < COLUMNS; c++) {
        vs_column_init(&columns[c], vs_env_default(), fields[c].kind);
    }
    columns[4].dictionary = calloc(1, sizeof(struct vs_column)); // kept to the end
    vs_column_init(columns[4].dictionary, vs_env_default(), VS_KIND_STRING);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "lang%u", i);
        need(vs_column_append_bytes(columns[4].dictionary, text, strlen(text), &err), &err);
    }
    for (size_t row = 0; row < rows; row++) {
        fill_row(row, &err);
    }
    columns[4].row_count = rows;
}

static double memory_gb_s(void)
{
    size_t words = (size_t)32 << 20;
    uint64_t *memory = calloc(words, sizeof *memory);
    volatile uint64_t sink = 0;
    double best = 0;
    for (size_t i = 0; memory != NULL && i < words; i += 512) {
        memory[i] = i;
    }
    for (int pass = 0; memory != NULL && pass < 5; pass++) {
        uint64_t sum[8] = {0};
        int64_t start = vs_monotonic_ns(vs_env_default());
        for (size_t i = 0; i < words; i += 8) {
            for (size_t j = 0; j < 8; j++) {
                sum[j] += memory[i + j];
            }
        }
        sink += sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
        double speed = (double)words * 8 / (double)(vs_monotonic_ns(vs_env_default()) - start);
        best = speed > best ? speed : best;
    }
    (void)sink;
    free(memory);
    return best;
}

static void measure(
    const char *text, double bytes, size_t rows, struct vs_arena *arena, uint64_t *bits)
{
    static const struct vs_schema schema = {.field_count = COLUMNS, .fields = fields};
    const struct vs_str str = {text, strlen(text)};
    struct vs_filter_node *root = NULL;
    struct vs_filter *filter = NULL;
    struct vs_error err = {0};
    const struct vs_column *used[COLUMNS];
    need(vs_filter_parse_text(str, arena, &root, &err), &err);
    need(vs_filter_bind(root, &schema, arena, &filter, &err), &err);
    for (size_t i = 0; i < filter->column_count; i++) {
        used[i] = &columns[filter->columns[i] - fields];
    }
    double best = 1e18;
    for (int pass = 0; pass < PASSES; pass++) {
        int64_t start = vs_monotonic_ns(vs_env_default());
        need(vs_filter_eval(vs_env_default(), filter, used, rows, bits, &err), &err);
        double ns = (double)(vs_monotonic_ns(vs_env_default()) - start);
        best = ns < best ? ns : best;
    }
    size_t matched = 0;
    for (size_t w = 0; w < (rows + 63) / 64; w++) {
        matched += (size_t)__builtin_popcountll(bits[w]);
    }
    printf("{\"predicate\":\"%s\",\"matched\":%zu,\"us\":%.1f,\"million_rows_s\":%.0f,"
           "\"gb_s\":%.1f}\n",
           text, matched, best / 1e3, (double)rows * 1e3 / best, (double)rows * bytes / best);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *text;
        double bytes; // of the columns, a row
    } predicates[] = {
        {"i BETWEEN 1000 AND 50000", 4},
        {"l < 50000", 8},
        {"d >= 99.5", 8},
        {"b", 1},
        {"n < 50000", 5},
        {"n IS NULL", 1},
        {"i = 77", 4},
        {"i IN (1, 500, 70000, 99999)", 4},
        {"i IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 999)", 4},
        {"coded = 'lang7'", 4},
        {"coded LIKE 'lang1%'", 4},
        {"coded IN ('lang1', 'lang2', 'lang3')", 4},
        {"text = 'document-77'", 18},
        {"text LIKE 'document-7%'", 18},
        {"text LIKE '%777%'", 18},
        {"i > 50000 AND l < 90000 AND NOT coded = 'lang9'", 16},
        {"i < 1000 OR d > 99000 OR coded = 'lang9'", 16},
    };

    size_t rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    uint64_t *bits = calloc(rows / 64 + 1, sizeof *bits);
    struct vs_arena arena;
    vs_arena_init(&arena, vs_env_default(), 0);
    fill(rows);
    printf("{\"rows\":%zu,\"memory_gb_s\":%.1f}\n", rows, memory_gb_s());
    for (size_t i = 0; bits != NULL && i < sizeof predicates / sizeof predicates[0]; i++) {
        measure(predicates[i].text, predicates[i].bytes, rows, &arena, bits);
    }
    vs_arena_clear(&arena);
    free(bits);
    return 0;
}
