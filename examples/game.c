/* SPDX-License-Identifier: MIT */
/*
 * An online game: an arena of up to 1,000 ships, 30 ticks a second. Only this server decides where a ship is, what is
 * hit and who scores. Pages say what their player does, and foresee the rest.
 *
 *   game [--bots N] [URL]             with 6 bots or so many; without URL where DUET_LISTEN says, else port 9007
 *   game --play SECONDS --bots N URL  the bots alone: they play on the server at URL, and then say how it was
 *
 * A ship gets to know what is in its sight, whole each tick, so nothing has to be repeated or repaired: who is behind
 * is left out, and the next STATE has all that the last would have had. A connection that is lost leaves its ship to
 * drift for 30 s; who comes back with the token has it again.
 */
#include "beat.h"
#include "bots.h"
#include "game.h"
#include <duet/duet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
    SPEED = 160, BOLT_SPEED = 480,     /* units a tick */
    BOLT_TICKS = 25, RELOAD_TICKS = 9,
    SHIP_RADIUS = 160, GEM_RADIUS = 100,
    SIGHT_X = 8000, SIGHT_Y = 5000,    /* to each side */
    CELL = 4096, CELLS = 65536 / CELL, /* of the grid in which neighbours are looked for */
    INPUTS_AHEAD = 8,                  /* steps that may come at once after a hiccup of the network, and no more */
    BEHIND_TICKS = 15,                 /* of what is on its way to a player: more would only be late */
    GONE_TICKS = 30 * TICKS_PER_S,
    LATE = 10 * TICKS_PER_S,
    HIT_POINTS = 3
};

struct place {
    uint16_t x, y;
    int8_t right, down; /* where it points */
    bool there;
    int next;           /* in its cell; -1: the last */
};

struct ship {
    duet_conn *conn;            /* NULL: lost, for `gone` ticks */
    unsigned gone;
    uint8_t token[TOKEN], name[NAME];
    struct input inputs[INPUTS_AHEAD];
    unsigned waiting, allowed;  /* inputs; steps that it may take, one more each tick */
    uint32_t number;            /* of the last input that was taken */
    uint32_t sent, seen;        /* the last tick that it was told, and the last that it says it has seen */
    int16_t vx, vy;
    unsigned reload;            /* ticks */
    uint16_t points;
    uint8_t knows[SHIPS / 8];   /* whose names it has been told */
};

struct bolt {
    unsigned left, shooter;     /* ticks that it flies on; a ship */
};

/* A connection's block. */
struct player {
    bool joined;
    unsigned ship;
};

static duet_server *server;
static struct place places[THINGS]; /* of ships, gems, bolts, by their numbers */
static struct ship ships[SHIPS];
static struct bolt bolts[BOLTS];
static int cells[CELLS][CELLS];     /* the first thing in each; -1: none */
static unsigned players;
static int best = -1;               /* the ship with most points; -1: there is none */
static uint32_t tick;
static uint32_t late_us[LATE];      /* how late the last ones were */

/* The arena */

static unsigned dice(unsigned sides)
{
    return (unsigned)random() % sides;
}

/* How far it is from one to the other the short way round, on one axis. */
static int apart(uint16_t from, uint16_t to)
{
    return (int16_t)(to - from);
}

static bool touch(const struct place *a, const struct place *b, int distance)
{
    int x = apart(a->x, b->x), y = apart(a->y, b->y);
    return x * x + y * y < distance * distance;
}

/* Somewhere in the middle, which is as large as there are players: a dozen see each other, and a thousand have room.
 * Gems lie around it, too. */
static void scatter(unsigned id)
{
    enum { FIRST = 16, SIDE = 4000, ROOM = 4000000 }; /* so many on 4000 by 4000, and so much for each of the others */
    unsigned side = SIDE, others = players > FIRST ? players - FIRST : 0;
    while (side < 65000 && (uint64_t)side * side < SIDE * SIDE + (uint64_t)others * ROOM)
        side += 500;
    if (id >= FIRST_GEM)
        side = side * 3 < 65536 ? side * 3 : 65536;
    struct place *p = &places[id];
    p->x = (uint16_t)(32768 + dice(side) - side / 2);
    p->y = (uint16_t)(32768 + dice(side) - side / 2);
    p->there = true;
}

