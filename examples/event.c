/* SPDX-License-Identifier: MIT */
/*
 * The hall of a virtual event: the backend of web/apps/event/. It counts, so that thousands can speak and everybody
 * still hears few words.
 *
 *     thousands of pages --> floor:hall --> this program, who alone listens there
 *     all of them        <-- event:hall <-- how things stand, at most four times a second
 *
 * A page does not say what happened but how it stands with it: {id, name, hand, vote: {poll, option}, claps: [n, ...]},
 * where claps are all since it opened and a hand that is up has a tag, another each time. So a word that comes twice
 * changes nothing, one that was lost is made good by the next, and after a cut a page just says it again. It says it
 * every 20 s anyway: who is silent for a minute has left.
 *
 * What the hall is told is all of it, too, so that the last word is enough for who comes late:
 *
 *     {run, now, people, at, of, slide, poll: {number, question, options, votes, open, quiz, ends, right}, hands,
 * raised, claps, best, down}
 *
 * The host speaks on the floor, too: {do: "show", at, of, slide, ask}, {do: "close"}, {do: "lower", hand}. With
 * EVENT_HOST it has to be that user, by its token; without, anybody is host. DUET_URL says where the server is,
 * DUET_TOKEN_SECRET signs the token with which this program may listen on the floor and speak to the hall.
 */
#include "token.h"
#include <duet/duet.h>
#include <jansson.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TELL_MS = 250,
    READ_MS = 1000, /* what was told before us comes by then, unless it is too old to be kept */
    SILENT_MS = 60000,
    PEOPLE_MOST = 16384, /* a power of two: the table is never more than half full */
    PLACES = 2 * PEOPLE_MOST,
    OPTIONS_MOST = 8,
    CLAPS = 4,          /* kinds of them */
    CLAPS_AT_ONCE = 50, /* of one page and kind, in one word */
    HANDS_TOLD = 12,
    DOWN_TOLD = 20,
    BEST_TOLD = 5,
    NAME_MOST = 4 * 32, /* bytes */
    POINTS = 500,       /* for what is right, and as much again for being fast */
    QUIZ_MOST_S = 600,
};

struct person {
    uint64_t id;                 /* 0: the place is free */
    long long heard_ms, hand_ms; /* hand_ms: since when the hand is up */
    char hand[17];               /* its tag; "": it is down */
    bool lowered;                /* by the host, and its page has not heard of it yet */
    json_int_t claps[CLAPS], poll, points;
    int option; /* of its vote in `poll` */
    long long answered_ms;
    char name[NAME_MOST + 1];
};

struct poll {
    json_int_t number; /* counts up, so that no vote is taken for another's; 0: there is none yet */
    json_t *question, *options;
    json_int_t votes[OPTIONS_MOST];
    int count, right; /* right: -1: it is no quiz */
    bool open;
    long long began_ms, ends_ms; /* ends_ms 0: when the host says so */
};

static struct {
    struct person people[PLACES];
    int known;
    struct poll poll;
    json_t *slide, *best, *down; /* down: tags of hands that the host put down */
    json_int_t at, of, claps[CLAPS];
    char run[17];
    bool changed;
    bool read; /* what was told the hall before we came: until then nothing is */
    long long greeted_ms;
    long long told_ms;
    duet_client *hall, *floor;
    duet_timer *timer;
    const char *host; /* NULL: anybody */
} me;

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* People. */

