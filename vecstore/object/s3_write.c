// SPDX-License-Identifier: Apache-2.0
/*
 * Writing an object front to back. Up to the threshold it is kept and goes out as one PUT; beyond,
 * it becomes a multipart upload, whose parts travel in threads of their own while the caller goes
 * on. At most SLOTS parts are in memory beside the one being filled. Ranges of other objects of the
 * bucket become parts without coming here.
 */
#include "vecstore/object/s3_internal.h"

#include <string.h>

#define SLOTS 4
#define PART_MIN ((size_t)5 << 20) // of every part but the last
#define PARTS_MAX 10000
#define PARTS_EVEN 2000 // from here on parts double every PARTS_STEP, so that 10,000 are enough
#define PARTS_STEP 1000

struct part_job {
    struct s3_writer *writer;
    pthread_t thread;
    bool used, running; // running: has to be joined
    uint8_t *bytes;     // NULL: the store has them, see source
    size_t len;
    struct vs_s3_source source; // borrowed by those who copy, until the job is joined
    size_t number;              // from 1
    enum vs_status status;
    struct vs_error err;
    struct vs_s3_part part;
};

struct s3_writer {
    struct vs_writer base;
    struct vs_s3_store *store;
    char *key;
    char *upload_id; // NULL: one PUT so far
    struct vs_buf pending;
    struct vs_s3_part_list parts; // count: parts that were started
    struct part_job jobs[SLOTS];
    size_t next_job;
    bool finished, failed;
    bool no_copy;  // the store refused to
    bool in_doubt; // a part of the last copy may yet arrive (again) under its number
};

// ---- parts in flight ----

static void *run_part(void *arg)
{
    struct part_job *job = (struct part_job *)arg;
    struct s3_writer *writer = job->writer;
    job->status =
        job->bytes != NULL
            ? vs_s3_upload_part(writer->store, writer->key, writer->upload_id, job->number,
                                (struct vs_str){(const char *)job->bytes, job->len}, &job->part,
                                &job->err)
            : vs_s3_upload_part_copy(writer->store, writer->key, writer->upload_id, job->number,
                                     &job->source, &job->part, &job->err);
    return NULL;
}

// Waits for the part of a slot and keeps what became of it.
static enum vs_status join_part(struct s3_writer *writer,
                                struct part_job *job,
                                struct vs_error *err)
{
    if (!job->used) {
        return VS_OK;
    }
    if (job->running) {
        (void)pthread_join(job->thread, NULL);
        job->running = false;
    }
    vs_free(writer->store->base.env, job->bytes);
    job->bytes = NULL;
    job->used = false;
    writer->in_doubt = writer->in_doubt || !job->part.settled;
    if (job->status != VS_OK) {
        writer->failed = true;
        if (err != NULL) {
            *err = job->err;
        }
        return job->status;
    }
    writer->parts.items[job->number - 1] = job->part;
    return VS_OK;
}

static enum vs_status join_all(struct s3_writer *writer, struct vs_error *err)
{
    enum vs_status status = VS_OK;
    for (size_t i = 0; i < SLOTS; i++) {
        struct vs_error reason = {0};
        enum vs_status one = join_part(writer, &writer->jobs[i], &reason);
        if (status == VS_OK && one != VS_OK) {
            status = one;
            if (err != NULL) {
                *err = reason;
            }
        }
    }
    return status;
}

static enum vs_status reserve_part(struct s3_writer *writer, struct vs_error *err)
{
    struct vs_s3_part_list *parts = &writer->parts;
    if (parts->count == PARTS_MAX) {
        return vs_fail(err, VS_LIMIT, "%s is too large: an object has at most %d parts",
                       writer->key, PARTS_MAX);
    }
    if (parts->count < parts->capacity) {
        return VS_OK;
    }
    size_t capacity = parts->capacity == 0 ? 16 : parts->capacity * 2;
    struct vs_s3_part *grown = (struct vs_s3_part *)vs_realloc(
        writer->store->base.env, parts->items, capacity * sizeof *grown);
    if (grown == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory writing %s", writer->key);
    }
    parts->items = grown;
    parts->capacity = capacity;
    return VS_OK;
}

// Gives the part its number and a thread.
static void start_job(struct s3_writer *writer, struct part_job *job)
{
    job->writer = writer;
    job->used = true;
    job->number = ++writer->parts.count;
    writer->next_job = (writer->next_job + 1) % SLOTS;
    if (pthread_create(&job->thread, NULL, run_part, job) == 0) {
        job->running = true;
    } else {
        (void)run_part(job); // no thread to be had: now, then
    }
}

// Copies the bytes and sends them on their way.
static enum vs_status start_part(struct s3_writer *writer,
                                 const uint8_t *bytes,
                                 size_t n,
                                 struct vs_error *err)
{
    struct part_job *job = &writer->jobs[writer->next_job];
    VS_TRY(join_part(writer, job, err));
    VS_TRY(reserve_part(writer, err));
    uint8_t *copy = (uint8_t *)vs_alloc(writer->store->base.env, n);
    if (copy == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory writing %s", writer->key);
    }
    memcpy(copy, bytes, n);
    *job = (struct part_job){.bytes = copy, .len = n};
    start_job(writer, job);
    return VS_OK;
}

