/* What the store needs below it: a few ordered tables, one write group at a time, and bytes
 * that stay readable for a moment. Two implementations: LMDB (store_lmdb.c) and memory
 * (store_memory.c). Inside store/ only.
 *
 * Keys are compared byte by byte. A span returned by get, seek or last is borrowed until the
 * next call of `put`, `erase`, `commit`, `abort` or `rest`. Reads see the open group. */
#ifndef WYCKMILL_STORE_BACKEND_H
#define WYCKMILL_STORE_BACKEND_H

#include "store/store.h"

enum table {
    TABLE_META,    /* text -> format and version of the store */
    TABLE_JOURNAL, /* sequence -> row (row.h): the truth, append only */
    /* views, made from the journal by view_row (views.c) */
    TABLE_OBJECTS, /* id -> sequence of the first row, size, type */
    TABLE_RESULTS, /* action id -> sequence */
    TABLE_REFS,    /* name -> id */
    TABLE_EVENTS,  /* sequence -> nothing */
    TABLE_PRUNED,  /* id of an object that gc freed -> sequence, action that makes it again */
    /* of this machine alone, not in the journal */
    TABLE_TOUCHED, /* id -> sequence at which it was stored or wanted again */
    TABLE_COUNT
};

struct backend {
    const struct backend_ops *ops;
};

struct backend_ops {
    /* Open the write group; nothing when it is open. */
    int (*begin)(struct backend *backend, struct err *err);
    /* Make the group durable; on failure none of it is there. The group is closed either way.
     */
    int (*commit)(struct backend *backend, struct err *err);
    void (*abort)(struct backend *backend);
    /* ERR_NOT_FOUND comes without a sentence: a miss is no error to most callers. */
    int (*get)(struct backend *backend, enum table table, struct span key, struct span *ret,
               struct err *err);
    /* First pair with a key >= `key`, or > `key` when `after`. ERR_NOT_FOUND as in get. */
    int (*seek)(struct backend *backend, enum table table, struct span key, bool after,
                struct span *ret_key, struct span *ret_value, struct err *err);
    /* Largest key. ERR_NOT_FOUND as in get. */
    int (*last)(struct backend *backend, enum table table, struct span *ret_key,
                struct err *err);
    /* Insert or replace; the value is `parts` in a row. `append`: the key is larger than every
     * other. The group must be open. */
    int (*put)(struct backend *backend, enum table table, struct span key,
               const struct span *parts, size_t n_parts, bool append, struct err *err);
    /* ERR_NOT_FOUND as in get. The group must be open. */
    int (*erase)(struct backend *backend, enum table table, struct span key, struct err *err);
    /* Forget everything in the table. The group must be open. */
    int (*clear)(struct backend *backend, enum table table, struct err *err);
    /* The caller is done with borrowed spans: ends the short read transaction. */
    void (*rest)(struct backend *backend);
    /* Between `hold` true and false every read sees the same moment, whatever other processes
     * commit, and rest() ends nothing: pages that are freed meanwhile are not used again. */
    void (*hold)(struct backend *backend, bool hold);
    /* Copy of what is committed, without the free pages, as FOLDER/data.mdb; nothing of this
     * name may be there. Errors: ERR_UNSUPPORTED (memory), ERR_IO, ERR_FULL. */
    int (*copy)(struct backend *backend, const char *folder, struct err *err);
    void (*close)(struct backend *backend);
};

struct backend *backend_open_memory(void);
/* `map_bytes` 0: as large as the machine allows (normally 1 TiB of addresses). */
int backend_open_lmdb(const char *path, enum store_mode mode, size_t map_bytes,
                      struct backend **ret, struct err *err);

/* See store_compact. */
int backend_compact_lmdb(const char *path, uint64_t *ret_before, uint64_t *ret_after,
                         struct err *err);

/* Takes the backend, also on failure. */
int store_from_backend(struct backend *backend, enum store_mode mode, struct store **ret_store,
                       struct err *err);

#endif
