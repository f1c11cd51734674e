// SPDX-License-Identifier: Apache-2.0
#include "api/query/row_set.h"

#include "api/query/filter_lists.h"
#include "api/query/row_bits.h"
#include "api/query/search_run.h"

#include <string.h>

#define SCAN_ROWS 8192

struct set_request {
    const struct vs_view *view;
    const struct vs_filter *filter;
    size_t segment, index_column, file;
    const struct vs_field *field;
    const struct vs_op *op;
};

// Looks the value up under a key, which is cleared.
static enum vs_status get_keyed(const struct set_request *request,
                                struct vs_buf *key,
                                const struct vs_cache_maker *maker,
                                struct vs_cache_ref *ref_out,
                                struct vs_error *err)
{
    enum vs_status status = VS_OK;
    if (request->filter != NULL) {
        status = vs_buf_append_str(key, request->filter->text, err);
    }
    if (status == VS_OK) {
        status =
            vs_query_cache_get(request->view->engine->cache, vs_buf_view(key), maker, ref_out, err);
    }
    vs_buf_clear(key);
    return status;
}

static void free_plain(const struct vs_env *env, void *value)
{
    vs_free(env, value);
}

// ---- matches of one file, by scanning it ----

static enum vs_status scan_batches(const struct set_request *request,
                                   struct vs_file_scan *scan,
                                   struct vs_batch *batch,
                                   uint64_t *bits,
                                   struct vs_error *err)
{
    const struct vs_filter *filter = request->filter;
    const struct vs_env *env = request->view->engine->env;
    uint64_t row_count = request->view->files[request->file].row_count, next = 0;
    const struct vs_column *columns[VS_MAX_FILTER_TERMS];
    uint64_t match[SCAN_ROWS / 64];
    for (size_t i = 0; i < filter->column_count; i++) {
        columns[i] = &batch->columns[i];
    }
    for (;;) {
        uint64_t position = 0;
        vs_batch_reset(batch);
        VS_TRY(vs_op_check(env, request->op, err));
        VS_TRY(vs_file_scan_next(scan, SCAN_ROWS, batch, &position, err));
        if (batch->row_count == 0) {
            break;
        }
        if (batch->row_count > SCAN_ROWS || position != next ||
            batch->row_count > row_count - next) {
            return vs_fail(err, VS_CORRUPT,
                           "data file %.*s: has more than the %llu rows that its manifest says",
                           VS_STR_ARG(request->view->files[request->file].data->path),
                           (unsigned long long)row_count);
        }
        VS_TRY(vs_filter_eval(env, filter, columns, batch->row_count, match, err));
        vs_bits_put(bits, position, match, batch->row_count);
        next += batch->row_count;
    }
    if (next != row_count) {
        return vs_fail(err, VS_CORRUPT, "data file %.*s: has %llu rows, its manifest says %llu",
                       VS_STR_ARG(request->view->files[request->file].data->path),
                       (unsigned long long)next, (unsigned long long)row_count);
    }
    return VS_OK;
}

static enum vs_status scan_matches(const struct set_request *request,
                                   uint64_t *bits,
                                   struct vs_error *err)
{
    const struct vs_view *view = request->view;
    const struct vs_filter *filter = request->filter;
    const struct vs_env *env = view->engine->env;
    struct vs_field fields[VS_MAX_FILTER_TERMS];
    for (size_t i = 0; i < filter->column_count; i++) {
        fields[i] = *filter->columns[i];
    }
    struct vs_batch batch = {0};
    struct vs_file_scan *scan = NULL;
    enum vs_status status = vs_batch_init(&batch, env, fields, filter->column_count, err);
    if (status == VS_OK) {
        status =
            vs_file_scan_open(env, view->store, view->metadata, view->files[request->file].data,
                              fields, filter->column_count, &scan, err);
    }
    if (status == VS_OK) {
        status = scan_batches(request, scan, &batch, bits, err);
    }
    vs_file_scan_close(scan);
    vs_batch_clear(&batch);
    return status;
}

