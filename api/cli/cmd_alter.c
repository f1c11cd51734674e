// SPDX-License-Identifier: Apache-2.0
// Commands that change a table's definition or its refs: alter, tag, branch, rollback, register.
#include "api/cli/cli.h"

#include <string.h>

#define MAX_STEPS 256
#define MAX_TEXT 8192

// ---- alter ----

static const struct cli_option alter_options[] = {
    {"add", 0, "COLUMNS", "new columns, as in 'price decimal(10,2), lang string'"},
    {"after", 0, "COLUMN", "with --add or --move: stands behind this one"},
    {"default", 0, "JSON", "with --add: value of old and new rows without one (format version 3)"},
    {"doc", 0, "TEXT", "with --add or --describe: what the column holds"},
    {"drop", 0, "A,B", "columns to drop"},
    {"rename", 0, "OLD=NEW,…", "columns to rename; data stays as it is"},
    {"widen", 0, "COLUMNS", "wider types, as in 'n long, price decimal(12,2)'"},
    {"optional", 0, "A,B", "columns that may be null from now on"},
    {"describe", 0, "COLUMN", "sets the column's --doc"},
    {"move", 0, "COLUMN", "behind --after, or to the front"},
    {"partition-by", 0, "SPEC", "of rows written from now on: 'lang, bucket(16, id)', or none"},
    {"sort-order", 0, "ORDER", "'lang asc nulls first, day desc', or none"},
    {"unset", 0, "A,B", "table properties to remove"},
    {"set-format-version", 0, "N", "2 or 3; upwards only"},
    {NULL, 0, NULL, NULL},
};

struct step_list {
    struct vs_alter_step steps[MAX_STEPS];
    size_t count;
    char text[MAX_TEXT]; // copies of names, NUL-terminated
    size_t used;
};

static enum vs_status copy_text(struct step_list *list,
                                struct vs_str text,
                                const char **copy_out,
                                struct vs_error *err)
{
    if (text.len + 1 > sizeof list->text - list->used) {
        return vs_fail(err, VS_LIMIT, "the changes are longer than %d bytes", MAX_TEXT);
    }
    char *copy = list->text + list->used;
    memcpy(copy, text.ptr != NULL ? text.ptr : "", text.len);
    copy[text.len] = '\0';
    list->used += text.len + 1;
    *copy_out = copy;
    return VS_OK;
}

static enum vs_status add_step(struct step_list *list,
                               enum vs_alter_kind kind,
                               struct vs_alter_step **step_out,
                               struct vs_error *err)
{
    if (list->count == MAX_STEPS) {
        return vs_fail(err, VS_LIMIT, "more than %d changes at once", MAX_STEPS);
    }
    *step_out = &list->steps[list->count++];
    **step_out = (struct vs_alter_step){.kind = kind};
    return VS_OK;
}

// The next entry of a list that is separated by commas outside of brackets.
static bool next_entry(struct vs_str *rest, struct vs_str *entry_out)
{
    size_t depth = 0, i = 0;
    if (rest->len == 0) {
        return false;
    }
    for (; i < rest->len; i++) {
        char c = rest->ptr[i];
        depth += c == '(' || c == '<';
        depth -= (c == ')' || c == '>') && depth > 0;
        if (c == ',' && depth == 0) {
            break;
        }
    }
    *entry_out = vs_str_trim((struct vs_str){rest->ptr, i});
    size_t next = i < rest->len ? i + 1 : i;
    *rest = (struct vs_str){rest->ptr + next, rest->len - next};
    return true;
}

