#define _XOPEN_SOURCE 700 /* nftw */
#include "tests/unit/runtime/folder.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *folder_new(void)
{
    const char *base = getenv("TMPDIR");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/wyckmill-test-XXXXXX", base ? base : P_tmpdir);
    char *made = mkdtemp(path);
    assert(made);
    return strdup(path);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void folder_remove(char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(path);
}

void folder_write(const char *folder, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert(file);
    (void)fwrite(text, 1, strlen(text), file);
    (void)fclose(file);
}

char *folder_read(const char *folder, const char *name)
{
    char path[512], *text = calloc(4096, 1);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        free(text);
        return NULL;
    }
    (void)fread(text, 1, 4095, file);
    (void)fclose(file);
    return text;
}
