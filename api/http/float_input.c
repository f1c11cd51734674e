// SPDX-License-Identifier: Apache-2.0
#include "api/http/float_input.h"

#include "api/vecstore.h"
#include "simd/kernels.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/float_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_FLOAT_BYTES ((size_t)VS_MAX_DIM * VS_MAX_BATCH * sizeof(float))

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the vectors of the request");
}

static bool all_finite(const float *values, size_t count)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        finite &= isfinite(values[i]) != 0;
    }
    return finite;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }
    return p;
}

static enum vs_status check_dim(size_t dim, const char *what, struct vs_error *err)
{
    if (dim == 0) {
        return vs_fail(err, VS_INVALID, "%s is empty", what);
    }
    if (dim > VS_MAX_DIM) {
        return vs_fail(err, VS_LIMIT, "dimension: %s has %zu values; at most %d", what, dim,
                       VS_MAX_DIM);
    }
    return VS_OK;
}

static enum vs_status load_floats(
    const uint8_t *bytes, size_t count, float *values, const char *what, struct vs_error *err)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = vs_load_f32le(bytes + 4 * i);
    }
    bool good = all_finite(values, count);
    for (size_t i = 0; !good && i < count; i++) {
        if (!isfinite(values[i])) {
            return vs_fail(err, VS_INVALID, "%s: value %zu is not a finite number", what, i);
        }
    }
    return VS_OK;
}

// ---- from base64 ----

// RFC 4648 with or without padding. Returns the number of bytes, SIZE_MAX when the text is no
// base64. `to` has room for base64_room(text.len) bytes.
static size_t decode_base64(struct vs_str text, uint8_t *to)
{
    const struct vs_kernels *kernels = vs_kernels_get();
    size_t cut = text.len % 4, whole = text.len - cut;
    if (cut == 0) {
        return kernels->base64_decode(text.ptr, whole, to);
    }
    // Two or three characters behind the last four are what padding was left out of.
    char last[4] = {'=', '=', '=', '='};
    memcpy(last, text.ptr + whole, cut);
    if (cut == 1 || last[cut - 1] == '=' || (whole > 0 && text.ptr[whole - 1] == '=')) {
        return SIZE_MAX;
    }
    size_t n = kernels->base64_decode(text.ptr, whole, to);
    size_t rest = n != SIZE_MAX ? kernels->base64_decode(last, sizeof last, to + n) : SIZE_MAX;
    return rest != SIZE_MAX ? n + rest : SIZE_MAX;
}

static size_t base64_room(size_t len)
{
    return (len / 4 + 1) * 3;
}

static enum vs_status vector_from_base64(struct vs_arena *arena,
                                         struct vs_str text,
                                         const char *what,
                                         struct vs_float_input *out,
                                         struct vs_error *err)
{
    uint8_t *bytes = vs_arena_alloc(arena, base64_room(text.len));
    if (bytes == NULL) {
        return no_memory(err);
    }
    size_t n = decode_base64(text, bytes);
    if (n == SIZE_MAX || n % sizeof(float) != 0) {
        return vs_fail(err, VS_INVALID, "%s is no base64 of little-endian float32 values", what);
    }
    VS_TRY(check_dim(n / sizeof(float), what, err));
    float *values = (float *)(void *)bytes; // in place: the arena aligns for every type
    VS_TRY(load_floats(bytes, n / sizeof(float), values, what, err));
    *out = (struct vs_float_input){values, 1, n / sizeof(float)};
    return VS_OK;
}

// ---- from text ----

static bool parse_array(const char **at, const char *end, struct vs_buf *floats)
{
    size_t used = 0;
    enum vs_status status = VS_OK;
    struct vs_str text = {*at, (size_t)(end - *at)};
    if (!vs_float_array_parse(text, floats, &used, &status, NULL)) {
        return false;
    }
    *at += used;
    return true;
}

static bool parse_rows(
    const char *at, const char *end, struct vs_buf *floats, size_t *count_out, size_t *dim_out)
{
    size_t count = 0, dim = 0;
    at = skip_space(at + 1, end);
    while (at < end) {
        size_t before = floats->len;
        if (*at != '[' || !parse_array(&at, end, floats)) {
            return false;
        }
        size_t n = (floats->len - before) / sizeof(float);
        dim = count == 0 ? n : dim;
        if (n != dim) {
            return false;
        }
        count++;
        at = skip_space(at, end);
        if (at < end && *at == ']') {
            *count_out = count;
            *dim_out = dim;
            return at + 1 == end;
        }
        if (at == end || *at != ',') {
            return false;
        }
        at = skip_space(at + 1, end);
    }
    return false;
}

static bool keep(struct vs_arena *arena, const struct vs_buf *floats, struct vs_float_input *out)
{
    float *values = vs_arena_alloc(arena, floats->len);
    if (values == NULL || floats->len == 0 ||
        !all_finite((const float *)(const void *)floats->data, floats->len / sizeof(float))) {
        return false;
    }
    memcpy(values, floats->data, floats->len);
    out->values = values;
    return true;
}

// The text of a JSON string that holds base64: one with an escape is none.
static bool string_from_text(struct vs_arena *arena, struct vs_str text, struct vs_float_input *out)
{
    struct vs_str inside = {text.ptr + 1, text.len - 2};
    return text.len >= 2 && text.ptr[text.len - 1] == '"' &&
           vector_from_base64(arena, inside, "vector", out, NULL) == VS_OK;
}

