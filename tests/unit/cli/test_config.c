/* Does a campaign file say what it says, and does a wrong one learn where and why? */
#include "tests/support/cmocka.h"

#include "cli/config.h"
#include "common/cleanup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "wyckmill-config-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    if (chdir(base ? base : "/var/tmp") != 0 || !mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "c.yaml");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)remove(path);
    return chdir("..") == 0 ? rmdir(folder) : -1;
}

static void write_file(const char *text, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int load(const char *text, const char *const *overrides, size_t n,
                struct campaign_file *ret, struct err *err)
{
    write_file(text, strlen(text));
    return config_load(path, overrides, n, ret, err);
}

static void test_config__a_full_file_is_understood(void **state)
{
    (void)state;
    struct campaign_file file;
    struct err err = {0};
    const char *text = "name: oxides-1\n"
                       "seed: 18446744073709551615\n"
                       "priority: -5\n"
                       "data: [demo, ../cifs, a b.extxyz.zst]\n"
                       "symprec: 0.05\n"
                       "denoiser: {width: 64, heads: 8, learning_rate: 5e-4}\n"
                       "guide:\n"
                       "  ema: 0\n"
                       "targets:\n"
                       "  - density=4..5 g/cm3\n"
                       "  - madelung_energy<-10\n"
                       "  - band_gap = 1.5 .. 2.5 eV\n"
                       "  - a=..5\n"
                       "  - b=4.. eV/atom\n"
                       "  - c>=0.5 eV\n"
                       "elements: [O, Ba, Ti]\n"
                       "spacegroups: [Fm-3m, 62, \"P 4/m m m\"]\n"
                       "sample:\n"
                       "  compare: no\n"
                       "  guidance: 0\n"
                       "resources:\n"
                       "  train-step: memory=4 GiB, time=2 h, gpus=1, tags=gpu+big\n"
                       "  encode: time=10 min\n";
    assert_int_equal(load(text, NULL, 0, &file, &err), 0);
    const struct campaign *c = &file.campaign;
    assert_string_equal(c->name, "oxides-1");
    assert_true(c->seed == UINT64_MAX);
    assert_int_equal(c->priority, -5);
    assert_int_equal(file.n_data, 3);
    assert_string_equal(file.data[2], "a b.extxyz.zst");
    assert_true(c->symprec == 0.05);
    assert_int_equal(c->denoiser.width, 64);
    assert_int_equal(c->denoiser.heads, 8);
    assert_true(c->denoiser.learning_rate == 5e-4);
    assert_true(c->guide.ema == 0.0);
    static const struct {
        const char *property, *unit;
        double low, high;
    } targets[] = {{"density", "g/cm3", 4, 5},    {"madelung_energy", "", -HUGE_VAL, -10},
                   {"band_gap", "eV", 1.5, 2.5},  {"a", "", -HUGE_VAL, 5},
                   {"b", "eV/atom", 4, HUGE_VAL}, {"c", "eV", 0.5, HUGE_VAL}};
    assert_int_equal(c->targets.n, 6);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(c->targets.items[i].property, targets[i].property);
        assert_string_equal(file.target_units[i], targets[i].unit);
        assert_true(c->targets.items[i].low == targets[i].low);
        assert_true(c->targets.items[i].high == targets[i].high);
        assert_true(c->targets.items[i].weight == 1.0);
    }
    assert_int_equal(c->n_elements, 3); /* ascending, whatever the file's order */
    assert_memory_equal(c->elements, ((const uint8_t[]){8, 22, 56}), 3);
    assert_int_equal(c->n_spacegroups, 3);
    assert_memory_equal(c->spacegroups, ((const uint16_t[]){62, 123, 225}),
                        3 * sizeof(uint16_t));
    assert_false(c->compare);
    assert_int_equal(c->needs[KIND_train_step].memory_bytes, UINT64_C(4) << 30);
    assert_string_equal(c->needs[KIND_train_step].tags, "big,gpu");
    assert_int_equal(c->needs[KIND_encode].time_ms, 600000);
    assert_true(needs_is_none(&c->needs[KIND_rank]));
    assert_int_equal(c->n_sources, 0);
    campaign_file_done(&file);
}

