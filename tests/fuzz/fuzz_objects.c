/* Any bytes as every stored object: what decodes encodes to the same bytes. */
#include "proto/action.h"
#include "proto/objects.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

static void encode_action(const struct action *action, struct buf *out)
{
    action_encode(action, out, NULL);
}

#define TRY(name, encode)                                                                      \
    do {                                                                                       \
        struct name object;                                                                    \
        struct buf again = {0};                                                                \
        if (name##_decode(bytes, &object, &err) == 0) {                                        \
            encode(&object, &again);                                                           \
            assert(again.size == size && memcmp(again.data, data, size) == 0);                 \
            name##_done(&object);                                                              \
            buf_done(&again);                                                                  \
        } else {                                                                               \
            assert(err.code == ERR_CORRUPT || err.code == ERR_LIMIT ||                         \
                   err.code == ERR_UNSUPPORTED);                                               \
        }                                                                                      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {data, size};
    struct err err;
    TRY(action, encode_action);
    TRY(result, result_encode);
    TRY(source, source_encode);
    TRY(dataset, dataset_encode);
    TRY(samples, samples_encode);
    TRY(candidates, candidates_encode);
    TRY(tally, tally_encode);
    return 0;
}
