// SPDX-License-Identifier: Apache-2.0
/*
 * The commit loop: reload, look for our own id, rebase, prepare, publish (rules R1-R5; the outcomes
 * are those of docs/adr/0015-catalog-kinds.md).
 *
 * Outcomes of a publish: it is in, others came first (conflict), nobody can tell (unknown), or it
 * failed for sure. Unknown is resolved by reading the table back and, where nothing has superseded
 * us, by sending the very same publish again; what cannot be resolved is reported as VS_UNKNOWN and
 * no file is removed.
 */
#include "vecstore/catalog/catalog_internal.h"

#include <string.h>
#include <time.h>

#define MIN_ATTEMPTS 20
#define MAX_ATTEMPTS 10000
#define TIME_LIMIT_NS (30LL * 1000 * 1000 * 1000)
#define BACKOFF_START_US 5000
#define BACKOFF_CAP_US 1000000
#define RESOLVE_TRIES 8

struct commit_loop {
    struct vs_catalog *catalog;
    const char *name;
    const struct vs_intent *intent;
    const struct vs_op *op;
    struct vs_uuid commit_id;
    struct vs_uuid table_uuid; // of the first base
    struct vs_commit_state *state;
    unsigned attempts;
    int64_t started_ns;
};

static void sleep_us(uint64_t us)
{
    struct timespec left = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0) {
    }
}

// Full jitter: anything between zero and the exponential bound.
static void back_off(const struct commit_loop *loop, unsigned round)
{
    uint64_t bound = BACKOFF_START_US;
    for (unsigned i = 1; i < round && bound < BACKOFF_CAP_US; i++) {
        bound *= 2;
    }
    bound = bound < BACKOFF_CAP_US ? bound : BACKOFF_CAP_US;
    if (loop->op != NULL && loop->op->deadline_ns != 0) {
        int64_t left_us = (loop->op->deadline_ns - vs_monotonic_ns(loop->catalog->env)) / 1000;
        bound = left_us <= 0 ? 1 : ((uint64_t)left_us < bound ? (uint64_t)left_us : bound);
    }
    sleep_us(vs_random_u64(loop->catalog->env) % bound);
}

static bool may_retry(const struct commit_loop *loop)
{
    int64_t spent = vs_monotonic_ns(loop->catalog->env) - loop->started_ns;
    return loop->attempts < MAX_ATTEMPTS &&
           (loop->attempts < MIN_ATTEMPTS || spent < TIME_LIMIT_NS);
}

static bool is_same_state(const struct vs_table *a, const struct vs_table *b)
{
    return a->metadata_uri[0] != '\0' && strcmp(a->metadata_uri, b->metadata_uri) == 0;
}

// ---- one publish, to a known outcome where there is one ----

// Reads the table back. DONE gives it in *table_out; *resend_out: it is still as it was before.
static enum vs_outcome look_back(struct commit_loop *loop,
                                 const struct vs_publish *publish,
                                 struct vs_table **table_out,
                                 bool *resend_out)
{
    const struct vs_catalog_vtable *vtable = loop->catalog->vtable;
    struct vs_table *now = NULL;
    int64_t snapshot_id;
    enum vs_outcome outcome = VS_OUTCOME_UNKNOWN;
    *resend_out = false;
    if (vtable->load(loop->catalog, loop->name, &now, NULL) != VS_OK) {
        return outcome;
    }
    if (vs_commit_find(now->metadata, loop->commit_id, &snapshot_id)) {
        *table_out = now;
        return VS_OUTCOME_DONE;
    }
    if (is_same_state(now, publish->base)) {
        *resend_out = true;
    } else if (vtable->resolve != NULL) {
        outcome = vtable->resolve(loop->catalog, publish, now);
    }
    vs_table_release(now);
    return outcome;
}

static enum vs_outcome settle(struct commit_loop *loop,
                              struct vs_publish *publish,
                              struct vs_table **table_out,
                              enum vs_status *status_out,
                              struct vs_error *err)
{
    const struct vs_catalog_vtable *vtable = loop->catalog->vtable;
    enum vs_outcome outcome = vtable->publish(loop->catalog, publish, table_out, status_out, err);
    publish->is_resend = true;
    for (unsigned i = 0; outcome == VS_OUTCOME_UNKNOWN && i < RESOLVE_TRIES; i++) {
        bool resend = false;
        if (i > 0) {
            if (vs_op_check(loop->catalog->env, loop->op, NULL) != VS_OK) {
                break;
            }
            back_off(loop, i + 1);
        }
        outcome = look_back(loop, publish, table_out, &resend);
        if (outcome != VS_OUTCOME_UNKNOWN || !resend) {
            continue;
        }
        outcome = vtable->publish(loop->catalog, publish, table_out, status_out, err);
        if (outcome == VS_OUTCOME_CONFLICT || outcome == VS_OUTCOME_FAILED) {
            outcome = VS_OUTCOME_UNKNOWN; // maybe a conflict with our first send: look again (B2)
        }
    }
    return outcome;
}

