// SPDX-License-Identifier: Apache-2.0
/*
 * Between the two halves of the S3 server for tests.
 */
#ifndef VS_TESTS_MOCK_S3_INTERNAL_H
#define VS_TESTS_MOCK_S3_INTERNAL_H

#include "tests/support/mock_s3.h"

#include <pthread.h>

#define MOCK_OBJECTS 4096
#define MOCK_UPLOADS 64
#define MOCK_PARTS 1200
#define MOCK_LOG 8192
#define MOCK_THREADS 512

struct mock_blob {
    uint8_t *bytes;
    size_t len;
    char etag[40]; // with quotes
};

struct mock_object {
    char key[1100];
    struct mock_blob blob;
    int writes;
};

struct mock_upload {
    char id[40];
    char key[1100];
    struct mock_blob *parts; // MOCK_PARTS of them; NULL: free slot
    size_t part_count;
    bool has_crc; // begun with x-amz-checksum-algorithm: CRC32C
};

struct mock_request {
    char method[8];
    char path[4096]; // decoded, without "/bucket/"
    char raw_path[4096];
    char query[4096]; // as it came
    char headers[8192];
    size_t body_len;
    uint8_t *body;
};

struct mock_answer {
    int status;
    char headers[1024];
    struct vs_buf body;
    size_t length; // of a HEAD
    bool is_head;
};

struct mock_s3 {
    int listener;
    char endpoint[64];
    pthread_t accept_thread;
    pthread_mutex_t lock;
    struct mock_s3_options options;
    struct mock_fault fault;
    struct mock_object *objects[MOCK_OBJECTS];
    size_t object_count;
    struct mock_upload uploads[MOCK_UPLOADS];
    char *log[MOCK_LOG];
    char *log_headers[MOCK_LOG];
    size_t log_count;
    int sockets[MOCK_THREADS]; // of open connections; 0: free
    pthread_t threads[MOCK_THREADS];
    bool used[MOCK_THREADS]; // there is a thread to join
    bool stopping;
    uint64_t sequence;
};

// Value of a header (name in lower case) or of a query parameter (decoded); false when absent.
bool mock_header(const struct mock_request *request, const char *name, char *out, size_t size);
bool mock_param(const struct mock_request *request, const char *name, char *out, size_t size);
void mock_decode(const char *text, size_t len, char *out, size_t size);
void mock_error(struct mock_answer *answer, int status, const char *code, const char *extra);
// Lock held.
void mock_s3_handle(struct mock_s3 *mock,
                    const struct mock_request *request,
                    struct mock_answer *answer);
void mock_s3_store(struct mock_s3 *mock, const char *key, const void *bytes, size_t len);
void mock_s3_drop(struct mock_s3 *mock, const char *key);
void mock_s3_forget(struct mock_s3 *mock); // objects and uploads

#endif
