// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/buf.h"

#include "vecstore/base/checked.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_MIN ((size_t)64)

void vs_buf_init(struct vs_buf *buf, const struct vs_env *env, size_t limit)
{
    *buf = (struct vs_buf){.env = env, .limit = limit};
}

void vs_buf_clear(struct vs_buf *buf)
{
    if (buf->data != NULL) {
        vs_free(buf->env, buf->data);
    }
    buf->data = NULL;
    buf->len = 0;
    buf->capacity = 0;
}

void vs_buf_reset(struct vs_buf *buf)
{
    buf->len = 0;
}

// Makes capacity at least `wanted`. Doubles while small, adds a half when large.
static bool grow_to(struct vs_buf *buf, size_t wanted)
{
    if (wanted <= buf->capacity) {
        return true;
    }
    size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
    size_t step = capacity < ((size_t)1 << 20) ? capacity : capacity / 2;
    if (!vs_add_size(capacity, step, &capacity) || capacity < wanted) {
        capacity = wanted;
    }
    if (capacity > buf->limit && wanted <= buf->limit) {
        capacity = buf->limit;
    }
    uint8_t *data = (uint8_t *)vs_realloc(buf->env, buf->data, capacity);
    if (data == NULL && capacity > wanted) {
        capacity = wanted; // generous growth is a convenience, not a need
        data = (uint8_t *)vs_realloc(buf->env, buf->data, capacity);
    }
    if (data == NULL) {
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

enum vs_status vs_buf_reserve(struct vs_buf *buf, size_t more, struct vs_error *err)
{
    size_t wanted = 0;
    if (!vs_add_size(buf->len, more, &wanted) || wanted > buf->limit) {
        return vs_fail(err, VS_LIMIT,
                       "%zu bytes and %zu more exceed the limit of %zu bytes of this buffer",
                       buf->len, more, buf->limit);
    }
    if (!grow_to(buf, wanted)) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory growing a buffer to %zu bytes", wanted);
    }
    return VS_OK;
}

enum vs_status vs_buf_append(struct vs_buf *buf, const void *bytes, size_t n, struct vs_error *err)
{
    if (n == 0) {
        return VS_OK;
    }
    if (n > buf->capacity - buf->len || n > buf->limit - buf->len) {
        VS_TRY(vs_buf_reserve(buf, n, err));
    }
    memcpy(buf->data + buf->len, bytes, n);
    buf->len += n;
    return VS_OK;
}

enum vs_status vs_buf_append_str(struct vs_buf *buf, struct vs_str text, struct vs_error *err)
{
    return vs_buf_append(buf, text.ptr, text.len, err);
}

enum vs_status vs_buf_append_c(struct vs_buf *buf, const char *text, struct vs_error *err)
{
    return vs_buf_append(buf, text, strlen(text), err);
}

enum vs_status vs_buf_append_byte(struct vs_buf *buf, uint8_t byte, struct vs_error *err)
{
    if (buf->len == buf->capacity || buf->len >= buf->limit) {
        VS_TRY(vs_buf_reserve(buf, 1, err));
    }
    buf->data[buf->len++] = byte;
    return VS_OK;
}

enum vs_status vs_buf_append_zeros(struct vs_buf *buf, size_t n, struct vs_error *err)
{
    if (n == 0) {
        return VS_OK;
    }
    VS_TRY(vs_buf_reserve(buf, n, err));
    memset(buf->data + buf->len, 0, n);
    buf->len += n;
    return VS_OK;
}

enum vs_status vs_buf_printf(struct vs_buf *buf, struct vs_error *err, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (len < 0) {
        return vs_fail(err, VS_INTERNAL, "cannot format text with \"%s\"", format);
    }
    size_t n = (size_t)len;
    if (n < sizeof small) {
        return vs_buf_append(buf, small, n, err);
    }
    VS_TRY(vs_buf_reserve(buf, n, err));
    if (!grow_to(buf, buf->len + n + 1)) { // room for vsnprintf's NUL
        return vs_fail(err, VS_NO_MEMORY, "out of memory growing a buffer to %zu bytes",
                       buf->len + n + 1);
    }
    va_start(args, format);
    (void)vsnprintf((char *)buf->data + buf->len, n + 1, format, args);
    va_end(args);
    buf->len += n;
    return VS_OK;
}

struct vs_str vs_buf_view(const struct vs_buf *buf)
{
    return (struct vs_str){buf->len > 0 ? (const char *)buf->data : "", buf->len};
}

const char *vs_buf_c_str(struct vs_buf *buf)
{
    size_t wanted = 0;
    // The NUL may lie one byte beyond the limit: it is not content.
    if (!vs_add_size(buf->len, 1, &wanted) || !grow_to(buf, wanted)) {
        return NULL;
    }
    buf->data[buf->len] = 0;
    return (const char *)buf->data;
}

uint8_t *vs_buf_take(struct vs_buf *buf, size_t *len_out)
{
    uint8_t *data = buf->data;
    *len_out = buf->len;
    buf->data = NULL;
    buf->len = 0;
    buf->capacity = 0;
    return data;
}
