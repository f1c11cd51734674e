// SPDX-License-Identifier: Apache-2.0
/*
 * What belongs to rows, in row order: vectors are moved as they are; payload, attrs and ids are
 * decoded and encoded anew, one stored column or a few thousand rows at a time.
 */
#include "index/merge_internal.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"

#include <inttypes.h>
#include <string.h>

#define PAYLOAD_ROWS 4096

enum vs_status vs_merge_blob(const struct vs_merge_piece *piece,
                             const char *type,
                             int32_t field_id,
                             const struct vs_blob_entry **blob_out,
                             struct vs_error *err)
{
    const struct vs_blob_entry *blob =
        vs_descriptor_blob(vs_merge_descriptor(piece), type, (int32_t)piece->segment, field_id);
    if (blob == NULL) {
        return vs_fail(err, VS_CORRUPT, "%s: segment %zu has no blob %s of field %" PRId32,
                       vs_merge_name(piece), piece->segment, type, field_id);
    }
    *blob_out = blob;
    return VS_OK;
}

enum vs_status vs_merge_header(const struct vs_merge_piece *piece,
                               const struct vs_blob_entry *blob,
                               enum vs_section section,
                               struct vs_section_header *header_out,
                               struct vs_error *err)
{
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    if (blob->length < sizeof bytes) {
        return vs_fail(err, VS_CORRUPT, "%s: blob %.*s is too short", vs_merge_name(piece),
                       VS_STR_ARG(blob->type));
    }
    VS_TRY(vs_file_read(piece->file, blob->offset, sizeof bytes, bytes, err));
    return vs_section_header_decode(section, bytes, blob->length, vs_merge_name(piece), header_out,
                                    err);
}

// ---- vectors ----

struct vector_join {
    struct vs_merge_job *job;
    const struct vs_merge_target *target;
    const struct vs_index_column *column;
    struct vs_vectors_layout layout; // of the new blob
    bool half;                       // vectors are binary16
    size_t row_bytes;
    uint8_t *presence; // of the new blob, padded
    uint32_t *crcs;    // [rows]
    uint64_t vector_count;
};

// Presence bits and row checksums of one part, checked.
static enum vs_status read_tables(const struct vector_join *j,
                                  const struct vs_merge_piece *piece,
                                  const struct vs_blob_entry *blob,
                                  uint8_t **bytes_out,
                                  struct vs_vectors_layout *layout_out,
                                  struct vs_error *err)
{
    struct vs_section_header header;
    struct vs_vectors_layout layout;
    uint64_t rows = vs_merge_descriptor(piece)->info.segments[piece->segment].row_count;
    VS_TRY(vs_merge_header(piece, blob, vs_vectors_section(j->half), &header, err));
    if (!vs_vectors_layout(rows, j->column->dim, vs_vectors_width(j->half), &layout) ||
        layout.length != blob->length || header.values[0] != rows ||
        header.values[1] != j->column->dim) {
        return vs_fail(err, VS_CORRUPT, "%s: a vectors blob does not fit its segment",
                       vs_merge_name(piece));
    }
    size_t n = (size_t)(layout.length - layout.presence);
    uint8_t *bytes = vs_alloc(j->job->env, n);
    if (bytes == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the vector tables");
    }
    enum vs_status status =
        vs_file_read(piece->file, blob->offset + layout.presence, n, bytes, err);
    if (status == VS_OK && vs_crc32c(0, bytes, n - 4) != vs_load_u32le(bytes + n - 4)) {
        status = vs_fail(err, VS_CORRUPT,
                         "%s: checksum of the vector tables of segment %zu is wrong; rebuild the "
                         "index",
                         vs_merge_name(piece), piece->segment);
    }
    if (status != VS_OK) {
        vs_free(j->job->env, bytes);
        return status;
    }
    *bytes_out = bytes;
    *layout_out = layout;
    return VS_OK;
}

static enum vs_status put_run(struct vector_join *j,
                              const struct vs_merge_piece *piece,
                              const struct vs_merge_run *run,
                              const uint8_t *tables,
                              const struct vs_vectors_layout *layout,
                              struct vs_blob_stream *stream,
                              struct vs_error *err)
{
    const uint8_t *crcs = tables + (layout->row_crcs - layout->presence), *vector = NULL;
    for (uint32_t i = 0; i < run->count; i++) {
        uint32_t row = run->first_row + i, new_row = run->new_row + i,
                 crc = vs_load_u32le(crcs + 4 * (size_t)row);
        VS_TRY(vs_blob_stream_take(stream, j->row_bytes, &vector, err));
        if (vs_crc32c(0, vector, j->row_bytes) != crc) {
            return vs_fail(err, VS_CORRUPT,
                           "%s: checksum of the vector of row %" PRIu32
                           " is wrong; rebuild the index",
                           vs_merge_name(piece), row);
        }
        VS_TRY(vs_index_blob_write(&j->job->writer, vector, j->row_bytes, err));
        j->crcs[new_row] = crc;
        if ((tables[row / 8] >> (row % 8) & 1) != 0) {
            j->presence[new_row / 8] |= (uint8_t)(1u << (new_row % 8));
            j->vector_count++;
        }
    }
    return VS_OK;
}

