// SPDX-License-Identifier: Apache-2.0
/*
 * vecstore: the public C interface. The command line and the HTTP server are clients of this header
 * and of nothing else.
 *
 * A vs_db is an opened warehouse. Operations that report (describe, ingest, build, …) append one
 * JSON document to a caller's vs_buf; its shape is part of the interface and is the same that
 * `--json` prints and HTTP answers. Queries return a typed answer that can also be written as JSON.
 * Options structs start with `size` (sizeof of the struct as the caller knows it), so that fields
 * can be added; zeroed fields mean the default. Ownership: strings and arrays in options are
 * borrowed for the call. Threads: a vs_db may be used from any number of threads at once. Errors:
 * status.h; every message names the object, the reason and the way out. Since 0.1.
 */
#ifndef VS_API_VECSTORE_H
#define VS_API_VECSTORE_H

#include "vecstore/base/buf.h"
#include "vecstore/base/cancel.h"
#include "vecstore/base/env.h"
#include "vecstore/base/settings.h"

#define VS_VERSION_MAJOR 0
#define VS_VERSION_MINOR 1
#define VS_VERSION_PATCH 0

// Bounds (DESIGN.md section 8).
#define VS_MAX_DIM 16384
#define VS_MAX_K 1000
#define VS_MAX_BATCH 256
#define VS_MAX_FILTER_TERMS 256

struct vs_db;
struct vs_answer;

// {"version":"0.1.0","simd":"avx2","cpu":…,"faiss":true,"compiler":…}
enum vs_status vs_version_json(struct vs_buf *json_out, struct vs_error *err);

struct vs_db_options {
    size_t size;
    const char *warehouse;              // path or URI; NULL: "./warehouse"
    const char *catalog;                // NULL: "filesystem"
    bool create;                        // make the warehouse folder when it is missing
    size_t thread_count;                // for builds and large scans; 0: all processors
    uint64_t cache_bytes;               // memory for opened indexes and masks; 0: half of RAM
    const char *catalog_uri;            // "rest": base of the service; "sql": the SQLite file
    const char *catalog_name;           // "sql": catalog_name of the rows; NULL: "default"
    const struct vs_settings *settings; // of stores and services ("s3.endpoint", "token", …;
                                        // docs/operations/s3.md, catalogs.md); may be NULL
    const char *cache_dir;              // local copies of parts of remote indexes; NULL: none
    uint64_t cache_dir_bytes;           // at most so many of them; 0: 8 GiB
    bool preload;                       // indexes are read whole before the first answer
    bool rows_in_file; // re-ranking rows stay in the file: an eighth of the memory, slower
};
enum vs_status vs_db_open(const struct vs_env *env,
                          const struct vs_db_options *options,
                          struct vs_db **db_out,
                          struct vs_error *err);
void vs_db_close(struct vs_db *db); // accepts NULL

// ---- tables ----
struct vs_create_options {
    size_t size;
    const char *table;         // "docs.passages"
    uint32_t dim;              // required
    const char *metric;        // "cosine" (NULL), "ip", "l2"
    const char *vector_column; // NULL: "embedding"
    const char
        *schema; // "id long, title string, price decimal(10,2), tags list<string>"; NULL: "id
                 // long". The vector column is added at the end unless named in it (as list<float>)
    const char *id_column;            // NULL: "id"; must be long or string
    const char *model;                // embedding model, informational; may be NULL
    bool normalized;                  // vectors are unit length
    const char *partition_by;         // "lang, bucket(16, id), day(created)"; NULL: unpartitioned
    const char *sort_order;           // "lang asc nulls first, created desc"; NULL: unsorted
    int format_version;               // 0: 2; 3 for deletion vectors and row lineage
    const struct vs_pair *properties; // more table properties
    size_t property_count;
};
enum vs_status vs_db_create_table(struct vs_db *db,
                                  const struct vs_create_options *options,
                                  struct vs_buf *report,
                                  struct vs_error *err);
// {"tables":[{"name":…,"rows":…,"snapshot_id":…,"indexed":…}]}
enum vs_status vs_db_list_tables(struct vs_db *db, struct vs_buf *report, struct vs_error *err);
// {"name","uuid","location","format_version","schema":[{"id","name","type","required"}],"id_column","vectors":[{"column","dimension","metric","normalized","model"}],
//  "rows","deleted","files","bytes","snapshot_id","snapshots":N,"index":{"uuid","rows","covered_files","uncovered_files","uncovered_rows",…}|null,"properties":{…}}
enum vs_status vs_db_describe_table(struct vs_db *db,
                                    const char *table,
                                    struct vs_buf *report,
                                    struct vs_error *err);
