/* Affine maps as text, in the notation of International Tables: "x,2x,1/4", "-x+1/2,y,-z". */
#include "workers/crystal/wyckoff_table.h"

#include "common/span.h"

#include <ctype.h>
#include <stdio.h>

static int modulo24(int value)
{
    return ((value % 24) + 24) % 24;
}

struct affine affine_product(const struct affine *a, const struct affine *b)
{
    struct affine product;
    for (int i = 0; i < 3; i++) {
        int translation = a->translation[i];
        for (int j = 0; j < 3; j++) {
            int sum = 0;
            for (int k = 0; k < 3; k++)
                sum += a->rotation[i][k] * b->rotation[k][j];
            product.rotation[i][j] = (int8_t)sum;
            translation += a->rotation[i][j] * b->translation[j];
        }
        product.translation[i] = (int8_t)modulo24(translation);
    }
    return product;
}

/* ---- writing ---- */

static void component_text(const struct affine *map, int i, char *ret, size_t size)
{
    size_t n = 0;
    ret[0] = '\0';
    for (int j = 0; j < 3; j++) {
        int r = map->rotation[i][j];
        if (r == 0)
            continue;
        const char *sign = r < 0 ? "-" : n > 0 ? "+" : "";
        char factor[8] = "";
        if (r > 1 || r < -1)
            (void)snprintf(factor, sizeof factor, "%d", r < 0 ? -r : r);
        n += (size_t)snprintf(ret + n, size - n, "%s%s%c", sign, factor, "xyz"[j]);
    }
    int top = modulo24(map->translation[i]), bottom = 24;
    for (int f = 2; f <= 3; f++)
        while (top % f == 0 && bottom % f == 0 && top != 0) {
            top /= f;
            bottom /= f;
        }
    if (top != 0)
        (void)snprintf(ret + n, size - n, "%s%d/%d", n > 0 ? "+" : "", top, bottom);
    else if (n == 0)
        (void)snprintf(ret, size, "0");
}

void wyckoff_text(const struct affine *map, char *ret_text, size_t size)
{
    char parts[3][24];
    for (int i = 0; i < 3; i++)
        component_text(map, i, parts[i], sizeof parts[i]);
    (void)snprintf(ret_text, size, "%s,%s,%s", parts[0], parts[1], parts[2]);
}

/* ---- reading ---- */

struct cursor {
    const char *at, *end;
};

static int peek(struct cursor *cursor)
{
    while (cursor->at < cursor->end && *cursor->at == ' ')
        cursor->at++;
    return cursor->at < cursor->end ? tolower((unsigned char)*cursor->at) : '\0';
}

/* Digits; -1 when there are none or too many. */
static int number(struct cursor *cursor)
{
    int value = 0, digits = 0;
    for (; isdigit(peek(cursor)) && digits < 4; cursor->at++, digits++)
        value = 10 * value + (*cursor->at - '0');
    return digits == 0 || digits == 4 ? -1 : value;
}

/* One term: sign, then a number, a fraction, a variable or a number times a variable. */
static bool term(struct cursor *cursor, bool first, struct affine *map, int i, int *translation)
{
    int sign = 1, c = peek(cursor);
    if (c == '+' || c == '-') {
        sign = c == '-' ? -1 : 1;
        cursor->at++;
        c = peek(cursor);
    } else if (!first) {
        return false;
    }
    int top = 1, bottom = 1;
    if (isdigit(c)) {
        if ((top = number(cursor)) < 0)
            return false;
        c = peek(cursor);
        if (c == '*')
            cursor->at++;
        else if (c == '/') {
            cursor->at++;
            bottom = number(cursor);
            if (bottom < 1 || top * 24 % bottom != 0)
                return false;
            *translation += sign * top * 24 / bottom;
            return true;
        }
        c = peek(cursor);
        if (c < 'x' || c > 'z') {
            *translation += sign * top * 24;
            return cursor->at[-1] != '*';
        }
    }
    if (c < 'x' || c > 'z')
        return false;
    cursor->at++;
    int sum = map->rotation[i][c - 'x'] + sign * top;
    map->rotation[i][c - 'x'] = (int8_t)sum;
    return sum >= -9 && sum <= 9;
}

int affine_parse(const char *text, size_t size, struct affine *ret, struct err *err)
{
    struct affine map = {{{0}}, {0}};
    struct cursor cursor = {text, text + size};
    bool good = true;
    for (int i = 0; i < 3 && good; i++) {
        int translation = 0;
        good = term(&cursor, true, &map, i, &translation);
        for (int c = peek(&cursor); good && (c == '+' || c == '-'); c = peek(&cursor))
            good = term(&cursor, false, &map, i, &translation);
        map.translation[i] = (int8_t)modulo24(translation);
        if (good && i < 2) {
            good = peek(&cursor) == ',';
            cursor.at++;
        }
    }
    if (!good || peek(&cursor) != '\0')
        return err_set(err, ERR_INVALID, "'%.*s' is no map of x,y,z",
                       (int)(size < 80 ? size : 80), text);
    *ret = map;
    return 0;
}

/* ---- lattices and letters ---- */

int spacegroup_centring(char letter, struct affine ret[CENTRING_MAX])
{
    static const struct {
        char letter;
        int n;
        int8_t vectors[CENTRING_MAX][3]; /* 1/24ths */
    } rows[] = {
        {'P', 1, {{0}}},
        {'A', 2, {{0}, {0, 12, 12}}},
        {'B', 2, {{0}, {12, 0, 12}}},
        {'C', 2, {{0}, {12, 12, 0}}},
        {'I', 2, {{0}, {12, 12, 12}}},
        {'F', 4, {{0}, {0, 12, 12}, {12, 0, 12}, {12, 12, 0}}},
        {'R', 3, {{0}, {16, 8, 8}, {8, 16, 16}}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        if (rows[r].letter != letter)
            continue;
        for (int v = 0; v < rows[r].n; v++) {
            ret[v] = (struct affine){.rotation = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
            memcpy(ret[v].translation, rows[r].vectors[v], sizeof ret[v].translation);
        }
        return rows[r].n;
    }
    return 0;
}

char spacegroup_system(uint16_t number)
{
    return number <= 2     ? 'a'
           : number <= 15  ? 'm'
           : number <= 74  ? 'o'
           : number <= 142 ? 't'
           : number <= 194 ? 'h'
                           : 'c';
}

char wyckoff_letter_char(uint8_t letter)
{
    return letter < 26 ? (char)('a' + letter) : (char)('A' + letter - 26);
}

int wyckoff_letter_index(char c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' : c == 'A' ? 26 : -1;
}
