// SPDX-License-Identifier: Apache-2.0
// Listening, parsing, authentication and faults of the S3 server for tests.
#include "tests/support/mock_s3_internal.h"
#include "vecstore/base/crypto.h"
#include "vecstore/base/datetime.h"
#include "vecstore/base/text.h"
#include "vecstore/object/aws_sign.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// ---- parsing ----

void mock_decode(const char *text, size_t len, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < size; i++) {
        int high = text[i] == '%' && i + 2 < len ? vs_hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? vs_hex_value(text[i + 2]) : -1;
        if (low >= 0) {
            out[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[n++] = text[i];
        }
    }
    out[n] = '\0';
}

bool mock_header(const struct mock_request *request, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);
    for (const char *line = request->headers; *line != '\0';) {
        const char *end = strchr(line, '\n');
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            (void)snprintf(out, size, "%.*s", (int)(end - line - (long)len - 1), line + len + 1);
            return true;
        }
        line = end + 1;
    }
    return false;
}

bool mock_param(const struct mock_request *request, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);
    const char *at = request->query;
    while (*at != '\0') {
        size_t part = strcspn(at, "&");
        if (strncmp(at, name, len) == 0 && (at[len] == '=' || len == part)) {
            size_t skip = at[len] == '=' ? len + 1 : len;
            mock_decode(at + skip, part - skip, out, size);
            return true;
        }
        at += part + (at[part] == '&');
    }
    return false;
}

void mock_error(struct mock_answer *answer, int status, const char *code, const char *extra)
{
    answer->status = status;
    vs_buf_reset(&answer->body);
    (void)vs_buf_printf(&answer->body, NULL,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>%s</Code><Message>"
                        "mock says &quot;%s&quot;</Message>%s<RequestId>r1</RequestId></Error>",
                        code, code, extra);
}

// Head and body of the next request into `raw`; false when the connection ends.
static bool read_request(int fd, struct vs_buf *raw, struct mock_request *request)
{
    char piece[65536];
    size_t head = 0;
    size_t need = SIZE_MAX;
    bool told = false;
    vs_buf_reset(raw);
    while (raw->len < need) {
        size_t want =
            need == SIZE_MAX || need - raw->len > sizeof piece ? sizeof piece : need - raw->len;
        ssize_t n = recv(fd, piece, want, 0);
        if (n <= 0 || vs_buf_append(raw, piece, (size_t)n, NULL) != VS_OK) {
            return false;
        }
        const char *end =
            head == 0 ? (const char *)memmem(raw->data, raw->len, "\r\n\r\n", 4) : NULL;
        if (end != NULL) {
            unsigned long long length = 0;
            head = (size_t)(end - (const char *)raw->data) + 4;
            (void)vs_buf_c_str(raw);
            const char *line = strcasestr((const char *)raw->data, "\r\ncontent-length:");
            if (line != NULL && line < (const char *)raw->data + head) {
                length = strtoull(line + 17, NULL, 10);
            }
            need = head + (size_t)length;
            told = strcasestr((const char *)raw->data, "\r\nexpect: 100") != NULL;
        }
        if (told) {
            told = false;
            (void)send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
        }
    }
    (void)vs_buf_c_str(raw);
    request->body = raw->data + head;
    request->body_len = need - head;
    raw->data[head - 2] = '\0';
    return true;
}

// Takes the head apart: it ends with "\r\n" and a NUL.
static bool parse_head(const char *head, struct mock_request *request)
{
    char target[8192];
    size_t used = 0;
    if (sscanf(head, "%7s %8191s", request->method, target) != 2) {
        return false;
    }
    char *question = strchr(target, '?');
    (void)snprintf(request->query, sizeof request->query, "%s", question ? question + 1 : "");
    if (question != NULL) {
        *question = '\0';
    }
    (void)snprintf(request->raw_path, sizeof request->raw_path, "%.4095s", target);
    const char *key = strncmp(target, "/bucket/", 8) == 0 ? target + 8 : "";
    if (key[0] == '\0' && strcmp(target, "/bucket") != 0 && strcmp(target, "/bucket/") != 0) {
        (void)snprintf(request->path, sizeof request->path, "!other");
    } else {
        mock_decode(key, strlen(key), request->path, sizeof request->path);
    }
    for (const char *line = strstr(head, "\r\n"); line != NULL && line[2] != '\0';
         line = strstr(line + 2, "\r\n")) {
        const char *end = strstr(line + 2, "\r\n");
        const char *colon = strchr(line + 2, ':');
        if (end == NULL || colon == NULL || colon > end ||
            used + (size_t)(end - line) + 2 > sizeof request->headers) {
            break;
        }
        for (const char *c = line + 2; c < colon; c++) {
            request->headers[used++] = (char)tolower((unsigned char)*c);
        }
        request->headers[used++] = ':';
        for (const char *c = colon + 1 + (colon[1] == ' '); c < end; c++) {
            request->headers[used++] = *c;
        }
        request->headers[used++] = '\n';
        request->headers[used] = '\0';
    }
    return true;
}

