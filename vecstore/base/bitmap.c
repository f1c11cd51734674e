// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/bitmap.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"

#include <roaring/roaring.h>

#define COOKIE_WITH_RUNS 12347u
#define COOKIE_WITHOUT_RUNS 12346u
#define CONTAINERS_MAX 65536u
#define OFFSETS_FROM 4 // containers; below that, bitmaps with runs have no offsets
#define ARRAY_MAX 4096u
#define BITSET_BYTES 8192u
#define CONTAINER_VALUES 65536u
#define SMALLEST_PART 12 // key, cookie, number of containers
#define ADD_CHUNK 1024

struct vs_bitmap_part {
    uint32_t key;
    roaring_bitmap_t *roaring;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for a set of row positions");
}

void vs_bitmap_init(struct vs_bitmap *bitmap, const struct vs_env *env)
{
    *bitmap = (struct vs_bitmap){.env = env};
}

void vs_bitmap_clear(struct vs_bitmap *bitmap)
{
    for (size_t i = 0; i < bitmap->part_count; i++) {
        roaring_bitmap_free(bitmap->parts[i].roaring);
    }
    if (bitmap->env != NULL) {
        vs_free(bitmap->env, bitmap->parts);
    }
    *bitmap = (struct vs_bitmap){.env = bitmap->env};
}

// Index of the first part whose key is not below `key`.
static size_t lower_bound(const struct vs_bitmap *bitmap, uint32_t key)
{
    size_t low = 0, high = bitmap->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bitmap->parts[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum vs_status reserve_part(struct vs_bitmap *bitmap, struct vs_error *err)
{
    if (bitmap->part_count < bitmap->capacity) {
        return VS_OK;
    }
    size_t capacity = bitmap->capacity == 0 ? 4 : bitmap->capacity * 2, size;
    struct vs_bitmap_part *parts = vs_mul_size(capacity, sizeof *parts, &size)
                                       ? vs_realloc(bitmap->env, bitmap->parts, size)
                                       : NULL;
    if (parts == NULL) {
        return no_memory(err);
    }
    bitmap->parts = parts;
    bitmap->capacity = capacity;
    return VS_OK;
}

// Puts a bitmap, which is then owned, at its place; there is none of this key yet.
static enum vs_status insert_part(struct vs_bitmap *bitmap,
                                  uint32_t key,
                                  roaring_bitmap_t *roaring,
                                  struct vs_error *err)
{
    enum vs_status status = roaring != NULL ? reserve_part(bitmap, err) : no_memory(err);
    if (status != VS_OK) {
        if (roaring != NULL) {
            roaring_bitmap_free(roaring);
        }
        return status;
    }
    size_t at = lower_bound(bitmap, key);
    memmove(&bitmap->parts[at + 1], &bitmap->parts[at],
            (bitmap->part_count - at) * sizeof *bitmap->parts);
    bitmap->parts[at] = (struct vs_bitmap_part){key, roaring};
    bitmap->part_count++;
    return VS_OK;
}

static roaring_bitmap_t *find_part(const struct vs_bitmap *bitmap, uint32_t key)
{
    size_t at = lower_bound(bitmap, key);
    return at < bitmap->part_count && bitmap->parts[at].key == key ? bitmap->parts[at].roaring
                                                                   : NULL;
}

static enum vs_status get_part(struct vs_bitmap *bitmap,
                               uint32_t key,
                               roaring_bitmap_t **roaring_out,
                               struct vs_error *err)
{
    roaring_bitmap_t *roaring = find_part(bitmap, key);
    if (roaring == NULL) {
        if (key > VS_BITMAP_MAX_KEY) {
            return vs_fail(err, VS_INVALID, "a row position above %llu cannot be stored",
                           (unsigned long long)VS_BITMAP_MAX_VALUE);
        }
        roaring = roaring_bitmap_create();
        VS_TRY(insert_part(bitmap, key, roaring, err));
    }
    *roaring_out = roaring;
    return VS_OK;
}

enum vs_status vs_bitmap_add(struct vs_bitmap *bitmap, uint64_t value, struct vs_error *err)
{
    return vs_bitmap_add_many(bitmap, &value, 1, err);
}

enum vs_status vs_bitmap_add_many(struct vs_bitmap *bitmap,
                                  const uint64_t *values,
                                  size_t count,
                                  struct vs_error *err)
{
    uint32_t low[ADD_CHUNK];
    for (size_t i = 0; i < count;) {
        uint32_t key = (uint32_t)(values[i] >> 32);
        roaring_bitmap_t *roaring = NULL;
        size_t n = 0;
        VS_TRY(get_part(bitmap, key, &roaring, err));
        while (i < count && n < ADD_CHUNK && (uint32_t)(values[i] >> 32) == key) {
            low[n++] = (uint32_t)values[i++];
        }
        roaring_bitmap_add_many(roaring, n, low);
    }
    return VS_OK;
}

enum vs_status vs_bitmap_or(struct vs_bitmap *bitmap,
                            const struct vs_bitmap *other,
                            struct vs_error *err)
{
    for (size_t i = 0; i < other->part_count; i++) {
        roaring_bitmap_t *roaring = NULL;
        VS_TRY(get_part(bitmap, other->parts[i].key, &roaring, err));
        roaring_bitmap_or_inplace(roaring, other->parts[i].roaring);
    }
    return VS_OK;
}

bool vs_bitmap_contains(const struct vs_bitmap *bitmap, uint64_t value)
{
    const roaring_bitmap_t *roaring = find_part(bitmap, (uint32_t)(value >> 32));
    return roaring != NULL && roaring_bitmap_contains(roaring, (uint32_t)value);
}

uint64_t vs_bitmap_cardinality(const struct vs_bitmap *bitmap)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < bitmap->part_count; i++) {
        sum += roaring_bitmap_get_cardinality(bitmap->parts[i].roaring);
    }
    return sum;
}

