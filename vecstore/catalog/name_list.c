// SPDX-License-Identifier: Apache-2.0
#include "vecstore/catalog/catalog_internal.h"

#include <stdlib.h>
#include <string.h>

void vs_name_list_init(struct name_list *list, const struct vs_env *env)
{
    *list = (struct name_list){.count = 0};
    vs_arena_init(&list->arena, env, 0);
}

void vs_name_list_clear(struct name_list *list)
{
    vs_arena_clear(&list->arena);
    list->count = 0;
}

enum vs_status vs_name_list_add(struct name_list *list, struct vs_str text, struct vs_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct vs_str *items = vs_arena_alloc_array(&list->arena, capacity, sizeof *items);
        if (items == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "no memory to list the catalog");
        }
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
        list->capacity = capacity;
    }
    struct vs_str copy = vs_arena_copy_str(&list->arena, text);
    if (copy.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to list the catalog");
    }
    list->items[list->count++] = copy;
    return VS_OK;
}

static int compare_text(const void *a, const void *b)
{
    return vs_str_compare(*(const struct vs_str *)a, *(const struct vs_str *)b);
}

void vs_name_list_sort(struct name_list *list)
{
    if (list->count < 2) {
        return;
    }
    qsort(list->items, list->count, sizeof *list->items, compare_text);
    size_t n = 1;
    for (size_t i = 1; i < list->count; i++) {
        if (!vs_str_equal(list->items[i], list->items[n - 1])) {
            list->items[n++] = list->items[i];
        }
    }
    list->count = n;
}
