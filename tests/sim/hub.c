/* SPDX-License-Identifier: MIT */
/*
 * A hub with real connections on the simulated kernel: a server that is crashed and started again, a disk that is slow
 * and fails or no disk at all, and clients of /channel/NAME that keep a position, are cut off, read late, and come back
 * with ?since=. What is checked (HUB-1, HUB-2, HUB-3, HUB-4, STO-1):
 *
 *   one story   no epoch and offset of a channel ever carry two payloads, whoever tells of them
 *   exactly     each client gets offset after offset without a hole, or is told that it cannot be told everything;
 *               where nothing was dropped or forgotten, it is never told that
 *   acknowledged  what was answered with success is there, under the offset of the answer, as long as its epoch lives;
 *               what was published again under its key has the first one's offset
 *   newest      what has a version is there, and told, exactly when it is newer than what there was, as far as that is
 *               known: over a restart by the newest history_size on the disk alone
 *   the end     when all is calm, everybody is at the top; no memory, no descriptor is left
 */
#include "disk.h"
#include "hub/hub.h"
#include "kernel.h"
#include "sim.h"
#include "versions.h"
#include "wire/plain.h"
#include "wire/wire.h"
#include <duet/duet.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, MEMBERS = 6, STORIES = 4000, LINE = 40000, STEPS_MOST = 200000, CALM_STEPS = 3000 };

static const char *const version_epochs[] = { "", "other" };

/* One publication as somebody told of it. */
struct story {
    unsigned channel;
    char epoch[STREAM_EPOCH + 1];
    uint64_t offset;
    unsigned number; /* which publication it is */
};

/* What a publication was sent as. */
struct sent {
    unsigned channel, run;
    struct version version;
    bool fleeting; /* the history is to skip it */
};

struct member {
    unsigned channel, run;
    struct version seen; /* of what it was told last with one; none: anything may come */
    duet_client *client; /* NULL: it is away until `back_us` */
    duet_conn *conn;
    uint64_t back_us;
    struct stream_position at;
    bool known, greeted, asked, paused, over;
};

static struct world {
    struct wire_site site; /* first: the server's argument */
    duet_loop *server_loop, *loop;
    duet_server *server;
    struct disk *disk; /* NULL: streams are in memory alone */
    struct hub_options options;
    duet_server_config config;
    unsigned channels, member_count, published, restarts;
    struct member members[MEMBERS];
    struct story stories[STORIES];
    unsigned story_count;
    struct sent sent[STORIES]; /* by number */
    uint64_t top[CHANNELS], newest[CHANNELS]; /* looked at on the disk; the highest version so far */
    uint64_t told_before;      /* publications, before the one that is being published */
    unsigned sources;          /* how many epochs of versions there are; 0: no versions */
    bool fleeting;             /* and some of them are not kept */
    unsigned keyed; /* the last publication with a key */
    unsigned keyed_channel;
    bool plenty, forgot, calm; /* forgot: a server without a disk was started again */
} w;

static struct dice *dice(void)
{
    return kernel_dice();
}

static bool one_in(size_t n)
{
    return dice_one_in(dice(), n);
}

static uint64_t hub_clock(void *arg)
{
    (void)arg;
    return 1700000000000u + kernel_now_us() / 1000;
}

static int hub_chance(void *arg, void *to, size_t len)
{
    (void)arg;
    dice_fill(dice(), to, len);
    return 0;
}

/* What is known. */

static void tell_story(unsigned channel, const char *epoch, uint64_t offset, unsigned number)
{
    for (unsigned i = 0; i < w.story_count; i++) {
        const struct story *s = &w.stories[i];
        if (s->channel != channel || strcmp(s->epoch, epoch) != 0 || (s->offset != offset && s->number != number))
            continue;
        if (s->offset != offset || s->number != number)
            say("c%u %s:%llu is %u, and here %u at %llu", channel, epoch, (unsigned long long)s->offset, s->number,
                number, (unsigned long long)offset);
        CHECK(s->number == number); /* no offset has two publications, */
        CHECK(s->offset == offset); /* and none is there twice */
        return;
    }
    CHECK(w.story_count < STORIES);
    struct story *s = &w.stories[w.story_count++];
    *s = (struct story){ .channel = channel, .offset = offset, .number = number };
    snprintf(s->epoch, sizeof(s->epoch), "%s", epoch);
}

