// SPDX-License-Identifier: Apache-2.0
/*
 * The recall curve and the sizes of the lists as an SVG file, out of the report of `index show`.
 * Left: recall over the share of codes scanned, one line for each k, the best depth of re-ranking
 * at each point. Right: how many lists have how many rows.
 */
#include "api/cli/cli.h"

#include <errno.h>
#include <math.h>

#define WIDTH 980
#define HEIGHT 420
#define PANEL_WIDTH 380
#define PANEL_HEIGHT 280
#define TOP 80
#define LEFT_CURVE 70
#define LEFT_BARS 570
#define BOTTOM (TOP + PANEL_HEIGHT)
#define POINTS_MAX 512

struct axis {
    double low, high;
};

struct point {
    double x, recall;
};

static double place(const struct axis *axis, double value, double length)
{
    return (value - axis->low) / (axis->high - axis->low) * length;
}

static void text(FILE *out, double x, double y, const char *anchor, const char *words)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    for (const char *c = words; *c != '\0'; c++) {
        if (*c == '<' || *c == '&' || *c == '>') {
            fprintf(out, "&#%d;", *c);
        } else {
            fputc(*c, out);
        }
    }
    fprintf(out, "</text>\n");
}

static void line(FILE *out, double x1, double y1, double x2, double y2, const char *colour)
{
    fprintf(out,
            "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
            "stroke-width=\"1\"/>\n",
            x1, y1, x2, y2, colour);
}

// ---- recall ----

// The best recall of one k at each share scanned, rising.
static size_t curve_of(const struct vs_json *points, int64_t k, struct point *out)
{
    const struct vs_json *item;
    struct vs_json_iter iter;
    size_t count = 0;
    vs_json_iter_init(&iter, points);
    while (vs_json_iter_next(&iter, NULL, &item) && count < POINTS_MAX) {
        double scanned = render_real(item, "scanned");
        if (render_int(item, "k") != k || !(scanned > 0)) {
            continue;
        }
        struct point point = {log10(scanned), render_real(item, "recall")};
        size_t at = count++;
        while (at > 0 && out[at - 1].x > point.x) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = point;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || out[i].recall > out[kept - 1].recall) {
            out[kept++] = out[i];
        }
    }
    return kept;
}

static void draw_grid(FILE *out, const struct axis *x, const struct axis *y)
{
    char label[32];
    int last = (int)floor(x->high + 1e-9);
    for (int e = (int)ceil(x->low); e <= last; e++) {
        double at = LEFT_CURVE + place(x, e, PANEL_WIDTH);
        line(out, at, TOP, at, BOTTOM, "#ddd");
        (void)snprintf(label, sizeof label, "%g %%", pow(10, e) * 100);
        text(out, at, BOTTOM + 18, "middle", label);
    }
    for (int i = 0; i <= 5; i++) {
        double value = y->low + (y->high - y->low) * i / 5, at = BOTTOM - PANEL_HEIGHT * i / 5.0;
        line(out, LEFT_CURVE, at, LEFT_CURVE + PANEL_WIDTH, at, "#ddd");
        (void)snprintf(label, sizeof label, "%.2f", value);
        text(out, LEFT_CURVE - 8, at + 4, "end", label);
    }
    text(out, LEFT_CURVE + PANEL_WIDTH / 2.0, BOTTOM + 38, "middle", "share of codes scanned");
    text(out, LEFT_CURVE, TOP - 12, "start", "recall measured by the build");
}

