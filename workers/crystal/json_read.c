/* pymatgen's Structure.as_dict as JSON: one object, an array of them, objects one behind the
 * other (JSON Lines), also as the member "structure" of an object with an id and numbers. */
#include "workers/crystal/json_text.h"
#include "workers/crystal/reader.h"

#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/matrix.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { OBJECT_BYTES_MIN = 64 }; /* no structure is shorter */

/* ---- splitting ---- */

/* One value: an item, or lines left out. */
static int split_value(struct json_text *reader, const char *file, struct left_out *left_out,
                       struct source *source, struct err *err)
{
    bool object = json_text_peek(reader) == '{';
    struct json_text begin = *reader;
    int rc = json_text_skip(reader, err);
    size_t size = (size_t)(reader->at - begin.at);
    if (rc)
        return rc;
    if (object && size >= OBJECT_BYTES_MIN) {
        left_out_tell(left_out, file, source);
        source_add_text(source, file, begin.line, "json", (struct text){begin.at, size});
    } else {
        left_out_add(left_out, begin.line, reader->line,
                     object ? "the object is too short for a structure"
                            : "neither a structure nor an array of structures: want objects");
    }
    return 0;
}

static int split_array(struct json_text *reader, const char *file, struct left_out *left_out,
                       struct source *source, struct err *err)
{
    int rc;
    for (bool first = true; (rc = json_text_element(reader, first, err)) > 0; first = false)
        if ((rc = split_value(reader, file, left_out, source, err)) != 0)
            break;
    return rc;
}

/* The next line that begins with a bracket: where the next object of JSON Lines is. */
static void resynchronize(struct json_text *reader)
{
    while (reader->at < reader->end) {
        const char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
        reader->at = newline ? newline + 1 : reader->end;
        reader->line += newline != NULL;
        if (reader->at < reader->end && *reader->at == '{')
            return;
    }
}

void json_split(const char *file, struct text text, struct source *source)
{
    struct json_text reader = {text.data, text.data + text.size, 1};
    struct left_out left_out = {0};
    for (char c; (c = json_text_peek(&reader)) != '\0';) {
        struct err err = {0};
        struct json_text begin = reader;
        int rc = c == '[' ? split_array(&reader, file, &left_out, source, &err)
                          : split_value(&reader, file, &left_out, source, &err);
        if (rc == 0)
            continue;
        char reason[REASON_SIZE];
        (void)snprintf(reason, sizeof reason, "not JSON: %.200s", err.text);
        uint32_t wrong = reader.line;
        if (c == '[') { /* what is behind the place has no beginning */
            reader.at = reader.end;
        } else {
            reader = begin;
            resynchronize(&reader);
        }
        left_out_add(&left_out, wrong, wrong, reason);
    }
    left_out_tell(&left_out, file, source);
}

/* ---- parsing ---- */

struct parser {
    struct json_text reader;
    struct structure *structure;
    bool lattice, sites;
    /* Places of members that are read when all others are known; at NULL: not there. */
    struct json_text units;
    char id[ID_SIZE], material_id[ID_SIZE];
    uint8_t *cartesian; /* (n_atoms) the atom's place is Cartesian */
};

static int parse_vector(struct json_text *reader, const char *what, double ret[3],
                        struct err *err)
{
    int rc, k = 0;
    for (bool first = true; (rc = json_text_element(reader, first, err)) > 0;
         first = false, k++) {
        if (k == 3)
            return err_set(err, ERR_INVALID, "%s: more than 3 numbers", what);
        rc = json_text_number(reader, what, &ret[k], err);
        if (rc)
            return rc;
    }
    if (rc == 0 && k < 3)
        rc = err_set(err, ERR_INVALID, "%s: %d of 3 numbers", what, k);
    return rc;
}

