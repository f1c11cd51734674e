// SPDX-License-Identifier: Apache-2.0
// The descriptor of a finished build: what the file holds, how it was made, what was measured.
#include "index/build_internal.h"
#include "index/build_model.h"
#include "vecstore/base/json.h"

#include <inttypes.h>
#include <string.h>

static enum vs_status describe_drift(const struct vs_build *build,
                                     const struct vs_build_column *column,
                                     struct vs_drift_baseline *baseline,
                                     struct vs_drift_figures *figures,
                                     struct vs_error *err)
{
    uint32_t lists = column->codebook->list_count;
    uint32_t *sizes = vs_alloc(build->env, lists * sizeof *sizes);
    if (sizes == NULL) {
        return vs_build_no_memory(column, err);
    }
    for (uint32_t l = 0; l < lists; l++) {
        sizes[l] = column->records[l].slot_count;
    }
    const struct vs_codebook *const *given = build->params->codebooks;
    if (given == NULL || given[column - build->columns] == NULL) { // else it is the caller's
        vs_drift_baseline_make(&column->drift, baseline);
    }
    vs_drift_figures_make(&column->drift, baseline, sizes, lists, figures);
    vs_free(build->env, sizes);
    return VS_OK;
}

static void describe_column(const struct vs_build_column *column,
                            struct vs_index_column *info,
                            struct vs_segment_column *part,
                            struct vs_measure_facts *measured)
{
    *info = (struct vs_index_column){.field_id = column->field->id,
                                     .name = column->field->name,
                                     .dim = column->spec->dim,
                                     .metric = column->spec->metric,
                                     .normalized = column->spec->normalized,
                                     .model = column->spec->model,
                                     .model_id = vs_str_from_c(""),
                                     .has_exact_rows = column->store_vectors && !column->half,
                                     .has_half_rows = column->half};
    *part = (struct vs_segment_column){.vector_count = column->vector_count,
                                       .has_lists = column->has_lists};
    *measured =
        (struct vs_measure_facts){column->measure.given, (uint32_t)column->measure.query_count,
                                  (uint32_t)column->measure.excluded, column->measure.perturbation};
    if (column->has_lists) {
        info->model_id = vs_str_from_c(column->codebook->model_id);
        info->list_count = column->codebook->list_count;
        info->m = column->codebook->m;
        info->proj_dim = column->codebook->proj_dim;
        info->open_lists = column->measure.open_lists;
        info->recall = column->measure.points;
        info->recall_count = column->measure.point_count;
    }
}

// What was chosen for each column with lists, and what was tried before.
static void column_facts(const struct vs_build *build, struct vs_json_writer *w)
{
    vs_jw_key(w, "columns");
    vs_jw_array_begin(w);
    for (size_t c = 0; c < build->params->column_count; c++) {
        const struct vs_build_column *column = &build->columns[c];
        if (column->has_lists) {
            vs_jw_object_begin(w);
            vs_jw_key(w, "field-id");
            vs_jw_i64(w, column->field->id);
            vs_jw_key(w, "second-assignment");
            vs_jw_bool(w, column->second_assignment);
            if (column->choice.table_json[0] != '\0') {
                vs_jw_key(w, "tuning");
                vs_jw_raw(w, vs_str_from_c(column->choice.table_json));
            }
            vs_jw_object_end(w);
        }
    }
    vs_jw_array_end(w);
}

static enum vs_status build_facts(const struct vs_build *build,
                                  struct vs_buf *out,
                                  struct vs_error *err)
{
    static const char *const projections[] = {"pca", "opq", "none"};
    struct vs_buf trainer;
    vs_buf_init(&trainer, build->env, 65536);
    bool trained = false;
    for (size_t c = 0; c < build->params->column_count; c++) {
        trained = trained || build->columns[c].trained.env != NULL;
    }
    const struct vs_index_model *model = build->model;
    enum vs_projection projection = model != NULL ? model->projection : build->params->projection;
    enum vs_status status = VS_OK;
    if (model != NULL) {
        status = vs_buf_append_str(&trainer, model->trainer, err);
    } else if (trained) {
        status = vs_trainer_facts(&trainer, err);
    }
    if (status == VS_OK) {
        struct vs_json_writer w;
        vs_json_writer_init(&w, out, false);
        vs_jw_object_begin(&w);
        vs_jw_key(&w, "seed");
        vs_jw_u64(&w, build->seed);
        vs_jw_key(&w, "projection");
        vs_jw_c(&w, projections[projection]);
        if (trainer.len > 0) {
            vs_jw_key(&w, "trainer");
            vs_jw_raw(&w, vs_buf_view(&trainer));
        }
        column_facts(build, &w);
        vs_jw_object_end(&w);
        status = vs_json_writer_finish(&w, err);
    }
    vs_buf_clear(&trainer);
    return status;
}

