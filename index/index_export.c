// SPDX-License-Identifier: Apache-2.0
/*
 * FAISS's binary format, little-endian as on every machine that it runs on: a four-letter code per
 * object, then its members one after the other; vectors are a 64-bit count and the elements.
 */
#include "index/index_export.h"

#include "index/blob_stream.h"
#include "index/index_facts.h"
#include "index/index_internal.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define FLUSH_BYTES ((size_t)1 << 20)
#define FLAT_ROWS 256
#define FAISS_INNER_PRODUCT 0
#define FAISS_L2 1
#define FAISS_UNUSED (INT64_C(1) << 20) // what FAISS writes for two members that are no more

// One segment of the column.
struct source {
    size_t segment;
    uint64_t first_number; // of row 0, when rows are numbered
    // with lists
    struct vs_list_record *records;
    struct vs_hot_facts facts;
    const struct vs_blob_entry *lists, *rows;
    struct vs_blob_stream codes, row_facts;
    // flat: encoded here
    uint32_t flat_count;
    uint32_t *flat_lists, *flat_rows;
    uint8_t *flat_codes; // [flat_count][m / 2]
};

struct export
{
    const struct vs_env *env;
    const struct vs_index_export *what;
    const struct vs_descriptor *d;
    const struct vs_index_column *column;
    struct vs_codebook codebook;
    struct vs_writer *out;
    struct vs_buf bytes;
    size_t source_count;
    struct source *sources;
    uint64_t *sizes; // [list_count]
    uint64_t total;
    // one list
    struct vs_buf list_codes, list_ids;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the export of an index");
}

// ---- members ----

static enum vs_status flush(struct export *x, size_t least, struct vs_error *err)
{
    if (x->bytes.len == 0 || x->bytes.len < least) {
        return VS_OK;
    }
    VS_TRY(vs_writer_write(x->out, x->bytes.data, x->bytes.len, err));
    vs_buf_reset(&x->bytes);
    return VS_OK;
}

static enum vs_status put(struct export *x, const void *bytes, size_t n, struct vs_error *err)
{
    VS_TRY(vs_buf_append(&x->bytes, bytes, n, err));
    return flush(x, FLUSH_BYTES, err);
}

static enum vs_status put_u8(struct export *x, uint8_t value, struct vs_error *err)
{
    return put(x, &value, 1, err);
}

static enum vs_status put_i32(struct export *x, int32_t value, struct vs_error *err)
{
    return put(x, &value, sizeof value, err);
}

static enum vs_status put_u64(struct export *x, uint64_t value, struct vs_error *err)
{
    return put(x, &value, sizeof value, err);
}

static enum vs_status put_floats(struct export *x,
                                 const float *values,
                                 size_t count,
                                 struct vs_error *err)
{
    VS_TRY(put_u64(x, count, err));
    return put(x, values, count * sizeof *values, err);
}

// Every index: code, dimension, vectors, trained, metric.
static enum vs_status put_index(struct export *x,
                                const char code[4],
                                uint32_t dim,
                                uint64_t count,
                                int metric,
                                struct vs_error *err)
{
    VS_TRY(put(x, code, 4, err));
    VS_TRY(put_i32(x, (int32_t)dim, err));
    VS_TRY(put_u64(x, count, err));
    VS_TRY(put_u64(x, FAISS_UNUSED, err));
    VS_TRY(put_u64(x, FAISS_UNUSED, err));
    VS_TRY(put_u8(x, 1, err));
    return put_i32(x, metric, err);
}

static int faiss_metric(const struct export *x)
{
    return x->codebook.metric == VS_METRIC_L2 ? FAISS_L2 : FAISS_INNER_PRODUCT;
}

// y = P x, and + b for l2. Inner products of queries are taken without the mean.
static enum vs_status put_projection(struct export *x, struct vs_error *err)
{
    const struct vs_codebook *c = &x->codebook;
    bool has_bias = c->metric == VS_METRIC_L2;
    VS_TRY(put(x, "LTra", 4, err));
    VS_TRY(put_u8(x, has_bias, err));
    VS_TRY(put_floats(x, c->projection, (size_t)c->proj_dim * c->dim, err));
    VS_TRY(put_floats(x, c->projection_bias, has_bias ? c->proj_dim : 0, err));
    VS_TRY(put_i32(x, (int32_t)c->dim, err));
    VS_TRY(put_i32(x, (int32_t)c->proj_dim, err));
    return put_u8(x, 1, err);
}

