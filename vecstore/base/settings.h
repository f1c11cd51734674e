// SPDX-License-Identifier: Apache-2.0
/*
 * Settings as text: key and value, under the names that Iceberg clients share ("s3.endpoint",
 * "client.region", "rest.signing-name", "token", …). They come from the command line, the config
 * file, the environment or a catalog's answer.
 *
 * Ownership: everything is borrowed. Threads: immutable.
 */
#ifndef VS_BASE_SETTINGS_H
#define VS_BASE_SETTINGS_H

#include "vecstore/base/status.h"
#include "vecstore/base/str.h"

struct vs_pair {
    struct vs_str key, value;
};

struct vs_settings {
    const struct vs_pair *items; // a later one of the same key wins
    size_t count;
};

// ptr == NULL when absent; settings may be NULL.
struct vs_str vs_settings_get(const struct vs_settings *settings, const char *key);
// "true"/"false" in any case; INVALID names the key. Absent: fallback.
enum vs_status vs_settings_bool(const struct vs_settings *settings,
                                const char *key,
                                bool fallback,
                                bool *value_out,
                                struct vs_error *err);
// A decimal number within [low, high]; INVALID names the key and the bounds. Absent: fallback.
enum vs_status vs_settings_i64(const struct vs_settings *settings,
                               const char *key,
                               int64_t fallback,
                               int64_t low,
                               int64_t high,
                               int64_t *value_out,
                               struct vs_error *err);

#endif
