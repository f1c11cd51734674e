// SPDX-License-Identifier: Apache-2.0
/*
 * Versions of a table in the file system layout: <namespace>/<table>/metadata/vN.metadata.json and
 * version-hint.text (iceberg.md 2.1).
 *
 * The hint is only a start: newer versions are found by probing forward, and without a usable hint
 * the folder is listed.
 */
#include "vecstore/base/pool.h"
#include "vecstore/catalog/catalog_internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define MAX_LISTED_NAMES ((size_t)1 << 20)
#define HINT_TRIES 1000

// Spellings of one version: Java writes the first two, older Java the third.
static const char *const suffixes[] = {".metadata.json", ".gz.metadata.json", ".metadata.json.gz"};
#define SUFFIX_COUNT (sizeof suffixes / sizeof suffixes[0])

static bool metadata_key(const struct table_place *place, const char *name, char *key, size_t size)
{
    int len = snprintf(key, size, "%s/metadata/%s", place->folder, name);
    return len > 0 && (size_t)len < size;
}

static bool set_version(struct metadata_version *version, int64_t number, struct vs_str name)
{
    if (name.len >= sizeof version->name) {
        return false;
    }
    memcpy(version->name, name.ptr, name.len);
    version->name[name.len] = '\0';
    version->number = number;
    return true;
}

// The first of the names, within the table's metadata folder, that is there.
static enum vs_status find_name(struct vs_catalog *catalog,
                                const struct table_place *place,
                                const struct metadata_version names[SUFFIX_COUNT],
                                struct metadata_version *version_out,
                                bool *found_out,
                                struct vs_error *err)
{
    char texts[SUFFIX_COUNT][600];
    const char *keys[SUFFIX_COUNT];
    size_t first = SUFFIX_COUNT;
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        if (!metadata_key(place, names[i].name, texts[i], sizeof texts[i])) {
            return vs_fail(err, VS_INVALID, "the table name is too long");
        }
        keys[i] = texts[i];
    }
    VS_TRY(vs_store_find_first(catalog->store, keys, SUFFIX_COUNT, &first, err));
    *found_out = first < SUFFIX_COUNT;
    if (*found_out) {
        *version_out = names[first];
    }
    return VS_OK;
}

static void name_version(struct metadata_version *version, int64_t number, size_t spelling)
{
    version->number = number;
    (void)snprintf(version->name, sizeof version->name, "v%lld%s", (long long)number,
                   suffixes[spelling]);
}

enum vs_status vs_dir_version_probe(struct vs_catalog *catalog,
                                    const struct table_place *place,
                                    int64_t number,
                                    struct metadata_version *version_out,
                                    bool *found_out,
                                    struct vs_error *err)
{
    struct metadata_version names[SUFFIX_COUNT];
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        name_version(&names[i], number, i);
    }
    return find_name(catalog, place, names, version_out, found_out, err);
}

static enum vs_status probe_forward(struct vs_catalog *catalog,
                                    const struct table_place *place,
                                    struct metadata_version *version,
                                    struct vs_error *err)
{
    bool found = true;
    while (found && version->number < INT64_MAX) {
        VS_TRY(vs_dir_version_probe(catalog, place, version->number + 1, version, &found, err));
    }
    return VS_OK;
}

// ---- names ----

bool vs_metadata_name_is(struct vs_str name)
{
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        if (vs_str_ends_with(name, vs_str_from_c(suffixes[i]))) {
            return true;
        }
    }
    return false;
}

// The part of a metadata file name before its suffix; false for other files.
static bool strip_suffix(struct vs_str name, struct vs_str *stem_out)
{
    for (size_t i = SUFFIX_COUNT; i > 0; i--) { // ".gz.metadata.json" before ".metadata.json"
        struct vs_str suffix = vs_str_from_c(suffixes[i - 1]);
        if (vs_str_ends_with(name, suffix) && name.len > suffix.len) {
            *stem_out = (struct vs_str){name.ptr, name.len - suffix.len};
            return true;
        }
    }
    return false;
}

static bool is_number(struct vs_str text, int64_t *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len > 0 && vs_parse_i64(text, out, NULL) == VS_OK;
}

// N of vN.
static bool version_number(struct vs_str stem, int64_t *number_out)
{
    return stem.len > 1 && stem.ptr[0] == 'v' &&
           is_number((struct vs_str){stem.ptr + 1, stem.len - 1}, number_out);
}

