// SPDX-License-Identifier: Apache-2.0
/*
 * One commit request and its outcome (iceberg.md 2.3).
 *
 * The request goes out on a fresh connection, so that nothing below repeats it (R2). It is sent
 * again here only where it was not processed (a refused token, 429), where the service said when to
 * come back (503 with Retry-After), or where it knows the request by an Idempotency-Key. Once a
 * send may have been processed, no later answer but success is trusted: the loop reads the table
 * back and looks for the commit's id.
 */
#include "vecstore/catalog/rest_internal.h"
#include "vecstore/iceberg/metadata_diff.h"

#include <stdio.h>
#include <string.h>

#define COMMIT_TRIES 6

struct commit_send {
    struct rest_catalog *rest;
    const struct vs_publish *publish;
    struct vs_buf url, body;
    char key[VS_UUID_TEXT_SIZE];
    char what[320];
};

// The key of a publish and its resends: version 7 with the time of the commit id and the random
// bits of the publish.
static void make_key(const struct vs_publish *publish, char key_out[VS_UUID_TEXT_SIZE])
{
    struct vs_uuid uuid = publish->publish_id;
    memcpy(uuid.bytes, publish->commit_id.bytes, 6);
    uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0F) | 0x70);
    uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3F) | 0x80);
    vs_uuid_format(uuid, key_out);
}

static enum vs_status write_body(struct commit_send *send, struct vs_error *err)
{
    struct vs_rest_name name = vs_rest_name_of(send->publish->name);
    struct vs_json_writer w;
    vs_json_writer_init(&w, &send->body, false);
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "identifier");
    vs_jw_object_begin(&w);
    vs_jw_key(&w, "namespace");
    vs_rest_write_namespace(&w, name.ns);
    vs_jw_key(&w, "name");
    vs_jw_str(&w, name.table);
    vs_jw_object_end(&w);
    VS_TRY(vs_metadata_diff(send->rest->catalog.env, send->publish->base->metadata,
                            send->publish->next, &w, err));
    vs_jw_object_end(&w);
    return vs_json_writer_finish(&w, err);
}

// The table of the answer; NULL where it cannot be used: the loop then loads it. Some services
// answer with the newest snapshot alone.
static struct vs_table *read_table(const struct commit_send *send,
                                   const struct vs_http_response *response)
{
    const struct vs_publish *publish = send->publish;
    struct vs_rest_table answer;
    struct vs_table *table = NULL;
    if (vs_rest_table_parse(send->rest->catalog.env, vs_buf_view(&response->body), publish->name,
                            true, &answer, NULL) != VS_OK) {
        return NULL;
    }
    bool is_whole =
        answer.metadata->snapshot_count >= publish->next->snapshot_count &&
        memcmp(&answer.metadata->uuid, &publish->next->uuid, sizeof publish->next->uuid) == 0 &&
        vs_str_equal(answer.metadata->location, publish->next->location);
    if (is_whole) {
        vs_ignore(vs_rest_table_make(send->rest, publish->name, &answer, publish->base->store,
                                     &table, NULL));
    }
    vs_rest_table_clear(&answer);
    if (table != NULL) {
        vs_rest_etag_put(send->rest, publish->name, table->metadata_uri,
                         vs_http_header(response, "etag"));
    }
    return table;
}

// What the last send came to; *wait_ms >= -1: may be sent again, not before that.
static enum vs_outcome judge(const struct commit_send *send,
                             const struct vs_http_response *response,
                             bool *again_out,
                             int64_t *wait_ms)
{
    bool has_key = send->rest->client->config.has_idempotency;
    *again_out = false;
    *wait_ms = -1;
    if (response->outcome == VS_HTTP_NOT_SENT) {
        return VS_OUTCOME_FAILED;
    }
    if (response->outcome == VS_HTTP_AMBIGUOUS) {
        *again_out = has_key;
        return VS_OUTCOME_UNKNOWN;
    }
    const struct vs_rest_rule *rule = vs_rest_rule_of(response->status);
    *wait_ms = vs_rest_retry_after_ms(response);
    *again_out = rule->retry == VS_REST_RETRY_BACKOFF ||
                 (rule->retry == VS_REST_RETRY_AFTER && *wait_ms >= 0) ||
                 (rule->commit == VS_OUTCOME_UNKNOWN && has_key);
    return rule->commit;
}

