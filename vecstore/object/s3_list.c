// SPDX-License-Identifier: Apache-2.0
// ListObjectsV2, page by page; a page is read whole before its first object is shown.
#include "vecstore/base/datetime.h"
#include "vecstore/object/s3_internal.h"

#include <string.h>

struct listed {
    size_t key_at, key_len; // in page.keys
    uint64_t size;
    int64_t modified_ms;
};

struct page {
    const struct vs_env *env;
    struct vs_buf keys;    // full keys, as in the bucket
    struct vs_buf objects; // struct listed
    struct vs_buf token;
    bool encoded, truncated;
    bool folders; // common prefixes are wanted, not objects
    struct listed current;
};

// ---- reading a page ----

// The element whose children say that keys are encoded may come after them, so keys are decoded at
// the end of the page.
static enum vs_status take_object_part(struct page *page,
                                       const struct vs_xml_element *element,
                                       struct vs_error *err)
{
    int64_t micros = 0;
    if (vs_str_equal_c(element->name, "Key")) {
        page->current.key_at = page->keys.len;
        page->current.key_len = element->text.len;
        return vs_buf_append_str(&page->keys, element->text, err);
    }
    if (vs_str_equal_c(element->name, "Size")) {
        return vs_parse_u64(element->text, &page->current.size, err);
    }
    if (vs_str_equal_c(element->name, "LastModified")) {
        VS_TRY(vs_timestamp_parse(element->text, &micros, NULL, err));
        page->current.modified_ms = micros / 1000;
    }
    return VS_OK;
}

static enum vs_status take_element(void *ctx,
                                   const struct vs_xml_element *element,
                                   struct vs_error *err)
{
    struct page *page = (struct page *)ctx;
    if (page->folders && vs_str_equal_c(element->parent, "CommonPrefixes")) {
        page->current = (struct listed){.key_at = page->keys.len, .key_len = element->text.len};
        VS_TRY(vs_buf_append_str(&page->keys, element->text, err));
        return vs_buf_append(&page->objects, &page->current, sizeof page->current, err);
    }
    if (!page->folders && vs_str_equal_c(element->parent, "Contents")) {
        return take_object_part(page, element, err);
    }
    if (element->depth != 2) {
        return VS_OK;
    }
    if (!page->folders && vs_str_equal_c(element->name, "Contents")) {
        VS_TRY(vs_buf_append(&page->objects, &page->current, sizeof page->current, err));
        page->current = (struct listed){0};
    } else if (vs_str_equal_c(element->name, "IsTruncated")) {
        page->truncated = vs_str_equal_c(element->text, "true");
    } else if (vs_str_equal_c(element->name, "EncodingType")) {
        page->encoded = vs_str_equal_c(element->text, "url");
    } else if (vs_str_equal_c(element->name, "NextContinuationToken")) {
        vs_buf_reset(&page->token);
        return vs_buf_append_str(&page->token, element->text, err);
    }
    return VS_OK;
}

static enum vs_status read_page(struct page *page, struct vs_str document, struct vs_error *err)
{
    vs_buf_reset(&page->keys);
    vs_buf_reset(&page->objects);
    vs_buf_reset(&page->token);
    page->encoded = false;
    page->truncated = false;
    page->current = (struct listed){0};
    VS_TRY(vs_xml_walk(page->env, document, take_element, page, err));
    return page->truncated && page->token.len == 0
               ? vs_fail(err, VS_CORRUPT, "the list goes on, but there is no token to go on with")
               : VS_OK;
}

// ---- asking for pages ----

static enum vs_status page_query(const struct vs_s3_store *store,
                                 const struct page *page,
                                 const char *prefix,
                                 struct vs_buf *query,
                                 struct vs_error *err)
{
    struct vs_buf full;
    vs_buf_reset(query);
    VS_TRY(vs_buf_append_c(query, "list-type=2&encoding-type=url&max-keys=1000&prefix=", err));
    vs_buf_init(&full, store->base.env, SIZE_MAX / 2);
    enum vs_status status = vs_s3_full_key(store, prefix, &full, err);
    status = status == VS_OK ? vs_url_encode(vs_buf_view(&full), false, query, err) : status;
    vs_buf_clear(&full);
    VS_TRY(status);
    if (page->folders) {
        VS_TRY(vs_buf_append_c(query, "&delimiter=%2F", err));
    }
    if (page->token.len > 0) {
        VS_TRY(vs_buf_append_c(query, "&continuation-token=", err));
        VS_TRY(vs_url_encode(vs_buf_view(&page->token), false, query, err));
    }
    if (vs_buf_c_str(query) == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory listing %s", store->base.root_uri);
    }
    return VS_OK;
}

static enum vs_status fetch_page(struct vs_s3_store *store,
                                 const char *query,
                                 struct page *page,
                                 struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_error reason = {0};
    struct vs_s3_request request = {.action = "list", .method = VS_HTTP_GET, .query = query};
    vs_s3_answer_init(&answer, store->base.env);
    enum vs_status status = vs_s3_call(store, &request, &answer, err);
    if (status == VS_OK) {
        status = read_page(page, vs_buf_view(&answer.http.body), &reason);
        if (status != VS_OK) {
            status =
                vs_fail(err, status, "cannot list %s: %s", store->base.root_uri, reason.message);
        }
    }
    vs_s3_answer_clear(&answer);
    return status;
}

