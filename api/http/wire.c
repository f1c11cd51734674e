// SPDX-License-Identifier: Apache-2.0
#include "api/http/wire.h"

#include "api/http/body_scan.h"
#include "api/http/float_input.h"
#include "api/http/suggest.h"
#include "api/http/wire_read.h"

#include <string.h>

#define MAX_RERANK 1000000
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char what_body[] = "request body";

static enum vs_status no_memory(struct vs_error *err)
{
    return vs_fail(err, VS_NO_MEMORY, "out of memory for the request");
}

// ---- query ----

static const char *const query_members[] = {
    "vector",         "vectors",       "id",        "k",      "filter", "select",  "at",
    "column",         "recall_target", "nprobe",    "rerank", "exact",  "rescore", "min_score",
    "include_vector", "explain",       "timeout_ms"};

// The body with its vector cut out.
struct slim_body {
    struct vs_str text;
    struct vs_float_input floats; // values NULL: nothing was cut
};

// "null" stands where the array stood, so that the reader still sees the member (and a second one).
static bool cut(struct vs_arena *arena,
                struct vs_str body,
                struct vs_str array,
                struct vs_str *text_out)
{
    size_t before = (size_t)(array.ptr - body.ptr), after = body.len - before - array.len;
    char *text = vs_arena_alloc(arena, before + 4 + after + 1);
    if (text == NULL) {
        return false;
    }
    memcpy(text, body.ptr, before);
    memcpy(text + before, "null", 4);
    memcpy(text + before + 4, array.ptr + array.len, after);
    *text_out = (struct vs_str){text, before + 4 + after};
    return true;
}

static struct slim_body slim_down(struct vs_arena *arena, struct vs_str body)
{
    struct slim_body slim = {.text = body};
    struct vs_body_scan scan;
    struct vs_body_member member;
    vs_body_scan_init(&scan, body);
    while (vs_body_scan_next(&scan, &member)) {
        bool one = vs_str_equal_c(member.key, "vector"),
             several = vs_str_equal_c(member.key, "vectors");
        if (!one && !several) {
            continue;
        }
        struct vs_float_input floats;
        struct vs_str text;
        if (vs_floats_from_text(arena, member.value, several, &floats) &&
            cut(arena, body, member.value, &text)) {
            slim = (struct slim_body){text, floats};
        }
        break;
    }
    return slim;
}

static enum vs_status read_target(struct vs_arena *arena,
                                  const struct vs_json *root,
                                  const struct slim_body *slim,
                                  struct vs_query_options *options,
                                  struct vs_error *err)
{
    const struct vs_json *vector = vs_json_get(root, "vector"),
                         *vectors = vs_json_get(root, "vectors");
    const struct vs_json *id = vs_json_get(root, "id");
    if ((vector != NULL) + (vectors != NULL) + (id != NULL) != 1) {
        return vs_fail(err, VS_INVALID, "a query needs exactly one of vector, vectors and id");
    }
    if (id != NULL) {
        return vs_read_id(arena, id, "id", &options->like_id, err);
    }
    struct vs_float_input floats = slim->floats;
    if (floats.values == NULL) {
        VS_TRY(vs_floats_from_json(arena, vector != NULL ? vector : vectors, vectors != NULL,
                                   &floats, err));
    }
    options->vectors = floats.values;
    options->vector_count = floats.count;
    options->dim = floats.dim;
    return VS_OK;
}

// Adds the failure of one bound to the others, so that a client learns of all of them at once.
static enum vs_status collect(enum vs_status so_far,
                              enum vs_status status,
                              const struct vs_error *one,
                              struct vs_error *all)
{
    if (status != VS_LIMIT || so_far != VS_LIMIT) {
        if (status != VS_OK && all != NULL) {
            *all = *one;
        }
        return status == VS_OK ? so_far : status;
    }
    struct vs_error before = all != NULL ? *all : (struct vs_error){0};
    return vs_fail(all, VS_LIMIT, "%.*s; %.*s", 240, before.message, 240, one->message);
}

struct query_counts {
    int64_t k, nprobe, rerank, timeout_ms;
};

static enum vs_status read_counts(const struct vs_json *root,
                                  const struct vs_wire_bounds *bounds,
                                  struct query_counts *counts,
                                  struct vs_error *err)
{
    const struct {
        const char *key;
        int64_t max;
        int64_t *out;
    } list[] = {
        {"k", VS_MAX_K, &counts->k},
        {"nprobe", UINT32_MAX, &counts->nprobe},
        {"rerank", MAX_RERANK, &counts->rerank},
        {"timeout_ms", bounds->max_timeout_ms, &counts->timeout_ms},
    };
    enum vs_status status = VS_OK;
    for (size_t i = 0; i < COUNT_OF(list) && (status == VS_OK || status == VS_LIMIT); i++) {
        struct vs_error one = {0};
        enum vs_status read = vs_read_count(root, list[i].key, 1, list[i].max, list[i].out, &one);
        status = collect(status, read, &one, err);
    }
    return status;
}

