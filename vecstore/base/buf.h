// SPDX-License-Identifier: Apache-2.0
/*
 * A growing byte buffer with a hard limit given at init.
 *
 * Ownership: the buffer owns its bytes; vs_buf_take moves them out. A zeroed struct is a valid
 * cleared buffer for vs_buf_clear. Threads: single owner.
 */
#ifndef VS_BASE_BUF_H
#define VS_BASE_BUF_H

#include "vecstore/base/env.h"
#include "vecstore/base/str.h"

struct vs_buf {
    const struct vs_env *env;
    uint8_t *data;
    size_t len;
    size_t capacity;
    size_t limit; // most bytes it may ever hold
};

void vs_buf_init(struct vs_buf *buf, const struct vs_env *env, size_t limit);
void vs_buf_clear(struct vs_buf *buf); // frees; the buffer stays initialised with the same limit
void vs_buf_reset(struct vs_buf *buf); // len = 0, keeps the memory

// NO_MEMORY when allocation fails, LIMIT beyond the limit; the buffer is unchanged on failure.
enum vs_status vs_buf_reserve(struct vs_buf *buf, size_t more, struct vs_error *err);
enum vs_status vs_buf_append(struct vs_buf *buf, const void *bytes, size_t n, struct vs_error *err);
enum vs_status vs_buf_append_str(struct vs_buf *buf, struct vs_str text, struct vs_error *err);
enum vs_status vs_buf_append_c(struct vs_buf *buf, const char *text, struct vs_error *err);
enum vs_status vs_buf_append_byte(struct vs_buf *buf, uint8_t byte, struct vs_error *err);
enum vs_status vs_buf_append_zeros(struct vs_buf *buf, size_t n, struct vs_error *err);
enum vs_status vs_buf_printf(struct vs_buf *buf, struct vs_error *err, const char *format, ...)
    VS_PRINTF(3, 4);

struct vs_str vs_buf_view(const struct vs_buf *buf);
// Makes the content NUL-terminated (the NUL is not counted); valid until the next change. NULL when
// out of memory.
const char *vs_buf_c_str(struct vs_buf *buf);
// Moves the bytes out (free with vs_free); the buffer is left empty.
uint8_t *vs_buf_take(struct vs_buf *buf, size_t *len_out);

#endif
