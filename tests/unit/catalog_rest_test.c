// SPDX-License-Identifier: Apache-2.0
// A REST catalog over a service in this process: what each answer to a commit means, lost answers,
// conflicts, creating, listing, currency, credentials, hostile locations.
#include "tests/support/check.h"
#include "tests/support/rest_service.h"
#include "tests/support/test_env.h"
#include "vecstore/catalog/rest_internal.h"

#include <stdlib.h>

#define UUID "0198c9d0-1111-4222-8333-444455556666"
#define COMMITS_MAX 32
#define PROPERTIES_MAX 16
#define CREDENTIALS_ENDPOINT "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials"

enum act { // what happens to a commit; positive numbers: that status, nothing applied
    APPLY = 0,
    APPLY_THEN_DROP = -1, // the answer is lost
    DROP = -2,            // the request is lost
    APPLY_THEN_500 = -3,
    OVERTAKE = -4, // another writer comes first: 409
};

struct property {
    char key[64], value[1024];
};

struct fake {
    struct rest_service *service;
    const char *config; // body of GET /v1/config
    char location[512];
    const char *table_config; // members behind "metadata", with a comma in front
    bool hides_file;          // no metadata-location
    bool has_etag;
    bool lacks_namespace; // until it is made
    bool retry_after;
    int acts[COMMITS_MAX];
    int commits, applied, version, loads, not_modified, namespaces_made, credentials;
    struct property properties[PROPERTIES_MAX];
    size_t property_count;
    char keys[COMMITS_MAX][64]; // Idempotency-Key of each commit
    char last_body[REST_BODY_MAX], log[REST_BODY_MAX];
    bool asked_for_credentials;
};

static void copy_text(char *out, size_t size, const char *text)
{
    size_t n = strlen(text) < size - 1 ? strlen(text) : size - 1;
    memcpy(out, text, n);
    out[n] = '\0';
}

static void set_property(struct fake *f, struct vs_str key, struct vs_str value)
{
    size_t at = 0;
    while (at < f->property_count && !vs_str_equal_c(key, f->properties[at].key)) {
        at++;
    }
    if (at < PROPERTIES_MAX) {
        f->property_count = at == f->property_count ? at + 1 : f->property_count;
        (void)snprintf(f->properties[at].key, 64, "%.*s", VS_STR_ARG(key));
        (void)snprintf(f->properties[at].value, 1024, "%.*s", VS_STR_ARG(value));
    }
}

static const char *property_of(const struct fake *f, const char *key)
{
    for (size_t i = 0; i < f->property_count; i++) {
        if (strcmp(f->properties[i].key, key) == 0) {
            return f->properties[i].value;
        }
    }
    return NULL;
}

static void apply(struct fake *f, const char *body)
{
    struct vs_json_doc *doc = NULL;
    struct vs_error err = {0};
    struct vs_json_iter updates, members;
    const struct vs_json *update, *value;
    struct vs_str key, text;
    REQUIRE_OK(vs_json_parse(vs_env_default(), vs_str_from_c(body), "commit", NULL, &doc, &err),
               err);
    vs_json_iter_init(&updates, vs_json_get(vs_json_root(doc), "updates"));
    while (vs_json_iter_next(&updates, NULL, &update)) {
        vs_json_iter_init(&members, vs_json_get(update, "updates"));
        while (vs_json_iter_next(&members, &key, &value)) {
            if (vs_json_to_str(value, &text)) {
                set_property(f, key, text);
            }
        }
    }
    vs_json_free(doc);
    f->version++;
    f->applied++;
}

