/* VASP's POSCAR, versions 4 and 5: comment, scale, three lattice vectors, (elements,) counts,
 * (Selective dynamics,) Direct or Cartesian, one line per atom.
 * https://www.vasp.at/wiki/index.php/POSCAR */
#include "workers/crystal/reader.h"

#include "workers/crystal/elements.h"
#include "workers/crystal/matrix.h"

#include "common/mathd.h"

#include <stdio.h>

enum { KINDS_MAX = 256 }; /* blocks of equal atoms; a sorted cell has one per element */

struct poscar {
    struct text_reader reader;
    struct text comment;
    double scale[3];
    uint32_t n_kinds;
    uint8_t elements[KINDS_MAX]; /* 0: not named in the header */
    uint32_t counts[KINDS_MAX];
    bool selective, cartesian;
};

void poscar_split(const char *file, struct text text, struct source *source)
{
    source_add_text(source, file, 1, "vasp", text);
}

/* "Fe", "Fe_pv", "Fe/1a2b" (names of pseudopotentials): the element's number, 0 for none. */
static uint8_t element_of_word(struct text word)
{
    size_t n = 0;
    while (n < word.size && word.data[n] != '_' && word.data[n] != '/' && n < 8)
        n++;
    return (uint8_t)element_parse(word.data, (int)n);
}

/* One factor for all, or one per axis; a negative one is the volume wanted. */
static int parse_scale(struct text line, struct poscar *poscar, struct err *err)
{
    struct text rest = line, word = text_word(&rest);
    if (!text_number_fortran(word, &poscar->scale[0]) || poscar->scale[0] == 0)
        return err_set(err, ERR_INVALID, "scale: '%s' is not a number other than 0",
                       text_quote(word).text);
    poscar->scale[1] = poscar->scale[2] = poscar->scale[0];
    double y, z;
    if (!text_number_fortran(text_word(&rest), &y))
        return 0; /* a remark behind the only factor */
    if (!text_number_fortran(text_word(&rest), &z) || poscar->scale[0] < 0 || y <= 0 || z <= 0)
        return err_set(err, ERR_INVALID, "scale: want one number, or three positive ones");
    poscar->scale[1] = y;
    poscar->scale[2] = z;
    return 0;
}

