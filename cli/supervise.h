/* The children of `wyckmill run`: one broker and some workers, each restarted when it dies. */
#ifndef WYCKMILL_CLI_SUPERVISE_H
#define WYCKMILL_CLI_SUPERVISE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SUPERVISE_WORKERS_MAX = 256 };

struct supervisor;

struct supervisor_options {
    const char *store, *address;
    const char *keys; /* folder, "" none; whatever the environment says */
    bool insecure;    /* see `wyckmill broker --insecure` */
    uint32_t workers;
};

/* Where broker and workers of the store meet when nobody says where: a socket file named after
 * the store, in a folder that only this user can enter. The store itself, which is made when it
 * is not there, may lie too deep for a socket's name. Errors: ERR_IO. */
int supervisor_address(const char *store, char *ret, size_t size, struct err *err);

/* Start a broker on the store that listens at the address, and workers that connect to it.
 * Copies the options. Their logs go to STORE/log/. Errors: ERR_BUSY (another supervisor has the
 * store), ERR_IO, ERR_NOT_FOUND (folder), ERR_FULL. */
int supervisor_start(const struct supervisor_options *options,
                     struct supervisor **ret_supervisor, struct err *err);

/* Look after the children: a dead one is started again, after a pause that doubles. Call often.
 * Errors: ERR_IO when one keeps dying at once (the sentence has the end of its log), ERR_BUSY
 * when the broker finds the store in use. */
int supervisor_step(struct supervisor *supervisor, struct err *err);

/* Ask the workers to leave and wait at most `wait_ms` for them to finish and deliver what they
 * run, while the broker is still there to take it; then the broker. Nobody is restarted any
 * more; who stays is killed, and so are all at once when *hurry changes. Returns whether all
 * had ended by themselves. */
bool supervisor_end(struct supervisor *supervisor, int wait_ms, const volatile int *hurry);
/* Kills whom supervisor_end did not end. NULL allowed. */
void supervisor_free(struct supervisor *supervisor);

#endif
