// SPDX-License-Identifier: Apache-2.0
/*
 * Metadata files that a table has outlived: those older than its metadata log.
 *
 * In a filesystem catalog the name of a version is the fence that keeps a late writer from creating
 * it again, so versions go oldest first, one after the other, and never one younger than an hour: a
 * gap would let a writer of an old base commit into it (tests/model/commit_model.py).
 */
#ifndef VS_INGEST_OLD_METADATA_H
#define VS_INGEST_OLD_METADATA_H

#include "ingest/table_files.h"
#include "vecstore/catalog/catalog.h"

#define VS_OLD_METADATA_MIN_AGE_MS ((int64_t)3600 * 1000)

// N of vN.metadata.json or NNNNN-<uuid>.metadata.json (any compression); false for other names.
// *is_version_out tells the first form.
bool vs_metadata_file_number(struct vs_str key, int64_t *number_out, bool *is_version_out);

// Does nothing unless table property write.metadata.delete-after-commit.enabled is true. kept: what
// the table names. With dry_run only counts.
enum vs_status vs_old_metadata_remove(const struct vs_table *table,
                                      const struct vs_table_files *kept,
                                      bool dry_run,
                                      uint64_t *count_out,
                                      uint64_t *bytes_out,
                                      struct vs_error *err);

#endif
