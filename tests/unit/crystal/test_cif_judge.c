/* Our CIF reader against libcif, the CIF API of COMCIFS (https://github.com/COMCIFS/cif_api):
 * both get the same bytes, as they are and changed at random with a fixed seed. test_cif_judge
 * MUTATIONS FILE-OR-FOLDER...     (exit 77: libcif or all files are missing)
 *
 * When libcif finds no error in a file, our lexer must give the same blocks, names and values,
 * and our reader the same structures: from libcif's values a short reader in this file, written
 * for clarity and not for speed, makes the cell and the atoms, or finds that there are none;
 * ours must say the same, or refuse as docs/formats.md tells. When libcif finds an error, ours
 * may accept only what docs/formats.md says it is more patient with, and then reads the same
 * all the same. */
#include "tests/unit/crystal/cif_content.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/matrix.h"
#include "workers/crystal/reader.h"

#include "common/rng.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>

/* ---- a crystal from libcif's values ---- */

struct crystal {
    const char *refused; /* NULL: it is one */
    double cell[6], lattice[3][3];
    uint32_t n;
    uint8_t species[ATOMS_MAX];
    double frac[ATOMS_MAX][3];
};

struct atom_site {
    const struct entry *label, *type, *frac[3], *occupancy;
    uint8_t element;
};

struct formula {
    bool known;
    double amounts[ELEMENT_MAX + 1], total;
};

static bool is_named(const struct entry *entry, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(entry->name, *names))
            return true;
    return false;
}

/* '?' and '.' stand for nothing, but a quoted one is a text. */
static bool is_given(const struct entry *entry)
{
    return entry && entry->text[0] &&
           (entry->quoted || (strcmp(entry->text, "?") != 0 && strcmp(entry->text, ".") != 0));
}

/* The first entry of these names in the block that says something, outside of loops. */
static const struct entry *find_item(const struct content *content, uint32_t block,
                                     const char *const *names)
{
    for (uint32_t i = 0; i < content->n; i++) {
        const struct entry *entry = &content->entries[i];
        if (entry->block == block && entry->row == 0 && is_named(entry, names) &&
            is_given(entry))
            return entry;
    }
    return NULL;
}

static struct text text_of(const struct entry *entry)
{
    return entry ? (struct text){entry->text, strlen(entry->text)} : (struct text){0};
}

/* "Ca1 O2": elements and amounts. Any other text is no formula. */
static struct formula read_formula(const struct entry *entry)
{
    struct formula formula = {.known = entry != NULL}, none = {0};
    for (const char *c = entry ? entry->text : ""; *c;) {
        int letters = 0;
        char *end;
        if (isspace((unsigned char)*c)) {
            c++;
            continue;
        }
        while (isalpha((unsigned char)c[letters]) &&
               (letters == 0 || islower((unsigned char)c[letters])))
            letters++;
        int z = element_parse(c, letters);
        c += letters;
        size_t digits = strspn(c, "0123456789.");
        double amount = digits ? strtod(c, &end) : 1;
        if (z == 0 || (digits && end != c + digits))
            return none;
        formula.amounts[z] += amount;
        formula.total += amount;
        c += digits;
    }
    return formula;
}

/* The element that a symbol or label means: docs/formats.md, "Elements". 0: none. */
static uint8_t element_of(const struct atom_site *site, const struct formula *formula)
{
    bool type = site->type && site->type->text[0] && strcmp(site->type->text, "?") != 0 &&
                strcmp(site->type->text, ".") != 0;
    const char *text = type ? site->type->text : site->label ? site->label->text : "";
    char symbol[2] = {(char)toupper((unsigned char)text[0]), 0};
    if (!isalpha((unsigned char)text[0]))
        return 0;
    int one = element_parse(symbol, 1), two = 0;
    if (isalpha((unsigned char)text[1])) {
        symbol[1] = (char)tolower((unsigned char)text[1]);
        two = element_parse(symbol, 2);
    }
    if (one && two) {
        bool has_one = formula->amounts[one] > 0, has_two = formula->amounts[two] > 0;
        bool second = formula->known && has_one != has_two
                          ? has_two
                          : type || islower((unsigned char)text[1]);
        return (uint8_t)(second ? two : one);
    }
    return (uint8_t)(one ? one : two);
}