// ---- writing ----

static size_t part_size(const struct s3_writer *writer)
{
    size_t size = writer->store->config.part_size;
    for (size_t at = PARTS_EVEN; at <= writer->parts.count; at += PARTS_STEP) {
        size *= 2;
    }
    return size;
}

// Starts every part that is complete; what is left over stays.
static enum vs_status start_whole_parts(struct s3_writer *writer, struct vs_error *err)
{
    struct vs_buf *pending = &writer->pending;
    size_t done = 0;
    enum vs_status status = VS_OK;
    while (status == VS_OK && pending->len - done >= part_size(writer)) {
        size_t n = part_size(writer);
        status = start_part(writer, pending->data + done, n, err);
        done += status == VS_OK ? n : 0;
    }
    memmove(pending->data, pending->data + done, pending->len - done);
    pending->len -= done;
    return status;
}

static enum vs_status take(struct s3_writer *writer,
                           const uint8_t *bytes,
                           size_t n,
                           struct vs_error *err)
{
    const struct vs_s3_config *config = &writer->store->config;
    size_t most = writer->upload_id != NULL ? part_size(writer) : config->multipart_threshold;
    while (n > 0) {
        size_t room = most > writer->pending.len ? most - writer->pending.len : 0;
        size_t piece = n < room ? n : room;
        VS_TRY(vs_buf_append(&writer->pending, bytes, piece, err));
        bytes += piece;
        n -= piece;
        if (n > 0 && writer->upload_id == NULL) {
            VS_TRY(vs_s3_upload_begin(writer->store, writer->key, &writer->upload_id, err));
        }
        if (writer->upload_id != NULL) {
            VS_TRY(start_whole_parts(writer, err));
            most = part_size(writer);
        }
    }
    return VS_OK;
}

static enum vs_status s3_write(struct vs_writer *base,
                               const void *bytes,
                               size_t n,
                               struct vs_error *err)
{
    struct s3_writer *writer = (struct s3_writer *)base;
    if (writer->finished || writer->failed) {
        return vs_fail(err, VS_INTERNAL, "%s is %s: nothing can be added", base->name,
                       writer->finished ? "finished" : "broken");
    }
    enum vs_status status = take(writer, (const uint8_t *)bytes, n, err);
    writer->failed = status != VS_OK;
    return status;
}

// ---- copies ----

// What stands before the copied parts goes out as one, filled up from the range to the least size.
static enum vs_status flush_before_copy(struct s3_writer *writer,
                                        struct vs_file *file,
                                        uint64_t offset,
                                        size_t fill,
                                        struct vs_error *err)
{
    struct vs_buf *pending = &writer->pending;
    if (writer->upload_id == NULL) {
        VS_TRY(vs_s3_upload_begin(writer->store, writer->key, &writer->upload_id, err));
    }
    VS_TRY(vs_buf_reserve(pending, fill, err));
    VS_TRY(vs_file_read(file, offset, fill, pending->data + pending->len, err));
    pending->len += fill;
    if (pending->len > 0) {
        VS_TRY(start_part(writer, pending->data, pending->len, err));
    }
    pending->len = 0;
    return join_all(writer, err);
}

// Parts of about the same size, several under way; all are there when this returns.
static enum vs_status copy_parts(struct s3_writer *writer,
                                 struct vs_s3_source source,
                                 struct vs_error *err)
{
    enum vs_status status = VS_OK;
    uint64_t size = source.length / SLOTS, most = writer->store->config.copy_max;
    size = size < part_size(writer) ? part_size(writer) : size;
    size = size < most ? size : most;
    size = size < 2 * PART_MIN ? 2 * PART_MIN : size;
    for (uint64_t rest = source.length; rest > 0 && status == VS_OK;) {
        struct part_job *job = &writer->jobs[writer->next_job];
        uint64_t short_of_last =
            rest > size ? rest - PART_MIN : rest; // which must not be too small
        source.length = short_of_last < size ? short_of_last : size;
        status = join_part(writer, job, err);
        status = status == VS_OK ? reserve_part(writer, err) : status;
        if (status == VS_OK) {
            *job = (struct part_job){.source = source};
            start_job(writer, job);
            source.first += source.length;
            rest -= source.length;
        }
    }
    enum vs_status joined = join_all(writer, status == VS_OK ? err : NULL);
    return status == VS_OK ? joined : status;
}

static enum vs_status copy_range(struct s3_writer *writer,
                                 struct vs_s3_source source,
                                 const char *key,
                                 struct vs_error *err)
{
    struct vs_buf name;
    vs_buf_init(&name, writer->store->base.env, VS_S3_XML_MAX);
    enum vs_status status = vs_s3_source_name(writer->store, key, &name, err);
    if (status == VS_OK) {
        source.name = vs_buf_view(&name);
        status = copy_parts(writer, source, err);
    }
    vs_buf_clear(&name);
    return status;
}

