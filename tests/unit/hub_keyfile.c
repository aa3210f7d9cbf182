/* SPDX-License-Identifier: MIT */
#include "hub/keyfile.h"
#include "base/mem.h"
#include "hub/slurp.h"
#include "test.h"
#include <duet/error.h>
#include <unistd.h>

static char path[] = "/tmp/duet-keyfile-XXXXXX", why[HUB_KEYS_WHY];

static void write_file(size_t len, const char *end)
{
    static char bytes[10000];
    strcpy(path + strlen(path) - 6, "XXXXXX");
    int fd = mkstemp(path);
    memset(bytes, 's', sizeof(bytes));
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(write(fd, end, strlen(end)), strlen(end));
    close(fd);
}

static int load(const struct keyfile *from, unsigned *algorithms)
{
    struct hub_keys *keys = NULL;
    int rc = keyfile_load(&keys, from, why);
    *algorithms = keys ? hub_keys_algorithms(keys) : 0;
    hub_keys_free(keys);
    return rc;
}

TEST(keyfile, takes_a_secret_without_the_newlines_at_its_end)
{
    static const char *const ends[] = { "", "\n", "\r\n", "\n\n" };
    struct keyfile from = { .secret_file = path };
    unsigned algorithms;
    for (int i = 0; i < 4; i++)
        for (size_t len = 31; len <= 33; len++) {
            write_file(len, ends[i]);
            assert_int_equal(load(&from, &algorithms), len >= 32 ? 0 : DUET_ERR_INVALID);
            assert_int_equal(algorithms, len >= 32 ? hub_algorithm("HS256", 5) : 0);
            unlink(path);
        }
    /* 4096 bytes at most. */
    for (size_t len = 4095; len <= 4097; len++) {
        write_file(len, "");
        assert_int_equal(load(&from, &algorithms), len <= 4096 ? 0 : DUET_ERR_INVALID);
        unlink(path);
    }
    assert_int_equal(load(&from, &algorithms), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "No such file"));
}

TEST(keyfile, takes_a_secret_of_a_variable)
{
    struct keyfile from = { .secret_env = "DUET_TEST_SECRET" };
    unsigned algorithms;
    unsetenv("DUET_TEST_SECRET");
    assert_int_equal(load(&from, &algorithms), DUET_ERR_INVALID);
    assert_string_equal(why, "DUET_TEST_SECRET: there is no such variable in the environment");
    setenv("DUET_TEST_SECRET", "0123456789012345678901234567890123456789012345678901234567890123", 1);
    assert_int_equal(load(&from, &algorithms), 0);
    assert_int_equal(algorithms, 7);
    from.algorithms = hub_algorithm("HS512", 5) | hub_algorithm("RS256", 5);
    assert_int_equal(load(&from, &algorithms), 0);
    assert_int_equal(algorithms, hub_algorithm("HS512", 5));
    from.algorithms = hub_algorithm("RS256", 5);
    assert_int_equal(load(&from, &algorithms), DUET_ERR_STATE);
    assert_string_equal(why, "algorithms: none of them is one that the key takes");
}

TEST(keyfile, is_one_of_four)
{
    struct keyfile from = { .secret_env = "A", .pem_file = "b" };
    unsigned algorithms;
    assert_int_equal(keyfile_count(&from), 2);
    assert_int_equal(load(&from, &algorithms), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "exactly one"));
    from = (struct keyfile){ 0 };
    assert_int_equal(load(&from, &algorithms), DUET_ERR_INVALID);
    write_file(10, "");
    from.jwks_file = path;
    assert_int_equal(load(&from, &algorithms), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "no JWKS"));
    from = (struct keyfile){ .pem_file = path };
    assert_int_equal(load(&from, &algorithms), DUET_ERR_INVALID);
    assert_non_null(strstr(why, "no key in PEM"));
    unlink(path);
}

TEST(slurp, lives_without_memory)
{
    char *bytes;
    size_t len;
    write_file(3, "\n");
    mem_fail(0, false);
    assert_int_equal(slurp(&bytes, &len, path, 10), DUET_ERR_NOMEM);
    mem_fail_end();
    assert_int_equal(slurp(&bytes, &len, path, 4), 0);
    assert_int_equal(len, 4);
    assert_string_equal(bytes, "sss\n");
    slurp_wipe(bytes, len);
    assert_int_equal(slurp(&bytes, &len, path, 3), DUET_ERR_TOO_BIG);
    unlink(path);
    assert_true(slurp(&bytes, &len, "/tmp", 10) < 0);
    slurp_wipe(NULL, 0);
}
