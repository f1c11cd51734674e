// SPDX-License-Identifier: Apache-2.0
/*
 * Reading an object. Opening it is one GET of its last 64 KiB: that tells the size and the tag, and
 * brings the footer of a Parquet or Puffin file along. The tag goes with every later request, so
 * that an object that was replaced meanwhile is noticed and never mixed.
 *
 * Reads that go on where an earlier one ended are served from a block that is fetched ahead, of 1
 * MiB at first and up to 8 MiB; a file follows STREAMS such runs at a time.
 */
#include "vecstore/base/checked.h"
#include "vecstore/object/s3_internal.h"

#include <inttypes.h>
#include <string.h>

#define STREAMS 4
#define AHEAD_MIN ((size_t)1 << 20)
#define AHEAD_MAX ((size_t)8 << 20)

// A run of reads one behind the other.
struct stream {
    uint64_t next; // where it ended last
    size_t ahead;  // how much the next fetch brings; 0: unused so far
    uint64_t used; // when, in reads of the file
    uint64_t offset;
    uint8_t *bytes; // [offset, offset + len) or NULL
    size_t len;
};

struct s3_file {
    struct vs_file base;
    struct vs_s3_store *store;
    char *key;
    char etag[VS_ETAG_SIZE];
    uint64_t tail_offset;
    uint8_t *tail; // from tail_offset to the end
    pthread_mutex_t lock;
    struct stream streams[STREAMS]; // guarded by lock
    uint64_t reads;                 // guarded by lock
};

// ---- headers ----

bool vs_s3_parse_content_range(struct vs_str text, struct vs_s3_content_range *out)
{
    struct vs_s3_content_range range = {0};
    struct vs_str span = {NULL, 0};
    struct vs_str total = {NULL, 0};
    struct vs_str first = {NULL, 0};
    struct vs_str last = {NULL, 0};
    if (!vs_str_starts_with(text, VS_STR("bytes ")) ||
        !vs_str_split((struct vs_str){text.ptr + 6, text.len - 6}, '/', &span, &total) ||
        vs_parse_u64(total, &range.total, NULL) != VS_OK) {
        return false;
    }
    if (!vs_str_equal_c(span, "*")) {
        if (!vs_str_split(span, '-', &first, &last) ||
            vs_parse_u64(first, &range.first, NULL) != VS_OK ||
            vs_parse_u64(last, &range.last, NULL) != VS_OK || range.last < range.first ||
            range.last >= range.total) {
            return false;
        }
        range.has_range = true;
    }
    *out = range;
    return true;
}

// ---- opening ----

static enum vs_status fail_ignored_range(const struct vs_s3_store *store,
                                         const char *key,
                                         struct vs_error *err)
{
    return vs_fail(err, VS_UNSUPPORTED,
                   "the store answers a read of a part of %s/%.150s with something else: such a "
                   "store cannot be used",
                   store->base.root_uri, key);
}

// Asks for the last bytes, or for the whole of an object whose last bytes cannot be had.
static enum vs_status ask_for_tail(struct vs_s3_store *store,
                                   const char *key,
                                   bool whole,
                                   struct vs_s3_answer *answer,
                                   struct vs_error *err)
{
    struct vs_s3_request request = {
        .action = "read", .method = VS_HTTP_GET, .key = key, .body_limit = VS_S3_TAIL_SIZE};
    if (!whole) {
        vs_s3_add_header(&request, "range", VS_STR("bytes=-65536"));
    }
    if (store->config.checksum) {
        vs_s3_add_header(&request, "x-amz-checksum-mode", VS_STR("ENABLED"));
    }
    enum vs_status status = vs_s3_send(store, &request, answer, err);
    if (status == VS_LIMIT) {
        return fail_ignored_range(store, key, err);
    }
    VS_TRY(status);
    if (vs_s3_is_ok(answer) || (answer->http.status == 416 && !whole)) {
        return VS_OK;
    }
    return vs_s3_fail(store, &request, answer, err);
}

