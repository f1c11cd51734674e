// SPDX-License-Identifier: Apache-2.0
// Attr parts, writing: docs/format/index-v1-blobs.md section 2.
#include "index/attr_layout.h"
#include "index/attrs.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

static uint64_t round_up_8(uint64_t n)
{
    return (n + 7) & ~(uint64_t)7;
}

void vs_attr_place_sections(struct vs_attr_part *part)
{
    bool is_list = part->kind == VS_KIND_LIST, is_text = vs_attr_is_text(part->kind);
    bool has_codes = part->code_width != 0;
    unsigned value_kind = is_list ? part->element_kind : part->kind;
    uint64_t value_count = is_list ? part->entry_count : part->row_count;
    uint64_t next = VS_ATTR_HEADER_LEN;
    part->valid_at = next;
    next += (part->flags & VS_ATTR_HAS_VALID) != 0 ? round_up_8((part->row_count + 7) / 8) : 0;
    part->offsets_at = next;
    next += is_list || (is_text && !has_codes) ? round_up_8(4 * (part->row_count + 1)) : 0;
    part->codes_at = next;
    next += round_up_8(part->code_width * part->row_count);
    part->element_valid_at = next;
    next += (part->flags & VS_ATTR_HAS_ELEMENT_VALID) != 0 ? round_up_8((part->entry_count + 7) / 8)
                                                           : 0;
    part->entry_offsets_at = next;
    next += has_codes || (is_list && vs_attr_is_text(value_kind))
                ? round_up_8(4 * (part->entry_count + 1))
                : 0;
    part->values_at = next;
    next += round_up_8(vs_kind_width((enum vs_kind)value_kind) * value_count);
    part->data_at = next;
    part->total_len = next + round_up_8(part->data_len);
}

// ---- dictionary ----

struct dictionary {
    const struct vs_env *env;
    const struct vs_column *column;
    uint32_t *slots; // code + 1, 0: free
    size_t slot_mask;
    uint64_t seed;
    uint32_t *codes;     // of rows
    uint32_t *first_row; // of each entry
    size_t entry_count;
    uint64_t data_len;
};

