/* Any bytes as a file of the format CSV. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/format.h"
#include "tests/fuzz/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format("fuzz.csv", data, size);
    rewrite_file("fuzz.csv", data, size);
    return 0;
}
