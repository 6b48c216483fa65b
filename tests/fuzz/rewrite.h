/* What must hold for whatever was read: written in a format that keeps id and properties, it
 * comes back with them. */
#ifndef WYCKMILL_TESTS_FUZZ_REWRITE_H
#define WYCKMILL_TESTS_FUZZ_REWRITE_H

#include "workers/crystal/format.h"

#include <assert.h>
#include <string.h>

static inline void rewrite_item(const struct source_item *item, const char *file)
{
    struct structure structure, again;
    struct source source = {0};
    struct buf out = {0};
    int rc = format_parse(item, &structure, NULL, NULL);
    if (rc == 0 && structure_check(&structure, NULL) == 0) {
        const struct format_out one = {.structure = &structure, .name = "x"};
        rc = format_write(format_name(file), &one, 1, &out, NULL);
        assert(rc == 0);
        format_split(file, buf_span(&out), &source);
        assert(source.n_items == 1);
        rc = format_parse(&source.items[0], &again, NULL, NULL);
        assert(rc == 0);
        assert(!strcmp(again.id, structure.id) && again.n_atoms == structure.n_atoms);
        assert(again.n_properties == structure.n_properties);
        for (uint32_t i = 0; i < again.n_properties; i++)
            assert(again.properties[i].value == structure.properties[i].value);
        structure_done(&again);
    }
    structure_done(&structure);
    source_done(&source);
    buf_done(&out);
}

static inline void rewrite_file(const char *file, const uint8_t *data, size_t size)
{
    static const char *const files[] = {"x.csv", "x.json", "x.extxyz"};
    struct source source = {0};
    format_split(file, (struct span){data, size}, &source);
    for (uint32_t i = 0; i < source.n_items; i++)
        for (size_t f = 0; f < sizeof files / sizeof files[0]; f++)
            rewrite_item(&source.items[i], files[f]);
    source_done(&source);
}

#endif