bool vs_bitmap_min(const struct vs_bitmap *bitmap, uint64_t *value_out)
{
    for (size_t i = 0; i < bitmap->part_count; i++) {
        const struct vs_bitmap_part *part = &bitmap->parts[i];
        if (!roaring_bitmap_is_empty(part->roaring)) {
            *value_out = ((uint64_t)part->key << 32) | roaring_bitmap_minimum(part->roaring);
            return true;
        }
    }
    return false;
}

bool vs_bitmap_max(const struct vs_bitmap *bitmap, uint64_t *value_out)
{
    for (size_t i = bitmap->part_count; i > 0; i--) {
        const struct vs_bitmap_part *part = &bitmap->parts[i - 1];
        if (!roaring_bitmap_is_empty(part->roaring)) {
            *value_out = ((uint64_t)part->key << 32) | roaring_bitmap_maximum(part->roaring);
            return true;
        }
    }
    return false;
}

bool vs_bitmap_each(const struct vs_bitmap *bitmap, vs_bitmap_fn fn, void *ctx)
{
    for (size_t i = 0; i < bitmap->part_count; i++) {
        const struct vs_bitmap_part *part = &bitmap->parts[i];
        if (!roaring_iterate64(part->roaring, fn, (uint64_t)part->key << 32, ctx)) {
            return false;
        }
    }
    return true;
}

// ---- writing ----

void vs_bitmap_optimize(struct vs_bitmap *bitmap)
{
    for (size_t i = 0; i < bitmap->part_count; i++) {
        (void)roaring_bitmap_run_optimize(bitmap->parts[i].roaring);
    }
}

enum vs_status vs_bitmap_write(const struct vs_bitmap *bitmap,
                               struct vs_buf *out,
                               struct vs_error *err)
{
    uint8_t word[8];
    size_t start = out->len;
    vs_store_u64le(word, bitmap->part_count);
    enum vs_status status = vs_buf_append(out, word, 8, err);
    for (size_t i = 0; status == VS_OK && i < bitmap->part_count; i++) {
        const struct vs_bitmap_part *part = &bitmap->parts[i];
        size_t size = roaring_bitmap_portable_size_in_bytes(part->roaring);
        vs_store_u32le(word, part->key);
        status = vs_buf_append(out, word, 4, err);
        if (status == VS_OK) {
            status = vs_buf_reserve(out, size, err);
        }
        if (status == VS_OK) {
            out->len +=
                roaring_bitmap_portable_serialize(part->roaring, (char *)out->data + out->len);
        }
    }
    if (status != VS_OK) {
        out->len = start;
    }
    return status;
}

// ---- checking what comes from outside ----

struct container {
    uint32_t cardinality; // 1 to 65536, from the header
    bool is_run;
};

static enum vs_status check_array(struct vs_reader *r, uint32_t cardinality, struct vs_error *err)
{
    const uint8_t *bytes;
    VS_TRY(vs_read_bytes(r, (size_t)cardinality * 2, &bytes, err));
    for (uint32_t i = 1; i < cardinality; i++) {
        if (vs_load_u16le(bytes + 2 * (size_t)i) <= vs_load_u16le(bytes + 2 * (size_t)i - 2)) {
            return vs_reader_fail(r, err, "the values of an array container are not ascending");
        }
    }
    return VS_OK;
}

static enum vs_status check_bitset(struct vs_reader *r, uint32_t cardinality, struct vs_error *err)
{
    const uint8_t *bytes;
    uint32_t found = 0;
    VS_TRY(vs_read_bytes(r, BITSET_BYTES, &bytes, err));
    for (size_t i = 0; i < BITSET_BYTES; i += 8) {
        found += (uint32_t)__builtin_popcountll(vs_load_u64le(bytes + i));
    }
    return found == cardinality
               ? VS_OK
               : vs_reader_fail(r, err, "a bitset container does not have the values it counts");
}

static enum vs_status check_runs(struct vs_reader *r, uint32_t cardinality, struct vs_error *err)
{
    const uint8_t *bytes;
    uint16_t count;
    uint32_t found = 0, next = 0; // the lowest value that the next run may begin with
    VS_TRY(vs_read_u16le(r, &count, err));
    VS_TRY(vs_read_bytes(r, (size_t)count * 4, &bytes, err));
    for (size_t i = 0; i < count; i++) {
        uint32_t first = vs_load_u16le(bytes + 4 * i);
        uint32_t length = (uint32_t)vs_load_u16le(bytes + 4 * i + 2) + 1;
        if (first < next || first + length > CONTAINER_VALUES) {
            return vs_reader_fail(r, err, "the runs of a container overlap or leave it");
        }
        next = first + length;
        found += length;
    }
    return found == cardinality
               ? VS_OK
               : vs_reader_fail(r, err, "a run container does not have the values it counts");
}

