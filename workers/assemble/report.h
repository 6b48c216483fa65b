/* What is in a data set and what was left out: counted once, told as JSON (for programs) and,
 * from that JSON, as a page of text (for people). `assemble` and `wyckmill encode` give the
 * same report; its keys are in docs/tasks.md. */
#ifndef WYCKMILL_WORKERS_ASSEMBLE_REPORT_H
#define WYCKMILL_WORKERS_ASSEMBLE_REPORT_H

#include "workers/assemble/merge.h"

#include <jansson.h>

/* 17 digits bring every double back. */
#define REPORT_JSON_FLAGS (JSON_INDENT(1) | JSON_REAL_PRECISION(17))

enum {
    REPORT_DOF_MAX = 3 * SITES_MAX,
    REPORT_SHARED_MAX = 100, /* protostructures listed that several structures share */
    REPORT_IDS_MAX = 10,     /* of them named for each */
};

/* Of a property, over the structures that have it. */
struct range {
    uint32_t count;
    double mean, min, max;
};

struct report {
    const struct merge *merge; /* finished; borrowed */
    uint32_t groups[GROUP_MAX + 1], dof[REPORT_DOF_MAX + 1];
    uint32_t n_groups, n_prototypes, n_validation;
    struct range ranges[PROPERTIES_MAX]; /* by column */
    uint32_t n_protostructures;          /* distinct canonical ones */
    uint32_t n_shared, n_sharing;        /* those of several structures; these structures */
    uint32_t *by_protostructure;         /* records, equal canonical protostructures together */
    uint32_t *run_begins; /* (n_protostructures + 1) where each one begins among these */
};

/* Counts. `merge` must outlive the report. Caller frees. */
struct report *report_new(const struct merge *merge);
void report_free(struct report *report);
/* Caller owns a reference. */
json_t *report_json(const struct report *report);
/* The page, at most 100 columns wide but for ids and labels longer than that, appended to
 * `out`. Takes any JSON: what is missing in it is left out of the page. */
void report_text(const json_t *report, struct buf *out);

/* A reason without what is special to one structure: numbers as N, quoted words as '...', what
 * is in brackets as (...). */
void report_reason_kind(const char *reason, char ret[REASON_SIZE]);

#endif
