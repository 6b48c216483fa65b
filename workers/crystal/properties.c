/* Density, packing, electronegativity contrast and Madelung energy of a periodic structure,
 * and the formal charges behind them. All sums run in a fixed order. */
#include "workers/crystal/properties.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/sphere.h"

#include <math.h>
#include <string.h>

/* ---- what every property asks first ---- */

/* The triangle, after checking what keeps every sum below finite and bounded. */
static int structure_triangle(const struct structure *s, struct triangle *ret, struct err *err)
{
    if (s->n_atoms == 0)
        return err_set(err, ERR_INVALID, "structure '%s' has no atoms", s->id);
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        const double *x = s->frac[i];
        if (!element_get(s->species[i]) || !isfinite(x[0] + x[1] + x[2]))
            return err_set(err, ERR_INVALID, "structure '%s': atom %u is no element or nowhere",
                           s->id, i + 1);
    }
    bool solid = triangle_from_lattice(s->lattice, ret);
    for (int k = 0; k < 3 && solid; k++)
        solid = ret->rows[k][k] > 0.01; /* Angstrom between lattice planes */
    if (!solid || !(triangle_volume(ret) / s->n_atoms < 1e7))
        return err_set(err, ERR_NUMERIC, "structure '%s': no cell of finite volume", s->id);
    return 0;
}

/* ---- formal charges ---- */

/* An element of the structure with how many atoms it has. */
struct kind {
    int z;
    uint32_t count;
};

/* Elements by electronegativity, then number: cations come before anions. */
static uint32_t kinds_of(const struct structure *s, struct kind ret[ELEMENT_MAX])
{
    uint32_t counts[ELEMENT_MAX + 1] = {0}, n = 0;
    for (uint32_t i = 0; i < s->n_atoms; i++)
        counts[s->species[i] <= ELEMENT_MAX ? s->species[i] : 0]++;
    for (int z = 1; z <= ELEMENT_MAX; z++) {
        if (!counts[z])
            continue;
        uint32_t at = n++;
        double chi = element_get(z)->electronegativity;
        for (; at > 0 && element_get(ret[at - 1].z)->electronegativity > chi; at--)
            ret[at] = ret[at - 1];
        ret[at] = (struct kind){z, counts[z]};
    }
    return n;
}

/* Elements that are never neutral in a compound: H and what is more electronegative than As in
 * groups 15 to 17 (As and Te form compounds that no charges describe, as Sb does). */
static bool forms_anions(int z)
{
    const struct element *e = element_get(z);
    return z == 1 || (e->group >= 15 && e->group <= 17 && e->electronegativity > 2.18);
}

/* Only elements of groups 1 to 13 (without H and B): no one takes the electrons. */
static bool all_metal(const struct kind *kinds, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (kinds[k].z == 1 || kinds[k].z == 5 || element_get(kinds[k].z)->group > 13)
            return false;
    return true;
}

enum { STATES_MAX = 6, COST_NONE = 1 << 20, ANION_COST = 3 };

/* Cost of the state at `index`: its rank among the states of the same sign. An uncommon anion
 * (a peroxide) costs more than an uncommon cation, so PbO2 is Pb 4+, O 2-. */
static int state_cost(const struct element *e, int index)
{
    int rank = 0;
    for (int k = 0; k < index; k++)
        rank += (e->charges[k] > 0) == (e->charges[index] > 0);
    return e->charges[index] > 0 ? rank : ANION_COST * rank;
}

/* Cheapest choice of one state per element with total charge zero, by dynamic programming over
 * the running sum. In order of electronegativity first all cations, then all anions: the table
 * has one layer per (element, anions begun).
 *   cost[k][p][sum]  cheapest way to choose states for elements k.. when `p` and `sum` hold
 * Filled from the last element back, so that ties go to the commoner state of the most
 * electropositive element (FeTiO3 is Ti 4+, Fe 2+). */
struct balance {
    const struct kind *kinds;
    uint32_t n;
    int64_t sum_max;
    int *cost; /* (n + 1, 2, 2 sum_max + 1) */
};

static int *balance_cost(const struct balance *b, uint32_t k, int p, int64_t sum)
{
    if (sum < -b->sum_max || sum > b->sum_max)
        return NULL;
    return &b->cost[((int64_t)k * 2 + p) * (2 * b->sum_max + 1) + sum + b->sum_max];
}

/* Cost of taking `index` for element k at (p, sum), rest included; what follows in *ret_p and
 * *ret_sum. */
