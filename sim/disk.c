/* A disk that forgets: the memory backend, kept when its broker dies, with what was not
 * committed taken back. Writes and commits fail when the seed says so. */
#include "sim/sim.h"

#include "common/mem.h"
#include "store/row.h"

#include <stddef.h>
#include <stdlib.h>

enum { SEQUENCE_BYTES = 8 };

struct sim_disk {
    struct sim *sim;
    struct backend base;   /* what the store sees */
    struct backend *inner; /* memory */
    struct rng rng;
    bool group_open;
    struct before {
        enum table table;
        struct buf key, value;
        bool existed;
    } * befores; /* rows as they were before the group, each key once */
    size_t n_befores, befores_capacity;
};

static struct sim_disk *disk_of(struct backend *backend)
{
    return (struct sim_disk *)((char *)backend - offsetof(struct sim_disk, base));
}

static void forget_group(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->n_befores; i++) {
        buf_done(&disk->befores[i].key);
        buf_done(&disk->befores[i].value);
    }
    disk->n_befores = 0;
    disk->group_open = false;
}

static const struct before *find_before(const struct sim_disk *disk, enum table table,
                                        struct span key)
{
    for (size_t i = 0; i < disk->n_befores; i++)
        if (disk->befores[i].table == table && disk->befores[i].key.size == key.size &&
            memcmp(disk->befores[i].key.data, key.data, key.size) == 0)
            return &disk->befores[i];
    return NULL;
}

static void remember(struct sim_disk *disk, enum table table, struct span key)
{
    struct span value = {0};
    if (find_before(disk, table, key))
        return;
    mem_reserve(disk->befores, disk->befores_capacity, disk->n_befores + 1);
    struct before *before = &disk->befores[disk->n_befores++];
    *before = (struct before){.table = table};
    before->existed = disk->inner->ops->get(disk->inner, table, key, &value, NULL) == 0;
    buf_append(&before->key, key.data, key.size);
    if (before->existed)
        buf_append(&before->value, value.data, value.size);
}

/* ---- what the store sees ---- */

static int disk_begin(struct backend *backend, struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    disk->group_open = true;
    return disk->inner->ops->begin(disk->inner, err);
}

static void disk_abort(struct backend *backend)
{
    struct sim_disk *disk = disk_of(backend);
    disk->inner->ops->abort(disk->inner);
    forget_group(disk);
}

static int fail(struct sim_disk *disk, const char *what, struct err *err)
{
    struct sim *sim = disk->sim;
    bool full = rng_below(&disk->rng, 2);
    sim->full = sim->full || full;
    sim_tell(sim, "the disk fails at %s: %s", what, full ? "no space" : "input/output error");
    return err_set(err, full ? ERR_FULL : ERR_IO, "simulated: %s",
                   full ? "no space left" : "input/output error");
}

static bool fails(struct sim_disk *disk)
{
    return (disk->sim->full && !sim_is_calm(disk->sim)) ||
           sim_chance(disk->sim, &disk->rng, disk->sim->faults.disk);
}

static int disk_commit(struct backend *backend, struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    struct sim *sim = disk->sim;
    if (fails(disk)) {
        disk_abort(backend);
        return fail(disk, "a commit", err);
    }
    /* The process may be killed before the commit, or between it and what follows. */
    bool mortal = sim->faults.broker_crash_s > 0 && sim_chance(sim, &disk->rng, 1500);
    if (mortal && rng_below(&disk->rng, 2)) {
        sim_tell(sim, "killed before a commit");
        sim->dying = true;
        disk_abort(backend);
        return err_set(err, ERR_IO, "simulated: killed");
    }
    int rc = disk->inner->ops->commit(disk->inner, err);
    for (size_t i = 0; i < disk->n_befores; i++) {
        const struct before *before = &disk->befores[i];
        struct span after = {0};
        (void)disk->inner->ops->get(disk->inner, before->table, buf_span(&before->key), &after,
                                    NULL);
        sim_check_commit(sim, before->table, buf_span(&before->key), before->existed,
                         buf_span(&before->value), after);
    }
    forget_group(disk);
    if (mortal) {
        sim_tell(sim, "killed after a commit");
        sim->dying = true;
    }
    return rc;
}

static int disk_get(struct backend *backend, enum table table, struct span key,
                    struct span *ret, struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    return disk->inner->ops->get(disk->inner, table, key, ret, err);
}

static int disk_seek(struct backend *backend, enum table table, struct span key, bool after,
                     struct span *ret_key, struct span *ret_value, struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    return disk->inner->ops->seek(disk->inner, table, key, after, ret_key, ret_value, err);
}

static int disk_last(struct backend *backend, enum table table, struct span *ret_key,
                     struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    return disk->inner->ops->last(disk->inner, table, ret_key, err);
}