// Lists are ranked by their distance to P q + b for cosine too: since P q is all that there is, the
// mean is taken off the centroids instead.
static enum vs_status put_quantizer(struct export *x, struct vs_error *err)
{
    const struct vs_codebook *c = &x->codebook;
    size_t dim = c->proj_dim;
    bool by_product = c->metric == VS_METRIC_IP, shifts = c->metric == VS_METRIC_COSINE;
    float *row = vs_alloc(x->env, dim * sizeof *row);
    if (row == NULL) {
        return no_memory(err);
    }
    enum vs_status status = put_index(x, by_product ? "IxFI" : "IxF2", c->proj_dim, c->list_count,
                                      by_product ? FAISS_INNER_PRODUCT : FAISS_L2, err);
    if (status == VS_OK) {
        status = put_u64(x, (uint64_t)c->list_count * dim, err);
    }
    for (size_t l = 0; l < c->list_count && status == VS_OK; l++) {
        for (size_t i = 0; i < dim; i++) {
            row[i] = c->centroids[l * dim + i] - (shifts ? c->projection_bias[i] : 0.0F);
        }
        status = put(x, row, dim * sizeof *row, err);
    }
    vs_free(x->env, row);
    return status;
}

static enum vs_status put_head(struct export *x, struct vs_error *err)
{
    const struct vs_codebook *c = &x->codebook;
    VS_TRY(put_index(x, "IxPT", c->dim, x->total, faiss_metric(x), err));
    VS_TRY(put_i32(x, 1, err)); // transforms
    VS_TRY(put_projection(x, err));
    VS_TRY(put_index(x, "IwPQ", c->proj_dim, x->total, faiss_metric(x), err));
    VS_TRY(put_u64(x, c->list_count, err));
    VS_TRY(put_u64(x, 1, err)); // nprobe: for the reader to set
    VS_TRY(put_quantizer(x, err));
    VS_TRY(put_u8(x, 0, err));  // no map from ids to places
    VS_TRY(put_u64(x, 0, err)); // and no array of one
    VS_TRY(put_u8(x, 0, err));  // codes are not residuals
    VS_TRY(put_u64(x, c->m / 2, err));
    VS_TRY(put_u64(x, c->proj_dim, err)); // the product quantiser
    VS_TRY(put_u64(x, c->m, err));
    VS_TRY(put_u64(x, 4, err));
    VS_TRY(put_floats(x, c->pq, (size_t)c->m * 16 * c->sub_dim, err));
    VS_TRY(put(x, "ilar", 4, err)); // the lists
    VS_TRY(put_u64(x, c->list_count, err));
    VS_TRY(put_u64(x, c->m / 2, err));
    VS_TRY(put(x, "full", 4, err));
    VS_TRY(put_u64(x, c->list_count, err));
    return put(x, x->sizes, c->list_count * sizeof *x->sizes, err);
}

// ---- rows ----

static bool is_live(const struct export *x, const struct source *source, uint32_t row)
{
    return x->what->live == NULL || vs_bit_get(x->what->live[source->segment], row);
}

static int64_t number_of(const struct export *x, const struct source *source, uint32_t row)
{
    return x->what->ids != NULL ? x->what->ids[source->segment][row]
                                : (int64_t)(source->first_number + row);
}

static enum vs_status open_stream(const struct export *x,
                                  struct vs_blob_stream *stream,
                                  uint64_t offset,
                                  uint64_t length,
                                  struct vs_error *err)
{
    vs_blob_stream_clear(stream);
    return vs_blob_stream_open(stream, x->env, x->what->file, offset, length, err);
}

static enum vs_status rewind_source(struct export *x, struct source *source, struct vs_error *err)
{
    uint64_t rows =
        VS_SECTION_HEADER_SIZE + (uint64_t)source->facts.slot_count * vs_align64(x->column->dim);
    VS_TRY(open_stream(x, &source->codes, source->lists->offset + VS_SECTION_HEADER_SIZE,
                       source->lists->length - VS_SECTION_HEADER_SIZE, err));
    return open_stream(x, &source->row_facts, source->rows->offset + rows,
                       source->rows->length - rows, err);
}

