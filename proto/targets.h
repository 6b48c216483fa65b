/* Targets inside params and campaigns: an array of {high, low, property, weight}. */
#ifndef WYCKMILL_PROTO_TARGETS_H
#define WYCKMILL_PROTO_TARGETS_H

#include "proto/objects.h"
#include "proto/value.h"

/* One value. */
void targets_pack(struct pack *pack, const struct targets *targets);
/* Errors: ERR_CORRUPT (not such an array, a NaN, low above high, weight not finite or negative,
 * a property twice or without name), ERR_LIMIT (more than TARGETS_MAX). */
int targets_unpack(struct value array, struct targets *ret, struct err *err);

#endif