// ---- results ----

static enum vs_status unknown_outcome(const struct commit_loop *loop,
                                      int64_t snapshot_id,
                                      struct vs_error *err)
{
    char id[VS_UUID_TEXT_SIZE];
    vs_uuid_format(loop->commit_id, id);
    return vs_fail(err, VS_UNKNOWN,
                   "it could not be found out whether the commit to table '%s' took effect "
                   "(snapshot %lld, commit id %s); no file was "
                   "removed; look for that snapshot before trying again",
                   loop->name, (long long)snapshot_id, id);
}

static enum vs_status finish_done(struct commit_loop *loop,
                                  struct vs_table *table,
                                  int64_t snapshot_id,
                                  struct vs_commit_result *result_out,
                                  struct vs_error *err)
{
    struct vs_error reason = {0};
    if (table == NULL &&
        loop->catalog->vtable->load(loop->catalog, loop->name, &table, &reason) != VS_OK) {
        // The commit is in; only its description could not be had.
        return vs_fail(err, VS_UNKNOWN,
                       "snapshot %lld was committed to table '%s', but its new state could not be "
                       "read (%.200s); do not repeat the commit",
                       (long long)snapshot_id, loop->name, reason.message);
    }
    *result_out = (struct vs_commit_result){
        .table = table, .snapshot_id = snapshot_id, .attempts = loop->attempts};
    return VS_OK;
}

static enum vs_status prepare(struct commit_loop *loop,
                              const struct vs_table *base,
                              struct vs_commit_attempt *attempt_out,
                              struct vs_error *err)
{
    struct vs_intent intent = *loop->intent;
    if (intent.rebase != NULL) {
        VS_TRY(intent.rebase(intent.rebase_ctx, base->metadata, &intent, err));
    }
    return vs_commit_prepare(loop->state, base->metadata, base->metadata_uri, &intent, attempt_out,
                             err);
}

// A base whose files others have expired meanwhile is not damaged, only out of date.
static bool is_outdated(const struct commit_loop *loop,
                        const struct vs_table *base,
                        enum vs_status status)
{
    bool is_current = true;
    return (status == VS_CORRUPT || status == VS_NOT_FOUND) &&
           loop->catalog->vtable->is_current(loop->catalog, base, &is_current, NULL) == VS_OK &&
           !is_current;
}

// One attempt. *retry_out: a conflict, try on. *keep_out: files of the last attempt must stay.
static enum vs_status attempt_commit(struct commit_loop *loop,
                                     const struct vs_table *base,
                                     struct vs_commit_result *result_out,
                                     bool *retry_out,
                                     bool *keep_out,
                                     struct vs_error *err)
{
    struct vs_commit_attempt attempt;
    struct vs_table *table = NULL;
    // Before the publish nothing can have been committed, whatever a store says of an object.
    enum vs_status status = vs_status_definite(prepare(loop, base, &attempt, err), err);
    if (status != VS_OK) {
        *retry_out = is_outdated(loop, base, status);
        return status;
    }
    struct vs_publish publish = {.name = loop->name,
                                 .base = base,
                                 .next = attempt.metadata,
                                 .taken = &attempt.metadata,
                                 .commit_id = loop->commit_id,
                                 .publish_id = vs_uuid_new_v4(loop->catalog->env),
                                 .op = loop->op};
    status = VS_INTERNAL;
    switch (settle(loop, &publish, &table, &status, err)) {
    case VS_OUTCOME_DONE:
        *keep_out = true;
        status = finish_done(loop, table, attempt.snapshot_id, result_out, err);
        break;
    case VS_OUTCOME_CONFLICT:
        *retry_out = true;
        status = vs_fail(
            err, VS_CONFLICT,
            "table '%s' was changed by others at each of %u attempts; nothing was committed",
            loop->name, loop->attempts);
        break;
    case VS_OUTCOME_UNKNOWN:
        *keep_out = true;
        vs_commit_state_forget(loop->state);
        status = unknown_outcome(loop, attempt.snapshot_id, err);
        break;
    case VS_OUTCOME_FAILED:
        status = vs_status_definite(status, err);
        break;
    }
    vs_table_metadata_free(attempt.metadata);
    return status;
}

