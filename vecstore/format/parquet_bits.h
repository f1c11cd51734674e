// SPDX-License-Identifier: Apache-2.0
/*
 * The two bit-level encodings of Parquet as streaming decoders: the RLE / bit-packed hybrid and
 * DELTA_BINARY_PACKED.
 *
 * Neither allocates, so a count stated by the file costs time only for values that the caller asks
 * for. Both borrow their bytes. Threads: single owner. Spec: apache/parquet-format Encodings.md.
 */
#ifndef VS_FORMAT_PARQUET_BITS_H
#define VS_FORMAT_PARQUET_BITS_H

#include "vecstore/base/bytes.h"

// Values of width bits, 0..32.
struct vs_hybrid {
    const uint8_t *next, *end;
    unsigned width;
    uint64_t run_left; // of the RLE run
    uint32_t run_value;
    uint64_t packed_left; // values of the bit-packed run
    const uint8_t *packed;
    const uint8_t *packed_end;
    uint64_t packed_bit; // offset of the next value
    bool high_first;     // the deprecated BIT_PACKED levels: most significant bit first
};

void vs_hybrid_init(struct vs_hybrid *h, const uint8_t *bytes, size_t n, unsigned width);
// The deprecated BIT_PACKED encoding: `count` values without headers.
void vs_hybrid_init_packed(
    struct vs_hybrid *h, const uint8_t *bytes, size_t n, unsigned width, uint64_t count);
// Exactly n values; CORRUPT when the bytes end before. The u8 form needs width <= 8.
enum vs_status vs_hybrid_read_u8(struct vs_hybrid *h, uint8_t *out, size_t n, struct vs_error *err);
enum vs_status vs_hybrid_read_u32(struct vs_hybrid *h,
                                  uint32_t *out,
                                  size_t n,
                                  struct vs_error *err);
// Consumes up to n values if the next run is an RLE run of `value`; returns how many, 0 when it is
// not.
size_t vs_hybrid_take_run(struct vs_hybrid *h, uint32_t value, size_t n);

struct vs_delta {
    struct vs_reader in;
    bool is_32; // arithmetic wraps at 32 bits
    uint64_t total, left;
    uint64_t value, min_delta;
    uint32_t block_size, miniblock_count, miniblock_size;
    const uint8_t *widths;
    uint32_t miniblock; // index of the next one in the block
    uint32_t miniblock_left;
    const uint8_t *packed;
    uint64_t packed_bit;
    unsigned width;
    bool started;
};

// Reads the header; d->total is the count that it states.
enum vs_status vs_delta_init(struct vs_delta *d,
                             const uint8_t *bytes,
                             size_t n,
                             bool is_32,
                             const char *what,
                             struct vs_error *err);
enum vs_status vs_delta_read(struct vs_delta *d, int64_t *out, size_t n, struct vs_error *err);
// Walks over a copy to the end; *size_out: bytes from `bytes` of init to behind the last miniblock.
enum vs_status vs_delta_size(const struct vs_delta *d, size_t *size_out, struct vs_error *err);

#endif
