/* A periodic structure as files give it, and the way to and from encoded records. */
#ifndef WYCKMILL_CRYSTAL_STRUCTURE_H
#define WYCKMILL_CRYSTAL_STRUCTURE_H

#include "common/err.h"
#include "proto/objects.h"
#include "workers/crystal/label.h"
#include "workers/crystal/wyckoff.h"

struct structure {
    char id[ID_SIZE];
    bool unnamed; /* the file gives no id: it is made of file and line */
    char file[PATH_SIZE];
    uint32_t line;
    double lattice[3][3]; /* rows a, b, c, Angstrom */
    uint32_t n_atoms;
    uint8_t *species;  /* (n_atoms) atomic numbers */
    double (*frac)[3]; /* (n_atoms) fractional */
    uint32_t n_properties;
    struct {
        struct property property;
        double value;
    } * properties;
};

void structure_done(struct structure *structure);
void structure_done_ptr(struct structure **structure);
double structure_volume(const struct structure *structure);
/* Smallest distance between two atoms or an atom and its image, Angstrom. */
double structure_distance_min(const struct structure *structure);

/* Checks what no file format can promise: finite numbers, volume, known elements, atoms closer
 * than 0.5 Angstrom ("atoms 3 (O) and 7 (O) overlap: 0.02 A"). Errors: ERR_INVALID. */
int structure_check(const struct structure *structure, struct err *err);

/* Structure -> record: spglib (spg_get_dataset) at `symprec` Angstrom, standard setting,
 * free coordinates per orbit, canonical protostructure. record->properties is left NULL.
 * Errors: ERR_SYMMETRY, ERR_INVALID, ERR_LIMIT (ATOMS_MAX). */
int structure_to_record(const struct structure *structure, double symprec,
                        struct record *ret_record, struct err *err);
/* Record -> conventional cell, atoms orbit by orbit in table order. Caller owns
 * (structure_done). Errors: ERR_INVALID (letter not in group, two atoms on a fixed position),
 * ERR_NUMERIC. */
int record_to_structure(const struct record *record, struct structure *ret_structure,
                        struct err *err);
/* The same crystal in the primitive cell of the centring. Caller owns. */
int record_to_primitive(const struct record *record, struct structure *ret_structure,
                        struct err *err);

/* Space group that spglib finds (0 on failure). */
int structure_spacegroup(const struct structure *structure, double symprec);

/* Atoms in the conventional cell. */
uint32_t protostructure_atoms(const struct protostructure *proto);
/* Number of free coordinates over all sites. */
uint32_t protostructure_dof(const struct protostructure *proto);
/* Checks group, letters and occupation of fixed positions. Errors: ERR_INVALID. */
int protostructure_check(const struct protostructure *proto, struct err *err);
/* Sites into ascending order (letter, element). */
void protostructure_sort(struct protostructure *proto);
/* Which of two sorted descriptions of one crystal comes first: the one with the smaller
 * letters, whatever the elements (so that a structure type has one set of letters); then the
 * one with the more electropositive elements on the first letters (so that cations have the
 * same letters in all salts of a type). 0 for equal ones. */
int protostructure_compare_descriptions(const struct protostructure *a,
                                        const struct protostructure *b);
/* The first of the equivalent descriptions (workers/crystal/normalizer.h), sorted: the name of
 * a crystal however it was given. Mirror images count as equivalent where both have one group;
 * so enantiomorphs have two names only in the 11 pairs of groups such as P 41 and P 43. Records
 * of structure_to_record are in this form but in groups 22, 93, 98, 208 and 214, where the
 * crystal's own hand is kept and may have other letters: compare protostructure_canonical of
 * them. Do not call it on a record's proto, whose coordinates belong to its letters. */
void protostructure_canonicalize(struct protostructure *proto);
/* The canonical form of `proto`, a copy. Caller owns (protostructure_done). */
struct protostructure protostructure_canonical(const struct protostructure *proto);
/* A total order (group, number of sites, sites), 0 for equal ones: for sorting and searching.
 */
int protostructure_compare(const struct protostructure *a, const struct protostructure *b);
bool protostructure_equal(const struct protostructure *a, const struct protostructure *b);
void protostructure_copy(struct protostructure *to, const struct protostructure *from);
void protostructure_done(struct protostructure *proto);

#endif
