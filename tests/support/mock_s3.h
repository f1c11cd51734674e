// SPDX-License-Identifier: Apache-2.0
/*
 * An S3 server inside the test program: objects in memory, one bucket ("bucket", path style), on a
 * loopback port. It checks signatures by signing what arrived with the project's own signer, keeps
 * conditions, and does on request what goes wrong in the world.
 *
 * mock_s3.c listens, parses, authenticates and injects faults; mock_s3_ops.c has the operations.
 * Threads: one per connection, everything behind one lock.
 */
#ifndef VS_TESTS_MOCK_S3_H
#define VS_TESTS_MOCK_S3_H

#include "vecstore/base/buf.h"

#define MOCK_S3_ACCESS_KEY "mock-key"
#define MOCK_S3_SECRET_KEY "mock-secret"

enum mock_fault_kind {
    MOCK_STATUS,      // answers with status, code and header, without doing anything
    MOCK_STATUS_DONE, // does it, then answers so
    MOCK_DROP_BEFORE, // closes the connection without doing anything
    MOCK_DROP_AFTER,  // does it, then closes the connection without an answer
    MOCK_DELAY,       // answers delay_ms later
    MOCK_CUT_BODY,    // sends half of the body and closes
    MOCK_FLIP_BIT,    // in the body of the answer
    MOCK_NO_RANGE,    // answers a ranged GET with everything
    MOCK_OTHER_RANGE, // answers a ranged GET with other bytes than those asked for
};

struct mock_fault {
    const char *method; // NULL: any
    const char *needle; // the target contains it; NULL: any
    int skip;           // so many fitting requests pass first
    int times;          // then so many are hit
    enum mock_fault_kind kind;
    int status;
    const char *code;   // of the error document; NULL: no document
    const char *header; // "retry-after: 1\r\n" or NULL
    int delay_ms;
};

struct mock_s3_options {
    bool ignore_conditions;   // If-None-Match and If-Match count for nothing
    bool ignore_on_overwrite; // … for objects that were written more than once
    bool always_ok;           // PUT answers 200 and stores nothing
    bool ignore_match;        // If-Match alone counts for nothing
    bool users_unknown_404;   // an unknown access key is answered with 404
    bool no_batch_delete;     // 501
    bool no_check;            // signatures are not looked at
    bool no_suffix;           // a suffix range longer than the object is refused
    bool send_crc;            // x-amz-checksum-crc32c with whole objects
    const char *region;       // NULL: us-east-1
    const char *token;        // the session token that is not expired; NULL: none asked for
    int64_t clock_ms;         // the server's clock minus ours
    size_t page_size;         // of a list; 0: 1000
    const char *undeletable;  // a key that a batch delete reports as an error
};

struct mock_s3;

struct mock_s3 *mock_s3_start(void); // NULL with a message on stderr when it cannot listen
void mock_s3_stop(struct mock_s3 *mock);
const char *mock_s3_endpoint(const struct mock_s3 *mock); // "http://127.0.0.1:port"
void mock_s3_set(struct mock_s3 *mock, struct mock_s3_options options);
void mock_s3_fault(struct mock_s3 *mock, struct mock_fault fault); // replaces the last one
// Forgets requests, objects and faults.
void mock_s3_reset(struct mock_s3 *mock);
// Requests so far whose line "PUT /bucket/key?query 200" contains the text.
size_t mock_s3_count(struct mock_s3 *mock, const char *needle);
size_t mock_s3_uploads(struct mock_s3 *mock); // multipart uploads that are neither done nor gone
size_t mock_s3_objects(struct mock_s3 *mock);
// Header lines of the last request whose line contains the text, in lower case; "" when none.
void mock_s3_last_headers(struct mock_s3 *mock, const char *needle, char *out, size_t size);
// Changes an object behind the client's back; removes it when text is NULL.
void mock_s3_put(struct mock_s3 *mock, const char *key, const char *text);

#endif
