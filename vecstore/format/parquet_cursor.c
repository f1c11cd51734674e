// SPDX-License-Identifier: Apache-2.0
#include "vecstore/format/parquet_cursor.h"

#include "vecstore/base/bytes.h"
#include "vecstore/base/checked.h"
#include "vecstore/format/parquet_seal.h"

#define INDEX_FACTOR 24 // parsed offset indexes may take so many times their bytes
#define INDEX_BASE 65536

void vs_pq_cursor_init(struct vs_pq_cursor *c,
                       const struct vs_parquet_reader *reader,
                       size_t column)
{
    const struct vs_field *field = &reader->schema.fields[column];
    vs_pq_cursor_init_leaf(c, reader, &reader->leaves[column],
                           field->kind == VS_KIND_LIST ? field->element_kind : field->kind);
    c->column = column;
}

void vs_pq_cursor_init_leaf(struct vs_pq_cursor *c,
                            const struct vs_parquet_reader *reader,
                            const struct vs_pq_leaf *leaf,
                            enum vs_kind kind)
{
    *c = (struct vs_pq_cursor){.reader = reader, .leaf = *leaf, .kind = kind};
    c->leaf.width = vs_pq_type_width(c->leaf.type, (int32_t)c->leaf.width);
    vs_pq_chunk_init(&c->chunk, reader->env, reader->file);
    vs_pq_values_init(&c->values, reader->env);
    vs_buf_init(&c->dictionary_page, reader->env, VS_PQ_PAGE_LIMIT);
    vs_buf_init(&c->dictionary, reader->env, SIZE_MAX / 2);
    vs_buf_init(&c->scratch, reader->env, SIZE_MAX / 2);
    vs_buf_init(&c->index_bytes, reader->env, SIZE_MAX / 2);
    vs_arena_init(&c->index_arena, reader->env, 0);
}

void vs_pq_cursor_clear(struct vs_pq_cursor *c)
{
    vs_pq_chunk_clear(&c->chunk);
    vs_pq_values_clear(&c->values);
    vs_buf_clear(&c->dictionary_page);
    vs_buf_clear(&c->dictionary);
    vs_buf_clear(&c->scratch);
    vs_buf_clear(&c->index_bytes);
    vs_arena_clear(&c->index_arena);
}

enum vs_status vs_pq_cursor_open(struct vs_pq_cursor *c, size_t group, struct vs_error *err)
{
    const struct vs_pq_row_group *g = &c->reader->meta.row_groups[group];
    const struct vs_pq_column_chunk *meta = &g->columns[c->leaf.chunk];
    VS_TRY(vs_pq_chunk_open(&c->chunk, meta, c->reader->data_end, err));
    if (meta->type != c->leaf.type) {
        return vs_fail(err, VS_CORRUPT, "the column chunk holds %s, the schema says %s",
                       vs_pq_type_name(meta->type), vs_pq_type_name(c->leaf.type));
    }
    if (meta->num_values < 0 ||
        (c->leaf.max_rep == 0 ? meta->num_values != g->num_rows : meta->num_values < g->num_rows)) {
        return vs_fail(err, VS_CORRUPT, "the column chunk states %lld values for %lld rows",
                       (long long)meta->num_values, (long long)g->num_rows);
    }
    c->meta = meta;
    c->group_rows = (uint64_t)g->num_rows;
    c->counts_entries = true;
    c->entries_left = (uint64_t)meta->num_values;
    c->page_left = 0;
    c->page_ends_row = false;
    c->page_rows_left = UINT64_MAX;
    c->row_open = c->row_sealed = false;
    c->level_at = c->level_count = 0;
    c->has_dictionary = false;
    c->dictionary_count = 0;
    c->index_tried = false;
    c->index.page_count = 0;
    return VS_OK;
}

// ---- pages ----

static unsigned bits_of(uint8_t level)
{
    return level == 0 ? 0 : 32 - (unsigned)__builtin_clz(level);
}

