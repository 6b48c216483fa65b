/* `wyckmill cancel|pause|resume|drain|retry`: what an operator asks of a running broker. */
#include "cli/cli.h"

#include "cli/connect.h"
#include "common/cleanup.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *target, *doc;
} orders[] = {
    [ORDER_CANCEL] =
        {"CAMPAIGN|TASK",
         "Nothing of the campaign is wanted any more: what runs is stopped, results "
         "that are there stay; submitting it again takes it up. A single task goes "
         "into quarantine."},
    [ORDER_PAUSE] =
        {"CAMPAIGN",
         "What runs goes on to its end, nothing is begun until `wyckmill resume`, also "
         "after a restart of the broker."},
    [ORDER_RESUME] = {"CAMPAIGN", "Go on with a paused campaign."},
    [ORDER_DRAIN] =
        {"WORKER",
         "The worker finishes what it runs, gets nothing new, and leaves. WORKER is its "
         "name as `wyckmill status` shows it."},
    [ORDER_RETRY] =
        {"TASK|--quarantined",
         "Let a task out of quarantine, or with --quarantined all of them. Campaigns "
         "that had given it up ask for it again."},
};

struct options {
    struct cli_common common;
    enum order_verb verb;
    bool all;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    const char *word = options->common.word;
    (void)arg;
    switch (key) {
    case 'a':
        options->all = true;
        return 0;
    case ARGP_KEY_END:
        if (options->all == (word != NULL) || (word && !*word))
            argp_error(state, "which %s?", orders[options->verb].target);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int give(const struct options *options, uint64_t *ret_tasks, struct err *err)
{
    cleanup(client_close_ptr) struct client *client = NULL;
    int rc = connect_broker(&options->common, &client, err);
    return rc ? rc
              : client_order(client, options->verb,
                             options->common.word ? options->common.word : "", ret_tasks, err);
}

static void print_done(const struct options *options, uint64_t tasks)
{
    const char *verb = order_verb_text(options->verb);
    const char *target = options->common.word ? options->common.word : "all";
    if (options->common.json) {
        json_t *root = json_pack("{s:s,s:s,s:I}", "order", verb, "target", target, "tasks",
                                 (json_int_t)tasks);
        (void)json_dumpf(root, stdout, JSON_INDENT(1));
        (void)putchar('\n');
        json_decref(root);
    } else {
        (void)printf("%s %s: %llu tasks\n", verb, target, (unsigned long long)tasks);
    }
}

static int run(enum order_verb verb, int argc, char **argv)
{
    static const struct argp_option retry_rows[] = {
        {"quarantined", 'a', NULL, 0, "every task in quarantine", 0}, {0}};
    const struct cli_usage usage = {.common = CLI_STORE | CLI_BROKER | CLI_JSON,
                                    .word =
                                        verb == ORDER_RETRY ? "[TASK]" : orders[verb].target,
                                    .doc = orders[verb].doc,
                                    .rows = verb == ORDER_RETRY ? retry_rows : NULL,
                                    .parser = parse};
    struct options options = {.verb = verb};
    struct err err = {0};
    uint64_t tasks = 0;
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    rc = give(&options, &tasks, &err);
    if (rc)
        return cli_fail(order_verb_text(verb), &err, options.common.json);
    print_done(&options, tasks);
    return EXIT_DONE;
}

int cmd_cancel(int argc, char **argv)
{
    return run(ORDER_CANCEL, argc, argv);
}

int cmd_pause(int argc, char **argv)
{
    return run(ORDER_PAUSE, argc, argv);
}

int cmd_resume(int argc, char **argv)
{
    return run(ORDER_RESUME, argc, argv);
}

int cmd_drain(int argc, char **argv)
{
    return run(ORDER_DRAIN, argc, argv);
}

int cmd_retry(int argc, char **argv)
{
    return run(ORDER_RETRY, argc, argv);
}
