// SPDX-License-Identifier: Apache-2.0
/*
 * What str.c shares inside this folder only.
 */
#ifndef VS_BASE_STR_INTERNAL_H
#define VS_BASE_STR_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

// Length of the well-formed UTF-8 sequence at p (1..4, left > 0), 0 when there is none. RFC 3629:
// no overlong forms, no surrogates, nothing above U+10FFFF.
size_t vs_utf8_sequence(const uint8_t *p, size_t left);

#endif
