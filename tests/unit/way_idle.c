/* SPDX-License-Identifier: MIT */
/*
 * What an idle client of the hub takes, with one subscription and presence, in bytes as the allocator gives them. Of
 * the library's own a connection with a topic takes 174 to 184 (unit_idle); what is above that is the hub's and its
 * way's, and the goal for it is 1,024. Sanitizers' allocators round nothing up: there one byte more anywhere is seen.
 * Then these are to be lowered, or the byte is to go.
 */
#include "ways.h"
#include "base/mem.h"

enum { MANY = 192 };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PLAIN = 465, CENTRIFUGAL = 748 };
#else
enum { PLAIN = 528, CENTRIFUGAL = 794 };
#endif

static struct client *clients[MANY];

static void begin(void)
{
    struct hub_options o = ways_open();
    o.presence = o.join_leave = true;
    ways_serve(&o, 1, NULL);
}

static void plain(int i)
{
    clients[i] = ways_open_channel("room", NULL);
}

static void centrifugal(int i)
{
    struct client *c = clients[i] = client_new();
    client_say(c, "GET /connection/websocket HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert_int_equal(client_answer(c, NULL, NULL), 101);
    static const char connect[] = "{\"id\":1,\"connect\":{\"name\":\"js\"}}";
    static const char subscribe[] = "{\"id\":2,\"subscribe\":{\"channel\":\"room\",\"recoverable\":true}}";
    client_frame(c, 0x81, connect, sizeof(connect) - 1);
    client_frame(c, 0x81, subscribe, sizeof(subscribe) - 1);
    wire_settle();
}

/* Bytes of each. */
static int64_t each(void (*come)(int i))
{
    begin();
    come(0); /* what there is once */
    mem_count(true);
    for (int i = 1; i < MANY; i++)
        come(i);
    wire_settle();
    int64_t bytes = mem_counted() / (MANY - 1);
    mem_count(false);
    size_t users;
    assert_int_equal(hub_presence(ways.site.hub, "room", 4, &users, NULL, NULL), MANY);
    for (int i = 0; i < MANY; i++)
        client_free(clients[i]);
    ways_stop();
    print_message("# %lld bytes\n", (long long)bytes);
    return bytes;
}

TEST(idle, mem_1_a_plain_client_takes_no_more_than_it_did)
{
    if (sizeof(void *) != 8)
        skip();
    assert_in_range(each(plain), PLAIN - 60, PLAIN);
}

TEST(idle, mem_1_a_centrifugal_client_takes_no_more_than_it_did)
{
    if (sizeof(void *) != 8)
        skip();
    assert_in_range(each(centrifugal), CENTRIFUGAL - 90, CENTRIFUGAL);
}
