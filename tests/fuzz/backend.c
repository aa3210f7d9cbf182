/* SPDX-License-Identifier: MIT */
/* What a backend answers (HUB-15): it is one of four things, whose codes, words, times and claims are what they are to
 * be, and what is handed on is JSON on one line. */
#include "fuzz.h"
#include "base/utf8.h"
#include "hub/content.h"
#include "wire/backend.h"

static void check_said(const struct backend_answer *a)
{
    size_t len = strlen(a->text);
    CHECK(len <= BACKEND_TEXT_MOST && utf8_valid(a->text, len));
    if (a->kind == BACKEND_ERROR)
        CHECK(a->code >= 100 && a->code <= 1999);
    else
        CHECK(a->code >= 3000 && a->code <= 4999 && a->kind == BACKEND_DISCONNECT);
    CHECK(a->result.text == NULL);
}

/* A member goes out on a line, and as the JSON that it was; or not at all, when it is too deep. */
static void check_line(struct json_slice value)
{
    struct json_slice again;
    struct content whole;
    struct buf b;
    buf_init(&b, NULL, 0);
    backend_put_line(&b, value);
    bool fits = content_take_json(&whole, value.text, value.len) == 0;
    CHECK(fits == !b.failed);
    if (fits) {
        CHECK(b.len > 0 && memchr(b.at, '\n', b.len) == NULL && memchr(b.at, '\r', b.len) == NULL);
        CHECK(json_check(b.at, b.len, CONTENT_DEPTH_MOST, &again) && again.len == b.len);
        CHECK(json_kind_of(again) == json_kind_of(value) && again.len <= value.len);
        content_fini(&whole);
    }
    buf_fini(&b);
}

static void check_claims(struct json_slice result)
{
    struct hub_claims claims;
    uint64_t at_ms;
    bool is_time = backend_expiry(result, &at_ms);
    CHECK(at_ms <= 1000000000000000);
    CHECK(is_time || backend_member(result, "expire_at").text != NULL);
    int rc = backend_claims(&claims, result);
    CHECK(rc == HUB_OK || rc == HUB_ERROR_INTERNAL);
    if (rc == HUB_OK) {
        CHECK(is_time && claims.expires_ms == at_ms);
        CHECK(claims.user.len <= HUB_USER_MOST && utf8_valid(claims.user.at, claims.user.len));
        CHECK(claims.info.len == 0 || memchr(claims.info.at, '\n', claims.info.len) == NULL);
        CHECK(claims.meta.len == 0 || memchr(claims.meta.at, '\n', claims.meta.len) == NULL);
        for (size_t i = 0; i < claims.subs_count; i++)
            CHECK(utf8_valid(claims.subs[i].channel.at, claims.subs[i].channel.len));
    }
    hub_claims_fini(&claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "data", "info", "skip_history", "nobody" };
    struct backend_answer answer;
    struct json_slice root;
    char *body = exactly(data, size);
    backend_read(&answer, &(struct hook_answer){ body, size });
    CHECK(answer.kind == BACKEND_NOTHING || json_check(body, size, CONTENT_DEPTH_MOST + 2, &root));
    if (answer.kind == BACKEND_NOTHING) {
        CHECK(answer.result.text == NULL && answer.code == 0);
    } else if (answer.kind == BACKEND_RESULT) {
        CHECK(json_kind_of(answer.result) == '{' && answer.result.text > body);
        CHECK(answer.result.text + answer.result.len < body + size);
        check_claims(answer.result);
    } else {
        check_said(&answer);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct json_slice value = backend_member(answer.result, names[i]);
        if (value.text != NULL)
            check_line(value);
        CHECK(!backend_flag(answer.result, names[i]) || value.len == 4);
    }
    free(body);
    return 0;
}
