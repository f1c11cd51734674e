// SPDX-License-Identifier: Apache-2.0
#include "tests/support/check.h"
#include "tests/support/test_env.h"
#include "vecstore/object/store.h"

#include <stdlib.h>
#include <unistd.h>

static void check_key(const struct vs_store *store, const char *uri, const char *expected)
{
    struct vs_error err;
    struct vs_buf key;
    vs_buf_init(&key, vs_env_default(), 10000);
    CHECK_OK(vs_store_key(store, vs_str_from_c(uri), &key, &err), err);
    if (key.data != NULL) {
        CHECK_TEXT((const char *)key.data, expected);
        CHECK_INT(key.len, strlen(expected));
    }
    vs_buf_clear(&key);
}

static void check_denied(const struct vs_store *store, const char *uri)
{
    struct vs_error err;
    struct vs_buf key;
    vs_buf_init(&key, vs_env_default(), 10000);
    if (vs_store_key(store, vs_str_from_c(uri), &key, &err) != VS_DENIED) {
        fprintf(stderr, "not denied: %s\n", uri);
        CHECK(false);
    } else {
        CHECK(strstr(err.message, uri) != NULL && strstr(err.message, store->root_uri) != NULL);
    }
    vs_buf_clear(&key);
}

// Appends path to each spelling of the root and asks for the key.
static void check_spellings(const struct vs_store *store, const char *root, const char *key)
{
    static const char *const starts[] = {"",      "file:", "file://", "file://localhost",
                                         "FILE:", "//",    "file:///"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        char uri[1024];
        bool extra_slash = strcmp(starts[i], "//") == 0 || strcmp(starts[i], "file:///") == 0;
        (void)snprintf(uri, sizeof uri, "%s%s//%s", starts[i], extra_slash ? root + 1 : root, key);
        check_key(store, uri, key);
    }
}

static void case_keys_of_uris(void)
{
    static const char *const keys[] = {"ns/t/metadata/v1.metadata.json", "a%20b/c%3A",
                                       "a b/\xC3\xA9", "k=1/x"};
    struct vs_error err;
    struct vs_store *store = NULL;
    char dir[256];
    char root[300];
    char uri[1024];
    test_dir_make(dir, sizeof dir);
    (void)snprintf(root, sizeof root, "%s/ware house%%41 \xC3\xA9", dir);
    REQUIRE_OK(vs_store_open(vs_env_default(), root, true, &store, &err), err);
    (void)snprintf(uri, sizeof uri, "file://%s", root);
    CHECK_TEXT(store->root_uri, uri);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct vs_buf buf;
        check_spellings(store, root, keys[i]);
        vs_buf_init(&buf, vs_env_default(), 10000);
        CHECK_OK(vs_store_uri(store, keys[i], &buf, &err), err);
        (void)snprintf(uri, sizeof uri, "file://%s/%s", root, keys[i]);
        CHECK_TEXT((const char *)buf.data, uri);
        vs_buf_clear(&buf);
    }
    check_denied(store, "s3://bucket/key");
    check_denied(store, "file://otherhost/x");
    check_denied(store, "relative/path");
    check_denied(store, "/etc/passwd");
    check_denied(store, "file:///etc/passwd");
    check_denied(store, "");
    (void)snprintf(uri, sizeof uri, "%s2/x", root);
    check_denied(store, uri);
    check_denied(store, root);
    (void)snprintf(uri, sizeof uri, "%s/../x", root);
    check_denied(store, uri);
    (void)snprintf(uri, sizeof uri, "%s/a/./x", root);
    check_denied(store, uri);
    vs_store_free(store);
    test_dir_remove(dir);
}

