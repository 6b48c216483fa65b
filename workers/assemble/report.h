/* What is in a data set, for people and for the planner. */
#ifndef WYCKMILL_WORKERS_ASSEMBLE_REPORT_H
#define WYCKMILL_WORKERS_ASSEMBLE_REPORT_H

#include "proto/objects.h"
#include "workers/task.h"

/* Emits the object "report" (JSON: accepted, rejected, duplicates, split, histograms of space
 * groups and free coordinates, range of every property) and the task's summary. */
void report_emit(const struct task *task, const struct dataset *dataset, uint32_t duplicates);

#endif
