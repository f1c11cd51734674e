// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors in a request: arrays of numbers, base64 of little-endian float32, raw float32.
 *
 * Every number must be finite as a 32-bit float; vectors of one request have one length.
 * Ownership: floats live in the arena.
 */
#ifndef VS_HTTP_FLOAT_INPUT_H
#define VS_HTTP_FLOAT_INPUT_H

#include "vecstore/base/arena.h"
#include "vecstore/base/json.h"

struct vs_float_input {
    float *values; // [count * dim]
    size_t count, dim;
};

// The JSON text of an array of numbers or of a base64 string; with `several` of an array of arrays
// of numbers. False: something else (or out of memory); ask vs_floats_from_json, which knows the
// reason.
bool vs_floats_from_text(struct vs_arena *arena,
                         struct vs_str text,
                         bool several,
                         struct vs_float_input *out);
// One vector (array of numbers or base64 text), or with `several` an array of such.
enum vs_status vs_floats_from_json(struct vs_arena *arena,
                                   const struct vs_json *value,
                                   bool several,
                                   struct vs_float_input *out,
                                   struct vs_error *err);
// count vectors one after the other, little-endian.
enum vs_status vs_floats_from_bytes(struct vs_arena *arena,
                                    struct vs_str bytes,
                                    size_t count,
                                    struct vs_float_input *out,
                                    struct vs_error *err);

#endif
