/* A crystal of any space group, for tests. */
#ifndef WYCKMILL_TESTS_CRYSTAL_EXAMPLE_H
#define WYCKMILL_TESTS_CRYSTAL_EXAMPLE_H

#include "workers/crystal/structure.h"

#include <stdio.h>
#include <string.h>

/* Two general positions and the first one, in the cell of the group's system. */
struct example {
    struct record record;
    struct site sites[2];
    double free[2][3];
};

static inline void example_init(struct example *e, int number)
{
    static const double parameters[6] = {9, 9.9, 11.2, 84, 97, 101};
    const struct spacegroup *group = spacegroup_get(number);
    *e = (struct example){.sites = {{0, 56}, {(uint8_t)(group->n_positions - 1), 8}},
                          .free = {{0.11, 0.17, 0.23}, {0.0871, 0.2113, 0.3717}}};
    for (int k = 0; k < 3; k++)
        if (!group->positions[0].free_axes[k])
            e->free[0][k] = 0;
    (void)snprintf(e->record.id, sizeof e->record.id, "example %d", number);
    memcpy(e->record.cell, parameters, sizeof parameters);
    cell_symmetrize(group, e->record.cell);
    e->record.proto = (struct protostructure){(uint16_t)number, 2, e->sites};
    e->record.free = e->free;
}

#endif
