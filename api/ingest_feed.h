// SPDX-License-Identifier: Apache-2.0
/*
 * Sources as the feeds of a write job: each file is opened when its turn comes and closed at its
 * end.
 */
#ifndef VS_API_INGEST_FEED_H
#define VS_API_INGEST_FEED_H

#include "ingest/source.h"
#include "ingest/write_job.h"

struct vs_ingest_feed {
    const struct vs_env *env;
    const char *path;
    struct vs_source_options options; // with the table's schema
    struct vs_source *source;         // NULL before the first call and after the end
    bool ended;
    struct vs_batch pending; // rows read before the table existed; handed out first
    uint64_t pending_first;
};

// A vs_row_feed over `feed`; path and options are set by the caller.
struct vs_row_feed vs_ingest_feed_view(struct vs_ingest_feed *feed);
void vs_ingest_feed_clear(struct vs_ingest_feed *feed);

#endif