bool vs_floats_from_text(struct vs_arena *arena,
                         struct vs_str text,
                         bool several,
                         struct vs_float_input *out)
{
    struct vs_buf floats;
    struct vs_float_input input = {.count = 1};
    const char *at = text.ptr, *end = text.ptr + text.len;
    if (text.len > 0 && text.ptr[0] == '"' && !several) {
        return string_from_text(arena, text, out);
    }
    if (text.len == 0 || text.ptr[0] != '[') {
        return false;
    }
    vs_buf_init(&floats, arena->env, MAX_FLOAT_BYTES);
    bool good = several ? parse_rows(at, end, &floats, &input.count, &input.dim)
                        : parse_array(&at, end, &floats) && at == end;
    input.dim = several ? input.dim : floats.len / sizeof(float);
    good = good && input.count <= VS_MAX_BATCH && input.dim <= VS_MAX_DIM &&
           keep(arena, &floats, &input);
    vs_buf_clear(&floats);
    if (good) {
        *out = input;
    }
    return good;
}

// ---- from bytes ----

enum vs_status vs_floats_from_bytes(struct vs_arena *arena,
                                    struct vs_str bytes,
                                    size_t count,
                                    struct vs_float_input *out,
                                    struct vs_error *err)
{
    if (bytes.len == 0 || bytes.len % sizeof(float) != 0) {
        return vs_fail(
            err, VS_INVALID,
            "the body has %zu bytes; send the vector as little-endian float32, 4 bytes each",
            bytes.len);
    }
    size_t total = bytes.len / sizeof(float);
    if (count == 0 || total % count != 0) {
        return vs_fail(err, VS_INVALID,
                       "the body holds %zu values, which do not make %zu vectors of one length",
                       total, count);
    }
    VS_TRY(check_dim(total / count, "each vector", err));
    float *values = vs_arena_alloc(arena, bytes.len);
    if (values == NULL) {
        return no_memory(err);
    }
    VS_TRY(load_floats((const uint8_t *)bytes.ptr, total, values, "the body", err));
    *out = (struct vs_float_input){values, count, total / count};
    return VS_OK;
}

// ---- from a tree ----

static enum vs_status vector_from_array(struct vs_arena *arena,
                                        const struct vs_json *array,
                                        const char *what,
                                        struct vs_float_input *out,
                                        struct vs_error *err)
{
    size_t dim = vs_json_count(array), i = 0;
    VS_TRY(check_dim(dim, what, err));
    float *values = vs_arena_alloc_array(arena, dim, sizeof *values);
    if (values == NULL) {
        return no_memory(err);
    }
    struct vs_json_iter iter;
    const struct vs_json *value;
    vs_json_iter_init(&iter, array);
    for (; vs_json_iter_next(&iter, NULL, &value); i++) {
        double number;
        if (!vs_json_to_f64(value, &number)) {
            return vs_fail(err, VS_INVALID, "%s: value %zu is %s, expected a number", what, i,
                           vs_json_type_name(value));
        }
        if (!(fabs(number) < 0x1.ffffffp127)) {
            return vs_fail(err, VS_INVALID, "%s: value %zu is too large for a 32-bit float", what,
                           i);
        }
        values[i] = (float)number;
    }
    *out = (struct vs_float_input){values, 1, dim};
    return VS_OK;
}

static enum vs_status vector_from_json(struct vs_arena *arena,
                                       const struct vs_json *value,
                                       const char *what,
                                       struct vs_float_input *out,
                                       struct vs_error *err)
{
    struct vs_str text;
    if (vs_json_to_str(value, &text)) {
        return vector_from_base64(arena, text, what, out, err);
    }
    if (!vs_json_is(value, VS_JSON_ARRAY)) {
        return vs_fail(err, VS_INVALID, "%s is %s, expected an array of numbers or base64 text",
                       what, vs_json_type_name(value));
    }
    return vector_from_array(arena, value, what, out, err);
}

static enum vs_status vectors_from_json(struct vs_arena *arena,
                                        const struct vs_json *rows,
                                        struct vs_float_input *out,
                                        struct vs_error *err)
{
    size_t count = vs_json_count(rows), i = 0;
    struct vs_float_input all = {.count = count}, one;
    struct vs_json_iter iter;
    const struct vs_json *row;
    if (!vs_json_is(rows, VS_JSON_ARRAY) || count == 0) {
        return vs_fail(err, VS_INVALID, "vectors must be an array of at least one vector");
    }
    if (count > VS_MAX_BATCH) {
        return vs_fail(err, VS_LIMIT, "vectors: %zu are given; at most %d in one request", count,
                       VS_MAX_BATCH);
    }
    vs_json_iter_init(&iter, rows);
    for (; vs_json_iter_next(&iter, NULL, &row); i++) {
        char what[40];
        snprintf(what, sizeof what, "vectors: vector %zu", i);
        VS_TRY(vector_from_json(arena, row, what, &one, err));
        if (i == 0) {
            all.dim = one.dim;
            all.values = vs_arena_alloc_array(arena, count * one.dim, sizeof(float));
        }
        if (all.values == NULL) {
            return no_memory(err);
        }
        if (one.dim != all.dim) {
            return vs_fail(err, VS_INVALID, "%s has %zu values, the first has %zu", what, one.dim,
                           all.dim);
        }
        memcpy(all.values + i * all.dim, one.values, all.dim * sizeof(float));
    }
    *out = all;
    return VS_OK;
}

enum vs_status vs_floats_from_json(struct vs_arena *arena,
                                   const struct vs_json *value,
                                   bool several,
                                   struct vs_float_input *out,
                                   struct vs_error *err)
{
    return several ? vectors_from_json(arena, value, out, err)
                   : vector_from_json(arena, value, "vector", out, err);
}
