/* Numbers that describe Wyckoff positions: see positions.h. */
#include "workers/diffusion/positions.h"

#include "common/mathd.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 72, WAVES = 10, WAVES_AT = POSITION_FEATURES - WAVES };

/* Small enough to tell simple, body- and face-centred, diamond and hexagonal arrangements. */
static const int8_t waves[WAVES][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}, {1, 0, 1},
                                       {0, 1, 1}, {1, 1, 1}, {2, 0, 0}, {0, 0, 2}, {2, 2, 2}};

/* Free coordinates in 1/72: far from special values, different along each axis. */
static const int generic[3] = {10, 21, 31};

static int phase_of(const struct affine *map, const int8_t h[3])
{
    int phase = 0;
    for (int i = 0; i < 3; i++) {
        int at = map->translation[i] * (GRID / 24);
        for (int j = 0; j < 3; j++)
            at += map->rotation[i][j] * generic[j];
        phase += h[i] * at;
    }
    return (phase % GRID + GRID) % GRID;
}

static float wave_strength(const struct wyckoff_position *position, const int8_t h[3],
                           const double cosine[GRID])
{
    double real = 0, imaginary = 0;
    for (int k = 0; k < position->multiplicity; k++) {
        int phase = phase_of(&position->coordinates[k], h);
        real += cosine[phase];
        imaginary += cosine[(phase + GRID / 4) % GRID]; /* minus the sine */
    }
    return (float)(sqrt(real * real + imaginary * imaginary) / position->multiplicity);
}

static void describe(struct positions *all, size_t index, const struct spacegroup *group,
                     const struct wyckoff_position *position, const double cosine[GRID])
{
    float *f = all->features[index];
    all->dof[index] = position->dof;
    all->multiplicity[index] = position->multiplicity;
    f[position->dof] = 1;
    f[4] = (float)(mathd_log(position->multiplicity) / mathd_log(2) / 8);
    f[5] = (float)position->multiplicity / (float)group->order;
    for (int w = 0; w < WAVES; w++)
        f[WAVES_AT + w] = wave_strength(position, waves[w], cosine);
}

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void number_symmetries(struct positions *all, const char *symbols[POSITIONS_TOTAL])
{
    const char *sorted[POSITIONS_TOTAL];
    memcpy(sorted, symbols, sizeof sorted);
    qsort(sorted, POSITIONS_TOTAL, sizeof sorted[0], compare_symbols);
    size_t n = 0;
    for (size_t i = 0; i < POSITIONS_TOTAL; i++)
        if (n == 0 || strcmp(sorted[n - 1], sorted[i]) != 0)
            sorted[n++] = sorted[i];
    assert(n <= SYMMETRIES_MAX);
    all->n_symmetries = (uint16_t)n;
    for (size_t i = 0; i < POSITIONS_TOTAL; i++) {
        const char **found = bsearch(&symbols[i], sorted, n, sizeof sorted[0], compare_symbols);
        all->symmetry[i] = (uint16_t)(found - sorted);
    }
}

static void build(struct positions *all)
{
    const char *symbols[POSITIONS_TOTAL];
    double cosine[GRID];
    for (int i = 0; i < GRID; i++)
        cosine[i] = mathd_cos(2 * MATHD_PI * i / GRID);
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        for (size_t p = 0; p < group->n_positions; p++) {
            symbols[group->position_first + p] = group->positions[p].site_symmetry;
            describe(all, group->position_first + p, group, &group->positions[p], cosine);
        }
    }
    number_symmetries(all, symbols);
}

const struct positions *positions_get(void)
{
    static struct positions all;
    if (all.n_symmetries == 0)
        build(&all);
    return &all;
}
