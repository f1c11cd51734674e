// SPDX-License-Identifier: Apache-2.0
/*
 * Equality deletes as positions: rows whose key columns equal a row of a delete file.
 *
 * Delete files are grouped by the set of their columns. Per group: every delete file is read once
 * into a hash set of key rows, then the key columns of each data file that one of them applies to.
 * A key row is kept once per partition with the highest sequence number of its delete files: a data
 * row goes when that number is above the data file's. Which delete files apply to a data file is
 * the plan's to say; a delete file of an unpartitioned spec applies to all partitions.
 *
 * What is equal follows Java (StructLikeSet over Comparators): null equals null, every NaN equals
 * every NaN, -0.0 and 0.0 differ (Float.compareTo), texts and bytes by their bytes.
 */
#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/iceberg/delete_schema.h"
#include "vecstore/iceberg/partition_values.h"
#include "vecstore/iceberg/transform.h"

#include <math.h>
#include <stdlib.h>

#define BATCH_ROWS 8192
#define MAX_KEY_COLUMNS 1000
#define FIRST_SLOTS 1024

struct equality_file {
    const struct vs_data_file *file;
    int32_t *ids; // ascending, each once
    size_t id_count;
    size_t group;
    bool is_global;
};

struct key_row {
    uint64_t hash;
    size_t offset; // in key_set.bytes
    uint32_t len;
    int64_t sequence_number;
};

struct key_column {
    bool is_wide; // null or NaN is among the keys: bounds of data files say nothing
    bool has_range;
    struct vs_value lower, upper;
    struct vs_buf lower_text, upper_text;
};

struct key_set {
    uint64_t seed;
    struct vs_buf bytes; // partition and values of every key row
    struct vs_buf rows;  // struct key_row
    uint32_t *slots;     // index into rows plus one; 0: free
    size_t slot_count;   // a power of two
    struct vs_field *fields;
    struct key_column *columns;
    size_t column_count;
    uint64_t rows_read;
};

struct equality {
    const struct vs_equality_reader *reader;
    const struct vs_env *env;
    struct vs_arena arena;
    size_t count;
    struct equality_file *files; // by pointer of the entry
    size_t group_count;
    struct key_set set; // of the group at hand
    struct vs_buf key;  // of the row at hand
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory for the equality deletes of a snapshot");
}

// ---- groups ----

static int compare_files(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct equality_file *)a)->file;
    uintptr_t y = (uintptr_t)((const struct equality_file *)b)->file;
    return x < y ? -1 : x > y;
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static int compare_id_sets(const void *a, const void *b)
{
    const struct equality_file *x = *(const struct equality_file *const *)a;
    const struct equality_file *y = *(const struct equality_file *const *)b;
    for (size_t i = 0; i < x->id_count && i < y->id_count; i++) {
        if (x->ids[i] != y->ids[i]) {
            return x->ids[i] < y->ids[i] ? -1 : 1;
        }
    }
    return x->id_count < y->id_count ? -1 : x->id_count > y->id_count;
}

static const struct equality_file *find_file(const struct equality *e, const struct vs_data_file *d)
{
    const struct equality_file key = {.file = d};
    return e->count == 0 ? NULL
                         : bsearch(&key, e->files, e->count, sizeof *e->files, compare_files);
}

// Every equality delete file of the plan once.
static enum vs_status collect_files(struct equality *e, struct vs_error *err)
{
    const struct vs_scan_plan *plan = e->reader->plan;
    size_t total = 0, kept = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        for (size_t j = 0; j < plan->files[i].delete_count; j++) {
            total += plan->files[i].deletes[j]->content == VS_CONTENT_EQUALITY_DELETES;
        }
    }
    if (total == 0) {
        return VS_OK;
    }
    e->files = vs_arena_alloc_array(&e->arena, total, sizeof *e->files);
    if (e->files == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < plan->file_count; i++) {
        for (size_t j = 0; j < plan->files[i].delete_count; j++) {
            if (plan->files[i].deletes[j]->content == VS_CONTENT_EQUALITY_DELETES) {
                e->files[e->count++].file = plan->files[i].deletes[j];
            }
        }
    }
    qsort(e->files, e->count, sizeof *e->files, compare_files);
    for (size_t i = 0; i < e->count; i++) {
        if (i == 0 || e->files[i].file != e->files[kept - 1].file) {
            e->files[kept++] = e->files[i];
        }
    }
    e->count = kept;
    return VS_OK;
}

