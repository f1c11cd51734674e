// SPDX-License-Identifier: Apache-2.0
/*
 * Names that are not known are refused, with the nearest known one.
 */
#ifndef VS_HTTP_SUGGEST_H
#define VS_HTTP_SUGGEST_H

#include "vecstore/base/json.h"

// INVALID: "<what>: unknown <noun> 'lmit'; did you mean 'limit'?"
enum vs_status vs_unknown_name(const char *what,
                               const char *noun,
                               struct vs_str name,
                               const char *const *known,
                               size_t count,
                               struct vs_error *err);
// Checks that value is an object whose members all are in names[0..count).
enum vs_status vs_members_check(const struct vs_json *object,
                                const char *what,
                                const char *const *names,
                                size_t count,
                                struct vs_error *err);

#endif