// {"snapshots":[{"snapshot_id","parent_id","sequence_number","timestamp","operation","added_rows","deleted_rows","total_rows","current":bool}]}
// newest first
enum vs_status vs_db_list_snapshots(struct vs_db *db,
                                    const char *table,
                                    struct vs_buf *report,
                                    struct vs_error *err);
// Reads and verifies everything (metadata, manifests, data files row by row, deletes, index),
// changes nothing.
// {"ok":bool,"problems":[{"object","problem"}],"files":…,"rows":…,"bytes":…}. VS_CORRUPT when a
// problem was found (the report is still written).
enum vs_status vs_db_check_table(struct vs_db *db,
                                 const char *table,
                                 const struct vs_op *op,
                                 struct vs_buf *report,
                                 struct vs_error *err);
enum vs_status vs_db_drop_table(struct vs_db *db, const char *table, struct vs_error *err);
// Adopts an existing table by its metadata file; reports as vs_db_describe_table.
enum vs_status vs_db_register_table(struct vs_db *db,
                                    const char *table,
                                    const char *metadata_uri,
                                    struct vs_buf *report,
                                    struct vs_error *err);

// ---- changing a table ----
enum vs_alter_kind {
    VS_ALTER_ADD_COLUMN,    // name, type; doc, after, default_json optional
    VS_ALTER_DROP_COLUMN,   // name
    VS_ALTER_RENAME_COLUMN, // name, value: the new name
    VS_ALTER_WIDEN_COLUMN,  // name, type
    VS_ALTER_OPTIONAL,      // name: may be null from now on
    VS_ALTER_DOC,           // name, value
    VS_ALTER_MOVE_COLUMN,   // name, after (NULL: first)
    VS_ALTER_PARTITION_BY,  // value: "lang, day(created)" or "none"
    VS_ALTER_SORT_ORDER,    // value or "none"
    VS_ALTER_SET,           // property name = value
    VS_ALTER_UNSET,         // property name
    VS_ALTER_FORMAT,        // value: "2" or "3"; upwards only
};

struct vs_alter_step {
    enum vs_alter_kind kind;
    const char *name, *value, *type, *doc, *after, *default_json;
};

struct vs_alter_options {
    size_t size;
    const char *table;
    const struct vs_alter_step *steps; // all in one commit, in this order
    size_t step_count;
    const struct vs_op *op;
};
// Reports as vs_db_describe_table.
enum vs_status vs_db_alter_table(struct vs_db *db,
                                 const struct vs_alter_options *options,
                                 struct vs_buf *report,
                                 struct vs_error *err);

struct vs_at {           // which snapshot; all zero: the newest
    int64_t snapshot_id; // 0: not given
    const char *as_of;   // date or timestamp (UTC); NULL: not given
    const char *ref;     // branch or tag; NULL: not given
};

// {"refs":[{"name","type":"branch"|"tag","snapshot_id","max_ref_age_ms"?,…}]}
enum vs_status vs_db_list_refs(struct vs_db *db,
                               const char *table,
                               struct vs_buf *report,
                               struct vs_error *err);

struct vs_ref_options {
    size_t size;
    const char *table, *name;
    bool is_tag;     // else a branch
    bool replace;    // move one that exists; else it is VS_EXISTS
    struct vs_at at; // all zero: the newest snapshot
    int64_t max_ref_age_ms, max_snapshot_age_ms, min_snapshots_to_keep; // 0: not set
    const struct vs_op *op;
};
// Both report as vs_db_list_refs.
enum vs_status vs_db_set_ref(struct vs_db *db,
                             const struct vs_ref_options *options,
                             struct vs_buf *report,
                             struct vs_error *err);
enum vs_status vs_db_remove_ref(struct vs_db *db,
                                const char *table,
                                const char *name,
                                struct vs_buf *report,
                                struct vs_error *err);

struct vs_rollback_options {
    size_t size;
    const char *table;
    struct vs_at at; // required: what main becomes
    bool any;        // also a snapshot that is no ancestor of the newest
    const struct vs_op *op;
};
// {"table","snapshot_id","previous_snapshot_id"}
enum vs_status vs_db_rollback(struct vs_db *db,
                              const struct vs_rollback_options *options,
                              struct vs_buf *report,
                              struct vs_error *err);

