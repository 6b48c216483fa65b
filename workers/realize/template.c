#include "workers/realize/template.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/structure.h"
#include "workers/crystal/wyckoff.h"
#include "workers/realize/neighbours.h"

struct template_index {
    const struct dataset *dataset;
    uint32_t n;
    const struct record **records; /* (n) by group, letters, id */
    double similarity[ELEMENT_MAX + 1][ELEMENT_MAX + 1];
};

/* Order by group and letters only: 0 = the same occupied positions. */
static int compare_positions(const struct protostructure *a, const struct protostructure *b)
{
    if (a->spacegroup != b->spacegroup)
        return a->spacegroup < b->spacegroup ? -1 : 1;
    if (a->n_sites != b->n_sites)
        return a->n_sites < b->n_sites ? -1 : 1;
    for (uint32_t s = 0; s < a->n_sites; s++)
        if (a->sites[s].letter != b->sites[s].letter)
            return a->sites[s].letter < b->sites[s].letter ? -1 : 1;
    return 0;
}

static int compare_records(const void *a, const void *b)
{
    const struct record *x = *(const struct record *const *)a;
    const struct record *y = *(const struct record *const *)b;
    int order = compare_positions(&x->proto, &y->proto);
    return order ? order : strcmp(x->id, y->id);
}

struct template_index *template_index_new(const struct dataset *dataset)
{
    struct template_index *index = mem_new(1, sizeof *index);
    index->dataset = dataset;
    index->records = mem_new(dataset->n_records, sizeof *index->records);
    for (uint32_t r = 0; r < dataset->n_records; r++)
        if (dataset->splits[r] == SPLIT_TRAIN)
            index->records[index->n++] = &dataset->records[r];
    if (index->n > 0)
        qsort(index->records, index->n, sizeof *index->records, compare_records);
    for (int a = 1; a <= ELEMENT_MAX; a++)
        for (int b = 1; b <= ELEMENT_MAX; b++)
            index->similarity[a][b] = element_similarity(a, b);
    return index;
}

void template_index_free(struct template_index *index)
{
    if (!index)
        return;
    free(index->records);
    free(index);
}

/* First record whose positions are not smaller than those of `proto`. */
static uint32_t lower_bound(const struct template_index *index,
                            const struct protostructure *proto)
{
    uint32_t low = 0, high = index->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_positions(&index->records[middle]->proto, proto) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- assignment ---- */

/* Give each of n rows its own column with a large sum of values: best pair first, then swaps of
 * two rows as long as one gains. Deterministic; exact for n <= 2, good enough beyond. */
static void assign(uint32_t n, const double *value, uint32_t *column)
{
    cleanup(free_ptr) uint8_t *taken = mem_new(2 * (size_t)n, 1);
    uint8_t *row_taken = taken, *column_taken = taken + n;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t best_row = n, best_column = n;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++)
                if (!row_taken[i] && !column_taken[j] &&
                    (best_row == n || value[i * n + j] > value[best_row * n + best_column])) {
                    best_row = i;
                    best_column = j;
                }
        column[best_row] = best_column;
        row_taken[best_row] = column_taken[best_column] = 1;
    }
    bool gained = true;
    for (uint32_t pass = 0; gained && pass < n; pass++) {
        gained = false;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = i + 1; j < n; j++) {
                double now = value[i * n + column[i]] + value[j * n + column[j]];
                double then = value[i * n + column[j]] + value[j * n + column[i]];
                if (then > now + 1e-12) { /* beyond rounding: two equal sums never alternate */
                    uint32_t swapped = column[i];
                    column[i] = column[j];
                    column[j] = swapped;
                    gained = true;
                }
            }
    }
}

/* ---- same prototype: elements map to elements ---- */

struct element_use {
    uint8_t element;
    uint16_t letters[LETTER_MAX]; /* how often it sits on each */
};

struct uses {
    uint32_t n;
    struct element_use items[KINDS_MAX];
};

/* false: more than KINDS_MAX elements. */
static bool uses_of(const struct protostructure *proto, struct uses *uses)
{
    uses->n = 0;
    for (uint32_t s = 0; s < proto->n_sites; s++) {
        uint32_t u = 0;
        while (u < uses->n && uses->items[u].element != proto->sites[s].element)
            u++;
        if (u == KINDS_MAX)
            return false;
        if (u == uses->n)
            uses->items[uses->n++] = (struct element_use){.element = proto->sites[s].element};
        uses->items[u].letters[proto->sites[s].letter]++;
    }
    return true;
}

static bool same_use(const struct element_use *a, const struct element_use *b)
{
    return memcmp(a->letters, b->letters, sizeof a->letters) == 0;
}

