// SPDX-License-Identifier: Apache-2.0
// Attr parts, reading: docs/format/index-v1-blobs.md section 2. Everything is checked before the
// column is handed out.
#include "index/attr_layout.h"
#include "index/attrs.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

struct source {
    const uint8_t *bytes;
    const char *what;
    const struct vs_field *field;
    struct vs_attr_part part;
};

static enum vs_status corrupt(const struct source *source, const char *reason, struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT, "%s, column '%.*s': %s", source->what,
                   VS_STR_ARG(source->field->name), reason);
}

// ---- header ----

static enum vs_status check_kinds(const struct source *source, struct vs_error *err)
{
    const struct vs_attr_part *part = &source->part;
    const struct vs_field *field = source->field;
    bool is_list = field->kind == VS_KIND_LIST;
    unsigned value_kind = is_list ? (unsigned)field->element_kind : (unsigned)field->kind;
    if (part->kind >= VS_KIND_OTHER || part->kind != (unsigned)field->kind ||
        part->element_kind != (is_list ? value_kind : VS_ATTR_NO_ELEMENT) ||
        (is_list && value_kind >= VS_KIND_LIST)) {
        return corrupt(source, "holds another kind of values than the descriptor says", err);
    }
    bool is_decimal = value_kind == VS_KIND_DECIMAL;
    if (part->precision != (is_decimal ? field->precision : 0) ||
        part->scale != (is_decimal ? field->scale : 0)) {
        return corrupt(source, "has another precision or scale than the descriptor says", err);
    }
    return VS_OK;
}

static enum vs_status check_counts(const struct source *source,
                                   size_t row_count,
                                   struct vs_error *err)
{
    const struct vs_attr_part *part = &source->part;
    bool is_list = part->kind == VS_KIND_LIST, is_text = vs_attr_is_text(part->kind);
    bool has_codes = part->code_width != 0;
    bool holds_text = is_text || (is_list && vs_attr_is_text(part->element_kind));
    uint8_t flags = is_list ? VS_ATTR_HAS_VALID | VS_ATTR_HAS_ELEMENT_VALID : VS_ATTR_HAS_VALID;
    if (part->row_count != row_count || part->row_count > UINT32_MAX) {
        return corrupt(source, "has another number of rows than the segment", err);
    }
    if ((part->flags & ~flags) != 0 || part->entry_count > UINT32_MAX ||
        part->data_len > UINT32_MAX || (part->data_len != 0 && !holds_text) ||
        (part->entry_count != 0 && !is_list && !has_codes) ||
        (has_codes && (!is_text || (part->entry_count == 0) != (part->row_count == 0)))) {
        return corrupt(source, "has counts or flags that do not go together", err);
    }
    return VS_OK;
}

static enum vs_status parse_header(struct source *source, size_t len, struct vs_error *err)
{
    const uint8_t *h = source->bytes;
    struct vs_attr_part *part = &source->part;
    if (len < VS_ATTR_HEADER_LEN || memcmp(h, VS_ATTR_MAGIC, 4) != 0) {
        return corrupt(source, "is not an attribute part", err);
    }
    if (vs_load_u32le(h + 60) != vs_crc32c(0, h, 60)) {
        return corrupt(source, "the header's checksum is wrong", err);
    }
    if (vs_load_u16le(h + 4) != 1 || vs_load_u16le(h + 6) != VS_ATTR_HEADER_LEN) {
        return vs_fail(err, VS_UNSUPPORTED, "%s, column '%.*s': version %u is not known; 1 is",
                       source->what, VS_STR_ARG(source->field->name), vs_load_u16le(h + 4));
    }
    *part = (struct vs_attr_part){.kind = h[8],
                                  .element_kind = h[10],
                                  .flags = h[11],
                                  .precision = h[12],
                                  .scale = h[13],
                                  .code_width = h[14],
                                  .row_count = vs_load_u64le(h + 16),
                                  .entry_count = vs_load_u64le(h + 24),
                                  .data_len = vs_load_u64le(h + 32)};
    bool width_known = part->code_width <= 2 || part->code_width == 4;
    if (h[9] != (part->code_width != 0) || !width_known || h[15] != 0 ||
        vs_load_u64le(h + 52) != 0) {
        return corrupt(source, "has an unknown encoding or a reserved field that is not zero", err);
    }
    return VS_OK;
}

static enum vs_status check_body(const struct source *source, size_t len, struct vs_error *err)
{
    if (vs_load_u64le(source->bytes + 40) != len || source->part.total_len != len) {
        return corrupt(source, "has another length than its counts need", err);
    }
    if (vs_load_u32le(source->bytes + 48) !=
        vs_crc32c(0, source->bytes + VS_ATTR_HEADER_LEN, len - VS_ATTR_HEADER_LEN)) {
        return corrupt(source, "the checksum is wrong", err);
    }
    return VS_OK;
}

// ---- sections ----

static enum vs_status load_valid(const uint8_t *bits,
                                 size_t count,
                                 struct vs_column *column,
                                 struct vs_error *err)
{
    VS_TRY(vs_buf_append_zeros(&column->valid, count, err));
    for (size_t i = 0; i < count; i++) {
        column->valid.data[i] = bits[i / 8] >> (i % 8) & 1;
    }
    return VS_OK;
}

