/* Protostructures: which element on which Wyckoff position; checks and canonical order. Their
 * labels are in label.c. */
#include "workers/crystal/structure.h"

#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/normalizer.h"

#include <stdlib.h>

static const struct wyckoff_position *site_position(const struct spacegroup *group,
                                                    const struct site *site)
{
    return &group->positions[site->letter];
}

uint32_t protostructure_atoms(const struct protostructure *proto)
{
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    uint32_t atoms = 0;
    for (uint32_t i = 0; i < proto->n_sites; i++)
        atoms += site_position(group, &proto->sites[i])->multiplicity;
    return atoms;
}

uint32_t protostructure_dof(const struct protostructure *proto)
{
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    uint32_t dof = 0;
    for (uint32_t i = 0; i < proto->n_sites; i++)
        dof += site_position(group, &proto->sites[i])->dof;
    return dof;
}

int protostructure_check(const struct protostructure *proto, struct err *err)
{
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    if (!group)
        return err_set(err, ERR_INVALID, "no space group number %u", proto->spacegroup);
    if (proto->n_sites == 0 || proto->n_sites > SITES_MAX)
        return err_set(err, ERR_INVALID, "%u occupied sites, not 1..%d", proto->n_sites,
                       SITES_MAX);
    bool taken[POSITIONS_MAX] = {false};
    uint32_t atoms = 0;
    for (uint32_t i = 0; i < proto->n_sites; i++) {
        const struct site *site = &proto->sites[i];
        if (site->element < 1 || site->element > ELEMENT_MAX)
            return err_set(err, ERR_INVALID, "site %u: no element with number %u", i + 1,
                           site->element);
        if (site->letter >= group->n_positions)
            return err_set(err, ERR_INVALID, "site %u: group %u (%s) has no position number %u",
                           i + 1, group->number, group->symbol, site->letter + 1);
        const struct wyckoff_position *position = site_position(group, site);
        if (position->dof == 0 && taken[site->letter])
            return err_set(err, ERR_INVALID, "position %u%c of group %u is occupied twice",
                           position->multiplicity, wyckoff_letter_char(site->letter),
                           group->number);
        taken[site->letter] = true;
        atoms += position->multiplicity;
    }
    if (atoms > ATOMS_MAX)
        return err_set(err, ERR_INVALID, "%u atoms in the conventional cell, at most %d", atoms,
                       ATOMS_MAX);
    return 0;
}

static int compare_sites(const void *a, const void *b)
{
    const struct site *x = a, *y = b;
    return x->letter != y->letter ? (int)x->letter - y->letter : (int)x->element - y->element;
}

void protostructure_sort(struct protostructure *proto)
{
    qsort(proto->sites, proto->n_sites, sizeof *proto->sites, compare_sites);
}

/* By electronegativity, elements without a value first; then by number. */
static int compare_electropositive(uint8_t a, uint8_t b)
{
    double x = element_get(a)->electronegativity, y = element_get(b)->electronegativity;
    if (x != y)
        return x < y ? -1 : 1;
    return (int)a - b;
}

int protostructure_compare_descriptions(const struct protostructure *a,
                                        const struct protostructure *b)
{
    int order = 0;
    for (uint32_t i = 0; i < a->n_sites && order == 0; i++)
        order = (int)a->sites[i].letter - b->sites[i].letter;
    for (uint32_t i = 0; i < a->n_sites && order == 0; i++)
        order = compare_electropositive(a->sites[i].element, b->sites[i].element);
    return order;
}

/* The first of the equivalent descriptions. */
void protostructure_canonicalize(struct protostructure *proto)
{
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    protostructure_sort(proto);
    if (!group || proto->n_sites == 0 || protostructure_check(proto, NULL))
        return;
    const struct normalizer *normalizer = normalizer_get(group);
    struct site given[SITES_MAX], sites[SITES_MAX];
    struct protostructure other = {proto->spacegroup, proto->n_sites, sites};
    memcpy(given, proto->sites, proto->n_sites * sizeof given[0]);
    for (uint32_t r = 1; r < normalizer->n_relabellings; r++) {
        for (uint32_t i = 0; i < other.n_sites; i++)
            sites[i] = (struct site){normalizer->relabellings[r].letters[given[i].letter],
                                     given[i].element};
        protostructure_sort(&other);
        if (protostructure_compare_descriptions(&other, proto) < 0)
            memcpy(proto->sites, sites, other.n_sites * sizeof sites[0]);
    }
}

struct protostructure protostructure_canonical(const struct protostructure *proto)
{
    struct protostructure canonical;
    protostructure_copy(&canonical, proto);
    protostructure_canonicalize(&canonical);
    return canonical;
}

int protostructure_compare(const struct protostructure *a, const struct protostructure *b)
{
    int order = (int)a->spacegroup - (int)b->spacegroup;
    if (!order)
        order = (int)a->n_sites - (int)b->n_sites;
    for (uint32_t i = 0; i < a->n_sites && !order; i++)
        order = compare_sites(&a->sites[i], &b->sites[i]);
    return order;
}

bool protostructure_equal(const struct protostructure *a, const struct protostructure *b)
{
    return protostructure_compare(a, b) == 0;
}

void protostructure_copy(struct protostructure *to, const struct protostructure *from)
{
    *to = *from;
    to->sites = from->sites ? mem_copy(from->sites, from->n_sites * sizeof *from->sites) : NULL;
}

void protostructure_done(struct protostructure *proto)
{
    free(proto->sites);
    *proto = (struct protostructure){0};
}
