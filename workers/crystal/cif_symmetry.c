/* Symmetry operations as CIF files give them, as text. (Names of groups: settings.c.) */
#include "workers/crystal/reader.h"

#include <ctype.h>
#include <stdlib.h>

/* "1/2", ".25", "3": the number at the front; false when there is none. */
static bool fraction(struct text *rest, double *ret)
{
    size_t n = 0;
    while (n < rest->size && ((rest->data[n] >= '0' && rest->data[n] <= '9') ||
                              rest->data[n] == '.' || rest->data[n] == '/'))
        n++;
    struct text all = {rest->data, n}, below = {rest->data, 0};
    const char *slash = n ? memchr(all.data, '/', n) : NULL;
    double divisor = 1;
    if (slash) {
        below = (struct text){slash + 1, (size_t)(all.data + n - slash - 1)};
        all.size = (size_t)(slash - all.data);
        if (!text_number(below, &divisor) || divisor == 0)
            return false;
    }
    if (!text_number(all, ret))
        return false;
    *ret /= divisor;
    rest->data += n;
    rest->size -= n;
    return true;
}

/* One of the three: sum of signed x, y, z and numbers. */
static bool component(struct text rest, int rotation[3], double *translation)
{
    bool any = false;
    rotation[0] = rotation[1] = rotation[2] = 0;
    *translation = 0;
    for (; (rest = text_trim(rest)).size > 0; any = true) {
        int sign = 1;
        bool has_sign = rest.data[0] == '+' || rest.data[0] == '-';
        if (has_sign) {
            sign = rest.data[0] == '-' ? -1 : 1;
            rest = text_trim((struct text){rest.data + 1, rest.size - 1});
        } else if (any) {
            return false;
        }
        if (rest.size == 0)
            return false;
        int axis = tolower((unsigned char)rest.data[0]) - 'x';
        double number;
        if (axis >= 0 && axis < 3) {
            rotation[axis] += sign;
            rest.data++;
            rest.size--;
        } else if (fraction(&rest, &number)) {
            *translation += sign * number;
        } else {
            return false;
        }
    }
    return any;
}

static int determinant(const int m[3][3])
{
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
           m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

int operation_parse(struct text text, struct operation *ret, struct err *err)
{
    struct text rest = text;
    int i = 0;
    for (; i < 3; i++) {
        const char *comma = rest.size ? memchr(rest.data, ',', rest.size) : NULL;
        if ((i < 2) != (comma != NULL))
            break;
        size_t n = comma ? (size_t)(comma - rest.data) : rest.size;
        if (n > FORMAT_LINE_BYTES_MAX ||
            !component((struct text){rest.data, n}, ret->rotation[i], &ret->translation[i]))
            break;
        if (comma)
            rest = (struct text){comma + 1, rest.size - n - 1};
    }
    if (i < 3 || abs(determinant((const int(*)[3])ret->rotation)) != 1)
        return err_set(err, ERR_INVALID, "'%s' is not a symmetry operation",
                       text_quote(text).text);
    return 0;
}