// ---- upkeep ----
struct vs_expire_options {
    size_t size;
    const char *table;
    const char *older_than;      // date, timestamp or age ("7d", "12h"); NULL: the table's
                                 // history.expire.max-snapshot-age-ms, else 5 days
    uint32_t retain_last;        // 0: the table's history.expire.min-snapshots-to-keep, else 1
    const int64_t *snapshot_ids; // these in any case
    size_t snapshot_id_count;
    bool dry_run;
    const struct vs_op *op;
};
// {"table","expired":[ids],"dropped_refs":N,"removed":{"data_files","delete_files","manifests","manifest_lists","statistics_files","metadata_files","bytes"},"dry_run"}
enum vs_status vs_db_expire(struct vs_db *db,
                            const struct vs_expire_options *options,
                            struct vs_buf *report,
                            struct vs_error *err);

struct vs_compact_options {
    size_t size;
    const char *table;
    uint64_t target_bytes; // 0: write.target-file-size-bytes, else 512 MiB
    uint64_t min_bytes;    // files below it are small; 0: 3/4 of the target
    uint32_t min_files;    // a group of fewer is left alone unless it has deletes; 0: 2
    const char *filter;    // only files that may hold matching rows; NULL: all
    bool dry_run;
    const struct vs_op *op;
};
// {"table","snapshot_id","rewritten_files","added_files","removed_delete_files","rows","bytes_before","bytes_after","index":"remapped"|"none"|"kept","dry_run"};
// nothing to do makes no snapshot. The index follows by remapping.
enum vs_status vs_db_compact(struct vs_db *db,
                             const struct vs_compact_options *options,
                             struct vs_buf *report,
                             struct vs_error *err);

struct vs_orphan_options {
    size_t size;
    const char *table;
    const char *older_than; // NULL: 3 days; younger than 1 day needs `force`
    bool force;
    bool remove; // else only a list
    const struct vs_op *op;
};
// {"table","orphans":[{"path","bytes","modified"}],"bytes","removed":N,"dry_run"}
enum vs_status vs_db_remove_orphans(struct vs_db *db,
                                    const struct vs_orphan_options *options,
                                    struct vs_buf *report,
                                    struct vs_error *err);

// ---- writing ----
struct vs_ingest_options {
    size_t size;
    const char *table;
    const char *const *files; // .parquet .npy .jsonl; "-" is standard input (JSONL)
    size_t file_count;
    const char *metadata; // for .npy: a .jsonl or .parquet with the other columns, row by row; may
                          // be NULL (ids are then row numbers)
    bool create;          // make the table from the first file's columns when it does not exist
    const char *metric;   // with create; NULL: "cosine"
    const char *model;    // with create
    const char
        *id_column; // column of the source that is the id; NULL: the table's (with create: "id")
    const char *vector_column; // NULL: the table's only one (with create: the only list<float>
                               // column, else "embedding")
    bool upsert;               // replace rows whose id exists
    bool quarantine;           // set bad rows aside in <table>/quarantine/… instead of stopping
    const struct vs_op *op;
    const char *overwrite; // a filter: rows that match it are deleted in the same commit ("*": all)
    const char *branch;    // that gets the snapshot; NULL: main
};
// {"table","snapshot_id","rows","replaced","rejected","quarantine":uri|null,"files","bytes","ms","rows_per_second"}.
// All files become one commit.
enum vs_status vs_db_ingest(struct vs_db *db,
                            const struct vs_ingest_options *options,
                            struct vs_buf *report,
                            struct vs_error *err);

struct vs_insert_options {
    size_t size;
    const char *table;
    struct vs_str rows; // {"rows":[{…},…]}, a JSON array of objects, or JSONL
    bool upsert;
    bool quarantine;
    const struct vs_op *op;
};
// The same report as vs_db_ingest.
enum vs_status vs_db_insert(struct vs_db *db,
                            const struct vs_insert_options *options,
                            struct vs_buf *report,
                            struct vs_error *err);

