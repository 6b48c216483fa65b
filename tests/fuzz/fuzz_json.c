/* Any bytes as a file of the format JSON. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/format.h"
#include "tests/fuzz/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format("fuzz.json", data, size);
    rewrite_file("fuzz.json", data, size);
    return 0;
}
