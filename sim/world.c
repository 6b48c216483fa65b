/* Clock, events, network and faults of the simulator: see sim.h. */
#include "sim/sim.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t SECOND_US = 1000000;
/* After the last fault everything ends within 20 minutes. */
static const uint64_t HEAL_LIMIT_US = 20 * 60 * UINT64_C(1000000);

enum { STEPS_MAX = 2000000, EVERYTHING = 65536 };

/* ---- the story ---- */

static void remember(struct sim *sim, const char *text)
{
    for (const char *c = text; *c; c++) /* FNV-1a */
        sim->story = (sim->story ^ (uint8_t)*c) * UINT64_C(1099511628211);
}

void sim_tell(struct sim *sim, const char *format, ...)
{
    char line[600];
    va_list args;
    va_start(args, format);
    int n = snprintf(line, sizeof line, "[%9.3f] ", (double)sim->now_us * 1e-6);
    (void)vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    remember(sim, line);
    if (sim->tracing)
        (void)puts(line);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!sim->failed)
        (void)vsnprintf(sim->why, sizeof sim->why, format, args);
    va_end(args);
    sim->failed = true;
    sim_tell(sim, "BROKEN: %s", sim->why);
}

/* ---- chance ---- */

bool sim_is_calm(const struct sim *sim)
{
    return sim->now_us >= sim->faults.end_us;
}

bool sim_is_steady(const struct sim *sim)
{
    const struct sim_faults *f = &sim->faults;
    return !f->worker_crash_s && !f->worker_sleep_s && !f->broker_crash_s && !f->partition_s &&
           !f->disk && !f->drop && !f->slow;
}

bool sim_chance(struct sim *sim, struct rng *rng, uint32_t per_65536)
{
    return rng_below(rng, EVERYTHING) < per_65536 && !sim_is_calm(sim);
}

uint64_t sim_between(struct rng *rng, uint64_t low, uint64_t high)
{
    return low + (uint64_t)(rng_uniform(rng) * (double)(high - low + 1));
}

/* What goes wrong in this seed: each kind of fault is there or not, so that some seeds have a
 * single kind, some all, and some none. */
static void draw_faults(struct sim *sim)
{
    struct rng *rng = &sim->rng;
    struct sim_faults *f = &sim->faults;
    static const uint64_t task_s[] = {1, 3, 25};
    f->task_us = task_s[rng_below(rng, 3)] * SECOND_US;
    f->grace_ms = 10000;
    f->eager = rng_below(rng, 3) == 0;
    if (rng_below(rng, 8) == 0)
        return;
    f->end_us = sim_between(rng, 20, 180) * SECOND_US;
    f->drop = rng_below(rng, 2) ? rng_below(rng, 12000) : 0;
    f->repeat = rng_below(rng, 2) ? rng_below(rng, 8000) : 0;
    f->slow = rng_below(rng, 2) ? rng_below(rng, 12000) : 0;
    f->worker_crash_s = rng_below(rng, 2) ? 5 + rng_below(rng, 60) : 0;
    f->worker_sleep_s = rng_below(rng, 2) ? 5 + rng_below(rng, 60) : 0;
    f->broker_crash_s = rng_below(rng, 2) ? 3 + rng_below(rng, 40) : 0;
    f->partition_s = rng_below(rng, 2) ? 10 + rng_below(rng, 60) : 0;
    f->disk = rng_below(rng, 2) ? rng_below(rng, 200) : 0;
    f->slot_crash = rng_below(rng, 2) ? rng_below(rng, 6000) : 0;
    f->slot_error = rng_below(rng, 4) == 0 ? rng_below(rng, 3000) : 0;
    f->lie = rng_below(rng, 3) == 0 ? rng_below(rng, 6000) : 0;
    f->rot = rng_below(rng, 4) == 0 ? rng_below(rng, 20000) : 0;
    if (f->drop || f->slow || f->worker_sleep_s || f->partition_s || f->worker_crash_s ||
        f->broker_crash_s)
        f->grace_ms = 240000;
}

/* Faults that came later have a stream of their own: the stories of old seeds stay. */
static void draw_wishes(struct sim *sim)
{
    struct rng rng = rng_stream(sim->seed, 4, 2, 0);
    struct sim_faults *f = &sim->faults;
    if (f->end_us == 0)
        return;
    f->pause = rng_below(&rng, 3) == 0;
    f->needs = rng_below(&rng, 2);
    if (sim->n_workers < 2 || rng_below(&rng, 3) > 0)
        return;
    if (rng_below(&rng, 2)) /* a sick worker is all that is wrong */
        *f = (struct sim_faults){
            .task_us = f->task_us, .end_us = f->end_us, .pause = f->pause, .needs = f->needs};
    f->sick = SIM_WORKER_FIRST + rng_below(&rng, sim->n_workers);
}

