/* SPDX-License-Identifier: MIT */
#include "cmd/trace.h"
#include "base/buf.h"
#include "base/jsonread.h"
#include "base/mem.h"
#include "cmd/print.h"
#include "cmd/show.h"
#include "cmd/tool.h"
#include "hub/slurp.h"
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { RUNS = 64, DEPTH = 4, STRING = 1024, TOKEN_MOST = 1026 };

struct own {
    const char *url, *token_file;
};

static const struct cmdline_option options[] = {
    { "--url", "URL", "The server, or its admin.listen (http://127.0.0.1:8080)", CMDLINE_TEXT,
      offsetof(struct own, url) },
    { "--token-file", "FILE", "The operators' token is in FILE", CMDLINE_TEXT, offsetof(struct own, token_file) },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet trace",
    .words = "CHANNEL",
    .options = options,
    .shared = args_reach,
    .shared_title = ARGS_TITLE,
    .about =
        "Follows each publication of a channel through a server: by which way and from whom it came, what became of\n"
        "it, and when each loop had given it to its members. Times are from step to step.",
    .end = "See duet-trace(1).",
};

struct trace {
    struct tool tool; /* first */
    struct own own;
    duet_client *client;
    char *url, *bearer, *token;
    size_t token_len;
    duet_header *headers;
    uint64_t last_us[RUNS]; /* of publication number n, at n % RUNS */
};

/* What a step says. */

static struct json_slice member(struct json_slice object, const char *name)
{
    struct json_slice key, value;
    struct json_each each = json_each(object);
    while (json_next(&each, &key, &value))
        if (json_is(key, name))
            return value;
    return (struct json_slice){ "", 0 };
}

static uint64_t number(struct json_slice object, const char *name)
{
    struct json_slice value = member(object, name);
    double n = 0;
    if (value.len == 0 || json_kind_of(value) != '0' || !json_number(value, &n) || n < 0 || n > 0x1p53)
        return 0;
    return (uint64_t)n;
}

