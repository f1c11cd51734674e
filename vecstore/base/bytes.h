// SPDX-License-Identifier: Apache-2.0
/*
 * Little- and big-endian loads and stores, and a bounds-checked reader over borrowed bytes.
 */
#ifndef VS_BASE_BYTES_H
#define VS_BASE_BYTES_H

#include "vecstore/base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t vs_load_u16le(const void *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint16_t)(b[0] | (b[1] << 8));
}

static inline uint32_t vs_load_u32le(const void *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] | ((uint32_t)b[1] << 8) | ((uint32_t)b[2] << 16) | ((uint32_t)b[3] << 24);
}

static inline uint64_t vs_load_u64le(const void *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint64_t)vs_load_u32le(b) | ((uint64_t)vs_load_u32le(b + 4) << 32);
}

static inline float vs_load_f32le(const void *p)
{
    uint32_t bits = vs_load_u32le(p);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double vs_load_f64le(const void *p)
{
    uint64_t bits = vs_load_u64le(p);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void vs_store_u16le(void *p, uint16_t v)
{
    uint8_t *b = (uint8_t *)p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void vs_store_u32le(void *p, uint32_t v)
{
    uint8_t *b = (uint8_t *)p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
    b[2] = (uint8_t)(v >> 16);
    b[3] = (uint8_t)(v >> 24);
}

static inline void vs_store_u64le(void *p, uint64_t v)
{
    uint8_t *b = (uint8_t *)p;
    vs_store_u32le(b, (uint32_t)v);
    vs_store_u32le(b + 4, (uint32_t)(v >> 32));
}

static inline void vs_store_f32le(void *p, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    vs_store_u32le(p, bits);
}

static inline void vs_store_f64le(void *p, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    vs_store_u64le(p, bits);
}

// Bounded reader: every read checks what is left. `what` names the object in errors ("manifest list
// x.avro").
struct vs_reader {
    const uint8_t *start;
    const uint8_t *next;
    const uint8_t *end;
    const char *what; // borrowed
};

void vs_reader_init(struct vs_reader *reader, const void *bytes, size_t len, const char *what);

static inline size_t vs_reader_left(const struct vs_reader *reader)
{
    return (size_t)(reader->end - reader->next);
}

static inline size_t vs_reader_offset(const struct vs_reader *reader)
{
    return (size_t)(reader->next - reader->start);
}
// Each fails with VS_CORRUPT naming `what` and the byte offset when fewer bytes are left.
enum vs_status vs_read_u8(struct vs_reader *reader, uint8_t *value_out, struct vs_error *err);
enum vs_status vs_read_u16le(struct vs_reader *reader, uint16_t *value_out, struct vs_error *err);
enum vs_status vs_read_u32le(struct vs_reader *reader, uint32_t *value_out, struct vs_error *err);
enum vs_status vs_read_u64le(struct vs_reader *reader, uint64_t *value_out, struct vs_error *err);
enum vs_status vs_read_bytes(struct vs_reader *reader,
                             size_t n,
                             const uint8_t **bytes_out,
                             struct vs_error *err);
enum vs_status vs_read_skip(struct vs_reader *reader, size_t n, struct vs_error *err);
// Unsigned LEB128 of at most 64 bits (Parquet, Thrift, Avro share it) and its zigzag form.
enum vs_status vs_read_varint(struct vs_reader *reader, uint64_t *value_out, struct vs_error *err);
enum vs_status vs_read_zigzag(struct vs_reader *reader, int64_t *value_out, struct vs_error *err);
// VS_CORRUPT with a sentence made of `what`, the offset and the reason.
enum vs_status vs_reader_fail(const struct vs_reader *reader,
                              struct vs_error *err,
                              const char *reason);

#ifdef __clang_analyzer__ // as in status.h
#    define vs_reader_fail(reader, err, reason)                                                    \
        vs_known_failure(vs_reader_fail(reader, err, reason), VS_CORRUPT)
#endif

#endif