static void fill_grid(void)
{
    memset(cells, -1, sizeof(cells));
    for (int id = THINGS - 1; id >= 0; id--) { /* so that ships come first in each cell */
        struct place *p = &places[id];
        if (!p->there)
            continue;
        int *cell = &cells[p->y / CELL][p->x / CELL];
        p->next = *cell;
        *cell = id;
    }
}

/* Calls `each` with the things in the cells that reach this near; until it returns false. */
static void look_around(const struct place *p, int x, int y, bool (*each)(void *arg, unsigned id), void *arg)
{
    unsigned wide = (unsigned)(p->x + 65536 + x) / CELL - (unsigned)(p->x + 65536 - x) / CELL;
    unsigned high = (unsigned)(p->y + 65536 + y) / CELL - (unsigned)(p->y + 65536 - y) / CELL;
    for (unsigned j = 0; j <= high; j++) {
        for (unsigned i = 0; i <= wide; i++) {
            unsigned column = (unsigned)(p->x + 65536 - x) / CELL + i, row = (unsigned)(p->y + 65536 - y) / CELL + j;
            for (int id = cells[row % CELLS][column % CELLS]; id >= 0; id = places[id].next)
                if (!each(arg, (unsigned)id))
                    return;
        }
    }
}

/* One step of a ship and of a bolt */

static void fire(unsigned id)
{
    static unsigned next;
    struct place *from = &places[id], *p = &places[FIRST_BOLT + next];
    bolts[next] = (struct bolt){ .left = BOLT_TICKS, .shooter = id };
    *p = *from;
    ships[id].reload = RELOAD_TICKS;
    next = (next + 1) % BOLTS;
}

/* What the page's world.js does, too, number for number. */
static void step(unsigned id, const struct input *in)
{
    struct ship *s = &ships[id];
    struct place *p = &places[id];
    s->vx = (int16_t)((s->vx * 3 + in->right * SPEED / 127) / 4);
    s->vy = (int16_t)((s->vy * 3 + in->down * SPEED / 127) / 4);
    p->x = (uint16_t)(p->x + s->vx);
    p->y = (uint16_t)(p->y + s->vy);
    if (in->right * in->right + in->down * in->down > 64 * 64) {
        p->right = in->right;
        p->down = in->down;
    }
    if (in->fires && s->reload == 0)
        fire(id);
}

/* Steps are counted in ticks of this server, so nobody is faster by sending more of them. */
static void take_inputs(unsigned id)
{
    struct ship *s = &ships[id];
    unsigned taken = 0;
    if (s->allowed < INPUTS_AHEAD)
        s->allowed++;
    if (s->reload > 0)
        s->reload--;
    for (; taken < s->waiting && s->allowed > 0; s->allowed--) {
        s->number = s->inputs[taken].number;
        step(id, &s->inputs[taken++]);
    }
    s->waiting -= taken;
    memmove(s->inputs, s->inputs + taken, s->waiting * sizeof(s->inputs[0]));
}

static bool meet(void *arg, unsigned id)
{
    unsigned bolt = *(unsigned *)arg, shooter = bolts[bolt].shooter;
    struct place *p = &places[FIRST_BOLT + bolt];
    if (id >= FIRST_GEM || id == shooter || !touch(p, &places[id], SHIP_RADIUS))
        return true;
    p->there = false;
    ships[shooter].points += HIT_POINTS;
    ships[id].vx = ships[id].vy = 0;
    scatter(id);
    return false;
}

/* In two halves, or it would pass through ships. */
static void move_bolt(unsigned i)
{
    struct place *p = &places[FIRST_BOLT + i];
    for (int half = 0; half < 2 && p->there; half++) {
        p->x = (uint16_t)(p->x + p->right * (BOLT_SPEED / 2) / 127);
        p->y = (uint16_t)(p->y + p->down * (BOLT_SPEED / 2) / 127);
        look_around(p, SHIP_RADIUS, SHIP_RADIUS, meet, &i);
    }
    if (--bolts[i].left == 0)
        p->there = false;
}