static void write_table(const struct fake *f, struct rest_reply *reply)
{
    char file[700] = "", properties[8192] = "";
    size_t at = 0;
    for (size_t i = 0; i < f->property_count; i++) {
        at += (size_t)snprintf(properties + at, sizeof properties - at, "%s\"%s\":\"%s\"",
                               i > 0 ? "," : "", f->properties[i].key, f->properties[i].value);
    }
    if (!f->hides_file) {
        (void)snprintf(file, sizeof file, "\"metadata-location\":\"%s/metadata/%05d.json\",",
                       f->location, f->version);
    }
    (void)snprintf(
        reply->body, sizeof reply->body,
        "{%s\"metadata\":{\"format-version\":2,\"table-uuid\":\"" UUID
        "\",\"location\":\"%s\",\"last-sequence-number\":0,\"last-updated-ms\":%lld,"
        "\"last-column-id\":1,\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\","
        "\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":"
        "\"long\"}]}],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],"
        "\"last-partition-id\":999,\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,"
        "\"fields\":[]}],\"properties\":{%s},\"current-snapshot-id\":-1,\"snapshots\":[],"
        "\"refs\":{}}%s}",
        file, f->location, 1700000000000LL + f->version, properties,
        f->table_config != NULL ? f->table_config : "");
    if (f->has_etag) {
        (void)snprintf(reply->headers, sizeof reply->headers, "ETag: W/\"v%d\"\r\n", f->version);
    }
}

static void fail_with(struct fake *f, struct rest_reply *reply, int status)
{
    reply->status = status;
    (void)snprintf(reply->body, sizeof reply->body,
                   "{\"error\":{\"message\":\"scripted\",\"type\":\"Scripted\",\"code\":%d}}",
                   status);
    if (f->retry_after) {
        (void)snprintf(reply->headers, sizeof reply->headers, "Retry-After: 0\r\n");
    }
}

static void commit(struct fake *f, const struct rest_seen *seen, struct rest_reply *reply)
{
    int n = f->commits++;
    int act = n < COMMITS_MAX ? f->acts[n] : APPLY;
    if (n < COMMITS_MAX && !rest_seen_header(seen, "idempotency-key", f->keys[n], 64)) {
        f->keys[n][0] = '\0';
    }
    copy_text(f->last_body, sizeof f->last_body, seen->body);
    if (act > 0) {
        fail_with(f, reply, act);
        return;
    }
    if (act == OVERTAKE) {
        set_property(f, VS_STR("other"), VS_STR("writer"));
        f->version++;
        fail_with(f, reply, 409);
        return;
    }
    if (act != DROP) {
        apply(f, seen->body);
    }
    reply->drop = act == APPLY_THEN_DROP || act == DROP;
    if (act == APPLY_THEN_500) {
        fail_with(f, reply, 500);
        return;
    }
    write_table(f, reply);
}

static void list(const struct rest_seen *seen, struct rest_reply *reply)
{
    static const struct {
        const char *target, *body;
    } pages[] = {
        {"/v1/namespaces?pageToken=n%2F2", "{\"namespaces\":[[\"b\"]],\"next-page-token\":null}"},
        {"/v1/namespaces?parent=a&pageToken=c2", "{\"namespaces\":[[\"a\",\"y\"]]}"},
        {"/v1/namespaces?parent=a%1F", "{}"},
        {"/v1/namespaces?parent=a",
         "{\"namespaces\":[[\"a\",\"x\"],[\"a\"],[\"z\",\"z\"]],\"next-page-token\":\"c2\"}"},
        {"/v1/namespaces?parent=", "{\"namespaces\":[]}"},
        {"/v1/namespaces?", "{}"},
        {"/v1/namespaces/a/tables?pageToken=t2",
         "{\"identifiers\":[{\"namespace\":[\"a\"],\"name\":\"t0\"}]}"},
        {"/v1/namespaces/a/tables",
         "{\"identifiers\":[{\"namespace\":[\"a\"],\"name\":\"t1\"},{\"namespace\":[\"a\"],"
         "\"name\":\"bad/../name\"}],\"next-page-token\":\"t2\"}"},
        {"/v1/namespaces/b/tables", "{\"identifiers\":[{\"namespace\":[\"b\"],\"name\":\"t9\"}]}"},
        {"/v1/namespaces/a%1Fx/tables",
         "{\"identifiers\":[{\"namespace\":[\"a\",\"x\"],\"name\":\"deep\"}]}"},
        {"/v1/namespaces/", "{\"identifiers\":[]}"},
        {"/v1/namespaces", "{\"namespaces\":[[\"a\"],[\"bad name\"]],\"next-page-token\":\"n/2\"}"},
    };

    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (strncmp(seen->target, pages[i].target, strlen(pages[i].target)) == 0) {
            copy_text(reply->body, sizeof reply->body, pages[i].body);
            return;
        }
    }
}

