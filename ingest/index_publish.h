// SPDX-License-Identifier: Apache-2.0
/*
 * Points a table at its index file: a statistics entry and table properties, in one metadata-only
 * commit (docs/adr/0011-index-pointer.md).
 */
#ifndef VS_INGEST_INDEX_PUBLISH_H
#define VS_INGEST_INDEX_PUBLISH_H

#include "index/index_build.h"
#include "vecstore/catalog/catalog.h"
#include "vecstore/iceberg/stats_file.h"

// The pointer as a commit takes it (struct vs_intent).
struct vs_index_pointer {
    struct vs_statistics statistics; // without a snapshot id
    struct vs_pair properties[4];
    char file_size[24], footer_size[24];
};

// uri and index_uuid are borrowed; the pointer must not be moved afterwards.
void vs_index_pointer_set(struct vs_index_pointer *pointer,
                          struct vs_str uri,
                          const char *index_uuid,
                          uint64_t file_size,
                          uint64_t footer_size);

struct vs_index_publish {
    const char *table;
    struct vs_uuid table_uuid; // of the table that was indexed
    struct vs_str uri;
    const char *index_uuid;
    int64_t snapshot_id; // that was indexed
    uint64_t file_size, footer_size;
    struct vs_str blob_metadata_json; // of the carried blobs of other producers; empty: "[]"
    // Version that has to be current still, else CONFLICT; empty: whatever is.
    struct vs_str replaces;
    const struct vs_op *op;
};

// How many former versions a table remembers for a rollback.
#define VS_INDEX_PREVIOUS_KEPT 3

// URI and key of an index file of the table (buffers are reset first; the key ends with a NUL).
enum vs_status vs_index_name(struct vs_store *store,
                             const struct vs_table_metadata *metadata,
                             const char *uuid,
                             struct vs_buf *uri,
                             struct vs_buf *key,
                             struct vs_error *err);

enum vs_status vs_index_publish(struct vs_catalog *catalog,
                                const struct vs_index_publish *publish,
                                unsigned *attempts_out,
                                struct vs_error *err);

// A snapshot has one statistics file: what another engine put there is carried into ours. Reads
// those blobs (types that are not vecstore's) into arena and params->foreign_*; json_out gets their
// blob-metadata as the table lists them. A statistics file that is gone or unreadable is no reason
// to fail.
enum vs_status vs_foreign_blobs_read(const struct vs_env *env,
                                     struct vs_store *store,
                                     const struct vs_table_metadata *metadata,
                                     int64_t snapshot_id,
                                     struct vs_arena *arena,
                                     struct vs_index_build_params *params,
                                     struct vs_buf *json_out,
                                     struct vs_error *err);

#endif
