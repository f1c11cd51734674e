// SPDX-License-Identifier: Apache-2.0
#include "ingest/refresh_plan.h"

#include "index/index_format.h"

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the refresh of an index");
}

// ---- which rows are covered ----

static void mark_files(const struct vs_index_segment *segment,
                       const struct vs_index_run *run,
                       bool *live_files)
{
    size_t low = 0, high = segment->file_count; // the first file that starts behind the run's start
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segment->files[middle].first_row > run->first_row) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    uint64_t end = (uint64_t)run->first_row + run->count;
    for (size_t f = low > 0 ? low - 1 : 0;
         f < segment->file_count && segment->files[f].first_row < end; f++) {
        live_files[f] = true;
    }
}

static enum vs_status set_up(const struct vs_descriptor *d,
                             const struct vs_scan_plan *plan,
                             struct vs_arena *arena,
                             struct vs_refresh_plan *out,
                             struct vs_error *err)
{
    out->segment_count = d->info.segment_count;
    out->segments = vs_arena_alloc_array(arena, out->segment_count, sizeof *out->segments);
    out->reread_files = vs_arena_alloc_array(arena, plan->file_count, sizeof *out->reread_files);
    if (out->segments == NULL || out->reread_files == NULL) {
        return no_memory(err);
    }
    for (size_t c = 0; c < d->info.column_count; c++) {
        out->has_codebook = out->has_codebook || d->info.columns[c].list_count > 0;
    }
    for (size_t s = 0; s < out->segment_count; s++) {
        struct vs_refresh_segment *segment = &out->segments[s];
        segment->live_files = vs_arena_alloc_array(arena, d->info.segments[s].file_count + 1,
                                                   sizeof *segment->live_files);
        if (segment->live_files == NULL) {
            return no_memory(err);
        }
        for (size_t c = 0; c < d->info.column_count; c++) {
            segment->lists |= (uint64_t)d->segments[s].columns[c].has_lists << c;
        }
        segment->is_reread = segment->lists == 0;
    }
    return VS_OK;
}

static const struct vs_index_run *find(const struct vs_index_map *map,
                                       const struct vs_data_file *data,
                                       size_t *count_out)
{
    return vs_index_map_find(map, data->path, (uint64_t)data->record_count, data->sequence_number,
                             count_out);
}

static void count_live(const struct vs_descriptor *d,
                       const struct vs_index_map *map,
                       const struct vs_scan_plan *plan,
                       struct vs_refresh_plan *out)
{
    for (size_t f = 0; f < plan->file_count; f++) {
        const struct vs_data_file *data = &plan->files[f].data;
        size_t count = 0;
        const struct vs_index_run *runs = find(map, data, &count);
        if (data->record_count == 0) {
            continue;
        }
        if (runs == NULL) {
            out->uncovered_files++;
            out->uncovered_rows += (uint64_t)data->record_count;
            continue;
        }
        out->covered_rows += (uint64_t)data->record_count;
        for (size_t r = 0; r < count; r++) {
            struct vs_refresh_segment *segment = &out->segments[runs[r].segment];
            segment->live_rows += runs[r].count;
            mark_files(&d->info.segments[runs[r].segment], &runs[r], segment->live_files);
        }
    }
}

static void count_kept(const struct vs_descriptor *d, struct vs_refresh_plan *out)
{
    for (size_t s = 0; s < out->segment_count; s++) {
        const struct vs_index_segment *segment = &d->info.segments[s];
        for (size_t f = 0; f < segment->file_count; f++) {
            if (out->segments[s].live_files[f]) {
                out->segments[s].kept_rows += segment->files[f].row_count;
                out->segments[s].kept_files++;
            }
        }
    }
}

// A data file with rows of a flat segment and of another one keeps both as they are.
static bool settle_mixed(const struct vs_index_map *map,
                         const struct vs_scan_plan *plan,
                         struct vs_refresh_plan *out)
{
    bool changed = false;
    for (size_t f = 0; f < plan->file_count; f++) {
        size_t count = 0, reread = 0;
        const struct vs_index_run *runs = find(map, &plan->files[f].data, &count);
        for (size_t r = 0; runs != NULL && r < count; r++) {
            reread += out->segments[runs[r].segment].is_reread;
        }
        for (size_t r = 0; runs != NULL && reread < count && r < count; r++) {
            changed = changed || out->segments[runs[r].segment].is_reread;
            out->segments[runs[r].segment].is_reread = false;
        }
    }
    return changed;
}

static void choose_files(const struct vs_index_map *map,
                         const struct vs_scan_plan *plan,
                         struct vs_refresh_plan *out)
{
    for (size_t f = 0; f < plan->file_count; f++) {
        const struct vs_data_file *data = &plan->files[f].data;
        size_t count = 0;
        const struct vs_index_run *runs = find(map, data, &count);
        bool is_new = runs == NULL && data->record_count > 0;
        if (is_new || (runs != NULL && count > 0 && out->segments[runs[0].segment].is_reread)) {
            out->reread_files[f] = true;
            out->reread_count++;
            out->reread_rows += (uint64_t)data->record_count;
        }
    }
}

