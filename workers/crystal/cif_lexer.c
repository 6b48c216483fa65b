/* Words of a CIF: see cif_lexer.h. */
#include "workers/crystal/cif_lexer.h"

/* A carriage return alone ends a line as well. */
static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static bool at_line_begin(const struct cif_lexer *lexer)
{
    return lexer->at == lexer->begin || is_line_end(lexer->at[-1]);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_line(struct cif_lexer *lexer)
{
    while (lexer->at < lexer->end && !is_line_end(*lexer->at))
        lexer->at++;
}

static void skip_blanks(struct cif_lexer *lexer)
{
    while (lexer->at < lexer->end) {
        if (*lexer->at == '#') {
            skip_line(lexer);
        } else if (is_blank(*lexer->at)) {
            lexer->line += *lexer->at == '\n';
            lexer->at++;
        } else {
            return;
        }
    }
}

/* From a ';' in the first column to the next one. */
static int text_block(struct cif_lexer *lexer, struct cif_token *token, struct err *err)
{
    const char *begin = ++lexer->at;
    for (;;) {
        skip_line(lexer);
        if (lexer->at == lexer->end)
            return err_set(err, ERR_INVALID,
                           "a text block (line beginning with ';') has no end");
        lexer->line += *lexer->at == '\n';
        lexer->at++;
        if (lexer->at < lexer->end && *lexer->at == ';')
            break;
    }
    token->text = text_trim((struct text){begin, (size_t)(lexer->at - begin)});
    lexer->at++;
    return 0;
}

/* A quote ends where a blank follows it, so that 'a'b' is one word. */
static int quoted(struct cif_lexer *lexer, struct cif_token *token, struct err *err)
{
    char quote = *lexer->at;
    const char *begin = ++lexer->at;
    for (; lexer->at < lexer->end && !is_line_end(*lexer->at); lexer->at++)
        if (*lexer->at == quote && (lexer->at + 1 == lexer->end || is_blank(lexer->at[1]))) {
            token->text = (struct text){begin, (size_t)(lexer->at - begin)};
            lexer->at++;
            return 0;
        }
    return err_set(err, ERR_INVALID, "a quote has no end on its line");
}

static void bare(struct cif_lexer *lexer, struct cif_token *token)
{
    const char *begin = lexer->at;
    while (lexer->at < lexer->end && !is_blank(*lexer->at))
        lexer->at++;
    struct text word = {begin, (size_t)(lexer->at - begin)};
    token->text = word;
    if (word.data[0] == '_') {
        token->kind = CIF_TAG;
    } else if (text_equal_nocase(word, "loop_")) {
        token->kind = CIF_LOOP;
    } else if (text_begins_nocase(word, "data_")) {
        token->kind = CIF_DATA;
        token->text = (struct text){word.data + 5, word.size - 5};
    } else if (text_begins_nocase(word, "save_") || text_equal_nocase(word, "stop_") ||
               text_equal_nocase(word, "global_")) {
        token->kind = CIF_OTHER;
    }
}

int cif_next(struct cif_lexer *lexer, struct cif_token *ret_token, struct err *err)
{
    skip_blanks(lexer);
    *ret_token = (struct cif_token){.kind = CIF_VALUE, .line = lexer->line};
    if (lexer->at == lexer->end) {
        ret_token->kind = CIF_END;
        return 0;
    }
    if (*lexer->at == ';' && at_line_begin(lexer)) {
        ret_token->quoted = true;
        return text_block(lexer, ret_token, err);
    }
    if (*lexer->at == '\'' || *lexer->at == '"') {
        ret_token->quoted = true;
        return quoted(lexer, ret_token, err);
    }
    bare(lexer, ret_token);
    return 0;
}
