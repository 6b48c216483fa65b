/* Space groups decoded from the committed table, each on its first use; orbits of Wyckoff
 * positions and the way back from atoms to free coordinates. */
#include "workers/crystal/wyckoff.h"

#include "common/mem.h"
#include "workers/crystal/matrix.h"
#include "common/text.h"
#include "workers/crystal/wyckoff_table.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- decoding (the rule is in wyckoff_table.h) ---- */

/* Text between blanks or line ends, advancing. False at the end. */
static bool word_next(const char **text, struct span *ret)
{
    *text += strspn(*text, " \n");
    ret->data = (const uint8_t *)*text;
    ret->size = strcspn(*text, " \n");
    *text += ret->size;
    return ret->size > 0;
}

/* A wrong text in the committed table is our own bug. */
static struct affine word_map(struct span word)
{
    struct affine map;
    if (affine_parse((const char *)word.data, word.size, &map, NULL) != 0)
        abort();
    return map;
}

static void decode_operations(struct spacegroup *group, const char *text)
{
    struct affine vectors[CENTRING_MAX], texts[MULTIPLICITY_MAX];
    int n_vectors = spacegroup_centring(group->centring, vectors), n = 0;
    struct span word;
    while (word_next(&text, &word))
        texts[n++] = word_map(word);
    struct affine *operations = mem_new((size_t)(n * n_vectors), sizeof *operations);
    for (int v = 0; v < n_vectors; v++)
        for (int i = 0; i < n; i++)
            operations[v * n + i] = affine_product(&vectors[v], &texts[i]);
    group->operations = operations;
    group->order = (uint16_t)(n * n_vectors);
}

static void decode_orbit(const struct spacegroup *group, const struct affine *representative,
                         struct wyckoff_position *position)
{
    struct affine *orbit = mem_new(position->multiplicity, sizeof *orbit);
    int n = 0;
    for (int g = 0; g < group->order; g++) {
        struct affine map = affine_product(&group->operations[g], representative);
        int k = 0;
        while (k < n && memcmp(&orbit[k], &map, sizeof map) != 0)
            k++;
        if (k < n)
            continue;
        if (n == position->multiplicity)
            abort();
        orbit[n++] = map;
    }
    position->coordinates = orbit;
}

static void decode_positions(struct spacegroup *group, const char *text)
{
    struct wyckoff_position *positions = mem_new(POSITIONS_MAX, sizeof *positions);
    struct span word;
    while (word_next(&text, &word)) {
        struct wyckoff_position *position = &positions[group->n_positions++];
        position->letter = (uint8_t)wyckoff_letter_index((char)word.data[0]);
        (void)word_next(&text, &word);
        position->multiplicity = (uint8_t)strtoul((const char *)word.data, NULL, 10);
        (void)word_next(&text, &word);
        memcpy(position->site_symmetry, word.data, word.size);
        (void)word_next(&text, &word);
        struct affine representative = word_map(word);
        for (int j = 0; j < 3; j++) {
            /* a coefficient in column j means that parameter j is used */
            position->free_axes[j] = representative.rotation[0][j] != 0 ||
                                     representative.rotation[1][j] != 0 ||
                                     representative.rotation[2][j] != 0;
            position->dof = (uint8_t)(position->dof + position->free_axes[j]);
        }
        decode_orbit(group, &representative, position);
    }
    group->positions = positions;
}

static uint16_t positions_before(int number)
{
    uint16_t n = 0;
    for (int i = 0; i + 1 < number; i++) {
        n++;
        for (const char *c = wyckoff_table[i].positions; *c; c++)
            n = (uint16_t)(n + (*c == '\n'));
    }
    return n;
}

static struct spacegroup *decode(int number)
{
    const struct wyckoff_row *row = &wyckoff_table[number - 1];
    struct spacegroup *group = mem_new(1, sizeof *group);
    group->number = (uint16_t)number;
    group->hall_number = row->hall_number;
    (void)snprintf(group->symbol, sizeof group->symbol, "%s", row->symbol);
    group->centring = row->symbol[0];
    group->crystal_system = spacegroup_system(group->number);
    group->trigonal = number >= 143 && number <= 167;
    group->position_first = positions_before(number);
    decode_operations(group, row->operations);
    decode_positions(group, row->positions);
    return group;
}

/* Decoded groups live until the process ends; written once under the lock, then only read. */
static _Atomic(struct spacegroup *) groups[GROUP_MAX + 1];
static pthread_mutex_t groups_lock = PTHREAD_MUTEX_INITIALIZER;

