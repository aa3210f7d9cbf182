/* SPDX-License-Identifier: MIT */
/*
 * The protocol alone: a client and a server in one program, with a buffer for a wire and a number for a clock. Nothing
 * here makes a system call but printf, so it runs the same way each time.
 */
#include <duet/proto.h>
#include <stdio.h>
#include <string.h>

struct end {
    const char *name;
    duet_proto *proto;
};

/* Real programs ask the system (getrandom): these bytes are what keeps a frame's mask from being guessed. */
static int not_random(void *arg, void *to, size_t len)
{
    (void)arg;
    memset(to, 7, len);
    return 0;
}

/* What an end does when something was said to it. */
static void on_event(const struct end *e, const duet_event *ev)
{
    printf("%s: ", e->name);
    switch (ev->kind) {
    case DUET_EVENT_REQUEST:
        printf("asked for %s\n", duet_request_path(duet_proto_request(e->proto)));
        duet_proto_accept(e->proto, "talk", NULL, 0);
        break;
    case DUET_EVENT_OPEN:
        printf("open, speaking %s\n", duet_proto_subprotocol(e->proto));
        duet_proto_send(e->proto, DUET_TEXT, "how are you?", 12);
        break;
    case DUET_EVENT_MESSAGE:
        printf("message of %zu bytes: %.*s\n", ev->len, (int)ev->len, (const char *)ev->data);
        if (ev->len > 0 && ev->data[ev->len - 1] == '?')
            duet_proto_send(e->proto, DUET_TEXT, "fine", 4);
        break;
    case DUET_EVENT_CLOSE:
        printf("closed with %u, %s: '%.*s'\n", ev->code, duet_code_text(ev->code), (int)ev->len,
               (const char *)ev->data);
        break;
    case DUET_EVENT_PING:
        printf("ping\n");
        break;
    case DUET_EVENT_PONG:
        printf("pong\n");
        break;
    default:
        printf("event %d\n", (int)ev->kind);
    }
}

/* Takes what one end has to write, as a socket would (only whole parts, for brevity), and gives it to the other.
 * Returns how many bytes went. */
static size_t carry(const struct end *from, const struct end *to, uint64_t now_ms)
{
    uint8_t wire[4096];
    size_t len = 0;
    struct iovec parts[8];
    int count = duet_proto_output(from->proto, parts, 8);
    for (int i = 0; i < count && parts[i].iov_len <= sizeof(wire) - len; i++) {
        memcpy(wire + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    duet_proto_sent(from->proto, len);

    duet_input in = { wire, len };
    duet_event ev;
    int rc;
    while ((rc = duet_proto_recv(to->proto, &in, now_ms, &ev)) == 1)
        on_event(to, &ev);
    if (rc < 0)
        printf("%s: %s\n", to->name, duet_strerror(rc));
    return len;
}

static void talk(const struct end *one, const struct end *other, uint64_t now_ms)
{
    while (carry(one, other, now_ms) + carry(other, one, now_ms) > 0)
        ;
}

int main(void)
{
    static const char *const subprotocols[] = { "talk", NULL };
    struct end server = { .name = "server" }, client = { .name = "client" };
    uint64_t now_ms = 0;
    int rc = duet_proto_new(&server.proto, &(duet_proto_config){ DUET_PROTO_CONFIG_INIT, .role = DUET_SERVER }, now_ms);
    if (rc == 0)
        rc = duet_proto_new(&client.proto,
                            &(duet_proto_config){
                                DUET_PROTO_CONFIG_INIT,
                                .role = DUET_CLIENT,
                                .random = not_random,
                                .host = "example.com",
                                .target = "/weather",
                                .subprotocols = subprotocols,
                                .ping_ms = DUET_OFF,
                            },
                            now_ms);
    if (rc == 0) {
        talk(&client, &server, now_ms);

        /* Nobody says a word until the server is due to ask whether the client is still there. */
        now_ms = duet_proto_deadline(server.proto);
        printf("(%llu s later)\n", (unsigned long long)now_ms / 1000);
        duet_proto_tick(server.proto, now_ms);
        talk(&server, &client, now_ms);

        duet_proto_close(client.proto, DUET_CODE_NORMAL, "that is all");
        talk(&client, &server, now_ms);
    }
    duet_proto_free(client.proto);
    duet_proto_free(server.proto);
    return rc < 0;
}
