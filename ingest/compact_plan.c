// SPDX-License-Identifier: Apache-2.0
#include "ingest/compact_plan.h"

#include <stdlib.h>

#define OPEN_BINS 16          // a file goes into the first of these in which it has room
#define DELETED_PER_MILLE 100 // a file with so many deleted rows is rewritten whatever its size

struct candidate {
    size_t file;
    const struct vs_data_file *data;
    bool is_covered, must; // must: is rewritten alone too
};

struct bin {
    size_t first, last; // of its candidates, linked by next
    size_t count;
    uint64_t bytes;
    bool must;
};

struct packer {
    const struct vs_compact_choice *choice;
    struct vs_arena *arena;
    struct candidate *candidates;
    size_t count;
    size_t *next; // per candidate: the next one of its bin; SIZE_MAX: none
    struct bin *bins;
    size_t bin_count;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for planning a compaction");
}

static int compare_paths(const void *a, const void *b)
{
    const struct vs_data_file *const *x = a, *const *y = b;
    return vs_str_compare((*x)->path, (*y)->path);
}

static const struct vs_data_file **sort_paths(const struct vs_scan_plan *plan,
                                              struct vs_arena *arena)
{
    const struct vs_data_file **sorted =
        vs_arena_alloc_array(arena, plan->file_count, sizeof *sorted);
    for (size_t i = 0; sorted != NULL && i < plan->file_count; i++) {
        sorted[i] = &plan->files[i].data;
    }
    if (sorted != NULL && plan->file_count > 1) {
        qsort(sorted, plan->file_count, sizeof *sorted, compare_paths);
    }
    return sorted;
}

// Deleted rows as the manifests tell them; SIZE_MAX for any equality delete, whose rows nobody has
// counted.
static uint64_t deleted_rows(const struct vs_scan_file *file)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < file->delete_count; i++) {
        const struct vs_data_file *d = file->deletes[i];
        if (d->content == VS_CONTENT_EQUALITY_DELETES) {
            return UINT64_MAX;
        }
        if (d->referenced_data_file.ptr != NULL && d->record_count > 0) {
            rows += (uint64_t)d->record_count;
        }
    }
    return rows;
}

static bool must_rewrite(const struct vs_scan_file *file, int32_t default_spec)
{
    uint64_t deleted = deleted_rows(file);
    if (file->data.spec_id != default_spec || deleted == UINT64_MAX) {
        return true;
    }
    return deleted > 0 && file->data.record_count > 0 &&
           deleted >= (uint64_t)file->data.record_count / 1000 * DELETED_PER_MILLE +
                          (uint64_t)file->data.record_count % 1000 * DELETED_PER_MILLE / 1000;
}

static enum vs_status choose(struct packer *p, struct vs_error *err)
{
    const struct vs_compact_choice *choice = p->choice;
    const struct vs_scan_plan *plan = choice->plan;
    const struct vs_data_file **among = NULL;
    p->candidates = vs_arena_alloc_array(p->arena, plan->file_count, sizeof *p->candidates);
    if (choice->among != NULL) {
        among = sort_paths(choice->among, p->arena);
    }
    if (p->candidates == NULL || (choice->among != NULL && among == NULL)) {
        return no_memory(err);
    }
    for (size_t i = 0; i < plan->file_count; i++) {
        const struct vs_scan_file *file = &plan->files[i];
        const struct vs_data_file *key = &file->data;
        bool must = must_rewrite(file, choice->metadata->default_spec_id);
        bool is_small =
            file->data.file_size >= 0 && (uint64_t)file->data.file_size < choice->rules.min_bytes;
        if (!must && !is_small) {
            continue;
        }
        if (among != NULL &&
            bsearch(&key, among, choice->among->file_count, sizeof key, compare_paths) == NULL) {
            continue;
        }
        size_t run_count = 0;
        bool is_covered =
            choice->map != NULL && file->data.record_count >= 0 &&
            vs_index_map_find(choice->map, file->data.path, (uint64_t)file->data.record_count,
                              file->data.sequence_number, &run_count) != NULL;
        p->candidates[p->count++] = (struct candidate){i, &file->data, is_covered, must};
    }
    return VS_OK;
}

