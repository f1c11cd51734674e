// SPDX-License-Identifier: Apache-2.0
/*
 * AVX-512 F, BW, VL, VBMI and VNNI (VPERMB, VPERMI2B, VPDPBUSD, VPTERNLOGD, VPCOMPRESSD).
 *
 * pq4 codes lie in the quad layout: blocks of 16 entries, one register for every 8 sub-quantisers;
 * the four bytes of an entry's 32-bit lane hold 8i..8i+3 in their low nibbles and 8i+4..8i+7 in the
 * high ones. Four tables of 16 bytes are one register; VPERMB with nibble | 16 * (byte of the lane)
 * looks up 64 codes, and VPDPBUSD with ones adds the four of an entry to its 32-bit sum. int8: rows
 * are made unsigned by flipping the sign bit, which adds 128 * sum(query) to every dot product.
 */
#include "simd/avx512_common.h"
#include "simd/tile_internal.h"

#include <string.h>

static inline __m512i add_products(__m512i sum, __m512i query, __m512i row)
{
    __m512i flipped = _mm512_xor_si512(row, _mm512_set1_epi8(-128));
    return _mm512_dpbusd_epi32(sum, flipped, query);
}

// 128 * sum(query), what flipping the rows adds.
static inline int32_t dot_i8_excess(const int8_t *query, size_t dim)
{
    __m512i sum = _mm512_setzero_si512(), ones = _mm512_set1_epi8(1);
    size_t j = 0;
    for (; j + 64 <= dim; j += 64) {
        sum = _mm512_dpbusd_epi32(sum, ones, load_i8x64(query + j));
    }
    if (j < dim) {
        sum = _mm512_dpbusd_epi32(sum, ones, load_tail_i8(query + j, first_64(dim - j)));
    }
    return 128 * _mm512_reduce_add_epi32(sum);
}

// One row, not yet folded. Rows are read one after the other, as memory likes it best: the next
// ones begin while this one waits for its additions.
static inline __m512i dot_i8_row(const int8_t *query, const int8_t *row, size_t dim)
{
    __m512i s0 = _mm512_setzero_si512(), s1 = s0;
    size_t j = 0;
    for (; j + 128 <= dim; j += 128) {
        s0 = add_products(s0, load_i8x64(query + j), load_i8x64(row + j));
        s1 = add_products(s1, load_i8x64(query + j + 64), load_i8x64(row + j + 64));
    }
    if (j + 64 <= dim) {
        s0 = add_products(s0, load_i8x64(query + j), load_i8x64(row + j));
        j += 64;
    }
    if (j < dim) {
        __mmask64 tail = first_64(dim - j);
        s1 = add_products(s1, load_tail_i8(query + j, tail), load_tail_i8(row + j, tail));
    }
    return _mm512_add_epi32(s0, s1);
}

// Byte 4e + k of the result is byte 16k + e of four rows of 16.
static inline __m512i transpose_index(void)
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i entry = _mm512_mullo_epi32(lane, _mm512_set1_epi32(0x01010101));
    return _mm512_or_si512(entry, _mm512_set1_epi32(0x30201000));
}

// One pair block becomes two quad blocks.
static void pq4_arrange(const uint8_t *pair, size_t count, size_t m, uint8_t *out)
{
    const __m512i nibble = _mm512_set1_epi8(15), transpose = transpose_index();
    size_t block_bytes = 64 * ((m + 7) / 8);
    for (size_t at = 0; at < count; at += 32, pair += 16 * m, out += 2 * block_bytes) {
        for (size_t i = 0; 8 * i < m; i++) {
            size_t left = 16 * (m - 8 * i); // bytes of the pair block
            __m512i first, second;          // sub-quantisers 8i..8i+3 and 8i+4..8i+7
            if (left >= 128) {
                first = _mm512_loadu_si512(pair + 128 * i);
                second = _mm512_loadu_si512(pair + 128 * i + 64);
            } else {
                __mmask64 low = left < 64 ? first_64(left) : ~(__mmask64)0;
                first = _mm512_maskz_loadu_epi8(low, pair + 128 * i);
                second = left <= 64
                             ? _mm512_setzero_si512()
                             : _mm512_maskz_loadu_epi8(first_64(left - 64), pair + 128 * i + 64);
            }
            // (a & nibble) | (b & ~nibble): entries 0..15 are the low nibbles, 16..31 the high ones
            __m512i low =
                _mm512_ternarylogic_epi32(nibble, first, _mm512_slli_epi16(second, 4), 0xca);
            __m512i high =
                _mm512_ternarylogic_epi32(nibble, _mm512_srli_epi16(first, 4), second, 0xca);
            _mm512_storeu_si512(out + 64 * i, _mm512_permutexvar_epi8(transpose, low));
            if (count - at > 16) {
                _mm512_storeu_si512(out + block_bytes + 64 * i,
                                    _mm512_permutexvar_epi8(transpose, high));
            }
        }
    }
}

