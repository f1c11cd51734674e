// SPDX-License-Identifier: Apache-2.0
/*
 * What the parts of the S3 store share; included by the s3_*.c files and store_s3.c only.
 *
 * Layers, each built on the one before: s3_wire.c (one signed request), s3_errors.c (what an answer
 * means), s3_request.c (repair and retry), then s3_put.c, s3_write.c, s3_copy.c, s3_list.c,
 * s3_file.c with s3_fetch.c, s3_probe.c. Threads: a store may be shared; what changes is behind its
 * lock or atomic.
 */
#ifndef VS_OBJECT_S3_INTERNAL_H
#define VS_OBJECT_S3_INTERNAL_H

#include "vecstore/object/aws_credentials.h"
#include "vecstore/object/http_client.h"
#include "vecstore/object/s3_xml.h"
#include "vecstore/object/store_internal.h"

#include <pthread.h>
#include <stdatomic.h>

#define VS_S3_TAIL_SIZE ((size_t)64 << 10)
#define VS_S3_PIECE_SIZE ((size_t)8 << 20) // most bytes of one ranged GET
#define VS_S3_XML_MAX ((size_t)16 << 20)   // of an answer that is a document
#define VS_S3_REGION_SIZE 64
#define VS_S3_HEADERS_MAX 10
#define VS_S3_TOKENS_PER_RETRY INT64_C(10)              // each request earns one
#define VS_S3_RETRY_BURST (VS_S3_TOKENS_PER_RETRY * 50) // retries that need not be earned

struct vs_s3_config {
    bool path_style;
    bool checksum;    // s3.checksum=crc32c
    bool copy_ranges; // s3.copy-ranges
    size_t max_parallel;
    size_t part_size;
    size_t multipart_threshold;
    uint64_t copy_max; // largest object of one CopyObject
    int64_t max_attempts, retry_total_ms, retry_base_ms, request_timeout_ms, hedge_ms;
    uint64_t put_nano_usd, get_nano_usd; // price of one request
};

struct vs_s3_store {
    struct vs_store base;
    struct vs_s3_config config;
    struct vs_http_client *http;
    struct vs_aws_provider *provider;
    char *bucket;
    char *prefix;    // without slashes at its ends; "" none
    char *scheme;    // "https"
    char *authority; // host and port of the given endpoint; NULL: made of the region
    char *base_path; // path of the given endpoint, "" or "/x"
    char *sse;       // x-amz-server-side-encryption; NULL: none
    char *sse_key;   // …-aws-kms-key-id; NULL: none
    pthread_mutex_t lock;
    pthread_cond_t hedge_ended;
    char region[VS_S3_REGION_SIZE]; // guarded by lock
    int64_t retry_tokens;           // guarded by lock; tenths of a retry
    size_t hedges;                  // guarded by lock; requests that nobody waits for any more
    _Atomic int64_t skew_ms;        // the server's clock minus ours
    _Atomic bool proven;            // a request was answered with success: the credentials are good
};

struct vs_s3_request {
    const char *action; // "read": "cannot read s3://…"
    enum vs_http_method method;
    const char *key;   // below the store's root; NULL: the bucket itself
    const char *query; // encoded, without '?'; NULL: none
    struct vs_pair headers[VS_S3_HEADERS_MAX];
    size_t header_count;
    struct vs_str body;
    void *dst; // as in vs_http_request
    size_t dst_size;
    size_t body_limit; // of the answer where there is no dst; 0: VS_S3_XML_MAX
    // Sent once, on a fresh connection; again only after an answer that says it was not processed.
    // The caller looks at the outcome.
    bool once;
    bool error_in_ok; // an answer with status 200 may be an error document
};

// The document that comes with an error; empty texts where it says nothing.
struct vs_s3_error {
    char code[64];
    char message[200];
    char region[VS_S3_REGION_SIZE];
    char request_id[64];
};

struct vs_s3_answer {
    struct vs_http_response http;
    struct vs_s3_error error;
    char access_key[64]; // that signed the request; "" anonymous
    int64_t attempts;
};

// One request ready to go; everything it borrows from lives in it or in the request.
struct vs_s3_wire {
    struct vs_buf url, auth, credentials;
    struct vs_pair headers[VS_S3_HEADERS_MAX + VS_AWS_SIGNED_HEADERS_MAX];
    struct vs_http_request http;
    char access_key[64];
};

// ---- s3_wire.c ----
void vs_s3_wire_init(struct vs_s3_wire *wire, const struct vs_env *env);
void vs_s3_wire_clear(struct vs_s3_wire *wire);
// Builds URL and headers and signs. `refresh`: the last credentials were refused as expired.
enum vs_status vs_s3_wire_make(struct vs_s3_store *store,
                               const struct vs_s3_request *request,
                               bool refresh,
                               struct vs_s3_wire *wire,
                               struct vs_error *err);