static void draw_curves(const struct vs_json *points, FILE *out)
{
    static const int64_t ks[] = {1, 10, 100};
    static const char *const colours[] = {"#1b7837", "#2166ac", "#b2182b"};
    struct axis x = {0, 0}, y = {1, 1};
    struct point curve[POINTS_MAX];
    for (size_t i = 0; i < 3; i++) {
        size_t count = curve_of(points, ks[i], curve);
        for (size_t p = 0; p < count; p++) {
            x.low = curve[p].x < x.low ? curve[p].x : x.low;
            y.low = curve[p].recall < y.low ? curve[p].recall : y.low;
        }
    }
    x.low = floor(x.low) < 0 ? floor(x.low) : -1;
    y.low = y.low < 0.95 ? floor(y.low * 10) / 10 : 0.9;
    draw_grid(out, &x, &y);
    for (size_t i = 0; i < 3; i++) {
        char label[32];
        size_t count = curve_of(points, ks[i], curve);
        if (count == 0) {
            continue;
        }
        fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"",
                colours[i]);
        for (size_t p = 0; p < count; p++) {
            fprintf(out, "%.1f,%.1f ", LEFT_CURVE + place(&x, curve[p].x, PANEL_WIDTH),
                    BOTTOM - place(&y, curve[p].recall, PANEL_HEIGHT));
        }
        fprintf(out, "\"/>\n<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"4\" fill=\"%s\"/>\n",
                LEFT_CURVE + PANEL_WIDTH - 70, BOTTOM - 62 + (int)i * 18, colours[i]);
        (void)snprintf(label, sizeof label, "k = %lld", (long long)ks[i]);
        text(out, LEFT_CURVE + PANEL_WIDTH - 50, BOTTOM - 56 + (int)i * 18, "start", label);
    }
}

// ---- lists ----

static void draw_lists(const struct vs_json *column, FILE *out)
{
    const struct vs_json *bins = vs_json_get(column, "list_sizes"), *bin;
    struct vs_json_iter iter;
    size_t count = vs_json_count(bins), i = 0;
    double most = 1, step = count > 0 ? (double)PANEL_WIDTH / (double)count : PANEL_WIDTH;
    vs_json_iter_init(&iter, bins);
    while (vs_json_iter_next(&iter, NULL, &bin)) {
        most = fmax(most, (double)render_int(bin, "lists"));
    }
    text(out, LEFT_BARS, TOP - 12, "start", "lists by number of entries");
    line(out, LEFT_BARS, BOTTOM, LEFT_BARS + PANEL_WIDTH, BOTTOM, "#333");
    vs_json_iter_init(&iter, bins);
    for (; vs_json_iter_next(&iter, NULL, &bin); i++) {
        char label[48];
        double lists = (double)render_int(bin, "lists"), height = lists / most * PANEL_HEIGHT,
               left = LEFT_BARS + step * (double)i;
        fprintf(out,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#2166ac\"/>\n",
                left + step * 0.1, BOTTOM - height, step * 0.8, height);
        (void)snprintf(label, sizeof label, "%lld", (long long)render_int(bin, "lists"));
        text(out, left + step / 2, BOTTOM - height - 5, "middle", label);
        (void)snprintf(label, sizeof label, "%lld+", (long long)render_int(bin, "from"));
        text(out, left + step / 2, BOTTOM + 18, "middle", label);
    }
    text(out, LEFT_BARS + PANEL_WIDTH / 2.0, BOTTOM + 38, "middle", "entries in a list");
}

enum vs_status cli_plot_index(const struct vs_json *root, const char *path, struct vs_error *err)
{
    const struct vs_json *column = NULL, *item;
    struct vs_json_iter iter;
    char title[256];
    vs_json_iter_init(&iter, vs_json_get(root, "columns"));
    while (vs_json_iter_next(&iter, NULL, &item)) {
        column = column == NULL || render_int(column, "lists") == 0 ? item : column;
    }
    if (render_int(column, "lists") == 0) {
        return vs_fail(err, VS_INVALID,
                       "nothing to plot: a small index has no lists, its answers are exact");
    }
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return vs_fail_errno(err, errno, "writing %.300s", path);
    }
    (void)snprintf(title, sizeof title, "%.*s, %.*s: %lld rows, %lld lists, %lld-byte codes",
                   VS_STR_SHORT(render_str(root, "table")),
                   VS_STR_SHORT(render_str(column, "column")), (long long)render_int(root, "rows"),
                   (long long)render_int(column, "lists"),
                   (long long)render_int(column, "code_bytes"));
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    text(out, LEFT_CURVE, 36, "start", title);
    draw_curves(vs_json_get(column, "recall"), out);
    draw_lists(column, out);
    fprintf(out, "</svg>\n");
    bool failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed;
    return failed ? vs_fail_errno(err, errno, "writing %.300s", path) : VS_OK;
}
