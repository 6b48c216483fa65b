/* Any bytes as a file of extended XYZ. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/format.h"
#include "tests/fuzz/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format("fuzz.extxyz", data, size);
    rewrite_file("fuzz.extxyz", data, size);
    return 0;
}
