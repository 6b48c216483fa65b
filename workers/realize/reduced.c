#include "workers/realize/reduced.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"

#include <math.h>

/* Where each lattice parameter goes: A, B, C share a logarithm or have their own; the shears
 * Ac, Ab, Bc are in units of A. */
enum { SHEAR_AC, SHEAR_AB, SHEAR_BC, SHEARS };
static const struct lattice_rule {
    char system;
    uint8_t log_of[3]; /* parameter that is the logarithm of A, B, C */
    uint8_t n_logs;
    uint8_t n_shears; /* of AC, AB, BC in this order */
} rules[] = {
    {'c', {0, 0, 0}, 1, 0}, {'h', {0, 0, 1}, 2, 0}, {'t', {0, 0, 1}, 2, 0},
    {'o', {0, 1, 2}, 3, 0}, {'m', {0, 1, 2}, 3, 1}, {'a', {0, 1, 2}, 3, 3},
};
static const uint8_t shear_row[SHEARS] = {2, 1, 2}, shear_column[SHEARS] = {0, 0, 1};

static const double sin_120 = 0.86602540378443864676;

static const struct lattice_rule *rule_of(const struct reduced *reduced)
{
    size_t i = 0;
    while (i + 1 < sizeof rules / sizeof rules[0] &&
           rules[i].system != reduced->group->crystal_system)
        i++;
    return &rules[i];
}

/* In a hexagonal cell the second row is (-A/2, A sin 120, 0). */
static double height_factor(const struct lattice_rule *rule, int row)
{
    return rule->system == 'h' && row == 1 ? sin_120 : 1;
}

static void lattice_from_values(const struct lattice_rule *rule, const double *values,
                                double lattice[3][3])
{
    for (int i = 0; i < 9; i++)
        lattice[i / 3][i % 3] = 0;
    for (int i = 0; i < 3; i++)
        lattice[i][i] = mathd_exp(values[rule->log_of[i]]) * height_factor(rule, i);
    for (int s = 0; s < rule->n_shears; s++)
        lattice[shear_row[s]][shear_column[s]] = values[rule->n_logs + s] * lattice[0][0];
    if (rule->system == 'h')
        lattice[1][0] = -0.5 * lattice[0][0];
}

