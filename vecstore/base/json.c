// SPDX-License-Identifier: Apache-2.0
/*
 * The only includer of yyjson.
 *
 * A scan of the text bounds nesting and the number of values before anything is allocated. yyjson
 * then parses (strict, without recursion) into one flat array of values in document order, every
 * container before its contents; so the search for duplicate keys is a loop over that array and
 * needs no stack either.
 */
#include "vecstore/base/json.h"

#include "vecstore/base/json_number.h"

#include <string.h>
#include <yyjson.h>

#define DEPTH_DEFAULT 32
#define VALUES_DEFAULT ((size_t)16 << 20)
#define PAIRWISE_KEYS_MAX 12 // up to here comparing all pairs is faster than sorting

struct vs_json_doc {
    const struct vs_env *env;
    yyjson_doc *tree;
};

// ---- allocation through the environment ----

static void *json_malloc(void *ctx, size_t size)
{
    return vs_alloc((const struct vs_env *)ctx, size);
}

static void *json_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)old_size;
    return vs_realloc((const struct vs_env *)ctx, ptr, size);
}

static void json_free(void *ctx, void *ptr)
{
    vs_free((const struct vs_env *)ctx, ptr);
}

static yyjson_alc allocator_of(const struct vs_env *env)
{
    void *ctx = (void *)(uintptr_t)env; // yyjson only hands it back
    return (yyjson_alc){json_malloc, json_realloc, json_free, ctx};
}

// ---- bounds before parsing ----

struct shape {
    size_t depth;       // deepest nesting
    size_t depth_at;    // byte where it is first reached
    size_t value_count; // values, keys not counted
};

// Position behind the closing quote of the string that opens before `at`.
static size_t skip_string(struct vs_str text, size_t at)
{
    while (at < text.len && text.ptr[at] != '"') {
        at += text.ptr[at] == '\\' ? 2 : 1;
    }
    return at + 1;
}

enum mark { MARK_OTHER, MARK_SPACE, MARK_QUOTE, MARK_OPEN, MARK_CLOSE, MARK_COMMA };

static const uint8_t marks[256] = {
    [' '] = MARK_SPACE, ['\n'] = MARK_SPACE, ['\t'] = MARK_SPACE, ['\r'] = MARK_SPACE,
    ['"'] = MARK_QUOTE, ['['] = MARK_OPEN,   ['{'] = MARK_OPEN,   [']'] = MARK_CLOSE,
    ['}'] = MARK_CLOSE, [','] = MARK_COMMA,
};

// Exact for valid JSON; for anything else only finite: the parser will refuse it.
static struct shape measure(struct vs_str text)
{
    struct shape shape = {.value_count = 1};
    size_t depth = 0;
    size_t at = 0;
    bool just_opened = false;
    while (at < text.len) {
        uint8_t mark = marks[(uint8_t)text.ptr[at++]];
        if (mark == MARK_OTHER || mark == MARK_SPACE) {
            just_opened = just_opened && mark == MARK_SPACE;
            continue;
        }
        if (mark == MARK_QUOTE) {
            at = skip_string(text, at);
        } else if (mark == MARK_OPEN) {
            shape.value_count++;
            if (++depth > shape.depth) {
                shape.depth = depth;
                shape.depth_at = at - 1;
            }
        } else if (mark == MARK_CLOSE) {
            depth -= depth > 0;
            shape.value_count -= just_opened; // an empty container holds no value
        } else {
            shape.value_count++;
        }
        just_opened = mark == MARK_OPEN;
    }
    return shape;
}

static enum vs_status check_limits(struct vs_str text,
                                   const char *what,
                                   const struct vs_json_limits *limits,
                                   struct vs_error *err)
{
    size_t max_depth = limits != NULL && limits->max_depth != 0 ? limits->max_depth : DEPTH_DEFAULT;
    size_t max_values =
        limits != NULL && limits->max_values != 0 ? limits->max_values : VALUES_DEFAULT;
    struct shape shape = measure(text);
    if (shape.depth > max_depth) {
        return vs_fail(err, VS_LIMIT,
                       "%s: JSON is nested %zu levels deep near byte %zu, at most %zu are allowed",
                       what, shape.depth, shape.depth_at, max_depth);
    }
    if (shape.value_count > max_values) {
        return vs_fail(err, VS_LIMIT, "%s: JSON holds %zu values, at most %zu are allowed", what,
                       shape.value_count, max_values);
    }
    return VS_OK;
}