static int compare_kind(const struct candidate *x, const struct candidate *y)
{
    if (x->is_covered != y->is_covered) {
        return x->is_covered ? -1 : 1;
    }
    if (x->data->spec_id != y->data->spec_id) {
        return x->data->spec_id < y->data->spec_id ? -1 : 1;
    }
    return vs_str_compare(x->data->partition_key, y->data->partition_key);
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order = compare_kind(x, y);
    return order != 0 ? order : (x->file > y->file) - (x->file < y->file);
}

// Candidates [first, end) of one partition into bins of up to the target size.
static void pack(struct packer *p, size_t first, size_t end)
{
    size_t start = p->bin_count;
    for (size_t i = first; i < end; i++) {
        uint64_t bytes = (uint64_t)p->candidates[i].data->file_size;
        size_t b = p->bin_count - start > OPEN_BINS ? p->bin_count - OPEN_BINS : start;
        while (b < p->bin_count && p->bins[b].bytes + bytes > p->choice->rules.target_bytes) {
            b++;
        }
        struct bin *bin = &p->bins[b];
        if (b == p->bin_count) {
            *bin = (struct bin){.first = i, .last = i};
            p->bin_count++;
        } else {
            p->next[bin->last] = i;
        }
        p->next[i] = SIZE_MAX;
        bin->last = i;
        bin->count++;
        bin->bytes += bytes;
        bin->must = bin->must || p->candidates[i].must;
    }
}

static enum vs_status fill_group(const struct packer *p,
                                 const struct bin *bin,
                                 struct vs_compact_group *group,
                                 struct vs_error *err)
{
    *group = (struct vs_compact_group){.bytes = bin->bytes,
                                       .is_covered = p->candidates[bin->first].is_covered};
    group->files = vs_arena_alloc_array(p->arena, bin->count, sizeof *group->files);
    if (group->files == NULL) {
        return no_memory(err);
    }
    for (size_t i = bin->first; i != SIZE_MAX; i = p->next[i]) {
        group->files[group->file_count++] = p->candidates[i].file;
        group->rows += (uint64_t)p->candidates[i].data->record_count;
    }
    return VS_OK;
}

static enum vs_status pack_all(struct packer *p,
                               struct vs_compact_group **groups_out,
                               size_t *count_out,
                               struct vs_error *err)
{
    p->next = vs_arena_alloc_array(p->arena, p->count, sizeof *p->next);
    p->bins = vs_arena_alloc_array(p->arena, p->count + 1, sizeof *p->bins);
    struct vs_compact_group *groups = vs_arena_alloc_array(p->arena, p->count, sizeof *groups);
    if (p->next == NULL || p->bins == NULL || groups == NULL) {
        return no_memory(err);
    }
    if (p->count > 1) {
        qsort(p->candidates, p->count, sizeof *p->candidates, compare_candidates);
    }
    for (size_t i = 0; i < p->count;) {
        size_t end = i + 1;
        while (end < p->count && compare_kind(&p->candidates[i], &p->candidates[end]) == 0) {
            end++;
        }
        pack(p, i, end);
        i = end;
    }
    size_t count = 0;
    for (size_t b = 0; b < p->bin_count; b++) {
        const struct bin *bin = &p->bins[b];
        if (bin->must || (bin->count > 1 && bin->count >= p->choice->rules.min_files)) {
            VS_TRY(fill_group(p, bin, &groups[count++], err));
        }
    }
    *groups_out = groups;
    *count_out = count;
    return VS_OK;
}

enum vs_status vs_compact_plan_make(const struct vs_compact_choice *choice,
                                    struct vs_arena *arena,
                                    struct vs_compact_group **groups_out,
                                    size_t *count_out,
                                    struct vs_error *err)
{
    struct packer p = {.choice = choice, .arena = arena};
    VS_TRY(choose(&p, err));
    return pack_all(&p, groups_out, count_out, err);
}
