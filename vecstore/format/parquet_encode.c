// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_encode.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#    error "columns are copied as they lie in memory: a little-endian machine is needed"
#endif

// One header byte can state 63 groups of eight bit-packed values.
#define MAX_GROUPS 63

unsigned vs_bit_width(uint32_t largest)
{
    return largest == 0 ? 0 : 32 - (unsigned)__builtin_clz(largest);
}

void vs_rle_encoder_init(struct vs_rle_encoder *encoder, struct vs_buf *out, unsigned bit_width)
{
    *encoder = (struct vs_rle_encoder){.out = out, .bit_width = bit_width};
}

static void close_literals(struct vs_rle_encoder *encoder)
{
    if (encoder->groups > 0) {
        encoder->out->data[encoder->header_at] = (uint8_t)((encoder->groups << 1) | 1);
        encoder->groups = 0;
    }
}

// Packs the eight collected literals: bit_width bytes, least significant bit first.
static enum vs_status pack_group(struct vs_rle_encoder *encoder, struct vs_error *err)
{
    uint8_t packed[32] = {0};
    uint64_t bits = 0;
    unsigned bit_count = 0;
    size_t at = 0;
    for (unsigned i = 0; i < 8; i++) {
        bits |= (uint64_t)encoder->group[i] << bit_count;
        bit_count += encoder->bit_width;
        while (bit_count >= 8) {
            packed[at++] = (uint8_t)bits;
            bits >>= 8;
            bit_count -= 8;
        }
    }
    if (encoder->groups == MAX_GROUPS) {
        close_literals(encoder);
    }
    if (encoder->groups == 0) {
        encoder->header_at = encoder->out->len;
        VS_TRY(vs_buf_append_byte(encoder->out, 0, err));
    }
    VS_TRY(vs_buf_append(encoder->out, packed, at, err));
    encoder->groups++;
    encoder->group_count = 0;
    return VS_OK;
}

static enum vs_status put_literals(struct vs_rle_encoder *encoder,
                                   uint32_t value,
                                   uint64_t count,
                                   struct vs_error *err)
{
    for (uint64_t i = 0; i < count; i++) {
        encoder->group[encoder->group_count++] = value;
        if (encoder->group_count == 8) {
            VS_TRY(pack_group(encoder, err));
        }
    }
    return VS_OK;
}

static enum vs_status put_varint(struct vs_buf *out, uint64_t value, struct vs_error *err)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) {
        bytes[n++] = (uint8_t)(value | 0x80);
    }
    bytes[n++] = (uint8_t)value;
    return vs_buf_append(out, bytes, n, err);
}

static enum vs_status put_run(struct vs_rle_encoder *encoder,
                              uint32_t value,
                              uint64_t count,
                              struct vs_error *err)
{
    // A bit-packed run in the middle holds whole groups only: fill the open one first.
    if (encoder->group_count > 0) {
        uint64_t fill = 8 - encoder->group_count;
        fill = fill < count ? fill : count;
        VS_TRY(put_literals(encoder, value, fill, err));
        count -= fill;
    }
    if (count < 8) {
        return put_literals(encoder, value, count, err);
    }
    uint8_t bytes[4];
    close_literals(encoder);
    VS_TRY(put_varint(encoder->out, count << 1, err));
    vs_store_u32le(bytes, value);
    return vs_buf_append(encoder->out, bytes, (encoder->bit_width + 7) / 8, err);
}

enum vs_status vs_rle_encoder_put(struct vs_rle_encoder *encoder,
                                  uint32_t value,
                                  uint64_t count,
                                  struct vs_error *err)
{
    if (value == encoder->run_value) {
        encoder->run_count += count;
        return VS_OK;
    }
    if (encoder->run_count > 0) {
        VS_TRY(put_run(encoder, encoder->run_value, encoder->run_count, err));
    }
    encoder->run_value = value;
    encoder->run_count = count;
    return VS_OK;
}

