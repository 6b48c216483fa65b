/* Extended XYZ as ASE and libAtoms write it: per frame a line with the number of atoms, a line
 * of key=value pairs (Lattice, Properties, ...), and one line per atom.
 * https://github.com/libAtoms/extxyz describes the dialect. */
#include "workers/crystal/reader.h"

#include "workers/crystal/elements.h"

#include <stdio.h>

/* ---- splitting ---- */

static bool is_count(struct text line, uint32_t *ret)
{
    return text_count(text_trim(line), ret);
}

/* Does the line hold "Lattice=" (any case)? Then it is the second line of a frame. */
static bool has_lattice(struct text line)
{
    static const char word[] = "lattice=";
    for (size_t i = 0; i + sizeof word - 1 <= line.size; i++)
        if (text_begins_nocase((struct text){line.data + i, line.size - i}, word))
            return true;
    return false;
}

/* A number of atoms, and "Lattice=" on the line behind it. */
static bool frame_begins(struct text_reader reader)
{
    struct text line;
    uint32_t count;
    return text_line(&reader, &line) && is_count(line, &count) && text_line(&reader, &line) &&
           has_lattice(line);
}

/* Read on until a frame begins or the text ends. */
static void resynchronize(struct text_reader *reader)
{
    struct text line;
    while (reader->at < reader->end && !frame_begins(*reader))
        (void)text_line(reader, &line);
}

static uint32_t count_words(struct text line)
{
    uint32_t n = 0;
    while (text_word(&line).size > 0)
        n++;
    return n;
}

/* Does the text go on as if the frame had more atoms than it says? `last` is its last line. */
static bool atoms_follow(struct text_reader reader, struct text last)
{
    struct text line;
    uint32_t count;
    if (!text_line(&reader, &line) || is_count(line, &count) || text_trim(line).size == 0)
        return false;
    return count_words(line) == count_words(last);
}

/* One frame: reads its lines, says in `reason` why they are no frame. A long line makes the
 * frame bad, not the lines behind it. */
static bool read_frame(struct text_reader *reader, char reason[REASON_SIZE])
{
    struct text line;
    uint32_t atoms, first = reader->line, long_line = 0;
    size_t long_size = 0;
    (void)text_line(reader, &line);
    if (line.size > FORMAT_LINE_BYTES_MAX) {
        (void)snprintf(reason, REASON_SIZE, "a line of %zu bytes; at most %d", line.size,
                       FORMAT_LINE_BYTES_MAX);
        return false;
    }
    if (!is_count(line, &atoms)) {
        (void)snprintf(reason, REASON_SIZE, "'%s' is not a number of atoms",
                       text_quote(text_trim(line)).text);
        return false;
    }
    for (uint32_t i = 0; i <= atoms; i++) {
        if (i > 0 && frame_begins(*reader)) {
            (void)snprintf(reason, REASON_SIZE,
                           "the frame says %u atoms, but the next frame begins after %u", atoms,
                           i - 1);
            return false;
        }
        if (!text_line(reader, &line)) {
            (void)snprintf(reason, REASON_SIZE,
                           "the frame says %u atoms, but the file ends after %u", atoms,
                           i ? i - 1 : 0);
            return false;
        }
        if (line.size > FORMAT_LINE_BYTES_MAX && !long_line) {
            long_line = reader->line - first;
            long_size = line.size;
        }
    }
    if (long_line)
        (void)snprintf(reason, REASON_SIZE, "line %u of the frame has %zu bytes; at most %d",
                       long_line, long_size, FORMAT_LINE_BYTES_MAX);
    else if (atoms > 0 && atoms_follow(*reader, line))
        (void)snprintf(reason, REASON_SIZE,
                       "the frame says %u atoms, but more lines of atoms follow", atoms);
    else
        return true;
    return false;
}

void extxyz_split(const char *file, struct text text, struct source *source)
{
    struct text_reader reader = {text.data, text.data + text.size, 1};
    while (reader.at < reader.end) {
        struct text_reader begin = reader;
        struct text line;
        (void)text_line(&reader, &line);
        if (text_trim(line).size == 0)
            continue;
        reader = begin;
        char reason[REASON_SIZE];
        if (read_frame(&reader, reason)) {
            source_add_text(source, file, begin.line, "extxyz",
                            (struct text){begin.at, (size_t)(reader.at - begin.at)});
        } else {
            source_add_reject(source, file, begin.line, "%s", reason);
            resynchronize(&reader);
        }
    }
}