static void answer(void *ctx, const struct rest_seen *seen, struct rest_reply *reply)
{
    struct fake *f = ctx;
    char text[256], etag[64];
    size_t used = strlen(f->log);
    (void)snprintf(f->log + used, sizeof f->log - used, "%s %.200s\n", seen->method, seen->target);
    bool is_post = strcmp(seen->method, "POST") == 0;
    bool is_table = strstr(seen->target, "/tables/t") != NULL;
    if (strstr(seen->target, "/v1/config") != NULL) {
        copy_text(reply->body, sizeof reply->body, f->config != NULL ? f->config : "{}");
    } else if (strstr(seen->target, "/credentials") != NULL) {
        (void)snprintf(reply->body, sizeof reply->body,
                       "{\"storage-credentials\":[{\"prefix\":\"s3\",\"config\":{"
                       "\"s3.access-key-id\":\"fresh-%d\",\"s3.secret-access-key\":\"x\"}}]}",
                       ++f->credentials);
    } else if (strcmp(seen->method, "DELETE") == 0) {
        reply->status = 204;
    } else if (is_post && is_table) {
        commit(f, seen, reply);
    } else if (is_post && strcmp(seen->target, "/v1/namespaces") == 0) {
        f->namespaces_made++;
        f->lacks_namespace = false;
        copy_text(reply->body, sizeof reply->body, "{}");
    } else if (is_post) { // create, register
        copy_text(f->last_body, sizeof f->last_body, seen->body);
        if (f->lacks_namespace) {
            fail_with(f, reply, 404);
        } else if (f->acts[0] > 0) {
            fail_with(f, reply, f->acts[0]);
        } else {
            write_table(f, reply);
        }
    } else if (is_table) {
        f->loads++;
        f->asked_for_credentials =
            rest_seen_header(seen, "x-iceberg-access-delegation", text, sizeof text);
        (void)snprintf(etag, sizeof etag, "W/\"v%d\"", f->version);
        if (rest_seen_header(seen, "if-none-match", text, sizeof text) && strcmp(text, etag) == 0) {
            reply->status = 304;
            f->not_modified++;
            return;
        }
        write_table(f, reply);
    } else {
        list(seen, reply);
    }
}

// ---- set-up ----

struct setting {
    struct fake *f;
    struct vs_catalog *catalog;
    char dir[256];
};

static bool open_catalog(struct setting *s, struct fake *f)
{
    struct vs_error err = {0};
    char uri[64];
    *s = (struct setting){.f = f};
    test_dir_make(s->dir, sizeof s->dir);
    if (f->location[0] == '\0') {
        (void)snprintf(f->location, sizeof f->location, "file://%s", s->dir);
    }
    f->service = rest_service_start(answer, f);
    if (f->service == NULL) {
        return false;
    }
    (void)snprintf(uri, sizeof uri, "http://127.0.0.1:%d", rest_service_port(f->service));
    const struct vs_catalog_options options = {.kind = "rest", .uri = uri};
    enum vs_status status = vs_catalog_open(vs_env_default(), &options, &s->catalog, &err);
    CHECK_OK(status, err);
    return status == VS_OK;
}

static void close_catalog(struct setting *s)
{
    vs_catalog_free(s->catalog);
    rest_service_stop(s->f->service);
    test_dir_remove(s->dir);
}

static struct rest_catalog *rest_of(struct setting *s)
{
    return (struct rest_catalog *)s->catalog;
}

// ---- publish: every row ----

