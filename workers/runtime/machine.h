/* What Linux says of this machine's memory. */
#ifndef WYCKMILL_WORKERS_RUNTIME_MACHINE_H
#define WYCKMILL_WORKERS_RUNTIME_MACHINE_H

#include <stdint.h>

/* What processes here may use in all: MemTotal, or the limit of the control group when that is
 * lower; rounded down to 64 MiB, so that equal machines say the same. */
uint64_t machine_memory_bytes(void);

/* How many processes of our control group the kernel has killed for want of memory, so far.
 * Errors: ERR_UNSUPPORTED (nobody counts). */
int machine_oom_kills(uint64_t *ret);

/* Address space of this process now. 0: not known. */
uint64_t machine_mapped_bytes(void);
/* Most memory that this process had in RAM since the last machine_peak_begin, or, where the
 * kernel has no such thing, ever. */
void machine_peak_begin(void);
uint64_t machine_peak_bytes(void);

#endif
