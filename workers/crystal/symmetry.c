/* The one place where spglib looks for symmetry: structures to records and back.
 *
 * spglib 2.0.2 takes the lattice as columns, keeps its last error in a static (one thread per
 * process) and standardizes into the first Hall number of a space group type. That is the
 * setting of our table, but for the 24 groups with two origins: there spglib's first is choice
 * 1 and ours is choice 2, so the origin is moved. */
#include "workers/crystal/structure.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/matrix.h"
#include "workers/crystal/occupied.h"

#include <spglib.h>
#include <stdlib.h>

static void dataset_free_ptr(SpglibDataset **dataset)
{
    if (*dataset)
        spg_free_dataset(*dataset);
}

static int err_from_spglib(struct err *err, double symprec)
{
    static const struct {
        SpglibError code;
        const char *text;
    } reasons[] = {
        {SPGERR_SPACEGROUP_SEARCH_FAILED, "the operations found form no space group"},
        {SPGERR_CELL_STANDARDIZATION_FAILED, "the cell has no standard form"},
        {SPGERR_SYMMETRY_OPERATION_SEARCH_FAILED, "the search for operations failed"},
        {SPGERR_ATOMS_TOO_CLOSE, "two atoms are closer than the tolerance"},
        {SPGERR_POINTGROUP_NOT_FOUND, "the operations form no point group"},
        {SPGERR_NIGGLI_FAILED, "Niggli reduction of the cell failed"},
        {SPGERR_DELAUNAY_FAILED, "Delaunay reduction of the cell failed"},
        {SPGERR_ARRAY_SIZE_SHORTAGE, "more symmetry operations than a space group has"},
    };
    const char *text = "no reason given";
    SpglibError code = spg_get_error_code();
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].code == code)
            text = reasons[i].text;
    return err_set(err, ERR_SYMMETRY, "no symmetry within %g A: %s", symprec, text);
}

/* NULL when spglib finds nothing. A left-handed cell is described by the right-handed one with
 * a and b exchanged: the same crystal, while turning all signs would be its mirror image. */
static SpglibDataset *find_symmetry(const struct structure *structure, double symprec)
{
    uint32_t n = structure->n_atoms;
    double columns[3][3];
    int order[3] = {0, 1, 2};
    if (matrix_determinant(structure->lattice) < 0) {
        order[0] = 1;
        order[1] = 0;
    }
    cleanup(free_ptr) double(*frac)[3] = mem_new(n, sizeof *frac);
    cleanup(free_ptr) int *types = mem_new(n, sizeof *types);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            columns[k][i] = structure->lattice[order[i]][k];
    for (uint32_t i = 0; i < n; i++) {
        types[i] = structure->species[i];
        for (int k = 0; k < 3; k++)
            frac[i][k] = structure->frac[i][order[k]];
    }
    return spg_get_dataset(columns, frac, types, (int)n, symprec);
}

int structure_spacegroup(const struct structure *structure, double symprec)
{
    cleanup(dataset_free_ptr) SpglibDataset *found =
        structure->n_atoms > 0 ? find_symmetry(structure, symprec) : NULL;
    return found ? found->spacegroup_number : 0;
}

/* ---- structure to record ---- */

/* Origin choice 2 in the axes of choice 1, in 1/24 (International Tables A, "Origin" lines of
 * these groups; of the equivalent points the one that keeps the letters of all positions). */
static const struct {
    uint16_t group;
    int8_t origin[3];
} second_origins[] = {
    {48, {18, 18, 18}}, {50, {6, 6, 0}},   {59, {6, 6, 0}},   {68, {0, 6, 6}},
    {70, {3, 3, 3}},    {85, {6, 18, 0}},  {86, {6, 6, 6}},   {88, {0, 6, 3}},
    {125, {6, 6, 0}},   {126, {6, 6, 6}},  {129, {6, 18, 0}}, {130, {6, 18, 0}},
    {133, {6, 18, 6}},  {134, {6, 18, 6}}, {137, {6, 18, 6}}, {138, {6, 18, 6}},
    {141, {0, 18, 3}},  {142, {0, 18, 3}}, {201, {6, 6, 6}},  {203, {3, 3, 3}},
    {222, {6, 6, 6}},   {224, {6, 6, 6}},  {227, {3, 3, 3}},  {228, {9, 9, 9}},
};

