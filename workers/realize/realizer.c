#include "workers/realize/realizer.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/structure.h"
#include "workers/realize/pair_model.h"
#include "workers/realize/relax.h"
#include "workers/realize/start.h"
#include "workers/realize/template.h"
#include "workers/realize/volume_model.h"

#include <math.h>

struct realizer {
    const struct dataset *dataset;
    struct realize_options options;
    uint64_t key; /* of the random streams */
    struct pair_model *pairs;
    struct volume_model *volumes;
    struct template_index *templates;
};

struct realizer *realizer_new(const struct dataset *dataset,
                              const struct realize_options *options)
{
    struct realizer *realizer = mem_new(1, sizeof *realizer);
    char name[64];
    (void)snprintf(name, sizeof name, "realize seed %llu", (unsigned long long)options->seed);
    struct hash hash = hash_bytes(span_text(name));
    *realizer = (struct realizer){.dataset = dataset,
                                  .options = *options,
                                  .key = hash_u64(&hash),
                                  .pairs = pair_model_new(dataset),
                                  .volumes = volume_model_new(dataset),
                                  .templates = template_index_new(dataset)};
    return realizer;
}

void realizer_free(struct realizer *realizer)
{
    if (!realizer)
        return;
    free(realizer->pairs);
    free(realizer->volumes);
    template_index_free(realizer->templates);
    free(realizer);
}

void realizer_free_ptr(struct realizer **realizer)
{
    realizer_free(*realizer);
}

/* ---- one sample ---- */

struct job {
    const struct realizer *realizer;
    uint32_t sample;
    struct protostructure asked; /* canonical */
    struct reduced reduced;
    struct pair_table table;
    struct relax relax;
    double volume; /* predicted, Angstrom^3 */
    uint32_t n_matches;
    struct template_match matches[REALIZE_TEMPLATES]; /* best first */
    struct candidate *candidate;
    enum outcome outcome; /* of the best try so far, with its reason in the candidate */
};

static int job_init(struct job *job, const struct protostructure *proto, struct err *err)
{
    int rc = protostructure_check(proto, err);
    if (rc)
        return rc;
    protostructure_copy(&job->asked, proto);
    protostructure_canonicalize(&job->asked);
    rc = reduced_init(&job->reduced, &job->asked, REALIZE_ATOMS_MAX, err);
    if (rc)
        return rc;
    double counts[KINDS_MAX] = {0};
    for (uint32_t k = 0; k < job->reduced.n_kinds; k++)
        for (uint32_t s = 0; s < job->asked.n_sites; s++)
            if (job->asked.sites[s].element == job->reduced.elements[k])
                counts[k] += job->reduced.positions[s]->multiplicity;
    pair_table_init(&job->table, job->realizer->pairs, job->reduced.elements, counts,
                    job->reduced.n_kinds);
    relax_init(&job->relax, &job->reduced);
    job->relax.table = &job->table;
    job->volume = volume_predict(job->realizer->volumes, proto);
    uint32_t max = job->realizer->options.templates_max;
    job->n_matches =
        template_find(job->realizer->templates, &job->asked,
                      max < REALIZE_TEMPLATES ? max : REALIZE_TEMPLATES, job->matches);
    return 0;
}

static void job_done(struct job *job)
{
    for (uint32_t m = 0; m < job->n_matches; m++)
        template_match_done(&job->matches[m]);
    relax_done(&job->relax);
    reduced_done(&job->reduced);
    protostructure_done(&job->asked);
}

/* ---- the proof ---- */

/* Operations per atom of the conventional cell: what "more symmetric" means for one crystal. */
static double symmetry_of(const struct protostructure *proto)
{
    return spacegroup_get(proto->spacegroup)->order / (double)protostructure_atoms(proto);
}

