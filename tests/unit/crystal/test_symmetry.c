/* Does a structure survive the way to a record and back, in every space group? */
#include "tests/support/cmocka.h"

#include "common/rng.h"
#include "workers/crystal/format.h"
#include "workers/crystal/normalizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double symprec = 0.1;
static const double exact = 1e-3; /* for crystals made here: nearly exact coordinates */

/* A cell of the group's system with edges of about 9 A and no accidental symmetry. */
static void test_cell(const struct spacegroup *group, double cell[6])
{
    static const double parameters[6] = {9, 9.9, 11.2, 84, 97, 101};
    memcpy(cell, parameters, sizeof parameters);
    cell_symmetrize(group, cell);
}

/* One general orbit per element, so that nothing more symmetric can be found. */
static void general_record(int number, uint32_t trial, struct record *ret)
{
    const struct spacegroup *group = spacegroup_get(number);
    struct rng rng = rng_stream(7, (uint32_t)number, trial, 0);
    *ret = (struct record){.line = 1};
    (void)snprintf(ret->id, sizeof ret->id, "general-%d", number);
    ret->proto = (struct protostructure){.spacegroup = (uint16_t)number, .n_sites = 2};
    ret->proto.sites = calloc(2, sizeof *ret->proto.sites);
    ret->free = calloc(2, sizeof *ret->free);
    test_cell(group, ret->cell);
    for (uint8_t i = 0; i < 2; i++) {
        ret->proto.sites[i].letter = (uint8_t)(group->n_positions - 1);
        ret->proto.sites[i].element = (uint8_t)(11 + i);
        for (int k = 0; k < 3; k++)
            ret->free[i][k] = 0.02 + 0.96 * rng_uniform(&rng);
    }
}

static void test_record__every_group_decodes_and_encodes_to_itself(void **state)
{
    (void)state;
    for (int number = 1; number <= GROUP_MAX; number++) {
        struct record record, again;
        struct structure full, primitive;
        struct err err = {0};
        general_record(number, 0, &record);
        /* a general position may still come within 0.5 A of its image: draw again */
        for (uint32_t trial = 1;; trial++) {
            assert_int_equal(record_to_structure(&record, &full, &err), 0);
            if (structure_distance_min(&full) > 0.4 || trial == 1000)
                break;
            structure_done(&full);
            record_done(&record);
            general_record(number, trial, &record);
        }
        assert_int_equal(full.n_atoms, 2 * spacegroup_get(number)->order);
        assert_int_equal(record_to_primitive(&record, &primitive, &err), 0);
        double cells = structure_volume(&full) / structure_volume(&primitive);
        assert_int_equal((int)rint(cells * primitive.n_atoms), full.n_atoms);
        if (structure_to_record(&primitive, exact, &again, &err))
            fail_msg("group %d: %s", number, err.text);
        if (!protostructure_equal(&record.proto, &again.proto))
            fail_msg("group %d came back as %d", number, again.proto.spacegroup);
        assert_int_equal(structure_spacegroup(&full, exact), number);
        record_done(&record);
        record_done(&again);
        structure_done(&full);
        structure_done(&primitive);
    }
}

/* All positions without freedom, each with its own element, on the two kinds of origin: if the
 * origin were moved wrongly, letters would change. */
static void test_record__letters_hold_in_groups_with_two_origins(void **state)
{
    (void)state;
    static const int groups[] = {48,  50,  59,  68,  70,  85,  86,  88,  125, 126, 129, 130,
                                 133, 134, 137, 138, 141, 142, 201, 203, 222, 224, 227, 228};
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        const struct spacegroup *group = spacegroup_get(groups[g]);
        struct record record, again;
        struct structure structure;
        struct err err = {0};
        general_record(groups[g], 0, &record);
        uint8_t letter = 0;
        while (group->positions[letter].dof > 0)
            letter++;
        record.proto.sites[0].letter = letter;
        memset(record.free[0], 0, sizeof record.free[0]);
        assert_int_equal(record_to_structure(&record, &structure, &err), 0);
        assert_int_equal(structure_to_record(&structure, exact, &again, &err), 0);
        assert_int_equal(again.proto.spacegroup, groups[g]);
        assert_int_equal(again.proto.n_sites, 2);
        assert_int_equal(group->positions[again.proto.sites[0].letter].multiplicity,
                         group->positions[letter].multiplicity);
        assert_string_equal(group->positions[again.proto.sites[0].letter].site_symmetry,
                            group->positions[letter].site_symmetry);
        structure_done(&structure);
        record_done(&record);
        record_done(&again);
    }
}