const struct spacegroup *spacegroup_get(int number)
{
    if (number < 1 || number > GROUP_MAX)
        return NULL;
    struct spacegroup *group = atomic_load_explicit(&groups[number], memory_order_acquire);
    if (group)
        return group;
    (void)pthread_mutex_lock(&groups_lock);
    group = atomic_load_explicit(&groups[number], memory_order_relaxed);
    if (!group) {
        group = decode(number);
        atomic_store_explicit(&groups[number], group, memory_order_release);
    }
    (void)pthread_mutex_unlock(&groups_lock);
    return group;
}

/* ---- symbols ---- */

enum { SYMBOL_TEXT_MAX = 24 };

/* Without blanks and underscores: "P 2_1/c" and "P2_1/c" both become "P21/c". False when the
 * text is longer than any symbol. */
static bool symbol_plain(const char *text, char ret[SYMBOL_TEXT_MAX])
{
    size_t n = 0;
    for (; *text; text++) {
        if (*text == ' ' || *text == '_')
            continue;
        if (n + 1 == SYMBOL_TEXT_MAX)
            return false;
        ret[n++] = *text;
    }
    ret[n] = '\0';
    return n > 0;
}

/* How far two plain symbols are apart; a letter in the other case counts little. */
static unsigned symbol_distance(const char *a, const char *b)
{
    char lower[2][SYMBOL_TEXT_MAX] = {{0}};
    for (size_t i = 0; a[i]; i++)
        lower[0][i] = (char)tolower((unsigned char)a[i]);
    for (size_t i = 0; b[i]; i++)
        lower[1][i] = (char)tolower((unsigned char)b[i]);
    return 4 * text_distance(lower[0], lower[1]) + text_distance(a, b);
}

static int symbol_unknown(const char *text, const char *plain, struct err *err)
{
    enum { NEAREST = 3 };
    int numbers[NEAREST + 1] = {0}, n = 0;
    unsigned distances[NEAREST + 1];
    for (int number = 1; number <= GROUP_MAX; number++) {
        char symbol[SYMBOL_TEXT_MAX];
        (void)symbol_plain(wyckoff_table[number - 1].symbol, symbol);
        unsigned distance = symbol_distance(plain, symbol);
        int at = n;
        for (; at > 0 && distances[at - 1] > distance; at--) {
            distances[at] = distances[at - 1];
            numbers[at] = numbers[at - 1];
        }
        distances[at] = distance;
        numbers[at] = number;
        n += n < NEAREST;
    }
    (void)err_set(err, ERR_INVALID, "no space group '%.40s'", text);
    return err_hint(err, "nearest symbols: %s (%d), %s (%d), %s (%d); or a number 1..230",
                    wyckoff_table[numbers[0] - 1].symbol, numbers[0],
                    wyckoff_table[numbers[1] - 1].symbol, numbers[1],
                    wyckoff_table[numbers[2] - 1].symbol, numbers[2]);
}

int spacegroup_parse(const char *text, const struct spacegroup **ret, struct err *err)
{
    char plain[SYMBOL_TEXT_MAX];
    if (!symbol_plain(text, plain)) {
        (void)err_set(err, ERR_INVALID, "no space group '%.40s'", text);
        return err_hint(err, "give a number 1..230 or a symbol like 'F m -3 m'");
    }
    char *end;
    long number = strtol(plain, &end, 10);
    if (*end == '\0') {
        if (number < 1 || number > GROUP_MAX)
            return err_set(err, ERR_INVALID, "no space group number %s: 1..230", plain);
        *ret = spacegroup_get((int)number);
        return 0;
    }
    for (int i = 0; i < GROUP_MAX; i++) {
        char symbol[SYMBOL_TEXT_MAX];
        (void)symbol_plain(wyckoff_table[i].symbol, symbol);
        if (strcmp(plain, symbol) == 0) {
            *ret = spacegroup_get(i + 1);
            return 0;
        }
    }
    return symbol_unknown(text, plain, err);
}

/* ---- coordinates ---- */

/* Into [0, 1); -1e-17 would round to 1 otherwise. */
static double wrap(double x)
{
    x -= floor(x);
    return x < 1 ? x : 0;
}

