/* The task kinds: name, revision and whether the output depends on the numerics profile. Here
 * because both sides need the facts: planners write actions with them, workers run them (their
 * functions are in workers/kinds.c). A kind's index is its bit in the broker's masks: append
 * only. */
#ifndef WYCKMILL_PROTO_KINDS_H
#define WYCKMILL_PROTO_KINDS_H

#include <stdbool.h>
#include <stdint.h>

/* X(identifier, name, revision, floats). Raise the revision when the output of the kind changes
 * for equal inputs: old results then no longer answer for it. */
/* clang-format off */
#define KIND_LIST(X)                                                                           \
    X(encode,     "encode",     3, true)                                                       \
    X(assemble,   "assemble",   2, false)                                                      \
    X(train_step, "train-step", 1, true)                                                       \
    X(sample,     "sample",     2, true)                                                       \
    X(realize,    "realize",    2, true)                                                       \
    X(score,      "score",      2, true)                                                       \
    X(rank,       "rank",       3, false)
/* clang-format on */

enum kind_index {
#define X(identifier, name, revision, floats) KIND_##identifier,
    KIND_LIST(X)
#undef X
    KIND_COUNT
};

struct kind {
    const char *name;
    uint32_t revision;
    bool floats; /* the action carries the numerics profile */
};

extern const struct kind kinds[KIND_COUNT];

/* -1: no such kind. */
int kind_find(const char *name);

#endif
