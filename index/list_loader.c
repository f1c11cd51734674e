// SPDX-License-Identifier: Apache-2.0
// Which pieces of lists are there, and who reads those that are not.
#include "index/list_loader.h"

#include "index/index_internal.h"
#include "index/loader_internal.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define ALL_AT_ONCE ((uint64_t)64 << 20) // bytes that need_all and preload have under way
#define NEAR_BYTES ((uint64_t)4 << 20)
#define WAIT_NS 20000000 // between two looks at the operation while another reads

// ---- making ----

enum vs_status vs_list_loader_new(const struct vs_env *env,
                                  const struct vs_list_loader_options *options,
                                  struct vs_list_loader **loader_out,
                                  struct vs_error *err)
{
    struct vs_list_loader *loader = vs_alloc_zeroed(env, 1, sizeof *loader);
    if (loader == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", options->file->name);
    }
    const struct vs_lists *lists = options->lists;
    loader->env = env;
    loader->options = *options;
    loader->list_count = lists->codebook->list_count;
    loader->codes_at = options->lists_at;
    loader->rows_at = options->rows_at + VS_SECTION_HEADER_SIZE;
    loader->facts_at = loader->rows_at + (uint64_t)lists->slot_count * lists->stride;
    (void)pthread_mutex_init(&loader->lock, NULL); // cannot fail on Linux with these attributes
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&loader->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    loader->seen =
        vs_alloc_zeroed(env, (size_t)((lists->row_count + 63) / 64) + 1, sizeof *loader->seen);
    bool room = loader->seen != NULL;
    for (int kind = 0; kind < VS_PIECE_KINDS; kind++) {
        loader->states[kind] = vs_alloc_zeroed(env, loader->list_count, 1);
        room = room && loader->states[kind] != NULL;
    }
    if (!room) {
        vs_list_loader_free(loader);
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory", options->file->name);
    }
    *loader_out = loader;
    return VS_OK;
}

void vs_list_loader_free(struct vs_list_loader *loader)
{
    if (loader == NULL) {
        return;
    }
    vs_loader_stop(loader);
    for (int kind = 0; kind < VS_PIECE_KINDS; kind++) {
        vs_free(loader->env, loader->states[kind]);
    }
    vs_free(loader->env, loader->seen);
    (void)pthread_cond_destroy(&loader->changed);
    (void)pthread_mutex_destroy(&loader->lock);
    vs_free(loader->env, loader);
}

bool vs_list_loader_has_codes(const struct vs_list_loader *loader)
{
    return atomic_load_explicit(&loader->has_codes, memory_order_acquire);
}

bool vs_list_loader_has_rows(const struct vs_list_loader *loader)
{
    return atomic_load_explicit(&loader->has_rows, memory_order_acquire);
}

void vs_list_loader_count(const struct vs_list_loader *loader, struct vs_index_reads *reads)
{
    reads->ranges += atomic_load_explicit(&loader->ranges, memory_order_relaxed);
    reads->rounds += atomic_load_explicit(&loader->rounds, memory_order_relaxed);
    reads->bytes += atomic_load_explicit(&loader->bytes, memory_order_relaxed);
    reads->background_bytes +=
        atomic_load_explicit(&loader->background_bytes, memory_order_relaxed);
    reads->list_count += loader->list_count;
    for (uint32_t list = 0; list < loader->list_count; list++) {
        reads->resident_lists += atomic_load_explicit(&loader->states[VS_PIECE_CODES][list],
                                                      memory_order_relaxed) == VS_PIECE_THERE;
    }
    reads->complete = reads->complete && vs_list_loader_has_codes(loader) &&
                      (loader->options.rows_in_file || vs_list_loader_has_rows(loader));
}

struct vs_piece vs_loader_piece(const struct vs_list_loader *loader,
                                enum vs_piece_kind kind,
                                uint32_t list)
{
    const struct vs_lists *lists = loader->options.lists;
    const struct vs_list_record *record = &lists->records[list];
    struct vs_piece piece = {.list = list, .kind = kind};
    switch (kind) {
    case VS_PIECE_CODES:
        piece.offset = loader->codes_at + record->offset;
        piece.len = vs_list_bytes(record->entry_count, lists->codebook->m);
        break;
    case VS_PIECE_FACTS:
        piece.offset = loader->facts_at + (uint64_t)record->first_slot * VS_ROW_FACT_SIZE;
        piece.len = (uint64_t)record->slot_count * VS_ROW_FACT_SIZE;
        break;
    case VS_PIECE_ROWS:
        piece.offset = loader->rows_at + (uint64_t)record->first_slot * lists->stride;
        piece.len = (uint64_t)record->slot_count * lists->stride;
        break;
    }
    return piece;
}

// ---- states ----

bool vs_loader_is_there(const struct vs_list_loader *loader, enum vs_piece_kind kind, uint32_t list)
{
    return atomic_load_explicit(&loader->states[kind][list], memory_order_acquire) ==
           VS_PIECE_THERE;
}