static void show_string(struct json_slice object, const char *name)
{
    struct json_slice value = member(object, name);
    char text[STRING];
    long len = value.len > 0 && value.len <= sizeof(text) && json_kind_of(value) == '"' ? json_unquote(text, value) : 0;
    if (len > 0)
        show_safe(stdout, text, (size_t)len);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void show_came(struct json_slice step)
{
    uint64_t bytes = number(step, "bytes");
    struct json_slice way = member(step, "way");
    printf("came       %" PRIu64 " byte%s of ", bytes, plural(bytes));
    show_string(step, "kind");
    if (way.len > 2) {
        printf(" by ");
        show_string(step, "way");
    }
    if (member(step, "who").len > 2) {
        printf(" from ");
        show_string(step, "who");
    }
}

static void show_refused(struct json_slice step)
{
    printf("refused    %" PRIu64 ": ", number(step, "code"));
    show_string(step, "message");
}

static void show_loads(struct json_slice step)
{
    (void)step;
    printf("waits      for its channel, which the store is asked for");
}

static void show_known(struct json_slice step)
{
    uint64_t offset = number(step, "offset");
    printf("known      its key was seen before");
    if (offset > 0)
        printf(", at offset %" PRIu64, offset);
}

static void show_stale(struct json_slice step)
{
    (void)step;
    printf("known      its version is not newer than what was seen");
}

static void show_numbered(struct json_slice step)
{
    struct json_slice store = member(step, "store");
    printf("numbered   offset %" PRIu64 ", %s", number(step, "offset"),
           store.len > 0 && json_kind_of(store) == 't' ? "and given to the store" : "kept in memory");
}

static void show_kept(struct json_slice step)
{
    (void)step;
    printf("kept       by the store");
}

static void show_failed(struct json_slice step)
{
    (void)step;
    printf("failed     the store did not take it: see /health");
}

static void show_told(struct json_slice step)
{
    uint64_t n = number(step, "subscribers"), forms = number(step, "forms");
    printf("told       %" PRIu64 " subscriber%s", n, plural(n));
    if (forms > 0)
        printf(", in %" PRIu64 " form%s", forms, plural(forms));
}

static void show_given(struct json_slice step)
{
    uint64_t n = number(step, "members"), turns = number(step, "turns");
    printf("loop %-5" PRIu64 " ", number(step, "loop"));
    if (turns > 0)
        printf("has given it to its %" PRIu64 " member%s, in %" PRIu64 " turn%s", n, plural(n), turns, plural(turns));
    else
        printf("still has members without it");
}

static const struct {
    const char *name;
    void (*show)(struct json_slice step);
} steps[] = {
    { "came", show_came },   { "refused", show_refused },   { "loads", show_loads }, { "known", show_known },
    { "stale", show_stale }, { "numbered", show_numbered }, { "kept", show_kept },   { "failed", show_failed },
    { "told", show_told },   { "given", show_given },
};

/* Lines. */

static void show_wall_clock(void)
{
    struct timespec now;
    struct tm local;
    char text[16];
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(text, sizeof(text), "%H:%M:%S", &local);
    printf("%s.%06ld", text, now.tv_nsec / 1000);
}

/* The first step of a publication has the time of day, each other one how long after the one before it came. */
static void show_step(struct trace *me, struct json_slice step, struct json_slice name)
{
    uint64_t run = number(step, "run"), us = number(step, "us"), *last = &me->last_us[run % RUNS];
    if (json_is(name, "came"))
        show_wall_clock();
    else
        printf("%+12" PRId64 " us", (int64_t)(us - *last));
    *last = us;
    printf("  #%-4" PRIu64 " ", run);
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (json_is(name, steps[i].name))
            steps[i].show(step);
    putchar('\n');
}

static void show_text(struct trace *me, struct json_slice text)
{
    struct json_slice name = member(text, "step");
    uint64_t lost = number(text, "lost");
    if (name.len > 0 && json_kind_of(name) == '"')
        show_step(me, text, name);
    else if (lost > 0)
        printf("%15s  %" PRIu64 " step%s had no room, and are not here\n", "", lost, plural(lost));
}

/* The connection. */

static void received(duet_conn *c, const duet_msg *m)
{
    struct trace *me = (struct trace *)tool_of(c);
    struct json_slice text;
    if (m->type == DUET_TEXT && json_check(m->data, m->len, DEPTH, &text) && json_kind_of(text) == '{')
        show_text(me, text);
    if (fflush(stdout) != 0) {
        tool_fail(&me->tool, "cannot write to standard output");
        tool_stop(&me->tool);
    }
}

static void opened(duet_conn *c)
{
    tool_opened(c);
    show_line(tool_of(c)->name, "following; Ctrl-C ends it");
}

static void closed(duet_conn *c, const duet_closing *why)
{
    struct tool *t = tool_of(c);
    tool_closed(c, NULL, why, t->signals > 0);
    if (t->signals == 0 && !show_is_clean(why) && t->result == 0)
        t->result = TOOL_CLOSED;
    tool_stop(t);
}

/* A server of ours says in a line what it wants. */
static void show_answer(const char *name, const duet_failure *why)
{
    const char *end = why->body_len > 0 ? memchr(why->body, '\n', why->body_len) : NULL;
    if (why->status == 0 || why->body_len == 0)
        return;
    fprintf(stderr, "%s: the server says: ", name);
    show_safe(stderr, why->body, end ? (size_t)(end - why->body) : why->body_len);
    fputc('\n', stderr);
}

static void failed(duet_client *client, const duet_failure *why)
{
    struct trace *me = duet_client_arg(client);
    tool_unopened(&me->tool, me->url, why);
    show_answer(me->tool.name, why);
    tool_stop(&me->tool);
}

static void interrupted(struct tool *t)
{
    struct trace *me = (struct trace *)t;
    duet_conn *c = duet_client_conn(me->client);
    if (c == NULL || duet_close(c, DUET_CODE_NORMAL, NULL) < 0)
        tool_stop(t);
}

/* URL/admin/trace/CHANNEL, with whatever a path cannot have as %XX. */
static int make_url(struct trace *me)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~";
    const char *base = me->own.url ? me->own.url : "http://127.0.0.1:8080";
    size_t len = strlen(base);
    struct buf b;
    while (len > 0 && base[len - 1] == '/')
        len--;
    buf_init(&b, NULL, 0);
    buf_put(&b, base, len);
    buf_puts(&b, "/admin/trace/");
    for (const char *at = me->tool.args.words[0]; *at != '\0'; at++)
        if (strchr(plain, *at) != NULL)
            buf_put(&b, at, 1);
        else
            buf_printf(&b, "%%%02x", (unsigned)(uint8_t)*at);
    buf_put(&b, "", 1);
    me->url = b.failed ? NULL : mem_strdup(b.at);
    buf_fini(&b);
    return me->url ? 0 : DUET_ERR_NOMEM;
}

