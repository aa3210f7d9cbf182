/* SPDX-License-Identifier: MIT */
#include "wire/backend.h"
#include "base/json.h"
#include "base/mem.h"
#include "hub/claims.h"
#include "hub/content.h"
#include "wire/wire.h"
#include <string.h>

/* What a client may say may come back, in "result" and "data". */
enum { ANSWER_DEPTH_MOST = CONTENT_DEPTH_MOST + 2 };

static const double EXPIRY_MOST = 1e12; /* s: so its ms are whole numbers to a double */

enum { ERROR_LEAST = 100, ERROR_MOST = 1999, DISCONNECT_LEAST = 3000, DISCONNECT_MOST = 4999 };

/* Asking. */

void backend_put_text(struct buf *b, const char *name, const char *text, size_t len)
{
    buf_printf(b, ",\"%s\":", name);
    json_put_string(b, text, len);
}

void backend_put_json(struct buf *b, const char *name, struct json_slice value)
{
    if (value.text == NULL)
        return;
    buf_printf(b, ",\"%s\":", name);
    buf_put(b, value.text, value.len);
}

void backend_begin(struct buf *b, void *space, size_t size, const struct backend_who *who)
{
    buf_init(b, space, size);
    buf_printf(b, "{\"transport\":\"%s\",\"protocol\":\"json\",\"encoding\":\"json\"", who->transport);
    if (who->client != NULL)
        backend_put_text(b, "client", who->client, strlen(who->client));
    if (who->user != NULL)
        backend_put_text(b, "user", who->user, who->user_len);
    if (who->claims != NULL && who->claims->meta.len > 0)
        backend_put_json(b, "meta", (struct json_slice){ who->claims->meta.at, who->claims->meta.len });
}

char *backend_fields(const struct wire_site *site, const duet_request *r, bool *failed)
{
    struct buf b;
    *failed = false;
    if (site->hooks == NULL || site->hook_fields == NULL)
        return NULL;
    buf_init(&b, NULL, 0);
    for (char *const *name = site->hook_fields; *name != NULL; name++) {
        const char *value = duet_request_header(r, *name);
        if (value != NULL)
            buf_printf(&b, "%s: %s\r\n", *name, value);
    }
    bool some = b.len > 0;
    buf_put(&b, "", 1);
    char *fields = some && !b.failed ? mem_dup(b.at, b.len) : NULL;
    *failed = b.failed || (some && fields == NULL);
    buf_fini(&b);
    return fields;
}

/* Answers. */

struct json_slice backend_member(struct json_slice result, const char *name)
{
    struct json_slice key, value;
    if (result.text == NULL)
        return result;
    for (struct json_each e = json_each(result); json_next(&e, &key, &value);)
        if (json_is(key, name) && json_kind_of(value) != 'n')
            return value;
    return (struct json_slice){ NULL, 0 };
}

bool backend_flag(struct json_slice result, const char *name)
{
    struct json_slice value = backend_member(result, name);
    return value.text != NULL && json_kind_of(value) == 't';
}

static bool read_number(struct json_slice object, const char *name, double *out)
{
    struct json_slice value = backend_member(object, name);
    return value.text != NULL && json_kind_of(value) == '0' && json_number(value, out);
}

bool backend_expiry(struct json_slice result, uint64_t *at_ms)
{
    double seconds;
    *at_ms = 0;
    if (backend_member(result, "expire_at").text == NULL)
        return true;
    if (!read_number(result, "expire_at", &seconds) || seconds < 0 || seconds > EXPIRY_MOST)
        return false;
    *at_ms = (uint64_t)(seconds * 1000);
    return *at_ms > 0 || seconds == 0;
}

bool backend_renewal(struct json_slice result, uint64_t now_ms, uint64_t *at_ms, bool *over)
{
    struct json_slice expired = backend_member(result, "expired");
    char kind = expired.text != NULL ? json_kind_of(expired) : 'f';
    if (!backend_expiry(result, at_ms) || (kind != 't' && kind != 'f'))
        return false;
    *over = kind == 't' || (*at_ms > 0 && *at_ms <= now_ms);
    return true;
}

