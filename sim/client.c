/* The client of the simulator: puts the sources of one campaign, submits it, and asks until it
 * is over. A broker that does not know the campaign (its store was damaged) gets it again. */
#include "sim/sim.h"

#include "common/mem.h"
#include "proto/order.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SOURCES = 3,
    BEFORE_ROUNDS = SOURCES + 1 + 3 + 2, /* encode, assemble, training */
    BLOBS = 2 * SOURCES,                 /* sources, and bytes that tasks will make */
    REPEAT_US = 2000000,
    ASK_US = 1500000,
    EAGER_US = 25000,
    EAGER_END_US = 60000000,
    PAUSE_US_MAX = 60000000,       /* how long it may stay paused */
    PAUSE_LONG_US_MAX = 720000000, /* where tasks hang: longer than they are waited for */
    SETTLE_US = 15000000,          /* no SUBMIT, which resumes, is on its way any more */
};

/* What the client wants of the campaign, one after the other. */
enum wish { WISH_RUN, WISH_PAUSE, WISH_PAUSED, WISH_RESUME };

struct sim_client {
    struct sim *sim;
    struct campaign campaign;
    struct buf bytes; /* of the campaign */
    struct hash id;
    struct buf blobs[BLOBS];
    struct hash ids[BLOBS];
    uint64_t accepted[BLOBS];
    struct rng rng;
    uint64_t eager_us; /* when gc is asked for again; 0: never */
    bool submitted;
    enum wish wish;
    uint64_t submit_us; /* when it was said last */
    uint64_t wish_us;   /* when the next wish comes */
    uint64_t cancel_us; /* from then on the campaign is to be cancelled; 0: never */
    uint64_t next;      /* event to ask for */
    struct buf heard;   /* the event log as far as the broker told it */
    struct rng audits;
};

/* Somebody stored once what encode will give: garbage until then. */
static void add_garbage(struct sim_client *client)
{
    struct planner *planner = NULL;
    const struct action *action;
    struct hash id;
    if (planner_new(&client->campaign, &planner, NULL) != 0)
        return;
    for (int i = SOURCES; i < BLOBS && planner_next(planner, &action, &id, NULL) == 0; i++) {
        sim_truth_output(&id, 0, action->kind, &client->blobs[i]);
        client->ids[i] = hash_bytes(buf_span(&client->blobs[i]));
    }
    planner_free(planner);
}

uint32_t sim_client_first_tasks(const struct sim_client *client)
{
    (void)client;
    return BEFORE_ROUNDS;
}

uint32_t sim_client_round_tasks(const struct sim_client *client)
{
    return 2 * client->campaign.tasks * 3 + 1; /* both arms; and the ranking */
}

/* Without a limit of rounds, and how it ends all the same. */
static void set_ending(struct sim_client *client)
{
    const struct sim_faults *faults = &client->sim->faults;
    struct campaign *campaign = &client->campaign;
    struct rng rng = rng_stream(client->sim->seed, 4, 4, 0);
    uint32_t tasks = BEFORE_ROUNDS + sim_client_round_tasks(client) * rng_below(&rng, 5) +
                     rng_below(&rng, sim_client_round_tasks(client));
    if (faults->ending == SIM_ENDS_FOUND)
        return;
    campaign->rounds_max = 0;
    campaign->stop_found = false;
    if (faults->ending == SIM_ENDS_RULE && rng_below(&rng, 2))
        campaign->stop_meeting = 6;
    else if (faults->ending == SIM_ENDS_RULE)
        campaign->stop_rounds_without = 1;
    if (faults->ending == SIM_ENDS_TASKS)
        campaign->budget_tasks = tasks;
    if (faults->ending == SIM_ENDS_TIME)
        campaign->budget_slot_hours = (double)tasks * (double)faults->task_us / 2 / 3600e6;
    if (faults->ending == SIM_ENDS_CANCEL)
        client->cancel_us = sim_between(&rng, 10, 60) * 1000000;
}