static int origin_of_table(const SpglibDataset *found, const struct spacegroup *group,
                           double ret_origin[3], struct err *err)
{
    ret_origin[0] = ret_origin[1] = ret_origin[2] = 0;
    if (found->hall_number == group->hall_number)
        return 0;
    for (size_t i = 0; i < sizeof second_origins / sizeof second_origins[0]; i++)
        if (second_origins[i].group == group->number &&
            found->hall_number == group->hall_number - 1) {
            for (int k = 0; k < 3; k++)
                ret_origin[k] = second_origins[i].origin[k] / 24.0;
            return 0;
        }
    return err_set(err, ERR_SYMMETRY, "spglib standardized group %u into setting %d, not %u",
                   group->number, found->hall_number, group->hall_number);
}

/* One atom of the standard cell. */
struct standard_atom {
    int orbit; /* name of the orbit: its first input atom */
    uint8_t letter, element;
    double frac[3];
};

struct standard {
    const struct spacegroup *group;
    double cell[6], lattice[3][3];
    uint32_t n_atoms;
    struct standard_atom *atoms; /* orbit by orbit */
};

static int by_orbit(const void *a, const void *b)
{
    const struct standard_atom *x = a, *y = b;
    if (x->orbit != y->orbit)
        return x->orbit < y->orbit ? -1 : 1;
    for (int k = 0; k < 3; k++)
        if (x->frac[k] != y->frac[k])
            return x->frac[k] < y->frac[k] ? -1 : 1;
    return 0;
}

static int standard_cell(const SpglibDataset *found, struct standard *standard, struct err *err)
{
    double rows[3][3];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            rows[i][k] = found->std_lattice[k][i];
    cell_from_lattice(CONST_MATRIX(rows), standard->cell);
    cell_symmetrize(standard->group, standard->cell);
    return lattice_from_cell(standard->cell, standard->lattice, err);
}

/* The standardized atoms in the table's setting. Orbits and letters come from the input atoms:
 * both cells know which atom of the primitive cell an atom is. */
static int standard_atoms(const SpglibDataset *found, struct standard *standard,
                          struct err *err)
{
    double origin[3];
    int rc = origin_of_table(found, standard->group, origin, err);
    if (rc)
        return rc;
    cleanup(free_ptr) int *input_of = mem_new((size_t)found->n_atoms + 1, sizeof *input_of);
    for (int i = found->n_atoms - 1; i >= 0; i--)
        input_of[found->mapping_to_primitive[i]] = i;
    standard->n_atoms = (uint32_t)found->n_std_atoms;
    standard->atoms = mem_new(standard->n_atoms, sizeof *standard->atoms);
    for (int i = 0; i < found->n_std_atoms; i++) {
        int input = input_of[found->std_mapping_to_primitive[i]];
        struct standard_atom *atom = &standard->atoms[i];
        atom->orbit = found->crystallographic_orbits[input];
        atom->letter = (uint8_t)found->wyckoffs[input];
        atom->element = (uint8_t)found->std_types[i];
        for (int k = 0; k < 3; k++)
            atom->frac[k] = wrap_unit(found->std_positions[i][k] - origin[k]);
    }
    qsort(standard->atoms, standard->n_atoms, sizeof *standard->atoms, by_orbit);
    return 0;
}

/* spglib has put the atoms of an orbit on their position up to rounding; where it has not, the
 * tolerance of the search is what it promised. */
static int fit_orbit(const struct standard *standard, const double (*frac)[3], uint32_t n,
                     uint8_t letter, double symprec, struct occupied *ret, struct err *err)
{
    const struct spacegroup *group = standard->group;
    const double tolerances[2] = {fit_angstrom, fmax(symprec, fit_angstrom)};
    int rc = ERR_SYMMETRY;
    for (int t = 0; t < 2; t++)
        for (int i = -1; i < group->n_positions; i++) {
            /* the letter that spglib says, then all others that have as many atoms */
            const struct wyckoff_position *position = &group->positions[i < 0 ? letter : i];
            double error;
            if ((i < 0 && letter >= group->n_positions) || position->multiplicity != n)
                continue;
            rc = wyckoff_parameters(position, frac, n, CONST_MATRIX(standard->lattice),
                                    tolerances[t], ret->free, &error, err);
            if (rc == 0) {
                ret->site.letter = position->letter;
                return 0;
            }
        }
    return err_set(err, rc, "an orbit of %u atoms fits no Wyckoff position of group %u", n,
                   group->number);
}

