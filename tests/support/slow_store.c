// SPDX-License-Identifier: Apache-2.0
#include "tests/support/slow_store.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAIL ((uint64_t)64 << 10) // read by opening an object of unknown size
#define JOIN_GAP ((uint64_t)128 << 10)
#define ALONE ((uint64_t)1 << 20)
#define PIECE ((uint64_t)8 << 20)
#define NANO_USD_GET 400
#define NANO_USD_PUT 5000

struct slow_file {
    struct vs_file base;
    const struct vs_env *env;
    struct slow_link *link;
    struct vs_store *store; // NULL: none counts
    struct vs_file *inner;
    uint64_t tail; // bytes from here on came with opening
};

struct slow_store {
    struct vs_store base;
    struct slow_link *link;
    struct vs_store *inner;
};

// ---- the link ----

void slow_link_init(struct slow_link *link, const struct slow_options *options)
{
    memset(link, 0, sizeof *link);
    link->options = *options;
    link->options.parallel = options->parallel > 0 ? options->parallel : 64;
    link->state = options->seed * 0x9e3779b97f4a7c15U + 1;
    pthread_mutex_init(&link->lock, NULL);
}

void slow_link_clear(struct slow_link *link)
{
    pthread_mutex_destroy(&link->lock);
}

struct slow_counts slow_link_count(struct slow_link *link)
{
    pthread_mutex_lock(&link->lock);
    struct slow_counts counts = link->counts;
    pthread_mutex_unlock(&link->lock);
    return counts;
}

void slow_link_reset(struct slow_link *link)
{
    pthread_mutex_lock(&link->lock);
    link->counts = (struct slow_counts){0};
    pthread_mutex_unlock(&link->lock);
}

// In (0, 1).
static double uniform(struct slow_link *link)
{
    link->state ^= link->state << 13;
    link->state ^= link->state >> 7;
    link->state ^= link->state << 17;
    return ((double)(link->state * 0x2545f4914f6cdd1dU >> 11) + 0.5) / 9007199254740992.0;
}

// Milliseconds of one request. Lock held.
static double draw_ms(struct slow_link *link, uint64_t bytes)
{
    const struct slow_options *o = &link->options;
    double ms = o->stream_mb_per_s > 0 ? (double)bytes / (o->stream_mb_per_s * 1e3) : 0;
    if (o->p50_ms > 0) {
        double normal = sqrt(-2 * log(uniform(link))) * cos(6.283185307179586 * uniform(link));
        double sigma = o->p99_ms > o->p50_ms ? log(o->p99_ms / o->p50_ms) / 2.3263478740 : 0;
        ms += o->p50_ms * exp(sigma * normal);
    }
    return ms;
}

static void sleep_ms(double ms)
{
    if (ms > 0) {
        struct timespec rest = {(time_t)(ms / 1e3), (long)(fmod(ms, 1e3) * 1e6)};
        while (nanosleep(&rest, &rest) != 0) {
        }
    }
}

// Requests of these sizes side by side; false when one of them fails.
static bool travel(struct slow_link *link, struct vs_store *store, const uint64_t *sizes, size_t n)
{
    double ends[256] = {0}, last = 0;
    size_t lanes = link->options.parallel < 256 ? link->options.parallel : 256;
    bool good = true;
    pthread_mutex_lock(&link->lock);
    link->counts.rounds += link->under_way++ == 0;
    for (size_t i = 0; i < n; i++) {
        size_t lane = 0;
        for (size_t l = 1; l < lanes; l++) {
            lane = ends[l] < ends[lane] ? l : lane;
        }
        ends[lane] += draw_ms(link, sizes[i]);
        last = ends[lane] > last ? ends[lane] : last;
        long number = (long)link->counts.requests++, fail_at = link->options.fail_at;
        bool fails =
            fail_at >= 0 && (number == fail_at || (link->options.fail_on && number > fail_at));
        link->counts.failed += fails;
        link->counts.bytes += sizes[i];
        good = good && !fails;
        if (store != NULL) {
            atomic_fetch_add(&store->requests, 1);
            atomic_fetch_add(&store->bytes_read, sizes[i]);
            atomic_fetch_add(&store->nano_usd, NANO_USD_GET);
        }
    }
    pthread_mutex_unlock(&link->lock);
    sleep_ms(last);
    pthread_mutex_lock(&link->lock);
    link->under_way--;
    pthread_mutex_unlock(&link->lock);
    return good;
}

