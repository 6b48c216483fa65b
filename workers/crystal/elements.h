/* Facts about the elements, Z = 1..103. Sources stand beside each column in elements.c. */
#ifndef WYCKMILL_CRYSTAL_ELEMENTS_H
#define WYCKMILL_CRYSTAL_ELEMENTS_H

#include <stdint.h>

struct element {
    const char *symbol;
    double mass;              /* u; IUPAC 2021 abridged, mass number for the radioactive */
    double electronegativity; /* Pauling; 0 = no value */
    double
        radius_covalent; /* Angstrom; Cordero et al. 2008 (Cm and before), then Pyykko 2009 */
    double radius_metallic; /* Angstrom, 12-coordinate; 0 = no metal */
    uint8_t group, period;  /* 1..18 (lanthanides and actinides 3), 1..7 */
    int8_t charges[6];      /* common oxidation states, most common first, 0 ends */
};

/* Z 1..103; NULL otherwise. */
const struct element *element_get(int z);
/* "Ba" -> 56; 0 when unknown. `size` bytes of text, case sensitive. D and T read as H. */
int element_parse(const char *text, int size);
/* Shannon's effective ionic radius, Angstrom (Acta Cryst. A32, 751, 1976) for charge and
 * coordination number (nearest tabulated one); 0 when the ion is not tabulated. */
double element_radius_ionic(int z, int charge, int coordination);
/* 0..1, 1 = same: from electronegativity, covalent radius, group and period. */
double element_similarity(int a, int b);

#endif
