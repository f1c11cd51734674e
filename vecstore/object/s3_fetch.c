// SPDX-License-Identifier: Apache-2.0
/*
 * Ranged reads of one object: ranges that lie close together share a request, large ones are cut
 * into pieces, and the requests travel side by side. What does not come back right the first time
 * is asked for again on its own, with repair and retries.
 */
#include "vecstore/base/pool.h"
#include "vecstore/object/s3_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_GAP ((uint64_t)128 << 10)
#define ALONE ((size_t)1 << 20) // so long a range is better off with a stream of its own

// One request: bytes [offset, offset + len) into dst.
struct piece {
    uint64_t offset;
    size_t len;
    uint8_t *dst;
    uint8_t *joined;           // dst is this memory of our own; NULL: the caller's
    size_t first, range_count; // of the sorted ranges that are copied from joined
};

struct fetch {
    const struct vs_s3_object *object;
    struct vs_range *ranges; // sorted by offset
    size_t range_count;
    struct piece *pieces; // of one wave
    size_t piece_count;
};

// ---- one range ----

static enum vs_status fail_no_part(const struct vs_s3_object *object,
                                   int http_status,
                                   struct vs_error *err)
{
    return vs_fail(err, VS_UNSUPPORTED,
                   "the store answers a read of a part of %s/%.150s with status %d and no part: "
                   "such a store cannot be used",
                   object->store->base.root_uri, object->key, http_status);
}

static enum vs_status check_range_answer(const struct vs_s3_object *object,
                                         uint64_t offset,
                                         size_t len,
                                         const struct vs_http_response *http,
                                         struct vs_error *err)
{
    struct vs_s3_content_range range = {0};
    const char *root = object->store->base.root_uri;
    bool told = vs_s3_parse_content_range(vs_http_header(http, "content-range"), &range);
    if (http->status == 200 && offset == 0 && len == object->size && http->dst_len == len) {
        return VS_OK; // all of it, said the plain way
    }
    if (http->status != 206 || !told || !range.has_range) {
        return vs_fail(
            err, VS_UNSUPPORTED,
            "the store answers a read of a part of %s/%.150s with status %d and no part: "
            "such a store cannot be used",
            root, object->key, http->status);
    }
    if (range.total != object->size) {
        return vs_fail(err, VS_CORRUPT, "%s/%.150s changed while it was read", root, object->key);
    }
    if (range.first != offset || range.last != offset + len - 1 || http->dst_len != len) {
        return vs_fail(err, VS_CORRUPT,
                       "%s/%.150s: %zu bytes at byte %" PRIu64 " were asked for, but %zu at byte "
                       "%" PRIu64 " came",
                       root, object->key, len, offset, http->dst_len, range.first);
    }
    return VS_OK;
}

static void range_request(const struct vs_s3_object *object,
                          const struct piece *piece,
                          char range_text[64],
                          struct vs_s3_request *request)
{
    *request = (struct vs_s3_request){.action = "read",
                                      .method = VS_HTTP_GET,
                                      .key = object->key,
                                      .dst = piece->dst,
                                      .dst_size = piece->len};
    (void)snprintf(range_text, 64, "bytes=%" PRIu64 "-%" PRIu64, piece->offset,
                   piece->offset + piece->len - 1);
    vs_s3_add_header(request, "range", vs_str_from_c(range_text));
    if (object->etag[0] != '\0') {
        vs_s3_add_header(request, "if-match", vs_str_from_c(object->etag));
    }
}

static enum vs_status settle(const struct vs_s3_object *object,
                             const struct vs_s3_request *request,
                             const struct piece *piece,
                             const struct vs_s3_answer *answer,
                             struct vs_error *err)
{
    if (answer->http.outcome == VS_HTTP_ANSWERED &&
        (answer->http.status == 412 || answer->http.status == 416)) {
        return vs_fail(err, VS_CORRUPT, "%s/%.150s changed while it was read",
                       object->store->base.root_uri, object->key);
    }
    if (vs_s3_is_more_than_asked(answer)) {
        return fail_no_part(object, answer->http.status, err);
    }
    if (!vs_s3_is_ok(answer)) {
        return vs_s3_fail(object->store, request, answer, err);
    }
    return check_range_answer(object, piece->offset, piece->len, &answer->http, err);
}

static enum vs_status fetch_alone(const struct vs_s3_object *object,
                                  const struct piece *piece,
                                  struct vs_error *err)
{
    char range_text[64];
    struct vs_s3_request request;
    struct vs_s3_answer answer;
    range_request(object, piece, range_text, &request);
    vs_s3_answer_init(&answer, object->store->base.env);
    enum vs_status status = vs_s3_send(object->store, &request, &answer, err);
    if (status == VS_OK) {
        status = settle(object, &request, piece, &answer, err);
    }
    vs_s3_answer_clear(&answer);
    return status;
}

