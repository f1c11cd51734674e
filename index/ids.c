// SPDX-License-Identifier: Apache-2.0
// Sorted ids with their rows: docs/format/index-v1-blobs.md section 4.
#include "index/attrs.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <stdlib.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#    error "row numbers are used as they lie in the file: little-endian hosts only"
#endif

#define HEADER_LEN 64
#define MAGIC "VSID"

struct layout {
    uint64_t rows_at, ids_at, data_at, total_len;
};

static uint64_t round_up_8(uint64_t n)
{
    return (n + 7) & ~(uint64_t)7;
}

// Counts are below 2^32: nothing overflows.
static struct layout place(bool is_text, uint64_t count, uint64_t data_len)
{
    struct layout at = {.rows_at = HEADER_LEN};
    at.ids_at = at.rows_at + round_up_8(4 * count);
    at.data_at = at.ids_at + (is_text ? round_up_8(4 * (count + 1)) : 8 * count);
    at.total_len = at.data_at + data_len;
    return at;
}

// ---- writing ----

struct sort_key {   // of one row
    uint64_t order; // long: biased to unsigned; string: its first 8 bytes, big-endian
    struct vs_str text;
    uint32_t row;
};

static int compare_keys(const void *left, const void *right)
{
    const struct sort_key *a = left, *b = right;
    if (a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    int text = a->text.ptr != NULL ? vs_str_compare(a->text, b->text) : 0;
    return text != 0 ? text : (a->row < b->row ? -1 : a->row > b->row);
}

static uint64_t text_order(struct vs_str text)
{
    uint64_t order = 0;
    for (size_t i = 0; i < 8; i++) {
        order = order << 8 | (i < text.len ? (uint8_t)text.ptr[i] : 0);
    }
    return order;
}

// Keys of the rows that have an id; returns their number.
static size_t make_keys(const struct vs_column *ids, struct sort_key *keys, uint64_t *data_len_out)
{
    size_t count = 0;
    uint64_t data_len = 0;
    for (size_t row = 0; row < ids->row_count; row++) {
        if (vs_column_is_null(ids, row)) {
            continue;
        }
        struct sort_key *key = &keys[count++];
        *key = (struct sort_key){.row = (uint32_t)row};
        if (ids->kind == VS_KIND_STRING) {
            key->text = vs_column_get_bytes(ids, row);
            key->order = text_order(key->text);
            data_len += key->text.len;
        } else {
            key->order = vs_load_u64le(ids->values.data + 8 * row) ^ (uint64_t)1 << 63;
        }
    }
    *data_len_out = data_len;
    return count;
}

static void store_body(const struct sort_key *keys,
                       size_t count,
                       bool is_text,
                       const struct layout *at,
                       uint8_t *bytes)
{
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        vs_store_u32le(bytes + at->rows_at + 4 * i, keys[i].row);
        if (!is_text) {
            vs_store_u64le(bytes + at->ids_at + 8 * i, keys[i].order ^ (uint64_t)1 << 63);
            continue;
        }
        if (keys[i].text.len > 0) {
            memcpy(bytes + at->data_at + end, keys[i].text.ptr, keys[i].text.len);
        }
        end += (uint32_t)keys[i].text.len;
        vs_store_u32le(bytes + at->ids_at + 4 * (i + 1), end);
    }
}

static enum vs_status write_blob(const struct vs_column *ids,
                                 const struct sort_key *keys,
                                 size_t count,
                                 uint64_t data_len,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    bool is_text = ids->kind == VS_KIND_STRING;
    struct layout at = place(is_text, count, data_len);
    size_t start = out->len;
    VS_TRY(vs_buf_append_zeros(out, (size_t)at.total_len, err));
    uint8_t *bytes = out->data + start;
    store_body(keys, count, is_text, &at, bytes);
    memcpy(bytes, MAGIC, 4);
    vs_store_u16le(bytes + 4, 1);
    vs_store_u16le(bytes + 6, HEADER_LEN);
    vs_store_u32le(bytes + 8, (uint32_t)ids->kind);
    vs_store_u64le(bytes + 16, ids->row_count);
    vs_store_u64le(bytes + 24, count);
    vs_store_u64le(bytes + 32, data_len);
    vs_store_u64le(bytes + 40, at.total_len);
    vs_store_u32le(bytes + 48, vs_crc32c(0, bytes + HEADER_LEN, (size_t)at.total_len - HEADER_LEN));
    vs_store_u32le(bytes + 60, vs_crc32c(0, bytes, 60));
    return VS_OK;
}

