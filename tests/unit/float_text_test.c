// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "vecstore/base/float_text.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Texts that end at the end of a page, with nothing readable behind.
static bool parse_at_edge(const char *head, size_t blanks, struct vs_buf *out)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), len = strlen(head);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0) {
        return false;
    }
    char *text = pages + page - len - blanks;
    memcpy(text, head, len);
    memset(text + len, ' ', blanks);
    size_t used = 0;
    enum vs_status status = VS_OK;
    struct vs_error err;
    bool good =
        vs_float_array_parse((struct vs_str){text, len + blanks}, out, &used, &status, &err);
    CHECK_INT(status, VS_OK);
    (void)munmap(pages, 2 * page);
    return good;
}

static void cut_texts_are_read_no_further(void)
{
    struct vs_buf out;
    vs_buf_init(&out, vs_env_default(), 1 << 16);
    for (size_t blanks = 0; blanks < 200; blanks++) {
        CHECK(!parse_at_edge("[1.5,", blanks, &out));
        CHECK(!parse_at_edge("[0.25, 1.5,", blanks, &out));
        CHECK(!parse_at_edge("[1.5e+0000000000000000000000000000000000000000000,", blanks, &out));
    }
    vs_buf_clear(&out);
}

static void whole_texts_give_their_numbers(void)
{
    static const float expected[] = {0.5F, -2.25F, 1000.0F};
    struct vs_buf out;
    vs_buf_init(&out, vs_env_default(), 1 << 16);
    REQUIRE(parse_at_edge("[0.5, -2.25 ,1e3]", 0, &out));
    REQUIRE(out.len == sizeof expected);
    CHECK(memcmp(out.data, expected, sizeof expected) == 0);
    vs_buf_clear(&out);
}

TEST_MAIN(TEST(cut_texts_are_read_no_further), TEST(whole_texts_give_their_numbers))
