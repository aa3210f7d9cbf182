/* SPDX-License-Identifier: MIT */
#include "wire/centrifugal_command.h"
#include "base/mem.h"
#include <stddef.h>
#include <string.h>

enum { METHODS = CENTRIFUGAL_SUB_REFRESH };

static const char *const names[] = { [CENTRIFUGAL_PONG] = "pong",
#define NAME(name, text) [CENTRIFUGAL_##name] = text,
                                     CENTRIFUGAL_METHODS(NAME)
#undef NAME
};

const char *centrifugal_method_name(enum centrifugal_method m)
{
    return names[m];
}

/* Numbers: whole ones of digits alone, as they are written; nothing is rounded. */

static bool read_uint(struct json_slice value, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < value.len; i++)
        if (value.text[i] < '0' || value.text[i] > '9' || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(value.text[i] - '0'), out))
            return false;
    return value.len > 0;
}

static bool read_int(struct json_slice value, int64_t *out)
{
    bool negative = value.text[0] == '-';
    uint64_t n;
    if (!read_uint((struct json_slice){ value.text + negative, value.len - negative }, &n) || n > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

/* Commands. */

/* Most names have no escapes. */
static bool is(struct json_slice name, const char *word)
{
    size_t len = strlen(word);
    if (memchr(name.text, '\\', name.len) != NULL)
        return json_is(name, word);
    return name.len == len + 2 && memcmp(name.text + 1, word, len) == 0;
}

static enum centrifugal_method method_of(struct json_slice name)
{
    for (int m = 1; m <= METHODS; m++)
        if (is(name, names[m]))
            return (enum centrifugal_method)m;
    return CENTRIFUGAL_PONG;
}

static bool read_command(struct json_slice object, struct centrifugal_command *out)
{
    struct json_each each = json_each(object);
    struct json_slice name, value;
    bool has_id = false;
    *out = (struct centrifugal_command){ .id = 0 };
    if (json_kind_of(object) != '{')
        return false;
    while (json_next(&each, &name, &value)) {
        enum centrifugal_method m = method_of(name);
        if (m != CENTRIFUGAL_PONG) {
            if (out->method != CENTRIFUGAL_PONG || json_kind_of(value) != '{')
                return false;
            out->method = m;
            out->body = value;
        } else if (is(name, "id")) {
            uint64_t id;
            if (has_id || !read_uint(value, &id) || id > UINT32_MAX)
                return false;
            out->id = (uint32_t)id;
            has_id = true;
        }
    }
    /* Nothing at all is a pong; an id alone is nothing. */
    if (out->method == CENTRIFUGAL_PONG)
        return out->id == 0;
    return out->id > 0 || out->method == CENTRIFUGAL_SEND;
}

int centrifugal_next(struct json_slice *lines, struct centrifugal_command *out)
{
    struct json_slice object;
    while (lines->len > 0 && (*lines->text == '\n' || *lines->text == '\r')) {
        lines->text++;
        lines->len--;
    }
    if (lines->len == 0)
        return 0;
    const char *line = lines->text, *end = memchr(line, '\n', lines->len);
    size_t len = end ? (size_t)(end - line) : lines->len;
    lines->text += len;
    lines->len -= len;
    return json_check(line, len, CENTRIFUGAL_DEPTH, &object) && read_command(object, out) ? 1 : -1;
}

/* Requests. */

enum kind { TEXT, RAW, OBJECT, UINT, INT, BOOL };

static const struct field {
    const char *name;
    enum kind kind;
    size_t at;
} fields[] = {
#define FIELD(text, kind, member)                                                                                      \
    {                                                                                                                  \
        text, kind, offsetof(struct centrifugal_request, member)                                                       \
    }
    FIELD("token", TEXT, token),
    FIELD("name", TEXT, name),
    FIELD("version", TEXT, version),
    FIELD("channel", TEXT, channel),
    FIELD("method", TEXT, method),
    FIELD("epoch", TEXT, epoch),
    FIELD("delta", TEXT, delta),
    FIELD("data", RAW, data),
    FIELD("subs", OBJECT, subs),
    FIELD("headers", OBJECT, headers),
    FIELD("tf", OBJECT, filter),
    FIELD("since", OBJECT, since),
    FIELD("offset", UINT, offset),
    FIELD("flag", UINT, flag),
    FIELD("type", UINT, type),
    FIELD("limit", INT, limit),
    FIELD("recover", BOOL, recover),
    FIELD("positioned", BOOL, positioned),
    FIELD("recoverable", BOOL, recoverable),
    FIELD("join_leave", BOOL, join_leave),
    FIELD("reverse", BOOL, reverse),
#undef FIELD
};
enum { FIELDS = sizeof(fields) / sizeof(*fields) };

/* All that is unescaped fits into one block as long as the object. */
struct reading {
    struct centrifugal_request *to;
    size_t room, used;
};

static bool read_text(struct reading *r, struct json_slice value, struct json_slice *out)
{
    *out = (struct json_slice){ value.text + 1, value.len - 2 };
    if (memchr(out->text, '\\', out->len) == NULL)
        return true;
    if (r->to->memory == NULL && (r->to->memory = mem_alloc(r->room)) == NULL)
        return false;
    char *to = r->to->memory + r->used;
    long len = json_unquote(to, value);
    if (len < 0)
        return false;
    *out = (struct json_slice){ to, (size_t)len };
    r->used += (size_t)len;
    return true;
}

static bool read_field(struct reading *r, const struct field *f, struct json_slice value)
{
    void *to = (char *)r->to + f->at;
    char kind = json_kind_of(value);
    if (kind == 'n' && f->kind != RAW)
        return true; /* null is what is not said */
    switch (f->kind) {
    case TEXT:
        return kind == '"' && read_text(r, value, to);
    case OBJECT:
        *(struct json_slice *)to = value;
        return kind == '{';
    case UINT:
        return kind == '0' && read_uint(value, to);
    case INT:
        return kind == '0' && read_int(value, to);
    case BOOL:
        *(bool *)to = kind == 't';
        return kind == 't' || kind == 'f';
    default:
        *(struct json_slice *)to = value;
        return true;
    }
}

bool centrifugal_read(struct centrifugal_request *out, struct json_slice object)
{
    struct reading r = { .to = out, .room = object.len };
    struct json_each each = json_each(object);
    struct json_slice name, value;
    uint32_t seen = 0;
    *out = (struct centrifugal_request){ .object = object };
    while (json_next(&each, &name, &value))
        for (unsigned i = 0; i < FIELDS; i++)
            if (is(name, fields[i].name)) {
                if ((seen >> i & 1) || !read_field(&r, &fields[i], value))
                    return false;
                seen |= 1u << i;
            }
    return true;
}

void centrifugal_request_fini(struct centrifugal_request *r)
{
    mem_free(r->memory);
    r->memory = NULL;
}
