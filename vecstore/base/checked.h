// SPDX-License-Identifier: Apache-2.0
/*
 * Overflow-checked arithmetic for sizes that come from outside: true when the result is exact.
 */
#ifndef VS_BASE_CHECKED_H
#define VS_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool vs_add_size(size_t a, size_t b, size_t *sum_out)
{
    return !__builtin_add_overflow(a, b, sum_out);
}

static inline bool vs_mul_size(size_t a, size_t b, size_t *product_out)
{
    return !__builtin_mul_overflow(a, b, product_out);
}

static inline bool vs_add_u64(uint64_t a, uint64_t b, uint64_t *sum_out)
{
    return !__builtin_add_overflow(a, b, sum_out);
}

static inline bool vs_mul_u64(uint64_t a, uint64_t b, uint64_t *product_out)
{
    return !__builtin_mul_overflow(a, b, product_out);
}

static inline bool vs_add_i64(int64_t a, int64_t b, int64_t *sum_out)
{
    return !__builtin_add_overflow(a, b, sum_out);
}

// True when [offset, offset + len) lies inside [0, total).
static inline bool vs_range_fits(uint64_t offset, uint64_t len, uint64_t total)
{
    return offset <= total && len <= total - offset;
}

#endif
