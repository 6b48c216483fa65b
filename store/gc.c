/* Mark and sweep: see store.h. What is marked is kept as 8 bytes of each name: two names that
 * agree in them make garbage stay, never the other way round.
 *
 * Why nothing reachable goes: an object is erased when it is not marked and its epoch (the
 * sequence of its first row, or of the last time that it was stored again or named by a new
 * result or ref) lies before the horizon. What became reachable after the marking began is
 * young, or was reachable before. Results go first, so that a record never outlives its
 * objects, and an object that a kept result names goes together with a row that says so. */
#include "common/mem.h"
#include "common/mutant.h"
#include "store/state.h"

#include <stdlib.h>

/* Sets and maps in parts, so that growing one costs little at a time. */
enum { PARTS = 256, PART_ITEMS_MIN = 16 };

struct idset {
    struct idset_part {
        uint64_t *items; /* 0: free; the size is a power of two */
        size_t n, size;
    } parts[PARTS];
};

struct prunable {
    struct hash object, action;
    bool used;
};

struct idmap {
    struct idmap_part {
        struct prunable *items;
        size_t n, size;
    } parts[PARTS];
};

enum phase { SWEEP_RESULTS, SWEEP_OBJECTS, SWEEP_PRUNED, SWEEP_TOUCHED, SWEEP_OVER };

struct store_gc {
    struct store *store;
    uint64_t horizon;
    bool dry, failed;
    struct idset *objects, *results;
    struct idmap *prunable;
    enum phase phase;
    struct walk walk;
    struct store_gc_counts counts;
};

/* ---- sets ---- */

static uint64_t print_of(const struct hash *id)
{
    uint64_t print = hash_u64(id);
    return print ? print : 1;
}

static uint64_t *set_place(const struct idset_part *part, uint64_t print)
{
    size_t place = print & (part->size - 1);
    while (part->items[place] != 0 && part->items[place] != print)
        place = (place + 1) & (part->size - 1);
    return &part->items[place];
}

static void set_grow(struct idset_part *part)
{
    struct idset_part old = *part;
    part->size = old.size ? 2 * old.size : PART_ITEMS_MIN;
    part->items = mem_new(part->size, sizeof *part->items);
    for (size_t i = 0; i < old.size; i++)
        if (old.items[i])
            *set_place(part, old.items[i]) = old.items[i];
    free(old.items);
}

static void set_add(struct idset *set, const struct hash *id)
{
    struct idset_part *part = &set->parts[id->bytes[HASH_SIZE - 1]];
    if (2 * (part->n + 1) > part->size)
        set_grow(part);
    uint64_t *place = set_place(part, print_of(id));
    part->n += *place == 0;
    *place = print_of(id);
}

static bool set_has(const struct idset *set, const struct hash *id)
{
    const struct idset_part *part = &set->parts[id->bytes[HASH_SIZE - 1]];
    return part->size > 0 && *set_place(part, print_of(id)) != 0;
}

static void set_free(struct idset *set)
{
    for (int i = 0; i < PARTS; i++)
        free(set->parts[i].items);
    free(set);
}

static struct prunable *map_place(const struct idmap_part *part, const struct hash *object)
{
    size_t place = hash_u64(object) & (part->size - 1);
    while (part->items[place].used && !hash_equal(&part->items[place].object, object))
        place = (place + 1) & (part->size - 1);
    return &part->items[place];
}

static void map_grow(struct idmap_part *part)
{
    struct idmap_part old = *part;
    part->size = old.size ? 2 * old.size : PART_ITEMS_MIN;
    part->items = mem_new(part->size, sizeof *part->items);
    for (size_t i = 0; i < old.size; i++)
        if (old.items[i].used)
            *map_place(part, &old.items[i].object) = old.items[i];
    free(old.items);
}

static const struct prunable *map_find(const struct idmap *map, const struct hash *object)
{
    const struct idmap_part *part = &map->parts[object->bytes[HASH_SIZE - 1]];
    const struct prunable *found = part->size > 0 ? map_place(part, object) : NULL;
    return found && found->used ? found : NULL;
}

static void map_free(struct idmap *map)
{
    for (int i = 0; i < PARTS; i++)
        free(map->parts[i].items);
    free(map);
}

/* ---- marking ---- */

