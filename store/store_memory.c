/* The backend in memory: one treap per table (a search tree whose shape comes from hashes of
 * its keys, so it is the same in every run), and a list of what to undo. */
#include "common/mem.h"
#include "store/backend.h"

#include <assert.h>
#include <stdlib.h>

struct node {
    struct node *left, *right;
    uint64_t priority; /* larger than those below */
    struct buf key, value;
};

/* What a key had before the group touched it. */
struct undo {
    enum table table;
    bool existed;
    struct buf key, value;
};

struct memory {
    struct backend base;
    struct node *roots[TABLE_COUNT];
    bool group_open;
    struct undo *undos;
    size_t n_undos, undos_capacity;
};

static struct memory *memory_of(struct backend *backend)
{
    return (struct memory *)backend;
}

/* ---- the tree ---- */

static int compare(struct span a, struct span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* FNV-1a, finished with a multiplication: neighbouring keys get unlike priorities. */
static uint64_t priority_of(struct span key)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ key.data[i]) * 0x100000001b3;
    hash ^= hash >> 32;
    return hash * 0x9e3779b97f4a7c15;
}

static struct node *find(struct node *node, struct span key)
{
    while (node) {
        int order = compare(key, buf_span(&node->key));
        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

/* All keys below `key` to the left, all others to the right. */
static void split(struct node *node, struct span key, struct node **ret_left,
                  struct node **ret_right)
{
    while (node) {
        if (compare(buf_span(&node->key), key) < 0) {
            *ret_left = node;
            ret_left = &node->right;
            node = node->right;
        } else {
            *ret_right = node;
            ret_right = &node->left;
            node = node->left;
        }
    }
    *ret_left = *ret_right = NULL;
}

/* Every key of `left` is below every key of `right`. */
static struct node *join(struct node *left, struct node *right)
{
    struct node *root = NULL, **at = &root;
    while (left && right) {
        if (left->priority > right->priority) {
            *at = left;
            at = &left->right;
            left = left->right;
        } else {
            *at = right;
            at = &right->left;
            right = right->left;
        }
    }
    *at = left ? left : right;
    return root;
}

static struct node *insert(struct node **root, struct span key)
{
    struct node *node = mem_new(1, sizeof *node);
    node->priority = priority_of(key);
    buf_append(&node->key, key.data, key.size);
    while (*root && (*root)->priority > node->priority)
        root = compare(key, buf_span(&(*root)->key)) < 0 ? &(*root)->left : &(*root)->right;
    split(*root, key, &node->left, &node->right);
    *root = node;
    return node;
}

static void node_free(struct node *node)
{
    buf_done(&node->key);
    buf_done(&node->value);
    free(node);
}

static void remove_key(struct node **root, struct span key)
{
    while (*root) {
        struct node *node = *root;
        int order = compare(key, buf_span(&node->key));
        if (order == 0) {
            *root = join(node->left, node->right);
            node_free(node);
            return;
        }
        root = order < 0 ? &node->left : &node->right;
    }
}

/* ---- the group ---- */

static void remember(struct memory *memory, enum table table, struct span key,
                     const struct node *node)
{
    mem_reserve(memory->undos, memory->undos_capacity, memory->n_undos + 1);
    struct undo *undo = &memory->undos[memory->n_undos++];
    *undo = (struct undo){.table = table, .existed = node != NULL};
    buf_append(&undo->key, key.data, key.size);
    if (node)
        buf_append(&undo->value, node->value.data, node->value.size);
}

static void forget_undos(struct memory *memory)
{
    for (size_t i = 0; i < memory->n_undos; i++) {
        buf_done(&memory->undos[i].key);
        buf_done(&memory->undos[i].value);
    }
    memory->n_undos = 0;
}

static int memory_begin(struct backend *backend, struct err *err)
{
    (void)err;
    memory_of(backend)->group_open = true;
    return 0;
}

static int memory_commit(struct backend *backend, struct err *err)
{
    (void)err;
    forget_undos(memory_of(backend));
    memory_of(backend)->group_open = false;
    return 0;
}

static void memory_abort(struct backend *backend)
{
    struct memory *memory = memory_of(backend);
    for (size_t i = memory->n_undos; i-- > 0;) {
        struct undo *undo = &memory->undos[i];
        struct node **root = &memory->roots[undo->table];
        struct node *node = find(*root, buf_span(&undo->key));
        if (undo->existed) {
            if (!node)
                node = insert(root, buf_span(&undo->key));
            node->value.size = 0;
            buf_append(&node->value, undo->value.data, undo->value.size);
        } else if (node) {
            remove_key(root, buf_span(&undo->key));
        }
    }
    forget_undos(memory);
    memory->group_open = false;
}

/* ---- reading and writing ---- */

static int memory_get(struct backend *backend, enum table table, struct span key,
                      struct span *ret, struct err *err)
{
    (void)err;
    const struct node *node = find(memory_of(backend)->roots[table], key);
    if (!node)
        return ERR_NOT_FOUND;
    *ret = buf_span(&node->value);
    return 0;
}

static int memory_seek(struct backend *backend, enum table table, struct span key, bool after,
                       struct span *ret_key, struct span *ret_value, struct err *err)
{
    (void)err;
    const struct node *node = memory_of(backend)->roots[table], *best = NULL;
    while (node) {
        int order = compare(buf_span(&node->key), key);
        if (order > 0 || (order == 0 && !after)) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    if (!best)
        return ERR_NOT_FOUND;
    *ret_key = buf_span(&best->key);
    *ret_value = buf_span(&best->value);
    return 0;
}

static int memory_last(struct backend *backend, enum table table, struct span *ret_key,
                       struct err *err)
{
    (void)err;
    const struct node *node = memory_of(backend)->roots[table];
    if (!node)
        return ERR_NOT_FOUND;
    while (node->right)
        node = node->right;
    *ret_key = buf_span(&node->key);
    return 0;
}

static int memory_put(struct backend *backend, enum table table, struct span key,
                      const struct span *parts, size_t n_parts, bool append, struct err *err)
{
    struct memory *memory = memory_of(backend);
    (void)append;
    (void)err;
    assert(memory->group_open);
    struct node *node = find(memory->roots[table], key);
    remember(memory, table, key, node);
    if (!node)
        node = insert(&memory->roots[table], key);
    node->value.size = 0;
    for (size_t i = 0; i < n_parts; i++)
        buf_append(&node->value, parts[i].data, parts[i].size);
    return 0;
}

static int memory_erase(struct backend *backend, enum table table, struct span key,
                        struct err *err)
{
    struct memory *memory = memory_of(backend);
    (void)err;
    assert(memory->group_open);
    struct node *node = find(memory->roots[table], key);
    if (!node)
        return ERR_NOT_FOUND;
    remember(memory, table, key, node);
    remove_key(&memory->roots[table], key);
    return 0;
}

static int memory_clear(struct backend *backend, enum table table, struct err *err)
{
    struct memory *memory = memory_of(backend);
    while (memory->roots[table]) {
        struct buf key = {0};
        buf_append(&key, memory->roots[table]->key.data, memory->roots[table]->key.size);
        (void)memory_erase(backend, table, buf_span(&key), err);
        buf_done(&key);
    }
    return 0;
}

static void memory_rest(struct backend *backend)
{
    (void)backend;
}

static void memory_hold(struct backend *backend, bool hold)
{
    (void)backend;
    (void)hold;
}

static int memory_copy(struct backend *backend, const char *folder, struct err *err)
{
    (void)backend;
    return err_set(err, ERR_UNSUPPORTED, "a store in memory has no copy in '%s'", folder);
}

static void memory_close(struct backend *backend)
{
    struct memory *memory = memory_of(backend);
    for (int table = 0; table < TABLE_COUNT; table++)
        while (memory->roots[table]) {
            struct node *root = memory->roots[table];
            memory->roots[table] = join(root->left, root->right);
            node_free(root);
        }
    forget_undos(memory);
    free(memory->undos);
    free(memory);
}

struct backend *backend_open_memory(void)
{
    static const struct backend_ops ops = {
        .begin = memory_begin,
        .commit = memory_commit,
        .abort = memory_abort,
        .get = memory_get,
        .seek = memory_seek,
        .last = memory_last,
        .put = memory_put,
        .erase = memory_erase,
        .clear = memory_clear,
        .rest = memory_rest,
        .hold = memory_hold,
        .copy = memory_copy,
        .close = memory_close,
    };
    struct memory *memory = mem_new(1, sizeof *memory);
    memory->base.ops = &ops;
    return &memory->base;
}
