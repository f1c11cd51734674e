// SPDX-License-Identifier: Apache-2.0
/*
 * A file some parts of which were read ahead, all in one round: whoever reads them afterwards finds
 * them in memory. Opening an index lazily uses it, since it knows beforehand what its decoders will
 * ask for.
 *
 * Ownership: borrows the file. Threads: one while parts are added, then any.
 */
#ifndef VS_INDEX_INDEX_AHEAD_H
#define VS_INDEX_INDEX_AHEAD_H

#include "vecstore/base/io.h"

struct vs_ahead_part {
    uint64_t offset, len;
    uint8_t *bytes; // aligned
};

struct vs_ahead {
    struct vs_file base; // the view
    const struct vs_env *env;
    struct vs_file *file;
    struct vs_ahead_part *parts;
    size_t count, capacity;
};

void vs_ahead_init(struct vs_ahead *ahead, const struct vs_env *env, struct vs_file *file);
// Reads those of the parts that are not there yet, in one round; parts that reach behind the end
// of the file are left out: who reads them will be told.
enum vs_status vs_ahead_read(struct vs_ahead *ahead,
                             const struct vs_ahead_part *parts,
                             size_t count,
                             struct vs_error *err);
void vs_ahead_clear(struct vs_ahead *ahead);

#endif
