/* The meaning of the store over any backend: objects in chunks, results behind their outputs,
 * refs, events, groups. See store.h. Checking and rebuilding is in check.c. */
#include "store/store.h"

#include "common/mem.h"
#include "common/mutant.h"
#include "store/state.h"

#include <assert.h>
#include <stdlib.h>

enum { STORE_VERSION = 1, EVENT_BYTES_MAX = 1 << 20 };

static const char store_format[] = "wyckmill store";
static const char floor_key[] = "sequence";

/* ---- open and close ---- */

static int write_format(struct store *store, struct err *err)
{
    struct buf format = {0};
    struct pack pack;
    const struct backend_ops *ops = store->backend->ops;
    pack_init(&pack, &format);
    pack_map(&pack, 2);
    pack_key(&pack, "format");
    pack_text(&pack, store_format);
    pack_key(&pack, "version");
    pack_u64(&pack, STORE_VERSION);
    struct span value = buf_span(&format);
    int rc = ops->begin(store->backend, err);
    if (rc == 0)
        rc = ops->put(store->backend, TABLE_META, span_text("format"), &value, 1, false, err);
    if (rc == 0)
        rc = ops->commit(store->backend, err);
    else
        ops->abort(store->backend);
    buf_done(&format);
    return rc;
}

static int check_format(struct store *store, struct err *err)
{
    const struct backend_ops *ops = store->backend->ops;
    struct span bytes, key;
    struct document *document = NULL;
    int rc = ops->get(store->backend, TABLE_META, span_text("format"), &bytes, err);
    if (rc == ERR_NOT_FOUND) {
        bool empty = ops->last(store->backend, TABLE_JOURNAL, &key, err) == ERR_NOT_FOUND;
        if (empty && store->mode == STORE_WRITE)
            return write_format(store, err);
        return err_set(err, empty ? ERR_NOT_FOUND : ERR_CORRUPT,
                       empty ? "the store is still empty" : "the store has no format record");
    }
    if (rc == 0)
        rc = document_parse_format(bytes, &value_limits_message, store_format, STORE_VERSION,
                                   &document, err);
    document_free(document);
    if (rc == ERR_UNSUPPORTED) {
        rc = ERR_CORRUPT;
        if (err)
            err->code = rc;
        (void)err_hint(err, "use the version of wyckmill that made the store");
    }
    return rc;
}

static int read_floor(struct store *store, struct err *err)
{
    struct span value;
    int rc =
        store->backend->ops->get(store->backend, TABLE_META, span_text(floor_key), &value, err);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc == 0 && value.size != 8)
        rc = err_set(err, ERR_CORRUPT, "the sequence record has %zu bytes", value.size);
    if (rc == 0)
        store->sequence_floor = get_u64_le(value.data);
    return rc;
}

int store_from_backend(struct backend *backend, enum store_mode mode, struct store **ret_store,
                       struct err *err)
{
    struct store *store = mem_new(1, sizeof *store);
    store->backend = backend;
    store->mode = mode;
    int rc = check_format(store, err);
    if (rc == 0)
        rc = read_floor(store, err);
    rest(store);
    if (rc != 0) {
        store_close(store);
        return rc;
    }
    *ret_store = store;
    return 0;
}

int store_open(const char *path, enum store_mode mode, struct store **ret_store,
               struct err *err)
{
    struct backend *backend;
    int rc = backend_open_lmdb(path, mode, 0, &backend, err);
    if (rc == 0)
        rc = store_from_backend(backend, mode, ret_store, err);
    return rc != 0 ? err_context(err, rc, "store '%s'", path) : 0;
}

struct store *store_open_memory(void)
{
    struct store *store = NULL;
    int rc = store_from_backend(backend_open_memory(), STORE_WRITE, &store, NULL);
    assert(rc == 0);
    return store;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_abort(store);
    store->backend->ops->close(store->backend);
    free(store);
}

void store_close_ptr(struct store **store)
{
    store_close(*store);
}

/* ---- the write group ---- */

int writing(struct store *store, struct err *err)
{
    struct span key;
    if (store->mode != STORE_WRITE)
        return err_set(err, ERR_UNSUPPORTED, "the store is open for reading only");
    if (store->failure.code != 0) {
        if (err)
            *err = store->failure;
        return store->failure.code;
    }
    if (store->group_open)
        return 0;
    const struct backend_ops *ops = store->backend->ops;
    int rc = ops->begin(store->backend, err);
    if (rc != 0)
        return rc;
    rc = ops->last(store->backend, TABLE_JOURNAL, &key, err);
    if (rc == 0 && sequence_of_key(key) == 0)
        rc = err_set(err, ERR_CORRUPT, "the journal's last key has %zu bytes", key.size);
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        ops->abort(store->backend);
        return rc;
    }
    store->next_sequence = rc == 0 ? sequence_of_key(key) + 1 : 1;
    if (store->next_sequence < store->sequence_floor)
        store->next_sequence = store->sequence_floor;
    if (MUTANT(SEQUENCE_REUSED) && store->next_sequence > 1)
        store->next_sequence--;
    store->group_begin = store->next_sequence;
    store->group_open = true;
    return 0;
}

