// SPDX-License-Identifier: Apache-2.0
// Members that must be there: the sentences for users whose JSON has another shape than ours.
#include "vecstore/base/json.h"

// Indexed by enum vs_json_type.
static const char *const type_names[] = {"null",   "boolean", "number", "number",
                                         "number", "string",  "array",  "object"};
static const char *const type_phrases[] = {"null",     "a boolean", "an integer", "an integer",
                                           "a number", "a string",  "an array",   "an object"};

const char *vs_json_type_name(const struct vs_json *value)
{
    return type_names[vs_json_type_of(value)];
}

static enum vs_status fail_type(const char *key,
                                const struct vs_json *value,
                                const char *expected,
                                const char *what,
                                struct vs_error *err)
{
    if (value == NULL) {
        return vs_fail(err, VS_INVALID, "%s: field '%s' is missing, expected %s", what, key,
                       expected);
    }
    if (vs_json_type_of(value) == VS_JSON_UINT) {
        return vs_fail(err, VS_INVALID, "%s: field '%s' is above 9223372036854775807, expected %s",
                       what, key, expected);
    }
    return vs_fail(err, VS_INVALID, "%s: field '%s' is %s, expected %s", what, key,
                   type_phrases[vs_json_type_of(value)], expected);
}

// A member of the object, or a sentence when `object` is not one.
static enum vs_status find_member(const struct vs_json *object,
                                  const char *key,
                                  const char *what,
                                  const struct vs_json **member_out,
                                  struct vs_error *err)
{
    if (!vs_json_is(object, VS_JSON_OBJECT)) {
        return vs_fail(err, VS_INVALID, "%s: is %s, expected an object with field '%s'", what,
                       object == NULL ? "missing" : type_phrases[vs_json_type_of(object)], key);
    }
    *member_out = vs_json_get(object, key);
    return VS_OK;
}

enum vs_status vs_json_need_i64(const struct vs_json *object,
                                const char *key,
                                const char *what,
                                int64_t *out,
                                struct vs_error *err)
{
    const struct vs_json *value = NULL;
    VS_TRY(find_member(object, key, what, &value, err));
    return vs_json_to_i64(value, out) ? VS_OK : fail_type(key, value, "an integer", what, err);
}

enum vs_status vs_json_need_str(const struct vs_json *object,
                                const char *key,
                                const char *what,
                                struct vs_str *out,
                                struct vs_error *err)
{
    const struct vs_json *value = NULL;
    VS_TRY(find_member(object, key, what, &value, err));
    return vs_json_to_str(value, out) ? VS_OK : fail_type(key, value, "a string", what, err);
}

// REAL takes every number, UINT every integer that is not negative.
static bool satisfies(const struct vs_json *value, enum vs_json_type type)
{
    double number = 0;
    if (vs_json_is(value, type)) {
        return true;
    }
    if (type == VS_JSON_REAL) {
        return vs_json_to_f64(value, &number);
    }
    int64_t integer = -1;
    return type == VS_JSON_UINT && vs_json_to_i64(value, &integer) && integer >= 0;
}

enum vs_status vs_json_need(const struct vs_json *object,
                            const char *key,
                            enum vs_json_type type,
                            const char *what,
                            const struct vs_json **out,
                            struct vs_error *err)
{
    const struct vs_json *value = NULL;
    VS_TRY(find_member(object, key, what, &value, err));
    if (!satisfies(value, type)) {
        return fail_type(key, value, type_phrases[type], what, err);
    }
    *out = value;
    return VS_OK;
}
