/* A folder for one test, gone when it ends. */
#ifndef WYCKMILL_TESTS_SUPPORT_FOLDER_H
#define WYCKMILL_TESTS_SUPPORT_FOLDER_H

#include <sys/types.h>

#include <sys/stat.h>

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_FOLDER_SIZE = 256 };

/* Below TMPDIR or the current folder. Ends the program when it cannot. */
__attribute__((unused)) static void test_folder_new(char ret_path[TEST_FOLDER_SIZE])
{
    const char *above = getenv("TMPDIR");
    (void)snprintf(ret_path, TEST_FOLDER_SIZE, "%s/wyckmill-test-XXXXXX", above ? above : ".");
    if (!mkdtemp(ret_path)) {
        perror(ret_path);
        abort();
    }
}

__attribute__((unused)) static void test_folder_remove(const char *path)
{
    char copy[TEST_FOLDER_SIZE];
    char *const roots[] = {copy, NULL};
    (void)snprintf(copy, sizeof copy, "%s", path);
    FTS *walk = fts_open(roots, FTS_PHYSICAL, NULL);
    for (FTSENT *entry; walk && (entry = fts_read(walk));)
        if (entry->fts_info != FTS_D) /* folders when left, files */
            (void)remove(entry->fts_accpath);
    if (walk)
        (void)fts_close(walk);
}

#endif
