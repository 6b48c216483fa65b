/* Errors: a code for programs, a sentence for people. One list, used everywhere. */
#ifndef WYCKMILL_COMMON_ERR_H
#define WYCKMILL_COMMON_ERR_H

#include <stdarg.h>

/* clang-format off */
#define ERR_LIST(X)                                                                            \
    X(ERR_INVALID,     -1,  "invalid input")                                                   \
    X(ERR_CONFIG,      -2,  "invalid configuration")                                           \
    X(ERR_NOT_FOUND,   -3,  "no such object")                                                  \
    X(ERR_CORRUPT,     -4,  "bytes do not match their hash, length or schema")                 \
    X(ERR_FULL,        -5,  "no space left")                                                   \
    X(ERR_IO,          -6,  "input or output failed")                                          \
    X(ERR_NUMERIC,     -7,  "a number is not finite or has no solution")                       \
    X(ERR_UNSUPPORTED, -8,  "not supported")                                                   \
    X(ERR_NETWORK,     -9,  "peer not reachable")                                              \
    X(ERR_BUSY,        -10, "in use by another process")                                       \
    X(ERR_LIMIT,       -11, "over a written limit")                                            \
    X(ERR_SYMMETRY,    -12, "no symmetry found")                                               \
    X(ERR_INTERRUPTED, -13, "interrupted")
/* clang-format on */

enum err_code {
#define X(name, code, text) name = code,
    ERR_LIST(X)
#undef X
};

/* Filled only on failure; a NULL `struct err *` is always allowed. */
struct err {
    int code;
    char text[480]; /* what, where, why */
    char hint[240]; /* what to do; may be empty */
};

/* Set code and sentence, clear the hint; returns `code` so that callers can `return
 * err_set(...)`. */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Add what to do about it. Returns the code already set. */
int err_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put "CONTEXT: " in front of the sentence already set. Returns the code already set (or
 * `code` when err is NULL). */
int err_context(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Translate errno of a failed call into ERR_FULL (ENOSPC, EDQUOT, EFBIG), ERR_NOT_FOUND
 * (ENOENT) or ERR_IO; the sentence is "WHAT: strerror". A full or failing disk has a hint. */
int err_errno(struct err *err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The general sentence of a code; "unknown error" for a code not in the list. */
const char *err_code_text(int code);

#endif
