/* CSV with a column of structures, as CDVAE's data sets are: RFC 4180 and nothing looser, for a
 * quote inside a bare cell is how a broken row shows. A row becomes a small table of its own
 * (id, numbers, structure), so that an item does not depend on the rows and columns around. */
#include "workers/crystal/csv.h"

#include "common/mem.h"
#include "workers/crystal/reader.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    COLUMNS_MAX = 1024,
    CELL_BYTES_MIN = 32, /* of a structure: no CIF is shorter */
    NAME_BYTES_MAX = PROPERTY_NAME_SIZE + UNIT_SIZE + 2,
};

/* ---- records ---- */

struct cell {
    struct text text; /* between the quotes, "" still doubled */
    bool quoted;
    uint32_t line; /* where it begins */
};

struct row {
    uint32_t n;
    size_t capacity;
    struct cell *cells;
};

/* The content of a quoted cell; reader.at is behind the opening quote, then behind the closing
 * one. False when there is none. */
static bool quoted_cell(struct text_reader *reader, struct text *ret)
{
    const char *begin = reader->at, *at = begin;
    for (;; at++) {
        const char *quote = memchr(at, '"', (size_t)(reader->end - at));
        if (!quote)
            return false;
        for (; at < quote; at++)
            reader->line += *at == '\n';
        if (quote + 1 < reader->end && quote[1] == '"') {
            at++;
            continue;
        }
        *ret = (struct text){begin, (size_t)(quote - begin)};
        reader->at = quote + 1;
        return true;
    }
}

static bool ends_cell(const struct text_reader *reader, char delimiter)
{
    const char *at = reader->at;
    return at == reader->end || *at == delimiter || *at == '\n' ||
           (*at == '\r' && (at + 1 == reader->end || at[1] == '\n'));
}

/* NULL, or what is wrong with the cell. */
static const char *read_cell(struct text_reader *reader, char delimiter, struct cell *ret)
{
    *ret = (struct cell){.line = reader->line};
    if (reader->at < reader->end && *reader->at == '"') {
        ret->quoted = true;
        reader->at++;
        if (!quoted_cell(reader, &ret->text))
            return "its quote has no end";
        return ends_cell(reader, delimiter)
                   ? NULL
                   : "its quote has no end, or a quote inside is not doubled";
    }
    const char *begin = reader->at;
    while (!ends_cell(reader, delimiter) && *reader->at != '"')
        reader->at++;
    ret->text = (struct text){begin, (size_t)(reader->at - begin)};
    return ends_cell(reader, delimiter) ? NULL
                                        : "a quote inside a cell that does not begin with one";
}

/* One record with its line end; at least one cell. On failure the reader is where it went wrong
 * and `reason` says how. */
static bool read_row(struct text_reader *reader, char delimiter, struct row *ret,
                     char reason[REASON_SIZE])
{
    uint32_t first = reader->line;
    for (ret->n = 0;;) {
        if (ret->n == COLUMNS_MAX) {
            (void)snprintf(reason, REASON_SIZE, "more than %d cells", COLUMNS_MAX);
            return false;
        }
        mem_reserve(ret->cells, ret->capacity, ret->n + 1u);
        const char *wrong = read_cell(reader, delimiter, &ret->cells[ret->n]);
        ret->n++;
        if (wrong) {
            (void)snprintf(reason, REASON_SIZE, "cell %u of the row, in its line %u: %s",
                           ret->n, reader->line - first + 1, wrong);
            return false;
        }
        if (reader->at == reader->end || *reader->at != delimiter)
            break;
        reader->at++;
    }
    struct text rest;
    (void)text_line(reader, &rest); /* the line end */
    return true;
}

/* The text of a cell with its quotes single again; `to` has room for cell->text.size bytes. */
static struct text unquote(const struct cell *cell, char *to)
{
    size_t n = 0;
    for (size_t i = 0; i < cell->text.size; i++) {
        to[n++] = cell->text.data[i];
        i += cell->quoted && cell->text.data[i] == '"';
    }
    return (struct text){to, n};
}

void csv_print(struct buf *out, const char *text, size_t size)
{
    bool bare = size == 0 || text[0] != ' ';
    for (size_t i = 0; i < size && bare; i++)
        bare = !strchr(",;\"\r\n\t", text[i]);
    if (bare) {
        buf_append(out, text, size);
        return;
    }
    buf_append(out, "\"", 1);
    for (const char *at = text, *end = text + size; at < end;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *stop = quote ? quote + 1 : end;
        buf_append(out, at, (size_t)(stop - at));
        if (quote)
            buf_append(out, "\"", 1);
        at = stop;
    }
    buf_append(out, "\"", 1);
}

/* A cell into another table: its quoting stays. */
static void copy_cell(struct buf *out, const struct cell *cell)
{
    if (!cell->quoted) {
        csv_print(out, cell->text.data, cell->text.size);
        return;
    }
    buf_append(out, "\"", 1);
    buf_append(out, cell->text.data, cell->text.size);
    buf_append(out, "\"", 1);
}

/* ---- columns ---- */

