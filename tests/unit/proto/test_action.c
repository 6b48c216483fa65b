/* Are actions and results one sequence of bytes each, and is anything else refused? */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "proto/action.h"

#include <stdlib.h>

static struct buf params_of(double symprec)
{
    struct buf out = {0};
    struct pack pack;
    pack_init(&pack, &out);
    pack_map(&pack, 1);
    pack_key(&pack, "symprec");
    pack_f64(&pack, symprec);
    return out;
}

static struct action action_new(uint32_t n_inputs)
{
    struct action action = {
        .kind = "encode", .revision = 2, .profile = "x", .n_inputs = n_inputs};
    action.params = params_of(0.1);
    action.inputs = mem_new(n_inputs, sizeof *action.inputs);
    for (uint32_t i = 0; i < n_inputs; i++)
        action.inputs[i] = hash_bytes((struct span){(const uint8_t *)&i, 4});
    return action;
}

static void test_action__round_trip_and_id(void **state)
{
    (void)state;
    struct action action = action_new(3), again;
    struct buf out = {0}, twice = {0};
    struct hash id, id_again;
    buf_append(&out, "xy", 2); /* encode appends */
    action_encode(&action, &out, &id);
    struct span bytes = {out.data + 2, out.size - 2};
    struct hash want = hash_bytes(bytes);
    assert_true(hash_equal(&id, &want));
    assert_int_equal(action_decode(bytes, &again, NULL), 0);
    assert_string_equal(again.kind, "encode");
    assert_string_equal(again.profile, "x");
    assert_int_equal(again.revision, 2);
    assert_int_equal(again.n_inputs, 3);
    assert_true(hash_equal(&again.inputs[2], &action.inputs[2]));
    assert_int_equal(again.params.size, action.params.size);
    assert_memory_equal(again.params.data, action.params.data, action.params.size);
    action_encode(&again, &twice, &id_again);
    assert_true(hash_equal(&id, &id_again));

    /* order of inputs is part of the action */
    struct hash first = again.inputs[0];
    again.inputs[0] = again.inputs[1];
    again.inputs[1] = first;
    twice.size = 0;
    action_encode(&again, &twice, &id_again);
    assert_false(hash_equal(&id, &id_again));
    action_done(&action);
    action_done(&again);
    buf_done(&out);
    buf_done(&twice);
}

static void test_action__largest_one_decodes(void **state)
{
    (void)state;
    struct action action = action_new(ACTION_INPUTS_MAX), again;
    struct buf out = {0};
    action_encode(&action, &out, NULL);
    assert_int_equal(action_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.n_inputs, ACTION_INPUTS_MAX);
    action_done(&action);
    action_done(&again);
    buf_done(&out);
}

static void test_action__empty_params_are_the_empty_map(void **state)
{
    (void)state;
    struct action action = {.kind = "merge"}, again;
    struct buf out = {0};
    action_encode(&action, &out, NULL);
    assert_int_equal(action_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.params.size, 1);
    assert_int_equal(again.params.data[0], 0x80);
    action_done(&again);
    buf_done(&out);
}

/* Every cut and every flipped byte is either refused or another well-formed action. */
static void test_action__damaged_bytes_never_pass_as_the_same(void **state)
{
    (void)state;
    struct action action = action_new(2), again;
    struct buf out = {0}, twice = {0};
    struct err err;
    action_encode(&action, &out, NULL);
    for (size_t size = 0; size < out.size; size++)
        assert_int_equal(action_decode((struct span){out.data, size}, &again, &err),
                         ERR_CORRUPT);
    for (size_t at = 0; at < out.size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            out.data[at] ^= (uint8_t)(1 << bit);
            if (action_decode(buf_span(&out), &again, &err) == 0) {
                twice.size = 0;
                action_encode(&again, &twice, NULL);
                assert_int_equal(twice.size, out.size);
                assert_memory_equal(twice.data, out.data, out.size);
                action_done(&again);
            }
            out.data[at] ^= (uint8_t)(1 << bit);
        }
    }
    action_done(&action);
    buf_done(&out);
    buf_done(&twice);
}

static void test_result__round_trip(void **state)
{
    (void)state;
    struct result result = {.action = hash_bytes(span_text("a")), .n_outputs = 2}, again;
    struct output outputs[2] = {{hash_bytes(span_text("o")), 77, "dataset"},
                                {hash_bytes(span_text("p")), 1ull << 40, "report"}};
    struct buf out = {0}, twice = {0};
    result.outputs = outputs;
    result.summary = params_of(0.25);
    result_encode(&result, &out);
    assert_int_equal(result_decode(buf_span(&out), &again, NULL), 0);
    assert_true(hash_equal(&again.action, &result.action));
    assert_int_equal(again.n_outputs, 2);
    assert_true(again.outputs[1].size == 1ull << 40);
    assert_string_equal(again.outputs[0].type, "dataset");
    result_encode(&again, &twice);
    assert_int_equal(twice.size, out.size);
    assert_memory_equal(twice.data, out.data, out.size);

    struct err err;
    struct action action;
    assert_int_equal(action_decode(buf_span(&out), &action, &err), ERR_CORRUPT);
    assert_string_equal(
        err.text, "wyckmill action: this is a 'wyckmill result', want a 'wyckmill action'");
    result_done(&again);
    buf_done(&result.summary);
    buf_done(&out);
    buf_done(&twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_action__round_trip_and_id),
        cmocka_unit_test(test_action__largest_one_decodes),
        cmocka_unit_test(test_action__empty_params_are_the_empty_map),
        cmocka_unit_test(test_action__damaged_bytes_never_pass_as_the_same),
        cmocka_unit_test(test_result__round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
