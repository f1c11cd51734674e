// SPDX-License-Identifier: Apache-2.0
/*
 * Private to simd/: the tables that dispatch.c chooses from. Each instruction set's file exports
 * exactly one of them.
 */
#ifndef VS_SIMD_KERNELS_INTERNAL_H
#define VS_SIMD_KERNELS_INTERNAL_H

#include "simd/kernels.h"

extern const struct vs_kernels vs_kernels_scalar;
extern const struct vs_kernels vs_kernels_avx2; // x86 only, as the next two
extern const struct vs_kernels vs_kernels_avx512;
extern const struct vs_kernels vs_kernels_vnni;
extern const struct vs_kernels vs_kernels_neon; // aarch64 only

static inline uint32_t vs_pq4_entry_id(const struct vs_pq4_scan *scan, size_t entry)
{
    return scan->first_id + (scan->ids != NULL ? scan->ids[entry] : (uint32_t)entry);
}

// What a scan prefetches while it works: one line for every 64 bytes of codes that it reads, and at
// the end what is left.
struct vs_pq4_ahead {
    const uint8_t *at;
    size_t lines;
};

static inline struct vs_pq4_ahead vs_pq4_ahead_begin(const struct vs_pq4_scan *scan)
{
    return (struct vs_pq4_ahead){scan->ahead, (scan->ahead_bytes + 63) / 64};
}

static inline void vs_pq4_ahead_line(struct vs_pq4_ahead *ahead)
{
    if (ahead->lines > 0) {
        // Into the second-level cache: the first has few misses under way at once.
        __builtin_prefetch(ahead->at, 0, 2);
        ahead->at += 64;
        ahead->lines--;
    }
}

static inline void vs_pq4_ahead_rest(struct vs_pq4_ahead *ahead)
{
    while (ahead->lines > 0) {
        vs_pq4_ahead_line(ahead);
    }
}

// Of a table's greatest value; 0 where the division overflows or the value is not finite: no
// information.
static inline float vs_table_scale(float span)
{
    float scale = span > 0.0F ? 255.0F / span : 0.0F;
    return scale < 3.0e38F ? scale : 0.0F;
}

// Of the scalar table, for tables that have nothing better.
void vs_scalar_pq4_table(const float *y,
                         const float *lanes,
                         size_t m,
                         size_t sub_dim,
                         int distance,
                         float *values,
                         uint8_t *table_out);
void vs_pair_arrange(const uint8_t *pair, size_t count, size_t m, uint8_t *out);
extern const uint8_t vs_base64_values[256]; // 0xff: not of the alphabet
// Row h: the byte shuffle that moves the 32-bit lanes of the set bits of h to the front.
extern const uint8_t vs_compress_lanes[16][16];
size_t vs_scalar_base64_decode(const char *text, size_t len, uint8_t *out);
// Of the AVX2 table, for the AVX-512 one; x86 only.
size_t vs_avx2_base64_decode(const char *text, size_t len, uint8_t *out);

// Of batch_*.c, one set per instruction set.
#define VS_DECLARE_BATCH(isa)                                                                      \
    void vs_pq4_sums_many_##isa(const struct vs_pq4_many *many, uint16_t *const *sums);            \
    uint16_t vs_sums_bound_##isa(const uint16_t *sums, size_t count, size_t keep,                  \
                                 uint16_t *spare);                                                 \
    size_t vs_sums_keep_##isa(const uint16_t *sums, size_t count, uint16_t least, uint32_t first,  \
                              uint32_t *sum_out, uint32_t *index_out)
VS_DECLARE_BATCH(scalar);
VS_DECLARE_BATCH(avx2);
VS_DECLARE_BATCH(avx512);
VS_DECLARE_BATCH(vnni);
VS_DECLARE_BATCH(neon);
#define VS_BATCH_KERNELS(isa)                                                                      \
    .pq4_sums_many = vs_pq4_sums_many_##isa, .sums_bound = vs_sums_bound_##isa,                    \
    .sums_keep = vs_sums_keep_##isa

#endif
