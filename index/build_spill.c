// SPDX-License-Identifier: Apache-2.0
#include "index/build_spill.h"

#include "vecstore/base/crc32c.h"
#include "vecstore/base/fd.h"
#include "vecstore/base/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PARTITIONS_MAX 256
#define SECTIONS_ALIGN ((uint64_t)1 << 20) // of their start in the file: a multiple of any page
#define RANGE_MIN_BYTES ((uint64_t)64 << 10)

// One partition of one batch: lists, facts, codes, rows, second entries, their codes.
struct block {
    uint64_t offset;
    uint32_t partition, count, second_count, crc;
};

struct vs_build_spill {
    const struct vs_env *env;
    int fd;
    char path[512]; // it had; for messages
    uint32_t list_count, partition_count;
    size_t code_bytes, stride;
    uint64_t end; // of the blocks
    struct block *blocks;
    size_t block_count, block_room;
    // one batch on its way
    uint8_t *buffer;
    size_t buffer_room;
    uint32_t *order, *second_order; // [batch_rows], by partition
    uint64_t range_bytes;
    uint64_t sections_at, sections_length;
    uint8_t *map;
    size_t map_length;
};

// ---- what memory allows ----

uint64_t vs_build_base_bytes(const struct vs_build *build)
{
    uint64_t bytes = 8 * (uint64_t)build->batch_bytes;
    for (size_t f = 0; f < build->params->field_count && build->attrs != NULL; f++) {
        bytes += vs_column_memory(&build->attrs[f]);
    }
    return bytes;
}

// A vector while its range is arranged.
static uint64_t range_row_bytes(const struct vs_build_column *column)
{
    uint64_t code = column->codebook->m / 2, entry = code + 4;
    uint64_t second = column->second_assignment ? code + 12 + 8 + entry : 0;
    return column->stride + code + 16 + 4 + 4 + entry + second;
}

// A vector for as long as the column is arranged and measured.
static uint64_t lasting_row_bytes(const struct vs_build_column *column)
{
    uint64_t entry = column->codebook->m / 2 + 4;
    return 16 + 4 + (column->second_assignment ? 2 : 1) * (entry + entry / 8);
}

static uint64_t column_budget(const struct vs_build *build)
{
    uint64_t base = vs_build_base_bytes(build), columns = 0;
    for (size_t c = 0; c < build->params->column_count; c++) {
        columns += build->columns[c].has_lists;
    }
    return build->memory_limit > base && columns > 0 ? (build->memory_limit - base) / columns : 0;
}

bool vs_build_spills(const struct vs_build *build, const struct vs_build_column *column)
{
    uint64_t row = range_row_bytes(column) + lasting_row_bytes(column);
    return column->vector_count * row > column_budget(build);
}

// ---- the file ----

static enum vs_status io_failed(const struct vs_build_spill *spill,
                                const char *what,
                                struct vs_error *err)
{
    int code = errno;
    char reason[128];
    const char *text = strerror_r(code, reason, sizeof reason);
    bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    return vs_fail(
        err, full ? VS_LIMIT : VS_UNAVAILABLE,
        "cannot %s spill file %s: %s; give another directory (--spill or TMPDIR) or more "
        "memory (--memory)",
        what, spill->path, text);
}

static enum vs_status open_file(struct vs_build_spill *spill,
                                const char *directory,
                                struct vs_error *err)
{
    if (directory == NULL) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the library changes the environment
        directory = getenv("TMPDIR");
    }
    directory = directory != NULL && directory[0] != '\0' ? directory : "/tmp";
    int n = snprintf(spill->path, sizeof spill->path, "%s/vecstore-spill-XXXXXX", directory);
    if (n < 0 || (size_t)n >= sizeof spill->path) {
        return vs_fail(err, VS_INVALID, "the spill directory's name is too long: %.100s…",
                       directory);
    }
    spill->fd = mkostemp(spill->path, O_CLOEXEC); // 0600, exclusive
    if (spill->fd < 0) {
        return io_failed(spill, "create", err);
    }
    return unlink(spill->path) == 0 ? VS_OK : io_failed(spill, "unlink", err);
}

static enum vs_status write_all(
    struct vs_build_spill *spill, const uint8_t *bytes, size_t n, uint64_t at, struct vs_error *err)
{
    return vs_fd_write(spill->fd, bytes, n, at) ? VS_OK : io_failed(spill, "write to", err);
}

static enum vs_status read_all(
    struct vs_build_spill *spill, uint8_t *bytes, size_t n, uint64_t at, struct vs_error *err)
{
    return vs_fd_read(spill->fd, bytes, n, at) ? VS_OK : io_failed(spill, "read from", err);
}

