/* Symmetry as CIF files give it: operations as text, or the name of a group in one of the 530
 * settings that spglib's database knows. */
#include "workers/crystal/reader.h"

#include <ctype.h>
#include <math.h>
#include <spglib.h>
#include <stdio.h>
#include <stdlib.h>

enum { HALL_MAX = 530, SYMBOL_SIZE = 40 };

/* ---- operations ---- */

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

int settings_operations(int hall_number, struct operation *ret)
{
    int rotations[192][3][3];
    double translations[192][3];
    int n = spg_get_symmetry_from_database(rotations, translations, hall_number);
    for (int i = 0; i < n; i++) {
        memcpy(ret[i].rotation, rotations[i], sizeof ret[i].rotation);
        memcpy(ret[i].translation, translations[i], sizeof ret[i].translation);
    }
    return n;
}

/* ---- names ---- */

/* Lower case without blanks, underscores and brackets: "P 2(1)/c" and "P2_1/c" become "p21/c".
 */
static void plain_symbol(struct text text, char ret[SYMBOL_SIZE])
{
    size_t n = 0;
    for (size_t i = 0; i < text.size && n + 1 < SYMBOL_SIZE; i++)
        if (!strchr(" \t\r\n_()", text.data[i]))
            ret[n++] = (char)tolower((unsigned char)text.data[i]);
    ret[n] = '\0';
}

static void plain_text(const char *text, char ret[SYMBOL_SIZE])
{
    plain_symbol((struct text){text, strlen(text)}, ret);
}

/* The full symbol of a monoclinic setting without its ones: "P 1 2_1/n 1" becomes "p21/n". */
static void monoclinic_short(const char *full, char ret[SYMBOL_SIZE])
{
    struct text rest = {full, strlen(full)};
    char joined[SYMBOL_SIZE] = "";
    for (struct text word; (word = text_word(&rest)).size > 0;)
        if (!text_equal(word, "1"))
            (void)strncat(joined, word.data, word.size);
    plain_text(joined, ret);
}

/* Does the setting `type` bear this name? */
static bool setting_named(const SpglibSpacegroupType *type, const char *name)
{
    char plain[SYMBOL_SIZE];
    bool monoclinic = type->number >= 3 && type->number <= 15;
    plain_text(type->international_full, plain);
    if (!strcmp(plain, name))
        return true;
    if (monoclinic)
        monoclinic_short(type->international_full, plain);
    else
        plain_text(type->international_short, plain);
    return !strcmp(plain, name);
}

/* Can a cell with these parameters have this setting? Only what tells settings apart. */
static bool setting_fits(const SpglibSpacegroupType *type, const double cell[6])
{
    const double tolerance = 0.5; /* degrees, and percent of length */
    bool right[3];
    for (int k = 0; k < 3; k++)
        right[k] = fabs(cell[3 + k] - 90) < tolerance;
    if (type->number >= 3 && type->number <= 15) {
        int unique = strchr(type->choice, 'a') ? 0 : strchr(type->choice, 'b') ? 1 : 2;
        return right[(unique + 1) % 3] && right[(unique + 2) % 3];
    }
    if (!strcmp(type->choice, "H"))
        return right[0] && right[1] && fabs(cell[5] - 120) < tolerance;
    if (!strcmp(type->choice, "R"))
        return fabs(cell[3] - cell[4]) < tolerance && fabs(cell[4] - cell[5]) < tolerance &&
               fabs(cell[0] - cell[1]) < 0.005 * cell[0] &&
               fabs(cell[0] - cell[2]) < 0.005 * cell[0];
    return true;
}

struct wanted {
    char name[SYMBOL_SIZE];
    char choice[8]; /* "" when not said */
};

/* The database writes origin and order of axes together, "2cab"; the order shows in the symbol,
 * so that files name the origin alone. */