struct table {
    char delimiter;
    uint32_t n;        /* columns */
    int structure, id; /* -1: none */
    bool index;        /* the id is a row number: unique only with the file's name */
    struct row header;
};

/* The first column with the first of these names that there is; -1: none of them. */
static int find_column(const struct row *header, const char *const *names)
{
    for (; *names; names++)
        for (uint32_t i = 0; i < header->n; i++)
            if (text_equal_nocase(text_trim(header->cells[i].text), *names))
                return (int)i;
    return -1;
}

static void find_columns(struct table *table)
{
    static const char *const structures[] = {"cif", "cif_str", "cif_string", "structure", NULL};
    static const char *const ids[] = {"id", "material_id", NULL};
    static const char *const indices[] = {"", "index", "unnamed: 0", NULL}; /* pandas' */
    table->n = table->header.n;
    table->structure = find_column(&table->header, structures);
    table->id = find_column(&table->header, ids);
    table->index = table->id < 0;
    if (table->index)
        table->id = find_column(&table->header, indices);
}

/* Is a column of this name never a property? */
static bool is_index(struct text name)
{
    name = text_trim(name);
    return name.size == 0 || text_equal_nocase(name, "id") ||
           text_equal_nocase(name, "index") || text_begins_nocase(name, "unnamed: ");
}

static bool is_property(const struct table *table, uint32_t column)
{
    struct text name = table->header.cells[column].text;
    return (int)column != table->id && (int)column != table->structure &&
           name.size <= NAME_BYTES_MAX && !is_index(name) &&
           !property_is_left_out(text_trim(name));
}

/* ---- splitting ---- */

/* id, numbers and structure of one row as a table of its own. */
static void add_item(const struct table *table, const struct row *row, const char *file,
                     struct source *source)
{
    struct buf head = {0}, cells = {0};
    const struct cell *structure = &row->cells[table->structure];
    uint32_t n = 0;
    buf_print(&head, "id");
    if (table->id >= 0 && table->index) {
        char stem[ID_SIZE / 2];
        struct buf id = {0};
        struct text value = text_trim(row->cells[table->id].text);
        file_stem(file, stem, sizeof stem);
        buf_print(&id, "%s:%.*s", stem, value.size < ID_SIZE ? (int)value.size : ID_SIZE,
                  value.data);
        csv_print(&cells, (const char *)id.data, id.size);
        buf_done(&id);
    } else if (table->id >= 0) {
        copy_cell(&cells, &row->cells[table->id]);
    }
    for (uint32_t i = 0; i < table->n && n < PROPERTIES_MAX; i++) {
        double value;
        if (!is_property(table, i) || !text_number(text_trim(row->cells[i].text), &value))
            continue;
        buf_append(&head, ",", 1);
        copy_cell(&head, &table->header.cells[i]);
        buf_append(&cells, ",", 1);
        copy_cell(&cells, &row->cells[i]);
        n++;
    }
    buf_print(&head, ",cif\n");
    buf_append(&head, cells.data, cells.size);
    buf_append(&head, ",", 1);
    copy_cell(&head, structure);
    source_add_text(source, file, structure->line, "csv",
                    (struct text){(const char *)head.data, head.size});
    buf_done(&head);
    buf_done(&cells);
}

/* A record that can be a row: all its cells, and something in the one that counts. */
static bool is_row(const struct table *table, const struct row *row, char reason[REASON_SIZE])
{
    if (row->n != table->n) {
        (void)snprintf(reason, REASON_SIZE, "the row has %u cells, the header %u", row->n,
                       table->n);
        return false;
    }
    struct text cell = text_trim(row->cells[table->structure].text);
    struct text name = text_trim(table->header.cells[table->structure].text);
    if (cell.size < CELL_BYTES_MIN)
        (void)snprintf(reason, REASON_SIZE, "no structure in column '%s': the cell %s%s%s",
                       text_quote(name).text, cell.size ? "is '" : "is empty",
                       text_quote(cell).text, cell.size ? "'" : "");
    return cell.size >= CELL_BYTES_MIN;
}

static bool holds(struct text text, const char *word)
{
    for (const char *end = text.data + text.size; text.size > 0;) {
        const char *at = memchr(text.data, word[0], text.size);
        if (!at)
            return false;
        if (text_begins_nocase((struct text){at, (size_t)(end - at)}, word))
            return true;
        text = (struct text){at + 1, (size_t)(end - (at + 1))};
    }
    return false;
}

/* Is this the text of a structure, and not one line of it? */
static bool is_structure(const struct cell *cell)
{
    struct text text = text_trim(cell->text);
    return (text.size > 0 && text.data[0] == '{') ||
           (holds(text, "_cell") && holds(text, "_atom_site"));
}

static void skip_line(struct text_reader *reader)
{
    struct text line;
    (void)text_line(reader, &line);
}

static bool skip_blank_line(struct text_reader *reader)
{
    struct text_reader next = *reader;
    struct text line;
    if (!text_line(&next, &line) || text_trim(line).size > 0)
        return false;
    *reader = next;
    return true;
}