static void test_config__what_is_not_said_is_the_default(void **state)
{
    (void)state;
    struct campaign_file file;
    struct campaign built_in;
    struct buf a = {0}, b = {0};
    campaign_default(&built_in);
    assert_int_equal(load("data: [demo]\n", NULL, 0, &file, NULL), 0);
    campaign_encode(&file.campaign, &a, NULL);
    campaign_encode(&built_in, &b, NULL);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    buf_done(&a);
    buf_done(&b);
    campaign_file_done(&file);
    campaign_done(&built_in);
}

static void test_config__overrides_win_in_order(void **state)
{
    (void)state;
    struct campaign_file file;
    const char *const overrides[] = {
        "denoiser.steps=100", "denoiser.steps=50", "data=x.cif, y",      "elements=[Na, Cl]",
        "targets=density>3",  "spacegroups=",      "sample.compare=off", "name=b"};
    const char *text = "name: a\ndata: [demo]\ndenoiser: {steps: 7}\nelements: [Fe]\n"
                       "spacegroups: [1]\ntargets: [a<1, b<2]\n";
    assert_int_equal(load(text, overrides, 8, &file, NULL), 0);
    assert_int_equal(file.campaign.denoiser.steps, 50);
    assert_int_equal(file.n_data, 2);
    assert_string_equal(file.data[0], "x.cif");
    assert_string_equal(file.data[1], "y");
    assert_int_equal(file.campaign.n_elements, 2);
    assert_int_equal(file.campaign.elements[0], 11);
    assert_int_equal(file.campaign.targets.n, 1);
    assert_int_equal(file.campaign.n_spacegroups, 0);
    assert_false(file.campaign.compare);
    assert_string_equal(file.campaign.name, "b");
    campaign_file_done(&file);
    /* data may come from the command line alone, also with an empty file */
    const char *const data = "data=demo";
    assert_int_equal(load("# nothing yet\n", &data, 1, &file, NULL), 0);
    campaign_file_done(&file);
}

