// SPDX-License-Identifier: Apache-2.0
/*
 * Seals: a CRC-32C of a whole document, standing as eight hex digits inside of it.
 *
 * For formats that have no checksum but room for a text of ours (a header key of Avro, a key-value
 * pair of Parquet, a member of JSON). The digits count as '0' while the checksum is computed. Other
 * programs pass over them. Threads: pure functions.
 */
#ifndef VS_BASE_SEAL_H
#define VS_BASE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VS_SEAL_SIZE 8
#define VS_SEAL_BLANK "00000000" // what a writer puts before it seals

// Writes the digits at bytes[at]; at + VS_SEAL_SIZE <= n.
void vs_seal_write(void *bytes, size_t n, size_t at);
// False when the digits at bytes[at] are not those of the bytes; at + VS_SEAL_SIZE <= n.
bool vs_seal_holds(const void *bytes, size_t n, size_t at);

#endif
