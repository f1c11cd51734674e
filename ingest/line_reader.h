// SPDX-License-Identifier: Apache-2.0
/*
 * Lines of a file or of standard input, with a limit on their length; the first ones can be read
 * twice.
 *
 * Ownership: borrows the file. A line borrows from the reader until the next call. Threads: single
 * owner.
 */
#ifndef VS_INGEST_LINE_READER_H
#define VS_INGEST_LINE_READER_H

#include "vecstore/base/buf.h"
#include "vecstore/base/io.h"

#define VS_LINE_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct vs_line_reader {
    struct vs_file *file; // NULL: standard input
    const char *name;     // for messages
    struct vs_buf bytes;
    size_t next;     // start of the next line in bytes
    uint64_t offset; // bytes taken from the file
    uint64_t line;   // lines given
    bool keep;       // nothing is dropped, so that the lines can be read again
    bool at_end;
};

void vs_line_reader_init(struct vs_line_reader *reader,
                         const struct vs_env *env,
                         struct vs_file *file,
                         const char *name);
void vs_line_reader_clear(struct vs_line_reader *reader);
// The next line without its end (\n or \r\n); *has_line_out is false at the end. LIMIT names a line
// beyond 16 MiB.
enum vs_status vs_line_reader_next(struct vs_line_reader *reader,
                                   struct vs_str *line_out,
                                   bool *has_line_out,
                                   struct vs_error *err);
// While keep was set since the start: goes back to the first line. Clears keep.
void vs_line_reader_rewind(struct vs_line_reader *reader);

#endif
