// SPDX-License-Identifier: Apache-2.0
#include "vecstore/object/chunk_cache.h"

#include "vecstore/object/chunk_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_LIMIT (UINT64_C(8) << 30)

struct chunk_file {
    struct vs_file base;
    struct vs_chunk_cache *cache;
    struct vs_file *inner;
    uint8_t identity[VS_SHA256_SIZE];
    _Atomic uint64_t *touched; // a bit per chunk: it was missed once
};

// A piece of a read within one chunk.
struct piece {
    uint64_t chunk;
    uint32_t at;
    size_t len;
    uint8_t *dst;
};

// A chunk that some pieces miss.
struct gap {
    uint64_t chunk;
    size_t first, count; // of the missing pieces, which are sorted by chunk
    uint8_t *whole;      // the chunk is fetched whole: into this
    bool owned;          // `whole` is ours, not a reader's
};

// ---- the cache ----

static enum vs_status open_folder(const char *dir, int *fd_out, struct vs_error *err)
{
    struct stat facts;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return vs_fail_errno(err, errno, "cache directory %s", dir);
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return vs_fail_errno(err, errno, "cache directory %s", dir);
    }
    enum vs_status status = VS_OK;
    bool known = fstat(fd, &facts) == 0;
    if (known && (facts.st_uid != geteuid() || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
        status = vs_fail(err, VS_DENIED,
                         "cache directory %s belongs to another user, or others may write to it: "
                         "what it holds cannot be trusted; name one of your own (mode 0700)",
                         dir);
    } else if (!known || (mkdirat(fd, VS_CHUNK_FOLDER, 0700) != 0 && errno != EEXIST)) {
        status = vs_fail_errno(err, errno, "cache directory %s", dir);
    } else {
        *fd_out = openat(fd, VS_CHUNK_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (*fd_out < 0) {
            status = vs_fail_errno(err, errno, "cache directory %s", dir);
        }
    }
    (void)close(fd);
    return status;
}

enum vs_status vs_chunk_cache_open(const struct vs_env *env,
                                   const char *dir,
                                   uint64_t limit_bytes,
                                   struct vs_chunk_cache **cache_out,
                                   struct vs_error *err)
{
    int fd = -1;
    VS_TRY(open_folder(dir, &fd, err));
    struct vs_chunk_cache *cache = vs_alloc_zeroed(env, 1, sizeof *cache);
    if (cache == NULL) {
        (void)close(fd);
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the cache %s", dir);
    }
    cache->env = env;
    cache->dir_fd = fd;
    cache->limit = limit_bytes > 0 ? limit_bytes : DEFAULT_LIMIT;
    (void)pthread_mutex_init(&cache->lock, NULL); // cannot fail on Linux with default attributes
    *cache_out = cache;
    return VS_OK;
}

void vs_chunk_cache_close(struct vs_chunk_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    (void)close(cache->dir_fd);
    (void)pthread_mutex_destroy(&cache->lock);
    vs_free(cache->env, cache);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct vs_chunk_counters vs_chunk_cache_count(const struct vs_chunk_cache *cache)
{
    return (struct vs_chunk_counters){
        .hits = get(&cache->hits),
        .misses = get(&cache->misses),
        .bytes_hit = get(&cache->bytes_hit),
        .bytes_stored = get(&cache->bytes_stored),
        .damaged = get(&cache->damaged),
        .evicted = get(&cache->evicted),
        .failed_stores = get(&cache->failed_stores),
        .forgotten = get(&cache->forgotten),
        .counted = get(&cache->counted),
    };
}

// ---- reading ----

static struct vs_chunk_id chunk_id(const struct chunk_file *file, uint64_t chunk)
{
    uint64_t start = chunk * VS_CHUNK_BYTES, rest = file->base.size - start;
    struct vs_chunk_id id = {.chunk = chunk,
                             .length = (uint32_t)(rest < VS_CHUNK_BYTES ? rest : VS_CHUNK_BYTES)};
    memcpy(id.identity, file->identity, sizeof id.identity);
    return id;
}

static size_t count_pieces(const struct vs_range *ranges, size_t count)
{
    size_t pieces = 0;
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].len > 0) {
            pieces += (size_t)((ranges[i].offset + ranges[i].len - 1) / VS_CHUNK_BYTES -
                               ranges[i].offset / VS_CHUNK_BYTES + 1);
        }
    }
    return pieces;
}