/* A write failed half-way: this group can only be dropped. */
static int fail_group(struct store *store, int rc, const struct err *why, struct err *err)
{
    store->failure = *why;
    store->failure.code = rc;
    if (err)
        *err = store->failure;
    return rc;
}

/* The first bytes of the parts in a row, as many as views look at. */
static size_t head_of(const struct span *parts, size_t n_parts, uint8_t ret[VIEW_HEAD_SIZE])
{
    size_t size = 0;
    for (size_t i = 0; i < n_parts; i++) {
        size_t room = VIEW_HEAD_SIZE - size;
        size_t n = parts[i].size < room ? parts[i].size : room;
        if (n > 0)
            memcpy(ret + size, parts[i].data, n);
        size += n;
    }
    return size;
}

/* One row into the journal and its views. `parts` is the payload. */
int append_row(struct store *store, enum row_kind kind, const struct span *parts,
               size_t n_parts, struct err *err)
{
    enum { PARTS_MAX = 4 };
    struct err why = {0};
    uint8_t key[SEQUENCE_SIZE], header[ROW_HEADER_SIZE], head[VIEW_HEAD_SIZE];
    struct span all[PARTS_MAX] = {{header, sizeof header}};
    assert(n_parts < PARTS_MAX);
    memcpy(all + 1, parts, n_parts * sizeof *parts);
    sequence_key(store->next_sequence, key);
    row_header(store->next_sequence, kind, parts, n_parts, header);
    int rc =
        store->backend->ops->put(store->backend, TABLE_JOURNAL, (struct span){key, sizeof key},
                                 all, n_parts + 1, true, &why);
    if (rc == 0)
        rc = view_row(store, store->next_sequence, kind,
                      (struct span){head, head_of(parts, n_parts, head)}, &why);
    if (rc != 0)
        return fail_group(store, rc, &why, err);
    store->next_sequence++;
    return 0;
}

int erase_key(struct store *store, enum table table, struct span key, struct err *err)
{
    struct err why = {0};
    int rc = store->backend->ops->erase(store->backend, table, key, &why);
    return rc == 0 || rc == ERR_NOT_FOUND ? 0 : fail_group(store, rc, &why, err);
}

int erase_row(struct store *store, uint64_t sequence, struct err *err)
{
    uint8_t key[SEQUENCE_SIZE];
    sequence_key(sequence, key);
    return erase_key(store, TABLE_JOURNAL, (struct span){key, sizeof key}, err);
}

int erase_row_of(struct store *store, uint64_t sequence, enum row_kind kind,
                 const struct hash *id, struct err *err)
{
    struct row row;
    int rc = journal_get(store, sequence, &row, err);
    if (rc == ERR_CORRUPT)
        return 0;
    if (rc != 0)
        return rc;
    bool same = row.kind == kind && row.payload.size >= HASH_SIZE &&
                memcmp(row.payload.data, id->bytes, HASH_SIZE) == 0;
    return same ? erase_row(store, sequence, err) : 0;
}

static int put_u64(struct store *store, enum table table, struct span key, uint64_t number,
                   struct err *err)
{
    struct err why = {0};
    uint8_t bytes[8];
    struct span value = {bytes, sizeof bytes};
    put_u64_le(bytes, number);
    int rc = store->backend->ops->put(store->backend, table, key, &value, 1, false, &why);
    return rc != 0 ? fail_group(store, rc, &why, err) : 0;
}

int write_floor(struct store *store, uint64_t sequence, struct err *err)
{
    int rc = writing(store, err);
    if (rc == 0)
        rc = put_u64(store, TABLE_META, span_text(floor_key), sequence, err);
    if (rc == 0)
        store->sequence_floor = sequence;
    return rc;
}

uint64_t store_sequence(struct store *store)
{
    struct span key;
    if (store->group_open)
        return store->next_sequence;
    uint64_t next = store->sequence_floor ? store->sequence_floor : 1;
    if (store->backend->ops->last(store->backend, TABLE_JOURNAL, &key, NULL) == 0 &&
        sequence_of_key(key) >= next)
        next = sequence_of_key(key) + 1;
    rest(store);
    return next;
}

