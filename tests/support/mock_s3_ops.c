// SPDX-License-Identifier: Apache-2.0
// The operations of the S3 server for tests.
#include "tests/support/mock_s3_internal.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/crypto.h"
#include "vecstore/object/s3_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- objects ----

static struct mock_object *find_object(struct mock_s3 *mock, const char *key, size_t *slot_out)
{
    for (size_t i = 0; i < mock->object_count; i++) {
        int order = strcmp(mock->objects[i]->key, key);
        if (order >= 0) {
            *slot_out = i;
            return order == 0 ? mock->objects[i] : NULL;
        }
    }
    *slot_out = mock->object_count;
    return NULL;
}

static void set_blob(struct mock_s3 *mock, struct mock_blob *blob, const void *bytes, size_t len)
{
    free(blob->bytes);
    blob->bytes = (uint8_t *)malloc(len + 1);
    if (blob->bytes == NULL) {
        abort();
    }
    memcpy(blob->bytes, len > 0 ? bytes : "", len);
    blob->len = len;
    (void)snprintf(blob->etag, sizeof blob->etag, "\"%016llx%08x\"",
                   (unsigned long long)++mock->sequence, vs_crc32c(0, bytes, len));
}

void mock_s3_store(struct mock_s3 *mock, const char *key, const void *bytes, size_t len)
{
    size_t slot = 0;
    struct mock_object *object = find_object(mock, key, &slot);
    if (object == NULL) {
        object = (struct mock_object *)calloc(1, sizeof *object);
        if (object == NULL || mock->object_count == MOCK_OBJECTS) {
            abort();
        }
        (void)snprintf(object->key, sizeof object->key, "%s", key);
        memmove(mock->objects + slot + 1, mock->objects + slot,
                (mock->object_count - slot) * sizeof object);
        mock->objects[slot] = object;
        mock->object_count++;
    }
    set_blob(mock, &object->blob, bytes, len);
    object->writes++;
}

void mock_s3_drop(struct mock_s3 *mock, const char *key)
{
    size_t slot = 0;
    struct mock_object *object = find_object(mock, key, &slot);
    if (object != NULL) {
        free(object->blob.bytes);
        free(object);
        mock->object_count--;
        memmove(mock->objects + slot, mock->objects + slot + 1,
                (mock->object_count - slot) * sizeof object);
    }
}

static void free_upload(struct mock_upload *upload)
{
    for (size_t i = 0; upload->parts != NULL && i < MOCK_PARTS; i++) {
        free(upload->parts[i].bytes);
    }
    free(upload->parts);
    memset(upload, 0, sizeof *upload);
}

void mock_s3_forget(struct mock_s3 *mock)
{
    while (mock->object_count > 0) {
        mock_s3_drop(mock, mock->objects[mock->object_count - 1]->key);
    }
    for (size_t i = 0; i < MOCK_UPLOADS; i++) {
        free_upload(&mock->uploads[i]);
    }
}

#define REPLY(answer, ...) (void)vs_buf_printf(&(answer)->body, NULL, __VA_ARGS__)

static void add_header(struct mock_answer *answer, const char *name, const char *value)
{
    size_t len = strlen(answer->headers);
    (void)snprintf(answer->headers + len, sizeof answer->headers - len, "%s: %s\r\n", name, value);
}

// ---- conditions ----

// False, with the answer made, when a condition of the request does not hold.
static bool conditions_hold(struct mock_s3 *mock,
                            const struct mock_request *request,
                            struct mock_answer *answer)
{
    char value[256];
    size_t slot = 0;
    const struct mock_object *object = find_object(mock, request->path, &slot);
    const struct mock_s3_options *options = &mock->options;
    if (options->ignore_conditions ||
        (options->ignore_on_overwrite && object != NULL && object->writes > 1)) {
        return true;
    }
    if (mock_header(request, "if-none-match", value, sizeof value) && object != NULL) {
        mock_error(answer, 412, "PreconditionFailed", "");
        return false;
    }
    if (mock_header(request, "if-match", value, sizeof value) && !options->ignore_match) {
        if (object == NULL || strcmp(object->blob.etag, value) != 0) {
            mock_error(answer, object == NULL ? 404 : 412,
                       object == NULL ? "NoSuchKey" : "PreconditionFailed", "");
            return false;
        }
    }
    return true;
}

