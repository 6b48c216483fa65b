/* The one door to all formats: picks the reader by the file's ending, and helps the readers. */
#include "workers/crystal/reader.h"
#include "workers/crystal/writer.h"

#include "common/mem.h"
#include "workers/crystal/matrix.h"

#include <stdio.h>
#include <stdlib.h>

/* One row per format. `names` begin file names without a known ending (VASP's habit). */
static const struct format {
    const char *name;
    const char *endings[4];
    const char *names[3];
    void (*split)(const char *file, struct text text, struct source *source);
    int (*parse)(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
                 struct err *err);
    int (*write)(const struct format_out *list, uint32_t n, struct buf *out, struct err *err);
} formats[] = {
    {"extxyz", {".extxyz", ".xyz"}, {0}, extxyz_split, extxyz_parse, extxyz_write_all},
    {"cif", {".cif"}, {0}, cif_split, cif_parse, cif_write_all},
    {"vasp",
     {".vasp", ".poscar"},
     {"poscar", "contcar"},
     poscar_split,
     poscar_parse,
     poscar_write_all},
    {"csv", {".csv"}, {0}, csv_split, csv_parse, csv_write_all},
    {"json", {".json", ".jsonl", ".ndjson"}, {0}, json_split, json_parse, json_write_all},
};

enum { FORMATS = sizeof formats / sizeof formats[0] };

/* File name without its folders and without ".zst". */
static struct text base_name(const char *file)
{
    const char *slash = strrchr(file, '/');
    struct text name = {slash ? slash + 1 : file, 0};
    name.size = strlen(name.data);
    if (text_ends_nocase(name, ".zst"))
        name.size -= strlen(".zst");
    return name;
}

static const struct format *format_of_file(const char *file)
{
    struct text name = base_name(file);
    for (int i = 0; i < FORMATS; i++)
        for (int k = 0; k < 4 && formats[i].endings[k]; k++)
            if (text_ends_nocase(name, formats[i].endings[k]))
                return &formats[i];
    for (int i = 0; i < FORMATS; i++)
        for (int k = 0; k < 3 && formats[i].names[k]; k++)
            if (text_begins_nocase(name, formats[i].names[k]))
                return &formats[i];
    return NULL;
}

const char *format_name(const char *file)
{
    const struct format *format = format_of_file(file);
    return format ? format->name : NULL;
}

int format_write(const char *format, const struct format_out *list, uint32_t n, struct buf *out,
                 struct err *err)
{
    for (int i = 0; i < FORMATS; i++)
        if (!strcmp(format, formats[i].name))
            return formats[i].write(list, n, out, err);
    return err_set(err, ERR_UNSUPPORTED, "no writer for format '%s'", format);
}

void file_stem(const char *file, char *ret, size_t size)
{
    struct text name = base_name(file);
    for (int i = 0; i < FORMATS; i++)
        for (int k = 0; k < 4 && formats[i].endings[k]; k++)
            if (text_ends_nocase(name, formats[i].endings[k])) {
                name.size -= strlen(formats[i].endings[k]);
                text_copy(ret, size, name);
                return;
            }
    text_copy(ret, size, name);
}

void source_split(const char *file, struct text all, struct source *source)
{
    static const char mark[] = "\xef\xbb\xbf"; /* UTF-8's, as Windows programs write it */
    const struct format *format = format_of_file(file);
    if (all.size >= sizeof mark - 1 && !memcmp(all.data, mark, sizeof mark - 1))
        all = (struct text){all.data + sizeof mark - 1, all.size - (sizeof mark - 1)};
    if (!format)
        source_add_reject(source, file, 0,
                          "not a known format: the name ends in none of .extxyz, .xyz, .cif, "
                          ".vasp, .poscar, .csv, .json, .jsonl, .ndjson (each also .zst), "
                          ".tar, .tar.zst, and does not begin with POSCAR or CONTCAR");
    else if (text_trim(all).size == 0)
        source_add_reject(source, file, 0, "the file is empty");
    else if (all.size >= 2 &&
             (!memcmp(all.data, "\xff\xfe", 2) || !memcmp(all.data, "\xfe\xff", 2)))
        source_add_reject(source, file, 0, "the text is UTF-16; save it as UTF-8");
    else
        format->split(file, all, source);
}

void source_append(struct source *to, struct source *from)
{
    size_t n = (size_t)to->n_items + from->n_items;
    for (uint32_t i = 0; i < from->n_items; i++)
        from->items[i].file = source_file(to, from->items[i].file);
    if (to->n_items == 0) {
        free(to->items);
        to->items = from->items;
        from->items = NULL;
    } else if (from->n_items > 0) {
        to->items = mem_resize(to->items, n, sizeof *to->items);
        memcpy(to->items + to->n_items, from->items, from->n_items * sizeof *from->items);
    }
    to->n_items = (uint32_t)n;
    from->n_items = 0;
    source_done(from);
}