static enum vs_outcome publish_once(struct setting *s,
                                    const struct vs_table *base,
                                    enum vs_status *status,
                                    struct vs_error *err)
{
    struct vs_pair pairs[PROPERTIES_MAX + 1];
    struct vs_table_metadata next = *base->metadata;
    struct vs_table_metadata *taken = &next;
    struct vs_table *table = NULL;
    for (size_t i = 0; i < next.property_count; i++) {
        pairs[i] = next.properties[i];
    }
    pairs[next.property_count++] = (struct vs_pair){VS_STR("mine"), VS_STR("yes")};
    next.properties = pairs;
    const struct vs_publish publish = {.name = "n.t",
                                       .base = base,
                                       .next = &next,
                                       .taken = &taken,
                                       .commit_id = vs_uuid_new_v7(vs_env_default()),
                                       .publish_id = vs_uuid_new_v4(vs_env_default())};
    enum vs_outcome outcome = vs_rest_publish(s->catalog, &publish, &table, status, err);
    if (outcome == VS_OUTCOME_DONE) {
        CHECK(table != NULL && vs_str_equal_c(vs_table_property(table->metadata, "mine"), "yes"));
    }
    vs_table_release(table);
    return outcome;
}

static void outcomes(void)
{
    static const struct {
        const char *name;
        int acts[4];
        bool retry_after;
        enum vs_outcome outcome;
        enum vs_status status;
        int commits;
    } rows[] = {
        {"200", {APPLY}, false, VS_OUTCOME_DONE, VS_OK, 1},
        {"400", {400}, false, VS_OUTCOME_FAILED, VS_INVALID, 1},
        {"401", {401}, false, VS_OUTCOME_FAILED, VS_UNAUTHENTICATED, 1},
        {"403", {403}, false, VS_OUTCOME_FAILED, VS_DENIED, 1},
        {"404", {404}, false, VS_OUTCOME_FAILED, VS_NOT_FOUND, 1},
        {"406", {406}, false, VS_OUTCOME_FAILED, VS_UNSUPPORTED, 1},
        {"409", {409}, false, VS_OUTCOME_CONFLICT, VS_CONFLICT, 1},
        {"419", {419}, false, VS_OUTCOME_FAILED, VS_UNAUTHENTICATED, 1},
        {"422", {422}, false, VS_OUTCOME_FAILED, VS_INVALID, 1},
        {"429 then 200", {429, APPLY}, false, VS_OUTCOME_DONE, VS_OK, 2},
        {"429 then 409", {429, 409}, false, VS_OUTCOME_CONFLICT, VS_CONFLICT, 2},
        {"500", {500}, false, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, 1},
        {"500 with Retry-After", {500}, true, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, 1},
        {"502", {502}, false, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, 1},
        {"504", {504}, false, VS_OUTCOME_UNKNOWN, VS_TIMEOUT, 1},
        {"503", {503}, false, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, 1},
        {"503 with Retry-After, then 200", {503, APPLY}, true, VS_OUTCOME_DONE, VS_OK, 2},
        {"503 with Retry-After, then 409", {503, 409}, true, VS_OUTCOME_UNKNOWN, VS_CONFLICT, 2},
        {"503 with Retry-After, then 400", {503, 400}, true, VS_OUTCOME_UNKNOWN, VS_INVALID, 2},
        {"no answer", {DROP}, false, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, 1},
        {"answer lost", {APPLY_THEN_DROP}, false, VS_OUTCOME_UNKNOWN, VS_UNAVAILABLE, 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err = {0};
        struct setting s;
        struct fake f = {.retry_after = rows[i].retry_after};
        struct vs_table *base = NULL;
        enum vs_status status = VS_INTERNAL;
        int before = check_failures;
        memcpy(f.acts, rows[i].acts, sizeof rows[i].acts);
        REQUIRE(open_catalog(&s, &f));
        REQUIRE_OK(vs_catalog_load(s.catalog, "n.t", &base, &err), err);
        CHECK(f.asked_for_credentials);
        CHECK_INT(publish_once(&s, base, &status, &err), rows[i].outcome);
        CHECK_INT(status, rows[i].status);
        CHECK_INT(f.commits, rows[i].commits);
        CHECK_TEXT(f.keys[0], ""); // the service does not advertise idempotency keys
        if (check_failures != before) {
            fprintf(stderr, "    in row \"%s\"\n", rows[i].name);
        }
        vs_table_release(base);
        close_catalog(&s);
    }
}

static void nothing_sent(void)
{
    struct vs_error err = {0};
    struct setting s;
    struct fake f = {0};
    struct vs_table *base = NULL;
    enum vs_status status = VS_OK;
    REQUIRE(open_catalog(&s, &f));
    REQUIRE_OK(vs_catalog_load(s.catalog, "n.t", &base, &err), err);
    rest_service_stop(f.service);
    f.service = NULL;
    CHECK_INT(publish_once(&s, base, &status, &err), VS_OUTCOME_FAILED);
    CHECK_INT(status, VS_UNAVAILABLE);
    vs_table_release(base);
    close_catalog(&s);
}

static void idempotency_keys(void)
{
    struct vs_error err = {0};
    struct setting s;
    struct fake f = {.config = "{\"idempotency-key-lifetime\":\"PT30M\"}",
                     .acts = {500, DROP, 502, APPLY, APPLY}};
    struct vs_table *base = NULL;
    enum vs_status status = VS_INTERNAL;
    REQUIRE(open_catalog(&s, &f));
    REQUIRE_OK(vs_catalog_load(s.catalog, "n.t", &base, &err), err);
    CHECK_INT(publish_once(&s, base, &status, &err), VS_OUTCOME_DONE);
    CHECK_INT(f.commits, 4);
    for (int i = 1; i < 4; i++) {
        CHECK_TEXT(f.keys[i], f.keys[0]);
    }
    CHECK_INT(strlen(f.keys[0]), 36);
    CHECK(f.keys[0][14] == '7');
    CHECK_INT(publish_once(&s, base, &status, &err), VS_OUTCOME_DONE);
    CHECK(strcmp(f.keys[4], f.keys[0]) != 0); // another request, another key
    vs_table_release(base);
    close_catalog(&s);
}

// ---- whole commits ----

static enum vs_status set_mine(struct setting *s,
                               struct vs_commit_result *result,
                               struct vs_error *err)
{
    const struct vs_pair pair = {VS_STR("mine"), VS_STR("yes")};
    const struct vs_intent intent = {.set_properties = &pair, .set_property_count = 1};
    return vs_catalog_commit(s->catalog, "n.t", &intent, NULL, result, err);
}

static void commits_take_effect_once(void)
{
    static const struct {
        const char *name;
        int acts[4];
        int commits;
        unsigned attempts;
    } rows[] = {
        {"plain", {APPLY}, 1, 1},
        {"the answer is lost", {APPLY_THEN_DROP}, 1, 1},
        {"applied, then 500", {APPLY_THEN_500}, 1, 1},
        {"the request is lost", {DROP, APPLY}, 2, 1},
        {"the request is lost, then the answer", {DROP, APPLY_THEN_DROP}, 2, 1},
        {"others come first", {OVERTAKE, APPLY}, 2, 2},
        {"others come first, then the answer is lost", {OVERTAKE, APPLY_THEN_DROP}, 2, 2},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vs_error err = {0};
        struct setting s;
        struct fake f = {0};
        struct vs_commit_result result = {0};
        int before = check_failures;
        memcpy(f.acts, rows[i].acts, sizeof rows[i].acts);
        REQUIRE(open_catalog(&s, &f));
        CHECK_OK(set_mine(&s, &result, &err), err);
        CHECK_INT(f.applied, 1);
        CHECK_INT(f.commits, rows[i].commits);
        CHECK_INT(result.attempts, rows[i].attempts);
        CHECK_TEXT(property_of(&f, "mine"), "yes");
        CHECK(result.table != NULL &&
              vs_str_equal_c(vs_table_property(result.table->metadata, "mine"), "yes"));
        CHECK(strstr(f.last_body, "\"identifier\":{\"namespace\":[\"n\"],\"name\":\"t\"},"
                                  "\"requirements\":[{\"type\":\"assert-table-uuid\",\"uuid\":"
                                  "\"" UUID "\"}]") != NULL);
        if (check_failures != before) {
            fprintf(stderr, "    in row \"%s\"\n", rows[i].name);
        }
        vs_table_release(result.table);
        close_catalog(&s);
    }
}

static void refusal_is_final(void)
{
    struct vs_error err = {0};
    struct setting s;
    struct fake f = {.acts = {403}};
    struct vs_commit_result result = {0};
    REQUIRE(open_catalog(&s, &f));
    CHECK_STATUS(set_mine(&s, &result, &err), VS_DENIED);
    CHECK(strstr(err.message, "Scripted: scripted") != NULL);
    CHECK_INT(f.commits, 1);
    close_catalog(&s);
}

// Ours was superseded before we looked: what the state tells about it.
static void resolving(void)
{
    struct vs_snapshot ours = {.snapshot_id = 7}, theirs = {.snapshot_id = 8};
    struct vs_ref at7 = {.name = VS_STR("main"), .snapshot_id = 7, .is_branch = true};
    struct vs_ref at8 = {.name = VS_STR("main"), .snapshot_id = 8, .is_branch = true};
    struct vs_table_metadata base = {.format_version = 2}, next = base, now = base;
    const struct vs_table base_table = {.metadata = &base}, now_table = {.metadata = &now};
    const struct vs_publish publish = {.base = &base_table, .next = &next};
    next.snapshots = &ours;
    next.refs = &at7;
    next.snapshot_count = next.ref_count = 1;
    CHECK_INT(vs_rest_resolve(NULL, &publish, &now_table), VS_OUTCOME_UNKNOWN); // may still arrive
    now.snapshots = &theirs;
    now.refs = &at8;
    now.snapshot_count = now.ref_count = 1;
    CHECK_INT(vs_rest_resolve(NULL, &publish, &now_table), VS_OUTCOME_CONFLICT); // main has moved
    now.snapshots = &ours;
    CHECK_INT(vs_rest_resolve(NULL, &publish, &now_table), VS_OUTCOME_DONE); // rolled back since
    now.uuid.bytes[3] = 1;
    CHECK_INT(vs_rest_resolve(NULL, &publish, &now_table), VS_OUTCOME_CONFLICT);
}

// ---- the other requests ----

static enum vs_status add_name(void *ctx, const char *name, struct vs_error *err)
{
    char *text = ctx;
    (void)err;
    (void)snprintf(text + strlen(text), 200 - strlen(text), "%s ", name);
    return VS_OK;
}

static void listing(void)
{
    struct vs_error err = {0};
    struct setting s;
    struct fake f = {0};
    char names[200] = "";
    REQUIRE(open_catalog(&s, &f));
    CHECK_OK(vs_catalog_list(s.catalog, add_name, names, &err), err);
    CHECK_TEXT(names, "a.t0 a.t1 a.x.deep b.t9 ");
    CHECK(strstr(f.log, "GET /v1/namespaces/a%1Fy/tables\n") != NULL);
    CHECK(strstr(f.log, "GET /v1/namespaces?parent=a%1Fx\n") != NULL);
    CHECK(strstr(f.log, "z/tables") == NULL); // not below what was asked for
    close_catalog(&s);
}

static void creating(void)
{
    struct vs_error err = {0};
    struct setting s;
    struct fake f = {.lacks_namespace = true};
    struct vs_table *table = NULL;
    struct vs_field field = {.id = 1, .name = VS_STR("id"), .kind = VS_KIND_LONG, .required = true};
    struct vs_schema schema = {.field_count = 1, .fields = &field};
    const struct vs_pair property = {VS_STR("p"), VS_STR("q")};
    struct vs_table_create create = {
        .schema = &schema, .properties = &property, .property_count = 1};
    REQUIRE(open_catalog(&s, &f));
    REQUIRE_OK(vs_catalog_create(s.catalog, "n.t", &create, &table, &err), err);
    CHECK_INT(f.namespaces_made, 1);
    CHECK_TEXT(table->name, "n.t");
    CHECK_INT(table->version, -1);
    CHECK_TEXT(f.last_body,
               "{\"name\":\"t\",\"schema\":{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{"
               "\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"}]},\"stage-create\":"
               "false,\"properties\":{\"format-version\":\"2\",\"p\":\"q\"}}");
    vs_table_release(table);
    f.acts[0] = 409;
    CHECK_STATUS(vs_catalog_create(s.catalog, "n.t", &create, &table, &err), VS_EXISTS);
    f.acts[0] = 500;
    CHECK_STATUS(vs_catalog_create(s.catalog, "n.t", &create, &table, &err), VS_UNKNOWN);
    f.acts[0] = 0;
    REQUIRE_OK(vs_catalog_register(s.catalog, "n.t", "s3://b/m.json", &table, &err), err);
    CHECK_TEXT(f.last_body, "{\"name\":\"t\",\"metadata-location\":\"s3://b/m.json\"}");
    vs_table_release(table);
    CHECK_OK(vs_catalog_drop(s.catalog, "n.t", &err), err);
    CHECK(strstr(f.log, "DELETE /v1/namespaces/n/tables/t?purgeRequested=false\n") != NULL);
    close_catalog(&s);
}

