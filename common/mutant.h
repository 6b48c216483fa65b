/* Bugs on purpose, for the simulator alone (build/sim --mutants): real bugs of job systems, each
 * put back at the place where it would stand in ours. The simulator must notice every one of
 * them; one that it does not notice is a hole in its faults or its checks. Other programs are
 * built without WYCKMILL_MUTANTS, and there MUTANT(...) is the constant 0. */
#ifndef WYCKMILL_COMMON_MUTANT_H
#define WYCKMILL_COMMON_MUTANT_H

/* X(name, what it does, where it was seen) */
/* clang-format off */
#define MUTANT_LIST(X)                                                                         \
    X(ACK_BEFORE_SYNC, "results are acknowledged before the commit", "NATS JetStream 2.12.1 (Jepsen), beanstalkd -f50") \
    X(SUBMIT_BEFORE_SYNC, "a campaign is acknowledged before the commit", "HyperQueue: seconds of journal lost") \
    X(COMMIT_ERROR_IGNORED, "a commit that failed counts as done", "beanstalkd#477") \
    X(LEASE_NEVER_ENDS, "leases of silent workers are not returned", "Fireworks lost runs") \
    X(LATE_RESULT_AGAIN, "a late result of a finished task is written again", "aiida-core#4598") \
    X(RESULT_WHILE_PERSISTING, "a second result is written while the first is on its way", "aiida-core#3973") \
    X(LEASE_SENT_ONCE, "a lease that the network lost is not repeated", "libzmq#2037") \
    X(POISON_FOR_EVER, "crashes are not counted: a bad task is tried for ever", "hyperqueue#306") \
    X(LOST_IS_CRASH, "a lost worker counts as a crash of the task", "Dask KilledWorker") \
    X(REJECTED_FORGOTTEN, "a result that cannot be kept is dropped without a word", "taskvine#3763") \
    X(OUTPUTS_UNCHECKED, "a result is written though its outputs are not there", "flux-core#6718") \
    X(UPLOAD_UNHASHED, "an upload counts though its bytes are not what it is named after", "bazel-remote: CAS without validation") \
    X(CACHE_HIT_WITHOUT_BLOB, "a cached result counts though its outputs are gone", "bazel#10880") \
    X(SOURCES_UNCHECKED, "a campaign is taken though its data are not there", "flux-core#6236") \
    X(SEQUENCE_REUSED, "the journal writes over its last row", "HyperQueue#742") \
    X(CHECKSUM_IGNORED, "damage in the middle of the journal is read as data", "HyperQueue#1059") \
    X(HEARTBEAT_IGNORED, "heartbeats do not renew leases", "taskvine#4323") \
    X(BACKOFF_FOR_EVER, "a task in backoff is never ready again", "fireworks detect_lostruns") \
    X(CACHED_NOT_FED, "a result found in the store does not reach the plan", "jobflow-remote#118") \
    X(STRANGER_IGNORED, "a worker that the broker does not know is not told so", "jeromq#775") \
    X(SILENT_FOR_EVER, "a worker that was silent once gets no more work", "taskvine: dropped though healthy") \
    X(GC_WITHOUT_REFRESH, "an object that is stored again stays as old as it was", "flux-core kvs_gc, the hazard of deduplication") \
    X(GC_IGNORES_LEASES, "gc does not look at tasks without a result", "flux-core: private namespaces in no checkpoint") \
    X(GC_IGNORES_UPLOADS, "gc frees what was uploaded and is in no result yet", "bazel#18696") \
    X(GC_RESULT_WITHOUT_OUTPUT, "gc frees an output and keeps the result as it is", "bazel#10880, bazel#12423") \
    X(EVENTS_BEFORE_SYNC, "events are told before the commit", "our own rule: what was told stays") \
    X(PAUSE_FORGOTTEN, "a paused campaign runs on after a restart of the broker", "our own rule: what an operator said is durable") \
    X(HOLD_LEAKS, "a held task whose worker was lost is leased again", "our own rule: paused is paused") \
    X(RELEASE_FORGETS, "resumed tasks stay held", "our own rule: resumed is resumed") \
    X(CRASH_STAYS, "a crashed task goes back to the worker that it crashed on", "a bad host eats the queue: HTCondor black hole") \
    X(SICK_WORKER_KEPT, "a worker on which everything crashes keeps getting tasks", "a bad host eats the queue: HTCondor black hole")
/* clang-format on */

enum mutant {
    MUTANT_NONE,
#define X(name, what, seen) MUTANT_##name,
    MUTANT_LIST(X)
#undef X
    MUTANT_COUNT
};

#ifdef WYCKMILL_MUTANTS
extern enum mutant mutant_active;
#define MUTANT(name) (mutant_active == MUTANT_##name)
#else
#define MUTANT(name) 0
#endif

#endif