static int parse_matrix(struct json_text *reader, double ret[3][3], struct err *err)
{
    int rc, k = 0;
    for (bool first = true; (rc = json_text_element(reader, first, err)) > 0;
         first = false, k++) {
        if (k == 3)
            return err_set(err, ERR_INVALID, "lattice matrix: more than 3 vectors");
        rc = parse_vector(reader, "lattice matrix", ret[k], err);
        if (rc)
            return rc;
    }
    if (rc == 0 && k < 3)
        rc = err_set(err, ERR_INVALID, "lattice matrix: %d of 3 vectors", k);
    return rc;
}

/* [true, true, true] */
static int parse_periodic(struct json_text *reader, struct err *err)
{
    int rc;
    for (bool first = true; (rc = json_text_element(reader, first, err)) > 0; first = false) {
        if (*reader->at == 'f' || *reader->at == '0')
            return err_set(err, ERR_UNSUPPORTED,
                           "lattice: pbc says not periodic, only crystals are read");
        rc = json_text_skip(reader, err);
        if (rc)
            return rc;
    }
    return rc;
}

static int parse_lattice(struct parser *parser, struct err *err)
{
    static const char *const names[6] = {"a", "b", "c", "alpha", "beta", "gamma"};
    struct json_text *reader = &parser->reader;
    struct text key;
    double cell[6] = {0};
    bool matrix = false;
    int rc;
    for (bool first = true; (rc = json_text_member(reader, first, &key, err)) > 0;
         first = false) {
        int k = 0;
        while (k < 6 && !text_equal(key, names[k]))
            k++;
        if (k < 6) {
            rc = json_text_number(reader, names[k], &cell[k], err);
        } else if (text_equal(key, "matrix")) {
            rc = parse_matrix(reader, parser->structure->lattice, err);
            matrix = true;
        } else if (text_equal(key, "pbc") && json_text_peek(reader) == '[') {
            rc = parse_periodic(reader, err);
        } else {
            rc = json_text_skip(reader, err);
        }
        if (rc)
            return rc;
    }
    parser->lattice = true;
    if (rc || matrix)
        return rc;
    for (int k = 0; k < 6; k++)
        if (!(cell[k] > 0))
            return err_set(err, ERR_INVALID, "lattice: neither matrix nor a positive %s",
                           names[k]);
    return lattice_from_cell(cell, parser->structure->lattice, err);
}

/* "Fe", also with a charge behind it: "Fe3+". */
static uint8_t element_of(struct text text)
{
    size_t n = 0;
    while (n < text.size && isalpha((unsigned char)text.data[n]))
        n++;
    return (uint8_t)element_parse(text.data, n < 4 ? (int)n : 4);
}

static int parse_species(struct json_text *reader, uint32_t atom, uint8_t *ret, struct err *err)
{
    struct text key, element = {"", 0};
    double occupancy = 1;
    int rc;
    for (bool first = true; (rc = json_text_member(reader, first, &key, err)) > 0;
         first = false) {
        if (text_equal(key, "element"))
            rc = json_text_string(reader, "element", &element, err);
        else if (text_equal(key, "occu"))
            rc = json_text_number(reader, "occu", &occupancy, err);
        else
            rc = json_text_skip(reader, err);
        if (rc)
            return rc;
    }
    if (rc)
        return rc;
    *ret = element_of(element);
    if (*ret == 0)
        return err_set(err, ERR_INVALID, "atom %u: unknown element '%s'", atom,
                       text_quote(element).text);
    if (fabs(occupancy - 1) > 0.001)
        return err_set(err, ERR_UNSUPPORTED,
                       "atom %u (%s): partial occupancy %g; only ordered crystals are read",
                       atom, element_get(*ret)->symbol, occupancy);
    return 0;
}

static int parse_all_species(struct json_text *reader, uint32_t atom, uint8_t *ret,
                             struct err *err)
{
    int rc, n = 0;
    for (bool first = true; (rc = json_text_element(reader, first, err)) > 0;
         first = false, n++) {
        uint8_t element;
        rc = parse_species(reader, atom, &element, err);
        if (rc)
            return rc;
        if (n > 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "atom %u: %s and %s share a site; only ordered crystals are read",
                           atom, element_get(*ret)->symbol, element_get(element)->symbol);
        *ret = element;
    }
    if (rc == 0 && n == 0)
        rc = err_set(err, ERR_INVALID, "atom %u: no species", atom);
    return rc;
}

