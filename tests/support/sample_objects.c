/* Hand-made objects: see sample_objects.h. */
#include "tests/support/sample_objects.h"

#include "common/mem.h"
#include "proto/targets.h"
#include "proto/value.h"

#include <math.h>
#include <stdio.h>

struct targets sample_targets(void)
{
    return (struct targets){
        .n = 2,
        .items = {{.property = "band_gap", .low = 1.5, .high = 2.5, .weight = 1},
                  {.property = "density", .low = -INFINITY, .high = 6, .weight = 0.5}},
    };
}

void sample_action(struct action *ret)
{
    struct targets targets = sample_targets();
    struct pack pack;
    *ret = (struct action){.kind = "sample", .revision = 3, .profile = "x86-64-v3 sleef-3.5.1"};
    pack_init(&pack, &ret->params);
    pack_map(&pack, 3);
    pack_key(&pack, "count");
    pack_u64(&pack, 300);
    pack_key(&pack, "guidance");
    pack_f64(&pack, 2);
    pack_key(&pack, "targets");
    targets_pack(&pack, &targets);
    ret->n_inputs = 2;
    ret->inputs = mem_new(2, sizeof *ret->inputs);
    ret->inputs[0] = hash_bytes(span_text("dataset"));
    ret->inputs[1] = hash_bytes(span_text("checkpoint"));
}

void sample_result(struct result *ret)
{
    struct pack pack;
    *ret = (struct result){.action = hash_bytes(span_text("action")), .n_outputs = 2};
    ret->outputs = mem_new(2, sizeof *ret->outputs);
    ret->outputs[0] = (struct output){hash_bytes(span_text("one")), 3, "samples"};
    ret->outputs[1] = (struct output){hash_bytes(span_text("")), 0, "report"};
    pack_init(&pack, &ret->summary);
    pack_map(&pack, 2);
    pack_key(&pack, "drawn");
    pack_u64(&pack, 70000);
    pack_key(&pack, "loss");
    pack_f64(&pack, -0.125);
}

void sample_source(struct source *ret)
{
    static const char junk[] = "data_x\n\0\xff\x01 end";
    *ret = (struct source){.n_items = 3};
    ret->items = mem_new(3, sizeof *ret->items);
    ret->items[0] = (struct source_item){
        .file = "a/one.extxyz", .line = 12, .format = "extxyz", .reject = ""};
    ret->items[0].text = mem_text("2\nLattice=...\nNa 0 0 0\nCl 0.5 0.5 0.5\n");
    ret->items[0].size = strlen(ret->items[0].text);
    ret->items[1] =
        (struct source_item){.file = "b.cif", .line = 1, .format = "cif", .reject = ""};
    ret->items[1].text = mem_copy(junk, sizeof junk);
    ret->items[1].size = sizeof junk - 1;
    ret->items[2] = (struct source_item){.file = "c.cif", .reject = "permission denied"};
    ret->items[2].text = mem_text("");
}

static void set_sites(struct protostructure *proto, uint16_t group, uint16_t n,
                      const struct site *sites)
{
    proto->spacegroup = group;
    proto->n_sites = n;
    proto->sites = mem_copy(sites, n * sizeof *sites);
}

/* BaTiO3, tetragonal: a free z on three of four positions. */
static void sample_record(struct record *ret)
{
    static const struct site sites[] = {{0, 8}, {0, 22}, {1, 56}, {2, 8}};
    static const double cell[6] = {3.9945, 3.9945, 4.0335, 90, 90, 90};
    *ret = (struct record){.id = "mp-5986", .source = "titanates.extxyz", .line = 41};
    set_sites(&ret->proto, 99, 4, sites);
    memcpy(ret->cell, cell, sizeof cell);
    ret->free = mem_new(4, sizeof *ret->free);
    ret->free[0][2] = 0.9757;
    ret->free[1][2] = 0.5135;
    ret->free[3][2] = 1.0 / 3.0;
}

