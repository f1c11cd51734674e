// SPDX-License-Identifier: Apache-2.0
/*
 * Counts and bounds of scalar columns, per page, and their Parquet and Iceberg forms.
 *
 * Private to vecstore/format. Rules (iceberg.md 1.7): NaN never is a bound, a zero lower bound is
 * -0.0, a zero upper bound +0.0, long texts are cut (Parquet: 64 bytes, Iceberg: 16 characters or
 * bytes) and a cut upper bound is raised, or dropped when it cannot be. Threads: values.
 */
#ifndef VS_FORMAT_PARQUET_STATS_H
#define VS_FORMAT_PARQUET_STATS_H

#include "vecstore/format/column.h"

#define VS_BOUND_PREFIX 64
#define VS_BOUND_SIZE (VS_BOUND_PREFIX + 8) // most bytes of a stored bound

struct vs_bound {
    vs_int128 integer;              // BOOLEAN, INT, LONG, DATE, TIME, TIMESTAMP*, DECIMAL
    double real;                    // FLOAT, DOUBLE
    uint8_t bytes[VS_BOUND_PREFIX]; // STRING, BINARY, FIXED, UUID: the first bytes as they stand
    uint8_t len;
    bool cut; // the value is longer than bytes
};

struct vs_leaf_stats {
    uint64_t value_count; // with nulls
    uint64_t null_count, nan_count;
    bool has_range;
    struct vs_bound min, max;
};

// Of rows [first, first + count) of a scalar column.
void vs_leaf_stats_scan(const struct vs_column *column,
                        size_t first,
                        size_t count,
                        struct vs_leaf_stats *stats_out);
void vs_leaf_stats_merge(enum vs_kind kind,
                         struct vs_leaf_stats *into,
                         const struct vs_leaf_stats *from);
int vs_bound_compare(enum vs_kind kind, const struct vs_bound *a, const struct vs_bound *b);

enum vs_bound_form { VS_BOUND_PARQUET, VS_BOUND_ICEBERG };

struct vs_bound_type {
    enum vs_kind kind;
    uint8_t precision; // of decimals
    enum vs_bound_form form;
};

struct vs_bound_bytes {
    uint8_t bytes[VS_BOUND_SIZE];
    size_t len;
    bool exact; // the bytes are the value itself, not a cut of it
};

// False when there is no such bound (a cut upper bound that cannot be raised).
bool vs_bound_store(const struct vs_bound_type *type,
                    bool upper,
                    const struct vs_bound *bound,
                    struct vs_bound_bytes *bytes_out);

#endif