int store_commit(struct store *store, struct err *err)
{
    int rc = 0;
    if (store->failure.code != 0) {
        if (err)
            *err = store->failure;
        rc = store->failure.code;
        store_abort(store);
    } else if (store->group_open) {
        store->group_open = false;
        rc = store->backend->ops->commit(store->backend, err);
    }
    return rc;
}

void store_abort(struct store *store)
{
    if (store->group_open)
        store->backend->ops->abort(store->backend);
    store->group_open = false;
    store->failure.code = 0;
}

/* ---- objects ---- */

int place_decode(struct span value, struct place *ret, struct err *err)
{
    if (value.size < 16 || value.size - 16 >= sizeof ret->type)
        return err_set(err, ERR_CORRUPT, "index entry of %zu bytes", value.size);
    ret->sequence = get_u64_le(value.data);
    ret->size = get_u64_le(value.data + 8);
    memcpy(ret->type, value.data + 16, value.size - 16);
    ret->type[value.size - 16] = '\0';
    if (ret->size > STORE_OBJECT_BYTES_MAX)
        return err_set(err, ERR_CORRUPT, "index entry with a size of %llu bytes",
                       (unsigned long long)ret->size);
    return 0;
}

int place_find(struct store *store, const struct hash *id, struct place *ret, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct span value;
    int rc =
        store->backend->ops->get(store->backend, TABLE_OBJECTS, hash_span(id), &value, err);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, rc, "no object %s", hash_hex(id, hex));
    return rc == 0 ? place_decode(value, ret, err) : rc;
}

int journal_get(struct store *store, uint64_t sequence, struct row *ret, struct err *err)
{
    uint8_t key[SEQUENCE_SIZE];
    struct span value;
    sequence_key(sequence, key);
    int rc = store->backend->ops->get(store->backend, TABLE_JOURNAL,
                                      (struct span){key, sizeof key}, &value, err);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, ERR_CORRUPT, "row %llu is missing", (unsigned long long)sequence);
    if (rc != 0)
        return rc;
    return store->unchecked ? row_decode_unchecked(sequence, value, ret, err)
                            : row_decode(sequence, value, ret, err);
}

int journal_chunk(struct store *store, const struct hash *id, const struct place *place,
                  uint64_t index, struct span *ret, struct err *err)
{
    struct row row;
    int rc = journal_get(store, place->sequence + index, &row, err);
    if (rc != 0)
        return rc;
    uint64_t offset = index * STORE_CHUNK_BYTES, left = place->size - offset;
    uint64_t size = left < STORE_CHUNK_BYTES ? left : STORE_CHUNK_BYTES;
    if (index == 0) {
        struct store_info info = {0};
        if (row.kind == ROW_OBJECT)
            rc = object_head_decode(row.sequence, row.payload, &info, ret, err);
        if (rc == 0 &&
            (row.kind != ROW_OBJECT || !hash_equal(&info.id, id) || info.size != place->size ||
             strcmp(info.type, place->type) != 0 || ret->size != size))
            rc = err_set(err, ERR_CORRUPT, "row %llu: want the beginning of an object",
                         (unsigned long long)row.sequence);
        return rc;
    }
    if (row.kind != ROW_MORE || row.payload.size != ROW_MORE_HEAD_SIZE + size ||
        get_u64_le(row.payload.data) != offset)
        return err_set(err, ERR_CORRUPT, "row %llu: want bytes from %llu of an object",
                       (unsigned long long)row.sequence, (unsigned long long)offset);
    *ret = (struct span){row.payload.data + ROW_MORE_HEAD_SIZE, size};
    return 0;
}

static int append_object(struct store *store, const struct store_info *info, struct span bytes,
                         struct err *err)
{
    uint8_t head[ROW_OBJECT_HEAD_SIZE];
    size_t first = bytes.size < STORE_CHUNK_BYTES ? bytes.size : STORE_CHUNK_BYTES;
    struct span parts[2] = {{head, object_head_encode(info, head)}, {bytes.data, first}};
    int rc = append_row(store, ROW_OBJECT, parts, 2, err);
    for (size_t at = first; rc == 0 && at < bytes.size; at += STORE_CHUNK_BYTES) {
        size_t left = bytes.size - at;
        put_u64_le(head, at);
        parts[0].size = ROW_MORE_HEAD_SIZE;
        parts[1] =
            (struct span){bytes.data + at, left < STORE_CHUNK_BYTES ? left : STORE_CHUNK_BYTES};
        rc = append_row(store, ROW_MORE, parts, 2, err);
    }
    return rc;
}

