// SPDX-License-Identifier: Apache-2.0
// Values of a page into a column: dictionary, conversion, gaps for nulls.
#include "vecstore/base/checked.h"
#include "vecstore/format/parquet_cursor.h"

#define CODE_STEP 512

static bool is_bytes_kind(enum vs_kind kind)
{
    return kind == VS_KIND_STRING || kind == VS_KIND_BINARY || kind == VS_KIND_FIXED;
}

// n values in memory form, from other encodings than a dictionary.
static enum vs_status decode_plain(struct vs_pq_cursor *c,
                                   struct vs_pq_values *values,
                                   uint8_t *out,
                                   size_t n,
                                   struct vs_error *err)
{
    if (c->leaf.convert == VS_PQ_SAME) {
        return vs_pq_values_fixed(values, out, n, err);
    }
    if (c->leaf.convert == VS_PQ_BYTES_TO_DECIMAL) {
        for (size_t i = 0; i < n; i++) {
            struct vs_str bytes = {NULL, 0};
            vs_int128 value = 0;
            VS_TRY(vs_pq_values_bytes(values, &bytes, err));
            VS_TRY(vs_pq_bytes_to_decimal(bytes, &value, err));
            memcpy(out + i * sizeof value, &value, sizeof value);
        }
        return VS_OK;
    }
    size_t width = vs_kind_width(c->kind);
    for (size_t done = 0; done < n;) {
        size_t take = n - done < VS_PQ_LEVELS ? n - done : VS_PQ_LEVELS;
        vs_buf_reset(&c->scratch);
        VS_TRY(vs_buf_reserve(&c->scratch, take * values->width, err));
        VS_TRY(vs_pq_values_fixed(values, c->scratch.data, take, err));
        VS_TRY(vs_pq_convert(&c->leaf, c->scratch.data, out + done * width, take, err));
        done += take;
    }
    return VS_OK;
}

static enum vs_status check_codes(const struct vs_pq_cursor *c,
                                  const uint32_t *codes,
                                  size_t n,
                                  struct vs_error *err)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = codes[i] > largest ? codes[i] : largest;
    }
    if (n > 0 && largest >= c->dictionary_count) {
        return vs_fail(err, VS_CORRUPT,
                       "a value has dictionary code %u, the dictionary has %zu values", largest,
                       c->dictionary_count);
    }
    return VS_OK;
}

static enum vs_status decode_codes(struct vs_pq_cursor *c,
                                   uint8_t *out,
                                   size_t n,
                                   struct vs_error *err)
{
    uint32_t codes[CODE_STEP];
    size_t width = vs_kind_width(c->kind);
    for (size_t done = 0; done < n;) {
        size_t take = n - done < CODE_STEP ? n - done : CODE_STEP;
        VS_TRY(vs_pq_values_codes(&c->values, codes, take, err));
        VS_TRY(check_codes(c, codes, take, err));
        for (size_t i = 0; i < take; i++) {
            memcpy(out + (done + i) * width, c->dictionary.data + codes[i] * width, width);
        }
        done += take;
    }
    return VS_OK;
}

// Moves `present` values at the front of `slots` places to where flags say, from the end, and
// zeroes the gaps.
static void spread(
    uint8_t *values, size_t width, size_t slots, size_t present, const uint8_t *flags)
{
    for (size_t i = slots; i-- > 0;) {
        if (flags[i]) {
            present--;
            if (present != i) {
                memcpy(values + i * width, values + present * width, width);
            }
        } else {
            memset(values + i * width, 0, width);
        }
    }
}

static enum vs_status append_fixed(struct vs_pq_cursor *c,
                                   size_t slots,
                                   size_t present,
                                   const uint8_t *flags,
                                   struct vs_column *dst,
                                   struct vs_error *err)
{
    size_t width = vs_kind_width(c->kind);
    VS_TRY(vs_buf_reserve(&dst->values, slots * width, err));
    uint8_t *at = dst->values.data + dst->values.len;
    if (c->values.is_dictionary) {
        VS_TRY(decode_codes(c, at, present, err));
    } else {
        VS_TRY(decode_plain(c, &c->values, at, present, err));
    }
    if (present < slots) {
        spread(at, width, slots, present, flags);
    }
    dst->values.len += slots * width;
    return VS_OK;
}

