/* SPDX-License-Identifier: MIT */
/* replay DIR: runs each target on the files of DIR/NAME, without a fuzzer: in any build, with any compiler. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int target(const uint8_t *data, size_t size);
#define TARGET(name) target fuzz_##name;
#include "fuzz_targets.h"
#undef TARGET

static const struct {
    const char *name;
    target *run;
} targets[] = {
#define TARGET(name) { #name, fuzz_##name },
#include "fuzz_targets.h"
#undef TARGET
};

static char file[1024];

/* An assert or a CHECK() failed: says in which input. */
static void aborted(int sig)
{
    static const char words[] = "not ok - ";
    if (write(1, words, sizeof(words) - 1) < 0 || write(1, file, strlen(file)) < 0 || write(1, "\n", 1) < 0)
        _exit(2);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void run_file(target *run)
{
    FILE *f = fopen(file, "rb");
    if (f == NULL) {
        perror(file);
        exit(1);
    }
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, f) != size)
        exit(1);
    fclose(f);
    run(data, size);
    free(data);
}

/* The number of inputs. */
static unsigned run_folder(const char *root, const char *name, target *run)
{
    char path[512];
    unsigned count = 0;
    snprintf(path, sizeof(path), "%s/%s", root, name);
    DIR *folder = opendir(path);
    for (struct dirent *e; folder != NULL && (e = readdir(folder)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        run_file(run);
        count++;
    }
    if (folder != NULL)
        closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int failed = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_replay DIR\n");
        return 2;
    }
    signal(SIGABRT, aborted);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        unsigned count = run_folder(argv[1], targets[i].name, targets[i].run);
        printf("%sok - %s holds for the %u inputs of its corpus\n", count ? "" : "not ", targets[i].name, count);
        failed |= count == 0;
    }
    return failed;
}