static bool collect(void *arg, unsigned id)
{
    unsigned ship = *(unsigned *)arg;
    if (id >= FIRST_GEM && id < FIRST_BOLT && touch(&places[ship], &places[id], SHIP_RADIUS + GEM_RADIUS)) {
        ships[ship].points++;
        places[id].there = false;
    }
    return true;
}

static void move_all(void)
{
    static const struct input none;
    for (unsigned i = 0; i < SHIPS; i++) {
        if (places[i].there && ships[i].conn != NULL)
            take_inputs(i);
        else if (places[i].there)
            step(i, &none);
    }
    fill_grid();
    for (unsigned i = 0; i < BOLTS; i++)
        if (places[FIRST_BOLT + i].there)
            move_bolt(i);
    for (unsigned i = 0; i < SHIPS; i++)
        if (places[i].there)
            look_around(&places[i], SHIP_RADIUS + GEM_RADIUS, SHIP_RADIUS + GEM_RADIUS, collect, &i);
    for (unsigned i = 0; i < GEMS && i < 40 + players / 2; i++)
        if (!places[FIRST_GEM + i].there)
            scatter(FIRST_GEM + i);
}

/* What a player gets to know */

struct view {
    const struct place *from;
    unsigned own, count;
    struct seen seen[SEEN_MOST];
};

static bool see(void *arg, unsigned id)
{
    struct view *v = arg;
    const struct place *p = &places[id];
    if (!p->there || id == v->own || abs(apart(v->from->x, p->x)) > SIGHT_X || abs(apart(v->from->y, p->y)) > SIGHT_Y)
        return true;
    v->seen[v->count++] = (struct seen){ htole16((uint16_t)id), htole16(p->x), htole16(p->y), p->right, p->down };
    return v->count < SEEN_MOST;
}

/* The names of ships in sight that this one has not been told. Returns how many. */
static unsigned put_names(struct ship *s, const struct view *v, struct name *out)
{
    unsigned count = 0;
    for (unsigned i = 0; i < v->count; i++) {
        unsigned id = le16toh(v->seen[i].id);
        if (id >= FIRST_GEM || (s->knows[id / 8] >> id % 8 & 1) != 0)
            continue;
        s->knows[id / 8] |= (uint8_t)(1u << id % 8);
        out[count].id = htole16((uint16_t)id);
        memcpy(out[count++].text, ships[id].name, NAME);
    }
    return count;
}

struct state_message {
    size_t len;
    uint8_t data[sizeof(struct state) + SEEN_MOST * (sizeof(struct seen) + sizeof(struct name))];
};

/* `named`: with the names that its player has not been told. */
static const struct state_message *make_state(unsigned id, bool named)
{
    static struct state_message out;
    static struct name names[SEEN_MOST];
    struct ship *s = &ships[id];
    struct view v = { .from = &places[id], .own = id };
    look_around(v.from, SIGHT_X, SIGHT_Y, see, &v);
    unsigned count = named ? put_names(s, &v, names) : 0;
    struct state head = {
        .kind = STATE,
        .names = (uint8_t)count,
        .things = htole16((uint16_t)v.count),
        .tick = htole32(tick),
        .number = htole32(s->number),
        .x = htole16(places[id].x),
        .y = htole16(places[id].y),
        .vx = (int16_t)htole16((uint16_t)s->vx),
        .vy = (int16_t)htole16((uint16_t)s->vy),
        .points = htole16(s->points),
    };
    size_t things = v.count * sizeof(v.seen[0]);
    memcpy(out.data, &head, sizeof(head));
    memcpy(out.data + sizeof(head), v.seen, things);
    memcpy(out.data + sizeof(head) + things, names, count * sizeof(names[0]));
    out.len = sizeof(head) + things + count * sizeof(names[0]);
    return &out;
}

/* Who is behind gets nothing more before he has seen what is on its way. */
static void send_state(unsigned id)
{
    struct ship *s = &ships[id];
    if (duet_congested(s->conn) || (s->seen != 0 && s->sent - s->seen > BEHIND_TICKS))
        return;
    s->sent = tick;
    const struct state_message *m = make_state(id, true);
    duet_send(s->conn, DUET_BINARY, m->data, m->len);
}