static bool choice_named(const SpglibSpacegroupType *type, const char *choice)
{
    bool origin = (choice[0] == '1' || choice[0] == '2') && choice[1] == '\0';
    return origin ? type->choice[0] == choice[0] : !strcmp(type->choice, choice);
}

static int collect(const struct wanted *wanted, const double cell[6], int ret[SETTINGS_MAX])
{
    int n = 0;
    for (int hall = 1; hall <= HALL_MAX && n < SETTINGS_MAX; hall++) {
        SpglibSpacegroupType type = spg_get_spacegroup_type(hall);
        bool chosen =
            wanted->choice[0] ? choice_named(&type, wanted->choice) : setting_fits(&type, cell);
        if (!chosen || !setting_named(&type, wanted->name))
            continue;
        /* Origin choice 2, at the inversion centre, is the standard: before choice 1. */
        bool second = !wanted->choice[0] && n > 0 && type.choice[0] == '2';
        ret[n] = hall;
        if (second) {
            ret[n] = ret[n - 1];
            ret[n - 1] = hall;
        }
        n++;
    }
    return n;
}

/* The five groups with e glides had other names before 1992 (International Tables A, 1.2 and
 * 4.3.2.1): one for each order of axes, where the new ones of groups 67 and 68 stand for two.
 */
static const struct {
    int hall; /* of the first name; the others follow */
    int step; /* 2: two origins each */
    const char *names[6];
} old_names[] = {
    {191, 1, {"abm2", "bma2", "b2cm", "c2mb", "cm2a", "ac2m"}},
    {203, 1, {"aba2", "bba2", "b2cb", "c2cb", "cc2a", "ac2a"}},
    {304, 1, {"cmca", "ccmb", "abma", "acam", "bbcm", "bmab"}},
    {316, 1, {"cmma", "cmmb", "abmm", "acmm", "bmcm", "bmam"}},
    {322, 2, {"ccca", "cccb", "abaa", "acaa", "bbcb", "bbab"}},
};

static int collect_old(const struct wanted *wanted, int ret[SETTINGS_MAX])
{
    int n = 0;
    for (size_t i = 0; i < sizeof old_names / sizeof old_names[0]; i++)
        for (int k = 0; k < 6; k++) {
            int hall = old_names[i].hall + k * old_names[i].step;
            if (strcmp(wanted->name, old_names[i].names[k]) != 0)
                continue;
            if (old_names[i].step == 2 && strcmp(wanted->choice, "1") != 0)
                ret[n++] = hall + 1;
            if (old_names[i].step == 1 || strcmp(wanted->choice, "2") != 0)
                ret[n++] = hall;
        }
    return n;
}

/* Some write m3m for m-3m. */
static void add_bar(char name[SYMBOL_SIZE])
{
    size_t size = strlen(name);
    if (size >= 3 && size + 1 < SYMBOL_SIZE && name[2] == '3' &&
        isalpha((unsigned char)name[1])) {
        memmove(name + 3, name + 2, size - 1);
        name[2] = '-';
    }
}

static int collect_all(struct wanted *wanted, const double cell[6], int ret[SETTINGS_MAX])
{
    int n = collect_old(wanted, ret);
    add_bar(wanted->name);
    return n > 0 ? n : collect(wanted, cell, ret);
}

/* A letter behind the symbol, as ICSD has it: Z and S name the origin, H and R the axes. */
static bool cut_trailing_choice(struct wanted *wanted)
{
    static const char *const letters[][2] = {{"z", "2"}, {"s", "1"}, {"h", "H"}, {"r", "R"}};
    size_t size = strlen(wanted->name);
    for (size_t i = 0; size > 2 && i < sizeof letters / sizeof letters[0]; i++)
        if (wanted->name[size - 1] == letters[i][0][0]) {
            wanted->name[size - 1] = '\0';
            (void)strcpy(wanted->choice, letters[i][1]);
            return true;
        }
    return false;
}