// ---- duplicate keys ----

static int compare_keys(const yyjson_val *a, const yyjson_val *b)
{
    size_t a_len = unsafe_yyjson_get_len((void *)(uintptr_t)a);
    size_t b_len = unsafe_yyjson_get_len((void *)(uintptr_t)b);
    if (a_len != b_len) {
        return a_len < b_len ? -1 : 1;
    }
    return a_len == 0 ? 0 : memcmp(a->uni.str, b->uni.str, a_len);
}

static enum vs_status fail_duplicate(const struct vs_json_doc *doc,
                                     const yyjson_val *key,
                                     const char *what,
                                     struct vs_error *err)
{
    struct vs_str name = {key->uni.str, unsafe_yyjson_get_len((void *)(uintptr_t)key)};
    size_t at = (size_t)(key->uni.str - doc->tree->str_pool); // strings are decoded in place
    return vs_fail(err, VS_INVALID, "%s: duplicate key \"%.*s\" in an object at byte %zu", what,
                   VS_STR_ARG(name), at);
}

static yyjson_val *next_key(yyjson_val *key)
{
    return unsafe_yyjson_get_next(key + 1);
}

static enum vs_status check_pairs(const struct vs_json_doc *doc,
                                  yyjson_val *object,
                                  const char *what,
                                  struct vs_error *err)
{
    size_t count = unsafe_yyjson_get_len(object);
    yyjson_val *key = unsafe_yyjson_get_first(object);
    for (size_t i = 1; i < count; i++) {
        key = next_key(key);
        yyjson_val *before = unsafe_yyjson_get_first(object);
        for (size_t j = 0; j < i; j++) {
            if (compare_keys(before, key) == 0) {
                return fail_duplicate(doc, key, what, err);
            }
            before = next_key(before);
        }
    }
    return VS_OK;
}

static void sift_down(yyjson_val **keys, size_t root, size_t count)
{
    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && compare_keys(keys[child], keys[child + 1]) < 0) {
            child++;
        }
        if (compare_keys(keys[root], keys[child]) >= 0) {
            return;
        }
        yyjson_val *swap = keys[root];
        keys[root] = keys[child];
        keys[child] = swap;
        root = child;
    }
}

// Heap sort: in place, and n log n whatever the keys are.
static void sort_keys(yyjson_val **keys, size_t count)
{
    for (size_t i = count / 2; i > 0; i--) {
        sift_down(keys, i - 1, count);
    }
    for (size_t last = count - 1; last > 0; last--) {
        yyjson_val *swap = keys[0];
        keys[0] = keys[last];
        keys[last] = swap;
        sift_down(keys, 0, last);
    }
}

static enum vs_status check_sorted(const struct vs_json_doc *doc,
                                   yyjson_val *object,
                                   const char *what,
                                   struct vs_error *err)
{
    enum vs_status status = VS_OK;
    size_t count = unsafe_yyjson_get_len(object);
    yyjson_val **keys = (yyjson_val **)vs_alloc_zeroed(doc->env, count, sizeof(yyjson_val *));
    if (keys == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory checking %zu keys of an object", what,
                       count);
    }
    yyjson_val *key = unsafe_yyjson_get_first(object);
    for (size_t i = 0; i < count; i++) {
        keys[i] = key;
        key = next_key(key);
    }
    sort_keys(keys, count);
    for (size_t i = 1; i < count && status == VS_OK; i++) {
        if (compare_keys(keys[i - 1], keys[i]) == 0) {
            yyjson_val *later = keys[i] > keys[i - 1] ? keys[i] : keys[i - 1];
            status = fail_duplicate(doc, later, what, err);
        }
    }
    vs_free(doc->env, keys);
    return status;
}

