/* The client side: see client.h. */
#include "workers/runtime/client.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/endpoint.h"
#include "workers/runtime/clock.h"
#include "workers/runtime/net.h"

#include <poll.h>
#include <stdlib.h>

enum { ASK_AGAIN_MS = 1000 };

struct client {
    void *context, *control, *bulk;
    struct net_watch watch;
    const char *folder; /* of keys, NULL: none. Borrowed while opening */
    char address[ENDPOINT_SIZE];
    int timeout_ms;
};

static int unreachable(const struct client *client, struct err *err)
{
    (void)err_set(err, ERR_NETWORK, "no broker answers at %s within %.1f s", client->address,
                  client->timeout_ms / 1000.0);
    (void)err_hint(err, "start one: wyckmill broker --store DIR --listen %s", client->address);
    return ERR_NETWORK;
}

/* One received message of type `want`, or 0 when there is none yet. PROBLEM is an error;
 * whatever else comes (answers to questions asked twice) is passed over. `frame` is the
 * caller's to close after a 1. */
static int receive(void *socket, enum message_type want, zmq_msg_t *frame,
                   struct message *ret_message, struct err *err)
{
    while (net_receive(socket, frame)) {
        int rc = message_decode(net_span(frame), ret_message, err);
        if (!rc && ret_message->type == want)
            return 1;
        if (!rc && ret_message->type == MESSAGE_TYPE_problem)
            rc = err_set(err, ERR_INVALID, "the broker says: %s",
                         ret_message->problem.sentence.text);
        (void)zmq_msg_close(frame);
        if (rc)
            return rc;
    }
    return 0;
}

/* A broker that does not let us in would stay silent for ever: say so at once. */
static int check_refusal(struct client *client, struct err *err)
{
    enum net_event event;
    enum net_refusal refusal;
    while (net_watch_next(&client->watch, &event, &refusal))
        if (event == NET_REFUSED)
            return net_refusal_err(refusal, client->address, client->folder, err);
    return 0;
}

/* Ask, repeat each second, until an answer of type `want` comes. */
static int ask(struct client *client, void *socket, const struct message *question,
               enum message_type want, zmq_msg_t *frame, struct message *ret_answer,
               struct err *err)
{
    int64_t begin = (int64_t)clock_ms(), asked = begin - ASK_AGAIN_MS;
    for (;;) {
        int64_t now = (int64_t)clock_ms();
        if (now - begin >= client->timeout_ms)
            return unreachable(client, err);
        if (now - asked >= ASK_AGAIN_MS && !net_send(socket, question, NULL))
            asked = now;
        int rc = receive(socket, want, frame, ret_answer, err);
        if (!rc)
            rc = check_refusal(client, err);
        if (rc)
            return rc < 0 ? rc : 0;
        /* Not connected yet: look again soon. */
        zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, asked < begin ? 20 : 200);
    }
}

static int connect_both(struct client *client, struct err *err)
{
    char bulk[ENDPOINT_SIZE];
    struct keys keys;
    int rc = keys_check_library(client->folder, err);
    if (!rc)
        rc = endpoint_bulk(client->address, bulk, err);
    if (!rc && client->folder)
        rc = keys_read(client->folder, &keys, err);
    if (rc)
        return rc;
    const struct keys *use = client->folder ? &keys : NULL;
    client->context = zmq_ctx_new();
    rc = net_connect(client->context, client->address, use, &client->control, err);
    if (!rc)
        rc = net_watch_open(client->context, client->control, use, &client->watch, err);
    if (!rc)
        rc = net_connect(client->context, bulk, use, &client->bulk, err);
    if (use)
        keys_done(&keys);
    return rc;
}

int client_open_keys(const char *address, const char *keys, int timeout_ms,
                     struct client **ret_client, struct err *err)
{
    cleanup(client_close_ptr) struct client *client = mem_new(1, sizeof *client);
    client->timeout_ms = timeout_ms;
    client->folder = keys_folder(keys);
    int rc = endpoint_parse(address, client->address, err);
    if (!rc)
        rc = connect_both(client, err);
    struct buf status = {0};
    if (!rc)
        rc = client_status(client, NULL, &status, err);
    buf_done(&status);
    /* Who was let in once and is refused later (a restarted broker with another list) only
     * finds nobody answering. */
    net_watch_close(&client->watch, client->control);
    client->folder = NULL;
    if (!rc)
        *ret_client = take(client);
    return rc;
}

int client_open(const char *address, int timeout_ms, struct client **ret_client,
                struct err *err)
{
    return client_open_keys(address, NULL, timeout_ms, ret_client, err);
}

void client_close(struct client *client)
{
    if (!client)
        return;
    net_watch_close(&client->watch, client->control);
    net_close(client->control, 0);
    net_close(client->bulk, 0);
    if (client->context)
        (void)zmq_ctx_term(client->context);
    free(client);
}

void client_close_ptr(struct client **client)
{
    client_close(*client);
}

void client_patience(struct client *client, int timeout_ms)
{
    client->timeout_ms = timeout_ms;
}