/* As much of a string as fits, in whole characters. False: it is none. */
static bool read_text(struct json_slice object, const char *name, char out[BACKEND_TEXT_MOST + 1])
{
    struct json_slice value = backend_member(object, name);
    out[0] = '\0';
    if (value.text == NULL)
        return true;
    char *all = json_kind_of(value) == '"' ? mem_alloc(value.len) : NULL;
    long len = all != NULL ? json_unquote(all, value) : -1;
    if (len >= 0) {
        size_t n = (size_t)len < BACKEND_TEXT_MOST ? (size_t)len : BACKEND_TEXT_MOST;
        while (n > 0 && n < (size_t)len && ((unsigned char)all[n] & 0xC0) == 0x80)
            n--;
        memcpy(out, all, n);
        out[n] = '\0';
    }
    mem_free(all);
    return len >= 0;
}

static bool read_said(struct backend_answer *out, struct json_slice object, enum backend_kind kind)
{
    bool ends = kind == BACKEND_DISCONNECT;
    double code;
    if (json_kind_of(object) != '{' || !read_number(object, "code", &code) ||
        code < (ends ? DISCONNECT_LEAST : ERROR_LEAST) || code > (ends ? DISCONNECT_MOST : ERROR_MOST) ||
        !read_text(object, ends ? "reason" : "message", out->text))
        return false;
    out->code = (int)code;
    out->temporary = backend_flag(object, "temporary");
    out->kind = kind;
    return true;
}

void backend_read(struct backend_answer *out, const struct hook_answer *a)
{
    struct json_slice root;
    *out = (struct backend_answer){ .kind = BACKEND_NOTHING };
    if (a->body == NULL || !json_check(a->body, a->len, ANSWER_DEPTH_MOST, &root) || json_kind_of(root) != '{')
        return;
    struct json_slice disconnect = backend_member(root, "disconnect"), error = backend_member(root, "error");
    struct json_slice result = backend_member(root, "result");
    if (disconnect.text != NULL) {
        read_said(out, disconnect, BACKEND_DISCONNECT);
    } else if (error.text != NULL) {
        read_said(out, error, BACKEND_ERROR);
    } else if (result.text != NULL && json_kind_of(result) == '{') {
        out->kind = BACKEND_RESULT;
        out->result = result;
    }
}

/* Claims. */

int backend_claims(struct hub_claims *out, struct json_slice result)
{
    static const char *const same[] = { "info", "meta", "channels", "subs", "caps", "override" };
    static const struct hub_token_rules rules;
    struct json_slice user = backend_member(result, "user");
    struct claims_times times;
    struct buf b;
    *out = (struct hub_claims){ 0 };
    buf_init(&b, NULL, 0);
    buf_puts(&b, "{\"sub\":");
    if (user.text != NULL)
        buf_put(&b, user.text, user.len);
    else
        buf_puts(&b, "\"\"");
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
        backend_put_json(&b, same[i], backend_member(result, same[i]));
    buf_puts(&b, "}");
    char *payload = b.failed ? NULL : mem_dup(b.at, b.len);
    size_t len = b.len;
    buf_fini(&b);
    int rc = payload ? claims_read(out, &times, &rules, payload, len) : DUET_ERR_NOMEM;
    return rc == 0 && backend_expiry(result, &out->expires_ms) ? HUB_OK : HUB_ERROR_INTERNAL;
}

void backend_put_line(struct buf *b, struct json_slice value)
{
    struct content content;
    if (content_take_json(&content, value.text, value.len) < 0) {
        b->failed = true;
        return;
    }
    buf_put(b, content.data, content.len);
    content_fini(&content);
}

void backend_tell(void *arg, const struct hub_event *e)
{
    static const struct {
        const char *type;
        enum hook_occupancy by;
    } kinds[] = {
        [HUB_EVENT_DISCONNECT] = { "disconnect", HOOK_NEITHER },
        [HUB_EVENT_LEAVE] = { "leave", HOOK_NEITHER },
        [HUB_EVENT_OCCUPIED] = { "occupied", HOOK_OCCUPIES },
        [HUB_EVENT_VACATED] = { HOOK_EVENT_VACATED, HOOK_VACATES },
    };
    const struct wire_site *site = arg;
    hooks_tell(site->hooks, &(struct hook_event){ .type = kinds[e->kind].type,
                                                  .by = kinds[e->kind].by,
                                                  .time_ms = e->time_ms,
                                                  .channel = e->channel,
                                                  .channel_len = e->channel_len,
                                                  .client = e->client,
                                                  .client_len = e->client_len,
                                                  .user = e->user,
                                                  .user_len = e->user_len });
}