/* Some kinds need half of what the first worker has, one all of it, one a tag. */
static void set_needs(struct campaign *campaign)
{
    campaign->needs[KIND_encode].memory_bytes = SIM_MEMORY / 4;
    campaign->needs[KIND_train_step].memory_bytes = SIM_MEMORY / 2;
    campaign->needs[KIND_assemble].memory_bytes = SIM_MEMORY;
    campaign->needs[KIND_sample].time_ms = 1000000;
    campaign->needs[KIND_sample].memory_bytes = SIM_MEMORY / 2 + 1;
    (void)snprintf(campaign->needs[KIND_realize].tags, NEEDS_TAGS_SIZE, "big");
    (void)snprintf(campaign->needs[KIND_score].tags, NEEDS_TAGS_SIZE, "big,odd");
}

struct sim_client *sim_client_new(struct sim *sim)
{
    struct sim_client *client = mem_new(1, sizeof *client);
    struct campaign *campaign = &client->campaign;
    client->sim = sim;
    client->rng = rng_stream(sim->seed, 4, 0, 0);
    client->audits = rng_stream(sim->seed, 4, 6, 0);
    campaign_default(campaign);
    (void)snprintf(campaign->name, sizeof campaign->name, "simulated");
    (void)snprintf(campaign->profile, sizeof campaign->profile, "profile");
    campaign->seed = sim->seed;
    campaign->n_sources = SOURCES;
    campaign->sources = mem_new(SOURCES, sizeof *campaign->sources);
    for (int i = 0; i < SOURCES; i++) {
        buf_print(&client->blobs[i], "source %d of %llu, long enough for several parts: ", i,
                  (unsigned long long)sim->seed);
        for (int k = 0; k < 20; k++)
            buf_print(&client->blobs[i], "%d.%d ", i, k * k);
        campaign->sources[i] = client->ids[i] = hash_bytes(buf_span(&client->blobs[i]));
    }
    campaign->denoiser.steps = 6;
    campaign->denoiser.task_steps = 2;
    campaign->guide.steps = 4;
    campaign->guide.task_steps = 2;
    campaign->tasks = 2;
    campaign->rounds_max = 3;
    campaign->candidates = 12;
    set_ending(client);
    if (sim->faults.needs)
        set_needs(campaign);
    campaign_encode(campaign, &client->bytes, &client->id);
    if (sim->seed % 2)
        add_garbage(client);
    struct rng rng = rng_stream(sim->seed, 4, 0, 0);
    client->wish_us =
        sim->faults.pause ? sim_between(&rng, 1000000, sim->faults.end_us) : UINT64_MAX;
    return client;
}

void sim_client_free(struct sim_client *client)
{
    if (!client)
        return;
    campaign_done(&client->campaign);
    buf_done(&client->bytes);
    for (int i = 0; i < BLOBS; i++)
        buf_done(&client->blobs[i]);
    buf_done(&client->heard);
    free(client);
}

struct hash sim_client_campaign_id(const struct sim_client *client)
{
    return client->id;
}

const struct campaign *sim_client_campaign(const struct sim_client *client)
{
    return &client->campaign;
}

bool sim_client_has_paused(const struct sim_client *client)
{
    return client->wish == WISH_PAUSED;
}

struct span sim_client_heard(const struct sim_client *client)
{
    return buf_span(&client->heard);
}

static void say(struct sim_client *client, enum channel channel, const struct message *message)
{
    struct buf frame = {0};
    message_encode(message, &frame);
    sim_send(client->sim, SIM_CLIENT, SIM_BROKER, 0, channel, buf_span(&frame));
    buf_done(&frame);
}

/* Begin anew: the sources first. */
static void forget(struct sim_client *client)
{
    client->submitted = false;
    memset(client->accepted, 0, sizeof client->accepted);
}

static void on_status(struct sim_client *client, struct span text)
{
    struct sim *sim = client->sim;
    json_t *root = json_loadb((const char *)text.data, text.size, 0, NULL);
    json_t *campaign = json_array_get(json_object_get(root, "campaigns"), 0);
    const char *state = json_string_value(json_object_get(campaign, "state"));
    if (root && !campaign && client->submitted)
        forget(client);
    if (state && !strcmp(state, "paused")) {
        if (client->wish == WISH_RUN) /* an old PAUSE arrived late */
            client->wish = WISH_RESUME;
    } else if (state && strcmp(state, "running") != 0) {
        sim_tell(sim, "the client hears: %s", state);
        sim->over = true;
    }
    json_decref(root);
}

