#ifndef WYCKMILL_REALIZE_ELECTRONEGATIVITY_H
#define WYCKMILL_REALIZE_ELECTRONEGATIVITY_H

#include "workers/crystal/elements.h"

/* Pauling's, and for elements without one that of hydrogen: neither giver nor taker. */
static inline double electronegativity(int z)
{
    double value = element_get(z)->electronegativity;
    return value > 0 ? value : 2.2;
}

#endif
