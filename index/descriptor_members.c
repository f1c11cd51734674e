// SPDX-License-Identifier: Apache-2.0
#include "index/descriptor_internal.h"

#include <inttypes.h>

enum vs_status vs_descriptor_no_memory(struct vs_descriptor_decoder *x)
{
    return vs_fail(x->err, VS_NO_MEMORY, "%s: out of memory for its descriptor", x->what);
}

enum vs_status vs_descriptor_array(struct vs_descriptor_decoder *x,
                                   const struct vs_json *object,
                                   const char *key,
                                   size_t limit,
                                   size_t size,
                                   const struct vs_json **array_out,
                                   size_t *count_out,
                                   void **room_out)
{
    VS_TRY(vs_json_need(object, key, VS_JSON_ARRAY, x->what, array_out, x->err));
    size_t count = vs_json_count(*array_out);
    if (count > limit) {
        return vs_fail(x->err, VS_CORRUPT, "%s: '%s' has %zu elements, at most %zu are allowed",
                       x->what, key, count, limit);
    }
    *room_out = vs_arena_alloc_array(x->arena, count, size);
    if (*room_out == NULL) {
        return vs_descriptor_no_memory(x);
    }
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_descriptor_range(struct vs_descriptor_decoder *x,
                                   const struct vs_json *object,
                                   const char *key,
                                   int64_t low,
                                   int64_t high,
                                   int64_t *out)
{
    int64_t value = 0;
    VS_TRY(vs_json_need_i64(object, key, x->what, &value, x->err));
    if (value < low || value > high) {
        return vs_fail(x->err, VS_CORRUPT,
                       "%s: '%s' is %" PRId64 ", allowed are %" PRId64 " to %" PRId64, x->what, key,
                       value, low, high);
    }
    *out = value;
    return VS_OK;
}

enum vs_status vs_descriptor_bool(struct vs_descriptor_decoder *x,
                                  const struct vs_json *object,
                                  const char *key,
                                  bool *out)
{
    const struct vs_json *value = NULL;
    VS_TRY(vs_json_need(object, key, VS_JSON_BOOL, x->what, &value, x->err));
    vs_json_to_bool(value, out);
    return VS_OK;
}

enum vs_status vs_descriptor_text(struct vs_descriptor_decoder *x,
                                  const struct vs_json *object,
                                  const char *key,
                                  struct vs_str *out)
{
    struct vs_str text;
    VS_TRY(vs_json_need_str(object, key, x->what, &text, x->err));
    *out = vs_arena_copy_str(x->arena, text);
    return out->ptr == NULL ? vs_descriptor_no_memory(x) : VS_OK;
}

enum vs_status vs_descriptor_number(struct vs_descriptor_decoder *x,
                                    const struct vs_json *object,
                                    const char *key,
                                    double most,
                                    float *out)
{
    double value = 0.0;
    if (!vs_json_to_f64(vs_json_get(object, key), &value) || !(value >= 0.0 && value <= most)) {
        return vs_fail(x->err, VS_CORRUPT, "%s: '%s' is not a number from 0 to %g", x->what, key,
                       most);
    }
    *out = (float)value;
    return VS_OK;
}
