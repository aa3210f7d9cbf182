/* SPDX-License-Identifier: MIT */
#include "cmd/prompt.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cmd/help.h"
#include "cmd/history.h"
#include "cmd/wide.h"
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

enum { TYPED_MOST = 4096, TEXT_MOST = 31, LITERAL = 1 };

struct prompt {
    struct prompt_config config;
    duet_loop *loop;
    const bool *over;
    EditLine *edit;
    struct history *history;
    FILE *in, *out; /* of our own: libedit closes neither, and standard error has no buffer */
    struct termios before;
    duet_watch *watch, *signal_watch;
    int signal_fd;
    bool utf8;   /* what is typed; else the locale's own */
    bool begun, gone;
    bool drawn;  /* the line is on the screen */
    char text[TEXT_MOST];
    wchar_t shown[3 * TEXT_MOST]; /* `text` with its colour */
    unsigned char typed[TYPED_MOST];
    size_t typed_len;
};

/* Where libedit is when it lays out a line. */
struct place {
    unsigned column, row, columns;
};

bool prompt_possible(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && (isatty(STDERR_FILENO) || isatty(STDOUT_FILENO)) && term != NULL &&
           term[0] != 0 && strcmp(term, "dumb") != 0;
}

static void put_cell(struct place *at, unsigned width)
{
    while (at->column + width > at->columns && at->column > 0 && width > 1)
        put_cell(at, 1); /* a wide character does not end in the next row */
    at->column += width;
    if (at->column >= at->columns) {
        at->column = 0;
        at->row++;
    }
}

static void put_cells(struct place *at, unsigned n)
{
    while (n-- > 0)
        put_cell(at, 1);
}

/* As libedit shows it: a tab up to the next stop, ^A, \U+85, and what has no width takes a cell. */
static void put_character(struct place *at, wchar_t c)
{
    if (c == L'\t') {
        do
            put_cell(at, 1);
        while (at->column % 8 != 0);
    } else if ((unsigned)c < 0x20 || c == 0x7f) {
        put_cells(at, 2);
    } else if (iswprint((wint_t)c)) {
        int width = wcwidth(c);
        put_cell(at, width > 0 ? (unsigned)width : 1);
    } else {
        put_cells(at, (unsigned)c > 0xffff ? 8 : 7);
    }
}

static struct winsize size_of(const struct prompt *p)
{
    struct winsize size = { 0 };
    if (ioctl(fileno(p->out), TIOCGWINSZ, &size) < 0 || size.ws_col < 2 || size.ws_row < 1)
        size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
    return size;
}

/* Clears the line, `end` the place in it where the cursor is, and `below` rows under that. */
static void clear(struct prompt *p, const wchar_t *end, unsigned below)
{
    const LineInfoW *line = el_wline(p->edit);
    struct winsize size = size_of(p);
    struct place at = { .columns = size.ws_col };
    put_cells(&at, (unsigned)strlen(p->text));
    for (const wchar_t *c = line->buffer; c < end; c++)
        put_character(&at, *c);
    unsigned up = at.row + below;
    if (up >= size.ws_row)
        up = size.ws_row - 1u;
    fputs("\r", p->out);
    if (up > 0)
        fprintf(p->out, "\x1b[%uA", up);
    fputs("\x1b[J", p->out);
    fflush(p->out);
}

void prompt_hide(struct prompt *p)
{
    if (p == NULL || !p->drawn)
        return;
    p->drawn = false;
    clear(p, el_wline(p->edit)->cursor, 0);
}

static void draw(struct prompt *p)
{
    if (!p->drawn)
        el_wset(p->edit, EL_REFRESH);
    p->drawn = true;
}

void prompt_say(struct prompt *p, const char *text)
{
    if (p == NULL)
        return;
    prompt_hide(p);
    snprintf(p->text, sizeof(p->text), "%s ", text);
    bool colour = help_begin(p->out).colour; /* what ends it must stand before a character, or libedit drops it */
    swprintf(p->shown, sizeof(p->shown) / sizeof(*p->shown), L"%ls%s%ls ", colour ? L"\1\x1b[36m\1" : L"", text,
             colour ? L"\1\x1b[0m\1" : L"");
}

