// SPDX-License-Identifier: Apache-2.0
/*
 * Request bodies to option structs. Everything is checked here before the library is called: types,
 * unknown members, bounds.
 *
 * The body of a query has one large member, its vector. It is cut out and parsed by its own parser;
 * the short rest is read as JSON. Whatever that parser does not take (nesting, wrong types, base64
 * in a batch) is left to the JSON reader, which knows the reason. Ownership: options point into the
 * arena and into the body. Threads: none kept.
 */
#ifndef VS_HTTP_WIRE_H
#define VS_HTTP_WIRE_H

#include "api/http/http_request.h"
#include "api/vecstore.h"

struct vs_wire_bounds {
    int64_t default_timeout_ms, max_timeout_ms;
};

struct vs_wire_query {
    struct vs_query_options options; // without table and op
    int64_t timeout_ms;
};

// {"vector":…|"vectors":…|"id":…,"k":…,…}
enum vs_status vs_wire_query_json(struct vs_arena *arena,
                                  struct vs_str body,
                                  const struct vs_wire_bounds *bounds,
                                  struct vs_wire_query *out,
                                  struct vs_error *err);
// Raw little-endian float32; everything else in the query string.
enum vs_status vs_wire_query_raw(const struct vs_http_request *request,
                                 const struct vs_wire_bounds *bounds,
                                 struct vs_wire_query *out,
                                 struct vs_error *err);

// {"name","dimension","metric","column","schema","id_column","model","normalized"}
enum vs_status vs_wire_create(struct vs_arena *arena,
                              struct vs_str body,
                              struct vs_create_options *out,
                              struct vs_error *err);
// {"ids":[…],"select":[…],"include_vector":…,"at":{…}}
enum vs_status vs_wire_get(struct vs_arena *arena,
                           struct vs_str body,
                           struct vs_get_options *out,
                           struct vs_error *err);
// {"ids":[…]} or {"filter":…}
enum vs_status vs_wire_delete(struct vs_arena *arena,
                              struct vs_str body,
                              struct vs_delete_options *out,
                              struct vs_error *err);
// {"rows":[…],"upsert":…,"quarantine":…} or an array of rows; the rows are left as text.
enum vs_status vs_wire_insert(struct vs_str body,
                              struct vs_insert_options *out,
                              struct vs_error *err);

#endif
