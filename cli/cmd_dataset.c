/* `wyckmill dataset demo`: write the built-in data set. */
#include "cli/cli.h"

#include "common/file.h"
#include "workers/crystal/demo.h"

#include <errno.h>
#include <string.h>

struct options {
    const char *name, *out; /* out NULL: stdout */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'o':
        options->out = strcmp(arg, "-") != 0 ? arg : NULL;
        return 0;
    case ARGP_KEY_ARG:
        if (options->name)
            argp_error(state, "one data set at a time");
        if (strcmp(arg, "demo") != 0)
            argp_error(state, "no data set '%s': there is 'demo'", arg);
        options->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!options->name)
            argp_error(state, "which data set? There is 'demo'");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int write_out(const char *path, struct span bytes, struct err *err)
{
    if (path)
        return file_write(path, bytes, err);
    if (fwrite(bytes.data, 1, bytes.size, stdout) != bytes.size || fflush(stdout) != 0)
        return err_errno(err, errno, "write to standard output");
    return 0;
}

int cmd_dataset(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"out", 'o', "FILE", 0, "where to write (default: standard output)", 0}, {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .args_doc = "demo",
        .doc =
            "Write the demo data set as extended XYZ: textbook structure types times element "
            "choices, with properties that are computed exactly from the structures. Model "
            "properties of a synthetic set, for trying things out."};
    struct options options = {0};
    struct err err = {0};
    struct buf bytes = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = demo_dataset(&bytes, &err);
    if (!rc)
        rc = write_out(options.out, buf_span(&bytes), &err);
    buf_done(&bytes);
    return rc ? cli_fail("dataset", &err, false) : EXIT_DONE;
}