// ---- reading ----

static bool parse_range(
    const struct mock_s3 *mock, const char *text, size_t size, size_t *first, size_t *last)
{
    struct vs_str range = vs_str_from_c(text), from, to;
    uint64_t a = 0, b = 0;
    if (!vs_str_starts_with(range, VS_STR("bytes="))) {
        return false;
    }
    range = (struct vs_str){range.ptr + 6, range.len - 6};
    if (!vs_str_split(range, '-', &from, &to) || vs_parse_u64(to, &b, NULL) != VS_OK) {
        return false;
    }
    if (from.len == 0) {
        if (mock->options.no_suffix && b > size) {
            return false;
        }
        *first = b < size ? size - (size_t)b : 0;
        *last = size - 1;
    } else if (vs_parse_u64(from, &a, NULL) == VS_OK) {
        *first = (size_t)a;
        *last = b < size ? (size_t)b : size - 1;
    } else {
        return false;
    }
    return size > 0 && *first < size && *first <= *last;
}

static void get_object(struct mock_s3 *mock,
                       const struct mock_request *request,
                       struct mock_answer *answer)
{
    char value[256];
    char crc[16];
    size_t slot = 0;
    const struct mock_object *object = find_object(mock, request->path, &slot);
    if (object == NULL) {
        mock_error(answer, 404, "NoSuchKey", "");
        return;
    }
    if (!conditions_hold(mock, request, answer)) {
        return;
    }
    const struct mock_blob *blob = &object->blob;
    bool ranged = mock_header(request, "range", value, sizeof value);
    bool no_range = mock->fault.kind == MOCK_NO_RANGE && mock->fault.times > 0;
    add_header(answer, "etag", blob->etag);
    if (ranged && !no_range) {
        size_t first = 0;
        size_t last = 0;
        if (!parse_range(mock, value, blob->len, &first, &last)) {
            mock_error(answer, 416, "InvalidRange", "");
            (void)snprintf(value, sizeof value, "bytes */%zu", blob->len);
            add_header(answer, "content-range", value);
            return;
        }
        if (mock->fault.kind == MOCK_OTHER_RANGE && mock->fault.times > 0 && last + 1 < blob->len) {
            mock->fault.times--;
            first++;
            last++;
        }
        answer->status = 206;
        (void)snprintf(value, sizeof value, "bytes %zu-%zu/%zu", first, last, blob->len);
        add_header(answer, "content-range", value);
        (void)vs_buf_append(&answer->body, blob->bytes + first, last + 1 - first, NULL);
        return;
    }
    if (mock->options.send_crc) {
        uint32_t sum = vs_crc32c(0, blob->bytes, blob->len);
        uint8_t digest[4] = {(uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8),
                             (uint8_t)sum};
        vs_base64_format(digest, 4, crc);
        add_header(answer, "x-amz-checksum-crc32c", crc);
    }
    (void)vs_buf_append(&answer->body, blob->bytes, blob->len, NULL);
}

// ---- writing ----

static void crc_text(const void *bytes, size_t len, char out[16])
{
    uint32_t sum = vs_crc32c(0, bytes, len);
    uint8_t digest[4] = {(uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8),
                         (uint8_t)sum};
    vs_base64_format(digest, 4, out);
}

// False with the answer made: the body is not what its checksum says.
static bool body_is_whole(const struct mock_request *request, struct mock_answer *answer)
{
    char sent[64], crc[16];
    if (!mock_header(request, "x-amz-checksum-crc32c", sent, sizeof sent)) {
        return true;
    }
    crc_text(request->body, request->body_len, crc);
    if (strcmp(crc, sent) != 0) {
        mock_error(answer, 400, "BadDigest", "");
        return false;
    }
    return true;
}