/* A worker whose tasks hang while it says that it lives. Nobody tells it of a lease that was
 * lost, or of an attempt for an earlier broker: where that happens a slot comes back by itself.
 */
static void draw_hang(struct sim *sim)
{
    struct rng rng = rng_stream(sim->seed, 4, 3, 0);
    struct sim_faults *f = &sim->faults;
    if (f->end_us == 0 || f->sick || sim->n_workers < 2 || rng_below(&rng, 3) > 0)
        return;
    bool alone = rng_below(&rng, 2);
    if (alone)
        *f = (struct sim_faults){.task_us = f->task_us,
                                 .grace_ms = 10000,
                                 .eager = f->eager,
                                 .end_us = f->end_us,
                                 .slot_crash = f->slot_crash,
                                 .pause = f->pause};
    f->hang = SIM_WORKER_FIRST + rng_below(&rng, sim->n_workers);
    f->hang_us = (alone ? 24 * 3600 : 100) * SECOND_US;
}

/* Endings have a stream of their own, too; half of the seeds stay as they were. */
static void draw_ending(struct sim *sim)
{
    struct rng rng = rng_stream(sim->seed, 4, 4, 0);
    struct sim_faults *f = &sim->faults;
    if (rng_below(&rng, 2))
        return;
    f->ending = (enum sim_ending)(1 + rng_below(&rng, SIM_ENDINGS - 1));
    f->task_us = f->task_us < 3 * SECOND_US ? f->task_us : 3 * SECOND_US; /* many rounds */
}

static void draw_audits(struct sim *sim)
{
    struct rng rng = rng_stream(sim->seed, 4, 5, 0);
    struct sim_faults *f = &sim->faults;
    if (rng_below(&rng, 3) > 0)
        return;
    f->audit = rng_below(&rng, EVERYTHING / 2);
    f->deviate = rng_below(&rng, 2) ? rng_below(&rng, EVERYTHING) : 0;
}

/* ---- events ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->sequence < b->sequence;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event t = *a;
    *a = *b;
    *b = t;
}

static void push(struct sim *sim, struct sim_event event)
{
    event.sequence = ++sim->sequence;
    mem_reserve(sim->events, sim->events_capacity, sim->n_events + 1);
    size_t i = sim->n_events++;
    sim->events[i] = event;
    for (; i > 0 && before(&sim->events[i], &sim->events[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&sim->events[i], &sim->events[(i - 1) / 2]);
}

static struct sim_event pop(struct sim *sim)
{
    struct sim_event first = sim->events[0];
    sim->events[0] = sim->events[--sim->n_events];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
            if (child < sim->n_events && before(&sim->events[child], &sim->events[least]))
                least = child;
        if (least == i)
            return first;
        swap(&sim->events[i], &sim->events[least]);
        i = least;
    }
}

void sim_at(struct sim *sim, uint64_t delay_us, enum sim_event_type type, uint32_t node)
{
    push(sim, (struct sim_event){.time_us = sim->now_us + delay_us,
                                 .type = type,
                                 .node = node,
                                 .generation = sim->nodes[node].generation});
}

void sim_plan(struct sim *sim, uint64_t delay_us, uint32_t node)
{
    sim_at(sim, delay_us, node == SIM_BROKER ? SIM_ROUND : SIM_STEP, node);
    sim->nodes[node].round = sim->sequence;
    sim->nodes[node].round_us = sim->now_us + delay_us;
}

/* ---- network ---- */

void sim_send(struct sim *sim, uint32_t from, uint32_t to, uint32_t to_generation,
              enum channel channel, struct span frame)
{
    struct rng *rng = &sim->rng;
    uint32_t copies = sim_chance(sim, rng, sim->faults.repeat) ? 2 : 1;
    if (sim->cut[from][to] || sim_chance(sim, rng, sim->faults.drop))
        return;
    for (uint32_t i = 0; i < copies; i++) {
        uint64_t delay_us = sim_between(rng, 100, 900);
        if (sim_chance(sim, rng, sim->faults.slow) || i > 0)
            delay_us += sim_between(rng, 1000, 4 * SECOND_US);
        struct sim_event event = {.time_us = sim->now_us + delay_us,
                                  .type = SIM_FRAME,
                                  .node = to,
                                  .generation = to_generation,
                                  .from = from,
                                  .from_generation = sim->nodes[from].generation,
                                  .channel = channel};
        buf_append(&event.frame, frame.data, frame.size);
        push(sim, event);
    }
}

