// SPDX-License-Identifier: Apache-2.0
/*
 * What an opened index says of itself beyond vs_index_info: descriptor and codebooks, for jobs and
 * reports. Everything given out is borrowed from the index unless said otherwise.
 */
#ifndef VS_INDEX_INDEX_FACTS_H
#define VS_INDEX_INDEX_FACTS_H

#include "index/descriptor.h"

const struct vs_descriptor *vs_index_descriptor(const struct vs_index *index);
// The codebook of a column, also of an index opened with skip_lists; clear it with
// vs_codebook_clear. *found_out is false where the column has none.
enum vs_status vs_index_read_codebook(const struct vs_index *index,
                                      size_t column,
                                      struct vs_codebook *codebook_out,
                                      bool *found_out,
                                      struct vs_error *err);
// Whether vectors of a column may stand in two lists each, by its first segment with lists.
enum vs_status vs_index_read_second(const struct vs_index *index,
                                    size_t column,
                                    bool *second_out,
                                    struct vs_error *err);

#endif
