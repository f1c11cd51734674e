// SPDX-License-Identifier: Apache-2.0
#include "vecstore/base/fd.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

// What a transfer returned: false ends with errno; true goes on with the rest.
static bool went_on(ssize_t done, size_t *at)
{
    if (done > 0) {
        *at += (size_t)done;
        return true;
    }
    errno = done == 0 ? EIO : errno;
    return done < 0 && errno == EINTR;
}

bool vs_fd_read(int fd, void *dst, size_t len, uint64_t offset)
{
    for (size_t at = 0; at < len;) {
        if (!went_on(pread(fd, (uint8_t *)dst + at, len - at, (off_t)(offset + at)), &at)) {
            return false;
        }
    }
    return true;
}

bool vs_fd_write(int fd, const void *bytes, size_t len, uint64_t offset)
{
    for (size_t at = 0; at < len;) {
        if (!went_on(pwrite(fd, (const uint8_t *)bytes + at, len - at, (off_t)(offset + at)),
                     &at)) {
            return false;
        }
    }
    return true;
}
