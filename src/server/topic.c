/* SPDX-License-Identifier: MIT */
/*
 * The log of a topic is a list whose last publication, the tail, is always empty: the next one is written into it and
 * brings the new tail along. So a member's place in the log is a pointer, a member that has got everything points to
 * the tail, and appending needs no memory of its own: what can fail fails before anyone got anything.
 *
 * The walk goes over the members in passes. `at` parts those that had their turn in this pass from those that have not;
 * a member that leaves takes nobody over that line. When a pass is over, every member is at `goal` at least (the tail
 * when the pass began), but for those that are in the middle of a message in parts: `least` is the lowest number still
 * due, and what is below it is freed.
 *
 * Nothing here runs an application's callback, with one exception: a trace that is told of frames as they are queued.
 * It may publish, join and leave, so no pointer into `members` is kept over a delivery, and a topic is not freed while
 * it is `busy`.
 */
#include "server/topic.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "server/httpd.h"
#include "server/memberships.h"
#include "server/server.h"
#include <string.h>

enum { CLOCK_EACH = 16, AHEAD = 3 };

struct publication {
    struct publication *next;
    duet_shared *message; /* NULL: the tail */
    uint64_t except;
    uint64_t number;
    size_t name_len; /* in an inbox */
    char name[];
};

struct member {
    duet_conn *conn;
    struct publication *next; /* the first one that is due, or the tail */
};

struct topic {
    struct topics *home;
    struct topic *next; /* of the pending ones */
    struct member *members;
    struct publication *first, *tail, *goal;
    uint64_t least;
    size_t bytes; /* of all that the log holds */
    uint32_t count, cap, at;
    uint32_t busy;
    bool pending, over; /* over: to be freed when it is no longer busy */
    uint8_t name_len;
    char name[];
};

static void deliver(struct task *task);
static bool walk(struct topic *t, uint64_t since_us);

static struct topics *topics_of(const duet_conn *c)
{
    return &loop_of(c)->topics;
}

static void publication_free(struct publication *p)
{
    duet_shared_unref(p->message);
    mem_free(p);
}

static void list_free(struct publication *p)
{
    while (p != NULL) {
        struct publication *next = p->next;
        publication_free(p);
        p = next;
    }
}

int topics_init(struct topics *t, struct server_loop *loop, const uint64_t key[2])
{
    *t = (struct topics){ .loop = loop, .deliver.run = deliver };
    map_init(&t->names, key);
    t->pending_last = &t->pending;
    t->inbox_last = &t->inbox;
    return -pthread_mutex_init(&t->lock, NULL);
}

/* The lock of all inboxes of a server is the first loop's. */
static pthread_mutex_t *lock_of(duet_server *s)
{
    return &s->loops[0].topics.lock;
}

void topics_listen(struct topics *t, bool listening)
{
    pthread_mutex_t *lock = lock_of(t->loop->server);
    pthread_mutex_lock(lock);
    t->listening = listening;
    pthread_mutex_unlock(lock);
}

static void topic_destroy(struct topic *t)
{
    list_free(t->first);
    mem_free(t->members);
    mem_free(t);
}

void topics_fini(struct topics *t)
{
    if (t->loop == NULL)
        return;
    if (t->loop->loop != NULL)
        loop_not_at_end(t->loop->loop, &t->deliver);
    size_t at = 0;
    const void *name;
    size_t len;
    struct topic *topic;
    while ((topic = map_each(&t->names, &at, &name, &len)) != NULL)
        topic_destroy(topic);
    map_fini(&t->names);
    list_free(t->inbox);
    pthread_mutex_destroy(&t->lock);
    *t = (struct topics){ .loop = NULL };
}

static struct topic *topic_new(struct topics *home, const char *name, size_t len)
{
    struct topic *t = mem_zalloc(sizeof(*t) + len);
    struct publication *tail = mem_zalloc(sizeof(*tail));
    if (t == NULL || tail == NULL || map_put(&home->names, name, len, t) < 0) {
        mem_free(t);
        mem_free(tail);
        return NULL;
    }
    t->home = home;
    t->first = t->tail = t->goal = tail;
    t->name_len = (uint8_t)len;
    memcpy(t->name, name, len);
    count_add(&home->count, 1);
    return t;
}

static void no_longer_pending(struct topic *t)
{
    struct topics *home = t->home;
    if (!t->pending)
        return;
    struct topic **at = &home->pending;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    if (home->pending_last == &t->next)
        home->pending_last = at;
    t->next = NULL;
    t->pending = false;
}