static enum vs_status read_numbers(const struct vs_json *root,
                                   const struct vs_wire_bounds *bounds,
                                   struct vs_wire_query *query,
                                   struct vs_error *err)
{
    struct vs_query_options *options = &query->options;
    struct query_counts counts = {.timeout_ms = bounds->default_timeout_ms};
    VS_TRY(read_counts(root, bounds, &counts, err));
    options->k = (size_t)counts.k;
    options->nprobe = (uint32_t)counts.nprobe;
    options->rerank = (uint32_t)counts.rerank;
    query->timeout_ms = counts.timeout_ms;
    bool has_target = false;
    VS_TRY(vs_read_number(root, "recall_target", &has_target, &options->recall_target, err));
    if (has_target && !(options->recall_target > 0 && options->recall_target <= 1)) {
        return vs_fail(err, VS_INVALID, "recall_target is %g; it must be above 0 and at most 1",
                       (double)options->recall_target);
    }
    return vs_read_number(root, "min_score", &options->has_min_score, &options->min_score, err);
}

static enum vs_status read_query(struct vs_arena *arena,
                                 const struct vs_json *root,
                                 const struct slim_body *slim,
                                 const struct vs_wire_bounds *bounds,
                                 struct vs_wire_query *query,
                                 struct vs_error *err)
{
    struct vs_query_options *options = &query->options;
    VS_TRY(vs_members_check(root, what_body, query_members, COUNT_OF(query_members), err));
    VS_TRY(read_numbers(root, bounds, query, err));
    VS_TRY(read_target(arena, root, slim, options, err));
    VS_TRY(vs_read_text(arena, root, "column", &options->vector_column, err));
    VS_TRY(vs_read_filter(arena, root, &options->filter, &options->filter_json, err));
    VS_TRY(vs_read_texts(arena, root, "select", &options->select, &options->select_count, err));
    options->select_none = options->select != NULL && options->select_count == 0;
    VS_TRY(vs_read_at(arena, root, &options->at, err));
    VS_TRY(vs_read_bool(root, "exact", &options->exact, err));
    VS_TRY(vs_read_bool(root, "rescore", &options->rescore, err));
    VS_TRY(vs_read_bool(root, "include_vector", &options->include_vector, err));
    return vs_read_bool(root, "explain", &options->explain, err);
}

enum vs_status vs_wire_query_json(struct vs_arena *arena,
                                  struct vs_str body,
                                  const struct vs_wire_bounds *bounds,
                                  struct vs_wire_query *out,
                                  struct vs_error *err)
{
    struct slim_body slim = slim_down(arena, body);
    struct vs_json_doc *doc = NULL;
    struct vs_wire_query query = {.options.size = sizeof query.options};
    enum vs_status status = vs_json_parse(arena->env, slim.text, what_body, NULL, &doc, err);
    if (status != VS_OK && slim.floats.values != NULL) {
        // Once more with the whole text, for the right position in the message.
        status = vs_json_parse(arena->env, body, what_body, NULL, &doc, err);
        slim.floats.values = NULL;
    }
    if (status == VS_OK) {
        status = read_query(arena, vs_json_root(doc), &slim, bounds, &query, err);
    }
    vs_json_free(doc);
    if (status == VS_OK) {
        *out = query;
    }
    return status;
}

// ---- query with a raw body ----

static const char *const raw_params[] = {
    "vectors", "k",          "filter",      "select",  "column",    "recall_target",
    "nprobe",  "rerank",     "exact",       "rescore", "min_score", "include_vector",
    "explain", "timeout_ms", "snapshot_id", "as_of",   "ref"};

static enum vs_status param_count(const struct vs_http_request *request,
                                  const char *name,
                                  int64_t max,
                                  int64_t *out,
                                  struct vs_error *err)
{
    struct vs_str text = vs_request_param(request, name);
    int64_t value;
    if (text.ptr == NULL) {
        return VS_OK;
    }
    if (vs_parse_i64(text, &value, NULL) != VS_OK) {
        return vs_fail(err, VS_INVALID, "%s is '%.*s', expected an integer", name,
                       VS_STR_ARG(text));
    }
    VS_TRY(vs_check_count(name, value, 1, max, err));
    *out = value;
    return VS_OK;
}