// Takes one level section off the front of a v1 page.
static enum vs_status start_levels_v1(struct vs_hybrid *levels,
                                      struct vs_str *data,
                                      uint8_t max,
                                      int32_t encoding,
                                      uint64_t count,
                                      struct vs_error *err)
{
    const uint8_t *bytes = (const uint8_t *)data->ptr;
    size_t n = 0, head = 0;
    if (max == 0) {
        return VS_OK;
    }
    if (encoding == VS_PQ_RLE) {
        head = 4;
        if (data->len < 4 || vs_load_u32le(bytes) > data->len - 4) {
            return vs_fail(err, VS_CORRUPT, "the levels of a page are longer than the page");
        }
        n = vs_load_u32le(bytes);
        vs_hybrid_init(levels, bytes + 4, n, bits_of(max));
    } else if (encoding == VS_PQ_BIT_PACKED) {
        n = (size_t)((count * bits_of(max) + 7) / 8);
        if (n > data->len) {
            return vs_fail(err, VS_CORRUPT, "the levels of a page are longer than the page");
        }
        vs_hybrid_init_packed(levels, bytes, n, bits_of(max), count);
    } else {
        return vs_fail(err, VS_UNSUPPORTED, "levels in encoding %s cannot be read",
                       vs_pq_encoding_name(encoding));
    }
    data->ptr += head + n;
    data->len -= head + n;
    return VS_OK;
}

static enum vs_status start_data_page(struct vs_pq_cursor *c,
                                      const struct vs_pq_page *page,
                                      struct vs_error *err)
{
    const struct vs_pq_page_header *h = &page->header;
    uint64_t count = (uint64_t)h->num_values;
    struct vs_str data = page->data;
    if (h->type == VS_PQ_DATA_PAGE_V2) {
        if (h->num_rows < 0 || h->num_nulls < 0 || h->num_nulls > h->num_values ||
            (c->leaf.max_rep == 0 && h->num_rows != h->num_values)) {
            return vs_fail(err, VS_CORRUPT, "a page states %d values, %d nulls and %d rows",
                           h->num_values, h->num_nulls, h->num_rows);
        }
        vs_hybrid_init(&c->repetition, (const uint8_t *)page->repetition.ptr, page->repetition.len,
                       bits_of(c->leaf.max_rep));
        vs_hybrid_init(&c->definition, (const uint8_t *)page->definition.ptr, page->definition.len,
                       bits_of(c->leaf.max_def));
    } else {
        VS_TRY(start_levels_v1(&c->repetition, &data, c->leaf.max_rep, h->repetition_encoding,
                               count, err));
        VS_TRY(start_levels_v1(&c->definition, &data, c->leaf.max_def, h->definition_encoding,
                               count, err));
    }
    VS_TRY(vs_pq_values_start(&c->values, c->leaf.type, c->leaf.width, h->encoding, data, err));
    if (c->counts_entries) {
        if (count > c->entries_left) {
            return vs_fail(
                err, VS_CORRUPT,
                "the pages of the column chunk hold more values than its metadata states");
        }
        c->entries_left -= count;
    }
    c->page_left = count;
    c->page_rows_left = h->type == VS_PQ_DATA_PAGE_V2 ? (uint64_t)h->num_rows : UINT64_MAX;
    c->page_ends_row = h->type == VS_PQ_DATA_PAGE_V2 || c->index.page_count > 0;
    return VS_OK;
}

static bool chunk_is_done(const struct vs_pq_cursor *c)
{
    return c->counts_entries ? c->entries_left == 0 : vs_pq_chunk_at_end(&c->chunk);
}

// Takes the page that was peeked: a dictionary is kept, a data page becomes the current one, others
// are passed.
static enum vs_status take_page(struct vs_pq_cursor *c,
                                const struct vs_pq_page_header *header,
                                size_t size,
                                struct vs_error *err)
{
    struct vs_pq_page page = {0};
    if (header->type == VS_PQ_INDEX_PAGE || header->type > VS_PQ_DATA_PAGE_V2) {
        return vs_pq_chunk_skip(&c->chunk, header, size, err);
    }
    VS_TRY(vs_pq_chunk_read(&c->chunk, header, size, &page, err));
    if (header->type == VS_PQ_DICTIONARY_PAGE) {
        if (c->has_dictionary) {
            return vs_fail(err, VS_CORRUPT, "the column chunk has more than one dictionary page");
        }
        return vs_pq_cursor_load_dictionary(c, &page, err);
    }
    return start_data_page(c, &page, err);
}

