// SPDX-License-Identifier: Apache-2.0
#include "index/descriptor.h"
#include "index/index_format.h"
#include "vecstore/base/json.h"

static const char *const place_names[] = {"attrs", "payload", "vectors"};

static void key_i64(struct vs_json_writer *w, const char *key, int64_t value)
{
    vs_jw_key(w, key);
    vs_jw_i64(w, value);
}

static void key_str(struct vs_json_writer *w, const char *key, struct vs_str value)
{
    vs_jw_key(w, key);
    vs_jw_str(w, value);
}

static void key_bool(struct vs_json_writer *w, const char *key, bool value)
{
    vs_jw_key(w, key);
    vs_jw_bool(w, value);
}

static void key_f32(struct vs_json_writer *w, const char *key, float value)
{
    vs_jw_key(w, key);
    vs_jw_f32(w, value);
}

static enum vs_status encode_fields(struct vs_json_writer *w,
                                    const struct vs_descriptor *d,
                                    const struct vs_env *env,
                                    struct vs_error *err)
{
    struct vs_buf type;
    vs_buf_init(&type, env, 4096);
    enum vs_status status = VS_OK;
    vs_jw_key(w, "fields");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < d->info.field_count && status == VS_OK; i++) {
        const struct vs_field *field = &d->info.fields[i];
        vs_buf_reset(&type);
        status = vs_type_format(field, &type, err);
        vs_jw_object_begin(w);
        key_i64(w, "id", field->id);
        key_str(w, "name", field->name);
        key_str(w, "type", vs_buf_view(&type));
        key_bool(w, "required", field->required);
        if (field->kind == VS_KIND_LIST) {
            key_i64(w, "element-id", field->element_id);
            key_bool(w, "element-required", field->element_required);
        }
        vs_jw_key(w, "place");
        vs_jw_c(w, place_names[d->places[i]]);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_buf_clear(&type);
    return status;
}

