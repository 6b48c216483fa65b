/* `wyckmill convert IN... -o OUT`: structures from any format to any other. */
#include "cli/cli.h"

#include "cli/convert.h"
#include "common/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_SYMPREC = 0x100, KEY_PRIMITIVE, KEY_CONVENTIONAL };

struct options {
    struct conversion conversion;
    bool symprec, conventional; /* given */
    const char *out, *to;
    const char *format; /* of the output, as format_write names it */
    bool folder, lines, packed;
    char **files;
    int n_files;
};

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && !strcmp(text + size - end_size, end);
}

/* "cif" as --to names it, or the file OUT. */
static const char *format_of(const char *to, const char *out, bool *ret_lines)
{
    char name[64] = "";
    if (to)
        (void)snprintf(name, sizeof name, "x.%s", to);
    const char *file = to ? name : out;
    *ret_lines = ends_with(file, ".jsonl") || ends_with(file, ".ndjson") ||
                 ends_with(file, ".jsonl.zst") || ends_with(file, ".ndjson.zst");
    return format_name(file);
}

static void check_options(struct options *options, struct argp_state *state)
{
    struct stat info;
    if (!options->out)
        argp_error(state, "where to? -o FILE, -o DIR/ or -o - (standard output)");
    if (options->conventional && options->conversion.primitive)
        argp_error(state, "--primitive or --conventional, not both");
    if (options->symprec && !options->conversion.symmetrize)
        argp_error(state, "--symprec is the tolerance of --symmetrize, which is not given");
    bool console = !strcmp(options->out, "-");
    options->folder = !console && (ends_with(options->out, "/") ||
                                   (stat(options->out, &info) == 0 && S_ISDIR(info.st_mode)));
    options->packed = !options->folder && ends_with(options->out, ".zst");
    if (options->folder && !options->to)
        argp_error(state, "'%s' is a folder: which format shall its files have? --to FORMAT",
                   options->out);
    if (console && !options->to)
        options->to = "extxyz"; /* what - is on the way in as well */
    options->format = format_of(options->to, options->out, &options->lines);
    if (!options->format && options->to)
        argp_error(state, "--to: no format '%s': extxyz, cif, vasp, csv, json or jsonl",
                   options->to);
    if (!options->format)
        argp_error(
            state,
            "the ending of '%s' names no format: .extxyz, .cif, .vasp, .csv, .json (each "
            "also .zst), or give --to FORMAT",
            options->out);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    struct conversion *conversion = &options->conversion;
    switch (key) {
    case 'o':
        options->out = arg;
        return 0;
    case 't':
        options->to = arg;
        return 0;
    case 's':
        conversion->symmetrize = true;
        return 0;
    case KEY_PRIMITIVE:
        conversion->symmetrize = conversion->primitive = true;
        return 0;
    case KEY_CONVENTIONAL:
        conversion->symmetrize = options->conventional = true;
        return 0;
    case KEY_SYMPREC:
        options->symprec = true;
        conversion->symprec = cli_symprec(state, arg);
        return 0;
    case ARGP_KEY_ARGS:
        options->files = state->argv + state->next;
        options->n_files = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which files? Names of files or folders, or - for standard input");
        return 0;
    case ARGP_KEY_END:
        check_options(options, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Every item; rejects on stderr. */
static void convert_all(const struct source *source, struct conversion *conversion)
{
    struct cli_progress progress;
    cli_progress_begin(&progress);
    for (uint32_t i = 0; i < source->n_items; i++) {
        struct reject reject;
        char text[64];
        (void)snprintf(text, sizeof text, "%u of %u structures", i, source->n_items);
        cli_progress(&progress, (double)i / source->n_items, text);
        if (conversion_add(conversion, &source->items[i], &reject) == 0)
            continue;
        cli_progress_end(&progress);
        (void)fprintf(stderr, "%s:%u: %s\n", reject.file, reject.line, reject.reason);
    }
    cli_progress_end(&progress);
}

static int write_file(const struct options *options, struct err *err)
{
    struct buf bytes = {0};
    int rc = conversion_print(&options->conversion, options->format, options->lines,
                              options->packed, &bytes, err);
    if (rc == ERR_INVALID && !strcmp(options->format, "vasp"))
        (void)err_hint(err, "-o DIR/ --to vasp writes one file for each structure");
    if (rc == 0 && strcmp(options->out, "-") != 0)
        rc = file_write(options->out, buf_span(&bytes), err);
    else if (rc == 0 &&
             (fwrite(bytes.data, 1, bytes.size, stdout) != bytes.size || fflush(stdout) != 0))
        rc = err_errno(err, errno, "write to standard output");
    buf_done(&bytes);
    return rc;
}

static int write_all(const struct options *options, uint32_t n_items, struct err *err)
{
    const struct conversion *conversion = &options->conversion;
    if (conversion->n == 0 && n_items == 0)
        return err_set(err, ERR_NOT_FOUND, "no structure in the files given");
    if (conversion->n == 0)
        return err_set(err, ERR_NOT_FOUND, "none of %u structures can be converted", n_items);
    int rc = options->folder
                 ? conversion_write_folder(conversion, options->format, options->out, err)
                 : write_file(options, err);
    if (rc || !strcmp(options->out, "-"))
        return rc;
    (void)printf("%u structure%s written to %s", conversion->n, conversion->n == 1 ? "" : "s",
                 options->out);
    if (n_items > conversion->n)
        (void)printf(", %u left out", n_items - conversion->n);
    (void)printf("\n");
    return fflush(stdout) == 0 ? 0 : err_errno(err, errno, "write to standard output");
}

int cmd_convert(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"out", 'o', "OUT", 0,
         "a file whose ending names the format (.extxyz, .cif, .vasp, .csv, .json, .jsonl, "
         "each "
         "also .zst), a folder for one file per structure (with --to), or - for standard "
         "output "
         "(extxyz unless --to says otherwise)",
         0},
        {"to", 't', "FORMAT", 0, "extxyz, cif, vasp, csv, json or jsonl, whatever OUT's ending",
         0},
        {"symmetrize", 's', NULL, 0,
         "find the symmetry and write the structure it makes: conventional cell in the "
         "standard "
         "setting; CIF with operations and asymmetric unit",
         0},
        {"conventional", KEY_CONVENTIONAL, NULL, 0, "the same", 0},
        {"primitive", KEY_PRIMITIVE, NULL, 0, "symmetrized, in the primitive cell", 0},
        {"symprec", KEY_SYMPREC, "ANGSTROM", 0, "tolerance of the symmetry search (0.1)", 0},
        {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .args_doc = "IN...",
        .doc =
            "Read structures from extended XYZ, CIF, POSCAR, CSV and JSON files, folders and "
            "archives (.zst, .tar, .tar.zst; - is extended XYZ on standard input) and write "
            "them in another format, with ids and properties where the format has a place "
            "for them. Without --symmetrize the atoms are written as they were read.\v"
            "Exit status 3 when a structure was left out, 1 when all were."};
    struct options options = {.conversion = {.symprec = 0.1}};
    struct source source = {0};
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    for (int i = 0; i < options.n_files && rc == 0; i++)
        rc = format_ingest(options.files[i], &source, &err);
    if (rc == 0) {
        convert_all(&source, &options.conversion);
        rc = write_all(&options, source.n_items, &err);
    }
    bool partly = source.n_items > options.conversion.n;
    source_done(&source);
    conversion_done(&options.conversion);
    if (rc)
        return cli_fail("convert", &err, false);
    return partly ? EXIT_PARTLY : EXIT_DONE;
}
