// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"
#include "tests/support/check.h"

// docs/operations/commands.md. A status that is added without a line here breaks the build.
static const int codes[] = {
    [VS_OK] = 0,          [VS_INVALID] = 2,    [VS_NOT_FOUND] = 3,       [VS_EXISTS] = 4,
    [VS_CONFLICT] = 4,    [VS_DENIED] = 5,     [VS_UNAUTHENTICATED] = 5, [VS_CORRUPT] = 6,
    [VS_UNSUPPORTED] = 7, [VS_LIMIT] = 7,      [VS_UNAVAILABLE] = 8,     [VS_TIMEOUT] = 8,
    [VS_CANCELLED] = 9,   [VS_NO_MEMORY] = 10, [VS_INTERNAL] = 70,       [VS_UNKNOWN] = 11,
};
_Static_assert(sizeof codes / sizeof codes[0] == VS_STATUS_COUNT, "a status has no exit code");

static void every_status(void)
{
    for (int i = 0; i < VS_STATUS_COUNT; i++) {
        CHECK_INT(cli_exit_code((enum vs_status)i), codes[i]);
        CHECK((codes[i] == 0) == (i == VS_OK)); // also catches a hole in the table
    }
    CHECK_INT(cli_exit_code((enum vs_status)VS_STATUS_COUNT), 70);
}

TEST_MAIN(TEST(every_status))
