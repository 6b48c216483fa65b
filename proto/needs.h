/* What a task needs of the worker that runs it, and the limits under which it runs. Said per
 * task kind in the campaign file; no part of the action: whatever a task is given, its result
 * and its id are the same. */
#ifndef WYCKMILL_PROTO_NEEDS_H
#define WYCKMILL_PROTO_NEEDS_H

#include "common/err.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TAG_SIZE = 32,      /* of one tag, with NUL */
    NEEDS_TAGS_MAX = 8, /* of one task */
    NEEDS_TAGS_SIZE = NEEDS_TAGS_MAX * TAG_SIZE,
    NEEDS_GPUS_MAX = 1024,
};
#define NEEDS_BYTES_MAX (UINT64_C(1) << 50)   /* 1 PiB */
#define NEEDS_TIME_MS_MAX (UINT64_C(1) << 40) /* 34 years */

struct needs {
    uint64_t memory_bytes;      /* that is kept for it, and its limit; 0: none */
    uint64_t time_ms;           /* its limit, wall clock; 0: none */
    uint32_t gpus;              /* that are kept for it */
    char tags[NEEDS_TAGS_SIZE]; /* the worker must have them all: "big,gpu", ascending */
};

bool needs_is_none(const struct needs *needs);

/* "memory=4 GiB, time=2 h, gpus=1, tags=gpu+big", each at most once, any may be missing; "" is
 * nothing. Errors: ERR_CONFIG, with what is allowed in the hint. */
int needs_parse(const char *text, struct needs *ret, struct err *err);

/* Tags with a separator between them, as a list in ascending order, each once. A tag is 1 to 31
 * of a-z 0-9 . _ -. Errors: ERR_CONFIG (no tag, more than NEEDS_TAGS_MAX). */
int tags_parse(const char *text, char separator, char ret[NEEDS_TAGS_SIZE], struct err *err);
/* The next tag of such a list; NULL at its end. *at: the list at first. */
const char *tags_next(const char **at, char ret[TAG_SIZE]);

/* "4 GiB", "1.5GiB": bytes, KiB, MiB, GiB, TiB. Errors: ERR_CONFIG. */
int bytes_parse(const char *text, uint64_t *ret, struct err *err);
/* "64 GiB", "1.5 MiB": at most 4 digits. Returns `ret`. */
const char *bytes_text(uint64_t bytes, char *ret, size_t size);

/* A map {gpus, memory, tags, time_ms}. Errors of reading: ERR_CORRUPT. */
void needs_pack(struct pack *pack, const struct needs *needs);
int needs_unpack(struct value value, struct needs *ret, struct err *err);

#endif
