// SPDX-License-Identifier: Apache-2.0
// What a merged file says of its rows besides their values: where they moved to, and drift.
#include "index/index_moved.h"
#include "index/merge_internal.h"

#include <string.h>

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for an index");
}

// ---- moved files ----

// The new place of a run of the base; false: its rows were dropped.
static bool map_run(const struct vs_merge_job *job,
                    const struct vs_index_run *run,
                    struct vs_index_run *out)
{
    for (size_t t = 0; t < job->target_count; t++) {
        for (size_t p = 0; p < job->targets[t].piece_count; p++) {
            const struct vs_merge_piece *piece = &job->targets[t].pieces[p];
            uint32_t first, last;
            if (piece->index != job->merge->sources[0].index || piece->segment != run->segment) {
                continue;
            }
            if (run->count == 0 || !vs_merge_row(piece, run->first_row, &first) ||
                !vs_merge_row(piece, run->first_row + (run->count - 1), &last) ||
                last - first != run->count - 1) {
                return false;
            }
            *out = (struct vs_index_run){(uint32_t)t, first, run->position, run->count};
            return true;
        }
    }
    return false;
}

enum vs_status vs_merge_map_moved(struct vs_merge_job *job,
                                  struct vs_index_info *info,
                                  struct vs_error *err)
{
    struct vs_index_moved_file *kept =
        vs_arena_alloc_array(&job->arena, info->moved_count, sizeof *kept);
    size_t count = 0;
    if (kept == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < info->moved_count; i++) {
        const struct vs_index_moved_file *file = &info->moved[i];
        bool is_kept = true;
        struct vs_index_run *runs =
            vs_arena_alloc_array(&job->arena, file->run_count, sizeof *runs);
        if (runs == NULL) {
            return no_memory(err);
        }
        for (size_t r = 0; r < file->run_count && is_kept; r++) {
            is_kept = map_run(job, &file->runs[r], &runs[r]);
        }
        if (is_kept) {
            kept[count] = *file;
            kept[count++].runs = runs;
        }
    }
    info->moved = kept;
    info->moved_count = count;
    return VS_OK;
}

enum vs_status vs_merge_put_moved(struct vs_merge_job *job,
                                  const struct vs_index_info *info,
                                  struct vs_error *err)
{
    if (info->moved_count == 0) {
        return VS_OK;
    }
    VS_TRY(vs_moved_check(job->env, info, job->merge->sources[0].file->name, err));
    struct vs_buf blob;
    vs_buf_init(&blob, job->env, (size_t)VS_INDEX_MAX_RUNS * 15 + VS_SECTION_HEADER_SIZE);
    enum vs_status status = vs_moved_runs_encode(info->moved, info->moved_count, &blob, err);
    if (status == VS_OK) {
        status = vs_index_blob_put(&job->writer, VS_BLOB_MOVED, -1, -1, blob.data, blob.len, err);
    }
    vs_buf_clear(&blob);
    return status;
}

// ---- drift of joined segments ----

static enum vs_status list_figures(struct vs_merge_job *job,
                                   const struct vs_merge_target *target,
                                   size_t column,
                                   struct vs_drift_figures *figures,
                                   struct vs_error *err)
{
    size_t lists = job->base->info.columns[column].list_count;
    uint32_t *sizes = vs_alloc_zeroed(job->env, lists + 1, sizeof *sizes);
    struct vs_drift *drift = vs_alloc_zeroed(job->env, 1, sizeof *drift);
    const struct vs_drift_baseline none = {0};
    if (sizes != NULL && drift != NULL) {
        struct vs_drift_figures of_lists;
        for (size_t l = 0; l < lists; l++) {
            sizes[l] = target->lists[column].records[l].slot_count;
        }
        vs_drift_figures_make(drift, &none, sizes, lists, &of_lists);
        figures->gini = of_lists.gini;
        figures->longest_to_mean = of_lists.longest_to_mean;
    }
    bool made = sizes != NULL && drift != NULL;
    vs_free(job->env, sizes);
    vs_free(job->env, drift);
    return made ? VS_OK : no_memory(err);
}

enum vs_status vs_merge_join_drift(struct vs_merge_job *job, size_t t, struct vs_error *err)
{
    const struct vs_merge_target *target = &job->targets[t];
    for (size_t c = 0; c < job->base->info.column_count && !target->is_copy; c++) {
        struct vs_drift_figures sum = {0};
        double error = 0.0, energy = 0.0, far = 0.0;
        bool known = job->parts[t].columns[c].has_lists;
        for (size_t p = 0; p < target->piece_count; p++) {
            const struct vs_drift_figures *part = &vs_merge_descriptor(&target->pieces[p])
                                                       ->segments[target->pieces[p].segment]
                                                       .columns[c]
                                                       .drift;
            known = known && part->count > 0;
            sum.count += part->count;
            error += (double)part->error * (double)part->count;
            energy += (double)part->energy * (double)part->count;
            far += (double)part->far_share * (double)part->count;
        }
        if (known) {
            sum.error = (float)(error / (double)sum.count);
            sum.energy = (float)(energy / (double)sum.count);
            sum.far_share = (float)(far / (double)sum.count);
            VS_TRY(list_figures(job, target, c, &sum, err));
        }
        job->parts[t].columns[c].drift = known ? sum : (struct vs_drift_figures){0};
    }
    return VS_OK;
}