static void currency(void)
{
    for (int kind = 0; kind < 3; kind++) { // ETag; metadata-location; neither
        struct vs_error err = {0};
        struct setting s;
        struct fake f = {.has_etag = kind == 0, .hides_file = kind == 2};
        struct vs_table *table = NULL;
        bool current = false;
        REQUIRE(open_catalog(&s, &f));
        REQUIRE_OK(vs_catalog_load(s.catalog, "n.t", &table, &err), err);
        CHECK(table->metadata_uri[0] != '\0');
        CHECK_OK(vs_catalog_is_current(s.catalog, table, &current, &err), err);
        CHECK(current);
        CHECK_INT(f.not_modified, kind == 0);
        f.version++;
        CHECK_OK(vs_catalog_is_current(s.catalog, table, &current, &err), err);
        CHECK(!current);
        vs_table_release(table);
        close_catalog(&s);
    }
}

static void check_load(struct setting *s, enum vs_status expected, const char *words)
{
    struct vs_error err = {0};
    struct vs_table *table = NULL;
    CHECK_STATUS(vs_catalog_load(s->catalog, "n.t", &table, &err), expected);
    CHECK(words == NULL || strstr(err.message, words) != NULL);
    vs_table_release(table);
}

static void hostile_answers(void)
{
    struct setting s;
    struct fake f = {0};
    char local[512];
    REQUIRE(open_catalog(&s, &f));
    check_load(&s, VS_OK, NULL);
    rest_of(&s)->client->is_loopback = false;
    check_load(&s, VS_DENIED, "rest.allow-file-locations");
    rest_of(&s)->client->allow_files = true;
    check_load(&s, VS_OK, NULL);
    copy_text(local, sizeof local, f.location);
    copy_text(f.location, sizeof f.location, "gs://bucket/t");
    check_load(&s, VS_UNSUPPORTED, "gs://bucket/t");
    copy_text(f.location, sizeof f.location, "relative/t");
    check_load(&s, VS_UNSUPPORTED, "relative/t");
    copy_text(f.location, sizeof f.location, local);
    f.table_config = ",\"config\":{\"scan-planning-mode\":\"server\"}";
    check_load(&s, VS_UNSUPPORTED, "scan-planning-mode");
    f.table_config = ",\"config\":{\"scan-planning-mode\":\"client\"}";
    check_load(&s, VS_OK, NULL);
    close_catalog(&s);
}

