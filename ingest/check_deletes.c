// SPDX-License-Identifier: Apache-2.0
/*
 * Delete files of the current snapshot: each is applied on its own to the files that it may apply
 * to, so that a finding names the delete file.
 */
#include "ingest/check_internal.h"

#include <stdio.h>
#include <stdlib.h>

struct use {
    const struct vs_data_file *deletes;
    const struct vs_scan_file *file;
};

static int compare_uses(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    uintptr_t left = (uintptr_t)x->deletes, right = (uintptr_t)y->deletes;
    if (left == right) {
        left = (uintptr_t)x->file;
        right = (uintptr_t)y->file;
    }
    return (left > right) - (left < right);
}

static enum vs_status check_one(struct vs_check *check,
                                const struct use *uses,
                                size_t count,
                                struct vs_error *err)
{
    const struct vs_data_file *entry = uses[0].deletes;
    struct vs_deleted_rows rows = {0};
    struct vs_error problem = {0};
    if (vs_check_is_damaged(check, entry->path)) {
        return VS_OK; // reported already
    }
    struct vs_scan_file *files = vs_alloc_zeroed(check->env, count, sizeof *files);
    if (files == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory to check delete files");
    }
    for (size_t i = 0; i < count; i++) {
        files[i] =
            (struct vs_scan_file){.data = uses[i].file->data, .delete_count = 1, .deletes = &entry};
    }
    const struct vs_scan_plan part = {.snapshot_id = check->plan->snapshot_id,
                                      .file_count = count,
                                      .files = files,
                                      .location = check->plan->location,
                                      .moved_from = check->plan->moved_from,
                                      .moved_to = check->plan->moved_to};
    enum vs_status status = vs_deleted_rows_read(check->env, check->store, check->table->metadata,
                                                 &part, &rows, &problem);
    vs_deleted_rows_clear(&rows);
    vs_free(check->env, files);
    return vs_check_finding(check, entry->path, status, &problem, err);
}

static enum vs_status check_each(struct vs_check *check,
                                 struct use *uses,
                                 size_t count,
                                 struct vs_error *err)
{
    qsort(uses, count, sizeof *uses, compare_uses);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first + 1; end < count && uses[end].deletes == uses[first].deletes;) {
            end++;
        }
        VS_TRY(vs_op_check(check->env, check->op, err));
        VS_TRY(check_one(check, uses + first, end - first, err));
        vs_op_progress(check->op, "reading delete files", end, count, "uses");
    }
    return VS_OK;
}

enum vs_status vs_check_deletes(struct vs_check *check, struct vs_error *err)
{
    const struct vs_scan_plan *plan = check->plan;
    struct vs_error problem = {0};
    size_t count = 0, used = 0;
    for (size_t i = 0; i < plan->file_count; i++) {
        count += plan->files[i].delete_count;
    }
    if (count > 0) {
        struct use *uses = vs_alloc_zeroed(check->env, count, sizeof *uses);
        if (uses == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "no memory to check delete files");
        }
        for (size_t i = 0; i < plan->file_count; i++) {
            for (size_t k = 0; k < plan->files[i].delete_count; k++) {
                uses[used++] = (struct use){plan->files[i].deletes[k], &plan->files[i]};
            }
        }
        enum vs_status status = check_each(check, uses, used, err);
        vs_free(check->env, uses);
        VS_TRY(status);
    }
    uint64_t before = check->result.problems;
    enum vs_status status = vs_deleted_rows_read(check->env, check->store, check->table->metadata,
                                                 plan, &check->deleted, &problem);
    if (status != VS_OK && before > 0 && status != VS_NO_MEMORY && status != VS_CANCELLED &&
        status != VS_TIMEOUT) {
        return VS_OK; // what cannot be applied was named above
    }
    return vs_check_finding(check, vs_str_from_c(check->table->metadata_uri), status, &problem,
                            err);
}
