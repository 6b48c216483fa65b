/* A CIF as a list of names and values, whoever read it: what libcif and our lexer must agree
 * on. */
#ifndef WYCKMILL_TESTS_CRYSTAL_CIF_CONTENT_H
#define WYCKMILL_TESTS_CRYSTAL_CIF_CONTENT_H

#include "workers/crystal/words.h"

enum { BLOCKS_MAX = 64, CODES_MAX = 160, ENTRY_NAME_SIZE = 64 };

struct entry {
    uint32_t block, loop, row;  /* row 0: not in a loop */
    char name[ENTRY_NAME_SIZE]; /* lower case, '.' as '_'; longer names are cut */
    char *text;                 /* the value; of quoted ones without the blanks at both ends */
    bool quoted, numeric;
    double number; /* as libcif understands the text, without its uncertainty */
};

struct content {
    uint32_t n;
    size_t capacity;
    struct entry *entries;
    uint32_t n_blocks, n_loops;
    char blocks[BLOCKS_MAX][ENTRY_NAME_SIZE]; /* lower case */
    uint32_t n_errors;                        /* of libcif, in the file */
    bool codes[BLOCKS_MAX][CODES_MAX];        /* which errors each block has */
    bool frames;
    uint32_t row; /* while reading */
};

/* Once, before content_read_libcif. False when the library is not there. */
bool content_load_libcif(void);
void content_done(struct content *content);
/* libcif (CIF 1.1 unless the file says 2.0), which goes on behind errors. */
void content_read_libcif(struct text bytes, struct content *ret);
/* Our lexer; false when a word cannot be read or stands where none may. */
bool content_read_ours(struct text bytes, struct content *ret);

/* Is this what libcif calls an error and we read all the same (docs/formats.md, "CIF")? */
bool content_is_tolerated(const struct content *content, uint32_t block, int code);

#endif
