/* One small object of every kind with every field in use: for round trips, golden files and
 * seeds of fuzzing. Always the same. */
#ifndef WYCKMILL_TESTS_SUPPORT_SAMPLE_OBJECTS_H
#define WYCKMILL_TESTS_SUPPORT_SAMPLE_OBJECTS_H

#include "proto/action.h"
#include "proto/objects.h"

/* The caller frees what is in them with the *_done functions. */
void sample_action(struct action *ret);
void sample_result(struct result *ret);
void sample_source(struct source *ret);
void sample_dataset(struct dataset *ret);
void sample_samples(struct samples *ret);
void sample_candidates(struct candidates *ret);
void sample_tally(struct tally *ret);
struct targets sample_targets(void);

#endif
