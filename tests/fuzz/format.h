/* What must hold for any bytes given to a reader: every item is a structure or a reason with a
 * line of the file, and a structure that passes the check survives writing and reading. */
#ifndef WYCKMILL_TESTS_FUZZ_FORMAT_H
#define WYCKMILL_TESTS_FUZZ_FORMAT_H

#include "workers/crystal/format.h"

#include <assert.h>
#include <math.h>
#include <string.h>

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

static inline void fuzz_item(const struct source_item *item, uint32_t lines)
{
    struct structure structure;
    struct err err = {0};
    uint32_t line = 0;
    assert(item->line <= lines);
    int rc = format_parse(item, &structure, &line, &err);
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
    format_split(file, (struct span){data, size}, &source);
    for (uint32_t i = 0; i < source.n_items; i++)
        fuzz_item(&source.items[i], lines);
    source_done(&source);
}

#endif
