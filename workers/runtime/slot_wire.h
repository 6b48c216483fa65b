/* What slots say to their worker: canonical msgpack maps, one per frame. */
#ifndef WYCKMILL_WORKERS_RUNTIME_SLOT_WIRE_H
#define WYCKMILL_WORKERS_RUNTIME_SLOT_WIRE_H

#include "workers/runtime/slot.h"

/* First frame of a child; an empty sentence: ready for tasks. */
void slot_wire_ready_encode(const char *sentence, struct buf *out);
int slot_wire_ready_decode(struct span frame, char ret_sentence[SLOT_SENTENCE_SIZE],
                           struct err *err);

/* What the child is to run. `action` is borrowed from the frame. */
void slot_wire_run_encode(struct span action, const struct slot_limits *limits,
                          struct buf *out);
int slot_wire_run_decode(struct span frame, struct span *ret_action, struct slot_limits *ret,
                         struct err *err);

/* The end of a task; `log` does not travel. */
void slot_wire_end_encode(const struct slot_end *end, struct buf *out);
int slot_wire_end_decode(struct span frame, struct slot_end *ret, struct err *err);

#endif
