// SPDX-License-Identifier: Apache-2.0
/*
 * Listing a tree in ascending order of keys. Keys below a directory "a" start with "a/", so inside
 * a directory the entries are sorted as if directories were called "name/"; visiting them in that
 * order, depth first, gives sorted keys. The levels of the walk stand on a heap array.
 */
#include "vecstore/object/store_dir_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 256
#define NAMES_MAX ((size_t)1 << 30)

// One directory of the walk: names lie in `names`, each ended by a NUL, directories with a '/'
// before it.
struct level {
    int fd;
    struct vs_buf names;
    const char **sorted;
    size_t count;
    size_t next;
    size_t key_len; // length of the key of this directory, with its '/'
};

struct walk {
    struct vs_store_dir *store;
    struct vs_str prefix;
    vs_list_fn visit;
    void *ctx;
    struct level *levels;
    size_t depth;
    struct vs_buf key; // of the directory on top, then of the object in hand
};

static const struct vs_env *env_of(const struct walk *walk)
{
    return walk->store->base.env;
}

static void level_clear(const struct vs_env *env, struct level *level)
{
    if (level->fd >= 0) {
        (void)close(level->fd);
    }
    vs_buf_clear(&level->names);
    vs_free(env, level->sorted);
    *level = (struct level){.fd = -1};
}

static enum vs_status fail_list(const struct walk *walk, int errno_value, struct vs_error *err)
{
    struct vs_str key = vs_buf_view(&walk->key);
    return vs_fail_errno(err, errno_value, "cannot list %s/%.*s", walk->store->base.root_uri,
                         VS_STR_ARG(key));
}

// 'd' directory, 'f' regular file, 0 what we do not list (links, sockets, what has gone meanwhile).
static char entry_kind(int dir_fd, const struct dirent *entry)
{
    struct stat info;
    if (entry->d_type == DT_REG) {
        return 'f';
    }
    if (entry->d_type == DT_DIR) {
        return 'd';
    }
    if (entry->d_type != DT_UNKNOWN ||
        fstatat(dir_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    return S_ISREG(info.st_mode) ? 'f' : (S_ISDIR(info.st_mode) ? 'd' : 0);
}

// True when keys that start with key + name may start with the prefix.
static bool may_match(const struct walk *walk, const char *name)
{
    struct vs_str text = vs_str_from_c(name);
    size_t known = walk->key.len;
    if (walk->prefix.len <= known) {
        return true;
    }
    struct vs_str wanted = {walk->prefix.ptr + known, walk->prefix.len - known};
    size_t common = wanted.len < text.len ? wanted.len : text.len;
    return memcmp(wanted.ptr, text.ptr, common) == 0;
}

static enum vs_status add_name(struct walk *walk,
                               struct level *level,
                               const struct dirent *entry,
                               struct vs_error *err)
{
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
        strncmp(entry->d_name, VS_STAGED_PREFIX, sizeof VS_STAGED_PREFIX - 1) == 0) {
        return VS_OK;
    }
    char kind = entry_kind(level->fd, entry);
    if (kind == 0 || !may_match(walk, entry->d_name)) {
        return VS_OK;
    }
    VS_TRY(vs_buf_append_c(&level->names, entry->d_name, err));
    if (kind == 'd') {
        VS_TRY(vs_buf_append_byte(&level->names, '/', err));
    }
    VS_TRY(vs_buf_append_byte(&level->names, 0, err));
    level->count++;
    return VS_OK;
}

static enum vs_status read_names(struct walk *walk, struct level *level, struct vs_error *err)
{
    int fd = openat(level->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int failure = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return fail_list(walk, failure, err);
    }
    enum vs_status status = VS_OK;
    const struct dirent *entry = NULL;
    do {
        errno = 0;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): safe, each stream belongs to one thread
        entry = readdir(dir);
        if (entry != NULL) {
            status = add_name(walk, level, entry, err);
        } else if (errno != 0) {
            status = fail_list(walk, errno, err);
        }
    } while (entry != NULL && status == VS_OK);
    (void)closedir(dir);
    return status;
}

static void sift_down(const char **names, size_t root, size_t count)
{
    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && strcmp(names[child], names[child + 1]) < 0) {
            child++;
        }
        if (strcmp(names[root], names[child]) >= 0) {
            return;
        }
        const char *swap = names[root];
        names[root] = names[child];
        names[child] = swap;
        root = child;
    }
}

// Heap sort: needs no memory beyond the array.
static void sort_names(const char **names, size_t count)
{
    for (size_t i = count / 2; i > 0; i--) {
        sift_down(names, i - 1, count);
    }
    for (size_t last = count; last > 1; last--) {
        const char *swap = names[0];
        names[0] = names[last - 1];
        names[last - 1] = swap;
        sift_down(names, 0, last - 1);
    }
}

