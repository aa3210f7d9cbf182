/* SPDX-License-Identifier: MIT */
/* Codes and payloads of Close frames by themselves; what they do to a connection is in proto.c. */
#include "proto/close.h"
#include "test.h"
#include <duet/proto.h>

TEST(close, each_code_has_its_words)
{
#define EXPECT_WORDS(name, value, meaning) assert_string_equal(duet_code_text(value), meaning);
    DUET_CODES(EXPECT_WORDS)
#undef EXPECT_WORDS
    static const struct {
        unsigned code;
        const char *text;
    } others[] = {
        { 0, "unknown" },       { 999, "unknown" },  { 2999, "unknown" }, { 3000, "registered" },
        { 3999, "registered" }, { 4000, "private" }, { 4999, "private" }, { 5000, "unknown" },
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_string_equal(duet_code_text(others[i].code), others[i].text);
}

TEST(close, what_is_encoded_is_decoded)
{
    static const unsigned codes[] = { 1000, 1014, 3000, 4999 };
    char reason[130];
    memset(reason, 'r', sizeof(reason));
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        for (size_t len = 0; len <= sizeof(reason); len++) {
            uint8_t payload[125];
            uint16_t code;
            size_t n = close_encode(payload, codes[i], reason, len);
            assert_int_equal(n, 2 + (len < 123 ? len : 123));
            assert_int_equal(close_decode(payload, n, &code), 0);
            assert_int_equal(code, codes[i]);
            assert_memory_equal(payload + 2, reason, n - 2);
        }
}
