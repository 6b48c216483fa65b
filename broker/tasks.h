/* The broker core's tasks: numbered slots, found by action id. Slots lie in pages that never
 * move, and the index is a linear hash table (Litwin, VLDB 1980) that has one bucket per slot
 * and splits one bucket per new slot, so that no step ever pays for rehashing all. */
#ifndef WYCKMILL_BROKER_TASKS_H
#define WYCKMILL_BROKER_TASKS_H

#include "common/hash.h"

#include <stdbool.h>
#include <stdint.h>

enum { TASKS_PAGE = 4096 /* slots */, TASK_BLOBS = 3 };
#define TASK_NONE UINT32_MAX

enum task_state {
    TASK_FREE,
    TASK_READY,      /* in its class's ready queue */
    TASK_WAITING,    /* backing off after a crash */
    TASK_HELD,       /* nobody who wants it may run now */
    TASK_LEASED,     /* at least one lease */
    TASK_PERSISTING, /* a result is on its way to the disk; leases of rivals may live on */
    TASK_STATES
};

struct task {
    struct hash id;
    uint64_t sequence;        /* order of arrival; kept over attempts */
    uint32_t bucket;          /* index: first task whose id falls on this slot's number */
    uint32_t next;            /* index: next task of the bucket; or next free slot */
    uint32_t position;        /* in the ready or waiting heap */
    uint32_t lease;           /* first of its leases, or UINT32_MAX */
    uint32_t share;           /* for whom */
    uint32_t class;           /* what a worker must offer to run it */
    uint32_t attempt;         /* the last one handed out; 0 = none yet */
    uint32_t persist_worker;  /* whose result is being persisted */
    uint32_t persist_attempt; /* and of which attempt */
    int32_t priority;
    uint8_t state; /* enum task_state */
    uint8_t crashes;
    uint8_t blameless;             /* bit per crash: nothing was wrong with the worker */
    uint32_t crashed_on[3];        /* numbers of workers, as many as crashes; the last ones */
    uint32_t blobs[TASK_BLOBS];    /* keys of its largest inputs */
    uint8_t blob_log2[TASK_BLOBS]; /* of their bytes; 0: none */
    bool held;                     /* when it is not leased or persisting it is TASK_HELD */
    bool shared;                   /* others than `share` may want it as well */
    bool persist_raced;            /* that attempt was the rival */
};

struct tasks {
    struct task **pages;
    uint32_t n_slots; /* ever used = buckets */
    uint32_t n;       /* live */
    uint32_t free;    /* first free slot, or TASK_NONE */
};

void tasks_init(struct tasks *tasks);
void tasks_done(struct tasks *tasks);
struct task *tasks_at(const struct tasks *tasks, uint32_t slot);
/* TASK_NONE when there is no such task. */
uint32_t tasks_find(const struct tasks *tasks, const struct hash *id);
/* A zeroed task (in no heap, without leases); `id` must not be there. */
uint32_t tasks_add(struct tasks *tasks, const struct hash *id);
void tasks_remove(struct tasks *tasks, uint32_t slot);

#endif
