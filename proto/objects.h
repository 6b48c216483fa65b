/* Stored objects of the crystal half: plain data and their canonical bytes.
 *   "source"     raw text of a few input structures (what encode reads)
 *   "dataset"    encoded structures (a shard, or all shards assembled)
 *   "samples"    protostructures drawn by the model
 *   "candidates" realized, scored or ranked structures
 *   "tally"      counts of all rounds that were ranked so far
 * Every decoder bounds counts before it allocates, checks every range (letters, elements,
 * finite numbers) and returns ERR_CORRUPT or ERR_LIMIT with the field's name. */
#ifndef WYCKMILL_PROTO_OBJECTS_H
#define WYCKMILL_PROTO_OBJECTS_H

#include "common/err.h"
#include "common/hash.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ELEMENT_MAX = 103, /* atomic numbers 1..103 */
    GROUP_MAX = 230,
    LETTER_MAX = 27,  /* letters a..z, A: index 0..26 */
    SITES_MAX = 512,  /* occupied orbits of one crystal */
    ATOMS_MAX = 2000, /* in the conventional cell */
    PROPERTIES_MAX = 32,
    PROPERTY_NAME_SIZE = 48,
    UNIT_SIZE = 24,
    ID_SIZE = 96,
    PATH_SIZE = 256,
    REASON_SIZE = 320,
};

/* Counts in one object; more than that is ERR_LIMIT when read, and asserted when written. */
enum {
    RECORDS_MAX = 4 << 20,
    REJECTS_MAX = 1 << 20,
    SOURCE_ITEMS_MAX = 1 << 20,
    SAMPLES_MAX = 1 << 20,
    CANDIDATES_MAX = 1 << 20,
};

/* ---- protostructure: which element on which Wyckoff position of which group ---- */
struct site {
    uint8_t letter;  /* 0 = 'a' ... 26 = 'A' */
    uint8_t element; /* atomic number */
};

/* Sites ascending by (letter, element); one entry per orbit, so a free position may repeat. */
struct protostructure {
    uint16_t spacegroup; /* 1..230, ITA standard setting */
    uint16_t n_sites;
    struct site *sites;
};

/* ---- property columns ---- */
struct property {
    char name[PROPERTY_NAME_SIZE];
    char unit[UNIT_SIZE]; /* "" = unknown or none */
};

/* A source that begins inside a file counts that file's lines from its own beginning and sets
 * this bit in them, so that its bytes do not change when something is added in front of it; so
 * do the shard made of it and its rejects. assemble, which is told the lines in front, turns
 * them into lines of the file. Without the bit a line is one of the file. */
#define LINE_RELATIVE (UINT32_C(1) << 31)

/* ---- one encoded structure ---- */
struct record {
    char id[ID_SIZE];       /* as the source names it; unique within a data set. In a shard ""
                               when the source names none: assemble calls it FILE:LINE */
    char source[PATH_SIZE]; /* file name without machine-specific folders */
    uint32_t line;          /* where it starts in the file, 1-based; see LINE_RELATIVE */
    struct protostructure proto;
    double cell[6];     /* conventional cell a, b, c (Angstrom), alpha, beta, gamma (degrees) */
    double (*free)[3];  /* (n_sites) x, y, z of the representative; 0 where not free */
    double *properties; /* (n_properties of the data set); NaN = missing */
};

struct reject {
    char id[ID_SIZE]; /* "" when unknown */
    char file[PATH_SIZE];
    uint32_t line; /* 1-based; 0 = whole file; see LINE_RELATIVE */
    char reason[REASON_SIZE];
};

enum split { SPLIT_TRAIN = 0, SPLIT_VALIDATION = 1 };

struct dataset {
    uint32_t n_properties;
    struct property properties[PROPERTIES_MAX];
    uint32_t n_records;
    struct record *records;
    uint8_t *splits; /* (n_records) enum split; all train in a shard */
    uint32_t n_rejects;
    struct reject *rejects;
};

void record_done(struct record *record);
void dataset_done(struct dataset *dataset);
/* All encoders append to `out` and cannot fail. What no decoder would take back (unknown
 * element, sites out of order, a cell that is not finite) is our own bug, and asserted; a
 * property, energy or the like that is not finite is written as NaN, that is missing. A NULL
 * column of properties is all missing, NULL splits are all train. */
void dataset_encode(const struct dataset *dataset, struct buf *out);
int dataset_decode(struct span bytes, struct dataset *ret, struct err *err);
/* Deep copy (`to` is overwritten, not freed) of a record whose data set has n_properties
 * columns. */
void record_copy(struct record *to, const struct record *from, uint32_t n_properties);
int dataset_property_find(const struct dataset *dataset, const char *name); /* -1: none */

