/* Dataflow graph: see graph.h. */
#include "broker/graph.h"

#include "common/mem.h"
#include "proto/kinds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct node {
    struct hash id; /* action id, once ready */
    char *profile;
    struct buf params;
    struct graph_input *inputs; /* freed with profile and params when the action was built */
    struct hash *outputs;       /* once done */
    uint32_t n_inputs, n_outputs;
    uint32_t missing;   /* inputs not known yet */
    uint32_t consumers; /* first edge */
    uint32_t twin;      /* next node with the same action */
    uint8_t kind;
    uint8_t state; /* enum node_state */
};

struct edge { /* the node's output feeds `consumer` */
    uint32_t consumer, next;
};

/* Node numbers, first in first out. */
struct fifo {
    uint32_t *items;
    size_t first, n, capacity;
};

struct graph {
    struct node *nodes;
    struct edge *edges;
    size_t n_nodes, nodes_capacity, n_edges, edges_capacity;
    struct fifo ready, ended;
    uint32_t *index; /* hash table by action id: first of the twins, or NONE; open addressing */
    size_t index_size, index_used; /* size is a power of two */
    struct action scratch;         /* lent by graph_next */
    uint64_t n_wanted;             /* handed out and not over */
    struct graph_counts counts;
};

struct graph *graph_new(void)
{
    return mem_new(1, sizeof(struct graph));
}

static void node_done_recipe(struct node *node)
{
    free(node->profile);
    free(node->inputs);
    buf_done(&node->params);
    node->profile = NULL;
    node->inputs = NULL;
}

void graph_free(struct graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        node_done_recipe(&graph->nodes[i]);
        free(graph->nodes[i].outputs);
    }
    free(graph->nodes);
    free(graph->edges);
    free(graph->ready.items);
    free(graph->ended.items);
    free(graph->index);
    action_done(&graph->scratch);
    free(graph);
}

static void fifo_push(struct fifo *fifo, uint32_t item)
{
    if (fifo->first > 64 && fifo->first > fifo->n / 2) { /* what was taken is most of it */
        memmove(fifo->items, fifo->items + fifo->first,
                (fifo->n - fifo->first) * sizeof *fifo->items);
        fifo->n -= fifo->first;
        fifo->first = 0;
    }
    mem_reserve(fifo->items, fifo->capacity, fifo->n + 1);
    fifo->items[fifo->n++] = item;
}

static bool fifo_pop(struct fifo *fifo, uint32_t *ret)
{
    if (fifo->first == fifo->n)
        return false;
    *ret = fifo->items[fifo->first++];
    return true;
}

/* ---- action id -> nodes ---- */

static uint32_t *index_place(const struct graph *graph, const struct hash *id)
{
    size_t place = hash_u64(id) & (graph->index_size - 1);
    while (graph->index[place] != NONE &&
           !hash_equal(&graph->nodes[graph->index[place]].id, id))
        place = (place + 1) & (graph->index_size - 1);
    return &graph->index[place];
}

static void index_grow(struct graph *graph)
{
    uint32_t *old = graph->index;
    size_t old_size = graph->index_size;
    graph->index_size = old_size ? 2 * old_size : 64;
    graph->index = mem_new(graph->index_size, sizeof *graph->index);
    memset(graph->index, 0xff, graph->index_size * sizeof *graph->index);
    for (size_t i = 0; i < old_size; i++)
        if (old[i] != NONE)
            *index_place(graph, &graph->nodes[old[i]].id) = old[i];
    free(old);
}

static uint32_t index_find(const struct graph *graph, const struct hash *id)
{
    return graph->index_size ? *index_place(graph, id) : NONE;
}

/* The hole is closed with later ones that belong before it (Knuth 6.4, algorithm R). */
static void index_remove(struct graph *graph, const struct hash *id)
{
    size_t mask = graph->index_size - 1;
    size_t hole = (size_t)(index_place(graph, id) - graph->index);
    for (size_t at = (hole + 1) & mask; graph->index[at] != NONE; at = (at + 1) & mask) {
        size_t home = hash_u64(&graph->nodes[graph->index[at]].id) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        graph->index[hole] = graph->index[at];
        hole = at;
    }
    graph->index[hole] = NONE;
    graph->index_used--;
}