/* The object is wanted again, so gc must take it for a young one. */
static int refresh(struct store *store, const struct hash *id, uint64_t sequence,
                   struct err *err)
{
    if (sequence >= store->group_begin || MUTANT(GC_WITHOUT_REFRESH))
        return 0;
    return put_u64(store, TABLE_TOUCHED, hash_span(id), store->next_sequence, err);
}

int pruned_decode(struct span value, struct pruned *ret, struct err *err)
{
    if (value.size != 8 + HASH_SIZE)
        return err_set(err, ERR_CORRUPT, "entry of a freed object with %zu bytes", value.size);
    ret->sequence = get_u64_le(value.data);
    memcpy(ret->action.bytes, value.data + 8, HASH_SIZE);
    return 0;
}

int pruned_find(struct store *store, const struct hash *id, struct pruned *ret, struct err *err)
{
    struct span value;
    int rc = store->backend->ops->get(store->backend, TABLE_PRUNED, hash_span(id), &value, err);
    return rc == 0 ? pruned_decode(value, ret, err) : rc;
}

/* The object comes back: what gc noted about it goes. */
static int forget_pruned(struct store *store, const struct hash *id, struct err *err)
{
    struct pruned pruned;
    int rc = pruned_find(store, id, &pruned, err);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = erase_row_of(store, pruned.sequence, ROW_PRUNED, id, err);
    if (rc == 0 || rc == ERR_CORRUPT)
        rc = erase_key(store, TABLE_PRUNED, hash_span(id), err);
    return rc;
}

static int check_object(const char *type, struct span bytes, struct err *err)
{
    size_t type_size = strlen(type);
    if (bytes.size > STORE_OBJECT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "an object of %zu bytes, at most %d are allowed",
                       bytes.size, STORE_OBJECT_BYTES_MAX);
    if (type_size == 0 || type_size >= OBJECT_TYPE_SIZE)
        return err_set(err, ERR_INVALID, "object type '%s': want 1..%d bytes", type,
                       OBJECT_TYPE_SIZE - 1);
    return 0;
}

int store_put_hashed(struct store *store, const char *type, const struct hash *id,
                     struct span bytes, struct err *err)
{
    struct store_info info = {.id = *id, .size = bytes.size};
    struct span value;
    int rc = check_object(type, bytes, err);
    if (rc == 0)
        rc = writing(store, err);
    if (rc != 0)
        return rc;
    memcpy(info.type, type, strlen(type) + 1);
    rc = store->backend->ops->get(store->backend, TABLE_OBJECTS, hash_span(id), &value, err);
    if (rc == 0)
        return refresh(store, id, value.size < 8 ? 0 : get_u64_le(value.data), err);
    if (rc == ERR_NOT_FOUND)
        rc = forget_pruned(store, id, err);
    return rc == 0 ? append_object(store, &info, bytes, err) : rc;
}

int store_put(struct store *store, const char *type, struct span bytes, struct hash *ret_id,
              struct err *err)
{
    int rc = check_object(type, bytes, err);
    if (rc != 0)
        return rc;
    struct hash id = hash_bytes(bytes);
    rc = store_put_hashed(store, type, &id, bytes, err);
    if (rc == 0 && ret_id)
        *ret_id = id;
    return rc;
}

int store_touch(struct store *store, const struct hash *id, struct err *err)
{
    struct place place;
    int rc = writing(store, err);
    if (rc == 0)
        rc = place_find(store, id, &place, err);
    return rc == 0 ? refresh(store, id, place.sequence, err) : rc;
}

int store_pruned(struct store *store, const struct hash *id, struct hash *ret_action,
                 struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct pruned pruned;
    int rc = pruned_find(store, id, &pruned, err);
    rest(store);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, rc, "gc did not free object %s", hash_hex(id, hex));
    if (rc == 0 && ret_action)
        *ret_action = pruned.action;
    return rc;
}

bool store_has(struct store *store, const struct hash *id)
{
    struct span value;
    int rc =
        store->backend->ops->get(store->backend, TABLE_OBJECTS, hash_span(id), &value, NULL);
    rest(store);
    return rc == 0;
}

bool store_has_pruned(struct store *store)
{
    struct span key;
    bool found = store->backend->ops->last(store->backend, TABLE_PRUNED, &key, NULL) == 0;
    rest(store);
    return found;
}

int store_stat(struct store *store, const struct hash *id, struct store_info *ret,
               struct err *err)
{
    struct place place;
    int rc = place_find(store, id, &place, err);
    rest(store);
    if (rc == 0) {
        *ret = (struct store_info){.id = *id, .size = place.size};
        memcpy(ret->type, place.type, sizeof ret->type);
    }
    return rc;
}