// ---- authentication ----

static void http_date(int64_t ms, char *out, size_t size)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    (void)strftime(out, size, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

// "20261121T145730Z"
static int64_t parse_amz_date(const char *text)
{
    char iso[40];
    int64_t micros = 0;
    if (strlen(text) != 16) {
        return 0;
    }
    (void)snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", text, text + 4, text + 6,
                   text + 9, text + 11, text + 13);
    (void)vs_timestamp_parse(vs_str_from_c(iso), &micros, NULL, NULL);
    return micros / 1000;
}

// Signs what arrived with the same headers and compares.
static bool signature_fits(const struct mock_request *request,
                           const char *authorization,
                           const char *date,
                           const char *region)
{
    char names[2000] = "";
    char host[200] = "";
    char hash[200] = "";
    char token[500] = "";
    static _Thread_local char values[32][2200];
    struct vs_pair headers[32];
    struct vs_pair made[VS_AWS_SIGNED_HEADERS_MAX];
    size_t count = 0;
    size_t made_count = 0;
    struct vs_buf text;
    const char *list = strstr(authorization, "SignedHeaders=");
    if (list == NULL || sscanf(list, "SignedHeaders=%1999[^,]", names) != 1 ||
        !mock_header(request, "host", host, sizeof host) ||
        !mock_header(request, "x-amz-content-sha256", hash, sizeof hash)) {
        return false;
    }
    (void)mock_header(request, "x-amz-security-token", token, sizeof token);
    struct vs_str rest = vs_str_from_c(names);
    for (bool more = true; more && count < 32;) {
        char name[200];
        struct vs_str part = rest;
        more = vs_str_split(rest, ';', &part, &rest);
        (void)snprintf(name, sizeof name, "%.*s", VS_STR_ARG(part));
        if (strcmp(name, "host") != 0 && strcmp(name, "x-amz-date") != 0 &&
            strcmp(name, "x-amz-content-sha256") != 0 &&
            strcmp(name, "x-amz-security-token") != 0) {
            if (!mock_header(request, name, values[count], sizeof values[count])) {
                return false;
            }
            headers[count] = (struct vs_pair){part, vs_str_from_c(values[count])};
            count++;
        }
    }
    struct vs_aws_sign sign = {.method = request->method,
                               .host = vs_str_from_c(host),
                               .path = vs_str_from_c(request->raw_path),
                               .query = vs_str_from_c(request->query),
                               .headers = headers,
                               .header_count = count,
                               .payload_sha256 = vs_str_from_c(hash),
                               .is_s3 = true,
                               .region = vs_str_from_c(region),
                               .service = VS_STR("s3"),
                               .wall_ms = parse_amz_date(date)};
    struct vs_aws_credentials credentials = {VS_STR(MOCK_S3_ACCESS_KEY), VS_STR(MOCK_S3_SECRET_KEY),
                                             vs_str_from_c(token)};
    bool fits = false;
    vs_buf_init(&text, vs_env_default(), 1u << 16);
    if (vs_aws_sign(&sign, &credentials, &text, made, &made_count, NULL) == VS_OK) {
        for (size_t i = 0; i < made_count; i++) {
            fits = fits || vs_str_equal_c(made[i].value, authorization);
        }
    }
    vs_buf_clear(&text);
    return fits;
}

static bool body_fits(const struct mock_request *request)
{
    char sent[200] = "";
    uint8_t digest[VS_SHA256_SIZE];
    char hash[2 * VS_SHA256_SIZE + 1];
    (void)mock_header(request, "x-amz-content-sha256", sent, sizeof sent);
    if (strcmp(sent, "UNSIGNED-PAYLOAD") == 0) {
        return true;
    }
    (void)vs_sha256(request->body, request->body_len, digest, NULL);
    vs_hex_format(digest, sizeof digest, hash);
    return strcmp(sent, hash) == 0;
}