/* ---- nodes getting ready and ending ---- */

static void node_end(struct graph *graph, uint32_t n, enum node_state state);

/* All inputs are known: what would its action be? */
static void build_action(const struct graph *graph, const struct node *node, struct action *ret)
{
    action_done(ret);
    const struct kind *kind = &kinds[node->kind];
    *ret = (struct action){.revision = kind->revision, .n_inputs = node->n_inputs};
    memcpy(ret->kind, kind->name, strlen(kind->name) + 1);
    if (kind->floats)
        memcpy(ret->profile, node->profile, strlen(node->profile) + 1);
    buf_append(&ret->params, node->params.data, node->params.size);
    ret->inputs = mem_new(node->n_inputs, sizeof *ret->inputs);
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        const struct graph_input *input = &node->inputs[i];
        ret->inputs[i] = input->node == GRAPH_OBJECT
                             ? input->id
                             : graph->nodes[input->node].outputs[input->output];
    }
}

static void outputs_copy(struct node *to, const struct node *from)
{
    to->outputs = mem_copy(from->outputs, from->n_outputs * sizeof *from->outputs);
}

/* The node is the same action as an earlier one: end as that did, or wait for the same. */
static void node_join(struct graph *graph, uint32_t n, uint32_t first)
{
    struct node *node = &graph->nodes[n], *twin = &graph->nodes[first];
    node->twin = twin->twin;
    twin->twin = n;
    node_done_recipe(node);
    if (twin->state == NODE_DONE && node->n_outputs == twin->n_outputs) {
        outputs_copy(node, twin);
        node_end(graph, n, NODE_DONE);
    } else if (twin->state == NODE_DONE || twin->state == NODE_FAILED) {
        node_end(graph, n, NODE_FAILED);
    } else {
        node->state = twin->state;
    }
}

static void node_ready(struct graph *graph, uint32_t n)
{
    struct node *node = &graph->nodes[n];
    struct buf bytes = {0};
    build_action(graph, node, &graph->scratch);
    action_encode(&graph->scratch, &bytes, &node->id);
    buf_done(&bytes);

    if (2 * (graph->index_used + 1) > graph->index_size)
        index_grow(graph);
    uint32_t *place = index_place(graph, &node->id);
    if (*place != NONE) {
        node_join(graph, n, *place);
        return;
    }
    *place = n;
    graph->index_used++;
    node->state = NODE_READY;
    fifo_push(&graph->ready, n);
}

static void node_end(struct graph *graph, uint32_t n, enum node_state state)
{
    graph->nodes[n].state = (uint8_t)state;
    graph->counts.done += state == NODE_DONE;
    graph->counts.failed += state == NODE_FAILED;
    graph->counts.given_up += state == NODE_GIVEN_UP;
    node_done_recipe(&graph->nodes[n]);
    fifo_push(&graph->ended, n);
}

/* The consumers of a node that just ended: one input less to wait for, or none ever. Nodes that
 * end thereby are settled in turn; `pending` is a stack of them, so that a long chain needs no
 * deep recursion. */
static void settle(struct graph *graph, uint32_t first)
{
    uint32_t *pending = NULL;
    size_t n = 0, capacity = 0;
    mem_reserve(pending, capacity, 1);
    pending[n++] = first;
    while (n) {
        const struct node *node = &graph->nodes[pending[--n]];
        bool done = node->state == NODE_DONE;
        for (uint32_t e = node->consumers; e != NONE; e = graph->edges[e].next) {
            uint32_t c = graph->edges[e].consumer;
            struct node *consumer = &graph->nodes[c];
            if (consumer->state != NODE_WAITING)
                continue;
            if (!done)
                node_end(graph, c, NODE_GIVEN_UP);
            else if (--consumer->missing == 0)
                node_ready(graph, c);
            if (consumer->state >= NODE_DONE) {
                mem_reserve(pending, capacity, n + 1);
                pending[n++] = c;
            }
        }
    }
    free(pending);
}

