/* The broker's two ROUTER sockets: see router.h. */
#include "broker/router.h"

#include "common/mem.h"
#include "keys/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zmq.h>

enum {
    CONTROL_HWM = 10000, /* frames per peer inside libzmq */
    BULK_HWM = 32,
    PORT_TRIES = 64,
    SOCKETS_MAX = 64, /* ours are three; connections are not counted here */
};

struct router {
    void *zmq, *sockets[CHANNEL_COUNT];
    struct gate *gate; /* NULL: no keys */
    struct router_address address;
};

static int err_from_zmq(struct err *err, const char *what)
{
    return err_set(err, ERR_NETWORK, "%s: %s", what, zmq_strerror(zmq_errno()));
}

/* ---- frames ---- */

enum sent router_send(void *socket, struct span peer, struct span frame)
{
    /* With ROUTER_MANDATORY the first frame decides: no such peer, or no room for it. */
    if (zmq_send(socket, peer.data, peer.size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return errno == EAGAIN || errno == EINTR ? SEND_LATER : SEND_NEVER;
    for (;;) {
        if (zmq_send(socket, frame.data, frame.size, ZMQ_DONTWAIT) >= 0)
            return SENT;
        if (errno != EINTR)
            return SEND_NEVER;
    }
}

bool router_receive(struct router *router, enum channel channel, router_frame *take,
                    void *context)
{
    void *socket = router->sockets[channel];
    zmq_msg_t id, frame, rest;
    (void)zmq_msg_init(&id);
    if (zmq_msg_recv(&id, socket, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&id);
        return false;
    }
    (void)zmq_msg_init(&frame);
    bool one = zmq_msg_more(&id) && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0;
    bool more = one && zmq_msg_more(&frame);
    while (more) {
        one = false;
        (void)zmq_msg_init(&rest);
        more = zmq_msg_recv(&rest, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&rest);
        (void)zmq_msg_close(&rest);
    }
    struct span none = {0};
    const char *user = router->gate ? gate_user(router->gate, one ? &frame : &id) : "";
    take(context, channel, (struct span){zmq_msg_data(&id), zmq_msg_size(&id)}, user,
         one ? (struct span){zmq_msg_data(&frame), zmq_msg_size(&frame)} : none);
    (void)zmq_msg_close(&frame);
    (void)zmq_msg_close(&id);
    return true;
}

void *router_socket(struct router *router, enum channel channel)
{
    return router->sockets[channel];
}

struct gate *router_gate(const struct router *router)
{
    return router->gate;
}

const struct router_address *router_address(const struct router *router)
{
    return &router->address;
}

/* ---- sockets ---- */

static int set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int socket_new(struct router *router, int hwm, void **ret_socket, struct err *err)
{
    /* Limits before anything is read: research has what happens without them. */
    static const int options[][2] = {
        {ZMQ_ROUTER_MANDATORY, 1},
        {ZMQ_ROUTER_HANDOVER, 1},
        {ZMQ_HANDSHAKE_IVL, KEYS_HANDSHAKE_MS},
        {ZMQ_HEARTBEAT_IVL, 3000},
        {ZMQ_HEARTBEAT_TIMEOUT, 9000},
        {ZMQ_HEARTBEAT_TTL, 9000},
        {ZMQ_LINGER, ROUTER_LEAVE_MS},
        {ZMQ_BACKLOG, 1024},
        {ZMQ_IPV6, 1},
    };
    int64_t frame_max = MESSAGE_FRAME_BYTES_MAX;
    void *socket = zmq_socket(router->zmq, ZMQ_ROUTER);
    if (!socket)
        return err_from_zmq(err, "zmq_socket");
    *ret_socket = socket;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (set_option(socket, options[i][0], options[i][1]))
            return err_from_zmq(err, "zmq_setsockopt");
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) ||
        set_option(socket, ZMQ_SNDHWM, hwm) || set_option(socket, ZMQ_RCVHWM, hwm))
        return err_from_zmq(err, "zmq_setsockopt");
    return router->gate ? gate_guard(router->gate, socket, err) : 0;
}

