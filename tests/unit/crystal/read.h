/* Texts to structures, for tests of the readers. */
#ifndef WYCKMILL_TESTS_CRYSTAL_READ_H
#define WYCKMILL_TESTS_CRYSTAL_READ_H

#include "tests/support/cmocka.h"

#include "workers/crystal/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define assert_near(a, b, tolerance)                                                           \
    do {                                                                                       \
        if (!(fabs((a) - (b)) <= (tolerance)))                                                 \
            fail_msg("%s is %.17g, not %.17g", #a, (double)(a), (double)(b));                  \
    } while (0)

/* What becomes of every item: "id formula-of-letters line\n" or "!line: reason\n". Caller frees
 * with buf_done. */
static inline struct buf read_all(const char *file, const char *text)
{
    struct source source = {0};
    struct buf out = {0};
    format_split(file, span_text(text), &source);
    for (uint32_t i = 0; i < source.n_items; i++) {
        struct structure structure;
        struct err err = {0};
        uint32_t line = 0;
        int rc = format_parse(&source.items[i], &structure, &line, &err);
        if (rc)
            buf_print(&out, "!%u: %s\n", line, err.text);
        else
            buf_print(&out, "%s %u atoms, line %u\n", structure.id, structure.n_atoms,
                      structure.line);
        structure_done(&structure);
    }
    source_done(&source);
    return out;
}

static inline void assert_read(const char *file, const char *text, const char *want)
{
    struct buf got = read_all(file, text);
    assert_string_equal(buf_text(&got), want);
    buf_done(&got);
}

/* Item `i` of a text, which is good. */
static inline struct structure read_one(const char *file, const char *text, uint32_t i)
{
    struct source source = {0};
    struct structure structure;
    struct err err = {0};
    uint32_t line;
    format_split(file, span_text(text), &source);
    assert_true(i < source.n_items);
    if (format_parse(&source.items[i], &structure, &line, &err))
        fail_msg("%s:%u: %s", file, line, err.text);
    if (structure_check(&structure, &err))
        fail_msg("%s:%u: %s", file, line, err.text);
    source_done(&source);
    return structure;
}

/* "band_gap=1.5 eV, x=2" */
static inline void assert_properties(const struct structure *structure, const char *want)
{
    struct buf got = {0};
    for (uint32_t i = 0; i < structure->n_properties; i++) {
        const struct property *property = &structure->properties[i].property;
        buf_print(&got, "%s%s=%.17g%s%s", i ? ", " : "", property->name,
                  structure->properties[i].value, property->unit[0] ? " " : "", property->unit);
    }
    assert_string_equal(buf_text(&got), want);
    buf_done(&got);
}

#endif
