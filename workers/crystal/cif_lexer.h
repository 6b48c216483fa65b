/* Words of a CIF: tags, values, keywords (Hall, Allen and Brown, Acta Cryst. A47, 655, 1991;
 * syntax of version 1.1). */
#ifndef WYCKMILL_CRYSTAL_CIF_LEXER_H
#define WYCKMILL_CRYSTAL_CIF_LEXER_H

#include "common/err.h"
#include "workers/crystal/words.h"

enum cif_kind { CIF_END, CIF_DATA, CIF_LOOP, CIF_TAG, CIF_VALUE, CIF_OTHER };

struct cif_token {
    enum cif_kind kind;
    struct text text; /* without quotes; the name behind "data_" */
    uint32_t line;
    bool quoted; /* then '?' and '.' are themselves */
};

struct cif_lexer {
    const char *begin, *at, *end;
    uint32_t line;
};

/* Errors: ERR_INVALID (quote or text block without end, ret_token->line says where it began).
 */
int cif_next(struct cif_lexer *lexer, struct cif_token *ret_token, struct err *err);

#endif
