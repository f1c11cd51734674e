// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and writing at a place of a file descriptor, all of it or failing: signals and short
 * transfers are seen to. Threads: any, the descriptor's position is not used.
 */
#ifndef VS_BASE_FD_H
#define VS_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// false: errno says why; EIO where the file ends before.
bool vs_fd_read(int fd, void *dst, size_t len, uint64_t offset);
bool vs_fd_write(int fd, const void *bytes, size_t len, uint64_t offset);

#endif