static enum vs_status read_ids(struct equality *e, struct equality_file *f, struct vs_error *err)
{
    const struct vs_data_file *d = f->file;
    if (d->equality_count == 0 || d->equality_count > MAX_KEY_COLUMNS) {
        return vs_fail(err, VS_CORRUPT, "the equality delete file %.*s names %zu columns",
                       VS_STR_ARG(d->path), d->equality_count);
    }
    f->ids = vs_arena_alloc_array(&e->arena, d->equality_count, sizeof *f->ids);
    if (f->ids == NULL) {
        return no_memory(err);
    }
    memcpy(f->ids, d->equality_ids, d->equality_count * sizeof *f->ids);
    qsort(f->ids, d->equality_count, sizeof *f->ids, compare_ids);
    for (size_t i = 0; i < d->equality_count; i++) {
        if (i == 0 || f->ids[i] != f->ids[f->id_count - 1]) {
            f->ids[f->id_count++] = f->ids[i];
        }
    }
    f->is_global = vs_delete_is_global(e->reader->metadata, d);
    return VS_OK;
}

static enum vs_status make_groups(struct equality *e, struct vs_error *err)
{
    struct equality_file **order = vs_arena_alloc_array(&e->arena, e->count, sizeof *order);
    if (order == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < e->count; i++) {
        VS_TRY(read_ids(e, &e->files[i], err));
        order[i] = &e->files[i];
    }
    qsort(order, e->count, sizeof *order, compare_id_sets);
    for (size_t i = 0; i < e->count; i++) {
        e->group_count += i == 0 || compare_id_sets(&order[i - 1], &order[i]) != 0;
        order[i]->group = e->group_count - 1;
    }
    return VS_OK;
}

// ---- columns ----

static enum vs_status check_field(const struct vs_field *field,
                                  int32_t id,
                                  const struct vs_data_file *d,
                                  struct vs_error *err)
{
    if (field == NULL) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the equality delete file %.*s compares column id %d, which is no top-level "
                       "column of any schema of the table",
                       VS_STR_ARG(d->path), id);
    }
    if (field->kind == VS_KIND_LIST || field->kind == VS_KIND_OTHER) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "the equality delete file %.*s compares column '%.*s', which is no scalar",
                       VS_STR_ARG(d->path), VS_STR_ARG(field->name));
    }
    return VS_OK;
}

static void clear_set(struct key_set *set, const struct vs_env *env)
{
    for (size_t i = 0; i < set->column_count && set->columns != NULL; i++) {
        vs_buf_clear(&set->columns[i].lower_text);
        vs_buf_clear(&set->columns[i].upper_text);
    }
    vs_buf_clear(&set->bytes);
    vs_buf_clear(&set->rows);
    vs_free(env, set->slots);
    *set = (struct key_set){0};
}

