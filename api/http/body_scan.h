// SPDX-License-Identifier: Apache-2.0
/*
 * Walks over the members of the one object that a JSON text holds without building a tree: large
 * values stay where they are.
 *
 * It finds the ends of values by brackets and quotes only and does not validate what lies inside:
 * the reader that gets the slice does. Keys come as they are written; one with an escape equals no
 * known name.
 */
#ifndef VS_HTTP_BODY_SCAN_H
#define VS_HTTP_BODY_SCAN_H

#include "vecstore/base/str.h"

struct vs_body_scan {
    const char *at, *end;
    bool started, finished; // finished: the closing brace was the last thing in the text
};

struct vs_body_member {
    struct vs_str key;   // between the quotes
    struct vs_str value; // from its first to its last character
};

void vs_body_scan_init(struct vs_body_scan *scan, struct vs_str text);
// False at the end (scan->finished) and where the text is no object (not finished).
bool vs_body_scan_next(struct vs_body_scan *scan, struct vs_body_member *member_out);

#endif
