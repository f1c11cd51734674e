// SPDX-License-Identifier: Apache-2.0
/*
 * An index for the same rows in other data files: the blobs of a former file byte for byte, and
 * where the rows live now (docs/format/index-v1.md, section 9; docs/adr/0019-index-remap.md).
 *
 * Ownership: a map owns what it gives out; run lists own their runs. Threads: a map is immutable.
 */
#ifndef VS_INDEX_INDEX_REMAP_H
#define VS_INDEX_INDEX_REMAP_H

#include "index/index.h"

// Which data files an index file covers; reads the descriptor alone.
struct vs_index_map;
enum vs_status vs_index_map_read(const struct vs_env *env,
                                 struct vs_file *file,
                                 struct vs_index_map **map_out,
                                 struct vs_error *err);
void vs_index_map_free(struct vs_index_map *map); // accepts NULL
const struct vs_index_info *vs_index_map_info(const struct vs_index_map *map);
// The rows of a data file; NULL when it is not covered.
const struct vs_index_run *vs_index_map_find(const struct vs_index_map *map,
                                             struct vs_str path,
                                             uint64_t row_count,
                                             int64_t sequence_number,
                                             size_t *run_count_out);

// The rows of a new data file, put together from rows of covered ones.
struct vs_index_run_list {
    const struct vs_env *env;
    struct vs_index_run *runs;
    size_t count, capacity;
    uint64_t row_count;
};

void vs_index_run_list_init(struct vs_index_run_list *list, const struct vs_env *env);
void vs_index_run_list_clear(struct vs_index_run_list *list);
// Appends positions [first, first + count) of a data file with these runs.
enum vs_status vs_index_run_list_add(struct vs_index_run_list *list,
                                     const struct vs_index_run *runs,
                                     size_t run_count,
                                     uint64_t first,
                                     uint64_t count,
                                     struct vs_error *err);

struct vs_index_remap {
    struct vs_uuid index_uuid;               // of the new file; all zero: random
    const struct vs_index_moved_file *moved; // new ones: moved files of the former index that share
                                             // rows with them leave the list
    size_t moved_count;
    const struct vs_op *op;
};

struct vs_index_remap_result {
    struct vs_uuid index_uuid;
    uint64_t file_size, footer_size;
};

// Copies blobs from `file` (whose map is given) into `out` (finished by the caller), checking their
// CRCs on the way. Blobs of other producers stay behind: they describe the former snapshot.
enum vs_status vs_index_remap_write(const struct vs_env *env,
                                    struct vs_file *file,
                                    const struct vs_index_map *map,
                                    const struct vs_index_remap *remap,
                                    struct vs_writer *out,
                                    struct vs_index_remap_result *result_out,
                                    struct vs_error *err);

#endif
