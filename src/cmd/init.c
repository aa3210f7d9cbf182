/* SPDX-License-Identifier: MIT */
#include "cmd/init.h"
#include "cmd/cmdline.h"
#include "hub/config.h"
#include <duet/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WHY = 200 };

struct init {
    const char **words;
    bool help;
};

static const struct cmdline_option options[] = {
    { "--help", "", "Print this", CMDLINE_FLAG, offsetof(struct init, help) },
    { NULL },
};

static const struct cmdline line = {
    .name = "duet init",
    .words = "[FILE]",
    .options = options,
    .about =
        "Writes a configuration for duet serve into FILE (duet.yaml), with every key there is; - is standard output.\n"
        "A file that is there is left alone.",
    .end = "See duet-init(1).",
};

static int complain(int code, const char *why)
{
    fprintf(stderr, "duet init: %s\n", why);
    return code;
}

static int write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno != EINTR)
            return -errno;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* A new file: whose name is taken, if only by a link that leads nowhere, is not ours to write. */
static int write_file(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int rc = write_all(fd, text, len);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc < 0)
        unlink(path);
    return rc;
}

static int write_example(const char *path)
{
    char why[WHY];
    struct buf b;
    bool out = strcmp(path, "-") == 0;
    buf_init(&b, NULL, 0);
    config_example(&b);
    int rc = b.failed ? DUET_ERR_NOMEM : out ? write_all(STDOUT_FILENO, b.at, b.len) : write_file(path, b.at, b.len);
    buf_fini(&b);
    if (rc == 0) {
        if (!out)
            printf("%s is written; see what is in it, then: duet serve --config %s\n", path, path);
        return 0;
    }
    snprintf(why, sizeof(why), "cannot write %.100s: %s%s", path, duet_strerror(rc),
             rc == -EEXIST ? "; it is left as it was" : "");
    return complain(1, why);
}

int init_main(int argc, char **argv)
{
    struct init init = { 0 };
    struct cmdline_target to = { .own = &init, .words = &init.words };
    char why[CMDLINE_WHY];
    int code;
    if (cmdline_parse(&line, &to, argc, argv, why) < 0)
        code = complain(2, why);
    else if (init.help) {
        cmdline_help(&line);
        code = 0;
    } else if (init.words[0] != NULL && init.words[1] != NULL)
        code = complain(2, "one file is written");
    else
        code = write_example(init.words[0] ? init.words[0] : "duet.yaml");
    cmdline_fini(&line, &to);
    return code;
}