static enum vs_status load_offsets(const struct source *source,
                                   uint64_t at,
                                   size_t count,
                                   uint64_t last,
                                   struct vs_column *column,
                                   struct vs_error *err)
{
    const uint8_t *offsets = source->bytes + at;
    uint32_t before = 0;
    bool ascending = vs_load_u32le(offsets) == 0;
    for (size_t i = 1; i <= count; i++) {
        uint32_t offset = vs_load_u32le(offsets + 4 * i);
        ascending &= offset >= before;
        before = offset;
    }
    if (!ascending || before != last) {
        return corrupt(source, "has offsets that descend or do not end with the data", err);
    }
    return vs_buf_append(&column->offsets, offsets, 4 * (count + 1), err);
}

static enum vs_status load_fixed(const struct source *source,
                                 size_t count,
                                 struct vs_column *column,
                                 struct vs_error *err)
{
    const uint8_t *values = source->bytes + source->part.values_at;
    for (size_t i = 0; column->kind == VS_KIND_BOOLEAN && i < count; i++) {
        if (values[i] > 1) {
            return corrupt(source, "has a boolean that is neither 0 nor 1", err);
        }
    }
    return vs_buf_append(&column->values, values, vs_kind_width(column->kind) * count, err);
}

static enum vs_status load_text(const struct source *source,
                                uint64_t offsets_at,
                                size_t count,
                                struct vs_column *column,
                                struct vs_error *err)
{
    const struct vs_attr_part *part = &source->part;
    VS_TRY(load_offsets(source, offsets_at, count, part->data_len, column, err));
    return vs_buf_append(&column->values, source->bytes + part->data_at, (size_t)part->data_len,
                         err);
}

static enum vs_status load_codes(const struct source *source,
                                 struct vs_column *column,
                                 struct vs_error *err)
{
    const struct vs_attr_part *part = &source->part;
    size_t count = (size_t)part->row_count;
    VS_TRY(vs_buf_append_zeros(&column->values, 4 * count, err));
    const uint8_t *codes = source->bytes + part->codes_at;
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t code = part->code_width == 1   ? codes[i]
                        : part->code_width == 2 ? vs_load_u16le(codes + 2 * i)
                                                : vs_load_u32le(codes + 4 * i);
        largest = code > largest ? code : largest;
        memcpy(column->values.data + 4 * i, &code, sizeof code);
    }
    if (count > 0 && largest >= part->entry_count) {
        return corrupt(source, "has a code beyond its dictionary", err);
    }
    return VS_OK;
}

static enum vs_status load_dictionary(const struct source *source,
                                      struct vs_column *column,
                                      struct vs_error *err)
{
    const struct vs_env *env = column->values.env;
    VS_TRY(load_codes(source, column, err));
    struct vs_column *entries = vs_alloc(env, sizeof *entries);
    if (entries == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for a dictionary");
    }
    vs_column_init(entries, env, column->kind);
    column->dictionary = entries; // freed with the column
    entries->row_count = (size_t)source->part.entry_count;
    return load_text(source, source->part.entry_offsets_at, entries->row_count, entries, err);
}

static enum vs_status load_list(const struct source *source,
                                struct vs_column *column,
                                struct vs_error *err)
{
    const struct vs_attr_part *part = &source->part;
    struct vs_column *child = column->child;
    size_t count = (size_t)part->entry_count;
    child->row_count = count;
    VS_TRY(load_offsets(source, part->offsets_at, (size_t)part->row_count, count, column, err));
    if ((part->flags & VS_ATTR_HAS_ELEMENT_VALID) != 0) {
        VS_TRY(load_valid(source->bytes + part->element_valid_at, count, child, err));
    }
    return vs_attr_is_text(child->kind)
               ? load_text(source, part->entry_offsets_at, count, child, err)
               : load_fixed(source, count, child, err);
}

static enum vs_status load_column(const struct source *source,
                                  struct vs_column *column,
                                  struct vs_error *err)
{
    const struct vs_attr_part *part = &source->part;
    column->row_count = (size_t)part->row_count;
    if ((part->flags & VS_ATTR_HAS_VALID) != 0) {
        VS_TRY(load_valid(source->bytes + part->valid_at, column->row_count, column, err));
    }
    if (part->code_width != 0) {
        return load_dictionary(source, column, err);
    }
    if (part->kind == VS_KIND_LIST) {
        return load_list(source, column, err);
    }
    return vs_attr_is_text(part->kind)
               ? load_text(source, part->offsets_at, column->row_count, column, err)
               : load_fixed(source, column->row_count, column, err);
}

enum vs_status vs_attr_decode(const struct vs_env *env,
                              struct vs_str bytes,
                              const char *what,
                              const struct vs_field *field,
                              size_t row_count,
                              struct vs_column *column_out,
                              struct vs_error *err)
{
    struct source source = {.bytes = (const uint8_t *)bytes.ptr, .what = what, .field = field};
    VS_TRY(parse_header(&source, bytes.len, err));
    VS_TRY(check_kinds(&source, err));
    VS_TRY(check_counts(&source, row_count, err));
    vs_attr_place_sections(&source.part);
    VS_TRY(check_body(&source, bytes.len, err));
    struct vs_column column;
    VS_TRY(vs_column_init_field(&column, env, field, err));
    enum vs_status status = load_column(&source, &column, err);
    if (status == VS_OK) {
        *column_out = column;
    } else {
        vs_column_clear(&column);
    }
    return status;
}