// Size and tail of the file from a successful answer; takes its body.
static enum vs_status take_tail(struct s3_file *file,
                                struct vs_s3_answer *answer,
                                struct vs_error *err)
{
    struct vs_s3_content_range range = {0};
    struct vs_buf *body = &answer->http.body;
    size_t len = body->len;
    uint64_t size = len;
    uint64_t offset = 0;
    if (answer->http.status == 206) {
        struct vs_str text = vs_http_header(&answer->http, "content-range");
        if (!vs_s3_parse_content_range(text, &range) || !range.has_range ||
            range.last + 1 != range.total || range.last + 1 - range.first != len) {
            return fail_ignored_range(file->store, file->key, err);
        }
        size = range.total;
        offset = range.first;
    }
    if (offset == 0) {
        VS_TRY(vs_s3_check_crc(answer, vs_buf_view(body), file->key, err));
    }
    vs_s3_copy_etag(&answer->http, file->etag);
    file->base.size = size;
    file->tail_offset = offset;
    file->tail = vs_buf_take(body, &len);
    return VS_OK;
}

static enum vs_status read_tail(struct s3_file *file, struct vs_error *err)
{
    struct vs_s3_answer answer;
    struct vs_s3_content_range range = {0};
    vs_s3_answer_init(&answer, file->store->base.env);
    enum vs_status status = ask_for_tail(file->store, file->key, false, &answer, err);
    if (status == VS_OK && answer.http.status == 416) {
        // An empty object has no last bytes; some stores refuse a suffix longer than the object,
        // and may not tell its size.
        struct vs_str text = vs_http_header(&answer.http, "content-range");
        bool empty = vs_s3_parse_content_range(text, &range) && range.total == 0;
        vs_buf_reset(&answer.http.body);
        status = empty ? VS_OK : ask_for_tail(file->store, file->key, true, &answer, err);
    }
    status = status == VS_OK ? take_tail(file, &answer, err) : status;
    vs_s3_answer_clear(&answer);
    return status;
}

// ---- reading ----

static bool copy_from(
    uint64_t have, const uint8_t *bytes, uint64_t have_len, uint64_t offset, size_t len, void *dst)
{
    if (bytes == NULL || offset < have || !vs_range_fits(offset - have, len, have_len)) {
        return false;
    }
    memcpy(dst, bytes + (offset - have), len);
    return true;
}

// Lock held. From what was fetched before.
static bool read_cached(struct s3_file *file, uint64_t offset, size_t len, void *dst)
{
    if (copy_from(file->tail_offset, file->tail, file->base.size - file->tail_offset, offset, len,
                  dst)) {
        return true;
    }
    for (size_t i = 0; i < STREAMS; i++) {
        struct stream *stream = &file->streams[i];
        if (copy_from(stream->offset, stream->bytes, stream->len, offset, len, dst)) {
            stream->next = offset + len;
            stream->used = ++file->reads;
            return true;
        }
    }
    return false;
}

// Lock held. The run that this read goes on with, or NULL after having begun a new one. A small gap
// is none.
static struct stream *find_stream(struct s3_file *file, uint64_t offset, size_t len)
{
    struct stream *oldest = &file->streams[0];
    for (size_t i = 0; i < STREAMS; i++) {
        struct stream *stream = &file->streams[i];
        uint64_t end = stream->bytes != NULL ? stream->offset + stream->len : stream->next;
        if (stream->used > 0 && offset >= stream->next && offset <= end + (AHEAD_MIN / 16)) {
            stream->used = ++file->reads;
            return stream;
        }
        oldest = stream->used < oldest->used ? stream : oldest;
    }
    vs_free(file->store->base.env, oldest->bytes);
    *oldest = (struct stream){.next = offset + len, .used = ++file->reads};
    return NULL;
}

static enum vs_status fetch_range(
    const struct s3_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    struct vs_s3_object object = {file->store, file->key, file->etag, file->base.size};
    struct vs_range range = {offset, len, dst};
    return vs_s3_fetch(&object, &range, 1, err);
}