static int balance_step(const struct balance *b, uint32_t k, int p, int64_t sum, int index,
                        int *ret_p, int64_t *ret_sum)
{
    const struct element *e = element_get(b->kinds[k].z);
    int charge = e->charges[index];
    if (charge > 0 && p == 1)
        return COST_NONE; /* a cation more electronegative than an anion */
    *ret_p = p || charge < 0;
    *ret_sum = sum + (int64_t)charge * b->kinds[k].count;
    const int *rest = balance_cost(b, k + 1, *ret_p, *ret_sum);
    return rest && *rest < COST_NONE ? *rest + state_cost(e, index) : COST_NONE;
}

static int balance_best(const struct balance *b, uint32_t k, int p, int64_t sum, int *ret_index)
{
    const int8_t *charges = element_get(b->kinds[k].z)->charges;
    int best = COST_NONE;
    for (int index = 0; index < STATES_MAX && charges[index]; index++) {
        int p_next;
        int64_t sum_next;
        int cost = balance_step(b, k, p, sum, index, &p_next, &sum_next);
        if (cost < best) {
            best = cost;
            *ret_index = index;
        }
    }
    return best;
}

static bool charges_balance(const struct kind *kinds, uint32_t n, int8_t ret[ELEMENT_MAX + 1])
{
    struct balance b = {.kinds = kinds, .n = n};
    for (uint32_t k = 0; k < n; k++)
        b.sum_max += (int64_t)8 * kinds[k].count;
    cleanup(free_ptr) int *cost =
        mem_new((size_t)(n + 1) * 2 * (size_t)(2 * b.sum_max + 1), sizeof *cost);
    b.cost = cost;
    int index = 0;
    for (int64_t sum = -b.sum_max; sum <= b.sum_max; sum++)
        for (int p = 0; p < 2; p++)
            *balance_cost(&b, n, p, sum) = p == 1 && sum == 0 ? 0 : COST_NONE;
    for (uint32_t k = n; k-- > 0;)
        for (int p = 0; p < 2; p++)
            for (int64_t sum = -b.sum_max; sum <= b.sum_max; sum++)
                *balance_cost(&b, k, p, sum) = balance_best(&b, k, p, sum, &index);
    int p = 0;
    int64_t sum = 0;
    for (uint32_t k = 0; k < n; k++) {
        if (balance_best(&b, k, p, sum, &index) >= COST_NONE)
            return false;
        (void)balance_step(&b, k, p, sum, index, &p, &sum);
        ret[kinds[k].z] = element_get(kinds[k].z)->charges[index];
    }
    return true;
}

int formal_charges(const struct structure *s, double *ret_charges, struct err *err)
{
    struct kind kinds[ELEMENT_MAX];
    uint32_t n = kinds_of(s, kinds);
    int8_t charges[ELEMENT_MAX + 1] = {0};
    if (n > 1 && !all_metal(kinds, n) && !charges_balance(kinds, n, charges)) {
        for (uint32_t k = 0; k < n; k++)
            if (forms_anions(kinds[k].z))
                return err_set(err, ERR_INVALID,
                               "structure '%s': no common oxidation states balance", s->id);
        memset(charges, 0, sizeof charges);
    }
    for (uint32_t i = 0; i < s->n_atoms; i++)
        ret_charges[i] = s->species[i] <= ELEMENT_MAX ? charges[s->species[i]] : 0;
    return 0;
}

/* ---- Madelung energy ---- */

/* Ewald's sums converge as exp(-EWALD_REACH^2): 2e-12 of the largest term here. */
static const double EWALD_REACH = 5.2;
/* e^2 / (4 pi epsilon_0), eV Angstrom; CODATA 2018. */
static const double COULOMB = 14.3996454784255;

struct ewald {
    const struct structure *structure;
    const double *charges;
    double alpha; /* 1/Angstrom: width of the screening charges */
    double sum;
};

static void ewald_add_real(void *context, const int n[3], double square)
{
    (void)n;
    struct ewald *ewald = context;
    double r = sqrt(square);
    if (r > 1e-6) /* not the atom itself */
        ewald->sum += mathd_erfc(ewald->alpha * r) / r;
}

/* 1/2 sum over i, j, images of q_i q_j erfc(alpha r) / r. */
static double ewald_real(struct ewald *ewald, const struct triangle *triangle)
{
    const struct structure *s = ewald->structure;
    double total = 0;
    for (uint32_t i = 0; i < s->n_atoms; i++)
        for (uint32_t j = i; j < s->n_atoms; j++) {
            double qq = ewald->charges[i] * ewald->charges[j], offset[3];
            if (qq == 0)
                continue;
            offset_between(s, i, j, offset);
            ewald->sum = 0;
            triangle_each(triangle, offset, EWALD_REACH / ewald->alpha, ewald_add_real, ewald);
            total += (i == j ? 0.5 : 1) * qq * ewald->sum;
        }
    return total;
}

