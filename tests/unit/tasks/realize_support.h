/* Small crystals and data sets by hand, for the tests of workers/realize. */
#ifndef WYCKMILL_TESTS_REALIZE_SUPPORT_H
#define WYCKMILL_TESTS_REALIZE_SUPPORT_H

#include "common/mem.h"
#include "proto/objects.h"

#include <stdio.h>
#include <string.h>

struct site_text {
    char letter;
    uint8_t element;
    double free[3];
};

/* Sites must come in canonical order. */
static inline struct record record_make(const char *id, uint16_t group, const double cell[6],
                                        const struct site_text *sites, uint16_t n)
{
    struct record record = {.line = 1};
    (void)snprintf(record.id, sizeof record.id, "%s", id);
    record.proto = (struct protostructure){
        .spacegroup = group, .n_sites = n, .sites = mem_new(n, sizeof(struct site))};
    record.free = mem_new(n, sizeof *record.free);
    for (uint16_t s = 0; s < n; s++) {
        record.proto.sites[s] =
            (struct site){(uint8_t)(sites[s].letter - 'a'), sites[s].element};
        memcpy(record.free[s], sites[s].free, sizeof sites[s].free);
    }
    memcpy(record.cell, cell, sizeof record.cell);
    return record;
}

static inline void dataset_add(struct dataset *dataset, struct record record)
{
    dataset->records =
        mem_resize(dataset->records, (size_t)dataset->n_records + 1, sizeof *dataset->records);
    dataset->splits = mem_resize(dataset->splits, (size_t)dataset->n_records + 1, 1);
    record.properties = mem_new(dataset->n_properties, sizeof(double));
    dataset->records[dataset->n_records] = record;
    dataset->splits[dataset->n_records++] = SPLIT_TRAIN;
}

/* Rock salt, rutile and caesium chloride: `a` and `c` in Angstrom, `u` of the oxygen. */
static inline struct record rock_salt(const char *id, uint8_t cation, uint8_t anion, double a)
{
    const double cell[6] = {a, a, a, 90, 90, 90};
    return record_make(id, 225, cell,
                       (struct site_text[]){{'a', cation, {0}}, {'b', anion, {0}}}, 2);
}

static inline struct record rutile(const char *id, uint8_t cation, uint8_t anion, double a,
                                   double c, double u)
{
    const double cell[6] = {a, a, c, 90, 90, 90};
    return record_make(id, 136, cell,
                       (struct site_text[]){{'a', cation, {0}}, {'f', anion, {u, 0, 0}}}, 2);
}

static inline struct dataset dataset_small(void)
{
    struct dataset dataset = {0};
    dataset_add(&dataset, rock_salt("NaCl", 11, 17, 5.64));
    dataset_add(&dataset, rock_salt("KCl", 19, 17, 6.29));
    dataset_add(&dataset, rock_salt("MgO", 12, 8, 4.21));
    dataset_add(&dataset, rock_salt("CaO", 20, 8, 4.81));
    dataset_add(&dataset, rutile("TiO2", 22, 8, 4.594, 2.959, 0.305));
    dataset_add(&dataset, rutile("SnO2", 50, 8, 4.737, 3.186, 0.307));
    return dataset;
}

#endif
