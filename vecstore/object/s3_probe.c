// SPDX-License-Identifier: Apache-2.0
/*
 * The start-up test of a store: that it keeps the conditions by which commits are decided. A store
 * that ignores them loses commits without a word, so it is refused for writing.
 */
#include "vecstore/base/uuid.h"
#include "vecstore/object/s3_internal.h"

#include <string.h>

#define PROBE_TRIES 3
#define STALE_TAG "\"00000000000000000000000000000000\""

struct probe {
    struct vs_s3_store *store;
    const char *key;
};

static enum vs_status refuse(const struct probe *probe, const char *what, struct vs_error *err)
{
    return vs_fail(err, VS_UNSUPPORTED,
                   "%s cannot be written to: the store %s, so that two writers could both believe "
                   "to have committed; use a store that keeps If-None-Match and If-Match",
                   probe->store->base.root_uri, what);
}

static enum vs_status create(const struct probe *probe, struct vs_str text, struct vs_error *err)
{
    return vs_s3_put(&probe->store->base, probe->key, text, VS_PUT_IF_ABSENT, err);
}

static enum vs_status first_create(const struct probe *probe, struct vs_error *err)
{
    struct vs_error reason = {0};
    enum vs_status status = create(probe, VS_STR("first"), &reason);
    if (status == VS_EXISTS) {
        return refuse(probe, "refuses a conditional create of an object that does not exist", err);
    }
    if (status != VS_OK) {
        return vs_fail(err, status == VS_UNKNOWN ? VS_UNAVAILABLE : status,
                       "cannot prove that %.100s keeps conditional writes: %.300s",
                       probe->store->base.root_uri, reason.message);
    }
    return VS_OK;
}

// The create must be refused, for what it is.
static enum vs_status must_lose(const struct probe *probe, const char *what, struct vs_error *err)
{
    struct vs_error reason = {0};
    enum vs_status status = create(probe, VS_STR("second"), &reason);
    if (status == VS_EXISTS) {
        return VS_OK;
    }
    if (status == VS_OK) {
        return refuse(probe, what, err);
    }
    return vs_fail(err, status == VS_UNKNOWN ? VS_UNAVAILABLE : status,
                   "cannot prove that %.100s keeps conditional writes: %.300s",
                   probe->store->base.root_uri, reason.message);
}

static enum vs_status stale_match_must_lose(const struct probe *probe, struct vs_error *err)
{
    struct vs_error reason = {0};
    enum vs_status status =
        vs_s3_put_match(&probe->store->base, probe->key, VS_STR("stale"), STALE_TAG, &reason);
    if (status == VS_CONFLICT) {
        return VS_OK;
    }
    if (status == VS_OK) {
        return refuse(probe, "replaces an object although its If-Match names another state", err);
    }
    return vs_fail(err, status == VS_UNKNOWN ? VS_UNAVAILABLE : status,
                   "cannot prove that %.100s keeps conditional writes: %.300s",
                   probe->store->base.root_uri, reason.message);
}

// The fewest requests that catch stores that ignore conditions, always or for some objects only:
// nothing is taken from what they say of a request that has to succeed.
static enum vs_status run_probe(const struct probe *probe, struct vs_error *err)
{
    VS_TRY(first_create(probe, err));
    VS_TRY(stale_match_must_lose(probe, err));
    // Some stores keep the condition only for objects that were written once.
    VS_TRY(vs_s3_put(&probe->store->base, probe->key, VS_STR("replaced"), VS_PUT_ANY, err));
    return must_lose(probe, "ignores If-None-Match, at least for an object that was overwritten",
                     err);
}

// With a key of its own. UNAVAILABLE: an answer was lost, so that nothing is proved.
static enum vs_status try_probe(struct vs_store *store, const char *prefix, struct vs_error *err)
{
    struct probe probe = {.store = (struct vs_s3_store *)store};
    char id[VS_UUID_TEXT_SIZE];
    struct vs_buf key;
    struct vs_error ignored = {0};
    size_t len = strlen(prefix);
    vs_uuid_format(vs_uuid_new_v4(store->env), id);
    vs_buf_init(&key, store->env, VS_KEY_SIZE_MAX);
    enum vs_status status = vs_buf_printf(&key, err, "%s%s.vecstore-probe-%s", prefix,
                                          len > 0 && prefix[len - 1] != '/' ? "/" : "", id);
    if (status == VS_OK && vs_buf_c_str(&key) == NULL) {
        status = vs_fail(err, VS_NO_MEMORY, "out of memory testing %s", store->root_uri);
    }
    if (status == VS_OK) {
        probe.key = (const char *)key.data;
        status = run_probe(&probe, err);
        vs_ignore(vs_s3_remove(store, probe.key, &ignored));
    }
    vs_buf_clear(&key);
    return status;
}

enum vs_status vs_s3_check_writable(struct vs_store *store,
                                    const char *prefix,
                                    struct vs_error *err)
{
    enum vs_status status = VS_UNAVAILABLE;
    for (int i = 0; i < PROBE_TRIES && status == VS_UNAVAILABLE; i++) {
        status = try_probe(store, prefix, err);
    }
    return status;
}