static struct prompt *prompt_of(EditLine *edit)
{
    void *p = NULL;
    el_wget(edit, EL_CLIENTDATA, &p);
    return p;
}

static wchar_t *shown_prompt(EditLine *edit)
{
    return prompt_of(edit)->shown;
}

static int take_local(const unsigned char *at, size_t len, wchar_t *to)
{
    mbstate_t state = { 0 };
    size_t n = mbrtowc(to, (const char *)at, len, &state);
    return n == (size_t)-1 ? -1 : n == (size_t)-2 ? 0 : n == 0 ? 1 : (int)n;
}

/* The next character that was typed. False: there is none. */
static bool take(struct prompt *p, wchar_t *to)
{
    while (p->typed_len > 0) {
        int n = p->utf8 ? wide_take(p->typed, p->typed_len, to) : take_local(p->typed, p->typed_len, to);
        if (n == 0)
            return false;
        size_t used = n < 0 ? 1 : (size_t)n; /* what is no character is passed over */
        p->typed_len -= used;
        memmove(p->typed, p->typed + used, p->typed_len);
        if (n > 0)
            return true;
    }
    return false;
}

/* libedit's: 1, or 0 at the end. */
static int next_character(EditLine *edit, wchar_t *to)
{
    struct prompt *p = prompt_of(edit);
    p->drawn = true; /* libedit has drawn what it knows before it asks */
    while (!*p->over && !p->gone) {
        if (take(p, to))
            return 1;
        if (duet_loop_turn(p->loop, -1) < 0)
            p->gone = true;
        if (!*p->over)
            draw(p);
    }
    prompt_hide(p);
    return 0;
}

static void typed(void *arg, int fd, int events)
{
    struct prompt *p = arg;
    (void)events;
    ssize_t n = read(fd, p->typed + p->typed_len, sizeof(p->typed) - p->typed_len);
    if (n > 0)
        p->typed_len += (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        p->gone = true;
}

/* Ctrl-Z. The shell gets its terminal as it was. */
static void suspend(struct prompt *p)
{
    prompt_hide(p);
    if (p->edit != NULL)
        el_wset(p->edit, EL_PREP_TERM, 0);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &p->before);
    kill(getpid(), SIGSTOP);
    if (p->edit == NULL)
        return;
    el_wset(p->edit, EL_PREP_TERM, 1);
    el_resize(p->edit);
}

static void signalled(void *arg, int fd, int events)
{
    struct prompt *p = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGTSTP) {
            suspend(p);
        } else if (p->edit != NULL) {
            prompt_hide(p);
            el_resize(p->edit);
        }
    }
}

static bool watch_signals(struct prompt *p)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGTSTP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (p->signal_fd >= 0)
        p->signal_watch = duet_loop_watch(p->loop, p->signal_fd, DUET_READABLE, signalled, p);
    return p->signal_watch != NULL;
}

/* Ctrl-D: the end of all where the line is empty; libedit's own would print it. */
static unsigned char delete_or_end(EditLine *edit, wint_t key)
{
    struct prompt *p = prompt_of(edit);
    const LineInfoW *line = el_wline(edit);
    (void)key;
    if (line->lastchar == line->buffer) {
        prompt_hide(p);
        return CC_EOF;
    }
    if (line->cursor == line->lastchar)
        return CC_NORM;
    el_cursor(edit, 1);
    el_deletestr(edit, 1);
    return CC_REFRESH;
}

