/* Are stored formats still what they were? Every golden file was written by an earlier build
 * (`test_golden FOLDER --write`); today's encoder must give the same bytes for the same object,
 * and today's decoder must read them. A changed format gets a new version number and a new
 * file; the old file and its decoder stay. */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "tests/support/sample_objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;

#define ENCODER(name)                                                                          \
    static void write_##name(struct buf *out)                                                  \
    {                                                                                          \
        struct name object;                                                                    \
        sample_##name(&object);                                                                \
        name##_encode(&object, out);                                                           \
        name##_done(&object);                                                                  \
    }                                                                                          \
    static int read_##name(struct span bytes, struct err *err)                                 \
    {                                                                                          \
        struct name object;                                                                    \
        int rc = name##_decode(bytes, &object, err);                                           \
        if (rc == 0)                                                                           \
            name##_done(&object);                                                              \
        return rc;                                                                             \
    }

ENCODER(source)
ENCODER(dataset)
ENCODER(samples)
ENCODER(candidates)
ENCODER(tally)
ENCODER(result)

static void write_action(struct buf *out)
{
    struct action action;
    sample_action(&action);
    action_encode(&action, out, NULL);
    action_done(&action);
}

static int read_action(struct span bytes, struct err *err)
{
    struct action action;
    int rc = action_decode(bytes, &action, err);
    if (rc == 0)
        action_done(&action);
    return rc;
}

static const struct golden {
    const char *name;
    void (*write)(struct buf *out);
    int (*read)(struct span bytes, struct err *err);
} goldens[] = {
    {"action-v1.msgpack", write_action, read_action},
    {"result-v1.msgpack", write_result, read_result},
    {"source-v1.msgpack", write_source, read_source},
    {"dataset-v1.msgpack", write_dataset, read_dataset},
    {"samples-v1.msgpack", write_samples, read_samples},
    {"candidates-v1.msgpack", write_candidates, read_candidates},
    {"tally-v1.msgpack", write_tally, read_tally},
};
enum { GOLDENS = sizeof goldens / sizeof goldens[0] };

static FILE *open_golden(const struct golden *golden, const char *mode)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, golden->name);
    FILE *file = fopen(path, mode);
    if (!file)
        print_message("cannot open %s\n", path);
    return file;
}

static void test_golden__bytes_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct buf now = {0};
        uint8_t before[8192];
        struct err err = {0};
        cleanup(fclose_ptr) FILE *file = open_golden(&goldens[i], "rb");
        assert_non_null(file);
        size_t size = fread(before, 1, sizeof before, file);
        goldens[i].write(&now);
        print_message("%s: %zu bytes\n", goldens[i].name, size);
        assert_int_equal(size, now.size);
        assert_memory_equal(before, now.data, size);
        assert_int_equal(goldens[i].read((struct span){before, size}, &err), 0);
        buf_done(&now);
    }
}

/* The id of a structure is in every candidate and in names that users keep. */
static void test_golden__structure_id(void **state)
{
    (void)state;
    struct dataset dataset;
    char hex[HASH_HEX_SIZE];
    sample_dataset(&dataset);
    struct hash id = record_structure_id(&dataset.records[0]);
    assert_string_equal(hash_hex(&id, hex),
                        "4764081acd676c490a4c9eea79ee08ca13424ebdd2afbf7ad0b640432f987692");
    dataset_done(&dataset);
}

static int write_all(void)
{
    for (size_t i = 0; i < GOLDENS; i++) {
        struct buf now = {0};
        cleanup(fclose_ptr) FILE *file = open_golden(&goldens[i], "wb");
        goldens[i].write(&now);
        if (!file || fwrite(now.data, 1, now.size, file) != now.size)
            return 1;
        buf_done(&now);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden__bytes_are_the_same),
        cmocka_unit_test(test_golden__structure_id),
    };
    if (argc < 2) {
        (void)fprintf(stderr, "usage: test_golden FOLDER [--write]\n");
        return 2;
    }
    folder = argv[1];
    if (argc > 2 && strcmp(argv[2], "--write") == 0)
        return write_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
