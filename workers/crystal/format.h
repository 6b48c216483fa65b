/* Readers and writers: extended XYZ (ASE dialect), CIF, POSCAR (VASP 4 and 5), CSV with a
 * column of structures, JSON (pymatgen's Structure.as_dict). Strict and fast; an unreadable
 * structure is a sentence with file and line, never the end of a batch. */
#ifndef WYCKMILL_CRYSTAL_FORMAT_H
#define WYCKMILL_CRYSTAL_FORMAT_H

#include "common/err.h"
#include "proto/objects.h"
#include "workers/crystal/structure.h"

enum {
    FORMAT_FILE_BYTES_MAX = 1 << 30,
    FORMAT_LINE_BYTES_MAX = 1 << 20, /* a longer line is refused with its length */
};

/* Parse one item (one frame, one CIF data block, one POSCAR, one row, one object).  *ret_line:
 * line of the error in the file (item.line based). On success the caller owns *ret; on failure
 * *ret has no atoms, but its id (when it could be read), file and line. Errors: ERR_INVALID,
 * ERR_LIMIT, ERR_NUMERIC, ERR_UNSUPPORTED (partial occupancy, ...). Numeric key=value columns
 * become properties. Sentences count lines from the structure's first: they must not change when
 * something is added in front of it in the file. */
int format_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
                 struct err *err);

/* "FILE:LINE", the id of a structure that has none in its file (structure.unnamed). */
void structure_id_of_line(const char *file, uint32_t line, char ret[ID_SIZE]);

/* Split the text of one file into items without parsing them: frames of extXYZ and rows of CSV
 * (both resynchronize behind a broken one), data blocks of CIF, one POSCAR, objects of JSON.
 * Format from the name's ending, .zst already removed. Whatever cannot be split becomes an item
 * with `reject` set. Appends to *source. Cannot fail. */
void format_split(const char *file, struct span text, struct source *source);

/* Read files and folders (recursively, sorted by name), "-" (stdin, extXYZ), .zst, .tar,
 * .tar.zst; a file that cannot be opened becomes a rejected item. Errors: ERR_NOT_FOUND only
 * when `path` itself does not exist. Names in items are relative to the folder given. */
int format_ingest(const char *path, struct source *source, struct err *err);

/* Writers append to `out`. Structures from records so that all formats agree. */

/* One structure on its way out. */
struct format_out {
    const struct structure *structure; /* with id and properties */
    const struct record *record;       /* of the same crystal; NULL: not known */
    bool all_atoms; /* `structure` is another cell than the record's: CIF in P 1, as without */
    const char *name; /* of the data block in CIF; unique in a file */
};

/* A whole file of `n` structures. `format` is a name that format_name gives. What a format
 * cannot hold (several structures in a POSCAR) is ERR_INVALID; also a record that is no
 * structure. `out` may be half filled on failure. */
int format_write(const char *format, const struct format_out *list, uint32_t n, struct buf *out,
                 struct err *err);
/* "extxyz", "cif", "vasp", "csv" or "json" of a file's name (.zst does not matter); NULL: none.
 */
const char *format_name(const char *file);

/* CIF with symmetry: cell, group symbol and number, operations, asymmetric unit. `note` lines
 * become comments (may be NULL). Errors as record_to_structure. */
int cif_write(const struct record *record, const char *name, const char *note, struct buf *out,
              struct err *err);
/* CIF of all atoms as they are, with the identity as the only operation. */
void cif_write_plain(const struct structure *structure, const char *name, const char *note,
                     struct buf *out);
/* One extXYZ frame of the structure; `keys` is ready key=value text (may be NULL). */
void extxyz_write(const struct structure *structure, const char *keys, struct buf *out);
/* Append " name=value", quoted where needed, to the keys of a frame. */
void extxyz_write_key(const char *name, const char *value, struct buf *out);
void poscar_write(const struct structure *structure, const char *comment, struct buf *out);
/* pymatgen's Structure.as_dict with the members "id", "properties" and "units" beside its own;
 * no line end. Numbers read back as the same doubles. */
void json_write(const struct structure *structure, struct buf *out);

#endif
