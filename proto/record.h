/* What the codecs of data sets, samples and candidates share: protostructures and records, one
 * by one and as columns. Inside proto/ only. */
#ifndef WYCKMILL_PROTO_RECORD_H
#define WYCKMILL_PROTO_RECORD_H

#include "proto/objects.h"
#include "proto/value.h"

/* ---- many protostructures as columns ---- */

struct proto_columns {
    uint32_t n;
    uint16_t *spacegroups, *counts; /* (n), counts of sites */
    struct span letters, elements;  /* all sites, one after the other; when read: borrowed */
    size_t n_sites;
    struct buf letters_buf, elements_buf; /* when written */
    size_t next;                          /* first site not yet taken */
};

void proto_columns_done(struct proto_columns *columns);
/* Writing: begin, add each, then pack the columns under their keys. */
void proto_columns_begin(struct proto_columns *columns, uint32_t n_max);
void proto_columns_add(struct proto_columns *columns, const struct protostructure *proto);
/* Reading: the keys "elements", "letters", "sites", "spacegroups" of `map`, for n of them. */
int proto_columns_read(struct value map, uint32_t n, struct proto_columns *ret,
                       struct err *err);
/* The next protostructure, checked; allocates its sites. */
int proto_columns_take(struct proto_columns *columns, uint32_t index,
                       struct protostructure *ret, struct err *err);

/* ---- one record as a map (without properties) ---- */
void record_pack(struct pack *pack, const struct record *record);
/* On failure *ret holds what record_done frees. */
int record_unpack(struct value map, struct record *ret, struct err *err);

/* ---- columns of text and numbers ---- */

/* Integer of a map, 0..max. */
int map_u32(struct value map, const char *key, uint32_t max, uint32_t *ret, struct err *err);
/* (count) doubles under `key`, each finite, or NaN when `nan_allowed`. */
int map_f64_column(struct value map, const char *key, size_t count, bool nan_allowed,
                   double *ret, struct err *err);
/* One double under `key`: finite or NaN. */
int map_f64_or_nan(struct value map, const char *key, double *ret, struct err *err);
/* NaN for what is not finite. */
double missing_if_not_finite(double value);

/* The "properties" of data sets and candidates: array of {name, unit}. */
void properties_pack(struct pack *pack, const struct property *properties, uint32_t n);
int properties_unpack(struct value array, struct property *ret, uint32_t *ret_n,
                      struct err *err);

#endif