static int fit_orbits(const struct standard *standard, double symprec,
                      struct occupied *occupied, uint32_t *ret_n, struct err *err)
{
    const struct standard_atom *atoms = standard->atoms;
    uint32_t n_orbits = 0;
    for (uint32_t begin = 0, end; begin < standard->n_atoms; begin = end) {
        double frac[MULTIPLICITY_MAX][3];
        for (end = begin; end < standard->n_atoms && atoms[end].orbit == atoms[begin].orbit;
             end++) {
            if (end - begin == MULTIPLICITY_MAX)
                return err_set(err, ERR_SYMMETRY, "an orbit of more than %d atoms",
                               MULTIPLICITY_MAX);
            memcpy(frac[end - begin], atoms[end].frac, sizeof frac[0]);
        }
        if (n_orbits == SITES_MAX)
            return err_set(err, ERR_LIMIT, "more than %d occupied positions", SITES_MAX);
        struct occupied *next = &occupied[n_orbits++];
        next->site.element = atoms[begin].element;
        int rc = fit_orbit(standard, CONST_MATRIX(frac), end - begin, atoms[begin].letter,
                           symprec, next, err);
        if (rc)
            return rc;
    }
    *ret_n = n_orbits;
    return 0;
}

static void fill_record(const struct structure *structure, const struct standard *standard,
                        const struct occupied *occupied, uint32_t n, struct record *record)
{
    *record = (struct record){.line = structure->line};
    memcpy(record->id, structure->id, sizeof record->id);
    memcpy(record->source, structure->file, sizeof record->source);
    memcpy(record->cell, standard->cell, sizeof record->cell);
    record->proto.spacegroup = standard->group->number;
    record->proto.n_sites = (uint16_t)n;
    record->proto.sites = mem_new(n, sizeof *record->proto.sites);
    record->free = mem_new(n, sizeof *record->free);
    for (uint32_t i = 0; i < n; i++) {
        record->proto.sites[i] = occupied[i].site;
        memcpy(record->free[i], occupied[i].free, sizeof record->free[i]);
    }
}

int structure_to_record(const struct structure *structure, double symprec,
                        struct record *ret_record, struct err *err)
{
    if (structure->n_atoms == 0 || structure->n_atoms > ATOMS_MAX)
        return err_set(err, structure->n_atoms ? ERR_LIMIT : ERR_INVALID,
                       "%u atoms; at least 1 and at most %d", structure->n_atoms, ATOMS_MAX);
    cleanup(dataset_free_ptr) SpglibDataset *found = find_symmetry(structure, symprec);
    if (!found)
        return err_from_spglib(err, symprec);
    if (found->n_std_atoms < 1 || found->n_std_atoms > ATOMS_MAX)
        return err_set(err, ERR_LIMIT, "%d atoms in the conventional cell; at most %d",
                       found->n_std_atoms, ATOMS_MAX);
    struct standard standard = {.group = spacegroup_get(found->spacegroup_number)};
    if (!standard.group)
        return err_set(err, ERR_SYMMETRY, "spglib found group %d", found->spacegroup_number);
    cleanup(free_ptr) struct occupied *occupied = mem_new(SITES_MAX, sizeof *occupied);
    uint32_t n = 0;
    int rc = standard_cell(found, &standard, err);
    if (rc == 0)
        rc = standard_atoms(found, &standard, err);
    if (rc == 0)
        rc = fit_orbits(&standard, symprec, occupied, &n, err);
    if (rc == 0)
        rc = occupied_canonicalize(standard.group, standard.cell, occupied, n, err);
    struct record record = {0};
    if (rc == 0) {
        fill_record(structure, &standard, occupied, n, &record);
        rc = protostructure_check(&record.proto, err);
    }
    if (rc == 0)
        *ret_record = record;
    else
        record_done(&record);
    free(standard.atoms);
    return rc;
}

