/* Text of one structure -> record. */
#ifndef WYCKMILL_WORKERS_ENCODE_H
#define WYCKMILL_WORKERS_ENCODE_H

#include "proto/objects.h"
#include "workers/crystal/structure.h"

/* Parse and check one item. On success the caller owns *ret_structure (structure_done); on
 * failure *ret_reject tells which structure, where and why. Errors: ERR_INVALID,
 * ERR_UNSUPPORTED, ERR_LIMIT, ERR_NUMERIC. */
int encode_read(const struct source_item *item, struct structure *ret_structure,
                struct reject *ret_reject);
/* Parse, check and encode one item. On success the caller owns *ret_structure and *ret_record
 * (its properties NULL: those of the structure have names). On failure *ret_reject tells which
 * structure, where and why, and the code is returned: ERR_INVALID, ERR_UNSUPPORTED, ERR_LIMIT,
 * ERR_SYMMETRY, ERR_NUMERIC. One thread per process (spglib). */
int encode_item(const struct source_item *item, double symprec, struct structure *ret_structure,
                struct record *ret_record, struct reject *ret_reject);

/* Put the record (taken) and the structure's properties into a data set that has room for it. A
 * row has room for PROPERTIES_MAX columns; properties beyond these are left out. */
void encode_add(struct dataset *dataset, const struct structure *structure,
                struct record *record);

#endif
