/* What a campaign leaves for its user: a table, one file of structures, one CIF each. Equal
 * candidates give equal bytes. Numbers in the table have 8 significant digits; unknown ones and
 * open ends of ranges are empty. */
#ifndef WYCKMILL_CLI_EXPORT_H
#define WYCKMILL_CLI_EXPORT_H

#include "common/err.h"
#include "proto/objects.h"

#include <stdio.h>

/* Write into the folder `out_dir` (made when missing), each file whole or not at all:
 *   candidates.csv     one row per candidate, best first (RFC 4180, UTF-8, comma)
 *   candidates.extxyz  one frame per candidate, primitive cell
 *   cif/NNNN-FORMULA.cif
 * CIF files of an earlier export that are not of this one are removed; others stay.
 * Errors: ERR_IO, ERR_FULL, ERR_INVALID (a candidate whose record is no structure). */
int export_write(const struct candidates *candidates, const struct targets *targets,
                 const char *out_dir, struct err *err);

/* The best `n` for a terminal: one aligned line each, the asked ranges above. */
void export_table(FILE *out, const struct candidates *candidates, const struct targets *targets,
                  unsigned n);

#endif
