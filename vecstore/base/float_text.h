// SPDX-License-Identifier: Apache-2.0
/*
 * A JSON array of numbers to floats, several times faster than a JSON tree.
 *
 * Each number becomes the float that conversion of the nearest double gives (what NumPy gives for
 * JSON). The parser is strict where it accepts and gives up on everything else (null, nesting,
 * malformed text): the caller then asks the JSON reader, which knows the reason.
 */
#ifndef VS_BASE_FLOAT_TEXT_H
#define VS_BASE_FLOAT_TEXT_H

#include "vecstore/base/buf.h"

// text starts at '['. True: the floats are appended to `out` and *used_out is the length with ']'.
// False with *status_out VS_OK: not a plain array of numbers; with another status: that failure.
// `out` is unchanged then.
bool vs_float_array_parse(struct vs_str text,
                          struct vs_buf *out,
                          size_t *used_out,
                          enum vs_status *status_out,
                          struct vs_error *err);

#endif
