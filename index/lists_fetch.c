// SPDX-License-Identifier: Apache-2.0
// What a search of several targets needs of lists that are not in memory, in one round for all.
#include "index/lists_run.h"

// The first target whose lists have a loader that lacks something; NULL: none.
static struct vs_list_loader *first_lacking(const struct vs_lists_query *query, bool rows)
{
    for (size_t t = 0; t < query->target_count; t++) {
        struct vs_list_loader *loader = query->targets[t].lists->loader;
        if (loader != NULL &&
            !(rows ? vs_list_loader_has_rows(loader) : vs_list_loader_has_codes(loader))) {
            return loader;
        }
    }
    return NULL;
}

enum vs_status vs_lists_run_need(const struct vs_lists_run *run,
                                 const uint32_t *ids,
                                 size_t count,
                                 size_t near_count,
                                 struct vs_error *err)
{
    const struct vs_lists_query *query = run->query;
    const struct vs_list_loader *lacking = first_lacking(query, false);
    if (lacking == NULL) {
        return VS_OK;
    }
    const struct vs_env *env = vs_list_loader_env(lacking);
    struct vs_list_want *wants = vs_alloc_zeroed(env, query->target_count, sizeof *wants);
    size_t want_count = 0;
    if (wants == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory to read lists");
    }
    for (size_t t = 0; t < query->target_count; t++) {
        struct vs_list_loader *loader = query->targets[t].lists->loader;
        if (loader != NULL && !vs_list_loader_has_codes(loader)) {
            wants[want_count++] = (struct vs_list_want){
                .loader = loader, .lists = ids, .list_count = count, .near_count = near_count};
        }
    }
    enum vs_status status = vs_list_loaders_bring(wants, want_count, query->op, err);
    vs_free(env, wants);
    return status;
}

// The slots of one target among the candidates, or those that its mask names.
static size_t slots_of(const struct vs_lists_run *run,
                       const struct vs_lists_target *target,
                       uint32_t *slots)
{
    size_t count = 0;
    for (size_t i = 0; i < run->scan.count; i++) {
        uint32_t slot = run->scan.ids[i] - target->first_slot;
        slots[count] = slot;
        count += slot < target->lists->slot_count;
    }
    return count;
}

enum vs_status vs_lists_run_need_rows(const struct vs_lists_run *run, struct vs_error *err)
{
    const struct vs_lists_query *query = run->query;
    const struct vs_list_loader *lacking = first_lacking(query, true);
    if (lacking == NULL) {
        return VS_OK;
    }
    const struct vs_env *env = vs_list_loader_env(lacking);
    struct vs_list_want *wants = vs_alloc_zeroed(env, query->target_count, sizeof *wants);
    uint32_t *slots = // a slot belongs to one target
        vs_alloc_zeroed(env, run->scan.count + query->target_count + 1, sizeof *slots);
    size_t want_count = 0, used = 0;
    enum vs_status status = wants == NULL || slots == NULL
                                ? vs_fail(err, VS_NO_MEMORY, "out of memory to read lists")
                                : VS_OK;
    for (size_t t = 0; t < query->target_count && status == VS_OK; t++) {
        const struct vs_lists_target *target = &query->targets[t];
        struct vs_list_loader *loader = target->lists->loader;
        if (loader == NULL || vs_list_loader_has_rows(loader)) {
            continue;
        }
        struct vs_list_want want = {.loader = loader};
        if (target->mask != NULL && target->mask->slots != NULL) {
            want.slots = target->mask->slots;
            want.slot_count = (size_t)target->mask->allowed_count;
        } else {
            want.slots = slots + used;
            want.slot_count = slots_of(run, target, slots + used);
            used += want.slot_count;
        }
        wants[want_count++] = want;
    }
    if (status == VS_OK) {
        status = vs_list_loaders_bring(wants, want_count, query->op, err);
    }
    vs_free(env, wants);
    vs_free(env, slots);
    return status;
}
