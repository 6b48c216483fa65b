/* The broker's loop: see broker.h. Sockets, clock and signals around the shell: receive what is
 * there, one round of the shell, wait. */
#include "broker/shell.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { WAIT_MS_MAX = 1000 };

/* Messages of a channel handled before the next commit. */
static const int per_round[CHANNEL_COUNT] = {[CHANNEL_CONTROL] = 512, [CHANNEL_BULK] = 32};

/* ---- what the shell needs ---- */

static uint64_t unix_ms(void *context)
{
    struct timespec now;
    (void)context;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void log_line(void *context, const char *line)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    (void)context;
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    (void)fprintf(stderr, "%s broker: %s\n", stamp, line);
}

static enum sent send_frame(void *context, enum channel channel, struct span peer,
                            struct span frame)
{
    return router_send(router_socket(context, channel), peer, frame);
}

/* ---- signals ---- */

/* A handler and a pipe, not signalfd: that needs the signals blocked in every thread, and
 * libraries start threads of their own before main (OpenBLAS). */
static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    int errno_value = errno;
    (void)number;
    (void)!write(signal_pipe[1], "x", 1);
    errno = errno_value;
}

static void wait_for_events(struct shell *shell, struct router *router, uint64_t wait_ms)
{
    zmq_pollitem_t items[] = {
        {.socket = router_socket(router, CHANNEL_CONTROL), .events = ZMQ_POLLIN},
        {.socket = router_socket(router, CHANNEL_BULK), .events = ZMQ_POLLIN},
        {.fd = signal_pipe[0], .events = ZMQ_POLLIN}};
    (void)zmq_poll(items, 3, (long)(wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX));
    uint8_t byte;
    while (read(signal_pipe[0], &byte, 1) == 1)
        shell->stop = true;
}

/* SIGTERM and SIGINT become readable. */
static int signals_open(struct sigaction ret_before[2], struct err *err)
{
    const struct sigaction action = {.sa_handler = on_signal};
    if (pipe(signal_pipe) != 0)
        return err_errno(err, errno, "make a pipe");
    for (int end = 0; end < 2; end++) {
        (void)fcntl(signal_pipe[end], F_SETFD, FD_CLOEXEC);
        (void)fcntl(signal_pipe[end], F_SETFL, O_NONBLOCK);
    }
    (void)sigaction(SIGTERM, &action, &ret_before[0]);
    (void)sigaction(SIGINT, &action, &ret_before[1]);
    return 0;
}

static void signals_close(const struct sigaction before[2])
{
    if (signal_pipe[0] < 0)
        return;
    (void)sigaction(SIGTERM, &before[0], NULL);
    (void)sigaction(SIGINT, &before[1], NULL);
    (void)close(signal_pipe[0]);
    (void)close(signal_pipe[1]);
    signal_pipe[0] = signal_pipe[1] = -1;
}

/* ---- life ---- */

static void take_frame(void *context, enum channel channel, struct span peer, struct span frame)
{
    shell_receive(context, channel, peer, frame);
}

/* True when there may be more. */
static bool receive_some(struct shell *shell, struct router *router)
{
    bool more = false;
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        int n = 0;
        while (n < per_round[channel] && !shell->fatal.code &&
               router_receive(router, (enum channel)channel, take_frame, shell))
            n++;
        more = more || n == per_round[channel];
    }
    return more;
}

static void rounds(struct shell *shell, struct router *router)
{
    uint64_t begin_ms = monotonic_ms(), wait_ms = 0;
    while (!shell->stop && !shell->fatal.code) {
        wait_for_events(shell, router, wait_ms);
        shell_begin_round(shell, monotonic_ms() - begin_ms);
        bool more = receive_some(shell, router);
        wait_ms = shell_end_round(shell);
        if (more)
            wait_ms = 0;
    }
}

static int start(const struct broker_options *options, struct router **ret_router,
                 struct shell **ret_shell, struct err *err)
{
    struct store *store = NULL;
    uint64_t epoch;
    if (getrandom(&epoch, sizeof epoch, 0) != sizeof epoch)
        return err_errno(err, errno, "getrandom");
    int rc = store_open(options->store, STORE_WRITE, &store, err);
    if (rc)
        return rc;
    rc = router_open(options->listen, options->insecure, ret_router, err);
    if (rc) {
        store_close(store);
        return rc;
    }
    const struct ports ports = {
        .context = *ret_router, .send = send_frame, .unix_ms = unix_ms, .log = log_line};
    rc = shell_new(options, store, epoch, &ports, ret_shell, err);
    if (rc)
        return rc;
    (*ret_shell)->address = *router_address(*ret_router);
    return address_write(*ret_shell, err);
}

int broker_run(const struct broker_options *options, struct err *err)
{
    struct router *router = NULL;
    struct shell *shell = NULL;
    struct sigaction before[2];
    int rc = signals_open(before, err);
    if (rc == 0)
        rc = start(options, &router, &shell, err);
    if (rc == 0) {
        shell_log(shell, LOG_NEWS, "listens on %s, store %s, %u campaigns",
                  shell->address.endpoint, options->store, shell->n_campaigns);
        rounds(shell, router);
        shell_leave(shell);
        if (shell->fatal.code) {
            rc = shell->fatal.code;
            if (err)
                *err = shell->fatal;
        }
    }
    if (shell)
        address_remove(shell);
    shell_free(shell);
    router_close(router);
    signals_close(before);
    return rc;
}
