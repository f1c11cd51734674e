// SPDX-License-Identifier: Apache-2.0
#include "ingest/old_metadata.h"

#include <stdlib.h>
#include <string.h>

struct old_file {
    int64_t number;
    uint64_t size;
    int64_t modified_ms;
    char *key; // in the set's arena
};

struct search {
    const struct vs_table_files *kept;
    struct vs_table_files *found; // owns keys
    struct vs_buf files;          // struct old_file
    int64_t before;               // numbers from here on stay
    bool is_version;
};

bool vs_metadata_file_number(struct vs_str key, int64_t *number_out, bool *is_version_out)
{
    size_t start = key.len;
    while (start > 0 && key.ptr[start - 1] != '/') {
        start--;
    }
    struct vs_str name = {key.ptr + start, key.len - start};
    bool is_version = vs_str_starts_with(name, VS_STR("v"));
    size_t digits = is_version ? 1 : 0, end = digits;
    while (end < name.len && name.ptr[end] >= '0' && name.ptr[end] <= '9') {
        end++;
    }
    struct vs_str rest = {name.ptr + end, name.len - end};
    bool is_metadata = vs_str_ends_with(rest, VS_STR(".metadata.json")) ||
                       vs_str_ends_with(rest, VS_STR(".metadata.json.gz"));
    if (!is_metadata || (is_version ? rest.ptr[0] != '.' : rest.ptr[0] != '-')) {
        return false;
    }
    *is_version_out = is_version;
    return vs_parse_i64((struct vs_str){name.ptr + digits, end - digits}, number_out, NULL) ==
           VS_OK;
}

// The lowest number that the table still names; false when names are of several forms.
static bool oldest_named(const struct vs_table *table, int64_t *oldest_out, bool *is_version_out)
{
    bool is_version;
    int64_t number;
    if (!vs_metadata_file_number(vs_str_from_c(table->metadata_uri), oldest_out, is_version_out)) {
        return false;
    }
    for (size_t i = 0; i < table->metadata->metadata_log_count; i++) {
        if (!vs_metadata_file_number(table->metadata->metadata_log[i].metadata_file, &number,
                                     &is_version) ||
            is_version != *is_version_out) {
            return false;
        }
        *oldest_out = number < *oldest_out ? number : *oldest_out;
    }
    return true;
}

static enum vs_status visit(void *ctx, const struct vs_object_info *object, struct vs_error *err)
{
    struct search *search = ctx;
    struct old_file file = {.size = object->size, .modified_ms = object->modified_ms};
    bool is_version;
    if (!vs_metadata_file_number(object->key, &file.number, &is_version) ||
        is_version != search->is_version || file.number >= search->before ||
        vs_table_files_has(search->kept, object->key)) {
        return VS_OK;
    }
    struct vs_str key = vs_arena_copy_str(&search->found->arena, object->key);
    if (key.ptr == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "no memory for the metadata files of a table");
    }
    memcpy(&file.key, &key.ptr, sizeof file.key);
    return vs_buf_append(&search->files, &file, sizeof file, err);
}

static int compare_files(const void *a, const void *b)
{
    const struct old_file *x = a, *y = b;
    return x->number != y->number ? (x->number < y->number ? -1 : 1) : strcmp(x->key, y->key);
}

static enum vs_status remove_found(struct search *search,
                                   struct vs_store *store,
                                   const struct vs_env *env,
                                   bool dry_run,
                                   uint64_t counts[2],
                                   struct vs_error *err)
{
    struct old_file *files = (struct old_file *)(void *)search->files.data;
    size_t count = search->files.len / sizeof *files;
    int64_t newest = vs_wall_ms(env) - VS_OLD_METADATA_MIN_AGE_MS;
    if (count > 1) {
        qsort(files, count, sizeof *files, compare_files);
    }
    for (size_t i = 0; i < count && files[i].modified_ms < newest; i++) {
        if (!dry_run) {
            VS_TRY(vs_store_remove(store, files[i].key, err));
        }
        counts[0]++;
        counts[1] += files[i].size;
    }
    return VS_OK;
}

enum vs_status vs_old_metadata_remove(const struct vs_table *table,
                                      const struct vs_table_files *kept,
                                      bool dry_run,
                                      uint64_t *count_out,
                                      uint64_t *bytes_out,
                                      struct vs_error *err)
{
    const struct vs_env *env = kept->env;
    struct vs_str flag =
        vs_table_property(table->metadata, "write.metadata.delete-after-commit.enabled");
    struct vs_table_files own = {.env = env};
    struct search search = {.kept = kept, .found = &own};
    uint64_t counts[2] = {0, 0};
    if (!vs_str_equal_nocase(flag, VS_STR("true")) ||
        !oldest_named(table, &search.before, &search.is_version)) {
        return VS_OK;
    }
    vs_arena_init(&own.arena, env, 0);
    vs_buf_init(&search.files, env, SIZE_MAX / 2);
    struct vs_str prefix = vs_arena_printf(&own.arena, "%smetadata/", kept->prefix.ptr);
    enum vs_status status = prefix.ptr != NULL
                                ? vs_store_list(table->store, prefix.ptr, visit, &search, err)
                                : vs_fail(err, VS_NO_MEMORY, "no memory for the name of a folder");
    if (status == VS_OK) {
        status = remove_found(&search, table->store, env, dry_run, counts, err);
    }
    *count_out += counts[0];
    *bytes_out += counts[1];
    vs_buf_clear(&search.files);
    vs_arena_clear(&own.arena);
    return status;
}