static void make_pending(struct topic *t)
{
    struct topics *home = t->home;
    if (t->pending)
        return;
    t->pending = true;
    *home->pending_last = t;
    home->pending_last = &t->next;
    loop_at_end(home->loop->loop, &home->deliver);
}

/* Its last member left: nobody is due what its log still holds. */
static void topic_free(struct topic *t)
{
    struct topics *home = t->home;
    if (!t->over) {
        t->over = true;
        no_longer_pending(t);
        if (t->first != t->tail)
            home->behind--;
        map_take(&home->names, t->name, t->name_len);
        count_add(&home->count, UINT64_MAX);
    }
    if (t->busy == 0)
        topic_destroy(t);
}

/* Room for one member more. */
static int grow_members(struct topic *t)
{
    if (t->count < t->cap)
        return 0;
    uint32_t cap = t->cap ? 2 * t->cap : 2;
    struct member *grown = mem_realloc(t->members, cap * sizeof(*grown));
    if (grown == NULL)
        return DUET_ERR_NOMEM;
    t->members = grown;
    t->cap = cap;
    return 0;
}

static void begin_pass(struct topic *t)
{
    t->at = 0;
    t->goal = t->tail;
    t->least = t->tail->number;
}

/* Writes the publication into the tail; `p` is the new tail. */
static void append(struct topic *t, struct publication *p)
{
    struct publication *tail = t->tail;
    tail->message = p->message;
    tail->except = p->except;
    tail->next = p;
    p->message = NULL;
    p->next = NULL;
    p->number = tail->number + 1;
    if (t->first == tail)
        t->home->behind++;
    t->tail = p;
    t->bytes += tail->message->len;
    if (t->at == 0)
        begin_pass(t);
    make_pending(t);
    /* So much is not kept for the end of the turn. Within a walk, that one will go on to the end. */
    if (t->bytes > TOPIC_LOG_MOST && t->busy == 0) {
        no_longer_pending(t);
        if (!walk(t, clock_us()))
            make_pending(t);
    }
}

/* What others published, in their order. */
static void append_all(struct topics *ts, struct publication *p)
{
    while (p != NULL) {
        struct publication *next = p->next;
        struct topic *t = map_get(&ts->names, p->name, p->name_len);
        if (t != NULL)
            append(t, p);
        else
            publication_free(p);
        p = next;
    }
}

/* With the lock held. */
static struct publication *take_inbox(struct topics *ts)
{
    struct publication *all = ts->inbox;
    ts->inbox = NULL;
    ts->inbox_last = &ts->inbox;
    __atomic_store_n(&ts->news, false, __ATOMIC_RELAXED);
    return all;
}

/* What was published by now on other threads. */
static void read_inbox(struct topics *ts, bool posted)
{
    pthread_mutex_t *lock = lock_of(ts->loop->server);
    pthread_mutex_lock(lock);
    struct publication *all = take_inbox(ts);
    if (posted)
        ts->posted = false;
    pthread_mutex_unlock(lock);
    append_all(ts, all);
}

static void drain_inbox(void *arg)
{
    read_inbox(arg, true);
}

/* Before anything else on this loop that must come behind it. Who knows that a publish is over has seen `news`. */
static void hear(struct topics *ts)
{
    if (__atomic_load_n(&ts->news, __ATOMIC_RELAXED))
        read_inbox(ts, false);
}

static bool may_join(const duet_conn *c)
{
    return c->state == CONN_ACTIVE && (conn_phase(c) != &conn_websocket || duet_proto_is_open(&c->proto));
}

int topic_join(duet_conn *c, const char *name, size_t len)
{
    struct topics *home = topics_of(c);
    if (len == 0 || len > TOPIC_NAME_MOST)
        return DUET_ERR_INVALID;
    hear(home);
    if (!may_join(c))
        return DUET_ERR_CLOSED;
    struct topic *t = map_get(&home->names, name, len);
    if (t != NULL && memberships_place(c, t) != NULL)
        return 0;
    if (memberships_count(c) >= home->loop->server->config.topics_max)
        return DUET_ERR_LIMIT;
    if (memberships_grow(c) < 0)
        return DUET_ERR_NOMEM;
    if (t == NULL)
        t = topic_new(home, name, len);
    if (t == NULL)
        return DUET_ERR_NOMEM;
    if (grow_members(t) < 0) {
        if (t->count == 0)
            topic_free(t);
        return DUET_ERR_NOMEM;
    }
    memberships_add(c, t, t->count);
    t->members[t->count++] = (struct member){ .conn = c, .next = t->tail };
    count_add(&home->subscriptions, 1);
    return 0;
}