// The next value of a BYTE_ARRAY or FIXED_LEN_BYTE_ARRAY; valid until the next call.
static enum vs_status next_bytes(struct vs_pq_cursor *c,
                                 struct vs_pq_values *values,
                                 struct vs_str *bytes_out,
                                 struct vs_error *err)
{
    size_t width = c->leaf.width;
    if (c->leaf.type != VS_PQ_FIXED) {
        return vs_pq_values_bytes(values, bytes_out, err);
    }
    if (values->encoding == VS_PQ_PLAIN) { // stands in the page: no copy
        if (width > (size_t)(values->end - values->next)) {
            return vs_fail(err, VS_CORRUPT, "a page ends before its last value");
        }
        *bytes_out = (struct vs_str){(const char *)values->next, width};
        values->next += width;
        return VS_OK;
    }
    vs_buf_reset(&c->scratch);
    VS_TRY(vs_buf_reserve(&c->scratch, width, err));
    VS_TRY(vs_pq_values_fixed(values, c->scratch.data, 1, err));
    *bytes_out = (struct vs_str){(const char *)c->scratch.data, width};
    return VS_OK;
}

static void push_end(struct vs_column *dst)
{
    uint32_t end = (uint32_t)dst->values.len; // the buffer's limit is UINT32_MAX
    memcpy(dst->offsets.data + dst->offsets.len, &end, sizeof end);
    dst->offsets.len += sizeof end;
}

static enum vs_status append_bytes(struct vs_pq_cursor *c,
                                   size_t slots,
                                   const uint8_t *flags,
                                   struct vs_column *dst,
                                   struct vs_error *err)
{
    VS_TRY(vs_buf_reserve(&dst->offsets, (slots + 1) * sizeof(uint32_t), err));
    if (dst->offsets.len == 0) {
        memset(dst->offsets.data, 0, sizeof(uint32_t));
        dst->offsets.len = sizeof(uint32_t);
    }
    size_t before = dst->values.len;
    for (size_t i = 0; i < slots; i++) {
        struct vs_str bytes = {"", 0};
        if (flags == NULL || flags[i]) {
            uint32_t code = 0;
            if (c->values.is_dictionary) {
                VS_TRY(vs_pq_values_codes(&c->values, &code, 1, err));
                VS_TRY(check_codes(c, &code, 1, err));
                memcpy(&bytes, c->dictionary.data + code * sizeof bytes, sizeof bytes);
            } else {
                VS_TRY(next_bytes(c, &c->values, &bytes, err));
            }
            VS_TRY(vs_buf_append(&dst->values, bytes.ptr, bytes.len, err));
            if (dst->values.len - before > VS_PQ_CALL_LIMIT) {
                return vs_fail(err, VS_LIMIT,
                               "%zu values are larger than the limit of 1 GiB a batch; read fewer "
                               "rows at once",
                               i + 1);
            }
        }
        push_end(dst);
    }
    return VS_OK;
}

static enum vs_status append_valid(
    size_t slots, size_t present, const uint8_t *flags, struct vs_column *dst, struct vs_error *err)
{
    if (dst->valid.len == 0 && present == slots) {
        return VS_OK;
    }
    size_t missing = dst->row_count - dst->valid.len;
    VS_TRY(vs_buf_reserve(&dst->valid, missing + slots, err));
    memset(dst->valid.data + dst->valid.len, 1, missing);
    dst->valid.len += missing;
    if (present == slots) {
        memset(dst->valid.data + dst->valid.len, 1, slots);
    } else {
        memcpy(dst->valid.data + dst->valid.len, flags, slots);
    }
    dst->valid.len += slots;
    return VS_OK;
}