static int parse_site(struct parser *parser, uint32_t i, struct err *err)
{
    struct json_text *reader = &parser->reader;
    struct structure *structure = parser->structure;
    struct text key;
    char what[48];
    bool species = false, fractional = false, cartesian = false;
    int rc;
    (void)snprintf(what, sizeof what, "position of atom %u", i + 1);
    for (bool first = true; (rc = json_text_member(reader, first, &key, err)) > 0;
         first = false) {
        if (text_equal(key, "species")) {
            species = true;
            rc = parse_all_species(reader, i + 1, &structure->species[i], err);
        } else if (text_equal(key, "abc")) {
            fractional = true;
            rc = parse_vector(reader, what, structure->frac[i], err);
        } else if (text_equal(key, "xyz") && !fractional) {
            cartesian = true;
            rc = parse_vector(reader, what, structure->frac[i], err);
        } else {
            rc = json_text_skip(reader, err);
        }
        if (rc)
            return rc;
    }
    parser->cartesian[i] = !fractional;
    if (rc == 0 && !species)
        rc = err_set(err, ERR_INVALID, "atom %u: no species", i + 1);
    if (rc == 0 && !fractional && !cartesian)
        rc = err_set(err, ERR_INVALID, "atom %u: neither abc nor xyz", i + 1);
    return rc;
}

static int parse_sites(struct parser *parser, struct err *err)
{
    struct json_text ahead = parser->reader;
    uint32_t n = 0;
    int rc;
    if (parser->sites)
        return err_set(err, ERR_INVALID, "a second \"sites\"");
    for (bool first = true; (rc = json_text_element(&ahead, first, err)) > 0;
         first = false, n++)
        if ((rc = json_text_skip(&ahead, err)) != 0)
            break;
    if (rc == 0)
        rc = structure_allocate(parser->structure, n, err);
    if (rc)
        return rc;
    parser->sites = true;
    parser->cartesian = mem_new(n, 1);
    for (uint32_t i = 0; i < n; i++) {
        rc = json_text_element(&parser->reader, i == 0, err);
        if (rc > 0)
            rc = parse_site(parser, i, err);
        if (rc)
            return rc;
    }
    return json_text_element(&parser->reader, false, err); /* the closing bracket */
}

static void add_property(struct parser *parser, struct text key, double value)
{
    char name[PROPERTY_NAME_SIZE + UNIT_SIZE + 2];
    json_text_copy(name, sizeof name, key);
    structure_add_property(parser->structure, (struct text){name, strlen(name)}, value);
}

/* A member that is a number becomes a property; any other is stepped over. */
static int parse_property(struct parser *parser, struct text key, struct err *err)
{
    double value;
    (void)json_text_peek(&parser->reader);
    const char *begin = parser->reader.at;
    int rc = json_text_skip(&parser->reader, err);
    if (rc == 0 &&
        text_number((struct text){begin, (size_t)(parser->reader.at - begin)}, &value))
        add_property(parser, key, value);
    return rc;
}

static int parse_properties(struct parser *parser, struct err *err)
{
    struct text key;
    int rc;
    if (json_text_peek(&parser->reader) != '{')
        return json_text_skip(&parser->reader, err);
    for (bool first = true; (rc = json_text_member(&parser->reader, first, &key, err)) > 0;
         first = false)
        if ((rc = parse_property(parser, key, err)) != 0)
            break;
    return rc;
}

static int parse_units(struct parser *parser, struct err *err)
{
    struct text key, unit;
    int rc;
    if (!parser->units.at || json_text_peek(&parser->units) != '{')
        return 0;
    for (bool first = true; (rc = json_text_member(&parser->units, first, &key, err)) > 0;
         first = false) {
        char name[PROPERTY_NAME_SIZE], text[UNIT_SIZE + 4];
        rc = json_text_string(&parser->units, "units", &unit, err);
        if (rc)
            return rc;
        json_text_copy(name, sizeof name, key);
        json_text_copy(text, sizeof text, unit);
        structure_add_unit(parser->structure, (struct text){name, strlen(name)},
                           (struct text){text, strlen(text)});
    }
    return rc;
}