static enum vs_outcome send_commit(struct commit_send *send,
                                   struct vs_table **table_out,
                                   enum vs_status *status_out,
                                   struct vs_error *err)
{
    struct vs_rest_client *client = send->rest->client;
    struct vs_rest_request request = {.method = VS_HTTP_POST,
                                      .url = &send->url,
                                      .body = vs_buf_view(&send->body),
                                      .idempotency_key = send->key,
                                      .fresh_connection = true,
                                      .op = send->publish->op,
                                      .what = send->what};
    bool may_be_done = false, again = true;
    enum vs_outcome outcome = VS_OUTCOME_FAILED;
    int64_t wait_ms = -1;
    for (unsigned attempt = 0; again && attempt < COMMIT_TRIES; attempt++) {
        struct vs_http_response response;
        if (attempt > 0 && !vs_rest_wait(client, request.op, attempt, wait_ms)) {
            break; // what the last send came to stands
        }
        vs_http_response_init(&response, client->env, VS_REST_BODY_MAX);
        *status_out = vs_rest_send(client, &request, &response, err);
        if (*status_out == VS_LIMIT || *status_out == VS_NO_MEMORY) {
            // an answer may have come that could not be read
            outcome = VS_OUTCOME_UNKNOWN;
            again = false;
        } else if (*status_out != VS_OK) { // nothing was sent: deadline, memory, token
            outcome = VS_OUTCOME_FAILED;
            again = false;
        } else {
            outcome = judge(send, &response, &again, &wait_ms);
            if (outcome == VS_OUTCOME_DONE) {
                *table_out = read_table(send, &response);
            } else {
                *status_out = vs_rest_fail(client, &response, send->what, err);
            }
        }
        vs_http_response_clear(&response);
        may_be_done = may_be_done || outcome == VS_OUTCOME_UNKNOWN;
    }
    return may_be_done && outcome != VS_OUTCOME_DONE ? VS_OUTCOME_UNKNOWN : outcome;
}

enum vs_outcome vs_rest_publish(struct vs_catalog *catalog,
                                const struct vs_publish *publish,
                                struct vs_table **table_out,
                                enum vs_status *status_out,
                                struct vs_error *err)
{
    struct commit_send send = {.rest = (struct rest_catalog *)catalog, .publish = publish};
    enum vs_outcome outcome = VS_OUTCOME_FAILED;
    make_key(publish, send.key);
    (void)snprintf(send.what, sizeof send.what, "commit to table '%.256s'", publish->name);
    vs_buf_init(&send.url, catalog->env, VS_REST_URL_MAX);
    vs_buf_init(&send.body, catalog->env, VS_REST_BODY_MAX);
    *status_out = vs_rest_url_table(send.rest->client, publish->name, "", &send.url, err);
    if (*status_out == VS_OK) {
        *status_out = write_body(&send, err);
    }
    if (*status_out == VS_OK) {
        outcome = send_commit(&send, table_out, status_out, err);
    }
    vs_buf_clear(&send.body);
    vs_buf_clear(&send.url);
    return outcome;
}

static int64_t ref_target(const struct vs_table_metadata *m, struct vs_str name)
{
    const struct vs_ref *ref = vs_table_ref(m, name);
    return ref != NULL ? ref->snapshot_id : VS_NO_SNAPSHOT;
}

// A snapshot of ours that the table has or had shows that we came through. Otherwise a ref that our
// request asserted and that stands elsewhere now proves that it was not applied and will be
// refused; without such a ref it may still arrive.
enum vs_outcome vs_rest_resolve(struct vs_catalog *catalog,
                                const struct vs_publish *publish,
                                const struct vs_table *now)
{
    const struct vs_table_metadata *base = publish->base->metadata, *next = publish->next;
    (void)catalog;
    if (memcmp(&base->uuid, &now->metadata->uuid, sizeof base->uuid) != 0) {
        return VS_OUTCOME_CONFLICT; // another table by that name: assert-table-uuid refuses us
    }
    for (size_t i = next->snapshot_count; i > 0; i--) {
        int64_t id = next->snapshots[i - 1].snapshot_id;
        if (vs_table_snapshot(base, id) == NULL && vs_table_snapshot(now->metadata, id) != NULL) {
            return VS_OUTCOME_DONE;
        }
    }
    for (size_t i = 0; i < next->ref_count; i++) {
        struct vs_str name = next->refs[i].name;
        int64_t before = ref_target(base, name);
        if (before != next->refs[i].snapshot_id && ref_target(now->metadata, name) != before) {
            return VS_OUTCOME_CONFLICT;
        }
    }
    return VS_OUTCOME_UNKNOWN;
}
