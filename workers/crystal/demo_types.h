/* The structure types of the demo set and the elements that fill them: data only, used by
 * demo.c. Both tables end with a NULL name. */
#ifndef WYCKMILL_CRYSTAL_DEMO_TYPES_H
#define WYCKMILL_CRYSTAL_DEMO_TYPES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DEMO_ROLES = 4,
    DEMO_SITES = 12,
    DEMO_BONDS = 3,
};

/* Sets a (and c where it is another) of the conventional cell, Angstrom, and the coordinates
 * `at` of the sites, from the radii (Angstrom) of the roles: where scaling the cell will not
 * do. */
typedef void demo_shape(const double radii[DEMO_ROLES], double cell[6], double (*at)[3]);

/* Which element choices a type bears. */
enum demo_limit {
    LIMIT_NONE,
    LIMIT_TOLERANCE, /* Goldschmidt's t = (rA + rX) / sqrt2 (rB + rX), and rB / rX > 0.4; with
                        four roles rB is the mean of B and C */
    LIMIT_RATIO,     /* rA / rB */
};

struct demo_type {
    const char *name;
    uint16_t spacegroup;
    double b, c, beta; /* b/a, c/a, degrees; 0 where the crystal system fixes it */
    struct {
        char letter; /* '\0' ends */
        uint8_t role;
        double at[3]; /* any one atom of the orbit; unused where nothing is free */
    } sites[DEMO_SITES];
    uint8_t coordination[DEMO_ROLES]; /* for Shannon's radii */
    /* The cell is scaled so that the weighted sum of the shortest i-j distances is that of the
     * radius sums. Unused when `shape` is given. */
    struct {
        uint8_t i, j;
        double weight; /* 0 ends */
    } bonds[DEMO_BONDS];
    demo_shape *shape;
    enum demo_limit limit;
    double limit_low, limit_high;
};

enum demo_radius { RADIUS_IONIC, RADIUS_COVALENT, RADIUS_METALLIC };

struct demo_choice {
    const char *type;
    enum demo_radius radius;
    double factor; /* on all radii; 0 = 1. Goldschmidt: 0.97 for metals in 8-coordination */
    struct {
        const char *symbols; /* separated by blanks; NULL ends. All combinations are made,
                                those with one element in two roles left out */
        int8_t charge;       /* 0 unless ionic */
    } roles[DEMO_ROLES];
};

extern const struct demo_type demo_types[];
extern const struct demo_choice demo_choices[];

#endif
