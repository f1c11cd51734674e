// SPDX-License-Identifier: Apache-2.0
/*
 * Small things about texts that need no other part: owned copies and hexadecimal digits. Views of
 * texts are in str.h, growing ones in buf.h.
 */
#ifndef VS_BASE_TEXT_H
#define VS_BASE_TEXT_H

#include "vecstore/base/env.h"
#include "vecstore/base/str.h"

// NUL-terminated copy, freed with vs_free; NULL when out of memory.
char *vs_text_clone(const struct vs_env *env, struct vs_str text);

// For messages: what fits of a text from outside, with blanks for control characters and not cut in
// the middle of a character of UTF-8. NUL-terminated.
void vs_text_copy_clean(struct vs_str text, char *out, size_t size);

// The value of a hexadecimal digit in either case; -1: it is none.
int vs_hex_value(char c);

#endif
