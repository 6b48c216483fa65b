/* The truth: objects by SHA-256, results by action id, refs by name, and an append-only event
 * log. One writer process (the broker); two implementations behind one interface: LMDB and
 * memory.
 *
 * Writing is grouped: put, result, ref and log calls collect in one open write transaction that
 * nobody else sees; store_commit makes all of them durable with one fsync. What is read through
 * the same `struct store` sees its own uncommitted writes.
 *
 * LMDB layout: bytes go in under growing sequence keys (MDB_APPEND), in chunks; a small hash ->
 * sequence index follows. Every chunk row carries length and checksum, so that index and views
 * can be rebuilt from it. An open group is kept in memory, so commit large objects soon.
 * Thread: one thread per store. A child of fork must not use the store it inherited. */
#ifndef WYCKMILL_STORE_STORE_H
#define WYCKMILL_STORE_STORE_H

#include "proto/action.h"

#include <stdbool.h>

struct store;

enum store_mode {
    STORE_READ,  /* short bounded read transactions beside a writer; no lock taken */
    STORE_WRITE, /* sole writer: takes STORE/lock (ERR_BUSY names the holder's pid); creates it
                  */
};

enum {
    STORE_OBJECT_BYTES_MAX = 1 << 30,
    STORE_CHUNK_BYTES = 256 << 10, /* larger objects are chunked: LMDB fragments otherwise */
    STORE_REF_NAME_SIZE = 200,
};

/* Open the store in folder `path`. Errors: ERR_BUSY, ERR_IO, ERR_FULL, ERR_CORRUPT (format
 * version), ERR_UNSUPPORTED (remote file system), ERR_NOT_FOUND (STORE_READ and not there). */
int store_open(const char *path, enum store_mode mode, struct store **ret_store,
               struct err *err);
/* The same promises in memory (no durability), for tests and the simulator. */
struct store *store_open_memory(void);
/* Uncommitted writes are dropped. */
void store_close(struct store *store);
void store_close_ptr(struct store **store);

/* ---- objects ---- */
/* Storing the same bytes twice is a success, and makes the object young for gc. Errors:
 * ERR_FULL, ERR_IO, ERR_LIMIT. */
int store_put(struct store *store, const char *type, struct span bytes, struct hash *ret_id,
              struct err *err);
/* The same for who has hashed the bytes already, as they came: `id` must be the SHA-256 of
 * exactly these bytes. Nobody computes it again here; what is stored under a wrong name is
 * damage that store_get and fsck find. */
int store_put_hashed(struct store *store, const char *type, const struct hash *id,
                     struct span bytes, struct err *err);
bool store_has(struct store *store, const struct hash *id);
/* As if it had been stored again. Errors: ERR_NOT_FOUND, ERR_FULL, ERR_IO. */
int store_touch(struct store *store, const struct hash *id, struct err *err);
/* Did gc free this object, knowing that an action can make it again? Errors: ERR_NOT_FOUND, no;
 * ERR_CORRUPT. */
int store_pruned(struct store *store, const struct hash *id, struct hash *ret_action,
                 struct err *err);
/* Copy of the object's bytes, verified against `id`; what was in *ret_bytes is overwritten.
 * Errors: ERR_NOT_FOUND, ERR_CORRUPT. */
int store_get(struct store *store, const struct hash *id, struct buf *ret_bytes,
              struct err *err);

/* Is there any such object? */
bool store_has_pruned(struct store *store);

struct store_info {
    struct hash id;
    uint64_t size;
    char type[OBJECT_TYPE_SIZE];
};
int store_stat(struct store *store, const struct hash *id, struct store_info *ret,
               struct err *err);
/* Part of an object where it lies, without a copy: at most `size` bytes from `offset`, none
 * behind the end. `visit` gets a span for every row in turn, borrowed until it returns, and
 * must not call this store; it returns 0 to go on, else the walk ends with that value. The name
 * is not verified; `checked`: the checksums of the rows are. Errors: ERR_NOT_FOUND,
 * ERR_CORRUPT, ERR_IO. */
typedef int store_visit_part(void *context, struct span part);
int store_lend(struct store *store, const struct hash *id, uint64_t offset, size_t size,
               bool checked, store_visit_part *visit, void *context, struct err *err);

/* ---- results: blob before record ---- */
/* Errors: ERR_NOT_FOUND when an output is not in the store; ERR_CORRUPT when another result of
 * the same action is there and differs (the first one stays). Same result again: a success. */
int store_put_result(struct store *store, const struct result *result, struct err *err);
/* A hit only if the record decodes and all its outputs exist or were freed by gc, which keeps
 * the way to them (store_pruned); else ERR_NOT_FOUND. */
int store_get_result(struct store *store, const struct hash *action, struct result *ret,
                     struct err *err);

/* ---- refs: names for roots ("campaigns/demo"), printable, 1..199 bytes ---- */
/* Errors: ERR_INVALID (name), ERR_NOT_FOUND (no such object). */
int store_put_ref(struct store *store, const char *name, const struct hash *id,
                  struct err *err);
int store_get_ref(struct store *store, const char *name, struct hash *ret_id, struct err *err);
int store_delete_ref(struct store *store, const char *name, struct err *err);

/* ---- event log: attempts and quarantine; canonical msgpack maps, append only ---- */
/* Sequences grow, with gaps. Errors: ERR_CORRUPT (no canonical map), ERR_LIMIT (over 1 MiB). */
int store_append_event(struct store *store, struct span event, uint64_t *ret_sequence,
                       struct err *err);

