/* Lines, words and numbers: see words.h. */
#include "workers/crystal/words.h"

#include "proto/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_line(struct text_reader *reader, struct text *ret_line)
{
    if (reader->at >= reader->end)
        return false;
    size_t left = (size_t)(reader->end - reader->at);
    const char *newline = memchr(reader->at, '\n', left);
    size_t size = newline ? (size_t)(newline - reader->at) : left;
    *ret_line = (struct text){reader->at, size};
    if (size > 0 && reader->at[size - 1] == '\r')
        ret_line->size--;
    reader->at += newline ? size + 1 : size;
    reader->line++;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

struct text text_trim(struct text text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

struct text text_word(struct text *rest)
{
    const char *at = rest->data, *end = at + rest->size;
    while (at < end && is_blank(*at))
        at++;
    const char *begin = at;
    while (at < end && !is_blank(*at))
        at++;
    *rest = (struct text){at, (size_t)(end - at)};
    return (struct text){begin, (size_t)(at - begin)};
}

bool text_equal(struct text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool text_begins_nocase(struct text text, const char *word)
{
    size_t size = strlen(word);
    if (text.size < size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (lower(text.data[i]) != word[i])
            return false;
    return true;
}

bool text_equal_nocase(struct text text, const char *word)
{
    return text.size == strlen(word) && text_begins_nocase(text, word);
}

bool text_ends_nocase(struct text text, const char *word)
{
    size_t size = strlen(word);
    return text.size >= size &&
           text_begins_nocase((struct text){text.data + text.size - size, size}, word);
}

/* mantissa x 10^exponent, correctly rounded. Both factors are exact doubles in the common case,
 * so one operation rounds once (Clinger, PLDI 1990); otherwise strtod, which needs no decimal
 * point here and so does not depend on the locale. */
static double decimal_value(uint64_t mantissa, int exponent)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (mantissa <= (UINT64_C(1) << 53) && exponent >= -22 && exponent <= 22)
        return exponent < 0 ? (double)mantissa / powers[-exponent]
                            : (double)mantissa * powers[exponent];
    char digits[40];
    (void)snprintf(digits, sizeof digits, "%llue%d", (unsigned long long)mantissa, exponent);
    return strtod(digits, NULL);
}

struct decimal {
    uint64_t mantissa;
    int exponent;
    bool any; /* at least one digit */
};

static const char *read_digits(const char *at, const char *end, bool fraction,
                               struct decimal *decimal)
{
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        decimal->any = true;
        if (decimal->mantissa < UINT64_C(1000000000000000000)) {
            decimal->mantissa = decimal->mantissa * 10 + (uint64_t)(*at - '0');
            decimal->exponent -= fraction;
        } else if (!fraction && decimal->exponent < 100000) {
            decimal->exponent++;
        }
    }
    return at;
}

/* "e-3" at `at`; NULL when malformed. */
static const char *read_exponent(const char *at, const char *end, int *exponent)
{
    bool negative = false;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    if (at >= end)
        return NULL;
    int value = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (value < 100000)
            value = value * 10 + (*at - '0');
    *exponent += negative ? -value : value;
    return at;
}

static bool number(struct text text, bool fortran, double *ret)
{
    if (!text.size)
        return false;
    const char *at = text.data, *end = at + text.size;
    bool negative = false;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    struct decimal decimal = {0};
    at = read_digits(at, end, false, &decimal);
    if (at < end && *at == '.')
        at = read_digits(at + 1, end, true, &decimal);
    if (!decimal.any)
        return false;
    if (at < end && (lower(*at) == 'e' || (fortran && lower(*at) == 'd')))
        at = read_exponent(at, end, &decimal.exponent);
    if (!at || at != end)
        return false;
    double value = decimal_value(decimal.mantissa, decimal.exponent);
    if (value > 1.7976931348623157e308)
        return false;
    *ret = negative ? -value : value;
    return true;
}

bool text_number(struct text text, double *ret)
{
    return number(text, false, ret);
}

bool text_number_fortran(struct text text, double *ret)
{
    return number(text, true, ret);
}

bool text_count(struct text text, uint32_t *ret)
{
    uint64_t value = 0;
    if (text.size == 0 || text.size > 10)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (value > UINT32_MAX)
        return false;
    *ret = (uint32_t)value;
    return true;
}

/* Bytes of the printable UTF-8 character at `at`; 0 when it is none. */
static size_t printable_size(const uint8_t *at, size_t left)
{
    bool control = at[0] < 0x20 || at[0] == 0x7f || (left > 1 && at[0] == 0xc2 && at[1] < 0xa0);
    return control ? 0 : utf8_sequence(at, left);
}

void text_copy(char *to, size_t size, struct text from)
{
    size_t used = 0;
    const uint8_t *bytes = (const uint8_t *)from.data;
    for (size_t i = 0; i < from.size;) {
        size_t step = printable_size(bytes + i, from.size - i);
        size_t copy = step ? step : 1;
        if (used + copy >= size)
            break;
        if (step)
            memcpy(to + used, from.data + i, step);
        else
            to[used] = '?';
        used += copy;
        i += copy;
    }
    to[used] = '\0';
}

struct text_quote text_quote(struct text text)
{
    struct text_quote quote;
    if (text.size < sizeof quote.text) {
        text_copy(quote.text, sizeof quote.text, text);
        return quote;
    }
    text_copy(quote.text, sizeof quote.text - 3, text);
    (void)strcat(quote.text, "...");
    return quote;
}