// Fetches a block from offset on, gives its start to the caller and keeps it for what comes next.
static enum vs_status read_ahead(struct s3_file *file,
                                 uint64_t offset,
                                 size_t len,
                                 size_t ahead,
                                 void *dst,
                                 struct vs_error *err)
{
    const struct vs_env *env = file->store->base.env;
    uint64_t rest = file->base.size - offset;
    size_t block_len = ahead < rest ? ahead : (size_t)rest;
    uint8_t *block = (uint8_t *)vs_alloc(env, block_len);
    if (block == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory reading %s", file->key);
    }
    enum vs_status status = fetch_range(file, offset, block_len, block, err);
    if (status != VS_OK) {
        vs_free(env, block);
        return status;
    }
    memcpy(dst, block, len);
    (void)pthread_mutex_lock(&file->lock);
    struct stream *stream = find_stream(file, offset, len);
    if (stream != NULL) { // it may be another one's by now
        vs_free(env, stream->bytes);
        stream->bytes = block;
        stream->offset = offset;
        stream->len = block_len;
        stream->next = offset + len;
        block = NULL;
    }
    (void)pthread_mutex_unlock(&file->lock);
    vs_free(env, block);
    return VS_OK;
}

static enum vs_status s3_read(
    struct vs_file *base, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    struct s3_file *file = (struct s3_file *)base;
    size_t ahead = 0;
    (void)pthread_mutex_lock(&file->lock);
    bool cached = read_cached(file, offset, len, dst);
    struct stream *stream = cached ? NULL : find_stream(file, offset, len);
    if (stream != NULL) {
        size_t next = stream->ahead * 2 < AHEAD_MAX ? stream->ahead * 2 : AHEAD_MAX;
        stream->ahead = next > AHEAD_MIN ? next : AHEAD_MIN;
        ahead = stream->ahead;
        if (len >= ahead) {
            stream->next = offset + len;
        }
    }
    (void)pthread_mutex_unlock(&file->lock);
    if (cached) {
        return VS_OK;
    }
    return len < ahead ? read_ahead(file, offset, len, ahead, dst, err)
                       : fetch_range(file, offset, len, dst, err);
}

static enum vs_status s3_read_many(struct vs_file *base,
                                   const struct vs_range *ranges,
                                   size_t count,
                                   struct vs_error *err)
{
    struct s3_file *file = (struct s3_file *)base;
    const struct vs_env *env = file->store->base.env;
    struct vs_s3_object object = {file->store, file->key, file->etag, file->base.size};
    struct vs_range *missing = (struct vs_range *)vs_alloc_zeroed(env, count, sizeof *missing);
    size_t missing_count = 0;
    if (missing == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory reading %s", file->key);
    }
    (void)pthread_mutex_lock(&file->lock);
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].len > 0 &&
            !read_cached(file, ranges[i].offset, ranges[i].len, ranges[i].dst)) {
            missing[missing_count++] = ranges[i];
        }
    }
    (void)pthread_mutex_unlock(&file->lock);
    enum vs_status status = VS_OK;
    if (missing_count > 0) {
        status = vs_s3_fetch(&object, missing, missing_count, err);
    }
    vs_free(env, missing);
    return status;
}

static void s3_close(struct vs_file *base)
{
    struct s3_file *file = (struct s3_file *)base;
    const struct vs_env *env = file->store->base.env;
    for (size_t i = 0; i < STREAMS; i++) {
        vs_free(env, file->streams[i].bytes);
    }
    (void)pthread_mutex_destroy(&file->lock);
    vs_free(env, file->tail);
    vs_free(env, file->key);
    vs_free(env, file);
}

static const struct vs_file_vtable file_vtable = {
    .read = s3_read, .read_many = s3_read_many, .close = s3_close};

bool vs_s3_file_facts(const struct vs_file *base,
                      const struct vs_s3_store *store,
                      const char **key_out,
                      const char **etag_out)
{
    const struct s3_file *file = (const struct s3_file *)base;
    if (base->vtable != &file_vtable || file->store != store) {
        return false;
    }
    *key_out = file->key;
    *etag_out = file->etag;
    return true;
}