static void put_object(struct mock_s3 *mock,
                       const struct mock_request *request,
                       struct mock_answer *answer)
{
    size_t slot = 0;
    if (mock->options.always_ok) {
        add_header(answer, "etag", "\"0123\"");
        return;
    }
    if (body_is_whole(request, answer) && conditions_hold(mock, request, answer)) {
        mock_s3_store(mock, request->path, request->body, request->body_len);
        add_header(answer, "etag", find_object(mock, request->path, &slot)->blob.etag);
    }
}

// The source of a copy, cut to its range; NULL with the answer made.
static const struct mock_blob *copy_source(struct mock_s3 *mock,
                                           const struct mock_request *request,
                                           const char *source,
                                           struct mock_answer *answer)
{
    char key[2000];
    char etag[128];
    size_t slot = 0;
    mock_decode(source, strlen(source), key, sizeof key);
    const char *name = strncmp(key, "/bucket/", 8) == 0 ? key + 8 : key;
    const struct mock_object *object = find_object(mock, name, &slot);
    if (object == NULL) {
        mock_error(answer, 404, "NoSuchKey", "");
        return NULL;
    }
    if (mock_header(request, "x-amz-copy-source-if-match", etag, sizeof etag) &&
        strcmp(etag, object->blob.etag) != 0) {
        mock_error(answer, 412, "PreconditionFailed", "");
        return NULL;
    }
    return &object->blob;
}

static void copy_object(struct mock_s3 *mock,
                        const struct mock_request *request,
                        const char *source,
                        struct mock_answer *answer)
{
    const struct mock_blob *blob = copy_source(mock, request, source, answer);
    size_t slot = 0;
    if (blob != NULL) {
        uint8_t *copy = (uint8_t *)malloc(blob->len + 1);
        size_t len = blob->len;
        if (copy == NULL) {
            abort();
        }
        memcpy(copy, blob->bytes, len);
        mock_s3_store(mock, request->path, copy, len);
        free(copy);
        REPLY(answer, "<CopyObjectResult><ETag>%s</ETag></CopyObjectResult>",
              find_object(mock, request->path, &slot)->blob.etag);
    }
}

// ---- multipart ----

static struct mock_upload *find_upload(struct mock_s3 *mock, const char *id)
{
    for (size_t i = 0; i < MOCK_UPLOADS; i++) {
        if (mock->uploads[i].parts != NULL && strcmp(mock->uploads[i].id, id) == 0) {
            return &mock->uploads[i];
        }
    }
    return NULL;
}

static void begin_upload(struct mock_s3 *mock,
                         const struct mock_request *request,
                         struct mock_answer *answer)
{
    for (size_t i = 0; i < MOCK_UPLOADS; i++) {
        struct mock_upload *upload = &mock->uploads[i];
        if (upload->parts == NULL) {
            upload->parts = (struct mock_blob *)calloc(MOCK_PARTS, sizeof(struct mock_blob));
            (void)snprintf(upload->id, sizeof upload->id, "up/load+%llu",
                           (unsigned long long)++mock->sequence);
            (void)snprintf(upload->key, sizeof upload->key, "%.1099s", request->path);
            char algorithm[16];
            upload->has_crc =
                mock_header(request, "x-amz-checksum-algorithm", algorithm, sizeof algorithm);
            REPLY(answer,
                  "<?xml version=\"1.0\"?>\n<InitiateMultipartUploadResult xmlns=\"urn:x\">"
                  "<UploadId>%s</UploadId></InitiateMultipartUploadResult>",
                  upload->id);
            return;
        }
    }
    abort();
}

