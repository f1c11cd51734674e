// SPDX-License-Identifier: Apache-2.0
/*
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 appendix B.4 test vectors).
 * Hardware instruction where the CPU has it.
 */
#ifndef VS_BASE_CRC32C_H
#define VS_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

// crc is 0 for the first piece, then the value returned for the bytes before.
uint32_t vs_crc32c(uint32_t crc, const void *bytes, size_t n);
// The CRC of two pieces one after the other, from theirs (each begun with 0).
uint32_t vs_crc32c_join(uint32_t first, uint32_t second, uint64_t second_len);

#endif
