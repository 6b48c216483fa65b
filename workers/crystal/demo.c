/* The demo data set: every allowed element choice of every structure type becomes a record
 * (group, letters, free coordinates, cell), is decoded to its primitive cell, and gets its
 * exact properties. */
#include "workers/crystal/demo.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/demo_types.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/format.h"
#include "workers/crystal/properties.h"
#include "workers/crystal/sphere.h"
#include "workers/crystal/structure.h"

#include <math.h>
#include <stdio.h>

enum { ELEMENTS_PER_ROLE = 40 };

/* The cell in which the shape is measured: large enough for no two atoms to overlap. */
static const double UNIT_ANGSTROM = 10;

/* One type with one element in each role. */
struct filling {
    const struct demo_type *type;
    const struct demo_choice *choice;
    uint8_t elements[DEMO_ROLES];
    double radii[DEMO_ROLES]; /* Angstrom */
};

static const struct demo_type *type_find(const char *name)
{
    const struct demo_type *type = demo_types;
    while (type->name && strcmp(type->name, name) != 0)
        type++;
    return type->name ? type : NULL;
}

static double role_radius(const struct filling *f, int role)
{
    const struct element *element = element_get(f->elements[role]);
    double radius = element->radius_covalent;
    if (f->choice->radius == RADIUS_IONIC)
        radius = element_radius_ionic(f->elements[role], f->choice->roles[role].charge,
                                      f->type->coordination[role]);
    else if (f->choice->radius == RADIUS_METALLIC && element->radius_metallic > 0)
        radius = element->radius_metallic;
    return radius * f->choice->factor;
}

static int set_radii(struct filling *f, struct err *err)
{
    for (int role = 0; role < DEMO_ROLES && f->choice->roles[role].symbols; role++) {
        f->radii[role] = role_radius(f, role);
        if (!(f->radii[role] > 0))
            return err_set(err, ERR_INVALID, "%s: no radius for %s %+d", f->type->name,
                           element_get(f->elements[role])->symbol,
                           f->choice->roles[role].charge);
    }
    return 0;
}

/* Goldschmidt, Naturwissenschaften 14, 477 (1926). */
static bool filling_allowed(const struct filling *f)
{
    const double *r = f->radii;
    bool four = f->choice->roles[3].symbols != NULL;
    double b = four ? (r[1] + r[2]) / 2 : r[1], x = four ? r[3] : r[2];
    double value = 0;
    switch (f->type->limit) {
    case LIMIT_NONE:
        return true;
    case LIMIT_TOLERANCE:
        value = (r[0] + x) / (sqrt(2) * (b + x));
        if (b < 0.4 * x)
            return false;
        break;
    case LIMIT_RATIO:
        value = r[0] / r[1];
        break;
    }
    return value >= f->type->limit_low && value <= f->type->limit_high;
}

/* ---- geometry ---- */

/* The cell of the type at unit size, or the one its shape function says. */
static void set_cell(const struct filling *f, double cell[6], double (*at)[3])
{
    char system = spacegroup_get(f->type->spacegroup)->crystal_system;
    cell[0] = UNIT_ANGSTROM;
    cell[2] = f->type->c * UNIT_ANGSTROM;
    if (f->type->shape)
        f->type->shape(f->radii, cell, at);
    cell[1] = f->type->b > 0 ? f->type->b * UNIT_ANGSTROM : cell[0];
    if (system == 'c')
        cell[2] = cell[0];
    cell[3] = 90;
    cell[4] = f->type->beta > 0 ? f->type->beta : 90;
    cell[5] = system == 'h' ? 120 : 90;
}

static uint16_t site_count(const struct demo_type *type)
{
    uint16_t n = 0;
    while (n < DEMO_SITES && type->sites[n].letter)
        n++;
    return n;
}

/* Shortest distance between an atom of role i and one of role j. */
static double role_distance(const struct structure *s, const struct triangle *triangle,
                            uint8_t element_i, uint8_t element_j)
{
    double shortest = HUGE_VAL;
    for (uint32_t i = 0; i < s->n_atoms; i++)
        for (uint32_t j = 0; j < s->n_atoms; j++)
            if (s->species[i] == element_i && s->species[j] == element_j)
                shortest = fmin(shortest, distance_between(s, triangle, i, j));
    return shortest;
}

/* How far the unit cell must be scaled: see demo_types.h at `bonds`. */
static int cell_scale(const struct filling *f, const struct record *unit, double *ret_scale,
                      struct err *err)
{
    struct structure s = {0};
    struct triangle triangle;
    int rc = record_to_primitive(unit, &s, err);
    if (rc)
        return rc;
    double have = 0, want = 0;
    if (!triangle_from_lattice((const double(*)[3])s.lattice, &triangle))
        have = (double)NAN;
    for (int k = 0; k < DEMO_BONDS && f->type->bonds[k].weight > 0; k++) {
        uint8_t i = f->type->bonds[k].i, j = f->type->bonds[k].j;
        have += f->type->bonds[k].weight *
                role_distance(&s, &triangle, f->elements[i], f->elements[j]);
        want += f->type->bonds[k].weight * (f->radii[i] + f->radii[j]);
    }
    structure_done(&s);
    *ret_scale = want / have;
    if (!isfinite(*ret_scale) || !(*ret_scale > 0))
        return err_set(err, ERR_NUMERIC, "%s: the bonds give no scale", f->type->name);
    return 0;
}

