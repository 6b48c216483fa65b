/* `wyckmill label LABEL`: what a protostructure label says, and by which other labels the same
 * crystal goes. */
#include "cli/cli.h"

#include "common/cleanup.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/structure.h"
#include "workers/crystal/wyckoff_table.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { EQUIVALENTS_SHOWN = 12 }; /* P -1 has up to 1344 */

struct options {
    const char *label;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'j':
        options->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->label)
            argp_error(state, "one LABEL at a time");
        options->label = arg;
        return 0;
    case ARGP_KEY_END:
        if (!options->label)
            argp_error(state, "which LABEL? For example AB3C_cP5_221_a_c_b:Ba-O-Ti");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A label taken apart. */
struct view {
    struct protostructure proto;
    bool anonymous; /* a prototype: elements are called A, B, C */
    uint32_t n;     /* equivalent descriptions, the canonical one first */
    struct protostructure *equivalents;
    const struct spacegroup *group;
    uint32_t atoms_primitive;
};

static void view_done(struct view *view)
{
    for (uint32_t i = 0; i < view->n; i++)
        protostructure_done(&view->equivalents[i]);
    free(view->equivalents);
    protostructure_done(&view->proto);
}

static int view_make(const char *label, struct view *ret, struct err *err)
{
    struct view view = {0};
    struct affine vectors[CENTRING_MAX];
    int rc = protostructure_parse(label, &view.proto, &view.anonymous, err);
    if (rc)
        return rc;
    view.group = spacegroup_get(view.proto.spacegroup);
    view.n = protostructure_equivalents(&view.proto, &view.equivalents);
    view.atoms_primitive = protostructure_atoms(&view.proto) /
                           (uint32_t)spacegroup_centring(view.group->centring, vectors);
    *ret = view;
    return 0;
}

/* Caller frees. */
static char *name_of(const struct view *view, const struct protostructure *proto)
{
    return view->anonymous ? protostructure_prototype(proto) : protostructure_label(proto);
}

/* "Ba", or "A" in a prototype. */
static void element_name(const struct view *view, uint8_t element, char ret[4])
{
    if (view->anonymous)
        protostructure_stand_in_name(element, ret);
    else
        (void)snprintf(ret, 4, "%s", element_get(element)->symbol);
}

static json_t *site_json(const struct view *view, const struct site *site)
{
    const struct wyckoff_position *position = &view->group->positions[site->letter];
    const char letter[2] = {wyckoff_letter_char(site->letter), '\0'};
    char element[4], text[WYCKOFF_TEXT_SIZE];
    element_name(view, site->element, element);
    wyckoff_text(&position->coordinates[0], text, sizeof text);
    return json_pack("{s:s,s:s,s:i,s:s,s:i,s:s}", "element", element, "letter", letter,
                     "multiplicity", (int)position->multiplicity, "site_symmetry",
                     position->site_symmetry, "dof", (int)position->dof, "coordinates", text);
}

static void print_json(const struct view *view)
{
    cleanup(free_ptr) char *label = name_of(view, &view->proto);
    cleanup(free_ptr) char *canonical = name_of(view, &view->equivalents[0]);
    cleanup(free_ptr) char *prototype = protostructure_prototype(&view->proto);
    char formula[256];
    json_t *sites = json_array(), *equivalents = json_array();
    protostructure_formula(&view->proto, formula, sizeof formula);
    for (uint32_t i = 0; i < view->proto.n_sites; i++)
        (void)json_array_append_new(sites, site_json(view, &view->proto.sites[i]));
    for (uint32_t i = 0; i < view->n; i++) {
        cleanup(free_ptr) char *other = name_of(view, &view->equivalents[i]);
        (void)json_array_append_new(equivalents, json_string(other));
    }
    json_t *root = json_pack(
        "{s:s,s:s,s:s,s:s?,s:i,s:s,s:i,s:i,s:i,s:i,s:o,s:o}", "label", label, "canonical",
        canonical, "prototype", prototype, "formula", view->anonymous ? NULL : formula,
        "spacegroup", (int)view->group->number, "spacegroup_symbol", view->group->symbol,
        "atoms", (int)protostructure_atoms(&view->proto), "atoms_primitive",
        (int)view->atoms_primitive, "dof", (int)protostructure_dof(&view->proto), "lattice_dof",
        lattice_dof(view->group), "sites", sites, "equivalent", equivalents);
    (void)json_dumpf(root, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(root);
}

static void print_site(const struct view *view, const struct site *site)
{
    const struct wyckoff_position *position = &view->group->positions[site->letter];
    char element[4], text[WYCKOFF_TEXT_SIZE];
    element_name(view, site->element, element);
    wyckoff_text(&position->coordinates[0], text, sizeof text);
    (void)printf("%-7s  %7u%c  %-13s  %4u  %s\n", element, position->multiplicity,
                 wyckoff_letter_char(site->letter), position->site_symmetry, position->dof,
                 text);
}

static void print_text(const struct view *view)
{
    cleanup(free_ptr) char *label = name_of(view, &view->proto);
    char formula[256];
    protostructure_formula(&view->proto, formula, sizeof formula);
    (void)printf("label        %s\n", label);
    if (!view->anonymous)
        (void)printf("formula      %s\n", formula);
    (void)printf("space group  %u  %s  (%s)\n", view->group->number, view->group->symbol,
                 spacegroup_system_name(view->group));
    (void)printf("atoms        %u in the conventional cell, %u in the primitive one\n",
                 protostructure_atoms(&view->proto), view->atoms_primitive);
    (void)printf("free         %u coordinates, %d of the cell\n\n",
                 protostructure_dof(&view->proto), lattice_dof(view->group));
    (void)printf("element  position  site symmetry  free  first coordinates\n");
    for (uint32_t i = 0; i < view->proto.n_sites; i++)
        print_site(view, &view->proto.sites[i]);
    (void)printf("\nlabels of the same crystal, the canonical one first:\n");
    for (uint32_t i = 0; i < view->n && i < EQUIVALENTS_SHOWN; i++) {
        cleanup(free_ptr) char *other = name_of(view, &view->equivalents[i]);
        (void)printf("  %s\n", other);
    }
    if (view->n > EQUIVALENTS_SHOWN)
        (void)printf("  ... and %u more: --json\n", view->n - EQUIVALENTS_SHOWN);
}

int cmd_label(int argc, char **argv)
{
    static const struct argp_option rows[] = {{"json", 'j', NULL, 0, "one JSON object", 0},
                                              {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .args_doc = "LABEL",
        .doc =
            "Check a protostructure label like AB3C_cP5_221_a_c_b:Ba-O-Ti, or a prototype "
            "(the same without the elements), as AFLOW and aviary print them, and say what it "
            "means: its Wyckoff positions, and the labels that the choice of origin and axes "
            "makes equivalent."};
    struct options options = {0};
    struct view view;
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = view_make(options.label, &view, &err);
    if (rc)
        return cli_fail("label", &err, options.json);
    if (options.json)
        print_json(&view);
    else
        print_text(&view);
    view_done(&view);
    return EXIT_DONE;
}
