/* CIF: a data block to a structure. Reads what a structure needs (cell, operations or group,
 * sites, formula) and skips all else; refuses what a structure cannot say (partial occupancy).
 * Tags: CIF core dictionary 2.4 and their 3.x names, where '.' stands for an underscore. */
#include "workers/crystal/reader.h"

#include "common/mem.h"
#include "workers/crystal/cif_lexer.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/matrix.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOP_COLUMNS_MAX = 256 };

/* ---- tags ---- */

enum tag {
    TAG_NONE, /* not ours */
    TAG_CELL_A,
    TAG_CELL_B,
    TAG_CELL_C,
    TAG_CELL_ALPHA,
    TAG_CELL_BETA,
    TAG_CELL_GAMMA,
    TAG_HALL,
    TAG_SYMBOL,
    TAG_NUMBER,
    TAG_FORMULA,
    TAG_OPERATION, /* from here on: columns of loops */
    TAG_LABEL,
    TAG_TYPE,
    TAG_X,
    TAG_Y,
    TAG_Z,
    TAG_OCCUPANCY,
    TAGS
};

static const struct {
    const char *name;
    enum tag tag;
} tags[] = {
    {"_cell_length_a", TAG_CELL_A},
    {"_cell_length_b", TAG_CELL_B},
    {"_cell_length_c", TAG_CELL_C},
    {"_cell_angle_alpha", TAG_CELL_ALPHA},
    {"_cell_angle_beta", TAG_CELL_BETA},
    {"_cell_angle_gamma", TAG_CELL_GAMMA},
    {"_space_group_name_hall", TAG_HALL},
    {"_symmetry_space_group_name_hall", TAG_HALL},
    {"_space_group_name_h-m_alt", TAG_SYMBOL},
    {"_space_group_name_h-m_full", TAG_SYMBOL},
    {"_space_group_name_h-m_ref", TAG_SYMBOL},
    {"_space_group_name_h-m", TAG_SYMBOL},
    {"_symmetry_space_group_name_h-m", TAG_SYMBOL},
    {"_symmetry_space_group_name_h_m", TAG_SYMBOL},
    {"_space_group_it_number", TAG_NUMBER},
    {"_symmetry_int_tables_number", TAG_NUMBER},
    {"_chemical_formula_sum", TAG_FORMULA},
    {"_space_group_symop_operation_xyz", TAG_OPERATION},
    {"_symmetry_equiv_pos_as_xyz", TAG_OPERATION},
    {"_symmetry_equiv_as_xyz", TAG_OPERATION},
    {"_atom_site_label", TAG_LABEL},
    {"_atom_site_type_symbol", TAG_TYPE},
    {"_atom_site_fract_x", TAG_X},
    {"_atom_site_fract_y", TAG_Y},
    {"_atom_site_fract_z", TAG_Z},
    {"_atom_site_occupancy", TAG_OCCUPANCY},
};

static enum tag tag_find(struct text text)
{
    char name[48];
    if (text.size >= sizeof name)
        return TAG_NONE;
    for (size_t i = 0; i < text.size; i++)
        name[i] = text.data[i] == '.' ? '_' : text.data[i];
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (text_equal_nocase((struct text){name, text.size}, tags[i].name))
            return tags[i].tag;
    return TAG_NONE;
}

/* ---- what a block says ---- */

struct atom_site {
    struct text label, type;
    double frac[3];
    uint32_t line;
};

struct block {
    struct text name;
    double cell[6];
    struct text texts[TAGS]; /* by enum tag; size 0: not given */
    struct operation *operations;
    uint32_t n_operations, operations_loop; /* line of the loop they come from */
    size_t operations_capacity;
    struct atom_site *sites;
    uint32_t n_sites;
    size_t sites_capacity;
};

/* One row of a loop, or single items. */
struct row {
    struct text values[TAGS];
    uint32_t line, loop;
};

static bool is_known(struct text text)
{
    return text.size > 0 && !text_equal(text, "?") && !text_equal(text, ".");
}

