/* Runs a fuzz target over a corpus: every file as it is, and, when it is small, every beginning
 * of it and every byte changed in a few ways.   replay FILE-OR-FOLDER... */
#include "common/mem.h"
#include "common/span.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIED_BYTES_MAX = 1500, PATH_BYTES = 4096 };

static unsigned long files, inputs;

/* A block of exactly this size, so that sanitizers see every byte read beyond it. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = mem_copy(data, size);
    uint8_t *exact = size ? mem_resize(copy, size, 1) : copy;
    (void)LLVMFuzzerTestOneInput(exact, size);
    inputs++;
    free(exact);
}

static void run_varied(uint8_t *data, size_t size)
{
    static const uint8_t changes[] = {0x01, 0x10, 0x80, 0xff};
    for (size_t cut = 0; cut < size; cut++)
        run_one(data, cut);
    for (size_t at = 0; at < size; at++)
        for (size_t i = 0; i < sizeof changes; i++) {
            data[at] ^= changes[i];
            run_one(data, size);
            data[at] ^= changes[i];
        }
}

static int run_file(const char *path)
{
    struct buf bytes = {0};
    uint8_t part[65536];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        buf_append(&bytes, part, n);
    (void)fclose(file);
    run_one(bytes.data, bytes.size);
    if (bytes.size <= VARIED_BYTES_MAX)
        run_varied(bytes.data, bytes.size);
    files++;
    buf_done(&bytes);
    return 0;
}

static int run_path(const char *path)
{
    DIR *folder = opendir(path);
    int failed = 0;
    if (!folder)
        return run_file(path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char inside[PATH_BYTES];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(inside, sizeof inside, "%.3800s/%s", path, entry->d_name);
        failed |= run_path(inside);
    }
    (void)closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    run_one((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        failed |= run_path(argv[i]);
    (void)printf("%lu files, %lu inputs\n", files, inputs);
    return failed || files == 0;
}
