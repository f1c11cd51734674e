// SPDX-License-Identifier: Apache-2.0
#include "api/query/filter_words.h"

#include "simd/kernels.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// Bytes of 0 or 1 to a word, byte i to bit i.
INLINE uint64_t pack(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, bytes + (size_t)i * 8, sizeof eight);
        word |= (eight * UINT64_C(0x0102040810204080)) >> 56 << (8 * i);
    }
    return word;
}

// The loop of every function: TEST over x = values[i], which compilers vectorise, then packing.
#define FILL(TYPE, TEST)                                                                           \
    do {                                                                                           \
        uint8_t bytes[64];                                                                         \
        size_t at = 0;                                                                             \
        for (; at + 64 <= count; at += 64) {                                                       \
            for (size_t i = 0; i < 64; i++) {                                                      \
                const TYPE x = values[at + i];                                                     \
                bytes[i] = (uint8_t)(TEST);                                                        \
            }                                                                                      \
            words[at / 64] = pack(bytes);                                                          \
        }                                                                                          \
        if (at < count) {                                                                          \
            memset(bytes, 0, sizeof bytes);                                                        \
            for (size_t i = 0; at + i < count; i++) {                                              \
                const TYPE x = values[at + i];                                                     \
                bytes[i] = (uint8_t)(TEST);                                                        \
            }                                                                                      \
            words[at / 64] = pack(bytes);                                                          \
        }                                                                                          \
    } while (0)

INLINE uint8_t in_table(const struct vs_key_table *table, int64_t key)
{
    uint64_t offset = (uint64_t)key - (uint64_t)table->first;
    uint64_t outside = -(uint64_t)(offset > table->span); // all ones or none: no branch
    return table->bytes[(offset & ~outside) | ((table->span + 1) & outside)];
}

INLINE void points_i32(
    const int32_t *values, size_t count, const int32_t *points, size_t point_count, uint64_t *words)
{
    for (size_t at = 0; at < count; at += 64) {
        uint8_t bytes[64] = {0};
        size_t left = count - at < 64 ? count - at : 64;
        for (size_t p = 0; p < point_count; p++) {
            const int32_t point = points[p];
            if (left == 64) {
                for (size_t i = 0; i < 64; i++) {
                    bytes[i] |= (uint8_t)(values[at + i] == point);
                }
            } else {
                for (size_t i = 0; i < left; i++) {
                    bytes[i] |= (uint8_t)(values[at + i] == point);
                }
            }
        }
        words[at / 64] = pack(bytes);
    }
}

INLINE void points_i64(
    const int64_t *values, size_t count, const int64_t *points, size_t point_count, uint64_t *words)
{
    for (size_t at = 0; at < count; at += 64) {
        uint8_t bytes[64] = {0};
        size_t left = count - at < 64 ? count - at : 64;
        for (size_t p = 0; p < point_count; p++) {
            const int64_t point = points[p];
            if (left == 64) {
                for (size_t i = 0; i < 64; i++) {
                    bytes[i] |= (uint8_t)(values[at + i] == point);
                }
            } else {
                for (size_t i = 0; i < left; i++) {
                    bytes[i] |= (uint8_t)(values[at + i] == point);
                }
            }
        }
        words[at / 64] = pack(bytes);
    }
}

