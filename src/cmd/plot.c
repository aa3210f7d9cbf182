/* SPDX-License-Identifier: MIT */
/*
 * Across: the share of messages that took longer, one step to the right for each tenth of it (90 %, 99 %, 99.9 % ...),
 * so that the tail gets as much room as all the rest. Up: the duration, also by powers of ten.
 */
#include "cmd/plot.h"
#include "base/buf.h"
#include "cmd/report.h"
#include <duet/error.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 820, HEIGHT = 470, LEFT = 84, RIGHT = 780, TOP = 92, BOTTOM = 404, POINTS = 48, DECADES_MOST = 7 };

static const char style[] =
    "<style>\n"
    "svg{--back:#ffffff;--ink:#1d2530;--soft:#5b6675;--line:#dde2e8;--mark:#0b66c3;"
    "font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\n"
    "@media (prefers-color-scheme:dark){svg{--back:#12171e;--ink:#e6ebf1;--soft:#9aa7b6;--line:#2a333e;"
    "--mark:#63b0ff}}\n"
    ".back{fill:var(--back)}.grid{stroke:var(--line);stroke-width:1}.curve{fill:none;stroke:var(--mark);"
    "stroke-width:2.5;stroke-linejoin:round}.area{fill:var(--mark);opacity:.1}.dot{fill:var(--mark);"
    "stroke:var(--back);stroke-width:2}\n"
    "text{fill:var(--soft);font-size:13px}.title{fill:var(--ink);font-size:18px;font-weight:600}"
    ".value{fill:var(--ink);font-weight:600;"
    "stroke:var(--back);stroke-width:4px;paint-order:stroke}\n"
    "</style>\n";

struct plot {
    struct buf b;
    const struct histogram *h;
    double low, high; /* powers of ten of nanoseconds, at the lower and the upper edge */
    unsigned decades; /* across */
};

static void put_text(struct buf *b, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '&')
            buf_puts(b, "&amp;");
        else if (*text == '<')
            buf_puts(b, "&lt;");
        else if (*text == '>')
            buf_puts(b, "&gt;");
        else
            buf_put(b, (unsigned char)*text < 0x20 ? "?" : text, 1);
    }
}

static double x_at(const struct plot *p, double decade)
{
    return LEFT + (RIGHT - LEFT) * decade / p->decades;
}

static double y_at(const struct plot *p, uint64_t ns)
{
    double at = (log10(ns > 0 ? (double)ns : 1) - p->low) / (p->high - p->low);
    return BOTTOM - (BOTTOM - TOP) * (at < 0 ? 0 : at > 1 ? 1 : at);
}

static double percent_at(double decade)
{
    return 100 * (1 - pow(10, -decade));
}

static void choose_scale(struct plot *p)
{
    double most = log10((double)p->h->count);
    p->decades = most < 1 ? 1 : most > DECADES_MOST ? DECADES_MOST : (unsigned)ceil(most);
    p->low = floor(log10(p->h->min > 0 ? (double)p->h->min : 1) + 1e-9);
    p->high = ceil(log10(p->h->max > 0 ? (double)p->h->max : 1) - 1e-9);
    if (p->high - p->low < 1)
        p->high = p->low + 1;
}

