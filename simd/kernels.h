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

// One list (or a piece of one) to scan; see vs_kernels.pq4_select.
struct vs_pq4_scan {
    const uint8_t *codes; // the table's own layout, 64-byte aligned
    size_t count, m;
    const uint8_t *lut;
    uint32_t threshold;
    const uint32_t *lane_mask;
    // Entry i is called first_id + ids[i], or first_id + i without ids. ids are readable up to
    // count rounded up to 16.
    const uint32_t *ids;
    uint32_t first_id;
    const uint8_t *ahead;
    size_t ahead_bytes;
};

// One list to scan for several queries; see vs_kernels.pq4_sums_many.
struct vs_pq4_many {
    const uint8_t *codes; // the table's own layout, 64-byte aligned
    size_t count, m;
    const uint8_t *const *luts; // [query_count]
    size_t query_count;
};

#define VS_SUMS_SPARE 8192 // room that sums_bound wants

// Rows for dot_i8_tile: groups of 16 rows (a tile, 64 * quads bytes); in a tile, for every four
// coordinates in turn, those four of row 0, of row 1, …, of row 15. What is missing is zero.
struct vs_i8_tiles {
    const int8_t *tiles;
    size_t quads; // ceil(dimension / 4)
    size_t count; // of tiles
};

struct vs_kernels {
    const char *name; // "scalar", "avx2", "avx512", "vnni", "neon"

    // out[i] = sum_j query[j] * rows[i * dim + j]
    void (*dot_f32)(
        const float *query, const float *rows, size_t dim, size_t row_count, float *out);
    // out[i] = sum_j (query[j] - rows[i * dim + j])^2
    void (*l2_f32)(const float *query, const float *rows, size_t dim, size_t row_count, float *out);
    // The same over rows of IEEE 754 binary16, each widened exactly to f32.
    void (*dot_f16)(
        const float *query, const uint16_t *rows, size_t dim, size_t row_count, float *out);
    void (*l2_f16)(
        const float *query, const uint16_t *rows, size_t dim, size_t row_count, float *out);
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

    // Many with many: out[r * 16 * tiles->count + i] = the product of row i of the tiles with the
    // query at queries + index[r] * stride, r < query_count. Values -127..127; queries have
    // 4 * quads values, zero beyond their dimension.
    void (*dot_i8_tile)(const int8_t *queries,
                        size_t stride,
                        const uint32_t *index,
                        size_t query_count,
                        const struct vs_i8_tiles *tiles,
                        int32_t *out);

    // 4-bit product-quantiser codes of the entries of one list. On disk they lie in the pair layout
    // (docs/format/index-v1.md): blocks of 32 entries, 16 * m bytes; sub-quantiser s has the 16
    // bytes at 16 * s, low nibble of byte j = entry j, high nibble = entry j + 16. In memory a
    // table may want another one: vs_pq4_bytes says how much room it takes. m is even, <= 256. lut
    // has 16 bytes per sub-quantiser. The sum of an entry is sum_s lut[16 * s + code(s)].
    size_t pq4_lanes; // 32: the pair layout itself; 16: the quad layout (docs/internals/simd.md)
    // From the pair layout into the table's own: out has vs_pq4_bytes(table, count, m) bytes.
    void (*pq4_arrange)(const uint8_t *pair, size_t count, size_t m, uint8_t *out);
    // sums[i] of entries i < count; room for count rounded up to 32.
    void (*pq4_sums)(
        const uint8_t *codes, size_t count, size_t m, const uint8_t *lut, uint16_t *sums);
    // Scan and select: writes sum and ids[i] of every entry i < count with sum >= threshold and,
    // with a lane mask (NULL: all), bit i % 32 of lane_mask[i / 32] set, in ascending i; returns
    // how many. Outputs have room for count rounded up to 32, plus 16. While it scans it prefetches
    // ahead[0..ahead_bytes), the codes that come next (may be NULL, 0).
    size_t (*pq4_select)(const struct vs_pq4_scan *scan, uint32_t *sum_out, uint32_t *id_out);
    // pq4_sums for every query: sums[q][i] of entries i < count, and zero from there up to count
    // rounded up to pq4_lanes.
    void (*pq4_sums_many)(const struct vs_pq4_many *many, uint16_t *const *sums);
    // A value that at least `keep` of the sums reach and not many more, usually; 0 where there are
    // fewer. spare: VS_SUMS_SPARE of room.
    uint16_t (*sums_bound)(const uint16_t *sums, size_t count, size_t keep, uint16_t *spare);
    // Writes sums[i] and first + i of every i < count with sums[i] >= least, in ascending i;
    // returns how many. Sums are readable, and outputs have room, up to count rounded up to 16.
    size_t (*sums_keep)(const uint16_t *sums,
                        size_t count,
                        uint16_t least,
                        uint32_t first,
                        uint32_t *sum_out,
                        uint32_t *index_out);
    // Keeps the pairs with key >= least in their order, in place; returns how many.
    size_t (*keep_keys)(uint32_t *keys, uint32_t *ids, size_t count, uint32_t least);
    // How many keys are >= least.
    size_t (*count_keys)(const uint32_t *keys, size_t count, uint32_t least);
    // The table of a query: for each sub-quantiser s and code c the value sum_j y[j] * lane, or
    // with distance != 0 sum_j lane * (2 y[j] - lane), lane = lanes[(s * sub_dim + j) * 16 + c],
    // added up over j in order; shifted so that each sub-quantiser's least is 0, all scaled alike
    // so that the greatest is 255, rounded half up. values: room for 16 * m; table_out: 16 * m
    // bytes. All values equal, or none finite: a table without information, not an error.
    void (*pq4_table)(const float *y,
                      const float *lanes,
                      size_t m,
                      size_t sub_dim,
                      int distance,
                      float *values,
                      uint8_t *table_out);
    // Nearest of 16 codes for each of m parts of y: lanes[(s * sub_dim + j) * 16 + c] is coordinate
    // j of code c of sub-quantiser s; squared distances are summed over j in order; ties to the
    // lower code.
    void (*pq4_encode)(
        const float *y, const float *lanes, size_t m, size_t sub_dim, uint8_t *codes);

    // Standard base64 with its padding (RFC 4648 section 4) and nothing else: no blanks, and the
    // unused bits of the last character are 0. Returns how many bytes it wrote, SIZE_MAX when the
    // text is not of that form. out has room for len / 4 * 3 bytes; its content is undefined after
    // a refusal.
    size_t (*base64_decode)(const char *text, size_t len, uint8_t *out);
};

// Bytes of `count` entries in the table's own layout.
static inline size_t vs_pq4_bytes(const struct vs_kernels *kernels, size_t count, size_t m)
{
    return kernels->pq4_lanes == 16 ? (count + 15) / 16 * 64 * ((m + 7) / 8)
                                    : (count + 31) / 32 * 16 * m;
}

// The fastest table this processor runs (CPUID and XCR0), lowered by the environment variable
// VS_SIMD=scalar|avx2|avx512|vnni|neon. Never NULL.
const struct vs_kernels *vs_kernels_get(void);
// By name; NULL when unknown or not runnable here. For tests and benchmarks.
const struct vs_kernels *vs_kernels_find(const char *name);
// All tables that run here, best first; NULL-terminated.
const struct vs_kernels *const *vs_kernels_all(void);

#endif