/* Publishing: "p17." and filler, which is no JSON. */

static size_t compose(char *to, unsigned number)
{
    size_t len = 8 + dice_size(dice(), one_in(8) ? 20000 : 500);
    size_t n = (size_t)snprintf(to, LINE, "p%u.", number);
    for (; n < len; n++)
        to[n] = (char)('a' + (n + number) % 26);
    return n;
}

static const char *name_of(unsigned channel, char to[8])
{
    snprintf(to, 8, "c%u", channel);
    return to;
}

static unsigned next_number(unsigned channel)
{
    CHECK(w.published + 1 < STORIES);
    w.sent[++w.published] = (struct sent){ .channel = channel, .run = w.restarts };
    return w.published;
}

/* Versions. */

/* Which publication the disk has at an offset; 0: none yet. */
static unsigned kept_number(unsigned channel, uint64_t offset)
{
    char name[8], data[16] = "";
    unsigned number = 0;
    const struct publication *p = disk_at(w.disk, name_of(channel, name), offset);
    if (p == NULL)
        return 0;
    memcpy(data, p->is.data, p->is.len < sizeof(data) - 1 ? p->is.len : sizeof(data) - 1);
    CHECK(sscanf(data, "p%u.", &number) == 1);
    CHECK(p->is.version == w.sent[number].version.n);
    return number;
}

/* What has come to the disk since this was asked last. */
static void look_at_disk(unsigned channel)
{
    unsigned number;
    while ((number = kept_number(channel, w.top[channel] + 1)) > 0) {
        uint64_t offset = ++w.top[channel];
        if (w.sent[number].version.n > 0)
            versions_add(channel, number, w.sent[number].version, offset);
    }
}

/* Whether this run was sent one that is not kept, which can be why `than` was skipped. */
static bool fleeting_beat(unsigned than)
{
    const struct sent *older = &w.sent[than];
    for (unsigned i = 1; i <= w.published; i++) {
        const struct sent *s = &w.sent[i];
        if (i != than && s->fleeting && s->run == w.restarts && s->channel == older->channel &&
            !version_follows(older->version, s->version))
            return true;
    }
    return false;
}

static uint64_t publications(void)
{
    struct hub_stats stats;
    hub_read_stats(w.site.hub, &stats);
    return stats.publications;
}

/* In memory all is done at once: what has just been told, or not, is what should be. */
static bool settle_at_once(unsigned number, const struct hub_published *r)
{
    const struct sent *s = &w.sent[number];
    bool told = publications() > w.told_before;
    CHECK(told == (!versions_have(s->channel, number) &&
                   version_follows(s->version, versions_at(s->channel, UINT64_MAX))));
    if (told)
        versions_add(s->channel, number, s->version, r->offset);
    return told;
}

/* Whether it was published, by an answer from behind a disk. */
static bool settle_later(unsigned number, const struct hub_published *r)
{
    const struct sent *s = &w.sent[number];
    look_at_disk(s->channel);
    if (r->offset == 0) /* before anything was kept it has no offset when it is skipped, either */
        return s->fleeting;
    if (kept_number(s->channel, r->offset) == number)
        return true;
    CHECK(!version_follows(s->version, versions_at(s->channel, r->offset)) || fleeting_beat(number));
    return false;
}

/* One with a version was answered with success. */
static void settle(unsigned number, const struct hub_published *r)
{
    const struct sent *s = &w.sent[number];
    bool told = w.disk ? settle_later(number, r) : settle_at_once(number, r);
    if (!told)
        sim_count("publications skipped for their version");
    else if (!s->fleeting)
        tell_story(s->channel, r->epoch, r->offset, number);
    else
        CHECK(r->offset == 0);
}

/* The next, the same again, one that comes late, or one of another source's. */
static void draw_version(unsigned number)
{
    struct sent *s = &w.sent[number];
    uint64_t *newest = &w.newest[s->channel];
    uint64_t n = one_in(3) ? *newest - dice_size(dice(), (size_t)*newest) : ++*newest;
    s->version = (struct version){ .n = n ? n : 1, .epoch = (unsigned)dice_below(dice(), w.sources) };
    s->fleeting = w.fleeting && one_in(4);
    sim_count("publications with a version");
}

