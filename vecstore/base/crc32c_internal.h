// SPDX-License-Identifier: Apache-2.0
/*
 * The way of crc32c.c that needs no instruction, for tests on machines that have one. Same
 * arguments as vs_crc32c.
 */
#ifndef VS_BASE_CRC32C_INTERNAL_H
#define VS_BASE_CRC32C_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

uint32_t vs_crc32c_portable(uint32_t crc, const void *bytes, size_t n);

#endif
