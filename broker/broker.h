/* The broker as a program: sockets, clock and store around core.c and the planners. One thread.
 *
 * Two ROUTER sockets: control (leases, outcomes, heartbeats, clients) and bulk (objects, in
 * parts). All events of one round are handled, then the store commits once, then everything
 * goes out: nothing is acknowledged before it is durable. A broker that dies has lost nothing
 * that it acknowledged; the next one on the same store reads the campaigns' refs, replays their
 * planners against the results there, and goes on. */
#ifndef WYCKMILL_BROKER_BROKER_H
#define WYCKMILL_BROKER_BROKER_H

#include "broker/core.h"
#include "common/err.h"
#include "proto/endpoint.h"

#include <stdbool.h>
#include <sys/types.h>

struct broker_options {
    const char *store;   /* folder; made when it is not there */
    const char *listen;  /* tcp://HOST:PORT (0: any; bulk is the next one), ipc://PATH */
    const char *keys;    /* folder (keys/keys.h): encrypted, listed keys only. NULL: neither */
    bool insecure;       /* allow an address that other machines reach, without keys */
    bool exit_when_idle; /* end when what was submitted in this run is over and was asked for */
    int verbosity;       /* log: 0 troubles, 1 workers and campaigns, 2 every event */
    struct broker_limits limits; /* zeros: the defaults below */
};

enum {
    BROKER_LEASE_MS = 10000,
    BROKER_WORKER_MS = 40000,
    BROKER_BACKOFF_MS = 1000,
    BROKER_RACE_MS = 2000,
    BROKER_NEAR_BYTES = 256 << 10,
    BROKER_HEARTBEATS_PER_LEASE = 7, /* WELCOME's heartbeat_ms = lease_ms / this */
};

/* Runs until SIGTERM, SIGINT, a STOP message, or idle when asked so; 0 then. SIGHUP: the list
 * of allowed keys is read again. Errors: as store_open; ERR_INVALID (address, or reachable
 * without `keys` or `insecure`), those of keys_read_own; ERR_NETWORK (cannot listen);
 * ERR_UNSUPPORTED; ERR_FULL and ERR_IO when the store can no longer commit (nothing
 * acknowledged is lost; start again when there is space). */
int broker_run(const struct broker_options *options, struct err *err);

/* What a running broker wrote into STORE/broker.json. Errors: ERR_NOT_FOUND (none runs there),
 * ERR_CORRUPT. */
struct broker_address {
    char endpoint[ENDPOINT_SIZE]; /* of the control socket */
    bool keys;                    /* it wants keys */
    pid_t pid;
};
int broker_find(const char *store, struct broker_address *ret, struct err *err);

#endif
