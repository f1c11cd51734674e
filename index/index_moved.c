// SPDX-License-Identifier: Apache-2.0
#include "index/index_moved.h"

#include "index/index_format.h"
#include "vecstore/base/bytes.h"

#include <inttypes.h>
#include <stdlib.h>

#define MIN_RUN_BYTES 3

struct claim { // rows of a segment, by one run
    uint32_t segment, first_row, count;
};

static enum vs_status no_memory(const char *what, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: out of memory for its moved files", what);
}

// ---- the list of files ----

static enum vs_status decode_file(const struct vs_json *item,
                                  const char *what,
                                  struct vs_arena *arena,
                                  struct vs_index_moved_file *file,
                                  struct vs_error *err)
{
    struct vs_str path;
    int64_t rows = 0, runs = 0;
    VS_TRY(vs_json_need_str(item, "path", what, &path, err));
    VS_TRY(vs_json_need_i64(item, "rows", what, &rows, err));
    VS_TRY(vs_json_need_i64(item, "runs", what, &runs, err));
    VS_TRY(vs_json_need_i64(item, "sequence-number", what, &file->sequence_number, err));
    if (rows < 1 || rows > VS_INDEX_MAX_ROWS || runs < 1 || runs > rows) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: moved file '%.*s' has %" PRId64 " rows in %" PRId64 " runs", what,
                       VS_STR_ARG(path), rows, runs);
    }
    file->path = vs_arena_copy_str(arena, path);
    file->row_count = (uint64_t)rows;
    file->run_count = (size_t)runs;
    return file->path.ptr != NULL ? VS_OK : no_memory(what, err);
}

static int compare_paths(const void *a, const void *b)
{
    const struct vs_index_moved_file *const *x = a, *const *y = b;
    return vs_str_compare((*x)->path, (*y)->path);
}

static enum vs_status check_paths(const struct vs_index_moved_file *files,
                                  size_t count,
                                  const char *what,
                                  struct vs_arena *arena,
                                  struct vs_error *err)
{
    const struct vs_index_moved_file **sorted = vs_arena_alloc_array(arena, count, sizeof *sorted);
    if (sorted == NULL) {
        return no_memory(what, err);
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &files[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_paths);
    for (size_t i = 1; i < count; i++) {
        if (vs_str_equal(sorted[i - 1]->path, sorted[i]->path)) {
            return vs_fail(err, VS_CORRUPT, "%s: moved file '%.*s' stands twice", what,
                           VS_STR_ARG(sorted[i]->path));
        }
    }
    return VS_OK;
}

enum vs_status vs_moved_files_decode(const struct vs_json *root,
                                     const char *what,
                                     struct vs_arena *arena,
                                     struct vs_index_info *info,
                                     struct vs_error *err)
{
    const struct vs_json *array = NULL, *item = NULL;
    VS_TRY(vs_json_need(root, "moved", VS_JSON_ARRAY, what, &array, err));
    size_t count = vs_json_count(array);
    if (count == 0 || count > VS_INDEX_MAX_FILES) {
        return vs_fail(err, VS_CORRUPT, "%s: 'moved' has %zu elements, allowed are 1 to %u", what,
                       count, VS_INDEX_MAX_FILES);
    }
    struct vs_index_moved_file *files = vs_arena_alloc_array(arena, count, sizeof *files);
    if (files == NULL) {
        return no_memory(what, err);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; i < count && vs_json_iter_next(&iter, NULL, &item); i++) {
        VS_TRY(decode_file(item, what, arena, &files[i], err));
    }
    VS_TRY(check_paths(files, count, what, arena, err));
    info->moved = files;
    info->moved_count = count;
    return VS_OK;
}

// ---- runs ----

static void put_varint(struct vs_buf *out, uint64_t value, struct vs_error *err, bool *ok)
{
    while (*ok && value >= 0x80) {
        *ok = vs_buf_append_byte(out, (uint8_t)(value | 0x80), err) == VS_OK;
        value >>= 7;
    }
    *ok = *ok && vs_buf_append_byte(out, (uint8_t)value, err) == VS_OK;
}

static bool get_varint(struct vs_str *rest, uint64_t *value_out)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 5 && i < rest->len; i++) {
        uint8_t byte = (uint8_t)rest->ptr[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *rest = (struct vs_str){rest->ptr + i + 1, rest->len - i - 1};
            *value_out = value;
            return true;
        }
    }
    return false;
}

