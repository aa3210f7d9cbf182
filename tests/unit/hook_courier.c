/* SPDX-License-Identifier: MIT */
/*
 * Carrying events, by a clock of the test's own: when it is tried again, what is said of that, and what happens without
 * memory. No transfer moves: how each ended is what the test says.
 */
#include "stored.h"
#include "shim.h"
#include "base/mem.h"
#include "hook/courier.h"

static struct outbox *box;
static struct courier courier;
static CURLM *multi;
static struct {
    const char *event; /* the last that was told since the step before; NULL: none */
    duet_log_level level;
    char detail[400];
} news;

/* Allocations of libcurl until one fails; -1: none does. */
static long curl_fail_at = -1, curl_asked;

static bool curl_fails(void)
{
    return curl_fail_at >= 0 && curl_asked++ == curl_fail_at;
}

static void *curl_alloc(size_t size)
{
    return curl_fails() ? NULL : malloc(size);
}

static void *curl_zalloc(size_t n, size_t size)
{
    return curl_fails() ? NULL : calloc(n, size);
}

static void *curl_grow(void *old, size_t size)
{
    return curl_fails() ? NULL : realloc(old, size);
}

static char *curl_copy(const char *text)
{
    return curl_fails() ? NULL : strdup(text);
}

__attribute__((constructor)) static void begin_curl(void)
{
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_alloc, free, curl_grow, curl_copy, curl_zalloc);
}

/* The linker puts these in front of the real ones (cmake/tests.cmake). */
bool __real_transfer_end(struct transfer *t, CURLcode result, char *why);
bool __wrap_transfer_end(struct transfer *t, CURLcode result, char *why);
int __real_outbox_drop(struct outbox *o, int64_t last);
int __wrap_outbox_drop(struct outbox *o, int64_t last);

/* A transfer that went well has an answer of 200. */
bool __wrap_transfer_end(struct transfer *t, CURLcode result, char *why)
{
    return result == CURLE_OK || __real_transfer_end(t, result, why);
}

static bool put(uint64_t n)
{
    return outbox_put(box, &(struct hook_event){ .type = "leave", .time_ms = n });
}

static unsigned put_meanwhile;

int __wrap_outbox_drop(struct outbox *o, int64_t last)
{
    for (; put_meanwhile > 0; put_meanwhile--)
        put(1);
    return __real_outbox_drop(o, last);
}

static void on_log(void *arg, const duet_log_event *event)
{
    assert_ptr_equal(arg, &courier);
    news.event = event->event;
    news.level = event->level;
    snprintf(news.detail, sizeof(news.detail), "%s", event->detail);
}

static void begin(const char *in, unsigned least_ms)
{
    char why[OUTBOX_WHY];
    assert_int_equal(outbox_open(&box, in, 1, why), 0);
    multi = curl_multi_init();
    courier = (struct courier){ .box = box, .url = "http://127.0.0.1:9/e", .timeout_ms = 1000, .least_ms = least_ms };
    courier.multi = multi;
    courier.log = on_log;
    courier.arg = &courier;
}

static void end(void)
{
    courier_fini(&courier);
    outbox_close(box);
}

static unsigned turn(uint64_t now_ms)
{
    news.event = NULL;
    return courier_turn(&courier, now_ms);
}

static void done(CURLcode result, uint64_t now_ms)
{
    news.event = NULL;
    assert_true(courier.on_its_way);
    courier_done(&courier, result, now_ms);
    assert_false(courier.on_its_way);
}