// Counts requests, bytes and price of one request that was sent.
void vs_s3_count(struct vs_s3_store *store,
                 const struct vs_s3_request *request,
                 const struct vs_http_response *response);
void vs_s3_add_header(struct vs_s3_request *request, const char *name, struct vs_str value);
void vs_s3_add_sse_headers(const struct vs_s3_store *store, struct vs_s3_request *request);
// "prefix/key" as in the bucket, appended.
enum vs_status vs_s3_full_key(const struct vs_s3_store *store,
                              const char *key,
                              struct vs_buf *out,
                              struct vs_error *err);

// ---- s3_errors.c ----
// Fills answer->error from the body of an error.
void vs_s3_read_error(const struct vs_env *env, struct vs_s3_answer *answer);
// Turns an answer that is no success, or the lack of one, into a status and a sentence.
enum vs_status vs_s3_fail(const struct vs_s3_store *store,
                          const struct vs_s3_request *request,
                          const struct vs_s3_answer *answer,
                          struct vs_error *err);
// The same for a request that was sent with `once` and changes something: VS_UNKNOWN where it may
// have been applied, `lost` where its condition did not hold.
enum vs_status vs_s3_fail_once(const struct vs_s3_store *store,
                               const struct vs_s3_request *request,
                               const struct vs_s3_answer *answer,
                               enum vs_status lost,
                               struct vs_error *err);
bool vs_s3_is_ok(const struct vs_s3_answer *answer); // answered with 200 to 299
bool vs_s3_has_code(const struct vs_s3_answer *answer, const char *code);
// The store ignores that a part was asked for, and sends everything.
bool vs_s3_is_more_than_asked(const struct vs_s3_answer *answer);
// A 404 that is about this object, and not about the bucket, the user or an upload.
bool vs_s3_is_absent(const struct vs_s3_answer *answer);

// ---- s3_request.c ----
void vs_s3_answer_init(struct vs_s3_answer *answer, const struct vs_env *env);
void vs_s3_answer_clear(struct vs_s3_answer *answer);
// Sends with repair (region, clock, expired credentials) and, unless `once`, retries. VS_OK: the
// answer is there to be looked at, whatever its status; with `once` there may be none.
enum vs_status vs_s3_send(struct vs_s3_store *store,
                          const struct vs_s3_request *request,
                          struct vs_s3_answer *answer,
                          struct vs_error *err);
// The same, and anything but success is an error.
enum vs_status vs_s3_call(struct vs_s3_store *store,
                          const struct vs_s3_request *request,
                          struct vs_s3_answer *answer,
                          struct vs_error *err);

// ---- s3_hedge.c ----
// Like vs_http_send for a GET with dst: a second one goes out when the first has not answered
// within s3.hedge-ms, and the first answer counts.
enum vs_status vs_s3_send_hedged(struct vs_s3_store *store,
                                 const struct vs_http_request *request,
                                 struct vs_http_response *response,
                                 struct vs_error *err);
void vs_s3_wait_for_hedges(struct vs_s3_store *store);

// ---- s3_checksum.c ----
#define VS_S3_MD5_TEXT_SIZE 25
#define VS_S3_CRC_TEXT_SIZE 9
void vs_s3_crc_text(const void *bytes, size_t n, char text_out[VS_S3_CRC_TEXT_SIZE]);
enum vs_status vs_s3_md5_text(const void *bytes,
                              size_t n,
                              char text_out[VS_S3_MD5_TEXT_SIZE],
                              struct vs_error *err);
// CORRUPT when the answer has a checksum of the whole object that its bytes do not have.
enum vs_status vs_s3_check_crc(const struct vs_s3_answer *answer,
                               struct vs_str bytes,
                               const char *name,
                               struct vs_error *err);

// ---- s3_put.c ----
enum vs_status vs_s3_put(struct vs_store *base,
                         const char *key,
                         struct vs_str bytes,
                         enum vs_put_mode mode,
                         struct vs_error *err);
enum vs_status vs_s3_put_match(struct vs_store *base,
                               const char *key,
                               struct vs_str bytes,
                               const char *etag,
                               struct vs_error *err);

// ---- s3_multipart.c ----
struct vs_s3_part {
    char etag[VS_ETAG_SIZE];
    char crc[VS_S3_CRC_TEXT_SIZE]; // with s3.checksum: the completion has to repeat it; "" none
    bool settled; // of a copy: answered at the first attempt, so nothing can arrive later
};

struct vs_s3_part_list {
    struct vs_s3_part *items;
    size_t count, capacity;
    uint64_t size; // of the whole object
};

enum vs_status vs_s3_upload_begin(struct vs_s3_store *store,
                                  const char *key,
                                  char **upload_id_out,
                                  struct vs_error *err);