static void move_member(struct topic *t, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    t->members[to] = t->members[from];
    *memberships_place(t->members[to].conn, t) = to;
}

/* The gap is filled from the same side of the walk's line, and the gap that leaves from the end. */
static void remove_member(struct topic *t, uint32_t gap)
{
    if (gap < t->at) {
        move_member(t, --t->at, gap);
        gap = t->at;
    }
    move_member(t, --t->count, gap);
    count_add(&t->home->subscriptions, UINT64_MAX);
    if (t->count == 0)
        topic_free(t);
}

/* The reader is too slow for one message more: by the policy, and never without a trace. */
static void refuse(duet_conn *c)
{
    count_add(&conn_host(c)->skipped, 1);
    if (conn_host(c)->when_full == DUET_FULL_CLOSE)
        conn_give_up(c, DUET_ERR_FULL);
    else if (conn_wake(c) == 0)
        conn_busy(c)->congested = true;
}

/* One publication to one member. False: it is held, or in the middle of a message in parts, and cannot have it now. */
static bool give_one(duet_conn *c, duet_shared *message, bool late)
{
    bool websocket = conn_phase(c) == &conn_websocket;
    if (websocket && !duet_proto_is_open(&c->proto))
        return true;
    if (c->held && !late)
        return false;
    if (c->held) {
        refuse(c);
        return true;
    }
    if (conn_host(c)->queue_max != 0 && conn_queued(c) > conn_host(c)->queue_max) {
        refuse(c);
        return true;
    }
    int rc = websocket ? websocket_deliver(c, message) : http_deliver(c, message);
    if (rc == DUET_ERR_STATE && websocket) {
        if (!late)
            return false;
        refuse(c);
    } else if (rc == DUET_ERR_NOMEM) {
        /* It would miss one without knowing. */
        c->reason = DUET_REASON_no_memory;
        conn_kill(c, rc);
    }
    return true;
}

/* Queues what the member is due; the caller sees to it that it is written. */
static void give(struct topic *t, uint32_t index)
{
    duet_conn *c = t->members[index].conn;
    struct publication *p = t->members[index].next, *end = t->tail;
    t->members[index].next = end;
    t->busy++;
    for (; p != end && c->state == CONN_ACTIVE; p = p->next) {
        if (p->except != 0 && p->except == c->id)
            continue;
        if (!give_one(c, p->message, t->bytes > TOPIC_LOG_MOST))
            break;
    }
    t->busy--;
    if (t->over && t->busy == 0) {
        topic_destroy(t);
        return;
    }
    if (p == end || c->state != CONN_ACTIVE || index >= t->count || t->members[index].conn != c)
        return;
    t->members[index].next = p;
    if (p->number < t->least)
        t->least = p->number;
}

/* It leaves in the middle of a message in parts: what it is due cannot be given any more, and is not lost silently. */
static void give_up(struct topic *t, uint32_t index)
{
    duet_conn *c = t->members[index].conn;
    for (struct publication *p = t->members[index].next; p != t->tail && c->state == CONN_ACTIVE; p = p->next)
        if (p->except == 0 || p->except != c->id)
            refuse(c);
    t->members[index].next = t->tail;
}

/* The commonest member by far: it is due one publication, and nothing else is coming or going. No trace is told, so
 * nobody joins or leaves meanwhile. */
static bool pass_one(struct member *m, struct publication *end)
{
    duet_conn *c = m->conn;
    const struct publication *p = m->next;
    if (p->next != end || c->held || (p->except != 0 && p->except == c->id) || !websocket_pass(c, p->message))
        return false;
    m->next = end;
    return true;
}

/* In the walk: what was queued leaves at once, while the connection's memory is at hand. */
static void visit(struct topic *t, uint32_t index)
{
    duet_conn *c = t->members[index].conn;
    if (t->members[index].next == t->tail || pass_one(&t->members[index], t->tail))
        return;
    give(t, index);
    if (c->state != CONN_ACTIVE)
        return;
    if (!conn_out_waits(c))
        conn_flush(c);
    else
        conn_schedule(c);
    if (conn_queued(c) > conn_host(c)->queue_soft)
        conn_busy(c)->congested = true;
    conn_rest(c);
}

static void look_ahead(const struct topic *t)
{
    if (t->at + AHEAD >= t->count)
        return;
    const char *c = (const char *)t->members[t->at + AHEAD].conn;
    __builtin_prefetch(c);
    __builtin_prefetch(c + 64);
    __builtin_prefetch(c + sizeof(duet_conn) - 1);
}

