// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/settings.h"

#include <inttypes.h>

struct vs_str vs_settings_get(const struct vs_settings *settings, const char *key)
{
    for (size_t i = settings != NULL ? settings->count : 0; i > 0; i--) {
        if (vs_str_equal_c(settings->items[i - 1].key, key)) {
            return settings->items[i - 1].value;
        }
    }
    return (struct vs_str){NULL, 0};
}

enum vs_status vs_settings_bool(const struct vs_settings *settings,
                                const char *key,
                                bool fallback,
                                bool *value_out,
                                struct vs_error *err)
{
    struct vs_str text = vs_settings_get(settings, key);
    if (text.ptr == NULL) {
        *value_out = fallback;
        return VS_OK;
    }
    bool is_true = vs_str_equal_nocase(text, VS_STR("true"));
    if (!is_true && !vs_str_equal_nocase(text, VS_STR("false"))) {
        return vs_fail(err, VS_INVALID, "setting %s is '%.*s'; it has to be true or false", key,
                       VS_STR_SHORT(text));
    }
    *value_out = is_true;
    return VS_OK;
}

enum vs_status vs_settings_i64(const struct vs_settings *settings,
                               const char *key,
                               int64_t fallback,
                               int64_t low,
                               int64_t high,
                               int64_t *value_out,
                               struct vs_error *err)
{
    struct vs_str text = vs_settings_get(settings, key);
    int64_t value = fallback;
    if (text.ptr != NULL &&
        (vs_parse_i64(text, &value, NULL) != VS_OK || value < low || value > high)) {
        return vs_fail(err, VS_INVALID,
                       "setting %s is '%.*s'; it has to be a number from %" PRId64 " to %" PRId64,
                       key, VS_STR_SHORT(text), low, high);
    }
    *value_out = value;
    return VS_OK;
}