static void on_explain(struct sim_client *client, const struct message_explain *explain)
{
    static const char *const states[] = {"ready",  "waiting",    "held",
                                         "leased", "persisting", "absent"};
    json_t *root = json_loadb((const char *)explain->json.data, explain->json.size, 0, NULL);
    const char *state = json_string_value(json_object_get(root, "state"));
    bool known = false;
    for (size_t i = 0; state && i < sizeof states / sizeof states[0]; i++)
        known = known || !strcmp(state, states[i]);
    if (!known)
        sim_fail(client->sim, "the broker explains a task with no state that it can have");
    json_decref(root);
}

/* ---- pausing and resuming ---- */

static void on_ordered(struct sim_client *client, const struct message_ordered *ordered)
{
    struct rng rng = rng_stream(client->sim->seed, 4, 1, 0);
    bool refused = ordered->problem.text[0]; /* the campaign is over, or not there */
    if (client->wish == WISH_PAUSE && ordered->verb == ORDER_PAUSE) {
        client->wish = refused ? WISH_RUN : WISH_PAUSED;
        client->wish_us =
            client->sim->now_us +
            sim_between(&rng, 1000000,
                        client->sim->faults.hang ? PAUSE_LONG_US_MAX : PAUSE_US_MAX);
    } else if (client->wish == WISH_RESUME && ordered->verb == ORDER_RESUME) {
        client->wish = WISH_RUN;
        client->wish_us = UINT64_MAX;
    }
}

static void say_order(struct sim_client *client, enum order_verb verb)
{
    struct message message = {.type = MESSAGE_TYPE_order, .order = {.verb = verb}};
    message_text_set(&message.order.target, client->campaign.name);
    say(client, CHANNEL_CONTROL, &message);
}

static void say_wish(struct sim_client *client)
{
    if (client->cancel_us && client->sim->now_us >= client->cancel_us) {
        say_order(client, ORDER_CANCEL);
        return;
    }
    if (client->sim->now_us >= client->wish_us && client->wish == WISH_RUN &&
        client->sim->now_us >= client->submit_us + SETTLE_US)
        client->wish = WISH_PAUSE;
    if (client->sim->now_us >= client->wish_us && client->wish == WISH_PAUSED)
        client->wish = WISH_RESUME;
    if (client->wish != WISH_PAUSE && client->wish != WISH_RESUME)
        return;
    say_order(client, client->wish == WISH_PAUSE ? ORDER_PAUSE : ORDER_RESUME);
}

void sim_client_frame(struct sim_client *client, struct span frame)
{
    struct message message;
    struct err err;
    if (message_decode(frame, &message, &err)) {
        sim_fail(client->sim, "the broker sent what cannot be read: %s", err.text);
        return;
    }
    if (message.type == MESSAGE_TYPE_blob_state)
        for (int i = 0; i < BLOBS; i++)
            if (hash_equal(&client->ids[i], &message.blob_state.id))
                client->accepted[i] = message.blob_state.next;
    if (message.type == MESSAGE_TYPE_submitted) {
        if (message.submitted.problem.text[0])
            forget(client);
        else
            client->submitted = true;
    }
    if (message.type == MESSAGE_TYPE_status)
        on_status(client, message.status.json);
    if (message.type == MESSAGE_TYPE_explain)
        on_explain(client, &message.explain);
    if (message.type == MESSAGE_TYPE_ordered)
        on_ordered(client, &message.ordered);
    if (message.type == MESSAGE_TYPE_events && message.events.from == client->next) {
        buf_append(&client->heard, message.events.json.data, message.events.json.size);
        client->next = message.events.next;
    }
    if (message.type == MESSAGE_TYPE_gc_report && client->sim->faults.eager &&
        client->sim->now_us < EAGER_END_US) {
        client->eager_us = client->sim->now_us + EAGER_US;
        sim_plan(client->sim, EAGER_US, SIM_CLIENT);
    } else if (!client->submitted) {
        sim_plan(client->sim, 10, SIM_CLIENT);
    }
}