static enum vs_status check_container(struct vs_reader *r,
                                      const struct container *container,
                                      struct vs_error *err)
{
    if (container->is_run) {
        return check_runs(r, container->cardinality, err);
    }
    return container->cardinality <= ARRAY_MAX ? check_array(r, container->cardinality, err)
                                               : check_bitset(r, container->cardinality, err);
}

// The cookie: number of containers and, when some have runs, one bit for each.
static enum vs_status read_cookie(struct vs_reader *r,
                                  uint32_t *count_out,
                                  const uint8_t **run_bits_out,
                                  struct vs_error *err)
{
    uint32_t cookie;
    VS_TRY(vs_read_u32le(r, &cookie, err));
    *run_bits_out = NULL;
    if ((cookie & 0xffff) == COOKIE_WITH_RUNS) {
        *count_out = (cookie >> 16) + 1;
        return vs_read_bytes(r, (*count_out + 7) / 8, run_bits_out, err);
    }
    if (cookie != COOKIE_WITHOUT_RUNS) {
        return vs_reader_fail(r, err, "no roaring bitmap begins there");
    }
    VS_TRY(vs_read_u32le(r, count_out, err));
    return *count_out <= CONTAINERS_MAX
               ? VS_OK
               : vs_reader_fail(r, err, "a roaring bitmap counts more than 65536 containers");
}

// Walks over one 32-bit bitmap: every container is what its header says, in order, and where its
// offset says.
static enum vs_status check_part(struct vs_reader *r, struct vs_error *err)
{
    const uint8_t *run_bits, *headers, *offsets = NULL;
    const uint8_t *start = r->next;
    uint32_t count;
    VS_TRY(read_cookie(r, &count, &run_bits, err));
    VS_TRY(vs_read_bytes(r, (size_t)count * 4, &headers, err));
    if (run_bits == NULL || count >= OFFSETS_FROM) {
        VS_TRY(vs_read_bytes(r, (size_t)count * 4, &offsets, err));
    }
    for (size_t i = 0; i < count; i++) {
        struct container container = {
            .cardinality = (uint32_t)vs_load_u16le(headers + 4 * i + 2) + 1,
            .is_run = run_bits != NULL && (run_bits[i / 8] >> (i % 8) & 1) != 0};
        if (i > 0 && vs_load_u16le(headers + 4 * i) <= vs_load_u16le(headers + 4 * i - 4)) {
            return vs_reader_fail(r, err, "the containers of a roaring bitmap are not ascending");
        }
        if (offsets != NULL && vs_load_u32le(offsets + 4 * i) != (uint64_t)(r->next - start)) {
            return vs_reader_fail(r, err, "a container does not lie at its offset");
        }
        VS_TRY(check_container(r, &container, err));
    }
    return VS_OK;
}

static enum vs_status read_part(struct vs_bitmap *bitmap, struct vs_reader *r, struct vs_error *err)
{
    uint32_t key;
    VS_TRY(vs_read_u32le(r, &key, err));
    if (key > VS_BITMAP_MAX_KEY) {
        return vs_reader_fail(r, err, "a part of the bitmap has a key above 2147483646");
    }
    if (bitmap->part_count > 0 && key <= bitmap->parts[bitmap->part_count - 1].key) {
        return vs_reader_fail(r, err, "the parts of the bitmap are not ascending");
    }
    const char *start = (const char *)r->next;
    VS_TRY(check_part(r, err));
    size_t size = (size_t)((const char *)r->next - start);
    return insert_part(bitmap, key, roaring_bitmap_portable_deserialize_safe(start, size), err);
}

enum vs_status vs_bitmap_read(struct vs_bitmap *bitmap_out,
                              const struct vs_env *env,
                              struct vs_str bytes,
                              const char *what,
                              struct vs_error *err)
{
    struct vs_bitmap bitmap;
    struct vs_reader r;
    uint64_t count = 0;
    vs_bitmap_init(&bitmap, env);
    vs_reader_init(&r, bytes.ptr, bytes.len, what);
    enum vs_status status = vs_read_u64le(&r, &count, err);
    if (status == VS_OK && count > vs_reader_left(&r) / SMALLEST_PART) {
        status = vs_reader_fail(&r, err, "the bitmap counts more parts than its bytes can hold");
    }
    for (uint64_t i = 0; status == VS_OK && i < count; i++) {
        status = read_part(&bitmap, &r, err);
    }
    if (status == VS_OK && vs_reader_left(&r) > 0) {
        status = vs_reader_fail(&r, err, "bytes follow the bitmap");
    }
    if (status != VS_OK) {
        vs_bitmap_clear(&bitmap);
        return status;
    }
    *bitmap_out = bitmap;
    return VS_OK;
}
