/* A folder for one test, removed with all that is in it. */
#ifndef WYCKMILL_TESTS_RUNTIME_FOLDER_H
#define WYCKMILL_TESTS_RUNTIME_FOLDER_H

/* Caller hands it to folder_remove. */
char *folder_new(void);
void folder_remove(char *path);

/* Write and read whole files "FOLDER/NAME"; NULL when it is not there. Caller frees. */
void folder_write(const char *folder, const char *name, const char *text);
char *folder_read(const char *folder, const char *name);

#endif
