/* What the broker core was told and what it wished, as one line of text: for test stories, the
 * log, and replays. "[30000] result 0100 #1 w1 ok -> persist 0100 #1 w1, lease 0200 #1 w1" */
#ifndef WYCKMILL_BROKER_TRACE_H
#define WYCKMILL_BROKER_TRACE_H

#include "broker/core.h"
#include "common/span.h"

/* Appends one line with its newline. Tasks appear as the first four digits of their id. */
void broker_trace(const struct broker_event *event, const struct broker_actions *actions,
                  struct buf *out);

#endif
