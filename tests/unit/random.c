/* SPDX-License-Identifier: MIT */
/* TLS-14, CLI-6: randomness by the block, each byte once. */
#include "net/random.h"
#include "test.h"
#include <sys/wait.h>
#include <unistd.h>

TEST(random, a_request_of_any_length_is_filled)
{
    static const uint8_t zeros[16];
    for (size_t len = RANDOM_BLOCK - 1; len <= RANDOM_BLOCK + 1; len++) {
        struct random r = { 0 };
        uint8_t got[RANDOM_BLOCK + 17] = { 0 };
        assert_int_equal(random_fill(&r, got, len), 0);
        assert_memory_not_equal(got, zeros, 16);
        assert_memory_not_equal(got + len - 16, zeros, 16);
        assert_memory_equal(got + len, zeros, 16);
        /* More than a block holds is the system's, and leaves the block alone. */
        assert_int_equal(r.left, len > RANDOM_BLOCK ? 0 : RANDOM_BLOCK - len);
    }
}

TEST(random, no_byte_stays_that_was_given_out)
{
    static const uint8_t zeros[100];
    struct random r = { 0 };
    uint8_t one[100], two[100];
    assert_int_equal(random_fill(&r, one, sizeof(one)), 0);
    assert_int_equal(random_fill(&r, two, sizeof(two)), 0);
    assert_memory_not_equal(one, two, sizeof(one));
    assert_int_equal(r.left, RANDOM_BLOCK - 200);
    assert_memory_equal(r.bytes, zeros, 100);
    assert_memory_equal(r.bytes + 100, zeros, 100);
}

/* The child has its parent's block, and must not use it. */
TEST(random, cli_6_a_fork_does_not_go_on_with_its_parent_s_bytes)
{
    struct random r = { 0 };
    uint8_t ours[32], theirs[32];
    int ends[2], status;
    assert_int_equal(random_fill(&r, ours, 4), 0);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool good = random_fill(&r, theirs, sizeof(theirs)) == 0;
        good = good && write(ends[1], theirs, sizeof(theirs)) == (ssize_t)sizeof(theirs);
        exit(!good);
    }
    assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(random_fill(&r, ours, sizeof(ours)), 0);
    assert_memory_not_equal(ours, theirs, sizeof(ours));
    close(ends[0]);
    close(ends[1]);
}
