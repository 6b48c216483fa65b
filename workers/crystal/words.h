/* Lines, words and numbers of the text formats. Borrowed characters throughout: files hold junk
 * too, so nothing here relies on a final NUL. Numbers do not depend on the locale. */
#ifndef WYCKMILL_CRYSTAL_WORDS_H
#define WYCKMILL_CRYSTAL_WORDS_H

#include "common/span.h"

#include <stdbool.h>

struct text {
    const char *data;
    size_t size;
};

struct text_reader {
    const char *at, *end;
    uint32_t line; /* 1-based number of the line that text_line gives next */
};

/* The next line without its end ("\n" or "\r\n"); false at the end. */
bool text_line(struct text_reader *reader, struct text *ret_line);
/* Cuts the next word (no blanks inside) off the front; empty when there is none. */
struct text text_word(struct text *rest);
struct text text_trim(struct text text);

bool text_equal(struct text text, const char *word);
/* ASCII letters only; `word` in lower case. */
bool text_equal_nocase(struct text text, const char *word);
bool text_begins_nocase(struct text text, const char *word);
bool text_ends_nocase(struct text text, const char *word);

/* A finite decimal number and nothing else ("1", "-.5", "1.5e-3"; no nan, inf, hex, blanks).
 * Correctly rounded from at most 19 significant digits, further ones are dropped. */
bool text_number(struct text text, double *ret);
/* The same, also "1.5d-3" as Fortran programs write it. */
bool text_number_fortran(struct text text, double *ret);
/* Decimal digits only, at most 4294967295. */
bool text_count(struct text text, uint32_t *ret);

/* Copy as printable UTF-8, cut to size - 1 bytes: control characters and bytes that are no
 * UTF-8 become '?'. */
void text_copy(char *to, size_t size, struct text from);

/* A short printable form for error sentences; long words are cut. */
struct text_quote {
    char text[44];
};
struct text_quote text_quote(struct text text);

#endif