static void publish_best(void)
{
    duet_topic_stats stats;
    duet_topic_read(server, "best", &stats);
    if (stats.members == 0 || best < 0 || !places[best].there)
        return;
    const struct state_message *m = make_state((unsigned)best, false);
    duet_publish(server, "best", DUET_BINARY, m->data, m->len);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t usual_lateness(void)
{
    uint32_t sorted[LATE];
    memcpy(sorted, late_us, sizeof(sorted));
    qsort(sorted, LATE, sizeof(sorted[0]), by_size);
    return sorted[LATE * 99 / 100];
}

static void publish_scores(void)
{
    bool told[SHIPS] = { false };
    struct scores out = { .kind = SCORES, .players = htole16((uint16_t)players), .late_us = htole32(usual_lateness()) };
    for (best = -1; out.lines < TOP;) {
        int next = -1;
        for (int i = 0; i < SHIPS; i++)
            if (places[i].there && !told[i] && (next < 0 || ships[i].points > ships[next].points))
                next = i;
        if (next < 0)
            break;
        struct score *line = &out.line[out.lines++];
        *line = (struct score){ .id = htole16((uint16_t)next), .points = htole16(ships[next].points) };
        memcpy(line->name, ships[next].name, NAME);
        told[next] = true;
        best = best < 0 ? next : best;
    }
    duet_publish(server, "scores", DUET_BINARY, &out, offsetof(struct scores, line) + out.lines * sizeof(out.line[0]));
}

static void forget_gone(void)
{
    for (unsigned i = 0; i < SHIPS; i++) {
        if (places[i].there && ships[i].conn == NULL && ++ships[i].gone > GONE_TICKS) {
            places[i].there = false;
            players--;
        }
    }
}

static void run_tick(void)
{
    tick++;
    move_all();
    forget_gone();
    for (unsigned i = 0; i < SHIPS; i++)
        if (places[i].there && ships[i].conn != NULL)
            send_state(i);
    publish_best();
    if (tick % TICKS_PER_S == 0)
        publish_scores();
}

static void keep_time(struct beat *b, uint64_t beats)
{
    for (uint64_t i = 0; i < beats; i++) {
        uint64_t now = beat_now_ns(), due = b->due_ns + i * b->each_ns;
        late_us[tick % LATE] = now > due ? (uint32_t)((now - due) / 1000) : 0;
        if (i < TICKS_PER_S)
            run_tick();
    }
}

/* The players */

static int find_token(const uint8_t token[TOKEN])
{
    for (int i = 0; i < SHIPS; i++)
        if (places[i].there && memcmp(ships[i].token, token, TOKEN) == 0)
            return i;
    return -1;
}

/* A new ship. -1: the arena is full. */
static int launch(void)
{
    unsigned id = 0;
    while (id < SHIPS && places[id].there)
        id++;
    if (id == SHIPS)
        return -1;
    ships[id] = (struct ship){ .conn = NULL };
    if (getrandom(ships[id].token, TOKEN, 0) != TOKEN)
        return -1;
    players++;
    places[id].right = 127;
    places[id].down = 0;
    scatter(id);
    return (int)id;
}

static void take_name(unsigned id, const uint8_t name[NAME])
{
    memcpy(ships[id].name, name, NAME);
    for (unsigned i = 0; i < SHIPS; i++) /* who knew the one before, does not know this one */
        ships[i].knows[id / 8] &= (uint8_t)~(1u << id % 8);
}

static void join(duet_conn *c, const struct join *j)
{
    struct player *p = duet_data(c);
    int id = find_token(j->token);
    struct welcome w = { .kind = WELCOME, .resumed = id >= 0 };
    if (id < 0 && (id = launch()) < 0) {
        duet_close(c, DUET_CODE_LATER, "the arena is full");
        return;
    }
    struct ship *s = &ships[id];
    if (s->conn != NULL) { /* it is dead, and nobody has noticed yet; or the same page is open twice */
        ((struct player *)duet_data(s->conn))->joined = false;
        duet_close(s->conn, DUET_CODE_POLICY, "came back elsewhere");
    }
    *p = (struct player){ .joined = true, .ship = (unsigned)id };
    s->conn = c;
    s->waiting = 0;
    s->sent = s->seen = 0;
    take_name((unsigned)id, j->name);
    memset(s->knows, 0, sizeof(s->knows));
    w.id = htole16((uint16_t)id);
    w.number = htole32(s->number);
    memcpy(w.token, s->token, TOKEN);
    duet_send(c, DUET_BINARY, &w, sizeof(w));
    duet_subscribe(c, "scores");
}

/* What comes too fast is dropped, and the page sees by the number in STATE that it never counted. */
static void queue_input(struct ship *s, const struct input *in)
{
    uint32_t seen = le32toh(in->seen);
    if (seen <= s->sent)
        s->seen = seen;
    if (s->waiting == INPUTS_AHEAD)
        return;
    struct input *kept = &s->inputs[s->waiting++];
    *kept = *in;
    kept->number = le32toh(in->number);
    if (in->right * in->right + in->down * in->down > 127 * 127 + 254) /* one that would be faster than others */
        kept->right = kept->down = 0;
}

static void hear(duet_conn *c, const duet_msg *m)
{
    struct player *p = duet_data(c);
    struct join j;
    struct input in;
    if (!p->joined && m->type == DUET_BINARY && m->len == sizeof(j) && *(const uint8_t *)m->data == JOIN) {
        memcpy(&j, m->data, sizeof(j));
        join(c, &j);
    } else if (p->joined && m->type == DUET_BINARY && m->len == sizeof(in) && *(const uint8_t *)m->data == INPUT) {
        memcpy(&in, m->data, sizeof(in));
        queue_input(&ships[p->ship], &in);
    } else if (!p->joined && m->type == DUET_BINARY && m->len == 1 && *(const uint8_t *)m->data == WATCH) {
        duet_subscribe(c, "best");
    } else {
        duet_close(c, DUET_CODE_UNSUPPORTED, "first JOIN, then INPUT; or WATCH");
    }
}

static void leave(duet_conn *c, const duet_closing *why)
{
    struct player *p = duet_data(c);
    (void)why;
    if (!p->joined)
        return;
    ships[p->ship].conn = NULL; /* it drifts until somebody comes with its token */
    ships[p->ship].gone = 0;
}

static int serve(duet_loop *loop, const char *url, unsigned bots)
{
    duet_server_config config = {
        DUET_SERVER_CONFIG_INIT,
        .listen = url,
        .on = { .message = hear, .close = leave },
        .data_size = sizeof(struct player),
        .origins = (const char *const[]){ "*", NULL }, /* who plays is known by a token, not by a cookie */
        .message_max = sizeof(struct join),
        .messages_per_s = 2 * TICKS_PER_S,
        .queue_soft = 16 * 1024,
        .read_on = true, /* who takes STATE slowly steers all the same */
        .drain_ms = 2000,
    };
    int rc = bots_start(loop, url, bots);
    if (rc < 0)
        fprintf(stderr, "game: %s\n", duet_strerror(rc));
    else
        rc = beat_serve(&server, loop, &config, &(struct beat){ .due = keep_time }, TICKS_PER_S);
    bots_stop();
    return rc < 0;
}

int main(int argc, char **argv)
{
    const char *url = getenv("DUET_LISTEN");
    unsigned bots = 6, seconds = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bots") == 0 && i + 1 < argc)
            bots = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--play") == 0 && i + 1 < argc)
            seconds = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            url = argv[i];
    }
    if (bots > SHIPS || (url != NULL && url[0] == '-')) {
        fprintf(stderr, "Usage: game [--bots N, at most %d] [--play SECONDS] [URL]\n", SHIPS);
        return 2;
    }
    if (url == NULL)
        url = "ws://127.0.0.1:9007";
    srandom((unsigned)time(NULL));
    duet_loop *loop;
    int rc = duet_loop_new(&loop);
    if (rc == 0)
        rc = seconds > 0 ? bots_play(loop, url, bots, seconds) : serve(loop, url, bots);
    duet_loop_free(loop);
    return rc != 0;
}
