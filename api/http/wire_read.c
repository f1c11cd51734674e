// SPDX-License-Identifier: Apache-2.0
#include "api/http/wire_read.h"

#include "api/http/suggest.h"

#include <math.h>
#include <string.h>

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the request");
}

static const struct vs_json *member(const struct vs_json *object, const char *key)
{
    const struct vs_json *value = vs_json_get(object, key);
    return vs_json_is(value, VS_JSON_NULL) ? NULL : value;
}

static enum vs_status wrong_type(const char *key,
                                 const struct vs_json *value,
                                 const char *expected,
                                 struct vs_error *err)
{
    return vs_fail(err, VS_INVALID, "%s is %s, expected %s", key, vs_json_type_name(value),
                   expected);
}

enum vs_status vs_read_bool(const struct vs_json *object,
                            const char *key,
                            bool *out,
                            struct vs_error *err)
{
    const struct vs_json *value = member(object, key);
    if (value == NULL || vs_json_to_bool(value, out)) {
        return VS_OK;
    }
    return wrong_type(key, value, "true or false", err);
}

enum vs_status vs_check_count(
    const char *key, int64_t value, int64_t min, int64_t max, struct vs_error *err)
{
    if (value < min) {
        return vs_fail(err, VS_INVALID, "%s is %lld; it must be at least %lld", key,
                       (long long)value, (long long)min);
    }
    if (value > max) {
        return vs_fail(err, VS_LIMIT, "%s is %lld, at most %lld is allowed", key, (long long)value,
                       (long long)max);
    }
    return VS_OK;
}

enum vs_status vs_read_count(const struct vs_json *object,
                             const char *key,
                             int64_t min,
                             int64_t max,
                             int64_t *out,
                             struct vs_error *err)
{
    const struct vs_json *value = member(object, key);
    int64_t number;
    if (value == NULL) {
        return VS_OK;
    }
    if (vs_json_is(value, VS_JSON_UINT)) {
        return vs_fail(err, VS_LIMIT, "%s is larger than its bound, %lld", key, (long long)max);
    }
    if (!vs_json_to_i64(value, &number)) {
        return wrong_type(key, value, "an integer", err);
    }
    VS_TRY(vs_check_count(key, number, min, max, err));
    *out = number;
    return VS_OK;
}

enum vs_status vs_read_number(
    const struct vs_json *object, const char *key, bool *has_out, float *out, struct vs_error *err)
{
    const struct vs_json *value = member(object, key);
    double number;
    if (value == NULL) {
        return VS_OK;
    }
    if (!vs_json_to_f64(value, &number)) {
        return wrong_type(key, value, "a number", err);
    }
    if (!(fabs(number) < 0x1.ffffffp127)) {
        return vs_fail(err, VS_INVALID, "%s is too large for a 32-bit float", key);
    }
    *out = (float)number;
    if (has_out != NULL) {
        *has_out = true;
    }
    return VS_OK;
}

static enum vs_status copy_text(struct vs_arena *arena,
                                struct vs_str text,
                                const char *key,
                                const char **out,
                                struct vs_error *err)
{
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL) {
        return vs_fail(err, VS_INVALID, "%s holds a NUL character", key);
    }
    struct vs_str copy = vs_arena_copy_str(arena, text);
    if (copy.ptr == NULL) {
        return no_memory(err);
    }
    *out = copy.ptr;
    return VS_OK;
}

enum vs_status vs_read_text(struct vs_arena *arena,
                            const struct vs_json *object,
                            const char *key,
                            const char **out,
                            struct vs_error *err)
{
    const struct vs_json *value = member(object, key);
    struct vs_str text;
    if (value == NULL) {
        return VS_OK;
    }
    if (!vs_json_to_str(value, &text)) {
        return wrong_type(key, value, "a string", err);
    }
    return copy_text(arena, text, key, out, err);
}

enum vs_status vs_read_id(struct vs_arena *arena,
                          const struct vs_json *value,
                          const char *what,
                          struct vs_str *out,
                          struct vs_error *err)
{
    int64_t number;
    struct vs_str text;
    if (vs_json_to_i64(value, &number)) {
        *out = vs_arena_printf(arena, "%lld", (long long)number);
        return out->ptr != NULL ? VS_OK : no_memory(err);
    }
    if (!vs_json_to_str(value, &text)) {
        return wrong_type(what, value, "an integer or a string", err);
    }
    if (text.len == 0) {
        return vs_fail(err, VS_INVALID, "%s is empty", what);
    }
    *out = vs_arena_copy_str(arena, text);
    return out->ptr != NULL ? VS_OK : no_memory(err);
}