static void answered(duet_server *s, uint64_t id, uint64_t tag, const struct hub_published *r)
{
    unsigned number = (unsigned)(tag >> 8), channel = tag & 0xff;
    (void)s;
    (void)id;
    sim_count(r->error == HUB_OK ? "publications acknowledged" : "publications refused");
    if (r->error != HUB_OK)
        CHECK(r->error == HUB_ERROR_INTERNAL);
    else if (w.sent[number].version.n > 0)
        settle(number, r);
    else
        tell_story(channel, r->epoch, r->offset, number);
}

static void publish_as(unsigned channel, unsigned number, const char *key)
{
    char name[8], data[LINE];
    const struct sent *s = &w.sent[number];
    const char *epoch = version_epochs[s->version.epoch];
    if (s->version.n > 0)
        say("%llu p%u of c%u has version %llu of %u%s", (unsigned long long)kernel_now_us() / 1000, number, channel,
            (unsigned long long)s->version.n, s->version.epoch, s->fleeting ? " and is not kept" : "");
    w.told_before = publications();
    hub_publish(w.site.hub,
                &(struct hub_publish){ .channel = name_of(channel, name),
                                       .len = strlen(name),
                                       .skip_history = s->fleeting,
                                       .parts = { .kind = HUB_TEXT,
                                                  .data = data,
                                                  .len = compose(data, number),
                                                  .key = key,
                                                  .key_len = strlen(key),
                                                  .version = s->version.n,
                                                  .version_epoch = epoch,
                                                  .version_epoch_len = strlen(epoch) } },
                &(struct hub_reply){ .server = w.server, .tag = (uint64_t)number << 8 | channel, .done = answered });
}

/* With a key it may come again, and is then the same publication. */
static void publish(void)
{
    unsigned channel = (unsigned)dice_below(dice(), w.channels);
    char key[16] = "";
    if (w.keyed > 0 && one_in(3)) {
        snprintf(key, sizeof(key), "k%u", w.keyed);
        sim_count("publications repeated under their key");
        publish_as(w.keyed_channel, w.keyed, key);
        return;
    }
    unsigned number = next_number(channel);
    if (w.sources > 0 && one_in(2))
        draw_version(number);
    if (one_in(4)) {
        w.keyed = number;
        w.keyed_channel = channel;
        snprintf(key, sizeof(key), "k%u", number);
    }
    publish_as(channel, number, key);
}

/* Clients. */

static void greeting(struct member *m, const char *text)
{
    char epoch[STREAM_EPOCH + 1];
    unsigned long long offset;
    const char *at = strstr(text, "\"epoch\":\"");
    bool lost = strstr(text, "\"recovered\":false") != NULL;
    CHECK(at != NULL && sscanf(at, "\"epoch\":\"%8[^\"]\",\"offset\":%llu", epoch, &offset) == 2);
    if (m->asked && !lost) {
        CHECK(strstr(text, "\"recovered\":true") != NULL || m->greeted);
        CHECK(strcmp(epoch, m->at.epoch) == 0 && offset == m->at.offset);
        sim_count("recovered");
    } else {
        if (m->asked) {
            say("member %td is told it lost something: had %s:%llu", m - w.members, m->at.epoch,
                (unsigned long long)m->at.offset);
            CHECK(!w.plenty || w.forgot || m->at.offset == 0);
            sim_count("told that it cannot be told everything");
        }
        m->seen.n = 0;
        memcpy(m->at.epoch, epoch, sizeof(epoch));
        m->at.offset = offset;
        m->known = true;
    }
    if (m->run != w.restarts)
        m->seen.n = 0; /* it may be the next server already that greets */
    m->greeted = true;
}

static void publication(struct member *m, const char *text)
{
    unsigned long long offset;
    unsigned number;
    const char *data = strstr(text, "\"text\":\"p");
    CHECK(data != NULL && sscanf(data + 9, "%u.", &number) == 1);
    CHECK(m->greeted);
    const struct sent *s = &w.sent[number];
    if (s->version.n > 0) {
        if (!version_follows(s->version, m->seen))
            say("member %td has version %llu and gets p%u, which has %llu%s", m - w.members,
                (unsigned long long)m->seen.n, number, (unsigned long long)s->version.n,
                s->fleeting ? " and is not kept" : "");
        CHECK(version_follows(s->version, m->seen));
        m->seen = s->version;
    }
    if (s->fleeting) {
        sim_count("fleeting publications received");
        return;
    }
    CHECK(sscanf(text, "{\"offset\":%llu", &offset) == 1);
    if (offset != m->at.offset + 1)
        say("member %td has %llu and gets %llu", m - w.members, (unsigned long long)m->at.offset, offset);
    CHECK(offset == m->at.offset + 1);
    m->at.offset = offset;
    tell_story(m->channel, m->at.epoch, offset, number);
    sim_count("publications received");
}