enum vs_status vs_refresh_plan_make(const struct vs_index *index,
                                    const struct vs_index_map *map,
                                    const struct vs_scan_plan *plan,
                                    bool merge_all,
                                    struct vs_arena *arena,
                                    struct vs_refresh_plan *plan_out,
                                    struct vs_error *err)
{
    const struct vs_descriptor *d = vs_index_descriptor(index);
    struct vs_refresh_plan out = {0};
    VS_TRY(set_up(d, plan, arena, &out, err));
    count_live(d, map, plan, &out);
    count_kept(d, &out);
    size_t flat = 0;
    for (size_t s = 0; s < out.segment_count; s++) {
        flat += out.segments[s].is_reread;
    }
    bool rereads = out.uncovered_files > 0 || (merge_all && flat > 1);
    for (size_t s = 0; s < out.segment_count; s++) {
        out.segments[s].is_reread = out.segments[s].is_reread && rereads;
    }
    while (settle_mixed(map, plan, &out)) {
    }
    choose_files(map, plan, &out);
    *plan_out = out;
    return VS_OK;
}

// ---- which segments are put together ----

static void join(struct vs_refresh_item *items, size_t count, size_t into, size_t from)
{
    size_t low = into < from ? into : from, high = into < from ? from : into;
    for (size_t i = 0; i < count; i++) {
        items[i].group = items[i].group == high ? low : items[i].group;
    }
}

static struct vs_refresh_item group_size(const struct vs_refresh_item *items,
                                         size_t count,
                                         size_t group)
{
    struct vs_refresh_item sum = {.lists = items[group].lists, .group = group};
    for (size_t i = 0; i < count; i++) {
        sum.rows += items[i].group == group ? items[i].rows : 0;
        sum.files += items[i].group == group ? items[i].files : 0;
    }
    return sum;
}

// Whether two groups are organised alike and fit into one segment.
static bool can_join(const struct vs_refresh_item *a, const struct vs_refresh_item *b)
{
    return a->lists == b->lists && a->rows + b->rows <= VS_INDEX_MAX_ROWS &&
           a->files + b->files <= VS_INDEX_MAX_FILES;
}

static size_t group_count(const struct vs_refresh_item *items, size_t count)
{
    size_t groups = 0;
    for (size_t i = 0; i < count; i++) {
        groups += items[i].group == i;
    }
    return groups;
}

// Whether group i is about the size of g: no larger than the factor and no smaller than it.
static bool is_in_tier(const struct vs_refresh_item *items,
                       size_t count,
                       const struct vs_refresh_item *g,
                       size_t i)
{
    if (items[i].group != i || items[i].lists != g->lists) {
        return false;
    }
    uint64_t rows = group_size(items, count, i).rows;
    return rows >= g->rows && rows <= g->rows * VS_REFRESH_TIER_FACTOR;
}

// Puts as many of a tier into its smallest as fit; false: none.
static bool join_members(struct vs_refresh_item *items, size_t count, struct vs_refresh_item least)
{
    bool joined = false;
    struct vs_refresh_item into = least;
    for (size_t i = 0; i < count; i++) {
        struct vs_refresh_item one = group_size(items, count, i);
        if (i != into.group && is_in_tier(items, count, &least, i) && can_join(&into, &one)) {
            join(items, count, into.group, i);
            into.group = i < into.group ? i : into.group;
            into.rows += one.rows;
            into.files += one.files;
            joined = true;
        }
    }
    return joined;
}

static bool join_tier(struct vs_refresh_item *items, size_t count)
{
    for (size_t g = 0; g < count; g++) {
        size_t tier = 0;
        if (items[g].group != g) {
            continue;
        }
        struct vs_refresh_item least = group_size(items, count, g);
        for (size_t i = 0; i < count; i++) {
            tier += is_in_tier(items, count, &least, i);
        }
        if (tier >= VS_REFRESH_TIER_SEGMENTS && join_members(items, count, least)) {
            return true;
        }
    }
    return false;
}

// The two smallest groups that can be joined.
static bool join_smallest(struct vs_refresh_item *items, size_t count)
{
    size_t best_a = SIZE_MAX, best_b = SIZE_MAX;
    uint64_t best = UINT64_MAX;
    for (size_t a = 0; a < count; a++) {
        if (items[a].group != a) {
            continue;
        }
        struct vs_refresh_item first = group_size(items, count, a);
        for (size_t b = a + 1; b < count; b++) {
            if (items[b].group != b || items[b].lists != items[a].lists) {
                continue;
            }
            struct vs_refresh_item second = group_size(items, count, b);
            if (can_join(&first, &second) && first.rows + second.rows < best) {
                best = first.rows + second.rows;
                best_a = a;
                best_b = b;
            }
        }
    }
    if (best_a == SIZE_MAX) {
        return false;
    }
    join(items, count, best_a, best_b);
    return true;
}

void vs_refresh_group(struct vs_refresh_item *items, size_t count, bool merge_all)
{
    for (size_t i = 0; i < count; i++) {
        items[i].group = i;
    }
    if (merge_all) {
        while (join_smallest(items, count)) {
        }
        return;
    }
    while (join_tier(items, count)) {
    }
    while (group_count(items, count) > VS_REFRESH_SEGMENTS_MOST && join_smallest(items, count)) {
    }
}
