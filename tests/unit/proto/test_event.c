/* Do readers get events in the form that event.h promises, whatever is in them? */
#include "tests/support/cmocka.h"

#include "proto/event.h"
#include "proto/value.h"

#include <string.h>

/* An attempt as the broker logs it. */
static struct span attempt(struct buf *out, const char *message)
{
    struct hash task = hash_bytes(span_text("abc"));
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, 9);
    pack_key(&pack, "attempt");
    pack_u64(&pack, 2);
    pack_key(&pack, "end");
    pack_text(&pack, "crash");
    pack_key(&pack, "epoch");
    pack_u64(&pack, UINT64_MAX);
    pack_key(&pack, "event");
    pack_text(&pack, "attempt");
    pack_key(&pack, "log");
    pack_bytes(&pack, span_text("a\n\xff\"b\""));
    pack_key(&pack, "message");
    pack_text(&pack, message);
    pack_key(&pack, "task");
    pack_hash(&pack, &task);
    pack_key(&pack, "time");
    pack_u64(&pack, 1700000000007);
    pack_key(&pack, "wall_us");
    pack_u64(&pack, 1500);
    return buf_span(out);
}

static void test_event__json_has_times_epochs_and_logs_as_people_write_them(void **state)
{
    (void)state;
    struct buf event = {0}, line = {0};
    assert_int_equal(event_print_json(7, attempt(&event, "signal 11"), &line, NULL), 0);
    assert_string_equal(
        buf_text(&line),
        "{\"sequence\":7,\"attempt\":2,\"end\":\"crash\",\"epoch\":\"ffffffffffffffff\","
        "\"event\":\"attempt\",\"log\":\"a\\u000a\xef\xbf\xbd\\\"b\\\"\","
        "\"message\":\"signal 11\",\"task\":"
        "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\","
        "\"time\":\"2023-11-14T22:13:20.007Z\",\"wall_us\":1500}\n");
    buf_done(&event);
    buf_done(&line);
}

static void test_event__a_line_stays_one_line(void **state)
{
    (void)state;
    struct buf event = {0}, line = {0};
    assert_int_equal(event_print_line(attempt(&event, "a\nb\x1b[2J"), &line, NULL), 0);
    assert_string_equal(buf_text(&line),
                        "2023-11-14T22:13:20.007Z  attempt     ba7816bf8f01cfea #2 "
                        "crash after 0.002 s: a b [2J\n");
    buf_done(&event);
    buf_done(&line);
}

static void test_event__what_is_no_event_is_refused(void **state)
{
    (void)state;
    struct buf line = {0};
    struct err err = {0};
    assert_int_equal(event_print_json(1, span_text("\xc1"), &line, &err), ERR_CORRUPT);
    assert_true(err.text[0]);
    assert_int_equal(event_print_line(span_text(""), &line, &err), ERR_CORRUPT);
    assert_int_equal(line.size, 0);
}

static void test_event__of_a_task(void **state)
{
    (void)state;
    struct buf event = {0};
    struct hash task = hash_bytes(span_text("abc")), other = hash_bytes(span_text("abd"));
    struct span bytes = attempt(&event, "");
    assert_true(event_is_of_task(bytes, &task));
    assert_false(event_is_of_task(bytes, &other));
    assert_false(event_is_of_task(span_text("\x80"), &task)); /* a map without a task */
    assert_false(event_is_of_task(span_text("\xc1"), &task));
    buf_done(&event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__json_has_times_epochs_and_logs_as_people_write_them),
        cmocka_unit_test(test_event__a_line_stays_one_line),
        cmocka_unit_test(test_event__what_is_no_event_is_refused),
        cmocka_unit_test(test_event__of_a_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
