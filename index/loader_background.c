// SPDX-License-Identifier: Apache-2.0
/*
 * The thread that brings what no query asked for yet: first the codes of all lists, then facts,
 * then rows, a few requests side by side, no faster than allowed. It ends when everything is there,
 * when the index is closed, or when the store has failed TRIES times one after the other.
 */
#include "index/loader_internal.h"

#include <inttypes.h>
#include <signal.h>
#include <time.h>

#define ROUND_BYTES ((uint64_t)32 << 20)
#define TRIES 5
#define FIRST_PAUSE_NS 100000000

// Waits, or less when the loader is being closed.
static void pause_ns(struct vs_list_loader *loader, int64_t ns)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec += ns % 1000000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&loader->lock);
    int code = 0;
    while (code == 0 && !atomic_load_explicit(&loader->stop, memory_order_relaxed)) {
        code = pthread_cond_timedwait(&loader->changed, &loader->lock, &until);
    }
    (void)pthread_mutex_unlock(&loader->lock);
}

// The next pieces of a kind from *list on; 0 at the end.
static size_t next_round(const struct vs_list_loader *loader,
                         enum vs_piece_kind kind,
                         uint64_t most,
                         uint32_t *list,
                         struct vs_piece *pieces,
                         uint64_t *bytes_out)
{
    size_t count = 0;
    *bytes_out = 0;
    for (; *list < loader->list_count && *bytes_out < most; (*list)++) {
        if (atomic_load_explicit(&loader->states[kind][*list], memory_order_relaxed) !=
            VS_PIECE_THERE) {
            pieces[count] = vs_loader_piece(loader, kind, *list);
            *bytes_out += pieces[count++].len;
        }
    }
    return count;
}

static bool may_pass(enum vs_status status)
{
    return status == VS_UNAVAILABLE || status == VS_NO_MEMORY || status == VS_TIMEOUT;
}

// One round, again after a while when it fails for a reason that may pass.
static enum vs_status bring_round(struct vs_list_loader *loader,
                                  const struct vs_piece *round,
                                  struct vs_piece *pieces,
                                  size_t count,
                                  struct vs_error *err)
{
    enum vs_status status = VS_OK;
    int64_t wait = FIRST_PAUSE_NS;
    for (int i = 0; i < TRIES; i++, wait *= 2) {
        for (size_t p = 0; p < count; p++) { // bringing reorders and shortens
            pieces[p] = round[p];
        }
        status = vs_loader_bring(loader, pieces, count, true, NULL, err);
        if (!may_pass(status) || atomic_load_explicit(&loader->stop, memory_order_relaxed)) {
            break;
        }
        pause_ns(loader, wait);
    }
    return status;
}

static enum vs_status bring_kind(struct vs_list_loader *loader,
                                 enum vs_piece_kind kind,
                                 struct vs_piece *pieces,
                                 struct vs_error *err)
{
    const struct vs_env *env = loader->env;
    uint64_t rate = loader->options.background_rate, most = ROUND_BYTES, bytes = 0;
    most = rate > 0 && rate / 4 < most ? rate / 4 + 1 : most;
    struct vs_piece *work = pieces + loader->list_count;
    for (uint32_t list = 0; !atomic_load_explicit(&loader->stop, memory_order_relaxed);) {
        int64_t start = vs_monotonic_ns(env);
        size_t count = next_round(loader, kind, most, &list, pieces, &bytes);
        if (count == 0) {
            break;
        }
        VS_TRY(bring_round(loader, pieces, work, count, err));
        if (rate > 0) {
            int64_t due = start + (int64_t)((double)bytes / (double)rate * 1e9);
            int64_t left = due - vs_monotonic_ns(env);
            if (left > 0) {
                pause_ns(loader, left);
            }
        }
    }
    return VS_OK;
}

static void *run(void *arg)
{
    struct vs_list_loader *loader = arg;
    const struct vs_env *env = loader->env;
    const char *name = loader->options.file->name;
    size_t kinds = loader->options.rows_in_file ? VS_PIECE_ROWS : VS_PIECE_KINDS;
    struct vs_error why = {0};
    int64_t start = vs_monotonic_ns(env);
    struct vs_piece *pieces =
        vs_alloc_zeroed(env, 2 * (size_t)loader->list_count + 1, sizeof *pieces);
    enum vs_status status = pieces == NULL ? VS_NO_MEMORY : VS_OK;
    for (size_t kind = 0; kind < kinds && status == VS_OK; kind++) {
        status = bring_kind(loader, (enum vs_piece_kind)kind, pieces, &why);
    }
    vs_free(env, pieces);
    if (status != VS_OK) {
        vs_log(env, VS_LOG_WARN, "index", "background_read_failed",
               "file=%s status=%s reason=\"%s\"", name, vs_status_name(status), why.message);
    } else {
        vs_log(env, VS_LOG_DEBUG, "index", "background_read",
               "file=%s bytes=%" PRIu64 " ms=%" PRId64, name,
               atomic_load_explicit(&loader->background_bytes, memory_order_relaxed),
               (vs_monotonic_ns(env) - start) / 1000000);
    }
    return NULL;
}

void vs_loader_start(struct vs_list_loader *loader)
{
    if (loader->options.idle ||
        (vs_list_loader_has_codes(loader) &&
         (loader->options.rows_in_file || vs_list_loader_has_rows(loader)))) {
        return;
    }
    (void)pthread_mutex_lock(&loader->lock);
    if (!loader->started) {
        sigset_t all, before;
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before); // signals are for the caller's threads
        loader->started = pthread_create(&loader->thread, NULL, run, loader) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void)pthread_mutex_unlock(&loader->lock);
}

void vs_loader_stop(struct vs_list_loader *loader)
{
    (void)pthread_mutex_lock(&loader->lock);
    atomic_store_explicit(&loader->stop, true, memory_order_relaxed);
    (void)pthread_cond_broadcast(&loader->changed);
    bool started = loader->started;
    (void)pthread_mutex_unlock(&loader->lock);
    if (started) {
        (void)pthread_join(loader->thread, NULL);
    }
}