static uint64_t zigzag(int64_t d)
{
    return d >= 0 ? (uint64_t)d * 2 : (uint64_t)(-(d + 1)) * 2 + 1;
}

static int64_t unzigzag(uint64_t z)
{
    return z % 2 == 0 ? (int64_t)(z / 2) : -(int64_t)(z / 2) - 1;
}

enum vs_status vs_moved_runs_encode(const struct vs_index_moved_file *moved,
                                    size_t count,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    uint8_t header[VS_SECTION_HEADER_SIZE] = {0};
    size_t start = out->len;
    uint64_t runs = 0;
    bool ok = vs_buf_append(out, header, sizeof header, err) == VS_OK;
    for (size_t i = 0; ok && i < count; i++) {
        int64_t end = 0;
        runs += moved[i].run_count;
        for (size_t r = 0; ok && r < moved[i].run_count; r++) {
            const struct vs_index_run *run = &moved[i].runs[r];
            put_varint(out, run->segment, err, &ok);
            put_varint(out, zigzag((int64_t)run->first_row - end), err, &ok);
            put_varint(out, run->count, err, &ok);
            end = (int64_t)run->first_row + run->count;
        }
    }
    if (!ok) {
        return err != NULL && err->code != VS_OK ? err->code : VS_NO_MEMORY;
    }
    if (runs > VS_INDEX_MAX_RUNS || count > VS_INDEX_MAX_FILES) {
        return vs_fail(err, VS_LIMIT,
                       "%" PRIu64
                       " runs of rows in %zu moved files, an index holds %u in %u; build "
                       "the index anew",
                       runs, count, VS_INDEX_MAX_RUNS, VS_INDEX_MAX_FILES);
    }
    struct vs_section_header facts = {.length = out->len - start,
                                      .values = {(uint32_t)count, (uint32_t)runs}};
    vs_section_header_encode(VS_SECTION_MOVED, &facts, out->data + start);
    return VS_OK;
}

static enum vs_status bad_runs(const struct vs_index_moved_file *file,
                               const char *what,
                               const char *problem,
                               struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: runs of moved file '%.*s' %s", what,
                   VS_STR_ARG(file->path), problem);
}

static enum vs_status decode_runs(const struct vs_index_moved_file *file,
                                  struct vs_str *rest,
                                  struct vs_index_run *runs,
                                  const char *what,
                                  struct vs_error *err)
{
    int64_t end = 0;
    uint64_t position = 0;
    for (size_t r = 0; r < file->run_count; r++) {
        uint64_t segment = 0, delta = 0, count = 0;
        if (!get_varint(rest, &segment) || !get_varint(rest, &delta) || !get_varint(rest, &count)) {
            return bad_runs(file, what, "end early or hold a number that is too long", err);
        }
        int64_t first = end + unzigzag(delta);
        if (segment > UINT32_MAX || first < 0 || first > VS_INDEX_MAX_ROWS || count == 0 ||
            count > VS_INDEX_MAX_ROWS || position + count > file->row_count) {
            return bad_runs(file, what, "hold a number that is out of range", err);
        }
        runs[r] = (struct vs_index_run){(uint32_t)segment, (uint32_t)first, (uint32_t)position,
                                        (uint32_t)count};
        end = first + (int64_t)count;
        position += count;
    }
    return VS_OK;
}

// True when the descriptor's run counts are those of the blob, so that the runs take no more room
// than their bytes justify.
static bool counts_agree(const struct vs_index_info *info,
                         const struct vs_section_header *header,
                         size_t body_bytes)
{
    uint64_t runs = 0;
    for (size_t i = 0; i < info->moved_count; i++) {
        runs += info->moved[i].run_count;
    }
    return header->values[0] == info->moved_count && header->values[1] == runs &&
           runs <= VS_INDEX_MAX_RUNS && runs <= body_bytes / MIN_RUN_BYTES;
}

