/* Candidates as CSV, extended XYZ, CIF and as a table for a terminal. */
#include "cli/export.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "common/mem.h"
#include "workers/crystal/csv.h"
#include "workers/crystal/format.h"
#include "workers/crystal/structure.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORMULA_SIZE = 256,
    FILE_NAME_SIZE = FORMULA_SIZE + 16,
};

static const char *const verdicts[] = {
    [VERDICT_UNKNOWN] = "unknown", [VERDICT_NO] = "no", [VERDICT_YES] = "yes"};
static const char *const geometries[] = {
    [GEOMETRY_NONE] = "none", [GEOMETRY_TEMPLATE] = "template", [GEOMETRY_RANDOM] = "random"};

static const char *verdict_text(uint8_t verdict)
{
    return verdict <= VERDICT_YES ? verdicts[verdict] : verdicts[VERDICT_UNKNOWN];
}

static const char *geometry_text(uint8_t geometry)
{
    return geometry <= GEOMETRY_RANDOM ? geometries[geometry] : geometries[GEOMETRY_NONE];
}

static double value_of(const double *row, uint32_t p)
{
    return row ? row[p] : (double)NAN;
}

static const char *symbol_of(const struct candidate *c)
{
    const struct spacegroup *group = spacegroup_get(c->record.proto.spacegroup);
    return group ? group->symbol : "?";
}

static double volume_per_atom(const struct candidate *c)
{
    double lattice[3][3];
    uint32_t atoms = protostructure_atoms(&c->record.proto);
    if (atoms == 0 || lattice_from_cell(c->record.cell, lattice, NULL))
        return (double)NAN;
    return lattice_volume((const double(*)[3])lattice) / atoms;
}

/* "0007-BaTiO3" */
static void file_name(const struct candidate *c, uint32_t rank, char ret[FILE_NAME_SIZE])
{
    char formula[FORMULA_SIZE];
    protostructure_formula(&c->record.proto, formula, sizeof formula);
    (void)snprintf(ret, FILE_NAME_SIZE, "%04u-%s", rank, formula);
}

/* ---- CSV (RFC 4180) ---- */

static void csv_text(struct buf *out, const char *text)
{
    buf_print(out, ",");
    csv_print(out, text, strlen(text));
}

static void csv_name(struct buf *out, const char *property, const char *suffix)
{
    char name[PROPERTY_NAME_SIZE + 16];
    (void)snprintf(name, sizeof name, "%s%s", property, suffix);
    csv_text(out, name);
}

static void csv_number(struct buf *out, double value)
{
    if (!isfinite(value))
        buf_print(out, ",");
    else
        buf_print(out, ",%.8g", value);
}

static void csv_header(const struct candidates *list, const struct targets *targets,
                       struct buf *out)
{
    buf_print(out, "rank,id,label,formula,spacegroup,spacegroup_symbol");
    for (uint32_t p = 0; p < list->n_properties; p++) {
        csv_name(out, list->properties[p].name, "_predicted");
        csv_name(out, list->properties[p].name, "_spread");
        csv_name(out, list->properties[p].name, "_exact");
    }
    for (uint32_t t = 0; t < targets->n; t++) {
        csv_name(out, targets->items[t].property, "_asked_low");
        csv_name(out, targets->items[t].property, "_asked_high");
    }
    buf_print(out, ",satisfied_predicted,satisfied_exact,probability,novel,geometry,template,"
                   "pair_energy,volume_per_atom\n");
}

static void csv_row(const struct candidates *list, const struct targets *targets, uint32_t i,
                    struct buf *out)
{
    const struct candidate *c = &list->items[i];
    char hex[HASH_HEX_SIZE], formula[FORMULA_SIZE];
    cleanup(free_ptr) char *label = record_label(&c->record);
    protostructure_formula(&c->record.proto, formula, sizeof formula);
    buf_print(out, "%u,%s", i + 1, hash_hex(&c->id, hex));
    csv_text(out, label);
    csv_text(out, formula);
    buf_print(out, ",%u", c->record.proto.spacegroup);
    csv_text(out, symbol_of(c));
    for (uint32_t p = 0; p < list->n_properties; p++) {
        csv_number(out, value_of(c->predicted, p));
        csv_number(out, value_of(c->spread, p));
        csv_number(out, value_of(c->exact, p));
    }
    for (uint32_t t = 0; t < targets->n; t++) {
        csv_number(out, targets->items[t].low);
        csv_number(out, targets->items[t].high);
    }
    csv_text(out, verdict_text(c->satisfied_predicted));
    csv_text(out, verdict_text(c->satisfied_exact));
    csv_number(out, c->probability);
    csv_text(out, c->novel ? "yes" : "no");
    csv_text(out, geometry_text(c->geometry));
    csv_text(out, c->template_id);
    csv_number(out, c->pair_energy);
    csv_number(out, volume_per_atom(c));
    buf_print(out, "\n");
}

