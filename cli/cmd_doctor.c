/* `wyckmill doctor` and `--version`: facts about build and machine, fit for a bug report. */
#include "cli/cli.h"

#include "cli/version.h"
#include "cli/version_commit.h"
#include "broker/router.h"
#include "proto/action.h"

#include <lmdb.h>
#include <msgpack.h>
#include <openssl/crypto.h>
#include <spglib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zmq.h>
#include <zstd.h>

void version_print(FILE *out)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    (void)fprintf(out, "wyckmill %s (%s)\n", WYCKMILL_VERSION, WYCKMILL_COMMIT);
    (void)fprintf(out, "compiler      %s\n", __VERSION__);
    (void)fprintf(out, "numerics      %s\n", numerics_profile());
    (void)fprintf(out, "lmdb          %s\n", mdb_version(NULL, NULL, NULL));
    (void)fprintf(out, "zeromq        %d.%d.%d\n", major, minor, patch);
    (void)fprintf(out, "msgpack-c     %s\n", msgpack_version());
    (void)fprintf(out, "spglib        %d.%d.%d\n", spg_get_major_version(),
                  spg_get_minor_version(), spg_get_micro_version());
    (void)fprintf(out, "libcrypto     %s\n", OpenSSL_version(OPENSSL_VERSION));
    (void)fprintf(out, "zstd          %s\n", ZSTD_versionString());
}

/* Prints one check; returns whether it passed. */
static bool check(bool good, const char *what, const char *remedy)
{
    (void)printf("%-4s %s\n", good ? "ok" : "BAD", what);
    if (!good)
        (void)printf("     %s\n", remedy);
    return good;
}

static bool check_cpu(void)
{
    __builtin_cpu_init();
    return check(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"),
                 "CPU has AVX2 and FMA (x86-64-v3)", "use a machine of 2015 or later");
}

static bool check_zmq(void)
{
    struct err err = {0};
    return check(keys_check_library(true, &err) == 0,
                 "ZeroMQ is 4.3.3 or later, and can encrypt (CURVE)", err.text);
}

/* A broker needs one per connection, also per one that never says who it is. */
static bool check_files(void)
{
    struct rlimit limit = {0};
    char text[100];
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    bool much = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > INT32_MAX;
    (void)snprintf(text, sizeof text, "a process may open %llu files",
                   much ? (unsigned long long)INT32_MAX : (unsigned long long)limit.rlim_max);
    return check(limit.rlim_max >= ROUTER_FILES_MIN, text,
                 "a broker with many peers wants 4096: raise the limit (ulimit -Hn, or "
                 "LimitNOFILE= of its systemd unit)");
}

static bool check_space(const char *path)
{
    struct statvfs info;
    char text[400];
    if (statvfs(path, &info))
        return check(false, "disk", "cannot stat the current folder");
    double gib = (double)info.f_bavail * (double)info.f_frsize / (1 << 30);
    (void)snprintf(text, sizeof text, "%.1f GiB free here", gib);
    return check(gib > 1, text, "a campaign's store wants at least 1 GiB");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    (void)state;
    return key == ARGP_KEY_ARG ? ARGP_ERR_UNKNOWN : 0;
}

int cmd_doctor(int argc, char **argv)
{
    const struct argp argp = {.parser = parse,
                              .doc = "Check this machine and print what the build is made of."};
    int rc = cli_parse(&argp, argc, argv, NULL);
    if (rc)
        return rc - 1;
    struct utsname name;
    version_print(stdout);
    if (!uname(&name))
        (void)printf("system        %s %s %s\n", name.sysname, name.release, name.machine);
    (void)printf("cores         %ld\nmemory        %.1f GiB\n\n", sysconf(_SC_NPROCESSORS_ONLN),
                 (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1 << 30));
    bool good = check_cpu();
    good &= check_zmq();
    good &= check_files();
    good &= check_space(".");
    return good ? EXIT_DONE : EXIT_FAILED;
}