// One table of functions for an instruction set.
#define TABLE(NAME, TARGET)                                                                        \
    static void TARGET NAME##_range_u8(const uint8_t *values, size_t count, int64_t low,           \
                                       int64_t high, uint64_t *words)                              \
    {                                                                                              \
        const bool zero = low <= 0 && high >= 0, one = low <= 1 && high >= 1;                      \
        FILL(uint8_t, (uint8_t)(x != 0) ? one : zero);                                             \
    }                                                                                              \
    static void TARGET NAME##_range_i32(const int32_t *values, size_t count, int32_t low,          \
                                        int32_t high, uint64_t *words)                             \
    {                                                                                              \
        FILL(int32_t, (x >= low) & (x <= high));                                                   \
    }                                                                                              \
    static void TARGET NAME##_range_i64(const int64_t *values, size_t count, int64_t low,          \
                                        int64_t high, uint64_t *words)                             \
    {                                                                                              \
        FILL(int64_t, (x >= low) & (x <= high));                                                   \
    }                                                                                              \
    static void TARGET NAME##_range_f32(const float *values, size_t count, float low, float high,  \
                                        bool nan, uint64_t *words)                                 \
    {                                                                                              \
        FILL(float, ((x >= low) & (x <= high)) | ((x != x) & nan));                                \
    }                                                                                              \
    static void TARGET NAME##_range_f64(const double *values, size_t count, double low,            \
                                        double high, bool nan, uint64_t *words)                    \
    {                                                                                              \
        FILL(double, ((x >= low) & (x <= high)) | ((x != x) & nan));                               \
    }                                                                                              \
    static void TARGET NAME##_points_i32(const int32_t *values, size_t count,                      \
                                         const int32_t *points, size_t point_count,                \
                                         uint64_t *words)                                          \
    {                                                                                              \
        points_i32(values, count, points, point_count, words);                                     \
    }                                                                                              \
    static void TARGET NAME##_points_i64(const int64_t *values, size_t count,                      \
                                         const int64_t *points, size_t point_count,                \
                                         uint64_t *words)                                          \
    {                                                                                              \
        points_i64(values, count, points, point_count, words);                                     \
    }                                                                                              \
    static void TARGET NAME##_table_i32(const int32_t *values, size_t count,                       \
                                        const struct vs_key_table *table, uint64_t *words)         \
    {                                                                                              \
        FILL(int32_t, in_table(table, x));                                                         \
    }                                                                                              \
    static void TARGET NAME##_table_i64(const int64_t *values, size_t count,                       \
                                        const struct vs_key_table *table, uint64_t *words)         \
    {                                                                                              \
        FILL(int64_t, in_table(table, x));                                                         \
    }                                                                                              \
    static void TARGET NAME##_set_i32(const int32_t *values, size_t count,                         \
                                      const struct vs_key_set *set, uint64_t *words)               \
    {                                                                                              \
        FILL(int32_t, vs_key_set_has(set, x));                                                     \
    }                                                                                              \
    static void TARGET NAME##_set_i64(const int64_t *values, size_t count,                         \
                                      const struct vs_key_set *set, uint64_t *words)               \
    {                                                                                              \
        FILL(int64_t, vs_key_set_has(set, x));                                                     \
    }                                                                                              \
    static void TARGET NAME##_lookup(const uint32_t *values, size_t count, const uint8_t *table,   \
                                     uint32_t entries, uint64_t *words)                            \
    {                                                                                              \
        FILL(uint32_t, table[x < entries ? x : entries]);                                          \
    }                                                                                              \
    static void TARGET NAME##_bytes(const uint8_t *values, size_t count, uint64_t *words)          \
    {                                                                                              \
        FILL(uint8_t, x != 0);                                                                     \
    }                                                                                              \
    static const struct vs_filter_words NAME##_words = {                                           \
        #NAME,                                                                                     \
        NAME##_range_u8,                                                                           \
        NAME##_range_i32,                                                                          \
        NAME##_range_i64,                                                                          \
        NAME##_range_f32,                                                                          \
        NAME##_range_f64,                                                                          \
        NAME##_points_i32,                                                                         \
        NAME##_points_i64,                                                                         \
        NAME##_table_i32,                                                                          \
        NAME##_table_i64,                                                                          \
        NAME##_set_i32,                                                                            \
        NAME##_set_i64,                                                                            \
        NAME##_lookup,                                                                             \
        NAME##_bytes,                                                                              \
    };

TABLE(scalar, )
#ifdef __x86_64__
TABLE(avx2, __attribute__((target("avx2,bmi2"))))
TABLE(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi2"))))
#endif

const struct vs_filter_words *vs_filter_words_find(const char *name)
{
    if (strcmp(name, "scalar") == 0) {
        return &scalar_words;
    }
#ifdef __x86_64__
    bool has_bmi2 = __builtin_cpu_supports("bmi2") != 0;
    if (strcmp(name, "avx2") == 0 && has_bmi2 && __builtin_cpu_supports("avx2")) {
        return &avx2_words;
    }
    if (strcmp(name, "avx512") == 0 && has_bmi2 && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return &avx512_words;
    }
#endif
    return NULL;
}

const struct vs_filter_words *vs_filter_words_get(void)
{
    const char *kernels = vs_kernels_get()->name;
    const struct vs_filter_words *words = NULL;
    if (strcmp(kernels, "avx512") == 0 || strcmp(kernels, "vnni") == 0) {
        words = vs_filter_words_find("avx512");
    }
    if (words == NULL && strcmp(kernels, "scalar") != 0) {
        words = vs_filter_words_find("avx2");
    }
    return words != NULL ? words : &scalar_words;
}