// ---- showing ----

// The key below the store's root; false for what is no object of a store: markers of folders, and
// names with empty parts, which others may have put there.
static bool relative_key(const struct vs_s3_store *store, struct vs_buf *key, const char **out)
{
    size_t skip = strlen(store->prefix);
    if (vs_buf_c_str(key) == NULL || memchr(key->data, '\0', key->len) != NULL) {
        return false;
    }
    skip += skip > 0;
    *out = (const char *)key->data + skip;
    return key->len > skip && vs_key_validate(*out, NULL) == VS_OK;
}

static enum vs_status show_page(const struct vs_s3_store *store,
                                const struct page *page,
                                struct vs_buf *last,
                                vs_list_fn visit,
                                void *ctx,
                                struct vs_error *err)
{
    const struct listed *objects = (const struct listed *)(const void *)page->objects.data;
    size_t count = page->objects.len / sizeof *objects;
    struct vs_buf key;
    enum vs_status status = VS_OK;
    vs_buf_init(&key, page->env, SIZE_MAX / 2);
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        const char *relative = NULL;
        struct vs_str raw = {(const char *)page->keys.data + objects[i].key_at, objects[i].key_len};
        vs_buf_reset(&key);
        status =
            page->encoded ? vs_url_decode(raw, true, &key, err) : vs_buf_append_str(&key, raw, err);
        if (status == VS_OK && vs_str_compare(vs_buf_view(last), vs_buf_view(&key)) >= 0 &&
            last->len > 0) {
            status = vs_fail(err, VS_UNSUPPORTED,
                             "%s lists its objects out of order (%.100s after %.100s): such a "
                             "store cannot be used",
                             store->base.root_uri, vs_buf_c_str(&key), vs_buf_c_str(last));
        }
        if (status == VS_OK && relative_key(store, &key, &relative)) {
            struct vs_object_info info = {vs_str_from_c(relative), objects[i].size,
                                          objects[i].modified_ms};
            status = visit(ctx, &info, err);
        }
        struct vs_buf swap = *last;
        *last = key;
        key = swap;
    }
    vs_buf_clear(&key);
    return status;
}

// prefix_len: of the prefix below the store's root.
static enum vs_status show_folders(const struct vs_s3_store *store,
                                   const struct page *page,
                                   size_t prefix_len,
                                   vs_folder_fn visit,
                                   void *ctx,
                                   struct vs_error *err)
{
    const struct listed *folders = (const struct listed *)(const void *)page->objects.data;
    size_t count = page->objects.len / sizeof *folders;
    size_t skip = strlen(store->prefix) + (store->prefix[0] != '\0') + prefix_len;
    struct vs_buf key;
    enum vs_status status = VS_OK;
    vs_buf_init(&key, page->env, SIZE_MAX / 2);
    for (size_t i = 0; i < count && status == VS_OK; i++) {
        struct vs_str raw = {(const char *)page->keys.data + folders[i].key_at, folders[i].key_len};
        vs_buf_reset(&key);
        status =
            page->encoded ? vs_url_decode(raw, true, &key, err) : vs_buf_append_str(&key, raw, err);
        if (status == VS_OK && key.len > skip + 1) { // "prefix/name/"
            status =
                visit(ctx, (struct vs_str){(const char *)key.data + skip, key.len - skip - 1}, err);
        }
    }
    vs_buf_clear(&key);
    return status;
}

// Exactly one of the visitors is given.
static enum vs_status walk(struct vs_s3_store *store,
                           const char *prefix,
                           vs_list_fn visit,
                           vs_folder_fn visit_folder,
                           void *ctx,
                           struct vs_error *err)
{
    const struct vs_store *base = &store->base;
    struct page page = {.env = base->env, .truncated = true, .folders = visit == NULL};
    struct vs_buf query;
    struct vs_buf last;
    enum vs_status status = VS_OK;
    vs_buf_init(&query, base->env, VS_S3_XML_MAX);
    vs_buf_init(&last, base->env, SIZE_MAX / 2);
    vs_buf_init(&page.keys, base->env, VS_S3_XML_MAX);
    vs_buf_init(&page.objects, base->env, VS_S3_XML_MAX);
    vs_buf_init(&page.token, base->env, VS_S3_XML_MAX);
    while (status == VS_OK && page.truncated) {
        status = page_query(store, &page, prefix, &query, err);
        status = status == VS_OK ? fetch_page(store, (const char *)query.data, &page, err) : status;
        if (status == VS_OK) {
            status = visit == NULL
                         ? show_folders(store, &page, strlen(prefix), visit_folder, ctx, err)
                         : show_page(store, &page, &last, visit, ctx, err);
        }
    }
    vs_buf_clear(&query);
    vs_buf_clear(&last);
    vs_buf_clear(&page.keys);
    vs_buf_clear(&page.objects);
    vs_buf_clear(&page.token);
    return status;
}

enum vs_status vs_s3_list(
    struct vs_store *store, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err)
{
    return walk((struct vs_s3_store *)store, prefix, visit, NULL, ctx, err);
}

enum vs_status vs_s3_list_folders(
    struct vs_store *store, const char *prefix, vs_folder_fn visit, void *ctx, struct vs_error *err)
{
    return walk((struct vs_s3_store *)store, prefix, NULL, visit, ctx, err);
}
