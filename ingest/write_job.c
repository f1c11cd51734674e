// SPDX-License-Identifier: Apache-2.0
#include "ingest/write_job.h"

#include "ingest/batch_write.h"
#include "ingest/gate.h"
#include "ingest/quarantine.h"
#include "ingest/row_change.h"

#include <stdio.h>
#include <string.h>

struct write {
    const struct vs_env *env;
    struct vs_catalog *catalog;
    const struct vs_write_job *job;
    const struct vs_schema *schema;
    struct vs_arena arena;
    struct vs_gate *gate;
    struct vs_batch_writer *writer;
    struct vs_quarantine *quarantine; // opened at the first bad row
    struct vs_batch batch, accepted;
    uint8_t *accept;
    size_t accept_capacity;
    uint32_t *kept; // rows of the batch that pass, when some do not
    struct vs_write_result result;
};

static enum vs_status open_parts(struct write *write, struct vs_error *err)
{
    const struct vs_table_metadata *metadata = write->job->loaded->metadata;
    struct vs_vector_contract *contracts;
    size_t count;
    write->schema = vs_table_current_schema(metadata);
    VS_TRY(vs_contracts_read(metadata, write->schema, &write->arena, &contracts, &count, err));
    VS_TRY(vs_gate_open(write->env, write->schema, contracts, count, &write->gate, err));
    struct vs_batch_write_options options = {.thread_count = write->job->thread_count};
    VS_TRY(vs_batch_writer_open(write->env, write->job->loaded->store, metadata, &options,
                                &write->writer, err));
    VS_TRY(vs_batch_init(&write->batch, write->env, write->schema->fields,
                         write->schema->field_count, err));
    return vs_batch_init(&write->accepted, write->env, write->schema->fields,
                         write->schema->field_count, err);
}

static void close_parts(struct write *write, bool keep_files)
{
    vs_quarantine_free(write->quarantine, keep_files);
    vs_batch_writer_free(write->writer, keep_files);
    vs_gate_free(write->gate);
    vs_batch_clear(&write->batch);
    vs_batch_clear(&write->accepted);
    vs_free(write->env, write->accept);
    vs_free(write->env, write->kept);
    vs_arena_clear(&write->arena);
}

static enum vs_status reserve_rows(struct write *write, size_t rows, struct vs_error *err)
{
    if (rows <= write->accept_capacity) {
        return VS_OK;
    }
    uint8_t *accept = vs_realloc(write->env, write->accept, rows);
    if (accept == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu rows", rows);
    }
    write->accept = accept;
    uint32_t *kept = vs_realloc(write->env, write->kept, rows * sizeof *kept);
    if (kept == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory for %zu rows", rows);
    }
    write->kept = kept;
    write->accept_capacity = rows;
    return VS_OK;
}

static enum vs_status set_aside(struct write *write,
                                const struct vs_row_feed *feed,
                                uint64_t first_row,
                                struct vs_error *err)
{
    if (write->quarantine == NULL) {
        VS_TRY(vs_quarantine_open(write->env, write->job->loaded->store,
                                  write->job->loaded->metadata, write->schema, &write->quarantine,
                                  err));
    }
    for (size_t row = 0; row < write->batch.row_count; row++) {
        if (!write->accept[row]) {
            char reason[200];
            vs_gate_explain(write->gate, &write->batch, row, reason);
            VS_TRY(vs_quarantine_add(write->quarantine, &write->batch, row, feed->name,
                                     first_row + row, reason, err));
        }
    }
    return VS_OK;
}

static enum vs_status write_kept(struct write *write, struct vs_error *err)
{
    size_t count = 0;
    for (size_t row = 0; row < write->batch.row_count; row++) {
        if (write->accept[row]) {
            write->kept[count++] = (uint32_t)row;
        }
    }
    vs_batch_reset(&write->accepted);
    for (size_t i = 0; i < write->schema->field_count; i++) {
        VS_TRY(vs_column_gather(&write->accepted.columns[i], &write->batch.columns[i], write->kept,
                                count, err));
    }
    write->accepted.row_count = count;
    return vs_batch_writer_write(write->writer, &write->accepted, err);
}

