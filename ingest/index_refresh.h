// SPDX-License-Identifier: Apache-2.0
/*
 * Brings the index of a table up to its newest snapshot without training: data files that no
 * segment covers become one new segment, segments that are many or mostly dead are put together,
 * and the result is published as a new version (docs/internals/index-life.md).
 *
 * Same order of publication and same outcomes as a build (index_job.h). An unknown outcome leaves
 * the new file where it is.
 */
#ifndef VS_INGEST_INDEX_REFRESH_H
#define VS_INGEST_INDEX_REFRESH_H

#include "index/drift.h"
#include "index/index_build.h"
#include "vecstore/catalog/catalog.h"

struct vs_refresh_job {
    const char *table;
    bool merge; // put all segments together, whatever their sizes
    uint64_t memory_bytes;
    size_t thread_count;
    const char *spill_dir; // also for the new segment where it is large; NULL: $TMPDIR, or /tmp
    size_t list_rows;  // rows from which a new segment has lists; 0: the default (tests lower it)
    size_t small_rows; // of a table that has no codebook yet; 0: VS_INDEX_SMALL_ROWS
    float min_recall;  // of a table that outgrows the exact scan and is built anew
    const struct vs_op *op;
};

enum vs_refresh_kind {
    VS_REFRESH_NOTHING,    // the index is up to date
    VS_REFRESH_REGISTERED, // the version is the same; the newest snapshot knows of it again
    VS_REFRESH_EXTENDED,   // a new version with a new segment
    VS_REFRESH_JOINED,     // a new version with fewer segments, nothing else
    VS_REFRESH_REBUILT     // the table outgrew the exact scan: trained and built anew
};

struct vs_refresh_result {
    enum vs_refresh_kind kind;
    int64_t snapshot_id;
    struct vs_uuid index_uuid;
    uint64_t new_rows, new_files;               // that no segment covered before
    uint64_t rows, live_rows;                   // of all segments; in data files of the snapshot
    uint64_t segments_before, segments, joined; // joined: that were put together
    uint64_t file_size, copied_bytes;
    unsigned attempts;
    // The new segment's column whose codebook fits worst; count 0: flat, or nothing new.
    struct vs_drift_figures drift;
    struct vs_drift_baseline baseline;
    unsigned warnings; // of drift.h
    bool outgrown;     // more than four times the vectors that the codebook was trained for
    char advice[512];  // "" or what the user should do
};

enum vs_status vs_refresh_job_run(struct vs_catalog *catalog,
                                  const struct vs_refresh_job *job,
                                  struct vs_refresh_result *result_out,
                                  struct vs_error *err);

#endif
