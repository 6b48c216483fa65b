/* Whole files of structures: what stands around and between them, and where id and properties
 * go in each format. */
#include "workers/crystal/writer.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/csv.h"
#include "workers/crystal/words.h"

#include <math.h>
#include <stdlib.h>

/* A property whose name means something else to a format's reader gets a longer name. */
static void print_name(const char *name, const char *const *taken, struct buf *out)
{
    for (; *taken; taken++)
        if (text_equal_nocase((struct text){name, strlen(name)}, *taken))
            buf_print(out, "property_");
    buf_print(out, "%s", name);
}

/* ---- extended XYZ ---- */

static void print_keys(const struct format_out *one, struct buf *out)
{
    static const char *const taken[] = {"lattice", "properties", "pbc", "label", NULL};
    const struct structure *structure = one->structure;
    if (one->record) {
        cleanup(free_ptr) char *label = record_label(one->record);
        extxyz_write_key("label", label, out);
        buf_print(out, " spacegroup=%u", one->record->proto.spacegroup);
    }
    for (uint32_t i = 0; i < structure->n_properties; i++) {
        const struct property *property = &structure->properties[i].property;
        bool together = property_keeps_unit(property);
        struct buf name = {0};
        print_name(property->name, taken, &name);
        if (together)
            buf_print(&name, " [%s]", property->unit);
        extxyz_write_key(buf_text(&name), number_print(structure->properties[i].value).text,
                         out);
        buf_print(&name, "_unit");
        if (property->unit[0] && !together)
            extxyz_write_key(buf_text(&name), property->unit, out);
        buf_done(&name);
    }
}

int extxyz_write_all(const struct format_out *list, uint32_t n, struct buf *out,
                     struct err *err)
{
    (void)err;
    for (uint32_t i = 0; i < n; i++) {
        struct buf keys = {0};
        print_keys(&list[i], &keys);
        extxyz_write(list[i].structure, buf_text(&keys), out);
        buf_done(&keys);
    }
    return 0;
}

/* ---- CIF ---- */

/* CIF has no place for these: they are comments. */
static void print_note(const struct format_out *one, struct buf *out)
{
    const struct structure *structure = one->structure;
    if (structure->id[0])
        buf_print(out, "id %s\n", structure->id);
    if (one->record) {
        cleanup(free_ptr) char *label = record_label(one->record);
        buf_print(out, "protostructure %s\n", label);
    }
    for (uint32_t i = 0; i < structure->n_properties; i++) {
        const struct property *property = &structure->properties[i].property;
        buf_print(out, "%s %s%s%s\n", property->name,
                  number_print(structure->properties[i].value).text,
                  property->unit[0] ? " " : "", property->unit);
    }
}

static int write_block(const struct format_out *one, const char *note, struct buf *out,
                       struct err *err)
{
    if (one->record && !one->all_atoms)
        return cif_write(one->record, one->name, note, out, err);
    cif_write_plain(one->structure, one->name, note, out);
    return 0;
}

int cif_write_all(const struct format_out *list, uint32_t n, struct buf *out, struct err *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        struct buf note = {0};
        print_note(&list[i], &note);
        rc = write_block(&list[i], buf_text(&note), out, err);
        buf_done(&note);
    }
    return rc;
}

/* ---- POSCAR ---- */

int poscar_write_all(const struct format_out *list, uint32_t n, struct buf *out,
                     struct err *err)
{
    if (n != 1)
        return err_set(err, ERR_INVALID, "a POSCAR holds one structure, not %u", n);
    poscar_write(list[0].structure, list[0].structure->id, out);
    return 0;
}

/* ---- JSON ---- */

int json_write_all(const struct format_out *list, uint32_t n, struct buf *out, struct err *err)
{
    (void)err;
    for (uint32_t i = 0; i < n; i++) {
        buf_print(out, "%s", n == 1 ? "" : i ? ",\n" : "[\n");
        json_write(list[i].structure, out);
    }
    buf_print(out, n == 1 ? "\n" : n == 0 ? "[]\n" : "\n]\n");
    return 0;
}

/* ---- CSV ---- */

/* Columns of properties: those of the first structure, then what further ones add. */
struct columns {
    uint32_t n, capacity;
    struct property *properties;
};

static int find_property(const struct structure *structure, uint32_t hint,
                         const struct property *property)
{
    /* Rows of one file have the same columns in the same order. */
    if (hint < structure->n_properties &&
        !strcmp(structure->properties[hint].property.name, property->name))
        return (int)hint;
    for (uint32_t i = 0; i < structure->n_properties; i++)
        if (!strcmp(structure->properties[i].property.name, property->name))
            return (int)i;
    return -1;
}

