/* The pinned OpenBLAS kernels. numerics_profile() itself is declared in proto/action.h. */
#ifndef WYCKMILL_WORKERS_RUNTIME_PROFILE_H
#define WYCKMILL_WORKERS_RUNTIME_PROFILE_H

#include "common/err.h"

/* OpenBLAS picks kernels by CPU, and they sum in different orders. Slots are started with
 * OPENBLAS_CORETYPE set to this one, which every x86-64-v3 CPU runs. */
#define PROFILE_OPENBLAS_CORE "Haswell"

/* Does this process really run the pinned kernels? Errors: ERR_UNSUPPORTED. */
int profile_check(struct err *err);

#endif