/* False when the broker has all of them. */
static bool put_blob(struct sim_client *client)
{
    for (int i = 0; i < BLOBS; i++) {
        uint64_t size = client->blobs[i].size, at = client->accepted[i], left = size - at;
        if (left == 0)
            continue;
        struct message message = {
            .type = MESSAGE_TYPE_blob_put,
            .blob_put = {.id = client->ids[i],
                         .total = size,
                         .offset = at,
                         .data = {client->blobs[i].data + at,
                                  left < SIM_PART_BYTES ? left : SIM_PART_BYTES}}};
        message_text_set(&message.blob_put.type, "source");
        say(client, CHANNEL_BULK, &message);
        return true;
    }
    return false;
}

static void ask_gc(struct sim_client *client)
{
    struct message message = {.type = MESSAGE_TYPE_gc,
                              .gc = {.dry_run = rng_below(&client->rng, 8) == 0,
                                     .keep_checkpoints = 1 + rng_below(&client->rng, 2),
                                     .grace_ms = client->sim->faults.grace_ms}};
    say(client, CHANNEL_CONTROL, &message);
}

/* A task that ended well, as the event log told: one of the last, or any. */
static bool pick_task(struct sim_client *client, char ret[HASH_HEX_SIZE])
{
    static const char end[] = "\"end\":\"ok\"", key[] = "\"task\":\"";
    const char *text = buf_text(&client->heard);
    uint32_t n = 0, skip = rng_below(&client->audits, 8);
    bool found = false;
    for (const char *at = text; (at = strstr(at, end)); at++) {
        const char *task = strstr(at, key);
        if (task && (!found || rng_below(&client->audits, 3) == 0 || n > 2 * skip)) {
            (void)snprintf(ret, HASH_HEX_SIZE, "%s", task + sizeof key - 1);
            found = true;
        }
        n++;
    }
    return found;
}

/* Whatever it is busy with, it tells where a task stands. */
static void ask_why(struct sim_client *client)
{
    struct message message = {.type = MESSAGE_TYPE_explain_get};
    char hex[HASH_HEX_SIZE];
    if (client->sim->faults.audit && rng_below(&client->audits, 4) == 0 &&
        pick_task(client, hex) && hash_parse(hex, &message.explain_get.task, NULL) == 0)
        say(client, CHANNEL_CONTROL, &message);
}

static void ask_audit(struct sim_client *client)
{
    struct message message = {.type = MESSAGE_TYPE_order, .order = {.verb = ORDER_AUDIT}};
    char hex[HASH_HEX_SIZE];
    if (rng_below(&client->audits, 65536) >= client->sim->faults.audit ||
        !pick_task(client, hex))
        return;
    message_text_set(&message.order.target, hex);
    /* Not wanted any more; but a result that was lost since would be computed for the campaign.
     */
    if (rng_below(&client->audits, 8) == 0 && !client->sim->faults.rot)
        message.order.verb = ORDER_CANCEL;
    say(client, CHANNEL_CONTROL, &message);
}

void sim_client_step(struct sim_client *client)
{
    struct message message;
    bool eager = client->eager_us && client->sim->now_us >= client->eager_us;
    if (eager || rng_below(&client->rng, 4) == 0)
        ask_gc(client);
    client->eager_us = 0;
    if (client->submitted) {
        say_wish(client);
        ask_audit(client);
        ask_why(client);
        message = (struct message){.type = MESSAGE_TYPE_status_get,
                                   .status_get = {.campaign = client->id}};
        say(client, CHANNEL_CONTROL, &message);
        message = (struct message){.type = MESSAGE_TYPE_events_get,
                                   .events_get = {.from = client->next}};
        say(client, CHANNEL_CONTROL, &message);
    } else if (!put_blob(client)) {
        client->submit_us = client->sim->now_us;
        message = (struct message){.type = MESSAGE_TYPE_submit,
                                   .submit = {.campaign = buf_span(&client->bytes)}};
        say(client, CHANNEL_CONTROL, &message);
    }
    sim_plan(client->sim, client->submitted ? ASK_US : REPEAT_US, SIM_CLIENT);
}