// Takes from the cache what is there; the pieces that are not are left in `pieces`, by chunk when
// the ranges are so (a chunk that comes twice is two gaps, which is harmless).
static size_t load_pieces(struct chunk_file *file,
                          const struct vs_range *ranges,
                          size_t count,
                          struct piece *pieces)
{
    struct vs_chunk_cache *cache = file->cache;
    size_t missing = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t offset = ranges[i].offset, end = offset + ranges[i].len;
        for (uint8_t *dst = ranges[i].dst; offset < end;) {
            uint64_t chunk = offset / VS_CHUNK_BYTES, stop = (chunk + 1) * VS_CHUNK_BYTES;
            size_t len = (size_t)((stop < end ? stop : end) - offset);
            struct piece piece = {chunk, (uint32_t)(offset % VS_CHUNK_BYTES), len, dst};
            struct vs_chunk_id id = chunk_id(file, chunk);
            if (vs_chunk_load(cache, &id, piece.at, len, dst)) {
                atomic_fetch_add_explicit(&cache->hits, 1, memory_order_relaxed);
                atomic_fetch_add_explicit(&cache->bytes_hit, len, memory_order_relaxed);
            } else {
                pieces[missing++] = piece;
                atomic_fetch_add_explicit(&cache->misses, 1, memory_order_relaxed);
            }
            offset += len;
            dst += len;
        }
    }
    return missing;
}

static bool was_touched(struct chunk_file *file, uint64_t chunk)
{
    uint64_t bit = (uint64_t)1 << (chunk % 64);
    return (atomic_fetch_or_explicit(&file->touched[chunk / 64], bit, memory_order_relaxed) &
            bit) != 0;
}

// Chunks of the missing pieces, and how each is fetched.
static enum vs_status plan_gaps(struct chunk_file *file,
                                const struct piece *pieces,
                                size_t count,
                                struct gap *gaps,
                                size_t *gap_count_out,
                                struct vs_error *err)
{
    size_t gap_count = 0;
    for (size_t i = 0; i < count;) {
        struct gap *gap = &gaps[gap_count++];
        uint64_t wanted = 0;
        *gap = (struct gap){.chunk = pieces[i].chunk, .first = i};
        for (; i < count && pieces[i].chunk == gap->chunk; i++, gap->count++) {
            wanted += pieces[i].len;
        }
        *gap_count_out = gap_count;
        struct vs_chunk_id id = chunk_id(file, gap->chunk);
        bool again = was_touched(file, gap->chunk);
        if (gap->count == 1 && wanted == id.length) {
            gap->whole = pieces[gap->first].dst;
        } else if (again || wanted * 2 >= id.length) {
            gap->whole = vs_alloc(file->cache->env, id.length);
            gap->owned = true;
            if (gap->whole == NULL) {
                return vs_fail(err, VS_NO_MEMORY, "out of memory reading %s", file->base.name);
            }
        }
    }
    return VS_OK;
}

static enum vs_status fetch_gaps(struct chunk_file *file,
                                 const struct piece *pieces,
                                 const struct gap *gaps,
                                 size_t gap_count,
                                 struct vs_range *ranges,
                                 struct vs_error *err)
{
    size_t count = 0;
    for (size_t g = 0; g < gap_count; g++) {
        const struct gap *gap = &gaps[g];
        uint64_t start = gap->chunk * VS_CHUNK_BYTES;
        if (gap->whole != NULL) {
            ranges[count++] =
                (struct vs_range){start, chunk_id(file, gap->chunk).length, gap->whole};
            continue;
        }
        for (size_t i = gap->first; i < gap->first + gap->count; i++) {
            ranges[count++] = (struct vs_range){start + pieces[i].at, pieces[i].len, pieces[i].dst};
        }
    }
    VS_TRY(vs_file_read_many(file->inner, ranges, count, err));
    for (size_t g = 0; g < gap_count; g++) {
        const struct gap *gap = &gaps[g];
        if (gap->whole == NULL) {
            continue;
        }
        struct vs_chunk_id id = chunk_id(file, gap->chunk);
        for (size_t i = gap->first; gap->owned && i < gap->first + gap->count; i++) {
            memcpy(pieces[i].dst, gap->whole + pieces[i].at, pieces[i].len);
        }
        vs_chunk_store(file->cache, &id, gap->whole);
    }
    return VS_OK;
}