// Rows of the list's own slots, checked.
static enum vs_status take_facts(struct export *x,
                                 struct source *source,
                                 uint32_t list,
                                 const uint8_t **facts_out,
                                 struct vs_error *err)
{
    const struct vs_list_record *record = &source->records[list];
    uint64_t rows = x->d->info.segments[source->segment].row_count;
    size_t bytes = (size_t)record->slot_count * VS_ROW_FACT_SIZE;
    VS_TRY(vs_blob_stream_take(&source->row_facts, bytes, facts_out, err));
    bool sound = vs_crc32c(0, *facts_out, bytes) == record->facts_crc;
    for (size_t i = 0; sound && i < record->slot_count; i++) {
        sound = vs_load_u32le(*facts_out + i * VS_ROW_FACT_SIZE + 8) < rows;
    }
    return sound ? VS_OK
                 : vs_fail(err, VS_CORRUPT,
                           "%s: row facts of list %" PRIu32
                           " in segment %zu are damaged; rebuild the index",
                           x->what->file->name, list, source->segment);
}

static enum vs_status count_lists(struct export *x, struct source *source, struct vs_error *err)
{
    for (uint32_t l = 0; l < x->codebook.list_count; l++) {
        const uint8_t *facts = NULL;
        VS_TRY(take_facts(x, source, l, &facts, err));
        for (size_t i = 0; i < source->records[l].slot_count; i++) {
            x->sizes[l] += is_live(x, source, vs_load_u32le(facts + i * VS_ROW_FACT_SIZE + 8));
        }
    }
    return VS_OK;
}

static enum vs_status open_lists(struct export *x, struct source *source, struct vs_error *err)
{
    const struct vs_index_column *c = x->column;
    int32_t segment = (int32_t)source->segment;
    const struct vs_blob_entry *hot = vs_descriptor_blob(x->d, VS_BLOB_HOT, segment, c->field_id);
    source->lists = vs_descriptor_blob(x->d, VS_BLOB_LISTS, segment, c->field_id);
    source->rows = vs_descriptor_blob(x->d, VS_BLOB_ROWS, segment, c->field_id);
    source->records = vs_alloc_zeroed(x->env, c->list_count, sizeof *source->records);
    if (source->records == NULL) {
        return no_memory(err);
    }
    if (hot == NULL || source->lists == NULL || source->rows == NULL ||
        source->lists->length < VS_SECTION_HEADER_SIZE) {
        return vs_fail(err, VS_CORRUPT, "%s: segment %zu lacks lists", x->what->file->name,
                       source->segment);
    }
    const struct vs_hot_expect expect = {c->list_count,
                                         c->m,
                                         c->dim,
                                         x->d->info.segments[source->segment].row_count,
                                         source->lists->length,
                                         source->rows->length};
    uint8_t *bytes = NULL;
    VS_TRY(vs_index_blob_read(x->env, x->what->file, hot, &bytes, err));
    enum vs_status status = vs_hot_decode(bytes, hot->length, &expect, x->what->file->name,
                                          &source->facts, source->records, err);
    vs_free(x->env, bytes);
    if (status == VS_OK) {
        status = rewind_source(x, source, err);
    }
    return status == VS_OK ? count_lists(x, source, err) : status;
}

// ---- flat segments are encoded here ----

static void encode_flat(struct export *x,
                        struct source *source,
                        const float *vector,
                        uint32_t row,
                        float *y,
                        uint8_t *codes)
{
    const struct vs_codebook *c = &x->codebook;
    size_t n = source->flat_count++;
    vs_codebook_project(c, vector, y);
    source->flat_lists[n] = vs_codebook_assign(c, y, NULL);
    source->flat_rows[n] = row;
    vs_codebook_encode_vector(c, y, codes);
    for (size_t s = 0; s < c->m; s += 2) {
        source->flat_codes[n * (c->m / 2) + s / 2] = (uint8_t)(codes[s] | codes[s + 1] << 4);
    }
    x->sizes[source->flat_lists[n]]++;
}

