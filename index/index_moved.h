// SPDX-License-Identifier: Apache-2.0
/*
 * Moved files of an index (format version 2): the list in the descriptor and the blob with their
 * runs (docs/format/index-v1.md, section 9). Private to index/.
 *
 * The decoders check everything that section 9 says. Ownership: decoded parts live in the arena.
 * Threads: pure functions.
 */
#ifndef VS_INDEX_INDEX_MOVED_H
#define VS_INDEX_INDEX_MOVED_H

#include "index/index.h"
#include "vecstore/base/json.h"

// Member "moved" of the descriptor: fills info->moved; runs stay NULL.
enum vs_status vs_moved_files_decode(const struct vs_json *root,
                                     const char *what,
                                     struct vs_arena *arena,
                                     struct vs_index_info *info,
                                     struct vs_error *err);
// The blob: fills the runs of info->moved and checks them against info->segments.
enum vs_status vs_moved_runs_decode(const struct vs_env *env,
                                    struct vs_str bytes,
                                    const char *what,
                                    struct vs_arena *arena,
                                    struct vs_index_info *info,
                                    struct vs_error *err);
// Appends the blob.
enum vs_status vs_moved_runs_encode(const struct vs_index_moved_file *moved,
                                    size_t count,
                                    struct vs_buf *out,
                                    struct vs_error *err);
// Runs lie inside their segments, cover their files, and no row is claimed twice; CORRUPT
// otherwise.
enum vs_status vs_moved_check(const struct vs_env *env,
                              const struct vs_index_info *info,
                              const char *what,
                              struct vs_error *err);

#endif