/* Lend bytes [offset, end) of the object, row by row. */
static int lend_range(struct store *store, const struct hash *id, const struct place *place,
                      uint64_t offset, uint64_t end, store_visit_part *visit, void *context,
                      struct err *err)
{
    int rc = 0;
    while (rc == 0 && offset < end) {
        struct span chunk;
        uint64_t index = offset / STORE_CHUNK_BYTES, skip = offset % STORE_CHUNK_BYTES;
        rc = journal_chunk(store, id, place, index, &chunk, err);
        if (rc != 0)
            break;
        uint64_t n = chunk.size - skip < end - offset ? chunk.size - skip : end - offset;
        rc = visit(context, (struct span){chunk.data + skip, n});
        offset += n;
    }
    return rc;
}

static int append_part(void *context, struct span part)
{
    buf_append(context, part.data, part.size);
    return 0;
}

/* All bytes of the object, by their name or by the checksums of their rows. */
static int get_all(struct store *store, const struct hash *id, bool by_name,
                   struct buf *ret_bytes, struct err *err)
{
    struct place place;
    ret_bytes->size = 0;
    int rc = place_find(store, id, &place, err);
    if (rc != 0)
        return rc;
    mem_reserve(ret_bytes->data, ret_bytes->capacity, place.size);
    store->unchecked = by_name;
    rc = lend_range(store, id, &place, 0, place.size, append_part, ret_bytes, err);
    store->unchecked = false;
    if (rc == 0 && by_name) {
        struct hash found = hash_bytes(buf_span(ret_bytes));
        if (!hash_equal(&found, id))
            rc = err_set(err, ERR_CORRUPT, "bytes do not match the name");
    }
    return rc;
}

int store_get(struct store *store, const struct hash *id, struct buf *ret_bytes,
              struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct err why = {0};
    int rc = get_all(store, id, true, ret_bytes, &why);
    if (rc == ERR_CORRUPT) { /* which row? */
        struct err row = {0};
        if (get_all(store, id, false, ret_bytes, &row) == ERR_CORRUPT)
            why = row;
    }
    rest(store);
    if (rc == 0)
        return 0;
    ret_bytes->size = 0;
    if (err)
        *err = why;
    return rc == ERR_NOT_FOUND ? rc : err_context(err, rc, "object %s", hash_hex(id, hex));
}

int store_lend(struct store *store, const struct hash *id, uint64_t offset, size_t size,
               bool checked, store_visit_part *visit, void *context, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct place place;
    int rc = place_find(store, id, &place, err);
    if (rc == 0 && offset < place.size) {
        struct err why = {0};
        uint64_t end = size < place.size - offset ? offset + size : place.size;
        store->unchecked = !checked;
        rc = lend_range(store, id, &place, offset, end, visit, context, &why);
        store->unchecked = false;
        if (why.code != 0) { /* else the visitor ended it */
            (void)err_context(&why, rc, "object %s", hash_hex(id, hex));
            if (err)
                *err = why;
        }
    }
    rest(store);
    return rc;
}

/* ---- results ---- */

int check_outputs(struct store *store, const struct result *result, bool or_pruned,
                  struct err *err)
{
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        const struct output *output = &result->outputs[i];
        struct place place;
        struct pruned pruned;
        int rc = place_find(store, &output->id, &place, err);
        if (rc == ERR_NOT_FOUND && or_pruned &&
            pruned_find(store, &output->id, &pruned, NULL) == 0)
            continue;
        if (rc == 0 && place.size != output->size)
            rc = err_set(err, ERR_CORRUPT, "the object has %llu bytes, the result says %llu",
                         (unsigned long long)place.size, (unsigned long long)output->size);
        if (rc != 0)
            return err_context(err, rc, "output %u", i);
    }
    return 0;
}

int record_find(struct store *store, const struct hash *action, struct result *ret,
                struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct span value;
    struct row row;
    int rc =
        store->backend->ops->get(store->backend, TABLE_RESULTS, hash_span(action), &value, err);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, rc, "no result of action %s", hash_hex(action, hex));
    if (rc == 0 && value.size != 8)
        rc = err_set(err, ERR_CORRUPT, "index entry of %zu bytes", value.size);
    if (rc == 0)
        rc = journal_get(store, get_u64_le(value.data), &row, err);
    if (rc == 0 && (row.kind != ROW_RESULT || row.payload.size < HASH_SIZE))
        rc = err_set(err, ERR_CORRUPT, "row %llu is no result",
                     (unsigned long long)row.sequence);
    if (rc == 0)
        rc = result_decode(
            (struct span){row.payload.data + HASH_SIZE, row.payload.size - HASH_SIZE}, ret,
            err);
    if (rc == 0 && !hash_equal(&ret->action, action)) {
        result_done(ret);
        rc = err_set(err, ERR_CORRUPT, "row %llu is the result of another action",
                     (unsigned long long)row.sequence);
    }
    return rc != 0 ? err_context(err, rc, "result of action %s", hash_hex(action, hex)) : 0;
}