static enum vs_status make_file(struct vs_store *store,
                                const char *key,
                                struct s3_file **file_out,
                                struct vs_error *err)
{
    const struct vs_env *env = store->env;
    struct s3_file *file = (struct s3_file *)vs_alloc_zeroed(env, 1, sizeof *file);
    char *key_copy = vs_text_clone(env, vs_str_from_c(key));
    if (file == NULL || key_copy == NULL) {
        vs_free(env, file);
        vs_free(env, key_copy);
        return vs_fail(err, VS_NO_MEMORY, "out of memory opening %s/%s", store->root_uri, key);
    }
    file->base = (struct vs_file){&file_vtable, 0, key_copy};
    file->store = (struct vs_s3_store *)store;
    file->key = key_copy;
    (void)pthread_mutex_init(&file->lock, NULL); // cannot fail on Linux with default attributes
    *file_out = file;
    return VS_OK;
}

enum vs_status vs_s3_open(struct vs_store *store,
                          const char *key,
                          struct vs_file **file_out,
                          struct vs_error *err)
{
    struct s3_file *file = NULL;
    VS_TRY(make_file(store, key, &file, err));
    enum vs_status status = read_tail(file, err);
    if (status != VS_OK) {
        s3_close(&file->base);
        return status;
    }
    *file_out = &file->base;
    return VS_OK;
}

// Without a tag: an object that changes while it is read is told by its size and by what its reader
// checks.
enum vs_status vs_s3_open_sized(struct vs_store *store,
                                const char *key,
                                uint64_t size,
                                struct vs_file **file_out,
                                struct vs_error *err)
{
    struct s3_file *file = NULL;
    VS_TRY(make_file(store, key, &file, err));
    file->base.size = size;
    file->tail_offset = size;
    *file_out = &file->base;
    return VS_OK;
}

// ---- whole objects ----

// Moves the body into buf, whose limit stays.
static enum vs_status hand_over(struct vs_buf *buf,
                                struct vs_buf *body,
                                const char *name,
                                struct vs_error *err)
{
    size_t limit = buf->limit;
    if (body->len > limit) {
        return vs_fail(err, VS_LIMIT, "%s has more than the %zu bytes that are allowed here", name,
                       limit);
    }
    if (buf->env != body->env) {
        return vs_buf_append(buf, body->data, body->len, err);
    }
    struct vs_buf old = *buf;
    *buf = *body;
    buf->limit = limit;
    buf->capacity = buf->capacity < limit ? buf->capacity : limit;
    *body = old;
    return VS_OK;
}

enum vs_status vs_s3_get_tagged(struct vs_store *base,
                                const char *key,
                                struct vs_buf *buf,
                                char etag_out[VS_ETAG_SIZE],
                                struct vs_error *err)
{
    struct vs_s3_store *store = (struct vs_s3_store *)base;
    struct vs_s3_answer answer;
    size_t limit = buf->limit > VS_S3_TAIL_SIZE ? buf->limit : VS_S3_TAIL_SIZE;
    struct vs_s3_request request = {
        .action = "read", .method = VS_HTTP_GET, .key = key, .body_limit = limit};
    if (store->config.checksum) {
        vs_s3_add_header(&request, "x-amz-checksum-mode", VS_STR("ENABLED"));
    }
    vs_s3_answer_init(&answer, base->env);
    enum vs_status status = vs_s3_send(store, &request, &answer, err);
    if (status == VS_OK && !vs_s3_is_ok(&answer)) {
        status = vs_s3_fail(store, &request, &answer, err);
    } else if (status == VS_LIMIT) {
        status = vs_fail(err, VS_LIMIT, "%s/%s has more than the %zu bytes that are allowed here",
                         base->root_uri, key, buf->limit);
    } else if (status == VS_OK) {
        status = vs_s3_check_crc(&answer, vs_buf_view(&answer.http.body), key, err);
    }
    if (status == VS_OK) {
        vs_s3_copy_etag(&answer.http, etag_out);
        status = hand_over(buf, &answer.http.body, key, err);
    }
    vs_s3_answer_clear(&answer);
    return status;
}
