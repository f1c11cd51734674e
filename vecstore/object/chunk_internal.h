// SPDX-License-Identifier: Apache-2.0
/*
 * Inside of the chunk cache: chunk_cache.c (reading through it), chunk_store.c (one chunk on disk),
 * chunk_evict.c (the limit).
 *
 *   chunk file: "VSCHUNK1" | identity[32] | chunk u64 | data length u32 | CRC of header u32 |
 *   CRC of each 16 KiB block u32[64] | zeros to 512 | data
 */
#ifndef VS_OBJECT_CHUNK_INTERNAL_H
#define VS_OBJECT_CHUNK_INTERNAL_H

#include "vecstore/base/crypto.h"
#include "vecstore/object/chunk_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define VS_CHUNK_FOLDER "chunks-v1"
#define VS_CHUNK_TEMPORARY "tmp-"

struct vs_chunk_cache {
    const struct vs_env *env;
    int dir_fd; // of VS_CHUNK_FOLDER
    uint64_t limit;
    pthread_mutex_t lock; // of what follows
    uint64_t since_scan;  // bytes that we added since we looked through the directory
    bool scanned;
    _Atomic uint64_t unaccounted; // added while another thread held the lock
    atomic_bool complained;
    _Atomic uint64_t hits, misses, bytes_hit, bytes_stored, damaged, evicted, failed_stores,
        forgotten, counted;
};

struct vs_chunk_id {
    uint8_t identity[VS_SHA256_SIZE];
    uint64_t chunk;
    uint32_t length; // of the chunk in the object
};

// chunk_store.c
// True when bytes [at, at + len) of the chunk were there and right.
bool vs_chunk_load(struct vs_chunk_cache *cache,
                   const struct vs_chunk_id *id,
                   uint32_t at,
                   size_t len,
                   uint8_t *dst);
void vs_chunk_store(struct vs_chunk_cache *cache,
                    const struct vs_chunk_id *id,
                    const uint8_t *bytes);

void vs_chunk_remove(struct vs_chunk_cache *cache, const struct vs_chunk_id *id);

// chunk_evict.c
// `bytes` were added to the directory.
void vs_chunk_account(struct vs_chunk_cache *cache, uint64_t bytes);

#endif