// The credentials of the longest prefix; others are fetched when they have run out.
static void check_credentials(const char *endpoints,
                              const char *expires,
                              const char *expected,
                              const char *request)
{
    struct vs_error err = {0};
    struct setting s;
    char config[512], table_config[512];
    struct fake f = {.config = config, .location = "s3://bucket/t", .table_config = table_config};
    struct vs_table *table = NULL, *again = NULL;
    struct vs_buf text;
    struct vs_aws_credentials credentials;
    (void)snprintf(config, sizeof config,
                   "{\"defaults\":{\"client.region\":\"r\",\"s3.endpoint\":"
                   "\"http://127.0.0.1:1\"}%s}",
                   endpoints);
    (void)snprintf(table_config, sizeof table_config,
                   ",\"config\":{\"s3.access-key-id\":\"plain\",\"s3.secret-access-key\":\"x\"},"
                   "\"storage-credentials\":[{\"prefix\":\"s3://bucket\",\"config\":{"
                   "\"s3.access-key-id\":\"vended\",\"s3.secret-access-key\":\"y\","
                   "\"s3.session-token-expires-at-ms\":\"%s\"}}]",
                   expires);
    REQUIRE(open_catalog(&s, &f));
    REQUIRE_OK(vs_catalog_load(s.catalog, "n.t", &table, &err), err);
    struct vs_aws_provider *provider = vs_store_credentials(table->store);
    REQUIRE(provider != NULL);
    f.log[0] = '\0';
    vs_buf_init(&text, vs_env_default(), 1 << 16);
    enum vs_status status = vs_aws_provider_get(provider, false, &text, &credentials, &err);
    if (expected != NULL) {
        CHECK_OK(status, err);
        CHECK(status == VS_OK && vs_str_equal_c(credentials.access_key, expected));
    } else {
        CHECK_INT(status, VS_DENIED); // the table gives those that have run out again
    }
    CHECK_TEXT(f.log, request);
    CHECK_OK(vs_catalog_load(s.catalog, "n.t", &again, &err), err);
    CHECK(again != NULL && again->store == table->store);
    vs_buf_clear(&text);
    vs_table_release(table);
    vs_table_release(again);
    close_catalog(&s);
}

