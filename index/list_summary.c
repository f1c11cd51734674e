// SPDX-License-Identifier: Apache-2.0
#include "index/list_summary.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/format/order_key.h"

#include <inttypes.h>
#include <string.h>

#define HEADER 64
#define FIELD_RECORD 32
#define MOST_FIELDS 4096

static const char magic[4] = {'V', 'S', 'S', 'M'};

// ---- reading ----

struct layout { // of one field, relative to the blob
    uint64_t nulls, present, low, high, words, offsets, data, end;
};

static bool is_range_kind(enum vs_kind kind)
{
    return kind == VS_KIND_BOOLEAN || kind == VS_KIND_INT || kind == VS_KIND_LONG ||
           kind == VS_KIND_FLOAT || kind == VS_KIND_DOUBLE || kind == VS_KIND_DATE ||
           kind == VS_KIND_TIMESTAMP || kind == VS_KIND_TIMESTAMPTZ;
}

// All counts are bounded by the caller: nothing overflows.
static struct layout place_field(uint64_t at,
                                 uint32_t group_count,
                                 enum vs_summary_form form,
                                 uint32_t word_count,
                                 uint32_t entry_count,
                                 uint32_t data_len)
{
    uint64_t bits = ((uint64_t)group_count + 63) / 64 * 8;
    struct layout l = {.nulls = at, .present = at + bits, .low = at + 2 * bits};
    l.high = l.low + (form == VS_SUMMARY_RANGE ? (uint64_t)group_count * 8 : 0);
    l.words = l.high + (form == VS_SUMMARY_RANGE ? (uint64_t)group_count * 8 : 0);
    l.offsets = l.words + (uint64_t)group_count * word_count * 8;
    l.data = l.offsets + (form == VS_SUMMARY_BITS ? ((uint64_t)entry_count + 1) * 4 : 0);
    l.end = (l.data + data_len + 7) / 8 * 8;
    return l;
}

static enum vs_status corrupt(const char *what, const char *why, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s: the summary of lists %s", what, why);
}

static enum vs_status check_header(
    const uint8_t *h, size_t len, const char *what, uint32_t list_count, struct vs_error *err)
{
    if (len < HEADER || memcmp(h, magic, 4) != 0) {
        return corrupt(what, "is too short or is none", err);
    }
    if (vs_load_u32le(h + 60) != vs_crc32c(0, h, 60)) {
        return corrupt(what, "has a header whose checksum is wrong", err);
    }
    if (vs_load_u16le(h + 4) != 1 || vs_load_u16le(h + 6) != HEADER) {
        return vs_fail(err, VS_UNSUPPORTED, "%s: the summary of lists has version %u; 1 is known",
                       what, vs_load_u16le(h + 4));
    }
    uint32_t lists = vs_load_u32le(h + 8), group = vs_load_u32le(h + 12),
             fields = vs_load_u32le(h + 16), groups = vs_load_u32le(h + 20);
    if (lists != list_count || lists == 0 || group == 0 || group > lists ||
        groups != (lists - 1) / group + 1 || fields == 0 || fields > MOST_FIELDS) {
        return corrupt(what, "has counts that contradict the directory", err);
    }
    if (vs_load_u64le(h + 24) != 0 || vs_load_u64le(h + 32) != 0 || vs_load_u64le(h + 52) != 0) {
        return corrupt(what, "has a reserved field that is not zero", err);
    }
    if (vs_load_u64le(h + 40) != len || (len - HEADER) / FIELD_RECORD < fields) {
        return corrupt(what, "has another length than its header says", err);
    }
    return vs_load_u32le(h + 48) == vs_crc32c(0, h + HEADER, len - HEADER)
               ? VS_OK
               : corrupt(what, "has a wrong checksum", err);
}

static bool tail_is_zero(const uint64_t *bits, uint32_t count)
{
    return count % 64 == 0 || bits[count / 64] >> (count % 64) == 0;
}

static enum vs_status decode_entries(struct vs_summary_field *field,
                                     const uint8_t *offsets,
                                     uint32_t entry_count,
                                     const uint8_t *data,
                                     uint32_t data_len,
                                     const char *what,
                                     struct vs_error *err)
{
    uint32_t before = 0;
    bool ascending = vs_load_u32le(offsets) == 0;
    for (uint32_t i = 1; i <= entry_count; i++) {
        uint32_t offset = vs_load_u32le(offsets + 4 * (size_t)i);
        ascending &= offset >= before;
        before = offset;
    }
    if (!ascending || before != data_len) {
        return corrupt(what, "has texts whose offsets are out of order", err);
    }
    field->entries.row_count = entry_count;
    VS_TRY(vs_buf_append(&field->entries.offsets, offsets, 4 * ((size_t)entry_count + 1), err));
    return vs_buf_append(&field->entries.values, data, data_len, err);
}

