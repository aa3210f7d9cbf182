/* SPDX-License-Identifier: MIT */
/* Commands of the Centrifugal protocol: each is a line's own, has a number where one is due, and is the same when its
 * slices are put together again; what a request says lies in its text, or in what was unescaped of it. */
#include "fuzz.h"
#include "base/jsonwalk.h"
#include "wire/centrifugal_command.h"

static const char *from, *end;

static bool lies_in(struct json_slice slice, const char *begin, size_t len)
{
    return slice.text >= begin && slice.len <= len && slice.text <= begin + len - slice.len;
}

static void check_request(struct json_slice body)
{
    struct centrifugal_request r;
    if (centrifugal_read(&r, body)) {
        const struct json_slice texts[] = { r.token, r.name, r.version, r.channel, r.method, r.epoch, r.delta };
        const struct json_slice raws[] = { r.data, r.subs, r.filter, r.since };
        for (unsigned i = 0; i < 7; i++)
            CHECK(texts[i].text == NULL || lies_in(texts[i], body.text, body.len) ||
                  (r.memory != NULL && lies_in(texts[i], r.memory, body.len)));
        for (unsigned i = 0; i < 4; i++)
            CHECK(raws[i].text == NULL ||
                  (lies_in(raws[i], body.text, body.len) && json_walk(raws[i].text, raws[i].len, NULL, NULL)));
    }
    centrifugal_request_fini(&r);
}

/* Put together again it is read as the same. */
static void check_again(const struct centrifugal_command *c)
{
    struct centrifugal_command again;
    char *text = malloc(c->body.len + 100);
    int n = sprintf(text, "{\"%s\":%.*s,\"id\":%u}\n", centrifugal_method_name(c->method), (int)c->body.len,
                    c->body.text, c->id);
    struct json_slice lines = { text, (size_t)n };
    CHECK(centrifugal_next(&lines, &again) == 1 && again.id == c->id && again.method == c->method);
    CHECK(again.body.len == c->body.len && memcmp(again.body.text, c->body.text, c->body.len) == 0);
    CHECK(centrifugal_next(&lines, &again) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = exactly(data, size);
    struct json_slice lines = { text, size };
    struct centrifugal_command c;
    from = text;
    end = text + size;
    while (centrifugal_next(&lines, &c) == 1) {
        CHECK(lines.text > from && lines.text + lines.len == end);
        CHECK(c.id > 0 || c.method == CENTRIFUGAL_PONG || c.method == CENTRIFUGAL_SEND);
        if (c.method != CENTRIFUGAL_PONG) {
            CHECK(lies_in(c.body, from, (size_t)(lines.text - from)) && c.body.text[0] == '{');
            check_request(c.body);
            check_again(&c);
        }
        from = lines.text;
    }
    free(text);
    return 0;
}
