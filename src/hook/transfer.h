/* SPDX-License-Identifier: MIT */
/*
 * One request to a backend: JSON by POST, and its answer. Nothing is followed, no proxy of the environment is used,
 * and an answer has 64 KiB at most (HUB-15). On the thread that turns the multi handle.
 */
#ifndef HOOK_TRANSFER_H
#define HOOK_TRANSFER_H

#include "base/buf.h"
#include <curl/curl.h>

enum { TRANSFER_ANSWER_MOST = 64 * 1024, TRANSFER_WHY = 200 };

struct transfer {
    CURL *easy; /* NULL: it has not begun */
    struct curl_slist *headers;
    struct buf body, answer;
    bool too_long;
    char error[CURL_ERROR_SIZE];
};

struct transfer_want {
    const char *url;
    unsigned timeout_ms;
    const char *fields; /* more of its head, "Name: value\r\n" each; NULL: none */
    void *owner;        /* of the easy handle: CURLINFO_PRIVATE */
};

/* Puts `t->body` on its way; `t` stays where it is until transfer_fini(). 0 or DUET_ERR_NOMEM. */
int transfer_begin(struct transfer *t, CURLM *multi, const struct transfer_want *want);
/* It is over. True: the answer is there, with status 200; else `why`. */
bool transfer_end(struct transfer *t, CURLcode result, char why[TRANSFER_WHY]);
/* Also of one that is on its way: then it is broken off. */
void transfer_fini(struct transfer *t, CURLM *multi);

#endif