/* ---- source shard: text in, not yet parsed ---- */
/* Small, because a frame can be: a file of N bytes has up to N/11 of them. */
struct source_item {
    const char *file; /* less than PATH_SIZE bytes; the source's (source_file) */
    uint32_t line;    /* of the first line of `text` in that file; see LINE_RELATIVE */
    char format[8];   /* "extxyz", "cif", "vasp", "csv", "json" */
    char *text;       /* NUL-terminated copy */
    size_t size;      /* bytes without the NUL; text may hold junk, also NULs */
    const char
        *reject; /* not "": unreadable already at ingest, size is 0. Less than REASON_SIZE
                    bytes, inside the block of `text`, or of static storage. */
};

struct source {
    uint32_t n_items;
    struct source_item *items;
    uint32_t n_files; /* names that items of one file share */
    char **files;
};

void source_done(struct source *source);
/* The name of a file for items of this source, until source_done. Items of one file come
 * together: only the last name is looked at before a new one is kept. */
const char *source_file(struct source *source, const char *name);
void source_encode(const struct source *source, struct buf *out);
int source_decode(struct span bytes, struct source *ret, struct err *err);

/* ---- samples ---- */
struct samples {
    uint32_t n;
    uint32_t *index; /* (n) sample number within the campaign: names the random stream */
    struct protostructure *protos;
    bool guided;
};

void samples_done(struct samples *samples);
void samples_encode(const struct samples *samples, struct buf *out);
int samples_decode(struct span bytes, struct samples *ret, struct err *err);

/* ---- candidates ---- */
enum geometry { GEOMETRY_NONE = 0, GEOMETRY_TEMPLATE = 1, GEOMETRY_RANDOM = 2 };
enum verdict { VERDICT_UNKNOWN = 0, VERDICT_NO = 1, VERDICT_YES = 2 };

struct candidate {
    struct hash id;  /* hash of the canonical bytes of `record` (structure only, below) */
    uint32_t sample; /* sample number it came from */
    bool guided;
    uint8_t geometry;          /* enum geometry: source of the start geometry */
    char template_id[ID_SIZE]; /* record id of the template, or "" */
    bool valid;                /* realized, and re-encoded to its protostructure */
    char reason[REASON_SIZE];  /* why not valid; "higher symmetry: LABEL" and the like */
    double pair_energy;   /* model units per atom after relaxation; NaN when not realized */
    double distance_min;  /* Angstrom; NaN when not realized */
    struct record record; /* structure; record.properties is not used (NULL) */
    bool novel;           /* canonical protostructure not in the training data */
    double *predicted;    /* (n_properties) mean of the guide at t = 0; NaN = none */
    double *spread;       /* (n_properties) its standard deviation */
    double *exact;        /* (n_properties) computed from the structure; NaN = not computable */
    uint8_t satisfied_predicted; /* enum verdict, all targets */
    uint8_t satisfied_exact; /* enum verdict, all targets; unknown when one is not computable */
    double probability;      /* predicted probability that all targets hold */
};

struct candidates {
    uint32_t n_properties;
    struct property properties[PROPERTIES_MAX];
    uint32_t n;
    struct candidate *items;
};

/* id of a structure: hash over spacegroup, sites, cell and free coordinates rounded to 1e-6, so
 * that it names the structure, whatever its history. */
struct hash record_structure_id(const struct record *record);

void candidate_done(struct candidate *candidate);
void candidates_done(struct candidates *candidates);
void candidates_encode(const struct candidates *candidates, struct buf *out);
int candidates_decode(struct span bytes, struct candidates *ret, struct err *err);
/* Deep copy (`to` is overwritten, not freed). */
void candidate_copy(struct candidate *to, const struct candidate *from, uint32_t n_properties);

/* ---- tally: what a ranking remembers of all rounds so far, beside its candidates ---- */
enum {
    TALLY_FIRSTS_MAX = 1 << 16, /* the comparison of the arms needs no more */
    TALLY_REASONS_MAX = 256,
};

/* A valid structure, the first of its protostructure by sample number. */
struct tally_first {
    struct hash proto;        /* SHA-256 over the canonical protostructure */
    uint8_t exact, predicted; /* enum verdict */
};

struct tally_arm {
    uint64_t samples, valid;    /* drawn; of them valid */
    uint32_t n_firsts;          /* distinct ones, counted up to TALLY_FIRSTS_MAX */
    struct tally_first *firsts; /* (n_firsts) in order of their sample numbers */
};

struct tally_reason {
    char what[REASON_SIZE];
    uint64_t count;
};

struct tally {
    struct tally_arm arms[2]; /* unguided, guided */
    uint32_t n_reasons;
    struct tally_reason *reasons; /* (n_reasons) why structures are not valid, as met */
};

void tally_done(struct tally *tally);
void tally_encode(const struct tally *tally, struct buf *out);
int tally_decode(struct span bytes, struct tally *ret, struct err *err);

/* ---- targets (part of params of sample, score and rank; codec in proto/targets.h) ---- */
enum { TARGETS_MAX = 8 };

/* property in [low, high]; -inf/+inf for open ends. */
struct target {
    char property[PROPERTY_NAME_SIZE];
    double low, high;
    double weight; /* guidance weight, 1 = as asked */
};

struct targets {
    uint32_t n;
    struct target items[TARGETS_MAX];
};

#endif
