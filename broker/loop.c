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

enum {
    WAIT_MS_MAX = 1000,
    RECEIVE_US_PER_CHANNEL = 1500, /* then the rest of the round gets its turn */
};

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

static uint64_t monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t clock_us(void *context)
{
    (void)context;
    return monotonic_us();
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

static const int caught[] = {SIGTERM, SIGINT, SIGHUP};
enum { CAUGHT = sizeof caught / sizeof caught[0], STOP_BYTE = 's', REREAD_BYTE = 'r' };

static void on_signal(int number)
{
    int errno_value = errno;
    const uint8_t byte = number == SIGHUP ? REREAD_BYTE : STOP_BYTE;
    (void)!write(signal_pipe[1], &byte, 1);
    errno = errno_value;
}

/* Those who knock at the gate come before those who are in. */
static void wait_for_events(struct shell *shell, struct router *router, uint64_t wait_ms)
{
    struct gate *gate = router_gate(router);
    zmq_pollitem_t items[4] = {
        {.socket = router_socket(router, CHANNEL_CONTROL), .events = ZMQ_POLLIN},
        {.socket = router_socket(router, CHANNEL_BULK), .events = ZMQ_POLLIN},
        {.fd = signal_pipe[0], .events = ZMQ_POLLIN}};
    if (gate)
        items[3] = (zmq_pollitem_t){.socket = gate_socket(gate), .events = ZMQ_POLLIN};
    (void)zmq_poll(items, gate ? 4 : 3, (long)(wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX));
    uint8_t byte;
    bool reread = false;
    while (read(signal_pipe[0], &byte, 1) == 1) {
        reread = reread || byte == REREAD_BYTE;
        shell->stop = shell->stop || byte == STOP_BYTE;
    }
    if (gate)
        gate_step(gate, monotonic_us() / 1000, reread);
}

/* SIGTERM, SIGINT and SIGHUP become readable; the last one only where there is something to
 * read again: without keys a broker ends with its terminal, as any program. */
static int signals_open(bool keys, struct sigaction ret_before[CAUGHT], struct err *err)
{
    const struct sigaction action = {.sa_handler = on_signal};
    if (pipe(signal_pipe) != 0)
        return err_errno(err, errno, "make a pipe");
    for (int end = 0; end < 2; end++) {
        (void)fcntl(signal_pipe[end], F_SETFD, FD_CLOEXEC);
        (void)fcntl(signal_pipe[end], F_SETFL, O_NONBLOCK);
    }
    for (int i = 0; i < CAUGHT; i++)
        (void)sigaction(caught[i], caught[i] == SIGHUP && !keys ? NULL : &action,
                        &ret_before[i]);
    return 0;
}

static void signals_close(const struct sigaction before[CAUGHT])
{
    if (signal_pipe[0] < 0)
        return;
    for (int i = 0; i < CAUGHT; i++)
        (void)sigaction(caught[i], &before[i], NULL);
    (void)close(signal_pipe[0]);
    (void)close(signal_pipe[1]);
    signal_pipe[0] = signal_pipe[1] = -1;
}

/* ---- life ---- */

static void take_frame(void *context, enum channel channel, struct span peer, const char *user,
                       struct span frame)
{
    shell_receive(context, channel, peer, user, frame);
}

/* True when there may be more. At least one message of each channel gets through. */
static bool receive_some(struct shell *shell, struct router *router)
{
    bool more = false;
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        int n = 0;
        uint64_t begin_us = monotonic_us();
        bool full = false;
        while (!full && !shell->fatal.code &&
               router_receive(router, (enum channel)channel, take_frame, shell))
            full = ++n == per_round[channel] ||
                   monotonic_us() - begin_us >= RECEIVE_US_PER_CHANNEL;
        more = more || full;
    }
    return more;
}

static void rounds(struct shell *shell, struct router *router)
{
    uint64_t begin_us = monotonic_us(), wait_ms = 0;
    while (!shell->stop && !shell->fatal.code) {
        wait_for_events(shell, router, wait_ms);
        shell_begin_round(shell, (monotonic_us() - begin_us) / 1000);
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
    const struct router_options router_options = {.listen = options->listen,
                                                  .keys = options->keys,
                                                  .insecure = options->insecure,
                                                  .log = log_line};
    rc = router_open(&router_options, ret_router, err);
    if (rc) {
        store_close(store);
        return rc;
    }
    const struct ports ports = {.context = *ret_router,
                                .send = send_frame,
                                .unix_ms = unix_ms,
                                .clock_us = clock_us,
                                .log = log_line};
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
    struct sigaction before[CAUGHT];
    int rc = signals_open(options->keys, before, err);
    if (rc == 0)
        rc = start(options, &router, &shell, err);
    if (rc == 0) {
        shell_log(shell, LOG_NEWS, "listens on %s, store %s, %u campaigns",
                  shell->address.endpoint, options->store, shell->n_campaigns);
        if (options->insecure)
            shell_log(
                shell, LOG_TROUBLE,
                "INSECURE: whoever reaches %s can read everything, submit, and give false "
                "results; nothing is encrypted",
                shell->address.endpoint);
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