static struct person *place_of(uint64_t id)
{
    size_t i = ((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % PLACES;
    while (me.people[i].id != 0 && me.people[i].id != id)
        i = (i + 1) % PLACES;
    return &me.people[i];
}

static bool is_here(const struct person *p, long long now)
{
    return p->id != 0 && now - p->heard_ms < SILENT_MS;
}

/* Those who have left, to make room. What they voted stays counted. */
static void forget_silent(void)
{
    struct person *old = malloc(sizeof(me.people));
    long long now = now_ms();
    if (old == NULL)
        return;
    memcpy(old, me.people, sizeof(me.people));
    memset(me.people, 0, sizeof(me.people));
    me.known = 0;
    for (int i = 0; i < PLACES; i++)
        if (is_here(&old[i], now)) {
            *place_of(old[i].id) = old[i];
            me.known++;
        }
    free(old);
}

/* By its id, 16 hex digits; a new one if there is room. NULL: there is none, or that is no id. */
static struct person *find(const char *id, bool *fresh)
{
    char *end;
    uint64_t number = strlen(id) == 16 ? strtoull(id, &end, 16) : 0;
    if (number == 0 || *end != 0)
        return NULL;
    struct person *p = place_of(number);
    if (p->id != 0)
        return p;
    if (me.known >= PEOPLE_MOST) {
        forget_silent();
        p = place_of(number);
    }
    if (me.known >= PEOPLE_MOST)
        return NULL;
    me.known++;
    *fresh = true;
    *p = (struct person){ .id = number };
    return p;
}

/* What a page clapped before we knew it is not news; what is more than hands can do is not believed. */
static void clap(struct person *p, const json_t *claps, bool fresh)
{
    for (size_t i = 0; i < CLAPS; i++) {
        json_int_t all = json_integer_value(json_array_get(claps, i)), more = all - p->claps[i];
        if (more <= 0)
            continue;
        p->claps[i] = all;
        me.claps[i] += fresh ? 0 : more > CLAPS_AT_ONCE ? CLAPS_AT_ONCE : more;
        me.changed = me.changed || !fresh;
    }
}

/* A vote may be changed while the poll is open; the first answer of a quiz stays. */
static void vote(struct person *p, const json_t *vote, long long now)
{
    const json_t *option = json_object_get(vote, "option");
    json_int_t which = json_integer_value(option);
    if (!me.poll.open || !json_is_integer(option) || which < 0 || which >= me.poll.count ||
        number_of(vote, "poll") != me.poll.number)
        return;
    bool voted = p->poll == me.poll.number;
    if (voted && (me.poll.right >= 0 || p->option == which))
        return;
    if (voted)
        me.poll.votes[p->option]--;
    me.poll.votes[which]++;
    p->poll = me.poll.number;
    p->option = (int)which;
    p->answered_ms = now;
    me.changed = true;
}

static void person_says(const json_t *said)
{
    bool fresh = false;
    const char *name = text_of(said, "name"), *hand = text_of(said, "hand");
    long long now = now_ms();
    struct person *p =
        strlen(name) <= NAME_MOST && strlen(hand) < sizeof(p->hand) ? find(text_of(said, "id"), &fresh) : NULL;
    if (p == NULL)
        return;
    if (strcmp(hand, p->hand) != 0) {
        snprintf(p->hand, sizeof(p->hand), "%s", hand);
        p->hand_ms = now;
        p->lowered = false;
        me.changed = true;
    }
    me.changed = me.changed || !is_here(p, now);
    p->heard_ms = now;
    snprintf(p->name, sizeof(p->name), "%s", name);
    clap(p, json_object_get(said, "claps"), fresh);
    vote(p, json_object_get(said, "vote"), now);
}

/* The quiz. */

static bool is_better(const struct person *p, const struct person *than)
{
    return than == NULL || p->points > than->points || (p->points == than->points && p->id < than->id);
}

/* The first few, each the best of those behind the one before. */
static json_t *find_best(void)
{
    json_t *list = json_array();
    const struct person *last = NULL;
    for (int n = 0; n < BEST_TOLD; n++) {
        const struct person *best = NULL;
        for (int i = 0; i < PLACES; i++) {
            const struct person *p = &me.people[i];
            if (p->id != 0 && p->points > 0 && p != last && (last == NULL || is_better(last, p)) && is_better(p, best))
                best = p;
        }
        if (best == NULL)
            break;
        json_array_append_new(list, json_pack("{ss sI}", "name", best->name, "points", best->points));
        last = best;
    }
    return list;
}

static void close_poll(void)
{
    if (!me.poll.open)
        return;
    me.poll.open = false;
    me.changed = true;
    long long length = me.poll.ends_ms - me.poll.began_ms;
    for (int i = 0; me.poll.right >= 0 && i < PLACES; i++) {
        struct person *p = &me.people[i];
        if (p->id != 0 && p->poll == me.poll.number && p->option == me.poll.right)
            p->points += POINTS + (length > 0 ? POINTS * (me.poll.ends_ms - p->answered_ms) / length : 0);
    }
    if (me.poll.right >= 0) {
        json_decref(me.best);
        me.best = find_best();
    }
}

/* {question, options, right, seconds}: the latter two make it a quiz. */
static void ask(const json_t *what)
{
    json_t *options = json_object_get(what, "options"), *right = json_object_get(what, "right");
    json_int_t seconds = number_of(what, "seconds");
    size_t count = json_array_size(options);
    if (count < 2 || count > OPTIONS_MOST)
        return;
    long long now = now_ms();
    json_decref(me.poll.question);
    json_decref(me.poll.options);
    me.poll = (struct poll){ .number = me.poll.number + 1,
                             .count = (int)count,
                             .open = true,
                             .began_ms = now,
                             .right = -1,
                             .question = json_incref(json_object_get(what, "question")),
                             .options = json_incref(options) };
    if (json_is_integer(right) && seconds > 0 && seconds <= QUIZ_MOST_S) {
        me.poll.right = (int)(json_integer_value(right) % (json_int_t)count);
        me.poll.ends_ms = now + 1000 * seconds;
    }
}

/* The host. */

static void show(const json_t *said)
{
    json_t *slide = json_object_get(said, "slide"), *question = json_object_get(said, "ask");
    if (!json_is_object(slide) || number_of(said, "at") == me.at)
        return;
    close_poll();
    json_decref(me.slide);
    me.slide = json_incref(slide);
    me.at = number_of(said, "at");
    me.of = number_of(said, "of");
    me.changed = true;
    if (json_is_object(question))
        ask(question);
    else
        me.poll.count = 0; /* the number stays: the next one is another */
}

static void lower(const char *hand)
{
    for (int i = 0; *hand != 0 && i < PLACES; i++)
        if (strcmp(me.people[i].hand, hand) == 0)
            me.people[i].lowered = true;
    json_array_append_new(me.down, json_string(hand));
    if (json_array_size(me.down) > DOWN_TOLD)
        json_array_remove(me.down, 0);
}

static void host_says(const json_t *said, const char *what, const char *user)
{
    if (me.host != NULL && strcmp(user, me.host) != 0)
        return;
    if (strcmp(what, "show") == 0)
        show(said);
    else if (strcmp(what, "close") == 0)
        close_poll();
    else if (strcmp(what, "lower") == 0)
        lower(text_of(said, "hand"));
    me.changed = true;
}

static void heard_floor(duet_conn *c, const duet_msg *m)
{
    (void)c;
    json_t *item = json_loadb(m->data, m->len, 0, NULL);
    const json_t *said = json_object_get(item, "data");
    const char *what = text_of(said, "do");
    if (*what != 0)
        host_says(said, what, text_of(json_object_get(item, "who"), "user"));
    else if (said != NULL)
        person_says(said);
    json_decref(item);
}

/* Telling the hall. */

/* The hands that are up, the first that was up first; and how many that are. */
static int first_hands(const struct person *first[HANDS_TOLD], int *people, long long now)
{
    int raised = 0;
    for (int i = 0; i < PLACES; i++) {
        const struct person *p = &me.people[i];
        if (!is_here(p, now))
            continue;
        ++*people;
        if (p->hand[0] == 0 || p->lowered)
            continue;
        int at = raised++ < HANDS_TOLD ? raised - 1 : HANDS_TOLD;
        for (; at > 0 && p->hand_ms < first[at - 1]->hand_ms; at--)
            if (at < HANDS_TOLD)
                first[at] = first[at - 1];
        if (at < HANDS_TOLD)
            first[at] = p;
    }
    return raised;
}

static json_t *numbers(const json_int_t *values, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_integer(values[i]));
    return list;
}

static json_t *poll_as_told(void)
{
    const struct poll *p = &me.poll;
    if (p->count == 0)
        return json_null();
    json_t *told = json_pack("{sI sO sO so sb sb sI}", "number", p->number, "question", p->question, "options",
                             p->options, "votes", numbers(p->votes, p->count), "open", p->open, "quiz", p->right >= 0,
                             "ends", (json_int_t)p->ends_ms);
    if (!p->open && p->right >= 0)
        json_object_set_new(told, "right", json_integer(p->right));
    return told;
}

static json_t *standing(long long now)
{
    const struct person *first[HANDS_TOLD];
    json_t *hands = json_array();
    int people = 0, raised = first_hands(first, &people, now);
    for (int i = 0; i < raised && i < HANDS_TOLD; i++)
        json_array_append_new(hands, json_pack("{ss ss}", "hand", first[i]->hand, "name", first[i]->name));
    return json_pack("{ss sI si sI sI sO so so si so sO sO}", "run", me.run, "now", (json_int_t)now, "people", people,
                     "at", me.at, "of", me.of, "slide", me.slide, "poll", poll_as_told(), "hands", hands, "raised",
                     raised, "claps", numbers(me.claps, CLAPS), "best", me.best, "down", me.down);
}

static void tell(long long now)
{
    /* Who hears us says how it stands with him, so we listen first. */
    duet_conn *c = me.read && duet_client_conn(me.floor) != NULL ? duet_client_conn(me.hall) : NULL;
    json_t *said = c != NULL && !duet_congested(c) ? standing(now) : NULL;
    char *line = said ? json_dumps(said, JSON_COMPACT) : NULL;
    if (line != NULL && duet_send(c, DUET_TEXT, line, strlen(line)) == 0) {
        me.changed = false;
        me.told_ms = now;
    }
    free(line);
    json_decref(said);
}

/* Also without news now and then, so that who has left is not counted for ever. */
static void due(void *arg)
{
    long long now = now_ms();
    (void)arg;
    me.read = me.read || (me.greeted_ms > 0 && now - me.greeted_ms > READ_MS);
    if (me.poll.ends_ms > 0 && now >= me.poll.ends_ms)
        close_poll();
    if (me.changed || now - me.told_ms > SILENT_MS / 6)
        tell(now);
    duet_timer_set(me.timer, TELL_MS);
}

/* Where the one before us left the slides. People say again how it stands with them. */
static void take_over(const json_t *told)
{
    json_t *slide = json_object_get(told, "slide"), *poll = json_object_get(told, "poll");
    if (json_object_size(slide) == 0)
        return;
    json_decref(me.slide);
    me.slide = json_incref(slide);
    me.at = number_of(told, "at");
    me.of = number_of(told, "of");
    me.poll.number = number_of(poll, "number");
    if (json_is_true(json_object_get(poll, "open"))) {
        me.poll.number--; /* so that it has the same again */
        ask(poll);        /* a quiz goes on as a poll: what is right was with the one before */
    }
    me.changed = true;
}

/* The first message is a greeting, the second what was told last, if that is kept. Later ones are our own words. */
static void heard_hall(duet_conn *c, const duet_msg *m)
{
    (void)c;
    json_t *item = json_loadb(m->data, m->len, 0, NULL);
    if (json_object_get(item, "channel") != NULL)
        me.greeted_ms = now_ms();
    else if (!me.read)
        take_over(json_object_get(item, "data"));
    me.read = me.read || json_object_get(item, "data") != NULL;
    json_decref(item);
}

static void failed(duet_client *client, const duet_failure *why)
{
    (void)client;
    fprintf(stderr, "event: %s\n", why->detail);
}

/* A line of our own to a channel, which comes back when it is lost. */
static int connect_to(duet_client **out, duet_loop *loop, const char *path, const duet_header *headers,
                      void (*heard)(duet_conn *c, const duet_msg *m))
{
    static const char *const subprotocols[] = { "duet.v1", NULL };
    const char *base = getenv("DUET_URL");
    char url[300], why[200];
    snprintf(url, sizeof(url), "%s%s", base ? base : "ws://127.0.0.1:8080", path);
    duet_client_config config = { DUET_CLIENT_CONFIG_INIT,
                                  .url = url,
                                  .subprotocols = subprotocols,
                                  .headers = headers,
                                  .on = { .message = heard },
                                  .failed = failed,
                                  .retry = true,
                                  .retry_first_ms = 200,
                                  .retry_most_ms = 2000 };
    int rc = duet_connect(out, loop, &config, why);
    if (rc < 0)
        fprintf(stderr, "event: %s\n", why);
    return rc;
}

static int run(const duet_header *headers)
{
    duet_loop *loop = NULL;
    int rc = duet_loop_new(&loop);
    if (rc == 0 && (me.timer = duet_timer_new(loop, due, NULL)) == NULL)
        rc = DUET_ERR_NOMEM;
    if (rc == 0)
        rc = connect_to(&me.hall, loop, "/channel/event:hall?last=1", headers, heard_hall);
    if (rc == 0)
        rc = connect_to(&me.floor, loop, "/channel/floor:hall", headers, heard_floor);
    if (rc == 0) {
        duet_timer_set(me.timer, TELL_MS);
        rc = duet_loop_run(loop);
    }
    duet_client_free(me.floor);
    duet_client_free(me.hall);
    duet_timer_free(me.timer);
    duet_loop_free(loop);
    return rc;
}

int main(void)
{
    static char bearer[TOKEN_SIZE + 8] = "Bearer ";
    const duet_header headers[] = { { "Authorization", bearer }, { NULL, NULL } };
    char payload[TOKEN_PAYLOAD_MOST];
    snprintf(payload, sizeof(payload),
             "{\"sub\":\"hall\",\"exp\":%lld,\"caps\":[{\"allow\":[\"sub\",\"pub\"],\"match\":\"wildcard\","
             "\"channels\":[\"event:*\",\"floor:*\"]}]}",
             now_ms() / 1000 + 365 * 86400);
    if (make_token(bearer + strlen(bearer), getenv("DUET_TOKEN_SECRET"), payload) < 0) {
        fprintf(stderr, "event: DUET_TOKEN_SECRET is to be the server's secret for tokens\n");
        return 2;
    }
    me.host = getenv("EVENT_HOST");
    me.slide = json_object();
    me.best = json_array();
    me.down = json_array();
    snprintf(me.run, sizeof(me.run), "%llx", now_ms());
    return run(headers) < 0;
}