void format_split(const char *file, struct span text, struct source *source)
{
    struct source items = {0};
    source_split(file, (struct text){(const char *)text.data, text.size}, &items);
    source_append(source, &items);
}

/* All but the id. */
static void structure_clear(struct structure *structure)
{
    struct structure named = {0};
    memcpy(named.id, structure->id, sizeof named.id);
    structure_done(structure);
    *structure = named;
}

void structure_id_of_line(const char *file, uint32_t line, char ret[ID_SIZE])
{
    char stem[ID_SIZE - 12];
    file_stem(file, stem, sizeof stem);
    (void)snprintf(ret, ID_SIZE, "%s:%u", stem, line);
}

int format_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
                 struct err *err)
{
    struct structure structure = {0};
    uint32_t line = item->line;
    int rc = err_set(err, ERR_UNSUPPORTED, "no reader for format '%s'", item->format);
    if (item->reject[0])
        rc = err_set(err, ERR_INVALID, "%s", item->reject);
    else
        for (int i = 0; i < FORMATS; i++)
            if (!strcmp(item->format, formats[i].name))
                rc = formats[i].parse(item, &structure, &line, err);
    if (ret_line)
        *ret_line = line;
    if (rc) /* the name is worth keeping, for the report */
        structure_clear(&structure);
    (void)snprintf(structure.file, sizeof structure.file, "%s", item->file);
    structure.line = item->line;
    structure.unnamed = rc == 0 && structure.id[0] == '\0';
    if (structure.unnamed)
        structure_id_of_line(item->file, item->line, structure.id);
    *ret = structure;
    return rc;
}

/* ---- for the readers ---- */

static struct source_item *source_add(struct source *source, const char *file, uint32_t line)
{
    /* A source keeps no capacity; one that is filled here only grows at powers of two. */
    uint32_t n = source->n_items;
    if ((n & (n - 1)) == 0)
        source->items = mem_resize(source->items, n ? (size_t)n * 2 : 1, sizeof *source->items);
    struct source_item *item = &source->items[source->n_items++];
    char name[PATH_SIZE];
    text_copy(name, sizeof name, (struct text){file, strlen(file)});
    *item = (struct source_item){.file = source_file(source, name), .line = line, .reject = ""};
    return item;
}

void source_add_text(struct source *source, const char *file, uint32_t line, const char *format,
                     struct text text)
{
    if (text.size > ITEM_BYTES_MAX) {
        source_add_reject(source, file, line, "one structure of %zu bytes; at most %d",
                          text.size, ITEM_BYTES_MAX);
        return;
    }
    struct source_item *item = source_add(source, file, line);
    (void)snprintf(item->format, sizeof item->format, "%s", format);
    item->text = mem_new(text.size + 1, 1);
    memcpy(item->text, text.data, text.size);
    item->size = text.size;
}

void source_add_reject(struct source *source, const char *file, uint32_t line,
                       const char *format_text, ...)
{
    struct source_item *item = source_add(source, file, line);
    char reason[REASON_SIZE];
    va_list arguments;
    va_start(arguments, format_text);
    (void)vsnprintf(reason, sizeof reason, format_text, arguments);
    va_end(arguments);
    item->text = mem_text(reason);
    item->reject = item->text;
}

void left_out_add(struct left_out *left_out, uint32_t first, uint32_t last, const char *reason)
{
    if (left_out->first == 0) {
        left_out->first = first;
        text_copy(left_out->reason, sizeof left_out->reason,
                  (struct text){reason, strlen(reason)});
    }
    left_out->last = last;
}

void left_out_tell(struct left_out *left_out, const char *file, struct source *source)
{
    uint32_t first = left_out->first, last = left_out->last;
    if (first > 0 && last > first)
        source_add_reject(source, file, first, "%.240s (%u lines are left out)",
                          left_out->reason, last - first + 1);
    else if (first > 0)
        source_add_reject(source, file, first, "%s", left_out->reason);
    left_out->first = 0;
}

int read_vector(struct text *rest, const char *what, double ret[3], struct err *err)
{
    for (int k = 0; k < 3; k++) {
        struct text word = text_word(rest);
        if (word.size == 0)
            return err_set(err, ERR_INVALID, "%s: %d of 3 numbers", what, k);
        if (!text_number_fortran(word, &ret[k]))
            return err_set(err, ERR_INVALID, "%s: '%s' is not a finite number", what,
                           text_quote(word).text);
    }
    return 0;
}