static bool same_record(const struct record *a, const struct record *b)
{
    bool same = protostructure_equal(&a->proto, &b->proto);
    for (uint32_t i = 0; i < a->proto.n_sites && same; i++)
        for (int k = 0; k < 3; k++) {
            double d = a->free[i][k] - b->free[i][k];
            same = same && fabs(d - rint(d)) < 1e-5;
        }
    return same;
}

/* Point groups 1, 2, m, mm2, 3, 3m, 4, 4mm, 6, 6mm: the origin along an axis is anybody's. */
static bool is_polar(int group)
{
    static const int ranges[][2] = {{1, 1},     {3, 9},     {25, 46},   {75, 80},  {99, 110},
                                    {143, 146}, {156, 161}, {168, 173}, {183, 186}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (group >= ranges[i][0] && group <= ranges[i][1])
            return true;
    return false;
}

/* A crystal with an atom on position a beside a general one, in another description. */
static void redescribe(const struct record *record, const struct description *turn,
                       const struct description *shift, struct structure *ret)
{
    double axes[3][3];
    assert_int_equal(record_to_structure(record, ret, NULL), 0);
    for (uint32_t i = 0; i < ret->n_atoms; i++) {
        affine_apply(&turn->map, ret->frac[i], ret->frac[i]);
        affine_apply(&shift->map, ret->frac[i], ret->frac[i]);
    }
    description_axes(turn, (const double(*)[3])ret->lattice, axes);
    memcpy(ret->lattice, axes, sizeof axes);
}

/* The same crystal in any equivalent description is the same record. */
static void test_record__description_does_not_matter(void **state)
{
    (void)state;
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        const struct normalizer *normalizer = normalizer_get(group);
        struct record record, first = {0}, again;
        struct structure s;
        struct err err = {0};
        general_record(number, 0, &record);
        record.proto.sites[0].letter = 0; /* a special position beside the general one */
        for (int k = 0; k < 3; k++)
            if (!group->positions[0].free_axes[k])
                record.free[0][k] = 0;
        uint32_t n = normalizer->n_turns * normalizer->n_shifts;
        for (uint32_t o = 0; o < n; o += 1 + n / 500) {
            redescribe(&record, &normalizer->turns[o / normalizer->n_shifts],
                       &normalizer->shifts[o % normalizer->n_shifts], &s);
            if (structure_to_record(&s, exact, &again, &err))
                fail_msg("group %d: %s", number, err.text);
            if (o == 0)
                first = again;
            else if (is_polar(number) ? !protostructure_equal(&first.proto, &again.proto)
                                      : !same_record(&first, &again))
                fail_msg("group %d, description %u: another record", number, o);
            if (o > 0)
                record_done(&again);
            structure_done(&s);
        }
        struct protostructure canonical = record.proto, found = first.proto;
        protostructure_canonicalize(&canonical);
        protostructure_canonicalize(&found);
        assert_true(protostructure_equal(&canonical, &found));
        record_done(&first);
        record_done(&record);
    }
}