static size_t block_bytes(const struct vs_build_spill *spill, size_t count, size_t seconds)
{
    return count *
               (sizeof(uint32_t) + sizeof(struct vs_row_fact) + spill->code_bytes + spill->stride) +
           seconds * (sizeof(struct vs_build_second) + spill->code_bytes);
}

// ---- open ----

static uint32_t partitions_for(const struct vs_build_column *column, uint64_t range_bytes)
{
    // Lists differ in size: partitions are planned at half of what fits.
    uint64_t bytes = column->vector_count * range_row_bytes(column);
    uint64_t wanted = 2 * bytes / range_bytes + 1;
    wanted = wanted < PARTITIONS_MAX ? wanted : PARTITIONS_MAX;
    return (uint32_t)(wanted < column->codebook->list_count ? wanted
                                                            : column->codebook->list_count);
}

static enum vs_status plan(struct vs_build *build,
                           const struct vs_build_column *column,
                           struct vs_build_spill *spill,
                           struct vs_error *err)
{
    uint64_t lasting = column->vector_count * lasting_row_bytes(column),
             budget = column_budget(build);
    if (budget < lasting + RANGE_MIN_BYTES) {
        uint64_t need = vs_build_base_bytes(build) + lasting + RANGE_MIN_BYTES;
        return vs_fail(err, VS_LIMIT,
                       "the build needs about %" PRIu64 " MiB even with spilling, the memory limit "
                       "is %" PRIu64
                       " MiB; raise it (--memory), or index fewer rows at a time, or with shorter "
                       "codes or without second assignment",
                       (need >> 20) + 1, build->memory_limit >> 20);
    }
    spill->range_bytes = budget - lasting;
    spill->partition_count = partitions_for(column, spill->range_bytes);
    return VS_OK;
}

enum vs_status vs_build_spill_open(struct vs_build *build,
                                   struct vs_build_column *column,
                                   struct vs_error *err)
{
    const struct vs_env *env = build->env;
    struct vs_build_spill *spill = vs_alloc_zeroed(env, 1, sizeof *spill);
    if (spill == NULL) {
        return vs_build_no_memory(column, err);
    }
    spill->env = env;
    spill->fd = -1;
    spill->list_count = column->codebook->list_count;
    spill->code_bytes = column->codebook->m / 2;
    spill->stride = column->stride;
    column->spill = spill;
    VS_TRY(plan(build, column, spill, err));
    size_t rows = build->batch_rows, seconds = column->second_assignment ? rows : 0;
    spill->buffer_room = block_bytes(spill, rows, seconds);
    spill->buffer = vs_alloc_aligned(env, spill->buffer_room);
    spill->order = vs_alloc(env, rows * sizeof(uint32_t));
    spill->second_order = vs_alloc(env, rows * sizeof(uint32_t));
    if (spill->buffer == NULL || spill->order == NULL || spill->second_order == NULL) {
        return vs_build_no_memory(column, err);
    }
    vs_log(env, VS_LOG_INFO, "index", "build_spills", "vectors=%" PRIu64 " partitions=%u",
           column->vector_count, spill->partition_count);
    return open_file(spill, build->params->spill_dir, err);
}

void vs_build_spill_close(struct vs_build_spill *spill)
{
    const struct vs_env *env = spill->env;
    if (spill->map != NULL) {
        (void)munmap(spill->map, spill->map_length);
    }
    if (spill->fd >= 0) {
        (void)close(spill->fd);
    }
    vs_free(env, spill->blocks);
    vs_free_aligned(env, spill->buffer);
    vs_free(env, spill->order);
    vs_free(env, spill->second_order);
    vs_free(env, spill);
}

// ---- writing ----

static uint32_t partition_of(const struct vs_build_spill *spill, uint32_t list)
{
    return (uint32_t)((uint64_t)list * spill->partition_count / spill->list_count);
}

struct write_task {
    struct vs_build_spill *spill;
    const struct vs_build_set *set;
    struct block *blocks; // [partition_count]
    uint64_t start;       // offset of the buffer in the file
    uint32_t first[PARTITIONS_MAX + 1], second_first[PARTITIONS_MAX + 1];
};