int read_line(struct text_reader *reader, const char *what, struct text *ret, struct err *err)
{
    if (!text_line(reader, ret))
        return err_set(err, ERR_INVALID, "the text ends before %s", what);
    if (ret->size > FORMAT_LINE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a line of %zu bytes; at most %d", ret->size,
                       FORMAT_LINE_BYTES_MAX);
    return 0;
}

int structure_allocate(struct structure *structure, uint64_t n, struct err *err)
{
    if (n == 0)
        return err_set(err, ERR_INVALID, "no atoms");
    if (n > ATOMS_MAX)
        return err_set(err, ERR_LIMIT, "%llu atoms; at most %d", (unsigned long long)n,
                       ATOMS_MAX);
    structure->n_atoms = (uint32_t)n;
    structure->species = mem_new(n, sizeof *structure->species);
    structure->frac = mem_new(n, sizeof *structure->frac);
    return 0;
}

void structure_set_id(struct structure *structure, struct text id)
{
    text_copy(structure->id, sizeof structure->id, text_trim(id));
    size_t n = strlen(structure->id);
    while (n > 0 && structure->id[n - 1] == ' ') /* where it was cut */
        structure->id[--n] = '\0';
}

/* Keys that are numbers but say nothing about the material. */
bool property_is_left_out(struct text name)
{
    static const char *const names[] = {
        "spacegroup", "spacegroup_number", "spacegroup.number", "material_id", "year", "line"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_equal_nocase(name, names[i]))
            return true;
    return name.size == 0;
}

/* Would a reader take the unit for a value of its own ("d (20013)")? */
static bool is_unit(struct text unit)
{
    double number;
    return unit.size > 0 && unit.size < UNIT_SIZE && !text_number_fortran(unit, &number);
}

/* "band_gap [eV]" -> "band_gap" and "eV". */
static struct text cut_unit(struct text name, struct text *ret_unit)
{
    *ret_unit = (struct text){"", 0};
    char close = name.size ? name.data[name.size - 1] : 0, open = close == ']' ? '[' : '(';
    if (close != ']' && close != ')')
        return name;
    size_t at = name.size - 1;
    while (at > 0 && name.data[at] != open)
        at--;
    struct text before = text_trim((struct text){name.data, at});
    struct text unit =
        text_trim((struct text){name.data + at + 1, name.size - at - 1 - (at < name.size - 1)});
    if (before.size == 0 || !is_unit(unit) || (open == '(' && before.size == at))
        return name;
    *ret_unit = unit;
    return before;
}

static int find_property(const struct structure *structure, const char *name)
{
    for (uint32_t i = 0; i < structure->n_properties; i++)
        if (!strcmp(structure->properties[i].property.name, name))
            return (int)i;
    return -1;
}

void structure_add_property(struct structure *structure, struct text name, double value)
{
    struct property property = {0};
    struct text unit;
    uint32_t n = structure->n_properties;
    name = cut_unit(text_trim(name), &unit);
    text_copy(property.name, sizeof property.name, name);
    text_copy(property.unit, sizeof property.unit, unit);
    if (n == PROPERTIES_MAX || name.size >= PROPERTY_NAME_SIZE || property_is_left_out(name) ||
        find_property(structure, property.name) >= 0)
        return;
    if (n == 0 || (n >= 8 && (n & (n - 1)) == 0)) /* 8, 16, 32 */
        structure->properties =
            mem_resize(structure->properties, n ? 2 * n : 8, sizeof *structure->properties);
    structure->properties[n].property = property;
    structure->properties[n].value = value;
    structure->n_properties++;
}

void structure_add_unit(struct structure *structure, struct text name, struct text unit)
{
    char copy[PROPERTY_NAME_SIZE];
    text_copy(copy, sizeof copy, text_trim(name));
    int i = find_property(structure, copy);
    unit = text_trim(unit);
    if (i >= 0 && !structure->properties[i].property.unit[0] && is_unit(unit))
        text_copy(structure->properties[i].property.unit, UNIT_SIZE, unit);
}

int structure_from_cartesian(struct structure *structure, struct err *err)
{
    double inverse[3][3];
    double determinant = matrix_determinant(CONST_MATRIX(structure->lattice));
    if (determinant == 0 || !isfinite(1 / determinant))
        return err_set(err, ERR_INVALID, "cell without volume");
    matrix_inverse(inverse, CONST_MATRIX(structure->lattice));
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        matrix_row_times(structure->frac[i], structure->frac[i], CONST_MATRIX(inverse));
    return 0;
}