static const struct {
    const char *text, *error, *hint;
} wrong[] = {
    /* keys */
    {"data: [demo]\nsede: 1\n", "c.yaml:2:1: no key 'sede'", "did you mean 'seed'?"},
    {"data: [demo]\ndenoiser:\n  width: 8\n  stepz: 5\n",
     "c.yaml:4:3: no key 'stepz' in 'denoiser'", "did you mean 'denoiser.steps'?"},
    {"denoiser: {width: 8, lerning_rate: 5}\n",
     "c.yaml:1:22: no key 'lerning_rate' in 'denoiser'",
     "did you mean 'denoiser.learning_rate'?"},
    {"data: [demo]\ndenoizer:\n  width: 8\n", "c.yaml:2:1: no key 'denoizer'",
     "did you mean 'denoiser'?"},
    {"data: [demo]\nguidance: 3\n", "c.yaml:2:1: no key 'guidance'",
     "did you mean 'sample.guidance'?"},
    {"Data: [demo]\n", "c.yaml:1:1: no key 'Data'", "did you mean 'data'?"},
    {"name: a\nseed: 1\nname: b\n", "c.yaml:3:1: key 'name' is given twice", ""},
    {"data: [demo]\nguide:\n  heads: 1\n  heads: 2\n", "c.yaml:4:3: key 'heads' is given twice",
     ""},
    /* kinds of nodes */
    {"data: demo\n", "c.yaml:1:7: 'data' wants a list, not one value", ""},
    {"name: [a]\n", "c.yaml:1:7: 'name' wants one value, not a list", ""},
    {"seed: {a: 1}\n", "c.yaml:1:7: 'seed' wants one value, not a mapping of keys", ""},
    {"denoiser: 4\n", "c.yaml:1:11: 'denoiser' wants a mapping of keys, not one value", ""},
    {"data:\n  - demo\n  - [x]\n", "c.yaml:3:5: 'data[1]' wants one value, not a list", ""},
    {"- demo\n", "c.yaml:1:1: the file wants a mapping of keys, not a list", ""},
    {"demo\n", "c.yaml:1:1: the file wants a mapping of keys, not one value", ""},
    /* YAML itself */
    {"data: [demo\nseed: 1\n", "c.yaml:2:5: no YAML: did not find expected ',' or ']'", ""},
    {"name: \"a\n", "c.yaml:2:1: no YAML: found unexpected end of stream", ""},
    {"denoiser:\n\twidth: 8\n",
     "c.yaml:2:1: no YAML: found character that cannot start any token", ""},
    {"data: [demo]\nname: a\x01\n", "no YAML: control characters are not allowed", ""},
    {"name: &a x\ndata: [*a]\n", "c.yaml:2:8: aliases (*NAME) are not supported", ""},
    {"name: a\n---\nname: b\n", "c.yaml: more than one YAML document (---)", ""},
    /* values */
    {"data: [demo]\nseed: -1\n", "c.yaml:2:7: seed: '-1' is no whole number from 0 to 2^64-1",
     ""},
    {"data: [demo]\nseed: 99999999999999999999\n", "c.yaml:2:7: seed: '99999999999999999999'",
     ""},
    {"denoiser:\n  layers: many\n", "c.yaml:2:11: denoiser.layers: 'many' is no whole number",
     ""},
    {"denoiser:\n  layers: 2.5\n", "c.yaml:2:11: denoiser.layers: '2.5' is no whole number",
     ""},
    {"denoiser:\n  layers:\n", "denoiser.layers: '' is no whole number", ""},
    {"denoiser:\n  width: 5000\n", "c.yaml:2:10: denoiser.width = 5000 is not in 8..2048", ""},
    {"atoms_max: 0\n", "c.yaml:1:12: atoms_max = 0 is not in 1..2000", ""},
    {"atoms_max: 99999999999999999999999\n", "is not in 1..2000", ""},
    {"symprec: 2\n", "c.yaml:1:10: symprec = 2 is not in 1e-05..1 Angstrom", ""},
    {"symprec: nan\n", "c.yaml:1:10: symprec: 'nan' is no number", ""},
    {"validation: 10%\n", "c.yaml:1:13: validation: '10%' is no number", ""},
    {"sample: {compare: maybe}\n",
     "c.yaml:1:19: sample.compare: 'maybe' is neither true nor false", ""},
    {"resources:\n  encode: memory=4 GB\n",
     "c.yaml:2:11: resources.encode: memory: '4 GB' is no number with a unit",
     "as in '4 GiB'; units are"},
    {"resources: {encode: gpus=1, time=2 h}\n", "c.yaml:1:29: no key 'time=2 h' in 'resources'",
     ""},
    {"resources:\n  train: memory=4 GiB\n", "c.yaml:2:3: no key 'train' in 'resources'",
     "did you mean 'resources.rank'?"},
    {"name: Big Oxides\n", "c.yaml:1:7: name: 'Big Oxides' is no name", ""},
    {"name: ../x\n", "c.yaml:1:7: name: '../x' is no name", ""},
    {"data: [demo, '']\n", "c.yaml:1:14: data: an empty path", ""},
    {"elements: [Ba, Tj]\n", "c.yaml:1:16: elements: no element 'Tj'", "did you mean 'T"},
    {"elements: [ba]\n", "c.yaml:1:12: elements: no element 'ba'", "did you mean 'Ba'?"},
    {"elements: [O, Ti, O]\n", "c.yaml:1:19: elements: 'O' is listed twice", ""},
    {"spacegroups:\n- 225\n- Fm3m\n", "c.yaml:3:3: spacegroups: no space group 'Fm3m'",
     "F m -3 m (225)"},
    {"spacegroups: [231]\n", "c.yaml:1:15: spacegroups: no space group number 231", ""},
    {"spacegroups: [225, Fm-3m]\n",
     "c.yaml:1:20: spacegroups: 'Fm-3m' (number 225) is listed twice", ""},
    {"targets: [density]\n", "c.yaml:1:11: targets: 'density' is no target",
     "NAME=LOW..HIGH UNIT"},
    {"targets: [density=5]\n", "c.yaml:1:11: targets: 'density=5' is no target", "NAME<HIGH"},
    {"targets: [density=..]\n", "c.yaml:1:11: targets: 'density=..' is no target", ""},
    {"targets: ['=4..5']\n", "c.yaml:1:11: targets: '=4..5' is no target", ""},
    {"targets: [a=x..5]\n", "c.yaml:1:11: targets: 'a=x..5' is no target", ""},
    {"targets: [a=4 g..5 g]\n", "c.yaml:1:11: targets: 'a=4 g..5 g' is no target", ""},
    {"targets: [a<inf]\n", "c.yaml:1:11: targets: 'a<inf' is no target", ""},
    {"targets: [a=5..4 eV]\n", "c.yaml:1:11: targets: 'a=5..4 eV': 5 is above 4", ""},
    {"targets: [a<5, b<4, a>3]\n", "c.yaml:1:21: targets: 'a' has two ranges", ""},
    {"targets: [a<1,b<1,c<1,d<1,e<1,f<1,g<1,h<1,i<1]\n", "c.yaml:1:43: targets: more than 8",
     ""},
    /* what does not fit together */
    {"data: [demo]\ndenoiser: {width: 60}\n",
     "c.yaml:2:19: denoiser.width = 60 is no multiple of 8 and of the 4 heads", ""},
    {"data: [demo]\nguide: {heads: 3}\n",
     "c.yaml: guide.width = 128 is no multiple of 8 and of the 3 heads", ""},
    {"data: [demo]\ntimesteps: 10\nsample:\n  steps: 20\n",
     "c.yaml:4:10: sample.steps = 20 is more than timesteps = 10", ""},
    {"data: [demo]\nsample: {tasks: 10000, rounds_max: 1000000}\n",
     "c.yaml:2:36: sample.rounds_max (1000000) x sample.tasks (10000) x "
     "sample.batch (32) is over 2^32 samples",
     ""},
    {"", "c.yaml: no data", "data: [demo]"},
    {"data: []\n", "c.yaml:1:7: no data", "data: [demo]"},
};

