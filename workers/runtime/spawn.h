/* Starting a child process that does not outlive us. */
#ifndef WYCKMILL_WORKERS_RUNTIME_SPAWN_H
#define WYCKMILL_WORKERS_RUNTIME_SPAWN_H

#include "common/err.h"

#include <sys/types.h>

/* This program itself, even when its file was replaced meanwhile. */
#define SPAWN_SELF "/proc/self/exe"

struct spawn {
    const char *program; /* path */
    char *const *argv;   /* NULL-terminated */
    /* "NAME=VALUE", NULL-terminated, on top of our environment; may be NULL. */
    const char *const *environment;
    int fd3; /* becomes the child's fd 3; -1: none */
    int log; /* becomes its stdout and stderr; -1: ours */
};

/* The child gets /dev/null as stdin, no other descriptors of ours, default signals, a process
 * group of its own (a terminal's Ctrl-C reaches only us; we decide), and SIGKILL when the
 * calling thread dies. Errors: ERR_IO. When `program` cannot be executed the child exits 127.
 */
int spawn_start(const struct spawn *spawn, pid_t *ret_pid, struct err *err);

/* How a child ended, as people say it: "exit status 7", "signal 11 (Segmentation fault)". */
void spawn_status_text(int status, char *ret, size_t size);

#endif
