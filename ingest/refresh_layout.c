// SPDX-License-Identifier: Apache-2.0
#include "index/index_facts.h"
#include "ingest/refresh_internal.h"

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the refresh of an index");
}

static void add_item(struct vs_refresh_layout *layout,
                     const struct vs_refresh_item *item,
                     size_t source,
                     size_t segment)
{
    layout->items[layout->item_count] = *item;
    layout->parts[layout->item_count++] =
        (struct vs_merge_part){.source = source, .segment = segment};
}

static void add_items(struct vs_refresh *r, struct vs_refresh_layout *layout)
{
    const struct vs_index_info *info = vs_index_info(r->index);
    for (size_t s = 0; s < r->todo.segment_count; s++) {
        const struct vs_refresh_segment *segment = &r->todo.segments[s];
        const struct vs_refresh_item item = {
            .rows = segment->kept_rows, .files = segment->kept_files, .lists = segment->lists};
        if (segment->is_reread || item.rows == 0) { // nothing of it is left
            layout->changes = true;
            continue;
        }
        bool rewrites = vs_refresh_is_dead(item.rows, info->segments[s].row_count);
        layout->rewrites[layout->item_count] = rewrites;
        layout->changes = layout->changes || rewrites;
        add_item(layout, &item, 0, s);
    }
    if (r->new_index != NULL) {
        const struct vs_descriptor *d = vs_index_descriptor(r->new_index);
        struct vs_refresh_item item = {.rows = d->info.segments[0].row_count,
                                       .files = d->info.segments[0].file_count};
        for (size_t c = 0; c < d->info.column_count; c++) {
            item.lists |= (uint64_t)d->segments[0].columns[c].has_lists << c;
        }
        add_item(layout, &item, 1, 0);
        layout->changes = true;
    }
}

// One segment of the new file for each group; members stand together in `parts`.
static enum vs_status make_segments(struct vs_refresh *r,
                                    struct vs_refresh_layout *layout,
                                    struct vs_error *err)
{
    size_t n = layout->item_count, used = 0;
    struct vs_merge_part *ordered = vs_arena_alloc_array(&r->arena, n + 1, sizeof *ordered);
    layout->segments = vs_arena_alloc_array(&r->arena, n + 1, sizeof *layout->segments);
    if (ordered == NULL || layout->segments == NULL) {
        return no_memory(err);
    }
    for (size_t g = 0; g < n; g++) {
        size_t first = used;
        for (size_t i = 0; i < n; i++) {
            if (layout->items[i].group == g) {
                ordered[used++] = layout->parts[i];
            }
        }
        size_t members = used - first;
        for (size_t p = first; p < used; p++) {
            bool drops = members > 1 || layout->rewrites[g];
            if (drops && ordered[p].source == 0) {
                ordered[p].keep_files = r->todo.segments[ordered[p].segment].live_files;
            }
        }
        if (members > 0) {
            layout->segments[layout->segment_count++] =
                (struct vs_merge_segment){members, &ordered[first]};
        }
        layout->joined += members > 1 ? members : 0;
    }
    layout->changes = layout->changes || layout->joined > 0;
    return VS_OK;
}

enum vs_status vs_refresh_lay_out(struct vs_refresh *r,
                                  struct vs_refresh_layout *layout,
                                  struct vs_error *err)
{
    size_t room = r->todo.segment_count + 1;
    layout->items = vs_arena_alloc_array(&r->arena, room, sizeof *layout->items);
    layout->parts = vs_arena_alloc_array(&r->arena, room, sizeof *layout->parts);
    layout->rewrites = vs_arena_alloc_array(&r->arena, room, sizeof *layout->rewrites);
    if (layout->items == NULL || layout->parts == NULL || layout->rewrites == NULL) {
        return no_memory(err);
    }
    add_items(r, layout);
    vs_refresh_group(layout->items, layout->item_count, r->job->merge);
    return make_segments(r, layout, err);
}
