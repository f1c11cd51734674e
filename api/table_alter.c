// SPDX-License-Identifier: Apache-2.0
// Changes to a table's schema, layout and properties: several steps, one commit.
#include "api/db.h"
#include "vecstore/iceberg/metadata_edit.h"

static struct vs_str text_of(const char *text)
{
    return vs_str_from_c(text != NULL ? text : "");
}

static enum vs_status need(const char *value,
                           const char *what,
                           const char *step,
                           struct vs_error *err)
{
    return value != NULL && value[0] != '\0' ? VS_OK
                                             : vs_fail(err, VS_INVALID, "%s needs %s", step, what);
}

static enum vs_status add_column(struct vs_metadata_edit *edit,
                                 const struct vs_alter_step *step,
                                 struct vs_error *err)
{
    VS_TRY(need(step->name, "a column name", "adding a column", err));
    VS_TRY(need(step->type, "a type, as in \"price decimal(10,2)\"", "adding a column", err));
    struct vs_column_add add = {
        .name = text_of(step->name),
        .type = text_of(step->type),
        .doc = text_of(step->doc),
        .after = text_of(step->after),
        .default_json = text_of(step->default_json),
    };
    return vs_edit_add_column(edit, &add, err);
}

static enum vs_status set_format(struct vs_metadata_edit *edit,
                                 const struct vs_alter_step *step,
                                 struct vs_error *err)
{
    int64_t version;
    if (vs_parse_i64(text_of(step->value), &version, NULL) != VS_OK || version < 2 || version > 3) {
        return vs_fail(err, VS_INVALID, "format version '%s': it can be set to 2 or 3",
                       step->value != NULL ? step->value : "");
    }
    return vs_edit_upgrade(edit, (int)version, err);
}

static enum vs_status apply_step(struct vs_metadata_edit *edit,
                                 const struct vs_alter_step *step,
                                 struct vs_error *err)
{
    struct vs_str name = text_of(step->name), value = text_of(step->value);
    switch (step->kind) {
    case VS_ALTER_ADD_COLUMN:
        return add_column(edit, step, err);
    case VS_ALTER_DROP_COLUMN:
        return vs_edit_drop_column(edit, name, err);
    case VS_ALTER_RENAME_COLUMN:
        VS_TRY(need(step->value, "the new name", "renaming a column", err));
        return vs_edit_rename_column(edit, name, value, err);
    case VS_ALTER_WIDEN_COLUMN:
        VS_TRY(need(step->type, "the wider type", "widening a column", err));
        return vs_edit_widen_column(edit, name, text_of(step->type), err);
    case VS_ALTER_OPTIONAL:
        return vs_edit_make_optional(edit, name, err);
    case VS_ALTER_DOC:
        return vs_edit_set_doc(edit, name, value, err);
    case VS_ALTER_MOVE_COLUMN:
        return vs_edit_move_column(edit, name, text_of(step->after), err);
    case VS_ALTER_PARTITION_BY:
        return vs_edit_set_spec(edit, value, err);
    case VS_ALTER_SORT_ORDER:
        return vs_edit_set_sort_order(edit, value, err);
    case VS_ALTER_SET:
        VS_TRY(need(step->name, "a name", "setting a property", err));
        return vs_edit_set_property(edit, name, value, err);
    case VS_ALTER_UNSET:
        return vs_edit_remove_property(edit, name, err);
    case VS_ALTER_FORMAT:
        return set_format(edit, step, err);
    }
    return vs_fail(err, VS_INVALID, "unknown kind of change %d", (int)step->kind);
}

static enum vs_status apply_steps(void *ctx, struct vs_metadata_edit *edit, struct vs_error *err)
{
    const struct vs_alter_options *options = ctx;
    for (size_t i = 0; i < options->step_count; i++) {
        VS_TRY(apply_step(edit, &options->steps[i], err));
    }
    return VS_OK;
}

enum vs_status vs_db_alter_table(struct vs_db *db,
                                 const struct vs_alter_options *options,
                                 struct vs_buf *report,
                                 struct vs_error *err)
{
    if (options->step_count == 0) {
        return vs_fail(err, VS_INVALID, "nothing to change in table %s", options->table);
    }
    struct vs_alter_options steps = *options; // the callback's context is not const
    struct vs_intent intent = {.edit = apply_steps, .edit_ctx = &steps};
    struct vs_commit_result result = {0};
    VS_TRY(vs_catalog_commit(db->catalog, options->table, &intent, options->op, &result, err));
    vs_table_release(result.table);
    return vs_db_describe_table(db, options->table, report, err);
}

enum vs_status vs_db_register_table(struct vs_db *db,
                                    const char *table,
                                    const char *metadata_uri,
                                    struct vs_buf *report,
                                    struct vs_error *err)
{
    struct vs_table *registered = NULL;
    VS_TRY(vs_table_name_check(table, err));
    VS_TRY(vs_catalog_register(db->catalog, table, metadata_uri, &registered, err));
    vs_table_release(registered);
    return vs_db_describe_table(db, table, report, err);
}
