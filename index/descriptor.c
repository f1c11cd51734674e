// SPDX-License-Identifier: Apache-2.0
#include "index/descriptor_internal.h"
#include "index/index_format.h"
#include "index/index_moved.h"

#include <inttypes.h>

static enum vs_status need_uuid(struct vs_descriptor_decoder *x,
                                const struct vs_json *object,
                                const char *key,
                                struct vs_uuid *out)
{
    struct vs_str text;
    VS_TRY(vs_json_need_str(object, key, x->what, &text, x->err));
    if (vs_uuid_parse(text, out, NULL) != VS_OK) {
        return vs_fail(x->err, VS_CORRUPT, "%s: '%s' is not a UUID", x->what, key);
    }
    return VS_OK;
}

static enum vs_status decode_field(struct vs_descriptor_decoder *x,
                                   const struct vs_json *object,
                                   struct vs_field *field,
                                   enum vs_field_place *place)
{
    int64_t id = 0, element_id = -1;
    struct vs_str type, where;
    VS_TRY(vs_descriptor_range(x, object, "id", INT32_MIN, INT32_MAX, &id));
    VS_TRY(vs_descriptor_text(x, object, "name", &field->name));
    VS_TRY(vs_json_need_str(object, "type", x->what, &type, x->err));
    enum vs_status status = vs_type_parse(type, field, x->err);
    if (status != VS_OK || field->kind == VS_KIND_OTHER) {
        return vs_fail(x->err, VS_CORRUPT, "%s: stored column '%.*s' has the unknown type '%.*s'",
                       x->what, VS_STR_ARG(field->name), VS_STR_ARG(type));
    }
    field->id = (int32_t)id;
    VS_TRY(vs_descriptor_bool(x, object, "required", &field->required));
    field->element_id = -1;
    if (field->kind == VS_KIND_LIST) {
        VS_TRY(vs_descriptor_range(x, object, "element-id", INT32_MIN, INT32_MAX, &element_id));
        field->element_id = (int32_t)element_id;
        VS_TRY(vs_descriptor_bool(x, object, "element-required", &field->element_required));
    }
    VS_TRY(vs_json_need_str(object, "place", x->what, &where, x->err));
    if (vs_str_equal_c(where, "attrs")) {
        *place = VS_PLACE_ATTRS;
    } else if (vs_str_equal_c(where, "payload")) {
        *place = VS_PLACE_PAYLOAD;
    } else if (vs_str_equal_c(where, "vectors")) {
        *place = VS_PLACE_VECTORS;
    } else {
        return vs_fail(x->err, VS_CORRUPT, "%s: 'place' is '%.*s', not attrs, payload or vectors",
                       x->what, VS_STR_ARG(where));
    }
    return VS_OK;
}

static enum vs_status decode_fields(struct vs_descriptor_decoder *x, const struct vs_json *root)
{
    const struct vs_json *array = NULL, *item = NULL;
    void *room = NULL;
    VS_TRY(vs_descriptor_array(x, root, "fields", VS_INDEX_MAX_FIELDS, sizeof(struct vs_field),
                               &array, &x->d->info.field_count, &room));
    struct vs_field *fields = room;
    x->d->info.fields = fields;
    x->d->places = vs_arena_alloc_array(x->arena, x->d->info.field_count, sizeof *x->d->places);
    if (x->d->places == NULL) {
        return vs_descriptor_no_memory(x);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; vs_json_iter_next(&iter, NULL, &item); i++) {
        VS_TRY(decode_field(x, item, &fields[i], &x->d->places[i]));
        for (size_t j = 0; j < i; j++) {
            if (fields[j].id == fields[i].id) {
                return vs_fail(x->err, VS_CORRUPT, "%s: field id %" PRId32 " stands twice", x->what,
                               fields[i].id);
            }
        }
    }
    return VS_OK;
}