static void test_normalizer__has_as_many_cosets_as_the_tables_say(void **state)
{
    (void)state;
    /* International Tables A, table 3.5.2.3 to 3.5.2.5: index of the group in its Euclidean
     * normalizer, for the most symmetric cell of the system (orthorhombic: a = b = c) */
    static const struct {
        int group;
        uint32_t n;
    } cases[] = {{16, 96},  {62, 8},  {123, 4}, {166, 2}, {191, 2}, {194, 2},
                 {196, 16}, {198, 8}, {212, 2}, {214, 2}, {216, 8}, {221, 2},
                 {225, 2},  {227, 2}, {229, 1}, {230, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct normalizer *normalizer = normalizer_get(spacegroup_get(cases[i].group));
        uint32_t n = normalizer->n_turns * normalizer->n_shifts;
        if (n != cases[i].n)
            fail_msg("group %d has %u, not %u", cases[i].group, n, cases[i].n);
    }
}

static int find_relabelling(const struct normalizer *normalizer, const uint8_t *letters)
{
    for (uint32_t i = 0; i < normalizer->n_relabellings; i++)
        if (!memcmp(normalizer->relabellings[i].letters, letters, POSITIONS_MAX))
            return (int)i;
    return -1;
}

/* Only as many changes of cell are listed as reduced cells need; if letters could be exchanged
 * in a way that is not listed, two of the listed ones after each other would do it. */
static void test_normalizer__relabellings_form_a_group(void **state)
{
    (void)state;
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        const struct normalizer *normalizer = normalizer_get(group);
        for (uint32_t a = 0; a < normalizer->n_relabellings; a++)
            for (uint32_t b = 0; b < normalizer->n_relabellings; b++) {
                const uint8_t *first = normalizer->relabellings[a].letters;
                const uint8_t *second = normalizer->relabellings[b].letters;
                uint8_t both[POSITIONS_MAX] = {0};
                for (int p = 0; p < group->n_positions; p++) {
                    both[p] = second[first[p]];
                    /* equivalent positions are alike in all that can be counted */
                    assert_int_equal(group->positions[first[p]].multiplicity,
                                     group->positions[p].multiplicity);
                    assert_int_equal(group->positions[first[p]].dof, group->positions[p].dof);
                }
                int c = find_relabelling(normalizer, both);
                if (c < 0)
                    fail_msg("group %d: relabellings %u and %u make a new one", number, a, b);
                if (normalizer->relabellings[a].proper && normalizer->relabellings[b].proper)
                    assert_true(normalizer->relabellings[c].proper);
            }
    }
}

/* Where the mirror image of a crystal has other letters though it has the same group. */
static void test_normalizer__mirror_images_have_other_letters_in_five_groups(void **state)
{
    (void)state;
    static const int groups[] = {22, 93, 98, 208, 214};
    size_t found = 0;
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct normalizer *normalizer = normalizer_get(spacegroup_get(number));
        bool proper = true;
        for (uint32_t r = 0; r < normalizer->n_relabellings; r++)
            proper = proper && normalizer->relabellings[r].proper;
        if (proper)
            continue;
        assert_true(found < sizeof groups / sizeof groups[0]);
        assert_int_equal(number, groups[found++]);
    }
    assert_int_equal(found, sizeof groups / sizeof groups[0]);
}

static void test_record__handedness_is_kept(void **state)
{
    (void)state;
    /* quartz, P 3_1 2 1, and the same crystal in a left-handed cell */
    struct record record = {.cell = {4.913, 4.913, 5.405, 90, 90, 120}}, again;
    struct site sites[2] = {{0, 14}, {2, 8}};
    double free_[2][3] = {{0.4697, 0, 0}, {0.4135, 0.2669, 0.7858}};
    record.proto = (struct protostructure){152, 2, sites};
    record.free = free_;
    struct structure s;
    assert_int_equal(record_to_structure(&record, &s, NULL), 0);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(structure_to_record(&s, 0.01, &again, NULL), 0);
        assert_int_equal(again.proto.spacegroup, 152);
        record_done(&again);
        for (int k = 0; k < 3; k++) {
            double t = s.lattice[0][k];
            s.lattice[0][k] = s.lattice[1][k];
            s.lattice[1][k] = t;
        }
        for (uint32_t i = 0; i < s.n_atoms; i++) {
            double t = s.frac[i][0];
            s.frac[i][0] = s.frac[i][1];
            s.frac[i][1] = t;
        }
    }
    /* its mirror image is another space group */
    for (uint32_t i = 0; i < s.n_atoms; i++)
        s.frac[i][2] = -s.frac[i][2];
    assert_int_equal(structure_spacegroup(&s, 0.01), 154);
    structure_done(&s);
}

