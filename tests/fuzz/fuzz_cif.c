/* Any bytes as a file of the format CIF. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format("fuzz.cif", data, size);
    return 0;
}
