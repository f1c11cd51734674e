// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_bits.h"

#define MAX_BLOCK_SIZE (1u << 20) // values; writers use 128 or 1024

static enum vs_status ends_early(struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT,
                   "a run of levels or dictionary codes ends before its last value");
}

// Up to 32 bits at a bit offset, least significant first; the bytes exist up to the last bit.
static uint32_t load_bits(const uint8_t *p, const uint8_t *end, uint64_t bit, unsigned width)
{
    const uint8_t *at = p + bit / 8;
    unsigned shift = (unsigned)(bit % 8);
    uint64_t word = 0;
    if (end - at >= 8) {
        word = vs_load_u64le(at);
    } else {
        for (int i = 0; i < end - at; i++) {
            word |= (uint64_t)at[i] << (8 * i);
        }
    }
    return (uint32_t)(word >> shift & ((1ull << width) - 1));
}

static uint32_t load_bits_high_first(const uint8_t *p, uint64_t bit, unsigned width)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++, bit++) {
        value = value << 1 | (p[bit / 8] >> (7 - bit % 8) & 1u);
    }
    return value;
}

void vs_hybrid_init(struct vs_hybrid *h, const uint8_t *bytes, size_t n, unsigned width)
{
    *h = (struct vs_hybrid){.next = bytes, .end = bytes + n, .width = width};
}

void vs_hybrid_init_packed(
    struct vs_hybrid *h, const uint8_t *bytes, size_t n, unsigned width, uint64_t count)
{
    uint64_t most = width > 0 ? (uint64_t)n * 8 / width : count;
    *h = (struct vs_hybrid){.next = bytes + n,
                            .end = bytes + n,
                            .width = width,
                            .packed = bytes,
                            .packed_end = bytes + n,
                            .high_first = true};
    h->packed_left = count < most ? count : most;
}

static enum vs_status next_run(struct vs_hybrid *h, struct vs_error *err)
{
    uint64_t head = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (h->next == h->end) {
            return ends_early(err);
        }
        uint8_t byte = *h->next++;
        if (shift > 28 ||
            (shift == 28 && byte > 0x1f)) { // 33 bits are more than any count of a page
            return vs_fail(err, VS_CORRUPT,
                           "a run of levels or dictionary codes has a length beyond all pages");
        }
        head |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    size_t left = (size_t)(h->end - h->next);
    if ((head & 1) == 0) {
        size_t bytes = (h->width + 7) / 8;
        if (left < bytes) {
            return ends_early(err);
        }
        h->run_left = head >> 1;
        h->run_value = bytes > 0 ? load_bits(h->next, h->end, 0, (unsigned)bytes * 8) : 0;
        if (h->width < 32 && h->run_value >> h->width != 0) {
            return vs_fail(err, VS_CORRUPT,
                           "a run repeats the value %u, which is wider than %u bits", h->run_value,
                           h->width);
        }
        h->next += bytes;
        return VS_OK;
    }
    uint64_t bytes = (head >> 1) * h->width;
    h->packed_left = (head >> 1) * 8;
    if (bytes > left) { // some writers cut the padding of the last run
        bytes = left;
        h->packed_left = bytes * 8 / h->width;
    }
    h->packed = h->next;
    h->packed_end = h->next + bytes;
    h->packed_bit = 0;
    h->next += bytes;
    return VS_OK;
}

// Makes sure that a run with values is current. A loop: runs of no values are legal, each takes at
// least one byte.
static enum vs_status need_run(struct vs_hybrid *h, struct vs_error *err)
{
    while (h->run_left == 0 && h->packed_left == 0) {
        VS_TRY(next_run(h, err));
    }
    return VS_OK;
}

static uint32_t next_packed(struct vs_hybrid *h)
{
    uint32_t value = h->high_first ? load_bits_high_first(h->packed, h->packed_bit, h->width)
                                   : load_bits(h->packed, h->packed_end, h->packed_bit, h->width);
    h->packed_bit += h->width;
    h->packed_left--;
    return value;
}

// Whole bytes of one-bit values: 8 at a time, by spreading the bits of a byte over a word.
static size_t unpack_bits(struct vs_hybrid *h, uint8_t *out, size_t n)
{
    size_t done = 0;
    while (n - done >= 8 && h->packed_left >= 8 && h->packed_bit % 8 == 0) {
        uint64_t byte = h->packed[h->packed_bit / 8];
        uint64_t spread =
            (byte * 0x8040201008040201ull >> 7) & 0x0101010101010101ull; // bit 7 in the lowest byte
        vs_store_u64le(out + done, __builtin_bswap64(spread));
        done += 8;
        h->packed_bit += 8;
        h->packed_left -= 8;
    }
    return done;
}

enum vs_status vs_hybrid_read_u8(struct vs_hybrid *h, uint8_t *out, size_t n, struct vs_error *err)
{
    size_t done = 0;
    while (done < n) {
        VS_TRY(need_run(h, err));
        if (h->run_left > 0) {
            size_t take = h->run_left < n - done ? (size_t)h->run_left : n - done;
            memset(out + done, (int)(h->run_value & 0xff), take);
            h->run_left -= take;
            done += take;
            continue;
        }
        if (h->width == 1 && !h->high_first) {
            done += unpack_bits(h, out + done, n - done);
        }
        for (unsigned i = 0; i < 8 && done < n && h->packed_left > 0; i++) {
            out[done++] = (uint8_t)next_packed(h);
        }
    }
    return VS_OK;
}

