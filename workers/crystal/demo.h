/* The demo data set: structure types of the textbooks times element choices, lattices from
 * tabulated radii, properties computed exactly (properties.h). Deterministic; no file is read.
 */
#ifndef WYCKMILL_CRYSTAL_DEMO_H
#define WYCKMILL_CRYSTAL_DEMO_H

#include "common/err.h"
#include "proto/objects.h"

/* All structures as one extXYZ text (primitive cells; id, structure type and the exact
 * properties as keys). At least 2000 structures, 20 structure types, 15 space groups. */
int demo_dataset(struct buf *ret_extxyz, struct err *err);

#endif