/* ---- structures ---- */

static void key_number(struct buf *out, const char *name, const char *suffix, double value)
{
    char key[PROPERTY_NAME_SIZE + 16], number[32];
    (void)snprintf(key, sizeof key, "%s%s", name, suffix);
    (void)snprintf(number, sizeof number, "%.8g", value);
    if (isfinite(value))
        extxyz_write_key(key, number, out);
}

static int xyz_frame(const struct candidates *list, uint32_t i, struct buf *out,
                     struct err *err)
{
    const struct candidate *c = &list->items[i];
    struct structure structure = {0};
    struct buf keys = {0};
    char hex[HASH_HEX_SIZE];
    cleanup(free_ptr) char *label = record_label(&c->record);
    int rc = record_to_primitive(&c->record, &structure, err);
    if (!rc) {
        (void)snprintf(structure.id, sizeof structure.id, "%s", hash_hex(&c->id, hex));
        buf_print(&keys, "rank=%u label=%s spacegroup=%u", i + 1, label,
                  c->record.proto.spacegroup);
        for (uint32_t p = 0; p < list->n_properties; p++) {
            const char *name = list->properties[p].name;
            key_number(&keys, name, "_predicted", value_of(c->predicted, p));
            key_number(&keys, name, "_spread", value_of(c->spread, p));
            key_number(&keys, name, "_exact", value_of(c->exact, p));
        }
        key_number(&keys, "pair_energy", "", c->pair_energy);
        extxyz_write(&structure, buf_text(&keys), out);
    }
    structure_done(&structure);
    buf_done(&keys);
    return rc;
}

static void cif_note(const struct candidates *list, uint32_t i, struct buf *out)
{
    const struct candidate *c = &list->items[i];
    char hex[HASH_HEX_SIZE];
    cleanup(free_ptr) char *label = record_label(&c->record);
    buf_print(out, "wyckmill candidate %u\nid %s\nprotostructure %s\n", i + 1,
              hash_hex(&c->id, hex), label);
    for (uint32_t p = 0; p < list->n_properties; p++) {
        const struct property *property = &list->properties[p];
        double mean = value_of(c->predicted, p), spread = value_of(c->spread, p);
        if (isfinite(mean))
            buf_print(out, "%s %.8g +- %.8g%s%s, predicted\n", property->name, mean, spread,
                      property->unit[0] ? " " : "", property->unit);
        if (isfinite(value_of(c->exact, p)))
            buf_print(out, "%s %.8g%s%s, computed\n", property->name, c->exact[p],
                      property->unit[0] ? " " : "", property->unit);
    }
    buf_print(out, "%s; geometry from %s%s%s", c->novel ? "novel" : "in the training data",
              geometry_text(c->geometry), c->template_id[0] ? " " : "", c->template_id);
}

static int write_cif(const struct candidates *list, uint32_t i, const char *folder,
                     struct err *err)
{
    const struct candidate *c = &list->items[i];
    struct buf bytes = {0}, note = {0}, path = {0};
    char name[FILE_NAME_SIZE];
    file_name(c, i + 1, name);
    buf_print(&path, "%s/%s.cif", folder, name);
    cif_note(list, i, &note);
    int rc = cif_write(&c->record, name, buf_text(&note), &bytes, err);
    if (!rc)
        rc = file_write(buf_text(&path), buf_span(&bytes), err);
    buf_done(&bytes);
    buf_done(&note);
    buf_done(&path);
    return rc;
}

/* ---- files of an earlier export ---- */