// Lock held. Each row has one slot at most: known once all facts are there.
static void check_rows_apart(struct vs_list_loader *loader)
{
    const struct vs_lists *lists = loader->options.lists;
    uint64_t *seen = loader->seen;
    for (uint32_t slot = 0; slot < lists->slot_count && loader->damage.code == VS_OK; slot++) {
        uint32_t row = lists->facts[slot].row;
        if (vs_bit_get(seen, row)) {
            (void)vs_fail(&loader->damage, VS_CORRUPT, "%s: row %" PRIu32 " has two slots",
                          loader->options.file->name, row);
        }
        vs_bit_set(seen, row);
    }
    vs_free(loader->env, seen);
    loader->seen = NULL;
}

// Lock held, after pieces were brought.
static void note_progress(struct vs_list_loader *loader)
{
    bool facts = loader->there[VS_PIECE_FACTS] == loader->list_count;
    if (loader->there[VS_PIECE_CODES] == loader->list_count) {
        atomic_store_explicit(&loader->has_codes, true, memory_order_release);
    }
    if (facts && loader->there[VS_PIECE_ROWS] == loader->list_count &&
        loader->damage.code == VS_OK) {
        atomic_store_explicit(&loader->has_rows, true, memory_order_release);
    }
}

// Lock held. Sets the pieces that nobody has to `reading` and moves them to the front.
static size_t claim(struct vs_list_loader *loader, struct vs_piece *pieces, size_t count)
{
    size_t mine = 0;
    for (size_t i = 0; i < count; i++) {
        _Atomic uint8_t *state = &loader->states[pieces[i].kind][pieces[i].list];
        if (atomic_load_explicit(state, memory_order_relaxed) == VS_PIECE_ABSENT) {
            atomic_store_explicit(state, VS_PIECE_READING, memory_order_relaxed);
            struct vs_piece piece = pieces[i];
            pieces[i] = pieces[mine];
            pieces[mine++] = piece;
        }
    }
    return mine;
}

// Lock held.
static void settle(struct vs_list_loader *loader,
                   const struct vs_piece *pieces,
                   size_t count,
                   enum vs_piece_state state)
{
    for (size_t i = 0; i < count; i++) {
        atomic_store_explicit(&loader->states[pieces[i].kind][pieces[i].list], (uint8_t)state,
                              memory_order_release);
        loader->there[pieces[i].kind] += state == VS_PIECE_THERE;
    }
}

// Lock held; waits a little for whoever reads.
static void wait_a_little(struct vs_list_loader *loader)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&loader->changed, &loader->lock, &until);
}

static size_t still_missing(const struct vs_list_loader *loader,
                            struct vs_piece *pieces,
                            size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (!vs_loader_is_there(loader, pieces[i].kind, pieces[i].list)) {
            pieces[left++] = pieces[i];
        }
    }
    return left;
}

// Lock held; it is let go meanwhile.
static enum vs_status bring_claimed(struct vs_list_loader *loader,
                                    struct vs_piece *pieces,
                                    size_t count,
                                    bool background,
                                    struct vs_error *err)
{
    (void)pthread_mutex_unlock(&loader->lock);
    enum vs_status status = vs_loader_fetch(loader, pieces, count, background, err);
    (void)pthread_mutex_lock(&loader->lock);
    settle(loader, pieces, count, status == VS_OK ? VS_PIECE_THERE : VS_PIECE_ABSENT);
    if (loader->there[VS_PIECE_FACTS] == loader->list_count && loader->seen != NULL) {
        check_rows_apart(loader);
    }
    note_progress(loader);
    (void)pthread_cond_broadcast(&loader->changed);
    return status;
}

void vs_list_loader_take_facts(struct vs_list_loader *loader)
{
    for (uint32_t list = 0; list < loader->list_count; list++) {
        atomic_store_explicit(&loader->states[VS_PIECE_FACTS][list], VS_PIECE_THERE,
                              memory_order_release);
    }
    loader->there[VS_PIECE_FACTS] = loader->list_count;
    vs_free(loader->env, loader->seen);
    loader->seen = NULL;
}

enum vs_status vs_loader_bring(struct vs_list_loader *loader,
                               struct vs_piece *pieces,
                               size_t count,
                               bool background,
                               const struct vs_op *op,
                               struct vs_error *err)
{
    enum vs_status status = VS_OK;
    count = still_missing(loader, pieces, count);
    (void)pthread_mutex_lock(&loader->lock);
    while (count > 0 && status == VS_OK) {
        size_t mine = claim(loader, pieces, count);
        if (mine > 0) {
            status = bring_claimed(loader, pieces, mine, background, err);
        } else {
            wait_a_little(loader);
            status = vs_op_check(loader->env, op, err);
        }
        count = still_missing(loader, pieces, count);
    }
    if (status == VS_OK && loader->damage.code != VS_OK) {
        status = vs_fail(err, loader->damage.code, "%s", loader->damage.message);
    }
    (void)pthread_mutex_unlock(&loader->lock);
    return status;
}

