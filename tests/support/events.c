/* The event log of a store as JSON lines: `events STORE`. For tests that count what was executed. */
#include "proto/value.h"
#include "store/store.h"

#include <stdio.h>

static int print_event(void *context, uint64_t sequence, struct span event)
{
    struct document *document;
    struct buf text = {0};
    (void)context;
    (void)sequence;
    if (document_parse(event, &value_limits_message, &document, NULL))
        return 1;
    value_print_json(document_root(document), &text);
    (void)puts(buf_text(&text));
    buf_done(&text);
    document_free(document);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct store *store = NULL;
    if (argc != 2 || store_open(argv[1], STORE_READ, &store, &err)) {
        (void)fprintf(stderr, "events: %s\n", argc == 2 ? err.text : "which STORE?");
        return 2;
    }
    int rc = store_each_event(store, 0, print_event, NULL, &err);
    store_close(store);
    return rc != 0;
}