// "name type" entries: added or widened columns.
static enum vs_status read_columns(struct step_list *list,
                                   const struct cli_args *args,
                                   const char *option,
                                   enum vs_alter_kind kind,
                                   struct vs_error *err)
{
    const char *text = cli_text(args, option);
    struct vs_str rest = vs_str_from_c(text != NULL ? text : ""), entry, name;
    while (next_entry(&rest, &entry)) {
        struct vs_alter_step *step = NULL;
        struct vs_str type = entry;
        if (!vs_str_split(entry, ' ', &name, &type)) {
            return vs_fail(err, VS_INVALID, "--%s '%.*s': give name and type, as in 'price double'",
                           option, VS_STR_SHORT(entry));
        }
        VS_TRY(add_step(list, kind, &step, err));
        VS_TRY(copy_text(list, name, &step->name, err));
        VS_TRY(copy_text(list, vs_str_trim(type), &step->type, err));
        if (kind == VS_ALTER_ADD_COLUMN) {
            step->doc = cli_text(args, "doc");
            step->after = cli_text(args, "after");
            step->default_json = cli_text(args, "default");
        }
    }
    return VS_OK;
}

static enum vs_status read_names(struct step_list *list,
                                 const struct cli_args *args,
                                 const char *option,
                                 enum vs_alter_kind kind,
                                 struct vs_error *err)
{
    const char *text = cli_text(args, option);
    struct vs_str rest = vs_str_from_c(text != NULL ? text : ""), entry;
    while (next_entry(&rest, &entry)) {
        struct vs_alter_step *step = NULL;
        VS_TRY(add_step(list, kind, &step, err));
        VS_TRY(copy_text(list, entry, &step->name, err));
    }
    return VS_OK;
}

static enum vs_status read_pair(struct step_list *list,
                                struct vs_str text,
                                enum vs_alter_kind kind,
                                const char *wanted,
                                struct vs_error *err)
{
    struct vs_alter_step *step = NULL;
    struct vs_str name, value = text;
    if (!vs_str_split(text, '=', &name, &value)) {
        return vs_fail(err, VS_INVALID, "'%.*s': give %s", VS_STR_SHORT(text), wanted);
    }
    VS_TRY(add_step(list, kind, &step, err));
    VS_TRY(copy_text(list, vs_str_trim(name), &step->name, err));
    return copy_text(list, value, &step->value, err);
}

static enum vs_status read_renames(struct step_list *list,
                                   const struct cli_args *args,
                                   struct vs_error *err)
{
    const char *text = cli_text(args, "rename");
    struct vs_str rest = vs_str_from_c(text != NULL ? text : ""), entry;
    while (next_entry(&rest, &entry)) {
        VS_TRY(read_pair(list, entry, VS_ALTER_RENAME_COLUMN, "--rename OLD=NEW", err));
    }
    return VS_OK;
}

static enum vs_status read_single(struct step_list *list,
                                  const struct cli_args *args,
                                  const char *option,
                                  enum vs_alter_kind kind,
                                  struct vs_error *err)
{
    struct vs_alter_step *step = NULL;
    const char *text = cli_text(args, option);
    if (text == NULL) {
        return VS_OK;
    }
    VS_TRY(add_step(list, kind, &step, err));
    step->name = text;
    step->value = kind == VS_ALTER_DOC ? cli_text(args, "doc") : text;
    step->after = cli_text(args, "after");
    return VS_OK;
}

static enum vs_status read_steps(struct step_list *list,
                                 const struct cli_args *args,
                                 struct vs_error *err)
{
    VS_TRY(read_single(list, args, "set-format-version", VS_ALTER_FORMAT, err));
    VS_TRY(read_renames(list, args, err));
    VS_TRY(read_names(list, args, "drop", VS_ALTER_DROP_COLUMN, err));
    VS_TRY(read_columns(list, args, "add", VS_ALTER_ADD_COLUMN, err));
    VS_TRY(read_columns(list, args, "widen", VS_ALTER_WIDEN_COLUMN, err));
    VS_TRY(read_names(list, args, "optional", VS_ALTER_OPTIONAL, err));
    VS_TRY(read_single(list, args, "describe", VS_ALTER_DOC, err));
    VS_TRY(read_single(list, args, "move", VS_ALTER_MOVE_COLUMN, err));
    VS_TRY(read_single(list, args, "partition-by", VS_ALTER_PARTITION_BY, err));
    VS_TRY(read_single(list, args, "sort-order", VS_ALTER_SORT_ORDER, err));
    VS_TRY(read_names(list, args, "unset", VS_ALTER_UNSET, err));
    for (size_t i = 1; i < args->positional_count; i++) {
        VS_TRY(read_pair(list, vs_str_from_c(args->positionals[i]), VS_ALTER_SET,
                         "a property as PROPERTY=VALUE", err));
    }
    return VS_OK;
}