void wyckoff_coordinates(const struct wyckoff_position *position, uint32_t k,
                         const double free_[3], double ret_frac[3])
{
    const struct affine *map = &position->coordinates[k];
    double frac[3];
    for (int i = 0; i < 3; i++) {
        double sum = map->translation[i] / 24.0;
        for (int j = 0; j < 3; j++)
            sum += map->rotation[i][j] * free_[j];
        frac[i] = wrap(sum);
    }
    for (int i = 0; i < 3; i++)
        ret_frac[i] = frac[i];
}

/* ---- from atoms to free coordinates ---- */

/* Distance between two points modulo the lattice; ret_difference (b - a, fractional, wrapped)
 * may be NULL. Right for points near each other, which is all that fitting needs. */
static double distance(const double lattice[3][3], const double a[3], const double b[3],
                       double ret_difference[3])
{
    double d[3], square = 0;
    for (int i = 0; i < 3; i++) {
        d[i] = b[i] - a[i];
        d[i] -= rint(d[i]);
    }
    for (int j = 0; j < 3; j++) {
        double x = d[0] * lattice[0][j] + d[1] * lattice[1][j] + d[2] * lattice[2][j];
        square += x * x;
    }
    if (ret_difference)
        memcpy(ret_difference, d, sizeof d);
    return sqrt(square);
}

/* Parameters that put the representative at `point` (given on its subspace, perhaps with
 * noise): the rows of the representative in which a free axis stands alone. */
static void parameters_of(const struct wyckoff_position *position, const double point[3],
                          double ret_free[3])
{
    const struct affine *map = &position->coordinates[0];
    for (int j = 0; j < 3; j++)
        ret_free[j] = position->free_axes[j] ? wrap(point[j] - map->translation[j] / 24.0) : 0;
}

struct fit {
    const struct wyckoff_position *position;
    const double (*frac)[3];
    uint32_t n;
    const double (*lattice)[3];
    uint8_t member[MULTIPLICITY_MAX]; /* (n) member of the orbit nearest to each atom */
    double error;                     /* largest distance, Angstrom */
};

/* Assign each atom to its nearest member; two atoms on one member make the error infinite. */
static void fit_assign(struct fit *fit, const double free_[3])
{
    bool taken[MULTIPLICITY_MAX] = {false};
    double members[MULTIPLICITY_MAX][3];
    for (uint32_t k = 0; k < fit->position->multiplicity; k++)
        wyckoff_coordinates(fit->position, k, free_, members[k]);
    fit->error = 0;
    for (uint32_t a = 0; a < fit->n; a++) {
        double nearest = HUGE_VAL;
        for (uint32_t k = 0; k < fit->position->multiplicity; k++) {
            double d = distance(fit->lattice, members[k], fit->frac[a], NULL);
            if (d < nearest) {
                nearest = d;
                fit->member[a] = (uint8_t)k;
            }
        }
        fit->error = taken[fit->member[a]] ? HUGE_VAL : fmax(fit->error, nearest);
        taken[fit->member[a]] = true;
    }
}

/* Solve the symmetric 3 x 3 system m x = v on the free axes by elimination; m is positive
 * definite there. */
static void solve(const bool free_axes[3], double m[3][3], double v[3])
{
    for (int p = 0; p < 3; p++) {
        if (!free_axes[p]) {
            v[p] = 0;
            continue;
        }
        for (int i = 0; i < 3; i++) {
            if (i == p || !free_axes[i])
                continue;
            double factor = m[i][p] / m[p][p];
            for (int j = 0; j < 3; j++)
                m[i][j] -= factor * m[p][j];
            v[i] -= factor * v[p];
        }
    }
    for (int p = 0; p < 3; p++)
        if (free_axes[p])
            v[p] /= m[p][p];
}

/* One least-squares step: with members A_k p + b_k assigned to atoms f_k and metric M the sum
 * of |f_k - A_k p - b_k|^2 is smallest for  sum(A^T M A) dp = sum(A^T M r). */
static void fit_refine(const struct fit *fit, double free_[3])
{
    double normal[3][3] = {{0}}, right[3] = {0};
    for (uint32_t a = 0; a < fit->n; a++) {
        const struct affine *map = &fit->position->coordinates[fit->member[a]];
        double at[3], residual[3], columns[3][3], cartesian[3];
        wyckoff_coordinates(fit->position, fit->member[a], free_, at);
        (void)distance(fit->lattice, at, fit->frac[a], residual);
        for (int i = 0; i < 3; i++) {
            cartesian[i] = 0;
            for (int k = 0; k < 3; k++)
                cartesian[i] += residual[k] * fit->lattice[k][i];
            for (int j = 0; j < 3; j++) {
                columns[i][j] = 0;
                for (int k = 0; k < 3; k++)
                    columns[i][j] += map->rotation[k][j] * fit->lattice[k][i];
            }
        }
        for (int j = 0; j < 3; j++)
            for (int i = 0; i < 3; i++) {
                right[j] += columns[i][j] * cartesian[i];
                for (int k = 0; k < 3; k++)
                    normal[j][k] += columns[i][j] * columns[i][k];
            }
    }
    solve(fit->position->free_axes, normal, right);
    for (int j = 0; j < 3; j++)
        free_[j] = wrap(free_[j] + right[j]);
}