/* Frees what all members got. True: that is all there was at the pass's end. */
static bool end_pass(struct topic *t)
{
    bool held = t->first != t->tail;
    while (t->first->number < t->least) {
        struct publication *p = t->first;
        t->first = p->next;
        t->bytes -= p->message->len;
        publication_free(p);
    }
    if (held && t->first == t->tail)
        t->home->behind--;
    bool last = t->goal == t->tail;
    begin_pass(t);
    return last;
}

/* Goes on with the members until each has got everything (true), or the slice is over. */
static bool walk(struct topic *t, uint64_t since_us)
{
    unsigned n = 0;
    bool done = false;
    t->busy++;
    while (!done) {
        if (t->at >= t->count) {
            done = t->over || end_pass(t);
            continue;
        }
        look_ahead(t);
        visit(t, t->at++);
        if (++n % CLOCK_EACH == 0 && t->bytes <= TOPIC_LOG_MOST && clock_us() - since_us > TOPIC_SLICE_US)
            break;
    }
    t->busy--;
    if (t->over && t->busy == 0)
        topic_destroy(t);
    return done;
}

/* The end of a turn with publications. A topic whose turn is cut goes behind the others. */
static void deliver(struct task *task)
{
    struct topics *ts = (struct topics *)(void *)((char *)task - offsetof(struct topics, deliver));
    uint64_t since = clock_us();
    unsigned n = 0;
    while (ts->pending != NULL) {
        struct topic *t = ts->pending;
        no_longer_pending(t);
        bool done = walk(t, since);
        if (!done)
            make_pending(t);
        if (!done || (++n % CLOCK_EACH == 0 && clock_us() - since > TOPIC_SLICE_US)) {
            loop_at_end(ts->loop->loop, task);
            return;
        }
    }
}

static struct publication *publication_new(const char *name, size_t len, duet_shared *message, uint64_t except)
{
    struct publication *p = mem_alloc(sizeof(*p) + len);
    if (p == NULL)
        return NULL;
    *p = (struct publication){ .message = duet_shared_ref(message), .except = except, .name_len = len };
    memcpy(p->name, name, len);
    return p;
}

/* With the lock held. Nobody has the publication before everybody is sure to hear of it. */
static int wake_others(duet_server *s, const struct server_loop *own)
{
    for (unsigned i = 0; i < s->count; i++) {
        struct server_loop *l = &s->loops[i];
        if (l == own || l->topics.posted || !l->topics.listening)
            continue;
        int rc = loop_post(l->loop, drain_inbox, &l->topics);
        if (rc < 0)
            return rc;
        l->topics.posted = true;
    }
    return 0;
}

/* Over all inboxes at once, so that all loops see one order. Takes the list, one publication for each loop. */
static int publish_across(duet_server *s, struct server_loop *own, struct publication *list)
{
    struct publication *missed = NULL, *mine = list;
    pthread_mutex_lock(lock_of(s));
    int rc = wake_others(s, own);
    for (unsigned i = 0; rc == 0 && i < s->count; i++) {
        struct topics *ts = &s->loops[i].topics;
        if (&s->loops[i] == own)
            continue;
        struct publication *p = list;
        mine = list = p->next;
        p->next = NULL;
        if (ts->listening) {
            *ts->inbox_last = p;
            ts->inbox_last = &p->next;
            __atomic_store_n(&ts->news, true, __ATOMIC_RELAXED);
        } else {
            publication_free(p);
        }
    }
    if (rc == 0 && own != NULL)
        missed = take_inbox(&own->topics);
    pthread_mutex_unlock(lock_of(s));
    if (rc < 0) {
        list_free(list);
        return rc;
    }
    if (own != NULL) {
        append_all(&own->topics, missed);
        append_all(&own->topics, mine);
    }
    return 0;
}

/* One loop, and on it: no lock, and no memory when nobody listens. */
static int publish_here(struct topics *ts, const char *name, size_t len, duet_shared *message, uint64_t except)
{
    hear(ts);
    struct topic *t = map_get(&ts->names, name, len);
    if (t == NULL)
        return 0;
    struct publication *p = publication_new(name, 0, message, except);
    if (p == NULL)
        return DUET_ERR_NOMEM;
    append(t, p);
    return 0;
}

void duet_topic_read(duet_server *s, const char *topic, duet_topic_stats *out)
{
    struct server_loop *l = server_current(s);
    const struct topic *t = l ? map_get(&l->topics.names, topic, strlen(topic)) : NULL;
    *out = (duet_topic_stats){ .members = 0 };
    if (t != NULL)
        *out = (duet_topic_stats){ .members = t->count, .published = t->tail->number, .given = t->first->number };
}