// NNNNN of NNNNN-<uuid>, the layout of catalogs other than this one.
static bool serial_number(struct vs_str stem, int64_t *number_out)
{
    struct vs_str digits, rest;
    return vs_str_split(stem, '-', &digits, &rest) && rest.len > 0 && is_number(digits, number_out);
}

// ---- listing ----

struct listing {
    size_t prefix_len;
    struct metadata_version best; // vN with the highest N
    struct metadata_version
        best_serial; // NNNNN-uuid with the highest number; its `number` holds it while listing
    size_t seen;
};

static enum vs_status visit_name(void *ctx,
                                 const struct vs_object_info *object,
                                 struct vs_error *err)
{
    struct listing *l = ctx;
    struct vs_str stem;
    int64_t number;
    if (++l->seen > MAX_LISTED_NAMES) {
        return vs_fail(err, VS_LIMIT, "a table's metadata folder holds more than %zu files",
                       MAX_LISTED_NAMES);
    }
    struct vs_str name = {object->key.ptr + l->prefix_len, object->key.len - l->prefix_len};
    if (!strip_suffix(name, &stem)) {
        return VS_OK;
    }
    if (version_number(stem, &number)) {
        if (number > l->best.number) {
            (void)set_version(&l->best, number, name);
        }
    } else if (serial_number(stem, &number) && number >= l->best_serial.number) {
        (void)set_version(&l->best_serial, number,
                          name); // equal numbers: the last name in byte order
    }
    return VS_OK;
}

enum vs_status vs_dir_version_newest(struct vs_catalog *catalog,
                                     const struct table_place *place,
                                     struct metadata_version *version_out,
                                     struct vs_error *err)
{
    char prefix[300];
    struct listing listing = {.best.number = -1, .best_serial.number = -1};
    int len = snprintf(prefix, sizeof prefix, "%s/metadata/", place->folder);
    listing.prefix_len = (size_t)len;
    VS_TRY(vs_store_list(catalog->store, prefix, visit_name, &listing, err));
    if (listing.best.number >= 0) {
        *version_out = listing.best;
        return probe_forward(catalog, place, version_out, err);
    }
    if (listing.best_serial.number >= 0) {
        *version_out = listing.best_serial;
        version_out->number = -1;
        return VS_OK;
    }
    return vs_fail(err, VS_NOT_FOUND, "there is no table '%s'", place->full_name);
}

// ---- the hint ----

struct hint_state {
    bool exists;
    char etag[VS_ETAG_SIZE]; // "": the store has none
};

static enum vs_status read_hint(struct vs_catalog *catalog,
                                const struct table_place *place,
                                struct vs_buf *text,
                                struct hint_state *state_out,
                                struct vs_error *err)
{
    char key[600];
    *state_out = (struct hint_state){.exists = true};
    if (!metadata_key(place, "version-hint.text", key, sizeof key)) {
        return vs_fail(err, VS_INVALID, "the table name is too long");
    }
    vs_buf_reset(text);
    enum vs_status status = vs_store_get_tagged(catalog->store, key, text, state_out->etag, err);
    if (status == VS_NOT_FOUND || status == VS_LIMIT) {
        state_out->exists = status == VS_LIMIT;
        vs_buf_reset(text); // no hint, or nothing that can be one
        status = VS_OK;
    }
    return status;
}

static bool may_be_name(struct vs_str hint)
{
    for (size_t i = 0; i < hint.len; i++) {
        if (hint.ptr[i] <= ' ' || hint.ptr[i] >= 0x7f || hint.ptr[i] == '/') {
            return false;
        }
    }
    return hint.len > 0 && hint.len <= 200;
}

// The hint holds a number, a file name, or a file name without its suffix.
static enum vs_status find_by_hint(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   struct vs_str hint,
                                   struct metadata_version *version_out,
                                   bool *found_out,
                                   struct vs_error *err)
{
    struct vs_str stem;
    int64_t number;
    *found_out = false;
    if (is_number(hint, &number)) {
        return vs_dir_version_probe(catalog, place, number, version_out, found_out, err);
    }
    bool is_file_name = strip_suffix(hint, &stem);
    if (!is_file_name) {
        stem = hint;
    }
    if (!may_be_name(hint)) {
        return VS_OK;
    }
    struct metadata_version names[SUFFIX_COUNT];
    for (size_t i = 0; i < SUFFIX_COUNT; i++) {
        (void)snprintf(names[i].name, sizeof names[i].name, "%.*s%s",
                       VS_STR_ARG(is_file_name ? hint : stem), is_file_name ? "" : suffixes[i]);
        names[i].number = version_number(stem, &number) ? number : -1;
    }
    return find_name(catalog, place, names, version_out, found_out, err);
}

