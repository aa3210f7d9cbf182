/* SPDX-License-Identifier: MIT */
#include "test.h"
#include <duet/error.h>
#include <errno.h>

TEST(error, each_has_its_own_sentence)
{
    static const int all[] = {
#define VALUE(name, value, sentence) DUET_ERR_##name,
        DUET_ERRORS(VALUE)
#undef VALUE
    };
    enum { COUNT = sizeof(all) / sizeof(*all) };
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(all[i] < -1000);
        const char *sentence = duet_strerror(all[i]);
        assert_string_not_equal(sentence, "unknown error");
        assert_int_not_equal(sentence[strlen(sentence) - 1], '.');
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(all[i], all[j]);
            assert_string_not_equal(sentence, duet_strerror(all[j]));
        }
    }
}

TEST(error, those_of_the_system_are_strerrors)
{
    assert_string_equal(duet_strerror(-EPIPE), strerror(EPIPE));
    assert_string_equal(duet_strerror(-1), strerror(1));
}

TEST(error, every_number_has_a_text)
{
    assert_string_equal(duet_strerror(0), "success");
    assert_string_equal(duet_strerror(17), "success");
    assert_string_equal(duet_strerror(-1000), "unknown error");
    assert_string_equal(duet_strerror(-2147483647 - 1), "unknown error");
}

TEST(error, the_version_is_that_of_the_header)
{
    char text[32];
    snprintf(text, sizeof(text), "%d.%d.%d", DUET_VERSION_MAJOR, DUET_VERSION_MINOR, DUET_VERSION_PATCH);
    assert_string_equal(duet_version(), text);
    assert_string_equal(DUET_VERSION, text);
}
