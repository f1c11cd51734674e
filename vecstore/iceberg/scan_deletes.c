// SPDX-License-Identifier: Apache-2.0
/*
 * Scope of delete files (Iceberg spec "Scan Planning", iceberg.md 1.8): a deletion vector belongs
 * to the file that it names and voids the position deletes of that file; position deletes belong to
 * their partition or to the one file that they name, up to their own sequence number; equality
 * deletes belong to their partition, or to the whole table where their spec is unpartitioned, and
 * to older files only.
 */
#include "vecstore/iceberg/delete_schema.h"
#include "vecstore/iceberg/deletion_vector.h"
#include "vecstore/iceberg/scan_internal.h"
#include "vecstore/iceberg/transform.h"

#include <stdlib.h>

struct matcher {
    struct vs_scan_plan *plan;
    const struct vs_table_metadata *metadata;
    const struct vs_plan_index *by_path;
    struct vs_scan_file **by_partition;  // by spec, partition, sequence number
    const struct vs_data_file **vectors; // per file of the plan; NULL: none
    bool fill;
};

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "no memory to match delete files");
}

// The only data file that a position delete file can apply to; ptr == NULL: any.
static struct vs_str delete_target(const struct vs_data_file *d)
{
    if (d->referenced_data_file.ptr != NULL) {
        return d->referenced_data_file;
    }
    for (size_t i = 0; i < d->lower_count; i++) {
        for (size_t j = 0; j < d->upper_count && d->lower_bounds[i].key == VS_DELETE_PATH_ID; j++) {
            if (d->upper_bounds[j].key == VS_DELETE_PATH_ID &&
                vs_str_equal(d->lower_bounds[i].value, d->upper_bounds[j].value)) {
                return d->lower_bounds[i].value;
            }
        }
    }
    return (struct vs_str){NULL, 0};
}

static struct vs_scan_file *find_file(const struct matcher *m, struct vs_str path)
{
    const struct vs_scan_file *found = vs_plan_index_find(m->by_path, path);
    return found != NULL ? &m->plan->files[found - m->plan->files] : NULL;
}

static int compare_partition(const struct vs_data_file *x, const struct vs_data_file *y)
{
    if (x->spec_id != y->spec_id) {
        return x->spec_id < y->spec_id ? -1 : 1;
    }
    return vs_str_compare(x->partition_key, y->partition_key);
}

static int compare_in_partition(const void *a, const void *b)
{
    const struct vs_data_file *x = &(*(struct vs_scan_file *const *)a)->data;
    const struct vs_data_file *y = &(*(struct vs_scan_file *const *)b)->data;
    int order = compare_partition(x, y);
    if (order != 0) {
        return order;
    }
    return (x->sequence_number > y->sequence_number) - (x->sequence_number < y->sequence_number);
}

