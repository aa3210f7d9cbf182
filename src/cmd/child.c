/* SPDX-License-Identifier: MIT */
#include "cmd/child.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VERDICT_FD = 3 };

/* What the server blocks and ignores is for a program anew as the system has it. */
static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Only 0, 1, 2 and the verdict stay open: whatever the server listens on would else be held after its end. */
static int take_descriptors(int output, int verdict)
{
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        return -errno;
    if (verdict != VERDICT_FD && dup3(verdict, VERDICT_FD, O_CLOEXEC) < 0)
        return -errno;
    return close_range(VERDICT_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

/* In the child. Whoever forked has other threads, so nothing is called here that signal handlers may not. Says by
 * `verdict` why it failed; the program says nothing by it, as it closes then. */
static void become(const char *path, char *const *environment, pid_t parent, int output, int verdict)
{
    char *arguments[] = { (char *)path, NULL };
    int rc = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setpgid(0, 0) < 0 ? -errno : take_descriptors(output, verdict);
    if (rc == 0 && getppid() != parent)
        rc = -ESRCH; /* it died before the signal was asked for */
    if (rc == 0) {
        verdict = VERDICT_FD;
        reset_signals();
        execve(path, arguments, environment);
        rc = -errno;
    }
    ssize_t ignored = write(verdict, &rc, sizeof(rc));
    (void)ignored;
    _exit(127);
}

static void close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

/* Waits for the verdict, and for the end of who failed. */
static int hear(pid_t pid, int verdict)
{
    int rc = 0;
    ssize_t n;
    do
        n = read(verdict, &rc, sizeof(rc));
    while (n < 0 && errno == EINTR);
    if (n != sizeof(rc))
        return 0;
    waitpid(pid, NULL, 0);
    return rc;
}

static int fork_into(struct child *out, const char *path, char *const *environment, const int output[2],
                     const int verdict[2])
{
    pid_t parent = getpid();
    out->pid = fork();
    if (out->pid < 0)
        return -errno;
    if (out->pid == 0)
        become(path, environment, parent, output[1], verdict[1]);
    return 0;
}

int child_start(struct child *out, const char *path, char *const *environment)
{
    int output[2], verdict[2];
    if (pipe2(output, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(verdict, O_CLOEXEC) < 0) {
        int rc = -errno;
        close_pair(output);
        return rc;
    }
    int rc = fork_into(out, path, environment, output, verdict);
    close(output[1]);
    close(verdict[1]);
    if (rc == 0)
        rc = hear(out->pid, verdict[0]);
    close(verdict[0]);
    if (rc == 0 && fcntl(output[0], F_SETFL, O_NONBLOCK) == 0) {
        out->output_fd = output[0];
        out->ended_fd = (int)syscall(SYS_pidfd_open, out->pid, 0);
        if (out->ended_fd >= 0)
            return 0;
        rc = -errno;
        child_signal(out, SIGKILL);
        waitpid(out->pid, NULL, 0);
    }
    close(output[0]);
    return rc;
}

void child_signal(const struct child *c, int number)
{
    kill(-c->pid, number);
}

int child_reap(struct child *c)
{
    int status = 0;
    child_signal(c, SIGKILL); /* who it has left behind; the number is its own until waitpid() */
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(c->ended_fd);
    close(c->output_fd);
    return status;
}
