/* What the readers of the single formats share; users include format.h. */
#ifndef WYCKMILL_CRYSTAL_READER_H
#define WYCKMILL_CRYSTAL_READER_H

#include "workers/crystal/format.h"
#include "workers/crystal/settings.h"
#include "workers/crystal/words.h"

enum {
    ITEM_BYTES_MAX = 16 << 20, /* text of one structure; 2000 atoms need less than 1 MiB */
};

/* ---- splitting: append one item to a source that began empty and was filled by these only
 * (source_append moves it behind any other). ---- */
void source_add_text(struct source *source, const char *file, uint32_t line, const char *format,
                     struct text text);
void source_add_reject(struct source *source, const char *file, uint32_t line,
                       const char *format_text, ...) __attribute__((format(printf, 4, 5)));

/* As format_split. */
void source_split(const char *file, struct text text, struct source *source);
/* Move all items of `from` behind those of `to`; `from` is empty then. */
void source_append(struct source *to, struct source *from);

/* Cut the text of a whole file. Cannot fail: what cannot be cut becomes a rejected item. */
void extxyz_split(const char *file, struct text text, struct source *source);
void cif_split(const char *file, struct text text, struct source *source);
void poscar_split(const char *file, struct text text, struct source *source);

/* ---- parsing: one item; contracts of format_parse. `ret` is zeroed by the caller and may be
 * half filled on failure (structure_done); its id stays empty when the text names none. ---- */
int extxyz_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
                 struct err *err);
int cif_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
              struct err *err);
int poscar_parse(const struct source_item *item, struct structure *ret, uint32_t *ret_line,
                 struct err *err);

/* Three numbers off the front of `rest`. `what` names them: "position of atom 3".
 * Errors: ERR_INVALID. */
int read_vector(struct text *rest, const char *what, double ret[3], struct err *err);
/* The next line, at most FORMAT_LINE_BYTES_MAX long. `what` names what should stand there.
 * Errors: ERR_INVALID at the end of the text, ERR_LIMIT. */
int read_line(struct text_reader *reader, const char *what, struct text *ret, struct err *err);
/* Room for `n` atoms. Errors: ERR_INVALID (none), ERR_LIMIT (more than ATOMS_MAX). */
int structure_allocate(struct structure *structure, uint64_t n, struct err *err);
/* frac = Cartesian times the inverse of the lattice, for all atoms, in place.
 * Errors: ERR_INVALID, a cell without volume. */
int structure_from_cartesian(struct structure *structure, struct err *err);

/* ---- CIF: symmetry given in words (names of groups: settings.h) ---- */
enum { CIF_OPERATIONS_MAX = 1024 };

/* "x, -y+1/2, z" or "1/2+X,.5-Y,Z". Errors: ERR_INVALID. */
int operation_parse(struct text text, struct operation *ret, struct err *err);

/* The name of a file without folders and without endings of structure files. */
void file_stem(const char *file, char *ret, size_t size);

#endif