static enum outcome reject(struct job *job, enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first reason stays: it belongs to the start that was thought best. */
static enum outcome reject(struct job *job, enum outcome outcome, const char *format, ...)
{
    struct candidate *candidate = job->candidate;
    if (candidate->reason[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(candidate->reason, sizeof candidate->reason, format, arguments);
        va_end(arguments);
        job->outcome = outcome;
    }
    return outcome;
}

/* Same group and no more operations per atom: the crystal has the symmetry asked for, exactly.
 * Its encoding may still name other letters (another of the equivalent origins was chosen);
 * then the description asked for is as true, and kept. */
static enum outcome compare_symmetry(struct job *job, const struct protostructure *found)
{
    double have = symmetry_of(found), want = symmetry_of(&job->asked);
    if (found->spacegroup == job->asked.spacegroup && have == want)
        return OUTCOME_REALIZED;
    cleanup(free_ptr) char *label = protostructure_label(found);
    cleanup(free_ptr) char *wanted = protostructure_label(&job->asked);
    return reject(job, have > want ? OUTCOME_HIGHER_SYMMETRY : OUTCOME_FAILED,
                  "%s symmetry: %s (asked %s)", have > want ? "higher" : "other", label,
                  wanted);
}

static const double overlap_ratio = 0.7; /* of the bond length: closer atoms have collided */

/* The most crowded pair of the geometry that relax.cell holds. */
static enum outcome check_overlap(struct job *job, double *ret_distance_min)
{
    double worst = HUGE_VAL, shortest = HUGE_VAL;
    const struct neighbour *worst_pair = NULL;
    const struct cell *cell = &job->relax.cell;
    for (uint32_t p = 0; p < job->relax.list.n; p++) {
        const struct neighbour *pair = &job->relax.list.items[p];
        uint8_t a = cell->kind[cell->centre[pair->centre]], b = cell->kind[pair->atom];
        double ratio = pair->distance / job->table.terms[a][b].bond;
        shortest = fmin(shortest, pair->distance);
        if (ratio < worst) {
            worst = ratio;
            worst_pair = pair;
        }
    }
    *ret_distance_min = shortest;
    if (!worst_pair || worst >= overlap_ratio)
        return OUTCOME_REALIZED;
    uint8_t a = cell->kind[cell->centre[worst_pair->centre]], b = cell->kind[worst_pair->atom];
    return reject(job, OUTCOME_FAILED, "atoms overlap: %s-%s %.2f Angstrom, usual are %.2f",
                  element_get(job->reduced.elements[a])->symbol,
                  element_get(job->reduced.elements[b])->symbol, worst_pair->distance,
                  job->table.terms[a][b].bond);
}

/* Make the candidate's structure from the parameters, if it is what was asked for. */
static enum outcome finish(struct job *job, const double *values)
{
    struct candidate *candidate = job->candidate;
    struct err err = {0};
    double energy, distance_min;
    job->relax.springs = NULL;
    job->relax.volume_weight = 0;
    if (relax_energy(&job->relax, values, &energy, NULL, &err))
        return reject(job, OUTCOME_FAILED, "%s", err.text);
    enum outcome outcome = check_overlap(job, &distance_min);
    if (outcome != OUTCOME_REALIZED)
        return outcome;
    struct record record = {0}, encoded = {0};
    struct structure structure = {0};
    reduced_to_record(&job->reduced, values, &record);
    int rc = record_to_primitive(&record, &structure, &err);
    if (rc == 0)
        rc = structure_to_record(&structure, job->realizer->options.symprec, &encoded, &err);
    outcome = rc ? reject(job, OUTCOME_FAILED, "%s", err.text)
                 : compare_symmetry(job, &encoded.proto);
    if (outcome == OUTCOME_REALIZED) {
        struct record *best =
            protostructure_equal(&encoded.proto, &job->asked) ? &encoded : &record;
        record_done(&candidate->record);
        candidate->record = *best;
        *best = (struct record){0};
        candidate->distance_min = structure_distance_min(&structure);
        candidate->pair_energy = energy / job->reduced.n_atoms;
        candidate->valid = true;
        candidate->reason[0] = '\0';
        job->outcome = OUTCOME_REALIZED;
    }
    structure_done(&structure);
    record_done(&record);
    record_done(&encoded);
    return outcome;
}

/* ---- templates ---- */

/* Parameters of the template with its own size. */
static int template_values(const struct job *job, const struct template_match *match,
                           double *ret_values, struct err *err)
{
    struct record moved = {0};
    memcpy(moved.cell, match->record->cell, sizeof moved.cell);
    moved.free = mem_new(job->asked.n_sites, sizeof *moved.free);
    for (uint32_t s = 0; s < job->asked.n_sites; s++)
        memcpy(moved.free[s], match->record->free[match->site[s]], sizeof *moved.free);
    int rc = reduced_from_record(&job->reduced, &moved, ret_values, err);
    free(moved.free);
    return rc;
}

/* Bounds of new over old volume: outside of them the volume model is wrong. */
static const double volume_ratio_min = 0.3, volume_ratio_max = 3;

static double volume_ratio(const struct job *job, const struct record *record)
{
    double ratio = job->volume / volume_predict(job->realizer->volumes, &record->proto);
    return fmax(volume_ratio_min, fmin(volume_ratio_max, ratio));
}

static const double spring_volume_weight = 10;
static const double start_volume_weight = 20;

/* Move the template by distance least squares; errors leave `values` as they are. */
static void template_refine(struct job *job, const struct template_match *match,
                            double log_volume, double *values)
{
    struct springs springs;
    cleanup(free_ptr) double *moved = mem_copy(values, job->reduced.n * sizeof *values);
    double old_log_volume = reduced_log_volume(&job->reduced, values), energy;
    double scale = mathd_exp((log_volume - old_log_volume) / 3);
    if (springs_init(&springs, &job->reduced, values, match, job->realizer->pairs, scale,
                     NULL) == 0) {
        reduced_set_log_volume(&job->reduced, log_volume, moved);
        job->relax.springs = &springs;
        job->relax.log_volume = log_volume;
        job->relax.volume_weight = spring_volume_weight;
        job->relax.steps_max = job->realizer->options.relax_steps_max;
        if (relax_run(&job->relax, moved, &energy, NULL) == 0)
            memcpy(values, moved, job->reduced.n * sizeof *values);
        job->relax.springs = NULL;
    }
    springs_done(&springs);
}

/* Parameters of the template at the volume expected of the new crystal. */
static int template_start(struct job *job, const struct template_match *match, double *values,
                          struct err *err)
{
    int rc = template_values(job, match, values, err);
    if (rc)
        return err_context(err, rc, "template '%s'", match->record->id);
    double log_volume =
        reduced_log_volume(&job->reduced, values) + mathd_log(volume_ratio(job, match->record));
    if (job->realizer->options.relax_steps_max > 0)
        template_refine(job, match, log_volume, values);
    else
        reduced_set_log_volume(&job->reduced, log_volume, values);
    return 0;
}

static enum outcome finish_template(struct job *job, const struct template_match *match,
                                    const double *values)
{
    enum outcome outcome = finish(job, values);
    if (outcome == OUTCOME_REALIZED) {
        job->candidate->geometry = GEOMETRY_TEMPLATE;
        (void)snprintf(job->candidate->template_id, ID_SIZE, "%s", match->record->id);
    }
    return outcome;
}

/* Templates of the same prototype, most similar first: the first that holds is taken. The pair
 * energy would choose worse: its own minimum is farther from the truth than a template. */
static enum outcome try_templates(struct job *job)
{
    cleanup(free_ptr) double *values = mem_new(job->reduced.n, sizeof *values);
    enum outcome outcome = OUTCOME_FAILED;
    struct err err = {0};
    for (uint32_t m = 0; m < job->n_matches && outcome != OUTCOME_REALIZED; m++) {
        const struct template_match *match = &job->matches[m];
        if (!match->same_prototype)
            break;
        if (template_start(job, match, values, &err))
            outcome = reject(job, OUTCOME_FAILED, "%s", err.text);
        else
            outcome = finish_template(job, match, values);
    }
    return outcome;
}

/* ---- search ---- */

enum { LANE_START = 1 };

struct start {
    uint32_t number;
    const struct template_match *match; /* NULL: random */
    double energy;
    double *values;
};

static int compare_starts(const void *a, const void *b)
{
    const struct start *x = a, *y = b;
    if (x->energy != y->energy)
        return x->energy < y->energy ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int relax_start(struct job *job, struct start *start, struct err *err)
{
    const struct realizer *realizer = job->realizer;
    int rc = 0;
    if (start->match)
        rc = template_start(job, start->match, start->values, err);
    job->relax.log_volume = mathd_log(job->volume);
    job->relax.volume_weight = start_volume_weight;
    job->relax.steps_max = realizer->options.relax_steps_max;
    if (!start->match) {
        struct rng rng = rng_stream(realizer->key, job->sample, start->number, LANE_START);
        rc = start_random(&job->relax, &rng, start->values, err);
    }
    return rc ? rc : relax_run(&job->relax, start->values, &start->energy, err);
}

/* Pairs of orbit and atom that all random starts of one sample may visit together, so that no
 * sample takes minutes: about 20 s. */
static const double visits_max = 3e8;

static uint32_t starts_allowed(const struct job *job)
{
    const struct realize_options *options = &job->realizer->options;
    double per_start = ((double)options->relax_steps_max + 10) * job->reduced.proto.n_sites *
                       job->reduced.n_atoms;
    double allowed = fmax(1, visits_max / per_start);
    return allowed < options->random_starts ? (uint32_t)allowed : options->random_starts;
}

/* Relax the templates of another prototype and the random starts; those without an energy are
 * left out. Returns how many have one. */
static uint32_t starts_make(struct job *job, uint32_t n_random, struct start *starts,
                            struct err *err)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < job->n_matches + n_random; k++) {
        bool template = k < job->n_matches;
        if (template && job->matches[k].same_prototype)
            continue;
        starts[n] = (struct start){.number = template ? k : k - job->n_matches,
                                   .match = template ? &job->matches[k] : NULL,
                                   .values = mem_new(job->reduced.n, sizeof(double))};
        if (relax_start(job, &starts[n], err))
            free(starts[n].values);
        else
            n++;
    }
    return n;
}

static enum outcome finish_start(struct job *job, const struct start *start)
{
    if (start->match)
        return finish_template(job, start->match, start->values);
    enum outcome outcome = finish(job, start->values);
    if (outcome == OUTCOME_REALIZED)
        job->candidate->geometry = GEOMETRY_RANDOM;
    return outcome;
}

/* The lowest pair energy that holds. */
static enum outcome try_search(struct job *job)
{
    uint32_t n_random = starts_allowed(job);
    enum outcome outcome = OUTCOME_FAILED;
    struct err err = {0};
    cleanup(free_ptr) struct start *starts =
        mem_new(job->n_matches + (size_t)n_random, sizeof *starts);
    uint32_t n = starts_make(job, n_random, starts, &err);
    qsort(starts, n, sizeof *starts, compare_starts);
    for (uint32_t k = 0; k < n; k++) {
        if (outcome != OUTCOME_REALIZED)
            outcome = finish_start(job, &starts[k]);
        free(starts[k].values);
    }
    if (n == 0 && n_random > 0)
        return reject(job, OUTCOME_FAILED, "no start has an energy: %s", err.text);
    return outcome;
}

/* ---- candidate ---- */

static double *unknown(uint32_t n)
{
    double *values = mem_new(n, sizeof *values);
    for (uint32_t i = 0; i < n; i++)
        values[i] = NAN;
    return values;
}

static void candidate_init(struct candidate *candidate, uint32_t sample,
                           const struct protostructure *proto, uint32_t n_properties)
{
    *candidate = (struct candidate){.sample = sample,
                                    .pair_energy = NAN,
                                    .distance_min = NAN,
                                    .predicted = unknown(n_properties),
                                    .spread = unknown(n_properties),
                                    .exact = unknown(n_properties)};
    protostructure_copy(&candidate->record.proto, proto);
    candidate->record.free = mem_new(proto->n_sites, sizeof *candidate->record.free);
}

enum outcome realizer_run(struct realizer *realizer, uint32_t sample,
                          const struct protostructure *proto, struct candidate *ret)
{
    struct err err = {0};
    candidate_init(ret, sample, proto, realizer->dataset->n_properties);
    struct job job = {
        .realizer = realizer, .sample = sample, .candidate = ret, .outcome = OUTCOME_FAILED};
    if (job_init(&job, proto, &err)) {
        (void)reject(&job, OUTCOME_FAILED, "%s", err.text);
    } else if (try_templates(&job) != OUTCOME_REALIZED &&
               try_search(&job) != OUTCOME_REALIZED) {
        (void)reject(&job, OUTCOME_FAILED, "no template and no random start");
    }
    job_done(&job);
    ret->id = record_structure_id(&ret->record);
    return job.outcome;
}
