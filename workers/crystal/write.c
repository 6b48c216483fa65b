/* Writers of one structure: CIF with its symmetry from a record, or in P 1 from a structure;
 * extended XYZ, POSCAR and JSON from a structure. */
#include "workers/crystal/writer.h"

#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/matrix.h"
#include "workers/crystal/words.h"

#include <stdio.h>
#include <stdlib.h>

/* A coordinate that would print as 1.000000000000 is 0. */
static double printable_unit(double x)
{
    return x >= 1 - 5e-13 ? 0 : x;
}

/* ---- CIF ---- */

/* Names of data blocks hold no blanks. */
static void print_block_name(const char *name, struct buf *out)
{
    buf_print(out, "data_");
    for (const char *c = name; *c; c++)
        buf_print(out, "%c", *c > ' ' && *c < 0x7f ? *c : '_');
    buf_print(out, "\n");
}

static void print_note(const char *note, struct buf *out)
{
    struct text_reader reader = {note, note + strlen(note), 1};
    struct text line;
    while (text_line(&reader, &line))
        buf_print(out, "# %.*s\n", (int)line.size, line.data);
}

static uint32_t greatest_divisor(uint32_t a, uint32_t b)
{
    while (b > 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Hill's order (J. Am. Chem. Soc. 22, 478, 1900): C, H, then by symbol; all by symbol without
 * C.
 */
static bool hill_before(int a, int b, bool carbon)
{
    int rank_a = carbon && a == 6 ? 0 : carbon && a == 1 ? 1 : 2;
    int rank_b = carbon && b == 6 ? 0 : carbon && b == 1 ? 1 : 2;
    if (rank_a != rank_b)
        return rank_a < rank_b;
    return strcmp(element_get(a)->symbol, element_get(b)->symbol) < 0;
}

/* Atoms of each element in the cell. */
struct contents {
    uint32_t counts[ELEMENT_MAX + 1]; /* by atomic number */
};

/* "'Ba1 O3 Ti1'" of one formula unit; returns the number of units in the cell. */
static uint32_t print_formula(const struct contents *contents, struct buf *out)
{
    struct contents left = *contents;
    uint32_t units = 0;
    for (int z = 1; z <= ELEMENT_MAX; z++)
        units = greatest_divisor(left.counts[z], units);
    bool carbon = left.counts[6] > 0;
    for (const char *blank = "'";; blank = " ") {
        int next = 0;
        for (int z = 1; z <= ELEMENT_MAX; z++)
            if (left.counts[z] > 0 && (next == 0 || hill_before(z, next, carbon)))
                next = z;
        if (next == 0)
            break;
        buf_print(out, "%s%s%u", blank, element_get(next)->symbol, left.counts[next] / units);
        left.counts[next] = 0;
    }
    buf_print(out, "'\n");
    return units;
}

static void print_cell(const double cell[6], const double lattice[3][3], struct buf *out)
{
    static const char *const names[6] = {"length_a",    "length_b",   "length_c",
                                         "angle_alpha", "angle_beta", "angle_gamma"};
    for (int k = 0; k < 6; k++)
        buf_print(out, "_cell_%-12s %.10f\n", names[k], cell[k]);
    buf_print(out, "_cell_volume       %.6f\n", lattice_volume(lattice));
}

static void print_symmetry(const struct spacegroup *group, struct buf *out)
{
    buf_print(out,
              "_symmetry_space_group_name_H-M '%s'\n"
              "_symmetry_Int_Tables_number    %u\n"
              "loop_\n_symmetry_equiv_pos_site_id\n_symmetry_equiv_pos_as_xyz\n",
              group->symbol, group->number);
    for (uint32_t i = 0; i < group->order; i++) {
        char text[WYCKOFF_TEXT_SIZE];
        wyckoff_text(&group->operations[i], text, sizeof text);
        buf_print(out, "%u '%s'\n", i + 1, text);
    }
}

/* All of a block up to its atoms. */
static void print_block(const char *name, const char *note, const struct contents *contents,
                        const double cell[6], const double lattice[3][3],
                        const struct spacegroup *group, struct buf *out)
{
    if (note)
        print_note(note, out);
    print_block_name(name, out);
    buf_print(out, "_chemical_formula_sum ");
    uint32_t units = print_formula(contents, out);
    buf_print(out, "_cell_formula_units_Z %u\n", units);
    print_cell(cell, lattice, out);
    print_symmetry(group, out);
    buf_print(out, "loop_\n_atom_site_label\n_atom_site_type_symbol\n"
                   "_atom_site_symmetry_multiplicity\n_atom_site_Wyckoff_symbol\n"
                   "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
                   "_atom_site_occupancy\n");
}

static void print_site(uint32_t number, uint8_t element,
                       const struct wyckoff_position *position, const double frac[3],
                       struct buf *out)
{
    const char *symbol = element_get(element)->symbol;
    buf_print(out, "%s%u %s %u %c %.12f %.12f %.12f 1\n", symbol, number, symbol,
              position->multiplicity, wyckoff_letter_char(position->letter), frac[0], frac[1],
              frac[2]);
}

int cif_write(const struct record *record, const char *name, const char *note, struct buf *out,
              struct err *err)
{
    const struct protostructure *proto = &record->proto;
    struct contents contents = {0};
    double lattice[3][3];
    int rc = protostructure_check(proto, err);
    if (rc == 0)
        rc = lattice_from_cell(record->cell, lattice, err);
    if (rc)
        return rc;
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    for (uint32_t i = 0; i < proto->n_sites; i++)
        contents.counts[proto->sites[i].element] +=
            group->positions[proto->sites[i].letter].multiplicity;
    print_block(name, note, &contents, record->cell, CONST_MATRIX(lattice), group, out);
    for (uint32_t i = 0; i < proto->n_sites; i++) {
        const struct wyckoff_position *position = &group->positions[proto->sites[i].letter];
        double frac[3];
        wyckoff_coordinates(position, 0, record->free[i], frac);
        for (int k = 0; k < 3; k++)
            frac[k] = printable_unit(frac[k]);
        print_site(i + 1, proto->sites[i].element, position, frac, out);
    }
    return 0;
}

void cif_write_plain(const struct structure *structure, const char *name, const char *note,
                     struct buf *out)
{
    const struct spacegroup *group = spacegroup_get(1);
    struct contents contents = {0};
    double cell[6];
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        contents.counts[structure->species[i]]++;
    cell_from_lattice(structure->lattice, cell);
    print_block(name, note, &contents, cell, structure->lattice, group, out);
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        print_site(i + 1, structure->species[i], &group->positions[0], structure->frac[i], out);
}

/* ---- extended XYZ ---- */

static void print_quoted(const char *text, struct buf *out)
{
    buf_print(out, "\"");
    for (const char *c = text; *c; c++)
        buf_print(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    buf_print(out, "\"");
}

static bool needs_quotes(const char *text)
{
    return text[0] == '\0' || strpbrk(text, " \t=\"'\\{}[],") != NULL;
}

static void print_word(const char *text, struct buf *out)
{
    if (needs_quotes(text))
        print_quoted(text, out);
    else
        buf_print(out, "%s", text);
}

void extxyz_write_key(const char *name, const char *value, struct buf *out)
{
    buf_append(out, " ", out->size ? 1 : 0);
    print_word(name, out);
    buf_append(out, "=", 1);
    print_word(value, out);
}

void extxyz_write(const struct structure *structure, const char *keys, struct buf *out)
{
    buf_print(out, "%u\nLattice=\"", structure->n_atoms);
    for (int i = 0; i < 9; i++)
        buf_print(out, "%s%.12f", i ? " " : "", structure->lattice[i / 3][i % 3]);
    buf_print(out, "\" Properties=species:S:1:pos:R:3:frac:R:3");
    if (structure->id[0]) {
        buf_print(out, " id=");
        print_word(structure->id, out);
    }
    if (keys && keys[0])
        buf_print(out, " %s", keys);
    buf_print(out, " pbc=\"T T T\"\n");
    for (uint32_t i = 0; i < structure->n_atoms; i++) {
        const double *frac = structure->frac[i];
        double pos[3];
        matrix_row_times(pos, frac, structure->lattice);
        buf_print(out, "%s %.10f %.10f %.10f %.12f %.12f %.12f\n",
                  element_get(structure->species[i])->symbol, pos[0], pos[1], pos[2], frac[0],
                  frac[1], frac[2]);
    }
}

/* ---- POSCAR ---- */

/* Elements in order of first appearance; returns how many. */
static uint32_t list_elements(const struct structure *structure, uint8_t elements[ELEMENT_MAX],
                              uint32_t counts[ELEMENT_MAX + 1])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        if (counts[structure->species[i]]++ == 0)
            elements[n++] = structure->species[i];
    return n;
}

void poscar_write(const struct structure *structure, const char *comment, struct buf *out)
{
    uint8_t elements[ELEMENT_MAX];
    uint32_t counts[ELEMENT_MAX + 1] = {0};
    uint32_t n = list_elements(structure, elements, counts);
    struct text first_line = {comment, strcspn(comment, "\r\n")};
    buf_print(out, "%.*s\n1.0\n", (int)first_line.size, first_line.data);
    for (int i = 0; i < 3; i++)
        buf_print(out, "%20.12f %20.12f %20.12f\n", structure->lattice[i][0],
                  structure->lattice[i][1], structure->lattice[i][2]);
    for (uint32_t e = 0; e < n; e++)
        buf_print(out, " %s", element_get(elements[e])->symbol);
    buf_print(out, "\n");
    for (uint32_t e = 0; e < n; e++)
        buf_print(out, " %u", counts[elements[e]]);
    buf_print(out, "\nDirect\n");
    for (uint32_t e = 0; e < n; e++)
        for (uint32_t i = 0; i < structure->n_atoms; i++)
            if (structure->species[i] == elements[e])
                buf_print(out, "%16.12f %16.12f %16.12f\n", structure->frac[i][0],
                          structure->frac[i][1], structure->frac[i][2]);
}

/* ---- JSON ---- */

struct number_text number_print(double value)
{
    struct number_text number;
    double again;
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(number.text, sizeof number.text, "%.*g", digits, value);
        if (text_number((struct text){number.text, strlen(number.text)}, &again) &&
            again == value)
            break;
    }
    return number;
}

bool property_keeps_unit(const struct property *property)
{
    size_t n = strlen(property->name);
    return property->unit[0] && n > 0 && strchr(")]", property->name[n - 1]);
}

void json_write_text(const char *text, struct buf *out)
{
    buf_append(out, "\"", 1);
    for (const char *c = text; *c; c++)
        if (*c == '"' || *c == '\\')
            buf_print(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            buf_print(out, "\\u%04x", (unsigned)*c);
        else
            buf_append(out, c, 1);
    buf_append(out, "\"", 1);
}

static void print_vector(const double v[3], struct buf *out)
{
    for (int k = 0; k < 3; k++)
        buf_print(out, "%s%s", k ? ", " : "[", number_print(v[k]).text);
    buf_print(out, "]");
}

static void print_lattice(const struct structure *structure, struct buf *out)
{
    static const char *const names[6] = {"a", "b", "c", "alpha", "beta", "gamma"};
    double cell[6];
    buf_print(out, "\"lattice\": {\"matrix\": [");
    for (int i = 0; i < 3; i++) {
        buf_print(out, "%s", i ? ", " : "");
        print_vector(structure->lattice[i], out);
    }
    buf_print(out, "], \"pbc\": [true, true, true]");
    cell_from_lattice(structure->lattice, cell);
    for (int k = 0; k < 6; k++)
        buf_print(out, ", \"%s\": %s", names[k], number_print(cell[k]).text);
    buf_print(out, ", \"volume\": %s}", number_print(structure_volume(structure)).text);
}

static void print_json_site(const struct structure *structure, uint32_t i, struct buf *out)
{
    const char *symbol = element_get(structure->species[i])->symbol;
    double xyz[3];
    matrix_row_times(xyz, structure->frac[i], structure->lattice);
    buf_print(out, "{\"species\": [{\"element\": \"%s\", \"occu\": 1}], \"abc\": ", symbol);
    print_vector(structure->frac[i], out);
    buf_print(out, ", \"xyz\": ");
    print_vector(xyz, out);
    buf_print(out, ", \"label\": \"%s\", \"properties\": {}}", symbol);
}

static void print_json_properties(const struct structure *structure, struct buf *out)
{
    const char *comma = "";
    buf_print(out, "\"properties\": {");
    for (uint32_t i = 0; i < structure->n_properties; i++, comma = ", ") {
        const struct property *property = &structure->properties[i].property;
        char name[PROPERTY_NAME_SIZE + UNIT_SIZE + 4];
        (void)snprintf(name, sizeof name, property_keeps_unit(property) ? "%s [%s]" : "%s",
                       property->name, property->unit);
        buf_print(out, "%s", comma);
        json_write_text(name, out);
        buf_print(out, ": %s", number_print(structure->properties[i].value).text);
    }
    comma = "";
    buf_print(out, "}, \"units\": {");
    for (uint32_t i = 0; i < structure->n_properties; i++) {
        const struct property *property = &structure->properties[i].property;
        if (!property->unit[0] || property_keeps_unit(property))
            continue;
        buf_print(out, "%s", comma);
        json_write_text(property->name, out);
        buf_print(out, ": ");
        json_write_text(property->unit, out);
        comma = ", ";
    }
    buf_print(out, "}");
}

void json_write(const struct structure *structure, struct buf *out)
{
    buf_print(out, "{\"@module\": \"pymatgen.core.structure\", \"@class\": \"Structure\", "
                   "\"id\": ");
    json_write_text(structure->id, out);
    buf_print(out, ", \"charge\": 0, ");
    print_json_properties(structure, out);
    buf_print(out, ", ");
    print_lattice(structure, out);
    buf_print(out, ", \"sites\": [");
    for (uint32_t i = 0; i < structure->n_atoms; i++) {
        buf_print(out, "%s", i ? ", " : "");
        print_json_site(structure, i, out);
    }
    buf_print(out, "]}");
}
