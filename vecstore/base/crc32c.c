// SPDX-License-Identifier: Apache-2.0
/*
 * Three ways, chosen once: SSE4.2, ARM CRC, table.
 *
 * The CRC instruction has a latency of three cycles and a throughput of one, so long inputs run as
 * three streams. A stream's CRC is moved over the bytes of the next stream with a linear operator:
 * appending n zero bytes multiplies the CRC by a constant matrix over GF(2), kept here as four
 * tables of 256 words per n.
 */
#include "vecstore/base/crc32c.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c_internal.h"

#include <pthread.h>

#if defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#    include <arm_acle.h>
#    define HAVE_CRC_INSTRUCTION 1
#    define CRC_TARGET
#elif defined(__x86_64__)
#    include <nmmintrin.h>
#    define HAVE_CRC_INSTRUCTION 1
#    define CRC_TARGET __attribute__((target("sse4.2")))
#else
#    define HAVE_CRC_INSTRUCTION 0
#endif

#define POLYNOMIAL 0x82F63B78u

typedef uint32_t (*crc_fn)(uint32_t state, const uint8_t *p, size_t n);

static uint32_t slice[8][256]; // slice[k][b]: byte b followed by k zero bytes
static crc_fn chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_slices(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t state = b;
        for (int bit = 0; bit < 8; bit++) {
            state = (state >> 1) ^ ((state & 1) != 0 ? POLYNOMIAL : 0);
        }
        slice[0][b] = state;
    }
    for (uint32_t b = 0; b < 256; b++) {
        for (int k = 1; k < 8; k++) {
            uint32_t before = slice[k - 1][b];
            slice[k][b] = (before >> 8) ^ slice[0][before & 0xFF];
        }
    }
}

// Eight bytes a step ("slicing by 8").
static uint32_t crc_by_table(uint32_t state, const uint8_t *p, size_t n)
{
    while (n >= 8) {
        uint32_t low = vs_load_u32le(p) ^ state;
        uint32_t high = vs_load_u32le(p + 4);
        state = slice[7][low & 0xFF] ^ slice[6][(low >> 8) & 0xFF] ^ slice[5][(low >> 16) & 0xFF] ^
                slice[4][low >> 24] ^ slice[3][high & 0xFF] ^ slice[2][(high >> 8) & 0xFF] ^
                slice[1][(high >> 16) & 0xFF] ^ slice[0][high >> 24];
        p += 8;
        n -= 8;
    }
    while (n > 0) {
        state = (state >> 8) ^ slice[0][(state ^ *p++) & 0xFF];
        n--;
    }
    return state;
}

#if HAVE_CRC_INSTRUCTION

#    define STREAM_LONG ((size_t)8192)
#    define STREAM_SHORT ((size_t)256)

struct shift_table {
    uint32_t word[4][256];
};

static struct shift_table shift_long;
static struct shift_table shift_short;

CRC_TARGET static inline uint32_t crc_step8(uint32_t state, const uint8_t *p)
{
#    if defined(__x86_64__)
    return (uint32_t)_mm_crc32_u64(state, vs_load_u64le(p));
#    else
    return __crc32cd(state, vs_load_u64le(p));
#    endif
}

CRC_TARGET static inline uint32_t crc_step1(uint32_t state, uint8_t byte)
{
#    if defined(__x86_64__)
    return _mm_crc32_u8(state, byte);
#    else
    return __crc32cb(state, byte);
#    endif
}

// Columns of the operator are found by running each bit over n zero bytes; tables are sums of
// columns.
static void fill_shift(struct shift_table *table, size_t n)
{
    static const uint8_t zeros[STREAM_SHORT];
    uint32_t column[32];
    for (int bit = 0; bit < 32; bit++) {
        uint32_t state = (uint32_t)1 << bit;
        for (size_t done = 0; done < n; done += STREAM_SHORT) {
            state = crc_by_table(state, zeros, STREAM_SHORT);
        }
        column[bit] = state;
    }
    for (int k = 0; k < 4; k++) {
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t sum = 0;
            for (int bit = 0; bit < 8; bit++) {
                sum ^= (b >> bit & 1) != 0 ? column[8 * k + bit] : 0;
            }
            table->word[k][b] = sum;
        }
    }
}

static inline uint32_t shift_state(const struct shift_table *table, uint32_t state)
{
    return table->word[0][state & 0xFF] ^ table->word[1][(state >> 8) & 0xFF] ^
           table->word[2][(state >> 16) & 0xFF] ^ table->word[3][state >> 24];
}

// Three neighbouring streams of `stream` bytes each.
CRC_TARGET static uint32_t crc_three(uint32_t state,
                                     const uint8_t *p,
                                     size_t stream,
                                     const struct shift_table *table)
{
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t i = 0; i < stream; i += 8) {
        state = crc_step8(state, p + i);
        second = crc_step8(second, p + stream + i);
        third = crc_step8(third, p + 2 * stream + i);
    }
    state = shift_state(table, state) ^ second;
    return shift_state(table, state) ^ third;
}

CRC_TARGET static uint32_t crc_by_instruction(uint32_t state, const uint8_t *p, size_t n)
{
    while (n >= 3 * STREAM_LONG) {
        state = crc_three(state, p, STREAM_LONG, &shift_long);
        p += 3 * STREAM_LONG;
        n -= 3 * STREAM_LONG;
    }
    while (n >= 3 * STREAM_SHORT) {
        state = crc_three(state, p, STREAM_SHORT, &shift_short);
        p += 3 * STREAM_SHORT;
        n -= 3 * STREAM_SHORT;
    }
    while (n >= 8) {
        state = crc_step8(state, p);
        p += 8;
        n -= 8;
    }
    while (n > 0) {
        state = crc_step1(state, *p++);
        n--;
    }
    return state;
}

static bool has_instruction(void)
{
#    if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
#    else
    return true;
#    endif
}

#endif

static void choose(void)
{
    fill_slices();
    chosen = crc_by_table;
#if HAVE_CRC_INSTRUCTION
    if (has_instruction()) {
        fill_shift(&shift_long, STREAM_LONG);
        fill_shift(&shift_short, STREAM_SHORT);
        chosen = crc_by_instruction;
    }
#endif
}

uint32_t vs_crc32c(uint32_t crc, const void *bytes, size_t n)
{
    (void)pthread_once(&once, choose);
    return ~chosen(~crc, (const uint8_t *)bytes, n);
}

uint32_t vs_crc32c_portable(uint32_t crc, const void *bytes, size_t n)
{
    (void)pthread_once(&once, choose);
    return ~crc_by_table(~crc, (const uint8_t *)bytes, n);
}

// ---- pieces that were summed apart ----

// Product of two polynomials modulo the generator; bit 31 is x^0.
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a != 0; a <<= 1) {
        product ^= (a >> 31) != 0 ? b : 0;
        b = (b >> 1) ^ ((b & 1) != 0 ? POLYNOMIAL : 0);
    }
    return product;
}

uint32_t vs_crc32c_join(uint32_t first, uint32_t second, uint64_t second_len)
{
    uint32_t power = (uint32_t)1 << 23; // x^8: a byte
    for (; second_len != 0; second_len >>= 1) {
        first = (second_len & 1) != 0 ? multiply(power, first) : first;
        power = multiply(power, power);
    }
    return first ^ second;
}
