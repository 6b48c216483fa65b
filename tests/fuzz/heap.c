/* Live bytes of the heap: see heap.h. Under a sanitizer its hooks count, else malloc and its
 * relatives are replaced by ones that count and hand on to libc. */
#include "tests/fuzz/heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

static atomic_size_t live, peak;
static size_t before;

static void grown(size_t size)
{
    size_t now = atomic_fetch_add(&live, size) + size, most = atomic_load(&peak);
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now))
        ;
}

static void shrunk(size_t size)
{
    atomic_fetch_sub(&live, size);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                     \
    __has_feature(memory_sanitizer)
#define SANITIZER_HEAP
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_HEAP
#endif

#ifdef SANITIZER_HEAP

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *block);

static void on_malloc(const volatile void *block, size_t size)
{
    if (block)
        grown(size);
}

/* Blocks from before the hooks count as well: `live` may then wrap, and wraps back. */
static void on_free(const volatile void *block)
{
    if (block)
        shrunk(__sanitizer_get_allocated_size(block));
}

__attribute__((constructor)) static void install(void)
{
    if (!__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free))
        abort();
}

#else

/* clang-format off */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);
/* clang-format on */

static void *counted(void *block)
{
    if (block)
        grown(malloc_usable_size(block));
    return block;
}

void *malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return counted(__libc_calloc(count, size));
}

void *memalign(size_t alignment, size_t size)
{
    return counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    void *block = memalign(alignment, size);
    if (block)
        *ret = block;
    return block ? 0 : ENOMEM;
}

void free(void *block)
{
    if (block)
        shrunk(malloc_usable_size(block));
    __libc_free(block);
}

/* Both blocks are live for a moment, as they are when the block moves. */
void *realloc(void *old, size_t size)
{
    size_t old_size = old ? malloc_usable_size(old) : 0;
    void *block = counted(__libc_realloc(old, size));
    if (block || size == 0)
        shrunk(old_size);
    return block;
}

void *reallocarray(void *old, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, count * size);
}

#endif

void heap_begin(void)
{
    before = atomic_load(&live);
    atomic_store(&peak, before);
}

size_t heap_peak(void)
{
    size_t most = atomic_load(&peak);
    return most > before ? most - before : 0;
}

void heap_restart(void)
{
    atomic_store(&peak, atomic_load(&live));
}
