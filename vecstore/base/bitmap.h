// SPDX-License-Identifier: Apache-2.0
/*
 * A set of 64-bit numbers as Iceberg stores row positions: 32-bit roaring bitmaps by high half.
 *
 * bitmap.c is the only file that includes CRoaring (0.2.66 of Debian 12 or newer). Bytes from
 * outside are checked here, container by container, before the library sees them, because that
 * version has no validator. The library allocates with malloc (0.2.66 has no hooks): its bitmaps
 * are outside of the environment's budget; only what a valid serialised form of the same size can
 * hold is ever asked for.
 * Format: RoaringFormatSpec "64-bit implementations"; iceberg.md 1.8. Ownership: the bitmap owns
 * its parts. Threads: single owner while changing, then immutable. ADR 17.
 */
#ifndef VS_BASE_BITMAP_H
#define VS_BASE_BITMAP_H

#include "vecstore/base/buf.h"

// Highest high half: Java's readers take no more (RoaringPositionBitmap).
#define VS_BITMAP_MAX_KEY UINT32_C(0x7ffffffe)
#define VS_BITMAP_MAX_VALUE (((uint64_t)VS_BITMAP_MAX_KEY << 32) | UINT32_MAX)

struct vs_bitmap_part;

struct vs_bitmap {
    const struct vs_env *env;
    size_t part_count, capacity;
    struct vs_bitmap_part *parts; // by high half, ascending
};

void vs_bitmap_init(struct vs_bitmap *bitmap, const struct vs_env *env);
void vs_bitmap_clear(struct vs_bitmap *bitmap); // empty, still usable; accepts a zeroed bitmap

// INVALID above VS_BITMAP_MAX_VALUE. On failure of add_many some values may have been added.
enum vs_status vs_bitmap_add(struct vs_bitmap *bitmap, uint64_t value, struct vs_error *err);
enum vs_status vs_bitmap_add_many(struct vs_bitmap *bitmap,
                                  const uint64_t *values,
                                  size_t count,
                                  struct vs_error *err);
enum vs_status vs_bitmap_or(struct vs_bitmap *bitmap,
                            const struct vs_bitmap *other,
                            struct vs_error *err);
bool vs_bitmap_contains(const struct vs_bitmap *bitmap, uint64_t value);
uint64_t vs_bitmap_cardinality(const struct vs_bitmap *bitmap);
// False when empty.
bool vs_bitmap_min(const struct vs_bitmap *bitmap, uint64_t *value_out);
bool vs_bitmap_max(const struct vs_bitmap *bitmap, uint64_t *value_out);
// Calls fn for each value, ascending, until it returns false; false when it did.
typedef bool (*vs_bitmap_fn)(uint64_t value, void *ctx);
bool vs_bitmap_each(const struct vs_bitmap *bitmap, vs_bitmap_fn fn, void *ctx);

// Turns runs of values into run containers where that is shorter, as Java does before it writes.
void vs_bitmap_optimize(struct vs_bitmap *bitmap);
// Appends the portable 64-bit form: uint64 count, then per part uint32 key and the portable 32-bit
// form; all little-endian.
enum vs_status vs_bitmap_write(const struct vs_bitmap *bitmap,
                               struct vs_buf *out,
                               struct vs_error *err);
// Reads that form, which has to fill `bytes` exactly; CORRUPT names `what` and the reason.
enum vs_status vs_bitmap_read(struct vs_bitmap *bitmap_out,
                              const struct vs_env *env,
                              struct vs_str bytes,
                              const char *what,
                              struct vs_error *err);

#endif
