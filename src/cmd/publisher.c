/* SPDX-License-Identifier: MIT */
#include "cmd/publisher.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/jsonread.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/show.h"
#include "cmd/tool.h"
#include "hub/content.h"
#include "hub/slurp.h"
#include <curl/curl.h>
#include <duet/error.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { ANSWER_MOST = 1024 * 1024, ANSWER_DEPTH = 8, KEY_MOST = 1026, TEXT_MOST = 1024 };
static const long CONNECT_MS = 10000, SILENCE_S = 30;

struct publisher {
    struct publisher_config config;
    CURL *easy;
    struct curl_slist *headers;
    struct buf url, pins, answer;
    char *key;
    size_t key_len;
    uint64_t number; /* of messages so far */
    int result;
    bool given_up;
    char error[CURL_ERROR_SIZE];
};

/* Setting up. */

static size_t take(char *data, size_t size, size_t count, void *arg)
{
    struct publisher *p = arg;
    if (p->answer.len + size * count > ANSWER_MOST)
        return 0; /* which ends it */
    buf_put(&p->answer, data, size * count);
    return p->answer.failed ? 0 : size * count;
}

static int look(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct publisher *p = arg;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    p->given_up = p->config.interrupted(p->config.arg);
    return p->given_up;
}

static bool add_header(struct publisher *p, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line, NULL, 0);
    buf_printf(&line, *value != '\0' ? "%s: %s" : "%s;", name, value); /* ";": a field with nothing in it */
    buf_put(&line, "", 1);
    struct curl_slist *more = line.failed ? NULL : curl_slist_append(p->headers, line.at);
    buf_fini(&line);
    if (more != NULL)
        p->headers = more;
    return more != NULL;
}

static bool add_headers(struct publisher *p)
{
    const struct args *a = p->config.args;
    bool good = add_header(p, "Content-Type", "application/json") && curl_slist_append(p->headers, "Expect:") != NULL;
    for (size_t i = 0; good && a->headers[i].name != NULL; i++)
        good = add_header(p, a->headers[i].name, a->headers[i].value);
    if (good && a->origin != NULL)
        good = add_header(p, "Origin", a->origin);
    return good && (p->key == NULL || add_header(p, "X-API-Key", p->key));
}

static int read_key(struct publisher *p, char *why)
{
    const char *file = p->config.key_file;
    int rc = file != NULL ? slurp(&p->key, &p->key_len, file, KEY_MOST) : 0;
    if (rc < 0)
        snprintf(why, CMDLINE_WHY, "cannot read --api-key-file %.100s: %s", file, duet_strerror(rc));
    if (rc < 0 || file == NULL)
        return rc;
    p->key[slurp_secret_len(p->key, p->key_len)] = '\0';
    return p->key[0] != '\0' && strpbrk(p->key, "\r\n") == NULL
               ? 0
               : cmdline_wrong(why, "--api-key-file %.100s has no key of one line", file);
}

/* http://HOST/api/publish; of ws and wss the same server is meant. */
static int make_url(struct publisher *p, char *why)
{
    static const char *const schemes[][2] = {
        { "http://", "http://" }, { "https://", "https://" }, { "ws://", "http://" }, { "wss://", "https://" }
    };
    const char *url = p->config.url, *method = p->config.channels[1] != NULL ? "broadcast" : "publish";
    if (strncmp(url, "unix:", 5) == 0) {
        buf_printf(&p->url, "http://localhost/api/%s", method);
    } else {
        size_t i = 0;
        while (i < 4 && strncasecmp(url, schemes[i][0], strlen(schemes[i][0])) != 0)
            i++;
        if (i == 4 || strpbrk(url, "?#") != NULL)
            return cmdline_wrong(why, "with --channel the URL is the server's, such as http://127.0.0.1:8080");
        url += strlen(schemes[i][0]);
        size_t len = strlen(url);
        while (len > 0 && url[len - 1] == '/')
            len--;
        buf_printf(&p->url, "%s%.*s/api/%s", schemes[i][1], (int)len, url, method);
    }
    buf_put(&p->url, "", 1);
    return p->url.failed ? DUET_ERR_NOMEM : 0;
}

/* As curl has them: sha256//BASE64;sha256//BASE64 */
static bool make_pins(struct publisher *p)
{
    const char **pins = p->config.args->pins;
    for (size_t i = 0; pins[i] != NULL; i++)
        buf_printf(&p->pins, "%ssha256//%s", i > 0 ? ";" : "",
                   strncmp(pins[i], "sha256/", 7) == 0 ? pins[i] + 7 : pins[i]);
    buf_put(&p->pins, "", 1);
    return !p->pins.failed;
}