// ---- many at once ----

struct batch {
    struct vs_s3_wire *wires;
    struct vs_http_request *http;
    struct vs_http_response *responses;
    struct vs_s3_request *requests;
    char (*texts)[64];
    size_t count;
};

static void batch_clear(const struct vs_env *env, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        vs_s3_wire_clear(&batch->wires[i]);
        vs_http_response_clear(&batch->responses[i]);
    }
    vs_free(env, batch->wires);
    vs_free(env, batch->http);
    vs_free(env, batch->responses);
    vs_free(env, batch->requests);
    vs_free(env, batch->texts);
}

static enum vs_status batch_init(const struct vs_env *env,
                                 struct batch *batch,
                                 size_t count,
                                 struct vs_error *err)
{
    *batch = (struct batch){
        .wires = (struct vs_s3_wire *)vs_alloc_zeroed(env, count, sizeof(struct vs_s3_wire)),
        .http =
            (struct vs_http_request *)vs_alloc_zeroed(env, count, sizeof(struct vs_http_request)),
        .responses =
            (struct vs_http_response *)vs_alloc_zeroed(env, count, sizeof(struct vs_http_response)),
        .requests =
            (struct vs_s3_request *)vs_alloc_zeroed(env, count, sizeof(struct vs_s3_request)),
        .texts = (char(*)[64])vs_alloc_zeroed(env, count, 64),
    };
    if (batch->wires == NULL || batch->http == NULL || batch->responses == NULL ||
        batch->requests == NULL || batch->texts == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory reading from an object store");
    }
    for (size_t i = 0; i < count; i++) {
        vs_s3_wire_init(&batch->wires[i], env);
        vs_http_response_init(&batch->responses[i], env, VS_S3_XML_MAX);
    }
    batch->count = count;
    return VS_OK;
}

static enum vs_status send_batch(const struct vs_s3_object *object,
                                 const struct piece *pieces,
                                 struct batch *batch,
                                 struct vs_error *err)
{
    struct vs_s3_store *store = object->store;
    for (size_t i = 0; i < batch->count; i++) {
        range_request(object, &pieces[i], batch->texts[i], &batch->requests[i]);
        VS_TRY(vs_s3_wire_make(store, &batch->requests[i], false, &batch->wires[i], err));
        batch->http[i] = batch->wires[i].http;
    }
    return vs_http_send_many(store->http, batch->http, batch->responses, batch->count,
                             store->config.max_parallel, err);
}

// Whether the answer can be used as it is; anything else is left to fetch_alone.
static bool came_right(const struct vs_s3_object *object,
                       const struct piece *piece,
                       const struct vs_http_response *http)
{
    return http->outcome == VS_HTTP_ANSWERED && http->status >= 200 && http->status < 300 &&
           check_range_answer(object, piece->offset, piece->len, http, NULL) == VS_OK;
}

static enum vs_status fetch_batch(const struct vs_s3_object *object,
                                  const struct piece *pieces,
                                  size_t count,
                                  struct vs_error *err)
{
    const struct vs_env *env = object->store->base.env;
    struct batch batch;
    enum vs_status status = batch_init(env, &batch, count, err);
    if (status == VS_OK) {
        status = send_batch(object, pieces, &batch, err);
    }
    for (size_t i = 0; i < batch.count && status == VS_OK; i++) {
        vs_s3_count(object->store, &batch.requests[i], &batch.responses[i]);
        if (!came_right(object, &pieces[i], &batch.responses[i])) {
            status = fetch_alone(object, &pieces[i], err);
        }
    }
    batch_clear(env, &batch);
    return status;
}

// ---- the plan ----

