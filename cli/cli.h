/* What every subcommand shares: exit codes, output habits, error printing. Results go to
 * stdout, progress and errors to stderr. One file per subcommand: cli/cmd_NAME.c, one row in
 * cli/main.c. */
#ifndef WYCKMILL_CLI_CLI_H
#define WYCKMILL_CLI_CLI_H

#include "common/err.h"

#include "keys/keys.h"

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

enum cli_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,       /* also a wrong configuration */
    EXIT_PARTLY = 3,      /* some input left out, or fewer candidates than asked */
    EXIT_UNREACHABLE = 4, /* broker */
    EXIT_TRY_AGAIN = 75,
    EXIT_STOPPED = 130, /* Ctrl-C */
};

/* argv[0] is the subcommand's name. Returns an enum cli_exit. */
typedef int cli_command(int argc, char **argv);

cli_command cmd_backup, cmd_broker, cmd_cancel, cmd_compact, cmd_convert, cmd_dataset,
    cmd_doctor, cmd_drain, cmd_encode, cmd_events, cmd_explain, cmd_export, cmd_fsck, cmd_gc,
    cmd_keygen, cmd_label, cmd_lineage, cmd_ls, cmd_pause, cmd_resume, cmd_retry, cmd_run,
    cmd_show, cmd_slot, cmd_spacegroup, cmd_status, cmd_submit, cmd_top, cmd_verify, cmd_worker;

/* "wyckmill COMMAND: sentence" and the hint on its own line, to stderr; with `json`, the object
 * {"error":{"code","message","hint"}} on stdout. Returns the exit code that fits the error. */
int cli_fail(const char *command, const struct err *err, bool json);

/* argp_parse with our exit code (2) for usage errors. Returns 0, or an exit code + 1 to leave
 * with (so --help, which is exit 0, can be told from going on). */
int cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* The value of --symprec, Angstrom; a usage error when it is none. */
double cli_symprec(struct argp_state *state, const char *text);

/* The row of --keys for commands that talk to a broker. */
#define CLI_KEYS_OPTION(key)                                                                   \
    {                                                                                          \
        "keys", (key), "DIR", 0,                                                               \
            "own key pair, and broker.key, the broker's (default: $" KEYS_ENVIRONMENT ")", 0   \
    }

/* ---- what commands that read a store or ask a broker have in common ---- */
enum {
    CLI_STORE = 1,  /* --store */
    CLI_BROKER = 2, /* --connect, --keys */
    CLI_JSON = 4,   /* --json */
};

struct cli_common {
    const char *store, *connect, *keys, *word;
    bool json;
};

struct cli_usage {
    unsigned common;  /* CLI_... */
    const char *word; /* the one argument, "ID"; in [] it may be left out; NULL: none */
    const char *hint; /* behind "which ID?"; may be NULL */
    const char *doc;
    const struct argp_option *rows; /* options of the command's own, and their parser, which */
    argp_parser_t parser;           /* gets `own`; may be NULL */
};

/* As cli_parse. */
int cli_parse_usage(const struct cli_usage *usage, int argc, char **argv,
                    struct cli_common *ret_common, void *own);

/* ---- progress on stderr: a bar on a terminal, a line every 10 s otherwise ---- */
struct cli_progress {
    bool terminal;
    double last_s, begin_s;
};
void cli_progress_begin(struct cli_progress *progress);
/* `text` says what ("encode 12/16"); fraction 0..1, or < 0 when unknown. */
void cli_progress(struct cli_progress *progress, double fraction, const char *text);
void cli_progress_end(struct cli_progress *progress);

#endif