/* Somebody is cut off from the broker for a while, in one direction or both. */
static void cut(struct sim *sim)
{
    struct rng *rng = &sim->rng;
    uint32_t node = SIM_CLIENT + rng_below(rng, sim->n_workers + 1);
    uint32_t how = rng_below(rng, 3);
    sim->cut[SIM_BROKER][node] = how != 0;
    sim->cut[node][SIM_BROKER] = how != 1;
    sim_tell(sim, "node %u is cut off: %s", node,
             how == 0   ? "cannot be heard"
             : how == 1 ? "cannot hear"
                        : "both ways");
    sim_at(sim, sim_between(rng, SECOND_US, 60 * SECOND_US), SIM_HEAL, node);
}

static void heal(struct sim *sim, uint32_t node)
{
    sim->cut[SIM_BROKER][node] = sim->cut[node][SIM_BROKER] = false;
    sim_tell(sim, "node %u is reached again", node);
}

/* ---- processes ---- */

static void again(struct sim *sim, uint32_t mean_s, enum sim_event_type type, uint32_t node)
{
    if (mean_s > 0)
        sim_at(sim, sim_between(&sim->rng, 0, 2 * (uint64_t)mean_s * SECOND_US), type, node);
}

static void start(struct sim *sim, uint32_t node)
{
    if (sim->nodes[node].up)
        return;
    sim->nodes[node].up = true;
    sim->nodes[node].generation++;
    sim_tell(sim, "node %u starts, process %u", node, sim->nodes[node].generation);
    if (node == SIM_BROKER)
        sim_broker_start(sim);
    else if (node >= SIM_WORKER_FIRST)
        sim_worker_start(sim->workers[node - SIM_WORKER_FIRST]);
    else
        sim_plan(sim, 0, node);
}

static void crash(struct sim *sim, uint32_t node)
{
    if (!sim->nodes[node].up)
        return;
    sim->nodes[node].up = false;
    sim_tell(sim, "node %u is killed", node);
    if (node == SIM_BROKER)
        sim_broker_crash(sim);
    else
        sim_worker_crash(sim->workers[node - SIM_WORKER_FIRST]);
    sim_at(sim, sim_between(&sim->rng, 1000, 20 * SECOND_US), SIM_START, node);
}

/* The broker's process ended by itself or was killed in the middle of a round. */
static void bury_broker(struct sim *sim)
{
    if (sim->nodes[SIM_BROKER].up && (sim->dying || sim->shell->fatal.code)) {
        if (sim->shell->fatal.code)
            sim_tell(sim, "the broker gives up: %s", sim->shell->fatal.text);
        crash(sim, SIM_BROKER);
    }
}

static void fault(struct sim *sim, const struct sim_event *event)
{
    if (sim_is_calm(sim))
        return;
    if (event->type == SIM_CUT) {
        cut(sim);
        again(sim, sim->faults.partition_s, SIM_CUT, 0);
    } else if (event->type == SIM_SLEEP) {
        uint64_t most_us = (event->node == SIM_BROKER ? 6 : 90) * SECOND_US;
        uint64_t nap_us = sim_between(&sim->rng, SECOND_US, most_us);
        sim->nodes[event->node].asleep_us = sim->now_us + nap_us;
        sim_tell(sim, "node %u sleeps for %.1f s", event->node, (double)nap_us * 1e-6);
        again(sim, sim->faults.worker_sleep_s, SIM_SLEEP, event->node);
    } else {
        crash(sim, event->node);
        again(sim,
              event->node == SIM_BROKER ? sim->faults.broker_crash_s
                                        : sim->faults.worker_crash_s,
              SIM_CRASH, event->node);
    }
}

static void deliver(struct sim *sim, struct sim_event *event)
{
    const struct sim_node *node = &sim->nodes[event->node];
    bool same = event->node == SIM_BROKER || event->generation == node->generation;
    if (!node->up || !same)
        return;                          /* its process is no more */
    if (node->asleep_us > sim->now_us) { /* waits in the kernel's buffers */
        struct sim_event later = *event;
        later.time_us = node->asleep_us + 1;
        event->frame = (struct buf){0};
        push(sim, later);
    } else if (event->node == SIM_BROKER) {
        sim_broker_frame(sim, event);
    } else if (event->node == SIM_CLIENT) {
        sim_client_frame(sim->client, buf_span(&event->frame));
    } else {
        sim_worker_frame(sim->workers[event->node - SIM_WORKER_FIRST], buf_span(&event->frame));
    }
}