static enum vs_status travel_one(struct slow_link *link,
                                 struct vs_store *store,
                                 uint64_t size,
                                 const char *key,
                                 struct vs_error *err)
{
    return travel(link, store, &size, 1)
               ? VS_OK
               : vs_fail(err, VS_UNAVAILABLE, "%s: the store does not answer (test)", key);
}

// ---- files ----

static int by_offset(const void *a, const void *b)
{
    const struct vs_range *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

// The requests that an S3 store would make of these ranges.
static size_t plan(const struct slow_file *file,
                   const struct vs_range *ranges,
                   size_t count,
                   uint64_t *sizes,
                   size_t room)
{
    struct vs_range *sorted = malloc((count + 1) * sizeof *sorted);
    size_t n = 0, requests = 0;
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].len > 0 && ranges[i].offset < file->tail) {
            sorted[n++] = ranges[i];
        }
    }
    qsort(sorted, n, sizeof *sorted, by_offset);
    for (size_t i = 0; i < n;) {
        uint64_t start = sorted[i].offset, end = start + sorted[i].len;
        bool alone = sorted[i].len >= ALONE;
        for (i++; i < n && !alone && sorted[i].len < ALONE && sorted[i].offset <= end + JOIN_GAP &&
                  sorted[i].offset + sorted[i].len - start <= PIECE;
             i++) {
            uint64_t next = sorted[i].offset + sorted[i].len;
            end = next > end ? next : end;
        }
        for (; start < end && requests < room; start += PIECE) {
            sizes[requests++] = end - start < PIECE ? end - start : PIECE;
        }
    }
    free(sorted);
    return requests;
}

static enum vs_status slow_read_many(struct vs_file *base,
                                     const struct vs_range *ranges,
                                     size_t count,
                                     struct vs_error *err)
{
    struct slow_file *file = (struct slow_file *)base;
    size_t room = count + (size_t)(base->size / PIECE) + 2;
    uint64_t *sizes = malloc(room * sizeof *sizes);
    size_t n = plan(file, ranges, count, sizes, room);
    bool good = n == 0 || travel(file->link, file->store, sizes, n);
    free(sizes);
    return good ? vs_file_read_many(file->inner, ranges, count, err)
                : vs_fail(err, VS_UNAVAILABLE, "%s: the store does not answer (test)", base->name);
}

static enum vs_status slow_read(
    struct vs_file *base, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct vs_range range = {offset, len, dst};
    return slow_read_many(base, &range, 1, err);
}

static void slow_close(struct vs_file *base)
{
    struct slow_file *file = (struct slow_file *)base;
    vs_file_close(file->inner);
    vs_free(file->env, file);
}

static const struct vs_file_vtable file_vtable = {
    .read = slow_read, .read_many = slow_read_many, .close = slow_close};

enum vs_status slow_file_wrap(struct slow_link *link,
                              const struct vs_env *env,
                              struct vs_file *inner,
                              struct vs_file **file_out,
                              struct vs_error *err)
{
    struct slow_file *file = vs_alloc_zeroed(env, 1, sizeof *file);
    if (file == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening %s", inner->name);
    }
    *file = (struct slow_file){.base = {&file_vtable, inner->size, inner->name},
                               .env = env,
                               .link = link,
                               .inner = inner,
                               .tail = inner->size};
    *file_out = &file->base;
    return VS_OK;
}

// ---- the store ----

static struct slow_store *slow_of(struct vs_store *base)
{
    return (struct slow_store *)base;
}

static enum vs_status open_inner(struct vs_store *base,
                                 const char *key,
                                 struct vs_file **file_out,
                                 struct vs_error *err)
{
    struct vs_file *inner = NULL;
    VS_TRY(vs_file_open(slow_of(base)->inner, key, &inner, err));
    enum vs_status status = slow_file_wrap(slow_of(base)->link, base->env, inner, file_out, err);
    if (status != VS_OK) {
        vs_file_close(inner);
        return status;
    }
    ((struct slow_file *)*file_out)->store = base;
    return VS_OK;
}