static void put_grid_line(struct plot *p, uint64_t ns)
{
    char text[16];
    double y = y_at(p, ns);
    report_duration(text, ns);
    buf_printf(&p->b, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", LEFT, y, RIGHT, y);
    buf_printf(&p->b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 10, y + 4.5, text);
}

/* Lines at 1, 2 and 5 of each power of ten while there are few of these. */
static void put_rows(struct plot *p)
{
    bool fine = p->high - p->low <= 3;
    for (double decade = p->low; decade <= p->high; decade++) {
        uint64_t ns = (uint64_t)(pow(10, decade) + 0.5);
        put_grid_line(p, ns);
        if (!fine || decade >= p->high)
            continue;
        put_grid_line(p, 2 * ns);
        put_grid_line(p, 5 * ns);
    }
}

static void put_columns(struct plot *p)
{
    buf_printf(&p->b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">50 %%</text>\n", x_at(p, log10(2)),
               BOTTOM + 22);
    for (unsigned i = 0; i <= p->decades; i++) {
        double x = x_at(p, i);
        buf_printf(&p->b, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, TOP, x, BOTTOM);
        buf_printf(&p->b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.*f %%</text>\n", x, BOTTOM + 22,
                   i > 2 ? (int)i - 2 : 0, percent_at(i));
    }
    buf_printf(&p->b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">share that took no longer</text>\n",
               (LEFT + RIGHT) / 2, BOTTOM + 50);
}

static void put_points(struct plot *p)
{
    for (unsigned i = 0; i <= p->decades * POINTS; i++) {
        double decade = (double)i / POINTS;
        buf_printf(&p->b, "%s%.1f,%.1f", i > 0 ? " " : "", x_at(p, decade),
                   y_at(p, histogram_at(p->h, percent_at(decade))));
    }
}

static void put_curve(struct plot *p)
{
    buf_printf(&p->b, "<polygon class=\"area\" points=\"%d,%d ", LEFT, BOTTOM);
    put_points(p);
    buf_printf(&p->b, " %d,%d\"/>\n<polyline class=\"curve\" points=\"", RIGHT, BOTTOM);
    put_points(p);
    buf_puts(&p->b, "\"/>\n");
}

static void put_mark(struct plot *p, double decade, const char *anchor)
{
    char text[16];
    uint64_t ns = histogram_at(p->h, percent_at(decade));
    double x = x_at(p, decade), y = y_at(p, ns);
    report_duration(text, ns);
    buf_printf(&p->b, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>\n", x, y);
    buf_printf(&p->b, "<text class=\"value\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x - 2, y - 12,
               anchor, text);
}

static void put_marks(struct plot *p)
{
    if (p->decades > 1)
        put_mark(p, log10(2), "middle");
    for (unsigned i = 1; i <= p->decades; i++)
        put_mark(p, i, i == p->decades ? "end" : "middle");
}

static void draw(struct plot *p, const char *title, const char *subtitle)
{
    buf_printf(&p->b,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
               "role=\"img\">\n<title>",
               WIDTH, HEIGHT, WIDTH, HEIGHT);
    put_text(&p->b, title);
    buf_puts(&p->b, ": latency by percentile</title>\n");
    buf_puts(&p->b, style);
    buf_printf(&p->b, "<rect class=\"back\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", WIDTH, HEIGHT);
    buf_puts(&p->b, "<text class=\"title\" x=\"24\" y=\"36\">");
    put_text(&p->b, title);
    buf_puts(&p->b, "</text>\n<text x=\"24\" y=\"60\">");
    put_text(&p->b, subtitle);
    buf_puts(&p->b, "</text>\n");
    if (p->h->count == 0) {
        buf_printf(&p->b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">nothing was measured</text>\n", WIDTH / 2,
                   HEIGHT / 2);
    } else {
        choose_scale(p);
        put_rows(p);
        put_columns(p);
        put_curve(p);
        put_marks(p);
    }
    buf_puts(&p->b, "</svg>\n");
}

static int save(const char *path, const struct buf *b)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return -errno;
    bool good = fwrite(b->at, 1, b->len, f) == b->len;
    return fclose(f) == 0 && good ? 0 : -EIO;
}

int plot_write(const char *path, const struct histogram *h, const char *title, const char *subtitle)
{
    struct plot p = { .h = h };
    buf_init(&p.b, NULL, 0);
    draw(&p, title, subtitle);
    int rc = p.b.failed ? DUET_ERR_NOMEM : save(path, &p.b);
    buf_fini(&p.b);
    return rc;
}