// ---- the loop ----

// R3: before every rebase, look for our own id; found means success.
static bool find_own(struct commit_loop *loop,
                     struct vs_table **base,
                     struct vs_commit_result *result_out)
{
    int64_t snapshot_id;
    if (loop->attempts <= 1 || !vs_commit_find((*base)->metadata, loop->commit_id, &snapshot_id)) {
        return false;
    }
    vs_commit_state_forget(loop->state); // whichever attempt it was: its files are the table's now
    *result_out = (struct vs_commit_result){
        .table = *base, .snapshot_id = snapshot_id, .attempts = loop->attempts - 1};
    *base = NULL;
    return true;
}

// Work that was made for one table must not land in another that took its name.
static enum vs_status check_base(struct commit_loop *loop,
                                 const struct vs_table *base,
                                 struct vs_error *err)
{
    if (loop->attempts == 1) {
        loop->table_uuid = base->metadata->uuid;
    } else if (memcmp(&loop->table_uuid, &base->metadata->uuid, sizeof loop->table_uuid) != 0) {
        return vs_fail(err, VS_NOT_FOUND,
                       "table '%s' was dropped and made anew while this commit was made; nothing "
                       "was committed",
                       loop->name);
    }
    if (loop->state == NULL) {
        VS_TRY(vs_commit_state_new(loop->catalog->env, base->store, loop->commit_id, &loop->state,
                                   err));
    }
    return loop->catalog->vtable->check_writable != NULL
               ? loop->catalog->vtable->check_writable(loop->catalog, base, err)
               : VS_OK;
}

// The first attempt builds on what the caller has just loaded where that is still the newest state:
// asking for this costs less than loading it again. The publish is conditional in any case.
static enum vs_status load_base(struct commit_loop *loop,
                                struct vs_table **base_out,
                                struct vs_error *err)
{
    const struct vs_catalog_vtable *vtable = loop->catalog->vtable;
    struct vs_table *recent = NULL;
    bool is_current = false;
    if (loop->attempts == 1 && vtable->is_current != NULL) {
        recent = vs_catalog_take_recent(loop->catalog, loop->name);
    }
    if (recent != NULL && vtable->is_current(loop->catalog, recent, &is_current, NULL) == VS_OK &&
        is_current) {
        *base_out = recent;
        return VS_OK;
    }
    vs_table_release(recent);
    return vtable->load(loop->catalog, loop->name, base_out, err);
}

static enum vs_status run_loop(struct commit_loop *loop,
                               struct vs_commit_result *result_out,
                               bool *keep_out,
                               struct vs_error *err)
{
    for (;;) {
        struct vs_table *base = NULL;
        bool retry = false;
        loop->attempts++;
        VS_TRY(vs_op_check(loop->catalog->env, loop->op, err));
        VS_TRY(load_base(loop, &base, err));
        if (find_own(loop, &base, result_out)) {
            *keep_out = true;
            return VS_OK;
        }
        enum vs_status status = check_base(loop, base, err);
        if (status == VS_OK) {
            status = attempt_commit(loop, base, result_out, &retry, keep_out, err);
        }
        vs_table_release(base);
        if (status == VS_OK || !retry || !may_retry(loop)) {
            return status;
        }
        back_off(loop, loop->attempts);
    }
}

enum vs_status vs_catalog_commit(struct vs_catalog *catalog,
                                 const char *name,
                                 const struct vs_intent *intent,
                                 const struct vs_op *op,
                                 struct vs_commit_result *result_out,
                                 struct vs_error *err)
{
    struct table_place place;
    bool keep_last = false;
    VS_TRY(vs_table_place_find(name, &place, err));
    struct commit_loop loop = {.catalog = catalog,
                               .name = place.full_name,
                               .intent = intent,
                               .op = op,
                               .commit_id = vs_uuid_new_v7(catalog->env),
                               .started_ns = vs_monotonic_ns(catalog->env)};
    enum vs_status status = run_loop(&loop, result_out, &keep_last, err);
    vs_commit_state_free(loop.state, keep_last);
    return status;
}