/* ---- record to structure ---- */

int record_to_structure(const struct record *record, struct structure *ret_structure,
                        struct err *err)
{
    struct structure structure = {.line = record->line};
    int rc = protostructure_check(&record->proto, err);
    if (rc == 0)
        rc = lattice_from_cell(record->cell, structure.lattice, err);
    if (rc)
        return rc;
    const struct spacegroup *group = spacegroup_get(record->proto.spacegroup);
    uint32_t n = protostructure_atoms(&record->proto), at = 0;
    memcpy(structure.id, record->id, sizeof structure.id);
    memcpy(structure.file, record->source, sizeof structure.file);
    structure.n_atoms = n;
    structure.species = mem_new(n, sizeof *structure.species);
    structure.frac = mem_new(n, sizeof *structure.frac);
    for (uint32_t i = 0; i < record->proto.n_sites; i++) {
        struct site site = record->proto.sites[i];
        const struct wyckoff_position *position = &group->positions[site.letter];
        for (uint32_t k = 0; k < position->multiplicity; k++, at++) {
            structure.species[at] = site.element;
            wyckoff_coordinates(position, k, record->free[i], structure.frac[at]);
        }
    }
    *ret_structure = structure;
    return 0;
}

/* Primitive vectors in the conventional ones (International Tables A, table 5.1.3.1; R
 * obverse): rows are a', b', c'. */
static const struct {
    char centring;
    double rows[3][3];
} primitives[] = {
    {'P', {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}},
    {'A', {{1, 0, 0}, {0, 0.5, -0.5}, {0, 0.5, 0.5}}},
    {'C', {{0.5, 0.5, 0}, {-0.5, 0.5, 0}, {0, 0, 1}}},
    {'I', {{-0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0.5, 0.5, -0.5}}},
    {'F', {{0, 0.5, 0.5}, {0.5, 0, 0.5}, {0.5, 0.5, 0}}},
    {'R',
     {{2.0 / 3, 1.0 / 3, 1.0 / 3},
      {-1.0 / 3, 1.0 / 3, 1.0 / 3},
      {-1.0 / 3, -2.0 / 3, 1.0 / 3}}},
};

static const double (*primitive_rows(char centring))[3]
{
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++)
        if (primitives[i].centring == centring)
            return primitives[i].rows;
    return NULL;
}

static bool same_point(const double a[3], const double b[3])
{
    for (int k = 0; k < 3; k++)
        if (fabs(wrap_half(a[k] - b[k])) > 1e-6)
            return false;
    return true;
}

int record_to_primitive(const struct record *record, struct structure *ret_structure,
                        struct err *err)
{
    struct structure structure;
    int rc = record_to_structure(record, &structure, err);
    if (rc)
        return rc;
    const struct spacegroup *group = spacegroup_get(record->proto.spacegroup);
    const double(*rows)[3] = primitive_rows(group->centring);
    double inverse[3][3], lattice[3][3];
    matrix_inverse(inverse, rows);
    for (int i = 0; i < 3; i++)
        matrix_row_times(lattice[i], rows[i], CONST_MATRIX(structure.lattice));
    memcpy(structure.lattice, lattice, sizeof lattice);
    uint32_t kept = 0, first = 0, at = 0;
    for (uint32_t s = 0; s < record->proto.n_sites; s++, first = kept) {
        /* Atoms of one orbit that differ by a centring vector fall on one point. */
        uint32_t end = at + group->positions[record->proto.sites[s].letter].multiplicity;
        for (; at < end; at++) {
            double frac[3];
            matrix_row_times(frac, structure.frac[at], CONST_MATRIX(inverse));
            uint32_t i = first;
            while (i < kept && !same_point(structure.frac[i], frac))
                i++;
            if (i < kept)
                continue;
            for (int k = 0; k < 3; k++)
                structure.frac[kept][k] = wrap_unit(frac[k]);
            structure.species[kept++] = structure.species[at];
        }
    }
    structure.n_atoms = kept;
    *ret_structure = structure;
    return 0;
}