static enum vs_status param_number(const struct vs_http_request *request,
                                   const char *name,
                                   bool *has_out,
                                   float *out,
                                   struct vs_error *err)
{
    struct vs_str text = vs_request_param(request, name);
    double value;
    if (text.ptr == NULL) {
        return VS_OK;
    }
    if (vs_parse_f64(text, &value, NULL) != VS_OK || !(value > -3e38 && value < 3e38)) {
        return vs_fail(err, VS_INVALID, "%s is '%.*s', expected a number", name, VS_STR_ARG(text));
    }
    *out = (float)value;
    *has_out = true;
    return VS_OK;
}

static enum vs_status raw_select(const struct vs_http_request *request,
                                 struct vs_query_options *options,
                                 struct vs_error *err)
{
    struct vs_str text = vs_request_param(request, "select"), rest = text, one, tail;
    size_t count = 1;
    if (text.ptr == NULL) {
        return VS_OK;
    }
    if (text.len == 0) {
        options->select_none = true;
        return VS_OK;
    }
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == ',';
    }
    const char **names = vs_arena_alloc_array(request->arena, count, sizeof *names);
    if (names == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        one = vs_str_split(rest, ',', &one, &tail) ? one : rest;
        rest = tail;
        names[i] = vs_arena_copy_str(request->arena, vs_str_trim(one)).ptr;
        if (names[i] == NULL) {
            return no_memory(err);
        }
    }
    options->select = names;
    options->select_count = count;
    return VS_OK;
}

static enum vs_status raw_at(const struct vs_http_request *request,
                             struct vs_at *at,
                             struct vs_error *err)
{
    VS_TRY(param_count(request, "snapshot_id", INT64_MAX, &at->snapshot_id, err));
    at->as_of = vs_request_param(request, "as_of").ptr;
    at->ref = vs_request_param(request, "ref").ptr;
    return vs_check_at(at, err);
}

static enum vs_status raw_numbers(const struct vs_http_request *request,
                                  const struct vs_wire_bounds *bounds,
                                  struct vs_wire_query *query,
                                  struct vs_error *err)
{
    int64_t k = 0, nprobe = 0, rerank = 0;
    bool has_target = false;
    struct vs_query_options *options = &query->options;
    query->timeout_ms = bounds->default_timeout_ms;
    VS_TRY(param_count(request, "k", VS_MAX_K, &k, err));
    VS_TRY(param_count(request, "nprobe", UINT32_MAX, &nprobe, err));
    VS_TRY(param_count(request, "rerank", MAX_RERANK, &rerank, err));
    VS_TRY(param_count(request, "timeout_ms", bounds->max_timeout_ms, &query->timeout_ms, err));
    options->k = (size_t)k;
    options->nprobe = (uint32_t)nprobe;
    options->rerank = (uint32_t)rerank;
    VS_TRY(param_number(request, "recall_target", &has_target, &options->recall_target, err));
    if (has_target && !(options->recall_target > 0 && options->recall_target <= 1)) {
        return vs_fail(err, VS_INVALID, "recall_target is %g; it must be above 0 and at most 1",
                       (double)options->recall_target);
    }
    return param_number(request, "min_score", &options->has_min_score, &options->min_score, err);
}

enum vs_status vs_wire_query_raw(const struct vs_http_request *request,
                                 const struct vs_wire_bounds *bounds,
                                 struct vs_wire_query *out,
                                 struct vs_error *err)
{
    struct vs_wire_query query = {.options.size = sizeof query.options};
    struct vs_query_options *options = &query.options;
    struct vs_float_input floats;
    int64_t count = 1;
    VS_TRY(vs_request_check_params(request, raw_params, COUNT_OF(raw_params), err));
    VS_TRY(param_count(request, "vectors", VS_MAX_BATCH, &count, err));
    VS_TRY(raw_numbers(request, bounds, &query, err));
    VS_TRY(vs_floats_from_bytes(request->arena, request->body, (size_t)count, &floats, err));
    options->vectors = floats.values;
    options->vector_count = floats.count;
    options->dim = floats.dim;
    options->vector_column = vs_request_param(request, "column").ptr;
    options->filter = vs_request_param(request, "filter").ptr;
    VS_TRY(raw_select(request, options, err));
    VS_TRY(raw_at(request, &options->at, err));
    VS_TRY(vs_request_bool_param(request, "exact", &options->exact, err));
    VS_TRY(vs_request_bool_param(request, "rescore", &options->rescore, err));
    VS_TRY(vs_request_bool_param(request, "include_vector", &options->include_vector, err));
    VS_TRY(vs_request_bool_param(request, "explain", &options->explain, err));
    *out = query;
    return VS_OK;
}