int store_gc_begin(struct store *store, uint64_t horizon, bool dry, struct store_gc **ret_gc,
                   struct err *err)
{
    if (store->horizon)
        return err_set(err, ERR_BUSY, "gc is under way already");
    uint64_t now = store_sequence(store);
    horizon = horizon < now ? horizon : now;
    int rc = dry ? 0 : write_floor(store, now, err);
    if (rc != 0)
        return rc;
    struct store_gc *gc = mem_new(1, sizeof *gc);
    *gc = (struct store_gc){.store = store, .horizon = horizon, .dry = dry};
    gc->objects = mem_new(1, sizeof *gc->objects);
    gc->results = mem_new(1, sizeof *gc->results);
    gc->prunable = mem_new(1, sizeof *gc->prunable);
    store->horizon = horizon;
    *ret_gc = gc;
    return 0;
}

void store_gc_keep(struct store_gc *gc, const struct hash *object)
{
    set_add(gc->objects, object);
}

bool store_gc_kept(const struct store_gc *gc, const struct hash *object)
{
    return set_has(gc->objects, object);
}

void store_gc_keep_result(struct store_gc *gc, const struct hash *action)
{
    set_add(gc->results, action);
}

void store_gc_prune(struct store_gc *gc, const struct hash *object, const struct hash *action)
{
    if (!store_has(gc->store, action)) { /* a repair gave its bytes up: it makes nothing */
        store_gc_keep(gc, object);
        return;
    }
    struct idmap_part *part = &gc->prunable->parts[object->bytes[HASH_SIZE - 1]];
    if (2 * (part->n + 1) > part->size)
        map_grow(part);
    struct prunable *item = map_place(part, object);
    if (item->used)
        return;
    *item = (struct prunable){.object = *object, .action = *action, .used = true};
    part->n++;
}

void store_gc_counts(const struct store_gc *gc, struct store_gc_counts *ret)
{
    *ret = gc->counts;
}

void store_gc_end(struct store_gc *gc)
{
    if (!gc)
        return;
    gc->store->horizon = 0;
    set_free(gc->objects);
    set_free(gc->results);
    map_free(gc->prunable);
    free(gc);
}

/* ---- sweeping: each looks at one entry and says how much work that was ---- */

/* Its outputs may be older than the horizon: they stay with it, as if it had been marked. */
static void keep_young_result(struct store_gc *gc, const struct hash *action)
{
    struct result result;
    if (record_find(gc->store, action, &result, NULL) != 0)
        return; /* damage is fsck's affair */
    set_add(gc->objects, action);
    for (uint32_t i = 0; i < result.n_outputs; i++) {
        struct pruned pruned;
        if (pruned_find(gc->store, &result.outputs[i].id, &pruned, NULL) == 0)
            store_gc_prune(gc, &result.outputs[i].id, &pruned.action);
        else
            set_add(gc->objects, &result.outputs[i].id);
    }
    result_done(&result);
}

static int sweep_result(struct store_gc *gc, const struct hash *action, struct span value,
                        uint32_t *work, struct err *err)
{
    uint64_t sequence = value.size == 8 ? get_u64_le(value.data) : 0;
    bool marked = set_has(gc->results, action);
    *work = 1;
    if (marked || sequence >= gc->horizon) {
        gc->counts.results++;
        if (!marked)
            keep_young_result(gc, action);
        return 0;
    }
    gc->counts.freed_results++;
    *work = 4;
    int rc = gc->dry ? 0 : erase_row_of(gc->store, sequence, ROW_RESULT, action, err);
    return rc || gc->dry ? rc : erase_key(gc->store, TABLE_RESULTS, hash_span(action), err);
}

static uint64_t epoch_of(struct store *store, const struct hash *id, const struct place *place)
{
    struct span value;
    int rc =
        store->backend->ops->get(store->backend, TABLE_TOUCHED, hash_span(id), &value, NULL);
    uint64_t touched = rc == 0 && value.size == 8 ? get_u64_le(value.data) : 0;
    return touched > place->sequence ? touched : place->sequence;
}

int store_age(struct store *store, const struct hash *id, uint64_t *ret_sequence,
              struct err *err)
{
    struct place place;
    int rc = place_find(store, id, &place, err);
    if (rc == 0)
        *ret_sequence = epoch_of(store, id, &place);
    return rc;
}

static int erase_object(struct store *store, const struct hash *id, const struct place *place,
                        struct err *err)
{
    int rc = erase_key(store, TABLE_OBJECTS, hash_span(id), err);
    if (rc == 0)
        rc = erase_key(store, TABLE_TOUCHED, hash_span(id), err);
    for (uint64_t i = 0; rc == 0 && i < object_rows(place->size); i++)
        rc = erase_row(store, place->sequence + i, err);
    return rc;
}