static void on_message(duet_conn *c, const duet_msg *msg)
{
    struct member *m = duet_client_arg(duet_client_of(c));
    char text[LINE * 2];
    CHECK(msg->type == DUET_TEXT && msg->len < sizeof(text));
    memcpy(text, msg->data, msg->len);
    text[msg->len] = '\0';
    if (strstr(text, "\"error\":{") == text + 1)
        sim_count("told that a message was refused");
    else if (strstr(text, "\"channel\":") == text + 1)
        greeting(m, text);
    else
        publication(m, text);
}

static void on_open(duet_conn *c)
{
    struct member *m = duet_client_arg(duet_client_of(c));
    m->conn = c;
}

/* It comes back as another client, since it asks for another address. */
static void away(struct member *m)
{
    m->conn = NULL;
    m->over = true;
    m->back_us = kernel_now_us() + dice_size(dice(), 2000000);
}

static void on_close(duet_conn *c, const duet_closing *why)
{
    (void)why;
    away(duet_client_arg(duet_client_of(c)));
}

static void on_failed(duet_client *cl, const duet_failure *why)
{
    say("member %td failed: %s", (struct member *)duet_client_arg(cl) - w.members, why->detail);
    away(duet_client_arg(cl));
}

static void come(struct member *m)
{
    static const char *const protocols[] = { "duet.v1", NULL };
    char url[120];
    int n = snprintf(url, sizeof(url), "ws://127.0.0.1:9001/channel/c%u", m->channel);
    if (m->known)
        snprintf(url + n, sizeof(url) - (size_t)n, "?since=%s:%llu", m->at.epoch, (unsigned long long)m->at.offset);
    if (m->run != w.restarts)
        m->seen.n = 0; /* the server may have forgotten it */
    m->run = w.restarts;
    m->asked = m->known;
    m->greeted = m->over = m->paused = false;
    const duet_client_config config = {
        DUET_CLIENT_CONFIG_INIT, .url = url, .on = { .open = on_open, .message = on_message, .close = on_close },
        .failed = on_failed,     .arg = m,   .subprotocols = protocols,
        .ping_ms = DUET_OFF
    };
    CHECK(duet_connect(&m->client, w.loop, &config, NULL) == 0);
}

static void drop(struct member *m)
{
    duet_client_free(m->client);
    m->client = NULL;
}

static void members_act(void)
{
    for (unsigned i = 0; i < w.member_count; i++) {
        struct member *m = &w.members[i];
        if (m->client != NULL && m->over)
            drop(m);
        if (m->client == NULL && kernel_now_us() >= m->back_us)
            come(m);
    }
    struct member *m = &w.members[dice_below(dice(), w.member_count)];
    if (m->conn == NULL || w.calm)
        return;
    char data[LINE];
    switch (dice_below(dice(), 12)) {
    case 0:
        m->paused = !m->paused;
        (m->paused ? duet_pause : duet_resume)(m->conn);
        break;
    case 1:
        if (one_in(4))
            duet_close(m->conn, 1000, "bye");
        break;
    case 2:
        if (one_in(4))
            duet_abort(m->conn);
        break;
    case 3 ... 5:
        duet_send(m->conn, DUET_TEXT, data, compose(data, next_number(m->channel)));
        break;
    default:
        break;
    }
}

/* The server. */

static void on_log(void *arg, const duet_log_event *e)
{
    (void)arg;
    say("%llu server: %s %s %d %s", (unsigned long long)kernel_now_us() / 1000, e->event, e->reason ? e->reason : "",
        e->code, e->detail ? e->detail : "");
}