static int collect_sites(struct reduced *reduced, uint32_t atoms_max, struct err *err)
{
    const struct protostructure *proto = &reduced->proto;
    bool present[ELEMENT_MAX + 1] = {false};
    for (uint32_t s = 0; s < proto->n_sites; s++) {
        reduced->positions[s] = &reduced->group->positions[proto->sites[s].letter];
        reduced->atom_first[s] = reduced->n_atoms;
        reduced->n_atoms += reduced->positions[s]->multiplicity;
        present[proto->sites[s].element] = true;
        for (uint8_t k = 0; k < 3; k++)
            if (reduced->positions[s]->free_axes[k]) {
                reduced->free_site[reduced->n_free] = s;
                reduced->free_axis[reduced->n_free++] = k;
            }
    }
    if (reduced->n_atoms > atoms_max)
        return err_set(err, ERR_LIMIT, "%u atoms in the conventional cell, the limit is %u",
                       reduced->n_atoms, atoms_max);
    for (uint8_t z = 1; z <= ELEMENT_MAX; z++) {
        if (!present[z])
            continue;
        if (reduced->n_kinds == KINDS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d different elements", KINDS_MAX);
        reduced->elements[reduced->n_kinds++] = z;
    }
    return 0;
}

int reduced_init(struct reduced *reduced, const struct protostructure *proto,
                 uint32_t atoms_max, struct err *err)
{
    *reduced = (struct reduced){0};
    int rc = protostructure_check(proto, err);
    if (rc)
        return rc;
    size_t n_sites = proto->n_sites;
    reduced->group = spacegroup_get(proto->spacegroup);
    protostructure_copy(&reduced->proto, proto);
    reduced->positions = mem_new(n_sites, sizeof *reduced->positions);
    reduced->atom_first = mem_new(n_sites, sizeof *reduced->atom_first);
    reduced->free_site = mem_new(3 * n_sites, sizeof *reduced->free_site);
    reduced->free_axis = mem_new(3 * n_sites, sizeof *reduced->free_axis);
    rc = collect_sites(reduced, atoms_max, err);
    if (rc) {
        reduced_done(reduced);
        return rc;
    }
    const struct lattice_rule *rule = rule_of(reduced);
    reduced->n_lattice = (uint32_t)rule->n_logs + rule->n_shears;
    reduced->n = reduced->n_lattice + reduced->n_free;
    return 0;
}

void reduced_done(struct reduced *reduced)
{
    if (!reduced)
        return;
    protostructure_done(&reduced->proto);
    free(reduced->positions);
    free(reduced->atom_first);
    free(reduced->free_site);
    free(reduced->free_axis);
    *reduced = (struct reduced){0};
}

int reduced_from_record(const struct reduced *reduced, const struct record *record,
                        double *ret_values, struct err *err)
{
    const struct lattice_rule *rule = rule_of(reduced);
    double lattice[3][3];
    int rc = lattice_from_cell(record->cell, lattice, err);
    if (rc)
        return rc;
    for (int i = 2; i >= 0; i--) /* the first of tied lengths wins */
        ret_values[rule->log_of[i]] = mathd_log(lattice[i][i] / height_factor(rule, i));
    for (int s = 0; s < rule->n_shears; s++)
        ret_values[rule->n_logs + s] = lattice[shear_row[s]][shear_column[s]] / lattice[0][0];
    for (uint32_t f = 0; f < reduced->n_free; f++)
        ret_values[reduced->n_lattice + f] =
            record->free[reduced->free_site[f]][reduced->free_axis[f]];
    return 0;
}

void reduced_to_record(const struct reduced *reduced, const double *values,
                       struct record *ret_record)
{
    *ret_record = (struct record){.line = 0};
    protostructure_copy(&ret_record->proto, &reduced->proto);
    double lattice[3][3];
    lattice_from_values(rule_of(reduced), values, lattice);
    cell_from_lattice((const double(*)[3])lattice, ret_record->cell);
    cell_symmetrize(reduced->group, ret_record->cell);
    ret_record->free = mem_new(reduced->proto.n_sites, sizeof *ret_record->free);
    for (uint32_t f = 0; f < reduced->n_free; f++) {
        double value = values[reduced->n_lattice + f];
        ret_record->free[reduced->free_site[f]][reduced->free_axis[f]] = value - floor(value);
    }
}

void reduced_cell_init(const struct reduced *reduced, struct cell *cell)
{
    uint32_t n_sites = reduced->proto.n_sites;
    *cell = (struct cell){.n_atoms = reduced->n_atoms,
                          .frac = mem_new(reduced->n_atoms, sizeof *cell->frac),
                          .kind = mem_new(reduced->n_atoms, sizeof *cell->kind),
                          .n_centres = n_sites,
                          .centre = mem_new(n_sites, sizeof *cell->centre),
                          .weight = mem_new(n_sites, sizeof *cell->weight)};
    for (uint32_t s = 0; s < n_sites; s++) {
        uint8_t kind = 0;
        while (reduced->elements[kind] != reduced->proto.sites[s].element)
            kind++;
        cell->centre[s] = reduced->atom_first[s];
        cell->weight[s] = reduced->positions[s]->multiplicity;
        for (uint32_t k = 0; k < reduced->positions[s]->multiplicity; k++)
            cell->kind[reduced->atom_first[s] + k] = kind;
    }
}

void reduced_cell_done(struct cell *cell)
{
    if (!cell)
        return;
    free(cell->frac);
    free(cell->kind);
    free(cell->centre);
    free(cell->weight);
    *cell = (struct cell){0};
}

/* Not wrapped into the cell, so that an atom never jumps while its parameters move. */
static void affine_apply(const struct affine *map, const double free[3], double ret_frac[3])
{
    for (int i = 0; i < 3; i++) {
        double sum = map->translation[i] / 24.0;
        for (int j = 0; j < 3; j++)
            sum += map->rotation[i][j] * free[j];
        ret_frac[i] = sum;
    }
}

void reduced_expand(const struct reduced *reduced, const double *values, struct cell *cell)
{
    lattice_from_values(rule_of(reduced), values, cell->lattice);
    uint32_t f = 0;
    for (uint32_t s = 0; s < reduced->proto.n_sites; s++) {
        double free[3] = {0};
        for (; f < reduced->n_free && reduced->free_site[f] == s; f++)
            free[reduced->free_axis[f]] = values[reduced->n_lattice + f];
        const struct wyckoff_position *position = reduced->positions[s];
        for (uint32_t k = 0; k < position->multiplicity; k++)
            affine_apply(&position->coordinates[k], free,
                         cell->frac[reduced->atom_first[s] + k]);
    }
}

double reduced_log_volume(const struct reduced *reduced, const double *values)
{
    const struct lattice_rule *rule = rule_of(reduced);
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum += values[rule->log_of[i]] + mathd_log(height_factor(rule, i));
    return sum;
}

void reduced_set_log_volume(const struct reduced *reduced, double log_volume, double *values)
{
    double shift = (log_volume - reduced_log_volume(reduced, values)) / 3;
    for (int i = 0; i < rule_of(reduced)->n_logs; i++)
        values[i] += shift;
}

static void gradient_lattice_chain(const struct lattice_rule *rule, const double *values,
                                   const double gradient_lattice[3][3], double *ret_gradient)
{
    double lattice[3][3];
    lattice_from_values(rule, values, lattice);
    for (int i = 0; i < rule->n_logs + rule->n_shears; i++)
        ret_gradient[i] = 0;
    for (int i = 0; i < 3; i++) /* d L_ii / d ln = L_ii */
        ret_gradient[rule->log_of[i]] += gradient_lattice[i][i] * lattice[i][i];
    /* everything off the diagonal is proportional to A */
    for (int s = 0; s < SHEARS; s++) {
        int i = shear_row[s], j = shear_column[s];
        ret_gradient[rule->log_of[0]] += gradient_lattice[i][j] * lattice[i][j];
        if (s < rule->n_shears)
            ret_gradient[rule->n_logs + s] = gradient_lattice[i][j] * lattice[0][0];
    }
}

void reduced_gradient(const struct reduced *reduced, const double *values,
                      const double (*gradient_frac)[3], const double gradient_lattice[3][3],
                      double *ret_gradient)
{
    gradient_lattice_chain(rule_of(reduced), values, gradient_lattice, ret_gradient);
    for (uint32_t f = 0; f < reduced->n_free; f++) {
        uint32_t site = reduced->free_site[f];
        const struct affine *map = &reduced->positions[site]->coordinates[0];
        double sum = 0;
        for (int k = 0; k < 3; k++)
            sum += gradient_frac[site][k] * map->rotation[k][reduced->free_axis[f]];
        ret_gradient[reduced->n_lattice + f] = sum;
    }
}
