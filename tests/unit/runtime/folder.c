#include "tests/unit/runtime/folder.h"

#include "tests/support/folder.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *folder_new(void)
{
    char path[TEST_FOLDER_SIZE];
    test_folder_new(path);
    return strdup(path);
}

void folder_remove(char *path)
{
    test_folder_remove(path);
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
