// SPDX-License-Identifier: Apache-2.0
/*
 * Checksums of what Parquet has none for: the footer and the page indexes. Ours stand in the
 * footer's key-value metadata; other readers pass over them, and files without them are read as
 * they are. Pages have the format's own CRC.
 *
 * Threads: functions of a reader may be called by several threads.
 */
#ifndef VS_FORMAT_PARQUET_SEAL_H
#define VS_FORMAT_PARQUET_SEAL_H

#include "vecstore/format/parquet_internal.h"

#define VS_PQ_SEAL_KEY "vecstore.crc32c" // of the footer, see base/seal.h
#define VS_PQ_INDEX_CRC_KEY                                                                        \
    "vecstore.page-index-crc32c" // hex, of the bytes before the footer from
                                 // the first page index on

// Where the digits of the seal stand in an encoded footer.
bool vs_pq_seal_find(struct vs_str footer, size_t *at_out);
// Verifies the footer when it is sealed, and takes note of the page indexes' checksum: reader->meta
// is filled.
enum vs_status vs_pq_seal_check(struct vs_parquet_reader *reader,
                                struct vs_str footer,
                                struct vs_error *err);
// Verifies the page indexes, once; called before the first of them is used.
enum vs_status vs_pq_indexes_check(const struct vs_parquet_reader *reader, struct vs_error *err);

#endif
