// SPDX-License-Identifier: Apache-2.0
// Values of Avro: decoded, passed over, kept as bytes, and asked for their fields.
#include "vecstore/base/checked.h"
#include "vecstore/format/avro_internal.h"

enum vs_status vs_avro_read_bytes(struct vs_reader *r, struct vs_str *out, struct vs_error *err)
{
    int64_t len;
    const uint8_t *bytes;
    VS_TRY(vs_read_zigzag(r, &len, err));
    if (len < 0 || (uint64_t)len > vs_reader_left(r)) {
        return vs_reader_fail(r, err, "a string is longer than the bytes that are left");
    }
    VS_TRY(vs_read_bytes(r, (size_t)len, &bytes, err));
    *out = (struct vs_str){(const char *)bytes, (size_t)len};
    return VS_OK;
}

// Number of items of the next block of an array or map; 0 ends it.
enum vs_status vs_avro_read_count(struct vs_reader *r,
                                  size_t item_min_bytes,
                                  size_t *count_out,
                                  struct vs_error *err)
{
    int64_t count, size;
    VS_TRY(vs_read_zigzag(r, &count, err));
    if (count < 0) {
        VS_TRY(vs_read_zigzag(r, &size, err));
        if (size < 0 || (uint64_t)size > vs_reader_left(r)) {
            return vs_reader_fail(r, err, "a block is longer than the bytes that are left");
        }
        if (count == INT64_MIN) {
            return vs_reader_fail(r, err, "a block has an impossible count");
        }
        count = -count;
    }
    uint64_t most =
        item_min_bytes == 0 ? VS_AVRO_MAX_EMPTY_ITEMS : vs_reader_left(r) / item_min_bytes;
    if ((uint64_t)count > most) {
        return vs_reader_fail(r, err, "a block counts more items than its bytes can hold");
    }
    *count_out = (size_t)count;
    return VS_OK;
}

static enum vs_status no_memory(const struct vs_avro_decoder *d, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: no memory for a record", d->reader->what);
}

// ---- passing over values ----

static enum vs_status skip(struct vs_reader *r,
                           const struct vs_avro_node *node,
                           unsigned depth,
                           struct vs_error *err);

// NOLINTNEXTLINE(misc-no-recursion): skip() ends at 2 * VS_AVRO_MAX_DEPTH
static enum vs_status skip_items(struct vs_reader *r,
                                 const struct vs_avro_node *node,
                                 unsigned depth,
                                 struct vs_error *err)
{
    size_t count;
    struct vs_str key;
    for (;;) {
        VS_TRY(vs_avro_read_count(r, node->items->min_bytes, &count, err));
        if (count == 0) {
            return VS_OK;
        }
        if (node->items->min_bytes == 0 && node->type == VS_AVRO_ARRAY) {
            return vs_reader_fail(r, err, "an array counts items that take no bytes");
        }
        for (size_t i = 0; i < count; i++) {
            if (node->type == VS_AVRO_MAP) {
                VS_TRY(vs_avro_read_bytes(r, &key, err));
            }
            VS_TRY(skip(r, node->items, depth + 1, err));
        }
    }
}

static enum vs_status skip_scalar(struct vs_reader *r,
                                  const struct vs_avro_node *node,
                                  struct vs_error *err)
{
    int64_t number;
    struct vs_str bytes;
    switch (node->type) {
    case VS_AVRO_BOOLEAN:
        return vs_read_skip(r, 1, err);
    case VS_AVRO_INT:
    case VS_AVRO_LONG:
    case VS_AVRO_ENUM:
        return vs_read_zigzag(r, &number, err);
    case VS_AVRO_FLOAT:
        return vs_read_skip(r, 4, err);
    case VS_AVRO_DOUBLE:
        return vs_read_skip(r, 8, err);
    case VS_AVRO_BYTES:
    case VS_AVRO_STRING:
        return vs_avro_read_bytes(r, &bytes, err);
    case VS_AVRO_FIXED:
        return vs_read_skip(r, node->fixed_size, err);
    case VS_AVRO_NULL:
    case VS_AVRO_RECORD:
    case VS_AVRO_ARRAY:
    case VS_AVRO_MAP:
    case VS_AVRO_UNION:
        break;
    }
    return VS_OK;
}

static enum vs_status take_branch(struct vs_reader *r,
                                  const struct vs_avro_node **node,
                                  struct vs_error *err)
{
    int64_t branch;
    if ((*node)->type != VS_AVRO_UNION) {
        return VS_OK;
    }
    VS_TRY(vs_read_zigzag(r, &branch, err));
    if (branch < 0 || (uint64_t)branch >= (*node)->branch_count) {
        return vs_reader_fail(r, err, "a union has no such branch");
    }
    *node = (*node)->branches[branch];
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): ends at 2 * VS_AVRO_MAX_DEPTH
static enum vs_status skip(struct vs_reader *r,
                           const struct vs_avro_node *node,
                           unsigned depth,
                           struct vs_error *err)
{
    if (depth > 2 * VS_AVRO_MAX_DEPTH) {
        return vs_reader_fail(r, err, "values are nested too deep");
    }
    VS_TRY(take_branch(r, &node, err));
    if (node->type == VS_AVRO_ARRAY || node->type == VS_AVRO_MAP) {
        return skip_items(r, node, depth, err);
    }
    for (size_t i = 0; node->type == VS_AVRO_RECORD && i < node->field_count; i++) {
        VS_TRY(skip(r, node->fields[i].type, depth + 1, err));
    }
    return node->type == VS_AVRO_RECORD ? VS_OK : skip_scalar(r, node, err);
}

