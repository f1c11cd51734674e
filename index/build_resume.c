// SPDX-License-Identifier: Apache-2.0
#include "index/build_resume.h"

#include "index/build_model.h"
#include "index/build_replay.h"
#include "vecstore/base/bytes.h"
#include "vecstore/base/crc32c.h"
#include "vecstore/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL_MAX ((size_t)8 << 30)

struct vs_build_resume {
    struct vs_file file; // the log, for reading
    int fd;              // of the log, locked
    uint64_t end;        // where the next block goes
    char model_path[VS_RESUME_PATH_SIZE], log_path[VS_RESUME_PATH_SIZE];
};

static enum vs_status failed(const char *what, const char *path, struct vs_error *err)
{
    int code = errno;
    char reason[128];
    bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    return vs_fail(err, full ? VS_LIMIT : VS_UNAVAILABLE,
                   "cannot %s %s: %s; give another directory (--resume) or build without one", what,
                   path, strerror_r(code, reason, sizeof reason));
}

// ---- names ----

static enum vs_status put_u64(struct vs_buf *buf, uint64_t value, struct vs_error *err)
{
    uint8_t bytes[8];
    vs_store_u64le(bytes, value);
    return vs_buf_append(buf, bytes, sizeof bytes, err);
}

// Everything that training and encoding depend on.
static enum vs_status gather_inputs(const struct vs_build *build,
                                    struct vs_buf *buf,
                                    struct vs_error *err)
{
    const struct vs_index_build_params *p = build->params;
    size_t query_bytes = p->query_count * p->columns[0].dim * sizeof(float);
    VS_TRY(vs_buf_append(buf, &p->table_uuid, sizeof p->table_uuid, err));
    const uint64_t numbers[] = {(uint64_t)p->snapshot_id,
                                p->list_count,
                                p->m,
                                (uint64_t)p->projection,
                                (uint64_t)p->second_assignment,
                                p->small_rows,
                                build->seed,
                                p->query_count,
                                vs_crc32c(0, p->queries, query_bytes),
                                p->model != NULL ? vs_load_u64le(p->model->name) : 0};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        VS_TRY(put_u64(buf, numbers[i], err));
    }
    for (size_t c = 0; c < p->column_count; c++) {
        VS_TRY(put_u64(buf, (uint64_t)p->fields[p->columns[c].field].id, err));
        VS_TRY(put_u64(buf, p->columns[c].dim, err));
        VS_TRY(put_u64(buf, (uint64_t)p->columns[c].metric, err));
        VS_TRY(put_u64(buf, build->columns[c].sample_room, err)); // memory may have cut it
        const struct vs_codebook *given = p->codebooks != NULL ? p->codebooks[c] : NULL;
        VS_TRY(vs_buf_append_c(buf, given != NULL ? given->model_id : "", err));
    }
    for (size_t f = 0; f < p->file_count; f++) {
        VS_TRY(put_u64(buf, p->files[f].row_count, err));
        VS_TRY(put_u64(buf, (uint64_t)p->files[f].sequence_number, err));
        VS_TRY(put_u64(buf, p->files[f].path.len, err));
        VS_TRY(vs_buf_append_str(buf, p->files[f].path, err));
    }
    return VS_OK;
}

static enum vs_status make_names(const struct vs_build *build,
                                 struct vs_build_resume *resume,
                                 struct vs_error *err)
{
    struct vs_buf inputs;
    uint8_t digest[VS_SHA256_SIZE];
    char hex[17];
    vs_buf_init(&inputs, build->env, SIZE_MAX);
    enum vs_status status = gather_inputs(build, &inputs, err);
    if (status == VS_OK) {
        status = vs_sha256(inputs.data, inputs.len, digest, err);
    }
    vs_buf_clear(&inputs);
    VS_TRY(status);
    vs_hex_format(digest, 8, hex);
    const char *directory = build->params->resume_dir;
    int n = snprintf(resume->model_path, sizeof resume->model_path, "%s/vecstore-%s.vsm", directory,
                     hex);
    int m =
        snprintf(resume->log_path, sizeof resume->log_path, "%s/vecstore-%s.vsp", directory, hex);
    bool fits = n > 0 && m > 0 && (size_t)n < sizeof resume->model_path &&
                (size_t)m < sizeof resume->log_path;
    return fits ? VS_OK
                : vs_fail(err, VS_INVALID, "the name of the directory is too long: %.100s…",
                          directory);
}

