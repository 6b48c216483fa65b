/* `wyckmill encode FILE...`: structures to protostructure labels, and a report of what was left
 * out. */
#include "cli/cli.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "common/mem.h"
#include "workers/assemble/report.h"
#include "workers/crystal/format.h"
#include "workers/encode/encode.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct options {
    double symprec;
    const char *report; /* NULL: none */
    bool json;
    char **files;
    int n_files;
};

/* Is the report wanted as a page of text? */
static bool is_page(const char *report)
{
    size_t size = report ? strlen(report) : 0;
    return size > 0 &&
           (!strcmp(report, "-") || (size > 4 && !strcmp(report + size - 4, ".txt")));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 's':
        options->symprec = cli_symprec(state, arg);
        return 0;
    case 'r':
        options->report = arg;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case 'l': /* what is printed anyway */
        return 0;
    case ARGP_KEY_END:
        if (options->json && options->report && !strcmp(options->report, "-"))
            argp_error(state,
                       "--json prints the report too: --report - cannot stand beside it");
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

static int ingest(const struct options *options, struct source *source, struct err *err)
{
    int rc = 0;
    for (int i = 0; i < options->n_files && rc == 0; i++)
        rc = format_ingest(options->files[i], source, err);
    return rc;
}

/* ---- encoding ---- */

struct encoded {
    struct dataset shard;
    json_t *structures; /* one object each, with --json */
};

static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("?"); /* bytes that are no UTF-8 */
}

static json_t *structure_json(const struct structure *structure, const struct record *record,
                              const char *label)
{
    char formula[256];
    protostructure_formula(&record->proto, formula, sizeof formula);
    return json_pack("{s:o,s:o,s:I,s:s,s:s,s:i,s:I,s:I}", "id", text_json(record->id), "file",
                     text_json(structure->file), "line", (json_int_t)structure->line, "label",
                     label, "formula", formula, "spacegroup", (int)record->proto.spacegroup,
                     "atoms", (json_int_t)protostructure_atoms(&record->proto), "dof",
                     (json_int_t)protostructure_dof(&record->proto));
}

/* Takes the record into the shard; prints its line, unless the page or JSON is wanted. */
static void accept(const struct options *options, const struct structure *structure,
                   struct record *record, struct encoded *encoded)
{
    cleanup(free_ptr) char *label = record_label(record);
    if (options->json)
        (void)json_array_append_new(encoded->structures,
                                    structure_json(structure, record, label));
    else if (!options->report || strcmp(options->report, "-") != 0)
        (void)printf("%s\t%s\n", record->id, label);
    encode_add(&encoded->shard, structure, record);
}

/* Notes rejects on stderr and in the shard. */
static void encode_all(const struct source *source, const struct options *options,
                       struct encoded *ret)
{
    struct cli_progress progress;
    struct dataset *shard = &ret->shard;
    shard->records = mem_new(source->n_items, sizeof *shard->records);
    shard->rejects = mem_new(source->n_items, sizeof *shard->rejects);
    cli_progress_begin(&progress);
    for (uint32_t i = 0; i < source->n_items; i++) {
        struct structure structure;
        struct record record;
        struct reject *reject = &shard->rejects[shard->n_rejects];
        char text[64];
        (void)snprintf(text, sizeof text, "%u of %u structures", i, source->n_items);
        cli_progress(&progress, (double)i / source->n_items, text);
        if (encode_item(&source->items[i], options->symprec, &structure, &record, reject)) {
            cli_progress_end(&progress);
            (void)fprintf(stderr, "%s:%u: %s\n", reject->file, reject->line, reject->reason);
            shard->n_rejects++;
            continue;
        }
        accept(options, &structure, &record, ret);
        structure_done(&structure);
    }
    cli_progress_end(&progress);
}

/* ---- the report ---- */

static int write_report(const char *path, json_t *report, struct err *err)
{
    struct buf page = {0};
    int rc = 0;
    if (is_page(path)) {
        report_text(report, &page);
    } else {
        cleanup(free_ptr) char *text = json_dumps(report, REPORT_JSON_FLAGS);
        buf_print(&page, "%s\n", text);
    }
    if (strcmp(path, "-") != 0)
        rc = file_write(path, buf_span(&page), err);
    else
        (void)fputs(buf_text(&page), stdout);
    buf_done(&page);
    return rc;
}

/* What assemble would make of these structures. Takes the shard's records. */
static json_t *make_report(struct dataset *shard)
{
    struct merge merge = {0};
    merge_add(&merge, shard, 0, ATOMS_MAX);
    merge_finish(&merge, 0);
    struct report *report = report_new(&merge);
    json_t *json = report_json(report);
    report_free(report);
    merge_done(&merge);
    return json;
}

static int report(const struct options *options, struct encoded *encoded, struct err *err)
{
    int rc = 0;
    if (!options->report && !options->json)
        return 0;
    json_t *json = make_report(&encoded->shard);
    if (options->report)
        rc = write_report(options->report, json, err);
    if (options->json && rc == 0) {
        json_t *root =
            json_pack("{s:O,s:O}", "structures", encoded->structures, "report", json);
        (void)json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
        (void)putchar('\n');
        json_decref(root);
    }
    json_decref(json);
    return rc;
}

int cmd_encode(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"symprec", 's', "ANGSTROM", 0, "tolerance of the symmetry search (0.1)", 0},
        {"labels", 'l', NULL, 0, "print id and label of each accepted structure (the default)",
         0},
        {"report", 'r', "FILE", 0,
         "write what was accepted and left out, and why: as JSON, or as a page of text when "
         "the "
         "name ends in .txt; - prints the page instead of the labels",
         0},
        {"json", 'j', NULL, 0, "one JSON object with the structures and the report", 0},
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
    struct encoded encoded = {.structures = json_array()};
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = ingest(&options, &source, &err);
    if (rc == 0) {
        encode_all(&source, &options, &encoded);
        rc = report(&options, &encoded, &err);
        if (rc == 0 && (ferror(stdout) || fflush(stdout) != 0))
            rc = err_errno(&err, errno, "write to standard output");
    }
    uint32_t n_rejected = encoded.shard.n_rejects;
    json_decref(encoded.structures);
    dataset_done(&encoded.shard);
    source_done(&source);
    if (rc)
        return cli_fail("encode", &err, options.json);
    return n_rejected > 0 ? EXIT_PARTLY : EXIT_DONE;
}