static enum vs_status decode_field(const struct vs_list_summary *s,
                                   const uint8_t *record,
                                   uint64_t *at,
                                   uint64_t len,
                                   const char *what,
                                   struct vs_summary_field *field,
                                   struct vs_error *err)
{
    uint32_t kind = record[4], form = record[5], words = vs_load_u16le(record + 6),
             entries = vs_load_u32le(record + 8), data_len = vs_load_u32le(record + 12);
    bool is_range = form == VS_SUMMARY_RANGE && is_range_kind((enum vs_kind)kind) && words == 0,
         is_bits = form == VS_SUMMARY_BITS && kind == VS_KIND_STRING && entries > 0 &&
                   entries <= VS_SUMMARY_ENTRIES && words == (entries + 63) / 64,
         is_bloom =
             form == VS_SUMMARY_BLOOM && kind == VS_KIND_STRING && words == VS_SUMMARY_BLOOM_WORDS;
    if ((!is_range && !is_bits && !is_bloom) || (!is_bits && (entries != 0 || data_len != 0)) ||
        data_len > VS_SUMMARY_TEXT_BYTES || vs_load_u64le(record + 16) != 0 ||
        vs_load_u64le(record + 24) != 0) {
        return corrupt(what, "has a field of an unknown form", err);
    }
    struct layout l =
        place_field(*at, s->group_count, (enum vs_summary_form)form, words, entries, data_len);
    if (l.end > len) {
        return corrupt(what, "is too short for its fields", err);
    }
    const uint8_t *bytes = s->bytes;
    field->field_id = (int32_t)vs_load_u32le(record);
    field->kind = (enum vs_kind)kind;
    field->form = (enum vs_summary_form)form;
    field->nulls = (const uint64_t *)(const void *)(bytes + l.nulls);
    field->present = (const uint64_t *)(const void *)(bytes + l.present);
    field->low = (const int64_t *)(const void *)(bytes + l.low);
    field->high = (const int64_t *)(const void *)(bytes + l.high);
    field->words = (const uint64_t *)(const void *)(bytes + l.words);
    field->word_count = words;
    *at = l.end;
    if (!tail_is_zero(field->nulls, s->group_count) ||
        !tail_is_zero(field->present, s->group_count)) {
        return corrupt(what, "has bits behind its last group", err);
    }
    return is_bits ? decode_entries(field, bytes + l.offsets, entries, bytes + l.data, data_len,
                                    what, err)
                   : VS_OK;
}

static enum vs_status decode_all(struct vs_list_summary *s,
                                 size_t len,
                                 const char *what,
                                 struct vs_error *err)
{
    const uint8_t *bytes = s->bytes;
    size_t count = vs_load_u32le(bytes + 16);
    uint64_t at = HEADER + (uint64_t)count * FIELD_RECORD;
    s->fields = vs_alloc_zeroed(s->env, count, sizeof *s->fields);
    if (s->fields == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a summary of lists");
    }
    s->memory_bytes += len + count * sizeof *s->fields;
    for (size_t f = 0; f < count; f++) {
        struct vs_summary_field *field = &s->fields[s->field_count++];
        vs_column_init(&field->entries, s->env, VS_KIND_STRING);
        VS_TRY(decode_field(s, bytes + HEADER + f * FIELD_RECORD, &at, len, what, field, err));
    }
    return at == len ? VS_OK : corrupt(what, "has bytes behind its last field", err);
}

