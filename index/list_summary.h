// SPDX-License-Identifier: Apache-2.0
/*
 * What the rows of neighbouring lists hold, in a few bytes: least and greatest number, the texts
 * that occur, whether there are nulls. A filter that no row of a list can meet passes the list over
 * before any attribute column is read.
 *
 * Lists are summarised in groups of group_lists, neighbours in list order, because lists are small.
 * A row belongs to the group of its slot's list. Fields without a summary may hold anything.
 * Layout: docs/format/index-v1-blobs.md, section 5.
 *
 * Ownership: a decoded summary owns a copy of what it needs. Threads: immutable once decoded.
 */
#ifndef VS_INDEX_LIST_SUMMARY_H
#define VS_INDEX_LIST_SUMMARY_H

#include "index/index_format.h"
#include "vecstore/format/column.h"

#define VS_BLOB_SUMMARY "vecstore-summary-v1"
#define VS_SUMMARY_ENTRIES 256 // texts of a field that is summarised exactly
#define VS_SUMMARY_TEXT_BYTES 65536u
#define VS_SUMMARY_BLOOM_WORDS 4
#define VS_SUMMARY_GROUP_ROWS 128 // rows of a group, about

enum vs_summary_form {
    VS_SUMMARY_RANGE = 1, // low and high: keys in the order of the kind
    VS_SUMMARY_BITS = 2,  // a bit per text of `entries`
    VS_SUMMARY_BLOOM = 3, // two bits per text (vs_summary_bloom)
};

struct vs_summary_field {
    int32_t field_id;
    enum vs_kind kind;
    enum vs_summary_form form;
    const uint64_t *nulls, *present; // bit per group: has a null, has a value
    const int64_t *low, *high;       // RANGE, [group_count]; low > high where nothing is present
    size_t word_count;               // BITS, BLOOM: words of a group
    const uint64_t *words;           // [group_count][word_count]
    struct vs_column entries;        // BITS: texts in the order of their bits
};

struct vs_list_summary {
    uint32_t list_count, group_lists, group_count;
    size_t field_count;
    struct vs_summary_field *fields;
    size_t memory_bytes;
    const struct vs_env *env;
    void *bytes; // what the fields point into
};

struct vs_summary_source {
    const struct vs_list_record *records; // [list_count]
    uint32_t list_count, slot_count;
    const struct vs_row_fact *facts; // [slot_count]
    size_t row_count;
    const struct vs_field *fields;          // kinds that have no summary are left out
    const struct vs_column *const *columns; // [field_count], row_count rows each; NULL: left out
    size_t field_count;
};

// Appends the blob; nothing when no field has a summary.
enum vs_status vs_list_summary_build(const struct vs_env *env,
                                     const struct vs_summary_source *source,
                                     struct vs_buf *out,
                                     struct vs_error *err);
// Checks everything before it believes anything: CORRUPT, or UNSUPPORTED for another version.
enum vs_status vs_list_summary_decode(const struct vs_env *env,
                                      struct vs_str bytes,
                                      const char *what,
                                      uint32_t list_count,
                                      struct vs_list_summary **summary_out,
                                      struct vs_error *err);
void vs_list_summary_free(struct vs_list_summary *summary); // accepts NULL
// NULL where the field has none or another kind.
const struct vs_summary_field *vs_list_summary_field(const struct vs_list_summary *summary,
                                                     int32_t field_id,
                                                     enum vs_kind kind);
// The two bits of a text: FNV-1a, 64 bits; hash % 256 and (hash >> 32) % 256.
void vs_summary_bloom(struct vs_str text, uint64_t words[VS_SUMMARY_BLOOM_WORDS]);

#endif