/* exp(-k^2 / 4 alpha^2) / k^2 |S(k)|^2 for one k of each pair +-k. `square` is (k / 2 pi)^2. */
static void ewald_add_reciprocal(void *context, const int n[3], double square)
{
    struct ewald *ewald = context;
    const struct structure *s = ewald->structure;
    if (n[2] < 0 || (n[2] == 0 && (n[1] < 0 || (n[1] == 0 && n[0] <= 0))))
        return;
    double re = 0, im = 0;
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        double turns = n[0] * s->frac[i][0] + n[1] * s->frac[i][1] + n[2] * s->frac[i][2];
        double phase = 2 * MATHD_PI * (turns - rint(turns));
        re += ewald->charges[i] * mathd_cos(phase);
        im += ewald->charges[i] * mathd_sin(phase);
    }
    double k2 = 4 * MATHD_PI * MATHD_PI * square;
    ewald->sum += mathd_exp(-k2 / (4 * ewald->alpha * ewald->alpha)) / k2 * (re * re + im * im);
}

/* Rows: vectors b with b_i . a_j = delta_ij (no 2 pi). */
static void reciprocal_lattice(const double (*a)[3], double ret[3][3])
{
    double det = 0;
    for (int i = 0; i < 3; i++) {
        const double *p = a[(i + 1) % 3], *q = a[(i + 2) % 3];
        for (int k = 0; k < 3; k++) {
            int l = (k + 1) % 3, m = (k + 2) % 3;
            ret[i][k] = p[l] * q[m] - p[m] * q[l];
        }
    }
    for (int k = 0; k < 3; k++)
        det += a[0][k] * ret[0][k];
    for (int i = 0; i < 9; i++)
        ret[i / 3][i % 3] /= det;
}

/* 2 pi / V sum over k != 0 of exp(-k^2 / 4 alpha^2) / k^2 |S(k)|^2. */
static double ewald_reciprocal(struct ewald *ewald, double volume)
{
    double reciprocal[3][3];
    struct triangle triangle;
    reciprocal_lattice(ewald->structure->lattice, reciprocal);
    if (!triangle_from_lattice((const double(*)[3])reciprocal, &triangle))
        return (double)NAN;
    ewald->sum = 0;
    double k_max = 2 * ewald->alpha * EWALD_REACH;
    triangle_each(&triangle, (const double[3]){0}, k_max / (2 * MATHD_PI), ewald_add_reciprocal,
                  ewald);
    return 2 * (2 * MATHD_PI / volume) * ewald->sum;
}

int ewald_energy(const struct structure *s, const double *charges, double *ret_ev_per_atom,
                 struct err *err)
{
    struct triangle triangle;
    double total = 0, squares = 0;
    int rc = structure_triangle(s, &triangle, err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        total += charges[i];
        squares += charges[i] * charges[i];
    }
    if (!(fabs(total) < 1e-9 * (1 + squares)))
        return err_set(err, ERR_INVALID, "structure '%s': charges sum to %g, not to zero",
                       s->id, total);
    if (squares == 0) {
        *ret_ev_per_atom = 0;
        return 0;
    }
    double volume = triangle_volume(&triangle);
    struct ewald ewald = {.structure = s, .charges = charges};
    /* The width at which both sums have about equally many terms. */
    ewald.alpha = sqrt(MATHD_PI) * mathd_pow(s->n_atoms / (volume * volume), 1.0 / 6);
    double energy = ewald_real(&ewald, &triangle) + ewald_reciprocal(&ewald, volume) -
                    ewald.alpha / sqrt(MATHD_PI) * squares;
    energy *= COULOMB / s->n_atoms;
    if (!isfinite(energy))
        return err_set(err, ERR_NUMERIC, "structure '%s': Ewald sum is not finite", s->id);
    *ret_ev_per_atom = energy;
    return 0;
}

static int compute_madelung(const struct structure *s, double *ret, struct err *err)
{
    cleanup(free_ptr) double *charges = mem_new(s->n_atoms, sizeof *charges);
    int rc = formal_charges(s, charges, err);
    return rc ? rc : ewald_energy(s, charges, ret, err);
}

/* ---- density and packing ---- */

