// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

int cli_exit_code(enum vs_status status)
{
    switch (status) {
    case VS_OK:
        return 0;
    case VS_INVALID:
        return 2;
    case VS_NOT_FOUND:
        return 3;
    case VS_EXISTS:
    case VS_CONFLICT:
        return 4;
    case VS_DENIED:
    case VS_UNAUTHENTICATED:
        return 5;
    case VS_CORRUPT:
        return 6;
    case VS_UNSUPPORTED:
    case VS_LIMIT:
        return 7;
    case VS_UNAVAILABLE:
    case VS_TIMEOUT:
        return 8;
    case VS_CANCELLED:
        return 9;
    case VS_NO_MEMORY:
        return 10;
    case VS_UNKNOWN:
        return 11;
    case VS_INTERNAL:
        break;
    }
    return 70;
}
