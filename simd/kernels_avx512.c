// SPDX-License-Identifier: Apache-2.0
/*
 * AVX-512 F, BW and VL (VPSHUFB, VPMADDUBSW, VPMADDWD, VPCOMPRESSD on 512 bits), for processors
 * without VBMI and VNNI.
 *
 * pq4 codes stay in the pair layout: one 64-byte load holds four sub-quantisers, one per 128-bit
 * lane. Bytes are summed as 16-bit words as in kernels_avx2.c: `all` takes even + 256 * odd, `odd`
 * takes odd alone. int8: |query| * (row with the query's sign), the sign moved with a mask.
 */
#include "simd/avx512_common.h"
#include "simd/tile_internal.h"

static inline __m512i add_products(__m512i sum, __m512i query, __m512i row)
{
    __mmask64 negative = _mm512_movepi8_mask(query);
    __m512i signed_row = _mm512_mask_sub_epi8(row, negative, _mm512_setzero_si512(), row);
    __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(query), signed_row);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

static inline __m512i dot_i8_row(const int8_t *query, const int8_t *row, size_t dim)
{
    __m512i sum = _mm512_setzero_si512();
    size_t j = 0;
    for (; j + 64 <= dim; j += 64) {
        sum = add_products(sum, load_i8x64(query + j), load_i8x64(row + j));
    }
    if (j < dim) {
        __mmask64 tail = first_64(dim - j);
        sum = add_products(sum, load_tail_i8(query + j, tail), load_tail_i8(row + j, tail));
    }
    return sum;
}

static inline int32_t dot_i8_excess(const int8_t *query, size_t dim)
{
    (void)query;
    (void)dim;
    return 0;
}

struct u16x32_pair {
    __m512i all_low, odd_low, all_high, odd_high; // low nibbles: entries 0..15, high: 16..31
};

// Up to four sub-quantisers, 64 bytes.
static inline void add_four(struct u16x32_pair *sums, __m512i codes, __m512i table)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(codes, nibble));
    __m512i high =
        _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble));
    sums->all_low = _mm512_add_epi16(sums->all_low, low);
    sums->all_high = _mm512_add_epi16(sums->all_high, high);
    sums->odd_low = _mm512_add_epi16(sums->odd_low, _mm512_srli_epi16(low, 8));
    sums->odd_high = _mm512_add_epi16(sums->odd_high, _mm512_srli_epi16(high, 8));
}

// Adds the four 128-bit lanes.
static inline __m128i add_lanes(__m512i x)
{
    __m256i half = _mm256_add_epi16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// From the sums of even and odd bytes to 16 sums in order.
static inline __m256i in_order(__m512i all, __m512i odd)
{
    __m128i even_u16x8 = add_lanes(_mm512_sub_epi16(all, _mm512_slli_epi16(odd, 8)));
    __m128i odd_u16x8 = add_lanes(odd);
    return _mm256_set_m128i(_mm_unpackhi_epi16(even_u16x8, odd_u16x8),
                            _mm_unpacklo_epi16(even_u16x8, odd_u16x8));
}

// Sums of the 32 entries of a block.
static inline __m512i block_sums(const uint8_t *codes,
                                 size_t m,
                                 const uint8_t *lut,
                                 struct vs_pq4_ahead *ahead)
{
    __m512i zero = _mm512_setzero_si512();
    struct u16x32_pair sums = {zero, zero, zero, zero};
    size_t s = 0;
    for (; s + 4 <= m; s += 4) {
        vs_pq4_ahead_line(ahead);
        add_four(&sums, _mm512_loadu_si512(codes + 16 * s), _mm512_loadu_si512(lut + 16 * s));
    }
    if (s < m) { // two: the tables behind them are 0
        __mmask64 two = first_64(32);
        add_four(&sums, _mm512_maskz_loadu_epi8(two, codes + 16 * s),
                 _mm512_maskz_loadu_epi8(two, lut + 16 * s));
    }
    return _mm512_inserti64x4(_mm512_castsi256_si512(in_order(sums.all_low, sums.odd_low)),
                              in_order(sums.all_high, sums.odd_high), 1);
}

static void pq4_sums(
    const uint8_t *codes, size_t count, size_t m, const uint8_t *lut, uint16_t *sums)
{
    struct vs_pq4_ahead none = {NULL, 0};
    for (size_t at = 0; at < count; at += 32, codes += 16 * m) {
        _mm512_storeu_si512(sums + at, block_sums(codes, m, lut, &none));
    }
}

static inline size_t store_half(
    __m256i sums, __m512i ids, uint32_t hits, uint32_t *sum_out, uint32_t *id_out)
{
    return store_hits(_mm512_cvtepu16_epi32(sums), ids, (__mmask16)hits, sum_out, id_out);
}

static size_t pq4_select(const struct vs_pq4_scan *scan, uint32_t *sum_out, uint32_t *id_out)
{
    struct vs_pq4_ahead ahead = vs_pq4_ahead_begin(scan);
    const __m512i threshold = _mm512_set1_epi16((short)(uint16_t)scan->threshold);
    const uint8_t *codes = scan->codes;
    size_t found = 0, count = scan->threshold <= UINT16_MAX ? scan->count : 0;
    for (size_t at = 0; at < count; at += 32, codes += 16 * scan->m) {
        uint32_t allowed = scan->lane_mask != NULL ? scan->lane_mask[at / 32] : UINT32_MAX;
        allowed &= count - at < 32 ? (1u << (count - at)) - 1 : UINT32_MAX;
        if (allowed == 0) {
            continue;
        }
        __m512i sums = block_sums(codes, scan->m, scan->lut, &ahead);
        uint32_t hits = _mm512_mask_cmpge_epu16_mask(allowed, sums, threshold);
        found += store_half(_mm512_castsi512_si256(sums), entry_ids(scan, at), hits & UINT16_MAX,
                            sum_out + found, id_out + found);
        if (allowed > UINT16_MAX) {
            found += store_half(_mm512_extracti64x4_epi64(sums, 1), entry_ids(scan, at + 16),
                                hits >> 16, sum_out + found, id_out + found);
        }
    }
    vs_pq4_ahead_rest(&ahead);
    return found;
}

const struct vs_kernels vs_kernels_avx512 = {
    .name = "avx512",
    .dot_f32 = dot_f32,
    .l2_f32 = l2_f32,
    .dot_f16 = dot_f16,
    .l2_f16 = l2_f16,
    .dot_i8 = dot_i8,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_tile = vs_dot_i8_tile_avx2,
    .pq4_lanes = 32,
    .pq4_arrange = vs_pair_arrange,
    .pq4_sums = pq4_sums,
    .pq4_select = pq4_select,
    VS_BATCH_KERNELS(avx512),
    .keep_keys = keep_keys,
    .count_keys = count_keys,
    .pq4_table = pq4_table,
    .pq4_encode = pq4_encode,
    .base64_decode = vs_avx2_base64_decode,
};
