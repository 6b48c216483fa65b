/* Cells of comma-separated values (RFC 4180), for all tables that are written. */
#ifndef WYCKMILL_CRYSTAL_CSV_H
#define WYCKMILL_CRYSTAL_CSV_H

#include "common/span.h"

/* A cell, quoted where it must be. Commas and line ends between cells are the caller's. */
void csv_print(struct buf *out, const char *text, size_t size);

#endif
