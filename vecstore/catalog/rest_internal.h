// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by catalog_rest.c (the kind), rest_tables.c (tables of answers, their stores), rest_list.c
 * and rest_commit.c only. See docs/adr/0016-rest-catalog.md.
 */
#ifndef VS_CATALOG_REST_INTERNAL_H
#define VS_CATALOG_REST_INTERNAL_H

#include "vecstore/catalog/rest_client.h"

#include <pthread.h>

#define VS_REST_ETAGS 256
#define VS_REST_ETAG_MAX 512

struct rest_etag { // what the service said of one state of a table; "" when unused
    char *name, *metadata_uri;
    char etag[VS_REST_ETAG_MAX];
};

struct rest_vended; // one store whose credentials the service gives

struct rest_catalog {
    struct vs_catalog catalog; // first
    struct vs_rest_client *client;
    bool purges;          // rest.drop-purge
    int64_t page_size;    // rest-page-size; 0: the service's own
    pthread_mutex_t lock; // guards what follows
    struct rest_etag etags[VS_REST_ETAGS];
    size_t next_etag;
    struct rest_vended *vended;
};

// ---- rest_tables.c ----
// Makes a table of an answer, whose metadata is taken. store: the one known already (commits, whose
// answers carry no credentials); NULL: by the answer.
enum vs_status vs_rest_table_make(struct rest_catalog *rest,
                                  const char *name,
                                  struct vs_rest_table *answer,
                                  struct vs_store *store,
                                  struct vs_table **table_out,
                                  struct vs_error *err);
// Parses an answer with table metadata and makes a table of it; remembers its ETag.
enum vs_status vs_rest_table_read(struct rest_catalog *rest,
                                  const char *name,
                                  const struct vs_http_response *response,
                                  struct vs_table **table_out,
                                  struct vs_error *err);
// What identifies the state: metadata-location, else the service's address and what changes with
// every commit.
enum vs_status vs_rest_state_uri(struct rest_catalog *rest,
                                 const char *name,
                                 const struct vs_rest_table *answer,
                                 struct vs_buf *uri,
                                 struct vs_error *err);
// The ETag of this state of the table, NUL-terminated; false when none is known.
bool vs_rest_etag_get(struct rest_catalog *rest,
                      const struct vs_table *table,
                      char etag_out[VS_REST_ETAG_MAX]);
void vs_rest_etag_put(struct rest_catalog *rest,
                      const char *name,
                      const char *metadata_uri,
                      struct vs_str etag);
void vs_rest_tables_clear(struct rest_catalog *rest);

// ---- rest_list.c ----
enum vs_status vs_rest_list(struct vs_catalog *catalog,
                            enum vs_status (*visit)(void *ctx,
                                                    const char *name,
                                                    struct vs_error *err),
                            void *ctx,
                            struct vs_error *err);

// ---- rest_commit.c ----
enum vs_outcome vs_rest_publish(struct vs_catalog *catalog,
                                const struct vs_publish *publish,
                                struct vs_table **table_out,
                                enum vs_status *status_out,
                                struct vs_error *err);
enum vs_outcome vs_rest_resolve(struct vs_catalog *catalog,
                                const struct vs_publish *publish,
                                const struct vs_table *now);

#endif
