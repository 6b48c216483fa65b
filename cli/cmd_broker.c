/* `wyckmill broker`: queue the tasks of campaigns, keep their results. */
#include "cli/cli.h"

#include "broker/broker.h"
#include "keys/keys.h"

#include <string.h>

enum { KEY_INSECURE = 256, KEY_EXIT_WHEN_IDLE, KEY_KEYS };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct broker_options *options = state->input;
    switch (key) {
    case 's':
        options->store = arg;
        return 0;
    case 'l':
        options->listen = arg;
        return 0;
    case 'v':
        options->verbosity++;
        return 0;
    case 'q':
        options->verbosity = 0;
        return 0;
    case KEY_KEYS:
        options->keys = arg;
        return 0;
    case KEY_INSECURE:
        options->insecure = true;
        return 0;
    case KEY_EXIT_WHEN_IDLE:
        options->exit_when_idle = true;
        return 0;
    case ARGP_KEY_END:
        if (!options->store || !options->listen)
            argp_error(state, "--store and --listen are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_broker(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"store", 's', "DIR", 0, "where objects and results are kept; made if missing", 0},
        {"listen", 'l', "ADDR", 0,
         "tcp://HOST:PORT (bulk data on PORT + 1; PORT 0: any) or ipc://PATH", 0},
        {"keys", KEY_KEYS, "DIR", 0,
         "encrypt, and talk only to those whose public key is in DIR/allowed/ (default: "
         "$" KEYS_ENVIRONMENT "); `wyckmill keygen DIR` makes the broker's own",
         0},
        {"insecure", KEY_INSECURE, NULL, 0,
         "allow an address that other machines can reach, without keys", 0},
        {"exit-when-idle", KEY_EXIT_WHEN_IDLE, NULL, 0,
         "end when the submitted campaigns are over", 0},
        {"verbose", 'v', NULL, 0, "log every event as well", 0},
        {"quiet", 'q', NULL, 0, "log troubles only", 0},
        {0}};
    static const struct argp argp = {
        rows,
        parse,
        NULL,
        "Queue the tasks of campaigns for workers and keep the results, durably, in a store. "
        "One broker per store; workers join and leave at any time.\v"
        "A broker that was stopped or killed goes on with the same command: finished tasks are "
        "not run again. Campaigns come with `wyckmill submit`, workers with `wyckmill worker`.",
        NULL,
        NULL,
        NULL};
    struct broker_options options = {.verbosity = 1};
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    options.keys = keys_folder(options.insecure && !options.keys ? "" : options.keys);
    return broker_run(&options, &err) ? cli_fail("broker", &err, false) : EXIT_DONE;
}