static bool set_text(CURL *e, CURLoption option, const char *text)
{
    return text == NULL || curl_easy_setopt(e, option, text) == CURLE_OK;
}

static bool set_up(struct publisher *p)
{
    const struct args *a = p->config.args;
    CURL *e = p->easy;
    char agent[64];
    snprintf(agent, sizeof(agent), "duet/%s", duet_version());
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, look);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, p);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->error);
    if (a->insecure) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    bool to_socket = strncmp(p->config.url, "unix:", 5) == 0;
    const char *proxy = to_socket || (a->proxy != NULL && strcmp(a->proxy, "none") == 0) ? "" : a->proxy;
    return set_text(e, CURLOPT_URL, p->url.at) && set_text(e, CURLOPT_PROTOCOLS_STR, "http,https") &&
           set_text(e, CURLOPT_USERAGENT, agent) && set_text(e, CURLOPT_PROXY, proxy) &&
           set_text(e, CURLOPT_CAINFO, a->ca) && set_text(e, CURLOPT_SSLCERT, a->cert) &&
           set_text(e, CURLOPT_SSLKEY, a->key) &&
           set_text(e, CURLOPT_PINNEDPUBLICKEY, p->pins.at[0] != '\0' ? p->pins.at : NULL) &&
           set_text(e, CURLOPT_UNIX_SOCKET_PATH, to_socket ? p->config.url + 5 : NULL);
}