static int note_pruned(struct store *store, const struct prunable *prunable, struct err *err)
{
    struct span parts[2] = {hash_span(&prunable->object), hash_span(&prunable->action)};
    return MUTANT(GC_RESULT_WITHOUT_OUTPUT) ? 0 : append_row(store, ROW_PRUNED, parts, 2, err);
}

static int sweep_object(struct store_gc *gc, const struct hash *id, struct span value,
                        uint32_t *work, struct err *err)
{
    struct place place;
    *work = 1;
    if (place_decode(value, &place, NULL) != 0)
        return 0; /* damage is fsck's affair */
    if (set_has(gc->objects, id) || epoch_of(gc->store, id, &place) >= gc->horizon) {
        gc->counts.objects++;
        gc->counts.bytes += place.size;
        return 0;
    }
    /* Where index and row do not agree, the rows may be another object's. */
    struct span data;
    int rc = journal_chunk(gc->store, id, &place, 0, &data, err);
    if (rc != 0)
        return rc == ERR_CORRUPT ? 0 : rc;
    const struct prunable *prunable = map_find(gc->prunable, id);
    gc->counts.freed_objects++;
    gc->counts.freed_bytes += place.size;
    gc->counts.pruned += prunable != NULL;
    if (gc->dry)
        return 0;
    *work = 4 + (uint32_t)object_rows(place.size);
    rc = erase_object(gc->store, id, &place, err);
    return rc == 0 && prunable ? note_pruned(gc->store, prunable, err) : rc;
}

/* A note stays while a kept result names the object. */
static int sweep_pruned(struct store_gc *gc, const struct hash *id, struct span value,
                        uint32_t *work, struct err *err)
{
    struct pruned pruned;
    const struct prunable *prunable = map_find(gc->prunable, id);
    *work = 1;
    if (gc->dry || pruned_decode(value, &pruned, NULL) != 0 || pruned.sequence >= gc->horizon ||
        (prunable && hash_equal(&prunable->action, &pruned.action)))
        return 0;
    *work = 4;
    int rc = erase_key(gc->store, TABLE_PRUNED, hash_span(id), err);
    if (rc == 0)
        rc = erase_row_of(gc->store, pruned.sequence, ROW_PRUNED, id, err);
    return rc == 0 && prunable ? note_pruned(gc->store, prunable, err) : rc;
}

static int sweep_touched(struct store_gc *gc, const struct hash *id, struct span value,
                         uint32_t *work, struct err *err)
{
    *work = 1;
    if (gc->dry || (value.size == 8 && get_u64_le(value.data) >= gc->horizon))
        return 0;
    return erase_key(gc->store, TABLE_TOUCHED, hash_span(id), err);
}

static const struct {
    enum table table;
    int (*sweep)(struct store_gc *gc, const struct hash *id, struct span value, uint32_t *work,
                 struct err *err);
} phases[] = {
    [SWEEP_RESULTS] = {TABLE_RESULTS, sweep_result},
    [SWEEP_OBJECTS] = {TABLE_OBJECTS, sweep_object},
    [SWEEP_PRUNED] = {TABLE_PRUNED, sweep_pruned},
    [SWEEP_TOUCHED] = {TABLE_TOUCHED, sweep_touched},
};

/* One entry; ERR_NOT_FOUND at the end of the table. */
static int sweep_next(struct store_gc *gc, uint32_t *work, struct err *err)
{
    struct span value;
    struct hash id;
    uint8_t copy[64]; /* an entry is small; writing takes the borrowed one away */
    int rc = walk_next(gc->store, phases[gc->phase].table, &gc->walk, &value, err);
    *work = 1;
    if (rc != 0 || value.size > sizeof copy || walk_hash(&gc->walk, &id, NULL) != 0)
        return rc;
    if (value.size > 0)
        memcpy(copy, value.data, value.size);
    return phases[gc->phase].sweep(gc, &id, (struct span){copy, value.size}, work, err);
}

int store_gc_sweep(struct store_gc *gc, uint32_t work, bool *ret_over, struct err *err)
{
    int rc = gc->failed ? err_set(err, ERR_IO, "this gc has failed before") : 0;
    if (rc == 0 && !gc->dry)
        rc = writing(gc->store, err);
    for (uint32_t done = 0; rc == 0 && gc->phase != SWEEP_OVER && done < work;) {
        uint32_t spent;
        rc = sweep_next(gc, &spent, err);
        done += spent;
        if (rc == ERR_NOT_FOUND) {
            gc->phase++;
            gc->walk = (struct walk){.key_size = 0};
            rc = 0;
        }
    }
    rest(gc->store);
    gc->failed = rc != 0;
    *ret_over = gc->phase == SWEEP_OVER;
    return rc;
}