static const struct vs_avro_node raw_node = {
    .type = VS_AVRO_BYTES, .element_id = -1, .key_id = -1, .value_id = -1};

static bool is_raw(const struct vs_avro_decoder *d, int32_t field_id)
{
    for (size_t i = 0; i < d->raw_count; i++) {
        if (d->raw_ids[i] == field_id) {
            return true;
        }
    }
    return false;
}

static enum vs_status keep_raw(struct vs_avro_decoder *d,
                               const struct vs_avro_node *node,
                               unsigned depth,
                               struct vs_avro_value *out,
                               struct vs_error *err)
{
    VS_TRY(take_branch(d->reader, &node, err));
    if (node->type == VS_AVRO_NULL) {
        *out = (struct vs_avro_value){.node = node};
        return VS_OK;
    }
    const uint8_t *start = d->reader->next;
    VS_TRY(skip(d->reader, node, depth, err));
    *out = (struct vs_avro_value){.node = &raw_node};
    out->as.bytes = (struct vs_str){(const char *)start, (size_t)(d->reader->next - start)};
    return VS_OK;
}

// NOLINTNEXTLINE(misc-no-recursion): vs_avro_decode() ends at 2 * VS_AVRO_MAX_DEPTH
static enum vs_status decode_record(struct vs_avro_decoder *d,
                                    unsigned depth,
                                    struct vs_avro_value *out,
                                    struct vs_error *err)
{
    const struct vs_avro_node *node = out->node;
    out->as.items = vs_arena_alloc_array(d->arena, node->field_count, sizeof *out->as.items);
    if (out->as.items == NULL) {
        return no_memory(d, err);
    }
    out->count = node->field_count;
    for (size_t i = 0; i < node->field_count; i++) {
        const struct vs_avro_field *field = &node->fields[i];
        if (is_raw(d, field->field_id)) {
            VS_TRY(keep_raw(d, field->type, depth + 1, &out->as.items[i], err));
        } else {
            VS_TRY(vs_avro_decode(d, field->type, depth + 1, &out->as.items[i], err));
        }
    }
    return VS_OK;
}

// Makes room for `more` items behind the `used` ones.
static enum vs_status grow_items(struct vs_avro_decoder *d,
                                 struct vs_avro_value **items,
                                 size_t used,
                                 size_t more,
                                 size_t *capacity,
                                 struct vs_error *err)
{
    size_t need;
    if (!vs_add_size(used, more, &need)) {
        return no_memory(d, err);
    }
    if (*items != NULL && need <= *capacity) {
        return VS_OK;
    }
    size_t next = used == 0 || need > used * 2 ? need : used * 2;
    struct vs_avro_value *grown = vs_arena_alloc_array(d->arena, next, sizeof *grown);
    if (grown == NULL) {
        return no_memory(d, err);
    }
    for (size_t i = 0; i < used; i++) {
        grown[i] = (*items)[i];
    }
    *items = grown;
    *capacity = next;
    return VS_OK;
}

static const struct vs_avro_node map_key_node = {
    .type = VS_AVRO_STRING, .element_id = -1, .key_id = -1, .value_id = -1, .min_bytes = 1};

// Arrays (step 1) and maps (step 2: key and value).
// NOLINTNEXTLINE(misc-no-recursion): vs_avro_decode() ends at 2 * VS_AVRO_MAX_DEPTH
static enum vs_status decode_items(struct vs_avro_decoder *d,
                                   size_t step,
                                   unsigned depth,
                                   struct vs_avro_value *out,
                                   struct vs_error *err)
{
    const struct vs_avro_node *node = out->node;
    struct vs_avro_value *items = NULL;
    size_t used = 0, capacity = 0, count;
    size_t min_bytes = node->items->min_bytes;
    if (step == 2 && !vs_add_size(min_bytes, 1, &min_bytes)) {
        min_bytes = SIZE_MAX;
    }
    for (;;) {
        VS_TRY(vs_avro_read_count(d->reader, min_bytes, &count, err));
        if (count == 0) {
            break;
        }
        d->empty_items += min_bytes == 0 ? count : 0;
        if (d->empty_items > VS_AVRO_MAX_EMPTY_ITEMS) {
            return vs_reader_fail(d->reader, err,
                                  "a record counts too many items that take no bytes");
        }
        VS_TRY(grow_items(d, &items, used, count * step, &capacity, err));
        for (size_t i = 0; i < count; i++) {
            if (step == 2) {
                items[used].node = &map_key_node;
                VS_TRY(vs_avro_read_bytes(d->reader, &items[used].as.bytes, err));
                used++;
            }
            VS_TRY(vs_avro_decode(d, node->items, depth + 1, &items[used], err));
            used++;
        }
    }
    out->as.items = items;
    out->count = used / step;
    return VS_OK;
}

