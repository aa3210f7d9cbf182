/* SPDX-License-Identifier: MIT */
#include "hub/doors.h"
#include "base/mem.h"
#include "signed.h"
#include "test.h"
#include <duet/error.h>
#include <pthread.h>
#include <stdatomic.h>

#define NOW UINT64_C(1700000000000)

static const char *const secrets[] = { "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210" };
static struct hub_doors *doors;
static char tokens[2][1000], why[CONFIG_WHY];
static struct config configs[2];

static void make_token(char *to, const char *secret)
{
    signed_with(to, secret, "{\"alg\":\"HS256\"}",
                "{\"sub\":\"42\",\"exp\":1700000001,\"iss\":\"us\",\"channel\":\"c\"}");
}

static int judge(int i)
{
    struct hub_claims claims;
    struct hub_subscriber who = { { "c", 1 }, { "42", 2 }, { NULL, 0 } };
    int rc = hub_doors_subscription(doors, tokens[i], strlen(tokens[i]), NOW, &who, &claims);
    hub_claims_fini(&claims);
    return rc;
}

static void begin(void)
{
    setenv("DUET_TEST_SECRET_0", secrets[0], 1);
    setenv("DUET_TEST_SECRET_1", secrets[1], 1);
    for (int i = 0; i < 2; i++) {
        static const char *const texts[] = { "tokens: {secret_env: DUET_TEST_SECRET_0}\n",
                                             "tokens: {secret_env: DUET_TEST_SECRET_1, issuer: us}\n" };
        make_token(tokens[i], secrets[i]);
        assert_int_equal(config_parse(&configs[i], "f", texts[i], strlen(texts[i]), NULL, why), 0);
    }
    assert_int_equal(hub_doors_new(&doors), 0);
}

static void end(void)
{
    hub_doors_free(doors);
    config_fini(&configs[0]);
    config_fini(&configs[1]);
}

TEST(doors, are_shut_until_they_have_keys)
{
    struct hub_claims claims;
    begin();
    assert_int_equal(judge(0), HUB_ERROR_PERMISSION);
    assert_int_equal(hub_doors_connection(doors, tokens[0], strlen(tokens[0]), NOW, &claims), HUB_DISCONNECT_TOKEN);
    assert_string_equal(claims.why, "there is no key for the token's algorithm");
    hub_claims_fini(&claims);
    assert_int_equal(hub_doors_set(doors, &configs[0], why), 0);
    assert_int_equal(judge(0), HUB_OK);
    assert_int_equal(judge(1), HUB_ERROR_PERMISSION);
    end();
}

/* OPS-2: what cannot be loaded changes nothing. */
TEST(doors, stay_as_they_are_when_the_new_ones_are_broken)
{
    begin();
    assert_int_equal(hub_doors_set(doors, &configs[0], why), 0);
    unsetenv("DUET_TEST_SECRET_1");
    assert_int_equal(hub_doors_set(doors, &configs[1], why), DUET_ERR_INVALID);
    assert_int_equal(judge(0), HUB_OK);
    setenv("DUET_TEST_SECRET_1", secrets[1], 1);
    for (unsigned long n = 0;; n++) {
        mem_fail(n, false);
        int rc = hub_doors_set(doors, &configs[1], why);
        if (mem_fail_end() <= n) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_true(rc < 0);
        assert_string_equal(why + strlen(why) - 13, "out of memory");
        assert_int_equal(judge(0), HUB_OK);
    }
    assert_int_equal(judge(0), HUB_ERROR_PERMISSION);
    assert_int_equal(judge(1), HUB_OK);
    end();
}

static atomic_bool over;

static void *judge_all(void *arg)
{
    (void)arg;
    while (!over) {
        int first = judge(0), second = judge(1);
        assert_true(first == HUB_OK || first == HUB_ERROR_PERMISSION);
        assert_true(second == HUB_OK || second == HUB_ERROR_PERMISSION);
    }
    return NULL;
}

TEST(doors, change_while_others_come_in)
{
    pthread_t threads[2];
    begin();
    over = false;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, judge_all, NULL);
    for (int i = 0; i < 200; i++)
        assert_int_equal(hub_doors_set(doors, &configs[i % 2], why), 0);
    over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(judge(1), HUB_OK);
    end();
}