static const char *read_cell(const struct content *content, uint32_t block, double cell[6])
{
    static const char *const names[6][2] = {{"_cell_length_a"},   {"_cell_length_b"},
                                            {"_cell_length_c"},   {"_cell_angle_alpha"},
                                            {"_cell_angle_beta"}, {"_cell_angle_gamma"}};
    for (int k = 0; k < 6; k++) {
        const struct entry *entry = find_item(content, block, names[k]);
        if (!entry || !entry->numeric || !(entry->number > 0))
            return "cell";
        cell[k] = entry->number;
    }
    return NULL;
}

/* Operations of the first loop that has some, else the one that stands alone. */
static const char *read_operations(const struct content *content, uint32_t block,
                                   struct operation *ret, uint32_t *ret_n)
{
    static const char *const names[] = {"_space_group_symop_operation_xyz",
                                        "_symmetry_equiv_pos_as_xyz", "_symmetry_equiv_as_xyz",
                                        NULL};
    uint32_t loop = 0, n = 0;
    for (int alone = 0; alone < 2; alone++)
        for (uint32_t i = 0; i < content->n; i++) {
            const struct entry *entry = &content->entries[i];
            struct operation operation;
            if (entry->block != block || (entry->row == 0) != alone ||
                !is_named(entry, names) || !entry->text[0])
                continue;
            if (operation_parse(text_of(entry), &operation, NULL))
                return "operation";
            if (n > 0 && (alone || entry->loop != loop))
                continue;
            if (n == CIF_OPERATIONS_MAX)
                return "number of operations";
            loop = entry->loop;
            ret[n++] = operation;
        }
    *ret_n = n;
    return NULL;
}

/* The entry of this name in the same row. */
static const struct entry *beside(const struct content *content, const struct entry *x,
                                  const char *name)
{
    for (uint32_t i = 0; i < content->n; i++) {
        const struct entry *entry = &content->entries[i];
        if (entry->block == x->block && entry->row == x->row &&
            (x->row == 0 || entry->loop == x->loop) && !strcmp(entry->name, name))
            return entry;
    }
    return NULL;
}

static const char *read_sites(const struct content *content, uint32_t block,
                              struct atom_site *ret, uint32_t *ret_n)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < content->n; i++) {
        const struct entry *x = &content->entries[i];
        if (x->block != block || strcmp(x->name, "_atom_site_fract_x") != 0 || !x->text[0])
            continue;
        struct atom_site site = {.label = beside(content, x, "_atom_site_label"),
                                 .type = beside(content, x, "_atom_site_type_symbol"),
                                 .frac = {x, beside(content, x, "_atom_site_fract_y"),
                                          beside(content, x, "_atom_site_fract_z")},
                                 .occupancy = beside(content, x, "_atom_site_occupancy")};
        for (int k = 0; k < 3; k++)
            if (!site.frac[k] || !site.frac[k]->numeric)
                return "coordinate";
        const struct entry *o = site.occupancy;
        if (o && o->text[0] && strcmp(o->text, "?") != 0 && strcmp(o->text, ".") != 0 &&
            !(o->numeric && fabs(o->number - 1) <= 0.001))
            return "occupancy";
        if (n == ATOMS_MAX)
            return "number of sites";
        ret[n++] = site;
    }
    *ret_n = n;
    return n ? NULL : "no atoms";
}

static double distance(const struct crystal *crystal, const double a[3], const double b[3])
{
    double d[3];
    for (int k = 0; k < 3; k++)
        d[k] = a[k] - b[k] - round(a[k] - b[k]);
    matrix_row_times(d, d, CONST_MATRIX(crystal->lattice));
    return vector_norm(d);
}

