// SPDX-License-Identifier: Apache-2.0
#include "api/cli/args.h"
#include "tests/support/check.h"
#include "tests/support/test_env.h"

#include <stdlib.h>

static const struct cli_option options[] = {
    {"k", 'k', "N", ""},       {"filter", 'f', "EXPR", ""}, {"exact", 'x', NULL, ""},
    {"min-score", 0, "S", ""}, {"memory", 0, "SIZE", ""},   {"recall-target", 0, "R", ""},
    {NULL, 0, NULL, NULL},
};
static const struct cli_command command = {.name = "test", .options = options};
static struct cli_args args; // large
static struct vs_error err;

// Parses words separated by '|'.
static enum vs_status parse(const char *line)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;
    cli_args_clear(&args);
    snprintf(text, sizeof text, "%s", line);
    argv[argc++] = text;
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '|') {
            *c = '\0';
            argv[argc++] = c + 1;
        }
    }
    vs_error_clear(&err);
    return cli_args_parse(&args, &command, argc, argv, 1, &err);
}

static void from_the_command_line(void)
{
    REQUIRE_OK(parse("v|table|--k=3|-f|n = 1|--exact|--min-score|-0.5|-|--json|-w/tmp/w|--|--k"),
               err);
    CHECK_TEXT(cli_text(&args, "k"), "3");
    CHECK_TEXT(cli_text(&args, "filter"), "n = 1");
    CHECK_TEXT(cli_text(&args, "min-score"), "-0.5");
    CHECK(cli_switch(&args, "exact") && cli_text(&args, "memory") == NULL);
    CHECK_TEXT(cli_global(&args, CLI_WAREHOUSE), "/tmp/w");
    CHECK(cli_global(&args, CLI_JSON) != NULL && cli_global(&args, CLI_QUIET) == NULL);
    CHECK_INT(args.positional_count, 3);
    CHECK_TEXT(args.positionals[1], "-"); // standard input
    CHECK_TEXT(args.positionals[2], "--k");
    REQUIRE_OK(parse("v|-k5|--k|7|--filter="), err); // the last one counts
    CHECK_TEXT(cli_text(&args, "k"), "7");
    CHECK_TEXT(cli_text(&args, "filter"), "");
    REQUIRE_OK(parse("v|-h"), err);
    CHECK(args.help);
    REQUIRE_OK(parse("v|-5"), err); // a number is no option
    CHECK_INT(args.positional_count, 1);
}

static void mistakes(void)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"v|--filtre|x", "did you mean --filter"},
        {"v|--ware", "did you mean --warehouse"},
        {"v|--zzz", "unknown option --zzz; see --help"},
        {"v|--filtre=x = 1", "unknown option --filtre"},
        {"v|-Z", "unknown option -Z"},
        {"v|--k", "--k needs a value: N"},
        {"v|-k", "-k needs a value: N"},
        {"v|--exact=1", "takes no value"},
        {"v|-x1", "takes no value"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(parse(cases[i].line), VS_INVALID);
        if (strstr(err.message, cases[i].says) == NULL) {
            CHECK_TEXT(err.message, cases[i].says);
        }
    }
}

static void numbers(void)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},    {"1000", true, 1000}, {"1001", false, 0},
        {"-1", false, 0},  {"1.5", false, 0},    {"", false, 0},
        {"ten", false, 0}, {"1 ", false, 0},     {"99999999999999999999", false, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[64];
        uint64_t value = 77;
        snprintf(line, sizeof line, "v|--k=%s", cases[i].text);
        REQUIRE_OK(parse(line), err);
        enum vs_status status = cli_number(&args, "k", 10, 1000, &value, &err);
        CHECK_INT(status, cases[i].good ? VS_OK : VS_INVALID);
        CHECK_INT(value, cases[i].good ? cases[i].value : 77); // untouched on failure
        CHECK(cases[i].good || strstr(err.message, "--k") != NULL);
    }
    uint64_t value = 0;
    double real = 7;
    REQUIRE_OK(parse("v"), err);
    CHECK_OK(cli_number(&args, "k", 10, 1000, &value, &err), err);
    CHECK_INT(value, 10);
    CHECK_OK(cli_real(&args, "min-score", 0.25, &real, &err), err);
    CHECK_NEAR(real, 0.25, 0);
    CHECK_OK(cli_bytes(&args, "memory", &value, &err), err);
    CHECK_INT(value, 0);
    REQUIRE_OK(parse("v|--min-score|-1e-3|--memory|2GiB"), err);
    CHECK_OK(cli_real(&args, "min-score", 0, &real, &err), err);
    CHECK_NEAR(real, -1e-3, 0);
    CHECK_OK(cli_bytes(&args, "memory", &value, &err), err);
    CHECK_INT(value, INT64_C(2) << 30);
    static const char *const bad[] = {"v|--min-score|nan|--memory|2XB",
                                      "v|--min-score|inf|--memory|-1", "v|--min-score|1x|--memory|",
                                      "v|--min-score||--memory|99999999999GiB"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        REQUIRE_OK(parse(bad[i]), err);
        CHECK_STATUS(cli_real(&args, "min-score", 0, &real, &err), VS_INVALID);
        CHECK(strstr(err.message, "--min-score") != NULL);
        enum vs_status status = cli_bytes(&args, "memory", &value, &err);
        CHECK(status == VS_INVALID || status == VS_LIMIT);
        CHECK(strstr(err.message, "--memory") != NULL);
    }
}

