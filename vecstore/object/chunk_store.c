// SPDX-License-Identifier: Apache-2.0
// One chunk as a file.
#include "vecstore/base/crc32c.h"
#include "vecstore/base/fd.h"
#include "vecstore/object/chunk_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "VSCHUNK1"
#define BLOCK ((uint32_t)16 << 10)
#define BLOCKS (VS_CHUNK_BYTES / BLOCK)
#define HEADER_SIZE 512
#define NAME_SIZE 80
#define TOUCH_SECONDS 60

struct chunk_header {
    uint8_t magic[8];
    uint8_t identity[VS_SHA256_SIZE];
    uint64_t chunk;
    uint32_t length;
    uint32_t crc; // of the header with this field 0
    uint32_t blocks[BLOCKS];
    uint8_t zeros[HEADER_SIZE - 56 - 4 * BLOCKS];
};

_Static_assert(sizeof(struct chunk_header) == HEADER_SIZE, "the header has no gaps");

// "ab/cdef…-0000000c": the folder is the first byte of the identity.
static void chunk_name(const struct vs_chunk_id *id, char name[NAME_SIZE])
{
    char hex[2 * VS_SHA256_SIZE + 1];
    vs_hex_format(id->identity, VS_SHA256_SIZE, hex);
    (void)snprintf(name, NAME_SIZE, "%.2s/%.32s-%08" PRIx64, hex, hex + 2, id->chunk);
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

// ---- reading ----

static uint32_t header_crc(const struct chunk_header *header)
{
    struct chunk_header copy = *header;
    copy.crc = 0;
    return vs_crc32c(0, &copy, sizeof copy);
}

static bool read_header(int fd, const struct vs_chunk_id *id, struct chunk_header *header)
{
    return vs_fd_read(fd, header, sizeof *header, 0) &&
           memcmp(header->magic, MAGIC, sizeof header->magic) == 0 &&
           header->crc == header_crc(header) &&
           memcmp(header->identity, id->identity, VS_SHA256_SIZE) == 0 &&
           header->chunk == id->chunk && header->length == id->length;
}

// Whole blocks [first, end) into dst, each checked.
static bool read_blocks(
    int fd, const struct chunk_header *header, uint32_t first, uint32_t end, uint8_t *dst)
{
    uint32_t from = first * BLOCK, to = end * BLOCK < header->length ? end * BLOCK : header->length;
    if (!vs_fd_read(fd, dst, to - from, HEADER_SIZE + (uint64_t)from)) {
        return false;
    }
    for (uint32_t b = first; b < end; b++) {
        uint32_t start = b * BLOCK, n = to - start < BLOCK ? to - start : BLOCK;
        if (vs_crc32c(0, dst + (start - from), n) != header->blocks[b]) {
            return false;
        }
    }
    return true;
}

// A part of one block.
static bool read_part(int fd,
                      const struct chunk_header *header,
                      uint32_t block,
                      uint32_t from,
                      size_t len,
                      uint8_t *dst)
{
    uint8_t bytes[BLOCK];
    if (!read_blocks(fd, header, block, block + 1, bytes)) {
        return false;
    }
    memcpy(dst, bytes + from, len);
    return true;
}

static bool read_range(
    int fd, const struct chunk_header *header, uint32_t at, size_t len, uint8_t *dst)
{
    uint32_t end = at + (uint32_t)len;
    while (at < end) {
        uint32_t block = at / BLOCK, from = at % BLOCK;
        uint32_t block_end =
            (block + 1) * BLOCK < header->length ? (block + 1) * BLOCK : header->length;
        uint32_t n = 0;
        if (from == 0 && block_end <= end) { // whole blocks, as many as there are
            uint32_t last = end == header->length ? (end + BLOCK - 1) / BLOCK : end / BLOCK;
            n = (last * BLOCK < header->length ? last * BLOCK : header->length) - at;
            if (!read_blocks(fd, header, block, last, dst)) {
                return false;
            }
        } else {
            n = (block_end < end ? block_end : end) - at;
            if (!read_part(fd, header, block, from, n, dst)) {
                return false;
            }
        }
        at += n;
        dst += n;
    }
    return true;
}

// The time of the last change stands for the last use: the oldest go first. Not written each time.
static void touch(int fd)
{
    struct stat facts;
    if (fstat(fd, &facts) == 0 && time(NULL) - facts.st_mtime > TOUCH_SECONDS) {
        (void)futimens(fd, NULL);
    }
}

bool vs_chunk_load(struct vs_chunk_cache *cache,
                   const struct vs_chunk_id *id,
                   uint32_t at,
                   size_t len,
                   uint8_t *dst)
{
    char name[NAME_SIZE];
    struct chunk_header header;
    chunk_name(id, name);
    int fd = openat(cache->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    bool right = read_header(fd, id, &header) && read_range(fd, &header, at, len, dst);
    if (right) {
        touch(fd);
    } else {
        (void)unlinkat(cache->dir_fd, name, 0);
        add(&cache->damaged, 1);
        vs_log(cache->env, VS_LOG_WARN, "object", "cache_chunk_damaged",
               "chunk=%s effect=\"removed, read from the store\"", name);
    }
    (void)close(fd);
    return right;
}

void vs_chunk_remove(struct vs_chunk_cache *cache, const struct vs_chunk_id *id)
{
    char name[NAME_SIZE];
    chunk_name(id, name);
    if (unlinkat(cache->dir_fd, name, 0) == 0) {
        add(&cache->forgotten, 1);
        vs_log(cache->env, VS_LOG_WARN, "object", "cache_chunk_forgotten",
               "chunk=%s reason=\"the reader's checksum differs\"", name);
    }
}

// ---- writing ----

static bool write_all(int fd, const struct chunk_header *header, const uint8_t *bytes, size_t len)
{
    union {
        const void *in;
        void *out;
    } head = {.in = header}, data = {.in = bytes};
    struct iovec parts[2] = {{head.out, sizeof *header}, {data.out, len}};
    ssize_t n = writev(fd, parts, 2);
    size_t done = n > 0 ? (size_t)n : 0;
    if (n < (ssize_t)sizeof *header) {
        return false; // so short a write is a full disk
    }
    for (done -= sizeof *header; done < len; done += (size_t)n) {
        n = write(fd, bytes + done, len - done);
        if (n < 0 && errno == EINTR) {
            n = 0;
        } else if (n <= 0) {
            return false;
        }
    }
    return true;
}

// errno is left as the failure has it.
static bool publish(struct vs_chunk_cache *cache,
                    const struct vs_chunk_id *id,
                    const struct chunk_header *header,
                    const uint8_t *bytes)
{
    char name[NAME_SIZE], folder[3], temporary[40];
    chunk_name(id, name);
    (void)snprintf(folder, sizeof folder, "%.2s", name);
    (void)snprintf(temporary, sizeof temporary, "%.2s/" VS_CHUNK_TEMPORARY "%016" PRIx64, name,
                   vs_random_u64(cache->env));
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(cache->dir_fd, temporary, flags, 0600);
    if (fd < 0 && errno == ENOENT &&
        (mkdirat(cache->dir_fd, folder, 0700) == 0 || errno == EEXIST)) {
        fd = openat(cache->dir_fd, temporary, flags, 0600);
    }
    if (fd < 0) {
        return false;
    }
    bool written = write_all(fd, header, bytes, id->length);
    int failure = errno;
    written = close(fd) == 0 && written;
    if (written && renameat(cache->dir_fd, temporary, cache->dir_fd, name) == 0) {
        return true;
    }
    failure = written ? errno : failure;
    (void)unlinkat(cache->dir_fd, temporary, 0);
    errno = failure;
    return false;
}

void vs_chunk_store(struct vs_chunk_cache *cache,
                    const struct vs_chunk_id *id,
                    const uint8_t *bytes)
{
    struct chunk_header header = {.chunk = id->chunk, .length = id->length};
    if (id->length > VS_CHUNK_BYTES || HEADER_SIZE + (uint64_t)id->length > cache->limit) {
        return;
    }
    memcpy(header.magic, MAGIC, sizeof header.magic);
    memcpy(header.identity, id->identity, VS_SHA256_SIZE);
    for (uint32_t at = 0, b = 0; at < id->length; at += BLOCK, b++) {
        header.blocks[b] =
            vs_crc32c(0, bytes + at, id->length - at < BLOCK ? id->length - at : BLOCK);
    }
    header.crc = header_crc(&header);
    if (publish(cache, id, &header, bytes)) {
        add(&cache->bytes_stored, id->length);
        vs_chunk_account(cache, HEADER_SIZE + (uint64_t)id->length);
        return;
    }
    add(&cache->failed_stores, 1);
    if (!atomic_exchange(&cache->complained, true)) {
        vs_log(cache->env, VS_LOG_WARN, "object", "cache_write_failed",
               "reason=\"%s\" effect=\"parts are read from the store each time\"",
               strerrordesc_np(errno));
    }
}
