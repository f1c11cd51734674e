// SPDX-License-Identifier: Apache-2.0
#include "api/cli/cli.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>

struct vs_str render_str(const struct vs_json *object, const char *key)
{
    struct vs_str text = {"", 0};
    vs_json_to_str(vs_json_get(object, key), &text);
    return text;
}

int64_t render_int(const struct vs_json *object, const char *key)
{
    int64_t value = 0;
    vs_json_to_i64(vs_json_get(object, key), &value);
    return value;
}

double render_real(const struct vs_json *object, const char *key)
{
    double value = 0;
    vs_json_to_f64(vs_json_get(object, key), &value);
    return value;
}

bool render_bool(const struct vs_json *object, const char *key)
{
    bool value = false;
    vs_json_to_bool(vs_json_get(object, key), &value);
    return value;
}

void render_count(FILE *out, int64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)value);
    for (int i = 0; i < n; i++) {
        fputc(digits[i], out);
        int left = n - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-') {
            fputc(',', out);
        }
    }
}

void render_bytes(FILE *out, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    fprintf(out, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

void render_ms(FILE *out, double ms)
{
    if (ms < 1) {
        fprintf(out, "%.3f ms", ms);
    } else if (ms < 1000) {
        fprintf(out, "%.1f ms", ms);
    } else {
        fprintf(out, "%.2f s", ms / 1000);
    }
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

// What a terminal would obey must not come out of a table's text.
static void put_char(FILE *out, char c)
{
    unsigned char byte = (unsigned char)c;
    if (c == '\n' || c == '\r' || c == '\t') {
        fputc(' ', out);
    } else {
        fputc(byte < 0x20 || byte == 0x7f ? '?' : c, out);
    }
}

static size_t count_chars(struct vs_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += !is_continuation(text.ptr[i]);
    }
    return count;
}

void render_line(FILE *out, struct vs_str text, size_t width)
{
    bool cut = count_chars(text) > width;
    size_t room = cut && width > 0 ? width - 1 : width, shown = 0;
    for (size_t i = 0; i < text.len; i++) {
        shown += !is_continuation(text.ptr[i]);
        if (shown > room) {
            break;
        }
        put_char(out, text.ptr[i]);
    }
    if (cut) {
        fputs("…", out);
    }
}

static size_t word_end(struct vs_str text, size_t at)
{
    while (at < text.len && strchr(" \n\r\t", text.ptr[at]) == NULL) {
        at++;
    }
    return at;
}

void render_wrapped(FILE *out, struct vs_str text, size_t indent, size_t width, size_t max_lines)
{
    size_t column = 0, lines = 1;
    fprintf(out, "%*s", (int)indent, "");
    for (size_t at = 0; at < text.len;) {
        size_t end = word_end(text, at);
        struct vs_str word = {text.ptr + at, end - at};
        size_t chars = count_chars(word);
        if (column > 0 && indent + column + 1 + chars > width) {
            if (lines++ == max_lines) {
                fputs(" …", out);
                break;
            }
            fprintf(out, "\n%*s", (int)indent, "");
            column = 0;
        }
        if (chars > 0) {
            if (column > 0) {
                fputc(' ', out);
            }
            render_line(out, word, width);
            column += chars + (column > 0);
        }
        at = end + 1;
    }
    fputc('\n', out);
}

size_t render_width(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
        return size.ws_col;
    }
    return 100;
}