static enum vs_status encode_chunk(struct export *x,
                                   struct source *source,
                                   uint32_t first,
                                   uint32_t count,
                                   float *work,
                                   struct vs_error *err)
{
    uint32_t rows[FLAT_ROWS];
    bool present[FLAT_ROWS];
    size_t dim = x->codebook.dim;
    float *y = work + FLAT_ROWS * dim;
    uint8_t *codes = (uint8_t *)(y + x->codebook.proj_dim);
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = first + i;
    }
    VS_TRY(vs_index_fetch_vectors(x->what->index, source->segment, x->what->column, rows, count,
                                  work, present, err));
    for (uint32_t i = 0; i < count; i++) {
        float *vector = work + i * dim, norm = 0.0F;
        if (!present[i] || !is_live(x, source, rows[i])) {
            continue;
        }
        if (x->codebook.metric == VS_METRIC_COSINE) {
            vs_kernels_get()->dot_f32(vector, vector, dim, 1, &norm);
            float scale = norm > 0.0F ? 1.0F / sqrtf(norm) : 0.0F;
            for (size_t d = 0; d < dim; d++) {
                vector[d] *= scale;
            }
        }
        encode_flat(x, source, vector, rows[i], y, codes);
    }
    return VS_OK;
}

static enum vs_status open_flat(struct export *x, struct source *source, struct vs_error *err)
{
    const struct vs_codebook *c = &x->codebook;
    uint32_t rows = (uint32_t)x->d->info.segments[source->segment].row_count;
    float *work =
        vs_alloc(x->env, (FLAT_ROWS * (size_t)c->dim + c->proj_dim) * sizeof(float) + c->m);
    source->flat_lists = vs_alloc_zeroed(x->env, (size_t)rows + 1, sizeof(uint32_t));
    source->flat_rows = vs_alloc_zeroed(x->env, (size_t)rows + 1, sizeof(uint32_t));
    source->flat_codes = vs_alloc_zeroed(x->env, (size_t)rows + 1, c->m / 2);
    enum vs_status status = VS_OK;
    if (work == NULL || source->flat_lists == NULL || source->flat_rows == NULL ||
        source->flat_codes == NULL) {
        status = no_memory(err);
    }
    for (uint32_t at = 0; at < rows && status == VS_OK; at += FLAT_ROWS) {
        status = vs_op_check(x->env, x->what->op, err);
        if (status == VS_OK) {
            status = encode_chunk(x, source, at, rows - at < FLAT_ROWS ? rows - at : FLAT_ROWS,
                                  work, err);
        }
    }
    vs_free(x->env, work);
    return status;
}

// ---- lists ----

static enum vs_status add_entry(struct export *x,
                                const uint8_t *codes,
                                int64_t number,
                                struct vs_error *err)
{
    VS_TRY(vs_buf_append(&x->list_codes, codes, x->codebook.m / 2, err));
    return vs_buf_append(&x->list_ids, &number, sizeof number, err);
}

static enum vs_status add_listed(struct export *x,
                                 struct source *source,
                                 uint32_t list,
                                 struct vs_error *err)
{
    const struct vs_list_record *record = &source->records[list];
    const uint8_t *facts = NULL, *section = NULL;
    size_t m = x->codebook.m;
    uint64_t length = vs_list_bytes(record->entry_count, (uint32_t)m);
    uint8_t codes[VS_INDEX_MAX_M / 2];
    VS_TRY(take_facts(x, source, list, &facts, err));
    VS_TRY(vs_blob_stream_take(&source->codes, (size_t)vs_align64(length), &section, err));
    if (vs_crc32c(0, section, (size_t)length) != record->list_crc ||
        record->entry_count < record->slot_count) {
        return vs_fail(err, VS_CORRUPT,
                       "%s: list %" PRIu32 " in segment %zu is damaged; rebuild the index",
                       x->what->file->name, list, source->segment);
    }
    for (uint32_t i = 0; i < record->slot_count; i++) { // second assignments stand behind these
        uint32_t row = vs_load_u32le(facts + (size_t)i * VS_ROW_FACT_SIZE + 8);
        const uint8_t *lane = section + (size_t)(i / VS_BLOCK_LANES) * 16 * m + (i & 15);
        unsigned shift = i % VS_BLOCK_LANES < 16 ? 0 : 4;
        if (!is_live(x, source, row)) {
            continue;
        }
        for (size_t s = 0; s < m; s += 2) {
            unsigned low = lane[16 * s] >> shift & 15u, high = lane[16 * (s + 1)] >> shift & 15u;
            codes[s / 2] = (uint8_t)(low | high << 4);
        }
        VS_TRY(add_entry(x, codes, number_of(x, source, row), err));
    }
    return VS_OK;
}