static void test_config__wrong_files_learn_where_and_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct campaign_file file = {.n_data = 77};
        struct err err = {0};
        assert_int_equal(load(wrong[i].text, NULL, 0, &file, &err), ERR_CONFIG);
        assert_int_equal(err.code, ERR_CONFIG);
        if (!strstr(err.text, wrong[i].error) || !strstr(err.hint, wrong[i].hint))
            fail_msg("%s\n  says '%s' (%s)\n  not  '%s' (%s)", wrong[i].text, err.text,
                     err.hint, wrong[i].error, wrong[i].hint);
        assert_int_equal(file.n_data, 77); /* untouched */
    }
}

static void test_config__wrong_overrides_are_quoted(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"denoiser.stepz=1", "-S denoiser.stepz=1: no key 'denoiser.stepz'",
         "did you mean 'denoiser.steps'?"},
        {"steps=1", "-S steps=1: no key 'steps'", "did you mean 'denoiser.steps'?"},
        {"seed", "-S seed: no '=' in it", "KEY=VALUE"},
        {"denoiser=1", "-S denoiser=1: no key 'denoiser'", ""},
        {"seed=x", "-S seed=x: seed: 'x' is no whole number", ""},
        {"denoiser.heads=65", "-S denoiser.heads=65: denoiser.heads = 65 is not in 1..64", ""},
        {"elements=Ba,Xx", "-S elements=Ba,Xx: elements: no element 'Xx'",
         "did you mean 'Xe'?"},
        {"data=a,,b", "-S data=a,,b: data: an empty path", ""},
        {"data=", "c.yaml:1:7: no data", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct campaign_file file;
        struct err err = {0};
        assert_int_equal(load("data: [demo]\n", &rows[i][0], 1, &file, &err), ERR_CONFIG);
        if (!strstr(err.text, rows[i][1]) || !strstr(err.hint, rows[i][2]))
            fail_msg("%s\n  says '%s' (%s)", rows[i][0], err.text, err.hint);
    }
}