/* Four digits or more, a dash, letters and digits, ".cif": the rank, or 0 for other names. */
static unsigned long our_rank(const char *name)
{
    char *end;
    if (!isdigit((unsigned char)name[0]))
        return 0;
    unsigned long rank = strtoul(name, &end, 10);
    if (end - name < 4 || *end++ != '-')
        return 0;
    size_t size = strspn(end, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    return size > 0 && !strcmp(end + size, ".cif") ? rank : 0;
}

static bool is_current(const struct candidates *list, unsigned long rank, const char *name)
{
    char current[FILE_NAME_SIZE];
    if (rank > list->n)
        return false;
    file_name(&list->items[rank - 1], (uint32_t)rank, current);
    size_t size = strlen(current);
    return !strncmp(name, current, size) && !strcmp(name + size, ".cif");
}

static int remove_stale(const struct candidates *list, const char *folder, struct err *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return err_errno(err, errno, "read folder '%s'", folder);
    int rc = 0;
    for (struct dirent *entry; !rc && (entry = readdir(dir));) {
        unsigned long rank = our_rank(entry->d_name);
        if (rank == 0 || is_current(list, rank, entry->d_name))
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) != 0)
            rc = err_errno(err, errno, "remove '%s/%s'", folder, entry->d_name);
    }
    (void)closedir(dir);
    return rc;
}

/* ---- the folder ---- */

static int write_in(const char *folder, const char *name, const struct buf *bytes,
                    struct err *err)
{
    struct buf path = {0};
    buf_print(&path, "%s/%s", folder, name);
    int rc = file_write(buf_text(&path), buf_span(bytes), err);
    buf_done(&path);
    return rc;
}

static int write_lists(const struct candidates *list, const struct targets *targets,
                       const char *out_dir, struct err *err)
{
    struct buf csv = {0}, xyz = {0};
    int rc = 0;
    csv_header(list, targets, &csv);
    for (uint32_t i = 0; i < list->n && !rc; i++) {
        csv_row(list, targets, i, &csv);
        rc = xyz_frame(list, i, &xyz, err);
        if (rc)
            (void)err_context(err, rc, "candidate %u", i + 1);
    }
    if (!rc)
        rc = write_in(out_dir, "candidates.csv", &csv, err);
    if (!rc)
        rc = write_in(out_dir, "candidates.extxyz", &xyz, err);
    buf_done(&csv);
    buf_done(&xyz);
    return rc;
}

int export_write(const struct candidates *candidates, const struct targets *targets,
                 const char *out_dir, struct err *err)
{
    struct buf folder = {0};
    buf_print(&folder, "%s/cif", out_dir);
    const char *cif = buf_text(&folder);
    int rc = file_make_folder(cif, err);
    if (!rc)
        rc = write_lists(candidates, targets, out_dir, err);
    for (uint32_t i = 0; i < candidates->n && !rc; i++)
        rc = write_cif(candidates, i, cif, err);
    if (!rc)
        rc = remove_stale(candidates, cif, err);
    buf_done(&folder);
    return rc;
}

/* ---- a table for people ---- */

enum { CELL_SIZE = 64, COLUMNS_MAX = 8 + TARGETS_MAX };

/* Rows of cells; a column is as wide as its widest cell. */
struct table {
    uint32_t n_columns, n_rows;
    char (*cells)[COLUMNS_MAX][CELL_SIZE]; /* (n_rows) */
};

