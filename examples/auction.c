/* SPDX-License-Identifier: MIT */
/*
 * The auctioneer: the backend of web/apps/auction/. It decides, and `duet serve` carries.
 *
 *     a bidder's page --> duet serve -- publish hook, HTTP --> is it a bid, high enough, in time?
 *                                    <-- yes, and as all shall see it: its number, the new end
 *     the auctioneer's own WebSocket --> opens a lot, lets the hammer fall
 *
 * Each thing said in the channel tells all about where the lot stands, so the channel's history is the book: whoever
 * comes late needs only its last line, and so does an auctioneer that starts again. Answers of the hook overtake each
 * other and may come too late to be published, so bids are numbered; and one that does not soon come back by the
 * auctioneer's own WebSocket is published there. Pages take each number once.
 *
 * DUET_URL says where the server is (ws://127.0.0.1:8080), DUET_LISTEN where to answer its hook (ws://127.0.0.1:8083).
 * AUCTION_LOT_S and AUCTION_EXTEND_S are the length of a lot, and the seconds that are left after a late bid.
 */
#include <duet/duet.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROOM "auction:room"

enum {
    PAUSE_MS = 5000,    /* between two lots */
    LATE_MS = 1500,     /* an accepted bid that has not come back by then we publish; more than hooks.timeout */
    LOOK_MS = 250,      /* how often that is looked at, at least */
    READ_MS = 500,      /* the end of the book comes in one go as our line opens */
    UNSEEN_MOST = 256,  /* accepted bids that may be under way */
    NAME_MOST = 4 * 32, /* bytes */
    KEY_LEAST = 16,     /* a bidder's secret */
    AMOUNT_MOST = 100000000,
    PADDLE_BYTES = 8,
};

static const struct lot {
    const char *title, *text, *picture;
    int start, step;
} lots[] = {
    { "Brass sextant", "By a Liverpool maker, about 1890, with its case and two eyepieces.", "sextant", 120, 10 },
    { "Bentwood rocking chair", "Steamed beech, cane renewed once, the runners worn even.", "chair", 80, 5 },
    { "Ship in a bottle", "A three-master in a gin bottle, the sea of putty. Unsigned.", "bottle", 40, 5 },
    { "Station clock", "Two faces, slave movement, from a halt that is closed since 1966.", "clock", 300, 20 },
    { "Cello bow", "Pernambuco, silver mounted, a player's bow and played.", "bow", 500, 25 },
    { "Map of an unknown island", "Copper engraving, coloured by hand. Nobody has found it.", "map", 60, 5 },
};
enum { LOTS = sizeof(lots) / sizeof(*lots) };

enum phase { OPEN, SOLD };

/* Where a lot stands. Each bid makes n one more, and the hammer ends it. */
struct standing {
    enum phase phase;
    json_int_t number, n, amount;
    json_int_t ends_ms; /* SOLD: when the next lot begins */
    char name[NAME_MOST + 1], paddle[NAME_MOST + 1];
};

/* A bid that was accepted and is not published yet. */
struct unseen {
    json_int_t number, n;
    long long since_ms;
    char *line; /* what is to be published; NULL: the place is free */
};

static struct {
    struct standing now, heard; /* heard: as far as it came back to us, which is as far as the book goes */
    struct unseen unseen[UNSEEN_MOST];
    long long said_ms;    /* when we said last how it stands */
    char client[64];      /* our own connection, as the server calls it */
    long long greeted_ms; /* when our line opened; 0: it never did */
    bool read;            /* the end of the book: before that nothing is decided */
    duet_client *line;
    duet_timer *timer;
    long long lot_ms, extend_ms;
} me = { .now = { .phase = SOLD }, .heard = { .phase = SOLD } };

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const struct lot *lot_of(json_int_t number)
{
    return &lots[(number > 0 ? number - 1 : 0) % LOTS];
}