/* How many of the inputs are not known; NONE when one will never be. */
static uint32_t count_missing(const struct graph *graph, const struct node *node)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        const struct graph_input *input = &node->inputs[i];
        if (input->node == GRAPH_OBJECT)
            continue;
        assert(input->node < graph->n_nodes);
        assert(input->output < graph->nodes[input->node].n_outputs);
        enum node_state state = (enum node_state)graph->nodes[input->node].state;
        if (state == NODE_FAILED || state == NODE_GIVEN_UP)
            return NONE;
        missing += state != NODE_DONE;
    }
    return missing;
}

static void edges_add(struct graph *graph, uint32_t n)
{
    const struct node *node = &graph->nodes[n];
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        uint32_t from = node->inputs[i].node;
        if (from == GRAPH_OBJECT || graph->nodes[from].state == NODE_DONE)
            continue;
        mem_reserve(graph->edges, graph->edges_capacity, graph->n_edges + 1);
        graph->edges[graph->n_edges] = (struct edge){n, graph->nodes[from].consumers};
        graph->nodes[from].consumers = (uint32_t)graph->n_edges++;
    }
}

uint32_t graph_add(struct graph *graph, int kind, const char *profile, struct span params,
                   const struct graph_input *inputs, uint32_t n_inputs, uint32_t n_outputs)
{
    assert(kind >= 0 && kind < KIND_COUNT && strlen(profile) < PROFILE_SIZE);
    assert(n_inputs <= ACTION_INPUTS_MAX && n_outputs <= ACTION_OUTPUTS_MAX);
    mem_reserve(graph->nodes, graph->nodes_capacity, graph->n_nodes + 1);
    uint32_t n = (uint32_t)graph->n_nodes;
    struct node *node = &graph->nodes[n];
    *node = (struct node){.profile = mem_text(profile),
                          .inputs = mem_copy(inputs, n_inputs * sizeof *inputs),
                          .n_inputs = n_inputs,
                          .n_outputs = n_outputs,
                          .consumers = NONE,
                          .twin = NONE,
                          .kind = (uint8_t)kind};
    buf_append(&node->params, params.data, params.size);
    node->missing = count_missing(graph, node);
    graph->n_nodes++;
    graph->counts.nodes++;
    if (node->missing == NONE)
        node_end(graph, n, NODE_GIVEN_UP);
    else if (node->missing == 0)
        node_ready(graph, n);
    else
        edges_add(graph, n);
    return n;
}

/* ---- actions out, results in ---- */

static int none(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no action is ready");
}

int graph_next(struct graph *graph, const struct action **ret_action, struct hash *ret_id,
               struct err *err)
{
    uint32_t n;
    if (!fifo_pop(&graph->ready, &n))
        return none(err);
    struct node *node = &graph->nodes[n];
    build_action(graph, node, &graph->scratch);
    node_done_recipe(node);
    for (uint32_t twin = n; twin != NONE; twin = graph->nodes[twin].twin)
        graph->nodes[twin].state = NODE_RUNNING;
    graph->n_wanted++;
    *ret_id = node->id;
    *ret_action = &graph->scratch;
    return 0;
}

bool graph_wants(const struct graph *graph, const struct hash *action)
{
    uint32_t n = index_find(graph, action);
    return n != NONE && graph->nodes[n].state == NODE_RUNNING;
}

uint64_t graph_n_open(const struct graph *graph)
{
    return graph->n_wanted + graph->ready.n - graph->ready.first;
}

bool graph_next_wanted(const struct graph *graph, uint32_t *cursor, struct hash *ret_action)
{
    for (; *cursor < graph->n_nodes; ++*cursor) {
        const struct node *node = &graph->nodes[*cursor];
        if (node->state == NODE_RUNNING && index_find(graph, &node->id) == *cursor) {
            *ret_action = node->id;
            ++*cursor;
            return true;
        }
    }
    return false;
}

