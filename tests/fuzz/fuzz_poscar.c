/* Any bytes as a POSCAR. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format("POSCAR", data, size);
    return 0;
}