struct vs_delete_options {
    size_t size;
    const char *table;
    const struct vs_str *ids; // texts of ids, or
    size_t id_count;
    const char *filter;        // an expression, or
    struct vs_str filter_json; // the JSON form
    const struct vs_op *op;
    const char *branch; // that gets the snapshot; NULL: main
};
// {"table","snapshot_id","deleted","not_found"}; deleting nothing makes no snapshot.
enum vs_status vs_db_delete(struct vs_db *db,
                            const struct vs_delete_options *options,
                            struct vs_buf *report,
                            struct vs_error *err);

// ---- index ----
struct vs_index_options {
    size_t size;
    const char *table;
    uint32_t list_count;   // 0: automatic
    uint32_t code_bytes;   // of a vector; 0: automatic
    uint64_t memory_bytes; // 0: half of RAM
    size_t thread_count;   // 0: the db's
    float min_recall;      // 0: 0.95; negative: no gate
    const char *queries; // .npy or .parquet of real queries for the recall measurement; may be NULL
    const char *projection;        // "pca" (NULL), "opq", "none"
    const char *store_vectors;     // besides int8 rows: "none" (NULL), "f16", "f32"
    const char *second_assignment; // a second list for each vector: "auto" (NULL), "on", "off"
    const char *spill_dir;         // for what does not fit into memory; NULL: $TMPDIR, or /tmp
    uint64_t seed;
    const struct vs_op *op;
    const char *resume_dir; // where a build that is stopped leaves what the next one goes on with
};
// {"index","snapshot_id","rows","bytes","recall_at_10","lists","m","published":true,"ms","phases":{…}};
// with "resumed_vectors" when the model of a stopped build was taken over, and so many vectors.
enum vs_status vs_db_build_index(struct vs_db *db,
                                 const struct vs_index_options *options,
                                 struct vs_buf *report,
                                 struct vs_error *err);

// The steps of a build that several machines share (docs/format/index-parts.md); files are paths or
// URIs. train: options as above, the model goes to `to`. {"table","path","bytes","ms"}
enum vs_status vs_db_train_index(struct vs_db *db,
                                 const struct vs_index_options *options,
                                 const char *to,
                                 struct vs_buf *report,
                                 struct vs_error *err);

struct vs_index_part_options {
    size_t size;
    const char *table;
    const char *model; // file of vs_db_train_index
    // encode: data files by path or name; none: the share-th of `of` shares, from 1.
    const char *const *files;
    size_t file_count, share, of;
    // assemble: files of vs_db_encode_index, in any order
    const char *const *parts;
    size_t part_count;
    // encode: the part; assemble: the index file instead of publishing it, may be NULL
    const char *to;
    const char *store_vectors; // assemble; as in vs_index_options
    const char *index_uuid;    // assemble; NULL: random
    int64_t created_ms;        // assemble; 0: now
    float min_recall;          // assemble; as in vs_index_options
    uint64_t memory_bytes;
    size_t thread_count;
    const char *spill_dir;
    const struct vs_op *op;
};
// {"table","path","files","rows","vectors","bytes","ms"}
enum vs_status vs_db_encode_index(struct vs_db *db,
                                  const struct vs_index_part_options *options,
                                  struct vs_buf *report,
                                  struct vs_error *err);
// As vs_db_build_index, with "path" where it is not published.
enum vs_status vs_db_assemble_index(struct vs_db *db,
                                    const struct vs_index_part_options *options,
                                    struct vs_buf *report,
                                    struct vs_error *err);
// {"indexes":[{"uuid","path","snapshot_id","rows","bytes","created","current":bool}]} newest first:
// every index file that the table's metadata names
enum vs_status vs_db_list_indexes(struct vs_db *db,
                                  const char *table,
                                  struct vs_buf *report,
                                  struct vs_error *err);
// The current index in full: segments, files, blobs with sizes, parameters, recall curve, list
// histogram, coverage of the newest snapshot.
enum vs_status vs_db_show_index(struct vs_db *db,
                                const char *table,
                                struct vs_buf *report,
                                struct vs_error *err);

// Brings the index up to the newest snapshot without training: new data files become a segment with
// the same codebook, many segments or mostly dead ones are put together.
struct vs_refresh_options {
    size_t size;
    const char *table;
    bool merge;            // put all segments together, whatever their sizes (index merge)
    uint64_t memory_bytes; // 0: half of RAM
    size_t thread_count;   // 0: the db's
    const char *spill_dir; // NULL: $TMPDIR, or /tmp
    const struct vs_op *op;
};
// {"table","action","index","snapshot_id","new_rows","new_files","rows","live_rows","segments",
// "segments_before","joined","bytes","copied_bytes","drift":{…}|null,"warnings":[…],"advice","ms"};
// action: "nothing", "registered" (the newest snapshot knows of the version again), "extended",
// "joined" or "rebuilt" (the table outgrew the exact scan). VS_NOT_FOUND without an index.
enum vs_status vs_db_refresh_index(struct vs_db *db,
                                   const struct vs_refresh_options *options,
                                   struct vs_buf *report,
                                   struct vs_error *err);