enum vs_status vs_moved_runs_decode(const struct vs_env *env,
                                    struct vs_str bytes,
                                    const char *what,
                                    struct vs_arena *arena,
                                    struct vs_index_info *info,
                                    struct vs_error *err)
{
    struct vs_section_header header;
    if (bytes.len < VS_SECTION_HEADER_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s: the blob of moved rows has only %zu bytes", what,
                       bytes.len);
    }
    VS_TRY(vs_section_header_decode(VS_SECTION_MOVED, (const uint8_t *)bytes.ptr, bytes.len, what,
                                    &header, err));
    struct vs_str rest = {bytes.ptr + VS_SECTION_HEADER_SIZE, bytes.len - VS_SECTION_HEADER_SIZE};
    if (!counts_agree(info, &header, rest.len)) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: the blob of moved rows has not the files and runs of the descriptor",
                       what);
    }
    struct vs_index_run *runs = vs_arena_alloc_array(arena, header.values[1], sizeof *runs);
    struct vs_index_moved_file *files =
        vs_arena_alloc_array(arena, info->moved_count, sizeof *files);
    if (runs == NULL || files == NULL) {
        return no_memory(what, err);
    }
    for (size_t i = 0; i < info->moved_count; i++) {
        files[i] = info->moved[i];
        files[i].runs = runs;
        VS_TRY(decode_runs(&files[i], &rest, runs, what, err));
        runs += files[i].run_count;
    }
    if (rest.len != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: %zu bytes are left over after the moved rows", what,
                       rest.len);
    }
    info->moved = files;
    return vs_moved_check(env, info, what, err);
}

// ---- claims ----

static int compare_claims(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    if (x->segment != y->segment) {
        return x->segment < y->segment ? -1 : 1;
    }
    return (x->first_row > y->first_row) - (x->first_row < y->first_row);
}

static enum vs_status gather_claims(const struct vs_index_info *info,
                                    const char *what,
                                    struct claim *claims,
                                    struct vs_error *err)
{
    for (size_t i = 0; i < info->moved_count; i++) {
        const struct vs_index_moved_file *file = &info->moved[i];
        uint64_t position = 0;
        for (size_t r = 0; r < file->run_count; r++) {
            const struct vs_index_run *run = &file->runs[r];
            if (run->segment >= info->segment_count || run->count == 0 ||
                run->position != position ||
                (uint64_t)run->first_row + run->count > info->segments[run->segment].row_count) {
                return bad_runs(file, what, "lie outside of their segment", err);
            }
            *claims++ = (struct claim){run->segment, run->first_row, run->count};
            position += run->count;
        }
        if (position != file->row_count) {
            return bad_runs(file, what, "do not add up to its rows", err);
        }
    }
    return VS_OK;
}

enum vs_status vs_moved_check(const struct vs_env *env,
                              const struct vs_index_info *info,
                              const char *what,
                              struct vs_error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < info->moved_count; i++) {
        count += info->moved[i].run_count;
    }
    struct claim *claims = vs_alloc_zeroed(env, count + 1, sizeof *claims);
    if (claims == NULL) {
        return no_memory(what, err);
    }
    enum vs_status status = gather_claims(info, what, claims, err);
    if (status == VS_OK) {
        qsort(claims, count, sizeof *claims, compare_claims);
    }
    for (size_t i = 1; i < count && status == VS_OK; i++) {
        if (claims[i].segment == claims[i - 1].segment &&
            claims[i].first_row - claims[i - 1].first_row < claims[i - 1].count) {
            status = vs_fail(err, VS_CORRUPT,
                             "%s: row %" PRIu32 " of segment %" PRIu32
                             " belongs to two runs of moved files",
                             what, claims[i].first_row, claims[i].segment);
        }
    }
    vs_free(env, claims);
    return status;
}