// False, with the answer made, when the request is refused.
static bool authenticate(const struct mock_s3 *mock,
                         const struct mock_request *request,
                         struct mock_answer *answer)
{
    char authorization[3000] = "";
    char date[100] = "";
    char scope[200];
    char key[100] = "";
    char token[500] = "";
    char extra[200];
    const struct mock_s3_options *options = &mock->options;
    const char *region = options->region != NULL ? options->region : "us-east-1";
    int64_t now_ms = vs_wall_ms(vs_env_default()) + options->clock_ms;
    if (options->no_check) {
        return true;
    }
    if (!mock_header(request, "authorization", authorization, sizeof authorization) ||
        !mock_header(request, "x-amz-date", date, sizeof date)) {
        mock_error(answer, 403, "AccessDenied", "");
        return false;
    }
    (void)sscanf(authorization, "AWS4-HMAC-SHA256 Credential=%99[^/]", key);
    (void)mock_header(request, "x-amz-security-token", token, sizeof token);
    (void)snprintf(scope, sizeof scope, "/%.8s/%s/s3/aws4_request", date, region);
    (void)snprintf(extra, sizeof extra, "<Region>%s</Region>", region);
    if (strcmp(key, MOCK_S3_ACCESS_KEY) != 0) {
        mock_error(answer, options->users_unknown_404 ? 404 : 403,
                   options->users_unknown_404 ? "XAdminUserNotFound" : "InvalidAccessKeyId", "");
    } else if (llabs(parse_amz_date(date) - now_ms) > INT64_C(900000)) {
        mock_error(answer, 403, "RequestTimeTooSkewed", "");
    } else if (options->token != NULL && strcmp(token, options->token) != 0) {
        mock_error(answer, 400, "ExpiredToken", "");
    } else if (strstr(authorization, scope) == NULL) {
        mock_error(answer, 400, "AuthorizationHeaderMalformed", extra);
    } else if (!signature_fits(request, authorization, date, region)) {
        mock_error(answer, 403, "SignatureDoesNotMatch", "");
    } else if (!body_fits(request)) {
        mock_error(answer, 400, "XAmzContentSHA256Mismatch", "");
    } else {
        return true;
    }
    return false;
}

// ---- answering ----

static const struct mock_fault *fault_of(struct mock_s3 *mock, const struct mock_request *request)
{
    struct mock_fault *fault = &mock->fault;
    char target[8200];
    (void)snprintf(target, sizeof target, "%.4000s?%.4000s", request->raw_path, request->query);
    bool fits = fault->times > 0 &&
                (fault->method == NULL || strcmp(fault->method, request->method) == 0) &&
                (fault->needle == NULL || strstr(target, fault->needle) != NULL);
    if (!fits || fault->kind == MOCK_NO_RANGE || fault->kind == MOCK_OTHER_RANGE) {
        return NULL;
    }
    if (fault->skip > 0) {
        fault->skip--;
        return NULL;
    }
    fault->times--;
    return fault;
}

static void keep_log(struct mock_s3 *mock, const struct mock_request *request, int status)
{
    char line[8400];
    (void)snprintf(line, sizeof line, "%s %.4000s%s%.4000s %d", request->method, request->raw_path,
                   request->query[0] != '\0' ? "?" : "", request->query, status);
    if (mock->log_count < MOCK_LOG) {
        mock->log[mock->log_count] = strdup(line);
        mock->log_headers[mock->log_count++] = strdup(request->headers);
    }
}

static bool send_all(int fd, const void *bytes, size_t n)
{
    const char *at = (const char *)bytes;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool send_answer(int fd,
                        const struct mock_s3 *mock,
                        const struct mock_answer *answer,
                        bool cut)
{
    char head[2048];
    char date[64];
    http_date(vs_wall_ms(vs_env_default()) + mock->options.clock_ms, date, sizeof date);
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\nDate: %s\r\n%s\r\n",
                       answer->status, answer->body.len, date, answer->headers);
    bool no_body = answer->is_head || answer->status == 204;
    size_t body = no_body ? 0 : answer->body.len;
    return send_all(fd, head, (size_t)len) &&
           send_all(fd, answer->body.data, cut ? body / 2 : body) && !cut;
}

