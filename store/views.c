/* From the journal to the views: one function, used for every row when it is written and when
 * the views are rebuilt. */
#include "store/state.h"

#include <string.h>

static int put(struct store *store, enum table table, struct span key, struct span value,
               bool append, struct err *err)
{
    return store->backend->ops->put(store->backend, table, key, &value, 1, append, err);
}

static int view_object(struct store *store, uint64_t sequence, struct span head,
                       struct err *err)
{
    struct store_info info;
    struct span data;
    uint8_t value[16 + OBJECT_TYPE_SIZE];
    int rc = object_head_decode(sequence, head, &info, &data, err);
    if (rc != 0)
        return rc;
    put_u64_le(value, sequence);
    put_u64_le(value + 8, info.size);
    size_t type_size = strlen(info.type);
    memcpy(value + 16, info.type, type_size);
    return put(store, TABLE_OBJECTS, hash_span(&info.id), (struct span){value, 16 + type_size},
               false, err);
}

static int view_result(struct store *store, uint64_t sequence, struct span head,
                       struct err *err)
{
    uint8_t value[8];
    put_u64_le(value, sequence);
    return put(store, TABLE_RESULTS, (struct span){head.data, HASH_SIZE},
               (struct span){value, sizeof value}, false, err);
}

bool is_ref_name(struct span name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] < 0x20 || name.data[i] == 0x7f)
            return false;
    return true;
}

static int view_ref(struct store *store, uint64_t sequence, struct span head, struct err *err)
{
    struct span name = {head.data + HASH_SIZE, head.size - HASH_SIZE};
    if (!is_ref_name(name))
        return err_set(err, ERR_CORRUPT, "row %llu: no name of a ref",
                       (unsigned long long)sequence);
    return put(store, TABLE_REFS, name, (struct span){head.data, HASH_SIZE}, false, err);
}

static int view_ref_deleted(struct store *store, uint64_t sequence, struct span head,
                            struct err *err)
{
    (void)sequence;
    int rc = store->backend->ops->erase(store->backend, TABLE_REFS, head, err);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int view_event(struct store *store, uint64_t sequence, struct span head, struct err *err)
{
    uint8_t key[SEQUENCE_SIZE];
    (void)head;
    sequence_key(sequence, key);
    return put(store, TABLE_EVENTS, (struct span){key, sizeof key}, (struct span){NULL, 0},
               true, err);
}

static int view_pruned(struct store *store, uint64_t sequence, struct span head,
                       struct err *err)
{
    uint8_t value[8 + HASH_SIZE];
    put_u64_le(value, sequence);
    memcpy(value + 8, head.data + HASH_SIZE, HASH_SIZE);
    return put(store, TABLE_PRUNED, (struct span){head.data, HASH_SIZE},
               (struct span){value, sizeof value}, false, err);
}

int view_row(struct store *store, uint64_t sequence, enum row_kind kind, struct span head,
             struct err *err)
{
    static const struct {
        size_t size_min, size_max; /* of the head */
        int (*view)(struct store *store, uint64_t sequence, struct span head, struct err *err);
    } kinds[] = {
        [ROW_OBJECT] = {HASH_SIZE + 9, VIEW_HEAD_SIZE, view_object},
        [ROW_MORE] = {ROW_MORE_HEAD_SIZE, VIEW_HEAD_SIZE, NULL},
        [ROW_RESULT] = {HASH_SIZE + 1, VIEW_HEAD_SIZE, view_result},
        [ROW_REF] = {HASH_SIZE + 1, HASH_SIZE + STORE_REF_NAME_SIZE - 1, view_ref},
        [ROW_REF_DELETED] = {1, STORE_REF_NAME_SIZE - 1, view_ref_deleted},
        [ROW_EVENT] = {1, VIEW_HEAD_SIZE, view_event},
        [ROW_PRUNED] = {2 * HASH_SIZE, 2 * HASH_SIZE, view_pruned},
    };
    if (head.size < kinds[kind].size_min || head.size > kinds[kind].size_max)
        return err_set(err, ERR_CORRUPT, "row %llu: a payload of %zu bytes does not fit",
                       (unsigned long long)sequence, head.size);
    return kinds[kind].view ? kinds[kind].view(store, sequence, head, err) : 0;
}
