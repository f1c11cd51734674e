// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/bytes.h"

#ifdef __clang_analyzer__ // defined here, so no hint
#    undef vs_reader_fail
#endif

#define VARINT_BYTES_MAX 10

void vs_reader_init(struct vs_reader *reader, const void *bytes, size_t len, const char *what)
{
    static const uint8_t nothing[1] = {0};
    const uint8_t *start = bytes == NULL ? nothing : (const uint8_t *)bytes;
    size_t usable = bytes == NULL ? 0 : len;
    *reader =
        (struct vs_reader){.start = start, .next = start, .end = start + usable, .what = what};
}

static enum vs_status fail_short(const struct vs_reader *reader, size_t n, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: needs %zu more bytes at byte %zu, but only %zu are left",
                   reader->what, n, vs_reader_offset(reader), vs_reader_left(reader));
}

enum vs_status vs_reader_fail(const struct vs_reader *reader,
                              struct vs_error *err,
                              const char *reason)
{
    return vs_fail(err, VS_CORRUPT, "%s: %s at byte %zu", reader->what, reason,
                   vs_reader_offset(reader));
}

enum vs_status vs_read_u8(struct vs_reader *reader, uint8_t *value_out, struct vs_error *err)
{
    if (vs_reader_left(reader) < 1) {
        return fail_short(reader, 1, err);
    }
    *value_out = *reader->next++;
    return VS_OK;
}

enum vs_status vs_read_u16le(struct vs_reader *reader, uint16_t *value_out, struct vs_error *err)
{
    if (vs_reader_left(reader) < sizeof(uint16_t)) {
        return fail_short(reader, sizeof(uint16_t), err);
    }
    *value_out = vs_load_u16le(reader->next);
    reader->next += sizeof(uint16_t);
    return VS_OK;
}

enum vs_status vs_read_u32le(struct vs_reader *reader, uint32_t *value_out, struct vs_error *err)
{
    if (vs_reader_left(reader) < sizeof(uint32_t)) {
        return fail_short(reader, sizeof(uint32_t), err);
    }
    *value_out = vs_load_u32le(reader->next);
    reader->next += sizeof(uint32_t);
    return VS_OK;
}

enum vs_status vs_read_u64le(struct vs_reader *reader, uint64_t *value_out, struct vs_error *err)
{
    if (vs_reader_left(reader) < sizeof(uint64_t)) {
        return fail_short(reader, sizeof(uint64_t), err);
    }
    *value_out = vs_load_u64le(reader->next);
    reader->next += sizeof(uint64_t);
    return VS_OK;
}

enum vs_status vs_read_bytes(struct vs_reader *reader,
                             size_t n,
                             const uint8_t **bytes_out,
                             struct vs_error *err)
{
    if (vs_reader_left(reader) < n) {
        return fail_short(reader, n, err);
    }
    *bytes_out = reader->next;
    reader->next += n;
    return VS_OK;
}

enum vs_status vs_read_skip(struct vs_reader *reader, size_t n, struct vs_error *err)
{
    if (vs_reader_left(reader) < n) {
        return fail_short(reader, n, err);
    }
    reader->next += n;
    return VS_OK;
}

enum vs_status vs_read_varint(struct vs_reader *reader, uint64_t *value_out, struct vs_error *err)
{
    uint64_t value = 0;
    const uint8_t *next = reader->next;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (next == reader->end) {
            return vs_reader_fail(reader, err, "a variable-length integer is cut off");
        }
        uint8_t byte = *next++;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            reader->next = next;
            *value_out = value;
            return VS_OK;
        }
    }
    return vs_reader_fail(reader, err, "a variable-length integer exceeds 64 bits");
}

enum vs_status vs_read_zigzag(struct vs_reader *reader, int64_t *value_out, struct vs_error *err)
{
    uint64_t raw = 0;
    VS_TRY(vs_read_varint(reader, &raw, err));
    uint64_t bits = (raw >> 1) ^ (0 - (raw & 1));
    memcpy(value_out, &bits, sizeof bits);
    return VS_OK;
}
