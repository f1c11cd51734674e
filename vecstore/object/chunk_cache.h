// SPDX-License-Identifier: Apache-2.0
/*
 * A directory of local copies of parts of remote objects.
 *
 * Objects are cut into chunks of 1 MiB; a chunk is one file, named by what identifies the object
 * (its URI, its size and its tag or unique name, hashed) and the chunk's number. Each chunk file
 * carries CRC-32Cs of its bytes, and only checked bytes are handed out: a torn, damaged or foreign
 * file is a miss and is removed; a chunk that the object delivered wrong is removed when its reader
 * finds that out (vs_file_forget). Chunks appear whole (temporary name, rename) and are not synced:
 * what a power cut leaves is told by the checksums.
 *
 * The cache can fail in no way that a reader notices: what cannot be stored is not stored (logged
 * once), what cannot be read is read from the object. Several processes may share a directory; each
 * keeps the limit within a sixteenth, and looks through it once per sixteenth that it adds.
 * Ownership: the cache outlives its files. Threads: any. See docs/internals/object.md.
 */
#ifndef VS_OBJECT_CHUNK_CACHE_H
#define VS_OBJECT_CHUNK_CACHE_H

#include "vecstore/base/env.h"
#include "vecstore/base/io.h"

#define VS_CHUNK_BYTES ((uint64_t)1 << 20)

struct vs_chunk_cache;

struct vs_chunk_counters {
    uint64_t hits, misses;            // pieces of reads, one for each chunk touched
    uint64_t bytes_hit, bytes_stored; // of objects
    uint64_t damaged, evicted, failed_stores;
    uint64_t forgotten; // chunks whose reader found them to be wrong (vs_file_forget)
    uint64_t counted;   // how often the directory was looked through
};

// Makes the directory (mode 0700) where it is missing. DENIED when it belongs to somebody else or
// others may write to it. limit_bytes: 0: 8 GiB.
enum vs_status vs_chunk_cache_open(const struct vs_env *env,
                                   const char *dir,
                                   uint64_t limit_bytes,
                                   struct vs_chunk_cache **cache_out,
                                   struct vs_error *err);
void vs_chunk_cache_close(struct vs_chunk_cache *cache); // accepts NULL
struct vs_chunk_counters vs_chunk_cache_count(const struct vs_chunk_cache *cache);

// A file that reads from the cache, and from `inner` what is not there. `identity` must differ for
// different contents. Takes `inner` when it succeeds.
//
// A miss that touches half of a chunk or more, or a chunk for the second time, fetches the whole
// chunk and stores it; other misses fetch what was asked for.
enum vs_status vs_chunk_cache_wrap(struct vs_chunk_cache *cache,
                                   struct vs_file *inner,
                                   struct vs_str identity,
                                   struct vs_file **file_out,
                                   struct vs_error *err);

#endif
