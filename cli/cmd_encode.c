/* `wyckmill encode FILE...`: structures to protostructure labels, and a report of what was left
 * out. */
#include "cli/cli.h"

#include "common/cleanup.h"
#include "workers/crystal/format.h"
#include "workers/encode/encode.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct options {
    double symprec;
    const char *report; /* NULL: none */
    char **files;
    int n_files;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    char *end;
    switch (key) {
    case 's':
        options->symprec = strtod(arg, &end);
        if (end == arg || *end || !(options->symprec > 0 && options->symprec <= 1))
            argp_error(state, "--symprec: '%s' is not a length above 0 and up to 1 Angstrom",
                       arg);
        return 0;
    case 'r':
        options->report = arg;
        return 0;
    case 'l': /* what is printed anyway */
        return 0;
    case ARGP_KEY_ARGS:
        options->files = state->argv + state->next;
        options->n_files = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which files? Names of files or folders, or - for standard input");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("?"); /* bytes that are no UTF-8 */
}

static json_t *reject_json(const struct reject *reject)
{
    json_t *row = json_object();
    (void)json_object_set_new(row, "id", text_json(reject->id));
    (void)json_object_set_new(row, "file", text_json(reject->file));
    (void)json_object_set_new(row, "line", json_integer(reject->line));
    (void)json_object_set_new(row, "reason", text_json(reject->reason));
    return row;
}

static int ingest(const struct options *options, struct source *source, struct err *err)
{
    int rc = 0;
    for (int i = 0; i < options->n_files && rc == 0; i++)
        rc = format_ingest(options->files[i], source, err);
    return rc;
}

/* One line per structure; takes note of rejects on stderr and in the list. */
static uint32_t encode_all(const struct source *source, double symprec, json_t *rejected)
{
    struct cli_progress progress;
    uint32_t accepted = 0;
    cli_progress_begin(&progress);
    for (uint32_t i = 0; i < source->n_items; i++) {
        struct structure structure;
        struct record record;
        struct reject reject;
        char text[64];
        (void)snprintf(text, sizeof text, "%u of %u structures", i, source->n_items);
        cli_progress(&progress, (double)i / source->n_items, text);
        if (encode_item(&source->items[i], symprec, &structure, &record, &reject)) {
            cli_progress_end(&progress);
            (void)fprintf(stderr, "%s:%u: %s\n", reject.file, reject.line, reject.reason);
            (void)json_array_append_new(rejected, reject_json(&reject));
            continue;
        }
        cleanup(free_ptr) char *label = protostructure_label(&record.proto);
        (void)printf("%s\t%s\n", record.id, label);
        accepted++;
        structure_done(&structure);
        record_done(&record);
    }
    cli_progress_end(&progress);
    return accepted;
}

static int write_report(const char *path, uint32_t accepted, json_t *rejected, struct err *err)
{
    json_t *root = json_object();
    (void)json_object_set_new(root, "accepted", json_integer(accepted));
    (void)json_object_set(root, "rejected", rejected);
    int rc = json_dump_file(root, path, JSON_INDENT(1));
    json_decref(root);
    return rc == 0 ? 0 : err_errno(err, errno, "write '%s'", path);
}

int cmd_encode(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"symprec", 's', "ANGSTROM", 0, "tolerance of the symmetry search (0.1)", 0},
        {"labels", 'l', NULL, 0, "print id and label of each accepted structure (the default)",
         0},
        {"report", 'r', "FILE", 0, "write what was accepted and left out, and why, as JSON", 0},
        {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .args_doc = "FILE...",
        .doc =
            "Find the protostructure (space group, Wyckoff positions, elements) of every "
            "structure in extended XYZ, CIF, POSCAR, CSV and JSON files, folders and archives "
            "(.zst, .tar, .tar.zst); - reads extended XYZ from standard input. Prints one "
            "line id<TAB>label each.\vExit status 3 when a structure was left out."};
    struct options options = {.symprec = 0.1};
    struct source source = {0};
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    json_t *rejected = json_array();
    rc = ingest(&options, &source, &err);
    if (rc == 0) {
        uint32_t accepted = encode_all(&source, options.symprec, rejected);
        if (options.report)
            rc = write_report(options.report, accepted, rejected, &err);
        if (rc == 0 && (ferror(stdout) || fflush(stdout) != 0))
            rc = err_errno(&err, errno, "write to standard output");
    }
    size_t n_rejected = json_array_size(rejected);
    json_decref(rejected);
    source_done(&source);
    if (rc)
        return cli_fail("encode", &err, false);
    return n_rejected > 0 ? EXIT_PARTLY : EXIT_DONE;
}
