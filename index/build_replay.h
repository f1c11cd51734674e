// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors that were encoded before: parts from other machines, or the log of a build that was
 * stopped; and the log that a build writes. Both are part files (build_parts.h).
 *
 * Ownership: the build owns its replay and its log; both borrow files and writers that the caller
 * gave. Threads: single owner.
 */
#ifndef VS_INDEX_BUILD_REPLAY_H
#define VS_INDEX_BUILD_REPLAY_H

#include "index/build_internal.h"
#include "index/build_parts.h"

// ---- replay ----

// Reads the directories of the parts and checks that they fit the build: model, table, snapshot,
// columns, data files. whole: every data file must be there, and every part finished; otherwise a
// single part is taken as far as it is sound, payloads included.
enum vs_status vs_build_replay_open(struct vs_build *build,
                                    struct vs_file *const *parts,
                                    size_t part_count,
                                    bool whole,
                                    struct vs_error *err);
void vs_build_replay_close(struct vs_build_replay *replay); // accepts NULL
// Where the first unsound byte of a single part is.
uint64_t vs_build_replay_end(const struct vs_build_replay *replay);
// Takes all vectors of a column into its set; rows before its done_row then need no encoding.
enum vs_status vs_build_replay_run(struct vs_build *build, size_t column, struct vs_error *err);

// ---- log ----

// Where encoded vectors go; flush makes what was written durable.
struct vs_build_log_sink {
    enum vs_status (*write)(void *ctx, const void *bytes, size_t n, struct vs_error *err);
    enum vs_status (*flush)(void *ctx, struct vs_error *err); // NULL: nothing to do
    void *ctx;
};

// append: header and tables are there already.
enum vs_status vs_build_log_open(struct vs_build *build,
                                 const struct vs_build_log_sink *sink,
                                 bool append,
                                 struct vs_error *err);
void vs_build_log_close(struct vs_build *build);
// The chunk of the column, all of one data file; positions up to end_row are then done.
enum vs_status vs_build_log_put(struct vs_build *build,
                                struct vs_build_column *column,
                                uint64_t end_row,
                                const struct vs_drift *drift,
                                struct vs_error *err);
enum vs_status vs_build_log_end(struct vs_build *build, struct vs_error *err); // the end block
// With a log: how many of these vectors are in the data file of the first one; else count.
size_t vs_build_log_cut(const struct vs_build *build,
                        const struct vs_row_fact *facts,
                        size_t count);
// With a log: rows from first_row to the end of its data file, at most `most`; else most.
size_t vs_build_log_rows(const struct vs_build *build, uint64_t first_row, size_t most);

#endif