/* Why two results of one action are not the same, for people. */
static int explain_difference(const struct result *old, const struct result *new,
                              struct err *err)
{
    char hex[HASH_HEX_SIZE], hex_old[HASH_HEX_SIZE], hex_new[HASH_HEX_SIZE];
    (void)hash_hex(&old->action, hex);
    if (old->n_outputs != new->n_outputs)
        return err_set(err, ERR_CORRUPT,
                       "action %s is not reproducible: %u outputs, and before %u", hex,
                       new->n_outputs, old->n_outputs);
    for (uint32_t i = 0; i < old->n_outputs; i++)
        if (!hash_equal(&old->outputs[i].id, &new->outputs[i].id))
            return err_set(err, ERR_CORRUPT,
                           "action %s is not reproducible: output %u is %.16s.., and before "
                           "%.16s..",
                           hex, i, hash_hex(&new->outputs[i].id, hex_new),
                           hash_hex(&old->outputs[i].id, hex_old));
    return err_set(err, ERR_CORRUPT,
                   "action %s is not reproducible: type or summary is not as before", hex);
}

/* 0: no usable result of this action yet. 1: the same one. Else an error. */
static int compare_with_first(struct store *store, const struct result *result,
                              struct span bytes, struct err *err)
{
    struct result old;
    struct buf old_bytes = {0};
    int rc = record_find(store, &result->action, &old, NULL);
    if (rc == ERR_NOT_FOUND || rc == ERR_CORRUPT)
        return 0;
    if (rc != 0)
        return err_set(err, rc, "the first result cannot be read");
    rc = 0;
    if (check_outputs(store, &old, true, NULL) ==
        0) { /* else it is no hit, and may be replaced */
        result_encode(&old, &old_bytes);
        rc = old_bytes.size == bytes.size && memcmp(old_bytes.data, bytes.data, bytes.size) == 0
                 ? 1
                 : explain_difference(&old, result, err);
    }
    buf_done(&old_bytes);
    result_done(&old);
    return rc;
}

/* The record that was there is no hit: the new one takes its place. */
static int erase_replaced(struct store *store, const struct hash *action, struct err *err)
{
    struct span value;
    int rc =
        store->backend->ops->get(store->backend, TABLE_RESULTS, hash_span(action), &value, err);
    if (rc == ERR_NOT_FOUND || (rc == 0 && value.size != 8))
        return 0;
    return rc == 0 ? erase_row_of(store, get_u64_le(value.data), ROW_RESULT, action, err) : rc;
}

/* While gc is under way: it has counted, and this record was not there yet. */
static int refresh_outputs(struct store *store, const struct result *result, struct err *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < result->n_outputs; i++) {
        struct place place;
        rc = place_find(store, &result->outputs[i].id, &place, err);
        if (rc == 0 && place.sequence < store->horizon)
            rc = refresh(store, &result->outputs[i].id, place.sequence, err);
    }
    return rc;
}

int store_put_result(struct store *store, const struct result *result, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct buf bytes = {0};
    int rc = writing(store, err);
    if (rc != 0)
        return rc;
    rc = MUTANT(OUTPUTS_UNCHECKED) ? 0 : check_outputs(store, result, false, err);
    if (rc != 0)
        return err_context(err, rc, "result of action %s", hash_hex(&result->action, hex));
    result_encode(result, &bytes);
    rc = compare_with_first(store, result, buf_span(&bytes), err);
    if (rc >= 0 && store->horizon) {
        int refreshed = refresh_outputs(store, result, err);
        rc = refreshed != 0 ? refreshed : rc;
    }
    if (rc == 0)
        rc = erase_replaced(store, &result->action, err);
    if (rc == 0) {
        struct span parts[2] = {hash_span(&result->action), buf_span(&bytes)};
        rc = append_row(store, ROW_RESULT, parts, 2, err);
    }
    buf_done(&bytes);
    return rc == 1 ? 0 : rc;
}

int store_get_result(struct store *store, const struct hash *action, struct result *ret,
                     struct err *err)
{
    struct result result;
    int rc = record_find(store, action, &result, err);
    if (rc == 0) {
        rc = MUTANT(CACHE_HIT_WITHOUT_BLOB) ? 0 : check_outputs(store, &result, true, err);
        if (rc != 0)
            result_done(&result);
    }
    rest(store);
    if (rc == ERR_CORRUPT) { /* a miss: it will be computed again; fsck tells about it */
        rc = ERR_NOT_FOUND;
        if (err)
            err->code = rc;
    }
    if (rc == 0)
        *ret = result;
    return rc;
}

