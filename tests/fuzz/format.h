/* What must hold for any bytes given to a reader: every item is a structure or a reason with a
 * line of the file, a structure that passes the check survives writing and reading, and the
 * memory held is in proportion to the bytes. */
#ifndef WYCKMILL_TESTS_FUZZ_FORMAT_H
#define WYCKMILL_TESTS_FUZZ_FORMAT_H

#include "tests/fuzz/heap.h"
#include "workers/crystal/format.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `input` bytes were given to the reader that has just worked. */
static inline void fuzz_heap(size_t input, size_t fixed)
{
    if (heap_peak() <= HEAP_TIMES * input + fixed)
        return;
    (void)fprintf(stderr, "%zu bytes held for %zu bytes of input, at most %d times and %zu\n",
                  heap_peak(), input, HEAP_TIMES, fixed);
    abort();
}

/* Written as extXYZ and POSCAR, read again: the same atoms. */
static inline void fuzz_write(const struct structure *structure)
{
    static const char *const names[] = {"again.extxyz", "POSCAR"};
    for (int i = 0; i < 2; i++) {
        struct buf out = {0};
        struct source source = {0};
        struct structure again;
        if (i == 0)
            extxyz_write(structure, NULL, &out);
        else
            poscar_write(structure, structure->id, &out);
        format_split(names[i], buf_span(&out), &source);
        assert(source.n_items == 1);
        assert(format_parse(&source.items[0], &again, NULL, NULL) == 0);
        assert(again.n_atoms == structure->n_atoms);
        assert(fabs(structure_volume(&again) - structure_volume(structure)) <
               1e-6 * (1 + structure_volume(structure)));
        if (i == 0 && structure->n_atoms < 20)
            assert(fabs(structure_distance_min(&again) - structure_distance_min(structure)) <
                   1e-4);
        structure_done(&again);
        source_done(&source);
        buf_done(&out);
    }
}

static inline void fuzz_item(const struct source_item *item, uint32_t lines, size_t size)
{
    struct structure structure;
    struct err err = {0};
    uint32_t line = 0;
    assert(item->line <= lines);
    heap_restart();
    int rc = format_parse(item, &structure, &line, &err);
    fuzz_heap(size, HEAP_FIXED_BYTES);
    if (rc == 0)
        rc = structure_check(&structure, &err);
    assert(line <= lines);
    if (rc == 0)
        fuzz_write(&structure);
    else
        assert(err.code == rc && err.text[0] != '\0');
    structure_done(&structure);
}

static inline void fuzz_format(const char *file, const uint8_t *data, size_t size)
{
    struct source source = {0};
    uint32_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    for (int number = 1; number <= GROUP_MAX; number++)
        (void)spacegroup_get(number); /* decoded on first use and kept: not the reader's */
    heap_begin();
    format_split(file, (struct span){data, size}, &source);
    fuzz_heap(size, HEAP_FIXED_BYTES);
    assert(heap_peak() >= source.n_items * sizeof *source.items); /* the meter sees us */
    for (uint32_t i = 0; i < source.n_items; i++)
        fuzz_item(&source.items[i], lines, size);
    source_done(&source);
}

#endif
