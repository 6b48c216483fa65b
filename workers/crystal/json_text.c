/* JSON as it goes by: see json_text.h. */
#include "workers/crystal/json_text.h"

char json_text_peek(struct json_text *reader)
{
    for (; reader->at < reader->end; reader->at++) {
        char c = *reader->at;
        reader->line += c == '\n';
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return c ? c : '?'; /* a NUL is junk, not the end */
    }
    return '\0';
}

/* What stands there, for sentences. */
static struct text_quote found(const struct json_text *reader)
{
    if (reader->at == reader->end)
        return (struct text_quote){"the end"};
    size_t left = (size_t)(reader->end - reader->at);
    return text_quote((struct text){reader->at, left < 20 ? left : 20});
}

static int expected(const struct json_text *reader, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "want %s, not '%s'", what, found(reader).text);
}

/* The string whose opening quote is at `at`. */
static int string(struct json_text *reader, struct text *ret, struct err *err)
{
    const char *begin = reader->at + 1;
    for (const char *at = begin; at < reader->end && *at != '\n'; at++) {
        if (*at == '"') {
            *ret = (struct text){begin, (size_t)(at - begin)};
            reader->at = at + 1;
            return 0;
        }
        at += *at == '\\';
    }
    return err_set(err, ERR_INVALID, "a string has no end on its line: '%s'",
                   found(reader).text);
}

/* Number, true, null and the like: up to the next sign. */
static struct text word(struct json_text *reader)
{
    const char *begin = reader->at;
    while (reader->at < reader->end && !strchr(",:]}[{\" \t\r\n", *reader->at))
        reader->at++;
    return (struct text){begin, (size_t)(reader->at - begin)};
}

static bool is_word(struct text text)
{
    static const char *const words[] = {"true", "false",    "null",
                                        "NaN",  "Infinity", "-Infinity"};
    double number;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (text_equal(text, words[i]))
            return true;
    return text_number(text, &number);
}

static int skip_scalar(struct json_text *reader, struct err *err)
{
    struct json_text begin = *reader;
    struct text text;
    if (*reader->at == '"')
        return string(reader, &text, err);
    if (is_word(word(reader)))
        return 0;
    *reader = begin;
    return expected(reader, "a value", err);
}

int json_text_member(struct json_text *reader, bool first, struct text *ret_key,
                     struct err *err)
{
    char c = json_text_peek(reader);
    if (first) {
        if (c != '{')
            return expected(reader, "an object", err);
        reader->at++;
        c = json_text_peek(reader);
    }
    if (c == '}') {
        reader->at++;
        return 0;
    }
    if (!first) {
        if (c != ',')
            return expected(reader, "',' or '}'", err);
        reader->at++;
        c = json_text_peek(reader);
    }
    if (c != '"')
        return expected(reader, "a name in quotes", err);
    int rc = string(reader, ret_key, err);
    if (rc)
        return rc;
    if (json_text_peek(reader) != ':')
        return expected(reader, "':'", err);
    reader->at++;
    return json_text_peek(reader) ? 1 : expected(reader, "a value", err);
}

int json_text_element(struct json_text *reader, bool first, struct err *err)
{
    char c = json_text_peek(reader);
    if (first) {
        if (c != '[')
            return expected(reader, "an array", err);
        reader->at++;
        c = json_text_peek(reader);
    }
    if (c == ']') {
        reader->at++;
        return 0;
    }
    if (!first) {
        if (c != ',')
            return expected(reader, "',' or ']'", err);
        reader->at++;
        c = json_text_peek(reader);
    }
    return c ? 1 : expected(reader, "a value", err);
}

static int skip(struct json_text *reader, uint32_t depth, struct err *err)
{
    struct text key;
    char c = json_text_peek(reader);
    int rc;
    if (c == '\0')
        return expected(reader, "a value", err);
    if (c != '{' && c != '[')
        return skip_scalar(reader, err);
    if (depth == JSON_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "brackets more than %d deep", JSON_DEPTH_MAX);
    for (bool first = true;; first = false) {
        rc = c == '{' ? json_text_member(reader, first, &key, err)
                      : json_text_element(reader, first, err);
        if (rc > 0)
            rc = skip(reader, depth + 1, err);
        else
            return rc;
        if (rc)
            return rc;
    }
}

int json_text_skip(struct json_text *reader, struct err *err)
{
    return skip(reader, 0, err);
}

int json_text_string(struct json_text *reader, const char *what, struct text *ret,
                     struct err *err)
{
    if (json_text_peek(reader) == '"')
        return string(reader, ret, err);
    return err_set(err, ERR_INVALID, "%s: want a text, not '%s'", what, found(reader).text);
}

int json_text_number(struct json_text *reader, const char *what, double *ret, struct err *err)
{
    (void)json_text_peek(reader);
    struct json_text begin = *reader;
    if (text_number(word(reader), ret))
        return 0;
    *reader = begin;
    return err_set(err, ERR_INVALID, "%s: '%s' is not a finite number", what,
                   found(reader).text);
}

/* ---- strings ---- */

/* Four hexadecimal digits; false when they are not. */
static bool hex4(struct text text, uint32_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t value = 0;
    if (text.size < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = text.data[i];
        const char *digit = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
        if (!c || !digit)
            return false;
        value = value * 16 + (uint32_t)(digit - digits);
    }
    *ret = value;
    return true;
}

static size_t utf8_encode(uint32_t code, char ret[4])
{
    static const uint8_t marks[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; code >>= 6)
        ret[i] = (char)(0x80 | (code & 0x3f));
    ret[0] = (char)(marks[n > 1 ? n : 0] | code);
    return n;
}

/* One character off the front, as UTF-8; broken escapes become '?'. */
static size_t character(struct text *rest, char ret[4])
{
    static const char names[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    uint32_t code, low;
    size_t used = 1, n = 1;
    ret[0] = rest->data[0];
    if (rest->data[0] == '\\' && rest->size > 1) {
        const char *name = strchr(names, rest->data[1]);
        used = 2;
        ret[0] = name && *name ? meanings[name - names] : rest->data[1];
        struct text digits = {rest->data + 2, rest->size - 2};
        if (rest->data[1] == 'u' && hex4(digits, &code)) {
            used = 6;
            if (code >= 0xd800 && code < 0xdc00 && rest->size >= 12 && rest->data[6] == '\\' &&
                rest->data[7] == 'u' &&
                hex4((struct text){rest->data + 8, rest->size - 8}, &low) && low >= 0xdc00 &&
                low < 0xe000) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                used = 12;
            }
            n = utf8_encode(code, ret); /* half a pair is no UTF-8: text_copy makes it '?' */
        }
    }
    rest->data += used;
    rest->size -= used;
    return n;
}

void json_text_copy(char *to, size_t size, struct text string)
{
    char plain[512];
    size_t n = 0;
    while (string.size > 0 && n + 4 <= sizeof plain)
        n += character(&string, plain + n);
    text_copy(to, size, text_trim((struct text){plain, n}));
}
