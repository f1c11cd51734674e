// SPDX-License-Identifier: Apache-2.0
/*
 * The commit loop: reload, look for our own id, rebase, prepare, conditional create (rules R1-R5).
 *
 * Outcomes of the create: it is in, somebody else has that version (conflict), nobody can tell
 * (unknown), or it failed for sure. Unknown is resolved by reading the version back; what cannot be
 * resolved is reported as VS_UNKNOWN and no file is removed.
 */
#include "vecstore/catalog/catalog_internal.h"

#include <time.h>

#define MIN_ATTEMPTS 20
#define MAX_ATTEMPTS 10000
#define TIME_LIMIT_NS (30LL * 1000 * 1000 * 1000)
#define BACKOFF_START_US 5000
#define BACKOFF_CAP_US 1000000
#define RESEND_TRIES 3

enum outcome { OUTCOME_DONE, OUTCOME_CONFLICT, OUTCOME_UNKNOWN, OUTCOME_FAILED };

struct commit_loop {
    struct vs_catalog *catalog;
    const struct table_place *place;
    const struct vs_intent *intent;
    const struct vs_op *op;
    struct vs_uuid commit_id;
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
static void back_off(const struct commit_loop *loop)
{
    uint64_t bound = BACKOFF_START_US;
    for (unsigned i = 1; i < loop->attempts && bound < BACKOFF_CAP_US; i++) {
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

// A put that failed in a way that leaves open whether it took effect.
static bool is_ambiguous(enum vs_status status)
{
    return status == VS_UNKNOWN || status == VS_UNAVAILABLE || status == VS_TIMEOUT ||
           status == VS_INTERNAL;
}

// Reads version `number` back (R3): DONE when it or a later one holds our id, CONFLICT when it is
// another's.
static enum outcome read_back(struct commit_loop *loop, int64_t number, bool *absent_out)
{
    struct metadata_version version;
    struct vs_table *table = NULL;
    int64_t snapshot_id;
    bool found = false;
    *absent_out = false;
    if (vs_catalog_dir_probe(loop->catalog, loop->place, number, &version, &found, NULL) != VS_OK) {
        return OUTCOME_UNKNOWN;
    }
    if (!found) {
        *absent_out = true;
        return OUTCOME_UNKNOWN;
    }
    if (vs_catalog_dir_read(loop->catalog, loop->place, &version, &table, NULL) != VS_OK) {
        return OUTCOME_UNKNOWN;
    }
    bool is_ours = vs_commit_find(table->metadata, loop->commit_id, &snapshot_id);
    vs_table_release(table);
    return is_ours ? OUTCOME_DONE : OUTCOME_CONFLICT;
}

// The conditional create, with ambiguous answers resolved as far as possible (R4: the same request
// again, never another one).
static enum outcome publish(struct commit_loop *loop,
                            int64_t number,
                            const struct vs_table_metadata *metadata,
                            struct metadata_version *version,
                            enum vs_status *status_out,
                            struct vs_error *err)
{
    bool was_ambiguous = false;
    for (int i = 0; i < RESEND_TRIES; i++) {
        bool absent = false;
        enum vs_status status =
            vs_catalog_dir_put(loop->catalog, loop->place, number, metadata, version, err);
        if (status == VS_OK) {
            return OUTCOME_DONE;
        }
        if (status == VS_EXISTS && !was_ambiguous) {
            return OUTCOME_CONFLICT;
        }
        if (status != VS_EXISTS && !is_ambiguous(status)) {
            // Refused for certain; but an earlier send of the same request may still be on its way.
            *status_out = status;
            return was_ambiguous ? OUTCOME_UNKNOWN : OUTCOME_FAILED;
        }
        was_ambiguous = true;
        enum outcome outcome = read_back(loop, number, &absent);
        if (outcome != OUTCOME_UNKNOWN || !absent) {
            return outcome;
        }
    }
    return OUTCOME_UNKNOWN;
}

static enum vs_status check_writable(const struct commit_loop *loop,
                                     const struct vs_table *table,
                                     struct vs_error *err)
{
    if (table->version >= 0) {
        return VS_OK;
    }
    return vs_fail(err, VS_UNSUPPORTED,
                   "table '%s' is managed by another catalog (its metadata files are named "
                   "<number>-<uuid>, not vN); it can be read here, "
                   "but changes have to go through that catalog",
                   loop->place->full_name);
}

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
                   loop->place->full_name, (long long)snapshot_id, id);
}

static enum vs_status finish_done(struct commit_loop *loop,
                                  const struct metadata_version *version,
                                  struct vs_table_metadata *metadata,
                                  int64_t snapshot_id,
                                  struct vs_commit_result *result_out,
                                  struct vs_error *err)
{
    struct vs_table *table = NULL;
    vs_catalog_dir_hint(loop->catalog, loop->place, version->number);
    enum vs_status status =
        vs_table_new(loop->catalog, loop->place, version, metadata, &table, err);
    if (status != VS_OK) {
        vs_table_metadata_free(metadata);
        // The commit is in; only its description could not be made.
        return vs_fail(err, VS_UNKNOWN,
                       "snapshot %lld was committed to table '%s', but there was no memory to "
                       "describe it; do not repeat the commit",
                       (long long)snapshot_id, loop->place->full_name);
    }
    *result_out = (struct vs_commit_result){
        .table = table, .snapshot_id = snapshot_id, .attempts = loop->attempts};
    return VS_OK;
}

// One attempt. *retry_out: a conflict, try on. *keep_out: files of the last attempt must stay.
static enum vs_status attempt_commit(struct commit_loop *loop,
                                     const struct vs_table *base,
                                     struct vs_commit_result *result_out,
                                     bool *retry_out,
                                     bool *keep_out,
                                     struct vs_error *err)
{
    struct vs_intent intent = *loop->intent;
    struct vs_commit_attempt attempt;
    struct metadata_version version;
    VS_TRY(check_writable(loop, base, err));
    if (intent.rebase != NULL) {
        VS_TRY(intent.rebase(intent.rebase_ctx, base->metadata, &intent, err));
    }
    VS_TRY(
        vs_commit_prepare(loop->state, base->metadata, base->metadata_uri, &intent, &attempt, err));
    enum vs_status status = VS_INTERNAL;
    switch (publish(loop, base->version + 1, attempt.metadata, &version, &status, err)) {
    case OUTCOME_DONE:
        *keep_out = true;
        return finish_done(loop, &version, attempt.metadata, attempt.snapshot_id, result_out, err);
    case OUTCOME_CONFLICT:
        *retry_out = true;
        status = vs_fail(
            err, VS_CONFLICT,
            "table '%s' was changed by others at each of %u attempts; nothing was committed",
            loop->place->full_name, loop->attempts);
        break;
    case OUTCOME_UNKNOWN:
        *keep_out = true;
        vs_commit_state_forget(loop->state);
        status = unknown_outcome(loop, attempt.snapshot_id, err);
        break;
    case OUTCOME_FAILED:
        break;
    }
    vs_table_metadata_free(attempt.metadata);
    return status;
}

// R3: before every rebase, look for our own id; found means success.
static bool find_own(struct commit_loop *loop,
                     struct vs_table **base,
                     struct vs_commit_result *result_out)
{
    int64_t snapshot_id;
    if (loop->attempts <= 1 || !vs_commit_find((*base)->metadata, loop->commit_id, &snapshot_id)) {
        return false;
    }
    *result_out = (struct vs_commit_result){
        .table = *base, .snapshot_id = snapshot_id, .attempts = loop->attempts - 1};
    *base = NULL;
    return true;
}

static enum vs_status run_loop(struct commit_loop *loop,
                               struct vs_commit_result *result_out,
                               bool *keep_out,
                               struct vs_error *err)
{
    for (;;) {
        struct vs_table *base = NULL;
        struct metadata_version version;
        bool retry = false;
        loop->attempts++;
        VS_TRY(vs_op_check(loop->catalog->env, loop->op, err));
        VS_TRY(vs_catalog_dir_find(loop->catalog, loop->place, false, &version, err));
        VS_TRY(vs_catalog_dir_read(loop->catalog, loop->place, &version, &base, err));
        if (find_own(loop, &base, result_out)) {
            *keep_out = true;
            return VS_OK;
        }
        enum vs_status status = attempt_commit(loop, base, result_out, &retry, keep_out, err);
        vs_table_release(base);
        if (status == VS_OK || !retry || !may_retry(loop)) {
            return status;
        }
        back_off(loop);
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
                               .place = &place,
                               .intent = intent,
                               .op = op,
                               .commit_id = vs_uuid_new_v7(catalog->env),
                               .started_ns = vs_monotonic_ns(catalog->env)};
    VS_TRY(vs_commit_state_new(catalog->env, catalog->store, loop.commit_id, &loop.state, err));
    enum vs_status status = run_loop(&loop, result_out, &keep_last, err);
    vs_commit_state_free(loop.state, keep_last);
    return status;
}