/* ---- refs ---- */

static int check_name(const char *name, struct err *err)
{
    size_t size = strlen(name);
    if (size == 0 || size >= STORE_REF_NAME_SIZE)
        return err_set(err, ERR_INVALID, "a ref name has 1..%d bytes, not %zu",
                       STORE_REF_NAME_SIZE - 1, size);
    if (!is_ref_name(span_text(name)))
        return err_set(err, ERR_INVALID, "ref name with a control character");
    return 0;
}

static int find_ref(struct store *store, const char *name, struct hash *ret, struct err *err)
{
    struct span value;
    int rc = store->backend->ops->get(store->backend, TABLE_REFS, span_text(name), &value, err);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, rc, "no ref '%s'", name);
    if (rc == 0 && value.size != HASH_SIZE)
        rc = err_set(err, ERR_CORRUPT, "ref '%s' has %zu bytes", name, value.size);
    if (rc == 0)
        memcpy(ret->bytes, value.data, HASH_SIZE);
    return rc;
}

int store_put_ref(struct store *store, const char *name, const struct hash *id, struct err *err)
{
    struct place place;
    struct hash old;
    int rc = check_name(name, err);
    if (rc == 0)
        rc = writing(store, err);
    if (rc == 0 && (rc = place_find(store, id, &place, err)) != 0)
        rc = err_context(err, rc, "ref '%s'", name);
    if (rc == 0 && store->horizon)
        rc = refresh(store, id, place.sequence, err);
    if (rc != 0)
        return rc;
    if (find_ref(store, name, &old, NULL) == 0 && hash_equal(&old, id))
        return 0;
    struct span parts[2] = {hash_span(id), span_text(name)};
    return append_row(store, ROW_REF, parts, 2, err);
}

int store_get_ref(struct store *store, const char *name, struct hash *ret_id, struct err *err)
{
    int rc = check_name(name, err);
    if (rc != 0)
        return rc;
    rc = find_ref(store, name, ret_id, err);
    rest(store);
    return rc;
}

int store_delete_ref(struct store *store, const char *name, struct err *err)
{
    struct hash id;
    int rc = check_name(name, err);
    if (rc == 0)
        rc = writing(store, err);
    if (rc == 0)
        rc = find_ref(store, name, &id, err);
    if (rc != 0)
        return rc;
    struct span part = span_text(name);
    return append_row(store, ROW_REF_DELETED, &part, 1, err);
}

/* ---- events ---- */

int store_append_event(struct store *store, struct span event, uint64_t *ret_sequence,
                       struct err *err)
{
    struct document *document = NULL;
    if (event.size > EVENT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "an event of %zu bytes, at most %d are allowed",
                       event.size, EVENT_BYTES_MAX);
    int rc = document_parse_canonical(event, &value_limits_message, &document, err);
    if (rc == 0 && !value_is_map(document_root(document)))
        rc = err_set(err, ERR_CORRUPT, "no map");
    document_free(document);
    if (rc != 0)
        return err_context(err, rc, "event");
    rc = writing(store, err);
    if (rc != 0)
        return rc;
    uint64_t sequence = store->next_sequence;
    rc = append_row(store, ROW_EVENT, &event, 1, err);
    if (rc == 0 && ret_sequence)
        *ret_sequence = sequence;
    return rc;
}

/* ---- walking ---- */

int walk_next(struct store *store, enum table table, struct walk *walk, struct span *ret_value,
              struct err *err)
{
    struct span key;
    int rc = store->backend->ops->seek(store->backend, table,
                                       (struct span){walk->key, walk->key_size}, walk->after,
                                       &key, ret_value, err);
    if (rc == 0 && key.size > sizeof walk->key)
        rc = err_set(err, ERR_CORRUPT, "a key of %zu bytes", key.size);
    if (rc != 0)
        return rc;
    memcpy(walk->key, key.data, key.size);
    walk->key_size = key.size;
    walk->after = true;
    return 0;
}

int walk_hash(const struct walk *walk, struct hash *ret, struct err *err)
{
    if (walk->key_size != HASH_SIZE)
        return err_set(err, ERR_CORRUPT, "a key of %zu bytes, want an id", walk->key_size);
    memcpy(ret->bytes, walk->key, HASH_SIZE);
    return 0;
}