enum vs_status vs_rle_encoder_finish(struct vs_rle_encoder *encoder, struct vs_error *err)
{
    if (encoder->run_count > 0) {
        VS_TRY(put_run(encoder, encoder->run_value, encoder->run_count, err));
        encoder->run_count = 0;
    }
    if (encoder->group_count > 0) {
        while (encoder->group_count < 8) {
            encoder->group[encoder->group_count++] = 0;
        }
        VS_TRY(pack_group(encoder, err));
    }
    close_literals(encoder);
    return VS_OK;
}

// ---- levels ----

static enum vs_status scalar_levels(const struct vs_column *column,
                                    size_t first,
                                    size_t count,
                                    struct vs_rle_encoder *definition,
                                    struct vs_error *err)
{
    if (column->valid.len == 0) {
        return vs_rle_encoder_put(definition, 1, count, err);
    }
    for (size_t row = first; row < first + count; row++) {
        VS_TRY(vs_rle_encoder_put(definition, column->valid.data[row] != 0, 1, err));
    }
    return VS_OK;
}

static enum vs_status list_repetition(const struct vs_column *column,
                                      size_t first,
                                      size_t count,
                                      struct vs_rle_encoder *repetition,
                                      struct vs_error *err)
{
    for (size_t row = first; row < first + count; row++) {
        size_t start, len;
        vs_column_get_list(column, row, &start, &len);
        VS_TRY(vs_rle_encoder_put(repetition, 0, 1, err));
        if (len > 1) {
            VS_TRY(vs_rle_encoder_put(repetition, 1, len - 1, err));
        }
    }
    return VS_OK;
}

static enum vs_status list_definition(const struct vs_column *column,
                                      const struct vs_field *field,
                                      size_t first,
                                      size_t count,
                                      struct vs_rle_encoder *definition,
                                      struct vs_error *err)
{
    uint32_t empty = field->required ? 0 : 1;
    uint32_t full = empty + 1 + (field->element_required ? 0 : 1);
    const struct vs_column *child = column->child;
    for (size_t row = first; row < first + count; row++) {
        size_t start, len;
        vs_column_get_list(column, row, &start, &len);
        if (len == 0) {
            VS_TRY(
                vs_rle_encoder_put(definition, vs_column_is_null(column, row) ? 0 : empty, 1, err));
        } else if (child->valid.len == 0) {
            VS_TRY(vs_rle_encoder_put(definition, full, len, err));
        } else {
            for (size_t i = start; i < start + len; i++) {
                VS_TRY(vs_rle_encoder_put(definition, full - vs_column_is_null(child, i), 1, err));
            }
        }
    }
    return VS_OK;
}

static uint64_t level_count(const struct vs_column *column, size_t first, size_t count)
{
    if (column->kind != VS_KIND_LIST) {
        return count;
    }
    uint64_t total = 0;
    for (size_t row = first; row < first + count; row++) {
        size_t start, len;
        vs_column_get_list(column, row, &start, &len);
        total += len == 0 ? 1 : len;
    }
    return total;
}

enum vs_status vs_levels_encode(const struct vs_column *column,
                                const struct vs_field *field,
                                size_t first,
                                size_t count,
                                struct vs_buf *out,
                                uint64_t *value_count_out,
                                struct vs_error *err)
{
    bool is_list = column->kind == VS_KIND_LIST;
    uint32_t max_definition =
        (field->required ? 0 : 1) + (is_list ? 1u + (field->element_required ? 0 : 1) : 0);
    struct vs_rle_encoder encoder;
    if (is_list) {
        size_t length_at = out->len;
        VS_TRY(vs_buf_append_zeros(out, 4, err));
        vs_rle_encoder_init(&encoder, out, 1);
        VS_TRY(list_repetition(column, first, count, &encoder, err));
        VS_TRY(vs_rle_encoder_finish(&encoder, err));
        vs_store_u32le(out->data + length_at, (uint32_t)(out->len - length_at - 4));
    }
    if (max_definition > 0) {
        size_t length_at = out->len;
        VS_TRY(vs_buf_append_zeros(out, 4, err));
        vs_rle_encoder_init(&encoder, out, vs_bit_width(max_definition));
        VS_TRY(is_list ? list_definition(column, field, first, count, &encoder, err)
                       : scalar_levels(column, first, count, &encoder, err));
        VS_TRY(vs_rle_encoder_finish(&encoder, err));
        vs_store_u32le(out->data + length_at, (uint32_t)(out->len - length_at - 4));
    }
    *value_count_out = level_count(column, first, count);
    return VS_OK;
}