// A store that refuses gets the bytes in the usual way. Where it cannot be told what became of a
// part its number must not be used again: it would be late, and be taken for the other.
static enum vs_status s3_writer_copy(struct vs_writer *base,
                                     struct vs_file *file,
                                     uint64_t offset,
                                     uint64_t len,
                                     uint64_t *copied_out,
                                     struct vs_error *err)
{
    struct s3_writer *writer = (struct s3_writer *)base;
    const char *key = NULL, *etag = NULL;
    size_t have = writer->pending.len, fill = have > 0 && have < PART_MIN ? PART_MIN - have : 0;
    if (writer->finished || writer->failed || writer->no_copy ||
        !writer->store->config.copy_ranges || len < fill + PART_MIN ||
        !vs_s3_file_facts(file, writer->store, &key, &etag)) {
        *copied_out = 0;
        return VS_OK;
    }
    enum vs_status status = flush_before_copy(writer, file, offset, fill, err);
    if (status != VS_OK) {
        writer->failed = true;
        return status;
    }
    struct vs_error reason = {0};
    size_t before = writer->parts.count;
    writer->in_doubt = false;
    status = copy_range(
        writer, (struct vs_s3_source){.etag = etag, .first = offset + fill, .length = len - fill},
        key, &reason);
    if (status != VS_OK && (writer->in_doubt || !writer->failed)) {
        writer->failed = true;
        return vs_fail(err, status, "%s", reason.message);
    }
    if (status != VS_OK) {
        vs_log(writer->store->base.env, VS_LOG_WARN, "object", "s3_copy_refused",
               "key=%s reason=\"%s\" effect=\"read and written instead\"", writer->key,
               reason.message);
        writer->parts.count = before; // these numbers are used again
        writer->no_copy = true;
        writer->failed = false;
    }
    *copied_out = status == VS_OK ? len : fill;
    return VS_OK;
}

// ---- the end ----

static enum vs_status finish_upload(struct s3_writer *writer,
                                    enum vs_put_mode mode,
                                    struct vs_error *err)
{
    if (writer->pending.len > 0) {
        VS_TRY(start_part(writer, writer->pending.data, writer->pending.len, err));
    }
    VS_TRY(join_all(writer, err));
    writer->parts.size = writer->base.written;
    return vs_s3_upload_complete(writer->store, writer->key, writer->upload_id, &writer->parts,
                                 mode, err);
}

static enum vs_status s3_finish(struct vs_writer *base, enum vs_put_mode mode, struct vs_error *err)
{
    struct s3_writer *writer = (struct s3_writer *)base;
    if (writer->finished || writer->failed) {
        return vs_fail(err, VS_INTERNAL, "%s is %s already", base->name,
                       writer->finished ? "finished" : "broken");
    }
    enum vs_status status = writer->upload_id != NULL
                                ? finish_upload(writer, mode, err)
                                : vs_s3_put(&writer->store->base, writer->key,
                                            vs_buf_view(&writer->pending), mode, err);
    writer->finished = true;
    // An unknown outcome may be an object by now: then there is nothing to abandon, and an upload
    // that is still there belongs to the bucket's rule for incomplete ones.
    writer->failed = status != VS_OK && status != VS_UNKNOWN;
    return status;
}

static void s3_writer_free(struct vs_writer *base)
{
    struct s3_writer *writer = (struct s3_writer *)base;
    const struct vs_env *env = writer->store->base.env;
    vs_ignore(join_all(writer, NULL));
    if (writer->upload_id != NULL && (!writer->finished || writer->failed)) {
        vs_s3_upload_abort(writer->store, writer->key, writer->upload_id);
    }
    vs_buf_clear(&writer->pending);
    vs_free(env, writer->parts.items);
    vs_free(env, writer->upload_id);
    vs_free(env, writer->key);
    vs_free(env, writer);
}

static const struct vs_writer_vtable writer_vtable = {
    .write = s3_write, .copy = s3_writer_copy, .finish = s3_finish, .free = s3_writer_free};

enum vs_status vs_s3_create(struct vs_store *store,
                            const char *key,
                            struct vs_writer **writer_out,
                            struct vs_error *err)
{
    const struct vs_env *env = store->env;
    struct s3_writer *writer = (struct s3_writer *)vs_alloc_zeroed(env, 1, sizeof *writer);
    char *key_copy = vs_text_clone(env, vs_str_from_c(key));
    if (writer == NULL || key_copy == NULL) {
        vs_free(env, writer);
        vs_free(env, key_copy);
        return vs_fail(err, VS_NO_MEMORY, "out of memory creating %s/%s", store->root_uri, key);
    }
    writer->base = (struct vs_writer){&writer_vtable, 0, key_copy};
    writer->store = (struct vs_s3_store *)store;
    writer->key = key_copy;
    vs_buf_init(&writer->pending, env, SIZE_MAX / 2);
    *writer_out = &writer->base;
    return VS_OK;
}