enum vs_status vs_dir_version_find(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   bool repair,
                                   struct metadata_version *version_out,
                                   struct vs_error *err)
{
    struct vs_buf text;
    bool found = false;
    vs_buf_init(&text, catalog->env, VS_HINT_MAX_BYTES);
    struct hint_state state;
    enum vs_status status = read_hint(catalog, place, &text, &state, err);
    struct vs_str hint = vs_str_trim(vs_buf_view(&text));
    int64_t hinted = -1;
    if (status == VS_OK) {
        status = find_by_hint(catalog, place, hint, version_out, &found, err);
        hinted = found ? version_out->number : -1;
    }
    vs_buf_clear(&text);
    VS_TRY(status);
    if (!found) {
        VS_TRY(vs_dir_version_newest(catalog, place, version_out, err));
    } else if (version_out->number >= 0) {
        VS_TRY(probe_forward(catalog, place, version_out, err));
    }
    if (repair && version_out->number >= 0 && version_out->number != hinted) {
        vs_dir_version_hint(catalog, place, version_out->number);
    }
    return VS_OK;
}

// True when the hint names a real version that is not older: it may stay. A hint ahead of every
// version would hide the table from engines that trust it.
static bool is_hint_good(struct vs_catalog *catalog,
                         const struct table_place *place,
                         struct vs_str hint,
                         int64_t number)
{
    int64_t stands = -1;
    bool is_real = false;
    struct metadata_version ahead;
    if (!is_number(vs_str_trim(hint), &stands) || stands < number) {
        return false;
    }
    return stands == number ||
           vs_dir_version_probe(catalog, place, stands, &ahead, &is_real, NULL) != VS_OK || is_real;
}

// Replaces the hint as it was read: whoever else wrote it meanwhile wins.
static enum vs_status write_hint(struct vs_catalog *catalog,
                                 const struct table_place *place,
                                 const struct hint_state *state,
                                 int64_t number)
{
    char key[600], digits[24];
    if (!metadata_key(place, "version-hint.text", key, sizeof key)) {
        return VS_INVALID;
    }
    int len = snprintf(digits, sizeof digits, "%lld", (long long)number);
    struct vs_str text = {digits, (size_t)len};
    if (state->exists) {
        return state->etag[0] != '\0'
                   ? vs_store_put_match(catalog->store, key, text, state->etag, NULL)
                   : vs_store_put(catalog->store, key, text, VS_PUT_ANY, NULL);
    }
    enum vs_status status = vs_store_put(catalog->store, key, text, VS_PUT_IF_ABSENT, NULL);
    return status == VS_EXISTS ? VS_CONFLICT : status;
}

// Other engines trust the hint without probing, so it must not stay behind. Where it is replaced by
// compare-and-swap, every writer goes on until it is at the writer's own version. Elsewhere newer
// versions are looked for after writing: whoever writes last has seen no newer one.
void vs_dir_version_hint(struct vs_catalog *catalog,
                         const struct table_place *place,
                         int64_t number)
{
    struct metadata_version version = {.number = number};
    struct hint_state state;
    struct vs_buf text;
    vs_buf_init(&text, catalog->env, VS_HINT_MAX_BYTES);
    for (int i = 0; i < HINT_TRIES; i++) {
        bool is_first = i == 0 && number == 1; // a new table: there should be no hint yet
        if (is_first) {
            state = (struct hint_state){.exists = false};
        } else if (read_hint(catalog, place, &text, &state, NULL) != VS_OK ||
                   is_hint_good(catalog, place, vs_buf_view(&text), version.number)) {
            break;
        }
        enum vs_status status = write_hint(catalog, place, &state, version.number);
        if (status == VS_CONFLICT) {
            continue; // another writer: look at what it wrote
        }
        int64_t written = version.number;
        bool is_swap = !state.exists || state.etag[0] != '\0';
        if (status != VS_OK || is_swap || probe_forward(catalog, place, &version, NULL) != VS_OK ||
            version.number == written) {
            break;
        }
    }
    vs_buf_clear(&text);
}

// ---- reading and writing versions ----