/* Parameters for which the first atom is member k; the largest distance it leaves. */
static double fit_try(struct fit *fit, uint32_t k, double ret_free[3])
{
    const struct affine *map = &fit->position->coordinates[k];
    double at[3], free_[3] = {0};
    /* a row of the map with a single +-1 gives its parameter; rows with several variables
     * follow once all but one of them are known */
    bool known[3];
    for (int j = 0; j < 3; j++)
        known[j] = !fit->position->free_axes[j];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 3; i++) {
            int unknown = -1, n_unknown = 0;
            double rest = fit->frac[0][i] - map->translation[i] / 24.0;
            for (int j = 0; j < 3; j++) {
                rest -= map->rotation[i][j] * (known[j] ? free_[j] : 0);
                if (!known[j] && map->rotation[i][j] != 0) {
                    unknown = j;
                    n_unknown++;
                }
            }
            if (n_unknown != 1 || abs(map->rotation[i][unknown]) != 1)
                continue;
            free_[unknown] = wrap(rest * map->rotation[i][unknown]);
            known[unknown] = true;
        }
    if (!known[0] || !known[1] || !known[2])
        return HUGE_VAL;
    wyckoff_coordinates(fit->position, k, free_, at);
    memcpy(ret_free, free_, sizeof free_);
    return distance(fit->lattice, at, fit->frac[0], NULL);
}

/* Of all parameters that give the same atoms take the smallest: members that lie on the
 * subspace of the representative could stand in its place. */
static void smallest_equivalent(const struct fit *fit, double free_[3])
{
    double start[3] = {free_[0], free_[1], free_[2]};
    for (uint32_t k = 0; k < fit->position->multiplicity; k++) {
        double point[3], candidate[3], again[3];
        wyckoff_coordinates(fit->position, k, start, point);
        parameters_of(fit->position, point, candidate);
        wyckoff_coordinates(fit->position, 0, candidate, again);
        if (distance(fit->lattice, point, again, NULL) > 1e-6)
            continue;
        for (int j = 0; j < 3; j++) {
            int64_t difference = coordinate_key(candidate[j]) - coordinate_key(free_[j]);
            if (difference > 0)
                break;
            if (difference < 0) {
                memcpy(free_, candidate, sizeof candidate);
                break;
            }
        }
    }
}

int wyckoff_parameters(const struct wyckoff_position *position, const double (*frac)[3],
                       uint32_t n, const double lattice[3][3], double tolerance,
                       double ret_free[3], double *ret_error, struct err *err)
{
    if (n == 0 || n > position->multiplicity)
        return err_set(err, ERR_SYMMETRY, "%u atoms on position %u%c", n,
                       position->multiplicity, wyckoff_letter_char(position->letter));
    struct fit fit = {.position = position, .frac = frac, .n = n, .lattice = lattice};
    double best[3] = {0}, best_error = HUGE_VAL;
    for (uint32_t k = 0; k < position->multiplicity && best_error > tolerance; k++) {
        double free_[3];
        /* the projected first atom may be off by a few times the best fit's error */
        if (fit_try(&fit, k, free_) > 4 * tolerance)
            continue;
        fit_assign(&fit, free_);
        if (isinf(fit.error))
            continue;
        fit_refine(&fit, free_);
        fit_assign(&fit, free_);
        if (fit.error < best_error) {
            best_error = fit.error;
            memcpy(best, free_, sizeof best);
        }
    }
    if (best_error > tolerance)
        return err_set(err, ERR_SYMMETRY,
                       "no free coordinates put position %u%c within %g Angstrom of its atoms",
                       position->multiplicity, wyckoff_letter_char(position->letter),
                       tolerance);
    smallest_equivalent(&fit, best);
    memcpy(ret_free, best, sizeof best);
    *ret_error = best_error;
    return 0;
}
