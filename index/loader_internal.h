// SPDX-License-Identifier: Apache-2.0
/*
 * Inside of the list loader: list_loader.c (states of lists, who reads what), loader_rows.c (rows
 * of single slots, several segments), loader_fetch.c (the ranges of one round and their checksums),
 * loader_background.c (the thread that brings the rest).
 *
 * A list has three pieces: codes with slot references, row facts, int8 rows. Each is absent, being
 * read by somebody, or there; `lock` guards changes, and a piece that is there is immutable.
 */
#ifndef VS_INDEX_LOADER_INTERNAL_H
#define VS_INDEX_LOADER_INTERNAL_H

#include "index/list_loader.h"
#include "index/lists.h"
#include "vecstore/base/io.h"

#include <pthread.h>
#include <stdatomic.h>

enum vs_piece_kind { VS_PIECE_CODES = 0, VS_PIECE_FACTS = 1, VS_PIECE_ROWS = 2 };

#define VS_PIECE_KINDS 3

enum vs_piece_state { VS_PIECE_ABSENT = 0, VS_PIECE_READING = 1, VS_PIECE_THERE = 2 };

struct vs_piece {
    uint64_t offset; // in the file
    uint64_t len;
    uint32_t list;
    enum vs_piece_kind kind;
};

struct vs_list_loader_options {
    struct vs_file *file;         // outlives the loader
    const struct vs_lists *lists; // records, layout, facts and (not in a file) rows; all in place
    uint64_t lists_at, rows_at;   // offsets of the blobs
    int32_t field_id;             // for messages
    bool rows_in_file, idle;
    uint64_t background_rate;
};

struct vs_list_loader {
    const struct vs_env *env;
    struct vs_list_loader_options options;
    uint32_t list_count;
    uint64_t codes_at, facts_at, rows_at;    // of list section 0's blob, of fact 0, of row 0
    _Atomic uint8_t *states[VS_PIECE_KINDS]; // [list_count] of enum vs_piece_state
    atomic_bool has_codes, has_rows;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t there[VS_PIECE_KINDS]; // behind lock
    uint64_t *seen;         // behind lock: room for the check when all facts are there; then NULL
    struct vs_error damage; // behind lock: what that check found
    // Counters, relaxed.
    _Atomic uint64_t ranges, rounds, bytes, background_bytes;
    // The thread.
    pthread_t thread;
    bool started; // behind lock; to be joined
    atomic_bool stop;
};

// Checks of one list, also of those that are read at once when an index is opened.
enum vs_status vs_list_slots_check(const struct vs_lists *lists,
                                   uint32_t list,
                                   const uint8_t *section,
                                   const char *name,
                                   struct vs_error *err);
enum vs_status vs_row_facts_check(const struct vs_lists *lists,
                                  uint32_t list,
                                  const struct vs_row_fact *facts,
                                  const char *name,
                                  struct vs_error *err);

enum vs_status vs_list_loader_new(const struct vs_env *env,
                                  const struct vs_list_loader_options *options,
                                  struct vs_list_loader **loader_out,
                                  struct vs_error *err);
void vs_list_loader_free(struct vs_list_loader *loader); // stops the thread; accepts NULL
void vs_list_loader_count(const struct vs_list_loader *loader, struct vs_index_reads *reads);
// The facts of all lists are there already, checked.
void vs_list_loader_take_facts(struct vs_list_loader *loader);
// Everything that is ever kept in memory.
enum vs_status vs_list_loader_preload(struct vs_list_loader *loader,
                                      const struct vs_op *op,
                                      struct vs_error *err);

// list_loader.c
struct vs_piece vs_loader_piece(const struct vs_list_loader *loader,
                                enum vs_piece_kind kind,
                                uint32_t list);
// Brings the pieces; those that somebody else reads are waited for. Reorders pieces.
enum vs_status vs_loader_bring(struct vs_list_loader *loader,
                               struct vs_piece *pieces,
                               size_t count,
                               bool background,
                               const struct vs_op *op,
                               struct vs_error *err);

bool vs_loader_is_there(const struct vs_list_loader *loader,
                        enum vs_piece_kind kind,
                        uint32_t list);
// Appends the piece unless it is there.
void vs_loader_add_missing(const struct vs_list_loader *loader,
                           enum vs_piece_kind kind,
                           uint32_t list,
                           struct vs_piece *pieces,
                           size_t *count);

// loader_fetch.c
// `background`: for the counters. Reads pieces in one round and checks them; codes go into the
// layout, facts and rows to their places in memory. Reorders pieces.
enum vs_status vs_loader_fetch(struct vs_list_loader *loader,
                               struct vs_piece *pieces,
                               size_t count,
                               bool background,
                               struct vs_error *err);
// One round of reads: ranges that lie no further apart than `gap` share a request of at most
// VS_LOADER_REQUEST bytes. pieces[i] is then at bytes[i], in memory that the caller frees
// (vs_free_aligned). Sorts pieces by offset.
#define VS_LOADER_GAP ((uint64_t)128 << 10)
#define VS_LOADER_ROW_GAP ((uint64_t)4 << 10) // of rows that stay in a file that is near
#define VS_LOADER_REQUEST ((uint64_t)8 << 20)

struct vs_loader_bytes {
    uint8_t *memory;
    uint8_t **at; // [count]
};
enum vs_status vs_loader_read(struct vs_list_loader *loader,
                              struct vs_piece *pieces,
                              size_t count,
                              uint64_t gap,
                              bool background,
                              struct vs_loader_bytes *bytes_out,
                              struct vs_error *err);
void vs_loader_bytes_clear(const struct vs_env *env, struct vs_loader_bytes *bytes);
// bytes: of the piece. Wrong ones are read once more when a local copy gave them.
enum vs_status vs_loader_check_crc(const struct vs_list_loader *loader,
                                   const struct vs_piece *piece,
                                   uint8_t *bytes,
                                   struct vs_error *err);

// loader_background.c
void vs_loader_start(struct vs_list_loader *loader); // once; failures are logged
void vs_loader_stop(struct vs_list_loader *loader);

#endif
