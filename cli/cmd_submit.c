/* `wyckmill submit`: give a campaign and its data to a broker. */
#include "cli/cli.h"

#include "cli/config.h"
#include "cli/ingest.h"
#include "common/cleanup.h"
#include "workers/runtime/client.h"

#include <stdio.h>

enum { OVERRIDES_MAX = 256, KEY_KEYS };

struct options {
    const char *path, *connect, *keys;
    const char *overrides[OVERRIDES_MAX];
    uint32_t n_overrides;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case KEY_KEYS:
        options->keys = arg;
        return 0;
    case 'c':
        options->connect = arg;
        return 0;
    case 'S':
        if (options->n_overrides == OVERRIDES_MAX)
            argp_error(state, "at most %d times -S", OVERRIDES_MAX);
        options->overrides[options->n_overrides++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (options->path)
            argp_error(state, "one CAMPAIGN at a time");
        options->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!options->path || !options->connect)
            argp_error(state, "--connect ADDR and a CAMPAIGN.yaml are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_submit(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"connect", 'c', "ADDR", 0, "the broker, tcp://HOST:PORT or ipc://PATH", 0},
        CLI_KEYS_OPTION(KEY_KEYS),
        {"set", 'S', "KEY=VALUE", 0, "override a key of the campaign file; may be repeated", 0},
        {0}};
    const struct argp argp = {.options = rows,
                              .parser = parse,
                              .args_doc = "CAMPAIGN.yaml",
                              .doc = "Read the data of a campaign and give both to a broker. "
                                     "Prints the campaign's id."};
    struct options options = {0};
    struct campaign_file file = {0};
    struct source source = {0};
    struct err err = {0};
    struct hash id;
    char hex[HASH_HEX_SIZE];
    cleanup(client_close_ptr) struct client *client = NULL;
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = config_load(options.path, options.overrides, options.n_overrides, &file, &err);
    if (!rc) /* before the data are read: an unreachable broker is told at once */
        rc = client_open_keys(options.connect, options.keys, CLIENT_TIMEOUT_MS, &client, &err);
    if (!rc)
        rc = ingest_read(&file, &source, &err);
    if (!rc)
        rc = ingest_submit(client, &file, &source, &id, &err);
    if (!rc) {
        (void)printf("%s\n", hash_hex(&id, hex));
        (void)fprintf(stderr,
                      "campaign '%s' submitted; watch it: wyckmill status --connect %s\n",
                      file.campaign.name, options.connect);
    }
    source_done(&source);
    campaign_file_done(&file);
    return rc ? cli_fail("submit", &err, false) : EXIT_DONE;
}
