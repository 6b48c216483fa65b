/* Names of protostructures: formulas, prototypes and labels, printed and parsed.
 *
 * A label is "AB3C_cP5_221_a_c_b:Ba-O-Ti": prototype formula, Pearson symbol, number of the
 * space group, Wyckoff letters of each element ("2e": twice on e), elements. A prototype is the
 * part before the colon. The form is that of AFLOW's prototype labels (Hicks et al. 2021, npj
 * Comput. Mater. 7, 30) with the elements behind a colon, as aviary and WyckoffDiff print them:
 * elements in alphabetical order, the formula's A, B, C in that same order. */
#ifndef WYCKMILL_CRYSTAL_LABEL_H
#define WYCKMILL_CRYSTAL_LABEL_H

#include "common/err.h"
#include "proto/objects.h"

#include <stdbool.h>

/* Caller frees. Where AFLOW and aviary differ we print as AFLOW does: hR counts the atoms of
 * the primitive (rhombohedral) cell, so corundum is A2B3_hR10_167_c_e; aviary has hR30. */
char *protostructure_label(const struct protostructure *proto);
/* Label of the record's canonical form. Caller frees. */
char *record_label(const struct record *record);
/* The part before ':': the prototype, without elements. Caller frees. */
char *protostructure_prototype(const struct protostructure *proto);
/* Reduced formula, elements by electronegativity then alphabet: "BaTiO3". `size` >= 64. */
void protostructure_formula(const struct protostructure *proto, char *ret, size_t size);

/* A label, or a prototype where `ret_anonymous` is not NULL. Whatever a label says twice must
 * agree: formula, Pearson symbol and letters. Taken, though never printed: elements (with their
 * A, B, C and letters) in any order, hR with the atoms of the hexagonal cell, S, A or B for C,
 * letters in any order or repeated ("fe", "ee"), amounts of 1.
 * ret            sites sorted, passes protostructure_check; caller owns (protostructure_done)
 * ret_anonymous  true: no elements were given. A, B, C, ... are then the elements in the
 *                alphabetical order of their symbols (Ac, Ag, Al, ...), stand-ins from which
 *                protostructure_prototype gives the prototype back.
 * Errors: ERR_INVALID; the sentence says at which character (counted from 1), what stands there
 * and what is wrong with it, the hint what it should be. */
int protostructure_parse(const char *text, struct protostructure *ret, bool *ret_anonymous,
                         struct err *err);

/* "A" for the first stand-in, and so on; "AA" behind "Z". */
void protostructure_stand_in_name(uint8_t element, char ret[4]);

/* All descriptions of this crystal that its group's normalizer makes equivalent, mirror images
 * included (`proto` must pass protostructure_check), each once, in the order of
 * protostructure_compare_descriptions: the canonical one first. Returns how many, at least 1.
 * Caller owns the array and each of them (protostructure_done, free). */
uint32_t protostructure_equivalents(const struct protostructure *proto,
                                    struct protostructure **ret);

#endif