// First file of the partition of d.
static size_t partition_start(const struct matcher *m, const struct vs_data_file *d)
{
    size_t low = 0, high = m->plan->file_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_partition(&m->by_partition[middle]->data, d) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool vs_delete_is_global(const struct vs_table_metadata *metadata, const struct vs_data_file *d)
{
    const struct vs_partition_spec *spec = vs_table_spec(metadata, d->spec_id);
    if (spec == NULL) {
        return !d->has_partition;
    }
    for (size_t i = 0; i < spec->field_count; i++) {
        struct vs_transform transform;
        if (vs_transform_parse(spec->fields[i].transform, &transform, NULL) != VS_OK ||
            transform.kind != VS_TRANSFORM_VOID) {
            return false;
        }
    }
    return true;
}

static bool may_apply(const struct matcher *m,
                      const struct vs_data_file *d,
                      const struct vs_scan_file *file)
{
    if (d->content == VS_CONTENT_EQUALITY_DELETES) {
        return file->data.sequence_number < d->sequence_number;
    }
    return file->data.sequence_number <= d->sequence_number &&
           m->vectors[file - m->plan->files] == NULL;
}

static void add_delete(const struct matcher *m,
                       struct vs_scan_file *file,
                       const struct vs_data_file *d)
{
    if (m->fill) {
        file->deletes[file->delete_count] = d;
    }
    file->delete_count++;
}

static void match_one(const struct matcher *m, const struct vs_data_file *d)
{
    bool is_equality = d->content == VS_CONTENT_EQUALITY_DELETES;
    struct vs_str target = is_equality ? (struct vs_str){NULL, 0} : delete_target(d);
    if (target.ptr != NULL) {
        struct vs_scan_file *file = find_file(m, target);
        if (file != NULL && may_apply(m, d, file)) {
            add_delete(m, file, d);
        }
        return;
    }
    if (is_equality && vs_delete_is_global(m->metadata, d)) {
        for (size_t i = 0; i < m->plan->file_count && may_apply(m, d, &m->plan->files[i]); i++) {
            add_delete(m, &m->plan->files[i], d);
        }
        return;
    }
    for (size_t i = partition_start(m, d);
         i < m->plan->file_count && compare_partition(&m->by_partition[i]->data, d) == 0 &&
         m->by_partition[i]->data.sequence_number <= d->sequence_number;
         i++) {
        struct vs_scan_file *file = m->by_partition[i];
        if (may_apply(m, d, file)) {
            add_delete(m, file, d);
        }
    }
}

static enum vs_status match_vector(const struct matcher *m,
                                   const struct vs_data_file *d,
                                   struct vs_error *err)
{
    if (d->referenced_data_file.ptr == NULL) {
        return vs_fail(err, VS_CORRUPT, "deletion vector %.*s does not name its data file",
                       VS_STR_ARG(d->path));
    }
    struct vs_scan_file *file = find_file(m, d->referenced_data_file);
    if (file == NULL || file->data.sequence_number > d->sequence_number) {
        return VS_OK;
    }
    const struct vs_data_file **slot = &m->vectors[file - m->plan->files];
    if (*slot != NULL) {
        return vs_fail(err, VS_CORRUPT,
                       "data file %.*s has two deletion vectors, %.*s and %.*s; a snapshot may "
                       "hold one",
                       VS_STR_ARG(file->data.path), VS_STR_ARG((*slot)->path), VS_STR_ARG(d->path));
    }
    *slot = d;
    return VS_OK;
}

// Counts the deletes of every file, then makes room for them, then fills them in.
static enum vs_status match_all(struct matcher *m,
                                const struct vs_data_file *deletes,
                                size_t count,
                                struct vs_error *err)
{
    struct vs_scan_plan *plan = m->plan;
    for (int pass = 0; pass < 2; pass++) {
        m->fill = pass == 1;
        for (size_t i = 0; i < plan->file_count; i++) {
            struct vs_scan_file *file = &plan->files[i];
            if (m->fill && file->delete_count > 0) {
                file->deletes =
                    vs_arena_alloc_array(&plan->arena, file->delete_count, sizeof *file->deletes);
                if (file->deletes == NULL) {
                    return no_memory(err);
                }
            }
            file->delete_count = 0;
            if (m->vectors[i] != NULL) {
                add_delete(m, file, m->vectors[i]);
            }
        }
        for (size_t i = 0; i < count; i++) {
            if (!vs_is_deletion_vector(&deletes[i])) {
                match_one(m, &deletes[i]);
            }
        }
    }
    return VS_OK;
}

enum vs_status vs_match_deletes(struct vs_scan_plan *plan,
                                const struct vs_table_metadata *metadata,
                                const struct vs_plan_index *by_path,
                                const struct vs_data_file *deletes,
                                size_t delete_count,
                                struct vs_error *err)
{
    if (delete_count == 0) {
        return VS_OK;
    }
    struct vs_arena scratch;
    vs_arena_init(&scratch, plan->arena.env, 0);
    struct matcher m = {.plan = plan, .metadata = metadata, .by_path = by_path};
    m.by_partition = vs_arena_alloc_array(&scratch, plan->file_count, sizeof *m.by_partition);
    m.vectors = vs_arena_alloc_array(&scratch, plan->file_count, sizeof *m.vectors);
    enum vs_status status = m.by_partition != NULL && m.vectors != NULL ? VS_OK : no_memory(err);
    for (size_t i = 0; status == VS_OK && i < plan->file_count; i++) {
        m.by_partition[i] = &plan->files[i];
    }
    if (status == VS_OK && plan->file_count > 1) {
        qsort(m.by_partition, plan->file_count, sizeof *m.by_partition, compare_in_partition);
    }
    for (size_t i = 0; status == VS_OK && i < delete_count; i++) {
        if (vs_is_deletion_vector(&deletes[i])) {
            status = match_vector(&m, &deletes[i], err);
        }
    }
    if (status == VS_OK) {
        status = match_all(&m, deletes, delete_count, err);
    }
    vs_arena_clear(&scratch);
    return status;
}