enum vs_status vs_list_summary_decode(const struct vs_env *env,
                                      struct vs_str bytes,
                                      const char *what,
                                      uint32_t list_count,
                                      struct vs_list_summary **summary_out,
                                      struct vs_error *err)
{
    VS_TRY(check_header((const uint8_t *)bytes.ptr, bytes.len, what, list_count, err));
    struct vs_list_summary *s = vs_alloc_zeroed(env, 1, sizeof *s);
    if (s == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a summary of lists");
    }
    s->env = env;
    s->bytes = vs_alloc_aligned(env, bytes.len);
    enum vs_status status = VS_OK;
    if (s->bytes == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory for a summary of lists");
    } else {
        memcpy(s->bytes, bytes.ptr, bytes.len);
        s->list_count = vs_load_u32le((const uint8_t *)bytes.ptr + 8);
        s->group_lists = vs_load_u32le((const uint8_t *)bytes.ptr + 12);
        s->group_count = vs_load_u32le((const uint8_t *)bytes.ptr + 20);
        status = decode_all(s, bytes.len, what, err);
    }
    if (status != VS_OK) {
        vs_list_summary_free(s);
        return status;
    }
    *summary_out = s;
    return VS_OK;
}

void vs_list_summary_free(struct vs_list_summary *summary)
{
    if (summary == NULL) {
        return;
    }
    const struct vs_env *env = summary->env;
    for (size_t f = 0; f < summary->field_count; f++) {
        vs_column_clear(&summary->fields[f].entries);
    }
    vs_free(env, summary->fields);
    vs_free_aligned(env, summary->bytes);
    vs_free(env, summary);
}

const struct vs_summary_field *vs_list_summary_field(const struct vs_list_summary *summary,
                                                     int32_t field_id,
                                                     enum vs_kind kind)
{
    for (size_t f = 0; f < summary->field_count; f++) {
        if (summary->fields[f].field_id == field_id && summary->fields[f].kind == kind) {
            return &summary->fields[f];
        }
    }
    return NULL;
}