/* Events in the file, as a process sees them that opens it after a crash now. */
static int on_disk(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    char path[300];
    snprintf(path, sizeof(path), "%s/outbox.sqlite", folder);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM event", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int n = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

TEST(courier, waits_twice_as_long_after_each_failure_up_to_a_minute)
{
    static const unsigned waits_ms[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
    uint64_t now = 5000;
    begin(NULL, 0);
    put(1);
    turn(now);
    for (size_t i = 0; i < sizeof(waits_ms) / sizeof(*waits_ms); i++) {
        done(CURLE_COULDNT_CONNECT, now);
        assert_int_equal(turn(now), 1000); /* it looks once a second for what the disk takes */
        assert_int_equal(turn(now + waits_ms[i] - 1), 1);
        assert_false(courier.on_its_way);
        now += waits_ms[i];
        turn(now);
        assert_true(courier.on_its_way);
    }
    /* Taken: the next failure waits for a second again. */
    done(CURLE_OK, now);
    put(2);
    turn(now);
    done(CURLE_COULDNT_CONNECT, now);
    turn(now + 999);
    assert_false(courier.on_its_way);
    turn(now + 1001);
    assert_true(courier.on_its_way);
    end();
}

TEST(courier, tells_trouble_once_and_that_it_is_over)
{
    begin(NULL, 10);
    put(1);
    turn(1);
    assert_null(news.event);
    done(CURLE_COULDNT_CONNECT, 1);
    assert_string_equal(news.event, "events_not_taken");
    assert_int_equal(news.level, DUET_LOG_ERROR);
    assert_string_equal(news.detail, "http://127.0.0.1:9/e: Couldn't connect to server");
    turn(100);
    done(CURLE_COULDNT_CONNECT, 100);
    assert_null(news.event);
    turn(200);
    done(CURLE_OK, 200);
    assert_string_equal(news.event, "events_taken");
    assert_int_equal(news.level, DUET_LOG_INFO);
    assert_string_equal(news.detail, "http://127.0.0.1:9/e");
    put(2);
    turn(300);
    done(CURLE_OK, 300);
    assert_null(news.event);
    end();
}

TEST(courier, has_one_batch_on_its_way_and_the_rest_behind_it)
{
    begin(NULL, 0);
    for (uint64_t n = 1; n <= OUTBOX_BATCH + 5; n++)
        put(n);
    turn(1);
    assert_int_equal(courier.count, OUTBOX_BATCH);
    put(200);
    turn(2); /* nothing is begun while it is on its way */
    assert_int_equal(courier.count, OUTBOX_BATCH);
    done(CURLE_OK, 3);
    turn(3);
    assert_int_equal(courier.count, 6);
    done(CURLE_OK, 4);
    turn(5);
    assert_int_equal(courier.told, OUTBOX_BATCH + 6);
    assert_false(courier.on_its_way);
    end();
}

TEST(courier, counts_what_was_taken_not_what_came_meanwhile)
{
    begin(NULL, 0);
    put(1);
    turn(1);
    put_meanwhile = 3;
    done(CURLE_OK, 2);
    turn(2);
    assert_int_equal(courier.told, 1);
    assert_int_equal(outbox_stats(box).waiting, 3);
    end();
}

/* Else a crash would lose all that came since the backend went away. */
TEST(courier, writes_down_what_is_fresh_whatever_the_backend_does)
{
    make_folder();
    begin(folder, 0);
    put(1);
    turn(1);
    assert_true(courier.on_its_way);
    assert_int_equal(on_disk(), 1);
    put(2);
    turn(2); /* while a batch is on its way */
    assert_int_equal(on_disk(), 2);
    done(CURLE_COULDNT_CONNECT, 3);
    put(3);
    turn(4); /* while it is left alone */
    assert_false(courier.on_its_way);
    assert_int_equal(on_disk(), 3);
    end();
    remove_folder(folder);
}

TEST(courier, says_when_the_disk_does_not_take_events_and_when_it_does)
{
    make_folder();
    begin(folder, 10);
    put(1);
    shim_fail(1u << SHIM_WRITE, 0, true, SQLITE_FULL);
    turn(1);
    assert_string_equal(news.event, "outbox_unavailable");
    assert_non_null(strstr(news.detail, "events wait in memory: No space left"));
    assert_false(courier.on_its_way);
    turn(100);
    assert_null(news.event);
    shim_fail_end();
    turn(101); /* it waits a little before it tries again */
    assert_int_equal(outbox_stats(box).waiting, 1);
    assert_false(courier.on_its_way);
    turn(200);
    assert_string_equal(news.event, "outbox_available");
    assert_true(courier.on_its_way);
    /* The backend has it, and the disk does not know: it is not told again for that, but what follows waits. */
    shim_fail(1u << SHIM_WRITE, 0, true, SQLITE_FULL);
    done(CURLE_OK, 201);
    put(2);
    turn(201);
    assert_string_equal(news.event, "outbox_unavailable");
    turn(300);
    assert_null(news.event);
    assert_int_equal(courier.told, 0);
    assert_false(courier.on_its_way);
    shim_fail_end();
    turn(1000);
    assert_string_equal(news.event, "outbox_available");
    assert_int_equal(courier.told, 1);
    assert_true(courier.on_its_way);
    assert_int_equal(courier.count, 1);
    assert_int_equal(on_disk(), 1);
    end();
    remove_folder(folder);
}

static void break_off(void)
{
    if (courier.on_its_way)
        transfer_fini(&courier.transfer, multi);
    courier.on_its_way = false;
}

/* Begins a batch; whether it could. */
static bool begin_batch(uint64_t now_ms)
{
    turn(now_ms);
    bool begun = courier.on_its_way;
    if (!begun) {
        assert_non_null(news.event);
        assert_int_equal(news.level, DUET_LOG_ERROR);
        assert_non_null(strstr(news.detail, "out of memory"));
    }
    break_off();
    courier.disk = courier.backend = (struct courier_retry){ 0 };
    return begun;
}

TEST(courier, without_memory_tries_again_later_and_loses_nothing)
{
    unsigned failed = 0;
    begin(NULL, 10);
    put(1);
    turn(1);
    break_off();
    for (long n = 0;; n++) {
        curl_asked = 0;
        curl_fail_at = n;
        bool begun = begin_batch((uint64_t)n);
        curl_fail_at = -1;
        failed += !begun;
        if (curl_asked <= n) {
            assert_true(begun);
            break;
        }
    }
    assert_true(failed > 5);
    for (unsigned long n = 0;; n++) {
        mem_fail(n, false);
        bool begun = begin_batch(n);
        if (mem_fail_end() <= n) {
            assert_true(begun);
            break;
        }
        assert_false(begun);
    }
    assert_int_equal(outbox_stats(box).waiting, 1);
    end();
}

/* Transfers. */

static int begin_transfer(struct transfer *t, const char *fields)
{
    memset(t, 0, sizeof(*t));
    buf_init(&t->body, NULL, 0);
    buf_puts(&t->body, "{}");
    return transfer_begin(
        t, multi,
        &(struct transfer_want){ .url = "http://127.0.0.1:9/", .timeout_ms = 100, .fields = fields, .owner = t });
}

static const char *headers_of(const struct transfer *t)
{
    static char all[500];
    all[0] = '\0';
    for (const struct curl_slist *at = t->headers; at != NULL; at = at->next)
        strcat(strcat(all, at->data), "|");
    return all;
}

TEST(transfer, sends_the_fields_that_it_is_given_line_by_line)
{
    static const char *const rows[][2] = {
        { NULL, "" },
        { "", "" },
        { "Cookie: a=1\r\n", "Cookie: a=1|" },
        { "Cookie: a=1\r\nX-B: c\r\n", "Cookie: a=1|X-B: c|" },
        { "Last: one", "Last: one|" },
    };
    begin(NULL, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct transfer t;
        char expected[300];
        assert_int_equal(begin_transfer(&t, rows[i][0]), 0);
        snprintf(expected, sizeof(expected), "Content-Type: application/json|Accept: application/json|Expect:|%s",
                 rows[i][1]);
        assert_string_equal(headers_of(&t), expected);
        transfer_fini(&t, multi);
    }
    end();
}

TEST(transfer, begins_or_not_when_an_allocation_fails)
{
    struct transfer t;
    begin(NULL, 0);
    for (long n = 0;; n++) {
        curl_asked = 0;
        curl_fail_at = n;
        int rc = begin_transfer(&t, "A: b\r\n");
        curl_fail_at = -1;
        assert_true(rc == 0 || rc == DUET_ERR_NOMEM);
        assert_int_equal(rc == 0, t.easy != NULL);
        transfer_fini(&t, multi);
        if (curl_asked <= n)
            break;
    }
    mem_fail(1, false); /* of a field; the first is the body */
    assert_int_equal(begin_transfer(&t, "A: b\r\n"), DUET_ERR_NOMEM);
    mem_fail_end();
    transfer_fini(&t, multi);
    end();
}