int topic_publish(duet_server *s, const char *name, size_t len, duet_shared *message, uint64_t except)
{
    if (len == 0 || len > TOPIC_NAME_MOST)
        return DUET_ERR_INVALID;
    struct server_loop *own = server_current(s);
    int rc;
    if (own != NULL && s->count == 1) {
        rc = publish_here(&own->topics, name, len, message, except);
    } else {
        struct publication *list = NULL;
        for (unsigned i = 0; i < s->count; i++) {
            struct publication *p = publication_new(name, len, message, except);
            if (p == NULL) {
                list_free(list);
                return DUET_ERR_NOMEM;
            }
            p->next = list;
            list = p;
        }
        rc = publish_across(s, own, list);
    }
    if (rc == 0)
        __atomic_fetch_add(&s->loops[0].topics.published, 1, __ATOMIC_RELAXED);
    return rc;
}

void topic_catch_up(duet_conn *c)
{
    hear(topics_of(c));
    if (topics_of(c)->behind == 0)
        return;
    for (uint32_t i = 0; i < memberships_count(c); i++) {
        struct membership m = memberships_at(c, i);
        if (m.topic->members[m.index].next == m.topic->tail)
            continue;
        make_pending(m.topic); /* also when nothing is left to give, for its log to be freed */
        give(m.topic, m.index);
        conn_queued_more(c);
    }
}

int topic_leave(duet_conn *c, const char *name, size_t len)
{
    if (len == 0 || len > TOPIC_NAME_MOST)
        return DUET_ERR_INVALID;
    struct topics *home = topics_of(c);
    hear(home);
    struct topic *t = map_get(&home->names, name, len);
    const uint32_t *place = t ? memberships_place(c, t) : NULL;
    if (place == NULL)
        return 0;
    /* What was published before is still due to it. */
    if (t->members[*place].next != t->tail) {
        give(t, *place);
        conn_queued_more(c);
        place = memberships_place(c, t);
        if (place == NULL)
            return 0;
        give_up(t, *place);
    }
    uint32_t index = *place, at = 0;
    while (memberships_at(c, at).topic != t)
        at++;
    memberships_drop(c, at);
    remove_member(t, index);
    return 0;
}

void topic_leave_all(duet_conn *c)
{
    while (c->topic != NULL) {
        uint32_t last = (uint32_t)memberships_count(c) - 1;
        struct membership m = memberships_at(c, last);
        memberships_drop(c, last);
        remove_member(m.topic, m.index);
    }
    c->held = false;
}

static void hold(duet_conn *c, bool held)
{
    c->held = held;
    if (!held && c->state == CONN_ACTIVE)
        topic_catch_up(c);
}

void duet_hold(duet_conn *c, bool held)
{
    hold(c, held);
}

void duet_http_hold(duet_http *x, bool held)
{
    if (x->conn != NULL)
        hold(x->conn, held);
}

int duet_subscribe(duet_conn *c, const char *topic)
{
    return duet_server_of(c) ? topic_join(c, topic, strlen(topic)) : DUET_ERR_INVALID;
}

int duet_unsubscribe(duet_conn *c, const char *topic)
{
    return duet_server_of(c) ? topic_leave(c, topic, strlen(topic)) : DUET_ERR_INVALID;
}

int duet_publish_shared(duet_server *s, const char *topic, duet_shared *message)
{
    return topic_publish(s, topic, strlen(topic), message, 0);
}

static int publish_copy(duet_server *s, const char *topic, duet_type type, const void *data, size_t len,
                        uint64_t except)
{
    if (type != DUET_TEXT && type != DUET_BINARY)
        return DUET_ERR_INVALID;
    if (type == DUET_TEXT && !utf8_valid(data, len))
        return DUET_ERR_UTF8;
    duet_shared *message = shared_alloc(len);
    if (message == NULL)
        return DUET_ERR_NOMEM;
    if (len > 0)
        memcpy(message->payload, data, len);
    message->len = len;
    shared_encode(message, type);
    int rc = topic_publish(s, topic, strlen(topic), message, except);
    duet_shared_unref(message);
    return rc;
}

int duet_publish(duet_server *s, const char *topic, duet_type type, const void *data, size_t len)
{
    return publish_copy(s, topic, type, data, len, 0);
}

int duet_publish_except(duet_conn *c, const char *topic, duet_type type, const void *data, size_t len)
{
    duet_server *s = duet_server_of(c);
    return s ? publish_copy(s, topic, type, data, len, c->id) : DUET_ERR_INVALID;
}