struct vs_index_rollback_options {
    size_t size;
    const char *table;
    const char *to; // UUID of a version (vs_db_list_indexes); NULL: the one before the current one
    const struct vs_op *op;
};
// {"table","index","former","snapshot_id","rows","bytes"}
enum vs_status vs_db_rollback_index(struct vs_db *db,
                                    const struct vs_index_rollback_options *options,
                                    struct vs_buf *report,
                                    struct vs_error *err);

struct vs_index_export_options {
    size_t size;
    const char *table;
    const char *vector_column; // NULL: the table's only one
    const char *path;          // of the file to write
    const struct vs_op *op;
};
// {"table","index","column","path","bytes","vectors","lists","m","ids"}: a file that FAISS reads
// (IndexPreTransform over IndexIVFPQ); ids: "id" (the table's long ids) or "row" (row numbers).
enum vs_status vs_db_export_index(struct vs_db *db,
                                  const struct vs_index_export_options *options,
                                  struct vs_buf *report,
                                  struct vs_error *err);

struct vs_canary_options {
    size_t size;
    const char *table;
    const char *vector_column; // NULL: the table's only one
    const struct vs_op *op;
};
// {"table","index","recall","ci95":[lo,hi],"expected","queries","k","snapshot_id","advice"}: true
// recall of the queries that the build kept, on the newest snapshot. VS_NOT_FOUND without any.
enum vs_status vs_db_check_canary(struct vs_db *db,
                                  const struct vs_canary_options *options,
                                  struct vs_buf *report,
                                  struct vs_error *err);
// Reads every byte of the current index; VS_CORRUPT with the report written when anything is wrong.
enum vs_status vs_db_verify_index(struct vs_db *db,
                                  const char *table,
                                  const struct vs_op *op,
                                  struct vs_buf *report,
                                  struct vs_error *err);

// ---- reading ----

struct vs_query_options {
    size_t size;
    const char *table;
    const char *vector_column; // NULL: the table's only one
    const float *vectors;      // [vector_count][dim], or
    size_t vector_count;
    size_t dim;
    struct vs_str like_id; // text of an id: "like this row" (the row itself is left out)
    size_t k;              // 0: 10
    const char *filter;    // SQL-like text, or
    struct vs_str filter_json;
    const char *const *select; // columns to return; NULL with select_count 0: every column but
                               // vectors; {"*"}: the same
    size_t select_count;
    bool select_none; // ids and scores only
    struct vs_at at;
    float recall_target; // 0: 0.95
    uint32_t nprobe, rerank;
    bool exact;
    bool has_min_score;
    float min_score;
    bool include_vector;
    bool explain;           // fill vs_answer_explain_json
    const struct vs_op *op; // deadline
    // Scores of an indexed search come from int8 rows (three digits hold). With rescore the best
    // 2 k + 16 get exact scores from their float vectors, read from the index where it has them,
    // else from the table.
    bool rescore;
};

struct vs_hit {
    struct vs_str id_json;     // 7 or "a-1"
    float score;               // cosine, inner product, or minus squared L2 distance
    struct vs_str fields_json; // {"title":…}; "{}" with select_none
    const float *vector;       // [dim] with include_vector, else NULL
};

struct vs_result {
    size_t hit_count;
    const struct vs_hit *hits; // best first
    bool complete;             // false: fewer than k hits, see reason
    struct vs_str reason;      // "only 3 rows match the filter"
};

struct vs_coverage {
    uint64_t rows;      // of the snapshot, before deletes
    uint64_t indexed;   // of them found through the index
    uint64_t scanned;   // scanned exactly (files that the index does not cover)
    uint64_t deleted;   // hidden by deletes
    uint64_t filtered;  // removed by the filter (of the rows left)
    uint64_t no_vector; // without an embedding
};

