/* Does the dataflow graph hand out each action once, and give up what can never run? */
#include "tests/support/cmocka.h"

#include "broker/graph.h"
#include "common/mem.h"
#include "common/rng.h"
#include "proto/kinds.h"

#include <stdlib.h>
#include <string.h>

static const struct span no_params = {(const uint8_t *)"\x80", 1};

static struct graph_input from_object(uint8_t number)
{
    return (struct graph_input){.id = {{number}}, .node = GRAPH_OBJECT};
}

static struct graph_input from_node(uint32_t node, uint32_t output)
{
    return (struct graph_input){.node = node, .output = output};
}

static uint32_t add(struct graph *graph, const struct graph_input *inputs, uint32_t n)
{
    return graph_add(graph, KIND_sample, "p", no_params, inputs, n, 2);
}

static struct hash next(struct graph *graph)
{
    const struct action *action;
    struct hash id;
    assert_int_equal(graph_next(graph, &action, &id, NULL), 0);
    assert_string_equal(action->kind, "sample");
    assert_string_equal(action->profile, "p");
    return id;
}

static void expect_none(struct graph *graph)
{
    const struct action *action;
    struct hash id;
    assert_int_equal(graph_next(graph, &action, &id, NULL), ERR_NOT_FOUND);
}

static int finish(struct graph *graph, const struct hash *id, uint8_t out, uint32_t n)
{
    struct output outputs[4] = {{.id = {{out}}}, {.id = {{out, 1}}}, {.id = {{out, 2}}}};
    return graph_result(
        graph, id, &(struct result){.action = *id, .outputs = outputs, .n_outputs = n}, NULL);
}

static void test_graph__node_waits_for_all_inputs(void **state)
{
    (void)state;
    struct graph *graph = graph_new();
    struct graph_input inputs[] = {from_object(1), from_object(2)};
    uint32_t a = add(graph, &inputs[0], 1), b = add(graph, &inputs[1], 1);
    struct graph_input both[] = {from_node(a, 1), from_object(9), from_node(b, 0),
                                 from_node(a, 0)};
    uint32_t c = add(graph, both, 4);
    struct hash id_a = next(graph), id_b = next(graph);
    expect_none(graph);
    assert_int_equal(finish(graph, &id_a, 0xaa, 2), 0);
    expect_none(graph);
    assert_int_equal(graph_state(graph, c), NODE_WAITING);
    assert_int_equal(finish(graph, &id_b, 0xbb, 2), 0);

    const struct action *action;
    struct hash id_c;
    assert_int_equal(graph_next(graph, &action, &id_c, NULL), 0);
    assert_int_equal(action->n_inputs, 4);
    assert_int_equal(action->inputs[0].bytes[0], 0xaa);
    assert_int_equal(action->inputs[0].bytes[1], 1);
    assert_int_equal(action->inputs[1].bytes[0], 9);
    assert_int_equal(action->inputs[2].bytes[0], 0xbb);
    assert_int_equal(finish(graph, &id_c, 0xcc, 2), 0);
    uint32_t ended;
    for (uint32_t want = 0; want < 3; want++) {
        assert_true(graph_ended(graph, &ended));
        assert_int_equal(ended, want);
    }
    assert_false(graph_ended(graph, &ended));
    assert_int_equal(finish(graph, &id_c, 0xcc, 2), ERR_NOT_FOUND);
    graph_free(graph);
}

static void test_graph__equal_nodes_are_one_action(void **state)
{
    (void)state;
    struct graph *graph = graph_new();
    struct graph_input input = from_object(1);
    uint32_t a = add(graph, &input, 1), b = add(graph, &input, 1);
    struct graph_input after = from_node(b, 0);
    uint32_t c = add(graph, &after, 1);
    struct hash id = next(graph), wanted;
    expect_none(graph);
    uint32_t cursor = 0;
    assert_true(graph_next_wanted(graph, &cursor, &wanted));
    assert_true(hash_equal(&id, &wanted));
    assert_false(graph_next_wanted(graph, &cursor, &wanted));
    assert_int_equal(finish(graph, &id, 7, 2), 0);
    assert_int_equal(graph_state(graph, a), NODE_DONE);
    assert_int_equal(graph_state(graph, b), NODE_DONE);
    assert_int_equal(graph_state(graph, c), NODE_READY);
    uint32_t d = add(graph, &input, 1); /* later, when it is over already */
    assert_int_equal(graph_state(graph, d), NODE_DONE);
    assert_int_equal(graph_output(graph, d, 1).bytes[1], 1);
    graph_free(graph);
}

static void test_graph__what_needs_a_failed_node_is_given_up(void **state)
{
    (void)state;
    enum { CHAIN = 100000 };
    struct graph *graph = graph_new();
    struct graph_input input = from_object(1);
    uint32_t last = add(graph, &input, 1);
    for (int i = 1; i < CHAIN; i++) {
        struct graph_input before = from_node(last, 0);
        last = add(graph, &before, 1);
    }
    struct hash id = next(graph);
    assert_int_equal(graph_failed(graph, &id, NULL), 0);
    assert_int_equal(graph_state(graph, 0), NODE_FAILED);
    assert_int_equal(graph_state(graph, last), NODE_GIVEN_UP);
    struct graph_counts counts;
    graph_counts(graph, &counts);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(counts.given_up, CHAIN - 1);
    struct graph_input after = from_node(last, 0);
    assert_int_equal(graph_state(graph, add(graph, &after, 1)), NODE_GIVEN_UP);
    assert_int_equal(graph_state(graph, add(graph, &input, 1)), NODE_FAILED);
    expect_none(graph);
    graph_free(graph);
}