static void test_record__a_shaken_crystal_is_idealized(void **state)
{
    (void)state;
    /* rutile, shaken by up to 0.02 A per coordinate */
    struct record record = {.cell = {4.594, 4.594, 2.959, 90, 90, 90}}, again;
    struct site sites[2] = {{0, 22}, {5, 8}};
    double free_[2][3] = {{0}, {0.305, 0, 0}};
    record.proto = (struct protostructure){136, 2, sites};
    record.free = free_;
    struct structure s, ideal;
    assert_int_equal(record_to_structure(&record, &s, NULL), 0);
    double distance = structure_distance_min(&s);
    struct rng rng = rng_stream(3, 0, 0, 0);
    for (uint32_t i = 0; i < s.n_atoms; i++)
        for (int k = 0; k < 3; k++)
            s.frac[i][k] += 0.02 / record.cell[k] * (2 * rng_uniform(&rng) - 1);
    assert_int_equal(structure_to_record(&s, symprec, &again, NULL), 0);
    assert_int_equal(again.proto.spacegroup, 136);
    assert_int_equal(again.proto.n_sites, 2);
    assert_int_equal(record_to_structure(&again, &ideal, NULL), 0);
    assert_int_equal(ideal.n_atoms, 6);
    assert_true(fabs(structure_distance_min(&ideal) - distance) < 0.04);
    for (int k = 0; k < 6; k++)
        assert_true(fabs(again.cell[k] - record.cell[k]) < 1e-9);
    record_done(&again);
    structure_done(&s);
    structure_done(&ideal);
}

static void test_record__refusals_say_why(void **state)
{
    (void)state;
    uint8_t species[2] = {11, 11};
    double frac[2][3] = {{0}, {0.001, 0, 0}};
    struct structure s = {
        .lattice = {{3, 0, 0}, {0, 3, 0}, {0, 0, 3}}, .species = species, .frac = frac};
    struct record record;
    struct err err = {0};
    assert_int_equal(structure_to_record(&s, symprec, &record, &err), ERR_INVALID);
    assert_int_equal(structure_spacegroup(&s, symprec), 0);
    s.n_atoms = 2;
    assert_int_equal(structure_to_record(&s, symprec, &record, &err), ERR_SYMMETRY);
    assert_non_null(strstr(err.text, "no symmetry within 0.1 A"));
    s.n_atoms = ATOMS_MAX + 1;
    assert_int_equal(structure_to_record(&s, symprec, &record, &err), ERR_LIMIT);
    struct site sites[2] = {{0, 22}, {0, 22}};
    double free_[2][3] = {{0}};
    struct record twice = {
        .cell = {4, 4, 4, 90, 90, 90}, .proto = {225, 2, sites}, .free = free_};
    assert_int_equal(record_to_structure(&twice, &s, &err), ERR_INVALID);
    twice.proto.n_sites = 1;
    twice.cell[3] = 180;
    assert_int_equal(record_to_structure(&twice, &s, &err), ERR_NUMERIC);
    assert_int_equal(record_to_primitive(&twice, &s, &err), ERR_NUMERIC);
}

/* ---- real crystals ---- */

static uint32_t stride; /* every which structure of the example data */

/* Skips the test when the data are not there. */
static struct source read_data(const char *name)
{
    char path[1024];
    struct source source = {0};
    (void)snprintf(path, sizeof path, "%s/../shared/data/%s", SOURCE_ROOT, name);
    if (access(path, R_OK) != 0) {
        print_message("no %s: skipped\n", path);
        skip();
    }
    assert_int_equal(format_ingest(path, &source, NULL), 0);
    return source;
}