/* All images of all sites; images of one site nearer than 0.1 Angstrom are one atom. */
static const char *make_atoms(const struct atom_site *sites, uint32_t n_sites,
                              const struct operation *operations, uint32_t n_operations,
                              struct crystal *crystal)
{
    crystal->n = 0;
    for (uint32_t s = 0; s < n_sites; s++) {
        uint32_t first = crystal->n;
        for (uint32_t o = 0; o < n_operations; o++) {
            double at[3];
            bool there = false;
            for (int k = 0; k < 3; k++) {
                at[k] = operations[o].translation[k];
                for (int j = 0; j < 3; j++)
                    at[k] += operations[o].rotation[k][j] * sites[s].frac[j]->number;
            }
            for (uint32_t i = first; i < crystal->n && !there; i++)
                there = distance(crystal, crystal->frac[i], at) < 0.1;
            if (there)
                continue;
            if (crystal->n == ATOMS_MAX)
                return "number of atoms";
            crystal->species[crystal->n] = sites[s].element;
            memcpy(crystal->frac[crystal->n++], at, sizeof at);
        }
    }
    return NULL;
}

static const char *compare_formula(const struct crystal *crystal, const struct formula *formula)
{
    uint32_t counts[ELEMENT_MAX + 1] = {0};
    for (uint32_t i = 0; i < crystal->n; i++)
        counts[crystal->species[i]]++;
    for (int z = 1; z <= ELEMENT_MAX && formula->known && formula->total > 0; z++)
        if (fabs((double)counts[z] / crystal->n - formula->amounts[z] / formula->total) > 0.003)
            return "formula";
    return NULL;
}

/* Names of groups become operations by our own tables: what is judged is whether the names were
 * read. Of the settings that a name can mean the first that makes sense. */
static const char *make_by_name(const struct content *content, uint32_t block,
                                const struct atom_site *sites, uint32_t n_sites,
                                const struct formula *formula, struct crystal *crystal)
{
    static const char *const hall[] = {"_space_group_name_hall",
                                       "_symmetry_space_group_name_hall", NULL},
                             *const symbol[] = {"_space_group_name_h-m_alt",
                                                "_space_group_name_h-m_full",
                                                "_space_group_name_h-m_ref",
                                                "_symmetry_space_group_name_h-m", NULL},
                             *const number[] = {"_space_group_it_number",
                                                "_symmetry_int_tables_number", NULL};
    int settings[SETTINGS_MAX];
    struct operation operations[192];
    const char *refused = "group";
    int n = settings_find(
        text_of(find_item(content, block, hall)), text_of(find_item(content, block, symbol)),
        text_of(find_item(content, block, number)), crystal->cell, settings, NULL);
    for (int i = 0; i < n; i++) {
        uint32_t order = (uint32_t)settings_operations(settings[i], operations);
        refused = make_atoms(sites, n_sites, operations, order, crystal);
        if (!refused)
            refused = compare_formula(crystal, formula);
        struct structure structure = {
            .n_atoms = crystal->n, .species = crystal->species, .frac = crystal->frac};
        memcpy(structure.lattice, crystal->lattice, sizeof structure.lattice);
        if (!refused && structure_check(&structure, NULL) != 0)
            refused = "overlap";
        if (!refused)
            break;
    }
    return refused;
}

static void make_crystal(const struct content *content, uint32_t block, struct crystal *ret)
{
    static const char *const formula_names[] = {"_chemical_formula_sum", NULL};
    static struct operation operations[CIF_OPERATIONS_MAX];
    static struct atom_site sites[ATOMS_MAX];
    uint32_t n_operations = 0, n_sites = 0;
    struct formula formula = read_formula(find_item(content, block, formula_names));
    const char *refused = read_cell(content, block, ret->cell);
    if (!refused && lattice_from_cell(ret->cell, ret->lattice, NULL) != 0)
        refused = "cell";
    if (!refused)
        refused = read_operations(content, block, operations, &n_operations);
    if (!refused)
        refused = read_sites(content, block, sites, &n_sites);
    for (uint32_t i = 0; i < n_sites && !refused; i++)
        if ((sites[i].element = element_of(&sites[i], &formula)) == 0)
            refused = "element";
    if (!refused && n_operations > 0)
        refused = make_atoms(sites, n_sites, operations, n_operations, ret);
    else if (!refused)
        refused = make_by_name(content, block, sites, n_sites, &formula, ret);
    if (!refused)
        refused = compare_formula(ret, &formula);
    ret->refused = refused;
}

/* ---- comparing ---- */

static struct {
    uint32_t files, clean, crystals, refused, patient, rejected, failures;
    uint32_t codes[CODES_MAX]; /* of files that libcif rejects and we accept */
} totals;