static uint64_t fnv1a(struct vs_str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void vs_summary_bloom(struct vs_str text, uint64_t words[VS_SUMMARY_BLOOM_WORDS])
{
    uint64_t hash = fnv1a(text), a = hash % 256, b = (hash >> 32) % 256;
    words[a / 64] |= UINT64_C(1) << (a % 64);
    words[b / 64] |= UINT64_C(1) << (b % 64);
}

// ---- building ----

struct builder {
    const struct vs_env *env;
    const struct vs_summary_source *source;
    uint32_t group_lists, group_count;
    uint32_t *group_of; // [row_count]; UINT32_MAX: the row has no slot
    struct vs_buf records, body;
    uint32_t field_count;
};

// Distinct texts of a column, up to VS_SUMMARY_ENTRIES.
struct texts {
    struct vs_str entries[VS_SUMMARY_ENTRIES];
    uint16_t table[1024]; // entry + 1
    uint32_t count, data_len;
};

// The text's entry; UINT32_MAX when there is no room for one more.
static uint32_t find_text(struct texts *texts, struct vs_str text)
{
    uint64_t at = fnv1a(text) % 1024;
    for (; texts->table[at] != 0; at = (at + 1) % 1024) {
        uint32_t entry = texts->table[at] - 1U;
        if (vs_str_equal(texts->entries[entry], text)) {
            return entry;
        }
    }
    if (texts->count == VS_SUMMARY_ENTRIES || text.len > VS_SUMMARY_TEXT_BYTES - texts->data_len) {
        return UINT32_MAX;
    }
    texts->entries[texts->count] = text;
    texts->data_len += (uint32_t)text.len;
    texts->table[at] = (uint16_t)(texts->count + 1);
    return texts->count++;
}

static enum vs_status place_groups(struct builder *b, struct vs_error *err)
{
    const struct vs_summary_source *source = b->source;
    uint64_t rows_per_list = source->slot_count / source->list_count;
    rows_per_list = rows_per_list > 0 ? rows_per_list : 1;
    uint64_t lists = (VS_SUMMARY_GROUP_ROWS + rows_per_list - 1) / rows_per_list;
    b->group_lists = lists < source->list_count ? (uint32_t)lists : source->list_count;
    b->group_count = (source->list_count - 1) / b->group_lists + 1;
    b->group_of = vs_alloc(b->env, (source->row_count + 1) * sizeof *b->group_of);
    if (b->group_of == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a summary of lists");
    }
    memset(b->group_of, 0xFF, (source->row_count + 1) * sizeof *b->group_of);
    for (uint32_t list = 0; list < source->list_count; list++) {
        const struct vs_list_record *record = &source->records[list];
        for (uint32_t i = 0; i < record->slot_count; i++) {
            uint32_t row = source->facts[record->first_slot + i].row;
            if (row < source->row_count) {
                b->group_of[row] = list / b->group_lists;
            }
        }
    }
    return VS_OK;
}

static int64_t order_key(const struct vs_column *column, size_t row)
{
    struct vs_value value = vs_column_get(column, row);
    if (column->kind == VS_KIND_FLOAT || column->kind == VS_KIND_DOUBLE) {
        return vs_key_of_f64(value.as.real);
    }
    return column->kind == VS_KIND_BOOLEAN ? (int64_t)value.as.boolean : value.as.integer;
}

static void set_bit(uint64_t *bits, uint32_t at)
{
    bits[at / 64] |= UINT64_C(1) << (at % 64);
}

// Two bits per text fill up; a filter that lets most texts through is not worth its bytes.
static bool is_too_full(const uint64_t *words, uint32_t group_count)
{
    uint64_t ones = 0, all = (uint64_t)group_count * VS_SUMMARY_BLOOM_WORDS * 64;
    for (size_t w = 0; w < (size_t)group_count * VS_SUMMARY_BLOOM_WORDS; w++) {
        ones += (uint64_t)__builtin_popcountll(words[w]);
    }
    return ones * 2 > all;
}

static void fill_numbers(const struct builder *b,
                         const struct vs_column *column,
                         const struct layout *l,
                         uint8_t *bytes)
{
    int64_t *low = (int64_t *)(void *)(bytes + l->low),
            *high = (int64_t *)(void *)(bytes + l->high);
    for (uint32_t g = 0; g < b->group_count; g++) {
        low[g] = INT64_MAX;
        high[g] = INT64_MIN;
    }
    for (size_t row = 0; row < b->source->row_count; row++) {
        uint32_t g = b->group_of[row];
        if (g == UINT32_MAX || vs_column_is_null(column, row)) {
            continue;
        }
        int64_t key = order_key(column, row);
        low[g] = key < low[g] ? key : low[g];
        high[g] = key > high[g] ? key : high[g];
    }
}

static void fill_texts(const struct builder *b,
                       const struct vs_column *column,
                       struct texts *texts, // NULL: bloom
                       uint32_t word_count,
                       uint64_t *words)
{
    for (size_t row = 0; row < b->source->row_count; row++) {
        uint32_t g = b->group_of[row];
        if (g == UINT32_MAX || vs_column_is_null(column, row)) {
            continue;
        }
        struct vs_str text = vs_column_get_bytes(column, row);
        uint64_t *group = words + (size_t)g * word_count;
        if (texts != NULL) {
            set_bit(group, find_text(texts, text));
        } else {
            vs_summary_bloom(text, group);
        }
    }
}

static void fill_presence(const struct builder *b,
                          const struct vs_column *column,
                          const struct layout *l,
                          uint8_t *bytes)
{
    uint64_t *nulls = (uint64_t *)(void *)(bytes + l->nulls),
             *present = (uint64_t *)(void *)(bytes + l->present);
    for (size_t row = 0; row < b->source->row_count; row++) {
        uint32_t g = b->group_of[row];
        if (g != UINT32_MAX) {
            set_bit(vs_column_is_null(column, row) ? nulls : present, g);
        }
    }
}

static void put_entries(const struct texts *texts, const struct layout *l, uint8_t *bytes)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < texts->count; i++) {
        vs_store_u32le(bytes + l->offsets + 4 * (size_t)i, at);
        memcpy(bytes + l->data + at, texts->entries[i].ptr, texts->entries[i].len);
        at += (uint32_t)texts->entries[i].len;
    }
    vs_store_u32le(bytes + l->offsets + 4 * (size_t)texts->count, at);
}