enum vs_status vs_ids_encode(const struct vs_column *ids, struct vs_buf *out, struct vs_error *err)
{
    if (ids->kind != VS_KIND_LONG && ids->kind != VS_KIND_STRING) {
        return vs_fail(err, VS_UNSUPPORTED, "ids must be long or string, not %s",
                       vs_kind_name(ids->kind));
    }
    if (ids->row_count > UINT32_MAX) {
        return vs_fail(err, VS_LIMIT, "a segment holds at most 4294967295 rows");
    }
    struct sort_key *keys = vs_alloc_zeroed(out->env, ids->row_count, sizeof *keys);
    if (keys == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for sorting %zu ids", ids->row_count);
    }
    uint64_t data_len = 0;
    size_t count = make_keys(ids, keys, &data_len);
    enum vs_status status;
    if (data_len > UINT32_MAX) {
        status = vs_fail(err, VS_LIMIT, "the ids of a segment take more than 4 GiB");
    } else {
        qsort(keys, count, sizeof *keys, compare_keys);
        status = write_blob(ids, keys, count, data_len, out, err);
    }
    vs_free(out->env, keys);
    return status;
}

// ---- reading ----

struct vs_ids {
    const struct vs_env *env;
    enum vs_kind kind;
    size_t count;
    const uint32_t *rows; // in the caller's bytes, or copied when those are not aligned
    uint32_t *copied_rows;
    const uint8_t *ids;  // long: values; string: offsets
    const uint8_t *data; // string
};

static struct vs_str text_at(const struct vs_ids *ids, size_t i)
{
    uint32_t first = vs_load_u32le(ids->ids + 4 * i), end = vs_load_u32le(ids->ids + 4 * (i + 1));
    return (struct vs_str){(const char *)ids->data + first, end - first};
}

// Compares entry i with an id of the same kind.
static int compare_at(const struct vs_ids *ids, size_t i, const struct vs_value *id)
{
    if (ids->kind == VS_KIND_STRING) {
        return vs_str_compare(text_at(ids, i), id->as.text);
    }
    int64_t value = (int64_t)vs_load_u64le(ids->ids + 8 * i);
    return value < id->as.integer ? -1 : value > id->as.integer;
}

static int compare_neighbours(const struct vs_ids *ids, size_t i)
{
    struct vs_value next = {.kind = ids->kind};
    if (ids->kind == VS_KIND_STRING) {
        next.as.text = text_at(ids, i + 1);
    } else {
        next.as.integer = (int64_t)vs_load_u64le(ids->ids + 8 * (i + 1));
    }
    return compare_at(ids, i, &next);
}

static enum vs_status check_text_offsets(const struct vs_ids *ids,
                                         uint64_t data_len,
                                         const char *what,
                                         struct vs_error *err)
{
    uint32_t before = 0;
    for (size_t i = 0; i <= ids->count; i++) {
        uint32_t offset = vs_load_u32le(ids->ids + 4 * i);
        if (offset < before || (i == 0 && offset != 0)) {
            return vs_fail(err, VS_CORRUPT, "%s: the offset of id %zu descends", what, i);
        }
        before = offset;
    }
    if (before != data_len) {
        return vs_fail(err, VS_CORRUPT, "%s: the ids do not end with the data", what);
    }
    return VS_OK;
}

// Ascending ids, equal ones by row; every row below row_count and at most once.
static enum vs_status check_order(const struct vs_ids *ids,
                                  size_t row_count,
                                  const char *what,
                                  struct vs_error *err)
{
    uint8_t *seen = vs_alloc_zeroed(ids->env, row_count / 8 + 1, 1);
    if (seen == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", what);
    }
    enum vs_status status = VS_OK;
    for (size_t i = 0; i < ids->count && status == VS_OK; i++) {
        uint32_t row = ids->rows[i];
        if (row >= row_count || (seen[row / 8] >> (row % 8) & 1) != 0) {
            status =
                vs_fail(err, VS_CORRUPT, "%s: row %u does not exist or has two ids", what, row);
            break;
        }
        seen[row / 8] |= (uint8_t)(1u << (row % 8));
        int order = i + 1 < ids->count ? compare_neighbours(ids, i) : -1;
        if (order > 0 || (order == 0 && ids->rows[i + 1] <= row)) {
            status = vs_fail(err, VS_CORRUPT, "%s: ids are not sorted at entry %zu", what, i);
        }
    }
    vs_free(ids->env, seen);
    return status;
}

