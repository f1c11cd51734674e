// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a JSON filter: what parses can be written as text, and that text parses to the same
 * canonical text.
 */
#include "api/query/filter.h"

#include <stdlib.h>

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_env *env = vs_env_default();
    struct vs_arena arena;
    struct vs_buf first, second;
    struct vs_error err = {0};
    struct vs_filter_node *root = NULL, *again = NULL;
    vs_arena_init(&arena, env, 64 << 20);
    vs_buf_init(&first, env, 64 << 20);
    vs_buf_init(&second, env, 64 << 20);
    enum vs_status status =
        vs_filter_parse_json(env, (struct vs_str){(const char *)data, size}, &arena, &root, &err);
    if (status == VS_OK) {
        must(vs_filter_write(root, &first, NULL) == VS_OK);
        must(vs_filter_parse_text(vs_buf_view(&first), &arena, &again, NULL) == VS_OK);
        must(vs_filter_write(again, &second, NULL) == VS_OK);
        must(vs_str_equal(vs_buf_view(&first), vs_buf_view(&second)));
    } else {
        must(err.message[0] != '\0');
    }
    vs_buf_clear(&first);
    vs_buf_clear(&second);
    vs_arena_clear(&arena);
    return 0;
}