enum vs_status vs_s3_upload_part(struct vs_s3_store *store,
                                 const char *key,
                                 const char *upload_id,
                                 size_t number,
                                 struct vs_str bytes,
                                 struct vs_s3_part *part_out,
                                 struct vs_error *err);
enum vs_status vs_s3_upload_complete(struct vs_s3_store *store,
                                     const char *key,
                                     const char *upload_id,
                                     const struct vs_s3_part_list *parts,
                                     enum vs_put_mode mode,
                                     struct vs_error *err);
void vs_s3_upload_abort(struct vs_s3_store *store, const char *key, const char *upload_id);
// The text of the first element of this name; NULL (no memory or absent) says which in err.
char *vs_s3_document_text(const struct vs_env *env,
                          struct vs_str document,
                          const char *name,
                          struct vs_error *err);

// ---- s3_write.c ----
enum vs_status vs_s3_create(struct vs_store *store,
                            const char *key,
                            struct vs_writer **writer_out,
                            struct vs_error *err);

// ---- s3_copy.c ----
// A range of an object of the same bucket.
struct vs_s3_source {
    struct vs_str name; // "/bucket/key", encoded
    const char *etag;   // the object must still have it; "" unknown
    uint64_t first, length;
};
// "/bucket/key" for vs_s3_source, appended.
enum vs_status vs_s3_source_name(const struct vs_s3_store *store,
                                 const char *key,
                                 struct vs_buf *out,
                                 struct vs_error *err);
// Like vs_s3_upload_part, of bytes that the store has already.
enum vs_status vs_s3_upload_part_copy(struct vs_s3_store *store,
                                      const char *key,
                                      const char *upload_id,
                                      size_t number,
                                      const struct vs_s3_source *source,
                                      struct vs_s3_part *part_out,
                                      struct vs_error *err);
enum vs_status vs_s3_copy(struct vs_store *base,
                          const char *from,
                          const char *to,
                          struct vs_error *err);

// ---- s3_list.c ----
enum vs_status vs_s3_list(
    struct vs_store *store, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err);

enum vs_status vs_s3_list_folders(struct vs_store *store,
                                  const char *prefix,
                                  vs_folder_fn visit,
                                  void *ctx,
                                  struct vs_error *err);

// ---- s3_remove.c ----
enum vs_status vs_s3_remove(struct vs_store *base, const char *key, struct vs_error *err);
enum vs_status vs_s3_remove_many(struct vs_store *store,
                                 const char *const *keys,
                                 size_t count,
                                 struct vs_error *err);

// ---- s3_file.c ----
enum vs_status vs_s3_open_sized(struct vs_store *store,
                                const char *key,
                                uint64_t size,
                                struct vs_file **file_out,
                                struct vs_error *err);
enum vs_status vs_s3_open(struct vs_store *store,
                          const char *key,
                          struct vs_file **file_out,
                          struct vs_error *err);
enum vs_status vs_s3_get_tagged(struct vs_store *base,
                                const char *key,
                                struct vs_buf *buf,
                                char etag_out[VS_ETAG_SIZE],
                                struct vs_error *err);

// "bytes 0-99/1000" (or "bytes */1000", where first and last are 0 and has_range false).
struct vs_s3_content_range {
    uint64_t first, last, total;
    bool has_range;
};

// Key and tag of an open file of this store; false: it is another one's.
bool vs_s3_file_facts(const struct vs_file *file,
                      const struct vs_s3_store *store,
                      const char **key_out,
                      const char **etag_out);

bool vs_s3_parse_content_range(struct vs_str text, struct vs_s3_content_range *out);

// ---- s3_fetch.c ----
// Ranged GETs of one object whose size and tag are known; near ranges joined, large ones split.
struct vs_s3_object {
    struct vs_s3_store *store;
    const char *key;
    const char *etag; // "" unknown
    uint64_t size;
};

enum vs_status vs_s3_fetch(const struct vs_s3_object *object,
                           const struct vs_range *ranges,
                           size_t count,
                           struct vs_error *err);

// ---- s3_exists.c ----
struct vs_s3_head {
    bool exists;
    uint64_t size;
    char etag[VS_ETAG_SIZE];
};
enum vs_status vs_s3_head(struct vs_s3_store *store,
                          const char *key,
                          struct vs_s3_head *head_out,
                          struct vs_error *err);
enum vs_status vs_s3_exists(struct vs_store *store,
                            const char *key,
                            bool *exists_out,
                            struct vs_error *err);
void vs_s3_copy_etag(const struct vs_http_response *response, char etag_out[VS_ETAG_SIZE]);

// ---- s3_probe.c ----
enum vs_status vs_s3_check_writable(struct vs_store *store,
                                    const char *prefix,
                                    struct vs_error *err);

// ---- store_s3.c ----
// NULL when the store is not an S3 store.
struct vs_s3_store *vs_s3_of(struct vs_store *store);

#endif