/* ---- walking: `visit` returns 0 to go on, else the walk ends with that value ---- */
int store_each_object(struct store *store,
                      int (*visit)(void *context, const struct store_info *info), void *context,
                      struct err *err);
/* Those whose id begins with these hexadecimal digits. Errors: also ERR_INVALID (no digits). */
int store_each_object_like(struct store *store, const char *prefix,
                           int (*visit)(void *context, const struct store_info *info),
                           void *context, struct err *err);
int store_each_result(struct store *store,
                      int (*visit)(void *context, const struct result *result), void *context,
                      struct err *err);
int store_each_ref(struct store *store, const char *prefix,
                   int (*visit)(void *context, const char *name, const struct hash *id),
                   void *context, struct err *err);
int store_each_event(struct store *store, uint64_t from,
                     int (*visit)(void *context, uint64_t sequence, struct span event),
                     void *context, struct err *err);

/* All collected writes durable (one fsync). On failure none of them is there, what was
 * committed before is, and the store can be used on. A put that failed with ERR_FULL or ERR_IO
 * spoils its group: later ones and the commit give the same error. Errors: ERR_FULL, ERR_IO. A
 * program that lives under RLIMIT_FSIZE must ignore SIGXFSZ. */
int store_commit(struct store *store, struct err *err);
/* Drop the collected writes. */
void store_abort(struct store *store);

/* ---- fsck ---- */
struct store_check {
    uint64_t objects, bytes, results, refs, events;
    uint64_t
        damaged; /* objects whose bytes do not match their name, rows with a bad checksum */
    uint64_t dangling; /* results or refs that name a missing object */
    uint64_t pruned;   /* objects that gc freed and an action can make again */
};
/* Re-hash every object, check every result and ref. `complain` gets one sentence per finding.
 * All of it is about one moment, also beside a writer, whose freed pages are not used again
 * until the check is over. Errors only when the store cannot be read at all. */
int store_fsck(struct store *store, void (*complain)(void *context, const char *sentence),
               void *context, struct store_check *ret, struct err *err);

/* Make all views again from the journal, drop damaged rows and what names a missing object, and
 * commit: afterwards fsck is clean, and what was dropped can be computed and stored again.
 * *ret_dropped: rows and refs given up. An open group is committed first. */
int store_rebuild(struct store *store, uint64_t *ret_dropped, struct err *err);

/* ---- garbage: mark, then sweep in steps, beside the store's ordinary work ----
 *
 * What is younger than the horizon (a sequence) stays, whoever wants it; everything else stays
 * when it was marked. New results and refs make what they name young, so between begin and end
 * the store may be read and written as always; only names that came to life again in some other
 * way (an old result that a new campaign finds) ask for a new beginning. One at a time. */
struct store_gc;

/* The sequence that the next row gets: the horizon of now. */
uint64_t store_sequence(struct store *store);
/* `dry`: only count. Errors: ERR_BUSY, ERR_FULL, ERR_IO. */
int store_gc_begin(struct store *store, uint64_t horizon, bool dry, struct store_gc **ret_gc,
                   struct err *err);
void store_gc_keep(struct store_gc *gc, const struct hash *object);
void store_gc_keep_result(struct store_gc *gc, const struct hash *action);
/* Was the object marked? */
bool store_gc_kept(const struct store_gc *gc, const struct hash *object);
/* Its age for gc: the sequence of its first row, or of the last time that it was stored again
 * or named by a new result or ref. Errors: ERR_NOT_FOUND. */
int store_age(struct store *store, const struct hash *id, uint64_t *ret_sequence,
              struct err *err);
/* `object`, an output of `action` whose result is kept, may go all the same, unless it is kept
 * for another reason: the store then remembers how it is made (store_pruned). It stays when the
 * action itself is not in the store. */
void store_gc_prune(struct store_gc *gc, const struct hash *object, const struct hash *action);

struct store_gc_counts {
    uint64_t objects, bytes, results;                   /* that stay */
    uint64_t freed_objects, freed_bytes, freed_results; /* or would be */
    uint64_t pruned; /* of the freed objects: those that can be made again */
};
/* Sweep on, with at most about `work` looks at rows (an object is freed as a whole). Results go
 * before objects. The caller commits. Errors: those of writing; the gc can only be ended. */
int store_gc_sweep(struct store_gc *gc, uint32_t work, bool *ret_over, struct err *err);
void store_gc_counts(const struct store_gc *gc, struct store_gc_counts *ret);
/* Accepts NULL; before or after the sweep is over. Before store_close. */
void store_gc_end(struct store_gc *gc);

/* ---- copies ---- */
/* Hot copy of what is committed, without free space, as a store in the new or empty folder
 * `path`, durable on return. Beside a writer as well. Errors: ERR_BUSY (a store is there),
 * ERR_FULL, ERR_IO, ERR_UNSUPPORTED. */
int store_backup(struct store *store, const char *path, struct err *err);
/* Give free space back to the file system: the store is written anew beside itself and takes
 * its own place, at once or not at all. Nobody else may have it open. *ret_before, *ret_after:
 * bytes of the file. Errors: ERR_BUSY, ERR_FULL (both must fit), ERR_IO, ERR_NOT_FOUND. */
int store_compact(const char *path, uint64_t *ret_before, uint64_t *ret_after, struct err *err);

#endif