struct vs_query_stats {
    double total_ms, plan_ms, probe_ms, scan_ms, rerank_ms, fetch_ms;
    uint64_t bytes_read, requests;
    double usd;
    uint32_t nprobe, rerank;
    uint64_t codes_scanned;
};

enum vs_status vs_db_query(struct vs_db *db,
                           const struct vs_query_options *options,
                           struct vs_answer **answer_out,
                           struct vs_error *err);
void vs_answer_free(struct vs_answer *answer); // accepts NULL
size_t vs_answer_result_count(const struct vs_answer *answer);
const struct vs_result *vs_answer_result(const struct vs_answer *answer, size_t index);
int64_t vs_answer_snapshot_id(const struct vs_answer *answer);    // -1: an empty table
const char *vs_answer_index_uuid(const struct vs_answer *answer); // "" when no index was used
bool vs_answer_is_exact(const struct vs_answer *answer);
const struct vs_coverage *vs_answer_coverage(const struct vs_answer *answer);
const struct vs_query_stats *vs_answer_stats(const struct vs_answer *answer);
// The document of DESIGN.md section 8 (with "explain" when asked).
enum vs_status vs_answer_write_json(const struct vs_answer *answer,
                                    struct vs_buf *json_out,
                                    struct vs_error *err);

// Reads vectors from a .npy (one or two dimensions), .parquet or .jsonl file (the column named
// `column`, NULL: the only list of floats). floats_out holds count * dim floats.
enum vs_status vs_vectors_read(const struct vs_env *env,
                               const char *path,
                               const char *column,
                               struct vs_buf *floats_out,
                               size_t *count_out,
                               size_t *dim_out,
                               struct vs_error *err);

struct vs_get_options {
    size_t size;
    const char *table;
    const struct vs_str *ids; // texts
    size_t id_count;
    const char *const *select;
    size_t select_count;
    bool include_vector;
    struct vs_at at;
    bool select_none;       // ids only
    const struct vs_op *op; // deadline
};
// {"snapshot_id","rows":[{"id":…,"fields":{…},"vector":[…]?}],"not_found":[…]} in the order asked
enum vs_status vs_db_get(struct vs_db *db,
                         const struct vs_get_options *options,
                         struct vs_buf *report,
                         struct vs_error *err);

struct vs_export_options {
    size_t size;
    const char *table;
    struct vs_at at;
    const char *filter;
    const char *const *select; // NULL with select_count 0: every column
    size_t select_count;
    const char
        *path; // .jsonl, .parquet or .npy (one vector column); "-" is standard output (JSONL)
    const struct vs_op *op;
};
// {"table","snapshot_id","rows","bytes","path"}. Rows after deletes, streamed in file order.
enum vs_status vs_db_export(struct vs_db *db,
                            const struct vs_export_options *options,
                            struct vs_buf *report,
                            struct vs_error *err);

struct vs_inspect_options {
    size_t size;
    const char *uri; // a Parquet, Avro, Puffin or table metadata file: path or URI
    const struct vs_settings *settings;
    bool digest;                       // rows, nulls and digests per column (docs/format/digest.md)
    bool rows;                         // values, exactly
    uint64_t max_rows;                 // with rows; 0: 100
    int64_t snapshot_id;               // of a metadata file; 0: the current one
    const char *moved_from, *moved_to; // paths with this prefix are opened at the other place
    const struct vs_op *op;
};
// Structure, statistics and sizes of one file; of a metadata file the table's snapshot with deletes
// applied.
enum vs_status vs_inspect(const struct vs_env *env,
                          const struct vs_inspect_options *options,
                          struct vs_buf *report,
                          struct vs_error *err);

struct vs_recall_options {
    size_t size;
    const char *table;
    const char *vector_column;
    size_t num; // queries; 0: 100. Rows of the table drawn by `seed`; each is left out of its own
                // answer
    size_t k;   // 0: 10
    const char *filter;
    const char *queries; // .npy or .parquet of real queries instead
    struct vs_at at;
    float recall_target;
    uint32_t nprobe, rerank;
    uint64_t seed;
    const struct vs_op *op;
};
// {"recall","ci95":[lo,hi],"p5","k","queries","asked":"rows"|"given","ms_approx","ms_exact","qps_approx","snapshot_id","index"}
// measured against exact answers over the same rows
enum vs_status vs_db_recall(struct vs_db *db,
                            const struct vs_recall_options *options,
                            struct vs_buf *report,
                            struct vs_error *err);

#endif