void sample_dataset(struct dataset *ret)
{
    static const struct site rock_salt[] = {{0, 11}, {1, 17}};
    *ret = (struct dataset){.n_properties = 2, .n_records = 2, .n_rejects = 1};
    ret->properties[0] = (struct property){"band_gap", "eV"};
    ret->properties[1] = (struct property){"density", "g/cm3"};
    ret->records = mem_new(2, sizeof *ret->records);
    sample_record(&ret->records[0]);
    ret->records[0].properties = mem_new(2, sizeof(double));
    ret->records[0].properties[0] = 1.6917;
    ret->records[0].properties[1] = NAN;
    struct record *salt = &ret->records[1];
    (void)snprintf(salt->id, sizeof salt->id, "caf\xc3\xa9 salt");
    (void)snprintf(salt->source, sizeof salt->source, "NaCl.cif");
    salt->line = 1;
    set_sites(&salt->proto, 225, 2, rock_salt);
    for (int i = 0; i < 6; i++)
        salt->cell[i] = i < 3 ? 5.6402 : 90;
    salt->free = mem_new(2, sizeof *salt->free);
    salt->properties = mem_new(2, sizeof(double));
    salt->properties[0] = 5;
    salt->properties[1] = 2.17;
    ret->splits = mem_new(2, 1);
    ret->splits[1] = SPLIT_VALIDATION;
    ret->rejects = mem_new(1, sizeof *ret->rejects);
    ret->rejects[0] =
        (struct reject){"bad", "broken.cif", 7, "no cell: '_cell_length_a' is '?'"};
}

void sample_samples(struct samples *ret)
{
    static const struct site perovskite[] = {{0, 56}, {1, 22}, {2, 8}},
                             free_twice[] = {{0, 1}, {0, 1}, {26, 103}};
    *ret = (struct samples){.n = 3, .guided = true};
    ret->index = mem_new(3, sizeof *ret->index);
    ret->protos = mem_new(3, sizeof *ret->protos);
    ret->index[0] = 64;
    ret->index[1] = 65;
    ret->index[2] = 4000000000;
    set_sites(&ret->protos[0], 221, 3, perovskite);
    set_sites(&ret->protos[1], 47, 3, free_twice);
    set_sites(&ret->protos[2], 1, 0, NULL); /* nothing drawn */
}

static double *row_of(double first, double second)
{
    double *row = mem_new(2, sizeof *row);
    row[0] = first;
    row[1] = second;
    return row;
}

void sample_candidates(struct candidates *ret)
{
    *ret = (struct candidates){.n_properties = 2, .n = 2};
    ret->properties[0] = (struct property){"band_gap", "eV"};
    ret->properties[1] = (struct property){"density", "g/cm3"};
    ret->items = mem_new(2, sizeof *ret->items);
    struct candidate *good = &ret->items[0], *bad = &ret->items[1];
    *good = (struct candidate){
        .sample = 64,
        .guided = true,
        .geometry = GEOMETRY_TEMPLATE,
        .template_id = "mp-5986",
        .valid = true,
        .pair_energy = -3.25,
        .distance_min = 1.9,
        .novel = true,
        .predicted = row_of(1.75, 5.5),
        .spread = row_of(0.25, 0.125),
        .exact = row_of(NAN, 5.875),
        .satisfied_predicted = VERDICT_YES,
        .satisfied_exact = VERDICT_UNKNOWN,
        .probability = 0.8125,
    };
    sample_record(&good->record);
    good->id = record_structure_id(&good->record);
    *bad = (struct candidate){
        .sample = 65,
        .reason = "higher symmetry: ABC3_cP5_221_a_b_c:Ba-Ti-O",
        .pair_energy = NAN,
        .distance_min = NAN,
        .predicted = row_of(NAN, NAN),
        .spread = row_of(NAN, NAN),
        .exact = row_of(NAN, NAN),
        .probability = NAN,
    };
    set_sites(&bad->record.proto, 1, 0, NULL);
    bad->record.free = mem_new(0, sizeof *bad->record.free);
    bad->id = record_structure_id(&bad->record);
}

void sample_tally(struct tally *ret)
{
    static const struct tally_reason reason = {"higher symmetry", 3};
    *ret = (struct tally){.n_reasons = 1, .reasons = mem_copy(&reason, sizeof reason)};
    ret->arms[1] = (struct tally_arm){.samples = 130, .valid = 70, .n_firsts = 2};
    ret->arms[1].firsts = mem_new(2, sizeof *ret->arms[1].firsts);
    for (uint8_t i = 0; i < 2; i++)
        ret->arms[1].firsts[i] = (struct tally_first){
            .proto.bytes = {i, 7}, .exact = VERDICT_NO, .predicted = VERDICT_YES};
    ret->arms[0] = (struct tally_arm){.samples = 128, .firsts = mem_new(0, 1)};
}
