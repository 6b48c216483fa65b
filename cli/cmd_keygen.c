/* `wyckmill keygen`: a key pair for this machine. */
#include "cli/cli.h"

#include <stdio.h>

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **folder = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*folder)
            argp_error(state, "one DIR at a time");
        *folder = arg;
        return 0;
    case ARGP_KEY_END:
        if (!*folder || !**folder)
            argp_error(state, "which DIR shall the keys go to?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_keygen(int argc, char **argv)
{
    const struct argp argp = {
        .parser = parse,
        .args_doc = "DIR",
        .doc =
            "Make a key pair: DIR/secret.key, which stays on this machine, and DIR/public.key, "
            "which is given away. Prints the path of the public one. A pair that is there is "
            "never overwritten.\v"
            "Of a worker's or client's machine: its public.key goes to allowed/NAME.key in the "
            "folder of the broker, NAME being what it is called in status and log; and the "
            "broker's public.key to broker.key in this folder. docs/cluster.md shows it step "
            "by step."};
    const char *folder = NULL;
    struct key_pair pair;
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &folder);
    if (rc)
        return rc - 1;
    if (keys_generate(folder, &pair, &err))
        return cli_fail("keygen", &err, false);
    key_pair_done(&pair);
    (void)printf("%s/public.key\n", folder);
    return EXIT_DONE;
}
