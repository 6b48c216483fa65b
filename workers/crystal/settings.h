/* The 530 settings of the 230 space groups that spglib's database knows: other axes, other
 * cells, other origins than the standard ones of International Tables. A setting is known by
 * its Hall number, 1..530. */
#ifndef WYCKMILL_CRYSTAL_SETTINGS_H
#define WYCKMILL_CRYSTAL_SETTINGS_H

#include "common/err.h"
#include "workers/crystal/words.h"
#include "workers/crystal/wyckoff.h"

enum { HALL_MAX = 530, SETTINGS_MAX = 16, SETTING_OPERATIONS_MAX = 192 };

/* x' = rotation x + translation, fractional. */
struct operation {
    int rotation[3][3];
    double translation[3];
};

struct setting {
    int hall_number;
    int number;           /* of the group */
    bool standard;        /* that of wyckoff.h */
    char symbol[24];      /* full Hermann-Mauguin, "P 1 2_1/n 1" */
    char hall_symbol[24]; /* "-P 2yn" */
    char choice[8];       /* axes, cell or origin: "b2", "cab", "1", "H"; "" the only one */
    char schoenflies[8];  /* of the group, "C2h^5" */
    char point_group[8];  /* of the group, "2/m" */
};

/* hall_number 1..530. */
struct setting setting_get(int hall_number);
/* Operations of a setting; returns how many, at most SETTING_OPERATIONS_MAX. */
int settings_operations(int hall_number, struct operation *ret);

/* Hall numbers of the settings that bear this name, the usual one first: a Hermann-Mauguin
 * symbol, short, full or of before 1992 ("P21/n", "P 1 2_1/n 1", "Bmab"), with or without
 * choice (":1", ":2", ":H", ":R", or as spglib names it, ":b2"), in any case, blanks and
 * underscores left out at will. Returns how many; 0: no setting is called so. */
int settings_named(struct text symbol, int ret_hall_numbers[SETTINGS_MAX]);
/* Hall number of a Hall symbol ("-P 2ybc"), also one without its blanks where that leaves no
 * doubt; 0: none has it. */
int settings_hall(struct text hall);
/* Hall numbers of the settings that a Hall symbol, else a Hermann-Mauguin symbol, else a number
 * (standard setting) can mean for a cell with these parameters, most usual first. Absent texts
 * have size 0. Returns how many. Errors: ERR_INVALID. */
int settings_find(struct text hall, struct text symbol, struct text number,
                  const double cell[6], int ret_hall_numbers[SETTINGS_MAX], struct err *err);

/* From a setting to the standard one: axes (a, b, c)_standard = (a, b, c) axes, origin of the
 * standard setting at `origin` in coordinates of this one. So x_standard = axes^-1 (x -
 * origin). Right-handed; the identity for the standard setting. */
struct basis {
    int axes[3][3]; /* columns are the standard axes */
    int origin[3];  /* in 1/8ths, 0..7 */
};

/* Found by trying, and checked: it maps the operations of the one onto those of the other.
 * Every setting has one (a test). Some milliseconds. Errors: ERR_SYMMETRY. */
int setting_to_standard(int hall_number, struct basis *ret, struct err *err);

#endif