static void sort_by_partition(struct write_task *task)
{
    struct vs_build_spill *spill = task->spill;
    const struct vs_build_set *set = task->set;
    uint32_t at[PARTITIONS_MAX] = {0}, second_at[PARTITIONS_MAX] = {0};
    for (size_t i = 0; i < set->count; i++) {
        task->first[partition_of(spill, set->list_of[i]) + 1]++;
    }
    for (size_t i = 0; i < set->second_count; i++) {
        task->second_first[partition_of(spill, set->seconds[i].list) + 1]++;
    }
    for (uint32_t p = 0; p < spill->partition_count; p++) {
        task->first[p + 1] += task->first[p];
        task->second_first[p + 1] += task->second_first[p];
        at[p] = task->first[p];
        second_at[p] = task->second_first[p];
    }
    for (size_t i = 0; i < set->count; i++) {
        spill->order[at[partition_of(spill, set->list_of[i])]++] = (uint32_t)i;
    }
    for (size_t i = 0; i < set->second_count; i++) {
        spill->second_order[second_at[partition_of(spill, set->seconds[i].list)]++] = (uint32_t)i;
    }
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

static enum vs_status fill_block(void *ctx, size_t partition, struct vs_error *err)
{
    (void)err;
    const struct write_task *task = ctx;
    const struct vs_build_spill *spill = task->spill;
    const struct vs_build_set *set = task->set;
    struct block *block = &task->blocks[partition];
    const uint32_t *order = spill->order + task->first[partition],
                   *seconds = spill->second_order + task->second_first[partition];
    uint8_t *start = spill->buffer + (block->offset - task->start), *at = start;
    size_t code_bytes = spill->code_bytes;
    for (uint32_t i = 0; i < block->count; i++) {
        at = put(at, &set->list_of[order[i]], sizeof(uint32_t));
    }
    for (uint32_t i = 0; i < block->count; i++) {
        at = put(at, &set->facts[order[i]], sizeof *set->facts);
    }
    for (uint32_t i = 0; i < block->count; i++) {
        at = put(at, set->codes + order[i] * code_bytes, code_bytes);
    }
    for (uint32_t i = 0; i < block->count; i++) {
        at = put(at, set->values + order[i] * spill->stride, spill->stride);
    }
    for (uint32_t i = 0; i < block->second_count; i++) {
        at = put(at, &set->seconds[seconds[i]], sizeof *set->seconds);
    }
    for (uint32_t i = 0; i < block->second_count; i++) {
        at = put(at, set->second_codes + seconds[i] * code_bytes, code_bytes);
    }
    block->crc = vs_crc32c(0, start, (size_t)(at - start));
    return VS_OK;
}

static enum vs_status room_for_blocks(struct vs_build_spill *spill, struct vs_error *err)
{
    if (spill->block_count + spill->partition_count <= spill->block_room) {
        return VS_OK;
    }
    size_t room = 2 * spill->block_room + spill->partition_count + 64;
    struct block *blocks = vs_realloc(spill->env, spill->blocks, room * sizeof *blocks);
    if (blocks == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the directory of a spill file");
    }
    spill->blocks = blocks;
    spill->block_room = room;
    return VS_OK;
}

enum vs_status vs_build_spill_write(struct vs_build *build,
                                    struct vs_build_column *column,
                                    struct vs_error *err)
{
    struct vs_build_spill *spill = column->spill;
    struct write_task task = {.spill = spill, .set = &column->set, .start = spill->end};
    VS_TRY(room_for_blocks(spill, err));
    sort_by_partition(&task);
    task.blocks = spill->blocks + spill->block_count;
    uint64_t end = spill->end;
    for (uint32_t p = 0; p < spill->partition_count; p++) {
        struct block *block = &task.blocks[p];
        *block = (struct block){.offset = end,
                                .partition = p,
                                .count = task.first[p + 1] - task.first[p],
                                .second_count = task.second_first[p + 1] - task.second_first[p]};
        end += block_bytes(spill, block->count, block->second_count);
    }
    VS_TRY(vs_pool_run(build->env, build->thread_count, spill->partition_count, fill_block, &task,
                       err));
    VS_TRY(write_all(spill, spill->buffer, (size_t)(end - spill->end), spill->end, err));
    spill->block_count += spill->partition_count;
    spill->end = end;
    return VS_OK;
}

// ---- loading ----

// Lists from `first` to the end of its partition, or as many of them as fit.
static uint32_t range_end(const struct vs_build_column *column, uint32_t first)
{
    const struct vs_build_spill *spill = column->spill;
    uint32_t partition = partition_of(spill, first), l = first;
    uint64_t row = range_row_bytes(column), bytes = 0;
    while (l < spill->list_count && partition_of(spill, l) == partition) {
        uint32_t slots = column->records[l].slot_count, seconds = column->second_counts[l];
        bytes += row * (slots > seconds ? slots : seconds);
        if (l > first && bytes > spill->range_bytes) {
            break;
        }
        l++;
    }
    return l;
}

struct load {
    const struct vs_build_spill *spill;
    struct vs_build_set *set;
    uint32_t first, end;
};

static void take_block(const struct load *load, const struct block *block, const uint8_t *bytes)
{
    const struct vs_build_spill *spill = load->spill;
    struct vs_build_set *set = load->set;
    size_t code_bytes = spill->code_bytes, n = block->count;
    const uint8_t *facts = bytes + n * sizeof(uint32_t);
    const uint8_t *codes = facts + n * sizeof *set->facts, *values = codes + n * code_bytes;
    const uint8_t *seconds = values + n * spill->stride;
    const uint8_t *second_codes = seconds + block->second_count * sizeof *set->seconds;
    for (size_t i = 0; i < n; i++) {
        uint32_t list;
        memcpy(&list, bytes + i * sizeof list, sizeof list);
        if (list >= load->first && list < load->end) {
            set->list_of[set->count] = list;
            memcpy(&set->facts[set->count], facts + i * sizeof *set->facts, sizeof *set->facts);
            memcpy(set->codes + set->count * code_bytes, codes + i * code_bytes, code_bytes);
            memcpy(set->values + set->count++ * spill->stride, values + i * spill->stride,
                   spill->stride);
        }
    }
    for (size_t i = 0; i < block->second_count; i++) {
        struct vs_build_second second;
        memcpy(&second, seconds + i * sizeof second, sizeof second);
        if (second.list >= load->first && second.list < load->end) {
            set->seconds[set->second_count] = second;
            memcpy(set->second_codes + set->second_count++ * code_bytes,
                   second_codes + i * code_bytes, code_bytes);
        }
    }
}

static enum vs_status load_blocks(struct vs_build *build,
                                  struct vs_build_spill *spill,
                                  const struct load *load,
                                  struct vs_error *err)
{
    uint32_t partition = partition_of(spill, load->first);
    for (size_t b = partition; b < spill->block_count; b += spill->partition_count) {
        const struct block *block = &spill->blocks[b];
        size_t bytes = block_bytes(spill, block->count, block->second_count);
        VS_TRY(vs_op_check(build->env, build->params->op, err));
        VS_TRY(read_all(spill, spill->buffer, bytes, block->offset, err));
        if (vs_crc32c(0, spill->buffer, bytes) != block->crc) {
            return vs_fail(err, VS_CORRUPT,
                           "spill file %s does not hold what was written to it; the disk may be "
                           "failing: use another directory (--spill or TMPDIR)",
                           spill->path);
        }
        take_block(load, block, spill->buffer);
    }
    return VS_OK;
}

enum vs_status vs_build_spill_load(struct vs_build *build,
                                   struct vs_build_column *column,
                                   uint32_t first,
                                   uint32_t *end_out,
                                   struct vs_build_set *set,
                                   struct vs_error *err)
{
    uint32_t end = range_end(column, first);
    size_t slots = 0, seconds = 0;
    for (uint32_t l = first; l < end; l++) {
        slots += column->records[l].slot_count;
        seconds += column->second_counts[l];
    }
    VS_TRY(vs_build_set_make(build->env, column, slots, seconds, set, err));
    struct load load = {column->spill, set, first, end};
    VS_TRY(load_blocks(build, column->spill, &load, err));
    *end_out = end;
    return VS_OK;
}

// ---- sections ----

enum vs_status vs_build_spill_sections(struct vs_build_spill *spill,
                                       const uint8_t *bytes,
                                       size_t n,
                                       struct vs_error *err)
{
    if (spill->sections_length == 0) {
        spill->sections_at = (spill->end + SECTIONS_ALIGN - 1) / SECTIONS_ALIGN * SECTIONS_ALIGN;
    }
    VS_TRY(write_all(spill, bytes, n, spill->sections_at + spill->sections_length, err));
    spill->sections_length += n;
    return VS_OK;
}

enum vs_status vs_build_spill_map(struct vs_build_spill *spill,
                                  uint64_t length,
                                  const uint8_t **sections_out,
                                  struct vs_error *err)
{
    if (length != spill->sections_length) {
        return vs_fail(err, VS_INTERNAL, "spilled lists have %" PRIu64 " bytes, not %" PRIu64,
                       spill->sections_length, length);
    }
    void *map =
        mmap(NULL, (size_t)length, PROT_READ, MAP_SHARED, spill->fd, (off_t)spill->sections_at);
    if (map == MAP_FAILED) {
        return io_failed(spill, "map", err);
    }
    spill->map = map;
    spill->map_length = (size_t)length;
    *sections_out = map;
    return VS_OK;
}
