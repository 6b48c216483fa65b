/* A few protostructures for tests of the model: fixed and free positions, repeated elements. */
#ifndef WYCKMILL_TESTS_DIFFUSION_CRYSTALS_H
#define WYCKMILL_TESTS_DIFFUSION_CRYSTALS_H

#include "common/mem.h"
#include "proto/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SITES(...) ((const struct site[]){__VA_ARGS__})
#define CRYSTAL(group, ...)                                                                    \
    {                                                                                          \
        group, sizeof SITES(__VA_ARGS__) / sizeof(struct site), SITES(__VA_ARGS__)             \
    }

static const struct example {
    uint16_t spacegroup, n_sites;
    const struct site *sites;
} examples[] = {
    CRYSTAL(225, {0, 11}, {1, 17}),                /* rock salt */
    CRYSTAL(221, {0, 55}, {1, 17}),                /* CsCl */
    CRYSTAL(216, {0, 30}, {2, 16}),                /* zinc blende */
    CRYSTAL(136, {0, 22}, {5, 8}),                 /* rutile: 2a, 4f x,x,0 */
    CRYSTAL(62, {2, 8}, {2, 22}, {2, 38}, {3, 8}),                /* like a perovskite: 4c c c d */
    CRYSTAL(227, {0, 12}, {3, 13}, {4, 8}),        /* spinel */
    CRYSTAL(1, {0, 3}, {0, 3}, {0, 8}, {0, 8}, {0, 8}, {0, 15}), /* P1, repeated */
    CRYSTAL(47, {0, 29}, {7, 8}, {26, 39}, {26, 57}, {26, 57}),  /* position A, repeated */
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

__attribute__((unused)) static struct protostructure example_proto(size_t i)
{
    const struct example *e = &examples[i % EXAMPLES];
    struct protostructure proto = {.spacegroup = e->spacegroup, .n_sites = e->n_sites};
    proto.sites = mem_copy(e->sites, e->n_sites * sizeof *e->sites);
    return proto;
}

/* `copies` records of each example; two properties: number of sites, and one that is missing
 * for the first example. Every fourth record is for validation. */
__attribute__((unused)) static struct dataset example_dataset(uint32_t copies)
{
    struct dataset dataset = {.n_properties = 2, .n_records = copies * EXAMPLES};
    (void)snprintf(dataset.properties[0].name, PROPERTY_NAME_SIZE, "sites");
    (void)snprintf(dataset.properties[1].name, PROPERTY_NAME_SIZE, "half");
    (void)snprintf(dataset.properties[1].unit, UNIT_SIZE, "eV");
    dataset.records = mem_new(dataset.n_records, sizeof *dataset.records);
    dataset.splits = mem_new(dataset.n_records, 1);
    for (uint32_t i = 0; i < dataset.n_records; i++) {
        struct record *record = &dataset.records[i];
        (void)snprintf(record->id, sizeof record->id, "r%04u", i);
        (void)snprintf(record->source, sizeof record->source, "test");
        record->line = i + 1;
        record->proto = example_proto(i);
        for (int k = 0; k < 6; k++)
            record->cell[k] = k < 3 ? 4 : 90;
        record->free = mem_new(record->proto.n_sites, sizeof *record->free);
        record->properties = mem_new(2, sizeof(double));
        record->properties[0] = record->proto.n_sites;
        record->properties[1] = i % EXAMPLES ? 0.5 * (double)(i % EXAMPLES) : (double)NAN;
        dataset.splits[i] = i / EXAMPLES % 4 == 3 ? SPLIT_VALIDATION : SPLIT_TRAIN;
    }
    return dataset;
}

#endif
