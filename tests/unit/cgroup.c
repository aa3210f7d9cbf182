/* SPDX-License-Identifier: MIT */
/* MEM-7: the limit of memory is found in what either version of control groups has for files. */
#include "server/cgroup.h"
#include "test.h"
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

/* A file below the folder, and the folders above it. */
static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = 0;
        mkdir(path, 0700);
        *at = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static uint64_t found(const char *self)
{
    char path[256];
    put("self", self);
    snprintf(path, sizeof(path), "%s/self", folder);
    return cgroup_memory_max(path, folder);
}

static void begin(void)
{
    snprintf(folder, sizeof(folder), "/tmp/duet-cgroup-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static void end(void)
{
    assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

TEST(cgroup, version_2_has_one_line_and_max_is_none)
{
    begin();
    put("a.service/memory.max", "max\n");
    assert_int_equal(found("0::/a.service\n"), 0);
    put("a.service/memory.max", "1048576\n");
    assert_int_equal(found("0::/a.service\n"), 1048576);
    assert_int_equal(found("0::/another\n"), 0);
    end();
}

TEST(cgroup, a_group_above_may_allow_less)
{
    begin();
    put("a/memory.max", "1000\n");
    put("a/b/memory.max", "3000\n");
    put("a/b/c/memory.max", "max\n");
    assert_int_equal(found("0::/a/b/c\n"), 1000);
    put("a/memory.max", "max\n");
    assert_int_equal(found("0::/a/b/c\n"), 3000);
    end();
}

/* In a container the group has another name outside, and the mount is its own. */
TEST(cgroup, the_mounts_own_limit_counts_whatever_the_group_is_called)
{
    begin();
    put("memory.max", "5000\n");
    assert_int_equal(found("0::/\n"), 5000);
    assert_int_equal(found("0::/../other\n"), 5000);
    assert_int_equal(found("0::/docker/0123\n"), 5000);
    end();
}

TEST(cgroup, version_1_has_a_line_for_memory_and_a_huge_number_is_none)
{
    begin();
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/x/memory.limit_in_bytes", "2000\n");
    put("memory.max", "7\n");
    assert_int_equal(found("3:cpuset:/y\n4:memory:/\n1:name=systemd:/x\n"), 0);
    assert_int_equal(found("3:cpuset:/y\n4:memory:/x\n"), 2000);
    end();
}

TEST(cgroup, what_is_no_such_file_has_no_limit)
{
    begin();
    put("memory.max", "7\n");
    assert_int_equal(found(""), 0);
    assert_int_equal(found("no colon\none: only\n\n"), 0);
    assert_int_equal(cgroup_memory_max("/nonexistent/cgroup", folder), 0);
    end();
}
