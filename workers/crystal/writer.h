/* What the writers of the single formats share; users include format.h. */
#ifndef WYCKMILL_CRYSTAL_WRITER_H
#define WYCKMILL_CRYSTAL_WRITER_H

#include "workers/crystal/format.h"

/* Files of one format with any number of structures; contracts of format_write. */
int extxyz_write_all(const struct format_out *list, uint32_t n, struct buf *out,
                     struct err *err);
int cif_write_all(const struct format_out *list, uint32_t n, struct buf *out, struct err *err);
int poscar_write_all(const struct format_out *list, uint32_t n, struct buf *out,
                     struct err *err);
int csv_write_all(const struct format_out *list, uint32_t n, struct buf *out, struct err *err);
int json_write_all(const struct format_out *list, uint32_t n, struct buf *out, struct err *err);

/* The shortest of 15, 16 or 17 digits that reads back as the same (finite) number. */
struct number_text {
    char text[32];
};
struct number_text number_print(double value);

/* Must the unit stand behind the name, "log10(K) [GPa]", because the name alone ends as if a
 * unit were in it? (Else it has a place of its own.) */
bool property_keeps_unit(const struct property *property);

/* In quotes, escaped. */
void json_write_text(const char *text, struct buf *out);

#endif