static void upload_part(struct mock_s3 *mock,
                        const struct mock_request *request,
                        struct mock_upload *upload,
                        int number,
                        struct mock_answer *answer)
{
    char source[2000];
    char range[100];
    struct mock_blob *part = &upload->parts[number - 1];
    if (mock_header(request, "x-amz-copy-source", source, sizeof source)) {
        size_t first = 0;
        size_t last = 0;
        const struct mock_blob *blob = copy_source(mock, request, source, answer);
        if (blob == NULL) {
            return;
        }
        if (!mock_header(request, "x-amz-copy-source-range", range, sizeof range) ||
            !parse_range(mock, range, blob->len, &first, &last)) {
            mock_error(answer, 416, "InvalidRange", "");
            return;
        }
        char crc[16], element[64] = "";
        set_blob(mock, part, blob->bytes + first, last + 1 - first);
        if (upload->has_crc) {
            crc_text(part->bytes, part->len, crc);
            (void)snprintf(element, sizeof element, "<ChecksumCRC32C>%s</ChecksumCRC32C>", crc);
        }
        REPLY(answer, "<CopyPartResult><ETag>&quot;%s</ETag>%s</CopyPartResult>", part->etag + 1,
              element);
    } else {
        if (!body_is_whole(request, answer)) {
            return;
        }
        set_blob(mock, part, request->body, request->body_len);
        add_header(answer, "etag", part->etag);
    }
    upload->part_count = upload->part_count > (size_t)number ? upload->part_count : (size_t)number;
}

// The document has to name every part with its tag, in order.
static bool document_fits(const struct mock_upload *upload, const struct mock_request *request)
{
    const char *at = (const char *)request->body;
    for (size_t i = 0; i < upload->part_count; i++) {
        char expected[200];
        char tag[40];
        (void)snprintf(tag, sizeof tag, "%s", upload->parts[i].etag + 1);
        tag[strlen(tag) - 1] = '\0';
        char crc[16], element[64] = "";
        if (upload->has_crc) { // "The complete request must include the checksum for each part."
            crc_text(upload->parts[i].bytes, upload->parts[i].len, crc);
            (void)snprintf(element, sizeof element, "<ChecksumCRC32C>%s</ChecksumCRC32C>", crc);
        }
        (void)snprintf(expected, sizeof expected,
                       "<Part>%s<ETag>&quot;%s&quot;</ETag><PartNumber>%zu</PartNumber>", element,
                       tag, i + 1);
        at = strstr(at, expected);
        if (at == NULL) {
            return false;
        }
        at += strlen(expected);
    }
    return strstr(at, "<Part>") == NULL;
}

static void complete_upload(struct mock_s3 *mock,
                            const struct mock_request *request,
                            struct mock_upload *upload,
                            struct mock_answer *answer)
{
    struct vs_buf whole;
    if (!document_fits(upload, request)) {
        mock_error(answer, 400, "InvalidPart", "");
        return;
    }
    for (size_t i = 0; i + 1 < upload->part_count; i++) {
        if (upload->parts[i].len < (size_t)5 << 20) {
            mock_error(answer, 400, "EntityTooSmall", "");
            return;
        }
    }
    if (!conditions_hold(mock, request, answer)) {
        return;
    }
    vs_buf_init(&whole, vs_env_default(), (size_t)1 << 30);
    for (size_t i = 0; i < upload->part_count; i++) {
        (void)vs_buf_append(&whole, upload->parts[i].bytes, upload->parts[i].len, NULL);
    }
    mock_s3_store(mock, upload->key, whole.data, whole.len);
    vs_buf_clear(&whole);
    free_upload(upload);
    REPLY(answer, "<CompleteMultipartUploadResult><Key>%s</Key></CompleteMultipartUploadResult>",
          "x");
}