// Loads pages until one with entries is current; every page takes bytes of the chunk, so that this
// ends.
static enum vs_status next_page(struct vs_pq_cursor *c, struct vs_error *err)
{
    while (c->page_left == 0) {
        struct vs_pq_page_header header = {0};
        size_t size = 0;
        if (chunk_is_done(c)) {
            return vs_fail(err, VS_CORRUPT,
                           "the column chunk ends before the last row of its row group");
        }
        VS_TRY(vs_pq_chunk_peek(&c->chunk, &header, &size, err));
        VS_TRY(take_page(c, &header, size, err));
    }
    return VS_OK;
}

static enum vs_status check_repetition(const struct vs_pq_cursor *c, size_t n, struct vs_error *err)
{
    uint8_t largest = 0;
    for (size_t i = 0; i < n; i++) {
        largest = c->rep[i] > largest ? c->rep[i] : largest;
    }
    return largest <= c->leaf.max_rep
               ? VS_OK
               : vs_fail(err, VS_CORRUPT, "a repetition level is %u, the highest is %u", largest,
                         c->leaf.max_rep);
}

enum vs_status vs_pq_cursor_fill_levels(struct vs_pq_cursor *c, struct vs_error *err)
{
    VS_TRY(next_page(c, err));
    size_t n = c->page_left < VS_PQ_LEVELS ? (size_t)c->page_left : VS_PQ_LEVELS;
    if (c->leaf.max_rep > 0) {
        VS_TRY(vs_hybrid_read_u8(&c->repetition, c->rep, n, err));
        VS_TRY(c->leaf.max_rep > 1 ? check_repetition(c, n, err) : VS_OK); // 1: one bit
    }
    size_t run = c->leaf.max_def > 0 ? vs_hybrid_take_run(&c->definition, c->leaf.max_def, n) : n;
    c->all_present = run == n;
    if (run < n) {
        memset(c->def, c->leaf.max_def, run);
        VS_TRY(vs_hybrid_read_u8(&c->definition, c->def + run, n - run, err));
        uint8_t largest = 0, smallest = c->leaf.max_def;
        for (size_t i = run; i < n; i++) {
            largest = c->def[i] > largest ? c->def[i] : largest;
            smallest = c->def[i] < smallest ? c->def[i] : smallest;
        }
        if (largest > c->leaf.max_def) {
            return vs_fail(err, VS_CORRUPT, "a definition level is %u, the highest is %u", largest,
                           c->leaf.max_def);
        }
        c->all_present = smallest == c->leaf.max_def;
    }
    c->page_left -= n;
    c->level_at = 0;
    c->level_count = n;
    return VS_OK;
}

// ---- rows ----

static enum vs_status read_scalars(struct vs_pq_cursor *c,
                                   uint64_t rows,
                                   struct vs_column *dst,
                                   struct vs_error *err)
{
    while (rows > 0) {
        if (c->level_at == c->level_count) {
            VS_TRY(vs_pq_cursor_fill_levels(c, err));
        }
        size_t n = c->level_count - c->level_at;
        n = n < rows ? n : (size_t)rows;
        size_t present = n;
        if (!c->all_present) {
            present = 0;
            for (size_t i = 0; i < n; i++) { // the highest level is 1
                present += c->def[c->level_at + i];
            }
        }
        VS_TRY(vs_pq_cursor_append(c, n, present, c->all_present ? NULL : c->def + c->level_at, dst,
                                   err));
        c->level_at += n;
        rows -= n;
    }
    return VS_OK;
}

// Ends the open list row; `pending` elements are not yet in the child.
static enum vs_status end_row(
    struct vs_pq_cursor *c, struct vs_column *dst, size_t pending, bool null, struct vs_error *err)
{
    c->row_open = false;
    if (dst == NULL) {
        return VS_OK;
    }
    size_t end = dst->child->row_count + pending;
    if (end > UINT32_MAX) {
        return vs_fail(err, VS_LIMIT,
                       "a batch holds more than 4294967295 list elements in one column; read fewer "
                       "rows at once");
    }
    uint32_t offset = (uint32_t)end;
    VS_TRY(vs_buf_reserve(&dst->offsets, 2 * sizeof offset, err));
    if (dst->offsets.len == 0) {
        memset(dst->offsets.data, 0, sizeof offset);
        dst->offsets.len = sizeof offset;
    }
    if (null || dst->valid.len > 0) {
        size_t missing = dst->row_count - dst->valid.len;
        VS_TRY(vs_buf_reserve(&dst->valid, missing + 1, err));
        memset(dst->valid.data + dst->valid.len, 1, missing);
        dst->valid.len += missing;
        dst->valid.data[dst->valid.len++] = null ? 0 : 1;
    }
    memcpy(dst->offsets.data + dst->offsets.len, &offset, sizeof offset);
    dst->offsets.len += sizeof offset;
    dst->row_count++;
    return VS_OK;
}

