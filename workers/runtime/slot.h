/* A slot: a child process that runs one task after another. A crash costs the attempt, not the
 * worker. What passes between the two is small: the action one way, ids and numbers the other;
 * objects are files of the worker's cache folder, the child maps its inputs and writes outputs.
 *
 * Thread: one, that which made the slot. */
#ifndef WYCKMILL_WORKERS_RUNTIME_SLOT_H
#define WYCKMILL_WORKERS_RUNTIME_SLOT_H

#include "broker/core.h" /* enum attempt_end */
#include "common/err.h"
#include "common/hash.h"
#include "proto/action.h"

#include <stdbool.h>

enum {
    SLOT_LOG_BYTES_MAX = 8 << 10,
    SLOT_SENTENCE_SIZE = 512,
    SLOT_FRAGILE_MAX =
        5, /* deaths before the first task: something is wrong with the program */
};

struct slot;

enum slot_state {
    SLOT_DOWN,     /* no process */
    SLOT_STARTING, /* process, not yet heard from */
    SLOT_IDLE,
    SLOT_BUSY,
};

/* Under which a task runs; 0: none. */
struct slot_limits {
    uint64_t memory_bytes; /* address space that it may take, beyond its inputs and what the
                              child has mapped before (and SLOT_ALLOWANCE_BYTES) */
    uint64_t time_ms;      /* wall clock; also of processor time, a little later, should the
                              worker sleep */
};
/* What libraries take on their own first use and the heap in its steps. */
enum { SLOT_ALLOWANCE_BYTES = 16 << 20 };

/* How a task ended in its slot. */
struct slot_end {
    enum attempt_end end;
    struct result result; /* when ATTEMPT_OK; outputs are files named by slot_output_name */
    char sentence[SLOT_SENTENCE_SIZE]; /* otherwise: why */
    bool input_bad;                    /* the file of `input` is damaged or gone */
    struct hash input;
    struct buf log; /* tail of what the task wrote to stderr */
    uint64_t wall_us, cpu_us;
    uint64_t peak_bytes; /* resident at most, the child's own ground with it */
};
void slot_end_done(struct slot_end *end);

/* `folder`: of the cache. `number` names this slot's output files. */
struct slot *slot_new(const char *folder, uint32_t number);
/* Kills the child. */
void slot_free(struct slot *slot);

enum slot_state slot_state(const struct slot *slot);
/* Descriptors to wait on for reading (-1: none); call slot_event when one is ready. */
int slot_fd(const struct slot *slot);
int slot_fd_log(const struct slot *slot);

/* DOWN -> STARTING. Errors: ERR_IO. */
int slot_start(struct slot *slot, struct err *err);
/* IDLE -> BUSY. `action`: canonical bytes. A child that does not take the action is found dead
 * by the next slot_event. */
void slot_run(struct slot *slot, struct span action, const struct slot_limits *limits,
              uint64_t now_ms);
/* Take what the child has sent, notice its death or the end of its time. 1: the task ended,
 * the caller owns *ret (slot_end_done); 0: nothing to tell.
 * Errors: ERR_UNSUPPORTED (this machine cannot run tasks as they must run), ERR_IO (the child
 * dies again and again before it is ready); the slot is DOWN. */
int slot_event(struct slot *slot, uint64_t now_ms, struct slot_end *ret, struct err *err);
/* When slot_event has to be called for the time limit; UINT64_MAX: never. */
uint64_t slot_deadline_ms(const struct slot *slot);
/* End the child at once, whatever it does: DOWN. The running task has no end. */
void slot_kill(struct slot *slot);

/* File of output `index` of the last task, in the cache folder. */
void slot_output_name(uint32_t number, uint32_t index, char *ret, size_t size);

/* The child's side: `wyckmill slot FOLDER NUMBER`. Serves descriptor 3 until it closes; returns
 * the exit status. */
int slot_main(const char *folder, uint32_t number);

#endif
