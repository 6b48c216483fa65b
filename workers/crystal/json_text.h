/* JSON (RFC 8259) read as it goes by: no tree, so no memory, and each value has its
 * line (jansson: up to 80 bytes for each of the text, and no lines).
 * Python's NaN, Infinity and -Infinity are read as well; they are no numbers. */
#ifndef WYCKMILL_CRYSTAL_JSON_TEXT_H
#define WYCKMILL_CRYSTAL_JSON_TEXT_H

#include "common/err.h"
#include "workers/crystal/words.h"

enum { JSON_DEPTH_MAX = 64 };

struct json_text {
    const char *at, *end;
    uint32_t line; /* 1-based, of `at` */
};

/* All functions that fail return ERR_INVALID (ERR_LIMIT: too deep), with the reader at the
 * place that is wrong. `at` is in front of a value unless said otherwise. */

/* First character of the next value or sign, after blanks; '\0' at the end of the text. */
char json_text_peek(struct json_text *reader);
/* Step over one whole value. */
int json_text_skip(struct json_text *reader, struct err *err);
/* for (bool first = true; (rc = json_text_member(&reader, first, &key, &err)) > 0; first =
 * false) goes through an object: 1 and the key (as in the text, without quotes) when there is a
 * member, whose value the caller reads or skips; 0 behind the object. json_text_element: the
 * same for an array. */
int json_text_member(struct json_text *reader, bool first, struct text *ret_key,
                     struct err *err);
int json_text_element(struct json_text *reader, bool first, struct err *err);
/* A string without its quotes, escapes as they are. `what` names it in the sentence. */
int json_text_string(struct json_text *reader, const char *what, struct text *ret,
                     struct err *err);
/* A finite number. */
int json_text_number(struct json_text *reader, const char *what, double *ret, struct err *err);

/* What a string means, as UTF-8, cut to size - 1 bytes, as text_copy. */
void json_text_copy(char *to, size_t size, struct text string);

#endif