// The start of a metadata file usually names its uuid; true when it names this one.
static bool starts_with_uuid(const char *start, size_t len, struct vs_uuid uuid)
{
    char wanted[VS_UUID_TEXT_SIZE];
    struct vs_str text = {start, len};
    struct vs_str name = VS_STR("\"table-uuid\"");
    vs_uuid_format(uuid, wanted);
    while (text.len > name.len && !vs_str_starts_with(text, name)) {
        text = (struct vs_str){text.ptr + 1, text.len - 1};
    }
    if (text.len <= name.len) {
        return false;
    }
    text = vs_str_trim((struct vs_str){text.ptr + name.len, text.len - name.len});
    if (!vs_str_starts_with(text, VS_STR(":"))) {
        return false;
    }
    text = vs_str_trim((struct vs_str){text.ptr + 1, text.len - 1});
    return text.len > VS_UUID_TEXT_SIZE && text.ptr[0] == '"' &&
           memcmp(text.ptr + 1, wanted, VS_UUID_TEXT_SIZE - 1) == 0;
}

enum vs_status vs_dir_version_is_of(struct vs_catalog *catalog,
                                    const struct table_place *place,
                                    const struct metadata_version *version,
                                    struct vs_uuid uuid,
                                    bool *is_out,
                                    struct vs_error *err)
{
    char key[600], start[1024];
    struct vs_file *file = NULL;
    struct vs_table *table = NULL;
    *is_out = false;
    if (!metadata_key(place, version->name, key, sizeof key)) {
        return vs_fail(err, VS_INVALID, "the table name is too long");
    }
    enum vs_status status = vs_file_open(catalog->store, key, &file, err);
    if (status == VS_NOT_FOUND) {
        return VS_OK;
    }
    VS_TRY(status);
    size_t len = file->size < sizeof start ? (size_t)file->size : sizeof start;
    status = vs_file_read(file, 0, len, start, err);
    vs_file_close(file);
    if (status == VS_OK && starts_with_uuid(start, len, uuid)) {
        *is_out = true;
        return VS_OK;
    }
    if (status == VS_OK) {
        status = vs_dir_version_read(catalog, place, version, &table, err);
    }
    if (status == VS_OK) {
        *is_out = memcmp(table->metadata->uuid.bytes, uuid.bytes, sizeof uuid.bytes) == 0;
        vs_table_release(table);
    }
    return status == VS_NOT_FOUND ? VS_OK : status;
}

static enum vs_status get_version(struct vs_catalog *catalog,
                                  const struct table_place *place,
                                  const struct metadata_version *version,
                                  struct vs_buf *text,
                                  struct vs_error *err)
{
    char key[600];
    if (!metadata_key(place, version->name, key, sizeof key)) {
        return vs_fail(err, VS_INVALID, "the table name is too long");
    }
    return vs_store_get(catalog->store, key, text, err);
}

static enum vs_status parse_version(struct vs_catalog *catalog,
                                    const struct table_place *place,
                                    const struct metadata_version *version,
                                    struct vs_str text,
                                    struct vs_table **table_out,
                                    struct vs_error *err)
{
    char key[600];
    struct vs_table_metadata *metadata = NULL;
    (void)metadata_key(place, version->name, key, sizeof key); // fits, since it was read
    enum vs_status status = vs_table_metadata_parse(catalog->env, text, key, &metadata, err);
    if (status == VS_OK) {
        status = vs_dir_place_check(catalog, place, metadata, err);
    }
    if (status == VS_OK) {
        status = vs_dir_table_new(catalog, place, version, metadata, table_out, err);
    }
    if (status != VS_OK) {
        vs_table_metadata_free(metadata);
        return status;
    }
    struct vs_table *table = *table_out;
    table->head_len = text.len < sizeof table->head ? text.len : sizeof table->head;
    memcpy(table->head, text.ptr, table->head_len);
    return VS_OK;
}

enum vs_status vs_dir_version_read(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   const struct metadata_version *version,
                                   struct vs_table **table_out,
                                   struct vs_error *err)
{
    struct vs_buf text;
    vs_buf_init(&text, catalog->env, VS_TABLE_METADATA_MAX_BYTES);
    enum vs_status status = get_version(catalog, place, version, &text, err);
    if (status == VS_OK) {
        status = parse_version(catalog, place, version, vs_buf_view(&text), table_out, err);
    }
    vs_buf_clear(&text);
    return status;
}

// ---- loading: a version is read while the next one is looked for ----

