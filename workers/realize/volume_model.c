#include "workers/realize/volume_model.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/structure.h"
#include "workers/crystal/wyckoff.h"
#include "workers/realize/electronegativity.h"
#include "workers/realize/ridge.h"

#include <math.h>

/* Atoms of each element in the conventional cell, and the mean electronegativity. */
struct composition {
    double counts[ELEMENT_MAX + 1];
    double electronegativity;
};

static void composition_of(const struct protostructure *proto, struct composition *composition)
{
    *composition = (struct composition){.electronegativity = 0};
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    double n = 0, sum = 0;
    for (uint32_t s = 0; s < proto->n_sites; s++) {
        const struct site *site = &proto->sites[s];
        double multiplicity = group->positions[site->letter].multiplicity;
        composition->counts[site->element] += multiplicity;
        n += multiplicity;
        sum += multiplicity * electronegativity(site->element);
    }
    composition->electronegativity = n > 0 ? sum / n : 0;
}

/* Columns 0..ELEMENT_MAX: volumes; behind them: changes. Values per Angstrom^3 of `volume`. */
static uint32_t row_fill(const struct composition *composition, double volume,
                         struct ridge_entry *row)
{
    uint32_t n = 0;
    for (uint32_t z = 1; z <= ELEMENT_MAX; z++) {
        double count = composition->counts[z];
        if (count == 0)
            continue;
        double pull = composition->electronegativity - electronegativity((int)z);
        row[n++] = (struct ridge_entry){z, count / volume};
        row[n++] = (struct ridge_entry){ELEMENT_MAX + 1 + z, count * pull / volume};
    }
    return n;
}

static double record_volume(const struct record *record)
{
    double lattice[3][3];
    if (lattice_from_cell(record->cell, lattice, NULL))
        return 0;
    return lattice_volume((const double(*)[3])lattice);
}

static const double residual_scale = 0.1;     /* relative; beyond it a record counts less */
static const double packing = 0.45;           /* covalent spheres over volume, before data */
static const double volume_strength = 0.0003; /* of the priors, per (Angstrom^3)^2: about one */
static const double change_strength = 0.002;  /* record of a pure element of 20 Angstrom^3 */

static double sphere_volume(int z)
{
    double radius = element_get(z)->radius_covalent;
    return 4.0 / 3 * MATHD_PI * radius * radius * radius / packing;
}

/* One pass of least squares on the relative error; records far off the last model weigh less
 * (Huber's weights): molecular and layered crystals are mostly gaps. */
static void fit_once(const struct dataset *dataset, bool weighted, struct volume_model *model)
{
    struct ridge ridge;
    ridge_init(&ridge, 2 * (ELEMENT_MAX + 1));
    for (uint32_t r = 0; r < dataset->n_records; r++) {
        const struct record *record = &dataset->records[r];
        double volume = record_volume(record);
        if (dataset->splits[r] != SPLIT_TRAIN || !(volume > 0))
            continue;
        struct composition composition;
        composition_of(&record->proto, &composition);
        struct ridge_entry row[2 * ELEMENT_MAX];
        uint32_t n = row_fill(&composition, volume, row);
        double weight = 1;
        if (weighted) {
            double residual = fabs(volume_predict(model, &record->proto) / volume - 1);
            weight = residual_scale / fmax(residual, residual_scale);
        }
        ridge_row(&ridge, row, n, 1, weight);
    }
    for (uint32_t z = 0; z <= ELEMENT_MAX; z++) {
        ridge_prior(&ridge, z, z ? sphere_volume((int)z) : 0, volume_strength);
        ridge_prior(&ridge, ELEMENT_MAX + 1 + z, 0, change_strength);
    }
    double x[2 * (ELEMENT_MAX + 1)];
    ridge_solve(&ridge, x);
    ridge_done(&ridge);
    memcpy(model->volume, x, sizeof model->volume);
    memcpy(model->change, x + ELEMENT_MAX + 1, sizeof model->change);
}

struct volume_model *volume_model_new(const struct dataset *dataset)
{
    struct volume_model *model = mem_new(1, sizeof *model);
    fit_once(dataset, false, model);
    for (int pass = 0; pass < 3; pass++) /* the weights have settled to 1 % by then */
        fit_once(dataset, true, model);
    return model;
}

double volume_predict(const struct volume_model *model, const struct protostructure *proto)
{
    struct composition composition;
    composition_of(proto, &composition);
    double volume = 0, floor_volume = 0;
    for (int z = 1; z <= ELEMENT_MAX; z++) {
        double pull = composition.electronegativity - electronegativity(z);
        volume += composition.counts[z] * (model->volume[z] + pull * model->change[z]);
        floor_volume += composition.counts[z] * sphere_volume(z);
    }
    /* a fifth of the spheres' volume: below it no known crystal, whatever the fit says */
    return fmax(volume, 0.2 * floor_volume);
}
