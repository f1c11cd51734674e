// SPDX-License-Identifier: Apache-2.0
/*
 * From error codes of the library to HTTP status codes, and the machine word of each HTTP status.
 */
#ifndef VS_HTTP_HTTP_STATUS_H
#define VS_HTTP_HTTP_STATUS_H

#include "vecstore/base/status.h"

unsigned vs_http_code(enum vs_status status);
// "not_found" and so on; never NULL.
const char *vs_http_word(unsigned code);
// The library's name for what a code that HTTP itself gives rise to means (413: LIMIT).
enum vs_status vs_http_reason(unsigned code);

#endif