static enum vs_status run_alter(struct cli_context *context, struct vs_error *err)
{
    static struct step_list list; // large
    VS_TRY(read_steps(&list, &context->args, err));
    struct vs_alter_options options = {
        .size = sizeof options,
        .table = context->args.positionals[0],
        .steps = list.steps,
        .step_count = list.count,
        .op = &context->op,
    };
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_alter_table(context->db, &options, &context->report, err));
    return cli_print(context, cli_render_describe, err);
}

const struct cli_command cmd_table_alter = {
    .group = "table",
    .name = "alter",
    .usage = "NAME [PROPERTY=VALUE…] [options]",
    .summary = "change columns, partitioning, order, properties or format version",
    .examples = "  vecstore table alter docs.passages --add 'lang string' --rename text=body\n"
                "  vecstore table alter docs.passages write.target-file-size-bytes=134217728\n",
    .options = alter_options,
    .min_positionals = 1,
    .max_positionals = -1,
    .run = run_alter,
};

// ---- tag and branch ----

static const struct cli_option ref_options[] = {
    {"snapshot", 0, "ID", "the snapshot to name, or"},
    {"as-of", 0, "TIME", "the one current at this UTC time, or"},
    {"ref", 0, "NAME", "that of another branch or tag (default: the newest)"},
    {"replace", 0, NULL, "move it when it exists"},
    {"remove", 0, NULL, "remove it; snapshots stay until they are expired"},
    {"keep", 0, "MS", "expire it after this many milliseconds"},
    {"keep-snapshots-ms", 0, "MS", "branch: expire its snapshots after this many milliseconds"},
    {"keep-snapshots", 0, "N", "branch: at least this many of its snapshots stay"},
    {NULL, 0, NULL, NULL},
};

static void render_refs(const struct vs_json *root, FILE *out)
{
    const struct vs_json *ref, *refs = vs_json_get(root, "refs");
    struct vs_json_iter iter;
    if (vs_json_count(refs) == 0) {
        fprintf(out, "no branches or tags yet\n");
    }
    vs_json_iter_init(&iter, refs);
    while (vs_json_iter_next(&iter, NULL, &ref)) {
        fprintf(out, "%-6.*s  %-32.*s snapshot %.*s\n", VS_STR_ARG(render_str(ref, "type")),
                VS_STR_ARG(render_str(ref, "name")), VS_STR_ARG(render_str(ref, "snapshot_id")));
    }
}

static enum vs_status read_retention(const struct cli_args *args,
                                     struct vs_ref_options *options,
                                     struct vs_error *err)
{
    uint64_t age, snapshot_age, count;
    VS_TRY(cli_number(args, "keep", 0, INT64_MAX, &age, err));
    VS_TRY(cli_number(args, "keep-snapshots-ms", 0, INT64_MAX, &snapshot_age, err));
    VS_TRY(cli_number(args, "keep-snapshots", 0, INT32_MAX, &count, err));
    options->max_ref_age_ms = (int64_t)age;
    options->max_snapshot_age_ms = (int64_t)snapshot_age;
    options->min_snapshots_to_keep = (int64_t)count;
    return VS_OK;
}

static enum vs_status run_ref(struct cli_context *context, bool is_tag, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    struct vs_ref_options options = {
        .size = sizeof options,
        .table = args->positionals[0],
        .name = args->positional_count > 1 ? args->positionals[1] : NULL,
        .is_tag = is_tag,
        .replace = cli_switch(args, "replace"),
        .op = &context->op,
    };
    VS_TRY(cli_read_at(args, &options.at, err));
    VS_TRY(read_retention(args, &options, err));
    bool remove = cli_switch(args, "remove");
    if (remove && options.name == NULL) {
        return vs_fail(err, VS_INVALID, "--remove: name the %s", is_tag ? "tag" : "branch");
    }
    VS_TRY(cli_open(context, false, err));
    if (options.name == NULL) {
        VS_TRY(vs_db_list_refs(context->db, options.table, &context->report, err));
    } else if (remove) {
        VS_TRY(vs_db_remove_ref(context->db, options.table, options.name, &context->report, err));
    } else {
        VS_TRY(vs_db_set_ref(context->db, &options, &context->report, err));
    }
    return cli_print(context, render_refs, err);
}

