// SPDX-License-Identifier: Apache-2.0
/*
 * The adapter to the HTTP library: sockets and parsing below, struct vs_http_request above.
 *
 * Threads: worker threads run vs_service_answer; start, quiesce and stop belong to one thread.
 */
#ifndef VS_HTTP_SERVER_MHD_H
#define VS_HTTP_SERVER_MHD_H

#include "api/http/service.h"

struct vs_mhd;

struct vs_mhd_options {
    int listen_fd; // taken over on success
    size_t thread_count;
    size_t max_connections, max_connections_per_ip; // per_ip 0: no bound
    int64_t header_deadline_ms;
};

// Borrows service.
enum vs_status vs_mhd_start(struct vs_service *service,
                            const struct vs_mhd_options *options,
                            struct vs_mhd **mhd_out,
                            struct vs_error *err);
// Closes the listening socket; connections go on.
void vs_mhd_quiesce(struct vs_mhd *mhd);
// Requests that have begun and are not answered.
size_t vs_mhd_in_flight(const struct vs_mhd *mhd);
void vs_mhd_stop(struct vs_mhd *mhd);

#endif
