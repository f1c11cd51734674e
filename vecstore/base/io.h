// SPDX-License-Identifier: Apache-2.0
/*
 * An object opened for random reads, and an object being written front to back: what formats see of
 * storage.
 *
 * Implementations live in vecstore/object (store_dir.c, store_mem.c, …) and embed these structs as
 * their first member. vs_file_open_bytes gives a file over borrowed memory (tests, fuzzing, HTTP
 * bodies). base/io.c implements the functions here. Threads: files may be shared by threads; a
 * writer has one owner.
 */
#ifndef VS_BASE_IO_H
#define VS_BASE_IO_H

#include "vecstore/base/env.h"
#include "vecstore/base/str.h"

enum vs_put_mode { VS_PUT_ANY, VS_PUT_IF_ABSENT };

struct vs_file;
struct vs_writer;

// One of several reads that may travel side by side.
struct vs_range {
    uint64_t offset;
    size_t len;
    void *dst;
};

struct vs_file_vtable {
    enum vs_status (*read)(
        struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err);
    // May be NULL: then one after the other by read.
    enum vs_status (*read_many)(struct vs_file *file,
                                const struct vs_range *ranges,
                                size_t count,
                                struct vs_error *err);
    void (*close)(struct vs_file *file);
    // May be NULL: there are no local copies. See vs_file_forget.
    void (*forget)(struct vs_file *file, uint64_t offset, uint64_t len);
};

struct vs_writer_vtable {
    enum vs_status (*write)(struct vs_writer *writer,
                            const void *bytes,
                            size_t n,
                            struct vs_error *err);
    enum vs_status (*finish)(struct vs_writer *writer, enum vs_put_mode mode, struct vs_error *err);
    void (*free)(struct vs_writer *writer);
    // May be NULL. Appends as many bytes of the range as the storage can copy by itself, from its
    // start on; none where the file lies elsewhere.
    enum vs_status (*copy)(struct vs_writer *writer,
                           struct vs_file *file,
                           uint64_t offset,
                           uint64_t len,
                           uint64_t *copied_out,
                           struct vs_error *err);
};

struct vs_file {
    const struct vs_file_vtable *vtable;
    uint64_t size;
    const char *name; // NUL-terminated, owned by the file; for messages
};

struct vs_writer {
    const struct vs_writer_vtable *vtable;
    uint64_t written; // bytes so far; kept by vs_writer_write and vs_writer_copy
    const char *name;
};

// Exactly len bytes; VS_CORRUPT "… ends at byte N" beyond the end of the object.
enum vs_status vs_file_read(
    struct vs_file *file, uint64_t offset, size_t len, void *dst, struct vs_error *err);
// All ranges or an error; remote files fetch them in parallel and join near ones.
enum vs_status vs_file_read_many(struct vs_file *file,
                                 const struct vs_range *ranges,
                                 size_t count,
                                 struct vs_error *err);
void vs_file_close(struct vs_file *file); // accepts NULL
// What was read there is not what was written: local copies of it are given up. True when the file
// reads through such copies at all, so that reading once more may help.
bool vs_file_forget(struct vs_file *file, uint64_t offset, uint64_t len);
// For bytes that were read and whose CRC-32C is not `crc`: where local copies may have given them,
// once more (somebody may have seen to it already), then without the copy. *right_out says whether
// they are right now.
enum vs_status vs_file_read_again(struct vs_file *file,
                                  const struct vs_range *range,
                                  uint32_t crc,
                                  bool *right_out,
                                  struct vs_error *err);
// A file over memory that the caller keeps until close.
enum vs_status vs_file_open_bytes(const struct vs_env *env,
                                  struct vs_str bytes,
                                  const char *name,
                                  struct vs_file **file_out,
                                  struct vs_error *err);

enum vs_status vs_writer_write(struct vs_writer *writer,
                               const void *bytes,
                               size_t n,
                               struct vs_error *err);

// What a copy saw of its bytes. Begin with {.all_read = true}; it goes on over several ranges.
struct vs_copied {
    bool all_read; // every byte came through here, none was moved by the storage itself
    uint32_t crc;  // CRC-32C, where all were read
};

// Appends a range of a file: inside the storage where both lie in the same one, else by reading and
// writing. Nothing is checked on the way: who copies has checksums that go along, and compares them
// where all was read.
enum vs_status vs_writer_copy(const struct vs_env *env,
                              struct vs_writer *writer,
                              struct vs_file *file,
                              uint64_t offset,
                              uint64_t len,
                              struct vs_copied *copied, // may be NULL
                              struct vs_error *err);
// Makes the object visible, at once or not at all. VS_EXISTS when the mode is IF_ABSENT and another
// one is there.
enum vs_status vs_writer_finish(struct vs_writer *writer,
                                enum vs_put_mode mode,
                                struct vs_error *err);
void vs_writer_free(struct vs_writer *writer); // accepts NULL; without a finish it abandons and
                                               // removes what was staged

#endif