static void start(void)
{
    static const duet_route routes[] = {
        { .path = PLAIN_PATH, .websocket = true, .upgrade = plain_upgrade },
        { 0 },
    };
    char why[HUB_WHY];
    struct hub *hub;
    struct hub_config config = { .namespaces = &w.options,
                                 .count = 1,
                                 .clock = hub_clock,
                                 .random = hub_chance,
                                 .engine = w.disk ? disk_engine(w.disk) : NULL };
    hub_limits_default(&config.limits);
    w.config.routes = routes;
    w.config.on = wire_handler;
    w.config.data_size = WIRE_DATA;
    w.config.arg = &w;
    w.config.log = on_log;
    CHECK(hub_new(&hub, &config, why) == 0);
    CHECK(wire_init(&w.site, hub) == 0);
    CHECK(duet_loop_new(&w.server_loop) == 0);
    CHECK(duet_server_new(&w.server, &w.config, NULL) == 0);
    CHECK(duet_server_attach(w.server, w.server_loop) == 0);
    hub_attach(hub, w.server);
}

static void stop(void)
{
    hub_stop(w.site.hub);
    duet_server_free(w.server);
    hub_free(w.site.hub);
    duet_loop_free(w.server_loop);
}

static void restart(void)
{
    say("%llu the server is killed and started again", (unsigned long long)kernel_now_us() / 1000);
    sim_count("restarts");
    if (w.disk != NULL)
        disk_crash(w.disk);
    else
        w.forgot = true;
    w.keyed = 0; /* a retry over a crash is another matter: whether the first was kept, nobody knows */
    stop();
    for (unsigned i = 0; i < w.channels; i++) {
        if (w.disk != NULL)
            look_at_disk(i);
        versions_restart(i, w.disk ? w.top[i] : UINT64_MAX, w.options.history_size);
    }
    w.restarts++;
    start();
}

/* The world. */

static void draw_weather(struct kernel_weather *out)
{
    struct dice d = { .state = dice_roll(dice()) };
    *out = (struct kernel_weather){ .delay_us = (unsigned)dice_size(&d, 30000),
                                    .jitter_us = (unsigned)dice_size(&d, 10000),
                                    .piece = dice_one_in(&d, 3) ? 0 : 1 + dice_size(&d, 20000),
                                    .buffer = dice_one_in(&d, 3) ? 4096 + dice_size(&d, 60000) : 0,
                                    .read_most = dice_one_in(&d, 4) ? 500 + dice_size(&d, 2000) : 0,
                                    .eintr_one_in = dice_one_in(&d, 4) ? 10 : 0 };
}

static void draw_world(void)
{
    struct disk_mood mood = { .delay_us = (unsigned)dice_size(dice(), 200000),
                              .fail_one_in = one_in(3) ? 0 : 10 + (unsigned)dice_size(dice(), 100),
                              .full_one_in = one_in(3) ? 20 : 0 };
    w.plenty = one_in(2);
    w.channels = 1 + (unsigned)dice_below(dice(), CHANNELS);
    w.member_count = 1 + (unsigned)dice_below(dice(), MEMBERS);
    hub_options_default(&w.options);
    w.options.history_size = w.plenty ? STORIES : 1 + (uint32_t)dice_size(dice(), 30);
    w.options.history_ttl_ms = w.plenty ? UINT32_MAX : 1 + dice_size(dice(), 20000);
    w.options.allow_recovery = true;
    w.options.allow_subscribe_for_anonymous = w.options.allow_publish_for_anonymous = true;
    w.config = (duet_server_config){ DUET_SERVER_CONFIG_INIT, .listen = "ws://127.0.0.1:9001",
                                     .queue_soft = 2048 + (unsigned)dice_size(dice(), 60000),
                                     /* beside the soft limit room for a page of what was missed */
                                     .queue_max = 150000 + (unsigned)dice_size(dice(), 200000), .ping_ms = DUET_OFF,
                                     .memory_mib = DUET_OFF };
    if (one_in(2))
        w.sources = 1 + (unsigned)dice_below(dice(), 2);
    w.fleeting = w.sources == 1 && one_in(2); /* of one source alone it is clear what may follow what was not seen */
    if (one_in(2))
        w.disk = disk_new(dice(), &mood);
    for (unsigned i = 0; i < w.member_count; i++)
        w.members[i].channel = (unsigned)dice_below(dice(), w.channels);
    CHECK(duet_loop_new(&w.loop) == 0);
}