/* Where ids that begin with these digits begin. Errors: ERR_INVALID. */
static int walk_from_digits(struct walk *walk, const char *prefix, struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(prefix);
    if (strspn(prefix, digits) != n || n >= HASH_HEX_SIZE)
        return err_set(err, ERR_INVALID, "'%.80s' is no beginning of an id", prefix);
    *walk = (struct walk){.key_size = (n + 1) / 2};
    for (size_t i = 0; i < n; i++)
        walk->key[i / 2] |=
            (uint8_t)((size_t)(strchr(digits, prefix[i]) - digits) << (i % 2 ? 0 : 4));
    return 0;
}

int store_each_object_like(struct store *store, const char *prefix,
                           int (*visit)(void *context, const struct store_info *info),
                           void *context, struct err *err)
{
    struct walk walk;
    struct span value;
    int rc = walk_from_digits(&walk, prefix, err);
    if (rc != 0)
        return rc;
    while ((rc = walk_next(store, TABLE_OBJECTS, &walk, &value, err)) == 0) {
        struct store_info info = {0};
        struct place place;
        char hex[HASH_HEX_SIZE];
        rc = walk_hash(&walk, &info.id, err);
        if (rc == 0)
            rc = place_decode(value, &place, err);
        rest(store);
        if (rc != 0)
            return rc;
        if (strncmp(hash_hex(&info.id, hex), prefix, strlen(prefix)) != 0)
            break;
        info.size = place.size;
        memcpy(info.type, place.type, sizeof info.type);
        rc = visit(context, &info);
        if (rc != 0)
            return rc;
    }
    rest(store);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int store_each_object(struct store *store,
                      int (*visit)(void *context, const struct store_info *info), void *context,
                      struct err *err)
{
    return store_each_object_like(store, "", visit, context, err);
}

int store_each_result(struct store *store,
                      int (*visit)(void *context, const struct result *result), void *context,
                      struct err *err)
{
    struct walk walk = {.key_size = 0};
    struct span value;
    int rc;
    while ((rc = walk_next(store, TABLE_RESULTS, &walk, &value, err)) == 0) {
        struct hash action;
        struct result result;
        rc = walk_hash(&walk, &action, err);
        if (rc == 0)
            rc = record_find(store, &action, &result, err);
        rest(store);
        if (rc != 0)
            return rc;
        rc = visit(context, &result);
        result_done(&result);
        if (rc != 0)
            return rc;
    }
    rest(store);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int store_each_ref(struct store *store, const char *prefix,
                   int (*visit)(void *context, const char *name, const struct hash *id),
                   void *context, struct err *err)
{
    struct walk walk = {.key_size = strlen(prefix)};
    struct span value;
    int rc;
    if (walk.key_size >= STORE_REF_NAME_SIZE)
        return err_set(err, ERR_INVALID, "a prefix of %zu bytes", walk.key_size);
    memcpy(walk.key, prefix, walk.key_size);
    while ((rc = walk_next(store, TABLE_REFS, &walk, &value, err)) == 0) {
        char name[WALK_KEY_SIZE + 1];
        struct hash id;
        memcpy(name, walk.key, walk.key_size);
        name[walk.key_size] = '\0';
        if (strncmp(name, prefix, strlen(prefix)) != 0)
            break;
        if (value.size != HASH_SIZE)
            rc = err_set(err, ERR_CORRUPT, "ref '%s' has %zu bytes", name, value.size);
        else
            memcpy(id.bytes, value.data, HASH_SIZE);
        rest(store);
        if (rc == 0)
            rc = visit(context, name, &id);
        if (rc != 0)
            return rc;
    }
    rest(store);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int store_each_event(struct store *store, uint64_t from,
                     int (*visit)(void *context, uint64_t sequence, struct span event),
                     void *context, struct err *err)
{
    struct walk walk = {.key_size = SEQUENCE_SIZE};
    struct span value;
    struct buf event = {0};
    int rc;
    sequence_key(from, walk.key);
    while ((rc = walk_next(store, TABLE_EVENTS, &walk, &value, err)) == 0) {
        struct row row;
        uint64_t sequence = sequence_of_key((struct span){walk.key, walk.key_size});
        rc = journal_get(store, sequence, &row, err);
        if (rc == 0 && row.kind != ROW_EVENT)
            rc =
                err_set(err, ERR_CORRUPT, "row %llu is no event", (unsigned long long)sequence);
        if (rc == 0) {
            event.size = 0;
            buf_append(&event, row.payload.data, row.payload.size);
        }
        rest(store);
        if (rc == 0)
            rc = visit(context, sequence, buf_span(&event));
        if (rc != 0) {
            buf_done(&event);
            return rc;
        }
    }
    rest(store);
    buf_done(&event);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}
