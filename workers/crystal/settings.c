/* Names and bases of the 530 settings: see settings.h. */
#include "workers/crystal/settings.h"

#include <ctype.h>
#include <math.h>
#include <spglib.h>
#include <stdio.h>
#include <stdlib.h>

enum { SYMBOL_SIZE = 40 };

/* spglib pads with blanks. */
static void copy_trimmed(char *to, size_t size, const char *from)
{
    text_copy(to, size, text_trim((struct text){from, strlen(from)}));
}

struct setting setting_get(int hall_number)
{
    SpglibSpacegroupType type = spg_get_spacegroup_type(hall_number);
    struct setting setting = {.hall_number = hall_number, .number = type.number};
    const struct spacegroup *group = spacegroup_get(type.number);
    setting.standard = group && group->hall_number == hall_number;
    copy_trimmed(setting.symbol, sizeof setting.symbol, type.international_full);
    copy_trimmed(setting.hall_symbol, sizeof setting.hall_symbol, type.hall_symbol);
    copy_trimmed(setting.choice, sizeof setting.choice, type.choice);
    copy_trimmed(setting.schoenflies, sizeof setting.schoenflies, type.schoenflies);
    copy_trimmed(setting.point_group, sizeof setting.point_group,
                 type.pointgroup_international);
    return setting;
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
    return !strcmp(strcmp(plain, "bbcb") != 0 ? plain : "bbeb", name); /* one of before 1992 */
}

/* Can a cell with these parameters have this setting? Only what tells settings apart. */
static bool setting_fits(const SpglibSpacegroupType *type, const double cell[6])
{
    if (!cell) /* no cell: all do */
        return true;
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

int settings_named(struct text symbol, int ret_hall_numbers[SETTINGS_MAX])
{
    int n = find_symbol(symbol, NULL, ret_hall_numbers);
    for (int i = 1; i < n; i++)
        if (setting_get(ret_hall_numbers[i]).standard) {
            int standard = ret_hall_numbers[i];
            memmove(ret_hall_numbers + 1, ret_hall_numbers,
                    (size_t)i * sizeof *ret_hall_numbers);
            ret_hall_numbers[0] = standard;
        }
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
int settings_hall(struct text hall)
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
    return exact ? exact : n_like == 1 ? like : 0;
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
    int n = 0;
    if (hall.size && (ret_hall_numbers[0] = settings_hall(hall)) > 0)
        n = 1;
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

/* ---- basis ---- */

enum { EIGHTHS = 8, TWENTY_FOURTHS = 24 };

/* C has no implicit way from int[3][3] to const int[3][3]. */
#define CONST_ROWS(m) ((const int(*)[3])(m))

/* An operation of a setting, translation in 1/24ths. */
struct exact {
    int rotation[3][3], translation[3];
};

struct search {
    const struct spacegroup *group;
    int n;
    struct exact operations[SETTING_OPERATIONS_MAX]; /* of the setting */
    int axes[3][3], determinant, adjoint[3][3];      /* axes^-1 = adjoint / determinant */
    int origin[3];                                   /* 1/24ths */
};

static int determinant_of(const int m[3][3])
{
    int sum = 0;
    for (int i = 0; i < 3; i++)
        sum += m[0][i] *
               (m[1][(i + 1) % 3] * m[2][(i + 2) % 3] - m[1][(i + 2) % 3] * m[2][(i + 1) % 3]);
    return sum;
}

static void adjoint_of(const int m[3][3], int ret[3][3])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            ret[j][i] = m[(i + 1) % 3][(j + 1) % 3] * m[(i + 2) % 3][(j + 2) % 3] -
                        m[(i + 1) % 3][(j + 2) % 3] * m[(i + 2) % 3][(j + 1) % 3];
}

static void product(const int a[3][3], const int b[3][3], int ret[3][3])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            ret[i][j] = a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j];
}

/* m v / divisor, false when that is no integer. */
static bool times(const int m[3][3], const int v[3], int divisor, int ret[3])
{
    for (int i = 0; i < 3; i++) {
        int sum = m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
        if (sum % divisor != 0)
            return false;
        ret[i] = sum / divisor;
    }
    return true;
}

/* Rotation in the standard axes; false when it has fractions there. */
static bool turned(const struct search *search, const struct exact *operation, int ret[3][3])
{
    int left[3][3];
    product(search->adjoint, operation->rotation, left);
    product(CONST_ROWS(left), search->axes, ret);
    for (int i = 0; i < 9; i++) {
        if (ret[i / 3][i % 3] % search->determinant != 0)
            return false;
        ret[i / 3][i % 3] /= search->determinant;
    }
    return true;
}

