/* SPDX-License-Identifier: MIT */
/* Names of channels: the parts that were found, put together again, are the name; and a pattern matches it as a naive
 * matcher says (HUB-5, HUB-13). The first byte says where the pattern ends. */
#include "fuzz.h"
#include "hub/match.h"
#include "hub/names.h"

static unsigned steps;

/* Gives up, and says so by `steps`, where it would take for ever. */
static bool naive(const char *p, size_t pn, const char *n, size_t nn)
{
    if (++steps > 100000)
        return false;
    if (pn == 0)
        return nn == 0;
    if (p[0] == '*')
        return naive(p + 1, pn - 1, n, nn) || (nn > 0 && naive(p, pn, n + 1, nn - 1));
    return nn > 0 && p[0] == n[0] && naive(p + 1, pn - 1, n + 1, nn - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hub_options spaces[2];
    struct hub_names *names;
    struct hub_name name;
    const struct hub_options *options;
    char why[HUB_NAMES_WHY];
    if (size < 1)
        return 0;
    size_t pattern_len = (size - 1) * data[0] / 256, len = size - 1 - pattern_len;
    char *pattern = exactly(data + 1, pattern_len), *text = exactly(data + 1 + pattern_len, len);
    bool yes = hub_match(pattern, pattern_len, text, len);
    steps = 0;
    bool also = naive(pattern, pattern_len, text, len);
    CHECK(steps > 100000 || yes == also);

    hub_options_default(&spaces[0]);
    hub_options_default(&spaces[1]);
    strcpy(spaces[1].name, "ns");
    CHECK(hub_names_new(&names, spaces, 2, HUB_NAME_MOST, why) == 0);
    if (hub_name_judge(names, text, len, &name, &options) == HUB_OK) {
        char again[HUB_NAME_MOST + 1];
        int n = snprintf(again, sizeof(again), "%s%.*s%s%.*s", name.is_private ? "$" : "", (int)name.space_len,
                         name.space, name.has_space ? ":" : "", (int)name.rest_len, name.rest);
        CHECK((size_t)n == len && memcmp(again, text, len) == 0);
        CHECK(options == &spaces[name.has_space]);
        CHECK(!hub_name_lists(&name, "", 0));
        const char *comma = name.users ? memchr(name.users, ',', name.users_len) : NULL;
        size_t first = comma ? (size_t)(comma - name.users) : name.users_len;
        CHECK(first == 0 || hub_name_lists(&name, name.users, first));
    }
    hub_names_free(names);
    free(pattern);
    free(text);
    return 0;
}
