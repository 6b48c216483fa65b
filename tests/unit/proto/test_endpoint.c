/* Addresses as people type them. */
#include "proto/endpoint.h"
#include "tests/support/cmocka.h"

#include <string.h>

static void test_endpoint__refuses_what_is_no_address(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "address '': want HOST:PORT with a port 1..65535"},
        {"7700", "address '7700': want HOST:PORT with a port 1..65535"},
        {"tcp://:7700", "address 'tcp://:7700': want HOST:PORT with a port 1..65535"},
        {"tcp://a:0", "address 'tcp://a:0': want HOST:PORT with a port 1..65535"},
        {"tcp://a:65536", "address 'tcp://a:65536': want HOST:PORT with a port 1..65535"},
        {"tcp://a:77x", "address 'tcp://a:77x': want HOST:PORT with a port 1..65535"},
        {"ipc://", "address 'ipc://' has no path"},
        {"udp://a:1", "address 'udp://a:1': only tcp:// and ipc:// are spoken"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char endpoint[ENDPOINT_SIZE];
        struct err err;
        assert_int_equal(endpoint_parse(cases[i].text, endpoint, &err), ERR_INVALID);
        assert_string_equal(err.text, cases[i].sentence);
        assert_non_null(strstr(err.hint, "tcp://HOST:PORT"));
    }
}

static void test_endpoint__a_socket_path_must_fit_the_kernel(void **state)
{
    (void)state;
    char text[160], endpoint[ENDPOINT_SIZE];
    struct err err;
    memset(text, 'x', sizeof text);
    memcpy(text, "ipc:///", 7);
    text[6 + 102] = '\0';
    assert_int_equal(endpoint_parse(text, endpoint, &err), ERR_INVALID);
    text[6 + 101] = '\0';
    assert_int_equal(endpoint_parse(text, endpoint, &err), 0);
}

static void test_endpoint__bulk_is_beside_control(void **state)
{
    (void)state;
    static const struct {
        const char *text, *control, *bulk;
    } cases[] = {
        {"lab1:7700", "tcp://lab1:7700", "tcp://lab1:7701"},
        {"tcp://[::1]:80", "tcp://[::1]:80", "tcp://[::1]:81"},
        {"ipc:///run/mill", "ipc:///run/mill", "ipc:///run/mill-bulk"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char control[ENDPOINT_SIZE], bulk[ENDPOINT_SIZE];
        assert_int_equal(endpoint_parse(cases[i].text, control, NULL), 0);
        assert_string_equal(control, cases[i].control);
        assert_int_equal(endpoint_bulk(control, bulk, NULL), 0);
        assert_string_equal(bulk, cases[i].bulk);
    }
    char bulk[ENDPOINT_SIZE];
    assert_int_equal(endpoint_bulk("tcp://a:65535", bulk, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoint__refuses_what_is_no_address),
        cmocka_unit_test(test_endpoint__a_socket_path_must_fit_the_kernel),
        cmocka_unit_test(test_endpoint__bulk_is_beside_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
