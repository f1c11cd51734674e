// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as JSON: parse, walk every value, write it back; the copy must parse again and be
 * written the same.
 */
#include "vecstore/base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEPTH_MAX 32

// Visits all values with a stack of iterators; the reader has bounded the depth.
static size_t walk(const struct vs_json *root)
{
    struct vs_json_iter stack[DEPTH_MAX + 1];
    size_t depth = 1;
    size_t count = 1;
    vs_json_iter_init(&stack[0], root);
    while (depth > 0) {
        const struct vs_json *value = NULL;
        struct vs_str key = {NULL, 0};
        struct vs_str text = {NULL, 0};
        int64_t integer = 0;
        double real = 0;
        if (!vs_json_iter_next(&stack[depth - 1], &key, &value)) {
            depth--;
            continue;
        }
        count++;
        bool is_integer = vs_json_to_i64(value, &integer);
        if ((is_integer && !vs_json_to_f64(value, &real)) || !vs_utf8_validate(key) ||
            (vs_json_to_str(value, &text) && !vs_utf8_validate(text))) {
            abort();
        }
        if (vs_json_is(value, VS_JSON_ARRAY) || vs_json_is(value, VS_JSON_OBJECT)) {
            if (depth > DEPTH_MAX) {
                abort();
            }
            vs_json_iter_init(&stack[depth++], value);
        }
    }
    return count;
}

// Rewrites one parsed text; returns the number of its values.
static size_t rewrite(struct vs_str text, struct vs_buf *out)
{
    struct vs_json_doc *doc = NULL;
    size_t count = 0;
    if (vs_json_parse(out->env, text, "input", NULL, &doc, NULL) != VS_OK) {
        return 0;
    }
    count = walk(vs_json_root(doc));
    if (vs_json_write_value(vs_json_root(doc), out, NULL) != VS_OK) {
        abort();
    }
    vs_json_free(doc);
    return count;
}

// The writer makes JSON of every string: the text goes in as a string and must come back as far as
// it was UTF-8.
static void check_string(struct vs_str text)
{
    struct vs_buf out;
    struct vs_json_writer writer;
    struct vs_json_doc *doc = NULL;
    struct vs_str back = {NULL, 0};
    vs_buf_init(&out, vs_env_default(), (size_t)64 << 20);
    vs_json_writer_init(&writer, &out, false);
    vs_jw_str(&writer, text);
    if (vs_json_writer_finish(&writer, NULL) != VS_OK ||
        vs_json_parse(vs_env_default(), vs_buf_view(&out), "string", NULL, &doc, NULL) != VS_OK ||
        !vs_json_to_str(vs_json_root(doc), &back) ||
        (vs_utf8_validate(text) && !vs_str_equal(text, back))) {
        abort();
    }
    vs_json_free(doc);
    vs_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vs_str text = {(const char *)data, size};
    struct vs_buf first;
    struct vs_buf second;
    vs_buf_init(&first, vs_env_default(), (size_t)64 << 20);
    vs_buf_init(&second, vs_env_default(), (size_t)64 << 20);
    size_t count = rewrite(text, &first);
    if (count > 0 && (rewrite(vs_buf_view(&first), &second) != count ||
                      !vs_str_equal(vs_buf_view(&first), vs_buf_view(&second)))) {
        abort();
    }
    vs_buf_clear(&first);
    vs_buf_clear(&second);
    check_string(text);
    return 0;
}
