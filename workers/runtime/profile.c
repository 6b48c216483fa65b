/* The numerics profile: what besides our code decides the bits of a float. */
#include "proto/action.h"
#include "workers/runtime/profile.h"

#include <cblas.h>
#include <pthread.h>
#include <sleef.h>
#include <spglib.h>
#include <stdio.h>
#include <string.h>

static char profile[PROFILE_SIZE];
static pthread_once_t profile_once = PTHREAD_ONCE_INIT;

static void profile_make(void)
{
    /* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...": the second word is the version. */
    char version[32] = "unknown";
    (void)sscanf(openblas_get_config(), "%*s %31s", version);
    (void)snprintf(profile, sizeof profile,
                   "x86-64-v3 openblas-%s-" PROFILE_OPENBLAS_CORE " sleef-%d.%d.%d "
                   "spglib-%d.%d.%d",
                   version, SLEEF_VERSION_MAJOR, SLEEF_VERSION_MINOR, SLEEF_VERSION_PATCHLEVEL,
                   spg_get_major_version(), spg_get_minor_version(), spg_get_micro_version());
}

const char *numerics_profile(void)
{
    (void)pthread_once(&profile_once, profile_make);
    return profile;
}

int profile_check(struct err *err)
{
    const char *core = openblas_get_corename();
    if (strcmp(core, PROFILE_OPENBLAS_CORE) == 0)
        return 0;
    err_set(err, ERR_UNSUPPORTED,
            "OpenBLAS runs its '%s' kernels, but results are made with '" PROFILE_OPENBLAS_CORE
            "' (%s)",
            core, openblas_get_config());
    return err_hint(err, "use a CPU with AVX2 and an OpenBLAS built with DYNAMIC_ARCH, as "
                         "Debian's libopenblas0 is");
}
