// SPDX-License-Identifier: Apache-2.0
// Keeping the cache directory within its limit: the chunks whose last use is longest ago go first.
#include "vecstore/object/chunk_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEMPORARY_SECONDS 600 // so old, they are leftovers of a crash
#define NAME_MAX_LEN 48
#define PER_SCAN 16 // the directory is looked at anew after limit / PER_SCAN new bytes

struct found {
    int64_t used_ns;
    uint64_t bytes;
    uint8_t folder;
    char name[NAME_MAX_LEN];
};

struct listing {
    const struct vs_env *env;
    struct found *items;
    size_t count, capacity;
    uint64_t bytes;
};

static bool keep(struct listing *listing, const struct found *item)
{
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity * 2 + 256;
        struct found *items = vs_realloc(listing->env, listing->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        listing->items = items;
        listing->capacity = capacity;
    }
    listing->items[listing->count++] = *item;
    listing->bytes += item->bytes;
    return true;
}

// One of the 256 folders. Others may add and remove meanwhile.
static void list_folder(struct vs_chunk_cache *cache, unsigned folder, struct listing *listing)
{
    char text[3];
    (void)snprintf(text, sizeof text, "%02x", folder);
    int fd = openat(cache->dir_fd, text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    for (;;) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): safe, each stream belongs to one thread
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            break;
        }
        struct stat facts;
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || len >= NAME_MAX_LEN ||
            fstatat(fd, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(facts.st_mode)) {
            continue;
        }
        if (strncmp(entry->d_name, VS_CHUNK_TEMPORARY, strlen(VS_CHUNK_TEMPORARY)) == 0) {
            if (time(NULL) - facts.st_mtime > TEMPORARY_SECONDS) {
                (void)unlinkat(fd, entry->d_name, 0);
            }
            continue;
        }
        struct found item = {.used_ns =
                                 (int64_t)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec,
                             .bytes = (uint64_t)facts.st_size,
                             .folder = (uint8_t)folder};
        memcpy(item.name, entry->d_name, len + 1);
        if (!keep(listing, &item)) {
            break;
        }
    }
    (void)closedir(dir);
}

static int by_use(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->used_ns > y->used_ns) - (x->used_ns < y->used_ns);
}

static void evict(struct vs_chunk_cache *cache, struct listing *listing)
{
    uint64_t goal = cache->limit - cache->limit / PER_SCAN;
    qsort(listing->items, listing->count, sizeof *listing->items, by_use);
    for (size_t i = 0; i < listing->count && listing->bytes > goal; i++) {
        char path[NAME_MAX_LEN + 4];
        const struct found *item = &listing->items[i];
        (void)snprintf(path, sizeof path, "%02x/%s", item->folder, item->name);
        if (unlinkat(cache->dir_fd, path, 0) == 0) {
            atomic_fetch_add_explicit(&cache->evicted, 1, memory_order_relaxed);
        } else if (errno != ENOENT) {
            continue;
        }
        listing->bytes -= item->bytes;
    }
}

// Lock held. One process at a time removes; another that finds it busy leaves it to that one.
static void look(struct vs_chunk_cache *cache)
{
    struct listing listing = {.env = cache->env};
    for (unsigned folder = 0; folder < 256; folder++) {
        list_folder(cache, folder, &listing);
    }
    if (listing.bytes > cache->limit) {
        int fd = openat(cache->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0) {
            evict(cache, &listing);
        }
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    cache->since_scan = 0;
    cache->scanned = true;
    atomic_fetch_add_explicit(&cache->counted, 1, memory_order_relaxed);
    vs_free(cache->env, listing.items);
}

void vs_chunk_account(struct vs_chunk_cache *cache, uint64_t bytes)
{
    if (pthread_mutex_trylock(&cache->lock) != 0) { // somebody else is looking
        atomic_fetch_add_explicit(&cache->unaccounted, bytes, memory_order_relaxed);
        return;
    }
    bytes += atomic_exchange_explicit(&cache->unaccounted, 0, memory_order_relaxed);
    cache->since_scan += bytes;
    // What is there may have been above the limit and have stayed so (another process removes, or
    // none can): looking again at once would cost each of the next chunks as much.
    if (!cache->scanned || cache->since_scan > cache->limit / PER_SCAN) {
        look(cache);
    }
    (void)pthread_mutex_unlock(&cache->lock);
}
