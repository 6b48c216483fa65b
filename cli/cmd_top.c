/* `wyckmill top`: the status again and again, on a terminal in place. */
#include "cli/cli.h"

#include "cli/status.h"
#include "common/cleanup.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct options {
    struct cli_common common;
    double interval_s;
    long count; /* views; 0: until stopped */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    char *end = NULL;
    switch (key) {
    case 'i':
        options->interval_s = strtod(arg, &end);
        if (*end || !(options->interval_s >= 0.1 && options->interval_s <= 3600))
            argp_error(state, "--interval wants seconds from 0.1 to 3600, not '%s'", arg);
        return 0;
    case 'n':
        options->count = strtol(arg, &end, 10);
        if (*end || options->count < 1)
            argp_error(state, "--count wants a number from 1 on, not '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void wait_s(double seconds)
{
    struct timespec wait = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    (void)nanosleep(&wait, NULL);
}

/* The whole view in one write: a terminal does not flicker. Lines are cut by it, not by us. */
static void show(const json_t *root, const char *trouble, bool terminal)
{
    cleanup(free_ptr) char *text = NULL;
    size_t size = 0;
    char now[32] = "";
    time_t at = time(NULL);
    struct tm utc;
    FILE *view = open_memstream(&text, &size);
    if (!view)
        return;
    if (gmtime_r(&at, &utc))
        (void)strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
    (void)fprintf(view, "%s%s  %s\n", terminal ? "\033[H\033[J" : "", now, trouble);
    if (root)
        status_show(root, view);
    if (fclose(view) == 0 && text)
        (void)fwrite(text, 1, size, stdout);
    (void)fflush(stdout);
}

int cmd_top(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"interval", 'i', "S", 0, "seconds between two views (default: 2)", 0},
        {"count", 'n', "N", 0, "end after N views (default: on a terminal never, else 1)", 0},
        {0}};
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_BROKER,
        .doc = "The status, again and again: on a terminal in place, else "
               "one view after the other. Ctrl-C ends it.",
        .rows = rows,
        .parser = parse};
    struct options options = {.interval_s = 2};
    bool terminal = isatty(STDOUT_FILENO) == 1;
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    if (!options.count && !terminal)
        options.count = 1;
    for (long shown = 0; !options.count || shown < options.count; shown++) {
        json_t *root = NULL;
        struct err err = {0};
        if (shown)
            wait_s(options.interval_s);
        rc = status_fetch(options.common.connect, options.common.keys, options.common.store,
                          &root, &err);
        if (rc && shown == 0)
            return cli_fail("top", &err, false);
        show(root, rc ? err.text : "", terminal); /* a broker that was there may come back */
        json_decref(root);
    }
    return EXIT_DONE;
}