// ---- values ----

size_t vs_decimal_byte_width(uint8_t precision)
{
    vs_int128 largest = 1;
    for (unsigned i = 0; i < precision && i < 38; i++) {
        largest *= 10;
    }
    largest -= 1;
    size_t width = 1;
    while (width < 16 && (largest >> (8 * width - 1)) != 0) {
        width++;
    }
    return width;
}

static enum vs_status plain_booleans(const struct vs_column *leaf,
                                     size_t first,
                                     size_t count,
                                     struct vs_buf *out,
                                     struct vs_error *err)
{
    uint8_t byte = 0;
    unsigned bits = 0;
    for (size_t row = first; row < first + count; row++) {
        if (vs_column_is_null(leaf, row)) {
            continue;
        }
        byte |= (uint8_t)((leaf->values.data[row] != 0) << bits);
        if (++bits == 8) {
            VS_TRY(vs_buf_append_byte(out, byte, err));
            byte = 0;
            bits = 0;
        }
    }
    return bits == 0 ? VS_OK : vs_buf_append_byte(out, byte, err);
}

static enum vs_status plain_bytes(const struct vs_column *leaf,
                                  size_t first,
                                  size_t count,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    for (size_t row = first; row < first + count; row++) {
        if (vs_column_is_null(leaf, row)) {
            continue;
        }
        struct vs_str text = vs_column_get_bytes(leaf, row);
        size_t need;
        if (text.len > UINT32_MAX || !vs_add_size(text.len, 4, &need)) {
            return vs_fail(err, VS_LIMIT, "a value of %zu bytes is too long for Parquet", text.len);
        }
        VS_TRY(vs_buf_reserve(out, need, err));
        vs_store_u32le(out->data + out->len, (uint32_t)text.len);
        if (text.len > 0) {
            memcpy(out->data + out->len + 4, text.ptr, text.len);
        }
        out->len += need;
    }
    return VS_OK;
}

static enum vs_status plain_decimals(const struct vs_column *leaf,
                                     uint8_t precision,
                                     size_t first,
                                     size_t count,
                                     struct vs_buf *out,
                                     struct vs_error *err)
{
    size_t width = precision <= 9 ? 4 : (precision <= 18 ? 8 : vs_decimal_byte_width(precision));
    for (size_t row = first; row < first + count; row++) {
        if (vs_column_is_null(leaf, row)) {
            continue;
        }
        vs_int128 value;
        uint8_t bytes[16];
        memcpy(&value, leaf->values.data + row * sizeof value, sizeof value);
        if (precision <= 9) {
            vs_store_u32le(bytes, (uint32_t)(int32_t)value);
        } else if (precision <= 18) {
            vs_store_u64le(bytes, (uint64_t)(int64_t)value);
        } else {
            vs_decimal_store_be(value, bytes, width);
        }
        VS_TRY(vs_buf_append(out, bytes, width, err));
    }
    return VS_OK;
}

