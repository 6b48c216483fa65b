/* Protostructures: which element on which Wyckoff position; checks, canonical order, labels.
 *
 * Labels follow AFLOW's prototype labels (Hicks et al. 2021, npj Comput. Mater. 7, 30) with the
 * elements behind a colon, as aviary prints them: elements in alphabetical order, the prototype
 * formula's A, B, C in that same order. Where the two differ we do as AFLOW does: hR counts the
 * atoms of the primitive (rhombohedral) cell, so corundum is A2B3_hR10_167_c_e; aviary counts
 * 30 there. Position A, the 27th of group 47, comes behind z. */
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

char *record_label(const struct record *record)
{
    struct protostructure canonical = protostructure_canonical(&record->proto);
    char *label = protostructure_label(&canonical);
    protostructure_done(&canonical);
    return label;
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

/* ---- formulas and labels ---- */

/* Elements present, in some order, with how many atoms (conventional cell) each has. */
struct composition {
    int n;
    uint8_t elements[ELEMENT_MAX];
    uint32_t atoms[ELEMENT_MAX + 1]; /* by atomic number */
    uint32_t divisor;                /* greatest common divisor of the counts */
};

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(element_get(*(const uint8_t *)a)->symbol,
                  element_get(*(const uint8_t *)b)->symbol);
}

/* Elements without a value (noble gases) come last. */
static int compare_electronegativities(const void *a, const void *b)
{
    double x = element_get(*(const uint8_t *)a)->electronegativity;
    double y = element_get(*(const uint8_t *)b)->electronegativity;
    if ((x > 0) != (y > 0))
        return x > 0 ? -1 : 1;
    return x < y ? -1 : x > y ? 1 : compare_symbols(a, b);
}

static struct composition composition_of(const struct protostructure *proto,
                                         int (*order)(const void *, const void *))
{
    struct composition all = {0};
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    for (uint32_t i = 0; i < proto->n_sites; i++)
        all.atoms[proto->sites[i].element] +=
            site_position(group, &proto->sites[i])->multiplicity;
    for (int z = 1; z <= ELEMENT_MAX; z++) {
        if (all.atoms[z] == 0)
            continue;
        all.elements[all.n++] = (uint8_t)z;
        for (uint32_t a = all.atoms[z]; a != 0;) { /* Euclid */
            uint32_t rest = all.divisor % a;
            all.divisor = a;
            a = rest;
        }
    }
    qsort(all.elements, (size_t)all.n, sizeof all.elements[0], order);
    return all;
}

static void print_amount(struct buf *out, const struct composition *all, int element)
{
    uint32_t amount = all->atoms[element] / all->divisor;
    if (amount > 1)
        buf_print(out, "%u", amount);
}

/* A, B, ... Z, then AA, AB, ... */
static void print_anonymous(struct buf *out, int index)
{
    if (index >= 26)
        buf_print(out, "%c", 'A' + index / 26 - 1);
    buf_print(out, "%c", 'A' + index % 26);
}

/* Letters of one element in order, repeated ones counted: "a2ef". */
static void print_letters(struct buf *out, const struct protostructure *proto, uint8_t element)
{
    uint32_t counts[LETTER_MAX] = {0};
    for (uint32_t i = 0; i < proto->n_sites; i++)
        counts[proto->sites[i].letter] += proto->sites[i].element == element;
    for (uint8_t letter = 0; letter < LETTER_MAX; letter++) {
        if (counts[letter] > 1)
            buf_print(out, "%u", counts[letter]);
        if (counts[letter] > 0)
            buf_print(out, "%c", wyckoff_letter_char(letter));
    }
}

/* System, centring (one-face centrings are all C), atoms; hR in the primitive cell. */
static void print_pearson(struct buf *out, const struct protostructure *proto)
{
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    char centring = group->centring == 'A' || group->centring == 'B' ? 'C' : group->centring;
    uint32_t atoms = protostructure_atoms(proto);
    buf_print(out, "%c%c%u", group->crystal_system, centring,
              centring == 'R' ? atoms / 3 : atoms);
}

static void print_prototype(struct buf *out, const struct protostructure *proto,
                            const struct composition *all)
{
    for (int i = 0; i < all->n; i++) {
        print_anonymous(out, i);
        print_amount(out, all, all->elements[i]);
    }
    buf_print(out, "_");
    print_pearson(out, proto);
    buf_print(out, "_%u", proto->spacegroup);
    for (int i = 0; i < all->n; i++) {
        buf_print(out, "_");
        print_letters(out, proto, all->elements[i]);
    }
}

static char *text_of(struct buf *out)
{
    (void)buf_text(out);
    return (char *)out->data;
}

char *protostructure_prototype(const struct protostructure *proto)
{
    struct buf out = {0};
    struct composition all = composition_of(proto, compare_symbols);
    print_prototype(&out, proto, &all);
    return text_of(&out);
}

char *protostructure_label(const struct protostructure *proto)
{
    struct buf out = {0};
    struct composition all = composition_of(proto, compare_symbols);
    print_prototype(&out, proto, &all);
    for (int i = 0; i < all.n; i++)
        buf_print(&out, "%s%s", i == 0 ? ":" : "-", element_get(all.elements[i])->symbol);
    return text_of(&out);
}

void protostructure_formula(const struct protostructure *proto, char *ret, size_t size)
{
    struct buf out = {0};
    struct composition all = composition_of(proto, compare_electronegativities);
    for (int i = 0; i < all.n; i++) {
        buf_print(&out, "%s", element_get(all.elements[i])->symbol);
        print_amount(&out, &all, all.elements[i]);
    }
    size_t length = strlen(buf_text(&out));
    if (length >= size)
        length = size - 1;
    memcpy(ret, out.data, length);
    ret[length] = '\0';
    buf_done(&out);
}