// One request; false when the connection is to be closed.
static bool serve_request(struct mock_s3 *mock, int fd, const struct mock_request *request)
{
    struct mock_answer answer = {.status = 200};
    struct mock_fault fault = {.kind = MOCK_DELAY};
    vs_buf_init(&answer.body, vs_env_default(), (size_t)1 << 30);
    (void)pthread_mutex_lock(&mock->lock);
    const struct mock_fault *hit = fault_of(mock, request);
    fault = hit != NULL ? *hit : fault;
    bool skip = fault.kind == MOCK_STATUS || fault.kind == MOCK_DROP_BEFORE;
    if (!skip && authenticate(mock, request, &answer)) {
        if (strcmp(request->path, "!other") == 0) {
            mock_error(&answer, 404, "NoSuchBucket", "");
        } else {
            mock_s3_handle(mock, request, &answer);
        }
    }
    if (fault.kind == MOCK_STATUS || fault.kind == MOCK_STATUS_DONE) {
        mock_error(&answer, fault.status, fault.code != NULL ? fault.code : "", "");
        if (fault.code == NULL) {
            vs_buf_reset(&answer.body);
        }
        (void)snprintf(answer.headers, sizeof answer.headers, "%s",
                       fault.header != NULL ? fault.header : "");
    }
    if (fault.kind == MOCK_FLIP_BIT && answer.body.len > 0) {
        answer.body.data[answer.body.len / 2] ^= 1;
    }
    answer.is_head = strcmp(request->method, "HEAD") == 0;
    keep_log(mock, request, answer.status);
    (void)pthread_mutex_unlock(&mock->lock);
    if (fault.delay_ms > 0) {
        (void)usleep((useconds_t)fault.delay_ms * 1000);
    }
    bool drop = fault.kind == MOCK_DROP_BEFORE || fault.kind == MOCK_DROP_AFTER;
    bool ok = !drop && send_answer(fd, mock, &answer, fault.kind == MOCK_CUT_BODY);
    vs_buf_clear(&answer.body);
    return ok;
}

struct connection {
    struct mock_s3 *mock;
    size_t index;
};

static void *serve_connection(void *arg)
{
    struct connection connection = *(struct connection *)arg;
    struct mock_s3 *mock = connection.mock;
    int fd = mock->sockets[connection.index];
    struct mock_request *request = (struct mock_request *)calloc(1, sizeof *request);
    struct vs_buf raw;
    int on = 1;
    free(arg);
    vs_buf_init(&raw, vs_env_default(), (size_t)1 << 30);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bool open = request != NULL;
    while (open && read_request(fd, &raw, request)) {
        uint8_t *body = request->body;
        size_t body_len = request->body_len;
        memset(request, 0, sizeof *request);
        request->body = body;
        request->body_len = body_len;
        open = parse_head((const char *)raw.data, request) && serve_request(mock, fd, request);
    }
    vs_buf_clear(&raw);
    free(request);
    (void)pthread_mutex_lock(&mock->lock);
    (void)close(fd);
    mock->sockets[connection.index] = 0;
    (void)pthread_mutex_unlock(&mock->lock);
    return NULL;
}

// Lock held. A thread for a new connection.
static bool start_connection(struct mock_s3 *mock, int fd, struct connection *connection)
{
    size_t index = 0;
    while (index < MOCK_THREADS && mock->sockets[index] != 0) {
        index++;
    }
    if (index == MOCK_THREADS) {
        return false;
    }
    if (mock->used[index]) { // it has given its socket back: it is about to end
        (void)pthread_join(mock->threads[index], NULL);
        mock->used[index] = false;
    }
    mock->sockets[index] = fd;
    *connection = (struct connection){mock, index};
    mock->used[index] =
        pthread_create(&mock->threads[index], NULL, serve_connection, connection) == 0;
    return mock->used[index];
}

static void *accept_loop(void *arg)
{
    struct mock_s3 *mock = (struct mock_s3 *)arg;
    for (;;) {
        int fd = accept(mock->listener, NULL, NULL);
        struct connection *connection = (struct connection *)malloc(sizeof *connection);
        (void)pthread_mutex_lock(&mock->lock);
        bool stop = mock->stopping || fd < 0 || connection == NULL ||
                    !start_connection(mock, fd, connection);
        (void)pthread_mutex_unlock(&mock->lock);
        if (stop) {
            free(connection);
            return NULL;
        }
    }
}

// ---- the server ----

