# SPDX-License-Identifier: MIT
"""Why, in a line each: what somebody found who looked, by counting calls (`strace -f -c`) and reading sources. The
figures are the run's; who sees other figures than these explain looks again."""

HOW_KNOWN = """\
System calls are the server's, for a message of 20 B with 100 connections, or a delivery of 16 B to 1,000, counted by strace
(`-f -c`) with the programs that were measured; the rest is read in the sources.

"""

# By load and server; by ("", server) for all its other loads. Where another is ahead of libduet.
AHEAD = {
    ("echo-1", ""): "One message at a time is a wake-up each, and what differs between servers is less than what wakes do.",
}

DUET = """\
- libduet, echo: one `recvfrom` and one `sendto` a message, no `epoll_ctl`, and with 16 in flight 0.06 of each, since what one
  read brings is answered by one write. Unmasking and UTF-8 are done 32 bytes at a time, where the message lies.
- libduet, fan-out: 0.56 `sendto` a delivery. A message is encoded once, and what is published while a member waits for its
  turn leaves in the same write: `duet bench` publishes the next message when the deliveries that are out fall below one for each
  member, so two overlap. So libduet stays below the floor, which writes each by itself, as all the others do.
- libduet, compression: igzip (ISA-L) instead of zlib, on amd64.
- libduet, connections: beyond the floor's work it reads and checks the request, sets its timers and answers the Close.
- libduet, memory: a connection that is idle has no buffers, neither to read nor to write.
"""

BEHIND = {
    "serve": "what it does more than libduet is a channel's history and its numbers, once for a publication.",
    "ws": "one `read`, one `writev` a message, so it is JavaScript: streams, events and a Buffer for each message, which its "
          "heap keeps for a while. With 16 in flight it still writes 16 times. Compressing goes to another thread and "
          "back for each message.",
    "gorilla": "a goroutine for each connection: 1.8 `read` a message, as the first finds nothing and the poller has to wake "
               "it, and the scheduler beside it; one `write` each also with 16 in flight. `ReadMessage` begins with 512 B "
               "and copies as it grows. Two buffers of 4 KiB and a stack stay with an idle connection.",
    "nhooyr": "as gorilla; besides, each read and write takes a lock that is a channel and tells a goroutine that watches for "
              "timeouts, and no message can be prepared.",
    "beast": "1.3 `recvmsg` a message, as Asio tries to read before it waits, and one `sendmsg` each also with 16 in flight. "
             "UTF-8 is quick as long as it is ASCII. A buffer and the stream's state stay with an idle connection.",
    "websocketpp": "two `recvfrom` a message; it gathers what is to be written (0.13 `sendmsg` with 16 in flight). Each byte "
                   "of text goes through an automaton for UTF-8, which long messages show. A buffer of 16 KiB is part of "
                   "a connection, of which an idle one has touched a part.",
    "lws": "one `recvfrom`, one `sendto` a message, and `poll` over all connections instead of epoll. Its interface asks to be "
           "told when it can write, so each message is kept, and goes out one in a turn, also with 16 in flight.",
    "websockets": "Python. For each message the interpreter runs a parser and two coroutines, and asyncio takes and gives back "
                  "256 KiB for a read (`mmap`, `mremap` and `munmap`, one each).",
    "nchan": "one `writev` a delivery, never two messages in one; a chain of nginx's buffers for each subscriber and message.",
}

SETTINGS = """\
Each is the plainest server that its manual would have: `bench/peers/programs/`. One thread, or one core where the runtime
has threads of its own: Go with `GOMAXPROCS=1`, Node with its pool, all of them on the same core (`taskset`), so that nobody
has more of the machine than others; what they could do with more cores is not asked. TCP_NODELAY everywhere. Compiled with -O2.
permessage-deflate is without context on both sides, which the load asks for, so that all have the same work; at level 1
where that can be set (ws, Beast, websockets; gorilla has it so). Text is checked to be UTF-8 by all but gorilla and nhooyr,
which leave that to others, and the floor.
"""

NOT_HERE = """\
## Not here

- uWebSockets, facil.io, mongoose: Debian has none of them.
- wslay, libsoup: parts for a client or a server, without one that would be compared; they are in the [matrix](interop.md).
- TLS: OpenSSL's share is the same for most of them, and would hide the rest.
- More cores: libduet has `threads`; the machine has two cores, of which the load needs one.
- nchan's HTTP publisher: what it publishes is nothing that `duet bench` could number and compare.
"""


def ahead(load, server):
    for place in ((load, server), (load, ""), ("", server)):
        if place in AHEAD:
            return AHEAD[place]
    return "Why is not known."
