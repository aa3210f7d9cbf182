/* SPDX-License-Identifier: MIT */
#include "hook/transfer.h"
#include "base/mem.h"
#include <duet/duet.h>
#include <stdio.h>
#include <string.h>

static size_t take(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    if (t->answer.len + size * count > TRANSFER_ANSWER_MOST) {
        t->too_long = true;
        return 0; /* which ends it */
    }
    buf_put(&t->answer, data, size * count);
    return t->answer.failed ? 0 : size * count;
}

static bool add_header(struct transfer *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->headers, line);
    if (more == NULL)
        return false;
    t->headers = more;
    return true;
}

static bool add_fields(struct transfer *t, const char *fields)
{
    while (fields != NULL && *fields != '\0') {
        size_t len = strcspn(fields, "\r\n");
        char *line = mem_dup(fields, len + 1);
        if (line != NULL)
            line[len] = '\0';
        bool good = line != NULL && add_header(t, line);
        mem_free(line);
        if (!good)
            return false;
        fields += len + strspn(fields + len, "\r\n");
    }
    return true;
}

/* All that can be said without memory. */
static void set_up(struct transfer *t, const struct transfer_want *want)
{
    CURL *e = t->easy;
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body.at);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)want->timeout_ms);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)want->timeout_ms);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(e, CURLOPT_PRIVATE, want->owner);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 16L * 1024);
}

/* What takes memory for its text. */
static bool set_texts(struct transfer *t, const struct transfer_want *want)
{
    char agent[64];
    snprintf(agent, sizeof(agent), "duet/%s", duet_version());
    return curl_easy_setopt(t->easy, CURLOPT_URL, want->url) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_USERAGENT, agent) == CURLE_OK;
}

int transfer_begin(struct transfer *t, CURLM *multi, const struct transfer_want *want)
{
    buf_init(&t->answer, NULL, 0);
    t->easy = curl_easy_init();
    bool good = t->easy != NULL && add_header(t, "Content-Type: application/json") &&
                add_header(t, "Accept: application/json") && add_header(t, "Expect:") && add_fields(t, want->fields) &&
                set_texts(t, want);
    if (good) {
        set_up(t, want);
        good = curl_multi_add_handle(multi, t->easy) == CURLM_OK;
    }
    if (good)
        return 0;
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
    return DUET_ERR_NOMEM;
}

bool transfer_end(struct transfer *t, CURLcode result, char why[TRANSFER_WHY])
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->too_long)
        snprintf(why, TRANSFER_WHY, "its answer has more than %d bytes", TRANSFER_ANSWER_MOST);
    else if (result != CURLE_OK)
        snprintf(why, TRANSFER_WHY, "%.150s", t->error[0] != '\0' ? t->error : curl_easy_strerror(result));
    else if (status != 200)
        snprintf(why, TRANSFER_WHY, "it answered with status %ld", status);
    else
        return true;
    return false;
}

void transfer_fini(struct transfer *t, CURLM *multi)
{
    if (t->easy != NULL) {
        curl_multi_remove_handle(multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    t->easy = NULL;
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    buf_fini(&t->body);
    buf_fini(&t->answer);
}
