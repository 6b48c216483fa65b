/* The volume of a crystal from its composition, learned from the training records: every
 * element has a volume, which grows or shrinks with the electronegativity of the company it is
 * in. */
#ifndef WYCKMILL_REALIZE_VOLUME_MODEL_H
#define WYCKMILL_REALIZE_VOLUME_MODEL_H

#include "proto/objects.h"

struct volume_model {
    double volume[ELEMENT_MAX + 1]; /* Angstrom^3 per atom in neutral company */
    double change[ELEMENT_MAX + 1]; /* per unit of electronegativity (mean of all - own) */
};

/* Works (from covalent radii) for a data set without records. Caller owns: free(). */
struct volume_model *volume_model_new(const struct dataset *dataset);

/* Of the conventional cell, Angstrom^3; always positive. */
double volume_predict(const struct volume_model *model, const struct protostructure *proto);

#endif