static void test_record__real_crystals_keep_group_label_and_atoms(void **state)
{
    (void)state;
    struct source source = read_data("mp20-mini.extxyz.zst");
    uint32_t n = 0, group_differs = 0, differ = 0;
    for (uint32_t i = 0; i < source.n_items; i += stride, n++) {
        struct structure given, decoded;
        struct record record, again;
        struct err err = {0};
        assert_int_equal(format_parse(&source.items[i], &given, NULL, &err), 0);
        if (structure_to_record(&given, symprec, &record, &err))
            fail_msg("%s: %s", given.id, err.text);
        const char *stated = strstr(source.items[i].text, "spacegroup=");
        group_differs += stated && atoi(stated + 11) != record.proto.spacegroup;
        assert_int_equal(record_to_structure(&record, &decoded, &err), 0);
        if (structure_to_record(&decoded, symprec, &again, &err))
            fail_msg("%s again: %s", given.id, err.text);
        /* a monoclinic cell with two nearly equal choices of axes may come back in the other,
         * and a crystal within the tolerance of a higher symmetry with that */
        bool same = same_record(&record, &again);
        if (!same)
            print_message("%s is another record when encoded again\n", given.id);
        for (int k = 0; k < 6 && same; k++)
            assert_true(fabs(record.cell[k] - again.cell[k]) < 1e-5);
        differ += !same;
        record_done(&record);
        record_done(&again);
        structure_done(&given);
        structure_done(&decoded);
    }
    print_message(
        "%u crystals: group differs from the stated one in %u, record encoded again in "
        "%u\n",
        n, group_differs, differ);
    assert_true(group_differs <= n * 3 / 1000 + 1);
    assert_true(differ <= n / 100);
    source_done(&source);
}

static struct record encode_item_of(const struct source_item *item)
{
    struct structure structure;
    struct record record = {0};
    struct err err = {0};
    if (format_parse(item, &structure, NULL, &err) ||
        structure_to_record(&structure, symprec, &record, &err))
        fail_msg("%s: %s", item->file, err.text);
    structure_done(&structure);
    return record;
}

/* The CIFs hold structures of the extXYZ file, in the same order but not all. */
static void test_record__cif_and_extxyz_give_the_same_record(void **state)
{
    (void)state;
    struct source cifs = read_data("mp20-mini-cif300.tar.zst");
    struct source frames = read_data("mp20-mini.extxyz.zst");
    uint32_t compared = 0, same = 0;
    for (uint32_t i = 0; i < cifs.n_items; i += stride) {
        struct record a = encode_item_of(&cifs.items[i]);
        char key[ID_SIZE + 8];
        (void)snprintf(key, sizeof key, " id=%s ", a.id);
        for (uint32_t k = 0; k < frames.n_items; k++) {
            if (!strstr(frames.items[k].text, key))
                continue;
            struct record b = encode_item_of(&frames.items[k]);
            bool equal = is_polar(a.proto.spacegroup) ? protostructure_equal(&a.proto, &b.proto)
                                                      : same_record(&a, &b);
            if (!equal)
                print_message("%s differs\n", a.id);
            same += equal;
            compared++;
            record_done(&b);
        }
        record_done(&a);
    }
    assert_int_equal(compared, (cifs.n_items + stride - 1) / stride);
    assert_int_equal(same, compared);
    source_done(&cifs);
    source_done(&frames);
}

int main(int argc, char **argv)
{
    stride = argc > 1 ? (uint32_t)atoi(argv[1]) : 20;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record__every_group_decodes_and_encodes_to_itself),
        cmocka_unit_test(test_record__letters_hold_in_groups_with_two_origins),
        cmocka_unit_test(test_record__description_does_not_matter),
        cmocka_unit_test(test_normalizer__has_as_many_cosets_as_the_tables_say),
        cmocka_unit_test(test_normalizer__relabellings_form_a_group),
        cmocka_unit_test(test_normalizer__mirror_images_have_other_letters_in_five_groups),
        cmocka_unit_test(test_record__handedness_is_kept),
        cmocka_unit_test(test_record__a_shaken_crystal_is_idealized),
        cmocka_unit_test(test_record__refusals_say_why),
        cmocka_unit_test(test_record__real_crystals_keep_group_label_and_atoms),
        cmocka_unit_test(test_record__cif_and_extxyz_give_the_same_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
