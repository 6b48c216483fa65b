/* See link.h. */
#include "workers/runtime/link.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/endpoint.h"
#include "workers/runtime/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PAIR_ENDPOINT "inproc://link"

enum {
    HELLO_MS = 1000, /* between HELLOs that get no WELCOME */
    ALIVE_MS_MIN = 50,
    ALIVE_MS_MAX = 60000,
    LINGER_MS = 1000,
    REFUSED_MS = 2000, /* until a broker that refused us is asked again */
};

struct link {
    struct message hello;
    void *main; /* main thread's end of the pair */
    pthread_t thread;
    atomic_uint_least64_t step_ms;
    atomic_int refusal; /* enum net_refusal */

    /* the thread's own */
    void *context;
    char endpoint[ENDPOINT_SIZE];
    const struct keys *keys;
    void *pair, *control;
    struct net_watch watch;
    uint64_t again_ms; /* refused: connect anew then; UINT64_MAX: not refused */
    bool welcomed;
    uint32_t hellos; /* not yet answered */
    uint64_t epoch;
    uint64_t alive_ms, next_ms; /* interval; next HELLO or ALIVE */
};

static void say_hello(struct link *link)
{
    if (net_send(link->control, &link->hello, NULL) == 0)
        link->hellos++;
    link->next_ms = clock_ms() + HELLO_MS;
}

static void say_alive(struct link *link)
{
    uint64_t now_ms = clock_ms();
    struct message alive = {.type = MESSAGE_TYPE_alive, .alive = {.epoch = link->epoch}};
    if (now_ms - atomic_load(&link->step_ms) < LINK_STUCK_MS)
        (void)net_send(link->control, &alive, NULL);
    link->next_ms = now_ms + link->alive_ms;
}

static void lose(struct link *link)
{
    if (link->welcomed)
        (void)net_send_frame(link->pair, (struct span){0}, NULL);
    link->welcomed = false;
    link->hellos = 0;
    link->next_ms = clock_ms() + HELLO_MS;
}

/* libzmq does not come back after a refusal; a new socket does. */
static void on_refusal(struct link *link, enum net_refusal refusal)
{
    lose(link);
    link->again_ms = clock_ms() + REFUSED_MS;
    if (atomic_exchange(&link->refusal, (int)refusal) != (int)refusal)
        (void)net_send_frame(link->pair, (struct span){0}, NULL);
}

/* Connections are news for speed's sake only: without WELCOME there is a HELLO every second
 * anyway. */
static void on_monitor(struct link *link)
{
    enum net_event event;
    enum net_refusal refusal;
    while (net_watch_next(&link->watch, &event, &refusal)) {
        if (event == NET_CONNECTED && link->hellos == 0)
            say_hello(link);
        else if (event == NET_REFUSED)
            on_refusal(link, refusal);
        else if (event == NET_LOST)
            lose(link);
    }
}

static void on_welcome(struct link *link, const struct message_welcome *welcome)
{
    uint64_t alive_ms = welcome->heartbeat_ms;
    link->alive_ms = alive_ms < ALIVE_MS_MIN   ? ALIVE_MS_MIN
                     : alive_ms > ALIVE_MS_MAX ? ALIVE_MS_MAX
                                               : alive_ms;
    link->epoch = welcome->epoch;
    link->welcomed = true;
    atomic_store(&link->refusal, NET_NOT_REFUSED);
    link->next_ms = clock_ms() + link->alive_ms;
    if (link->hellos > 0)
        link->hellos--;
    else /* not an answer: "who are you?" */
        say_hello(link);
}

static void on_control(struct link *link)
{
    zmq_msg_t frame;
    struct message message;
    while (net_receive(link->control, &frame)) {
        if (message_decode(net_span(&frame), &message, NULL) == 0) {
            if (message.type == MESSAGE_TYPE_welcome)
                on_welcome(link, &message.welcome);
            else if (message.type == MESSAGE_TYPE_problem && link->welcomed) {
                /* Most likely it does not know us any more: introduce ourselves again. */
                lose(link);
            }
        }
        /* Also what cannot be read: the main thread says so. Empty would mean something else.
         */
        if (zmq_msg_size(&frame) > 0)
            (void)net_send_frame(link->pair, net_span(&frame), NULL);
        (void)zmq_msg_close(&frame);
    }
}

