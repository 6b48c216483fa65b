/* The campaign: what the user's YAML file says (cli/config.c reads it), plus the source objects
 * that ingest made of its data. Its canonical bytes are an object of type "campaign"; the ref
 * "campaigns/NAME" points at it. No path, time or host in it: equal campaigns are equal bytes.
 */
#ifndef WYCKMILL_BROKER_CAMPAIGN_H
#define WYCKMILL_BROKER_CAMPAIGN_H

#include "common/err.h"
#include "common/hash.h"
#include "proto/action.h"
#include "proto/kinds.h"
#include "proto/needs.h"
#include "proto/objects.h"

enum {
    CAMPAIGN_NAME_SIZE = 64,
    CAMPAIGN_GROUPS_MAX = 230,
    CAMPAIGN_BYTES_MAX = 3 << 19, /* encoded */
    CAMPAIGN_SOURCES_MAX = 32768, /* so that SUBMIT and assemble's LEASE fit into one frame */
};

/* Samples are numbered with 32 bits, and every number is drawn once. */
#define CAMPAIGN_SAMPLES_MAX (UINT64_C(1) << 32)

struct campaign_network {
    uint32_t width, layers, heads; /* width divisible by heads and by 8 */
    uint32_t steps;                /* optimizer steps in all */
    uint32_t task_steps;           /* K: steps per train-step task */
    uint32_t batch;                /* crystals per step */
    double learning_rate;
    uint32_t warmup; /* steps */
    double weight_decay;
    double ema; /* decay of the averaged weights, 0 = off */
};

struct campaign {
    char name[CAMPAIGN_NAME_SIZE]; /* [a-z0-9._-]+ */
    uint64_t seed;
    char profile[PROFILE_SIZE]; /* numerics profile for float-producing kinds */
    int32_t priority;
    struct needs needs[KIND_COUNT]; /* of tasks, by kind; not part of their actions */

    /* data */
    uint32_t n_sources;
    struct hash *sources;   /* (n_sources) "source" objects, in order */
    uint32_t *lines_before; /* (n_sources) in front of those that begin inside a file
                               (LINE_RELATIVE), else 0; NULL: all 0 */
    double symprec;         /* Angstrom */
    double validation;      /* fraction kept for validation, by content hash */
    uint32_t atoms_max;     /* larger conventional cells are left out of training */

    /* models */
    uint32_t timesteps; /* T of the diffusion */
    struct campaign_network denoiser, guide;

    /* what is wanted */
    struct targets targets;
    uint32_t n_elements; /* allowed elements; 0 = all of the data */
    uint8_t elements[ELEMENT_MAX];
    uint32_t n_spacegroups; /* allowed groups; 0 = prior of the data */
    uint16_t spacegroups[CAMPAIGN_GROUPS_MAX];

    /* sampling */
    uint32_t candidates;   /* N wanted: valid and distinct; the table has no more rows */
    uint32_t batch;        /* samples per task */
    uint32_t tasks;        /* sample tasks per round */
    uint32_t rounds_max;   /* 0 = no limit */
    uint32_t sample_steps; /* backward steps, <= timesteps */
    double guidance;       /* strength; 0 = unguided */
    bool compare;          /* run the same number of unguided samples beside */

    /* when no further round is drawn */
    bool stop_found;              /* N are found (while stop_meeting is 0) */
    uint32_t stop_meeting;        /* so many of the table meet the targets; 0 = off */
    uint32_t stop_rounds_without; /* so many rounds in a row brought nothing new; 0 = off */

    /* what it may cost at most, wherever the results come from; 0 = whatever it takes */
    uint32_t budget_tasks;    /* tasks with a result */
    double budget_slot_hours; /* wall time that these took in their slots, summed */
    uint64_t budget_bytes;    /* of their outputs */

    /* realize */
    uint32_t random_starts;   /* per sample without template */
    uint32_t relax_steps_max; /* L-BFGS iterations */
};

void campaign_done(struct campaign *campaign);
/* Canonical bytes, appended to `out`; *ret_id (may be NULL) is their hash. */
void campaign_encode(const struct campaign *campaign, struct buf *out, struct hash *ret_id);
/* Form only; whether it makes sense says campaign_check. Errors: ERR_CORRUPT, ERR_LIMIT,
 * ERR_UNSUPPORTED (format version). On success the caller owns *ret (campaign_done). */
int campaign_decode(struct span bytes, struct campaign *ret, struct err *err);
/* Deep copy. Caller owns *to. */
void campaign_copy(struct campaign *to, const struct campaign *from);
/* Is every setting in its range, and do they fit each other? Errors: ERR_CONFIG; the sentence
 * names the setting as the file does ("denoiser.width"), its value and what is allowed. */
int campaign_check(const struct campaign *campaign, struct err *err);
/* The id it would have without a budget: the same campaign with more money. */
struct hash campaign_base(const struct campaign *campaign);
/* Built-in defaults (configs/demo.yaml says only what differs). */
void campaign_default(struct campaign *ret);

#endif