// One load for all uses: gcc would rather give each use a memory operand, and the loop is bound by
// its loads.
static inline __m512i in_register(__m512i x)
{
#ifndef __clang__
    __asm__("" : "+v"(x));
#endif
    return x;
}

struct tables {
    __m512i low, high; // sub-quantisers 8i..8i+3 and 8i+4..8i+7
};

static inline struct tables load_tables(const uint8_t *lut)
{
    return (struct tables){in_register(_mm512_loadu_si512(lut)),
                           in_register(_mm512_loadu_si512(lut + 64))};
}

// The last tables of a length that is no multiple of 8, with zeros behind.
static inline struct tables load_last_tables(const uint8_t *lut, size_t left)
{
    __mmask64 low = left < 64 ? first_64(left) : ~(__mmask64)0;
    __mmask64 high = left > 64 ? first_64(left - 64) : 0;
    return (struct tables){_mm512_maskz_loadu_epi8(low, lut),
                           _mm512_maskz_loadu_epi8(high, lut + 64)};
}

// Eight sub-quantisers of 16 entries.
static inline __m512i add_codes(__m512i sums, const uint8_t *codes, struct tables tables)
{
    const __m512i nibble = _mm512_set1_epi8(15), table_of_byte = _mm512_set1_epi32(0x30201000);
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i both = in_register(_mm512_loadu_si512(codes));
    __m512i low = _mm512_ternarylogic_epi32(both, nibble, table_of_byte, 0xea); // (a & b) | c
    __m512i high =
        _mm512_ternarylogic_epi32(_mm512_srli_epi16(both, 4), nibble, table_of_byte, 0xea);
    sums = _mm512_dpbusd_epi32(sums, _mm512_permutexvar_epi8(low, tables.low), ones);
    return _mm512_dpbusd_epi32(sums, _mm512_permutexvar_epi8(high, tables.high), ones);
}

// One block at a time, so that codes are read in one stream. Two blocks would share the loads of
// the tables, but were no faster in cache and three times slower from memory (Zen 4).
static inline __m512i block_sums(const uint8_t *codes,
                                 size_t m,
                                 const uint8_t *lut,
                                 struct vs_pq4_ahead *ahead)
{
    __m512i even = _mm512_setzero_si512(), odd = even;
    size_t s = 0;
    for (; s + 16 <= m; s += 16) {
        vs_pq4_ahead_line(ahead);
        vs_pq4_ahead_line(ahead);
        even = add_codes(even, codes + 8 * s, load_tables(lut + 16 * s));
        odd = add_codes(odd, codes + 8 * s + 64, load_tables(lut + 16 * s + 128));
    }
    if (s + 8 <= m) {
        vs_pq4_ahead_line(ahead);
        even = add_codes(even, codes + 8 * s, load_tables(lut + 16 * s));
        s += 8;
    }
    if (s < m) {
        odd = add_codes(odd, codes + 8 * s, load_last_tables(lut + 16 * s, 16 * (m - s)));
    }
    return _mm512_add_epi32(even, odd);
}

static void pq4_sums(
    const uint8_t *codes, size_t count, size_t m, const uint8_t *lut, uint16_t *sums)
{
    struct vs_pq4_ahead none = {NULL, 0};
    for (size_t at = 0; at < count; at += 16, codes += 64 * ((m + 7) / 8)) {
        __m256i words = _mm512_cvtepi32_epi16(block_sums(codes, m, lut, &none));
        _mm256_storeu_si256((__m256i *)(void *)(sums + at), words);
    }
}