static bool is_loopback(const char *endpoint)
{
    static const char *const hosts[] = {"ipc://", "tcp://127.",
                                        "tcp://localhost:", "tcp://[::1]:"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        if (!strncmp(endpoint, hosts[i], strlen(hosts[i])))
            return true;
    return false;
}

/* "tcp://HOST:0": any port whose next one is free too. The host's length, or 0. */
static size_t any_port(const char *listen)
{
    size_t size = strlen(listen);
    return size > 2 && !strncmp(listen, "tcp://", 6) && !strcmp(listen + size - 2, ":0")
               ? size - 2
               : 0;
}

static int bind_both(struct router *router, struct err *err)
{
    int rc = endpoint_bulk(router->address.endpoint, router->address.bulk, err);
    if (rc)
        return rc;
    if (zmq_bind(router->sockets[CHANNEL_CONTROL], router->address.endpoint))
        return err_set(err, ERR_NETWORK, "cannot listen on %s: %s", router->address.endpoint,
                       zmq_strerror(zmq_errno()));
    if (zmq_bind(router->sockets[CHANNEL_BULK], router->address.bulk)) {
        int code = zmq_errno();
        (void)zmq_unbind(router->sockets[CHANNEL_CONTROL], router->address.endpoint);
        return err_set(err, ERR_NETWORK, "cannot listen on %s (for bulk data): %s",
                       router->address.bulk, zmq_strerror(code));
    }
    return 0;
}

/* Ask the system for a free port, then try it and the next as a pair. */
static int bind_any_port(struct router *router, const char *listen, struct err *err)
{
    int rc = ERR_NETWORK;
    for (int i = 0; i < PORT_TRIES && rc; i++) {
        char wildcard[ENDPOINT_SIZE], chosen[ENDPOINT_SIZE];
        size_t size = sizeof chosen;
        (void)snprintf(wildcard, sizeof wildcard, "%.*s:*", (int)any_port(listen), listen);
        if (zmq_bind(router->sockets[CHANNEL_CONTROL], wildcard) ||
            zmq_getsockopt(router->sockets[CHANNEL_CONTROL], ZMQ_LAST_ENDPOINT, chosen, &size))
            return err_set(err, ERR_NETWORK, "cannot listen on %s: %s", listen,
                           zmq_strerror(zmq_errno()));
        if (endpoint_bulk(chosen, router->address.bulk, NULL) == 0 &&
            zmq_bind(router->sockets[CHANNEL_BULK], router->address.bulk) == 0) {
            (void)snprintf(router->address.endpoint, sizeof router->address.endpoint, "%s",
                           chosen);
            return 0;
        }
        (void)zmq_unbind(router->sockets[CHANNEL_CONTROL], chosen);
        rc = err_set(err, ERR_NETWORK, "no two free ports in a row for %s", listen);
    }
    return rc;
}

/* May it be listened on, open as it is? */
static int check_exposure(const char *address, const struct router_options *options,
                          struct err *err)
{
    if (options->keys && options->insecure)
        return err_set(err, ERR_INVALID, "--keys and --insecure contradict each other");
    if (options->keys || options->insecure || is_loopback(address))
        return 0;
    (void)err_set(err, ERR_INVALID, "other machines can reach %s, and no keys are given",
                  address);
    return err_hint(err, "make keys (wyckmill keygen DIR) and add --keys DIR; --insecure on a "
                         "network where everybody is trusted");
}

static int listen_on(struct router *router, const struct router_options *options,
                     struct err *err)
{
    const char *listen = options->listen;
    int rc = any_port(listen) ? 0 : endpoint_parse(listen, router->address.endpoint, err);
    if (rc)
        return rc;
    rc = check_exposure(any_port(listen) ? listen : router->address.endpoint, options, err);
    /* The gate is there before the first peer can be. */
    if (rc == 0 && options->keys)
        rc = gate_open(router->zmq, options->keys, options->log, options->log_context,
                       &router->gate, err);
    if (rc || (rc = socket_new(router, CONTROL_HWM, &router->sockets[CHANNEL_CONTROL], err)) ||
        (rc = socket_new(router, BULK_HWM, &router->sockets[CHANNEL_BULK], err)))
        return rc;
    if (router->gate)
        gate_forget(router->gate);
    return any_port(listen) ? bind_any_port(router, listen, err) : bind_both(router, err);
}

/* Each connection is an open file, also one that never says who it is. */
static void raise_file_limit(const struct router_options *options)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_max < ROUTER_FILES_MIN && options->log) {
        char line[160];
        (void)snprintf(line, sizeof line,
                       "only %llu files may be open, each connection is one or two: raise the "
                       "limit (ulimit -Hn, LimitNOFILE=) to %d",
                       (unsigned long long)limit.rlim_max, ROUTER_FILES_MIN);
        options->log(options->log_context, line);
    }
}

int router_open(const struct router_options *options, struct router **ret_router,
                struct err *err)
{
    struct router *router = mem_new(1, sizeof *router);
    int rc = keys_check_library(options->keys, err);
    raise_file_limit(options);
    if (rc == 0 && !(router->zmq = zmq_ctx_new()))
        rc = err_from_zmq(err, "zmq_ctx_new");
    if (rc == 0) {
        (void)zmq_ctx_set(router->zmq, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
        rc = listen_on(router, options, err);
    }
    if (rc) {
        router_close(router);
        return rc;
    }
    *ret_router = router;
    return 0;
}

void router_close(struct router *router)
{
    if (!router)
        return;
    for (int channel = 0; channel < CHANNEL_COUNT; channel++)
        if (router->sockets[channel])
            (void)zmq_close(router->sockets[channel]);
    gate_close(router->gate);
    if (router->zmq)
        (void)zmq_ctx_term(router->zmq);
    free(router);
}