static enum vs_status begin_row(struct vs_pq_cursor *c, struct vs_error *err)
{
    if (c->page_rows_left != UINT64_MAX) {
        if (c->page_rows_left == 0) {
            return vs_fail(err, VS_CORRUPT, "a page holds more rows than its header states");
        }
        c->page_rows_left--;
    }
    c->row_open = true;
    c->row_sealed = false;
    return VS_OK;
}

static enum vs_status not_begun(struct vs_error *err)
{
    return vs_fail(err, VS_CORRUPT,
                   "a list element belongs to no row: repetition levels do not fit together");
}

// Entries of the window that are all present elements: rows are found by the zeros among the
// repetition levels.
static enum vs_status read_dense(struct vs_pq_cursor *c,
                                 uint64_t *rows,
                                 struct vs_column *dst,
                                 struct vs_error *err)
{
    size_t at = c->level_at, first = at;
    while (at < c->level_count) {
        if (c->rep[at] == 0) {
            if (c->row_open) {
                VS_TRY(end_row(c, dst, at - first, false, err));
                if (--*rows == 0) {
                    break;
                }
            }
            VS_TRY(begin_row(c, err));
        } else if (!c->row_open || c->row_sealed) {
            return not_begun(err);
        }
        const uint8_t *next = (const uint8_t *)memchr(c->rep + at + 1, 0, c->level_count - at - 1);
        at = next == NULL ? c->level_count : (size_t)(next - c->rep);
    }
    VS_TRY(
        vs_pq_cursor_append(c, at - first, at - first, NULL, dst == NULL ? NULL : dst->child, err));
    c->level_at = at;
    return VS_OK;
}

// The general case, entry by entry. c->flags collects which elements are present.
static enum vs_status read_sparse(struct vs_pq_cursor *c,
                                  uint64_t *rows,
                                  struct vs_column *dst,
                                  struct vs_error *err)
{
    size_t at = c->level_at, slots = 0, present = 0;
    for (; at < c->level_count; at++) {
        uint8_t def = c->def[at];
        if (c->rep[at] == 0) {
            if (c->row_open) {
                VS_TRY(end_row(c, dst, slots, false, err));
                if (--*rows == 0) {
                    break;
                }
            }
            VS_TRY(begin_row(c, err));
        } else if (!c->row_open || c->row_sealed) {
            return not_begun(err);
        }
        if (def >= c->leaf.def_slot) {
            c->flags[slots++] = def == c->leaf.max_def;
            present += def == c->leaf.max_def;
        } else if (c->rep[at] != 0) {
            return not_begun(err);
        } else if (def < c->leaf.def_list) { // a null row has one entry: it ends at once
            VS_TRY(end_row(c, dst, slots, true, err));
            if (--*rows == 0) {
                at++;
                break;
            }
        } else {
            c->row_sealed = true; // empty
        }
    }
    VS_TRY(vs_pq_cursor_append(c, slots, present, c->flags, dst == NULL ? NULL : dst->child, err));
    c->level_at = at;
    return VS_OK;
}

static enum vs_status check_size(const struct vs_column *dst, size_t before, struct vs_error *err)
{
    if (dst != NULL && dst->child->values.len + dst->child->row_count - before > VS_PQ_CALL_LIMIT) {
        return vs_fail(
            err, VS_LIMIT,
            "list elements are larger than the limit of 1 GiB a batch; read fewer rows at once");
    }
    return VS_OK;
}