static enum vs_status put_list(struct export *x, uint32_t list, struct vs_error *err)
{
    vs_buf_reset(&x->list_codes);
    vs_buf_reset(&x->list_ids);
    for (size_t s = 0; s < x->source_count; s++) {
        struct source *source = &x->sources[s];
        if (source->records != NULL) {
            VS_TRY(add_listed(x, source, list, err));
        }
        for (uint32_t i = 0; i < source->flat_count; i++) {
            if (source->flat_lists[i] == list) {
                VS_TRY(add_entry(x, source->flat_codes + (size_t)i * (x->codebook.m / 2),
                                 number_of(x, source, source->flat_rows[i]), err));
            }
        }
    }
    if (x->list_ids.len != x->sizes[list] * sizeof(int64_t)) {
        return vs_fail(err, VS_INTERNAL, "list %" PRIu32 " has another length than before", list);
    }
    VS_TRY(put(x, x->list_codes.data, x->list_codes.len, err));
    return put(x, x->list_ids.data, x->list_ids.len, err);
}

static enum vs_status export_all(struct export *x, struct vs_error *err)
{
    bool found = false;
    VS_TRY(vs_index_read_codebook(x->what->index, x->what->column, &x->codebook, &found, err));
    if (!found) {
        return vs_fail(err, VS_UNSUPPORTED,
                       "%s: column '%.*s' has no lists and no codes: small tables are scanned "
                       "exactly, there is nothing that FAISS would read",
                       x->what->file->name, VS_STR_ARG(x->column->name));
    }
    x->source_count = x->d->info.segment_count;
    x->sources = vs_alloc_zeroed(x->env, x->source_count, sizeof *x->sources);
    x->sizes = vs_alloc_zeroed(x->env, x->codebook.list_count, sizeof *x->sizes);
    if (x->sources == NULL || x->sizes == NULL) {
        return no_memory(err);
    }
    uint64_t number = 0;
    for (size_t s = 0; s < x->source_count; s++) {
        struct source *source = &x->sources[s];
        source->segment = s;
        source->first_number = number;
        number += x->d->info.segments[s].row_count;
        VS_TRY(x->d->segments[s].columns[x->what->column].has_lists ? open_lists(x, source, err)
                                                                    : open_flat(x, source, err));
    }
    for (uint32_t l = 0; l < x->codebook.list_count; l++) {
        x->total += x->sizes[l];
    }
    VS_TRY(put_head(x, err));
    for (size_t s = 0; s < x->source_count; s++) {
        VS_TRY(x->sources[s].records != NULL ? rewind_source(x, &x->sources[s], err) : VS_OK);
    }
    for (uint32_t l = 0; l < x->codebook.list_count; l++) {
        VS_TRY(vs_op_check(x->env, x->what->op, err));
        VS_TRY(put_list(x, l, err));
    }
    return flush(x, 0, err);
}

static void clear(struct export *x)
{
    for (size_t s = 0; s < x->source_count && x->sources != NULL; s++) {
        struct source *source = &x->sources[s];
        vs_free(x->env, source->records);
        vs_free(x->env, source->flat_lists);
        vs_free(x->env, source->flat_rows);
        vs_free(x->env, source->flat_codes);
        vs_blob_stream_clear(&source->codes);
        vs_blob_stream_clear(&source->row_facts);
    }
    vs_free(x->env, x->sources);
    vs_free(x->env, x->sizes);
    vs_buf_clear(&x->bytes);
    vs_buf_clear(&x->list_codes);
    vs_buf_clear(&x->list_ids);
    if (x->codebook.env != NULL) {
        vs_codebook_clear(&x->codebook);
    }
}

enum vs_status vs_index_export(const struct vs_env *env,
                               const struct vs_index_export *what,
                               struct vs_writer *out,
                               struct vs_index_export_result *result_out,
                               struct vs_error *err)
{
    struct export x = {.env = env, .what = what, .d = vs_index_descriptor(what->index), .out = out};
    x.column = &x.d->info.columns[what->column];
    vs_buf_init(&x.bytes, env, SIZE_MAX);
    vs_buf_init(&x.list_codes, env, SIZE_MAX);
    vs_buf_init(&x.list_ids, env, SIZE_MAX);
    enum vs_status status = export_all(&x, err);
    if (status == VS_OK) {
        *result_out = (struct vs_index_export_result){.vector_count = x.total,
                                                      .file_size = out->written,
                                                      .list_count = x.codebook.list_count,
                                                      .m = x.codebook.m};
    }
    clear(&x);
    return status;
}