// Decodes and drops.
static enum vs_status pass_values(struct vs_pq_cursor *c, size_t n, struct vs_error *err)
{
    uint32_t codes[CODE_STEP];
    if (n == 0 || (!c->values.is_dictionary && vs_pq_values_skip(&c->values, n))) {
        return VS_OK;
    }
    for (size_t done = 0; done < n;) {
        size_t take = n - done < CODE_STEP ? n - done : CODE_STEP;
        if (c->values.is_dictionary) {
            VS_TRY(vs_pq_values_codes(&c->values, codes, take, err));
        } else if (c->leaf.type == VS_PQ_BYTE_ARRAY) {
            struct vs_str bytes = {NULL, 0};
            VS_TRY(vs_pq_values_bytes(&c->values, &bytes, err));
            take = 1;
        } else {
            vs_buf_reset(&c->scratch);
            VS_TRY(vs_buf_reserve(&c->scratch, take * c->values.width, err));
            VS_TRY(vs_pq_values_fixed(&c->values, c->scratch.data, take, err));
        }
        done += take;
    }
    return VS_OK;
}

enum vs_status vs_pq_cursor_append(struct vs_pq_cursor *c,
                                   size_t slots,
                                   size_t present,
                                   const uint8_t *flags,
                                   struct vs_column *dst,
                                   struct vs_error *err)
{
    if (dst == NULL) {
        return pass_values(c, present, err);
    }
    if (slots == 0) {
        return VS_OK;
    }
    if (c->values.is_dictionary && !c->has_dictionary && present > 0) {
        return vs_fail(err, VS_CORRUPT,
                       "values are dictionary codes, but the column chunk has no dictionary page");
    }
    // The validity last: it counts rows from dst->row_count, which changes only when everything is
    // there.
    if (is_bytes_kind(c->kind)) {
        VS_TRY(append_bytes(c, slots, present == slots ? NULL : flags, dst, err));
    } else {
        VS_TRY(append_fixed(c, slots, present, flags, dst, err));
    }
    VS_TRY(append_valid(slots, present, flags, dst, err));
    dst->row_count += slots;
    return VS_OK;
}

// ---- dictionary ----

static enum vs_status load_strings(struct vs_pq_cursor *c,
                                   struct vs_pq_values *values,
                                   size_t n,
                                   struct vs_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct vs_str bytes = {NULL, 0};
        VS_TRY(next_bytes(c, values, &bytes, err));
        VS_TRY(vs_buf_append(&c->dictionary, &bytes, sizeof bytes, err));
    }
    return VS_OK;
}

enum vs_status vs_pq_cursor_load_dictionary(struct vs_pq_cursor *c,
                                            const struct vs_pq_page *page,
                                            struct vs_error *err)
{
    size_t n = (size_t)page->header.num_values;
    size_t least = c->leaf.type == VS_PQ_BYTE_ARRAY ? 4 : c->leaf.width; // bytes that a value takes
    if (page->header.encoding != VS_PQ_PLAIN && page->header.encoding != VS_PQ_PLAIN_DICTIONARY) {
        return vs_fail(err, VS_UNSUPPORTED, "a dictionary page in encoding %s cannot be read",
                       vs_pq_encoding_name(page->header.encoding));
    }
    if (c->leaf.type == VS_PQ_BOOLEAN || least == 0 || n > page->data.len / least) {
        return vs_fail(err, VS_CORRUPT, "a dictionary page of %zu bytes states %zu values",
                       page->data.len, n);
    }
    struct vs_pq_values values;
    c->has_dictionary = false;
    vs_buf_reset(&c->dictionary_page);
    vs_buf_reset(&c->dictionary);
    VS_TRY(vs_buf_reserve(&c->dictionary_page, page->data.len + 1, err)); // never NULL
    VS_TRY(vs_buf_append(&c->dictionary_page, page->data.ptr, page->data.len, err));
    vs_pq_values_init(&values, c->reader->env); // PLAIN keeps no buffer: nothing to clear
    VS_TRY(vs_pq_values_start(&values, c->leaf.type, c->leaf.width, VS_PQ_PLAIN,
                              vs_buf_view(&c->dictionary_page), err));
    if (is_bytes_kind(c->kind)) {
        VS_TRY(load_strings(c, &values, n, err));
    } else {
        VS_TRY(vs_buf_reserve(&c->dictionary, n * vs_kind_width(c->kind) + 1, err));
        VS_TRY(decode_plain(c, &values, c->dictionary.data, n, err));
        c->dictionary.len = n * vs_kind_width(c->kind);
    }
    c->dictionary_count = n;
    c->has_dictionary = true;
    return VS_OK;
}
