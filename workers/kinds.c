/* The table of task kinds this program runs; names, revisions and profiles come from
 * proto/kinds.h, one function per kind from workers/KIND/. A library of its own, so that a test
 * can bring another table. */
#include "proto/kinds.h"
#include "workers/task.h"

static const char encode_help[] = "structures to protostructures, in shards";
static const char assemble_help[] = "shards to one data set";
static const char train_step_help[] = "some optimizer steps of a model";
static const char sample_help[] = "protostructures drawn by the models";
static const char realize_help[] = "protostructures to coordinates";
static const char score_help[] = "candidates judged by the guide and exactly";
static const char rank_help[] = "candidates put in order, both arms compared";

const struct task_kind task_kinds[] = {
#define X(identifier, name, revision, floats)                                                  \
    {name, revision, floats, identifier##_run, identifier##_help},
    KIND_LIST(X)
#undef X
};

const uint32_t task_kinds_count = sizeof task_kinds / sizeof task_kinds[0];