static enum vs_status make_file_match(void *ctx,
                                      void **value_out,
                                      size_t *bytes_out,
                                      struct vs_error *err)
{
    const struct set_request *request = (const struct set_request *)ctx;
    const struct vs_env *env = request->view->engine->env;
    uint64_t row_count = request->view->files[request->file].row_count;
    size_t words = vs_bits_words(row_count) + 1;
    uint64_t *bits = vs_alloc_zeroed(env, words, sizeof *bits);
    if (bits == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    enum vs_status status = request->filter->column_count == 0
                                ? vs_filter_eval(env, request->filter, NULL, row_count, bits, err)
                                : scan_matches(request, bits, err);
    if (status != VS_OK) {
        vs_free(env, bits);
        return status;
    }
    *value_out = bits;
    *bytes_out = words * sizeof *bits;
    return VS_OK;
}

// Data files never change: path and predicate say it all (the schema id stands for what column
// names mean).
static enum vs_status get_file_match(struct set_request *request,
                                     struct vs_cache_ref *ref_out,
                                     struct vs_error *err)
{
    const struct vs_view *view = request->view;
    char uuid[VS_UUID_TEXT_SIZE];
    struct vs_buf key;
    vs_uuid_format(view->metadata->uuid, uuid);
    vs_buf_init(&key, view->engine->env, 1 << 24);
    enum vs_status status = vs_buf_printf(&key, err, "match|%s|%d|", uuid, view->schema->schema_id);
    if (status == VS_OK) {
        status = vs_buf_append_str(&key, view->files[request->file].data->path, err);
    }
    if (status == VS_OK) {
        status = vs_buf_append_byte(&key, '|', err);
    }
    if (status != VS_OK) {
        vs_buf_clear(&key);
        return status;
    }
    const struct vs_cache_maker maker = {make_file_match, free_plain, request, request->op};
    return get_keyed(request, &key, &maker, ref_out, err);
}

// ---- columns and matches of a segment, from the index ----

static void free_column(const struct vs_env *env, void *value)
{
    vs_column_clear((struct vs_column *)value);
    vs_free(env, value);
}

static enum vs_status make_column(void *ctx,
                                  void **value_out,
                                  size_t *bytes_out,
                                  struct vs_error *err)
{
    const struct set_request *request = (const struct set_request *)ctx;
    const struct vs_env *env = request->view->engine->env;
    struct vs_column *column = vs_alloc_zeroed(env, 1, sizeof *column);
    if (column == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    enum vs_status status = vs_index_load_column(request->view->index, request->segment,
                                                 request->field->id, column, err);
    if (status == VS_OK &&
        (column->row_count != request->view->info->segments[request->segment].row_count ||
         column->kind != request->field->kind)) {
        status =
            vs_fail(err, VS_CORRUPT,
                    "index %s: column '%.*s' of segment %zu does not have the rows or the type of "
                    "the segment",
                    request->view->index_uuid, VS_STR_ARG(request->field->name), request->segment);
    }
    if (status != VS_OK) {
        free_column(env, column);
        return status;
    }
    *value_out = column;
    *bytes_out = sizeof *column + vs_column_memory(column);
    return VS_OK;
}

enum vs_status vs_segment_column(const struct vs_view *view,
                                 size_t segment,
                                 const struct vs_field *field,
                                 const struct vs_op *op,
                                 struct vs_cache_ref *ref_out,
                                 struct vs_error *err)
{
    struct set_request request = {.view = view, .segment = segment, .field = field, .op = op};
    struct vs_buf key;
    vs_buf_init(&key, view->engine->env, 1 << 24);
    enum vs_status status = vs_buf_printf(&key, err, "column|%s|%zu|%d|%d", view->index_uuid,
                                          segment, field->id, (int)field->kind);
    if (status != VS_OK) {
        vs_buf_clear(&key);
        return status;
    }
    const struct vs_cache_maker maker = {make_column, free_column, &request, op};
    return get_keyed(&request, &key, &maker, ref_out, err);
}

static bool stores_filter(const struct vs_view *view, const struct vs_filter *filter)
{
    for (size_t i = 0; i < filter->column_count; i++) {
        if (!vs_view_stores_field(view, filter->columns[i])) {
            return false;
        }
    }
    return true;
}

static enum vs_status match_by_index(const struct set_request *request,
                                     uint64_t *bits,
                                     struct vs_error *err)
{
    const struct vs_view *view = request->view;
    const struct vs_filter *filter = request->filter;
    struct vs_cache_ref refs[VS_MAX_FILTER_TERMS] = {{0}};
    const struct vs_column *columns[VS_MAX_FILTER_TERMS] = {0};
    enum vs_status status = VS_OK;
    for (size_t i = 0; i < filter->column_count && status == VS_OK; i++) {
        status = vs_op_check(view->engine->env, request->op, err);
        if (status == VS_OK) {
            status = vs_segment_column(view, request->segment, filter->columns[i], request->op,
                                       &refs[i], err);
            columns[i] = (const struct vs_column *)refs[i].value;
        }
    }
    if (status == VS_OK) {
        status =
            vs_filter_eval(view->engine->env, filter, columns,
                           (size_t)view->info->segments[request->segment].row_count, bits, err);
    }
    for (size_t i = 0; i < filter->column_count; i++) {
        vs_cache_release(&refs[i]);
    }
    return status;
}

// The segment's files one by one: for columns that came after the index, or when its attributes
// cannot be read.
static enum vs_status match_by_files(const struct set_request *request,
                                     uint64_t *bits,
                                     struct vs_error *err)
{
    const struct vs_view *view = request->view;
    memset(bits, 0, vs_bits_words(view->info->segments[request->segment].row_count) * sizeof *bits);
    const struct vs_view_segment *segment = &view->segments[request->segment];
    for (size_t i = 0; i < segment->file_count; i++) {
        const struct vs_view_file *file = &view->files[segment->files[i]];
        struct set_request one = {
            .view = view, .filter = request->filter, .file = segment->files[i], .op = request->op};
        struct vs_cache_ref ref = {0};
        VS_TRY(get_file_match(&one, &ref, err));
        for (size_t r = 0; r < file->run_count; r++) {
            const struct vs_index_run *run = &file->runs[r];
            if (run->segment == request->segment) {
                vs_bits_copy(bits, run->first_row, (const uint64_t *)ref.value, run->position,
                             run->count);
            }
        }
        vs_cache_release(&ref);
    }
    return VS_OK;
}

static enum vs_status match_segment(const struct set_request *request,
                                    uint64_t *bits,
                                    struct vs_error *err)
{
    if (!stores_filter(request->view, request->filter)) {
        return match_by_files(request, bits, err);
    }
    struct vs_error why = {0};
    enum vs_status status = match_by_index(request, bits, &why);
    if (vs_is_damage(status)) { // the index is a cache: the table still has the values
        vs_log(request->view->engine->env, VS_LOG_WARN, "query", "index_attributes_unusable",
               "index=%s segment=%zu reason=\"%s\" effect=\"file scan\"", request->view->index_uuid,
               request->segment, why.message);
        return match_by_files(request, bits, err);
    }
    return status == VS_OK ? VS_OK : vs_fail(err, status, "%s", why.message);
}

// ---- the set of a segment ----

static void free_row_set(const struct vs_env *env, void *value)
{
    struct vs_row_set *set = (struct vs_row_set *)value;
    vs_index_mask_free(set->mask);
    vs_free(env, set->bits);
    vs_free(env, set);
}

static void set_live_rows(const struct vs_view *view, size_t segment, uint64_t *bits)
{
    const struct vs_view_segment *source = &view->segments[segment];
    for (size_t i = 0; i < source->run_count; i++) {
        vs_bits_set_range(bits, source->runs[i].first_row, source->runs[i].count);
    }
    for (size_t i = 0; i < source->file_count; i++) {
        const struct vs_view_file *file = &view->files[source->files[i]];
        const struct vs_index_run *run = file->runs, *end = file->runs + file->run_count;
        for (size_t d = 0; d < file->deleted_count; d++) {
            while (run < end && file->deleted[d] - run->position >= run->count) {
                run++;
            }
            if (run < end && run->segment == segment) {
                vs_bits_unset(bits, run->first_row + (file->deleted[d] - run->position));
            }
        }
    }
}

// Lists that may hold matching rows, as their summaries say: *bits_out (the caller frees them)
// stays NULL where they say nothing, or cannot be read. What can be read is believed.
static enum vs_status match_lists(const struct set_request *request,
                                  uint64_t **bits_out,
                                  uint64_t *count_out,
                                  struct vs_error *err)
{
    const struct vs_view *view = request->view;
    const struct vs_env *env = view->engine->env;
    const struct vs_list_summary *summary = NULL;
    struct vs_error why = {0};
    enum vs_status status =
        vs_index_list_summary(view->index, request->segment, request->index_column, &summary, &why);
    if (status != VS_OK) {
        vs_log(env, VS_LOG_WARN, "query", "list_summary_unusable",
               "index=%s segment=%zu reason=\"%s\" effect=\"all lists are looked at\"",
               view->index_uuid, request->segment, why.message);
        return status == VS_NO_MEMORY ? vs_fail(err, status, "%s", why.message) : VS_OK;
    }
    if (summary == NULL) {
        return VS_OK;
    }
    uint64_t *bits = vs_alloc_zeroed(env, vs_bits_words(summary->list_count) + 1, sizeof *bits);
    if (bits == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    }
    status = vs_filter_lists(env, request->filter, summary, bits, count_out, err);
    if (status == VS_OK && *count_out * 2 <= summary->list_count) {
        *bits_out = bits;
    } else { // nearly every list: not worth telling them apart
        vs_free(env, bits);
    }
    return status;
}

// The mask of the rows, out of the named lists (NULL: all); of all lists where a row that matches
// turns out to lie in another one.
static enum vs_status make_mask(const struct set_request *request,
                                struct vs_row_set *set,
                                const uint64_t *lists,
                                struct vs_error *err)
{
    const struct vs_view *view = request->view;
    struct vs_index_allowed allowed = {request->segment, request->index_column, set->bits, lists,
                                       request->op};
    struct vs_error why = {0};
    enum vs_status status = vs_index_mask_make_in(view->index, &allowed, &set->mask, &why);
    if (lists == NULL || !vs_is_damage(status)) {
        return status == VS_OK ? VS_OK : vs_fail(err, status, "%s", why.message);
    }
    vs_log(view->engine->env, VS_LOG_WARN, "query", "list_summary_unusable",
           "index=%s segment=%zu reason=\"%s\" effect=\"all lists are looked at\"",
           view->index_uuid, request->segment, why.message);
    allowed.list_bits = NULL;
    return vs_index_mask_make_in(view->index, &allowed, &set->mask, err);
}

// The rows that match, and those of them with a vector; `other` holds the rows with a vector.
static enum vs_status fill_matched(const struct set_request *request,
                                   struct vs_row_set *set,
                                   uint64_t *other,
                                   struct vs_error *err)
{
    const struct vs_view *view = request->view;
    const struct vs_env *env = view->engine->env;
    uint64_t *lists = NULL, list_count = 0, all = vs_bits_count(other, set->row_count);
    VS_TRY(match_lists(request, &lists, &list_count, err));
    if (lists != NULL && list_count == 0 && all == set->row_count) {
        set->matched = 0; // every row is in a list, and none of them matches
        memset(set->bits, 0, vs_bits_words(set->row_count) * sizeof *set->bits);
        vs_free(env, lists);
        return VS_OK;
    }
    uint64_t *vectors = vs_alloc_zeroed(env, vs_bits_words(set->row_count) + 1, sizeof *vectors);
    enum vs_status status =
        vectors != NULL ? VS_OK : vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    if (status == VS_OK) {
        memcpy(vectors, other, vs_bits_words(set->row_count) * sizeof *vectors);
        status = match_segment(request, other, err);
    }
    if (status == VS_OK) {
        vs_bits_and(set->bits, other, set->row_count);
        set->matched = vs_bits_count(set->bits, set->row_count);
        vs_bits_and(set->bits, vectors, set->row_count);
        set->with_vector = vs_bits_count(set->bits, set->row_count);
        if (set->with_vector != all) {
            status = make_mask(request, set, lists, err);
        }
    }
    vs_free(env, vectors);
    vs_free(env, lists);
    return status;
}

static enum vs_status fill_row_set(const struct set_request *request,
                                   struct vs_row_set *set,
                                   uint64_t *other,
                                   struct vs_error *err)
{
    const struct vs_view *view = request->view;
    bool has_column = request->index_column != SIZE_MAX;
    set_live_rows(view, request->segment, set->bits);
    set->live = set->matched = vs_bits_count(set->bits, set->row_count);
    if (!has_column) {
        if (request->filter != NULL) {
            VS_TRY(match_segment(request, other, err));
            vs_bits_and(set->bits, other, set->row_count);
            set->matched = vs_bits_count(set->bits, set->row_count);
        }
        set->with_vector = set->matched;
        return VS_OK;
    }
    VS_TRY(vs_index_vector_rows(view->index, request->segment, request->index_column, other, err));
    if (request->filter != NULL) {
        return fill_matched(request, set, other, err);
    }
    uint64_t all = vs_bits_count(other, set->row_count);
    vs_bits_and(set->bits, other, set->row_count);
    set->with_vector = vs_bits_count(set->bits, set->row_count);
    return set->with_vector == all ? VS_OK : make_mask(request, set, NULL, err);
}

static enum vs_status make_row_set(void *ctx,
                                   void **value_out,
                                   size_t *bytes_out,
                                   struct vs_error *err)
{
    const struct set_request *request = (const struct set_request *)ctx;
    const struct vs_env *env = request->view->engine->env;
    uint64_t row_count = request->view->info->segments[request->segment].row_count;
    size_t words = vs_bits_words(row_count) + 1;
    struct vs_row_set *set = vs_alloc_zeroed(env, 1, sizeof *set);
    uint64_t *other = vs_alloc_zeroed(env, words, sizeof *other);
    enum vs_status status = VS_OK;
    if (set != NULL) {
        set->bits = vs_alloc_zeroed(env, words, sizeof *set->bits);
        set->row_count = row_count;
    }
    if (set == NULL || other == NULL || set->bits == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "filter: out of memory");
    } else {
        status = fill_row_set(request, set, other, err);
    }
    vs_free(env, other);
    if (status != VS_OK) {
        if (set != NULL) {
            free_row_set(env, set);
        }
        return status;
    }
    *value_out = set;
    *bytes_out = sizeof *set + words * sizeof(uint64_t) + vs_index_mask_memory(set->mask);
    return VS_OK;
}

struct rows_key { // without padding; the filter's text follows
    char kind[8];
    struct vs_uuid table, index;
    int64_t snapshot_id;
    uint64_t segment, column;
    int32_t schema_id;
    uint32_t has_filter;
};

enum vs_status vs_row_set_get(const struct vs_view *view,
                              const struct vs_filter *filter,
                              size_t segment,
                              size_t index_column,
                              const struct vs_op *op,
                              struct vs_cache_ref *ref_out,
                              struct vs_error *err)
{
    struct set_request request = {
        .view = view, .filter = filter, .segment = segment, .index_column = index_column, .op = op};
    const struct rows_key head = {.kind = "rows",
                                  .table = view->metadata->uuid,
                                  .index = view->info->index_uuid,
                                  .snapshot_id = view->snapshot_id,
                                  .segment = segment,
                                  .column = index_column,
                                  .schema_id = view->schema->schema_id,
                                  .has_filter = filter != NULL};
    struct vs_buf key;
    vs_buf_init(&key, view->engine->env, 1 << 24);
    enum vs_status status = vs_buf_append(&key, &head, sizeof head, err);
    if (status != VS_OK) {
        vs_buf_clear(&key);
        return status;
    }
    const struct vs_cache_maker maker = {make_row_set, free_row_set, &request, op};
    return get_keyed(&request, &key, &maker, ref_out, err);
}

// The rows of a covered file that match, out of the sets of its segments.
static enum vs_status take_covered(const struct vs_view *view,
                                   const struct vs_filter *filter,
                                   const struct vs_view_file *file,
                                   const struct vs_op *op,
                                   uint64_t *bits,
                                   struct vs_error *err)
{
    struct vs_cache_ref ref = {0};
    memset(bits, 0, vs_bits_words(file->row_count) * sizeof *bits);
    for (size_t r = 0; r < file->run_count; r++) {
        const struct vs_index_run *run = &file->runs[r];
        if (r == 0 || run->segment != file->runs[r - 1].segment) {
            vs_cache_release(&ref);
            VS_TRY(vs_row_set_get(view, filter, run->segment, SIZE_MAX, op, &ref, err));
        }
        vs_bits_copy(bits, run->position, ((const struct vs_row_set *)ref.value)->bits,
                     run->first_row, run->count);
    }
    vs_cache_release(&ref);
    return VS_OK;
}

enum vs_status vs_file_rows(const struct vs_view *view,
                            const struct vs_filter *filter,
                            size_t file,
                            const struct vs_op *op,
                            uint64_t *bits,
                            struct vs_error *err)
{
    const struct vs_view_file *source = &view->files[file];
    struct vs_cache_ref ref = {0};
    if (filter == NULL) {
        memset(bits, 0, vs_bits_words(source->row_count) * sizeof *bits);
        vs_bits_set_range(bits, 0, source->row_count);
    } else if (source->run_count > 0 && stores_filter(view, filter)) {
        VS_TRY(take_covered(view, filter, source, op, bits, err));
    } else {
        struct set_request request = {.view = view, .filter = filter, .file = file, .op = op};
        VS_TRY(get_file_match(&request, &ref, err));
        memcpy(bits, ref.value, vs_bits_words(source->row_count) * sizeof *bits);
    }
    vs_cache_release(&ref);
    for (size_t i = 0; i < source->deleted_count; i++) {
        vs_bits_unset(bits, source->deleted[i]);
    }
    return VS_OK;
}
