// SPDX-License-Identifier: Apache-2.0
// The bodies of the other routes: tables and rows.
#include "api/http/body_scan.h"
#include "api/http/suggest.h"
#include "api/http/wire.h"
#include "api/http/wire_read.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char what_body[] = "request body";

static enum vs_status read_create(struct vs_arena *arena,
                                  const struct vs_json *root,
                                  struct vs_create_options *options,
                                  struct vs_error *err)
{
    static const char *const names[] = {"name",   "dimension", "metric", "column",
                                        "schema", "id_column", "model",  "normalized"};
    int64_t dimension = 0;
    VS_TRY(vs_members_check(root, what_body, names, COUNT_OF(names), err));
    VS_TRY(vs_read_text(arena, root, "name", &options->table, err));
    VS_TRY(vs_read_count(root, "dimension", 1, VS_MAX_DIM, &dimension, err));
    VS_TRY(vs_read_text(arena, root, "metric", &options->metric, err));
    VS_TRY(vs_read_text(arena, root, "column", &options->vector_column, err));
    VS_TRY(vs_read_text(arena, root, "schema", &options->schema, err));
    VS_TRY(vs_read_text(arena, root, "id_column", &options->id_column, err));
    VS_TRY(vs_read_text(arena, root, "model", &options->model, err));
    VS_TRY(vs_read_bool(root, "normalized", &options->normalized, err));
    if (options->table == NULL || dimension == 0) {
        return vs_fail(err, VS_INVALID, "%s: %s is missing", what_body,
                       options->table == NULL ? "name" : "dimension");
    }
    options->dim = (uint32_t)dimension;
    return VS_OK;
}

enum vs_status vs_wire_create(struct vs_arena *arena,
                              struct vs_str body,
                              struct vs_create_options *out,
                              struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_create_options options = {.size = sizeof options};
    VS_TRY(vs_json_parse(arena->env, body, what_body, NULL, &doc, err));
    enum vs_status status = read_create(arena, vs_json_root(doc), &options, err);
    vs_json_free(doc);
    if (status == VS_OK) {
        *out = options;
    }
    return status;
}

static enum vs_status read_get(struct vs_arena *arena,
                               const struct vs_json *root,
                               struct vs_get_options *options,
                               struct vs_error *err)
{
    static const char *const names[] = {"ids", "select", "include_vector", "at"};
    VS_TRY(vs_members_check(root, what_body, names, COUNT_OF(names), err));
    VS_TRY(vs_read_ids(arena, root, &options->ids, &options->id_count, err));
    if (options->id_count == 0) {
        return vs_fail(err, VS_INVALID, "%s: ids is missing", what_body);
    }
    VS_TRY(vs_read_texts(arena, root, "select", &options->select, &options->select_count, err));
    options->select_none = options->select != NULL && options->select_count == 0;
    VS_TRY(vs_read_bool(root, "include_vector", &options->include_vector, err));
    return vs_read_at(arena, root, &options->at, err);
}

enum vs_status vs_wire_get(struct vs_arena *arena,
                           struct vs_str body,
                           struct vs_get_options *out,
                           struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_get_options options = {.size = sizeof options};
    VS_TRY(vs_json_parse(arena->env, body, what_body, NULL, &doc, err));
    enum vs_status status = read_get(arena, vs_json_root(doc), &options, err);
    vs_json_free(doc);
    if (status == VS_OK) {
        *out = options;
    }
    return status;
}

static enum vs_status read_delete(struct vs_arena *arena,
                                  const struct vs_json *root,
                                  struct vs_delete_options *options,
                                  struct vs_error *err)
{
    static const char *const names[] = {"ids", "filter"};
    VS_TRY(vs_members_check(root, what_body, names, COUNT_OF(names), err));
    VS_TRY(vs_read_ids(arena, root, &options->ids, &options->id_count, err));
    VS_TRY(vs_read_filter(arena, root, &options->filter, &options->filter_json, err));
    bool has_filter = options->filter != NULL || options->filter_json.len > 0;
    if (has_filter == (options->id_count > 0)) {
        return vs_fail(err, VS_INVALID, "%s: give either ids or filter", what_body);
    }
    return VS_OK;
}

enum vs_status vs_wire_delete(struct vs_arena *arena,
                              struct vs_str body,
                              struct vs_delete_options *out,
                              struct vs_error *err)
{
    struct vs_json_doc *doc = NULL;
    struct vs_delete_options options = {.size = sizeof options};
    VS_TRY(vs_json_parse(arena->env, body, what_body, NULL, &doc, err));
    enum vs_status status = read_delete(arena, vs_json_root(doc), &options, err);
    vs_json_free(doc);
    if (status == VS_OK) {
        *out = options;
    }
    return status;
}

static enum vs_status read_flag(const struct vs_body_member *member,
                                const char *name,
                                bool *seen,
                                bool *out,
                                struct vs_error *err)
{
    bool yes = vs_str_equal_c(member->value, "true"), no = vs_str_equal_c(member->value, "false");
    if (*seen) {
        return vs_fail(err, VS_INVALID, "%s: member '%s' is given twice", what_body, name);
    }
    if (!yes && !no) {
        return vs_fail(err, VS_INVALID, "%s must be true or false", name);
    }
    *seen = true;
    *out = yes;
    return VS_OK;
}

static enum vs_status take_rows(const struct vs_body_member *member,
                                struct vs_insert_options *options,
                                struct vs_error *err)
{
    if (options->rows.ptr != NULL) {
        return vs_fail(err, VS_INVALID, "%s: member 'rows' is given twice", what_body);
    }
    if (member->value.ptr[0] != '[') {
        return vs_fail(err, VS_INVALID, "rows must be an array of objects");
    }
    options->rows = member->value;
    return VS_OK;
}

static enum vs_status insert_object(struct vs_str body,
                                    struct vs_insert_options *options,
                                    struct vs_error *err)
{
    static const char *const names[] = {"rows", "upsert", "quarantine"};
    struct vs_body_scan scan;
    struct vs_body_member member;
    bool seen_upsert = false, seen_quarantine = false;
    vs_body_scan_init(&scan, body);
    while (vs_body_scan_next(&scan, &member)) {
        if (vs_str_equal_c(member.key, "rows")) {
            VS_TRY(take_rows(&member, options, err));
        } else if (vs_str_equal_c(member.key, "upsert")) {
            VS_TRY(read_flag(&member, "upsert", &seen_upsert, &options->upsert, err));
        } else if (vs_str_equal_c(member.key, "quarantine")) {
            VS_TRY(read_flag(&member, "quarantine", &seen_quarantine, &options->quarantine, err));
        } else {
            return vs_unknown_name(what_body, "member", member.key, names, COUNT_OF(names), err);
        }
    }
    if (!scan.finished) {
        return vs_fail(err, VS_INVALID, "%s is not a JSON object: unexpected text at byte %zu",
                       what_body, (size_t)(scan.at - body.ptr));
    }
    return options->rows.ptr != NULL ? VS_OK
                                     : vs_fail(err, VS_INVALID, "%s: rows is missing", what_body);
}

enum vs_status vs_wire_insert(struct vs_str body,
                              struct vs_insert_options *out,
                              struct vs_error *err)
{
    struct vs_insert_options options = {.size = sizeof options};
    struct vs_str text = vs_str_trim(body);
    if (text.len > 0 && text.ptr[0] == '[') {
        options.rows = text;
    } else {
        VS_TRY(insert_object(text, &options, err));
    }
    *out = options;
    return VS_OK;
}
