// SPDX-License-Identifier: Apache-2.0
#include "api/http/float_input.h"

#include "api/vecstore.h"
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

bool vs_floats_from_text(struct vs_arena *arena,
                         struct vs_str text,
                         bool several,
                         struct vs_float_input *out)
{
    struct vs_buf floats;
    struct vs_float_input input = {.count = 1};
    const char *at = text.ptr, *end = text.ptr + text.len;
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
        if (!isfinite(values[i])) {
            return vs_fail(err, VS_INVALID, "%s: value %zu is not a finite number", what, i);
        }
    }
    return VS_OK;
}

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

// The value of a base64 character plus one; 0: it is none.
static const uint8_t sextets[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

// RFC 4648 with or without padding. Returns the number of bytes, SIZE_MAX when the text is no
// base64.
static size_t decode_base64(struct vs_str text, uint8_t *to)
{
    size_t len = text.len, n = 0;
    for (int pad = 0; pad < 2 && len > 0 && text.len % 4 == 0 && text.ptr[len - 1] == '='; pad++) {
        len--;
    }
    if (len % 4 == 1) {
        return SIZE_MAX;
    }
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t value = sextets[(unsigned char)text.ptr[i]];
        if (value == 0) {
            return SIZE_MAX;
        }
        bits = bits << 6 | (value - 1);
        held += 6;
        if (held >= 8) {
            held -= 8;
            to[n++] = (uint8_t)(bits >> held);
        }
    }
    return n;
}

static enum vs_status vector_from_base64(struct vs_arena *arena,
                                         struct vs_str text,
                                         const char *what,
                                         struct vs_float_input *out,
                                         struct vs_error *err)
{
    uint8_t *bytes = vs_arena_alloc(arena, text.len + 1);
    if (bytes == NULL) {
        return no_memory(err);
    }
    size_t n = decode_base64(text, bytes);
    if (n == SIZE_MAX || n % sizeof(float) != 0) {
        return vs_fail(err, VS_INVALID, "%s is no base64 of little-endian float32 values", what);
    }
    VS_TRY(check_dim(n / sizeof(float), what, err));
    float *values = vs_arena_alloc(arena, n);
    if (values == NULL) {
        return no_memory(err);
    }
    VS_TRY(load_floats(bytes, n / sizeof(float), values, what, err));
    *out = (struct vs_float_input){values, 1, n / sizeof(float)};
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