static enum vs_status sort_level(const struct walk *walk, struct level *level, struct vs_error *err)
{
    level->sorted =
        (const char **)vs_alloc_zeroed(env_of(walk), level->count, sizeof(const char *));
    if (level->sorted == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory listing %zu names", level->count);
    }
    const char *name = (const char *)level->names.data;
    for (size_t i = 0; i < level->count; i++) {
        level->sorted[i] = name;
        name += strlen(name) + 1;
    }
    sort_names(level->sorted, level->count);
    return VS_OK;
}

// Puts a directory on the stack; takes fd in every case.
static enum vs_status push(struct walk *walk, int fd, struct vs_error *err)
{
    if (walk->depth == DEPTH_MAX) {
        (void)close(fd);
        return vs_fail(err, VS_LIMIT, "cannot list %s: directories are nested deeper than %d",
                       walk->store->base.root_uri, DEPTH_MAX);
    }
    struct level *level = &walk->levels[walk->depth++];
    *level = (struct level){.fd = fd, .key_len = walk->key.len};
    vs_buf_init(&level->names, env_of(walk), NAMES_MAX);
    VS_TRY(read_names(walk, level, err));
    return sort_level(walk, level, err);
}

static enum vs_status visit_file(struct walk *walk,
                                 int dir_fd,
                                 const char *name,
                                 struct vs_error *err)
{
    struct stat info;
    struct vs_str key = vs_buf_view(&walk->key);
    if (!vs_str_starts_with(key, walk->prefix)) {
        return VS_OK;
    }
    if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? VS_OK : fail_list(walk, errno, err); // removed meanwhile
    }
    struct vs_object_info object = {
        .key = key,
        .size = (uint64_t)info.st_size,
        .modified_ms = (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000,
    };
    return walk->visit(walk->ctx, &object, err);
}

static enum vs_status enter_directory(struct walk *walk,
                                      int dir_fd,
                                      const char *name,
                                      struct vs_error *err)
{
    int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        bool gone = errno == ENOENT || errno == ENOTDIR; // removed or replaced meanwhile
        return gone ? VS_OK : fail_list(walk, errno, err);
    }
    return push(walk, fd, err);
}

static enum vs_status step(struct walk *walk, struct vs_error *err)
{
    struct level *level = &walk->levels[walk->depth - 1];
    if (level->next == level->count) {
        level_clear(env_of(walk), level);
        walk->depth--;
        return VS_OK;
    }
    const char *name = level->sorted[level->next++];
    walk->key.len = level->key_len;
    VS_TRY(vs_buf_append_c(&walk->key, name, err));
    bool is_directory = name[strlen(name) - 1] == '/';
    return is_directory ? enter_directory(walk, level->fd, name, err)
                        : visit_file(walk, level->fd, name, err);
}

// Opens the directory part of the prefix. *found_out is false when it does not exist: nothing to
// list.
static enum vs_status start(struct walk *walk,
                            const char *prefix,
                            bool *found_out,
                            struct vs_error *err)
{
    int fd = -1;
    const char *leaf = NULL;
    *found_out = false;
    enum vs_status status = vs_dir_open_parent(walk->store, prefix, false, &fd, &leaf, err);
    if (status == VS_NOT_FOUND) {
        vs_error_clear(err);
        return VS_OK;
    }
    if (status != VS_OK) {
        return status;
    }
    status = vs_buf_append(&walk->key, prefix, (size_t)(leaf - prefix), err);
    if (status != VS_OK) {
        (void)close(fd);
        return status;
    }
    *found_out = true;
    return push(walk, fd, err);
}

enum vs_status vs_dir_list(
    struct vs_store *store, const char *prefix, vs_list_fn visit, void *ctx, struct vs_error *err)
{
    struct walk walk = {
        .store = (struct vs_store_dir *)store,
        .prefix = vs_str_from_c(prefix),
        .visit = visit,
        .ctx = ctx,
        .levels = (struct level *)vs_alloc_zeroed(store->env, DEPTH_MAX, sizeof(struct level)),
    };
    if (walk.levels == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "out of memory listing %s", store->root_uri);
    }
    vs_buf_init(&walk.key, store->env, (size_t)1 << 20);
    bool found = false;
    enum vs_status status = start(&walk, prefix, &found, err);
    while (status == VS_OK && walk.depth > 0) {
        status = step(&walk, err);
    }
    while (walk.depth > 0) {
        level_clear(store->env, &walk.levels[--walk.depth]);
    }
    vs_buf_clear(&walk.key);
    vs_free(store->env, walk.levels);
    return status;
}
