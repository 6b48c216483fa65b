/* See machine.h. Control groups of version 1 and 2 are read where they are mounted as usual. */
#include "workers/runtime/machine.h"

#include "common/cleanup.h"
#include "common/err.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const uint64_t ROUND_BYTES = UINT64_C(64) << 20;

enum { PATH_SIZE = 512 };

/* The number behind `key` ("MemTotal:", "oom_kill") at the beginning of a line; "" is the first
 * line. False: there is none. */
static bool read_number(const char *path, const char *key, uint64_t *ret)
{
    char line[256];
    size_t length = strlen(key);
    cleanup(fclose_ptr) FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, length) == 0 && sscanf(line + length, "%" SCNu64, ret) == 1)
            return true;
    return false;
}

/* Folder of our control group: of version 2, or of version 1's memory controller. */
static bool find_group(bool *ret_first, char ret[PATH_SIZE])
{
    char line[PATH_SIZE];
    cleanup(fclose_ptr) FILE *file = fopen("/proc/self/cgroup", "r");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        const char *controllers = strchr(line, ':');
        const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *ret_first = strncmp(controllers, ":memory:", 8) == 0;
        if (*ret_first || strncmp(controllers, "::", 2) == 0) {
            (void)snprintf(ret, PATH_SIZE, "/sys/fs/cgroup%s%.400s",
                           *ret_first ? "/memory" : "", path + 1);
            return true;
        }
    }
    return false;
}

/* The smallest limit on the way from our group to the root. */
static uint64_t group_bytes(void)
{
    char group[PATH_SIZE], path[PATH_SIZE + 32];
    bool first;
    uint64_t least = UINT64_MAX, bytes;
    if (!find_group(&first, group))
        return least;
    for (char *slash; (slash = strrchr(group, '/')) && slash != group; *slash = '\0') {
        (void)snprintf(path, sizeof path, "%s/%s", group,
                       first ? "memory.limit_in_bytes" : "memory.max");
        if (read_number(path, "", &bytes) && bytes < least) /* "max" is no number */
            least = bytes;
    }
    return least;
}

uint64_t machine_memory_bytes(void)
{
    uint64_t kib = 0, group = group_bytes();
    if (!read_number("/proc/meminfo", "MemTotal:", &kib))
        kib = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
    uint64_t bytes = kib * 1024 < group ? kib * 1024 : group;
    return bytes > ROUND_BYTES ? bytes / ROUND_BYTES * ROUND_BYTES : bytes;
}

int machine_oom_kills(uint64_t *ret)
{
    char group[PATH_SIZE], path[PATH_SIZE + 32];
    bool first;
    if (!find_group(&first, group))
        return ERR_UNSUPPORTED;
    (void)snprintf(path, sizeof path, "%s/%s", group,
                   first ? "memory.oom_control" : "memory.events");
    return read_number(path, "oom_kill ", ret) ? 0 : ERR_UNSUPPORTED;
}

uint64_t machine_mapped_bytes(void)
{
    uint64_t pages;
    return read_number("/proc/self/statm", "", &pages) ? pages * (uint64_t)sysconf(_SC_PAGESIZE)
                                                       : 0;
}

void machine_peak_begin(void)
{
    cleanup(fclose_ptr) FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file)
        (void)fputs("5", file); /* resets VmHWM */
}

uint64_t machine_peak_bytes(void)
{
    struct rusage usage;
    uint64_t kib;
    if (read_number("/proc/self/status", "VmHWM:", &kib))
        return kib * 1024;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
