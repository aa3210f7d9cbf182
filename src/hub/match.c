/* SPDX-License-Identifier: MIT */
#include "hub/match.h"

/* Only the last star is ever widened: whatever an earlier one could take more, the last can leave out. */
bool hub_match(const char *pattern, size_t pattern_len, const char *name, size_t name_len)
{
    size_t p = 0, n = 0, behind_star = 0, star_end = 0;
    bool starred = false;
    while (n < name_len) {
        if (p < pattern_len && pattern[p] == '*') {
            starred = true;
            behind_star = ++p;
            star_end = n;
        } else if (p < pattern_len && pattern[p] == name[n]) {
            p++;
            n++;
        } else if (starred) {
            p = behind_star;
            n = ++star_end;
        } else {
            return false;
        }
    }
    while (p < pattern_len && pattern[p] == '*')
        p++;
    return p == pattern_len;
}