static void step(struct sim *sim, const struct sim_event *event)
{
    const struct sim_node *node = &sim->nodes[event->node];
    if (!node->up || event->sequence != node->round)
        return;
    if (node->asleep_us > sim->now_us)
        sim_plan(sim, node->asleep_us - sim->now_us, event->node);
    else if (event->node == SIM_BROKER)
        sim_broker_round(sim);
    else if (event->node == SIM_CLIENT)
        sim_client_step(sim->client);
    else
        sim_worker_step(sim->workers[event->node - SIM_WORKER_FIRST]);
}

static void handle(struct sim *sim, struct sim_event *event)
{
    switch (event->type) {
    case SIM_FRAME:
        deliver(sim, event);
        break;
    case SIM_ROUND:
    case SIM_STEP:
        step(sim, event);
        break;
    case SIM_START:
        start(sim, event->node);
        break;
    case SIM_HEAL:
        heal(sim, event->node);
        break;
    case SIM_CRASH:
    case SIM_SLEEP:
    case SIM_CUT:
        fault(sim, event);
        break;
    }
    bury_broker(sim);
}

/* ---- a life ---- */

void sim_init(struct sim *sim, uint64_t seed, bool tracing)
{
    *sim = (struct sim){.seed = seed,
                        .rng = rng_stream(seed, 0, 0, 0),
                        .tracing = tracing,
                        .story = UINT64_C(14695981039346656037)};
    draw_faults(sim);
    sim->n_workers = 1 + rng_below(&sim->rng, SIM_WORKERS_MAX);
    draw_wishes(sim);
    draw_hang(sim);
    draw_ending(sim);
    draw_audits(sim);
    sim->options = (struct broker_options){
        .store = "simulated",
        .verbosity = -1,
        .limits = {.race_ms = SIM_RACE_MS, .near_bytes = SIM_NEAR_BYTES}};
    sim->disk = sim_disk_new(sim);
    sim->client = sim_client_new(sim);
    sim->checks = sim_checks_new(sim);
    for (uint32_t w = 0; w < sim->n_workers; w++)
        sim->workers[w] = sim_worker_new(sim, SIM_WORKER_FIRST + w);
    for (uint32_t node = 0; node < SIM_WORKER_FIRST + sim->n_workers; node++) {
        sim_at(sim, sim_between(&sim->rng, 0, 3 * SECOND_US), SIM_START, node);
        if (node >= SIM_WORKER_FIRST) {
            again(sim, sim->faults.worker_crash_s, SIM_CRASH, node);
            again(sim, sim->faults.worker_sleep_s, SIM_SLEEP, node);
        }
    }
    again(sim, sim->faults.broker_crash_s, SIM_CRASH, SIM_BROKER);
    again(sim, sim->faults.worker_sleep_s, SIM_SLEEP, SIM_BROKER);
    again(sim, sim->faults.partition_s, SIM_CUT, SIM_BROKER);
}

void sim_done(struct sim *sim)
{
    shell_free(sim->shell);
    for (size_t i = 0; i < sim->n_events; i++)
        buf_done(&sim->events[i].frame);
    free(sim->events);
    for (size_t i = 0; i < sim->n_inbox; i++)
        buf_done(&sim->inbox[i].frame);
    free(sim->inbox);
    for (uint32_t w = 0; w < sim->n_workers; w++)
        sim_worker_free(sim->workers[w]);
    sim_client_free(sim->client);
    sim_checks_free(sim->checks);
    sim_disk_free(sim->disk);
    *sim = (struct sim){0};
}

int sim_run(struct sim *sim)
{
    while (!sim->failed && !sim->over) {
        if (sim->n_events == 0 || ++sim->steps > STEPS_MAX) {
            sim_fail(sim, "nothing more happens, and the campaign is not over");
            break;
        }
        struct sim_event event = pop(sim);
        sim->now_us = event.time_us;
        if (sim->now_us > sim->faults.end_us + HEAL_LIMIT_US)
            sim_fail(sim, "the campaign did not end within %llu minutes after the last fault",
                     (unsigned long long)(HEAL_LIMIT_US / SECOND_US / 60));
        else
            handle(sim, &event);
        buf_done(&event.frame);
    }
    if (!sim->failed)
        sim_check_end(sim);
    sim_tell(sim, "the end after %llu steps", (unsigned long long)sim->steps);
    return sim->failed ? -1 : 0;
}