static int parse_lattice(struct poscar *poscar, struct structure *structure, struct err *err)
{
    static const char *const what[] = {"lattice vector a", "lattice vector b",
                                       "lattice vector c"};
    for (int i = 0; i < 3; i++) {
        struct text line;
        int rc = read_line(&poscar->reader, what[i], &line, err);
        if (rc == 0)
            rc = read_vector(&line, what[i], structure->lattice[i], err);
        if (rc)
            return rc;
    }
    if (poscar->scale[0] < 0) {
        double volume = structure_volume(structure);
        if (!(volume > 0))
            return err_set(err, ERR_INVALID, "cell without volume");
        double factor = mathd_cbrt(-poscar->scale[0] / volume);
        for (int k = 0; k < 3; k++)
            poscar->scale[k] = factor;
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            structure->lattice[i][k] *= poscar->scale[k];
    return 0;
}

static int parse_elements(struct text line, struct poscar *poscar, struct err *err)
{
    struct text rest = line;
    uint32_t n = 0;
    for (struct text word; (word = text_word(&rest)).size > 0; n++) {
        if (word.data[0] == '!' || word.data[0] == '#')
            break;
        if (n == KINDS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d kinds of atoms", KINDS_MAX);
        poscar->elements[n] = element_of_word(word);
        if (poscar->elements[n] == 0)
            return err_set(err, ERR_INVALID, "unknown element '%s'", text_quote(word).text);
    }
    poscar->n_kinds = n;
    return 0;
}

static int parse_counts(struct text line, struct poscar *poscar, uint64_t *ret_atoms,
                        struct err *err)
{
    struct text rest = line;
    uint32_t n = 0;
    *ret_atoms = 0;
    for (struct text word; (word = text_word(&rest)).size > 0; n++) {
        if (word.data[0] == '!' || word.data[0] == '#')
            break;
        if (n == KINDS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d kinds of atoms", KINDS_MAX);
        if (!text_count(word, &poscar->counts[n]))
            return err_set(err, ERR_INVALID, "'%s' is not a number of atoms",
                           text_quote(word).text);
        *ret_atoms += poscar->counts[n];
    }
    if (poscar->n_kinds && poscar->n_kinds != n)
        return err_set(err, ERR_INVALID, "%u elements, but %u counts", poscar->n_kinds, n);
    poscar->n_kinds = n;
    return 0;
}

/* "Na" and "Na4", as comments name what a cell holds. */
static uint8_t element_of_comment(struct text word)
{
    while (word.size > 0 && word.data[word.size - 1] >= '0' && word.data[word.size - 1] <= '9')
        word.size--;
    return element_of_word(word);
}

/* Version 4 has no line of elements: by habit the comment names them. */
static void elements_from_comment(struct poscar *poscar)
{
    struct text rest = poscar->comment;
    uint32_t n = 0;
    for (struct text word; (word = text_word(&rest)).size > 0; n++)
        if (n == poscar->n_kinds || (poscar->elements[n] = element_of_comment(word)) == 0) {
            memset(poscar->elements, 0, sizeof poscar->elements);
            return;
        }
    if (n != poscar->n_kinds)
        memset(poscar->elements, 0, sizeof poscar->elements);
}

static int parse_kinds(struct poscar *poscar, uint64_t *ret_atoms, struct err *err)
{
    struct text line;
    uint32_t count;
    int rc = read_line(&poscar->reader, "the line of elements or counts", &line, err);
    if (rc)
        return rc;
    struct text rest = line;
    bool version4 = text_count(text_word(&rest), &count);
    if (!version4) {
        rc = parse_elements(line, poscar, err);
        if (rc == 0)
            rc = read_line(&poscar->reader, "the line of counts", &line, err);
        if (rc)
            return rc;
    }
    rc = parse_counts(line, poscar, ret_atoms, err);
    if (rc == 0 && version4)
        elements_from_comment(poscar);
    return rc;
}

static int parse_mode(struct poscar *poscar, struct err *err)
{
    struct text line;
    int rc = read_line(&poscar->reader, "Direct or Cartesian", &line, err);
    if (rc == 0 && text_begins_nocase(text_trim(line), "s")) {
        poscar->selective = true;
        rc = read_line(&poscar->reader, "Direct or Cartesian", &line, err);
    }
    if (rc)
        return rc;
    struct text mode = text_trim(line);
    poscar->cartesian = text_begins_nocase(mode, "c") || text_begins_nocase(mode, "k");
    if (!poscar->cartesian && !text_begins_nocase(mode, "d"))
        return err_set(err, ERR_INVALID, "'%s' is neither Direct nor Cartesian",
                       text_quote(mode).text);
    return 0;
}

static int parse_atom(struct poscar *poscar, uint8_t element, uint32_t i,
                      struct structure *structure, struct err *err)
{
    char what[48];
    (void)snprintf(what, sizeof what, "position of atom %u", i + 1);
    struct text line;
    int rc = read_line(&poscar->reader, what, &line, err);
    if (rc == 0)
        rc = read_vector(&line, what, structure->frac[i], err);
    if (rc)
        return rc;
    for (int k = 0; k < 3 && poscar->selective; k++)
        (void)text_word(&line);
    if (element == 0) /* pymatgen names each atom at the end of its line */
        element = element_of_word(text_word(&line));
    if (element == 0)
        return err_set(err, ERR_INVALID,
                       "atom %u has no element: neither a line of elements (VASP 5) nor the "
                       "comment nor the atom's line names it",
                       i + 1);
    structure->species[i] = element;
    if (poscar->cartesian)
        for (int k = 0; k < 3; k++)
            structure->frac[i][k] *= poscar->scale[k];
    return 0;
}

static int parse_atoms(struct poscar *poscar, struct structure *structure, struct err *err)
{
    uint32_t i = 0;
    for (uint32_t kind = 0; kind < poscar->n_kinds; kind++)
        for (uint32_t k = 0; k < poscar->counts[kind]; k++, i++) {
            int rc = parse_atom(poscar, poscar->elements[kind], i, structure, err);
            if (rc)
                return rc;
        }
    return poscar->cartesian ? structure_from_cartesian(structure, err) : 0;
}

/* POSCAR files have no name inside; the ending, else the folder, tells them apart. */
static void name_structure(const char *file, char *ret, size_t size)
{
    char stem[ID_SIZE];
    file_stem(file, stem, sizeof stem);
    struct text name = {stem, strlen(stem)};
    const char *slash = strrchr(file, '/');
    if ((text_equal_nocase(name, "poscar") || text_equal_nocase(name, "contcar")) && slash) {
        const char *begin = slash;
        while (begin > file && begin[-1] != '/')
            begin--;
        name = (struct text){begin, (size_t)(slash - begin)};
    }
    text_copy(ret, size, name);
}

int poscar_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
                 struct err *err)
{
    struct poscar poscar = {.reader = {item->text, item->text + item->size, item->line}};
    struct text line;
    uint64_t atoms = 0;
    name_structure(item->file, ret->id, sizeof ret->id);
    int rc = read_line(&poscar.reader, "the comment", &poscar.comment, err);
    if (rc == 0)
        rc = read_line(&poscar.reader, "the scale", &line, err);
    if (rc == 0)
        rc = parse_scale(line, &poscar, err);
    if (rc == 0)
        rc = parse_lattice(&poscar, ret, err);
    if (rc == 0)
        rc = parse_kinds(&poscar, &atoms, err);
    if (rc == 0)
        rc = structure_allocate(ret, atoms, err);
    if (rc == 0)
        rc = parse_mode(&poscar, err);
    if (rc == 0)
        rc = parse_atoms(&poscar, ret, err);
    *ret_line = poscar.reader.line > item->line ? poscar.reader.line - 1 : item->line;
    return rc;
}
