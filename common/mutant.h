/* Bugs on purpose, for the simulator alone (build/sim --mutants): real bugs of job systems,
 * each put back at the place where it would stand in ours. The simulator must notice every one
 * of them; one that it does not notice is a hole in its faults or its checks. Other programs
 * are built without WYCKMILL_MUTANTS, and there MUTANT(...) is the constant 0. */
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
    X(SICK_WORKER_KEPT, "a worker on which everything crashes keeps getting tasks", "a bad host eats the queue: HTCondor black hole") \
    X(NEVER_RACED, "a task that hangs on a worker that is alive is waited for", "taskvine#4007, #350: hours behind one straggler") \
    X(RACE_EARLY, "attempts are raced though they take no longer than others", "celery#5935: a second copy of every long task") \
    X(RACE_AT_HOME, "a rival runs on the worker of the attempt that it races", "our own rule: a rival is somebody else") \
    X(RACE_OF_MANY, "a task that is raced gets another rival, and another", "celery#5306: copies of copies") \
    X(RACE_OF_HELD, "a task of a paused campaign gets a rival", "our own rule: paused is paused") \
    X(GC_FORGETS_TABLE, "gc frees the last table of a campaign that goes on", "our own rule: what the next round needs stays") \
    X(ROUNDS_KEPT, "rounds that are over are not forgotten", "our own rule: memory follows what is open") \
    X(BUDGET_BY_TASK, "a round is begun when one of its tasks can be paid", "our own rule: a budget is a promise") \
    X(ACCOUNT_FORGOTTEN, "a restarted broker does not know what was spent", "our own rule: a budget is a promise") \
    X(MARK_AHEAD, "a mark counts a round that only begins", "our own rule: a mark is what a replay would give") \
    X(PAID_LATER, "what a result cost is committed after it", "our own rule: a budget is a promise") \
    X(AUDIT_BLIND, "an audit compares nothing", "our own rule: a recomputation is a proof") \
    X(AUDIT_OLD_RESULT, "a result from before the audit counts as its recomputation", "our own rule: a recomputation is a proof") \
    X(MEMORY_OVERCOMMITTED, "a worker gets more tasks than fit into its memory", "Dask: all workers killed for memory") \
    X(TAGS_IGNORED, "a task goes to a worker without the tags that it needs", "our own rule: needs are met") \
    X(MEMORY_LEAKS, "the memory of a lease that ended stays taken", "our own rule: what ended is free again")
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