/* Send the part at *offset; *offset becomes what the broker wants next, now that it does. */
static int put_part(struct client *client, const struct hash *id, const char *type,
                    struct span bytes, uint64_t *offset, struct err *err)
{
    struct message question = {.type = MESSAGE_TYPE_blob_put}, answer;
    zmq_msg_t frame;
    uint64_t left = bytes.size - *offset;
    question.blob_put.id = *id;
    message_text_set(&question.blob_put.type, type);
    question.blob_put.total = bytes.size;
    question.blob_put.offset = *offset;
    question.blob_put.data =
        (struct span){bytes.size ? bytes.data + *offset : NULL,
                      left < MESSAGE_CHUNK_BYTES_MAX ? left : MESSAGE_CHUNK_BYTES_MAX};
    int rc =
        ask(client, client->bulk, &question, MESSAGE_TYPE_blob_state, &frame, &answer, err);
    if (rc)
        return rc;
    if (answer.blob_state.problem.text[0])
        rc = err_set(err, ERR_INVALID, "the broker refuses an object: %s",
                     answer.blob_state.problem.text);
    if (!rc && hash_equal(&answer.blob_state.id, id)) { /* else late, about an earlier part */
        uint32_t wait_ms = answer.blob_state.wait_ms;
        *offset = answer.blob_state.next;
        (void)poll(NULL, 0, (int)(wait_ms < ASK_AGAIN_MS ? wait_ms : ASK_AGAIN_MS));
    }
    (void)zmq_msg_close(&frame);
    return rc;
}

int client_put(struct client *client, const char *type, struct span bytes, struct hash *ret_id,
               struct err *err)
{
    struct hash id = hash_bytes(bytes);
    uint64_t offset = 0;
    int rc;
    do {
        rc = put_part(client, &id, type, bytes, &offset, err);
        if (!rc && offset > bytes.size)
            rc = err_set(err, ERR_CORRUPT, "the broker wants byte %llu of %zu",
                         (unsigned long long)offset, bytes.size);
    } while (!rc && offset < bytes.size);
    if (!rc)
        *ret_id = id;
    return rc;
}

int client_submit(struct client *client, struct span campaign, struct hash *ret_id,
                  struct err *err)
{
    struct message question = {.type = MESSAGE_TYPE_submit}, answer;
    zmq_msg_t frame;
    question.submit.campaign = campaign;
    int rc =
        ask(client, client->control, &question, MESSAGE_TYPE_submitted, &frame, &answer, err);
    if (rc)
        return rc;
    if (answer.submitted.problem.text[0])
        rc = err_set(err, ERR_CONFIG, "the broker refuses the campaign: %s",
                     answer.submitted.problem.text);
    else
        *ret_id = answer.submitted.campaign;
    (void)zmq_msg_close(&frame);
    return rc;
}

int client_status(struct client *client, const struct hash *campaign, struct buf *ret_json,
                  struct err *err)
{
    struct message question = {.type = MESSAGE_TYPE_status_get}, answer;
    zmq_msg_t frame;
    question.status_get.campaign = campaign ? *campaign : (struct hash){0};
    int rc = ask(client, client->control, &question, MESSAGE_TYPE_status, &frame, &answer, err);
    if (rc)
        return rc;
    buf_append(ret_json, answer.status.json.data, answer.status.json.size);
    (void)zmq_msg_close(&frame);
    return 0;
}

int client_explain(struct client *client, const struct hash *task, struct buf *ret_json,
                   struct err *err)
{
    struct message question = {.type = MESSAGE_TYPE_explain_get}, answer;
    zmq_msg_t frame;
    question.explain_get.task = *task;
    for (bool mine = false; !mine;) { /* a late answer to an earlier question is passed over */
        int rc =
            ask(client, client->control, &question, MESSAGE_TYPE_explain, &frame, &answer, err);
        if (rc)
            return rc;
        mine = hash_equal(&answer.explain.task, task);
        if (mine)
            buf_append(ret_json, answer.explain.json.data, answer.explain.json.size);
        (void)zmq_msg_close(&frame);
    }
    return 0;
}

int client_gc(struct client *client, const struct message_gc *asked,
              struct message_gc_report *ret_report, struct err *err)
{
    struct message question = {.type = MESSAGE_TYPE_gc, .gc = *asked}, answer;
    zmq_msg_t frame;
    int rc =
        ask(client, client->control, &question, MESSAGE_TYPE_gc_report, &frame, &answer, err);
    if (rc)
        return rc;
    *ret_report = answer.gc_report; /* borrows nothing */
    (void)zmq_msg_close(&frame);
    if (ret_report->problem.text[0])
        return err_set(err, ERR_CONFIG, "%s", ret_report->problem.text);
    return 0;
}

int client_events(struct client *client, uint64_t from, uint64_t *ret_next,
                  struct buf *ret_json, struct err *err)
{
    struct message question = {.type = MESSAGE_TYPE_events_get}, answer;
    zmq_msg_t frame;
    question.events_get.from = from;
    for (bool mine = false; !mine;) { /* a late answer to an earlier question is passed over */
        int rc =
            ask(client, client->control, &question, MESSAGE_TYPE_events, &frame, &answer, err);
        if (rc)
            return rc;
        mine = answer.events.from == from;
        if (mine) {
            buf_append(ret_json, answer.events.json.data, answer.events.json.size);
            *ret_next = answer.events.next;
        }
        (void)zmq_msg_close(&frame);
    }
    return 0;
}

int client_order(struct client *client, enum order_verb verb, const char *target,
                 uint64_t *ret_tasks, struct err *err)
{
    struct message question = {.type = MESSAGE_TYPE_order, .order = {.verb = verb}}, answer;
    zmq_msg_t frame;
    message_text_set(&question.order.target, target);
    int rc =
        ask(client, client->control, &question, MESSAGE_TYPE_ordered, &frame, &answer, err);
    if (rc)
        return rc;
    if (answer.ordered.problem.text[0])
        rc = err_set(err, answer.ordered.tasks ? ERR_BUSY : ERR_INVALID, "%s",
                     answer.ordered.problem.text);
    else
        *ret_tasks = answer.ordered.tasks;
    (void)zmq_msg_close(&frame);
    return rc;
}