static enum vs_status chunk_read_many(struct vs_file *base,
                                      const struct vs_range *ranges,
                                      size_t count,
                                      struct vs_error *err)
{
    struct chunk_file *file = (struct chunk_file *)base;
    const struct vs_env *env = file->cache->env;
    size_t most = count_pieces(ranges, count) + 1, gap_count = 0;
    struct piece *pieces = vs_alloc_zeroed(env, most, sizeof *pieces);
    struct gap *gaps = vs_alloc_zeroed(env, most, sizeof *gaps);
    struct vs_range *fetch = vs_alloc_zeroed(env, most, sizeof *fetch);
    enum vs_status status = VS_OK;
    if (pieces == NULL || gaps == NULL || fetch == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory reading %s", base->name);
    }
    size_t missing = status == VS_OK ? load_pieces(file, ranges, count, pieces) : 0;
    if (missing > 0) {
        status = plan_gaps(file, pieces, missing, gaps, &gap_count, err);
    }
    if (status == VS_OK && missing > 0) {
        status = fetch_gaps(file, pieces, gaps, gap_count, fetch, err);
    }
    for (size_t g = 0; g < gap_count; g++) {
        if (gaps[g].owned) {
            vs_free(env, gaps[g].whole);
        }
    }
    vs_free(env, pieces);
    vs_free(env, gaps);
    vs_free(env, fetch);
    return status;
}

static enum vs_status chunk_read(
    struct vs_file *base, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct vs_range range = {offset, len, dst};
    return chunk_read_many(base, &range, 1, err);
}

static void chunk_forget(struct vs_file *base, uint64_t offset, uint64_t len)
{
    struct chunk_file *file = (struct chunk_file *)base;
    for (uint64_t chunk = offset / VS_CHUNK_BYTES; chunk * VS_CHUNK_BYTES < offset + len; chunk++) {
        struct vs_chunk_id id = chunk_id(file, chunk);
        vs_chunk_remove(file->cache, &id);
    }
}

static void chunk_close(struct vs_file *base)
{
    struct chunk_file *file = (struct chunk_file *)base;
    const struct vs_env *env = file->cache->env;
    vs_file_close(file->inner);
    vs_free(env, (void *)(uintptr_t)file->touched);
    vs_free(env, file);
}

static const struct vs_file_vtable chunk_vtable = {
    .read = chunk_read,
    .read_many = chunk_read_many,
    .close = chunk_close,
    .forget = chunk_forget,
};

enum vs_status vs_chunk_cache_wrap(struct vs_chunk_cache *cache,
                                   struct vs_file *inner,
                                   struct vs_str identity,
                                   struct vs_file **file_out,
                                   struct vs_error *err)
{
    const struct vs_env *env = cache->env;
    struct chunk_file *file = vs_alloc_zeroed(env, 1, sizeof *file);
    size_t words = (size_t)(inner->size / VS_CHUNK_BYTES / 64) + 1;
    _Atomic uint64_t *touched = vs_alloc_zeroed(env, words, sizeof *touched);
    enum vs_status status = VS_OK;
    if (file == NULL || touched == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory opening %s", inner->name);
    } else {
        status = vs_sha256(identity.ptr, identity.len, file->identity, err);
    }
    if (status != VS_OK) {
        vs_free(env, file);
        vs_free(env, (void *)(uintptr_t)touched);
        return status;
    }
    file->base = (struct vs_file){&chunk_vtable, inner->size, inner->name};
    file->cache = cache;
    file->inner = inner;
    file->touched = touched;
    *file_out = &file->base;
    return VS_OK;
}