static void vended_credentials(void)
{
    static const char has[] = ",\"endpoints\":[\"" CREDENTIALS_ENDPOINT "\"]";
    check_credentials(has, "99999999999999", "vended", "");
    check_credentials(has, "1000", "fresh-1", "GET /v1/namespaces/n/tables/t/credentials\n");
    check_credentials("", "1000", NULL, "GET /v1/namespaces/n/tables/t?snapshots=refs\n");
}

// Open, load, look, change: every allocation fails once; nothing leaks, and what is reported as
// done is done.
static void failing_allocations(void)
{
    const struct vs_pair pair = {VS_STR("mine"), VS_STR("yes")};
    const struct vs_intent intent = {.set_properties = &pair, .set_property_count = 1};
    char uri[64], dir[256];
    struct fake f = {.has_etag = true};
    test_dir_make(dir, sizeof dir);
    (void)snprintf(f.location, sizeof f.location, "file://%s", dir);
    f.service = rest_service_start(answer, &f);
    REQUIRE(f.service != NULL);
    (void)snprintf(uri, sizeof uri, "http://127.0.0.1:%d", rest_service_port(f.service));
    const struct vs_catalog_options options = {.kind = "rest", .uri = uri};
    bool done = false;
    for (long n = 0; !done && n < 5000; n++) {
        struct test_env t;
        struct vs_error err = {0};
        struct vs_catalog *catalog = NULL;
        struct vs_table *table = NULL;
        struct vs_commit_result result = {0};
        bool current = false;
        f.applied = f.commits = 0;
        f.property_count = 0;
        f.log[0] = '\0';
        test_env_init(&t);
        t.fail_at = n;
        enum vs_status status = vs_catalog_open(&t.env, &options, &catalog, &err);
        if (status == VS_OK) {
            status = vs_catalog_load(catalog, "n.t", &table, &err);
        }
        if (status == VS_OK) {
            status = vs_catalog_is_current(catalog, table, &current, &err);
        }
        if (status == VS_OK) {
            status = vs_catalog_commit(catalog, "n.t", &intent, NULL, &result, &err);
            CHECK(f.applied <= 1);
            CHECK(status != VS_OK || f.applied == 1);
            CHECK(f.applied == 0 || status == VS_OK || status == VS_UNKNOWN);
        }
        vs_table_release(result.table);
        vs_table_release(table);
        vs_catalog_free(catalog);
        CHECK_INT(t.live, 0);
        done = !t.failed;
        if (done) {
            CHECK_OK(status, err);
            CHECK(n > 50);
        }
    }
    CHECK(done);
    rest_service_stop(f.service);
    test_dir_remove(dir);
}

TEST_MAIN(TEST(outcomes),
          TEST(nothing_sent),
          TEST(idempotency_keys),
          TEST(commits_take_effect_once),
          TEST(refusal_is_final),
          TEST(resolving),
          TEST(listing),
          TEST(creating),
          TEST(currency),
          TEST(hostile_answers),
          TEST(vended_credentials),
          TEST(failing_allocations))
