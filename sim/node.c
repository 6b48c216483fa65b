/* The broker's process in the simulator: the real shell over simulated ports. */
#include "sim/sim.h"

#include "common/mem.h"

#include <stdlib.h>

enum { UNIX_BEGIN_S = 1700000000, ROUND_US = 500, WAIT_MS_MAX = 1000 };

static void peer_encode(uint32_t node, uint32_t generation, uint8_t ret[SIM_PEER_SIZE])
{
    memcpy(ret, &node, 4);
    memcpy(ret + 4, &generation, 4);
}

static enum sent port_send(void *context, enum channel channel, struct span peer,
                           struct span frame)
{
    struct sim *sim = context;
    uint32_t node, generation;
    if (peer.size != SIM_PEER_SIZE)
        return SEND_NEVER;
    memcpy(&node, peer.data, 4);
    memcpy(&generation, peer.data + 4, 4);
    if (sim->dying)
        return SENT;
    if (node >= SIM_NODES || !sim->nodes[node].up || sim->nodes[node].generation != generation)
        return (sim->seed + node + generation) % 2 ? SEND_NEVER /* its host says so */
                                                   : SENT;      /* its host vanished, too */
    sim_check_sent(sim, node, frame);
    if (sim->faults.broker_crash_s > 0 && sim_chance(sim, &sim->rng, 60)) {
        sim_tell(sim, "killed between two frames");
        sim->dying = true;
    }
    sim_send(sim, SIM_BROKER, node, generation, channel, frame);
    return SENT;
}

static uint64_t port_clock_us(void *context)
{
    return ((const struct sim *)context)->now_us;
}

static uint64_t port_unix_ms(void *context)
{
    const struct sim *sim = context;
    return UINT64_C(1000) * UNIX_BEGIN_S + sim->now_us / 1000;
}

static void port_log(void *context, const char *line)
{
    sim_tell(context, "broker says: %s", line);
}

/* What an operator does who was told of damage: fsck --repair. */
static void repair(struct sim *sim, struct store *store)
{
    uint64_t dropped = 0;
    struct err err;
    if (store_rebuild(store, &dropped, &err))
        sim_tell(sim, "repair fails: %s", err.text);
    else
        sim->rotten = false;
    sim_tell(sim, "repaired, %llu rows and refs given up", (unsigned long long)dropped);
}

void sim_broker_start(struct sim *sim)
{
    const struct ports ports = {.context = sim,
                                .send = port_send,
                                .unix_ms = port_unix_ms,
                                .clock_us = port_clock_us,
                                .log = port_log};
    struct store *store = NULL;
    struct rng rng = rng_stream(sim->seed, 2, sim->nodes[SIM_BROKER].generation, 0);
    uint64_t epoch = (uint64_t)rng_u32(&rng) << 32 | rng_u32(&rng);
    struct err err = {0};
    int rc = store_from_backend(sim_disk_backend(sim->disk), STORE_WRITE, &store, &err);
    if (rc == 0 && sim->rotten) {
        repair(sim, store);
        sim_check_restart(sim);
    }
    if (rc == 0 && sim->rotten) {
        store_close(store);
        rc = ERR_IO;
    }
    if (rc == 0)
        rc = shell_new(&sim->options, store, epoch, &ports, &sim->shell, &err);
    if (rc) {
        sim_tell(sim, "the broker does not start: %s", err.text);
        sim->nodes[SIM_BROKER].up = false;
        sim_broker_crash(sim);
        sim_at(sim, 2000000, SIM_START, SIM_BROKER);
        return;
    }
    sim->shell_begin_us = sim->now_us;
    sim->dying = false;
    sim_check_restart(sim);
    sim_plan(sim, 0, SIM_BROKER);
}

void sim_broker_crash(struct sim *sim)
{
    struct rng rng = rng_stream(sim->seed, 3, sim->nodes[SIM_BROKER].generation, 0);
    shell_free(sim->shell);
    sim->shell = NULL;
    sim->dying = false;
    sim_disk_crash(sim->disk);
    for (size_t i = 0; i < sim->n_inbox; i++)
        buf_done(&sim->inbox[i].frame);
    sim->n_inbox = 0;
    if (sim_chance(sim, &rng, sim->faults.rot)) {
        sim_disk_rot(sim->disk, &rng);
        sim->rotten = true;
    }
}

void sim_broker_frame(struct sim *sim, const struct sim_event *event)
{
    mem_reserve(sim->inbox, sim->inbox_capacity, sim->n_inbox + 1);
    struct sim_inbox *item = &sim->inbox[sim->n_inbox++];
    *item = (struct sim_inbox){.channel = event->channel};
    peer_encode(event->from, event->from_generation, item->peer);
    buf_append(&item->frame, event->frame.data, event->frame.size);
    if (sim->nodes[SIM_BROKER].round_us > sim->now_us + ROUND_US)
        sim_plan(sim, ROUND_US, SIM_BROKER);
}

void sim_broker_round(struct sim *sim)
{
    shell_begin_round(sim->shell, (sim->now_us - sim->shell_begin_us) / 1000);
    for (size_t i = 0; i < sim->n_inbox; i++) {
        struct sim_inbox *item = &sim->inbox[i];
        if (!sim->dying)
            shell_receive(sim->shell, item->channel, (struct span){item->peer, SIM_PEER_SIZE},
                          "", buf_span(&item->frame));
        buf_done(&item->frame);
    }
    sim->n_inbox = 0;
    uint64_t wait_ms = sim->dying ? 0 : shell_end_round(sim->shell);
    wait_ms = wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX;
    sim_plan(sim, wait_ms ? wait_ms * 1000 : ROUND_US, SIM_BROKER);
}