// ---- files ----

static enum vs_status read_at(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err)
{
    const struct vs_build_resume *resume = (const struct vs_build_resume *)file;
    return vs_fd_read(resume->fd, dst, len, offset) ? VS_OK : failed("read", resume->log_path, err);
}

static void close_nothing(struct vs_file *file)
{
    (void)file;
}

static enum vs_status write_fd(
    int fd, const char *path, const uint8_t *bytes, size_t n, uint64_t at, struct vs_error *err)
{
    return vs_fd_write(fd, bytes, n, at) ? VS_OK : failed("write", path, err);
}

static enum vs_status write_log(void *ctx, const void *bytes, size_t n, struct vs_error *err)
{
    struct vs_build_resume *resume = ctx;
    VS_TRY(write_fd(resume->fd, resume->log_path, bytes, n, resume->end, err));
    resume->end += n;
    return VS_OK;
}

static enum vs_status flush_log(void *ctx, struct vs_error *err)
{
    struct vs_build_resume *resume = ctx;
    return fdatasync(resume->fd) == 0 ? VS_OK : failed("write", resume->log_path, err);
}

static enum vs_status open_log(struct vs_build_resume *resume, struct vs_error *err)
{
    static const struct vs_file_vtable vtable = {.read = read_at, .close = close_nothing};
    struct stat facts;
    resume->fd = open(resume->log_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (resume->fd < 0) {
        return failed("open", resume->log_path, err);
    }
    if (flock(resume->fd, LOCK_EX | LOCK_NB) != 0) {
        return vs_fail(err, VS_CONFLICT,
                       "another build with the same inputs is running with %s; wait for it or give "
                       "another directory",
                       resume->log_path);
    }
    if (fstat(resume->fd, &facts) != 0) {
        return failed("read", resume->log_path, err);
    }
    resume->file = (struct vs_file){
        .vtable = &vtable, .size = (uint64_t)facts.st_size, .name = resume->log_path};
    return VS_OK;
}

// ---- the model ----

static enum vs_status read_whole(const struct vs_build *build,
                                 const char *path,
                                 struct vs_buf *bytes,
                                 struct vs_error *err)
{
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) {
        return errno == ENOENT ? VS_NOT_FOUND : failed("open", path, err);
    }
    enum vs_status status = VS_OK;
    for (size_t n = 1; n > 0 && status == VS_OK;) {
        status = vs_buf_reserve(bytes, 1 << 20, err);
        n = status == VS_OK ? fread(bytes->data + bytes->len, 1, 1 << 20, stream) : 0;
        bytes->len += n;
    }
    if (status == VS_OK && ferror(stream) != 0) {
        status = failed("read", path, err);
    }
    (void)fclose(stream);
    (void)build;
    return status;
}

enum vs_status vs_build_resume_open(struct vs_build *build, struct vs_error *err)
{
    if (build->params->resume_dir == NULL || !build->is_large) {
        return VS_OK;
    }
    struct vs_build_resume *resume = vs_alloc_zeroed(build->env, 1, sizeof *resume);
    if (resume == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for resuming a build");
    }
    resume->fd = -1;
    build->resume = resume;
    VS_TRY(make_names(build, resume, err));
    VS_TRY(open_log(resume, err));
    if (build->model != NULL) {
        return VS_OK;
    }
    struct vs_buf bytes;
    vs_buf_init(&bytes, build->env, MODEL_MAX);
    enum vs_status status = read_whole(build, resume->model_path, &bytes, err);
    if (status == VS_OK) {
        struct vs_error reason = {.message = ""};
        status = vs_index_model_decode(build->env, vs_buf_view(&bytes), resume->model_path,
                                       &build->own_model, &reason);
        if (status == VS_OK) {
            build->model = build->own_model;
            build->resumed_model = true;
            vs_log(build->env, VS_LOG_INFO, "index", "build_resumed", "model=%s",
                   resume->model_path);
        } else if (status == VS_CORRUPT || status == VS_UNSUPPORTED) {
            vs_log(build->env, VS_LOG_WARN, "index", "resume_dropped", "reason=%s", reason.message);
            status = VS_OK;
        } else if (err != NULL) {
            *err = reason;
        }
    }
    vs_buf_clear(&bytes);
    return status == VS_NOT_FOUND ? VS_OK : status;
}