static bool has_authorization(const struct args *a)
{
    for (size_t i = 0; a->headers[i].name != NULL; i++)
        if (strcasecmp(a->headers[i].name, "Authorization") == 0)
            return true;
    return false;
}

/* The fields of the arguments, and the token. */
static int make_headers(struct trace *me)
{
    const struct args *a = &me->tool.args;
    size_t n = 0;
    while (a->headers[n].name != NULL)
        n++;
    me->headers = mem_zalloc((n + 2) * sizeof(*me->headers));
    me->bearer = mem_zalloc(me->token_len + sizeof("Bearer "));
    if (me->headers == NULL || me->bearer == NULL)
        return DUET_ERR_NOMEM;
    memcpy(me->headers, a->headers, n * sizeof(*me->headers));
    memcpy(me->bearer, "Bearer ", 7);
    memcpy(me->bearer + 7, me->token, me->token_len);
    me->headers[n] = (duet_header){ "Authorization", me->bearer };
    return 0;
}

/* False: `result` is set, and the line is said. */
static bool read_token(struct trace *me)
{
    char why[TOOL_WHY];
    size_t len;
    if (me->own.token_file == NULL)
        return true;
    int rc = slurp(&me->token, &len, me->own.token_file, TOKEN_MOST);
    if (rc == 0) {
        me->token_len = slurp_secret_len(me->token, len);
        rc = make_headers(me);
    }
    if (rc == 0)
        return true;
    snprintf(why, sizeof(why), "cannot read --token-file %.100s: %s", me->own.token_file, duet_strerror(rc));
    show_line(me->tool.name, why);
    me->tool.result = TOOL_USAGE;
    return false;
}

static bool follow(struct trace *me)
{
    duet_client_config config = tool_config(&me->tool);
    if (make_url(me) < 0) {
        tool_fail(&me->tool, duet_strerror(DUET_ERR_NOMEM));
        return false;
    }
    config.url = me->url;
    config.headers = me->headers ? me->headers : config.headers;
    config.on = (duet_handler){ .open = opened, .message = received, .pong = tool_ponged, .close = closed };
    config.failed = failed;
    return tool_connect(&me->tool, &me->client, &config);
}

static const char *misfit(const struct tool *t)
{
    const struct own *own = t->own;
    if (t->args.words_count > 1)
        return "one channel is followed; a name with spaces is quoted";
    if (t->args.words[0][0] == '\0')
        return "a channel's name has at least one byte";
    if (own->url != NULL && strncasecmp(own->url, "unix:", 5) == 0)
        return "--url takes http, https, ws or wss; a unix socket has no place for a path";
    if (own->token_file != NULL && has_authorization(&t->args))
        return "--token-file is an Authorization of its own; leave --auth or the --header out";
    return NULL;
}

int trace_main(int argc, char **argv)
{
    struct trace me = { .tool = { .misfit = misfit, .interrupted = interrupted } };
    if (tool_begin(&me.tool, &line, &me.own, argc, argv) && read_token(&me) && follow(&me))
        tool_run(&me.tool);
    duet_client_free(me.client);
    slurp_wipe(me.token, me.token_len);
    slurp_wipe(me.bearer, me.bearer ? strlen(me.bearer) : 0);
    mem_free(me.headers);
    mem_free(me.url);
    tool_end(&me.tool);
    return me.tool.result;
}