static enum vs_status decode_scalar(struct vs_avro_decoder *d,
                                    struct vs_avro_value *out,
                                    struct vs_error *err)
{
    struct vs_reader *r = d->reader;
    uint8_t byte;
    uint32_t word;
    const uint8_t *bytes;
    switch (out->node->type) {
    case VS_AVRO_NULL:
        return VS_OK;
    case VS_AVRO_BOOLEAN:
        VS_TRY(vs_read_u8(r, &byte, err));
        out->as.integer = byte;
        return byte <= 1 ? VS_OK : vs_reader_fail(r, err, "a boolean is neither 0 nor 1");
    case VS_AVRO_INT:
    case VS_AVRO_LONG:
    case VS_AVRO_ENUM:
        VS_TRY(vs_read_zigzag(r, &out->as.integer, err));
        if (out->node->type == VS_AVRO_INT &&
            (out->as.integer < INT32_MIN || out->as.integer > INT32_MAX)) {
            return vs_reader_fail(r, err, "an int does not fit in 32 bits");
        }
        if (out->node->type == VS_AVRO_ENUM &&
            (out->as.integer < 0 || (uint64_t)out->as.integer >= out->node->symbol_count)) {
            return vs_reader_fail(r, err, "an enum has an unknown symbol");
        }
        return VS_OK;
    case VS_AVRO_FLOAT:
        VS_TRY(vs_read_u32le(r, &word, err));
        out->as.bits = word;
        return VS_OK;
    case VS_AVRO_DOUBLE:
        return vs_read_u64le(r, &out->as.bits, err);
    case VS_AVRO_BYTES:
    case VS_AVRO_STRING:
        return vs_avro_read_bytes(r, &out->as.bytes, err);
    case VS_AVRO_FIXED:
        VS_TRY(vs_read_bytes(r, out->node->fixed_size, &bytes, err));
        out->as.bytes = (struct vs_str){(const char *)bytes, out->node->fixed_size};
        return VS_OK;
    case VS_AVRO_RECORD:
    case VS_AVRO_ARRAY:
    case VS_AVRO_MAP:
    case VS_AVRO_UNION:
        break;
    }
    return vs_fail(err, VS_INTERNAL, "%s: not a scalar Avro type", r->what);
}

// NOLINTNEXTLINE(misc-no-recursion): vs_avro_decode() ends at 2 * VS_AVRO_MAX_DEPTH
enum vs_status vs_avro_decode(struct vs_avro_decoder *d,
                              const struct vs_avro_node *node,
                              unsigned depth,
                              struct vs_avro_value *out,
                              struct vs_error *err)
{
    if (depth > 2 * VS_AVRO_MAX_DEPTH) {
        return vs_reader_fail(d->reader, err, "values are nested too deep");
    }
    VS_TRY(take_branch(d->reader, &node, err));
    *out = (struct vs_avro_value){.node = node};
    if (node->type == VS_AVRO_RECORD) {
        return decode_record(d, depth, out, err);
    }
    if (node->type == VS_AVRO_ARRAY || node->type == VS_AVRO_MAP) {
        return decode_items(d, node->type == VS_AVRO_MAP ? 2 : 1, depth, out, err);
    }
    return decode_scalar(d, out, err);
}

// ---- what a record says ----

static bool has_ids(const struct vs_avro_node *node)
{
    for (size_t i = 0; i < node->field_count; i++) {
        if (node->fields[i].field_id >= 0) {
            return true;
        }
    }
    return false;
}

const struct vs_avro_value *vs_avro_field(const struct vs_avro_value *record,
                                          int32_t field_id,
                                          const char *name)
{
    if (record == NULL || record->node->type != VS_AVRO_RECORD) {
        return NULL;
    }
    const struct vs_avro_node *node = record->node;
    bool by_id = has_ids(node);
    for (size_t i = 0; i < node->field_count; i++) {
        const struct vs_avro_field *field = &node->fields[i];
        if (by_id ? field->field_id == field_id : vs_str_equal_c(field->name, name)) {
            const struct vs_avro_value *value = &record->as.items[i];
            return value->node->type == VS_AVRO_NULL ? NULL : value;
        }
    }
    return NULL;
}

bool vs_avro_to_i64(const struct vs_avro_value *value, int64_t *out)
{
    if (value == NULL || (value->node->type != VS_AVRO_INT && value->node->type != VS_AVRO_LONG)) {
        return false;
    }
    *out = value->as.integer;
    return true;
}

bool vs_avro_to_bytes(const struct vs_avro_value *value, struct vs_str *out)
{
    if (value == NULL ||
        (value->node->type != VS_AVRO_BYTES && value->node->type != VS_AVRO_STRING &&
         value->node->type != VS_AVRO_FIXED)) {
        return false;
    }
    *out = value->as.bytes;
    return true;
}
