/* SPDX-License-Identifier: MIT */
#include "wire/params.h"
#include "base/digest.h"
#include "base/mem.h"
#include <string.h>

struct json_slice params_member(struct json_slice object, const char *name)
{
    struct json_slice key, value;
    struct json_each each = json_each(object);
    while (json_next(&each, &key, &value))
        if (json_is(key, name))
            return json_kind_of(value) == 'n' ? (struct json_slice){ NULL, 0 } : value;
    return (struct json_slice){ NULL, 0 };
}

bool params_text(struct json_slice object, const char *name, char *out, size_t cap, size_t *len)
{
    struct json_slice value = params_member(object, name);
    char all[6 * HUB_NAME_MOST + 2];
    *len = 0;
    if (value.text == NULL)
        return true;
    if (json_kind_of(value) != '"' || value.len > sizeof(all))
        return false;
    long n = json_unquote(all, value);
    if (n < 0 || (size_t)n > cap)
        return false;
    memcpy(out, all, (size_t)n);
    *len = (size_t)n;
    return true;
}

bool params_channel(struct json_slice params, char out[HUB_NAME_MOST], size_t *len)
{
    return params_text(params, "channel", out, HUB_NAME_MOST, len) && *len > 0;
}

bool params_flag(struct json_slice params, const char *name)
{
    struct json_slice value = params_member(params, name);
    return value.text != NULL && json_kind_of(value) == 't';
}

bool params_number(struct json_slice params, const char *name, int64_t *out)
{
    struct json_slice value = params_member(params, name);
    double number;
    *out = 0;
    if (value.text == NULL)
        return true;
    if (json_kind_of(value) != '0' || !json_number(value, &number) || number < -0x1p53 || number > 0x1p53)
        return false;
    *out = (int64_t)number;
    return (double)*out == number;
}

unsigned params_count(struct json_slice array, unsigned most)
{
    struct json_slice key, value;
    unsigned n = 0;
    if (array.text == NULL || json_kind_of(array) != '[')
        return 0;
    struct json_each each = json_each(array);
    while (json_next(&each, &key, &value))
        if (++n > most)
            return 0;
    return n;
}

enum hub_error params_bytes(struct params_bytes *out, struct json_slice value)
{
    if (json_kind_of(value) != '"')
        return HUB_ERROR_BAD_REQUEST;
    char *text = mem_alloc(value.len);
    out->at = mem_alloc(value.len);
    long len = text != NULL && out->at != NULL ? json_unquote(text, value) : -1;
    long n = len < 0 ? -1 : base64_decode(out->at, value.len, text, (size_t)len);
    enum hub_error error = text == NULL || out->at == NULL ? HUB_ERROR_INTERNAL
                           : n < 0                         ? HUB_ERROR_BAD_REQUEST
                                                           : HUB_OK;
    mem_free(text);
    out->len = n < 0 ? 0 : (size_t)n;
    return error;
}

enum hub_error params_json(struct params_json *out, struct json_slice params, const char *name, const char *b64name)
{
    struct json_slice plain = params_member(params, name), coded = params_member(params, b64name);
    enum hub_error error = HUB_OK;
    if (plain.text == NULL && coded.text == NULL)
        return HUB_OK;
    if (plain.text != NULL && coded.text != NULL)
        return HUB_ERROR_BAD_REQUEST;
    if (coded.text != NULL) {
        error = params_bytes(&out->bytes, coded);
        plain = (struct json_slice){ (const char *)out->bytes.at, out->bytes.len };
    }
    if (error != HUB_OK)
        return error;
    int rc = content_take_json(&out->content, plain.text, plain.len);
    return rc == 0 ? HUB_OK : rc == DUET_ERR_NOMEM ? HUB_ERROR_INTERNAL : HUB_ERROR_BAD_REQUEST;
}

void params_json_fini(struct params_json *j)
{
    content_fini(&j->content);
    mem_free(j->bytes.at);
}
