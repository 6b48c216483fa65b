/* Results, the other way round: see origins.h. */
#include "cli/origins.h"

#include "common/mem.h"

#include <stdlib.h>

static int collect(void *context, const struct result *result)
{
    struct origins *origins = context;
    mem_reserve(origins->items, origins->capacity, origins->n + result->n_outputs);
    for (uint32_t i = 0; i < result->n_outputs; i++)
        origins->items[origins->n++] = (struct origin){result->outputs[i].id, result->action};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct origin *x = a, *y = b;
    int order = hash_compare(&x->object, &y->object);
    return order ? order : hash_compare(&x->action, &y->action);
}

int origins_load(struct store *store, struct origins *ret, struct err *err)
{
    int rc = store_each_result(store, collect, ret, err);
    if (rc == 0 && ret->n > 0)
        qsort(ret->items, ret->n, sizeof *ret->items, compare);
    return rc;
}

const struct origin *origins_find(const struct origins *origins, const struct hash *object)
{
    size_t low = 0, high = origins->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hash_compare(&origins->items[middle].object, object) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < origins->n && hash_equal(&origins->items[low].object, object);
    return found ? &origins->items[low] : NULL;
}

void origins_done(struct origins *origins)
{
    free(origins->items);
    *origins = (struct origins){0};
}