static enum vs_status add_field(struct builder *b,
                                const struct vs_field *field,
                                const struct vs_column *column,
                                struct texts *texts, // NULL: numbers, or bloom for texts
                                struct vs_error *err)
{
    enum vs_summary_form form = is_range_kind(field->kind) ? VS_SUMMARY_RANGE
                                : texts != NULL            ? VS_SUMMARY_BITS
                                                           : VS_SUMMARY_BLOOM;
    uint32_t words = form == VS_SUMMARY_RANGE  ? 0
                     : form == VS_SUMMARY_BITS ? (texts->count + 63) / 64
                                               : VS_SUMMARY_BLOOM_WORDS,
             entries = form == VS_SUMMARY_BITS ? texts->count : 0,
             data_len = form == VS_SUMMARY_BITS ? texts->data_len : 0;
    struct layout l = place_field(0, b->group_count, form, words, entries, data_len);
    size_t first = b->body.len;
    VS_TRY(vs_buf_append_zeros(&b->body, (size_t)l.end, err));
    uint8_t *bytes = b->body.data + first;
    fill_presence(b, column, &l, bytes);
    if (form == VS_SUMMARY_RANGE) {
        fill_numbers(b, column, &l, bytes);
    } else {
        fill_texts(b, column, texts, words, (uint64_t *)(void *)(bytes + l.words));
    }
    if (form == VS_SUMMARY_BITS) {
        put_entries(texts, &l, bytes);
    }
    if (form == VS_SUMMARY_BLOOM &&
        is_too_full((const uint64_t *)(const void *)(bytes + l.words), b->group_count)) {
        b->body.len = first;
        return VS_OK;
    }
    uint8_t record[FIELD_RECORD] = {0};
    vs_store_u32le(record, (uint32_t)field->id);
    record[4] = (uint8_t)field->kind;
    record[5] = (uint8_t)form;
    vs_store_u16le(record + 6, (uint16_t)words);
    vs_store_u32le(record + 8, entries);
    vs_store_u32le(record + 12, data_len);
    b->field_count++;
    return vs_buf_append(&b->records, record, sizeof record, err);
}

static enum vs_status add_text_field(struct builder *b,
                                     const struct vs_field *field,
                                     const struct vs_column *column,
                                     struct vs_error *err)
{
    struct texts *texts = vs_alloc_zeroed(b->env, 1, sizeof *texts);
    if (texts == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a summary of lists");
    }
    bool fits = true;
    for (size_t row = 0; row < b->source->row_count && fits; row++) {
        fits = b->group_of[row] == UINT32_MAX || vs_column_is_null(column, row) ||
               find_text(texts, vs_column_get_bytes(column, row)) != UINT32_MAX;
    }
    enum vs_status status = VS_OK;
    if (!fits || texts->count > 0) {
        status = add_field(b, field, column, fits ? texts : NULL, err);
    }
    vs_free(b->env, texts);
    return status;
}

static enum vs_status put_blob(struct builder *b, struct vs_buf *out, struct vs_error *err)
{
    uint8_t header[HEADER] = {0};
    size_t total = HEADER + b->records.len + b->body.len;
    memcpy(header, magic, 4);
    vs_store_u16le(header + 4, 1);
    vs_store_u16le(header + 6, HEADER);
    vs_store_u32le(header + 8, b->source->list_count);
    vs_store_u32le(header + 12, b->group_lists);
    vs_store_u32le(header + 16, b->field_count);
    vs_store_u32le(header + 20, b->group_count);
    vs_store_u64le(header + 40, total);
    uint32_t crc = vs_crc32c(0, b->records.data, b->records.len);
    vs_store_u32le(header + 48, vs_crc32c(crc, b->body.data, b->body.len));
    vs_store_u32le(header + 60, vs_crc32c(0, header, 60));
    VS_TRY(vs_buf_append(out, header, sizeof header, err));
    VS_TRY(vs_buf_append(out, b->records.data, b->records.len, err));
    return vs_buf_append(out, b->body.data, b->body.len, err);
}

enum vs_status vs_list_summary_build(const struct vs_env *env,
                                     const struct vs_summary_source *source,
                                     struct vs_buf *out,
                                     struct vs_error *err)
{
    struct builder b = {.env = env, .source = source};
    if (source->list_count == 0 || source->slot_count == 0) {
        return VS_OK;
    }
    vs_buf_init(&b.records, env, (size_t)1 << 24);
    vs_buf_init(&b.body, env, (size_t)1 << 40);
    enum vs_status status = place_groups(&b, err);
    for (size_t f = 0; f < source->field_count && status == VS_OK && b.field_count < MOST_FIELDS;
         f++) {
        const struct vs_field *field = &source->fields[f];
        const struct vs_column *column = source->columns[f];
        if (column == NULL || column->row_count != source->row_count) {
            continue;
        }
        if (is_range_kind(field->kind)) {
            status = add_field(&b, field, column, NULL, err);
        } else if (field->kind == VS_KIND_STRING) {
            status = add_text_field(&b, field, column, err);
        }
    }
    if (status == VS_OK && b.field_count > 0) {
        status = put_blob(&b, out, err);
    }
    vs_buf_clear(&b.records);
    vs_buf_clear(&b.body);
    vs_free(env, b.group_of);
    return status;
}
