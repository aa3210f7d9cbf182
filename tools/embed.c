/* SPDX-License-Identifier: MIT */
/*
 * embed DIR OUT.c [PATH=FILE]...: writes all files below DIR, and each FILE as if it lay at PATH there, as the table
 * that src/cmd/web.h declares.
 *
 * A build step, run on the machine that builds. Names that begin with a dot are left out.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct page {
    char *path; /* below DIR, with a slash in front */
    char *file;
    uint64_t hash;
    size_t len;
};

static struct page *pages;
static size_t pages_count;

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
    {".yaml", "text/plain; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".webp", "image/webp"},
    {".ico", "image/vnd.microsoft.icon"},
    {".woff2", "font/woff2"},
};

static void die(const char *what)
{
    fprintf(stderr, "embed: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grow(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p == NULL)
        die("memory");
    return p;
}

static char *joined(const char *a, const char *b, const char *c)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *s = grow(NULL, size);
    snprintf(s, size, "%s%s%s", a, b, c);
    return s;
}

static const char *type_of(const char *path)
{
    const char *suffix = strrchr(path, '.');
    for (size_t i = 0; suffix != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(suffix, types[i].suffix) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* Both strings are taken. */
static void add(char *path, char *file)
{
    pages = grow(pages, (pages_count + 1) * sizeof(*pages));
    pages[pages_count++] = (struct page){.path = path, .file = file};
}

/* Adds what lies in `root``below` (empty, or with a slash in front). */
static void gather(const char *root, const char *below)
{
    char *name = joined(root, below, "");
    DIR *dir = opendir(name);
    if (dir == NULL) {
        if (errno != ENOENT)
            die(name);
        free(name);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        char *path = joined(below, "/", e->d_name);
        char *file = joined(root, path, "");
        struct stat st;
        if (stat(file, &st) != 0)
            die(file);
        if (!S_ISDIR(st.st_mode)) {
            add(path, file);
            continue;
        }
        gather(root, path);
        free(path);
        free(file);
    }
    closedir(dir);
    free(name);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct page *)a)->path, ((const struct page *)b)->path);
}

/* One array of bytes; 64-bit FNV-1a tells one content from the next, which is all that an ETag is for. */
static void write_bytes(FILE *out, struct page *page, size_t index)
{
    FILE *in = fopen(page->file, "rb");
    if (in == NULL)
        die(page->file);
    page->hash = UINT64_C(0xcbf29ce484222325);
    fprintf(out, "\n/* %s */\nstatic const unsigned char page_%zu[] = {", page->path, index);
    for (int c; (c = getc(in)) != EOF; page->len++) {
        page->hash = (page->hash ^ (uint64_t)c) * UINT64_C(0x100000001b3);
        fprintf(out, "%s%d,", page->len % 24 == 0 ? "\n" : "", c);
    }
    if (ferror(in))
        die(page->file);
    /* C has no empty array, so one byte more than `len` says stands at the end. */
    fprintf(out, "0};\n");
    fclose(in);
}

static void usage(void)
{
    fprintf(stderr, "usage: embed DIR OUT.c [PATH=FILE]...\n");
    exit(2);
}

static void add_one(const char *argument)
{
    const char *equals = strchr(argument, '=');
    if (equals == NULL || argument[0] != '/')
        usage();
    char *path = joined(argument, "", "");
    path[equals - argument] = 0;
    add(path, joined(equals + 1, "", ""));
}

int main(int argc, char **argv)
{
    if (argc < 3)
        usage();
    gather(argv[1], "");
    for (int i = 3; i < argc; i++)
        add_one(argv[i]);
    if (pages_count > 0)
        qsort(pages, pages_count, sizeof(*pages), by_path);

    FILE *out = fopen(argv[2], "wb");
    if (out == NULL)
        die(argv[2]);
    fprintf(out, "/* SPDX-License-Identifier: MIT */\n/* Written by tools/embed.c. */\n#include \"cmd/web.h\"\n");
    for (size_t i = 0; i < pages_count; i++)
        write_bytes(out, &pages[i], i);
    fprintf(out, "\nconst struct web_file web_files[] = {\n");
    for (size_t i = 0; i < pages_count; i++)
        fprintf(out, "    {\"%s\", \"%s\", \"\\\"%016" PRIx64 "\\\"\", page_%zu, %zu},\n", pages[i].path,
                type_of(pages[i].path), pages[i].hash, i, pages[i].len);
    fprintf(out, "    {0, 0, 0, 0, 0},\n};\nconst size_t web_files_count = %zu;\n", pages_count);
    if (fclose(out) != 0)
        die(argv[2]);
    for (size_t i = 0; i < pages_count; i++) {
        free(pages[i].path);
        free(pages[i].file);
    }
    free(pages);
    return 0;
}
