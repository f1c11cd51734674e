// SPDX-License-Identifier: Apache-2.0
/*
 * Shared by http_client.c (libcurl) and http_message.c (everything that needs no libcurl).
 */
#ifndef VS_OBJECT_HTTP_INTERNAL_H
#define VS_OBJECT_HTTP_INTERNAL_H

#include "vecstore/object/http_client.h"

#define VS_HTTP_HEADER_LINE_LIMIT ((size_t)64 << 10) // name and value

// INVALID for what must not go on the wire: other schemes, user names in URLs, line breaks and
// other control characters, headers that the transport sets, TLS without verification beyond
// loopback.
enum vs_status vs_http_check_request(const struct vs_http_request *request,
                                     bool tls_verify,
                                     struct vs_error *err);

#endif