static void handle_upload(struct mock_s3 *mock,
                          const struct mock_request *request,
                          const char *id,
                          struct mock_answer *answer)
{
    char number[16] = "";
    struct mock_upload *upload = find_upload(mock, id);
    if (upload == NULL || strcmp(upload->key, request->path) != 0) {
        mock_error(answer, 404, "NoSuchUpload", "");
    } else if (strcmp(request->method, "DELETE") == 0) {
        free_upload(upload);
        answer->status = 204;
    } else if (strcmp(request->method, "POST") == 0) {
        complete_upload(mock, request, upload, answer);
    } else if (mock_param(request, "partNumber", number, sizeof number) &&
               strtol(number, NULL, 10) >= 1 && strtol(number, NULL, 10) <= MOCK_PARTS) {
        upload_part(mock, request, upload, (int)strtol(number, NULL, 10), answer);
    } else {
        mock_error(answer, 400, "InvalidArgument", "");
    }
}

// ---- lists ----

static void encode_key(const char *key, struct vs_buf *out)
{
    for (; *key != '\0'; key++) {
        unsigned char c = (unsigned char)*key;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-_./*", c) != NULL;
        if (plain) {
            (void)vs_buf_append_byte(out, c, NULL);
        } else if (c == ' ') {
            (void)vs_buf_append_byte(out, '+', NULL);
        } else {
            (void)vs_buf_printf(out, NULL, "%%%02X", c);
        }
    }
    (void)vs_buf_c_str(out);
}

static void list_one(struct mock_answer *answer, const struct mock_object *object)
{
    struct vs_buf name;
    vs_buf_init(&name, vs_env_default(), 1u << 16);
    encode_key(object->key, &name);
    (void)vs_buf_printf(&answer->body, NULL,
                        "<Contents><Key>%s</Key><LastModified>2026-11-21T10:20:30.123Z"
                        "</LastModified><ETag>%s</ETag><Size>%zu</Size></Contents>",
                        (const char *)name.data, object->blob.etag, object->blob.len);
    vs_buf_clear(&name);
}

static void list_folder(struct mock_answer *answer, const char *key, size_t len)
{
    char folder[1100];
    struct vs_buf name;
    vs_buf_init(&name, vs_env_default(), 1u << 16);
    (void)snprintf(folder, sizeof folder, "%.*s", (int)len, key);
    encode_key(folder, &name);
    REPLY(answer, "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>", (const char *)name.data);
    vs_buf_clear(&name);
}

static void list_objects(struct mock_s3 *mock,
                         const struct mock_request *request,
                         struct mock_answer *answer)
{
    char prefix[2000] = "";
    char token[2000] = "";
    char delimiter[8] = "";
    char last_folder[1100] = "";
    size_t most = mock->options.page_size > 0 ? mock->options.page_size : 1000;
    size_t shown = 0;
    const char *next = NULL;
    (void)mock_param(request, "prefix", prefix, sizeof prefix);
    (void)mock_param(request, "continuation-token", token, sizeof token);
    (void)mock_param(request, "delimiter", delimiter, sizeof delimiter);
    REPLY(answer, "<ListBucketResult>%s", "<Name>bucket</Name>");
    for (size_t i = 0; i < mock->object_count && next == NULL; i++) {
        const char *key = mock->objects[i]->key;
        if (strncmp(key, prefix, strlen(prefix)) != 0 ||
            (token[0] != '\0' && strcmp(key, token + 1) <= 0)) {
            continue;
        }
        const char *end = delimiter[0] != '\0' ? strchr(key + strlen(prefix), '/') : NULL;
        size_t len = end != NULL ? (size_t)(end - key) + 1 : 0;
        if (len > 0 && strncmp(last_folder, key, len) == 0 && last_folder[len] == '\0') {
            continue;
        }
        if (shown == most) {
            next = mock->objects[i - 1]->key;
        } else if (len > 0) {
            (void)snprintf(last_folder, sizeof last_folder, "%.*s", (int)len, key);
            list_folder(answer, key, len);
            shown++;
        } else {
            list_one(answer, mock->objects[i]);
            shown++;
        }
    }
    if (next != NULL) {
        struct vs_buf name;
        vs_buf_init(&name, vs_env_default(), 1u << 16);
        (void)vs_xml_escape(vs_str_from_c(next), &name, NULL);
        REPLY(answer, "<NextContinuationToken>!%s</NextContinuationToken>", vs_buf_c_str(&name));
        vs_buf_clear(&name);
    }
    REPLY(answer,
          "<IsTruncated>%s</IsTruncated><EncodingType>url</EncodingType></ListBucketResult>",
          next != NULL ? "true" : "false");
}

static void unescape(char *text)
{
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;"};
    static const char chars[] = "&<>\"";
    char *out = text;
    while (*text != '\0') {
        size_t which = 4;
        for (size_t i = 0; i < 4; i++) {
            which = strncmp(text, names[i], strlen(names[i])) == 0 ? i : which;
        }
        if (which < 4) {
            *out++ = chars[which];
            text += strlen(names[which]);
        } else {
            *out++ = *text++;
        }
    }
    *out = '\0';
}

static void delete_objects(struct mock_s3 *mock,
                           const struct mock_request *request,
                           struct mock_answer *answer)
{
    uint8_t digest[VS_MD5_SIZE];
    char md5[32];
    char sent[64] = "";
    size_t count = 0;
    (void)vs_md5(request->body, request->body_len, digest, NULL);
    vs_base64_format(digest, sizeof digest, md5);
    if (mock->options.no_batch_delete) {
        mock_error(answer, 501, "NotImplemented", "");
        return;
    }
    if (!mock_header(request, "content-md5", sent, sizeof sent) || strcmp(sent, md5) != 0) {
        mock_error(answer, 400, "InvalidDigest", "");
        return;
    }
    REPLY(answer, "%s", "<DeleteResult>");
    for (const char *at = strstr((const char *)request->body, "<Key>"); at != NULL;
         at = strstr(at, "<Key>")) {
        char key[1100];
        const char *end = strstr(at, "</Key>");
        if (end == NULL || ++count > 1000) {
            vs_buf_reset(&answer->body);
            mock_error(answer, 400, "MalformedXML", "");
            return;
        }
        (void)snprintf(key, sizeof key, "%.*s", (int)(end - at - 5), at + 5);
        unescape(key);
        if (mock->options.undeletable != NULL && strcmp(key, mock->options.undeletable) == 0) {
            REPLY(answer, "<Error><Key>");
            (void)vs_xml_escape(vs_str_from_c(key), &answer->body, NULL);
            REPLY(answer, "</Key><Code>AccessDenied</Code><Message>locked</Message></Error>");
        } else {
            mock_s3_drop(mock, key);
        }
        at = end;
    }
    REPLY(answer, "%s", "</DeleteResult>");
}

// ---- which one ----

void mock_s3_handle(struct mock_s3 *mock,
                    const struct mock_request *request,
                    struct mock_answer *answer)
{
    char value[2000] = "";
    const char *method = request->method;
    bool bucket = request->path[0] == '\0';
    if (mock_param(request, "uploadId", value, sizeof value)) {
        handle_upload(mock, request, value, answer);
    } else if (bucket && strcmp(method, "GET") == 0) {
        list_objects(mock, request, answer);
    } else if (bucket && strcmp(method, "POST") == 0) {
        delete_objects(mock, request, answer);
    } else if (mock_param(request, "uploads", value, sizeof value)) {
        begin_upload(mock, request, answer);
    } else if (strcmp(method, "GET") == 0) {
        get_object(mock, request, answer);
    } else if (strcmp(method, "HEAD") == 0) {
        get_object(mock, request, answer);
        answer->is_head = true;
    } else if (strcmp(method, "DELETE") == 0) {
        mock_s3_drop(mock, request->path);
        answer->status = 204;
    } else if (mock_header(request, "x-amz-copy-source", value, sizeof value)) {
        copy_object(mock, request, value, answer);
    } else {
        put_object(mock, request, answer);
    }
}
