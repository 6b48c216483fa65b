/* See spawn.h. fork and exec rather than posix_spawn, for the sake of PR_SET_PDEATHSIG. Between
 * the two only async-signal-safe calls: other threads may have held any lock. */
#define _GNU_SOURCE /* close_range */
#include "workers/runtime/spawn.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { EXIT_NO_EXEC = 127, FD_TASK = 3 };

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Our environment with `changes`; the array is the caller's, the texts are borrowed. */
static char **environment_new(const char *const *changes)
{
    size_t n = 0, m = 0, k = 0;
    while (environ[n])
        n++;
    while (changes && changes[m])
        m++;
    char **list = mem_new(n + m + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        size_t c = 0;
        while (c < m && !same_name(changes[c], environ[i]))
            c++;
        if (c == m)
            list[k++] = environ[i];
    }
    for (size_t c = 0; c < m; c++)
        list[k++] = (char *)changes[c];
    return list;
}

static void signals_default(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &action, NULL); /* KILL and STOP refuse, rightly */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Never returns. The log is in its place before descriptor 3 is overwritten. */
static void child(const struct spawn *spawn, char **environment, pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(EXIT_NO_EXEC);
    (void)setpgid(0, 0);
    signals_default();

    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0)
        (void)dup2(null, STDIN_FILENO);
    if (spawn->log >= 0) {
        (void)dup2(spawn->log, STDOUT_FILENO);
        (void)dup2(spawn->log, STDERR_FILENO);
    }
    unsigned first = FD_TASK;
    if (spawn->fd3 == FD_TASK)
        (void)fcntl(FD_TASK, F_SETFD, 0);
    else if (spawn->fd3 >= 0)
        (void)dup2(spawn->fd3, FD_TASK);
    if (spawn->fd3 >= 0)
        first++;
    (void)close_range(first, ~0U, 0);
    (void)execve(spawn->program, spawn->argv, environment);
    _exit(EXIT_NO_EXEC);
}

int spawn_start(const struct spawn *spawn, pid_t *ret_pid, struct err *err)
{
    pid_t parent = getpid();
    char **environment = environment_new(spawn->environment);
    pid_t pid = fork();
    if (pid == 0)
        child(spawn, environment, parent);
    int errno_value = errno;
    free(environment);
    if (pid < 0)
        return err_errno(err, errno_value, "start a process");
    *ret_pid = pid;
    return 0;
}

void spawn_status_text(int status, char *ret, size_t size)
{
    if (WIFSIGNALED(status))
        (void)snprintf(ret, size, "signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(ret, size, "exit status %d", WEXITSTATUS(status));
}