static enum vs_status save_model(struct vs_build *build,
                                 const struct vs_buf *bytes,
                                 struct vs_error *err)
{
    char path[1040];
    snprintf(path, sizeof path, "%s.new", build->resume->model_path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return failed("open", path, err);
    }
    enum vs_status status = write_fd(fd, path, bytes->data, bytes->len, 0, err);
    if (status == VS_OK && fsync(fd) != 0) {
        status = failed("write", path, err);
    }
    (void)close(fd);
    if (status == VS_OK && rename(path, build->resume->model_path) != 0) {
        status = failed("rename", path, err);
    }
    if (status != VS_OK) {
        (void)unlink(path);
    }
    return status;
}

// The model of this training: in its file, and decoded, since its name is that of the file.
enum vs_status vs_build_resume_model(struct vs_build *build, struct vs_error *err)
{
    if (build->model != NULL) {
        return VS_OK;
    }
    struct vs_buf bytes;
    vs_buf_init(&bytes, build->env, MODEL_MAX);
    enum vs_status status = vs_build_model_bytes(build, &bytes, err);
    if (status == VS_OK) {
        status = save_model(build, &bytes, err);
    }
    if (status == VS_OK) {
        status = vs_index_model_decode(build->env, vs_buf_view(&bytes), build->resume->model_path,
                                       &build->own_model, err);
    }
    vs_buf_clear(&bytes);
    build->model = build->own_model;
    return status;
}

// ---- the log ----

// What an earlier run encoded; a log that does not fit is as good as none.
static enum vs_status take_log(struct vs_build *build, bool *append_out, struct vs_error *err)
{
    struct vs_build_resume *resume = build->resume;
    struct vs_file *file = &resume->file;
    struct vs_error reason = {.message = ""};
    *append_out = false;
    if (file->size == 0) {
        return VS_OK;
    }
    enum vs_status status = vs_build_replay_open(build, &file, 1, false, &reason);
    if (status == VS_CORRUPT || status == VS_UNSUPPORTED || status == VS_INVALID) {
        vs_log(build->env, VS_LOG_WARN, "index", "resume_dropped", "reason=%s", reason.message);
        return ftruncate(resume->fd, 0) == 0 ? VS_OK : failed("write", resume->log_path, err);
    }
    if (status != VS_OK) {
        if (err != NULL) {
            *err = reason;
        }
        return status;
    }
    for (size_t c = 0; c < build->params->column_count; c++) {
        if (build->columns[c].has_lists) {
            VS_TRY(vs_build_replay_run(build, c, err));
            build->resumed_vectors += build->columns[c].encoded;
        }
    }
    resume->end = vs_build_replay_end(build->replay);
    *append_out = true;
    vs_log(build->env, VS_LOG_INFO, "index", "build_resumed", "bytes=%" PRIu64, resume->end);
    return ftruncate(resume->fd, (off_t)resume->end) == 0 ? VS_OK
                                                          : failed("write", resume->log_path, err);
}

enum vs_status vs_build_resume_encode(struct vs_build *build, struct vs_error *err)
{
    bool append = false;
    VS_TRY(take_log(build, &append, err));
    struct vs_build_log_sink sink = {write_log, flush_log, build->resume};
    return vs_build_log_open(build, &sink, append, err);
}

void vs_build_resume_finish(const struct vs_build *build, struct vs_index_build_result *result)
{
    if (build->resume != NULL) {
        memcpy(result->resume_files[0], build->resume->model_path, VS_RESUME_PATH_SIZE);
        memcpy(result->resume_files[1], build->resume->log_path, VS_RESUME_PATH_SIZE);
    }
}

void vs_index_build_forget(const struct vs_index_build_result *result)
{
    for (size_t i = 0; i < 2; i++) {
        if (result->resume_files[i][0] != '\0') {
            (void)unlink(result->resume_files[i]); // there may be none
        }
    }
}

void vs_build_resume_close(struct vs_build *build)
{
    if (build->resume != NULL) {
        if (build->resume->fd >= 0) {
            (void)close(build->resume->fd);
        }
        vs_free(build->env, build->resume);
        build->resume = NULL;
    }
}