/* ---- the line of key=value pairs ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void skip(struct text *rest, size_t n)
{
    rest->data += n;
    rest->size -= n;
}

/* A quoted text off the front, without its quotes; backslash guards the next character. */
static int quoted(struct text *rest, struct text *ret, struct err *err)
{
    char quote = rest->data[0];
    for (size_t i = 1; i < rest->size; i++) {
        if (rest->data[i] == quote) {
            *ret = (struct text){rest->data + 1, i - 1};
            skip(rest, i + 1);
            return 0;
        }
        i += rest->data[i] == '\\';
    }
    return err_set(err, ERR_INVALID, "quote without end: %s", text_quote(*rest).text);
}

/* {...} or [...] off the front, brackets may nest; without the outer ones. */
static int bracketed(struct text *rest, struct text *ret, struct err *err)
{
    char open = rest->data[0], close = open == '{' ? '}' : ']';
    uint32_t depth = 0;
    for (size_t i = 0; i < rest->size; i++) {
        depth += rest->data[i] == open;
        depth -= rest->data[i] == close;
        if (depth == 0) {
            *ret = (struct text){rest->data + 1, i - 1};
            skip(rest, i + 1);
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "bracket without end: %s", text_quote(*rest).text);
}

static struct text bare(struct text *rest, bool key)
{
    size_t n = 0;
    while (n < rest->size && !is_space(rest->data[n]) && !(key && rest->data[n] == '='))
        n++;
    struct text word = {rest->data, n};
    skip(rest, n);
    return word;
}

static int header_word(struct text *rest, bool key, struct text *ret, struct err *err)
{
    if (rest->size > 0 && (rest->data[0] == '"' || rest->data[0] == '\''))
        return quoted(rest, ret, err);
    if (!key && rest->size > 0 && (rest->data[0] == '{' || rest->data[0] == '['))
        return bracketed(rest, ret, err);
    *ret = bare(rest, key);
    return 0;
}

static void skip_spaces(struct text *rest)
{
    while (rest->size > 0 && is_space(rest->data[0]))
        skip(rest, 1);
}

/* Next key and value; a key alone has the empty value. A key of size 0 ends the line. */
static int header_pair(struct text *rest, struct text *ret_key, struct text *ret_value,
                       struct err *err)
{
    skip_spaces(rest);
    *ret_value = (struct text){rest->data, 0};
    int rc = header_word(rest, true, ret_key, err);
    if (rc)
        return rc;
    struct text behind = *rest;
    skip_spaces(&behind);
    if (behind.size == 0 || behind.data[0] != '=')
        return ret_key->size > 0 || behind.size == 0
                   ? 0
                   : err_set(err, ERR_INVALID, "empty key at '%s'", text_quote(behind).text);
    if (ret_key->size == 0)
        return err_set(err, ERR_INVALID, "'=' without a key");
    skip(&behind, 1);
    skip_spaces(&behind);
    *rest = behind;
    return header_word(rest, false, ret_value, err);
}

/* ---- Properties=name:type:columns:... ---- */

struct columns {
    int species, number, position, fraction; /* first word of each, -1: not there */
    uint32_t n;                              /* words in a line */
};

static bool cut_field(struct text *rest, struct text *ret)
{
    if (rest->size == 0)
        return false;
    size_t n = 0;
    while (n < rest->size && rest->data[n] != ':')
        n++;
    *ret = (struct text){rest->data, n};
    skip(rest, n < rest->size ? n + 1 : n);
    return true;
}

static int parse_columns(struct text value, struct columns *ret, struct err *err)
{
    enum { COLUMNS_MAX = 10000 };
    struct columns c = {-1, -1, -1, -1, 0};
    struct text name, type, size, rest = value;
    while (cut_field(&rest, &name)) {
        uint32_t n;
        if (!cut_field(&rest, &type) || !cut_field(&rest, &size) || !text_count(size, &n) ||
            n == 0 || n > COLUMNS_MAX || c.n > COLUMNS_MAX || type.size != 1 ||
            !memchr("SRIL", type.data[0], 4))
            return err_set(err, ERR_INVALID,
                           "Properties: '%s' is not followed by type (S, R, I or L) and count",
                           text_quote(name).text);
        if (text_equal_nocase(name, "species") && n == 1 && type.data[0] == 'S')
            c.species = (int)c.n;
        else if ((text_equal_nocase(name, "z") || text_equal_nocase(name, "numbers")) && n == 1)
            c.number = (int)c.n;
        else if (text_equal_nocase(name, "pos") && n == 3)
            c.position = (int)c.n;
        else if (text_equal_nocase(name, "frac") && n == 3)
            c.fraction = (int)c.n;
        c.n += n;
    }
    if (c.species < 0 && c.number < 0)
        return err_set(err, ERR_INVALID, "Properties: neither species:S:1 nor Z:I:1");
    if (c.position < 0 && c.fraction < 0)
        return err_set(err, ERR_INVALID, "Properties: neither pos:R:3 nor frac:R:3");
    *ret = c;
    return 0;
}

/* ---- one frame ---- */

struct header {
    struct columns columns;
    bool lattice, id; /* seen */
};

/* The next word of a list as any of the dialects writes it: "1 2 3", {1 2 3}, [1, 2, 3],
 * [[1, 0, 0], [0, 2, 0], ...]. */
static struct text list_word(struct text *rest)
{
    static const char between[] = " \t,[]{}()";
    size_t from = 0, to;
    while (from < rest->size && memchr(between, rest->data[from], sizeof between - 1))
        from++;
    for (to = from; to < rest->size && !memchr(between, rest->data[to], sizeof between - 1);)
        to++;
    struct text word = {rest->data + from, to - from};
    skip(rest, to);
    return word;
}

static int parse_lattice(struct text value, double lattice[3][3], struct err *err)
{
    struct text rest = value;
    for (int i = 0; i < 9; i++) {
        struct text word = list_word(&rest);
        if (word.size == 0)
            return err_set(err, ERR_INVALID, "Lattice, vector %c: %d of 3 numbers", 'a' + i / 3,
                           i % 3);
        if (!text_number_fortran(word, &lattice[i / 3][i % 3]))
            return err_set(err, ERR_INVALID, "Lattice, vector %c: '%s' is not a finite number",
                           'a' + i / 3, text_quote(word).text);
    }
    if (list_word(&rest).size > 0)
        return err_set(err, ERR_INVALID, "Lattice: more than 9 numbers");
    return 0;
}

/* "T T T"; also true, True, 1 and [T, T, T]. */
static int parse_pbc(struct text value, struct err *err)
{
    struct text rest = value;
    for (int k = 0; k < 3; k++) {
        struct text word = list_word(&rest);
        if (text_equal_nocase(word, "f") || text_equal_nocase(word, "false") ||
            text_equal(word, "0"))
            return err_set(err, ERR_UNSUPPORTED,
                           "pbc: not periodic along %c, only crystals are read", 'a' + k);
        if (!text_equal_nocase(word, "t") && !text_equal_nocase(word, "true") &&
            !text_equal(word, "1"))
            return err_set(err, ERR_INVALID, "pbc: '%s' is neither T nor F",
                           text_quote(word).text);
    }
    return 0;
}

enum { PLAIN_SIZE = 4 * ID_SIZE };

/* What a quoted word means: backslash guards quotes and itself; beyond `plain` it is cut. */
static struct text unquote(struct text word, char plain[PLAIN_SIZE])
{
    size_t n = 0;
    for (size_t i = 0; i < word.size && n < PLAIN_SIZE; i++) {
        if (word.data[i] == '\\' && i + 1 < word.size)
            i++;
        plain[n++] = word.data[i];
    }
    return text_trim((struct text){plain, n});
}

static void copy_id(struct structure *structure, struct text value)
{
    char plain[PLAIN_SIZE];
    structure_set_id(structure, unquote(value, plain));
}

static int parse_pair(struct structure *structure, struct header *header, struct text key,
                      struct text value, struct err *err)
{
    char plain[PLAIN_SIZE];
    double number;
    if (text_equal_nocase(key, "lattice")) {
        header->lattice = true;
        return parse_lattice(value, structure->lattice, err);
    }
    if (text_equal_nocase(key, "properties"))
        return parse_columns(value, &header->columns, err);
    if (text_equal_nocase(key, "pbc"))
        return parse_pbc(value, err);
    if (text_equal_nocase(key, "id")) {
        header->id = true;
        copy_id(structure, value);
    } else if (text_equal_nocase(key, "material_id")) {
        if (!header->id)
            copy_id(structure, value);
    } else if (text_number_fortran(text_trim(value), &number)) {
        structure_add_property(structure, unquote(key, plain), number);
    }
    return 0;
}

/* band_gap_unit=eV, wherever band_gap stands: our own habit, for ASE has none. */
static void parse_units(struct text line, struct structure *structure)
{
    struct text rest = text_trim(line), key, value;
    char plain[PLAIN_SIZE], unit[PLAIN_SIZE];
    while (header_pair(&rest, &key, &value, NULL) == 0 && key.size > 0) {
        struct text name = unquote(key, plain);
        if (text_ends_nocase(name, "_unit")) {
            name.size -= strlen("_unit");
            structure_add_unit(structure, name, unquote(value, unit));
        }
    }
}

static int parse_header(struct text line, struct structure *structure, struct header *header,
                        struct err *err)
{
    struct text rest = text_trim(line), key, value;
    for (;;) {
        int rc = header_pair(&rest, &key, &value, err);
        if (rc == 0 && key.size == 0)
            break;
        if (rc == 0)
            rc = parse_pair(structure, header, key, value, err);
        if (rc)
            return rc;
    }
    parse_units(line, structure);
    if (!header->lattice)
        return err_set(err, ERR_INVALID, "no Lattice=\"...\": not a crystal");
    return 0;
}

static int parse_species(struct text word, bool by_number, uint32_t atom, uint8_t *ret,
                         struct err *err)
{
    uint32_t number = 0;
    if (!by_number)
        number = (uint32_t)element_parse(word.data, word.size < 8 ? (int)word.size : 8);
    else if (!text_count(word, &number))
        number = 0;
    if (number == 0 || number > ELEMENT_MAX)
        return err_set(err, ERR_INVALID, "atom %u: unknown element '%s'", atom,
                       text_quote(word).text);
    *ret = (uint8_t)number;
    return 0;
}

static int parse_atom(struct text line, const struct columns *columns, uint32_t i,
                      struct structure *structure, struct err *err)
{
    char what[48];
    (void)snprintf(what, sizeof what, "position of atom %u", i + 1);
    int species = columns->species >= 0 ? columns->species : columns->number;
    int position = columns->fraction >= 0 ? columns->fraction : columns->position;
    struct text rest = line;
    uint32_t k = 0;
    for (;; k++) {
        struct text at = rest, word = text_word(&rest);
        if (word.size == 0)
            break;
        int rc = 0;
        if ((int)k == species)
            rc = parse_species(word, columns->species < 0, i + 1, &structure->species[i], err);
        else if ((int)k == position)
            rc = read_vector(&at, what, structure->frac[i], err);
        if (rc)
            return rc;
    }
    if (k != columns->n)
        return err_set(err, ERR_INVALID, "atom %u: %u words on its line, Properties say %u",
                       i + 1, k, columns->n);
    return 0;
}

int extxyz_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
                 struct err *err)
{
    struct text_reader reader = {item->text, item->text + item->size, item->line};
    struct header header = {.columns = {0, -1, 1, -1, 4}}; /* species:S:1:pos:R:3 */
    struct text line;
    uint32_t atoms = 0;
    int rc = read_line(&reader, "the number of atoms", &line, err);
    if (rc == 0 && !is_count(line, &atoms))
        rc = err_set(err, ERR_INVALID, "'%s' is not a number of atoms",
                     text_quote(text_trim(line)).text);
    if (rc == 0)
        rc = structure_allocate(ret, atoms, err);
    if (rc == 0)
        rc = read_line(&reader, "the line with Lattice=", &line, err);
    if (rc == 0)
        rc = parse_header(line, ret, &header, err);
    for (uint32_t i = 0; i < atoms && rc == 0; i++) {
        rc = read_line(&reader, "the last atom", &line, err);
        if (rc == 0)
            rc = parse_atom(line, &header.columns, i, ret, err);
    }
    *ret_line = reader.line > item->line ? reader.line - 1 : item->line;
    if (rc == 0 && header.columns.fraction < 0)
        rc = structure_from_cartesian(ret, err);
    return rc;
}
