/* `wyckmill events`: the event log of a broker or a store, also as it grows. */
#include "cli/cli.h"

#include "cli/find.h"
#include "common/cleanup.h"
#include "proto/event.h"
#include "workers/runtime/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FOLLOW_MS = 500, BATCH_BYTES = 256 << 10 };

struct options {
    struct cli_common common;
    uint64_t from;
    bool follow;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    char *end = NULL;
    switch (key) {
    case 'f':
        options->follow = true;
        return 0;
    case 'n':
        errno = 0;
        options->from = strtoull(arg, &end, 10);
        if (*end || end == arg || *arg == '-' || errno)
            argp_error(state, "--from wants a sequence number, not '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Where events come from: one of the two is open. */
struct feed {
    struct client *client;
    struct store *store;
    uint64_t next; /* sequence */
    bool json;
    struct buf lines;
    struct err err; /* an event that cannot be read */
};

static int print_event(void *context, uint64_t sequence, struct span event)
{
    struct feed *feed = context;
    if (feed->lines.size >= BATCH_BYTES)
        return 1;
    int rc = feed->json ? event_print_json(sequence, event, &feed->lines, &feed->err)
                        : event_print_line(event, &feed->lines, &feed->err);
    feed->next = rc ? feed->next : sequence + 1;
    return rc;
}

/* Some more lines, none when there is nothing new. */
static int read_more(struct feed *feed, struct err *err)
{
    feed->lines.size = 0;
    if (feed->client)
        return client_events(feed->client, feed->next, &feed->next, &feed->lines, err);
    int rc = store_each_event(feed->store, feed->next, print_event, feed, err);
    if (feed->err.code)
        *err = feed->err;
    return rc < 0 ? rc : 0;
}

static int print_all(struct feed *feed, bool follow, struct err *err)
{
    for (;;) {
        int rc = read_more(feed, err);
        if (rc)
            return rc;
        if (feed->lines.size &&
            (fwrite(feed->lines.data, 1, feed->lines.size, stdout) != feed->lines.size ||
             fflush(stdout)))
            return err_errno(err, errno, "write to stdout");
        if (!feed->lines.size && !follow)
            return 0;
        if (!feed->lines.size)
            (void)nanosleep(&(struct timespec){0, FOLLOW_MS * 1000000L}, NULL);
    }
}

int cmd_events(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"follow", 'f', NULL, 0, "go on as events happen, until Ctrl-C", 0},
        {"from", 'n', "N", 0, "begin at this sequence number", 0},
        {0}};
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_BROKER | CLI_JSON,
        .doc = "What happened: leases, attempts and how they ended, "
               "campaigns. docs/events.md lists the events.",
        .rows = rows,
        .parser = parse};
    struct options options = {0};
    struct err err = {0};
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    struct feed feed = {.next = options.from, .json = options.common.json};
    if (options.common.connect)
        rc = client_open_keys(options.common.connect, options.common.keys, CLIENT_TIMEOUT_MS,
                              &feed.client, &err);
    else
        rc = find_store_open(options.common.store, &feed.store, &err);
    if (!rc)
        rc = print_all(&feed, options.follow, &err);
    client_close(feed.client);
    store_close(feed.store);
    buf_done(&feed.lines);
    return rc ? cli_fail("events", &err, options.common.json) : EXIT_DONE;
}