/* Sites ascending by (letter, element), their coordinates with them. Stable. */
static void sites_sort(struct record *record)
{
    for (uint32_t i = 1; i < record->proto.n_sites; i++)
        for (uint32_t k = i; k > 0; k--) {
            struct site *a = &record->proto.sites[k - 1], *b = &record->proto.sites[k];
            if (a->letter < b->letter || (a->letter == b->letter && a->element <= b->element))
                break;
            struct site site = *a;
            *a = *b;
            *b = site;
            for (int x = 0; x < 3; x++) {
                double free = record->free[k - 1][x];
                record->free[k - 1][x] = record->free[k][x];
                record->free[k][x] = free;
            }
        }
}

/* The free coordinates of each orbit from the one atom that the table gives. */
static int sites_place(const struct filling *f, const double (*at)[3], struct record *record,
                       struct err *err)
{
    const struct spacegroup *group = spacegroup_get(f->type->spacegroup);
    double lattice[3][3];
    int rc = lattice_from_cell(record->cell, lattice, err);
    for (uint32_t i = 0; i < record->proto.n_sites && !rc; i++) {
        const struct wyckoff_position *position =
            &group->positions[record->proto.sites[i].letter];
        double error;
        if (position->dof > 0)
            rc = wyckoff_parameters(position, &at[i], 1, (const double(*)[3])lattice, 1e-3,
                                    record->free[i], &error, err);
    }
    return rc ? err_context(err, rc, "structure type %s", f->type->name) : 0;
}

static int filling_record(const struct filling *f, struct record *ret, struct err *err)
{
    const struct demo_type *type = f->type;
    double at[DEMO_SITES][3], scale = 1;
    uint16_t n = site_count(type);
    *ret = (struct record){.line = 1};
    ret->proto = (struct protostructure){type->spacegroup, n, mem_new(n, sizeof(struct site))};
    ret->free = mem_new(n, sizeof *ret->free);
    for (uint16_t i = 0; i < n; i++) {
        ret->proto.sites[i].letter = (uint8_t)wyckoff_letter_index(type->sites[i].letter);
        ret->proto.sites[i].element = f->elements[type->sites[i].role];
        memcpy(at[i], type->sites[i].at, sizeof at[i]);
    }
    set_cell(f, ret->cell, at);
    int rc = sites_place(f, (const double(*)[3])at, ret, err);
    sites_sort(ret);
    if (!rc && !type->shape)
        rc = cell_scale(f, ret, &scale, err);
    for (int k = 0; k < 3; k++)
        ret->cell[k] *= scale;
    return rc;
}

/* ---- frames ---- */

static void print_keys(const struct filling *f, const struct structure *s, struct buf *out)
{
    buf_print(out, "structure_type=%s", f->type->name);
    for (uint32_t p = 0; p < exact_properties_count; p++) {
        double value;
        if (exact_properties[p].compute(s, &value, NULL) == 0)
            buf_print(out, " %s=%.17g", exact_properties[p].name, value);
    }
}

static int write_frame(const struct filling *f, struct buf *out, struct err *err)
{
    struct record record = {0};
    struct structure s = {0};
    char formula[64];
    int rc = filling_record(f, &record, err);
    if (!rc)
        rc = record_to_primitive(&record, &s, err);
    if (!rc) {
        struct buf keys = {0};
        protostructure_formula(&record.proto, formula, sizeof formula);
        (void)snprintf(s.id, sizeof s.id, "demo-%s-%s", f->type->name, formula);
        print_keys(f, &s, &keys);
        extxyz_write(&s, buf_text(&keys), out);
        buf_done(&keys);
    }
    structure_done(&s);
    record_done(&record);
    return rc;
}

/* ---- choices ---- */

static uint32_t parse_symbols(const char *text, uint8_t ret[ELEMENTS_PER_ROLE])
{
    uint32_t n = 0;
    while (text && *text) {
        size_t size = strcspn(text, " ");
        if (size > 0 && n < ELEMENTS_PER_ROLE)
            ret[n++] = (uint8_t)element_parse(text, (int)size);
        text += size + strspn(text + size, " ");
    }
    return n;
}

static bool has_twice(const uint8_t elements[DEMO_ROLES], int roles)
{
    for (int a = 0; a < roles; a++)
        for (int b = 0; b < a; b++)
            if (elements[a] == elements[b])
                return true;
    return false;
}

/* All combinations of one row, the last role changing fastest. */
static int write_choice(const struct demo_choice *choice, struct buf *out, struct err *err)
{
    uint8_t elements[DEMO_ROLES][ELEMENTS_PER_ROLE];
    uint32_t counts[DEMO_ROLES] = {0}, total = 1;
    struct filling f = {.type = type_find(choice->type), .choice = choice};
    int roles = 0, rc = 0;
    if (!f.type)
        return err_set(err, ERR_INVALID, "no structure type '%s'", choice->type);
    for (; roles < DEMO_ROLES && choice->roles[roles].symbols; roles++) {
        counts[roles] = parse_symbols(choice->roles[roles].symbols, elements[roles]);
        total *= counts[roles];
    }
    for (uint32_t i = 0; i < total && !rc; i++) {
        uint32_t rest = i;
        for (int role = roles; role-- > 0; rest /= counts[role])
            f.elements[role] = elements[role][rest % counts[role]];
        if (has_twice(f.elements, roles))
            continue;
        rc = set_radii(&f, err);
        if (!rc && filling_allowed(&f))
            rc = write_frame(&f, out, err);
    }
    return rc;
}

int demo_dataset(struct buf *ret_extxyz, struct err *err)
{
    struct buf out = {0};
    int rc = 0;
    for (const struct demo_choice *choice = demo_choices; choice->type && !rc; choice++)
        rc = write_choice(choice, &out, err);
    if (rc) {
        buf_done(&out);
        return rc;
    }
    *ret_extxyz = out;
    return 0;
}