static int by_offset(const void *a, const void *b)
{
    const struct vs_range *x = (const struct vs_range *)a;
    const struct vs_range *y = (const struct vs_range *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

// How many ranges from `first` on share one request.
static size_t joinable(const struct fetch *fetch, size_t first, uint64_t *end_out)
{
    const struct vs_range *ranges = fetch->ranges;
    uint64_t start = ranges[first].offset;
    uint64_t end = start + ranges[first].len;
    size_t count = 1;
    while (first + count < fetch->range_count) {
        const struct vs_range *next = &ranges[first + count];
        uint64_t next_end = next->offset + next->len;
        uint64_t joined_end = next_end > end ? next_end : end;
        if (ranges[first].len >= ALONE || next->len >= ALONE ||
            (next->offset > end && next->offset - end > JOIN_GAP) ||
            joined_end - start > VS_S3_PIECE_SIZE) {
            break;
        }
        end = joined_end;
        count++;
    }
    *end_out = end;
    return count;
}

// Adds the next request to the wave. `at` and `within` walk over ranges and the bytes of a large
// one.
static enum vs_status plan_piece(struct fetch *fetch,
                                 size_t *at,
                                 size_t *within,
                                 struct vs_error *err)
{
    struct piece *piece = &fetch->pieces[fetch->piece_count];
    const struct vs_range *range = &fetch->ranges[*at];
    uint64_t end = 0;
    size_t count = *within > 0 ? 1 : joinable(fetch, *at, &end);
    if (count == 1) {
        size_t rest = range->len - *within;
        size_t len = rest < VS_S3_PIECE_SIZE ? rest : VS_S3_PIECE_SIZE;
        *piece = (struct piece){
            .offset = range->offset + *within, .len = len, .dst = (uint8_t *)range->dst + *within};
        *within = len < rest ? *within + len : 0;
        *at += len == rest;
    } else {
        size_t len = (size_t)(end - range->offset);
        uint8_t *memory = (uint8_t *)vs_alloc(fetch->object->store->base.env, len);
        if (memory == NULL) {
            return vs_fail(err, VS_NO_MEMORY, "out of memory reading %s", fetch->object->key);
        }
        *piece = (struct piece){range->offset, len, memory, memory, *at, count};
        *at += count;
    }
    fetch->piece_count++;
    return VS_OK;
}

static void scatter(const struct fetch *fetch, const struct piece *piece)
{
    for (size_t i = 0; piece->joined != NULL && i < piece->range_count; i++) {
        const struct vs_range *range = &fetch->ranges[piece->first + i];
        memcpy(range->dst, piece->joined + (range->offset - piece->offset), range->len);
    }
}

static enum vs_status fetch_task(void *ctx, size_t index, struct vs_error *err)
{
    const struct fetch *fetch = (const struct fetch *)ctx;
    return fetch_alone(fetch->object, &fetch->pieces[index], err);
}

static enum vs_status fetch_wave(struct fetch *fetch, struct vs_error *err)
{
    const struct vs_s3_store *store = fetch->object->store;
    enum vs_status status = VS_OK;
    if (store->config.hedge_ms > 0) { // each with its own clock
        status = vs_pool_run(store->base.env, fetch->piece_count, fetch->piece_count, fetch_task,
                             fetch, err);
    } else if (fetch->piece_count == 1) {
        status = fetch_alone(fetch->object, fetch->pieces, err);
    } else if (fetch->piece_count > 1) {
        status = fetch_batch(fetch->object, fetch->pieces, fetch->piece_count, err);
    }
    for (size_t i = 0; i < fetch->piece_count; i++) {
        if (status == VS_OK) {
            scatter(fetch, &fetch->pieces[i]);
        }
        vs_free(fetch->object->store->base.env, fetch->pieces[i].joined);
    }
    fetch->piece_count = 0;
    return status;
}

static enum vs_status run(struct fetch *fetch, struct vs_error *err)
{
    size_t most = fetch->object->store->config.max_parallel;
    size_t at = 0;
    size_t within = 0;
    while (at < fetch->range_count) {
        enum vs_status status = VS_OK;
        while (status == VS_OK && at < fetch->range_count && fetch->piece_count < most) {
            status = plan_piece(fetch, &at, &within, err);
        }
        if (status != VS_OK) {
            for (size_t i = 0; i < fetch->piece_count; i++) {
                vs_free(fetch->object->store->base.env, fetch->pieces[i].joined);
            }
            return status;
        }
        VS_TRY(fetch_wave(fetch, err));
    }
    return VS_OK;
}

enum vs_status vs_s3_fetch(const struct vs_s3_object *object,
                           const struct vs_range *ranges,
                           size_t count,
                           struct vs_error *err)
{
    const struct vs_env *env = object->store->base.env;
    struct fetch fetch = {.object = object};
    if (count == 1 && ranges[0].len <= VS_S3_PIECE_SIZE) {
        struct piece piece = {
            .offset = ranges[0].offset, .len = ranges[0].len, .dst = (uint8_t *)ranges[0].dst};
        return ranges[0].len == 0 ? VS_OK : fetch_alone(object, &piece, err);
    }
    fetch.ranges = (struct vs_range *)vs_alloc_zeroed(env, count, sizeof *ranges);
    fetch.pieces = (struct piece *)vs_alloc_zeroed(env, object->store->config.max_parallel,
                                                   sizeof(struct piece));
    enum vs_status status = VS_OK;
    if (fetch.ranges == NULL || fetch.pieces == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory reading %s", object->key);
    } else {
        for (size_t i = 0; i < count; i++) {
            if (ranges[i].len > 0) {
                fetch.ranges[fetch.range_count++] = ranges[i];
            }
        }
        qsort(fetch.ranges, fetch.range_count, sizeof *ranges, by_offset);
        status = run(&fetch, err);
    }
    vs_free(env, fetch.ranges);
    vs_free(env, fetch.pieces);
    return status;
}
