/* The choice among equivalent descriptions: see occupied.h. */
#include "workers/crystal/occupied.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/matrix.h"
#include "workers/crystal/normalizer.h"
#include "workers/crystal/structure.h"

#include <stdlib.h>

static int compare_occupied(const void *a, const void *b)
{
    const struct occupied *x = a, *y = b;
    int order = (int)x->site.letter - y->site.letter;
    if (order == 0)
        order = (int)x->site.element - y->site.element;
    for (int k = 0; k < 3 && order == 0; k++) {
        int64_t p = coordinate_key(x->free[k]), q = coordinate_key(y->free[k]);
        order = (p > q) - (p < q);
    }
    return order;
}

/* ---- letters ---- */

static void relabel(const struct relabelling *relabelling, const struct occupied *orbits,
                    uint32_t n, struct protostructure *ret)
{
    ret->n_sites = (uint16_t)n;
    for (uint32_t i = 0; i < n; i++)
        ret->sites[i] =
            (struct site){relabelling->letters[orbits[i].site.letter], orbits[i].site.element};
    protostructure_sort(ret);
}

/* Marks the relabellings that give the first protostructure. */
static void first_letters(const struct normalizer *normalizer, const struct occupied *orbits,
                          uint32_t n, bool *ret_first)
{
    struct site sites[2][SITES_MAX];
    struct protostructure best = {.sites = sites[0]}, other = {.sites = sites[1]};
    for (uint32_t r = 0; r < normalizer->n_relabellings; r++) {
        ret_first[r] = false;
        if (!normalizer->relabellings[r].proper)
            continue;
        relabel(&normalizer->relabellings[r], orbits, n, &other);
        int order = r == 0 ? -1 : protostructure_compare_descriptions(&other, &best);
        if (order < 0) {
            memset(ret_first, 0, r * sizeof *ret_first);
            struct protostructure t = best;
            best = other;
            other = t;
        }
        ret_first[r] = order <= 0;
    }
}

/* ---- cells ---- */

struct shape {
    double lengths[3];
    double squares; /* sum of the squared lengths */
    int angles;     /* 0: none acute; 1: none obtuse; 2: some of both */
};

/* What two measurements of one cell may differ by. */
static const double shape_tolerance = 1e-5;

static struct shape shape_of(const double lattice[3][3])
{
    struct shape shape = {0};
    bool acute = false, obtuse = false;
    for (int i = 0; i < 3; i++) {
        double square = vector_dot(lattice[i], lattice[i]);
        shape.lengths[i] = sqrt(square);
        shape.squares += square;
    }
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3;
        double cosine =
            vector_dot(lattice[i], lattice[j]) / shape.lengths[i] / shape.lengths[j];
        acute = acute || cosine > shape_tolerance;
        obtuse = obtuse || cosine < -shape_tolerance;
    }
    shape.angles = !acute ? 0 : !obtuse ? 1 : 2;
    return shape;
}

static int compare_numbers(double a, double b)
{
    double limit = shape_tolerance * (fabs(a) + fabs(b));
    return a < b - limit ? -1 : a > b + limit;
}

static int compare_shapes(const struct shape *a, const struct shape *b)
{
    int order = compare_numbers(a->squares, b->squares);
    if (order == 0)
        order = a->angles - b->angles;
    for (int k = 0; k < 3 && order == 0; k++)
        order = compare_numbers(a->lengths[k], b->lengths[k]);
    return order;
}

static bool any_shift_allowed(const struct normalizer *normalizer, const bool *allowed,
                              uint32_t turn)
{
    const uint16_t *row = &normalizer->relabelling_of[(size_t)turn * normalizer->n_shifts];
    bool any = false;
    for (uint32_t s = 0; s < normalizer->n_shifts; s++)
        any = any || allowed[row[s]];
    return any;
}

/* Marks the turns that keep the hand, have a shift to the first letters, and give the most
 * compact cell. */
static void first_cells(const struct normalizer *normalizer, const double lattice[3][3],
                        const bool *allowed, bool *ret_first)
{
    cleanup(free_ptr) struct shape *shapes = mem_new(normalizer->n_turns, sizeof *shapes);
    const struct shape *best = NULL;
    for (uint32_t t = 0; t < normalizer->n_turns; t++) {
        double axes[3][3];
        ret_first[t] =
            !normalizer->turns[t].mirror && any_shift_allowed(normalizer, allowed, t);
        if (!ret_first[t])
            continue;
        description_axes(&normalizer->turns[t], lattice, axes);
        shapes[t] = shape_of(CONST_MATRIX(axes));
        if (!best || compare_shapes(&shapes[t], best) < 0)
            best = &shapes[t];
    }
    for (uint32_t t = 0; t < normalizer->n_turns; t++)
        ret_first[t] = ret_first[t] && compare_shapes(&shapes[t], best) == 0;
}