static void case_ways_to_open(void)
{
    struct vs_error err;
    struct vs_store *store = NULL;
    char dir[256];
    char uri[600];
    char expected[600];
    char cwd[1024];
    test_dir_make(dir, sizeof dir);
    REQUIRE(getcwd(cwd, sizeof cwd) != NULL);
    static const char *const forms[] = {"file://%s/w/x", "file:%s/w/x", "%s/w/x",
                                        "%s//w/./x/",    "%s/w/../w/x", "file://localhost%s/w/x"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char *place =
            strstr(forms[i], "%s") == NULL ? NULL : (char *)(uintptr_t)strstr(forms[i], "%s");
        REQUIRE(place != NULL);
        (void)snprintf(uri, sizeof uri, "%.*s%s%s", (int)(place - forms[i]), forms[i], dir,
                       place + 2);
        store = NULL;
        CHECK_OK(vs_store_open(vs_env_default(), uri, i == 0, &store, &err), err);
        (void)snprintf(expected, sizeof expected, "file://%s/w/x", dir);
        CHECK(store != NULL && strcmp(store->root_uri, expected) == 0);
        vs_store_free(store);
    }
    REQUIRE(chdir(dir) == 0);
    CHECK_OK(vs_store_open(vs_env_default(), "w", false, &store, &err), err);
    (void)snprintf(expected, sizeof expected, "file://%s/w", dir);
    CHECK_TEXT(store->root_uri, expected);
    vs_store_free(store);
    REQUIRE(chdir(cwd) == 0);
    CHECK_OK(vs_store_open(vs_env_default(), "/", false, &store, &err), err);
    check_key(store, "file:///etc/hostname", "etc/hostname");
    check_key(store, "/etc/hostname", "etc/hostname");
    vs_store_free(store);
    store = NULL;
    (void)snprintf(uri, sizeof uri, "%s/missing", dir);
    CHECK_STATUS(vs_store_open(vs_env_default(), uri, false, &store, &err), VS_NOT_FOUND);
    CHECK(strstr(err.message, uri) != NULL);
    CHECK_STATUS(vs_store_open(vs_env_default(), "gs://b/x", true, &store, &err), VS_UNSUPPORTED);
    CHECK(strstr(err.message, "\"gs\"") != NULL && strstr(err.message, "file:///") != NULL);
    CHECK_STATUS(vs_store_open(vs_env_default(), "", true, &store, &err), VS_INVALID);
    CHECK_STATUS(vs_store_open(vs_env_default(), "file://host/x", true, &store, &err), VS_INVALID);
    CHECK_STATUS(vs_store_open(vs_env_default(), "file:x", true, &store, &err), VS_INVALID);
    CHECK_STATUS(vs_store_open(vs_env_default(), "a\nb", true, &store, &err), VS_INVALID);
    CHECK(store == NULL);
    test_dir_remove(dir);
}

// Other engines may have written the path with links resolved, or not.
static void case_root_behind_a_link(void)
{
    struct vs_error err;
    struct vs_store *store = NULL;
    char dir[256];
    char real[300];
    char link[300];
    char uri[600];
    test_dir_make(dir, sizeof dir);
    (void)snprintf(real, sizeof real, "%s/real", dir);
    (void)snprintf(link, sizeof link, "%s/link", dir);
    REQUIRE(symlink("real", link) == 0);
    REQUIRE_OK(vs_store_open(vs_env_default(), real, true, &store, &err), err);
    vs_store_free(store);
    REQUIRE_OK(vs_store_open(vs_env_default(), link, false, &store, &err), err);
    (void)snprintf(uri, sizeof uri, "file:%s/ns/t", link);
    check_key(store, uri, "ns/t");
    (void)snprintf(uri, sizeof uri, "file://%s/ns/t", real);
    check_key(store, uri, "ns/t");
    vs_store_free(store);
    test_dir_remove(dir);
}

static void case_mem_uris(void)
{
    struct vs_error err;
    struct vs_store *store = NULL;
    REQUIRE_OK(vs_store_open_mem(vs_env_default(), "name", &store, &err), err);
    CHECK_TEXT(store->root_uri, "mem://name");
    check_key(store, "mem://name/a/b", "a/b");
    check_denied(store, "mem://name2/a");
    check_denied(store, "/name/a");
    check_denied(store, "mem://name/a//b");
    vs_store_free(store);
    vs_store_free(NULL);
}

TEST_MAIN(TEST(case_keys_of_uris),
          TEST(case_ways_to_open),
          TEST(case_root_behind_a_link),
          TEST(case_mem_uris))
