// SPDX-License-Identifier: Apache-2.0
/*
 * Checks the lists of one segment column entry by entry, as they lie in the file. Private to
 * index/.
 */
#ifndef VS_INDEX_VERIFY_LISTS_H
#define VS_INDEX_VERIFY_LISTS_H

#include "index/descriptor.h"
#include "vecstore/base/cancel.h"

// VS_CORRUPT with the first thing that is wrong.
enum vs_status vs_verify_lists(const struct vs_env *env,
                               struct vs_file *file,
                               const struct vs_descriptor *descriptor,
                               size_t segment,
                               size_t column,
                               const struct vs_op *op,
                               struct vs_error *err);

#endif