/* ---- coordinates ---- */

struct choice {
    const struct spacegroup *group;
    const struct normalizer *normalizer;
    double lattice[3][3];         /* as given */
    const struct occupied *given; /* (n) */
    uint32_t n;
    bool *letters; /* relabellings that may be taken */
    bool *turns;   /* turns that may be taken */
};

/* The orbits after a turn and a shift, sorted. */
static int describe(const struct choice *choice, uint32_t turn, uint32_t shift,
                    struct occupied *ret, struct err *err)
{
    const struct wyckoff_position *positions = choice->group->positions;
    const struct normalizer *normalizer = choice->normalizer;
    const struct relabelling *relabelling =
        &normalizer->relabellings
             [normalizer->relabelling_of[(size_t)turn * normalizer->n_shifts + shift]];
    double axes[3][3];
    description_axes(&normalizer->turns[turn], CONST_MATRIX(choice->lattice), axes);
    for (uint32_t i = 0; i < choice->n; i++) {
        const struct occupied *from = &choice->given[i];
        double point[1][3], error;
        wyckoff_coordinates(&positions[from->site.letter], 0, from->free, point[0]);
        affine_apply(&normalizer->turns[turn].map, point[0], point[0]);
        affine_apply(&normalizer->shifts[shift].map, point[0], point[0]);
        for (int k = 0; k < 3; k++)
            point[0][k] = wrap_unit(point[0][k]);
        ret[i].site.letter = relabelling->letters[from->site.letter];
        ret[i].site.element = from->site.element;
        int rc = wyckoff_parameters(&positions[ret[i].site.letter], CONST_MATRIX(point), 1,
                                    CONST_MATRIX(axes), fit_angstrom, ret[i].free, &error, err);
        if (rc)
            return rc;
    }
    qsort(ret, choice->n, sizeof *ret, compare_occupied);
    return 0;
}

static int compare_lists(const struct occupied *a, const struct occupied *b, uint32_t n)
{
    int order = 0;
    for (uint32_t i = 0; i < n && order == 0; i++)
        order = compare_occupied(&a[i], &b[i]);
    return order;
}

/* The first list of orbits of all that may be taken, in `ret`, and its turn. */
static int first_coordinates(const struct choice *choice, struct occupied *ret,
                             uint32_t *ret_turn, struct err *err)
{
    const struct normalizer *normalizer = choice->normalizer;
    cleanup(free_ptr) struct occupied *other = mem_new(choice->n, sizeof *other);
    bool any = false;
    for (uint32_t t = 0; t < normalizer->n_turns; t++)
        for (uint32_t s = 0; s < normalizer->n_shifts && choice->turns[t]; s++) {
            if (!choice->letters[normalizer
                                     ->relabelling_of[(size_t)t * normalizer->n_shifts + s]])
                continue;
            int rc = describe(choice, t, s, other, err);
            if (rc)
                return rc;
            if (any && compare_lists(other, ret, choice->n) >= 0)
                continue;
            memcpy(ret, other, choice->n * sizeof *other);
            *ret_turn = t;
            any = true;
        }
    return 0;
}

int occupied_canonicalize(const struct spacegroup *group, double cell[6],
                          struct occupied *orbits, uint32_t n, struct err *err)
{
    const struct normalizer *normalizer = normalizer_get(group);
    cleanup(free_ptr) struct occupied *given = mem_copy(orbits, n * sizeof *given);
    cleanup(free_ptr) bool *letters = mem_new(normalizer->n_relabellings, sizeof *letters);
    cleanup(free_ptr) bool *turns = mem_new(normalizer->n_turns, sizeof *turns);
    struct choice choice = {.group = group,
                            .normalizer = normalizer,
                            .given = given,
                            .n = n,
                            .letters = letters,
                            .turns = turns};
    uint32_t turn = 0;
    int rc = lattice_from_cell(cell, choice.lattice, err);
    if (rc)
        return rc;
    first_letters(normalizer, given, n, letters);
    first_cells(normalizer, CONST_MATRIX(choice.lattice), letters, turns);
    rc = first_coordinates(&choice, orbits, &turn, err);
    if (rc == 0 && turn > 0) {
        double axes[3][3];
        description_axes(&normalizer->turns[turn], CONST_MATRIX(choice.lattice), axes);
        cell_from_lattice(CONST_MATRIX(axes), cell);
        cell_symmetrize(group, cell);
    }
    return rc;
}