/* Has the standard setting this rotation, and (translation not NULL) this operation? */
static bool has(const struct spacegroup *group, const int rotation[3][3],
                const int translation[3])
{
    for (int g = 0; g < group->order; g++) {
        const struct affine *map = &group->operations[g];
        bool same = true;
        for (int i = 0; i < 3 && same; i++) {
            for (int j = 0; j < 3; j++)
                same = same && map->rotation[i][j] == rotation[i][j];
            int shift = translation ? translation[i] - map->translation[i] : 0;
            same = same && shift % TWENTY_FOURTHS == 0;
        }
        if (same)
            return true;
    }
    return false;
}

static bool rotations_agree(const struct search *search)
{
    for (int g = 0; g < search->n; g++) {
        int rotation[3][3];
        if (!turned(search, &search->operations[g], rotation) ||
            !has(search->group, CONST_ROWS(rotation), NULL))
            return false;
    }
    return true;
}

/* The operations with this origin, and the lattice translations of the setting, are all among
 * those of the standard setting. */
static bool operations_agree(const struct search *search)
{
    static const int identity[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (int k = 0; k < 3; k++) {
        int edge[3] = {0}, shift[3];
        edge[k] = TWENTY_FOURTHS;
        if (!times(search->adjoint, edge, search->determinant, shift) ||
            !has(search->group, identity, shift))
            return false;
    }
    for (int g = 0; g < search->n; g++) {
        const struct exact *operation = &search->operations[g];
        int rotation[3][3], moved[3], shift[3];
        (void)turned(search, operation, rotation);
        (void)times(operation->rotation, search->origin, 1, moved);
        for (int i = 0; i < 3; i++)
            moved[i] += operation->translation[i] - search->origin[i];
        if (!times(search->adjoint, moved, search->determinant, shift) ||
            !has(search->group, CONST_ROWS(rotation), shift))
            return false;
    }
    return true;
}

/* The first origin that fits, in order of its coordinates. */
static bool find_origin(struct search *search)
{
    for (int p = 0; p < EIGHTHS * EIGHTHS * EIGHTHS; p++) {
        const int eighths[3] = {p / (EIGHTHS * EIGHTHS), p / EIGHTHS % EIGHTHS, p % EIGHTHS};
        for (int i = 0; i < 3; i++)
            search->origin[i] = eighths[i] * (TWENTY_FOURTHS / EIGHTHS);
        if (operations_agree(search))
            return true;
    }
    return false;
}

/* Axes number `code` of the 3^9 with coefficients 0, 1, -1; how far they are from plain ones.
 */
static int axes_from(int code, int ret[3][3])
{
    static const int coefficients[] = {0, 1, -1};
    int cost = 0;
    for (int i = 0; i < 9; i++, code /= 3) {
        ret[i / 3][i % 3] = coefficients[code % 3];
        cost += code % 3 == 0 ? 0 : code % 3 == 1 ? 10 : 11;
        cost += i / 3 != i % 3 ? code % 3 != 0 : code % 3 == 2;
    }
    return cost;
}

static void search_begin(int hall_number, struct search *ret)
{
    struct operation operations[SETTING_OPERATIONS_MAX];
    SpglibSpacegroupType type = spg_get_spacegroup_type(hall_number);
    *ret = (struct search){.group = spacegroup_get(type.number)};
    ret->n = settings_operations(hall_number, operations);
    for (int g = 0; g < ret->n; g++) {
        memcpy(ret->operations[g].rotation, operations[g].rotation,
               sizeof ret->operations[g].rotation);
        for (int i = 0; i < 3; i++)
            ret->operations[g].translation[i] =
                (int)lround(operations[g].translation[i] * TWENTY_FOURTHS);
    }
}

int setting_to_standard(int hall_number, struct basis *ret, struct err *err)
{
    enum { CODES = 19683 /* 3^9 */ };
    struct search search;
    int best = -1;
    if (hall_number < 1 || hall_number > HALL_MAX)
        return err_set(err, ERR_INVALID, "no Hall number %d: 1..%d", hall_number, HALL_MAX);
    search_begin(hall_number, &search);
    int determinant = search.group->order / search.n; /* 3 from rhombohedral axes, else 1 */
    for (int code = 0; code < CODES; code++) {
        int cost = axes_from(code, search.axes);
        if (best >= 0 && cost >= best)
            continue;
        search.determinant = determinant_of(CONST_ROWS(search.axes));
        if (search.determinant != determinant)
            continue;
        adjoint_of(CONST_ROWS(search.axes), search.adjoint);
        if (!rotations_agree(&search) || !find_origin(&search))
            continue;
        best = cost;
        memcpy(ret->axes, search.axes, sizeof ret->axes);
        for (int i = 0; i < 3; i++)
            ret->origin[i] = search.origin[i] / (TWENTY_FOURTHS / EIGHTHS);
    }
    return best >= 0 ? 0
                     : err_set(err, ERR_SYMMETRY,
                               "no way from Hall number %d to the standard "
                               "setting",
                               hall_number);
}