static enum vs_status put_piece(struct vector_join *j,
                                const struct vs_merge_piece *piece,
                                struct vs_error *err)
{
    const struct vs_blob_entry *blob = NULL;
    struct vs_vectors_layout layout = {0};
    uint8_t *tables = NULL;
    VS_TRY(vs_merge_blob(piece, vs_vectors_blob(j->half), j->column->field_id, &blob, err));
    VS_TRY(read_tables(j, piece, blob, &tables, &layout, err));
    enum vs_status status = VS_OK;
    for (size_t r = 0; r < piece->run_count && status == VS_OK; r++) {
        const struct vs_merge_run *run = &piece->runs[r];
        struct vs_blob_stream stream = {.env = j->job->env};
        status = vs_op_check(j->job->env, j->job->merge->op, err);
        if (status == VS_OK) {
            status = vs_blob_stream_open(&stream, j->job->env, piece->file,
                                         blob->offset + VS_SECTION_HEADER_SIZE +
                                             (uint64_t)run->first_row * j->row_bytes,
                                         (uint64_t)run->count * j->row_bytes, err);
        }
        if (status == VS_OK) {
            status = put_run(j, piece, run, tables, &layout, &stream, err);
        }
        vs_blob_stream_clear(&stream);
    }
    vs_free(j->job->env, tables);
    return status;
}

static enum vs_status put_vectors_blob(struct vector_join *j, struct vs_error *err)
{
    static const uint8_t zeros[64] = {0};
    struct vs_index_writer *writer = &j->job->writer;
    uint64_t rows = j->target->info.row_count, end = VS_SECTION_HEADER_SIZE + rows * j->row_bytes;
    size_t presence_bytes = (size_t)(j->layout.row_crcs - j->layout.presence),
           crc_bytes = (size_t)rows * 4;
    struct vs_section_header header = {.length = j->layout.length,
                                       .values = {(uint32_t)rows, j->column->dim}};
    uint8_t bytes[VS_SECTION_HEADER_SIZE];
    vs_section_header_encode(vs_vectors_section(j->half), &header, bytes);
    VS_TRY(vs_index_blob_begin(writer, vs_vectors_blob(j->half),
                               (int32_t)(j->target - j->job->targets), j->column->field_id, err));
    VS_TRY(vs_index_blob_write(writer, bytes, sizeof bytes, err));
    for (size_t p = 0; p < j->target->piece_count; p++) {
        VS_TRY(put_piece(j, &j->target->pieces[p], err));
    }
    uint32_t crc = vs_crc32c(vs_crc32c(0, j->presence, presence_bytes), j->crcs, crc_bytes);
    VS_TRY(vs_index_blob_write(writer, zeros, (size_t)(j->layout.presence - end), err));
    VS_TRY(vs_index_blob_write(writer, j->presence, presence_bytes, err));
    VS_TRY(vs_index_blob_write(writer, j->crcs, crc_bytes, err));
    VS_TRY(vs_index_blob_write(writer, &crc, 4, err));
    return vs_index_blob_end(writer, err);
}

enum vs_status vs_merge_put_vectors(struct vs_merge_job *job,
                                    size_t target,
                                    size_t column,
                                    struct vs_error *err)
{
    struct vector_join j = {
        .job = job, .target = &job->targets[target], .column = &job->base->info.columns[column]};
    uint64_t rows = j.target->info.row_count;
    j.half = job->parts[target].columns[column].has_lists && job->columns[column].has_half_rows;
    j.row_bytes = (size_t)j.column->dim * vs_vectors_width(j.half);
    if (!vs_vectors_layout(rows, j.column->dim, vs_vectors_width(j.half), &j.layout)) {
        return vs_fail(err, VS_LIMIT, "column '%.*s': too many rows or dimensions",
                       VS_STR_ARG(j.column->name));
    }
    j.presence = vs_alloc_zeroed(job->env, (size_t)(j.layout.row_crcs - j.layout.presence) + 1, 1);
    j.crcs = vs_alloc_zeroed(job->env, (size_t)rows + 1, sizeof *j.crcs);
    enum vs_status status = j.presence != NULL && j.crcs != NULL
                                ? put_vectors_blob(&j, err)
                                : vs_fail(err, VS_NO_MEMORY, "out of memory for vector tables");
    vs_free(job->env, j.presence);
    vs_free(job->env, j.crcs);
    job->parts[target].columns[column].vector_count = j.vector_count;
    return status;
}