/* ret_element[asked atomic number] = atomic number in the template. */
static bool map_elements(const struct template_index *index, const struct uses *asked,
                         const struct uses *there, uint8_t ret_element[ELEMENT_MAX + 1])
{
    if (asked->n != there->n)
        return false;
    double value[KINDS_MAX * KINDS_MAX];
    uint32_t column[KINDS_MAX], n = asked->n;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) /* -4: a pair that must not be */
            value[i * n + j] =
                same_use(&asked->items[i], &there->items[j])
                    ? index->similarity[asked->items[i].element][there->items[j].element]
                    : -4;
    assign(n, value, column);
    for (uint32_t i = 0; i < n; i++) {
        if (value[i * n + column[i]] < 0)
            return false;
        ret_element[asked->items[i].element] = there->items[column[i]].element;
    }
    return true;
}

static void sites_by_element(const struct protostructure *asked,
                             const struct protostructure *there,
                             const uint8_t map[ELEMENT_MAX + 1], uint32_t *site)
{
    cleanup(free_ptr) uint8_t *taken = mem_new(there->n_sites, 1);
    for (uint32_t s = 0; s < asked->n_sites; s++)
        for (uint32_t t = 0; t < there->n_sites; t++)
            if (!taken[t] && there->sites[t].letter == asked->sites[s].letter &&
                there->sites[t].element == map[asked->sites[s].element]) {
                taken[t] = 1;
                site[s] = t;
                break;
            }
}

/* ---- any occupation: sites of one letter map to sites of that letter ---- */

static void sites_by_letter(const struct template_index *index,
                            const struct protostructure *asked,
                            const struct protostructure *there, uint32_t *site)
{
    for (uint32_t begin = 0, end; begin < asked->n_sites; begin = end) {
        for (end = begin + 1;
             end < asked->n_sites && asked->sites[end].letter == asked->sites[begin].letter;)
            end++;
        uint32_t n = end - begin;
        cleanup(free_ptr) double *value = mem_new((size_t)n * n, sizeof *value);
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++)
                value[i * n + j] = index->similarity[asked->sites[begin + i].element]
                                                    [there->sites[begin + j].element];
        assign(n, value, site + begin);
        for (uint32_t i = begin; i < end; i++)
            site[i] += begin;
    }
}

/* ---- search ---- */

static double mean_similarity(const struct template_index *index,
                              const struct protostructure *asked,
                              const struct protostructure *there, const uint32_t *site)
{
    const struct spacegroup *group = spacegroup_get(asked->spacegroup);
    double sum = 0, atoms = 0;
    for (uint32_t s = 0; s < asked->n_sites; s++) {
        double weight = group->positions[asked->sites[s].letter].multiplicity;
        sum +=
            weight * index->similarity[asked->sites[s].element][there->sites[site[s]].element];
        atoms += weight;
    }
    return sum / atoms;
}

static void match_record(const struct template_index *index, const struct protostructure *proto,
                         const struct uses *uses, const struct record *record,
                         struct template_match *match)
{
    struct uses there;
    uint8_t map[ELEMENT_MAX + 1] = {0};
    match->record = record;
    match->same_prototype =
        uses_of(&record->proto, &there) && map_elements(index, uses, &there, map);
    if (match->same_prototype)
        sites_by_element(proto, &record->proto, map, match->site);
    else
        sites_by_letter(index, proto, &record->proto, match->site);
    match->similarity = mean_similarity(index, proto, &record->proto, match->site);
}

static bool better(const struct template_match *a, const struct template_match *b)
{
    if (a->same_prototype != b->same_prototype)
        return a->same_prototype;
    if (a->similarity != b->similarity)
        return a->similarity > b->similarity;
    return strcmp(a->record->id, b->record->id) < 0;
}

uint32_t template_find(const struct template_index *index, const struct protostructure *proto,
                       uint32_t max, struct template_match *ret_matches)
{
    struct uses uses;
    uint32_t n = 0;
    if (max == 0 || !uses_of(proto, &uses))
        return 0;
    struct template_match match = {.site = mem_new(proto->n_sites, sizeof *match.site)};
    for (uint32_t r = lower_bound(index, proto);
         r < index->n && compare_positions(&index->records[r]->proto, proto) == 0; r++) {
        match_record(index, proto, &uses, index->records[r], &match);
        uint32_t place = n;
        while (place > 0 && better(&match, &ret_matches[place - 1]))
            place--;
        if (place == max)
            continue;
        if (n == max)
            template_match_done(&ret_matches[--n]);
        memmove(&ret_matches[place + 1], &ret_matches[place],
                (n - place) * sizeof *ret_matches);
        ret_matches[place] = match;
        ret_matches[place].site = mem_copy(match.site, proto->n_sites * sizeof *match.site);
        n++;
    }
    free(match.site);
    return n;
}

void template_match_done(struct template_match *match)
{
    if (!match)
        return;
    free(match->site);
    *match = (struct template_match){0};
}