/* A failure leaves its file behind; after the first few only the count goes on. */
static void fail(struct text bytes, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void fail(struct text bytes, const char *name, const char *format, ...)
{
    enum { SHOWN_MAX = 20 };
    if (totals.failures++ >= SHOWN_MAX)
        return;
    char path[64];
    (void)snprintf(path, sizeof path, "cif-judge-%u.cif", totals.failures);
    FILE *file = fopen(path, "wb");
    if (file) {
        (void)fwrite(bytes.data, 1, bytes.size, file);
        (void)fclose(file);
    }
    va_list arguments;
    va_start(arguments, format);
    (void)printf("FAILED %s (%s): ", name, path);
    (void)vprintf(format, arguments);
    (void)printf("\n");
    va_end(arguments);
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
    return a->block == b->block && a->loop == b->loop && a->row == b->row &&
           a->quoted == b->quoted && !strcmp(a->name, b->name) && !strcmp(a->text, b->text);
}

static void compare_words(struct text bytes, const char *name, const struct content *judge,
                          const struct content *ours)
{
    for (uint32_t i = 0; i < judge->n && i < ours->n; i++)
        if (!same_entry(&judge->entries[i], &ours->entries[i])) {
            fail(bytes, name, "libcif reads %s '%s', we %s '%s'", judge->entries[i].name,
                 judge->entries[i].text, ours->entries[i].name, ours->entries[i].text);
            return;
        }
    if (judge->n != ours->n || judge->n_blocks != ours->n_blocks)
        fail(bytes, name, "libcif reads %u values in %u blocks, we %u in %u", judge->n,
             judge->n_blocks, ours->n, ours->n_blocks);
    for (uint32_t i = 0; i < judge->n_blocks && i < ours->n_blocks; i++)
        if (strcmp(judge->blocks[i], ours->blocks[i]) != 0)
            fail(bytes, name, "block %u: '%s', we '%s'", i, judge->blocks[i], ours->blocks[i]);
}

static const char *compare_atoms(const struct crystal *crystal, const struct structure *ours)
{
    const double edge_max = 1e6; /* beyond, structure_check refuses, and squares overflow */
    double cell[6];
    cell_from_lattice(CONST_MATRIX(ours->lattice), cell);
    for (int k = 0; k < 6; k++)
        if (crystal->cell[k] > edge_max)
            return NULL;
    for (int k = 0; k < 6; k++)
        if (fabs(cell[k] - crystal->cell[k]) > 1e-7 * (1 + crystal->cell[k]))
            return "another cell";
    if (ours->n_atoms != crystal->n)
        return "another number of atoms";
    for (uint32_t i = 0; i < crystal->n; i++) {
        bool found = false;
        for (uint32_t j = 0; j < ours->n_atoms && !found; j++)
            found = ours->species[j] == crystal->species[i] &&
                    distance(crystal, crystal->frac[i], ours->frac[j]) < 1e-6;
        if (!found &&
            fabs(crystal->frac[i][0]) + fabs(crystal->frac[i][1]) + fabs(crystal->frac[i][2]) <
                1e6)
            return "an atom is not there";
    }
    return NULL;
}

static void judge_block(struct text bytes, const char *name, const struct content *judge,
                        uint32_t block, const struct source_item *item)
{
    static struct crystal crystal;
    struct structure structure;
    struct err err = {0};
    int rc = format_parse(item, &structure, NULL, &err);
    make_crystal(judge, block, &crystal);
    const char *different = NULL;
    if (rc == 0 && !crystal.refused)
        different = compare_atoms(&crystal, &structure);
    bool placed = strstr(err.text, "does not begin its line") != NULL;
    if (judge->n_errors == 0 && rc == 0 && crystal.refused)
        fail(bytes, name, "libcif's values are refused (%s), we read it", crystal.refused);
    else if (judge->n_errors == 0 && rc != 0 && !crystal.refused && !placed)
        fail(bytes, name, "libcif's values make a crystal, we say: %s", err.text);
    else if (different)
        fail(bytes, name, "%s", different);
    for (int code = 0; code < CODES_MAX && rc == 0; code++) {
        if (judge->codes[block][code] && !content_is_tolerated(judge, block, code))
            fail(bytes, name, "libcif finds error %d, we read it", code);
        totals.codes[code] += judge->codes[block][code];
    }
    if (judge->n_errors == 0)
        *(rc == 0 ? &totals.crystals : &totals.refused) += 1;
    else
        *(rc == 0 ? &totals.patient : &totals.rejected) += 1;
    structure_done(&structure);
}

static bool has_crystal(const struct content *content, uint32_t block)
{
    for (uint32_t i = 0; i < content->n; i++)
        if (content->entries[i].block == block &&
            (!strncmp(content->entries[i].name, "_cell_length", 12) ||
             !strncmp(content->entries[i].name, "_atom_site_fract", 16)))
            return true;
    return false;
}

/* Is this the item of the block? *alone becomes false when there are more blocks in it. */
static bool is_item_of(const struct source_item *item, const struct content *judge,
                       uint32_t block, bool *alone)
{
    static struct content content;
    (void)content_read_ours((struct text){item->text, item->size}, &content);
    bool same = !strcmp(content.blocks[0], judge->blocks[block]) &&
                has_crystal(&content, 0) == has_crystal(judge, block);
    *alone &= content.n_blocks <= 1;
    content_done(&content);
    return same;
}

static void judge_file(const char *name, struct text bytes)
{
    static struct content judge, ours;
    struct source source = {0};
    content_read_libcif(bytes, &judge);
    totals.files++;
    totals.clean += judge.n_errors == 0;
    bool whole = content_read_ours(bytes, &ours);
    format_split("judge.cif", (struct span){(const uint8_t *)bytes.data, bytes.size}, &source);
    bool refused = source.n_items > 0 && (source.items[0].reject[0] || judge.frames);
    if (judge.n_errors == 0 && !refused) {
        if (whole)
            compare_words(bytes, name, &judge, &ours);
        else
            fail(bytes, name, "libcif reads all words, we do not");
    }
    uint32_t next = 0;
    bool alone = true;
    for (uint32_t block = 0; block < judge.n_blocks && !refused; block++) {
        if (next < source.n_items && is_item_of(&source.items[next], &judge, block, &alone))
            judge_block(bytes, name, &judge, block, &source.items[next++]);
        else if (judge.n_errors == 0 && has_crystal(&judge, block) && alone)
            fail(bytes, name, "block '%s' of libcif is missing", judge.blocks[block]);
    }
    source_done(&source);
    content_done(&ours);
    content_done(&judge);
}

/* ---- files made by hand ---- */

#define CELL                                                                                   \
    "_cell_length_a 4\n_cell_length_b 5\n_cell_length_c 6\n_cell_angle_alpha 90\n"             \
    "_cell_angle_beta 95\n_cell_angle_gamma 90\n"
#define P1 "_space_group_IT_number 1\n"
#define COLUMNS                                                                                \
    "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
#define SITES COLUMNS "Na1 0 0 0\nCl1 0.5 .5 0.25\n"

static const struct {
    const char *text;
    uint32_t atoms;      /* of the first structure; 0: refused */
    const char *refused; /* part of the reason */
} made[] = {
    {"data_a\n" CELL P1 SITES, 2, NULL},
    {"# comment ' \" ;\n\ndata_first\n_x 1\ndata_a # remark\n" CELL P1 SITES, 2, NULL},
    /* order: sites before the cell, columns in any order, values across lines */
    {"data_a\n" SITES "loop_ _symmetry_equiv_pos_as_xyz x,y,z\n'-x, y+1/2, -z'\n" CELL, 4,
     NULL},
    {"data_a loop_\n_atom_site_fract_z _atom_site_label _atom_site_fract_y\n"
     "_atom_site_fract_x\n0\nNa 0 0 .25 Cl\n.5 .5\n" CELL P1,
     2, NULL},
    /* quotes */
    {"data_a\n_t 'a'b \"c' \"\n_u \"it's\"\n_v 'say \"x\" now'\n_w '#no comment'\n"
     "_y a'b\n_z a\"b'c\n" CELL P1 SITES,
     0, "a quote has no end"},
    {"data_a\n_t 'a'b'\n_u \"it's\"\n_v 'say \"x\" now'\n_w '#no comment'\n_y a'b\n_z a#b\n" //
     CELL P1 SITES,
     2, NULL},
    {"data_a\n_t ''\n_u \"\"\n_v ' '\n_w '''x'''\n" CELL P1 SITES, 2, NULL},
    {"data_a\n_t 'open\n" CELL P1 SITES, 0, "a quote has no end"},
    /* text fields */
    {"data_a\n_t\n;first\n _cell_length_a 9\n data_b\n'\n;\n" CELL P1 SITES, 2, NULL},
    {"data_a\n_t\n;data_b\nloop_\n; _u 1\n" CELL P1 SITES, 2, NULL},
    {"data_a\n_t\n;\ndata_b\n;\n" CELL P1 SITES, 2, NULL},
    {"data_a\n_t x;y ;z\n" CELL P1 SITES, 0, "value ';z' without a tag"},
    {"data_a\n_t x;y\n" CELL P1 SITES, 2, NULL},
    {"data_a\n" CELL P1 SITES "_t\n;no end\n", 0, "has no end"},
    {"data_a\n_space_group_name_H-M_alt\n;P 1\n;\n" CELL SITES, 2, NULL},
    /* line ends: CR LF, CR alone */
    {"data_a\r\n_t\r\n;x\r\n;\r\n_cell_length_a 4 # a\r\n_cell_length_b 4\r\n"
     "_cell_length_c 4\r\n_cell_angle_alpha 90\r\n_cell_angle_beta 90\r\n"
     "_cell_angle_gamma 90\r\n_symmetry_Int_Tables_number 1\r\nloop_\r\n_atom_site_label\r\n"
     "_atom_site_fract_x\r\n_atom_site_fract_y\r\n_atom_site_fract_z\r\nNa 0 0 0\r\n",
     1, NULL},
    {"data_a\r_t\r;x\r;\r_cell_length_a 4 # a\r_cell_length_b 4\r_cell_length_c 4\r"
     "_cell_angle_alpha 90\r_cell_angle_beta 90\r_cell_angle_gamma 90\r"
     "_symmetry_Int_Tables_number 1\rloop_\r_atom_site_label\r_atom_site_fract_x\r"
     "_atom_site_fract_y\r_atom_site_fract_z\rNa 0 0 0\r",
     1, NULL},
    /* numbers */
    {"data_a\n_cell_length_a 4.000(12)\n_cell_length_b +5.\n_cell_length_c 6.E0\n"
     "_cell_angle_alpha 9.0e1(2)\n_cell_angle_beta 95\n_cell_angle_gamma '90'\n" P1 SITES,
     2, NULL},
    {"data_a\n_cell_length_a 4(x)\n" P1 SITES, 0, "not a positive number"},
    {"data_a\n_cell_length_a 4()\n" P1 SITES, 0, "not a positive number"},
    {"data_a\n_cell_length_a 4(1)(2)\n" P1 SITES, 0, "not a positive number"},
    {"data_a\n_cell_length_a 1d1\n" P1 SITES, 0, "not a positive number"},
    /* names: case, dots; version 3 of the dictionary */
    {"DATA_A\n_Cell.Length_A 4\n_cell.length_b 5\n_cell.length_c 6\n_cell.angle_alpha 90\n"
     "_cell.angle_beta 95\n_CELL.angle_gamma 90\n_space_group.IT_number 1\nLOOP_\n"
     "_atom_site.label\n_atom_site.fract_x\n_atom_site.fract_y\n_atom_site.fract_z\nNa 0 0 0\n",
     1, NULL},
    /* one site needs no loop; some list operations under the old and the new name */
    {"data_a\n" CELL P1 "_atom_site_label Na _atom_site_fract_x 0 _atom_site_fract_y 0\n"
     "_atom_site_fract_z 0\n",
     1, NULL},
    {"data_a\n" CELL SITES "loop_\n_symmetry_equiv_pos_as_xyz x,y,z -x,-y,-z\n"
     "loop_\n_space_group_symop_operation_xyz x,y,z -x,-y,-z\n",
     3, NULL},
    /* what a structure cannot say */
    {"data_a\n" CELL P1 "loop_\n_atom_site_occupancy\n_atom_site_label\n_atom_site_fract_x\n"
     "_atom_site_fract_y\n_atom_site_fract_z\n0.5 Na 0 0 0\n",
     0, "partial occupancy"},
    {"data_a\n" CELL P1 "loop_\n_atom_site_occupancy\n_atom_site_label\n_atom_site_fract_x\n"
     "_atom_site_fract_y\n_atom_site_fract_z\n1.0(3) Na 0 0 0\n. Cl .5 .5 .5\n",
     2, NULL},
    {"data_a\n" CELL P1 COLUMNS "Na 0 0 ?\n", 0, "coordinate z is '?'"},
    /* words that have no place in a file of data */
    {"data_a\n" CELL P1 SITES "save_frame\n_x 1\nsave_\n", 0, "save frames"},
    {"data_a\n" CELL P1 SITES "stop_\n", 0, "stop_"},
    {"data_a\nglobal_\n" CELL P1 SITES, 0, "global_"},
    {"data_a\n" CELL P1 SITES " data_b\n" CELL P1 SITES, 0, "does not begin its line"},
    {"data_a\n" CELL P1 SITES "_cell_length_a 4.5\n", 0, "given twice"},
    /* cut off, values that belong to nothing */
    {"data_a\n" CELL P1 SITES "Na 0 0", 0, "has 3 of 4 values"},
    {"data_a\n" CELL P1 SITES "_t", 0, "has no value"},
    {"data_a\n5\n" CELL P1 SITES, 0, "without a tag"},
    {"data_a\n_t 1 2\n" CELL P1 SITES, 0, "without a tag"},
    {"data_a\n" CELL P1 SITES "loop_\n_t\n", 2, NULL}, /* a loop without rows */
    /* byte order mark; the other version */
    {"\xef\xbb\xbf"
     "data_a\n" CELL P1 SITES,
     2, NULL},
    {"#\\#CIF_1.1\ndata_a\n" CELL P1 SITES, 2, NULL},
    {"#\\#CIF_2.0\ndata_a\n" CELL P1 SITES "_t \"\"\"three\nlines\"\"\"\n", 0, "CIF 2.0"},
};

enum { MADE = sizeof made / sizeof made[0] };

static void judge_made(void)
{
    for (int i = 0; i < MADE; i++) {
        struct text bytes = {made[i].text, strlen(made[i].text)};
        struct source source = {0};
        struct structure structure = {0};
        struct err err = {0};
        char name[32];
        (void)snprintf(name, sizeof name, "made by hand %d", i);
        judge_file(name, bytes);
        format_split("made.cif", (struct span){(const uint8_t *)bytes.data, bytes.size},
                     &source);
        int rc = source.n_items ? format_parse(&source.items[0], &structure, NULL, &err) : 1;
        if (made[i].atoms ? rc != 0 || structure.n_atoms != made[i].atoms
                          : rc == 0 || !strstr(err.text, made[i].refused))
            fail(bytes, name, "%u atoms, '%s'", structure.n_atoms, err.text);
        structure_done(&structure);
        source_done(&source);
    }
}

/* ---- mutations ---- */

/* clang-format off */
static const char *const words[] = {
    "'", "\"", "\n;", "\n;\n", ";", "#", "\n", "\r", "\r\n", " ", "\t", "loop_", " loop_\n", "data_",
    "\ndata_b\n", " data_c ", "save_", "save_x ", "global_", "stop_", "_x 1 ", "_x", "?", ".", "(3)",
    "(", ")", "1", "-", "+", "e", "E5", "1e400", "0", "1/2", "x,y,z", "'x, -y, z+1/2'",
    "_cell_length_a 3 ", "_atom_site_occupancy", "_atom_site_type_symbol", "_atom_site_label",
    "_symmetry_Int_Tables_number 62\n", "_symmetry_space_group_name_H-M 'P 21/c'\n", "[", "]", "{", "$",
    "'''", "\"\"\"", "\\", ":", ",", "\xc3\xa9", "\xff", "\x01"};
/* clang-format on */

static void splice(struct buf *file, size_t at, size_t cut, const char *text, size_t size)
{
    struct buf out = {0};
    buf_append(&out, file->data, at);
    buf_append(&out, text, size);
    buf_append(&out, file->data + at + cut, file->size - at - cut);
    buf_done(file);
    *file = out;
}

static size_t line_begin(const struct buf *file, size_t at)
{
    while (at > 0 && file->data[at - 1] != '\n')
        at--;
    return at;
}

static void move_line(struct buf *file, size_t at, struct rng *rng)
{
    char line[1024];
    size_t from = line_begin(file, at), to = from;
    while (to < file->size && to - from < sizeof line && file->data[to++] != '\n')
        ;
    size_t size = to - from;
    if (size == file->size)
        return;
    memcpy(line, file->data + from, size);
    splice(file, from, size, "", 0);
    splice(file, line_begin(file, rng_below(rng, (uint32_t)file->size + 1)), 0, line, size);
}

static void mutate(struct buf *file, struct rng *rng)
{
    enum { PART_MAX = 40 };
    const char *word = words[rng_below(rng, sizeof words / sizeof words[0])];
    size_t at = rng_below(rng, (uint32_t)file->size), left = file->size - at;
    size_t n = rng_below(rng, (uint32_t)(left < PART_MAX ? left : PART_MAX));
    char part[PART_MAX];
    switch (rng_below(rng, 8)) {
    case 0:
    case 1:
        splice(file, at, 0, word, strlen(word));
        break;
    case 2:
        splice(file, at, n, word, strlen(word));
        break;
    case 3:
        splice(file, at, n, "", 0);
        break;
    case 4: /* bytes twice */
        memcpy(part, file->data + at, n);
        splice(file, at, 0, part, n);
        break;
    case 5:
        move_line(file, at, rng);
        break;
    case 6: /* another digit */
        while (at < file->size && !isdigit(file->data[at]))
            at++;
        if (at < file->size)
            file->data[at] = (uint8_t)('0' + rng_below(rng, 10));
        break;
    default: /* cut off, but not too often */
        if (rng_below(rng, 4) == 0)
            file->size = at;
        break;
    }
}

static void judge_mutation(const char *name, struct text bytes, uint32_t number)
{
    struct rng rng = rng_stream(20240607, number, 0, 0);
    struct buf changed = {0};
    char label[PATH_SIZE + 32];
    buf_append(&changed, bytes.data, bytes.size);
    for (uint32_t k = rng_below(&rng, 3) + 1; k > 0 && changed.size > 0; k--)
        mutate(&changed, &rng);
    (void)snprintf(label, sizeof label, "%s, mutation %u", name, number);
    if (changed.size > 0)
        judge_file(label, (struct text){(const char *)changed.data, changed.size});
    buf_done(&changed);
}

static void print_totals(uint32_t others)
{
    (void)printf("%u files of others, %d made by hand, %u texts in all\n", others, MADE,
                 totals.files);
    (void)printf(
        "libcif finds no error in %u: %u crystals the same, %u blocks refused by both\n",
        totals.clean, totals.crystals, totals.refused);
    (void)printf("libcif finds errors: %u blocks refused by us, %u read all the same; errors:",
                 totals.rejected, totals.patient);
    for (int code = 0; code < CODES_MAX; code++)
        if (totals.codes[code])
            (void)printf(" %d (%u)", code, totals.codes[code]);
    (void)printf("\n%u failures\n", totals.failures);
}

int main(int argc, char **argv)
{
    struct source source = {0};
    if (argc < 2 || !content_load_libcif()) {
        (void)printf("skipped: no libcif\n");
        return 77;
    }
    for (int i = 2; i < argc; i++)
        if (format_ingest(argv[i], &source, NULL) != 0)
            (void)printf("not there: %s\n", argv[i]);
    judge_made();
    /* each of these files is one block, so that an item is the whole file */
    for (uint32_t i = 0; i < source.n_items; i++)
        judge_file(source.items[i].file,
                   (struct text){source.items[i].text, source.items[i].size});
    uint32_t wanted = (uint32_t)atoi(argv[1]);
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t at = i % (source.n_items + MADE);
        if (at < MADE)
            judge_mutation("made by hand", (struct text){made[at].text, strlen(made[at].text)},
                           i);
        else
            judge_mutation(
                source.items[at - MADE].file,
                (struct text){source.items[at - MADE].text, source.items[at - MADE].size}, i);
    }
    print_totals(source.n_items);
    source_done(&source);
    return totals.failures > 0;
}