static enum vs_status read_lists(struct vs_pq_cursor *c,
                                 uint64_t rows,
                                 struct vs_column *dst,
                                 struct vs_error *err)
{
    size_t before = dst == NULL ? 0 : dst->child->values.len + dst->child->row_count;
    while (rows > 0) {
        if (c->level_at == c->level_count) {
            bool is_page_end = c->page_left == 0;
            if (is_page_end && c->row_open && (c->page_ends_row || chunk_is_done(c))) {
                VS_TRY(end_row(c, dst, 0, false, err));
                rows--;
                continue;
            }
            if (is_page_end && c->page_rows_left != UINT64_MAX && c->page_rows_left != 0) {
                return vs_fail(err, VS_CORRUPT, "a page holds fewer rows than its header states");
            }
            VS_TRY(vs_pq_cursor_fill_levels(c, err));
        }
        if (c->all_present) {
            VS_TRY(read_dense(c, &rows, dst, err));
        } else {
            VS_TRY(read_sparse(c, &rows, dst, err));
        }
        VS_TRY(check_size(dst, before, err));
    }
    return VS_OK;
}

enum vs_status vs_pq_cursor_read(struct vs_pq_cursor *c,
                                 uint64_t rows,
                                 struct vs_column *dst,
                                 struct vs_error *err)
{
    return c->leaf.max_rep == 0 ? read_scalars(c, rows, dst, err) : read_lists(c, rows, dst, err);
}

enum vs_status vs_pq_cursor_finish(struct vs_pq_cursor *c, struct vs_error *err)
{
    bool has_rest = c->level_at != c->level_count || c->page_left != 0 || c->row_open ||
                    (c->counts_entries && c->entries_left != 0);
    return has_rest
               ? vs_fail(err, VS_CORRUPT, "the column chunk holds more rows than its row group")
               : VS_OK;
}

// ---- skipping ----

static enum vs_status check_index(const struct vs_pq_cursor *c,
                                  const struct vs_pq_offset_index *index,
                                  struct vs_error *err)
{
    for (size_t i = 0; i < index->page_count; i++) {
        const struct vs_pq_page_location *p = &index->pages[i], *before = i > 0 ? p - 1 : NULL;
        if (p->offset < 0 || p->compressed_size < 0 || (uint64_t)p->offset < c->chunk.start ||
            (uint64_t)p->offset >= c->chunk.end ||
            (before == NULL
                 ? p->first_row_index != 0
                 : p->first_row_index < before->first_row_index || p->offset <= before->offset) ||
            (uint64_t)p->first_row_index > c->group_rows) {
            return vs_fail(err, VS_CORRUPT, "entry %zu of the offset index is impossible", i);
        }
    }
    return VS_OK;
}

// Reads the offset index of the chunk once, where there is one.
static enum vs_status load_index(struct vs_pq_cursor *c, struct vs_error *err)
{
    int64_t offset = c->meta->offset_index_offset;
    int32_t length = c->meta->offset_index_length;
    if (c->index_tried || offset <= 0 || length <= 0) {
        c->index_tried = true;
        return VS_OK;
    }
    if (!vs_range_fits((uint64_t)offset, (uint64_t)length, c->reader->data_end)) {
        return vs_fail(err, VS_CORRUPT, "the offset index lies outside of the file");
    }
    struct vs_pq_offset_index index = {0};
    vs_buf_reset(&c->index_bytes);
    vs_arena_clear(&c->index_arena);
    c->index_arena.limit_bytes = (size_t)length * INDEX_FACTOR + INDEX_BASE;
    VS_TRY(vs_buf_reserve(&c->index_bytes, (size_t)length, err));
    VS_TRY(vs_pq_indexes_check(c->reader, err));
    VS_TRY(
        vs_file_read(c->reader->file, (uint64_t)offset, (size_t)length, c->index_bytes.data, err));
    VS_TRY(vs_pq_offset_index_parse(c->index_bytes.data, (size_t)length, "offset index",
                                    &c->index_arena, &index, err));
    VS_TRY(check_index(c, &index, err));
    c->index = index;
    c->index_tried = true;
    return VS_OK;
}