static void encode_recall(struct vs_json_writer *w, const struct vs_index_column *column)
{
    vs_jw_key(w, "recall");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < column->recall_count; i++) {
        const struct vs_recall_point *point = &column->recall[i];
        vs_jw_object_begin(w);
        key_i64(w, "k", point->k);
        key_i64(w, "nprobe", point->nprobe);
        key_i64(w, "rerank", point->rerank);
        vs_jw_key(w, "recall");
        vs_jw_f32(w, point->recall);
        vs_jw_key(w, "scanned");
        vs_jw_f32(w, point->scanned_fraction);
        if (point->gap > 0.0F) {
            key_f32(w, "gap", point->gap);
        }
        if (point->rescore) {
            vs_jw_key(w, "rescore");
            vs_jw_bool(w, true);
        }
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void encode_baseline(struct vs_json_writer *w, const struct vs_drift_baseline *baseline)
{
    if (baseline->count == 0) {
        return;
    }
    vs_jw_key(w, "drift-baseline");
    vs_jw_object_begin(w);
    key_i64(w, "vectors", (int64_t)baseline->count);
    key_f32(w, "error", baseline->error);
    key_f32(w, "energy", baseline->energy);
    key_f32(w, "far-distance", baseline->far_distance);
    vs_jw_object_end(w);
}

static void encode_drift(struct vs_json_writer *w, const struct vs_drift_figures *drift)
{
    if (drift->count == 0) {
        return;
    }
    vs_jw_key(w, "drift");
    vs_jw_object_begin(w);
    key_i64(w, "vectors", (int64_t)drift->count);
    key_f32(w, "error", drift->error);
    key_f32(w, "energy", drift->energy);
    key_f32(w, "far-share", drift->far_share);
    key_f32(w, "gini", drift->gini);
    key_f32(w, "longest-to-mean", drift->longest_to_mean);
    vs_jw_object_end(w);
}

static void encode_columns(struct vs_json_writer *w, const struct vs_descriptor *d)
{
    vs_jw_key(w, "columns");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < d->info.column_count; i++) {
        const struct vs_index_column *column = &d->info.columns[i];
        const struct vs_measure_facts *measured = &d->measured[i];
        vs_jw_object_begin(w);
        key_i64(w, "field-id", column->field_id);
        key_str(w, "name", column->name);
        key_i64(w, "dimension", column->dim);
        vs_jw_key(w, "metric");
        vs_jw_c(w, vs_metric_name(column->metric));
        key_bool(w, "normalized", column->normalized);
        key_str(w, "model", column->model);
        key_str(w, "model-id", column->model_id);
        key_i64(w, "lists", column->list_count);
        key_i64(w, "m", column->m);
        key_i64(w, "projected-dimension", column->proj_dim);
        if (column->open_lists > 0) {
            key_i64(w, "open-lists", column->open_lists);
        }
        key_bool(w, "exact-rows", column->has_exact_rows || column->has_half_rows);
        if (column->has_half_rows) {
            key_str(w, "vector-type", VS_STR("f16"));
        }
        vs_jw_key(w, "measured");
        vs_jw_object_begin(w);
        vs_jw_key(w, "queries");
        vs_jw_c(w, measured->given ? "given" : "rows");
        key_i64(w, "count", measured->query_count);
        key_i64(w, "excluded-neighbours", measured->excluded_neighbours);
        vs_jw_key(w, "perturbation");
        vs_jw_f32(w, measured->perturbation);
        vs_jw_object_end(w);
        encode_recall(w, column);
        if (d->baselines != NULL) {
            encode_baseline(w, &d->baselines[i]);
        }
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void encode_segment(struct vs_json_writer *w, const struct vs_descriptor *d, size_t s)
{
    const struct vs_index_segment *segment = &d->info.segments[s];
    const struct vs_segment_parts *parts = &d->segments[s];
    vs_jw_object_begin(w);
    key_i64(w, "rows", (int64_t)segment->row_count);
    vs_jw_key(w, "files");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < segment->file_count; i++) {
        vs_jw_object_begin(w);
        key_str(w, "path", segment->files[i].path);
        key_i64(w, "rows", (int64_t)segment->files[i].row_count);
        key_i64(w, "sequence-number", segment->files[i].sequence_number);
        key_i64(w, "first-row", (int64_t)segment->files[i].first_row);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_jw_key(w, "columns");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < d->info.column_count; i++) {
        vs_jw_object_begin(w);
        key_i64(w, "vectors", (int64_t)parts->columns[i].vector_count);
        vs_jw_key(w, "organised");
        vs_jw_c(w, parts->columns[i].has_lists ? "lists" : "flat");
        encode_drift(w, &parts->columns[i].drift);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_jw_key(w, "attrs");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < parts->attr_count; i++) {
        vs_jw_object_begin(w);
        key_i64(w, "field-id", parts->attrs[i].field_id);
        key_i64(w, "offset", (int64_t)parts->attrs[i].offset);
        key_i64(w, "length", (int64_t)parts->attrs[i].length);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
    vs_jw_object_end(w);
}

static void encode_moved(struct vs_json_writer *w, const struct vs_descriptor *d)
{
    vs_jw_key(w, "moved");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < d->info.moved_count; i++) {
        const struct vs_index_moved_file *file = &d->info.moved[i];
        vs_jw_object_begin(w);
        key_str(w, "path", file->path);
        key_i64(w, "rows", (int64_t)file->row_count);
        key_i64(w, "sequence-number", file->sequence_number);
        key_i64(w, "runs", (int64_t)file->run_count);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void encode_blobs(struct vs_json_writer *w, const struct vs_descriptor *d)
{
    vs_jw_key(w, "blobs");
    vs_jw_array_begin(w);
    for (size_t i = 0; i < d->blob_count; i++) {
        const struct vs_blob_entry *blob = &d->blobs[i];
        vs_jw_object_begin(w);
        key_str(w, "type", blob->type);
        key_i64(w, "segment", blob->segment);
        key_i64(w, "field-id", blob->field_id);
        key_i64(w, "offset", (int64_t)blob->offset);
        key_i64(w, "length", (int64_t)blob->length);
        key_i64(w, "crc32c", blob->crc);
        vs_jw_object_end(w);
    }
    vs_jw_array_end(w);
}

static void key_uuid(struct vs_json_writer *w, const char *key, struct vs_uuid uuid)
{
    char text[VS_UUID_TEXT_SIZE];
    vs_uuid_format(uuid, text);
    vs_jw_key(w, key);
    vs_jw_c(w, text);
}

enum vs_status vs_descriptor_encode(const struct vs_descriptor *d,
                                    struct vs_buf *out,
                                    struct vs_error *err)
{
    struct vs_json_writer writer, *w = &writer;
    vs_json_writer_init(w, out, false);
    vs_jw_object_begin(w);
    key_str(w, "format", VS_STR(VS_INDEX_FORMAT_NAME));
    key_i64(w, "version",
            d->info.moved_count > 0 ? VS_INDEX_MOVED_VERSION : VS_INDEX_FORMAT_VERSION);
    vs_jw_key(w, "required-features");
    vs_jw_array_begin(w);
    vs_jw_array_end(w);
    key_uuid(w, "index-uuid", d->info.index_uuid);
    key_uuid(w, "table-uuid", d->info.table_uuid);
    key_i64(w, "snapshot-id", d->info.snapshot_id);
    key_i64(w, "sequence-number", d->sequence_number);
    key_i64(w, "created-ms", d->info.created_ms);
    key_i64(w, "id-field", d->info.id_field_id);
    VS_TRY(encode_fields(w, d, out->env, err));
    encode_columns(w, d);
    vs_jw_key(w, "segments");
    vs_jw_array_begin(w);
    for (size_t s = 0; s < d->info.segment_count; s++) {
        encode_segment(w, d, s);
    }
    vs_jw_array_end(w);
    if (d->info.moved_count > 0) {
        encode_moved(w, d);
    }
    encode_blobs(w, d);
    vs_jw_key(w, "build");
    if (d->info.build_json.len > 0) {
        vs_jw_raw(w, d->info.build_json);
    } else {
        vs_jw_object_begin(w);
        vs_jw_object_end(w);
    }
    vs_jw_object_end(w);
    return vs_json_writer_finish(w, err);
}
