/* Training records to start from: those with the same occupied Wyckoff positions in the same
 * group. The best have the same prototype (elements may differ, but equal elements sit where
 * equal elements sat); failing that, any occupation of the same positions serves. */
#ifndef WYCKMILL_REALIZE_TEMPLATE_H
#define WYCKMILL_REALIZE_TEMPLATE_H

#include "proto/objects.h"

struct template_index; /* borrows the data set */

/* Index of the training records. Caller owns. */
struct template_index *template_index_new(const struct dataset *dataset);
void template_index_free(struct template_index *index);

struct template_match {
    const struct record *record; /* borrowed from the data set */
    bool same_prototype;
    double similarity; /* 0..1, mean of element_similarity over the atoms */
    uint32_t *site;    /* (n_sites) site of the record for each site asked for; caller frees */
};

/* The best `max` templates for `proto`, best first: same prototype before other, then higher
 * similarity, then record id. Returns how many; each match is the caller's
 * (template_match_done). */
uint32_t template_find(const struct template_index *index, const struct protostructure *proto,
                       uint32_t max, struct template_match *ret_matches);
void template_match_done(struct template_match *match);

#endif