static uint64_t hash_bytes(struct vs_str text, uint64_t seed)
{
    uint64_t hash = seed ^ (text.len * 0x9e3779b97f4a7c15u);
    const char *next = text.ptr;
    size_t left = text.len;
    for (; left >= 8; left -= 8, next += 8) {
        hash = (hash ^ vs_load_u64le(next)) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    for (; left > 0; left--, next++) {
        hash = (hash ^ (uint8_t)*next) * 0xc4ceb9fe1a85ec53u;
        hash ^= hash >> 32;
    }
    return hash ^ hash >> 29;
}

static void dictionary_clear(struct dictionary *dict)
{
    vs_free(dict->env, dict->slots);
    vs_free(dict->env, dict->codes);
    vs_free(dict->env, dict->first_row);
}

static enum vs_status dictionary_init(struct dictionary *dict,
                                      const struct vs_column *column,
                                      struct vs_error *err)
{
    size_t slots = 16;
    while (slots < 2 * column->row_count) {
        slots *= 2;
    }
    dict->column = column;
    dict->slot_mask = slots - 1;
    dict->seed = vs_random_u64(dict->env); // the result does not depend on it
    dict->slots = vs_alloc_zeroed(dict->env, slots, sizeof *dict->slots);
    dict->codes = vs_alloc_zeroed(dict->env, column->row_count, sizeof *dict->codes);
    dict->first_row = vs_alloc_zeroed(dict->env, column->row_count, sizeof *dict->first_row);
    if (dict->slots == NULL || dict->codes == NULL || dict->first_row == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the dictionary of a column");
    }
    return VS_OK;
}

static uint32_t dictionary_code(struct dictionary *dict, size_t row)
{
    struct vs_str text = vs_column_get_bytes(dict->column, row);
    size_t slot = hash_bytes(text, dict->seed) & dict->slot_mask;
    for (; dict->slots[slot] != 0; slot = (slot + 1) & dict->slot_mask) {
        uint32_t code = dict->slots[slot] - 1;
        if (vs_str_equal(text, vs_column_get_bytes(dict->column, dict->first_row[code]))) {
            return code;
        }
    }
    dict->first_row[dict->entry_count] = (uint32_t)row;
    dict->data_len += text.len;
    dict->slots[slot] = (uint32_t)++dict->entry_count;
    return dict->slots[slot] - 1;
}

static uint8_t width_of_codes(size_t entry_count)
{
    return entry_count <= 256 ? 1 : entry_count <= 65536 ? 2 : 4;
}

// Entries in the order of their first rows. False as soon as the dictionary is not smaller than
// plain_len bytes.
static bool dictionary_build(struct dictionary *dict, uint64_t plain_len)
{
    size_t null_count = 0;
    for (size_t row = 0; row < dict->column->row_count; row++) {
        if (vs_column_is_null(dict->column, row)) {
            null_count++;
            continue; // code 0
        }
        dict->codes[row] = dictionary_code(dict, row);
        if (dict->data_len + 4 * dict->entry_count >= plain_len) {
            return false;
        }
    }
    if (null_count == dict->column->row_count) { // code 0 needs an entry: the empty text of row 0
        dict->entry_count = 1;
    }
    uint64_t len = dict->data_len + 4 * (dict->entry_count + 1) +
                   (uint64_t)width_of_codes(dict->entry_count) * dict->column->row_count;
    return len < plain_len;
}

static void store_dictionary(const struct dictionary *dict,
                             const struct vs_attr_part *part,
                             uint8_t *bytes)
{
    for (size_t row = 0; row < dict->column->row_count; row++) {
        uint8_t *code = bytes + part->codes_at + part->code_width * row;
        if (part->code_width == 1) {
            *code = (uint8_t)dict->codes[row];
        } else if (part->code_width == 2) {
            vs_store_u16le(code, (uint16_t)dict->codes[row]);
        } else {
            vs_store_u32le(code, dict->codes[row]);
        }
    }
    uint32_t end = 0;
    for (size_t entry = 0; entry < dict->entry_count; entry++) {
        struct vs_str text = vs_column_get_bytes(dict->column, dict->first_row[entry]);
        if (text.len > 0) {
            memcpy(bytes + part->data_at + end, text.ptr, text.len);
        }
        end += (uint32_t)text.len;
        vs_store_u32le(bytes + part->entry_offsets_at + 4 * (entry + 1), end);
    }
}

// ---- sections ----

static bool has_nulls(const struct vs_column *column)
{
    return column->valid.len != 0 && memchr(column->valid.data, 0, column->row_count) != NULL;
}

static void store_valid(const struct vs_column *column, uint8_t *bits)
{
    for (size_t row = 0; row < column->row_count; row++) {
        bits[row / 8] |= (uint8_t)((vs_column_is_null(column, row) ? 0u : 1u) << (row % 8));
    }
}

// Text row by row: the column may itself be dictionary-coded.
static void store_text(const struct vs_column *column, uint8_t *offsets, uint8_t *data)
{
    uint32_t end = 0;
    for (size_t row = 0; row < column->row_count; row++) {
        struct vs_str text = {NULL, 0};
        if (!vs_column_is_null(column, row)) {
            text = vs_column_get_bytes(column, row);
        }
        if (text.len > 0) {
            memcpy(data + end, text.ptr, text.len);
        }
        end += (uint32_t)text.len;
        vs_store_u32le(offsets + 4 * (row + 1), end);
    }
}

static uint64_t text_len(const struct vs_column *column)
{
    uint64_t len = 0;
    for (size_t row = 0; row < column->row_count; row++) {
        len += vs_column_is_null(column, row) ? 0 : vs_column_get_bytes(column, row).len;
    }
    return len;
}

static void copy_bytes(uint8_t *to, const uint8_t *from, uint64_t len)
{
    if (len > 0) {
        memcpy(to, from, (size_t)len);
    }
}

static void store_list(const struct vs_column *column,
                       const struct vs_attr_part *part,
                       uint8_t *bytes)
{
    const struct vs_column *child = column->child;
    for (size_t row = 0; row < column->row_count; row++) {
        size_t first, count;
        vs_column_get_list(column, row, &first, &count);
        uint32_t before = vs_load_u32le(bytes + part->offsets_at + 4 * row);
        vs_store_u32le(bytes + part->offsets_at + 4 * (row + 1), before + (uint32_t)count);
    }
    if ((part->flags & VS_ATTR_HAS_ELEMENT_VALID) != 0) {
        store_valid(child, bytes + part->element_valid_at);
    }
    if (vs_attr_is_text(child->kind)) {
        store_text(child, bytes + part->entry_offsets_at, bytes + part->data_at);
    } else {
        copy_bytes(bytes + part->values_at, child->values.data,
                   vs_kind_width(child->kind) * part->entry_count);
    }
}

static void store_header(const struct vs_attr_part *part, uint8_t *bytes)
{
    memcpy(bytes, VS_ATTR_MAGIC, 4);
    vs_store_u16le(bytes + 4, 1);
    vs_store_u16le(bytes + 6, VS_ATTR_HEADER_LEN);
    bytes[8] = part->kind;
    bytes[9] = part->code_width != 0;
    bytes[10] = part->element_kind;
    bytes[11] = part->flags;
    bytes[12] = part->precision;
    bytes[13] = part->scale;
    bytes[14] = part->code_width;
    vs_store_u64le(bytes + 16, part->row_count);
    vs_store_u64le(bytes + 24, part->entry_count);
    vs_store_u64le(bytes + 32, part->data_len);
    vs_store_u64le(bytes + 40, part->total_len);
    vs_store_u32le(bytes + 48, vs_crc32c(0, bytes + VS_ATTR_HEADER_LEN,
                                         (size_t)part->total_len - VS_ATTR_HEADER_LEN));
    vs_store_u32le(bytes + 60, vs_crc32c(0, bytes, 60));
}

static enum vs_status write_part(const struct vs_column *column,
                                 struct vs_attr_part *part,
                                 const struct dictionary *dict,
                                 struct vs_buf *out,
                                 struct vs_error *err)
{
    vs_attr_place_sections(part);
    size_t at = out->len;
    VS_TRY(vs_buf_append_zeros(out, (size_t)part->total_len, err));
    uint8_t *bytes = out->data + at;
    if ((part->flags & VS_ATTR_HAS_VALID) != 0) {
        store_valid(column, bytes + part->valid_at);
    }
    if (part->code_width != 0) {
        store_dictionary(dict, part, bytes);
    } else if (part->kind == VS_KIND_LIST) {
        store_list(column, part, bytes);
    } else if (vs_attr_is_text(part->kind)) {
        store_text(column, bytes + part->offsets_at, bytes + part->data_at);
    } else {
        copy_bytes(bytes + part->values_at, column->values.data,
                   vs_kind_width(column->kind) * part->row_count);
    }
    store_header(part, bytes);
    return VS_OK;
}

// Sets code_width, entry_count and data_len when a dictionary is smaller.
static enum vs_status encode_text(const struct vs_column *column,
                                  struct vs_attr_part *part,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    struct dictionary dict = {.env = out->env};
    enum vs_status status = dictionary_init(&dict, column, err);
    if (status == VS_OK) {
        if (dictionary_build(&dict, part->data_len + 4 * (part->row_count + 1))) {
            part->code_width = width_of_codes(dict.entry_count);
            part->entry_count = dict.entry_count;
            part->data_len = dict.data_len;
        }
        status = write_part(column, part, &dict, out, err);
    }
    dictionary_clear(&dict);
    return status;
}

static enum vs_status check_column(const struct vs_column *column,
                                   const struct vs_field *field,
                                   struct vs_error *err)
{
    if (column->kind != field->kind || column->kind >= VS_KIND_OTHER ||
        (column->kind == VS_KIND_LIST &&
         (column->child == NULL || column->child->kind != field->element_kind ||
          field->element_kind >= VS_KIND_LIST))) {
        return vs_fail(err, VS_INVALID, "column '%.*s' is of a kind that the index cannot store",
                       VS_STR_ARG(field->name));
    }
    if (column->row_count > UINT32_MAX) {
        return vs_fail(err, VS_LIMIT, "column '%.*s' has more than 4294967295 rows in one segment",
                       VS_STR_ARG(field->name));
    }
    return VS_OK;
}

enum vs_status vs_attr_encode_part(const struct vs_column *column,
                                   const struct vs_field *field,
                                   bool allow_dictionary,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    VS_TRY(check_column(column, field, err));
    bool is_list = column->kind == VS_KIND_LIST;
    const struct vs_column *text = is_list ? column->child : column;
    bool is_decimal = text->kind == VS_KIND_DECIMAL;
    struct vs_attr_part part = {
        .kind = (uint8_t)column->kind,
        .element_kind = (uint8_t)(is_list ? (unsigned)column->child->kind : VS_ATTR_NO_ELEMENT),
        .precision = is_decimal ? field->precision : 0,
        .scale = is_decimal ? field->scale : 0,
        .row_count = column->row_count,
        .entry_count = is_list ? column->child->row_count : 0,
        .data_len = vs_attr_is_text(text->kind) ? text_len(text) : 0};
    part.flags = (uint8_t)((has_nulls(column) ? VS_ATTR_HAS_VALID : 0) |
                           (is_list && has_nulls(column->child) ? VS_ATTR_HAS_ELEMENT_VALID : 0));
    if (part.data_len > UINT32_MAX || part.entry_count > UINT32_MAX) {
        return vs_fail(err, VS_LIMIT,
                       "column '%.*s' has more than 4 GiB of text or elements in one segment",
                       VS_STR_ARG(field->name));
    }
    if (allow_dictionary && vs_attr_is_text(part.kind) && part.row_count > 0) {
        return encode_text(column, &part, out, err);
    }
    return write_part(column, &part, NULL, out, err);
}

enum vs_status vs_attr_encode(const struct vs_column *column,
                              const struct vs_field *field,
                              struct vs_buf *out,
                              struct vs_error *err)
{
    return vs_attr_encode_part(column, field, true, out, err);
}