struct step {
    struct vs_catalog *catalog;
    const struct table_place *place;
    struct metadata_version version; // read into text
    struct metadata_version next;
    struct vs_buf text;
    bool is_there, has_next;
};

static enum vs_status step_task(void *ctx, size_t index, struct vs_error *err)
{
    struct step *step = ctx;
    if (index == 1) {
        return vs_dir_version_probe(step->catalog, step->place, step->version.number + 1,
                                    &step->next, &step->has_next, err);
    }
    enum vs_status status =
        get_version(step->catalog, step->place, &step->version, &step->text, err);
    step->is_there = status == VS_OK;
    return status == VS_NOT_FOUND ? VS_OK : status;
}

// Follows the versions from step->version on; *table_out stays NULL where one is missing, or is
// spelled otherwise.
static enum vs_status follow(struct step *step, struct vs_table **table_out, struct vs_error *err)
{
    struct vs_catalog *catalog = step->catalog;
    size_t threads = vs_store_is_remote(catalog->store) ? 2 : 1;
    for (;;) {
        if (step->version.number < 0 || step->version.number == INT64_MAX) {
            return VS_OK;
        }
        VS_TRY(vs_pool_run(catalog->env, threads, 2, step_task, step, err));
        if (!step->is_there) {
            return VS_OK;
        }
        if (!step->has_next) {
            return parse_version(catalog, step->place, &step->version, vs_buf_view(&step->text),
                                 table_out, err);
        }
        step->version = step->next;
    }
}

static size_t spelling_of(const char *name)
{
    size_t spelling = 0;
    for (size_t i = 1; i < SUFFIX_COUNT; i++) { // the first is the end of the second
        if (vs_str_ends_with(vs_str_from_c(name), vs_str_from_c(suffixes[i]))) {
            spelling = i;
        }
    }
    return spelling;
}

enum vs_status vs_dir_version_load(struct vs_catalog *catalog,
                                   const struct table_place *place,
                                   struct vs_table **table_out,
                                   struct vs_error *err)
{
    struct vs_buf hint;
    struct hint_state state;
    struct step step = {.catalog = catalog, .place = place};
    struct vs_table *table = NULL;
    int64_t hinted = -1;
    vs_buf_init(&hint, catalog->env, VS_HINT_MAX_BYTES);
    vs_buf_init(&step.text, catalog->env, VS_TABLE_METADATA_MAX_BYTES);
    enum vs_status status = read_hint(catalog, place, &hint, &state, err);
    if (status == VS_OK && is_number(vs_str_trim(vs_buf_view(&hint)), &hinted)) {
        name_version(&step.version, hinted,
                     atomic_load_explicit(&catalog->spelling, memory_order_relaxed));
        status = follow(&step, &table, err);
    }
    vs_buf_clear(&hint);
    if (status == VS_OK && table == NULL) {
        status = vs_dir_version_find(catalog, place, true, &step.version, err);
        hinted = step.version.number;
        if (status == VS_OK) {
            status = vs_dir_version_read(catalog, place, &step.version, &table, err);
        }
    }
    vs_buf_clear(&step.text);
    if (status != VS_OK) {
        return status;
    }
    if (step.version.number != hinted) {
        vs_dir_version_hint(catalog, place, step.version.number);
    }
    atomic_store_explicit(&catalog->spelling, spelling_of(step.version.name), memory_order_relaxed);
    *table_out = table;
    return VS_OK;
}

enum vs_status vs_dir_version_put(struct vs_catalog *catalog,
                                  const struct table_place *place,
                                  int64_t number,
                                  bool gzip,
                                  const struct vs_table_metadata *metadata,
                                  struct metadata_version *version_out,
                                  struct vs_error *err)
{
    char key[600];
    struct vs_buf bytes;
    struct metadata_version version;
    name_version(&version, number, gzip ? 1 : 0);
    if (!metadata_key(place, version.name, key, sizeof key)) {
        return vs_fail(err, VS_INVALID, "the table name is too long");
    }
    vs_buf_init(&bytes, catalog->env, VS_TABLE_METADATA_MAX_BYTES);
    enum vs_status status = vs_table_metadata_encode_as(metadata, gzip, &bytes, err);
    if (status == VS_OK) {
        *version_out = version;
        status = vs_store_put(catalog->store, key, vs_buf_view(&bytes), VS_PUT_IF_ABSENT, err);
    }
    vs_buf_clear(&bytes);
    return status;
}