static enum vs_status run_tag(struct cli_context *context, struct vs_error *err)
{
    return run_ref(context, true, err);
}

static enum vs_status run_branch(struct cli_context *context, struct vs_error *err)
{
    return run_ref(context, false, err);
}

const struct cli_command cmd_table_tag = {
    .group = "table",
    .name = "tag",
    .usage = "NAME [TAG] [options]",
    .summary = "name a snapshot for good, remove a tag, or list branches and tags",
    .examples = "  vecstore table tag docs.passages release-7\n"
                "  vecstore query docs.passages --id 42 --ref release-7\n",
    .options = ref_options,
    .min_positionals = 1,
    .max_positionals = 2,
    .run = run_tag,
};

const struct cli_command cmd_table_branch = {
    .group = "table",
    .name = "branch",
    .usage = "NAME [BRANCH] [options]",
    .summary = "start a branch, remove one, or list branches and tags",
    .examples = "  vecstore table branch docs.passages trial\n"
                "  vecstore ingest docs.passages new.jsonl --branch trial\n",
    .options = ref_options,
    .min_positionals = 1,
    .max_positionals = 2,
    .run = run_branch,
};

// ---- rollback ----

static const struct cli_option rollback_options[] = {
    {"snapshot", 0, "ID", "the snapshot to go back to, or"},
    {"as-of", 0, "TIME", "the one current at this UTC time, or"},
    {"ref", 0, "NAME", "that of a branch or tag"},
    {"any", 0, NULL, "also one that is no ancestor of the newest"},
    {NULL, 0, NULL, NULL},
};

static void render_rollback(const struct vs_json *root, FILE *out)
{
    fprintf(out, "%.*s is at snapshot %.*s again; %.*s stays until it is expired\n",
            VS_STR_ARG(render_str(root, "table")), VS_STR_ARG(render_str(root, "snapshot_id")),
            VS_STR_ARG(render_str(root, "previous_snapshot_id")));
}

static enum vs_status run_rollback(struct cli_context *context, struct vs_error *err)
{
    struct vs_rollback_options options = {
        .size = sizeof options,
        .table = context->args.positionals[0],
        .any = cli_switch(&context->args, "any"),
        .op = &context->op,
    };
    VS_TRY(cli_read_at(&context->args, &options.at, err));
    VS_TRY(cli_open(context, false, err));
    VS_TRY(vs_db_rollback(context->db, &options, &context->report, err));
    return cli_print(context, render_rollback, err);
}

const struct cli_command cmd_table_rollback = {
    .group = "table",
    .name = "rollback",
    .usage = "NAME --snapshot ID",
    .summary = "make an earlier snapshot the current one; nothing is deleted",
    .options = rollback_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = run_rollback,
};

// ---- register ----

static const struct cli_option no_options[] = {{NULL, 0, NULL, NULL}};

static enum vs_status run_register(struct cli_context *context, struct vs_error *err)
{
    const struct cli_args *args = &context->args;
    VS_TRY(cli_open(context, true, err));
    VS_TRY(vs_db_register_table(context->db, args->positionals[0], args->positionals[1],
                                &context->report, err));
    return cli_print(context, cli_render_describe, err);
}

const struct cli_command cmd_table_register = {
    .group = "table",
    .name = "register",
    .usage = "NAME METADATA-FILE",
    .summary = "adopt an existing table by its newest metadata file",
    .options = no_options,
    .min_positionals = 2,
    .max_positionals = 2,
    .run = run_register,
};
