// SPDX-License-Identifier: Apache-2.0
/*
 * The header of NumPy's .npy files, versions 1 to 3 (numpy/lib/format.py): magic, version, header
 * length, a Python dictionary.
 *
 * Accepted: two-dimensional '<f4', '<f8' or '<f2' in C order. Everything else is refused by name.
 */
#ifndef VS_INGEST_NPY_HEADER_H
#define VS_INGEST_NPY_HEADER_H

#include "vecstore/base/str.h"

#define VS_NPY_HEAD_SIZE 12 // most bytes in front of the dictionary
#define VS_NPY_MAX_HEADER 65536
#define VS_NPY_MAX_COLUMNS 1048576

struct vs_npy_header {
    size_t width; // bytes of a value: 2, 4 or 8
    uint64_t rows, columns;
};

// From the first 12 bytes (fewer when the file ends): where the dictionary stands.
enum vs_status vs_npy_prefix_parse(struct vs_str head,
                                   const char *what,
                                   size_t *header_at_out,
                                   size_t *header_len_out,
                                   struct vs_error *err);
enum vs_status vs_npy_header_parse(struct vs_str text,
                                   const char *what,
                                   struct vs_npy_header *header_out,
                                   struct vs_error *err);

#endif
