/* SPDX-License-Identifier: MIT */
/* Configurations: whatever the file, it is read or there is a line about it, of one line; and what was read differs in
 * nothing from itself, read again. */
#include "fuzz.h"
#include "hub/config.h"
#include <duet/error.h>

static void differs(void *arg, const char *key, bool live)
{
    (void)arg;
    (void)live;
    fprintf(stderr, "%s differs\n", key);
    abort();
}

/* The same bytes as a variable of the environment, up to a zero. */
static void by_variable(const uint8_t *data, size_t size)
{
    struct config c;
    char why[CONFIG_WHY] = "", *text = malloc(size + 6);
    char *const env[] = { text, NULL };
    CHECK(text != NULL);
    memcpy(text, "DUET_", 5);
    memcpy(text + 5, data, size);
    text[size + 5] = 0;
    int rc = config_parse(&c, "", "", 0, &(struct config_above){ env, NULL }, why);
    CHECK(rc == 0 || (rc == DUET_ERR_INVALID && why[0] != 0 && strlen(why) < CONFIG_WHY));
    config_fini(&c);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c, again;
    char why[CONFIG_WHY] = "";
    char *text = exactly(data, size);
    int rc = config_parse(&c, "f", text, size, NULL, why);
    CHECK(rc == 0 || (rc == DUET_ERR_INVALID && why[0] != 0 && strlen(why) < CONFIG_WHY));
    CHECK(rc == 0 || strncmp(why, "f:", 2) == 0);
    if (rc == 0) {
        CHECK(c.namespaces_count == c.spaces_count + 1);
        CHECK(config_parse(&again, "f", text, size, NULL, why) == 0);
        config_compare(&c, &again, differs, NULL);
        config_fini(&again);
    }
    config_fini(&c);
    free(text);
    by_variable(data, size);
    return 0;
}