static enum vs_status decode_recall(struct vs_descriptor_decoder *x,
                                    const struct vs_json *object,
                                    struct vs_index_column *column)
{
    const struct vs_json *array = NULL, *item = NULL;
    void *room = NULL;
    VS_TRY(vs_descriptor_array(x, object, "recall", 65536, sizeof(struct vs_recall_point), &array,
                               &column->recall_count, &room));
    struct vs_recall_point *points = room;
    column->recall = points;
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; vs_json_iter_next(&iter, NULL, &item); i++) {
        int64_t k = 0, nprobe = 0, rerank = 0;
        VS_TRY(vs_descriptor_range(x, item, "k", 1, VS_INDEX_MAX_ROWS, &k));
        VS_TRY(vs_descriptor_range(x, item, "nprobe", 1, VS_INDEX_MAX_LISTS, &nprobe));
        VS_TRY(vs_descriptor_range(x, item, "rerank", 1, VS_INDEX_MAX_ROWS, &rerank));
        VS_TRY(vs_descriptor_number(x, item, "recall", 1.0, &points[i].recall));
        VS_TRY(vs_descriptor_number(x, item, "scanned", 1.0, &points[i].scanned_fraction));
        if (vs_json_get(item, "gap") != NULL) {
            VS_TRY(vs_descriptor_number(x, item, "gap", 1e30, &points[i].gap));
        }
        if (vs_json_get(item, "rescore") != NULL) {
            VS_TRY(vs_descriptor_bool(x, item, "rescore", &points[i].rescore));
        }
        points[i].k = (uint32_t)k;
        points[i].nprobe = (uint32_t)nprobe;
        points[i].rerank = (uint32_t)rerank;
        if (i > 0 && points[i].k < points[i - 1].k) {
            return vs_fail(x->err, VS_CORRUPT, "%s: the recall curve is not sorted by k", x->what);
        }
    }
    return VS_OK;
}

static enum vs_status decode_measured(struct vs_descriptor_decoder *x,
                                      const struct vs_json *object,
                                      struct vs_measure_facts *measured)
{
    const struct vs_json *value = NULL;
    struct vs_str queries;
    int64_t count = 0, excluded = 0;
    VS_TRY(vs_json_need(object, "measured", VS_JSON_OBJECT, x->what, &value, x->err));
    VS_TRY(vs_json_need_str(value, "queries", x->what, &queries, x->err));
    VS_TRY(vs_descriptor_range(x, value, "count", 0, UINT32_MAX, &count));
    VS_TRY(vs_descriptor_range(x, value, "excluded-neighbours", 0, UINT32_MAX, &excluded));
    VS_TRY(vs_descriptor_number(x, value, "perturbation", 1000.0, &measured->perturbation));
    measured->given = vs_str_equal_c(queries, "given");
    measured->query_count = (uint32_t)count;
    measured->excluded_neighbours = (uint32_t)excluded;
    return VS_OK;
}

static enum vs_status decode_baseline(struct vs_descriptor_decoder *x,
                                      const struct vs_json *object,
                                      struct vs_drift_baseline *baseline)
{
    const struct vs_json *value = vs_json_get(object, "drift-baseline");
    int64_t count = 0;
    if (value == NULL) {
        return VS_OK;
    }
    VS_TRY(vs_descriptor_range(x, value, "vectors", 0, INT64_MAX, &count));
    VS_TRY(vs_descriptor_number(x, value, "error", 1e30, &baseline->error));
    VS_TRY(vs_descriptor_number(x, value, "energy", 1e30, &baseline->energy));
    VS_TRY(vs_descriptor_number(x, value, "far-distance", 1e30, &baseline->far_distance));
    baseline->count = (uint64_t)count;
    return VS_OK;
}

