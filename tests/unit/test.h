/* SPDX-License-Identifier: MIT */
/*
 * TEST(noun, claim) { ... } registers itself; a test file needs nothing else, `main` comes from test.c.
 * cmocka's assert_*() macros are the checks.
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

void test_register(const char *name, void (*run)(void **));

#define TEST(noun, claim)                                                                                    \
    static void noun##_##claim(void **);                                                                     \
    __attribute__((constructor)) static void register_##noun##_##claim(void)                                 \
    {                                                                                                        \
        test_register(#noun "." #claim, noun##_##claim);                                                     \
    }                                                                                                        \
    static void noun##_##claim(void **unused __attribute__((unused)))

#endif
