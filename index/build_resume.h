// SPDX-License-Identifier: Apache-2.0
/*
 * A directory in which a build leaves what it would be a pity to lose: its model and the log of
 * what it encoded (docs/format/index-parts.md). Files are named by a hash of the inputs; what does
 * not fit or is damaged is dropped with a log line.
 *
 * Ownership: the build owns its resume. Threads: single owner; a lock keeps other processes out.
 */
#ifndef VS_INDEX_BUILD_RESUME_H
#define VS_INDEX_BUILD_RESUME_H

#include "index/build_internal.h"

// Looks for a model of an earlier run; build->model is set when there is one.
enum vs_status vs_build_resume_open(struct vs_build *build, struct vs_error *err);
// Training is done: keeps the model.
enum vs_status vs_build_resume_model(struct vs_build *build, struct vs_error *err);
// Takes what an earlier run encoded and opens the log.
enum vs_status vs_build_resume_encode(struct vs_build *build, struct vs_error *err);
// The index is written: says which files are not needed once it is published.
void vs_build_resume_finish(const struct vs_build *build, struct vs_index_build_result *result);
void vs_build_resume_close(struct vs_build *build);

#endif
