/* Structures from any format to any other: what `wyckmill convert` does between its options and
 * its exit status. */
#ifndef WYCKMILL_CLI_CONVERT_H
#define WYCKMILL_CLI_CONVERT_H

#include "common/err.h"
#include "proto/objects.h"
#include "workers/crystal/format.h"

#include <stdbool.h>

/* Structures on their way from reading to writing. */
struct conversion {
    bool symmetrize; /* through encode and decode, at `symprec` Angstrom */
    bool primitive;  /* then the primitive cell, else the conventional one */
    double symprec;
    uint32_t n;
    size_t capacity;
    struct structure *structures; /* (n) with id and properties as read */
    struct record *records;       /* (n) zeroed without `symmetrize` */
};

void conversion_done(struct conversion *conversion);

/* Parse, check, with `symmetrize` encode and decode one item, and add it. On failure nothing is
 * added, *ret_reject tells which structure, where and why, and the code is returned: those of
 * encode_item. One thread per process (spglib). */
int conversion_add(struct conversion *conversion, const struct source_item *item,
                   struct reject *ret_reject);

/* The bytes of one file with all structures. `format` as format_write; `lines`: JSON as one
 * object per line instead of an array; `packed`: compressed with zstd. Appends to `out`.
 * Errors: those of format_write. */
int conversion_print(const struct conversion *conversion, const char *format, bool lines,
                     bool packed, struct buf *out, struct err *err);

/* One file per structure in `folder`, which is made when missing: the id with '_' for what is
 * no letter, digit, dot or dash, made unique with "-2", "-3", ... whatever the case of letters,
 * and the format's ending. Files of other names stay. Errors: those of format_write, ERR_IO,
 * ERR_FULL; files written before stay. */
int conversion_write_folder(const struct conversion *conversion, const char *format,
                            const char *folder, struct err *err);

#endif
