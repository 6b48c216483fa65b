/* The reproducibility audit: results of a store are computed again by a broker's workers, each
 * on another one than made it while there is another, and compared bit for bit. */
#ifndef WYCKMILL_CLI_RECOMPUTE_H
#define WYCKMILL_CLI_RECOMPUTE_H

#include "cli/cli.h"
#include "store/store.h"

#include <jansson.h>

enum { RECOMPUTE_WORKER_SIZE = 256, RECOMPUTE_NOTE_SIZE = 512 };

struct recomputed_item {
    struct hash task;
    char kind[TASK_KIND_SIZE];
    char maker[RECOMPUTE_WORKER_SIZE];  /* who made the result; "" when no event tells */
    char worker[RECOMPUTE_WORKER_SIZE]; /* who computed it again */
    char end[16];                       /* "equal", "differs", "failed", "refused"; "": open */
    char note[RECOMPUTE_NOTE_SIZE];
    int64_t ask_ms; /* when the broker is asked next; 0: it was not yet */
};

struct recomputed {
    struct recomputed_item *items; /* by task */
    size_t n, of;                  /* sampled, of so many results */
};

/* Choose `percent` (0..100] of the `n` actions, at least one, the same ones whenever `seed` is
 * the same, and have them computed again: by the broker that `common` means, or when none runs
 * on the store, by one that is started for it, with a worker per core. Caller frees
 * ret->items, also on failure; then what is not over has no end. Errors: ERR_INTERRUPTED
 * (Ctrl-C), ERR_NETWORK (the broker went and did not come back), those of reading and of
 * starting. */
int recompute(struct store *store, const struct cli_common *common, const struct hash *actions,
              size_t n, double percent, uint64_t seed, struct recomputed *ret, struct err *err);

/* How many have another end than "equal", which are findings, or were refused by the broker. */
size_t recomputed_findings(const struct recomputed *all);
size_t recomputed_refused(const struct recomputed *all);
/* For people, on stdout, with the lineage of what differs; and as one JSON object. */
void recomputed_print(struct store *store, const struct recomputed *all);
json_t *recomputed_json(struct store *store, const struct recomputed *all);

#endif
