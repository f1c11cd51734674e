// SPDX-License-Identifier: Apache-2.0
#include "api/http/watchdog.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t in_ms(int64_t ms)
{
    return vs_monotonic_ns(vs_env_default()) + ms * 1000000;
}

static void wait_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

// Everything the peer gets until the end of the stream; -1 when there is no end within two seconds.
static ssize_t read_to_end(int fd, char *text, size_t size)
{
    struct timeval limit = {.tv_sec = 2};
    size_t len = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while (len < size) {
        ssize_t n = recv(fd, text + len, size - len, 0);
        if (n <= 0) {
            return n < 0 ? -1 : (ssize_t)len;
        }
        len += (size_t)n;
    }
    return -1;
}

static void case_fires_and_tells(void)
{
    struct vs_watchdog *watchdog = NULL;
    struct vs_watched entry = {0};
    struct vs_error err = {0};
    int pair[2];
    char text[1024];
    REQUIRE_OK(vs_watchdog_start(vs_env_default(), &watchdog, &err), err);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    int64_t start = in_ms(0);
    vs_watchdog_add(watchdog, &entry, pair[0], in_ms(150), true);
    for (int i = 0; i < 5; i++) { // activity does not help
        wait_ms(20);
        CHECK_INT(send(pair[1], "x", 1, MSG_NOSIGNAL), 1);
    }
    ssize_t n = read_to_end(pair[1], text, sizeof text - 1);
    int64_t took = in_ms(0) - start;
    REQUIRE(n > 0);
    text[n] = '\0';
    CHECK(took >= 150000000 && took < 1500000000);
    CHECK(strncmp(text, "HTTP/1.1 408 ", 13) == 0);
    const char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
    REQUIRE(body != NULL && length != NULL);
    CHECK_INT(strtol(length + 16, NULL, 10), (long)strlen(body + 4));
    CHECK(!vs_watchdog_arm(&entry, in_ms(1000), false));
    vs_watchdog_remove(watchdog, &entry);
    vs_watchdog_stop(watchdog);
    close(pair[0]);
    close(pair[1]);
}

static void case_arm_moves_the_deadline(void)
{
    struct vs_watchdog *watchdog = NULL;
    struct vs_watched first = {0}, second = {0};
    struct vs_error err = {0};
    int a[2], b[2];
    char text[64];
    REQUIRE_OK(vs_watchdog_start(vs_env_default(), &watchdog, &err), err);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0 &&
            socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0);
    vs_watchdog_add(watchdog, &first, a[0], in_ms(100), true);
    vs_watchdog_add(watchdog, &second, b[0], in_ms(100), true);
    CHECK(vs_watchdog_arm(&first, 0, false));           // none
    CHECK(vs_watchdog_arm(&second, in_ms(300), false)); // later, silent
    wait_ms(200);
    CHECK_INT(recv(b[1], text, sizeof text, MSG_DONTWAIT), -1);
    CHECK_INT(read_to_end(b[1], text, sizeof text), 0);
    CHECK(!vs_watchdog_arm(&second, 0, false));
    CHECK_INT(recv(a[1], text, sizeof text, MSG_DONTWAIT), -1);
    CHECK(vs_watchdog_arm(&first, in_ms(50), false));
    vs_watchdog_remove(watchdog, &first); // gone before its deadline
    wait_ms(200);
    CHECK_INT(recv(a[1], text, sizeof text, MSG_DONTWAIT), -1);
    vs_watchdog_remove(watchdog, &second);
    vs_watchdog_stop(watchdog);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void case_linger_drains(void)
{
    struct vs_watchdog *watchdog = NULL;
    struct vs_error err = {0};
    int pair[2];
    char text[64];
    static char block[65536];
    REQUIRE_OK(vs_watchdog_start(vs_env_default(), &watchdog, &err), err);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK_INT(send(pair[0], "bye", 3, 0), 3);
    vs_watchdog_linger(watchdog, pair[0]);
    for (int i = 0; i < 64; i++) { // 4 MiB: more than a socket buffers
        CHECK_INT(send(pair[1], block, sizeof block, MSG_NOSIGNAL), (long)sizeof block);
    }
    CHECK_INT(read_to_end(pair[1], text, sizeof text), 3);
    close(pair[1]);
    vs_watchdog_stop(watchdog);
}

static void case_no_memory(void)
{
    struct test_env test;
    struct vs_watchdog *watchdog = NULL;
    test_env_init(&test);
    test.fail_at = 0;
    CHECK_STATUS(vs_watchdog_start(&test.env, &watchdog, NULL), VS_NO_MEMORY);
    CHECK(watchdog == NULL);
    vs_watchdog_stop(NULL);
}

TEST_MAIN(TEST(case_fires_and_tells),
          TEST(case_arm_moves_the_deadline),
          TEST(case_linger_drains),
          TEST(case_no_memory))