int publisher_new(struct publisher **out, const struct publisher_config *config, char why[CMDLINE_WHY])
{
    struct publisher *p = mem_zalloc(sizeof(*p));
    snprintf(why, CMDLINE_WHY, "out of memory");
    if (p == NULL)
        return DUET_ERR_NOMEM;
    p->config = *config;
    buf_init(&p->url, NULL, 0);
    buf_init(&p->pins, NULL, 0);
    buf_init(&p->answer, NULL, 0);
    int rc = read_key(p, why);
    if (rc == 0)
        rc = make_url(p, why);
    if (rc == 0) {
        p->easy = curl_easy_init();
        rc = p->easy != NULL && make_pins(p) && add_headers(p) && set_up(p) ? 0 : DUET_ERR_NOMEM;
    }
    if (rc < 0) {
        publisher_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

/* Asking. */

static void put_channels(struct publisher *p, struct buf *b)
{
    const char *const *channels = p->config.channels;
    buf_puts(b, channels[1] != NULL ? "{\"channels\":[" : "{\"channel\":");
    for (size_t i = 0; channels[i] != NULL; i++) {
        buf_puts(b, i > 0 ? "," : "");
        json_put_string(b, channels[i], strlen(channels[i]));
    }
    buf_puts(b, channels[1] != NULL ? "]" : "");
}

static void put_base64(struct buf *b, const void *data, size_t len)
{
    buf_puts(b, ",\"b64data\":\"");
    if (buf_reserve(b, (len + 2) / 3 * 4 + 1))
        b->len += base64_encode(b->at + b->len, data, len);
    buf_puts(b, "\"");
}

static void put_request(struct publisher *p, struct buf *b, const struct content *message)
{
    put_channels(p, b);
    if (message->kind == HUB_BINARY) {
        put_base64(b, message->data, message->len);
    } else if (message->kind == HUB_JSON) {
        buf_puts(b, ",\"data\":");
        buf_put(b, message->data, message->len);
    } else {
        buf_puts(b, ",\"text\":");
        json_put_string(b, message->data, message->len);
    }
    if (p->config.idempotency_key != NULL) {
        char number[24];
        snprintf(number, sizeof(number), "-%" PRIu64, p->number);
        struct buf key;
        buf_init(&key, NULL, 0);
        buf_puts(&key, p->config.idempotency_key);
        buf_puts(&key, number);
        buf_puts(b, ",\"idempotency_key\":");
        json_put_string(b, key.at, key.len);
        b->failed |= key.failed;
        buf_fini(&key);
    }
    buf_puts(b, "}");
}

/* What came back. */

/* `channel` is NULL where it is none of them in particular. */
static void fail(struct publisher *p, int result, const char *channel, const char *what, const char *theirs, size_t len)
{
    if (p->result == 0)
        p->result = result;
    fprintf(stderr, "%s: message %" PRIu64 " was not published", p->config.name, p->number);
    if (channel != NULL) {
        fputs(" in ", stderr);
        show_safe(stderr, channel, strlen(channel));
    }
    fprintf(stderr, ": %s", what);
    show_safe(stderr, theirs, len);
    fputc('\n', stderr);
}

static struct json_slice member(struct json_slice object, const char *name)
{
    struct json_slice key, value;
    if (object.text == NULL || json_kind_of(object) != '{')
        return (struct json_slice){ NULL, 0 };
    for (struct json_each each = json_each(object); json_next(&each, &key, &value);)
        if (json_is(key, name))
            return value;
    return (struct json_slice){ NULL, 0 };
}

/* {"error":{"code":...,"message":...}} or {"result":...}. False: it is neither. */
static bool judge(struct publisher *p, struct json_slice answer, const char *channel)
{
    struct json_slice error = member(answer, "error"), message = member(error, "message");
    double code = 0;
    char text[TEXT_MOST], what[64];
    if (error.text == NULL)
        return member(answer, "result").text != NULL;
    struct json_slice number = member(error, "code");
    if (number.text == NULL || json_kind_of(number) != '0' || !json_number(number, &code))
        return false;
    long len = message.text != NULL && message.len <= sizeof(text) && json_kind_of(message) == '"'
                   ? json_unquote(text, message)
                   : 0;
    snprintf(what, sizeof(what), "error %.0f, ", code);
    fail(p, TOOL_FAILED, channel, what, text, len > 0 ? (size_t)len : 0);
    return true;
}

static bool judge_all(struct publisher *p, struct json_slice answer)
{
    const char *const *channels = p->config.channels;
    struct json_slice responses = member(member(answer, "result"), "responses"), key, value;
    size_t i = 0;
    if (responses.text == NULL || channels[1] == NULL)
        return judge(p, answer, channels[1] != NULL ? NULL : channels[0]);
    if (json_kind_of(responses) != '[')
        return false;
    for (struct json_each each = json_each(responses); json_next(&each, &key, &value); i++)
        if (channels[i] == NULL || !judge(p, value, channels[i]))
            return false;
    return channels[i] == NULL;
}

static void read_answer(struct publisher *p)
{
    struct json_slice answer;
    long status = 0;
    curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
    const char *text = p->answer.at, *end = p->answer.len > 0 ? memchr(text, '\n', p->answer.len) : NULL;
    if (status != 200) {
        char what[64];
        snprintf(what, sizeof(what), "the server answers with status %ld: ", status);
        fail(p, TOOL_REFUSED, NULL, what, text, end != NULL ? (size_t)(end - text) : p->answer.len);
    } else if (!json_check(text, p->answer.len, ANSWER_DEPTH, &answer) || !judge_all(p, answer)) {
        fail(p, TOOL_REFUSED, NULL, "the answer is not that of an API", "", 0);
    }
}

static void perform(struct publisher *p)
{
    p->error[0] = '\0';
    p->answer.len = 0;
    CURLcode rc = curl_easy_perform(p->easy);
    const char *why = p->error[0] != '\0' ? p->error : curl_easy_strerror(rc);
    bool usage = rc == CURLE_URL_MALFORMAT || rc == CURLE_SSL_CERTPROBLEM || rc == CURLE_SSL_CACERT_BADFILE;
    if (rc == CURLE_OK)
        read_answer(p);
    else if (p->given_up)
        fail(p, TOOL_FAILED, NULL, "interrupted; it may have been, since no answer came", "", 0);
    else
        fail(p, usage ? TOOL_USAGE : TOOL_UNREACHED, NULL, "", why, strlen(why));
}

int publisher_send(struct publisher *p, duet_type type, const void *data, size_t len)
{
    struct content message;
    struct buf b;
    if (type == DUET_TEXT && !utf8_valid(data, len))
        return DUET_ERR_UTF8;
    if (content_take(&message, type, data, len) < 0)
        return DUET_ERR_NOMEM;
    p->number++;
    buf_init(&b, NULL, 0);
    put_request(p, &b, &message);
    content_fini(&message);
    if (b.failed) {
        buf_fini(&b);
        return DUET_ERR_NOMEM;
    }
    curl_easy_setopt(p->easy, CURLOPT_POSTFIELDS, b.at);
    curl_easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)b.len);
    perform(p);
    buf_fini(&b);
    return p->result == 0 ? 0 : DUET_ERR_CLOSED;
}

int publisher_result(const struct publisher *p)
{
    return p->result;
}

void publisher_free(struct publisher *p)
{
    if (p == NULL)
        return;
    if (p->easy != NULL)
        curl_easy_cleanup(p->easy);
    curl_slist_free_all(p->headers);
    slurp_wipe(p->key, p->key_len);
    buf_fini(&p->url);
    buf_fini(&p->pins);
    buf_fini(&p->answer);
    mem_free(p);
}
