// SPDX-License-Identifier: Apache-2.0
/*
 * Any text as a filter: parse, write, parse again (the canonical text must be a fixed point), bind
 * and evaluate over a few rows.
 */
#include "api/query/filter.h"

#include <stdlib.h>

#define ROWS 3

static struct vs_field fields[] = {
    {.id = 1, .name = {"a", 1}, .kind = VS_KIND_LONG},
    {.id = 2, .name = {"b", 1}, .kind = VS_KIND_STRING},
    {.id = 3, .name = {"c", 1}, .kind = VS_KIND_DOUBLE},
    {.id = 4, .name = {"d", 1}, .kind = VS_KIND_DATE},
    {.id = 5, .name = {"e", 1}, .kind = VS_KIND_DECIMAL, .precision = 9, .scale = 2},
    {.id = 6,
     .name = {"f", 1},
     .kind = VS_KIND_LIST,
     .element_kind = VS_KIND_STRING,
     .element_id = 7},
    {.id = 8, .name = {"g", 1}, .kind = VS_KIND_TIMESTAMPTZ},
    {.id = 9, .name = {"h", 1}, .kind = VS_KIND_BOOLEAN},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void evaluate(struct vs_filter_node *root, struct vs_arena *arena)
{
    const struct vs_env *env = vs_env_default();
    const struct vs_schema schema = {.field_count = FIELD_COUNT, .fields = fields};
    struct vs_filter *filter = NULL;
    struct vs_batch batch = {0};
    const struct vs_column *columns[FIELD_COUNT] = {0};
    uint64_t match = 0;
    if (vs_filter_bind(root, &schema, arena, &filter, NULL) != VS_OK) {
        return;
    }
    must(vs_batch_init(&batch, env, fields, FIELD_COUNT, NULL) == VS_OK);
    for (size_t c = 0; c < FIELD_COUNT; c++) {
        for (size_t i = 0; i < ROWS; i++) {
            must(vs_column_append_null(&batch.columns[c], NULL) == VS_OK);
        }
    }
    for (size_t i = 0; i < filter->column_count; i++) {
        columns[i] = &batch.columns[filter->columns[i] - fields];
    }
    must(vs_filter_eval(env, filter, columns, ROWS, &match, NULL) == VS_OK && match >> ROWS == 0);
    vs_batch_clear(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_arena arena;
    struct vs_buf first, second;
    struct vs_error err = {0};
    struct vs_filter_node *root = NULL, *again = NULL;
    vs_arena_init(&arena, vs_env_default(), 64 << 20);
    vs_buf_init(&first, vs_env_default(), 64 << 20);
    vs_buf_init(&second, vs_env_default(), 64 << 20);
    enum vs_status status =
        vs_filter_parse_text((struct vs_str){(const char *)data, size}, &arena, &root, &err);
    if (status == VS_OK) {
        must(vs_filter_write(root, &first, NULL) == VS_OK);
        must(vs_filter_parse_text(vs_buf_view(&first), &arena, &again, NULL) == VS_OK);
        must(vs_filter_write(again, &second, NULL) == VS_OK);
        must(vs_str_equal(vs_buf_view(&first), vs_buf_view(&second)));
        evaluate(root, &arena);
    } else {
        must(err.message[0] != '\0');
    }
    vs_buf_clear(&first);
    vs_buf_clear(&second);
    vs_arena_clear(&arena);
    return 0;
}
