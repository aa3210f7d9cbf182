/* SPDX-License-Identifier: MIT */
#include "test.h"

enum { MOST = 2000 };
static struct CMUnitTest tests[MOST];
static size_t count;

void test_register(const char *name, void (*run)(void **))
{
    if (count == MOST)
        abort();
    tests[count++] = (struct CMUnitTest){ .name = name, .test_func = run };
}

/* With an argument, only the tests whose names contain it. */
int main(int argc, char **argv)
{
    if (argc > 1) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++)
            if (strstr(tests[i].name, argv[1]))
                tests[kept++] = tests[i];
        count = kept;
    }
    return _cmocka_run_group_tests(argv[0], tests, count, NULL, NULL);
}
