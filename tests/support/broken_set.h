/* A folder of inputs as bad as they come, with two good structures among them. */
#ifndef WYCKMILL_TESTS_SUPPORT_BROKEN_SET_H
#define WYCKMILL_TESTS_SUPPORT_BROKEN_SET_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKEN_NACL                                                                            \
    "2\nLattice=\"0 2.82 2.82 2.82 0 2.82 2.82 2.82 0\" Properties=species:S:1:pos:R:3 "       \
    "id=good-%d band_gap=5.0\nNa 0 0 0\nCl 2.82 2.82 2.82\n"
#define BROKEN_CUBE "1\nLattice=\"3 0 0 0 3 0 0 0 3\" id=%s\n"

enum { BROKEN_REJECTS = 9, BROKEN_GOOD = 2, BROKEN_LINE_BYTES = 10 << 20 };

/* What is refused, in the order of the report. */
static const struct {
    const char *file;
    uint32_t line;
    const char *id, *words; /* of the reason */
} broken_rejects[BROKEN_REJECTS] = {
    {"cut.cif", 14, "cut", "has 3 of 4 values"},
    {"empty.cif", 0, "", "empty"},
    {"junk.cif", 1, "", "not a CIF"},
    {"junk.extxyz", 1, "", "is not a number of atoms"},
    {"mixed.extxyz", 5, "not-a-number", "'NaN' is not a finite number"},
    {"mixed.extxyz", 8, "overlap", "overlap"},
    {"mixed.extxyz", 12, "unknown", "unknown element 'Uuq'"},
    {"mixed.extxyz", 15, "", "10485767 bytes"},
    {"notes.txt", 0, "", "not a known format"},
};

static inline int broken_file(const char *folder, const char *name, const void *bytes,
                              size_t size)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file)
        return -1;
    size_t written = fwrite(bytes, 1, size, file);
    return fclose(file) == 0 && written == size ? 0 : -1;
}

static inline int broken_mixed_file(const char *folder)
{
    char *text = malloc(BROKEN_LINE_BYTES + 4096), *at = text;
    at += sprintf(at, BROKEN_NACL, 1);
    at += sprintf(at, BROKEN_CUBE "Po 0 NaN 0\n", "not-a-number");
    at += sprintf(at, "2\nLattice=\"3 0 0 0 3 0 0 0 3\" id=overlap\nPo 0 0 0\nPo 0 0 2.99\n");
    at += sprintf(at, BROKEN_CUBE "Uuq 0 0 0\n", "unknown");
    at += sprintf(at, BROKEN_CUBE "Po 0 0 ", "long");
    memset(at, '7', BROKEN_LINE_BYTES);
    at += BROKEN_LINE_BYTES;
    at += sprintf(at, "\n" BROKEN_NACL, 2);
    int rc = broken_file(folder, "mixed.extxyz", text, (size_t)(at - text));
    free(text);
    return rc;
}

/* Writes the files into `folder`. 0, or -1 when the disk refuses. */
static inline int broken_set_write(const char *folder)
{
    static const char cut[] =
        "data_x\n_cell_length_a 5.64\n_cell_length_b 5.64\n_cell_length_c 5.64\n"
        "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
        "_symmetry_Int_Tables_number 225\nloop_\n_atom_site_label\n_atom_site_fract_x\n"
        "_atom_site_fract_y\n_atom_site_fract_z\nNa 0 0";
    uint8_t junk[5000];
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (uint8_t)(i * i * 2654435761u >> 11);
    return broken_file(folder, "cut.cif", cut, sizeof cut - 1) ||
                   broken_file(folder, "empty.cif", "", 0) ||
                   broken_file(folder, "junk.cif", junk, sizeof junk) ||
                   broken_file(folder, "junk.extxyz", junk, sizeof junk) ||
                   broken_file(folder, "notes.txt", "bought at the market\n", 21)
               ? -1
               : broken_mixed_file(folder);
}

#endif
