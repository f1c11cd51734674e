// SPDX-License-Identifier: Apache-2.0
#include "vecstore/object/aws_profile.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct vs_str next_line(struct vs_str *rest)
{
    struct vs_str line = *rest, after = {NULL, 0};
    if (!vs_str_split(*rest, '\n', &line, &after)) {
        line = *rest;
        after = (struct vs_str){NULL, 0};
    }
    *rest = after;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

static struct vs_str without_quotes(struct vs_str text)
{
    if (text.len >= 2 && (text.ptr[0] == '"' || text.ptr[0] == '\'') &&
        text.ptr[text.len - 1] == text.ptr[0]) {
        return (struct vs_str){text.ptr + 1, text.len - 2};
    }
    return text;
}

// The profile that a line like "[profile x]" opens; ptr == NULL for other kinds of sections
// ("[sso-session x]") and for what is no section at all.
static struct vs_str section_profile(struct vs_str line, enum vs_aws_file file)
{
    const struct vs_str none = {NULL, 0};
    struct vs_str head, tail;
    line.ptr++; // the bracket
    line.len--;
    if (!vs_str_split(line, ']', &head, &tail)) {
        return none;
    }
    head = vs_str_trim(head);
    if (file == VS_AWS_FILE_CREDENTIALS || vs_str_equal_c(head, "default")) {
        return without_quotes(head);
    }
    const struct vs_str prefix = VS_STR("profile");
    if (!vs_str_starts_with(head, prefix) || head.len == prefix.len ||
        !is_blank(head.ptr[prefix.len])) {
        return none;
    }
    head.ptr += prefix.len;
    head.len -= prefix.len;
    return without_quotes(vs_str_trim(head));
}

// Up to a comment, which a blank comes before.
static struct vs_str without_comment(struct vs_str value)
{
    for (size_t i = 1; i < value.len; i++) {
        if ((value.ptr[i] == '#' || value.ptr[i] == ';') && is_blank(value.ptr[i - 1])) {
            value.len = i;
        }
    }
    return vs_str_trim(value);
}

// The last value of the key in the sections of the profile; key == NULL: only whether one exists.
static bool scan(struct vs_str text,
                 enum vs_aws_file file,
                 struct vs_str profile,
                 const char *key,
                 struct vs_str *value_out)
{
    bool inside = false, found = false;
    while (text.len > 0) {
        struct vs_str line = next_line(&text), name, value;
        if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';' || is_blank(line.ptr[0])) {
            continue;
        }
        if (line.ptr[0] == '[') {
            struct vs_str section = section_profile(line, file);
            inside = section.ptr != NULL && vs_str_equal(section, profile);
            found = found || (inside && key == NULL);
        } else if (inside && key != NULL && vs_str_split(line, '=', &name, &value) &&
                   vs_str_equal_nocase(vs_str_trim(name), vs_str_from_c(key))) {
            *value_out = without_comment(value);
            found = true;
        }
    }
    return found;
}

bool vs_aws_profile_exists(struct vs_str text, enum vs_aws_file file, struct vs_str profile)
{
    return scan(text, file, profile, NULL, NULL);
}

struct vs_str vs_aws_profile_get(struct vs_str text,
                                 enum vs_aws_file file,
                                 struct vs_str profile,
                                 const char *key)
{
    struct vs_str value = {NULL, 0};
    return scan(text, file, profile, key, &value) ? value : (struct vs_str){NULL, 0};
}