static enum vs_status pass_batch(struct write *write,
                                 const struct vs_row_feed *feed,
                                 uint64_t first_row,
                                 struct vs_error *err)
{
    struct vs_gate_reject reject;
    size_t rejected = 0;
    VS_TRY(reserve_rows(write, write->batch.row_count, err));
    VS_TRY(vs_gate_check(write->gate, &write->batch, write->accept, &reject, &rejected, err));
    write->result.rows += write->batch.row_count - rejected;
    write->result.rejected += rejected;
    if (rejected == 0) {
        return vs_batch_writer_write(write->writer, &write->batch, err);
    }
    if (!write->job->quarantine) {
        return vs_fail(err, VS_INVALID,
                       "%s, %s %llu: %s; nothing was written. Mend the row, or set bad rows aside "
                       "with --on-error quarantine",
                       feed->name, feed->row_word, (unsigned long long)first_row + reject.row,
                       reject.reason);
    }
    VS_TRY(set_aside(write, feed, first_row, err));
    return write_kept(write, err);
}

static enum vs_status read_feed(struct write *write,
                                const struct vs_row_feed *feed,
                                struct vs_error *err)
{
    uint64_t done = 0;
    for (;;) {
        uint64_t first_row = 0;
        VS_TRY(vs_op_check(write->env, write->job->op, err));
        vs_batch_reset(&write->batch);
        VS_TRY(feed->next(feed->ctx, &write->batch, &first_row, err));
        VS_TRY(
            vs_op_check(write->env, write->job->op, err)); // reading may have waited, or been cut
        if (write->batch.row_count == 0) {
            return VS_OK;
        }
        done += write->batch.row_count;
        VS_TRY(pass_batch(write, feed, first_row, err));
        vs_op_progress(write->job->op, "writing rows", done, feed->total_rows, "rows");
    }
}

static enum vs_status commit(struct write *write,
                             struct vs_row_change *change,
                             const struct vs_data_file *files,
                             size_t count,
                             struct vs_error *err)
{
    struct vs_intent intent = {
        .operation = "append",
        .added_data = files,
        .added_data_count = count,
        .rebase = vs_row_change_rebase,
        .rebase_ctx = change,
    };
    struct vs_commit_result committed = {0};
    VS_TRY(vs_catalog_commit(write->catalog, write->job->table, &intent, write->job->op, &committed,
                             err));
    write->result.snapshot_id = committed.snapshot_id;
    write->result.replaced = change->deleted_rows;
    vs_table_release(committed.table);
    return VS_OK;
}

static enum vs_status finish(struct write *write, struct vs_error *err)
{
    const struct vs_data_file *files;
    size_t count;
    VS_TRY(vs_batch_writer_finish(write->writer, &files, &count, err));
    if (write->quarantine != NULL) {
        VS_TRY(vs_quarantine_finish(write->quarantine, write->result.quarantine_uri,
                                    sizeof write->result.quarantine_uri, err));
    }
    write->result.file_count = count;
    write->result.bytes = vs_batch_writer_bytes(write->writer);
    bool overwrites = write->job->find != NULL || write->job->everything;
    if (count == 0 && !overwrites) {
        return VS_OK;
    }
    VS_TRY(vs_op_check(write->env, write->job->op, err)); // the last chance before the commit
    struct vs_row_change change;
    vs_row_change_init(&change, write->env, write->job->loaded->store,
                       write->job->upsert ? VS_ROW_CHANGE_UPSERT : VS_ROW_CHANGE_INSERT);
    change.loaded = write->job->loaded->metadata;
    change.ids = vs_gate_ids(write->gate);
    change.op = write->job->op;
    change.find = write->job->find;
    change.find_ctx = write->job->find_ctx;
    change.everything = write->job->everything;
    change.branch = write->job->branch;
    enum vs_status status = commit(write, &change, files, count, err);
    bool nothing_left = status == VS_NOT_FOUND && change.nothing_left;
    vs_row_change_clear(&change, status);
    return nothing_left ? VS_OK : status;
}

enum vs_status vs_write_job_run(struct vs_catalog *catalog,
                                const struct vs_write_job *job,
                                struct vs_write_result *result_out,
                                struct vs_error *err)
{
    struct write write = {.env = vs_catalog_env(catalog),
                          .catalog = catalog,
                          .job = job,
                          .result = {.snapshot_id = VS_NO_SNAPSHOT}};
    vs_arena_init(&write.arena, write.env, 0);
    enum vs_status status = open_parts(&write, err);
    for (size_t i = 0; status == VS_OK && i < job->feed_count; i++) {
        status = read_feed(&write, &job->feeds[i], err);
    }
    if (status == VS_OK) {
        status = finish(&write, err);
    }
    close_parts(&write, status == VS_OK || status == VS_UNKNOWN);
    if (status == VS_OK) {
        *result_out = write.result;
        return VS_OK;
    }
    return vs_wrap(err, status, "writing to table %s", job->table);
}