static bool turn(duet_loop *l)
{
    if (!kernel_ready(duet_loop_fd(l)) && duet_loop_wait_ms(l) != 0)
        return false;
    CHECK(duet_loop_turn(l, 0) >= 0);
    return true;
}

static uint64_t earlier(uint64_t at, duet_loop *l)
{
    int wait = duet_loop_wait_ms(l);
    uint64_t its = wait < 0 ? UINT64_MAX : kernel_now_us() + (uint64_t)wait * 1000;
    return its < at ? its : at;
}

static void step(void)
{
    bool first = one_in(2);
    bool busy = turn(first ? w.loop : w.server_loop) || turn(first ? w.server_loop : w.loop);
    if (w.disk != NULL && disk_turn(w.disk, kernel_now_us()))
        busy = true;
    if (!busy) {
        uint64_t next = earlier(earlier(kernel_next_us(), w.loop), w.server_loop);
        if (w.disk != NULL && disk_next_us(w.disk) < next)
            next = disk_next_us(w.disk);
        for (unsigned i = 0; i < w.member_count; i++)
            if (w.members[i].client == NULL && w.members[i].back_us < next)
                next = w.members[i].back_us;
        uint64_t soon = kernel_now_us() + 20000;
        kernel_advance(next < soon && next > kernel_now_us() ? next : soon);
    }
    kernel_run_threads();
}

static void play_on(void)
{
    size_t steps = 100 + dice_below(dice(), 900);
    bool may_cut = one_in(2), may_restart = one_in(3);
    for (size_t i = 0; i < steps; i++) {
        step();
        members_act();
        if (one_in(6))
            publish();
        if (one_in(100))
            hub_tick(w.site.hub);
        if (may_cut && one_in(100) && kernel_cut(false))
            sim_count("lost");
        if (may_restart && one_in(300))
            restart();
    }
}

/* Whether all are at the top of their channel: the highest that anybody was told of in this epoch. */
static bool all_at_top(void)
{
    for (unsigned i = 0; i < w.member_count; i++) {
        const struct member *m = &w.members[i];
        if (!m->greeted || m->conn == NULL)
            return false;
        for (unsigned k = 0; k < w.story_count; k++)
            if (w.stories[k].channel == m->channel && strcmp(w.stories[k].epoch, m->at.epoch) == 0 &&
                w.stories[k].offset > m->at.offset)
                return false;
    }
    return w.disk == NULL || disk_next_us(w.disk) == UINT64_MAX;
}

static void calm_down(void)
{
    static const struct kernel_weather fair;
    static const struct disk_mood good;
    w.calm = true;
    kernel_turns(&fair);
    if (w.disk != NULL)
        disk_set_mood(w.disk, &good);
    for (unsigned i = 0; i < w.member_count; i++)
        if (w.members[i].conn != NULL)
            duet_resume(w.members[i].conn);
    for (unsigned i = 0; i < w.channels; i++)
        publish_as(i, next_number(i), "");
    for (size_t i = 0; i < 200 || !all_at_top(); i++) {
        CHECK(i < STEPS_MOST);
        step();
        members_act();
    }
}

static void finish(void)
{
    for (unsigned i = 0; i < w.member_count; i++)
        drop(&w.members[i]);
    for (int i = 0; i < 50; i++)
        step();
    struct hub_stats stats;
    hub_read_stats(w.site.hub, &stats);
    CHECK(stats.sessions == 0 && stats.subscriptions == 0);
    stop();
    disk_free(w.disk);
    while (kernel_waiting_threads() > 0) {
        kernel_advance(kernel_next_us());
        kernel_run_threads();
    }
    duet_loop_free(w.loop);
    CHECK(kernel_open_files() == 0);
    CHECK(sim_held() == 0);
    kernel_halt();
}

static void play(uint64_t seed)
{
    struct kernel_weather weather;
    memset(&w, 0, sizeof(w));
    versions_begin();
    kernel_boot(seed, NULL);
    draw_weather(&weather);
    kernel_boot(seed, &weather);
    draw_world();
    start();
    play_on();
    calm_down();
    finish();
}

static bool mine(uint64_t seed)
{
    (void)seed;
    return true;
}

int main(int argc, char **argv)
{
    return sim_main(argc, argv, mine, play);
}
