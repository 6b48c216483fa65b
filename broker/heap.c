/* Indexed binary heap: see heap.h. */
#include "broker/heap.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>

void heap_init(struct heap *heap, heap_position *position, void *context)
{
    *heap = (struct heap){.position = position, .context = context};
}

void heap_done(struct heap *heap)
{
    for (uint32_t i = 0; i < heap->n_pages; i++)
        free(heap->pages[i]);
    free(heap->pages);
    *heap = (struct heap){0};
}

bool heap_before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->major != b->major ? a->major < b->major : a->minor < b->minor;
}

static struct heap_entry *entry_at(const struct heap *heap, uint32_t index)
{
    return &heap->pages[index / HEAP_PAGE][index % HEAP_PAGE];
}

static void put(struct heap *heap, uint32_t index, struct heap_entry entry)
{
    *entry_at(heap, index) = entry;
    *heap->position(heap->context, entry.item) = index;
}

static void sift_up(struct heap *heap, uint32_t index, struct heap_entry entry)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        if (!heap_before(&entry, entry_at(heap, parent)))
            break;
        put(heap, index, *entry_at(heap, parent));
        index = parent;
    }
    put(heap, index, entry);
}

static void sift_down(struct heap *heap, uint32_t index, struct heap_entry entry)
{
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child >= heap->n)
            break;
        if (child + 1 < heap->n &&
            heap_before(entry_at(heap, child + 1), entry_at(heap, child)))
            child++;
        if (!heap_before(entry_at(heap, child), &entry))
            break;
        put(heap, index, *entry_at(heap, child));
        index = child;
    }
    put(heap, index, entry);
}

void heap_push(struct heap *heap, uint64_t major, uint64_t minor, uint32_t item)
{
    assert(*heap->position(heap->context, item) == HEAP_NOWHERE);
    if (heap->n == heap->n_pages * HEAP_PAGE) {
        heap->pages = mem_resize(heap->pages, heap->n_pages + 1, sizeof *heap->pages);
        heap->pages[heap->n_pages++] = mem_new(HEAP_PAGE, sizeof **heap->pages);
    }
    sift_up(heap, heap->n++, (struct heap_entry){major, minor, item});
}

void heap_remove(struct heap *heap, uint32_t item)
{
    uint32_t *position = heap->position(heap->context, item), index = *position;
    assert(index < heap->n && entry_at(heap, index)->item == item);
    *position = HEAP_NOWHERE;

    struct heap_entry last = *entry_at(heap, --heap->n);
    if (index == heap->n)
        return;
    if (index > 0 && heap_before(&last, entry_at(heap, (index - 1) / 2)))
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

const struct heap_entry *heap_top(const struct heap *heap)
{
    return heap->n ? entry_at(heap, 0) : NULL;
}

const struct heap_entry *heap_at(const struct heap *heap, uint32_t i)
{
    return entry_at(heap, i);
}

const struct heap_entry *heap_key(const struct heap *heap, uint32_t item)
{
    return entry_at(heap, *heap->position(heap->context, item));
}

/* Below an entry that does not come before the item nothing does. */
uint32_t heap_count_before(const struct heap *heap, uint32_t item, uint32_t limit)
{
    uint32_t open[64] = {0}; /* at most one sibling per level waits */
    uint32_t n_open = heap->n ? 1 : 0, n = 0;
    const struct heap_entry *entry = heap_key(heap, item);
    while (n_open && n < limit) {
        uint32_t index = open[--n_open];
        if (!heap_before(entry_at(heap, index), entry))
            continue;
        n++;
        for (uint32_t child = 2 * index + 1; child <= 2 * index + 2 && child < heap->n; child++)
            open[n_open++] = child;
    }
    return n;
}
