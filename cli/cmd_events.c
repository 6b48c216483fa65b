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

enum { KEY_KEYS = 256 };

struct options {
    const char *connect, *keys, *store;
    uint64_t from;
    bool follow, json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    char *end = NULL;
    switch (key) {
    case 'c':
        options->connect = arg;
        return 0;
    case KEY_KEYS:
        options->keys = arg;
        return 0;
    case 's':
        options->store = arg;
        return 0;
    case 'f':
        options->follow = true;
        return 0;
    case 'n':
        errno = 0;
        options->from = strtoull(arg, &end, 10);
        if (*end || end == arg || *arg == '-' || errno)
            argp_error(state, "--from wants a sequence number, not '%s'", arg);
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one word too many", arg);
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
        {"connect", 'c', "ADDR", 0, "ask the broker at this address (always JSON)", 0},
        CLI_KEYS_OPTION(KEY_KEYS),
        {"store", 's', "DIR", 0,
         "read the store, with or without a broker (default: $WYCKMILL_STORE or "
         ".wyckmill/store)",
         0},
        {"follow", 'f', NULL, 0, "go on as events happen, until Ctrl-C", 0},
        {"from", 'n', "N", 0, "begin at this sequence number", 0},
        {"json", 'j', NULL, 0, "one JSON object per line", 0},
        {0}};
    const struct argp argp = {.options = rows,
                              .parser = parse,
                              .doc = "What happened: leases, attempts and how they ended, "
                                     "campaigns. docs/events.md lists the events."};
    struct options options = {0};
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    struct feed feed = {.next = options.from, .json = options.json};
    if (options.connect)
        rc = client_open_keys(options.connect, options.keys, CLIENT_TIMEOUT_MS, &feed.client,
                              &err);
    else
        rc = find_store_open(options.store, &feed.store, &err);
    if (!rc)
        rc = print_all(&feed, options.follow, &err);
    client_close(feed.client);
    store_close(feed.store);
    buf_done(&feed.lines);
    return rc ? cli_fail("events", &err, options.json) : EXIT_DONE;
}
