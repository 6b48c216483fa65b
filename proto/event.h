/* An entry of the event log for readers: one line of JSON, or one line for people. What there
 * is to read: docs/events.md. */
#ifndef WYCKMILL_PROTO_EVENT_H
#define WYCKMILL_PROTO_EVENT_H

#include "common/err.h"
#include "common/hash.h"
#include "common/span.h"

#include <stdbool.h>

enum { EVENT_TIME_SIZE = 40 };
/* Unix milliseconds as ISO 8601 UTC. Returns `ret`. */
const char *event_time(uint64_t unix_ms, char ret[EVENT_TIME_SIZE]);
/* Append {"sequence":N,...} and a newline: keys as in the log, but "time" as ISO 8601 UTC,
 * "epoch" as 16 hex digits (it does not fit a JSON number) and "log" as text. Errors: as
 * document_parse; nothing is appended then. */
int event_print_json(uint64_t sequence, struct span event, struct buf *out, struct err *err);
/* Append time, event, and what matters most of it; and a newline. Texts from outside cannot
 * break the line. Errors: as document_parse. */
int event_print_line(struct span event, struct buf *out, struct err *err);
/* Is it about this task? False for what is no event. */
bool event_is_of_task(struct span event, const struct hash *task);

#endif