static int disk_put(struct backend *backend, enum table table, struct span key,
                    const struct span *parts, size_t n_parts, bool append, struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    if (fails(disk))
        return fail(disk, "a write", err);
    remember(disk, table, key);
    return disk->inner->ops->put(disk->inner, table, key, parts, n_parts, append, err);
}

static int disk_erase(struct backend *backend, enum table table, struct span key,
                      struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    if (fails(disk))
        return fail(disk, "an erasure", err);
    remember(disk, table, key);
    return disk->inner->ops->erase(disk->inner, table, key, err);
}

static int disk_clear(struct backend *backend, enum table table, struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    return disk->inner->ops->clear(disk->inner, table, err);
}

static void disk_rest(struct backend *backend)
{
    (void)backend;
}

static void disk_hold(struct backend *backend, bool hold)
{
    (void)backend;
    (void)hold; /* nobody else writes */
}

static int disk_copy(struct backend *backend, const char *folder, struct err *err)
{
    struct sim_disk *disk = disk_of(backend);
    return disk->inner->ops->copy(disk->inner, folder, err);
}

static void disk_close(struct backend *backend)
{
    (void)backend; /* the disk stays */
}

/* ---- the disk itself ---- */

struct sim_disk *sim_disk_new(struct sim *sim)
{
    static const struct backend_ops ops = {
        .begin = disk_begin,
        .commit = disk_commit,
        .abort = disk_abort,
        .get = disk_get,
        .seek = disk_seek,
        .last = disk_last,
        .put = disk_put,
        .erase = disk_erase,
        .clear = disk_clear,
        .rest = disk_rest,
        .hold = disk_hold,
        .copy = disk_copy,
        .close = disk_close,
    };
    struct sim_disk *disk = mem_new(1, sizeof *disk);
    disk->sim = sim;
    disk->base.ops = &ops;
    disk->inner = backend_open_memory();
    disk->rng = rng_stream(sim->seed, 1, 0, 0);
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    if (!disk)
        return;
    forget_group(disk);
    disk->inner->ops->close(disk->inner);
    free(disk->befores);
    free(disk);
}

struct backend *sim_disk_backend(struct sim_disk *disk)
{
    return &disk->base;
}

void sim_disk_crash(struct sim_disk *disk)
{
    if (disk->group_open)
        disk_abort(&disk->base);
    disk->sim->full = false; /* somebody made room before starting it again */
}

static bool is_of_training(struct span row)
{
    static const char word[] = "checkpoint";
    for (size_t i = 0; row.data[0] == ROW_RESULT && i + sizeof word <= row.size; i++)
        if (memcmp(row.data + i, word, sizeof word - 1) == 0)
            return true;
    return false;
}

void sim_disk_rot(struct sim_disk *disk, struct rng *rng)
{
    struct span key, value;
    const struct backend_ops *ops = disk->inner->ops;
    if (ops->last(disk->inner, TABLE_JOURNAL, &key, NULL))
        return;
    uint8_t wanted[SEQUENCE_BYTES];
    uint64_t last = 0;
    for (size_t i = 0; i < key.size; i++)
        last = last << 8 | key.data[i];
    uint64_t sequence = 0;
    bool found = false;
    /* Half the time the result of a training step, which is run again then, though gc may have
     * freed the checkpoint that it begins with. */
    bool any = rng_below(rng, 2);
    for (int tries = 0; tries < 40 && !found; tries++) {
        sequence = sim_between(rng, 1, last);
        for (int i = 0; i < SEQUENCE_BYTES; i++)
            wanted[i] = (uint8_t)(sequence >> (8 * (SEQUENCE_BYTES - 1 - i)));
        found = ops->get(disk->inner, TABLE_JOURNAL, (struct span){wanted, sizeof wanted},
                         &value, NULL) == 0 &&
                (any || is_of_training(value));
    }
    if (!found)
        return;
    struct buf row = {0};
    buf_append(&row, value.data, value.size);
    row.data[rng_below(rng, (uint32_t)row.size)] ^= (uint8_t)(1u << rng_below(rng, 8));
    struct span part = buf_span(&row);
    (void)ops->begin(disk->inner, NULL);
    (void)ops->put(disk->inner, TABLE_JOURNAL, (struct span){wanted, sizeof wanted}, &part, 1,
                   false, NULL);
    (void)ops->commit(disk->inner, NULL);
    buf_done(&row);
    sim_tell(disk->sim, "row %llu of %llu rots", (unsigned long long)sequence,
             (unsigned long long)last);
}

bool sim_disk_is_durable(struct sim_disk *disk, enum table table, struct span key)
{
    struct span value;
    const struct before *before = find_before(disk, table, key);
    if (before)
        return before->existed;
    return disk->inner->ops->get(disk->inner, table, key, &value, NULL) == 0;
}