static int compute_density(const struct structure *s, double *ret, struct err *err)
{
    /* 1 u / Angstrom^3 in g/cm^3; CODATA 2018. */
    const double unit = 1.66053906660;
    struct triangle triangle;
    double mass = 0;
    int rc = structure_triangle(s, &triangle, err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < s->n_atoms; i++)
        mass += element_get(s->species[i])->mass;
    *ret = unit * mass / triangle_volume(&triangle);
    return 0;
}

/* Shannon's radius for a charge (coordination 6 or the nearest he has), the metallic radius
 * without one, the covalent radius where neither is known. */
static double sphere_radius(int z, int charge)
{
    double ionic = charge ? element_radius_ionic(z, charge, 6) : 0;
    if (ionic > 0)
        return ionic;
    const struct element *e = element_get(z);
    return !charge && e->radius_metallic > 0 ? e->radius_metallic : e->radius_covalent;
}

static int compute_packing(const struct structure *s, double *ret, struct err *err)
{
    struct triangle triangle;
    double sum = 0;
    int rc = structure_triangle(s, &triangle, err);
    if (rc)
        return rc;
    cleanup(free_ptr) double *charges = mem_new(s->n_atoms, sizeof *charges);
    (void)formal_charges(s, charges, NULL); /* all zero, neutral spheres, when none balance */
    for (uint32_t i = 0; i < s->n_atoms; i++) {
        double radius = sphere_radius(s->species[i], (int)charges[i]);
        sum += 4.0 / 3 * MATHD_PI * radius * radius * radius;
    }
    *ret = sum / triangle_volume(&triangle);
    return 0;
}

/* ---- electronegativity ---- */

/* An atom counts as neighbour up to this multiple of the shortest distance of the centre. */
static const double NEIGHBOUR_REACH = 1.2;

struct shell {
    double contrast; /* |chi_i - chi_j| of the species at hand */
    double sum;
    uint32_t count;
};

static void shell_add(void *context, const int n[3], double square)
{
    (void)n;
    struct shell *shell = context;
    if (square > 1e-12) { /* not the atom itself */
        shell->sum += shell->contrast;
        shell->count++;
    }
}

/* Mean |chi_i - chi_j| over the neighbours j of atom i. */
static double shell_contrast(const struct structure *s, const struct triangle *triangle,
                             uint32_t i)
{
    double offset[3], chi = element_get(s->species[i])->electronegativity, shortest = HUGE_VAL;
    for (uint32_t j = 0; j < s->n_atoms; j++)
        shortest = fmin(shortest, distance_between(s, triangle, i, j));
    struct shell shell = {0};
    for (uint32_t j = 0; j < s->n_atoms; j++) {
        shell.contrast = fabs(chi - element_get(s->species[j])->electronegativity);
        offset_between(s, i, j, offset);
        triangle_each(triangle, offset, NEIGHBOUR_REACH * shortest * (1 + 1e-9), shell_add,
                      &shell);
    }
    return shell.sum / shell.count;
}

static int compute_contrast(const struct structure *s, double *ret, struct err *err)
{
    struct triangle triangle;
    double sum = 0;
    int rc = structure_triangle(s, &triangle, err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < s->n_atoms; i++)
        if (element_get(s->species[i])->electronegativity == 0)
            return err_set(err, ERR_INVALID, "structure '%s': %s has no electronegativity",
                           s->id, element_get(s->species[i])->symbol);
    for (uint32_t i = 0; i < s->n_atoms; i++)
        sum += shell_contrast(s, &triangle, i);
    *ret = sum / s->n_atoms;
    return 0;
}

/* ---- the table ---- */

const struct exact_property exact_properties[] = {
    {"madelung_energy", "eV/atom", compute_madelung,
     "electrostatic energy of the formal charges (Ewald sum)"},
    {"density", "g/cm3", compute_density, "mass over volume"},
    {"electronegativity_difference", "", compute_contrast,
     "mean over atoms of the mean |difference| to the neighbours within 1.2 times the shortest "
     "distance (Pauling scale)"},
    {"packing_fraction", "", compute_packing,
     "sum of sphere volumes over cell volume; ionic radii by formal charge, else metallic, "
     "else "
     "covalent; overlaps count twice"},
};
const uint32_t exact_properties_count = sizeof exact_properties / sizeof *exact_properties;

const struct exact_property *exact_property_find(const char *name)
{
    for (uint32_t i = 0; i < exact_properties_count; i++)
        if (!strcmp(exact_properties[i].name, name))
            return &exact_properties[i];
    return NULL;
}
