// SPDX-License-Identifier: Apache-2.0
#include "api/ingest_feed.h"

#include <string.h>

static enum vs_status next_batch(void *ctx,
                                 struct vs_batch *batch,
                                 uint64_t *first_row_out,
                                 struct vs_error *err)
{
    struct vs_ingest_feed *feed = ctx;
    if (feed->pending.row_count > 0) {
        struct vs_batch rows = feed->pending;
        feed->pending = *batch; // an empty batch of the same columns
        *batch = rows;
        *first_row_out = feed->pending_first;
        return VS_OK;
    }
    if (feed->ended) {
        return VS_OK;
    }
    if (feed->source == NULL) {
        VS_TRY(vs_source_open(feed->env, feed->path, &feed->options, &feed->source, err));
    }
    VS_TRY(vs_source_next(feed->source, batch, first_row_out, err));
    if (batch->row_count == 0) {
        feed->ended = true;
        vs_source_close(feed->source);
        feed->source = NULL;
    }
    return VS_OK;
}

static bool counts_lines(const char *path)
{
    size_t len = strlen(path);
    return strcmp(path, "-") == 0 || (len > 5 && strcmp(path + len - 5, "jsonl") == 0) ||
           (len > 6 && strcmp(path + len - 6, "ndjson") == 0);
}

struct vs_row_feed vs_ingest_feed_view(struct vs_ingest_feed *feed)
{
    uint64_t total = feed->source != NULL ? feed->source->row_total : VS_SOURCE_ROWS_UNKNOWN;
    return (struct vs_row_feed){
        .next = next_batch,
        .ctx = feed,
        .name = strcmp(feed->path, "-") == 0 ? "standard input" : feed->path,
        .row_word = counts_lines(feed->path) ? "line" : "row",
        .total_rows = total == VS_SOURCE_ROWS_UNKNOWN ? 0 : total,
    };
}

void vs_ingest_feed_clear(struct vs_ingest_feed *feed)
{
    vs_source_close(feed->source);
    vs_batch_clear(&feed->pending);
    memset(feed, 0, sizeof *feed);
}
