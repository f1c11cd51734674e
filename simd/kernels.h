// SPDX-License-Identifier: Apache-2.0
/*
 * The inner loops, one const table per instruction set, chosen once.
 *
 * simd/ includes nothing of ours. Every table gives bit-identical results: integers are exact, and
 * float sums use one fixed order (16 partial sums, lane i adds elements i, i+16, …; then 8 pairs i,
 * i+8; then 4, 2, 1; multiply and add rounded separately, no FMA), so that building an index gives
 * the same bytes and exact scores are equal on every machine. Pointers need no alignment unless
 * stated. Threads: pure functions. See docs/adr/0004-simd-table-per-isa.md.
 */
#ifndef VS_SIMD_KERNELS_H
#define VS_SIMD_KERNELS_H

#include <stddef.h>
#include <stdint.h>

struct vs_kernels {
    const char *name; // "scalar", "avx2"

    // out[i] = sum_j query[j] * rows[i * dim + j]
    void (*dot_f32)(
        const float *query, const float *rows, size_t dim, size_t row_count, float *out);
    // out[i] = sum_j (query[j] - rows[i * dim + j])^2
    void (*l2_f32)(const float *query, const float *rows, size_t dim, size_t row_count, float *out);
    // out[i] = sum_j query[j] * rows[i * stride + j]; values -127..127; stride >= dim in bytes
    void (*dot_i8)(const int8_t *query,
                   const int8_t *rows,
                   size_t dim,
                   size_t stride,
                   size_t row_count,
                   int32_t *out);
    // The same for rows named by index, prefetching ahead.
    void (*dot_i8_rows)(const int8_t *query,
                        const int8_t *rows,
                        size_t dim,
                        size_t stride,
                        const uint32_t *row_index,
                        size_t row_count,
                        int32_t *out);

    // 4-bit product-quantiser codes in the pair layout (docs/format/index-v1.md): a block is 32
    // vectors, 16 * m bytes; sub-quantiser s has the 16 bytes at 16 * s, low nibble of byte j =
    // vector j, high nibble = vector j + 16. lut has 16 bytes per sub-quantiser. m is even, <= 256.
    // sums[32 * b + v] = sum_s lut[16 * s + code(b, v, s)]
    void (*pq4_scan)(
        const uint8_t *codes, size_t block_count, size_t m, const uint8_t *lut, uint16_t *sums);
    // Scan and select: writes block-relative index 32 * b + v and sum of every vector with sum >=
    // threshold whose bit v in lane_mask[b] is set (lane_mask NULL: all), in ascending index order;
    // returns how many. Outputs have room for 32 * block_count entries.
    size_t (*pq4_select)(const uint8_t *codes,
                         size_t block_count,
                         size_t m,
                         const uint8_t *lut,
                         uint16_t threshold,
                         const uint32_t *lane_mask,
                         uint32_t *index_out,
                         uint16_t *sum_out);
    // Nearest of 16 codes for each of m parts of y: lanes[(s * sub_dim + j) * 16 + c] is coordinate
    // j of code c of sub-quantiser s; squared distances are summed over j in order; ties to the
    // lower code.
    void (*pq4_encode)(
        const float *y, const float *lanes, size_t m, size_t sub_dim, uint8_t *codes);
};

// The fastest table this processor runs (CPUID and XCR0), lowered by the environment variable
// VS_SIMD=scalar|avx2. Never NULL.
const struct vs_kernels *vs_kernels_get(void);
// By name; NULL when unknown or not runnable here. For tests and benchmarks.
const struct vs_kernels *vs_kernels_find(const char *name);
// All tables that run here, best first; NULL-terminated.
const struct vs_kernels *const *vs_kernels_all(void);

#endif