enum vs_status vs_hybrid_read_u32(struct vs_hybrid *h,
                                  uint32_t *out,
                                  size_t n,
                                  struct vs_error *err)
{
    size_t done = 0;
    while (done < n) {
        VS_TRY(need_run(h, err));
        if (h->run_left > 0) {
            size_t take = h->run_left < n - done ? (size_t)h->run_left : n - done;
            for (size_t i = 0; i < take; i++) {
                out[done + i] = h->run_value;
            }
            h->run_left -= take;
            done += take;
            continue;
        }
        size_t take = h->packed_left < n - done ? (size_t)h->packed_left : n - done;
        for (size_t i = 0; i < take; i++) {
            out[done++] = next_packed(h);
        }
    }
    return VS_OK;
}

size_t vs_hybrid_take_run(struct vs_hybrid *h, uint32_t value, size_t n)
{
    if (need_run(h, NULL) != VS_OK || h->run_left == 0 || h->run_value != value) {
        return 0; // a broken run is reported by the read that follows
    }
    size_t take = h->run_left < n ? (size_t)h->run_left : n;
    h->run_left -= take;
    return take;
}

// ---- DELTA_BINARY_PACKED ----

enum vs_status vs_delta_init(struct vs_delta *d,
                             const uint8_t *bytes,
                             size_t n,
                             bool is_32,
                             const char *what,
                             struct vs_error *err)
{
    struct vs_delta made = {.is_32 = is_32};
    uint64_t block_size = 0, miniblock_count = 0;
    int64_t first = 0;
    vs_reader_init(&made.in, bytes, n, what);
    VS_TRY(vs_read_varint(&made.in, &block_size, err));
    VS_TRY(vs_read_varint(&made.in, &miniblock_count, err));
    VS_TRY(vs_read_varint(&made.in, &made.total, err));
    VS_TRY(vs_read_zigzag(&made.in, &first, err));
    if (block_size == 0 || block_size > MAX_BLOCK_SIZE || miniblock_count == 0 ||
        miniblock_count > block_size || block_size % miniblock_count != 0 ||
        block_size / miniblock_count % 8 != 0) {
        return vs_reader_fail(&made.in, err, "a delta encoding has an impossible block size");
    }
    if (made.total > INT32_MAX) {
        return vs_reader_fail(&made.in, err,
                              "a delta encoding states more values than a page can hold");
    }
    made.block_size = (uint32_t)block_size;
    made.miniblock_count = (uint32_t)miniblock_count;
    made.miniblock_size = (uint32_t)(block_size / miniblock_count);
    made.miniblock = made.miniblock_count; // the first block starts with the second value
    made.left = made.total;
    made.value = (uint64_t)first;
    *d = made;
    return VS_OK;
}

static enum vs_status next_miniblock(struct vs_delta *d, struct vs_error *err)
{
    if (d->miniblock == d->miniblock_count) {
        int64_t min_delta = 0;
        VS_TRY(vs_read_zigzag(&d->in, &min_delta, err));
        VS_TRY(vs_read_bytes(&d->in, d->miniblock_count, &d->widths, err));
        d->min_delta = (uint64_t)min_delta;
        d->miniblock = 0;
    }
    d->width = d->widths[d->miniblock++];
    if (d->width > 64) {
        return vs_reader_fail(&d->in, err, "a delta miniblock has values wider than 64 bits");
    }
    VS_TRY(vs_read_bytes(&d->in, (size_t)d->miniblock_size / 8 * d->width, &d->packed, err));
    d->packed_bit = 0;
    d->miniblock_left = d->miniblock_size;
    return VS_OK;
}

static uint64_t next_delta(struct vs_delta *d)
{
    uint64_t bits = 0;
    const uint8_t *end = d->packed + (size_t)d->miniblock_size / 8 * d->width;
    if (d->width <= 32) {
        bits = d->width == 0 ? 0 : load_bits(d->packed, end, d->packed_bit, d->width);
    } else {
        bits = load_bits(d->packed, end, d->packed_bit, 32);
        bits |= (uint64_t)load_bits(d->packed, end, d->packed_bit + 32, d->width - 32) << 32;
    }
    d->packed_bit += d->width;
    d->miniblock_left--;
    return bits;
}

enum vs_status vs_delta_read(struct vs_delta *d, int64_t *out, size_t n, struct vs_error *err)
{
    if (n > d->left) {
        return vs_reader_fail(&d->in, err, "a delta encoding holds fewer values than the page");
    }
    for (size_t i = 0; i < n; i++) {
        if (!d->started) {
            d->started = true;
        } else {
            if (d->miniblock_left == 0) {
                VS_TRY(next_miniblock(d, err));
            }
            d->value += d->min_delta + next_delta(d); // wraps by definition
        }
        d->left--;
        out[i] = d->is_32 ? (int32_t)(uint32_t)d->value : (int64_t)d->value;
    }
    return VS_OK;
}

enum vs_status vs_delta_size(const struct vs_delta *d, size_t *size_out, struct vs_error *err)
{
    struct vs_delta copy = *d;
    uint64_t left = copy.left - (copy.started || copy.left == 0 ? 0 : 1);
    while (left > copy.miniblock_left) {
        left -= copy.miniblock_left;
        VS_TRY(next_miniblock(&copy, err));
    }
    *size_out = vs_reader_offset(&copy.in);
    return VS_OK;
}