/* Between two lines the terminal stays raw: what is pasted meanwhile would be echoed twice. */
static bool make_editor(struct prompt *p)
{
    p->edit = el_init("duet", p->in, p->out, p->out);
    if (p->edit == NULL)
        return false;
    el_wset(p->edit, EL_CLIENTDATA, p);
    el_wset(p->edit, EL_SIGNAL, 0);
    el_wset(p->edit, EL_PROMPT_ESC, shown_prompt, (wchar_t)LITERAL);
    el_wset(p->edit, EL_GETCFN, next_character);
    el_wset(p->edit, EL_EDITOR, L"emacs");
    el_wset(p->edit, EL_SETTY, L"-x", L"-echo", L"-icanon", NULL);
    el_wset(p->edit, EL_ADDFN, L"duet-delete-or-end", L"Delete a character, or end", delete_or_end);
    el_wset(p->edit, EL_BIND, L"^D", L"duet-delete-or-end", NULL);
    el_wset(p->edit, EL_BIND, L"^I", L"ed-insert", NULL);
    el_wset(p->edit, EL_BIND, L"^R", L"em-inc-search-prev", NULL);
    el_wset(p->edit, EL_BIND, L"\\e[1~", L"ed-move-to-beg", NULL);
    el_wset(p->edit, EL_BIND, L"\\e[4~", L"ed-move-to-end", NULL);
    el_wset(p->edit, EL_BIND, L"\\e[3~", L"ed-delete-next-char", NULL);
    el_wset(p->edit, EL_BIND, L"\\e[1;5C", L"em-next-word", NULL);
    el_wset(p->edit, EL_BIND, L"\\e[1;5D", L"ed-prev-word", NULL);
    p->history = history_new(p->config.history);
    if (p->history != NULL)
        history_attach(p->history, p->edit);
    el_source(p->edit, NULL); /* the person's own keys */
    return true;
}

static FILE *open_again(int fd, const char *mode)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    FILE *f = copy < 0 ? NULL : fdopen(copy, mode);
    if (f == NULL && copy >= 0)
        close(copy);
    return f;
}

/* Where the locale says nothing, what is typed is taken for UTF-8, and shown as it was typed. */
static bool types_utf8(void)
{
    if (strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

struct prompt *prompt_new(duet_loop *loop, const struct prompt_config *config)
{
    struct prompt *p = mem_zalloc(sizeof(*p));
    if (p == NULL)
        return NULL;
    p->config = *config;
    p->loop = loop;
    p->signal_fd = -1;
    p->utf8 = types_utf8();
    p->in = open_again(STDIN_FILENO, "r");
    p->out = open_again(isatty(STDERR_FILENO) ? STDERR_FILENO : STDOUT_FILENO, "w");
    if (p->in == NULL || p->out == NULL || tcgetattr(STDIN_FILENO, &p->before) < 0 || !watch_signals(p)) {
        prompt_free(p);
        return NULL;
    }
    prompt_say(p, ">");
    return p;
}

void prompt_free(struct prompt *p)
{
    if (p == NULL)
        return;
    if (p->edit != NULL) {
        el_end(p->edit);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &p->before);
    }
    history_free(p->history);
    duet_watch_free(p->watch);
    duet_watch_free(p->signal_watch);
    if (p->signal_fd >= 0)
        close(p->signal_fd);
    if (p->in != NULL)
        fclose(p->in);
    if (p->out != NULL)
        fclose(p->out);
    mem_free(p);
}

void prompt_begin(struct prompt *p)
{
    p->begun = true;
}

static void entered(struct prompt *p, const wchar_t *line, size_t len)
{
    struct buf b;
    buf_init(&b, NULL, 0);
    if (p->config.retype)
        clear(p, line + len, 1);
    wide_put(&b, line, len);
    buf_put(&b, "", 1);
    if (!b.failed && p->history != NULL)
        history_add(p->history, b.at, b.len - 1);
    if (!b.failed)
        p->config.line(p->config.arg, b.at, b.len - 1);
    buf_fini(&b);
}

static void read_lines(struct prompt *p)
{
    while (!*p->over && !p->gone) {
        int len = 0;
        const wchar_t *line = el_wgets(p->edit, &len);
        p->drawn = false;
        if (line == NULL || len <= 0)
            break;
        size_t n = (size_t)len;
        n -= line[n - 1] == L'\n' || line[n - 1] == L'\r';
        entered(p, line, n);
    }
    duet_watch_free(p->watch);
    p->watch = NULL;
}

/* Once libedit has the terminal. */
static void edit(struct prompt *p)
{
    if (make_editor(p))
        p->watch = duet_loop_watch(p->loop, STDIN_FILENO, DUET_READABLE, typed, p);
    if (p->watch != NULL)
        read_lines(p);
    if (!*p->over)
        p->config.ended(p->config.arg);
}

void prompt_run(struct prompt *p, const bool *over)
{
    bool edited = false;
    p->over = over;
    while (!*over && duet_loop_turn(p->loop, -1) >= 0) {
        if (p->begun && !edited && !*over) {
            edited = true;
            edit(p);
        }
    }
}
