/* The store's own parts, shared by store.c (reading and writing), views.c (journal -> views)
 * and check.c (fsck). Inside store/ only. */
#ifndef WYCKMILL_STORE_STATE_H
#define WYCKMILL_STORE_STATE_H

#include "store/backend.h"
#include "store/row.h"

struct store {
    struct backend *backend;
    enum store_mode mode;
    bool group_open;
    uint64_t next_sequence; /* while the group is open */
    uint64_t group_begin;   /* next_sequence when it was opened */
    /* Sequences below are never given again, though gc may have erased the last rows: its
     * horizon would mean nothing. */
    uint64_t sequence_floor;
    uint64_t horizon; /* of the gc that is under way, 0: none */
    bool unchecked; /* rows are read without their checksum: store_get hashes what is in them */
    struct err failure; /* code != 0: a write of this group failed, so all of it will */
};

/* Where an object is: its entry in TABLE_OBJECTS. */
struct place {
    uint64_t sequence, size;
    char type[OBJECT_TYPE_SIZE];
};

/* Errors: ERR_NOT_FOUND (with sentence), ERR_CORRUPT. */
int place_find(struct store *store, const struct hash *id, struct place *ret, struct err *err);
int place_decode(struct span value, struct place *ret, struct err *err);

/* Row `sequence`, checked; borrowed. Errors: ERR_CORRUPT, also when it is not there. */
int journal_get(struct store *store, uint64_t sequence, struct row *ret, struct err *err);
/* Bytes of chunk `index` of the object whose first row is `place->sequence`; borrowed. */
int journal_chunk(struct store *store, const struct hash *id, const struct place *place,
                  uint64_t index, struct span *ret, struct err *err);

/* Bring the views up to date with one row; `head` is the beginning of its payload, at most
 * VIEW_HEAD_SIZE bytes, and must not be borrowed from the backend. The group must be open. */
enum { VIEW_HEAD_SIZE = 256 };
int view_row(struct store *store, uint64_t sequence, enum row_kind kind, struct span head,
             struct err *err);

/* No control characters. */
bool is_ref_name(struct span name);

/* A walk over a table in which every step is a read of its own: a slow visitor pins no pages.
 * Begin with the smallest key wanted (none: key_size 0); walk_next copies the key of the next
 * pair into `walk` and lends the value until rest(). ERR_NOT_FOUND at the end. */
enum { WALK_KEY_SIZE = 256 };
struct walk {
    uint8_t key[WALK_KEY_SIZE];
    size_t key_size;
    bool after;
};
int walk_next(struct store *store, enum table table, struct walk *walk, struct span *ret_value,
              struct err *err);
int walk_hash(const struct walk *walk, struct hash *ret, struct err *err);

/* Every output is there, with its size; or gc freed it and knows how to get it back, where that
 * is enough. Errors: ERR_NOT_FOUND, ERR_CORRUPT. */
int check_outputs(struct store *store, const struct result *result, bool or_pruned,
                  struct err *err);

/* What gc noted when it freed an object. Errors: ERR_NOT_FOUND without sentence. */
struct pruned {
    uint64_t sequence;
    struct hash action;
};
int pruned_find(struct store *store, const struct hash *id, struct pruned *ret,
                struct err *err);
int pruned_decode(struct span value, struct pruned *ret, struct err *err);

/* ---- writing; the group must be open, a failure spoils it ---- */
int append_row(struct store *store, enum row_kind kind, const struct span *parts,
               size_t n_parts, struct err *err);
/* ERR_NOT_FOUND is a success: it shall be gone. */
int erase_key(struct store *store, enum table table, struct span key, struct err *err);
int erase_row(struct store *store, uint64_t sequence, struct err *err);
/* Row `sequence` if it is of this kind and begins with `id`, as an index says. Where the index
 * is damaged nothing is erased: that is fsck's affair, and the row may be another's. */
int erase_row_of(struct store *store, uint64_t sequence, enum row_kind kind,
                 const struct hash *id, struct err *err);
/* Errors as in writing(). */
int write_floor(struct store *store, uint64_t sequence, struct err *err);
/* The group is open and healthy. Errors: ERR_UNSUPPORTED (read only), those of the backend. */
int writing(struct store *store, struct err *err);

/* Decoded record behind TABLE_RESULTS. Errors: ERR_NOT_FOUND (with sentence), ERR_CORRUPT. */
int record_find(struct store *store, const struct hash *action, struct result *ret,
                struct err *err);

/* ---- copy.c: a copy of the store in folder `path` grows beside data.mdb ---- */
enum { COPY_PATH_SIZE = 4096 };
struct copy_names {
    char folder[COPY_PATH_SIZE], from[COPY_PATH_SIZE + 32], to[COPY_PATH_SIZE];
};
void copy_names(const char *path, struct copy_names *ret);
/* Whole and on disk under names->from. */
int copy_make(struct backend *backend, const struct copy_names *names, struct err *err);
void copy_forget(const struct copy_names *names);
int copy_take_place(const char *path, const struct copy_names *names, struct err *err);

static inline struct span hash_span(const struct hash *hash)
{
    return (struct span){hash->bytes, HASH_SIZE};
}

static inline void rest(struct store *store)
{
    store->backend->ops->rest(store->backend);
}

#endif