/* What is said in the room: kind "lot", "bid" or "sold". New; NULL without memory. */
static json_t *tell(const char *kind, const struct standing *s)
{
    const struct lot *lot = lot_of(s->number);
    return json_pack("{ss sI sI sI ss ss sI sI s{ss ss ss si si}}", "k", kind, "number", s->number, "n", s->n, "amount",
                     s->amount, "name", s->name, "paddle", s->paddle, "ends", s->ends_ms, "now", (json_int_t)now_ms(),
                     "lot", "title", lot->title, "text", lot->text, "picture", lot->picture, "start", lot->start,
                     "step", lot->step);
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key)); /* 0 where there is none */
}

/* "" where there is no such text. */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Judging. */

static json_t *no(int code, const char *why)
{
    return json_pack("{s{si ss}}", "error", "code", code, "message", why);
}

static json_int_t least_amount(void)
{
    const struct lot *lot = lot_of(me.now.number);
    return me.now.n > 0 ? me.now.amount + lot->step : lot->start;
}

/* Whose bid it is: the user of a token; else what nobody but who knows the secret can come up with again. */
static void find_paddle(const json_t *question, const char *key, char out[NAME_MOST + 1])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    const char *user = text_of(question, "user");
    if (*user != 0) {
        snprintf(out, NAME_MOST + 1, "%s", user);
        return;
    }
    SHA256((const unsigned char *)key, strlen(key), digest);
    for (int i = 0; i < PADDLE_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* NULL: nothing is wrong. */
static json_t *objection(const json_t *bid, const char *paddle)
{
    char why[120];
    json_int_t amount = number_of(bid, "amount"), least = least_amount();
    if (!me.read)
        return no(1503, "The auctioneer is still reading the book. Try again.");
    if (me.now.phase == SOLD || number_of(bid, "number") != me.now.number || now_ms() >= me.now.ends_ms)
        return no(1410, "Too late: the hammer has fallen.");
    if (me.now.n > 0 && strcmp(paddle, me.now.paddle) == 0)
        return no(1409, "You lead already.");
    if (amount < least || amount > AMOUNT_MOST) {
        snprintf(why, sizeof(why), "Not enough: the next bid is at least %lld.", (long long)least);
        return no(1409, why);
    }
    return NULL;
}

static struct unseen *free_place(void)
{
    for (int i = 0; i < UNSEEN_MOST; i++)
        if (me.unseen[i].line == NULL)
            return &me.unseen[i];
    return NULL;
}

static json_t *accept_bid(const json_t *bid, const char *paddle)
{
    struct unseen *u = free_place();
    struct standing next = me.now;
    long long now = now_ms();
    next.n++;
    next.amount = number_of(bid, "amount");
    if (next.ends_ms < now + me.extend_ms)
        next.ends_ms = now + me.extend_ms;
    snprintf(next.name, sizeof(next.name), "%s", text_of(bid, "name"));
    snprintf(next.paddle, sizeof(next.paddle), "%s", paddle);
    json_t *said = u ? tell("bid", &next) : NULL;
    if (said != NULL)
        json_object_set(said, "id", json_object_get(bid, "id"));
    char *line = said ? json_dumps(said, JSON_COMPACT) : NULL;
    if (line == NULL) {
        json_decref(said);
        return no(1503, "Too many bids at once. Try again.");
    }
    *u = (struct unseen){ .number = next.number, .n = next.n, .since_ms = now, .line = line };
    me.now = next;
    return json_pack("{s{so}}", "result", "data", said);
}

static json_t *judge_bid(const json_t *question, const json_t *bid)
{
    char paddle[NAME_MOST + 1];
    const char *name = text_of(bid, "name"), *key = text_of(bid, "key");
    if (strcmp(text_of(bid, "k"), "bid") != 0 || *name == 0 || strlen(name) > NAME_MOST || strlen(key) < KEY_LEAST ||
        strlen(text_of(question, "user")) > NAME_MOST)
        return no(1400, "That is no bid.");
    find_paddle(question, key, paddle);
    json_t *against = objection(bid, paddle);
    return against ? against : accept_bid(bid, paddle);
}

/* In the room there are bids and our own words. Elsewhere somebody asks for the time, where nobody else listens. */
static json_t *judge(const json_t *question)
{
    const json_t *data = json_object_get(question, "data");
    if (*me.client != 0 && strcmp(text_of(question, "client"), me.client) == 0)
        return json_pack("{s{}}", "result");
    if (strcmp(text_of(question, "channel"), ROOM) == 0)
        return judge_bid(question, data);
    return json_pack("{s{s{ss sI} sb}}", "result", "data", "k", "clock", "now", (json_int_t)now_ms(), "skip_history",
                     1);
}

static void reset_timer(void);

/* A page can send no JSON to here (it would have to ask first, and nobody answers that): the server does. */
static void hook(duet_http *x, const duet_request *r)
{
    size_t len;
    const char *type = duet_request_header(r, "content-type");
    const void *body = duet_request_body(r, &len);
    bool is_json = type != NULL && strncmp(type, "application/json", 16) == 0;
    json_t *question = is_json ? json_loadb(body, len, 0, NULL) : NULL;
    json_t *answer = question ? judge(question) : NULL;
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    const duet_header headers[] = { { "Content-Type", "application/json" }, { NULL, NULL } };
    if (question == NULL)
        duet_http_text(x, 400, "not a question of the publish hook");
    else if (text == NULL || duet_http_reply(x, 200, headers, text, strlen(text)) < 0)
        duet_http_text(x, 503, "out of memory");
    free(text);
    json_decref(answer);
    json_decref(question);
    reset_timer();
}

/* The auctioneer's own line. */

static bool say(const char *line)
{
    duet_conn *c = duet_client_conn(me.line);
    return c != NULL && duet_send(c, DUET_TEXT, line, strlen(line)) == 0;
}

/* Publishes what the answers of the hook did not, if it is older than `age_ms`. It stays until it comes back; false:
 * there is none that has not. */
static bool say_unseen(long long age_ms)
{
    long long now = now_ms();
    bool any = false;
    for (int i = 0; i < UNSEEN_MOST; i++) {
        struct unseen *u = &me.unseen[i];
        any = any || u->line != NULL;
        if (u->line != NULL && now - u->since_ms >= age_ms && say(u->line))
            u->since_ms = now;
    }
    return any;
}

static void say_standing(const char *kind)
{
    json_t *said = tell(kind, &me.now);
    char *line = said ? json_dumps(said, JSON_COMPACT) : NULL;
    if (line != NULL && say(line))
        me.said_ms = now_ms();
    free(line);
    json_decref(said);
}

static bool is_further(const struct standing *a, const struct standing *b)
{
    return a->number != b->number ? a->number > b->number : a->n != b->n ? a->n > b->n : a->phase > b->phase;
}

/* What was said may have been lost with the connection, or with the server's memory. */
static void say_again(void)
{
    if (!say_unseen(LATE_MS) && is_further(&me.now, &me.heard) && now_ms() - me.said_ms >= LATE_MS)
        say_standing(me.now.phase == SOLD ? "sold" : me.now.n > 0 ? "bid" : "lot");
}

/* What the clock says is to be done; without a line, as soon as there is one again. */
static void act(void)
{
    long long now = now_ms();
    me.read = me.read || (me.greeted_ms > 0 && now - me.greeted_ms >= READ_MS);
    if (!me.read || duet_client_conn(me.line) == NULL)
        return;
    if (now < me.now.ends_ms) {
        say_again();
    } else if (me.now.phase == OPEN) {
        say_unseen(0); /* so that whoever hears the hammer can have heard every bid */
        me.now.phase = SOLD;
        me.now.ends_ms = now + PAUSE_MS;
        say_standing("sold");
    } else {
        me.now = (struct standing){ .phase = OPEN, .number = me.now.number + 1, .ends_ms = now + me.lot_ms };
        say_standing("lot");
    }
}

static void reset_timer(void)
{
    long long wait = me.now.ends_ms - now_ms();
    duet_timer_set(me.timer, wait < 0 || wait > LOOK_MS ? LOOK_MS : (uint64_t)wait);
}

static void due(void *arg)
{
    (void)arg;
    act();
    reset_timer();
}

static void forget_unseen(json_int_t number, json_int_t n)
{
    for (int i = 0; i < UNSEEN_MOST; i++) {
        struct unseen *u = &me.unseen[i];
        if (u->line == NULL || u->number != number || u->n != n)
            continue;
        free(u->line);
        u->line = NULL;
    }
}

/* A line of the book, old or new. Only what is further than we are is news: our own words come back, too. */
static void learn(const json_t *said)
{
    const char *kind = text_of(said, "k");
    struct standing s = { .phase = strcmp(kind, "sold") == 0 ? SOLD : OPEN,
                          .number = number_of(said, "number"),
                          .n = number_of(said, "n"),
                          .amount = number_of(said, "amount"),
                          .ends_ms = number_of(said, "ends") };
    snprintf(s.name, sizeof(s.name), "%s", text_of(said, "name"));
    snprintf(s.paddle, sizeof(s.paddle), "%s", text_of(said, "paddle"));
    if (strcmp(kind, "bid") == 0)
        forget_unseen(s.number, s.n);
    if (is_further(&s, &me.heard))
        me.heard = s;
    if (is_further(&s, &me.now))
        me.now = s;
}

/* The first message says who we are; then comes the end of the book, then what is new. */
static void heard(duet_conn *c, const duet_msg *m)
{
    (void)c;
    json_t *item = json_loadb(m->data, m->len, 0, NULL);
    if (json_object_get(item, "channel") != NULL) {
        snprintf(me.client, sizeof(me.client), "%s", text_of(item, "client"));
        me.greeted_ms = now_ms();
        me.heard = (struct standing){ .phase = SOLD };
    } else if (json_object_get(item, "data") != NULL) {
        learn(json_object_get(item, "data"));
    }
    json_decref(item);
    reset_timer();
}

static void failed(duet_client *client, const duet_failure *why)
{
    (void)client;
    fprintf(stderr, "auction: %s\n", why->detail);
}

static long long seconds_of(const char *variable, long long otherwise)
{
    const char *text = getenv(variable);
    long seconds = text ? strtol(text, NULL, 10) : 0;
    return 1000 * (seconds > 0 && seconds < 86400 ? seconds : otherwise);
}

/* The hook's answers and the line run on one loop, so that nothing here is ever done by two at once. */
static int run(const char *listen, const char *url, char *why)
{
    static const duet_route routes[] = { { .path = "/", .methods = "POST", .http = hook }, { .path = NULL } };
    static const char *const subprotocols[] = { "duet.v1", NULL };
    duet_loop *loop = NULL;
    duet_server *server = NULL;
    int rc = duet_loop_new(&loop);
    if (rc == 0)
        rc = duet_server_new(&server,
                             &(duet_server_config){ DUET_SERVER_CONFIG_INIT, .listen = listen, .routes = routes }, why);
    if (rc == 0)
        rc = duet_server_attach(server, loop);
    if (rc == 0 && (me.timer = duet_timer_new(loop, due, NULL)) == NULL)
        rc = DUET_ERR_NOMEM;
    if (rc == 0)
        rc = duet_connect(&me.line, loop,
                          &(duet_client_config){ DUET_CLIENT_CONFIG_INIT, .url = url, .subprotocols = subprotocols,
                                                 .on = { .message = heard }, .failed = failed, .retry = true,
                                                 .retry_first_ms = 200, .retry_most_ms = 2000 },
                          why);
    if (rc == 0)
        rc = duet_loop_run(loop);
    duet_client_free(me.line);
    duet_timer_free(me.timer);
    duet_server_free(server);
    duet_loop_free(loop);
    return rc;
}

int main(void)
{
    const char *base = getenv("DUET_URL"), *listen = getenv("DUET_LISTEN");
    char url[300], why[200] = "out of memory";
    snprintf(url, sizeof(url), "%s/channel/" ROOM "?last=20", base ? base : "ws://127.0.0.1:8080");
    me.lot_ms = seconds_of("AUCTION_LOT_S", 60);
    me.extend_ms = seconds_of("AUCTION_EXTEND_S", 10);
    if (run(listen ? listen : "ws://127.0.0.1:8083", url, why) < 0) {
        fprintf(stderr, "auction: %s\n", why);
        return 1;
    }
    return 0;
}