/* An id may be a number. */
static int parse_id(struct parser *parser, char ret[ID_SIZE], struct err *err)
{
    struct text text;
    if (json_text_peek(&parser->reader) == '"') {
        int rc = json_text_string(&parser->reader, "id", &text, err);
        if (rc == 0)
            json_text_copy(ret, ID_SIZE, text);
        return rc;
    }
    const char *begin = parser->reader.at;
    double number;
    int rc = json_text_skip(&parser->reader, err);
    text = (struct text){begin, (size_t)(parser->reader.at - begin)};
    if (rc == 0 && text_number(text, &number))
        text_copy(ret, ID_SIZE, text);
    return rc;
}

static int parse_object(struct parser *parser, bool inner, struct err *err);

static int parse_member(struct parser *parser, struct text key, bool inner, struct err *err)
{
    struct json_text *reader = &parser->reader;
    char first = json_text_peek(reader);
    if (text_equal(key, "lattice") && first == '{')
        return parse_lattice(parser, err);
    if (text_equal(key, "sites") && first == '[')
        return parse_sites(parser, err);
    if (text_equal(key, "structure") && first == '{' && !inner)
        return parse_object(parser, true, err);
    if (text_equal(key, "id"))
        return parse_id(parser, parser->id, err);
    if (text_equal(key, "material_id"))
        return parse_id(parser, parser->material_id, err);
    if (text_equal(key, "properties"))
        return parse_properties(parser, err);
    if (text_equal(key, "units")) {
        parser->units = *reader;
        return json_text_skip(reader, err);
    }
    if (text_equal(key, "charge")) /* of the cell, as pymatgen counts it */
        return json_text_skip(reader, err);
    return parse_property(parser, key, err);
}

static int parse_object(struct parser *parser, bool inner, struct err *err)
{
    struct text key;
    int rc;
    for (bool first = true; (rc = json_text_member(&parser->reader, first, &key, err)) > 0;
         first = false)
        if ((rc = parse_member(parser, key, inner, err)) != 0)
            break;
    return rc;
}

static int to_fractional(struct parser *parser, struct err *err)
{
    struct structure *structure = parser->structure;
    struct structure all = *structure; /* only its places change */
    if (!memchr(parser->cartesian, 1, structure->n_atoms))
        return 0;
    all.frac = mem_copy(structure->frac, structure->n_atoms * sizeof *structure->frac);
    int rc = structure_from_cartesian(&all, err);
    for (uint32_t i = 0; i < structure->n_atoms && rc == 0; i++)
        if (parser->cartesian[i])
            memcpy(structure->frac[i], all.frac[i], sizeof all.frac[i]);
    free(all.frac);
    return rc;
}

/* A structure alone in its file goes by the file's name. */
static void name_structure(const struct source_item *item, const struct parser *parser,
                           struct structure *structure)
{
    const char *id = parser->id[0] ? parser->id : parser->material_id;
    if (id[0])
        structure_set_id(structure, (struct text){id, strlen(id)});
    else if (item->line == 1)
        file_stem(item->file, structure->id, sizeof structure->id);
}

int json_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
               struct err *err)
{
    struct parser parser = {.reader = {item->text, item->text + item->size, item->line},
                            .structure = ret};
    int rc = parse_object(&parser, false, err);
    *ret_line = parser.reader.line;
    name_structure(item, &parser, ret);
    if (rc == 0) {
        *ret_line = item->line;
        if (!parser.lattice || !parser.sites)
            rc = err_set(err, ERR_INVALID,
                         "no %s: not pymatgen's Structure.as_dict, nor an object with it as "
                         "\"structure\"",
                         parser.lattice ? "sites" : "lattice");
    }
    if (rc == 0)
        rc = to_fractional(&parser, err);
    if (rc == 0)
        rc = parse_units(&parser, err);
    free(parser.cartesian);
    return rc;
}