bool graph_next_known(const struct graph *graph, uint32_t *cursor, struct hash *ret_action)
{
    for (; *cursor < graph->n_nodes; ++*cursor) {
        const struct node *node = &graph->nodes[*cursor];
        if (node->state != NODE_WAITING && node->state != NODE_GIVEN_UP &&
            index_find(graph, &node->id) == *cursor) {
            *ret_action = node->id;
            ++*cursor;
            return true;
        }
    }
    return false;
}

static int wanted_require(const struct graph *graph, const struct hash *action, uint32_t *ret_n,
                          struct err *err)
{
    if (!graph_wants(graph, action))
        return err_set(err, ERR_NOT_FOUND, "no node waits for this action");
    *ret_n = index_find(graph, action);
    return 0;
}

int graph_result(struct graph *graph, const struct hash *action, const struct result *result,
                 struct err *err)
{
    uint32_t first = NONE;
    int rc = wanted_require(graph, action, &first, err);
    if (rc)
        return rc;
    for (uint32_t n = first; n != NONE; n = graph->nodes[n].twin)
        if (graph->nodes[n].n_outputs != result->n_outputs)
            return err_set(err, ERR_CORRUPT, "a result of '%s' has %u outputs, want %u",
                           kinds[graph->nodes[n].kind].name, result->n_outputs,
                           graph->nodes[n].n_outputs);
    graph->n_wanted--;
    for (uint32_t n = first; n != NONE; n = graph->nodes[n].twin) {
        struct node *node = &graph->nodes[n];
        node->outputs = mem_new(result->n_outputs, sizeof *node->outputs);
        for (uint32_t i = 0; i < result->n_outputs; i++)
            node->outputs[i] = result->outputs[i].id;
        node_end(graph, n, NODE_DONE);
    }
    for (uint32_t n = first; n != NONE; n = graph->nodes[n].twin)
        settle(graph, n);
    return 0;
}

int graph_failed(struct graph *graph, const struct hash *action, struct err *err)
{
    uint32_t first = NONE;
    int rc = wanted_require(graph, action, &first, err);
    if (rc)
        return rc;
    graph->n_wanted--;
    for (uint32_t n = first; n != NONE; n = graph->nodes[n].twin)
        node_end(graph, n, NODE_FAILED);
    for (uint32_t n = first; n != NONE; n = graph->nodes[n].twin)
        settle(graph, n);
    return 0;
}

bool graph_ended(struct graph *graph, uint32_t *ret_node)
{
    return fifo_pop(&graph->ended, ret_node);
}

/* ---- forgetting ---- */

/* The last node of all; of twins the first is in the index, and has the lowest number. */
static void node_forget(struct graph *graph, uint32_t n)
{
    struct node *node = &graph->nodes[n];
    uint32_t first = node->state == NODE_GIVEN_UP ? NONE : index_find(graph, &node->id);
    if (first == n) {
        index_remove(graph, &node->id);
    } else if (first != NONE) {
        uint32_t *link = &graph->nodes[first].twin;
        while (*link != n)
            link = &graph->nodes[*link].twin;
        *link = node->twin;
    }
    node_done_recipe(node);
    free(node->outputs);
}

void graph_forget(struct graph *graph, uint32_t from)
{
    assert(from <= graph->n_nodes);
    assert(graph->ended.first == graph->ended.n && graph->ready.first == graph->ready.n);
    while (graph->n_nodes > from) {
        assert(graph->nodes[graph->n_nodes - 1].state >= NODE_DONE);
        node_forget(graph, (uint32_t)graph->n_nodes - 1);
        graph->n_nodes--;
    }
    graph->n_edges = 0; /* nobody waits for a node that is over */
}

enum node_state graph_state(const struct graph *graph, uint32_t node)
{
    assert(node < graph->n_nodes);
    return (enum node_state)graph->nodes[node].state;
}

struct hash graph_output(const struct graph *graph, uint32_t node, uint32_t output)
{
    assert(node < graph->n_nodes && graph->nodes[node].state == NODE_DONE);
    assert(output < graph->nodes[node].n_outputs);
    return graph->nodes[node].outputs[output];
}

void graph_counts(const struct graph *graph, struct graph_counts *ret)
{
    *ret = graph->counts;
}