static enum vs_status slow_open(struct vs_store *base,
                                const char *key,
                                struct vs_file **file_out,
                                struct vs_error *err)
{
    struct vs_file *opened = NULL;
    VS_TRY(travel_one(slow_of(base)->link, base, TAIL, key, err));
    VS_TRY(open_inner(base, key, &opened, err));
    struct slow_file *file = (struct slow_file *)opened;
    file->tail = opened->size > TAIL ? opened->size - TAIL : 0;
    *file_out = opened;
    return VS_OK;
}

static enum vs_status slow_open_sized(struct vs_store *base,
                                      const char *key,
                                      uint64_t size,
                                      struct vs_file **file_out,
                                      struct vs_error *err)
{
    struct vs_file *file = NULL;
    VS_TRY(open_inner(base, key, &file, err));
    if (file->size != size) {
        enum vs_status status = vs_fail(err, VS_CORRUPT, "%s has another size", key);
        vs_file_close(file);
        return status;
    }
    *file_out = file;
    return VS_OK;
}

static enum vs_status slow_put(struct vs_store *base,
                               const char *key,
                               struct vs_str bytes,
                               enum vs_put_mode mode,
                               struct vs_error *err)
{
    VS_TRY(travel_one(slow_of(base)->link, base, bytes.len, key, err));
    return vs_store_put(slow_of(base)->inner, key, bytes, mode, err);
}

static enum vs_status slow_create(struct vs_store *base,
                                  const char *key,
                                  struct vs_writer **writer_out,
                                  struct vs_error *err)
{
    return vs_writer_open(slow_of(base)->inner, key, writer_out, err);
}

static enum vs_status slow_list(
    struct vs_store *base, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err)
{
    VS_TRY(travel_one(slow_of(base)->link, base, 0, prefix, err));
    return vs_store_list(slow_of(base)->inner, prefix, visit, ctx, err);
}

static enum vs_status slow_list_folders(
    struct vs_store *base, const char *prefix, vs_folder_fn visit, void *ctx, struct vs_error *err)
{
    VS_TRY(travel_one(slow_of(base)->link, base, 0, prefix, err));
    return vs_store_list_folders(slow_of(base)->inner, prefix, visit, ctx, err);
}

static enum vs_status slow_remove(struct vs_store *base, const char *key, struct vs_error *err)
{
    VS_TRY(travel_one(slow_of(base)->link, base, 0, key, err));
    return vs_store_remove(slow_of(base)->inner, key, err);
}

static enum vs_status slow_get_tagged(struct vs_store *base,
                                      const char *key,
                                      struct vs_buf *buf,
                                      char etag_out[VS_ETAG_SIZE],
                                      struct vs_error *err)
{
    enum vs_status status = vs_store_get_tagged(slow_of(base)->inner, key, buf, etag_out, err);
    VS_TRY(travel_one(slow_of(base)->link, base, status == VS_OK ? buf->len : 0, key, err));
    return status;
}

static enum vs_status slow_exists(struct vs_store *base,
                                  const char *key,
                                  bool *exists_out,
                                  struct vs_error *err)
{
    VS_TRY(travel_one(slow_of(base)->link, base, 0, key, err));
    return vs_store_exists(slow_of(base)->inner, key, exists_out, err);
}

static void slow_free(struct vs_store *base)
{
    vs_store_free(slow_of(base)->inner);
    vs_free(base->env, base);
}

static const struct vs_store_vtable store_vtable = {
    .open = slow_open,
    .put = slow_put,
    .create = slow_create,
    .list = slow_list,
    .remove = slow_remove,
    .get_tagged = slow_get_tagged,
    .list_folders = slow_list_folders,
    .exists = slow_exists,
    .open_sized = slow_open_sized,
    .free = slow_free,
};

enum vs_status slow_store_wrap(struct slow_link *link,
                               struct vs_store *inner,
                               struct vs_store **store_out,
                               struct vs_error *err)
{
    struct slow_store *store = vs_alloc_zeroed(inner->env, 1, sizeof *store);
    if (store == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory wrapping the store %s", inner->root_uri);
    }
    store->base.vtable = &store_vtable;
    store->base.env = inner->env;
    store->base.root_uri = inner->root_uri; // inner lives as long as we do
    store->base.root_alias = inner->root_alias;
    store->base.counts_itself = true;
    store->link = link;
    store->inner = inner;
    *store_out = &store->base;
    return VS_OK;
}