// Fields that are stored, in the order of the table.
static enum vs_status describe_fields(const struct vs_build *build,
                                      struct vs_arena *arena,
                                      struct vs_descriptor *d,
                                      struct vs_error *err)
{
    struct vs_field *fields =
        vs_arena_alloc_array(arena, build->params->field_count, sizeof *fields);
    d->places = vs_arena_alloc_array(arena, build->params->field_count, sizeof *d->places);
    if (fields == NULL || d->places == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    for (size_t f = 0; f < build->params->field_count; f++) {
        if (build->stored[f]) {
            fields[d->info.field_count] = build->params->fields[f];
            d->places[d->info.field_count++] = build->places[f];
        }
    }
    d->info.fields = fields;
    return VS_OK;
}

enum vs_status vs_build_describe(struct vs_build *build,
                                 struct vs_arena *arena,
                                 struct vs_descriptor *d,
                                 struct vs_error *err)
{
    const struct vs_index_build_params *params = build->params;
    size_t count = params->column_count;
    struct vs_index_column *columns = vs_arena_alloc_array(arena, count, sizeof *columns);
    struct vs_index_segment *segment = vs_arena_alloc_array(arena, 1, sizeof *segment);
    d->measured = vs_arena_alloc_array(arena, count, sizeof *d->measured);
    d->baselines = vs_arena_alloc_array(arena, count, sizeof *d->baselines);
    d->segments[0].columns = vs_arena_alloc_array(arena, count, sizeof *d->segments[0].columns);
    if (columns == NULL || segment == NULL || d->measured == NULL || d->baselines == NULL ||
        d->segments[0].columns == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    *segment = (struct vs_index_segment){build->row_count, true, params->file_count, params->files};
    for (size_t c = 0; c < count; c++) {
        describe_column(&build->columns[c], &columns[c], &d->segments[0].columns[c],
                        &d->measured[c]);
        d->baselines[c] = params->baselines != NULL ? params->baselines[c]
                                                    : (struct vs_drift_baseline){.count = 0};
        if (build->columns[c].has_lists) {
            VS_TRY(describe_drift(build, &build->columns[c], &d->baselines[c],
                                  &d->segments[0].columns[c].drift, err));
        }
        segment->is_small = segment->is_small && !build->columns[c].has_lists;
    }
    d->sequence_number = params->sequence_number;
    static const struct vs_uuid none;
    bool given = memcmp(&params->index_uuid, &none, sizeof none) != 0;
    d->info.index_uuid = given ? params->index_uuid : vs_uuid_new_v4(build->env);
    d->info.table_uuid = params->table_uuid;
    d->info.snapshot_id = params->snapshot_id;
    d->info.created_ms = params->created_ms != 0 ? params->created_ms : vs_wall_ms(build->env);
    d->info.segment_count = 1;
    d->info.segments = segment;
    d->info.column_count = count;
    d->info.columns = columns;
    d->info.id_field_id = params->id_field != SIZE_MAX ? params->fields[params->id_field].id : -1;
    VS_TRY(describe_fields(build, arena, d, err));
    struct vs_buf facts;
    vs_buf_init(&facts, build->env, 1u << 20);
    enum vs_status status = build_facts(build, &facts, err);
    if (status == VS_OK) {
        d->info.build_json = vs_arena_copy_str(arena, vs_buf_view(&facts));
        status = d->info.build_json.ptr != NULL
                     ? VS_OK
                     : vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
    }
    vs_buf_clear(&facts);
    return status;
}