static enum vs_status check_duplicates(const struct vs_json_doc *doc,
                                       const char *what,
                                       struct vs_error *err)
{
    for (size_t i = 0; i < doc->tree->val_read; i++) {
        yyjson_val *value = doc->tree->root + i;
        if (!unsafe_yyjson_is_obj(value)) {
            continue;
        }
        if (unsafe_yyjson_get_len(value) <= PAIRWISE_KEYS_MAX) {
            VS_TRY(check_pairs(doc, value, what, err));
        } else {
            VS_TRY(check_sorted(doc, value, what, err));
        }
    }
    return VS_OK;
}

// ---- documents ----

static enum vs_status parse_tree(struct vs_json_doc *doc,
                                 struct vs_str text,
                                 const char *what,
                                 struct vs_error *err)
{
    yyjson_alc allocator = allocator_of(doc->env);
    yyjson_read_err reason = {0};
    char *bytes = (char *)(uintptr_t)text.ptr; // read only: the in-situ flag is not set
    doc->tree = yyjson_read_opts(bytes, text.len, YYJSON_READ_NOFLAG, &allocator, &reason);
    if (doc->tree != NULL) {
        return VS_OK;
    }
    if (reason.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory parsing %zu bytes of JSON", what,
                       text.len);
    }
    return vs_fail(err, VS_INVALID, "%s: not valid JSON: %s at byte %zu", what,
                   reason.msg != NULL ? reason.msg : "syntax error", reason.pos);
}

enum vs_status vs_json_parse(const struct vs_env *env,
                             struct vs_str text,
                             const char *what,
                             const struct vs_json_limits *limits,
                             struct vs_json_doc **doc_out,
                             struct vs_error *err)
{
    if (text.len == 0) {
        return vs_fail(err, VS_INVALID, "%s: is empty, expected JSON", what);
    }
    VS_TRY(check_limits(text, what, limits, err));
    struct vs_json_doc *doc = (struct vs_json_doc *)vs_alloc(env, sizeof *doc);
    if (doc == NULL) {
        return vs_fail(err, VS_NO_MEMORY, "%s: out of memory parsing JSON", what);
    }
    *doc = (struct vs_json_doc){.env = env};
    enum vs_status status = parse_tree(doc, text, what, err);
    if (status == VS_OK) {
        status = check_duplicates(doc, what, err);
    }
    if (status != VS_OK) {
        vs_json_free(doc);
        return status;
    }
    *doc_out = doc;
    return VS_OK;
}

void vs_json_free(struct vs_json_doc *doc)
{
    if (doc != NULL) {
        yyjson_doc_free(doc->tree);
        vs_free(doc->env, doc);
    }
}

// ---- values: struct vs_json is yyjson_val under a name of our own ----

static yyjson_val *raw_of(const struct vs_json *value)
{
    return (yyjson_val *)(uintptr_t)value; // read only; the accessors of yyjson lack const
}

static const struct vs_json *value_of(const yyjson_val *raw)
{
    return (const struct vs_json *)(const void *)raw;
}

const struct vs_json *vs_json_root(const struct vs_json_doc *doc)
{
    return value_of(yyjson_doc_get_root(doc->tree));
}

enum vs_json_type vs_json_type_of(const struct vs_json *value)
{
    yyjson_val *raw = raw_of(value);
    switch (yyjson_get_type(raw)) {
    case YYJSON_TYPE_BOOL:
        return VS_JSON_BOOL;
    case YYJSON_TYPE_NUM:
        if (unsafe_yyjson_is_real(raw)) {
            return VS_JSON_REAL;
        }
        return unsafe_yyjson_is_uint(raw) && unsafe_yyjson_get_uint(raw) > (uint64_t)INT64_MAX
                   ? VS_JSON_UINT
                   : VS_JSON_INT;
    case YYJSON_TYPE_STR:
        return VS_JSON_STRING;
    case YYJSON_TYPE_ARR:
        return VS_JSON_ARRAY;
    case YYJSON_TYPE_OBJ:
        return VS_JSON_OBJECT;
    default:
        return VS_JSON_NULL;
    }
}

bool vs_json_is(const struct vs_json *value, enum vs_json_type type)
{
    return value != NULL && vs_json_type_of(value) == type;
}