static struct property *find_column(const struct columns *columns, uint32_t hint,
                                    const struct property *property)
{
    if (hint < columns->n && !strcmp(columns->properties[hint].name, property->name))
        return &columns->properties[hint];
    for (uint32_t i = 0; i < columns->n; i++)
        if (!strcmp(columns->properties[i].name, property->name))
            return &columns->properties[i];
    return NULL;
}

/* The unit is the first that a structure gives for the name. */
static int collect_columns(const struct format_out *list, uint32_t n, struct columns *ret,
                           struct err *err)
{
    enum { COLUMNS_MAX = 1000 }; /* what our own reader takes, and some for the fixed ones */
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < list[i].structure->n_properties; k++) {
            const struct property *property = &list[i].structure->properties[k].property;
            struct property *column = find_column(ret, k, property);
            if (column) {
                if (!column->unit[0])
                    memcpy(column->unit, property->unit, sizeof column->unit);
                continue;
            }
            if (ret->n == COLUMNS_MAX)
                return err_set(err, ERR_LIMIT,
                               "the structures have more than %d different properties",
                               COLUMNS_MAX);
            if (ret->n == ret->capacity) {
                ret->capacity = ret->capacity ? 2 * ret->capacity : 8;
                ret->properties =
                    mem_resize(ret->properties, ret->capacity, sizeof *ret->properties);
            }
            ret->properties[ret->n++] = *property;
        }
    return 0;
}

static void print_header(const struct columns *columns, bool symmetry, struct buf *out)
{
    static const char *const taken[] = {"cif",   "cif_str", "cif_string", "structure",
                                        "index", "formula", "label",      NULL};
    buf_print(out, "id,formula");
    if (symmetry)
        buf_print(out, ",spacegroup,label");
    for (uint32_t i = 0; i < columns->n; i++) {
        const struct property *property = &columns->properties[i];
        struct buf name = {0};
        print_name(property->name, taken, &name);
        if (property->unit[0])
            buf_print(&name, " [%s]", property->unit);
        buf_append(out, ",", 1);
        csv_print(out, (const char *)name.data, name.size);
        buf_done(&name);
    }
    buf_print(out, ",cif\n");
}

static void print_text_cell(const char *text, struct buf *out)
{
    buf_append(out, ",", 1);
    csv_print(out, text, strlen(text));
}

/* The reduced formula: a crystal taken in P 1 has each atom on the position a. */
static void print_formula_cell(const struct structure *structure, struct buf *out)
{
    char formula[512];
    struct protostructure proto = {.spacegroup = 1, .n_sites = (uint16_t)structure->n_atoms};
    proto.sites = mem_new(structure->n_atoms, sizeof *proto.sites);
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        proto.sites[i] = (struct site){0, structure->species[i]};
    protostructure_formula(&proto, formula, sizeof formula);
    print_text_cell(formula, out);
    protostructure_done(&proto);
}

static int print_row(const struct format_out *one, const struct columns *columns, bool symmetry,
                     struct buf *out, struct err *err)
{
    struct buf cif = {0};
    csv_print(out, one->structure->id, strlen(one->structure->id));
    print_formula_cell(one->structure, out);
    if (symmetry && one->record) {
        cleanup(free_ptr) char *label = record_label(one->record);
        buf_print(out, ",%u", one->record->proto.spacegroup);
        print_text_cell(label, out);
    } else if (symmetry) {
        buf_print(out, ",,");
    }
    for (uint32_t i = 0; i < columns->n; i++) {
        int k = find_property(one->structure, i, &columns->properties[i]);
        buf_print(out, ",%s",
                  k < 0 ? "" : number_print(one->structure->properties[k].value).text);
    }
    int rc = write_block(one, NULL, &cif, err);
    print_text_cell(buf_text(&cif), out);
    buf_print(out, "\n");
    buf_done(&cif);
    return rc;
}

int csv_write_all(const struct format_out *list, uint32_t n, struct buf *out, struct err *err)
{
    struct columns columns = {0};
    bool symmetry = false;
    int rc = collect_columns(list, n, &columns, err);
    for (uint32_t i = 0; i < n; i++)
        symmetry = symmetry || list[i].record;
    if (rc == 0)
        print_header(&columns, symmetry, out);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = print_row(&list[i], &columns, symmetry, out, err);
    free(columns.properties);
    return rc;
}