static enum vs_status init_set(struct equality *e,
                               const struct equality_file *first,
                               struct vs_error *err)
{
    struct key_set *set = &e->set;
    size_t n = first->id_count;
    *set = (struct key_set){.seed = vs_random_u64(e->env)};
    vs_buf_init(&set->bytes, e->env, SIZE_MAX);
    vs_buf_init(&set->rows, e->env, SIZE_MAX);
    set->fields = vs_arena_alloc_array(&e->arena, n, sizeof *set->fields);
    set->columns = vs_arena_alloc_array(&e->arena, n, sizeof *set->columns);
    set->slots = vs_alloc_zeroed(e->env, FIRST_SLOTS, sizeof *set->slots);
    if (set->fields == NULL || set->columns == NULL || set->slots == NULL) {
        return no_memory(err);
    }
    set->slot_count = FIRST_SLOTS;
    set->column_count = n;
    for (size_t i = 0; i < n; i++) {
        vs_buf_init(&set->columns[i].lower_text, e->env, SIZE_MAX);
        vs_buf_init(&set->columns[i].upper_text, e->env, SIZE_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const struct vs_field *field = vs_partition_source(e->reader->metadata, first->ids[i]);
        VS_TRY(check_field(field, first->ids[i], first->file, err));
        set->fields[i] = *field;
    }
    return VS_OK;
}

// ---- keys ----

static uint64_t real_bits(double value)
{
    uint64_t bits;
    if (isnan(value)) {
        return UINT64_C(0x7ff8000000000000);
    }
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static enum vs_status append_value(struct vs_buf *key,
                                   const struct vs_value *value,
                                   struct vs_error *err)
{
    uint8_t word[8];
    VS_TRY(vs_buf_append_byte(key, value->is_null, err));
    if (value->is_null) {
        return VS_OK;
    }
    if (vs_kind_is_text(value->kind)) {
        vs_store_u64le(word, value->as.text.len);
        VS_TRY(vs_buf_append(key, word, sizeof word, err));
        return vs_buf_append_str(key, value->as.text, err);
    }
    if (value->kind == VS_KIND_DECIMAL) {
        return vs_buf_append(key, &value->as.decimal, sizeof value->as.decimal, err);
    }
    if (value->kind == VS_KIND_BOOLEAN) {
        return vs_buf_append_byte(key, value->as.boolean, err);
    }
    bool is_real = value->kind == VS_KIND_FLOAT || value->kind == VS_KIND_DOUBLE;
    vs_store_u64le(word, is_real ? real_bits(value->as.real) : (uint64_t)value->as.integer);
    return vs_buf_append(key, word, sizeof word, err);
}

// The partition that a key belongs to; empty for deletes of an unpartitioned spec.
static enum vs_status append_scope(struct vs_buf *key,
                                   const struct equality_file *f,
                                   struct vs_error *err)
{
    uint8_t word[12] = {0};
    if (f->is_global) {
        return vs_buf_append_byte(key, 0, err);
    }
    vs_store_u32le(word, (uint32_t)f->file->spec_id);
    vs_store_u64le(word + 4, f->file->partition_key.len);
    VS_TRY(vs_buf_append_byte(key, 1, err));
    VS_TRY(vs_buf_append(key, word, sizeof word, err));
    return vs_buf_append_str(key, f->file->partition_key, err);
}

static enum vs_status make_key(struct equality *e,
                               const struct equality_file *scope,
                               const struct vs_batch *batch,
                               size_t row,
                               struct vs_error *err)
{
    vs_buf_reset(&e->key);
    VS_TRY(append_scope(&e->key, scope, err));
    for (size_t i = 0; i < batch->column_count; i++) {
        const struct vs_column *column = &batch->columns[i];
        struct vs_value value = {.is_null = true};
        if (!vs_column_is_null(column, row)) {
            value = vs_column_get(column, row);
        }
        VS_TRY(append_value(&e->key, &value, err));
    }
    return VS_OK;
}

// FNV-1a over eight bytes at a time, mixed; the seed keeps chosen keys from meeting on purpose.
static uint64_t hash_key(uint64_t seed, struct vs_str key)
{
    uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);
    size_t i = 0;
    for (; i + 8 <= key.len; i += 8) {
        hash = (hash ^ vs_load_u64le(key.ptr + i)) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 32;
    }
    for (; i < key.len; i++) {
        hash = (hash ^ (uint8_t)key.ptr[i]) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 29;
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 32;
}

static struct key_row *key_rows(const struct key_set *set)
{
    return (struct key_row *)(void *)set->rows.data;
}

// The slot of the key or the free one where it belongs.
static size_t find_slot(const struct key_set *set, struct vs_str key, uint64_t hash)
{
    const struct key_row *rows = key_rows(set);
    size_t mask = set->slot_count - 1, slot = (size_t)hash & mask;
    while (set->slots[slot] != 0) {
        const struct key_row *row = &rows[set->slots[slot] - 1];
        if (row->hash == hash && row->len == key.len &&
            memcmp(set->bytes.data + row->offset, key.ptr, key.len) == 0) {
            break;
        }
        slot = (slot + 1) & mask;
    }
    return slot;
}

static enum vs_status grow_slots(struct key_set *set,
                                 const struct vs_env *env,
                                 struct vs_error *err)
{
    size_t rows = set->rows.len / sizeof(struct key_row), count = set->slot_count * 2;
    if (rows * 2 < set->slot_count) {
        return VS_OK;
    }
    uint32_t *slots = vs_alloc_zeroed(env, count, sizeof *slots);
    if (slots == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < rows; i++) {
        size_t slot = (size_t)key_rows(set)[i].hash & (count - 1);
        while (slots[slot] != 0) {
            slot = (slot + 1) & (count - 1);
        }
        slots[slot] = (uint32_t)(i + 1);
    }
    vs_free(env, set->slots);
    set->slots = slots;
    set->slot_count = count;
    return VS_OK;
}

// `more` bytes of a key are to be added.
static enum vs_status check_size(const struct equality *e, size_t more, struct vs_error *err)
{
    const struct key_set *set = &e->set;
    size_t used = set->bytes.len + set->rows.len + set->slot_count * sizeof *set->slots;
    if (used <= e->reader->max_bytes && more <= e->reader->max_bytes - used && more <= UINT32_MAX &&
        set->rows.len / sizeof(struct key_row) < UINT32_MAX) {
        return VS_OK;
    }
    return vs_fail(err, VS_LIMIT,
                   "the equality deletes on %zu column%s take more than %zu bytes of memory (%llu "
                   "rows were read); compact the table with the engine that wrote them",
                   set->column_count, set->column_count == 1 ? "" : "s", e->reader->max_bytes,
                   (unsigned long long)set->rows_read);
}

static enum vs_status insert_key(struct equality *e, int64_t sequence_number, struct vs_error *err)
{
    struct key_set *set = &e->set;
    struct vs_str key = vs_buf_view(&e->key);
    uint64_t hash = hash_key(set->seed, key);
    size_t slot = find_slot(set, key, hash);
    if (set->slots[slot] != 0) {
        struct key_row *row = &key_rows(set)[set->slots[slot] - 1];
        row->sequence_number =
            sequence_number > row->sequence_number ? sequence_number : row->sequence_number;
        return VS_OK;
    }
    const struct key_row row = {.hash = hash,
                                .offset = set->bytes.len,
                                .len = (uint32_t)key.len,
                                .sequence_number = sequence_number};
    VS_TRY(check_size(e, key.len + sizeof row, err));
    VS_TRY(vs_buf_append_str(&set->bytes, key, err));
    VS_TRY(vs_buf_append(&set->rows, &row, sizeof row, err));
    set->slots[slot] = (uint32_t)(set->rows.len / sizeof row);
    return grow_slots(set, e->env, err);
}

// ---- bounds of the keys ----

static enum vs_status keep_bound(struct vs_value *bound,
                                 struct vs_buf *text,
                                 const struct vs_value *value,
                                 struct vs_error *err)
{
    *bound = *value;
    if (vs_kind_is_text(value->kind)) {
        vs_buf_reset(text);
        VS_TRY(vs_buf_append_str(text, value->as.text, err));
        bound->as.text = vs_buf_view(text);
    }
    return VS_OK;
}

static enum vs_status widen(struct key_column *c,
                            const struct vs_value *value,
                            struct vs_error *err)
{
    bool is_real = value->kind == VS_KIND_FLOAT || value->kind == VS_KIND_DOUBLE;
    if (value->is_null || (is_real && isnan(value->as.real))) {
        c->is_wide = true;
    }
    if (c->is_wide) {
        return VS_OK;
    }
    if (!c->has_range || vs_value_compare(value, &c->lower) < 0) {
        VS_TRY(keep_bound(&c->lower, &c->lower_text, value, err));
    }
    if (!c->has_range || vs_value_compare(value, &c->upper) > 0) {
        VS_TRY(keep_bound(&c->upper, &c->upper_text, value, err));
    }
    c->has_range = true;
    return VS_OK;
}

static bool find_bound(const struct vs_int_bytes *bounds,
                       size_t count,
                       const struct vs_field *field,
                       struct vs_value *value_out)
{
    for (size_t i = 0; i < count; i++) {
        if (bounds[i].key == field->id) {
            return vs_bound_decode(bounds[i].value, field, value_out);
        }
    }
    return false;
}

// False when no row of the file can equal a key, told by the file's bounds.
static bool may_match(const struct key_set *set, const struct vs_data_file *data)
{
    for (size_t i = 0; i < set->column_count; i++) {
        const struct key_column *c = &set->columns[i];
        const struct vs_field *field = &set->fields[i];
        struct vs_value lower, upper;
        bool has_lower = find_bound(data->lower_bounds, data->lower_count, field, &lower);
        bool has_upper = find_bound(data->upper_bounds, data->upper_count, field, &upper);
        bool is_crossed = has_lower && has_upper && vs_value_compare(&lower, &upper) > 0;
        if (c->is_wide || !c->has_range || is_crossed) { // crossed: made in another order
            continue;
        }
        if ((has_lower && vs_value_compare(&c->upper, &lower) < 0) ||
            (has_upper && vs_value_compare(&c->lower, &upper) > 0)) {
            return false;
        }
    }
    return true;
}

// ---- reading files ----

typedef enum vs_status (*batch_fn)(struct equality *e,
                                   void *ctx,
                                   const struct vs_batch *batch,
                                   uint64_t first,
                                   struct vs_error *err);

// A delete file has to have every column that it compares (is_required); data files need not.
static enum vs_status each_batch(struct equality *e,
                                 const struct vs_data_file *data,
                                 bool is_required,
                                 batch_fn fn,
                                 void *ctx,
                                 struct vs_error *err)
{
    const struct key_set *set = &e->set;
    struct vs_file_scan *scan = NULL;
    struct vs_batch batch = {0};
    for (size_t i = 0; i < set->column_count; i++) {
        set->fields[i].required = is_required;
    }
    enum vs_status status = vs_file_scan_open(e->env, e->reader->store, e->reader->metadata, data,
                                              set->fields, set->column_count, &scan, err);
    if (status == VS_OK) {
        status = vs_batch_init(&batch, e->env, set->fields, set->column_count, err);
    }
    while (status == VS_OK) {
        uint64_t first = 0;
        vs_batch_reset(&batch);
        status = vs_file_scan_next(scan, BATCH_ROWS, &batch, &first, err);
        if (status != VS_OK || batch.row_count == 0) {
            break;
        }
        status = fn(e, ctx, &batch, first, err);
    }
    vs_batch_clear(&batch);
    vs_file_scan_close(scan);
    return status;
}

static enum vs_status add_keys(struct equality *e,
                               void *ctx,
                               const struct vs_batch *batch,
                               uint64_t first,
                               struct vs_error *err)
{
    const struct equality_file *f = ctx;
    (void)first;
    for (size_t row = 0; row < batch->row_count; row++) {
        e->set.rows_read++;
        for (size_t i = 0; i < batch->column_count; i++) {
            struct vs_value value = {.is_null = true};
            if (!vs_column_is_null(&batch->columns[i], row)) {
                value = vs_column_get(&batch->columns[i], row);
            }
            VS_TRY(widen(&e->set.columns[i], &value, err));
        }
        VS_TRY(make_key(e, f, batch, row, err));
        VS_TRY(insert_key(e, f->file->sequence_number, err));
    }
    return VS_OK;
}

struct probe {
    size_t file; // of the plan
    int64_t sequence_number;
    const struct equality_file *scopes[2]; // of a global delete file, of one of the partition
};

static enum vs_status probe_batch(struct equality *e,
                                  void *ctx,
                                  const struct vs_batch *batch,
                                  uint64_t first,
                                  struct vs_error *err)
{
    const struct probe *p = ctx;
    const struct vs_equality_reader *reader = e->reader;
    for (size_t row = 0; row < batch->row_count; row++) {
        bool found = false;
        for (size_t s = 0; s < 2 && !found; s++) {
            if (p->scopes[s] == NULL) {
                continue;
            }
            VS_TRY(make_key(e, p->scopes[s], batch, row, err));
            struct vs_str key = vs_buf_view(&e->key);
            size_t slot = find_slot(&e->set, key, hash_key(e->set.seed, key));
            uint32_t index = e->set.slots[slot];
            found = index != 0 && key_rows(&e->set)[index - 1].sequence_number > p->sequence_number;
        }
        if (found) {
            VS_TRY(reader->deleted(reader->ctx, p->file, first + row, err));
        }
    }
    return VS_OK;
}

// ---- one group ----

static enum vs_status probe_file(struct equality *e, size_t group, size_t i, struct vs_error *err)
{
    const struct vs_scan_file *file = &e->reader->plan->files[i];
    struct probe p = {.file = i, .sequence_number = file->data.sequence_number};
    for (size_t j = 0; j < file->delete_count; j++) {
        const struct equality_file *f = find_file(e, file->deletes[j]);
        if (f != NULL && f->group == group) {
            p.scopes[f->is_global ? 0 : 1] = f;
        }
    }
    if ((p.scopes[0] == NULL && p.scopes[1] == NULL) || !may_match(&e->set, &file->data)) {
        return VS_OK;
    }
    return each_batch(e, &file->data, false, probe_batch, &p, err);
}

static enum vs_status apply_group(struct equality *e, size_t group, struct vs_error *err)
{
    bool begun = false;
    for (size_t i = 0; i < e->count; i++) {
        if (e->files[i].group != group) {
            continue;
        }
        if (!begun) {
            VS_TRY(init_set(e, &e->files[i], err));
            begun = true;
        }
        VS_TRY(each_batch(e, e->files[i].file, true, add_keys, &e->files[i], err));
    }
    for (size_t i = 0; i < e->reader->plan->file_count; i++) {
        VS_TRY(probe_file(e, group, i, err));
    }
    return VS_OK;
}

enum vs_status vs_equality_deletes_apply(const struct vs_equality_reader *reader,
                                         struct vs_error *err)
{
    struct equality e = {.reader = reader, .env = reader->env};
    vs_arena_init(&e.arena, e.env, 0);
    vs_buf_init(&e.key, e.env, SIZE_MAX);
    enum vs_status status = collect_files(&e, err);
    if (status == VS_OK && e.count > 0) {
        status = make_groups(&e, err);
    }
    for (size_t group = 0; status == VS_OK && group < e.group_count; group++) {
        status = apply_group(&e, group, err);
        clear_set(&e.set, e.env);
    }
    vs_buf_clear(&e.key);
    vs_arena_clear(&e.arena);
    return status;
}