enum vs_status vs_read_ids(struct vs_arena *arena,
                           const struct vs_json *object,
                           const struct vs_str **out,
                           size_t *count_out,
                           struct vs_error *err)
{
    const struct vs_json *array = member(object, "ids"), *value;
    if (array == NULL) {
        return VS_OK;
    }
    if (!vs_json_is(array, VS_JSON_ARRAY)) {
        return wrong_type("ids", array, "an array of integers or strings", err);
    }
    size_t count = 0;
    struct vs_str *ids = vs_arena_alloc_array(arena, vs_json_count(array), sizeof *ids);
    if (ids == NULL) {
        return no_memory(err);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    while (vs_json_iter_next(&iter, NULL, &value)) {
        VS_TRY(vs_read_id(arena, value, "an id", &ids[count++], err));
    }
    if (count == 0) {
        return vs_fail(err, VS_INVALID, "ids is an empty array; give at least one id");
    }
    *out = ids;
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_read_texts(struct vs_arena *arena,
                             const struct vs_json *object,
                             const char *key,
                             const char *const **out,
                             size_t *count_out,
                             struct vs_error *err)
{
    const struct vs_json *array = member(object, key), *value;
    struct vs_str text;
    if (array == NULL) {
        return VS_OK;
    }
    if (!vs_json_is(array, VS_JSON_ARRAY)) {
        return wrong_type(key, array, "an array of strings", err);
    }
    size_t count = 0;
    const char **texts = vs_arena_alloc_array(arena, vs_json_count(array), sizeof *texts);
    if (texts == NULL) {
        return no_memory(err);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    while (vs_json_iter_next(&iter, NULL, &value)) {
        if (!vs_json_to_str(value, &text)) {
            return vs_fail(err, VS_INVALID, "%s: element %zu is %s, expected a string", key, count,
                           vs_json_type_name(value));
        }
        VS_TRY(copy_text(arena, text, key, &texts[count++], err));
    }
    *out = texts;
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_read_filter(struct vs_arena *arena,
                              const struct vs_json *object,
                              const char **text_out,
                              struct vs_str *json_out,
                              struct vs_error *err)
{
    const struct vs_json *value = member(object, "filter");
    if (value == NULL || vs_json_is(value, VS_JSON_STRING)) {
        return vs_read_text(arena, object, "filter", text_out, err);
    }
    if (!vs_json_is(value, VS_JSON_OBJECT)) {
        return wrong_type("filter", value, "an expression (string) or an object", err);
    }
    struct vs_buf text;
    vs_buf_init(&text, arena->env, (size_t)64 << 20);
    enum vs_status status = vs_json_write_value(value, &text, err);
    if (status == VS_OK) {
        *json_out = vs_arena_copy_str(arena, vs_buf_view(&text));
        status = json_out->ptr != NULL ? VS_OK : no_memory(err);
    }
    vs_buf_clear(&text);
    return status;
}

enum vs_status vs_check_at(const struct vs_at *at, struct vs_error *err)
{
    if ((at->snapshot_id != 0) + (at->as_of != NULL) + (at->ref != NULL) > 1) {
        return vs_fail(err, VS_INVALID, "at: give one of snapshot_id, as_of and ref");
    }
    return VS_OK;
}

enum vs_status vs_read_at(struct vs_arena *arena,
                          const struct vs_json *object,
                          struct vs_at *out,
                          struct vs_error *err)
{
    static const char *const names[] = {"snapshot_id", "as_of", "ref"};
    const struct vs_json *value = member(object, "at"), *snapshot;
    struct vs_str text;
    if (value == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_members_check(value, "at", names, sizeof names / sizeof names[0], err));
    snapshot = member(value, "snapshot_id");
    if (vs_json_to_str(snapshot, &text)) {
        if (vs_parse_i64(text, &out->snapshot_id, NULL) != VS_OK) {
            return vs_fail(err, VS_INVALID, "at: snapshot_id is '%.*s', which is no snapshot id",
                           VS_STR_ARG(text));
        }
    } else if (snapshot != NULL && !vs_json_to_i64(snapshot, &out->snapshot_id)) {
        return wrong_type("at: snapshot_id", snapshot, "a string of digits or an integer", err);
    }
    if (snapshot != NULL && out->snapshot_id <= 0) {
        return vs_fail(err, VS_INVALID, "at: snapshot_id must be positive");
    }
    VS_TRY(vs_read_text(arena, value, "as_of", &out->as_of, err));
    VS_TRY(vs_read_text(arena, value, "ref", &out->ref, err));
    return vs_check_at(out, err);
}
