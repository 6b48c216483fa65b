/* `wyckmill COMMAND ...`: one row per subcommand. */
#include "cli/cli.h"

#include "cli/version.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    cli_command *run;
    const char *help; /* NULL: not for people */
} commands[] = {
    {"run", cmd_run, "run a campaign: broker and workers in one command"},
    {"broker", cmd_broker, "queue tasks, keep results"},
    {"worker", cmd_worker, "run tasks for a broker"},
    {"submit", cmd_submit, "give a campaign to a broker"},
    {"status", cmd_status, "tasks by state, workers, campaigns"},
    {"keygen", cmd_keygen, "a key pair for this machine, to work over the network"},
    {"top", cmd_top, "the status, refreshed"},
    {"events", cmd_events, "what happened: attempts, campaigns; --follow as it happens"},
    {"cancel", cmd_cancel, "a campaign or task is wanted no more"},
    {"pause", cmd_pause, "begin nothing more of a campaign"},
    {"resume", cmd_resume, "go on with a paused campaign"},
    {"drain", cmd_drain, "a worker finishes what it runs and leaves"},
    {"retry", cmd_retry, "let tasks out of quarantine"},
    {"ls", cmd_ls, "campaigns and objects of a store"},
    {"show", cmd_show, "one object, action or result in readable form"},
    {"explain", cmd_explain, "why it waits, ran again, was no cache hit, is kept"},
    {"lineage", cmd_lineage, "from which inputs, by which actions, a thing was made"},
    {"export", cmd_export, "write a campaign's candidates as CSV, extXYZ and CIF"},
    {"fsck", cmd_fsck, "check every object, result and ref of a store"},
    {"verify", cmd_verify, "hash again everything that a ref reaches"},
    {"gc", cmd_gc, "free what no campaign needs"},
    {"backup", cmd_backup, "copy a store, also beside its broker"},
    {"compact", cmd_compact, "give a store's free space back"},
    {"spacegroup", cmd_spacegroup, "Wyckoff positions of a space group"},
    {"label", cmd_label, "what a protostructure label says, and labels of the same crystal"},
    {"encode", cmd_encode, "structures to protostructure labels, with a report"},
    {"convert", cmd_convert, "structures from any file format to any other"},
    {"dataset", cmd_dataset, "make the built-in demo data set"},
    {"doctor", cmd_doctor, "this machine, this build, in a form fit for a bug report"},
    {"slot", cmd_slot, NULL},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out)
{
    (void)fprintf(out, "Usage: wyckmill COMMAND [OPTION...]\n\n"
                       "From wanted properties to ranked, symmetric crystal structures.\n\n");
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].help)
            (void)fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].help);
    (void)fprintf(out,
                  "\n`wyckmill COMMAND --help` tells more. Begin with:\n"
                  "  wyckmill run configs/demo.yaml\n"
                  "Exit status: 0 done, 1 failed, 2 usage or configuration, 3 partly done,\n"
                  "4 broker not reachable, 75 try again later, 130 stopped by Ctrl-C.\n");
}

static int unknown(const char *name)
{
    const char *nearest = NULL;
    unsigned best = 4; /* more edits than that is another word */
    for (int i = 0; i < COMMANDS; i++) {
        unsigned distance = text_distance(name, commands[i].name);
        if (commands[i].help && distance < best) {
            best = distance;
            nearest = commands[i].name;
        }
    }
    (void)fprintf(stderr, "wyckmill: no command '%s'\n", name);
    if (nearest)
        (void)fprintf(stderr, "  hint: did you mean '%s'?\n", nearest);
    else
        (void)fprintf(stderr, "  hint: `wyckmill --help` lists the commands\n");
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        version_print(stdout);
        return EXIT_DONE;
    }
    char name[48]; /* what usage and error lines call us */
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name)) {
            (void)snprintf(name, sizeof name, "wyckmill %s", commands[i].name);
            argv[1] = name;
            return commands[i].run(argc - 1, argv + 1);
        }
    return unknown(argv[1]);
}
