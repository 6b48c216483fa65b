/* Task kinds of the runtime's tests: small functions that do what a test needs to see. */
#ifndef WYCKMILL_TESTS_RUNTIME_KINDS_H
#define WYCKMILL_TESTS_RUNTIME_KINDS_H

#include "workers/task.h"

/* "join": params {text}; output 0 (type "text") = text + all inputs; summary {bytes}.
 * "fail": an error whose sentence is params.text.
 * "chatter": 4000 lines on stderr.
 * "crash": writes params.text to stderr and dies: {how: "abort", "exit", "sleep"}. */
extern const struct task_kind task_kinds[];

/* params {how, text} or {text} when how is NULL. */
void kinds_params(struct buf *out, const char *how, const char *text);

#endif
