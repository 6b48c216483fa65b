/* The table of task kinds this program runs; names, revisions and profiles come from
 * proto/kinds.h, one function per kind from workers/KIND/. A library of its own, so that a test
 * can bring another table. */
#include "proto/kinds.h"
#include "workers/task.h"

__attribute__((unused)) static const char encode_help[] =
    "structures to protostructures, in shards";
__attribute__((unused)) static const char assemble_help[] = "shards to one data set";
__attribute__((unused)) static const char train_step_help[] = "some optimizer steps of a model";
__attribute__((unused)) static const char sample_help[] = "protostructures drawn by the models";
__attribute__((unused)) static const char realize_help[] = "protostructures to coordinates";
__attribute__((unused)) static const char score_help[] =
    "candidates judged by the guide and exactly";
__attribute__((unused)) static const char rank_help[] =
    "candidates put in order, both arms compared";

/* HAS_KIND, 0 or 1, comes from the build: a kind whose folder has no code yet has no row. */
#define ROW_0(...)
#define ROW_1(...) {__VA_ARGS__},
#define ROW_IF(has, ...) ROW_##has(__VA_ARGS__)
#define ROW(has, ...) ROW_IF(has, __VA_ARGS__)

const struct task_kind task_kinds[] = {
#define X(identifier, name, revision, floats)                                                  \
    ROW(HAS_##identifier, name, revision, floats, identifier##_run, identifier##_help)
    KIND_LIST(X)
#undef X
};

const uint32_t task_kinds_count = sizeof task_kinds / sizeof task_kinds[0];
