/* The simulator: the broker's own code (core, planners, shell, store) with an invented world
 * around it: a virtual clock, a network that loses, repeats, reorders and delays, workers that
 * crash, sleep, come back and lie, and a disk that forgets what was not synced and fails on the
 * n-th call. One process, one thread, one seed: the same seed is the same story, bit for bit.
 *
 * After every step the promises are checked (check.c); after the faults stop everything must
 * end in bounded time with the result of an undisturbed run. */
#ifndef WYCKMILL_SIM_SIM_H
#define WYCKMILL_SIM_SIM_H

#include "broker/shell.h"
#include "common/rng.h"
#include "store/backend.h"

enum {
    SIM_WORKERS_MAX = 5,
    SIM_NODES = 2 + SIM_WORKERS_MAX, /* broker, client, workers */
    SIM_BROKER = 0,
    SIM_CLIENT = 1,
    SIM_WORKER_FIRST = 2,
    SIM_PART_BYTES = 96, /* objects travel in parts of this size: several each */
    SIM_PEER_SIZE = 8,
    SIM_MEMORY = 1024,    /* bytes, of the largest worker */
    SIM_NEAR_BYTES = 100, /* so that most objects count */
    SIM_RACE_MS = 300,    /* unknown kinds are raced after 1800 times that: 9 minutes */
};

/* How the campaign of this seed ends; but for the first it has no limit of rounds. */
enum sim_ending {
    SIM_ENDS_FOUND,  /* candidates or rounds_max */
    SIM_ENDS_RULE,   /* stop.meeting or stop.rounds_without */
    SIM_ENDS_TASKS,  /* budget.tasks */
    SIM_ENDS_TIME,   /* budget.slot_hours */
    SIM_ENDS_CANCEL, /* the client cancels it */
    SIM_ENDINGS
};

/* What may go wrong in this seed; all zero in a calm one. Probabilities per 65536. */
struct sim_faults {
    uint32_t drop, repeat, slow; /* of a frame */
    uint32_t worker_crash_s;     /* mean time between, virtual seconds; 0: never */
    uint32_t worker_sleep_s;     /* likewise: stops for a while, all clocks but its own go on */
    uint32_t broker_crash_s;
    uint32_t partition_s;
    uint32_t disk;                   /* of a write or commit */
    uint32_t slot_crash, slot_error; /* of a run of a task */
    uint32_t lie;           /* of a run: wrong bytes, missing outputs, foreign results */
    uint32_t sick;          /* node of a worker on which everything crashes; 0: none */
    uint32_t hang;          /* node of a worker that lives, but whose tasks may hang; 0: none */
    uint64_t hang_us;       /* for so long */
    uint32_t audit;         /* of a step of the client: it asks for an audit */
    uint32_t deviate;       /* of a run for an audit: another result comes out */
    bool pause;             /* the client pauses the campaign for a while */
    enum sim_ending ending; /* no fault */
    uint32_t rot;           /* of a broker crash: one row of the journal is damaged */
    uint64_t task_us;       /* longest run of a task; no fault */
    bool needs;             /* tasks need memory and tags, of which workers have more or less */
    uint64_t grace_ms;      /* of gc: longer than anybody holds an upload */
    bool eager;             /* gc again and again */
    uint64_t end_us;        /* from then on nothing goes wrong any more */
};

enum sim_event_type {
    SIM_FRAME, /* arrives at `node` */
    SIM_ROUND, /* of the broker */
    SIM_STEP,  /* of a worker or the client */
    SIM_START, /* the node's process begins */
    SIM_CRASH, /* the node's process dies */
    SIM_SLEEP, /* a worker stops for a while */
    SIM_CUT,   /* a partition begins */
    SIM_HEAL,  /* and ends */
};

struct sim_event {
    uint64_t time_us, sequence;
    enum sim_event_type type;
    uint32_t node, generation; /* to whom; of which process */
    uint32_t from, from_generation;
    enum channel channel;
    struct buf frame;
};

struct sim_node {
    bool up;
    uint32_t generation;      /* of its process: raised at every start */
    uint64_t asleep_us;       /* until then */
    uint64_t round, round_us; /* the next ROUND or STEP that counts: its sequence and time */
};

/* A frame that waits for the broker's next round. */
struct sim_inbox {
    enum channel channel;
    uint8_t peer[SIM_PEER_SIZE];
    struct buf frame;
};

struct sim_disk;
struct sim_worker;
struct sim_client;
struct sim_checks;

struct sim {
    uint64_t seed, now_us, sequence;
    struct rng rng; /* of the world; what nodes decide comes from streams of their own */
    struct sim_faults faults;
    struct sim_event *events; /* heap by (time, sequence) */
    size_t n_events, events_capacity;
    struct sim_node nodes[SIM_NODES];
    uint32_t n_workers;
    bool cut[SIM_NODES][SIM_NODES]; /* [from][to]: frames vanish */