static void test_config__files_that_are_no_configuration(void **state)
{
    (void)state;
    struct campaign_file file;
    struct err err = {0};
    (void)remove(path);
    assert_int_equal(config_load(path, NULL, 0, &file, &err), ERR_CONFIG);
    assert_string_equal(err.text, "open 'c.yaml': No such file or directory");
    assert_int_equal(config_load(".", NULL, 0, &file, &err), ERR_CONFIG);
    cleanup(free_ptr) char *large = calloc(1 << 21, 1);
    memset(large, '#', 1 << 21);
    write_file(large, 1 << 21);
    assert_int_equal(config_load(path, NULL, 0, &file, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "larger than 1048576 bytes"));
    write_file("data: [demo]\0\0\0", 15);
    assert_int_equal(config_load(path, NULL, 0, &file, &err), ERR_CONFIG);
    memset(large, '[', 100000); /* deep, not wide */
    write_file(large, 100000);
    assert_int_equal(config_load(path, NULL, 0, &file, &err), ERR_CONFIG);
}

/* Any cut of a good file loads or says why; nothing crashes (sanitizers watch). */
static void test_config__every_cut_of_a_file_is_survived(void **state)
{
    (void)state;
    const char *text = "name: a\ndata: [demo, \"b c\"]\nsample: {steps: 5, compare: true}\n"
                       "targets:\n  - a=1..2 eV\nelements: [Ba]\nspacegroups: ['F m -3 m']\n";
    for (size_t size = 0; size <= strlen(text); size++) {
        struct campaign_file file;
        struct err err = {0};
        write_file(text, size);
        if (config_load(path, NULL, 0, &file, &err) == 0)
            campaign_file_done(&file);
        else
            assert_true(err.text[0] != '\0');
    }
}

static void test_config__help_names_every_key(void **state)
{
    (void)state;
    FILE *out = tmpfile();
    char text[8192] = "";
    config_help(out);
    rewind(out);
    assert_true(fread(text, 1, sizeof text - 1, out) > 0);
    (void)fclose(out);
    static const char *const names[] = {
        "\nname ",      "\nsymprec ",         "\ndenoiser.width ",
        "\nguide.ema ", "\nsample.guidance ", "\nrealize.relax_steps_max ",
        "(Angstrom)"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(text, names[i]));
}

static void test_config__shipped_files_load(void **state)
{
    (void)state;
    static const char *const files[] = {CONFIGS "/demo.yaml", CONFIGS "/mp20-mini.yaml"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct campaign_file file;
        struct err err = {0};
        if (config_load(files[i], NULL, 0, &file, &err) != 0)
            fail_msg("%s", err.text);
        assert_true(file.n_data > 0 && file.campaign.targets.n > 0);
        campaign_file_done(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config__a_full_file_is_understood),
        cmocka_unit_test(test_config__what_is_not_said_is_the_default),
        cmocka_unit_test(test_config__overrides_win_in_order),
        cmocka_unit_test(test_config__wrong_files_learn_where_and_why),
        cmocka_unit_test(test_config__wrong_overrides_are_quoted),
        cmocka_unit_test(test_config__files_that_are_no_configuration),
        cmocka_unit_test(test_config__every_cut_of_a_file_is_survived),
        cmocka_unit_test(test_config__help_names_every_key),
        cmocka_unit_test(test_config__shipped_files_load),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
