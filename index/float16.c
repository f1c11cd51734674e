// SPDX-License-Identifier: Apache-2.0
#include "index/float16.h"

#include <string.h>

#define TOGETHER 64
#define LEAST_NORMAL 0x38800000u // 2^-14
#define MOST 0x477fe000u         // VS_F16_MAX
#define REBIAS (112u << 23)      // of exponents: 127 - 15

static uint16_t narrow(float value)
{
    uint32_t bits, sign;
    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits <
        LEAST_NORMAL) { // a step of binary16 is then 2^-24, and so is one of numbers from 0.5
        float shifted;
        memcpy(&shifted, &bits, sizeof shifted);
        shifted += 0.5F;
        memcpy(&bits, &shifted, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000u));
    }
    bits += 0xfffu + (bits >> 13 & 1u); // ties to even; a carry goes into the exponent
    return (uint16_t)(sign | (bits - REBIAS) >> 13);
}

size_t vs_f16_narrow(const float *values, size_t count, uint16_t *half_out)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        if ((bits & 0x7fffffffu) > MOST) {
            return i;
        }
        half_out[i] = narrow(values[i]);
    }
    return count;
}

// Without a branch, so that many are done at once.
static uint32_t widen(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, fraction = half & 0x3ffu, exponent = half & 0x7c00u;
    float small = (float)(int32_t)fraction * 0x1p-24F;
    uint32_t bits = ((half & 0x7fffu) << 13) + (exponent == 0x7c00u ? 2 * REBIAS : REBIAS), tiny;
    memcpy(&tiny, &small, sizeof tiny);
    return sign | (exponent == 0 ? tiny : bits);
}

void vs_f16_widen(const void *half, size_t count, float *out)
{
    const uint8_t *in = half;
    for (size_t at = 0; at < count; at += TOGETHER) {
        uint16_t taken[TOGETHER]; // out may reach over them, not over those that follow
        uint32_t bits[TOGETHER];
        size_t n = count - at < TOGETHER ? count - at : TOGETHER;
        memcpy(taken, in + 2 * at, 2 * n);
        for (size_t i = 0; i < n; i++) {
            bits[i] = widen(taken[i]);
        }
        memcpy(out + at, bits, 4 * n);
    }
}