const struct vs_json *vs_json_get(const struct vs_json *object, const char *key)
{
    return value_of(yyjson_obj_get(raw_of(object), key));
}

size_t vs_json_count(const struct vs_json *container)
{
    yyjson_val *raw = raw_of(container);
    return yyjson_is_ctn(raw) ? unsafe_yyjson_get_len(raw) : 0;
}

void vs_json_iter_init(struct vs_json_iter *iter, const struct vs_json *container)
{
    size_t count = vs_json_count(container);
    *iter = (struct vs_json_iter){.left = count, .container = container};
    if (count > 0) {
        iter->next = unsafe_yyjson_get_first(raw_of(container));
    }
}

bool vs_json_iter_next(struct vs_json_iter *iter,
                       struct vs_str *key_out,
                       const struct vs_json **value_out)
{
    if (iter->left == 0) {
        return false;
    }
    yyjson_val *value = (yyjson_val *)(uintptr_t)iter->next;
    struct vs_str key = {"", 0};
    if (unsafe_yyjson_is_obj(raw_of(iter->container))) {
        key = (struct vs_str){value->uni.str, unsafe_yyjson_get_len(value)};
        value++;
    }
    iter->left--;
    iter->next = iter->left > 0 ? unsafe_yyjson_get_next(value) : NULL;
    if (key_out != NULL) {
        *key_out = key;
    }
    *value_out = value_of(value);
    return true;
}

bool vs_json_to_bool(const struct vs_json *value, bool *out)
{
    if (!vs_json_is(value, VS_JSON_BOOL)) {
        return false;
    }
    *out = unsafe_yyjson_get_bool(raw_of(value));
    return true;
}

bool vs_json_to_i64(const struct vs_json *value, int64_t *out)
{
    if (!vs_json_is(value, VS_JSON_INT)) {
        return false;
    }
    *out = unsafe_yyjson_get_sint(raw_of(value));
    return true;
}

bool vs_json_to_f64(const struct vs_json *value, double *out)
{
    if (value == NULL || !yyjson_is_num(raw_of(value))) {
        return false;
    }
    *out = yyjson_get_num(raw_of(value));
    return true;
}

bool vs_json_to_str(const struct vs_json *value, struct vs_str *out)
{
    if (!vs_json_is(value, VS_JSON_STRING)) {
        return false;
    }
    yyjson_val *raw = raw_of(value);
    *out = (struct vs_str){raw->uni.str, unsafe_yyjson_get_len(raw)};
    return true;
}

enum vs_status vs_json_write_value(const struct vs_json *value,
                                   struct vs_buf *out,
                                   struct vs_error *err)
{
    if (value == NULL) {
        return vs_fail(err, VS_INTERNAL, "there is no JSON value to write");
    }
    yyjson_alc allocator = allocator_of(out->env);
    yyjson_write_err reason = {0};
    size_t len = 0;
    char *text =
        yyjson_val_write_opts(raw_of(value), YYJSON_WRITE_NOFLAG, &allocator, &len, &reason);
    if (text == NULL) {
        enum vs_status code =
            reason.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION ? VS_NO_MEMORY : VS_INTERNAL;
        return vs_fail(err, code, "cannot write a JSON value: %s",
                       reason.msg != NULL ? reason.msg : "unknown reason");
    }
    enum vs_status status = vs_buf_append(out, text, len, err);
    vs_free(out->env, text);
    return status;
}

size_t vs_json_format_real(double value, char text_out[VS_NUMBER_TEXT_SIZE])
{
    char memory[512]; // yyjson's allocator for this one number
    yyjson_alc allocator;
    yyjson_val number = {.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL};
    size_t len = 0;
    number.uni.f64 = value;
    if (!yyjson_alc_pool_init(&allocator, memory, sizeof memory)) {
        return 0;
    }
    const char *text = yyjson_val_write_opts(&number, YYJSON_WRITE_NOFLAG, &allocator, &len, NULL);
    if (text == NULL || len >= VS_NUMBER_TEXT_SIZE) {
        return 0;
    }
    memcpy(text_out, text, len + 1);
    return len;
}