    struct sim_disk *disk;
    struct shell *shell; /* NULL while the broker is down */
    struct broker_options options;
    uint64_t shell_begin_us;
    struct sim_inbox *inbox; /* frames for the next round */
    size_t n_inbox, inbox_capacity;
    bool dying;  /* the broker dies at the end of this round; nothing it says gets out */
    bool full;   /* the disk has no space until the broker has been down once */
    bool rotten; /* a row was damaged: repair before the next start */

    struct sim_worker *workers[SIM_WORKERS_MAX];
    struct sim_client *client;
    struct sim_checks *checks;

    bool over;   /* the client has seen the campaign end */
    bool failed; /* a promise was broken */
    char why[400];
    bool tracing;   /* print the story */
    uint64_t story; /* hash of it: equal for equal stories */
    uint64_t steps;
};

/* ---- world.c ---- */
void sim_init(struct sim *sim, uint64_t seed, bool tracing);
void sim_done(struct sim *sim);
/* Runs to the end: 0, or -1 with sim->why. */
int sim_run(struct sim *sim);
void sim_tell(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_chance(struct sim *sim, struct rng *rng,
                uint32_t per_65536); /* false when calm again */
void sim_at(struct sim *sim, uint64_t delay_us, enum sim_event_type type, uint32_t node);
/* The next ROUND or STEP of the node, in place of the one planned. */
void sim_plan(struct sim *sim, uint64_t delay_us, uint32_t node);
/* Into the network. */
void sim_send(struct sim *sim, uint32_t from, uint32_t to, uint32_t to_generation,
              enum channel channel, struct span frame);
bool sim_is_calm(const struct sim *sim);
/* Does the broker know the same workers from the beginning to the end, as far as faults go? */
bool sim_is_steady(const struct sim *sim);
/* Uniform in low..high. */
uint64_t sim_between(struct rng *rng, uint64_t low, uint64_t high);

/* ---- disk.c: a backend in memory that outlives its broker ---- */
struct sim_disk *sim_disk_new(struct sim *sim);
void sim_disk_free(struct sim_disk *disk);
struct backend *sim_disk_backend(struct sim_disk *disk); /* as it is after a start */
/* The process died: what was not committed is gone. */
void sim_disk_crash(struct sim_disk *disk);
/* Damage a row of the journal. */
void sim_disk_rot(struct sim_disk *disk, struct rng *rng);
/* Is the pair there, and committed? */
bool sim_disk_is_durable(struct sim_disk *disk, enum table table, struct span key);

/* ---- node.c: the broker's process ---- */
void sim_broker_start(struct sim *sim);
void sim_broker_crash(struct sim *sim);
void sim_broker_frame(struct sim *sim, const struct sim_event *event);
void sim_broker_round(struct sim *sim);

/* ---- worker.c ---- */
struct sim_worker *sim_worker_new(struct sim *sim, uint32_t node);
void sim_worker_free(struct sim_worker *worker);
void sim_worker_start(struct sim_worker *worker);
void sim_worker_crash(struct sim_worker *worker);
void sim_worker_frame(struct sim_worker *worker, struct span frame);
void sim_worker_step(struct sim_worker *worker);
/* What it has for its tasks, and a tag of a kind of tasks. */
uint64_t sim_worker_memory(const struct sim_worker *worker);
bool sim_worker_has_tag(const struct sim_worker *worker, const char *tag);

/* ---- client.c: submits one campaign, watches it and reads the event log ---- */
struct sim_client *sim_client_new(struct sim *sim);
void sim_client_free(struct sim_client *client);
void sim_client_frame(struct sim_client *client, struct span frame);
void sim_client_step(struct sim_client *client);
struct hash sim_client_campaign_id(const struct sim_client *client);
const struct campaign *sim_client_campaign(const struct sim_client *client);
/* Tasks before the first round; of a round with all its batches. */
uint32_t sim_client_first_tasks(const struct sim_client *client);
uint32_t sim_client_round_tasks(const struct sim_client *client);
/* The broker said that the campaign is paused, and resuming was not asked for yet. */
bool sim_client_has_paused(const struct sim_client *client);
/* The beginning of the event log, as the broker told it. */
struct span sim_client_heard(const struct sim_client *client);

/* ---- truth.c: what every task of the campaign gives ---- */
/* Pure functions of the action. Caller owns the result and the bytes. */
void sim_truth(const struct action *action, const struct hash *id, struct result *ret);
void sim_truth_output(const struct hash *action, uint32_t index, const char *kind,
                      struct buf *ret);
/* Does every run of this task crash, or say an error? */
bool sim_truth_is_poison(const struct sim *sim, const struct hash *action);

/* ---- check.c ---- */
struct sim_checks *sim_checks_new(struct sim *sim);
void sim_checks_free(struct sim_checks *checks);
/* A worker offers a result, which is not the true one when it `deviates`. */
void sim_check_offered(struct sim *sim, const struct message_outcome *outcome, bool deviates);
void sim_check_sent(struct sim *sim, uint32_t to, struct span frame); /* by the broker */
/* A result goes from uncommitted to committed, or a committed row is overwritten. */
void sim_check_commit(struct sim *sim, enum table table, struct span key, bool existed,
                      struct span before, struct span after);
void sim_check_restart(struct sim *sim);
void sim_check_end(struct sim *sim);

#endif