// Which vectors are stored, if any.
static enum vs_status decode_stored(struct vs_descriptor_decoder *x,
                                    const struct vs_json *object,
                                    struct vs_index_column *column)
{
    struct vs_str type = VS_STR("f32");
    bool stored = false;
    VS_TRY(vs_descriptor_bool(x, object, "exact-rows", &stored));
    if (vs_json_get(object, "vector-type") != NULL) {
        VS_TRY(vs_json_need_str(object, "vector-type", x->what, &type, x->err));
    }
    bool half = vs_str_equal_c(type, "f16");
    if (!half && !vs_str_equal_c(type, "f32")) {
        return vs_fail(x->err, VS_UNSUPPORTED,
                       "%s: stored vectors are of the type '%.*s'; this program reads f32 and f16",
                       x->what, VS_STR_ARG(type));
    }
    column->has_exact_rows = stored && !half;
    column->has_half_rows = stored && half;
    return VS_OK;
}

static enum vs_status decode_column(struct vs_descriptor_decoder *x,
                                    const struct vs_json *object,
                                    struct vs_index_column *column,
                                    struct vs_measure_facts *measured,
                                    struct vs_drift_baseline *baseline)
{
    int64_t id = 0, dim = 0, lists = 0, m = 0, proj = 0;
    struct vs_str metric;
    VS_TRY(vs_descriptor_range(x, object, "field-id", 0, INT32_MAX, &id));
    VS_TRY(vs_descriptor_text(x, object, "name", &column->name));
    VS_TRY(vs_descriptor_range(x, object, "dimension", 1, VS_INDEX_MAX_DIM, &dim));
    VS_TRY(vs_json_need_str(object, "metric", x->what, &metric, x->err));
    if (vs_metric_parse(metric, &column->metric, NULL) != VS_OK) {
        return vs_fail(x->err, VS_CORRUPT, "%s: metric '%.*s' is not cosine, ip or l2", x->what,
                       VS_STR_ARG(metric));
    }
    VS_TRY(vs_descriptor_bool(x, object, "normalized", &column->normalized));
    VS_TRY(vs_descriptor_text(x, object, "model", &column->model));
    VS_TRY(vs_descriptor_text(x, object, "model-id", &column->model_id));
    VS_TRY(vs_descriptor_range(x, object, "lists", 0, VS_INDEX_MAX_LISTS, &lists));
    VS_TRY(vs_descriptor_range(x, object, "m", 0, VS_INDEX_MAX_M, &m));
    VS_TRY(vs_descriptor_range(x, object, "projected-dimension", 0, VS_INDEX_MAX_DIM, &proj));
    VS_TRY(decode_stored(x, object, column));
    int64_t open = 0;
    if (vs_json_get(object, "open-lists") != NULL) {
        VS_TRY(vs_descriptor_range(x, object, "open-lists", 0, VS_INDEX_MAX_LISTS, &open));
    }
    column->open_lists = (uint32_t)open;
    column->field_id = (int32_t)id;
    column->dim = (uint32_t)dim;
    column->list_count = (uint32_t)lists;
    column->m = (uint32_t)m;
    column->proj_dim = (uint32_t)proj;
    VS_TRY(decode_measured(x, object, measured));
    VS_TRY(decode_recall(x, object, column));
    VS_TRY(decode_baseline(x, object, baseline));
    size_t field = vs_descriptor_field(x->d, column->field_id);
    if (field == SIZE_MAX || x->d->places[field] != VS_PLACE_VECTORS ||
        x->d->info.fields[field].kind != VS_KIND_LIST ||
        x->d->info.fields[field].element_kind != VS_KIND_FLOAT) {
        return vs_fail(x->err, VS_CORRUPT, "%s: column %" PRId32 " is not a stored list of floats",
                       x->what, column->field_id);
    }
    return VS_OK;
}