/* Behind a row that is none, each line is tried as the beginning of the next good one, so that
 * a quote without end costs its own row only. Trying is linear on the whole: a record goes over
 * a line end only inside a quote, which opens in one line and ends in another. */
static void split_rows(const struct table *table, struct text_reader *reader, const char *file,
                       struct source *source)
{
    struct row row = {0};
    struct left_out left_out = {0};
    while (reader->at < reader->end) {
        struct text_reader begin = *reader;
        char reason[REASON_SIZE];
        if (skip_blank_line(reader))
            continue;
        if (read_row(reader, table->delimiter, &row, reason) && is_row(table, &row, reason) &&
            (left_out.first == 0 || is_structure(&row.cells[table->structure]))) {
            left_out_tell(&left_out, file, source);
            add_item(table, &row, file, source);
            continue;
        }
        *reader = begin;
        skip_line(reader);
        left_out_add(&left_out, begin.line, begin.line, reason);
    }
    left_out_tell(&left_out, file, source);
    free(row.cells);
}

/* The delimiter is the one that gives a column with structures. */
static bool read_header(struct text_reader *reader, struct table *table,
                        char reason[REASON_SIZE])
{
    static const char delimiters[] = ",;\t";
    struct text_reader begin = *reader;
    char first[REASON_SIZE] = "";
    for (int i = 0; delimiters[i]; i++) {
        *reader = begin;
        table->delimiter = delimiters[i];
        if (read_row(reader, table->delimiter, &table->header, reason)) {
            find_columns(table);
            if (table->structure >= 0)
                return true;
            (void)snprintf(
                reason, REASON_SIZE,
                "no column is named cif, cif_str, cif_string or structure; the header "
                "begins '%s'",
                text_quote((struct text){begin.at, (size_t)(reader->at - begin.at)}).text);
        }
        if (i == 0)
            memcpy(first, reason, sizeof first);
    }
    memcpy(reason, first, sizeof first);
    return false;
}

void csv_split(const char *file, struct text text, struct source *source)
{
    struct text_reader reader = {text.data, text.data + text.size, 1};
    struct table table = {0};
    char reason[REASON_SIZE];
    while (skip_blank_line(&reader))
        ;
    uint32_t line = reader.line;
    if (read_header(&reader, &table, reason))
        split_rows(&table, &reader, file, source);
    else
        source_add_reject(source, file, line, "%s", reason);
    free(table.header.cells);
}

/* ---- parsing ---- */

/* The structure in a cell: CIF, or pymatgen's JSON. */
static int parse_cell(const struct source_item *item, struct text text, struct structure *ret,
                      uint32_t *ret_line, struct err *err)
{
    struct text inside = text_trim(text);
    struct source_item cell = *item;
    if (inside.size > 0 && inside.data[0] == '{') {
        cell.text = (char *)text.data; /* borrowed: parsers only look */
        cell.size = text.size;
        return json_parse(&cell, ret, ret_line, err);
    }
    struct source blocks = {0};
    cif_split(item->file, text, &blocks);
    int rc = 0;
    if (blocks.n_items > 1)
        rc = err_set(err, ERR_INVALID, "%u structures in one cell", blocks.n_items);
    else if (blocks.items[0].reject[0])
        rc = err_set(err, ERR_INVALID, "%s", blocks.items[0].reject);
    if (rc == 0) {
        blocks.items[0].line += item->line - 1;
        rc = cif_parse(&blocks.items[0], ret, ret_line, err);
    }
    source_done(&blocks);
    return rc;
}

static int parse_row(const struct source_item *item, const struct table *table,
                     const struct row *row, struct structure *ret, uint32_t *ret_line,
                     struct err *err)
{
    for (uint32_t i = 0; i < table->n; i++) {
        double value;
        char name[NAME_BYTES_MAX];
        if (is_property(table, i) && text_number(text_trim(row->cells[i].text), &value))
            structure_add_property(ret, unquote(&table->header.cells[i], name), value);
    }
    const struct cell *cell = &row->cells[table->structure];
    char *text = mem_new(cell->text.size + 1, 1);
    int rc = parse_cell(item, unquote(cell, text), ret, ret_line, err);
    free(text);
    ret->id[0] = '\0'; /* a data block's name is no id */
    if (table->id >= 0 && row->cells[table->id].text.size > 0) {
        text = mem_new(row->cells[table->id].text.size + 1, 1);
        struct text id = text_trim(unquote(&row->cells[table->id], text));
        if (id.size > 0)
            structure_set_id(ret, id);
        free(text);
    }
    return rc;
}

int csv_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
              struct err *err)
{
    struct text_reader reader = {item->text, item->text + item->size, item->line};
    struct table table = {0};
    struct row row = {0};
    char reason[REASON_SIZE];
    int rc = 0;
    *ret_line = item->line;
    if (!read_header(&reader, &table, reason) ||
        !read_row(&reader, table.delimiter, &row, reason) || !is_row(&table, &row, reason))
        rc = err_set(err, ERR_INVALID, "%s", reason);
    if (rc == 0)
        rc = parse_row(item, &table, &row, ret, ret_line, err);
    free(table.header.cells);
    free(row.cells);
    return rc;
}