static enum vs_status plain_fixed_bytes(const struct vs_column *leaf,
                                        size_t width,
                                        size_t first,
                                        size_t count,
                                        struct vs_buf *out,
                                        struct vs_error *err)
{
    for (size_t row = first; row < first + count; row++) {
        if (vs_column_is_null(leaf, row)) {
            continue;
        }
        struct vs_str bytes = vs_column_get_bytes(leaf, row);
        if (bytes.len != width) {
            return vs_fail(err, VS_INVALID, "a value of %zu bytes where fixed[%zu] needs %zu",
                           bytes.len, width, width);
        }
        VS_TRY(vs_buf_append(out, bytes.ptr, bytes.len, err));
    }
    return VS_OK;
}

// Fixed-width values that stand in memory as Parquet has them.
static enum vs_status plain_fixed(const struct vs_column *leaf,
                                  size_t width,
                                  size_t first,
                                  size_t count,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    if (count == 0) {
        return VS_OK;
    }
    if (leaf->valid.len == 0) {
        return vs_buf_append(out, leaf->values.data + first * width, count * width, err);
    }
    VS_TRY(vs_buf_reserve(out, count * width, err));
    for (size_t row = first; row < first + count; row++) {
        if (leaf->valid.data[row] != 0) {
            memcpy(out->data + out->len, leaf->values.data + row * width, width);
            out->len += width;
        }
    }
    return VS_OK;
}

enum vs_status vs_plain_encode(const struct vs_column *leaf,
                               const struct vs_field *field,
                               size_t first,
                               size_t count,
                               struct vs_buf *out,
                               struct vs_error *err)
{
    switch (leaf->kind) {
    case VS_KIND_BOOLEAN:
        return plain_booleans(leaf, first, count, out, err);
    case VS_KIND_STRING:
    case VS_KIND_BINARY:
        return plain_bytes(leaf, first, count, out, err);
    case VS_KIND_FIXED:
        return plain_fixed_bytes(leaf, field->fixed_length, first, count, out, err);
    case VS_KIND_DECIMAL:
        return plain_decimals(leaf, field->precision, first, count, out, err);
    case VS_KIND_INT:
    case VS_KIND_LONG:
    case VS_KIND_FLOAT:
    case VS_KIND_DOUBLE:
    case VS_KIND_DATE:
    case VS_KIND_TIMESTAMP:
    case VS_KIND_TIMESTAMPTZ:
    case VS_KIND_TIME:
    case VS_KIND_TIMESTAMP_NS:
    case VS_KIND_TIMESTAMPTZ_NS:
    case VS_KIND_UUID:
        return plain_fixed(leaf, vs_kind_width(leaf->kind), first, count, out, err);
    case VS_KIND_LIST:
    case VS_KIND_OTHER:
        break;
    }
    return vs_fail(err, VS_INTERNAL, "no PLAIN form for a %s column", vs_kind_name(leaf->kind));
}

enum vs_status vs_split_encode(const struct vs_column *leaf,
                               size_t first,
                               size_t count,
                               struct vs_buf *out,
                               size_t *stream_len_out,
                               struct vs_error *err)
{
    VS_TRY(vs_buf_reserve(out, count * 4, err));
    uint8_t *dst = out->data + out->len;
    const uint8_t *src = leaf->values.data + (count > 0 ? first * 4 : 0);
    size_t n = count;
    if (leaf->valid.len == 0) {
        for (size_t i = 0; i < n; i++) {
            dst[i] = src[4 * i];
            dst[n + i] = src[4 * i + 1];
            dst[2 * n + i] = src[4 * i + 2];
            dst[3 * n + i] = src[4 * i + 3];
        }
    } else {
        n = 0;
        for (size_t i = 0; i < count; i++) {
            n += leaf->valid.data[first + i] != 0;
        }
        for (size_t i = 0, at = 0; i < count; i++) {
            if (leaf->valid.data[first + i] == 0) {
                continue;
            }
            for (size_t k = 0; k < 4; k++) {
                dst[k * n + at] = src[4 * i + k];
            }
            at++;
        }
    }
    out->len += n * 4;
    *stream_len_out = n;
    return VS_OK;
}
