/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "cut_stream.h"
#include "net/listen.h"
#include "net/stream.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static duet_loop *loop;

/* A plain stream over a connected pair; `peer` is the other end. */
static struct stream open_stream(int *peer)
{
    int ends[2];
    assert_int_equal(duet_loop_new(&loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    *peer = ends[1];
    return (struct stream){ .watch.fd = ends[0], .as = &stream_tcp };
}

static void end_stream(struct stream *s, int peer)
{
    s->as->ops->close(s, s->watch.fd);
    if (peer >= 0)
        close(peer);
    duet_loop_free(loop);
}

TEST(stream, tcp_reads_writes_and_ends)
{
    int peer;
    struct stream s = open_stream(&peer);
    char got[8];
    uint32_t want = 0;
    assert_int_equal(s.as->ops->handshake(&s, &want), 1);
    assert_int_equal(s.as->ops->read(&s, got, sizeof(got)), -EAGAIN);
    struct iovec parts[] = { { .iov_base = "ab", .iov_len = 2 }, { .iov_base = "cde", .iov_len = 3 } };
    assert_int_equal(s.as->ops->write(&s, parts, 2), 5);
    assert_int_equal(s.as->ops->write(&s, NULL, 0), 0);
    assert_int_equal(read(peer, got, sizeof(got)), 5);
    assert_memory_equal(got, "abcde", 5);
    s.as->ops->shutdown(&s);
    assert_int_equal(read(peer, got, sizeof(got)), 0);
    assert_int_equal(write(peer, "xy", 2), 2);
    close(peer);
    assert_int_equal(s.as->ops->read(&s, got, sizeof(got)), 2);
    assert_int_equal(s.as->ops->read(&s, got, sizeof(got)), 0);
    assert_false(s.as->ops->pending(&s));
    assert_false(s.as->ops->buffered(&s));
    end_stream(&s, -1);
}

TEST(stream, net_8_a_peer_that_is_gone_is_an_error_and_no_signal)
{
    int peer;
    struct stream s = open_stream(&peer);
    close(peer);
    struct iovec part = { .iov_base = "a", .iov_len = 1 };
    assert_int_equal(s.as->ops->write(&s, &part, 1), -EPIPE);
    end_stream(&s, -1);
}

TEST(stream, a_full_socket_takes_some_and_then_says_so)
{
    int peer;
    struct stream s = open_stream(&peer);
    static char big[4 << 20];
    struct iovec parts[2000];
    for (int i = 0; i < 2000; i++)
        parts[i] = (struct iovec){ .iov_base = big, .iov_len = 1 };
    assert_in_range(s.as->ops->write(&s, parts, 2000), 1, 2000); /* more parts than one call takes */
    struct iovec all = { .iov_base = big, .iov_len = sizeof(big) };
    assert_in_range(s.as->ops->write(&s, &all, 1), 1, sizeof(big) - 1);
    assert_int_equal(s.as->ops->write(&s, &all, 1), -EAGAIN);
    end_stream(&s, peer);
}

static void tcp_pair(int ends[2])
{
    int fd;
    char why[200];
    assert_int_equal(listen_open(&fd, 1, "127.0.0.1", 0, NULL, false, why), 1);
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    getsockname(fd, (struct sockaddr *)&at, &len);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(ends[1], (struct sockaddr *)&at, len), 0);
    ends[0] = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
    assert_true(ends[0] >= 0);
    close(fd);
}

TEST(stream, discard_counts_what_it_throws_away)
{
    int peer, ends[2];
    struct stream s = open_stream(&peer);
    assert_int_equal(write(peer, "0123456789", 10), 10);
    assert_int_equal(stream_discard(&s, loop->recv, LOOP_RECV), 10);
    assert_int_equal(stream_discard(&s, loop->recv, LOOP_RECV), -EAGAIN);
    tcp_pair(ends);
    struct stream tcp = { .watch.fd = ends[0], .as = &stream_tcp };
    memset(loop->recv, 'u', 16);
    assert_int_equal(write(ends[1], "0123456789", 10), 10);
    assert_int_equal(stream_discard(&tcp, loop->recv, LOOP_RECV), 10);
    assert_memory_equal(loop->recv, "uuuu", 4); /* nothing was copied */
    close(ends[1]);
    assert_int_equal(stream_discard(&tcp, loop->recv, LOOP_RECV), 0);
    close(ends[0]);
    end_stream(&s, peer);
}

TEST(stream, net_4_cut_into_pieces_it_says_the_same)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int peer;
        struct stream s = open_stream(&peer);
        cut_stream(&s, seed, 7);
        char sent[300], got[300];
        size_t have = 0, gone = 0;
        for (size_t i = 0; i < sizeof(sent); i++)
            sent[i] = (char)(i * seed);
        for (bool would_block = false; gone < sizeof(sent);) {
            struct iovec parts[] = { { .iov_base = sent + gone, .iov_len = (sizeof(sent) - gone) / 2 },
                                     { .iov_base = sent + gone + (sizeof(sent) - gone) / 2,
                                       .iov_len = (sizeof(sent) - gone + 1) / 2 } };
            ssize_t n = s.as->ops->write(&s, parts, 2);
            assert_true(n == -EAGAIN ? !would_block : n > 0 && n <= 7);
            would_block = n == -EAGAIN; /* never twice in a row: what is level-triggered must get on */
            gone += n > 0 ? (size_t)n : 0;
        }
        assert_int_equal(read(peer, got, sizeof(got)), sizeof(got));
        assert_memory_equal(got, sent, sizeof(got));
        assert_int_equal(write(peer, sent, sizeof(sent)), sizeof(sent));
        while (have < sizeof(got)) {
            ssize_t n = s.as->ops->read(&s, got + have, sizeof(got) - have);
            assert_true(n == -EAGAIN || (n > 0 && n <= 7));
            have += n > 0 ? (size_t)n : 0;
        }
        assert_memory_equal(got, sent, sizeof(got));
        end_stream(&s, peer);
    }
}