// ---- what searches ask for ----

static enum vs_status no_memory(const struct vs_list_loader *loader, struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "%s: out of memory to read lists",
                   loader->options.file->name);
}

void vs_loader_add_missing(const struct vs_list_loader *loader,
                           enum vs_piece_kind kind,
                           uint32_t list,
                           struct vs_piece *pieces,
                           size_t *count)
{
    if (!vs_loader_is_there(loader, kind, list)) {
        pieces[(*count)++] = vs_loader_piece(loader, kind, list);
    }
}

// Rows of more lists than were asked for when they are few bytes: they take no longer, and then no
// further round is needed. Where slots have second entries, candidates come from other lists
// anyway.
static size_t stretch_near(const struct vs_list_loader *loader,
                           const uint32_t *lists,
                           size_t count,
                           size_t near_count)
{
    uint64_t bytes = 0;
    size_t i = 0;
    if (near_count == 0 || loader->options.lists->repeated) {
        return near_count;
    }
    for (; i < count; i++) {
        bytes += vs_loader_piece(loader, VS_PIECE_ROWS, lists[i]).len;
        if (i >= near_count && bytes > NEAR_BYTES) {
            break;
        }
    }
    return i;
}

enum vs_status vs_list_loader_need(struct vs_list_loader *loader,
                                   const uint32_t *lists,
                                   size_t count,
                                   size_t near_count,
                                   const struct vs_op *op,
                                   struct vs_error *err)
{
    VS_TRY(vs_op_check(loader->env, op, err));
    near_count = stretch_near(loader, lists, count, near_count < count ? near_count : count);
    size_t missing = 0, codes = vs_list_loader_has_codes(loader) ? 0 : count;
    struct vs_piece *pieces = vs_alloc_zeroed(loader->env, codes + 2 * count + 1, sizeof *pieces);
    if (pieces == NULL) {
        return no_memory(loader, err);
    }
    for (size_t i = 0; i < codes; i++) {
        vs_loader_add_missing(loader, VS_PIECE_CODES, lists[i], pieces, &missing);
    }
    bool in_file = loader->options.rows_in_file;
    for (size_t i = 0; i < (in_file ? count : near_count); i++) {
        vs_loader_add_missing(loader, VS_PIECE_FACTS, lists[i], pieces, &missing);
        if (!in_file) {
            vs_loader_add_missing(loader, VS_PIECE_ROWS, lists[i], pieces, &missing);
        }
    }
    enum vs_status status = vs_loader_bring(loader, pieces, missing, false, op, err);
    vs_free(loader->env, pieces);
    vs_loader_start(loader);
    return status;
}

// All lists of one kind, so many bytes at a time.
static enum vs_status bring_all(struct vs_list_loader *loader,
                                enum vs_piece_kind kind,
                                struct vs_piece *pieces,
                                const struct vs_op *op,
                                struct vs_error *err)
{
    for (uint32_t list = 0; list < loader->list_count;) {
        uint64_t bytes = 0;
        size_t count = 0;
        for (; list < loader->list_count && bytes < ALL_AT_ONCE; list++) {
            size_t before = count;
            vs_loader_add_missing(loader, kind, list, pieces, &count);
            bytes += count > before ? pieces[before].len : 0;
        }
        VS_TRY(vs_op_check(loader->env, op, err));
        VS_TRY(vs_loader_bring(loader, pieces, count, false, op, err));
    }
    return VS_OK;
}

static enum vs_status bring_kinds(struct vs_list_loader *loader,
                                  size_t kinds,
                                  const struct vs_op *op,
                                  struct vs_error *err)
{
    struct vs_piece *pieces = vs_alloc_zeroed(loader->env, loader->list_count, sizeof *pieces);
    if (pieces == NULL) {
        return no_memory(loader, err);
    }
    enum vs_status status = VS_OK;
    for (size_t kind = 0; kind < kinds && status == VS_OK; kind++) {
        status = bring_all(loader, (enum vs_piece_kind)kind, pieces, op, err);
    }
    vs_free(loader->env, pieces);
    return status;
}

enum vs_status vs_list_loader_need_all(struct vs_list_loader *loader,
                                       const struct vs_op *op,
                                       struct vs_error *err)
{
    return vs_list_loader_has_rows(loader) && vs_list_loader_has_codes(loader)
               ? VS_OK
               : bring_kinds(loader, VS_PIECE_ROWS, op, err);
}

enum vs_status vs_list_loader_preload(struct vs_list_loader *loader,
                                      const struct vs_op *op,
                                      struct vs_error *err)
{
    return bring_kinds(loader, loader->options.rows_in_file ? VS_PIECE_ROWS : VS_PIECE_KINDS, op,
                       err);
}