static enum vs_status decode_columns(struct vs_descriptor_decoder *x, const struct vs_json *root)
{
    const struct vs_json *array = NULL, *item = NULL;
    void *room = NULL;
    VS_TRY(vs_descriptor_array(x, root, "columns", VS_INDEX_MAX_COLUMNS,
                               sizeof(struct vs_index_column), &array, &x->d->info.column_count,
                               &room));
    struct vs_index_column *columns = room;
    x->d->measured =
        vs_arena_alloc_array(x->arena, x->d->info.column_count, sizeof *x->d->measured);
    x->d->baselines =
        vs_arena_alloc_array(x->arena, x->d->info.column_count, sizeof *x->d->baselines);
    if (x->d->measured == NULL || x->d->baselines == NULL) {
        return vs_descriptor_no_memory(x);
    }
    if (x->d->info.column_count == 0) {
        return vs_fail(x->err, VS_CORRUPT, "%s: the index has no embedding column", x->what);
    }
    struct vs_json_iter iter;
    vs_json_iter_init(&iter, array);
    for (size_t i = 0; vs_json_iter_next(&iter, NULL, &item); i++) {
        VS_TRY(decode_column(x, item, &columns[i], &x->d->measured[i], &x->d->baselines[i]));
        for (size_t j = 0; j < i; j++) {
            if (columns[j].field_id == columns[i].field_id) {
                return vs_fail(x->err, VS_CORRUPT, "%s: column %" PRId32 " stands twice", x->what,
                               columns[i].field_id);
            }
        }
    }
    x->d->info.columns = columns;
    for (size_t f = 0; f < x->d->info.field_count; f++) {
        if (x->d->places[f] == VS_PLACE_VECTORS &&
            vs_descriptor_column(x->d, x->d->info.fields[f].id) == SIZE_MAX) {
            return vs_fail(x->err, VS_CORRUPT,
                           "%s: field %" PRId32 " is said to be in vectors, but is no column",
                           x->what, x->d->info.fields[f].id);
        }
    }
    return VS_OK;
}

static enum vs_status decode_head(struct vs_descriptor_decoder *x, const struct vs_json *root)
{
    struct vs_str format;
    int64_t version = 0, id_field = 0;
    VS_TRY(vs_json_need_str(root, "format", x->what, &format, x->err));
    if (!vs_str_equal_c(format, VS_INDEX_FORMAT_NAME)) {
        return vs_fail(x->err, VS_CORRUPT, "%s: format is '%.*s', not '%s'", x->what,
                       VS_STR_ARG(format), VS_INDEX_FORMAT_NAME);
    }
    VS_TRY(vs_json_need_i64(root, "version", x->what, &version, x->err));
    if (version != VS_INDEX_FORMAT_VERSION && version != VS_INDEX_MOVED_VERSION) {
        return vs_fail(x->err, VS_UNSUPPORTED,
                       "%s: index format version %" PRId64
                       "; this program reads versions 1 and 2: update it or rebuild the index",
                       x->what, version);
    }
    const struct vs_json *features = vs_json_get(root, "required-features");
    if (features != NULL && (!vs_json_is(features, VS_JSON_ARRAY) || vs_json_count(features) > 0)) {
        return vs_fail(x->err, VS_UNSUPPORTED,
                       "%s: the index needs features that this program does not know: update it or "
                       "rebuild the index",
                       x->what);
    }
    VS_TRY(need_uuid(x, root, "index-uuid", &x->d->info.index_uuid));
    VS_TRY(need_uuid(x, root, "table-uuid", &x->d->info.table_uuid));
    VS_TRY(vs_json_need_i64(root, "snapshot-id", x->what, &x->d->info.snapshot_id, x->err));
    VS_TRY(vs_json_need_i64(root, "sequence-number", x->what, &x->d->sequence_number, x->err));
    VS_TRY(vs_json_need_i64(root, "created-ms", x->what, &x->d->info.created_ms, x->err));
    VS_TRY(vs_descriptor_range(x, root, "id-field", -1, INT32_MAX, &id_field));
    x->d->info.format_version = (int)version;
    x->d->info.id_field_id = (int32_t)id_field;
    return VS_OK;
}