// ---- payload ----

struct payload_join {
    struct vs_merge_job *job;
    size_t field_count;
    struct vs_field *fields;
    int32_t *ids;
    struct vs_payload_writer *writer;
    struct vs_batch batch;
    struct vs_buf blocks;
};

static enum vs_status flush(struct payload_join *p, struct vs_error *err)
{
    VS_TRY(vs_index_blob_write(&p->job->writer, p->blocks.data, p->blocks.len, err));
    vs_buf_reset(&p->blocks);
    return VS_OK;
}

static enum vs_status add_rows(struct payload_join *p,
                               const struct vs_merge_piece *piece,
                               const struct vs_merge_run *run,
                               uint32_t *rows,
                               struct vs_error *err)
{
    for (uint32_t at = 0; at < run->count; at += PAYLOAD_ROWS) {
        uint32_t n = run->count - at < PAYLOAD_ROWS ? run->count - at : PAYLOAD_ROWS;
        for (uint32_t i = 0; i < n; i++) {
            rows[i] = run->first_row + at + i;
        }
        vs_batch_reset(&p->batch);
        VS_TRY(vs_op_check(p->job->env, p->job->merge->op, err));
        VS_TRY(vs_index_fetch(piece->index, piece->segment, p->ids, p->field_count, rows, n,
                              &p->batch, err));
        VS_TRY(vs_payload_writer_add(p->writer, &p->batch, &p->blocks, err));
        VS_TRY(flush(p, err));
    }
    return VS_OK;
}

static enum vs_status put_blocks(struct payload_join *p, size_t target, struct vs_error *err)
{
    const struct vs_merge_target *t = &p->job->targets[target];
    uint32_t *rows = vs_alloc_zeroed(p->job->env, PAYLOAD_ROWS, sizeof *rows);
    if (rows == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the payload of an index");
    }
    enum vs_status status =
        vs_index_blob_begin(&p->job->writer, VS_BLOB_PAYLOAD, (int32_t)target, -1, err);
    for (size_t i = 0; i < t->piece_count; i++) {
        for (size_t r = 0; r < t->pieces[i].run_count && status == VS_OK; r++) {
            status = add_rows(p, &t->pieces[i], &t->pieces[i].runs[r], rows, err);
        }
    }
    if (status == VS_OK) {
        status = vs_payload_writer_finish(p->writer, &p->blocks, err);
    }
    if (status == VS_OK) {
        status = flush(p, err);
    }
    if (status == VS_OK) {
        status = vs_index_blob_end(&p->job->writer, err);
    }
    vs_free(p->job->env, rows);
    return status;
}

static enum vs_status put_payload(struct vs_merge_job *job, size_t target, struct vs_error *err)
{
    const struct vs_descriptor *base = job->base;
    struct payload_join p = {.job = job};
    p.fields = vs_arena_alloc_array(&job->arena, base->info.field_count, sizeof *p.fields);
    p.ids = vs_arena_alloc_array(&job->arena, base->info.field_count, sizeof *p.ids);
    if (p.fields == NULL || p.ids == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the payload of an index");
    }
    for (size_t f = 0; f < base->info.field_count; f++) {
        if (base->places[f] == VS_PLACE_PAYLOAD) {
            p.ids[p.field_count] = base->info.fields[f].id;
            p.fields[p.field_count++] = base->info.fields[f];
        }
    }
    if (p.field_count == 0) {
        return VS_OK;
    }
    vs_buf_init(&p.blocks, job->env, SIZE_MAX);
    enum vs_status status =
        vs_payload_writer_open(job->env, p.fields, p.field_count, &p.writer, err);
    if (status == VS_OK) {
        status = vs_batch_init(&p.batch, job->env, p.fields, p.field_count, err);
    }
    if (status == VS_OK) {
        status = put_blocks(&p, target, err);
    }
    if (p.writer != NULL) {
        vs_payload_writer_free(p.writer);
    }
    vs_batch_clear(&p.batch);
    vs_buf_clear(&p.blocks);
    return status;
}

// ---- attrs and ids ----

