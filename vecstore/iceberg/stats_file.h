// SPDX-License-Identifier: Apache-2.0
/*
 * The table's pointer to its index file: a statistics entry on a snapshot, and the same in table
 * properties so that it is still found after another engine's commit. Iceberg knows nothing of the
 * index: this is a path and two sizes.
 *
 * Properties: vecstore.index.path (URI), vecstore.index.file-size, vecstore.index.footer-size,
 * vecstore.index.uuid, vecstore.index.previous. See docs/adr/0011-index-pointer.md.
 */
#ifndef VS_ICEBERG_STATS_FILE_H
#define VS_ICEBERG_STATS_FILE_H

#include "vecstore/iceberg/table_metadata.h"

#define VS_PROPERTY_INDEX_PATH "vecstore.index.path"
#define VS_PROPERTY_INDEX_FILE_SIZE "vecstore.index.file-size"
#define VS_PROPERTY_INDEX_FOOTER_SIZE "vecstore.index.footer-size"
#define VS_PROPERTY_INDEX_UUID "vecstore.index.uuid"
// UUIDs of the versions before the current one, the newest first, with spaces between them.
#define VS_PROPERTY_INDEX_PREVIOUS "vecstore.index.previous"
#define VS_INDEX_FILE_SUFFIX "-vecstore.puffin"

// The index to use for a snapshot: the property's (the newest published), else the statistics file
// with our suffix on the snapshot or its nearest ancestor that has one. False when the table has
// none. Borrowed from metadata; snapshot_id of *out is that of the entry (or VS_NO_SNAPSHOT).
bool vs_stats_file_find(const struct vs_table_metadata *metadata,
                        int64_t snapshot_id,
                        struct vs_statistics *out);

// Goes through the UUIDs of VS_PROPERTY_INDEX_PREVIOUS: takes the first off *list; false at the
// end. Each names a file (vs_stats_file_uri), which may be gone.
bool vs_stats_file_previous(struct vs_str *list, struct vs_str *uuid_out);

// The URI of the index file of a version (uri is reset first).
enum vs_status vs_stats_file_uri(const struct vs_table_metadata *metadata,
                                 struct vs_str uuid,
                                 struct vs_buf *uri,
                                 struct vs_error *err);

#endif