static enum vs_status decode_build(struct vs_descriptor_decoder *x, const struct vs_json *root)
{
    const struct vs_json *build = NULL;
    VS_TRY(vs_json_need(root, "build", VS_JSON_OBJECT, x->what, &build, x->err));
    struct vs_buf text;
    vs_buf_init(&text, x->env, 1u << 20);
    enum vs_status status = vs_json_write_value(build, &text, x->err);
    if (status == VS_OK) {
        x->d->info.build_json = vs_arena_copy_str(x->arena, vs_buf_view(&text));
        status = x->d->info.build_json.ptr == NULL ? vs_descriptor_no_memory(x) : VS_OK;
    }
    vs_buf_clear(&text);
    return status;
}

static enum vs_status decode_root(struct vs_descriptor_decoder *x, const struct vs_json *root)
{
    VS_TRY(decode_head(x, root));
    VS_TRY(decode_fields(x, root));
    VS_TRY(decode_columns(x, root));
    VS_TRY(vs_descriptor_segments(x, root));
    VS_TRY(vs_descriptor_blobs(x, root));
    VS_TRY(decode_build(x, root));
    if (x->d->info.format_version == VS_INDEX_MOVED_VERSION) {
        VS_TRY(vs_moved_files_decode(root, x->what, x->arena, &x->d->info, x->err));
    }
    if (x->d->info.id_field_id >= 0 &&
        vs_descriptor_field(x->d, x->d->info.id_field_id) == SIZE_MAX) {
        return vs_fail(x->err, VS_CORRUPT, "%s: the id field %" PRId32 " is not stored", x->what,
                       x->d->info.id_field_id);
    }
    return VS_OK;
}

// The JSON reader speaks of wrong input; here the input is a stored file.
static enum vs_status stored_fault(enum vs_status status, struct vs_error *err)
{
    if (status != VS_INVALID) {
        return status;
    }
    if (err != NULL) {
        err->code = VS_CORRUPT;
    }
    return VS_CORRUPT;
}

enum vs_status vs_descriptor_decode(const struct vs_env *env,
                                    struct vs_str text,
                                    const char *what,
                                    struct vs_arena *arena,
                                    struct vs_descriptor *descriptor_out,
                                    struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_json_limits limits = {.max_depth = 16};
    enum vs_status status = vs_json_parse(env, text, what, &limits, &doc, err);
    if (status != VS_OK) {
        return stored_fault(status, err);
    }
    struct vs_descriptor descriptor = {.sequence_number = 0};
    struct vs_descriptor_decoder x = {env, arena, what, &descriptor, err};
    status = decode_root(&x, vs_json_root(doc));
    if (status == VS_OK) {
        *descriptor_out = descriptor;
    }
    vs_json_free(doc);
    return stored_fault(status, err);
}

const struct vs_blob_entry *vs_descriptor_blob(const struct vs_descriptor *descriptor,
                                               const char *type,
                                               int32_t segment,
                                               int32_t field_id)
{
    for (size_t i = 0; i < descriptor->blob_count; i++) {
        const struct vs_blob_entry *blob = &descriptor->blobs[i];
        if (blob->segment == segment && blob->field_id == field_id &&
            vs_str_equal_c(blob->type, type)) {
            return blob;
        }
    }
    return NULL;
}

size_t vs_descriptor_field(const struct vs_descriptor *descriptor, int32_t field_id)
{
    for (size_t i = 0; i < descriptor->info.field_count; i++) {
        if (descriptor->info.fields[i].id == field_id) {
            return i;
        }
    }
    return SIZE_MAX;
}

size_t vs_descriptor_column(const struct vs_descriptor *descriptor, int32_t field_id)
{
    for (size_t i = 0; i < descriptor->info.column_count; i++) {
        if (descriptor->info.columns[i].field_id == field_id) {
            return i;
        }
    }
    return SIZE_MAX;
}