static size_t pq4_select(const struct vs_pq4_scan *scan, uint32_t *sum_out, uint32_t *id_out)
{
    struct vs_pq4_ahead ahead = vs_pq4_ahead_begin(scan);
    const __m512i threshold = _mm512_set1_epi32((int)scan->threshold);
    const uint8_t *codes = scan->codes;
    size_t block_bytes = 64 * ((scan->m + 7) / 8), found = 0;
    for (size_t at = 0; at < scan->count; at += 16, codes += block_bytes) {
        size_t left = scan->count - at;
        uint32_t allowed = left < 16 ? first_16(left) : UINT16_MAX;
        if (scan->lane_mask != NULL) {
            allowed &= scan->lane_mask[at / 32] >> at % 32;
        }
        if (allowed == 0) {
            continue;
        }
        __m512i sums = block_sums(codes, scan->m, scan->lut, &ahead);
        __mmask16 hits = _mm512_mask_cmpge_epu32_mask((__mmask16)allowed, sums, threshold);
        found += store_hits(sums, entry_ids(scan, at), hits, sum_out + found, id_out + found);
    }
    vs_pq4_ahead_rest(&ahead);
    return found;
}

// 64 characters to 48 bytes: two registers are the table of 128 characters; its entries for others
// and the characters from 128 up have the highest bit.
static size_t base64_decode(const char *text, size_t len, uint8_t *out)
{
    static const uint8_t order[64] = {2,  1,  0,  6,  5,  4,  10, 9,  8,  14, 13, 12,
                                      18, 17, 16, 22, 21, 20, 26, 25, 24, 30, 29, 28,
                                      34, 33, 32, 38, 37, 36, 42, 41, 40, 46, 45, 44,
                                      50, 49, 48, 54, 53, 52, 58, 57, 56, 62, 61, 60};
    const __m512i low = _mm512_loadu_si512(vs_base64_values);
    const __m512i high = _mm512_loadu_si512(vs_base64_values + 64),
                  pack = _mm512_loadu_si512(order);
    __m512i seen = _mm512_setzero_si512();
    size_t i = 0, n = 0;
    for (; i + 4 < len; i += 64, n += 48) { // the last four are never done here
        size_t chars = len - 4 - i;
        __mmask64 in_mask = chars < 64 ? first_64(chars) : ~(__mmask64)0;
        __mmask64 out_mask = first_64(chars < 64 ? chars / 4 * 3 : 48);
        __m512i in = _mm512_mask_loadu_epi8(_mm512_set1_epi8('A'), in_mask, text + i);
        __m512i value = _mm512_permutex2var_epi8(low, in, high);
        seen = _mm512_ternarylogic_epi32(seen, value, in, 0xfe); // a | b | c
        __m512i twelve = _mm512_maddubs_epi16(value, _mm512_set1_epi32(0x01400140));
        __m512i bits = _mm512_madd_epi16(twelve, _mm512_set1_epi32(0x00011000));
        _mm512_mask_storeu_epi8(out + n, out_mask, _mm512_permutexvar_epi8(pack, bits));
    }
    if (len % 4 != 0 || len == 0 || _mm512_movepi8_mask(seen) != 0) {
        return len == 0 ? 0 : SIZE_MAX;
    }
    size_t done = (len - 4) / 4 * 3, last = vs_scalar_base64_decode(text + len - 4, 4, out + done);
    return last == SIZE_MAX ? SIZE_MAX : done + last;
}

const struct vs_kernels vs_kernels_vnni = {
    .name = "vnni",
    .dot_f32 = dot_f32,
    .l2_f32 = l2_f32,
    .dot_f16 = dot_f16,
    .l2_f16 = l2_f16,
    .dot_i8 = dot_i8,
    .dot_i8_rows = dot_i8_rows,
    .dot_i8_tile = vs_dot_i8_tile_vnni,
    .pq4_lanes = 16,
    .pq4_arrange = pq4_arrange,
    .pq4_sums = pq4_sums,
    .pq4_select = pq4_select,
    VS_BATCH_KERNELS(vnni),
    .keep_keys = keep_keys,
    .count_keys = count_keys,
    .pq4_table = pq4_table,
    .pq4_encode = pq4_encode,
    .base64_decode = base64_decode,
};
