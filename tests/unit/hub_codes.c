/* SPDX-License-Identifier: MIT */
#include "hub/codes.h"
#include "test.h"

TEST(codes, have_their_sentences)
{
    assert_string_equal(hub_code_text(103), "permission denied");
    assert_string_equal(hub_code_text(2500), "insufficient state");
    assert_string_equal(hub_code_text(3501), "bad request");
    assert_string_equal(hub_code_text(99), "unknown");
}

TEST(codes, say_whether_to_try_again)
{
    assert_true(hub_error_temporary(HUB_ERROR_INTERNAL));
    assert_true(hub_error_temporary(HUB_ERROR_TOO_MANY));
    assert_false(hub_error_temporary(HUB_ERROR_PERMISSION));
    assert_false(hub_error_temporary(HUB_DISCONNECT_EXPIRED));
}