/* "0.1234(5)": the uncertainty, digits in brackets, is cut off. */
static bool cif_number(struct text text, double *ret)
{
    const char *open = text.size ? memchr(text.data, '(', text.size) : NULL;
    if (open && text.data[text.size - 1] == ')') {
        struct text digits = {open + 1, (size_t)(text.data + text.size - 1 - (open + 1))};
        for (size_t i = 0; i < digits.size; i++)
            if (digits.data[i] < '0' || digits.data[i] > '9')
                return false;
        if (digits.size == 0)
            return false;
        text.size = (size_t)(open - text.data);
    }
    return text_number(text, ret);
}

static int add_operation(struct block *block, const struct row *row, struct err *err)
{
    struct operation operation;
    int rc = operation_parse(row->values[TAG_OPERATION], &operation, err);
    if (rc)
        return rc;
    /* Some files list the operations twice, under the old and the new name: the first counts.
     */
    if (block->n_operations > 0 && block->operations_loop != row->loop)
        return 0;
    if (block->n_operations == CIF_OPERATIONS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d symmetry operations", CIF_OPERATIONS_MAX);
    mem_reserve(block->operations, block->operations_capacity, block->n_operations + 1u);
    block->operations[block->n_operations++] = operation;
    block->operations_loop = row->loop;
    return 0;
}

static int add_site(struct block *block, const struct row *row, struct err *err)
{
    const struct text *values = row->values;
    struct atom_site site = {
        .label = values[TAG_LABEL], .type = values[TAG_TYPE], .line = row->line};
    struct text_quote name = text_quote(site.label.size ? site.label : site.type);
    for (int k = 0; k < 3; k++) {
        struct text value = values[TAG_X + k];
        if (!cif_number(value, &site.frac[k]))
            return err_set(err, ERR_INVALID, "atom '%s': fractional coordinate %c is '%s'",
                           name.text, 'x' + k, text_quote(value).text);
    }
    double occupancy = 1;
    struct text value = values[TAG_OCCUPANCY];
    if (is_known(value) && !cif_number(value, &occupancy))
        return err_set(err, ERR_INVALID, "atom '%s': occupancy is '%s'", name.text,
                       text_quote(value).text);
    if (fabs(occupancy - 1) > 0.001)
        return err_set(err, ERR_UNSUPPORTED,
                       "atom '%s': partial occupancy %g; only ordered crystals are read",
                       name.text, occupancy);
    if (block->n_sites == ATOMS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d sites", ATOMS_MAX);
    mem_reserve(block->sites, block->sites_capacity, block->n_sites + 1u);
    block->sites[block->n_sites++] = site;
    return 0;
}

static int take_row(struct block *block, const struct row *row, struct err *err)
{
    int rc = 0;
    if (row->values[TAG_OPERATION].size > 0)
        rc = add_operation(block, row, err);
    if (rc == 0 && row->values[TAG_X].size > 0)
        rc = add_site(block, row, err);
    return rc;
}

/* ---- parsing ---- */

struct parser {
    struct cif_lexer lexer;
    struct cif_token token; /* the current one */
    struct block *block;
    uint32_t line; /* of an error */
};

static int advance(struct parser *parser, struct err *err)
{
    int rc = cif_next(&parser->lexer, &parser->token, err);
    parser->line = parser->token.line;
    return rc;
}

/* A loop's columns: tags[k] of column k. */
static int parse_loop_header(struct parser *parser, uint8_t *columns, uint32_t *ret_n,
                             struct err *err)
{
    uint32_t n = 0;
    int rc = advance(parser, err);
    for (; rc == 0 && parser->token.kind == CIF_TAG; rc = advance(parser, err)) {
        if (n == LOOP_COLUMNS_MAX)
            return err_set(err, ERR_LIMIT, "a loop_ with more than %d columns",
                           LOOP_COLUMNS_MAX);
        enum tag tag = tag_find(parser->token.text);
        for (uint32_t k = 0; k < n && tag != TAG_NONE; k++)
            if (columns[k] == tag)
                tag = TAG_NONE; /* of a name given twice the first counts */
        columns[n++] = (uint8_t)tag;
    }
    if (rc == 0 && n == 0)
        return err_set(err, ERR_INVALID, "loop_ without columns");
    *ret_n = n;
    return rc;
}

static int parse_loop(struct parser *parser, struct err *err)
{
    uint8_t columns[LOOP_COLUMNS_MAX];
    uint32_t n = 0, k = 0;
    struct row row = {.loop = parser->token.line};
    int rc = parse_loop_header(parser, columns, &n, err);
    for (; rc == 0 && parser->token.kind == CIF_VALUE; rc = advance(parser, err)) {
        if (k == 0) {
            memset(row.values, 0, sizeof row.values);
            row.line = parser->token.line;
        }
        row.values[columns[k]] = parser->token.text;
        if (++k == n) {
            rc = take_row(parser->block, &row, err);
            k = 0;
        }
        if (rc) {
            parser->line = row.line;
            return rc;
        }
    }
    if (rc == 0 && k > 0) {
        parser->line = row.line;
        return err_set(err, ERR_INVALID,
                       "the last row of the loop_ that begins %u lines above has %u of %u "
                       "values: cut off?",
                       row.line - row.loop, k, n);
    }
    return rc;
}

/* A tag with its value. Columns of loops may come so when there is one row only. */
static int parse_item(struct parser *parser, struct row *single, struct err *err)
{
    enum tag tag = tag_find(parser->token.text);
    struct text name = parser->token.text;
    uint32_t line = parser->token.line;
    int rc = advance(parser, err);
    if (rc)
        return rc;
    struct text value = parser->token.text;
    if (parser->token.kind != CIF_VALUE) {
        parser->line = line;
        return err_set(err, ERR_INVALID, "%s has no value: cut off?", text_quote(name).text);
    }
    if (tag >= TAG_OPERATION && single->values[tag].size == 0) {
        single->values[tag] = value;
        single->line = single->loop = line;
    } else if (tag >= TAG_CELL_A && tag <= TAG_CELL_GAMMA) {
        double *parameter = &parser->block->cell[tag - TAG_CELL_A], before = *parameter;
        if (!cif_number(value, parameter) || !(*parameter > 0))
            return err_set(err, ERR_INVALID, "%s: '%s' is not a positive number",
                           text_quote(name).text, text_quote(value).text);
        if (before > 0 && before != *parameter)
            return err_set(err, ERR_INVALID, "%s is given twice: %.10g and %.10g",
                           text_quote(name).text, before, *parameter);
    } else if (tag != TAG_NONE && (parser->token.quoted || is_known(value))) {
        if (parser->block->texts[tag].size == 0)
            parser->block->texts[tag] = value;
    }
    return advance(parser, err);
}

static int parse_block(struct parser *parser, struct err *err)
{
    struct row single = {0};
    int rc = advance(parser, err);
    if (rc == 0 && parser->token.kind == CIF_DATA) {
        parser->block->name = parser->token.text;
        rc = advance(parser, err);
    }
    while (rc == 0 && parser->token.kind != CIF_END) {
        if (parser->token.kind == CIF_LOOP)
            rc = parse_loop(parser, err);
        else if (parser->token.kind == CIF_TAG)
            rc = parse_item(parser, &single, err);
        else if (parser->token.kind == CIF_DATA)
            rc = err_set(err, ERR_UNSUPPORTED,
                         "data_%s does not begin its line: where does it belong?",
                         text_quote(parser->token.text).text);
        else if (parser->token.kind == CIF_OTHER)
            rc = err_set(err, ERR_UNSUPPORTED,
                         "'%s': save frames and the words global_ and stop_ are not read",
                         text_quote(parser->token.text).text);
        else
            rc = err_set(err, ERR_INVALID, "value '%s' without a tag in front of it",
                         text_quote(parser->token.text).text);
    }
    if (rc)
        return rc;
    parser->line = single.line;
    return take_row(parser->block, &single, err);
}

/* ---- elements and formula ---- */

struct formula {
    bool known;
    double amounts[ELEMENT_MAX + 1], total;
};

/* "Ba1 Ti1 O2.5": letters, then a number or none. Anything else: the formula is not used. */
static void formula_parse(struct text text, struct formula *ret)
{
    struct formula formula = {.known = text.size > 0};
    for (size_t i = 0; i < text.size;) {
        if (isspace((unsigned char)text.data[i])) {
            i++;
            continue;
        }
        size_t letters = i;
        while (i < text.size && isalpha((unsigned char)text.data[i]) &&
               (i == letters || islower((unsigned char)text.data[i])))
            i++;
        size_t digits = i;
        while (i < text.size && (isdigit((unsigned char)text.data[i]) || text.data[i] == '.'))
            i++;
        int z = element_parse(text.data + letters, (int)(digits - letters));
        double amount = 1;
        bool number =
            digits == i || text_number((struct text){text.data + digits, i - digits}, &amount);
        if (z == 0 || !number)
            return;
        formula.amounts[z] += amount;
        formula.total += amount;
    }
    *ret = formula;
}

/* Element of "Na1+", "O2-", "Na1", "CL1", "OW". A type symbol with two letters that are an
 * element means it; of a label that can mean two ("CA1") the formula decides, then the case. */
static uint8_t site_element(const struct atom_site *site, const struct formula *formula)
{
    bool type = is_known(site->type);
    struct text text = type ? site->type : site->label;
    if (text.size == 0 || !isalpha((unsigned char)text.data[0]))
        return 0;
    char symbol[2] = {(char)toupper((unsigned char)text.data[0]), 0};
    bool two_letters = text.size > 1 && isalpha((unsigned char)text.data[1]);
    bool lower_case = two_letters && islower((unsigned char)text.data[1]);
    if (two_letters)
        symbol[1] = (char)tolower((unsigned char)text.data[1]);
    int one = element_parse(symbol, 1), two = two_letters ? element_parse(symbol, 2) : 0;
    if (one == 0 || two == 0)
        return (uint8_t)(one + two);
    if (formula->known && (formula->amounts[one] > 0) != (formula->amounts[two] > 0))
        return (uint8_t)(formula->amounts[two] > 0 ? two : one);
    return (uint8_t)(lower_case || type ? two : one);
}

/* Atoms missing at the end of a cut-off file show here. */
static int formula_check(const struct structure *structure, const struct formula *formula,
                         struct err *err)
{
    uint32_t counts[ELEMENT_MAX + 1] = {0};
    if (!formula->known || formula->total == 0)
        return 0;
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        counts[structure->species[i]]++;
    for (int z = 1; z <= ELEMENT_MAX; z++) {
        double found = (double)counts[z] / structure->n_atoms;
        double said = formula->amounts[z] / formula->total;
        if (fabs(found - said) > 0.003) /* formulas are rounded to about this */
            return err_set(
                err, ERR_INVALID,
                "%.1f %% of the atoms are %s, but _chemical_formula_sum says %.1f %%: "
                "atoms are missing",
                100 * found, element_get(z)->symbol, 100 * said);
    }
    return 0;
}

/* ---- from sites and operations to atoms ---- */

/* Images closer than this are one atom on a special position, whose coordinates were rounded.
 */
static const double merge_angstrom = 0.1;

static bool same_place(const double a[3], const double b[3], const double lattice[3][3])
{
    double d[3];
    for (int k = 0; k < 3; k++)
        d[k] = wrap_half(a[k] - b[k]);
    matrix_row_times(d, d, lattice);
    return vector_dot(d, d) < merge_angstrom * merge_angstrom;
}

/* Room for one more atom: a file of one site and a long list of operations is small. */
static void grow(struct structure *structure)
{
    uint32_t n = structure->n_atoms;
    if ((n & (n - 1)) != 0)
        return;
    size_t capacity = n ? (size_t)n * 2 : 1;
    structure->species = mem_resize(structure->species, capacity, sizeof *structure->species);
    structure->frac = mem_resize(structure->frac, capacity, sizeof *structure->frac);
}

/* Images of one site behind the `n` atoms there are. */
static int expand_site(const struct atom_site *site, uint8_t element,
                       const struct operation *operations, uint32_t n_operations,
                       struct structure *structure, struct err *err)
{
    uint32_t first = structure->n_atoms;
    for (uint32_t o = 0; o < n_operations; o++) {
        double frac[3];
        for (int k = 0; k < 3; k++) {
            const int *r = operations[o].rotation[k];
            frac[k] = r[0] * site->frac[0] + r[1] * site->frac[1] + r[2] * site->frac[2] +
                      operations[o].translation[k];
            if (n_operations > 1)
                frac[k] = wrap_unit(frac[k]);
        }
        uint32_t i = first;
        while (i < structure->n_atoms &&
               !same_place(structure->frac[i], frac, CONST_MATRIX(structure->lattice)))
            i++;
        if (i < structure->n_atoms)
            continue;
        if (structure->n_atoms == ATOMS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d atoms in the cell", ATOMS_MAX);
        grow(structure);
        memcpy(structure->frac[i], frac, sizeof frac);
        structure->species[i] = element;
        structure->n_atoms++;
    }
    return 0;
}

static int expand(const struct block *block, const struct operation *operations,
                  uint32_t n_operations, struct structure *structure, uint32_t *ret_line,
                  struct err *err)
{
    struct formula formula = {0};
    formula_parse(block->texts[TAG_FORMULA], &formula);
    structure->n_atoms = 0;
    for (uint32_t i = 0; i < block->n_sites; i++) {
        const struct atom_site *site = &block->sites[i];
        uint8_t element = site_element(site, &formula);
        *ret_line = site->line;
        if (element == 0)
            return err_set(err, ERR_INVALID, "unknown element '%s'",
                           text_quote(is_known(site->type) ? site->type : site->label).text);
        int rc = expand_site(site, element, operations, n_operations, structure, err);
        if (rc)
            return rc;
    }
    return formula_check(structure, &formula, err);
}

/* No operations are listed: all settings that the group's name can mean, until one gives the
 * formula and no overlap. */
static int expand_by_name(const struct block *block, struct structure *structure,
                          uint32_t *ret_line, struct err *err)
{
    int halls[SETTINGS_MAX];
    int n = settings_find(block->texts[TAG_HALL], block->texts[TAG_SYMBOL],
                          block->texts[TAG_NUMBER], block->cell, halls, err);
    if (n < 0)
        return n;
    struct operation *operations = mem_new(192, sizeof *operations);
    int rc = 0;
    for (int i = 0; i < n; i++) {
        int n_operations = settings_operations(halls[i], operations);
        rc = expand(block, operations, (uint32_t)n_operations, structure, ret_line, err);
        if (rc == 0)
            rc = structure_check(structure, err);
        if (rc == 0)
            break;
    }
    free(operations);
    return rc;
}

static int to_structure(const struct block *block, struct structure *structure,
                        uint32_t *ret_line, struct err *err)
{
    static const char *const names[] = {"_cell_length_a",   "_cell_length_b",
                                        "_cell_length_c",   "_cell_angle_alpha",
                                        "_cell_angle_beta", "_cell_angle_gamma"};
    for (int k = 0; k < 6; k++)
        if (block->cell[k] == 0)
            return err_set(err, ERR_INVALID, "no %s", names[k]);
    if (block->n_sites == 0)
        return err_set(err, ERR_INVALID, "no atoms: no rows with _atom_site_fract_x, _y, _z");
    int rc = lattice_from_cell(block->cell, structure->lattice, err);
    if (rc == 0 && block->n_operations > 0)
        rc = expand(block, block->operations, block->n_operations, structure, ret_line, err);
    else if (rc == 0)
        rc = expand_by_name(block, structure, ret_line, err);
    return rc;
}

/* A file with one block goes by the file's name; further blocks add their own. */
static void name_structure(const struct source_item *item, struct text block, char *ret,
                           size_t size)
{
    char stem[ID_SIZE / 2], name[ID_SIZE / 2 - 1];
    file_stem(item->file, stem, sizeof stem);
    text_copy(name, sizeof name, block);
    if (item->line > 1)
        (void)snprintf(ret, size, "%s:%s", stem, name);
    else
        (void)snprintf(ret, size, "%s", stem);
}

static int check_lines(const struct source_item *item, uint32_t *ret_line, struct err *err)
{
    struct text_reader reader = {item->text, item->text + item->size, item->line};
    struct text line;
    while (item->size > FORMAT_LINE_BYTES_MAX && reader.at < reader.end) {
        *ret_line = reader.line;
        int rc = read_line(&reader, "", &line, err);
        if (rc)
            return rc;
    }
    *ret_line = item->line;
    return 0;
}

int cif_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
              struct err *err)
{
    struct block block = {0};
    struct parser parser = {
        .lexer = {item->text, item->text, item->text + item->size, item->line},
        .block = &block,
        .line = item->line};
    int rc = check_lines(item, ret_line, err);
    if (rc)
        return rc;
    rc = parse_block(&parser, err);
    name_structure(item, block.name, ret->id, sizeof ret->id);
    if (rc)
        *ret_line = parser.line;
    else
        rc = to_structure(&block, ret, ret_line, err);
    free(block.sites);
    free(block.operations);
    return rc;
}

/* ---- splitting ---- */

/* Is there anything of a crystal in the block? Files of journals have blocks of text alone. */
static bool has_crystal(struct text text)
{
    struct text_reader reader = {text.data, text.data + text.size, 1};
    struct text line;
    while (text_line(&reader, &line))
        for (struct text word; (word = text_word(&line)).size > 0;)
            if (word.data[0] == '_' && (text_begins_nocase(word, "_cell_length") ||
                                        text_begins_nocase(word, "_cell.length") ||
                                        text_begins_nocase(word, "_atom_site_fract") ||
                                        text_begins_nocase(word, "_atom_site.fract")))
                return true;
    return false;
}

/* End of the block that begins at `reader`: the next line with data_ that is not inside a text
 * block. A text block without end does not swallow the blocks behind it. */
static void block_end(struct text_reader *reader)
{
    struct text_reader next = *reader, inside = {0};
    struct text line;
    bool first = true, in_text = false;
    for (; next.at < next.end; first = false) {
        struct text_reader here = next;
        (void)text_line(&next, &line);
        if (line.size > 0 && line.data[0] == ';') {
            in_text = !in_text;
            inside = (struct text_reader){0};
        } else if (!first && text_begins_nocase(line, "data_")) {
            if (!in_text) {
                *reader = here;
                return;
            }
            if (!inside.at)
                inside = here;
        }
    }
    *reader = in_text && inside.at ? inside : next;
}

void cif_split(const char *file, struct text text, struct source *source)
{
    struct text_reader reader = {text.data, text.data + text.size, 1};
    struct text line;
    bool any = false;
    uint32_t before = source->n_items;
    if (text_begins_nocase(text, "#\\#cif_2.0")) {
        source_add_reject(source, file, 1, "CIF 2.0; only CIF 1.1 is read");
        return;
    }
    /* Comments in front of the first block belong to it, so that it begins in line 1. */
    struct text_reader begin = reader;
    while (reader.at < reader.end) {
        struct text_reader here = reader;
        (void)text_line(&reader, &line);
        if (text_begins_nocase(line, "data_")) {
            reader = here;
            any = true;
            break;
        }
    }
    while (any && reader.at < reader.end) {
        block_end(&reader);
        struct text block = {begin.at, (size_t)(reader.at - begin.at)};
        if (has_crystal(block))
            source_add_text(source, file, begin.line, "cif", block);
        begin = reader;
    }
    if (!any)
        source_add_reject(source, file, 1, "no line begins with data_: not a CIF");
    else if (source->n_items == before)
        source_add_reject(source, file, 1, "no data block has a cell or atoms");
}