static void cell(struct table *table, uint32_t row, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void cell(struct table *table, uint32_t row, uint32_t column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(table->cells[row][column], CELL_SIZE, format, args);
    va_end(args);
    if (column >= table->n_columns)
        table->n_columns = column + 1;
}

static void table_print(const struct table *table, FILE *out)
{
    int widths[COLUMNS_MAX] = {0};
    for (uint32_t r = 0; r < table->n_rows; r++)
        for (uint32_t c = 0; c < table->n_columns; c++) {
            int width = (int)strlen(table->cells[r][c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    for (uint32_t r = 0; r < table->n_rows; r++) {
        uint32_t last = table->n_columns; /* no blanks at the end of a line */
        while (last > 0 && !table->cells[r][last - 1][0])
            last--;
        for (uint32_t c = 0; c < last; c++)
            (void)fprintf(out, c + 1 < last ? "%-*s  " : "%.*s",
                          c + 1 < last ? widths[c] : CELL_SIZE, table->cells[r][c]);
        (void)fputc('\n', out);
    }
}

static int property_find(const struct candidates *list, const char *name)
{
    for (uint32_t p = 0; p < list->n_properties; p++)
        if (!strcmp(list->properties[p].name, name))
            return (int)p;
    return -1;
}

/* "5.96 (6.10 +- 0.21)": computed, and predicted with its spread; what there is of them. */
static void value_cell(struct table *table, uint32_t row, uint32_t column,
                       const struct candidate *c, int p)
{
    double exact = p < 0 ? (double)NAN : value_of(c->exact, (uint32_t)p);
    double mean = p < 0 ? (double)NAN : value_of(c->predicted, (uint32_t)p);
    if (isfinite(exact) && isfinite(mean))
        cell(table, row, column, "%.4g (%.4g +- %.2g)", exact, mean, c->spread[p]);
    else if (isfinite(mean))
        cell(table, row, column, "%.4g +- %.2g", mean, c->spread[p]);
    else if (isfinite(exact))
        cell(table, row, column, "%.4g", exact);
    else
        cell(table, row, column, "-");
}

static void range_cell(struct table *table, uint32_t column, const struct target *target,
                       const char *unit)
{
    const char *space = unit[0] ? " " : "";
    if (isinf(target->low))
        cell(table, 1, column, "<= %.4g%s%s", target->high, space, unit);
    else if (isinf(target->high))
        cell(table, 1, column, ">= %.4g%s%s", target->low, space, unit);
    else
        cell(table, 1, column, "%.4g..%.4g%s%s", target->low, target->high, space, unit);
}

static void table_head(struct table *table, const struct candidates *list,
                       const struct targets *targets)
{
    uint32_t column = 0;
    cell(table, 0, column++, "rank");
    cell(table, 0, column++, "formula");
    cell(table, 0, column++, "space group");
    cell(table, 1, column - 1, targets->n ? "asked:" : "");
    for (uint32_t t = 0; t < targets->n; t++, column++) {
        int p = property_find(list, targets->items[t].property);
        cell(table, 0, column, "%s", targets->items[t].property);
        range_cell(table, column, &targets->items[t], p < 0 ? "" : list->properties[p].unit);
    }
    cell(table, 0, column++, "met");
    cell(table, 0, column++, "probability");
    cell(table, 0, column++, "new");
    cell(table, 0, column++, "geometry");
}

static void table_row(struct table *table, const struct candidates *list,
                      const struct targets *targets, uint32_t i)
{
    const struct candidate *c = &list->items[i];
    uint32_t row = i + 2, column = 0;
    char formula[FORMULA_SIZE];
    protostructure_formula(&c->record.proto, formula, sizeof formula);
    cell(table, row, column++, "%u", i + 1);
    cell(table, row, column++, "%s", formula);
    cell(table, row, column++, "%u %s", c->record.proto.spacegroup, symbol_of(c));
    for (uint32_t t = 0; t < targets->n; t++)
        value_cell(table, row, column++, c, property_find(list, targets->items[t].property));
    cell(table, row, column++, "%s",
         verdict_text(c->satisfied_exact != VERDICT_UNKNOWN ? c->satisfied_exact
                                                            : c->satisfied_predicted));
    if (isfinite(c->probability))
        cell(table, row, column++, "%.2f", c->probability);
    else
        cell(table, row, column++, "-");
    cell(table, row, column++, "%s", c->novel ? "yes" : "no");
    cell(table, row, column++, "%s%s%s", geometry_text(c->geometry),
         c->template_id[0] ? " " : "", c->template_id);
}

void export_table(FILE *out, const struct candidates *candidates, const struct targets *targets,
                  unsigned n)
{
    uint32_t rows = n < candidates->n ? n : candidates->n;
    if (rows == 0) {
        (void)fprintf(out, "no candidates\n");
        return;
    }
    struct table table = {.n_rows = rows + 2};
    table.cells = mem_new(table.n_rows, sizeof *table.cells);
    table_head(&table, candidates, targets);
    for (uint32_t i = 0; i < rows; i++)
        table_row(&table, candidates, targets, i);
    if (targets->n == 0) { /* no ranges to print above */
        memmove(table.cells + 1, table.cells + 2, rows * sizeof *table.cells);
        table.n_rows--;
    }
    table_print(&table, out);
    if (rows < candidates->n)
        (void)fprintf(out, "... and %u more\n", candidates->n - rows);
    free(table.cells);
}