static int find_symbol(struct text symbol, const double cell[6], int ret[SETTINGS_MAX])
{
    struct wanted wanted = {0};
    plain_symbol(symbol, wanted.name);
    char *colon = strchr(wanted.name, ':');
    if (colon) {
        *colon = '\0';
        (void)snprintf(wanted.choice, sizeof wanted.choice, "%.6s", colon + 1);
        if (!strcmp(wanted.choice, "h") || !strcmp(wanted.choice, "r"))
            wanted.choice[0] = (char)toupper((unsigned char)wanted.choice[0]);
    }
    int n = collect_all(&wanted, cell, ret);
    if (n == 0 && !wanted.choice[0] && cut_trailing_choice(&wanted))
        n = collect_all(&wanted, cell, ret);
    return n;
}

/* Lower case, words parted by one blank: "-P_2yc " becomes "-p 2yc". In Hall symbols blanks
 * count: "P 3 2" is P 3 1 2, "P 32" is P 3_2. */
static void hall_words(struct text text, char ret[SYMBOL_SIZE])
{
    size_t n = 0;
    for (size_t i = 0; i < text.size && n + 2 < SYMBOL_SIZE; i++) {
        bool blank = strchr(" \t\r\n_", text.data[i]) != NULL;
        if (!blank)
            ret[n++] = (char)tolower((unsigned char)text.data[i]);
        else if (n > 0 && ret[n - 1] != ' ')
            ret[n++] = ' ';
    }
    ret[n > 0 && ret[n - 1] == ' ' ? n - 1 : n] = '\0';
}

/* As written, else without regard to blanks where that leaves no doubt. */
static int find_hall(struct text hall, int ret[SETTINGS_MAX])
{
    char words[SYMBOL_SIZE], plain[SYMBOL_SIZE];
    int exact = 0, like = 0, n_like = 0;
    hall_words(hall, words);
    plain_symbol(hall, plain);
    for (int number = 1; number <= HALL_MAX && exact == 0; number++) {
        char theirs[SYMBOL_SIZE];
        SpglibSpacegroupType type = spg_get_spacegroup_type(number);
        struct text symbol = {type.hall_symbol, strlen(type.hall_symbol)};
        hall_words(symbol, theirs);
        exact = strcmp(theirs, words) == 0 ? number : 0;
        plain_symbol(symbol, theirs);
        if (strcmp(theirs, plain) == 0) {
            like = number;
            n_like++;
        }
    }
    ret[0] = exact ? exact : like;
    return exact || n_like == 1;
}

static int find_number(struct text text, const double cell[6], int ret[SETTINGS_MAX],
                       struct err *err)
{
    uint32_t number;
    if (!text_count(text, &number) || number < 1 || number > GROUP_MAX)
        return err_set(err, ERR_INVALID, "'%s' is not a space group number",
                       text_quote(text).text);
    const struct spacegroup *group = spacegroup_get((int)number);
    struct text symbol = {group->symbol, strlen(group->symbol)};
    int n = find_symbol(symbol, cell, ret);
    if (n == 0) {
        ret[0] = group->hall_number;
        n = 1;
    }
    return n;
}

int settings_find(struct text hall, struct text symbol, struct text number,
                  const double cell[6], int ret_hall_numbers[SETTINGS_MAX], struct err *err)
{
    int n = hall.size ? find_hall(hall, ret_hall_numbers) : 0;
    if (n == 0 && symbol.size) {
        n = find_symbol(symbol, cell, ret_hall_numbers);
        if (n == 0)
            return err_set(err, ERR_INVALID,
                           "no symmetry operations, and '%s' is not a space group symbol that "
                           "fits the cell",
                           text_quote(symbol).text);
    }
    if (n == 0 && number.size)
        n = find_number(number, cell, ret_hall_numbers, err);
    if (n == 0)
        return err_set(
            err, ERR_INVALID,
            "neither symmetry operations nor a space group: the atoms listed may not "
            "be all");
    return n;
}