struct mock_s3 *mock_s3_start(void)
{
    struct mock_s3 *mock = (struct mock_s3 *)calloc(1, sizeof *mock);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    if (mock == NULL) {
        return NULL;
    }
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    mock->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)pthread_mutex_init(&mock->lock, NULL);
    if (mock->listener < 0 ||
        bind(mock->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(mock->listener, 128) != 0 ||
        getsockname(mock->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&mock->accept_thread, NULL, accept_loop, mock) != 0) {
        perror("cannot start the S3 server for tests");
        free(mock);
        return NULL;
    }
    (void)snprintf(mock->endpoint, sizeof mock->endpoint, "http://127.0.0.1:%d",
                   ntohs(address.sin_port));
    return mock;
}

static void forget_log(struct mock_s3 *mock)
{
    for (size_t i = 0; i < mock->log_count; i++) {
        free(mock->log[i]);
        free(mock->log_headers[i]);
    }
    mock->log_count = 0;
}

void mock_s3_stop(struct mock_s3 *mock)
{
    (void)pthread_mutex_lock(&mock->lock);
    mock->stopping = true;
    (void)shutdown(mock->listener, SHUT_RDWR);
    (void)pthread_mutex_unlock(&mock->lock);
    (void)pthread_join(mock->accept_thread, NULL);
    (void)pthread_mutex_lock(&mock->lock);
    for (size_t i = 0; i < MOCK_THREADS; i++) {
        if (mock->sockets[i] != 0) {
            (void)shutdown(mock->sockets[i], SHUT_RDWR);
        }
    }
    (void)pthread_mutex_unlock(&mock->lock);
    for (size_t i = 0; i < MOCK_THREADS; i++) {
        if (mock->used[i]) {
            (void)pthread_join(mock->threads[i], NULL);
        }
    }
    (void)close(mock->listener);
    mock_s3_forget(mock);
    forget_log(mock);
    (void)pthread_mutex_destroy(&mock->lock);
    free(mock);
}

const char *mock_s3_endpoint(const struct mock_s3 *mock)
{
    return mock->endpoint;
}

void mock_s3_set(struct mock_s3 *mock, struct mock_s3_options options)
{
    (void)pthread_mutex_lock(&mock->lock);
    mock->options = options;
    (void)pthread_mutex_unlock(&mock->lock);
}

void mock_s3_fault(struct mock_s3 *mock, struct mock_fault fault)
{
    (void)pthread_mutex_lock(&mock->lock);
    mock->fault = fault;
    (void)pthread_mutex_unlock(&mock->lock);
}

void mock_s3_reset(struct mock_s3 *mock)
{
    (void)pthread_mutex_lock(&mock->lock);
    mock->fault = (struct mock_fault){0};
    mock_s3_forget(mock);
    forget_log(mock);
    (void)pthread_mutex_unlock(&mock->lock);
}

size_t mock_s3_count(struct mock_s3 *mock, const char *needle)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&mock->lock);
    for (size_t i = 0; i < mock->log_count; i++) {
        count += strstr(mock->log[i], needle) != NULL;
    }
    (void)pthread_mutex_unlock(&mock->lock);
    return count;
}

size_t mock_s3_uploads(struct mock_s3 *mock)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&mock->lock);
    for (size_t i = 0; i < MOCK_UPLOADS; i++) {
        count += mock->uploads[i].parts != NULL;
    }
    (void)pthread_mutex_unlock(&mock->lock);
    return count;
}

size_t mock_s3_objects(struct mock_s3 *mock)
{
    (void)pthread_mutex_lock(&mock->lock);
    size_t count = mock->object_count;
    (void)pthread_mutex_unlock(&mock->lock);
    return count;
}

void mock_s3_last_headers(struct mock_s3 *mock, const char *needle, char *out, size_t size)
{
    (void)pthread_mutex_lock(&mock->lock);
    (void)snprintf(out, size, "%s", "");
    for (size_t i = mock->log_count; i > 0; i--) {
        if (strstr(mock->log[i - 1], needle) != NULL) {
            (void)snprintf(out, size, "%s", mock->log_headers[i - 1]);
            break;
        }
    }
    (void)pthread_mutex_unlock(&mock->lock);
}

void mock_s3_put(struct mock_s3 *mock, const char *key, const char *text)
{
    (void)pthread_mutex_lock(&mock->lock);
    if (text != NULL) {
        mock_s3_store(mock, key, text, strlen(text));
    } else {
        mock_s3_drop(mock, key);
    }
    (void)pthread_mutex_unlock(&mock->lock);
}