static bool write_config(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    return file != NULL && fputs(text, file) >= 0 && fclose(file) == 0;
}

// Command line before environment before config file.
static void other_places(void)
{
    char folder[256], path[300], line[400];
    uint64_t value = 0;
    double real = 0;
    test_dir_make(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/c.json", folder);
    snprintf(line, sizeof line, "v|--config|%s", path);
    REQUIRE(write_config(
        path, "{\"k\":4,\"filter\":\"a = 1\",\"min-score\":-0.5,\"exact\":true,\"json\":false,"
              "\"recall-target\":\"0.9\",\"warehouse\":\"/c\"}"));
    REQUIRE_OK(parse(line), err);
    CHECK_OK(cli_number(&args, "k", 10, 1000, &value, &err), err);
    CHECK_INT(value, 4);
    CHECK_OK(cli_real(&args, "min-score", 0, &real, &err), err);
    CHECK_NEAR(real, -0.5, 0);
    CHECK_TEXT(cli_text(&args, "filter"), "a = 1");
    CHECK_TEXT(cli_text(&args, "recall-target"), "0.9");
    CHECK(cli_switch(&args, "exact") && cli_global(&args, CLI_JSON) == NULL);
    CHECK_TEXT(cli_global(&args, CLI_WAREHOUSE), "/c");
    setenv("VECSTORE_K", "5", 1);
    setenv("VECSTORE_EXACT", "0", 1);
    setenv("VECSTORE_RECALL_TARGET", "0.8", 1);
    setenv("VECSTORE_WAREHOUSE", "", 1); // empty: not given
    REQUIRE_OK(parse(line), err);
    CHECK_TEXT(cli_text(&args, "k"), "5");
    CHECK_TEXT(cli_text(&args, "recall-target"), "0.8");
    CHECK(!cli_switch(&args, "exact"));
    CHECK_TEXT(cli_global(&args, CLI_WAREHOUSE), "/c");
    snprintf(line, sizeof line, "v|--exact|-k6|--config|%s", path);
    REQUIRE_OK(parse(line), err);
    CHECK_TEXT(cli_text(&args, "k"), "6");
    CHECK(cli_switch(&args, "exact"));
    unsetenv("VECSTORE_K");
    unsetenv("VECSTORE_EXACT");
    unsetenv("VECSTORE_RECALL_TARGET");
    unsetenv("VECSTORE_WAREHOUSE");
    static const char *const bad[] = {"[1]", "{\"k\":", "", "{\"k\":1,\"k\":2}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        REQUIRE(write_config(path, bad[i]));
        CHECK_STATUS(parse(line), VS_INVALID);
        CHECK(strstr(err.message, "c.json") != NULL);
    }
    REQUIRE(write_config(path, "{\"k\":[1]}")); // neither text nor number
    snprintf(line, sizeof line, "v|--config|%s", path);
    CHECK_STATUS(parse(line), VS_INVALID);
    CHECK(strstr(err.message, "k") != NULL);
    // a key of another command may stand there, one of none may not
    REQUIRE(write_config(path, "{\"older-than\":\"7d\",\"settings\":{}}"));
    CHECK_OK(parse(line), err);
    REQUIRE(write_config(path, "{\"warehose\":\"/c\"}"));
    CHECK_STATUS(parse(line), VS_INVALID);
    CHECK(strstr(err.message, "\"warehose\"; did you mean \"warehouse\"?") != NULL);
    REQUIRE(write_config(path, "{\"zzz\":1}"));
    CHECK_STATUS(parse(line), VS_INVALID);
    CHECK(strstr(err.message, "\"zzz\"") != NULL && strstr(err.message, "mean") == NULL);
    test_dir_remove(folder);
    CHECK_STATUS(parse(line), VS_NOT_FOUND);
    cli_args_clear(&args);
}

TEST_MAIN(TEST(from_the_command_line), TEST(mistakes), TEST(numbers), TEST(other_places))