// Kept rows of a stored column of all parts.
static enum vs_status join_column(const struct vs_merge_job *job,
                                  const struct vs_merge_target *target,
                                  const struct vs_field *field,
                                  struct vs_column *out,
                                  struct vs_error *err)
{
    VS_TRY(vs_column_init_field(out, job->env, field, err));
    for (size_t p = 0; p < target->piece_count; p++) {
        const struct vs_merge_piece *piece = &target->pieces[p];
        struct vs_column column;
        VS_TRY(vs_op_check(job->env, job->merge->op, err));
        VS_TRY(vs_index_load_column(piece->index, piece->segment, field->id, &column, err));
        enum vs_status status = VS_OK;
        for (size_t r = 0; r < piece->run_count && status == VS_OK; r++) {
            status = vs_column_append_rows(out, &column, piece->runs[r].first_row,
                                           piece->runs[r].count, err);
        }
        vs_column_clear(&column);
        if (status != VS_OK) {
            return status;
        }
    }
    return VS_OK;
}

static enum vs_status put_ids(struct vs_merge_job *job,
                              size_t target,
                              const struct vs_column *ids,
                              struct vs_error *err)
{
    struct vs_buf bytes;
    vs_buf_init(&bytes, job->env, SIZE_MAX);
    enum vs_status status = vs_ids_encode(ids, &bytes, err);
    if (status == VS_OK) {
        status = vs_index_blob_put(&job->writer, VS_BLOB_IDS, (int32_t)target, -1, bytes.data,
                                   bytes.len, err);
    }
    vs_buf_clear(&bytes);
    return status;
}

static enum vs_status put_attr(struct vs_merge_job *job,
                               struct vs_segment_parts *parts,
                               const struct vs_field *field,
                               const struct vs_column *column,
                               uint64_t *offset,
                               struct vs_error *err)
{
    struct vs_buf bytes;
    vs_buf_init(&bytes, job->env, SIZE_MAX);
    enum vs_status status = vs_attr_encode(column, field, &bytes, err);
    if (status == VS_OK) {
        parts->attrs[parts->attr_count++] = (struct vs_attr_part){field->id, *offset, bytes.len};
        status = vs_buf_append_zeros(&bytes, (size_t)(vs_align64(bytes.len) - bytes.len), err);
    }
    if (status == VS_OK) {
        *offset += bytes.len;
        status = vs_index_blob_write(&job->writer, bytes.data, bytes.len, err);
    }
    vs_buf_clear(&bytes);
    return status;
}

static enum vs_status put_attrs(struct vs_merge_job *job, size_t target, struct vs_error *err)
{
    const struct vs_descriptor *base = job->base;
    struct vs_column *columns = job->targets[target].attrs;
    struct vs_segment_parts *parts = &job->parts[target];
    uint64_t offset = 0;
    bool begun = false;
    parts->attrs = vs_arena_alloc_array(&job->arena, base->info.field_count, sizeof *parts->attrs);
    if (parts->attrs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    for (size_t f = 0; f < base->info.field_count; f++) {
        const struct vs_field *field = &base->info.fields[f];
        if (base->places[f] != VS_PLACE_ATTRS) {
            continue;
        }
        if (!begun) {
            VS_TRY(vs_index_blob_begin(&job->writer, VS_BLOB_ATTRS, (int32_t)target, -1, err));
            begun = true;
        }
        VS_TRY(join_column(job, &job->targets[target], field, &columns[f], err));
        VS_TRY(put_attr(job, parts, field, &columns[f], &offset, err));
        if (!job->targets[target].has_summary && field->id != base->info.id_field_id) {
            vs_column_clear(&columns[f]);
        }
    }
    return begun ? vs_index_blob_end(&job->writer, err) : VS_OK;
}

enum vs_status vs_merge_put_values(struct vs_merge_job *job, size_t target, struct vs_error *err)
{
    const struct vs_descriptor *base = job->base;
    struct vs_merge_target *t = &job->targets[target];
    t->attrs = vs_alloc_zeroed(job->env, base->info.field_count, sizeof *t->attrs);
    if (t->attrs == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for the columns of an index");
    }
    VS_TRY(put_payload(job, target, err));
    VS_TRY(put_attrs(job, target, err));
    if (base->info.id_field_id < 0) {
        return VS_OK;
    }
    struct vs_column *ids = &t->attrs[vs_descriptor_field(base, base->info.id_field_id)];
    VS_TRY(put_ids(job, target, ids, err));
    if (!t->has_summary) {
        vs_column_clear(ids);
    }
    return VS_OK;
}

void vs_merge_target_clear(struct vs_merge_job *job, size_t target)
{
    struct vs_merge_target *t = &job->targets[target];
    for (size_t f = 0; t->attrs != NULL && f < job->base->info.field_count; f++) {
        vs_column_clear(&t->attrs[f]);
    }
    vs_free(job->env, t->attrs);
    for (size_t c = 0; t->lists != NULL && c < job->base->info.column_count; c++) {
        vs_free(job->env, t->lists[c].facts);
    }
}
