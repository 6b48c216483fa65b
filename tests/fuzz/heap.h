/* How much memory the code under test holds: every allocation of the process is seen, its own
 * and those of libraries, with the allocator of libc as well as under the sanitizers. */
#ifndef WYCKMILL_TESTS_FUZZ_HEAP_H
#define WYCKMILL_TESTS_FUZZ_HEAP_H

#include <stddef.h>

/* What a reader may hold is 64 times the bytes it was given, and this much for any input: the
 * atoms that symmetry makes of one site (ATOMS_MAX of 25 bytes, while an array grows 1.5 times
 * that), the operations of one group (12 KiB) and, where a group can mean several settings, the
 * copy of the atoms that the distances need (47 KiB). */
enum { HEAP_TIMES = 64, HEAP_FIXED_BYTES = 128 << 10 };

/* From here on bytes are counted; what is allocated before does not count. */
void heap_begin(void);
/* The most bytes live at one time since heap_begin or the last heap_restart. */
size_t heap_peak(void);
/* Forget the peak, not what is live. */
void heap_restart(void);

#endif
