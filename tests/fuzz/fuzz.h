/* What a fuzz target is. libFuzzer calls it (-Dfuzz=true, clang), and so does replay.c, which
 * runs the corpus as an ordinary test. It must return 0; what must hold is asserted. */
#ifndef WYCKMILL_TESTS_FUZZ_FUZZ_H
#define WYCKMILL_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
