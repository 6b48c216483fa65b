/* A dataflow graph: a node is a task whose inputs are objects or outputs of earlier nodes; it
 * becomes an action when all its inputs are known, and is over when its action has a result or
 * will have none. Pure; every call costs O(edges it settles).
 *
 * Two nodes may turn out to be the same action: it is handed out once and ends both. A node
 * whose input will never exist is given up, and so are those after it. */
#ifndef WYCKMILL_BROKER_GRAPH_H
#define WYCKMILL_BROKER_GRAPH_H

#include "common/err.h"
#include "common/hash.h"
#include "proto/action.h"

#include <stdbool.h>

struct graph;

#define GRAPH_OBJECT UINT32_MAX /* graph_input.node: the input is the object `id` */

struct graph_input {
    struct hash id;
    uint32_t node;   /* of an earlier node, or GRAPH_OBJECT */
    uint32_t output; /* of that node */
};

enum node_state {
    NODE_WAITING,  /* for inputs */
    NODE_READY,    /* action known, not handed out */
    NODE_RUNNING,  /* handed out */
    NODE_DONE,     /* outputs known */
    NODE_FAILED,   /* its action will have no result */
    NODE_GIVEN_UP, /* an input will never exist */
};

struct graph *graph_new(void);
void graph_free(struct graph *graph);

/* A node of `kind` (proto/kinds.h) that must give `n_outputs` outputs. `profile` is used when
 * the kind's output depends on it. All arguments are copied. Returns its number: 0, 1, ... */
uint32_t graph_add(struct graph *graph, int kind, const char *profile, struct span params,
                   const struct graph_input *inputs, uint32_t n_inputs, uint32_t n_outputs);

/* The next action in the order in which they became ready; borrowed until the next call with
 * this graph. Errors: ERR_NOT_FOUND, none right now. */
int graph_next(struct graph *graph, const struct action **ret_action, struct hash *ret_id,
               struct err *err);
/* Is this action handed out and not over? */
bool graph_wants(const struct graph *graph, const struct hash *action);
/* How many are, or are ready and not handed out yet. */
uint64_t graph_n_open(const struct graph *graph);
/* Walk the wanted actions: *cursor 0 at first; false at the end. */
bool graph_next_wanted(const struct graph *graph, uint32_t *cursor, struct hash *ret_action);

/* Walk the actions that are known, also those that are over: an action comes after those whose
 * outputs it takes. *cursor 0 at first; false at the end. */
bool graph_next_known(const struct graph *graph, uint32_t *cursor, struct hash *ret_action);

/* The action's result, for all nodes that are this action. Errors: ERR_NOT_FOUND (not wanted),
 * ERR_CORRUPT (another number of outputs than its nodes promise): nothing changed. */
int graph_result(struct graph *graph, const struct hash *action, const struct result *result,
                 struct err *err);
/* It will have none. Errors: ERR_NOT_FOUND. */
int graph_failed(struct graph *graph, const struct hash *action, struct err *err);

/* The next node that is over and was not reported yet; false: none. */
bool graph_ended(struct graph *graph, uint32_t *ret_node);

/* Forget the nodes from number `from` on, whose numbers are then given again: memory follows
 * what is still needed, not what was ever done. All nodes are over and reported (asserted); the
 * counts stay. */
void graph_forget(struct graph *graph, uint32_t from);

enum node_state graph_state(const struct graph *graph, uint32_t node);
/* Output of a node that is NODE_DONE. */
struct hash graph_output(const struct graph *graph, uint32_t node, uint32_t output);

struct graph_counts {
    uint64_t nodes, done, failed, given_up; /* waiting, ready, running: the rest */
};
void graph_counts(const struct graph *graph, struct graph_counts *ret);

#endif