static void test_graph__result_of_another_shape_changes_nothing(void **state)
{
    (void)state;
    struct graph *graph = graph_new();
    struct graph_input input = from_object(1);
    add(graph, &input, 1);
    struct hash id = next(graph), other = {{42}};
    assert_int_equal(finish(graph, &id, 7, 3), ERR_CORRUPT);
    assert_true(graph_wants(graph, &id));
    assert_int_equal(finish(graph, &other, 7, 2), ERR_NOT_FOUND);
    assert_int_equal(graph_failed(graph, &other, NULL), ERR_NOT_FOUND);
    assert_int_equal(finish(graph, &id, 7, 2), 0);
    graph_free(graph);
}

/* Kinds that do not depend on the numerics carry no profile. */
static void test_graph__symbolic_kinds_have_no_profile(void **state)
{
    (void)state;
    struct graph *graph = graph_new();
    struct graph_input input = from_object(1);
    graph_add(graph, KIND_rank, "p", no_params, &input, 1, 2);
    const struct action *action;
    struct hash id, again;
    assert_int_equal(graph_next(graph, &action, &id, NULL), 0);
    assert_string_equal(action->profile, "");
    struct buf bytes = {0};
    action_encode(action, &bytes, &again);
    assert_true(hash_equal(&id, &again));
    buf_done(&bytes);
    graph_free(graph);
}

/* ---- forgetting ---- */

enum { KEPT_NODES = 40, ROUND_NODES = 60, FORGET_ROUNDS = 200 };

/* Random inputs among objects and earlier nodes; few objects, so that twins are frequent. */
static void add_random(struct graph *graph, struct rng *rng, uint32_t below)
{
    struct graph_input inputs[3];
    uint32_t n = 1 + rng_below(rng, 3);
    for (uint32_t i = 0; i < n; i++)
        inputs[i] = below && rng_below(rng, 2)
                        ? from_node(rng_below(rng, below), rng_below(rng, 2))
                        : from_object((uint8_t)(1 + rng_below(rng, 12)));
    (void)add(graph, inputs, n);
}

/* Finish or fail everything; outputs are named by the action. */
static void run_out(struct graph *graph, struct rng *rng)
{
    const struct action *action;
    struct hash id;
    uint32_t node;
    while (graph_next(graph, &action, &id, NULL) == 0) {
        struct output outputs[2] = {{.id = id}, {.id = id}};
        outputs[1].id.bytes[0] ^= 1;
        const struct result result = {.action = id, .outputs = outputs, .n_outputs = 2};
        if (rng_below(rng, 10) == 0)
            assert_int_equal(graph_failed(graph, &id, NULL), 0);
        else
            assert_int_equal(graph_result(graph, &id, &result, NULL), 0);
    }
    while (graph_ended(graph, &node))
        continue;
}

static uint32_t known(const struct graph *graph, struct hash ids[KEPT_NODES + ROUND_NODES])
{
    uint32_t cursor = 0, n = 0;
    for (struct hash id; graph_next_known(graph, &cursor, &id);)
        ids[n++] = id;
    return n;
}

/* After a round was forgotten the graph is as before it, and what is added then gets the same
 * numbers and is asked for again. */
static void test_graph__forgotten_nodes_leave_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rng rng = rng_stream(seed, 0, 0, 0);
        struct graph *graph = graph_new();
        struct hash before[KEPT_NODES + ROUND_NODES], after[KEPT_NODES + ROUND_NODES];
        for (uint32_t i = 0; i < KEPT_NODES; i++)
            add_random(graph, &rng, i);
        run_out(graph, &rng);
        uint32_t n = known(graph, before);
        for (uint32_t round = 0; round < FORGET_ROUNDS; round++) {
            for (uint32_t i = 0; i < ROUND_NODES; i++)
                add_random(graph, &rng, KEPT_NODES + i);
            run_out(graph, &rng);
            graph_forget(graph, KEPT_NODES);
            assert_int_equal(known(graph, after), n);
            assert_memory_equal(before, after, n * sizeof before[0]);
        }
        struct graph_input fresh = from_object(200);
        assert_int_equal(add(graph, &fresh, 1), KEPT_NODES);
        struct hash id = next(graph);
        assert_int_equal(finish(graph, &id, 9, 2), 0);
        uint32_t node;
        while (graph_ended(graph, &node))
            continue;
        graph_forget(graph, KEPT_NODES);
        assert_int_equal(add(graph, &fresh, 1), KEPT_NODES);
        struct hash again = next(graph);
        assert_true(hash_equal(&id, &again));
        graph_free(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph__node_waits_for_all_inputs),
        cmocka_unit_test(test_graph__equal_nodes_are_one_action),
        cmocka_unit_test(test_graph__what_needs_a_failed_node_is_given_up),
        cmocka_unit_test(test_graph__result_of_another_shape_changes_nothing),
        cmocka_unit_test(test_graph__symbolic_kinds_have_no_profile),
        cmocka_unit_test(test_graph__forgotten_nodes_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
