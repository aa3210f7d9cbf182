/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "base/digest.h"

TEST(digest, answers_the_key_of_rfc_6455_1_3)
{
    static const char text[] = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t sum[20];
    char out[29];
    digest_sha1(text, sizeof(text) - 1, sum);
    assert_int_equal(base64_encode(out, sum, sizeof(sum)), 28);
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(digest, sha1_of_nothing)
{
    static const uint8_t empty[20] = { 0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55,
                                       0xbf, 0xef, 0x95, 0x60, 0x18, 0x90, 0xaf, 0xd8, 0x07, 0x09 };
    uint8_t sum[20];
    digest_sha1("", 0, sum);
    assert_memory_equal(sum, empty, 20);
}

TEST(base64, is_rfc_4648_10_both_ways)
{
    static const char *const pairs[][2] = { { "", "" },
                                            { "f", "Zg==" },
                                            { "fo", "Zm8=" },
                                            { "foo", "Zm9v" },
                                            { "foob", "Zm9vYg==" },
                                            { "fooba", "Zm9vYmE=" },
                                            { "foobar", "Zm9vYmFy" } };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        const char *plain = pairs[i][0], *text = pairs[i][1];
        char out[16];
        uint8_t back[8];
        assert_int_equal(base64_encode(out, plain, strlen(plain)), strlen(text));
        assert_string_equal(out, text);
        assert_int_equal(base64_decode(back, sizeof(back), text, strlen(text)), strlen(plain));
        assert_memory_equal(back, plain, strlen(plain));
    }
}

TEST(base64, every_byte_comes_back)
{
    uint8_t all[256], back[256];
    char out[345];
    for (size_t len = 0; len <= 256; len++) {
        for (size_t i = 0; i < len; i++)
            all[i] = (uint8_t)(255 - i);
        size_t n = base64_encode(out, all, len);
        assert_int_equal(base64_decode(back, len, out, n), len);
        assert_memory_equal(back, all, len);
    }
}

TEST(base64, refuses_what_is_not_canonical)
{
    static const char *const bad[] = {
        "Zg",     "Zg=",   "Zg===", "Zh==",  "Zm9=",     "=",    "==",   "====", "A===",  "Zm9v\n",  " Zm9v",
        "Zm9{",   "Zm9:",  "Zm9[",
        "Zm-v",   "Zm_v",  "Z=g=",  "=Zg=",  "Zg==Zg==", "Zm9",  "Z",    "Zg=A", "Zm9vY", "Zm\x80v", "Zm9v====",
    };
    uint8_t out[16];
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (base64_decode(out, sizeof(out), bad[i], strlen(bad[i])) != -1)
            fail_msg("'%s' was taken", bad[i]);
    assert_int_equal(base64_decode(out, sizeof(out), "Zm\0v", 4), -1);
}

TEST(base64, writes_no_more_than_the_room)
{
    uint8_t out[4] = { 0, 0, 0, 0xEE };
    assert_int_equal(base64_decode(out, 2, "Zm9v", 4), -1);
    assert_int_equal(base64_decode(out, 3, "Zm9v", 4), 3);
    assert_int_equal(out[3], 0xEE);
    assert_int_equal(base64_decode(out, 1, "Zg==", 4), 1);
    assert_int_equal(base64_decode(out, 0, "Zg==", 4), -1);
}
