/* action = {kind, revision, params, inputs, profile}: a pure function and its arguments.
 * action id = SHA-256 of its canonical bytes; an action is itself a stored object of type
 * "action". result = what it gave: action id -> outputs and a small summary; equal for every
 * worker that runs the action, so it carries no time, host or attempt. */
#ifndef WYCKMILL_PROTO_ACTION_H
#define WYCKMILL_PROTO_ACTION_H

#include "proto/value.h"

enum {
    ACTION_INPUTS_MAX = 65536,
    ACTION_OUTPUTS_MAX = 4096,
    ACTION_BYTES_MAX = 3 << 20, /* 65536 inputs of 34 bytes, and room for parameters */
    TASK_KIND_SIZE = 24,        /* with NUL */
    OBJECT_TYPE_SIZE = 24,
    PROFILE_SIZE = 160,
};

struct action {
    char kind[TASK_KIND_SIZE];
    uint32_t revision;          /* of the kind's function: raised when its output changes */
    char profile[PROFILE_SIZE]; /* numerics profile; empty for symbolic kinds */
    struct buf params;          /* one canonical msgpack map */
    struct hash *inputs;        /* object ids, order matters */
    uint32_t n_inputs;
};

void action_done(struct action *action);
/* Canonical bytes, appended to `out`; *ret_id (may be NULL) is their hash. Empty params are the
 * empty map. */
void action_encode(const struct action *action, struct buf *out, struct hash *ret_id);
/* Errors: ERR_CORRUPT, ERR_LIMIT. On success the caller owns *ret (action_done). */
int action_decode(struct span bytes, struct action *ret, struct err *err);

struct output {
    struct hash id;
    uint64_t size;
    char type[OBJECT_TYPE_SIZE]; /* "dataset", "checkpoint", "samples", ... */
};

struct result {
    struct hash action;
    struct output *outputs;
    uint32_t n_outputs;
    struct buf summary; /* one canonical msgpack map of small numbers and texts */
};

void result_done(struct result *result);
/* Canonical bytes, appended to `out`. An empty summary is the empty map. */
void result_encode(const struct result *result, struct buf *out);
int result_decode(struct span bytes, struct result *ret, struct err *err);

/* The profile of this machine and build, e.g. "x86-64-v3 openblas-0.3.21-Haswell sleef-3.5.1
 * spglib-2.0.2". Implemented in workers/runtime; static storage. */
const char *numerics_profile(void);

#endif