// Before the first data page: the dictionary, if one stands there, has to be read before a jump.
static enum vs_status load_dictionary_before(struct vs_pq_cursor *c,
                                             const struct vs_pq_page_location *first,
                                             struct vs_error *err)
{
    struct vs_pq_page_header header = {0};
    size_t size = 0;
    if (c->chunk.next != c->chunk.start || (uint64_t)first->offset <= c->chunk.start) {
        return VS_OK;
    }
    c->chunk.read_ahead = (size_t)((uint64_t)first->offset - c->chunk.start);
    VS_TRY(vs_pq_chunk_peek(&c->chunk, &header, &size, err));
    return header.type == VS_PQ_DICTIONARY_PAGE ? take_page(c, &header, size, err) : VS_OK;
}

// Jumps to the page of row `to` when that is a later page than the one of row *at.
static enum vs_status jump(struct vs_pq_cursor *c, uint64_t *at, uint64_t to, struct vs_error *err)
{
    size_t low = 0, high = c->index.page_count;
    while (high - low > 1) { // the last page that begins at or before the row
        size_t middle = low + (high - low) / 2;
        if ((uint64_t)c->index.pages[middle].first_row_index <= to) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const struct vs_pq_page_location *page = &c->index.pages[low];
    if ((uint64_t)page->first_row_index <= *at) {
        return VS_OK;
    }
    VS_TRY(load_dictionary_before(c, &c->index.pages[0], err));
    VS_TRY(vs_pq_chunk_jump(&c->chunk, (uint64_t)page->offset, (size_t)page->compressed_size, err));
    *at = (uint64_t)page->first_row_index;
    c->counts_entries = c->leaf.max_rep == 0;
    c->entries_left = c->group_rows - *at;
    c->page_left = 0;
    c->page_rows_left = UINT64_MAX;
    c->page_ends_row = true;
    c->row_open = c->row_sealed = false;
    c->level_at = c->level_count = 0;
    return VS_OK;
}

// Passes whole pages by their headers alone while they end at or before row `to`.
static enum vs_status skip_pages(struct vs_pq_cursor *c,
                                 uint64_t *at,
                                 uint64_t to,
                                 struct vs_error *err)
{
    while (*at < to && c->level_at == c->level_count && c->page_left == 0 && !c->row_open &&
           !chunk_is_done(c)) {
        struct vs_pq_page_header h = {0};
        size_t size = 0;
        VS_TRY(vs_pq_chunk_peek(&c->chunk, &h, &size, err));
        bool is_data = h.type == VS_PQ_DATA_PAGE || h.type == VS_PQ_DATA_PAGE_V2;
        if (!is_data) {
            VS_TRY(take_page(c, &h, size, err));
            continue;
        }
        bool is_counted = c->leaf.max_rep == 0 || h.type == VS_PQ_DATA_PAGE_V2;
        uint64_t rows = (uint64_t)(c->leaf.max_rep == 0 ? h.num_values : h.num_rows),
                 entries = (uint64_t)h.num_values;
        if (!is_counted || h.num_rows < 0 || rows > to - *at) {
            return VS_OK;
        }
        if (c->counts_entries && entries > c->entries_left) {
            return vs_fail(
                err, VS_CORRUPT,
                "the pages of the column chunk hold more values than its metadata states");
        }
        c->entries_left -= c->counts_entries ? entries : 0;
        VS_TRY(vs_pq_chunk_skip(&c->chunk, &h, size, err));
        *at += rows;
    }
    return VS_OK;
}

enum vs_status vs_pq_cursor_skip(struct vs_pq_cursor *c,
                                 uint64_t at,
                                 uint64_t to,
                                 struct vs_error *err)
{
    if (at == to) {
        return VS_OK;
    }
    VS_TRY(load_index(c, err));
    if (c->index.page_count > 0) {
        VS_TRY(jump(c, &at, to, err));
    }
    while (at < to) {
        VS_TRY(skip_pages(c, &at, to, err));
        if (at < to) {
            // One page's rest at most, so that the pages behind it can be skipped by their headers.
            uint64_t rest = c->leaf.max_rep == 0 ? c->level_count - c->level_at + c->page_left : 1;
            rest = rest == 0 || rest > to - at ? to - at : rest;
            if (c->leaf.max_rep > 0 && !c->page_ends_row) {
                rest = to - at;
            }
            VS_TRY(vs_pq_cursor_read(c, rest, NULL, err));
            at += rest;
        }
    }
    return VS_OK;
}