/* false: the main thread wants us to end. */
static bool on_pair(struct link *link)
{
    zmq_msg_t frame;
    bool stay = true;
    while (stay && net_receive(link->pair, &frame)) {
        stay = zmq_msg_size(&frame) > 0;
        if (stay && link->welcomed)
            (void)net_send_frame(link->control, net_span(&frame), NULL);
        (void)zmq_msg_close(&frame);
    }
    return stay;
}

static int connect_broker(struct link *link, struct err *err)
{
    int rc = net_connect(link->context, link->endpoint, link->keys, &link->control, err);
    if (rc == 0)
        rc = net_watch_open(link->context, link->control, link->keys, &link->watch, err);
    link->again_ms = UINT64_MAX;
    return rc;
}

static void disconnect(struct link *link, int linger_ms)
{
    net_watch_close(&link->watch, link->control);
    net_close(link->control, linger_ms);
    link->control = NULL;
}

static void *run(void *context)
{
    struct link *link = context;
    for (bool stay = true; stay;) {
        zmq_pollitem_t items[] = {{.socket = link->pair, .events = ZMQ_POLLIN},
                                  {.socket = link->control, .events = ZMQ_POLLIN},
                                  {.socket = link->watch.monitor, .events = ZMQ_POLLIN}};
        uint64_t now_ms = clock_ms();
        uint64_t then_ms = link->next_ms < link->again_ms ? link->next_ms : link->again_ms;
        long timeout_ms = then_ms > now_ms ? (long)(then_ms - now_ms) : 0;
        if (zmq_poll(items, 3, timeout_ms) < 0 && errno != EINTR)
            break;
        on_monitor(link);
        on_control(link);
        stay = on_pair(link);
        if (clock_ms() >= link->again_ms) {
            disconnect(link, 0);
            if (connect_broker(link, NULL) != 0)
                break;
        }
        if (clock_ms() >= link->next_ms) {
            if (link->welcomed)
                say_alive(link);
            else
                say_hello(link);
        }
    }
    disconnect(link, LINGER_MS);
    net_close(link->pair, 0);
    return NULL;
}

static int make_pair(void *context, struct link *link, struct err *err)
{
    link->main = zmq_socket(context, ZMQ_PAIR);
    link->pair = zmq_socket(context, ZMQ_PAIR);
    if (!link->main || !link->pair || zmq_bind(link->main, PAIR_ENDPOINT) != 0 ||
        zmq_connect(link->pair, PAIR_ENDPOINT) != 0)
        return err_set(err, ERR_IO, "make a socket between threads: %s", zmq_strerror(errno));
    return 0;
}

/* Signals are for the main thread. */
static int start_thread(struct link *link, struct err *err)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&link->thread, NULL, run, link);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : err_errno(err, rc, "start a thread");
}

int link_open(void *context, const char *endpoint, const struct keys *keys,
              const struct message_hello *hello, struct link **ret_link, struct err *err)
{
    struct link *link = mem_new(1, sizeof *link);
    link->hello = (struct message){.type = MESSAGE_TYPE_hello, .hello = *hello};
    link->context = context;
    link->keys = keys;
    (void)snprintf(link->endpoint, sizeof link->endpoint, "%s", endpoint);
    atomic_init(&link->step_ms, clock_ms());
    atomic_init(&link->refusal, NET_NOT_REFUSED);
    link->next_ms = clock_ms() + HELLO_MS;
    int rc = make_pair(context, link, err);
    if (rc == 0)
        rc = connect_broker(link, err);
    if (rc == 0)
        rc = start_thread(link, err);
    if (rc != 0) {
        disconnect(link, 0);
        net_close(link->pair, 0);
        net_close(link->main, 0);
        free(link);
        return rc;
    }
    *ret_link = link;
    return 0;
}

void link_close(struct link *link)
{
    if (!link)
        return;
    while (net_send_frame(link->main, (struct span){0}, NULL) == ERR_BUSY)
        (void)sched_yield(); /* the queue is full; the thread empties it */
    (void)pthread_join(link->thread, NULL);
    net_close(link->main, 0);
    free(link);
}

void *link_socket(struct link *link)
{
    return link->main;
}

enum net_refusal link_refusal(const struct link *link)
{
    return (enum net_refusal)atomic_load(&link->refusal);
}

void link_send(struct link *link, const struct message *message)
{
    (void)net_send(link->main, message, NULL);
}

void link_step(struct link *link)
{
    atomic_store(&link->step_ms, clock_ms());
}