// Row numbers are handed out as an array: bytes that are not aligned for that are copied.
static enum vs_status borrow_rows(struct vs_ids *ids, const uint8_t *rows, struct vs_error *err)
{
    if ((uintptr_t)rows % sizeof(uint32_t) == 0) {
        ids->rows = (const uint32_t *)(const void *)rows;
        return VS_OK;
    }
    ids->copied_rows = vs_alloc(ids->env, ids->count * sizeof(uint32_t));
    if (ids->copied_rows == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu row numbers", ids->count);
    }
    memcpy(ids->copied_rows, rows, ids->count * sizeof(uint32_t));
    ids->rows = ids->copied_rows;
    return VS_OK;
}

static enum vs_status check_header(struct vs_str bytes, const char *what, struct vs_error *err)
{
    const uint8_t *h = (const uint8_t *)bytes.ptr;
    if (bytes.len < HEADER_LEN || memcmp(h, MAGIC, 4) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: not an id table (%zu bytes)", what, bytes.len);
    }
    if (vs_load_u32le(h + 60) != vs_crc32c(0, h, 60)) {
        return vs_fail(err, VS_CORRUPT, "%s: the header's checksum is wrong", what);
    }
    if (vs_load_u16le(h + 4) != 1 || vs_load_u16le(h + 6) != HEADER_LEN) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: version %u is not known; 1 is", what,
                       vs_load_u16le(h + 4));
    }
    if (vs_load_u32le(h + 12) != 0 || vs_load_u64le(h + 52) != 0) {
        return vs_fail(err, VS_CORRUPT, "%s: a reserved field is not zero", what);
    }
    return VS_OK;
}

static enum vs_status open_body(struct vs_ids *ids,
                                struct vs_str bytes,
                                const char *what,
                                size_t row_count,
                                struct vs_error *err)
{
    const uint8_t *h = (const uint8_t *)bytes.ptr;
    bool is_text = ids->kind == VS_KIND_STRING;
    uint64_t count = vs_load_u64le(h + 24), data_len = vs_load_u64le(h + 32);
    if (vs_load_u32le(h + 8) != (uint32_t)ids->kind || vs_load_u64le(h + 16) != row_count ||
        row_count > UINT32_MAX || count > row_count || data_len > (is_text ? UINT32_MAX : 0)) {
        return vs_fail(err, VS_CORRUPT, "%s: kind or counts differ from the segment's", what);
    }
    struct layout at = place(is_text, count, data_len);
    if (vs_load_u64le(h + 40) != bytes.len || at.total_len != bytes.len) {
        return vs_fail(err, VS_CORRUPT, "%s: has %zu bytes, its counts need %llu", what, bytes.len,
                       (unsigned long long)at.total_len);
    }
    if (vs_load_u32le(h + 48) != vs_crc32c(0, h + HEADER_LEN, bytes.len - HEADER_LEN)) {
        return vs_fail(err, VS_CORRUPT, "%s: the checksum is wrong", what);
    }
    ids->count = (size_t)count;
    ids->ids = h + at.ids_at;
    ids->data = h + at.data_at;
    VS_TRY(borrow_rows(ids, h + at.rows_at, err));
    if (is_text) {
        VS_TRY(check_text_offsets(ids, data_len, what, err));
    }
    return check_order(ids, row_count, what, err);
}

enum vs_status vs_ids_open(const struct vs_env *env,
                           struct vs_str bytes,
                           const char *what,
                           enum vs_kind kind,
                           size_t row_count,
                           struct vs_ids **ids_out,
                           struct vs_error *err)
{
    VS_TRY(check_header(bytes, what, err));
    if (kind != VS_KIND_LONG && kind != VS_KIND_STRING) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: ids must be long or string, not %s", what,
                       vs_kind_name(kind));
    }
    struct vs_ids *ids = vs_alloc_zeroed(env, 1, sizeof *ids);
    if (ids == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", what);
    }
    ids->env = env;
    ids->kind = kind;
    enum vs_status status = open_body(ids, bytes, what, row_count, err);
    if (status == VS_OK) {
        *ids_out = ids;
    } else {
        vs_ids_close(ids);
    }
    return status;
}

void vs_ids_close(struct vs_ids *ids)
{
    if (ids != NULL) {
        vs_free(ids->env, ids->copied_rows);
        vs_free(ids->env, ids);
    }
}

void vs_ids_find(const struct vs_ids *ids,
                 const struct vs_value *id,
                 const uint32_t **first_out,
                 size_t *count_out)
{
    *first_out = ids->rows;
    *count_out = 0;
    if (id->is_null || id->kind != ids->kind) {
        return;
    }
    size_t low = 0, high = ids->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_at(ids, middle, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *first_out = ids->rows + low;
    while (low + *count_out < ids->count && compare_at(ids, low + *count_out, id) == 0) {
        ++*count_out;
    }
}
