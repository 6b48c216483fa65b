/* Runs a subcommand of wyckmill inside a test, with what it prints in files. For commands that
 * argp does not end (no usage errors). */
#ifndef WYCKMILL_TESTS_SUPPORT_COMMAND_H
#define WYCKMILL_TESTS_SUPPORT_COMMAND_H

#include "tests/support/cmocka.h"

#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_WORDS_MAX = 16 };

struct command_result {
    int exit;
    char *out, *errors;
};

static inline char *command_text(FILE *file)
{
    (void)fseek(file, 0, SEEK_END);
    long size = ftell(file);
    char *text = calloc((size_t)size + 1, 1);
    rewind(file);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    (void)fclose(file);
    return text;
}

/* `words` end with NULL; the first is the command's name. */
static inline struct command_result command_run(cli_command *command, const char *const *words)
{
    struct command_result result;
    char *argv[COMMAND_WORDS_MAX + 1] = {NULL};
    int argc = 0;
    FILE *out = tmpfile(), *errors = tmpfile();
    int kept_out = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    for (; words[argc]; argc++) {
        assert_true(argc < COMMAND_WORDS_MAX);
        argv[argc] = strdup(words[argc]);
    }
    (void)fflush(NULL);
    (void)dup2(fileno(out), STDOUT_FILENO);
    (void)dup2(fileno(errors), STDERR_FILENO);
    result.exit = command(argc, argv);
    (void)fflush(NULL);
    (void)dup2(kept_out, STDOUT_FILENO);
    (void)dup2(kept_err, STDERR_FILENO);
    (void)close(kept_out);
    (void)close(kept_err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    result.out = command_text(out);
    result.errors = command_text(errors);
    return result;
}

static inline void command_done(struct command_result *result)
{
    free(result->out);
    free(result->errors);
}

#endif
