// SPDX-License-Identifier: Apache-2.0
// Any bytes as each kind of answer of a REST catalog: a reason, or something that can be used.
#include "vecstore/catalog/rest_answer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vs_env *env = vs_env_default();
    struct vs_str text = {(const char *)data, size};
    struct vs_pair pair = {VS_STR("prefix"), VS_STR("mine")};
    struct vs_settings client = {&pair, 1}, settings;
    struct vs_rest_error error;
    struct vs_rest_config config;
    struct vs_rest_table table;
    struct vs_rest_token token;
    struct vs_arena arena;
    vs_rest_error_parse(env, text, &error);
    if (strlen(error.type) >= sizeof error.type || strpbrk(error.message, "\n\r\x1b") != NULL) {
        __builtin_trap();
    }
    if (vs_rest_config_parse(env, text, &client, &config, NULL) == VS_OK) {
        if (config.separator.len == 0 ||
            vs_settings_get(&config.settings, "rest.allow-file-locations").ptr != NULL) {
            __builtin_trap();
        }
        vs_rest_config_clear(&config);
    }
    for (int needs_metadata = 0; needs_metadata < 2; needs_metadata++) {
        if (vs_rest_table_parse(env, text, "fuzz", needs_metadata == 1, &table, NULL) == VS_OK) {
            vs_ignore(vs_rest_table_settings(&table, VS_STR("s3://bucket/t"), &settings, NULL));
            vs_rest_table_clear(&table);
        }
    }
    vs_arena_init(&arena, env, 0);
    vs_ignore(vs_rest_token_parse(env, text, &arena, &token, NULL));
    vs_arena_clear(&arena);
    return 0;
}
