/* A binary heap of numbered items under (major, minor) keys, smallest first, that knows where
 * each item stands: push, remove and pop cost O(log n). Entries lie in pages of fixed size, so
 * growing copies nothing: a queue of a million tasks must not stall one step of the broker. */
#ifndef WYCKMILL_BROKER_HEAP_H
#define WYCKMILL_BROKER_HEAP_H

#include <stdbool.h>
#include <stdint.h>

enum { HEAP_PAGE = 4096 /* entries */ };
#define HEAP_NOWHERE UINT32_MAX /* position of an item that is in no heap */

struct heap_entry {
    uint64_t major, minor;
    uint32_t item;
};

/* Where the position of an item is kept: in the item itself, by its owner. */
typedef uint32_t *heap_position(void *context, uint32_t item);

struct heap {
    struct heap_entry **pages;
    uint32_t n;       /* entries */
    uint32_t n_pages; /* allocated */
    heap_position *position;
    void *context;
};

void heap_init(struct heap *heap, heap_position *position, void *context);
void heap_done(struct heap *heap);

/* `item` must be in no heap (its position HEAP_NOWHERE). */
void heap_push(struct heap *heap, uint64_t major, uint64_t minor, uint32_t item);
/* `item` must be in this heap. */
void heap_remove(struct heap *heap, uint32_t item);
/* The smallest entry; NULL when empty. Borrowed until the next change. */
const struct heap_entry *heap_top(const struct heap *heap);

/* Entry i < n, in no order but that entry 0 is the smallest and early ones tend to be small. */
const struct heap_entry *heap_at(const struct heap *heap, uint32_t i);
/* The entry of `item`, which must be in this heap. Borrowed until the next change. */
const struct heap_entry *heap_key(const struct heap *heap, uint32_t item);
/* How many entries come before `item`, which must be in this heap; counting ends at `limit`.
 * O(answer). */
uint32_t heap_count_before(const struct heap *heap, uint32_t item, uint32_t limit);

/* Is the key of `a` smaller? */
bool heap_before(const struct heap_entry *a, const struct heap_entry *b);

#endif
