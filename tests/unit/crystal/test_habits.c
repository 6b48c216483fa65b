/* Are files read as the programs and databases write them? The texts keep the layout, order,
 * quoting and comments of VESTA 3, ICSD, COD, ASE 3.22, pymatgen and VASP; all are rock salt.
 */
#include "tests/unit/crystal/read.h"

static void assert_rock_salt(const struct structure *s, uint32_t atoms)
{
    assert_int_equal(s->n_atoms, atoms);
    for (uint32_t i = 0; i < atoms; i++)
        assert_int_equal(s->species[i], i < atoms / 2 ? 11 : 17);
    assert_near(structure_volume(s) / atoms, 22.3, 0.2);
    assert_near(structure_distance_min(s), 2.82, 0.02);
}

static const char *const cif_texts[] = {
    /* VESTA */
    "\n"
    "#======================================================================\n"
    "# CRYSTAL DATA\n"
    "#----------------------------------------------------------------------\n"
    "data_VESTA_phase_1\n"
    "\n"
    "_chemical_name_common                  'NaCl'\n"
    "_cell_length_a                         5.640560(0)\n"
    "_cell_length_b                         5.640560(0)\n"
    "_cell_length_c                         5.640560(0)\n"
    "_cell_angle_alpha                      90.000000(0)\n"
    "_cell_angle_beta                       90.000000(0)\n"
    "_cell_angle_gamma                      90.000000(0)\n"
    "_cell_volume                           179.459547\n"
    "_space_group_name_H-M_alt              'F m -3 m'\n"
    "_space_group_IT_number                 225\n"
    "\n"
    "loop_\n"
    "_space_group_symop_operation_xyz\n"
    "   'x, y, z'\n"
    "   '-x, -y, -z'\n"
    "   'x, y+1/2, z+1/2'\n"
    "   'x+1/2, y, z+1/2'\n"
    "   'x+1/2, y+1/2, z'\n"
    "\n"
    "loop_\n"
    "   _atom_site_label\n"
    "   _atom_site_occupancy\n"
    "   _atom_site_fract_x\n"
    "   _atom_site_fract_y\n"
    "   _atom_site_fract_z\n"
    "   _atom_site_adp_type\n"
    "   _atom_site_U_iso_or_equiv\n"
    "   _atom_site_type_symbol\n"
    "   Na         1.0     0.000000      0.000000      0.000000     Uiso  ? Na\n"
    "   Cl         1.0     0.500000      0.500000      0.500000     Uiso  ? Cl\n",
    /* ICSD */
    "#(C) 2021 by FIZ Karlsruhe - Leibniz Institute for Information Infrastructure.  All "
    "rights reserved.\n"
    "data_18189-ICSD\n"
    "_database_code_ICSD 18189\n"
    "_audit_creation_date 1980-01-01\n"
    "_chemical_name_common 'Sodium chloride'\n"
    "_chemical_formula_structural 'Na Cl'\n"
    "_chemical_formula_sum 'Cl1 Na1'\n"
    "_chemical_name_structure_type NaCl\n"
    "_citation_title\n"
    ";\n"
    "The crystal structure of Na'Cl\n"
    ";\n"
    "loop_\n"
    "_citation_id\n"
    "_citation_journal_full\n"
    "_citation_year\n"
    "primary 'Acta' 1965\n"
    "2 \"Zs. 'K'\" ?\n"
    "_cell_length_a 5.62(1)\n"
    "_cell_length_b 5.62(1)\n"
    "_cell_length_c 5.62(1)\n"
    "_cell_angle_alpha 90.\n"
    "_cell_angle_beta 90.\n"
    "_cell_angle_gamma 90.\n"
    "_cell_volume 177.5\n"
    "_cell_formula_units_Z 4\n"
    "_space_group_name_H-M_alt 'F m -3 m'\n"
    "_space_group_IT_number 225\n"
    "loop_\n"
    "_space_group_symop_id\n"
    "_space_group_symop_operation_xyz\n"
    "1 'x, y, z'\n"
    "3 '-x, -y, -z'\n"
    "4 'x, y+1/2, z+1/2'\n"
    "5 'x+1/2, y, z+1/2'\n"
    "6 'x+1/2, y+1/2, z'\n"
    "loop_\n"
    "_atom_type_symbol\n"
    "_atom_type_oxidation_number\n"
    "Na1+ 1\n"
    "Cl1- -1\n"
    "loop_\n"
    "_atom_site_label\n"
    "_atom_site_type_symbol\n"
    "_atom_site_symmetry_multiplicity\n"
    "_atom_site_Wyckoff_symbol\n"
    "_atom_site_fract_x\n"
    "_atom_site_fract_y\n"
    "_atom_site_fract_z\n"
    "_atom_site_B_iso_or_equiv\n"
    "_atom_site_occupancy\n"
    "Na1 Na1+ 4 a 0 0 0 . 1.\n"
    "Cl1 Cl1- 4 b 0.5 0.5 0.5 . 1.\n"
    "#End of TTdata_18189-ICSD\n",
    /* COD */
    "#------------------------------------------------------------------------------\n"
    "#$Date: 2016-02-18 17:37:37 +0200 (Thu, 18 Feb 2016) $\n"
    "#------------------------------------------------------------------------------\n"
    "#\n"
    "# This file is available in the Crystallography Open Database (COD),\n"
    "#\n"
    "data_1000041\n"
    "loop_\n"
    "_publ_author_name\n"
    "'Abrahams, S C'\n"
    "'Bernstein, J L'\n"
    "_publ_section_title\n"
    ";\n"
    " Accuracy of an automatic diffractometer\n"
    ";\n"
    "_chemical_formula_sum            'Cl Na'\n"
    "_space_group_IT_number           225\n"
    "_symmetry_cell_setting           cubic\n"
    "_symmetry_Int_Tables_number      225\n"
    "_symmetry_space_group_name_Hall  '-F 4 2 3'\n"
    "_symmetry_space_group_name_H-M   'F m -3 m'\n"
    "_cell_angle_alpha                90\n"
    "_cell_angle_beta                 90\n"
    "_cell_angle_gamma                90\n"
    "_cell_formula_units_Z            4\n"
    "_cell_length_a                   5.62\n"
    "_cell_length_b                   5.62\n"
    "_cell_length_c                   5.62\n"
    "_[local]_cod_chemical_formula_sum_orig 'Na Cl'\n"
    "_cod_database_code               1000041\n"
    "loop_\n"
    "_symmetry_equiv_pos_as_xyz\n"
    "x,y,z\n"
    "-x,-y,-z\n"
    "x,1/2+y,1/2+z\n"
    "1/2+x,y,1/2+z\n"
    "1/2+x,1/2+y,z\n"
    "loop_\n"
    "_atom_site_label\n"
    "_atom_site_type_symbol\n"
    "_atom_site_symmetry_multiplicity\n"
    "_atom_site_Wyckoff_symbol\n"
    "_atom_site_fract_x\n"
    "_atom_site_fract_y\n"
    "_atom_site_fract_z\n"
    "_atom_site_occupancy\n"
    "_atom_site_attached_hydrogens\n"
    "_atom_site_calc_flag\n"
    "Na1 Na1+ 4 a 0. 0. 0. 1. 0 d\n"
    "Cl1 Cl1- 4 b 0.5 0.5 0.5 1. 0 d\n",
};

static void test_habits__cif(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cif_texts / sizeof cif_texts[0]; i++) {
        struct structure s = read_one("18189.cif", cif_texts[i], 0);
        assert_string_equal(s.id, "18189");
        assert_rock_salt(&s, 8);
        structure_done(&s);
    }
}

static void test_habits__the_frame_ase_writes(void **state)
{
    (void)state;
    struct structure s = read_one(
        "x.extxyz",
        "2\n"
        "Lattice=\"0.0 2.82 2.82 2.82 0.0 2.82 2.82 2.82 0.0\" "
        "Properties=species:S:1:pos:R:3:tags:I:1:initial_magmoms:R:1:name:S:1:forces:R:3 e=1.5 "
        "i=3 b=T nb=F s=\"a b\" q=\"it\\\"s\" arr=\"0.0 1.0 2.0\" mat=\"_JSON [[1.0, 0.0], "
        "[0.0, 1.0]]\" d=\"_JSON {\\\"a\\\": 1}\" lst=\"_JSON [1, \\\"x\\\"]\" none id=\"x y\" "
        "gap=1.25 tup=\"_JSON [1, 2]\" \"odd key\"=7 k=v=8 \"a\\\"b\"=9 energy=-3.5 "
        "stress=\"0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0\" pbc=\"T T T\"\n"
        "Na 0.00000000 0.00000000 0.00000000 1 1.00000000 a 0.00000000 0.00000000 0.00000000\n"
        "Cl 2.82000000 0.00000000 0.00000000 2 0.00000000 bb 0.00000000 0.00000000 "
        "0.00000000\n",
        0);
    assert_string_equal(s.id, "x y");
    assert_properties(&s, "e=1.5, i=3, gap=1.25, odd key=7, a\"b=9, energy=-3.5");
    structure_done(&s);
}

/* Arrays in the styles of libAtoms, old and new; Fortran's exponents; units. */
static void test_habits__lines_of_extended_xyz(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "Lattice={5.64 0 0 0 5.64 0 0 0 5.64}",
        "Lattice=[[5.64, 0.0, 0.0], [0.0, 5.64, 0.0], [0.0, 0.0, 5.64]] pbc=[T, T, T]",
        "Lattice=\"5.64d0 0 0 0 5.64D+00 0 0 0 5.64\" pbc=\"True True true\"",
        "lattice='5.64 0 0 0 5.64 0 0 0 5.64' pbc={1 1 1}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct buf text = {0};
        buf_print(&text,
                  "2\n%s gap_unit=eV gap=1.5 e[eV]=2 \"d (g/cm3)\"=3 one=[4] list=[1, 2] b=T "
                  "material_id=17\nNa 0 0 0\nCl 2.82 0 0\n",
                  lines[i]);
        struct structure s = read_one("x.xyz", buf_text(&text), 0);
        assert_string_equal(s.id, "17");
        assert_near(s.frac[1][0], 0.5, 1e-15);
        assert_properties(&s, "gap=1.5 eV, e=2 eV, d=3 g/cm3, one=4");
        structure_done(&s);
        buf_done(&text);
    }
}

static void test_habits__poscar(void **state)
{
    (void)state;
#define LATTICE "0 .5 .5\n.5 0 .5\n.5 .5 0\n"
    static const char *const texts[] = {
        /* the volume instead of a scale; names of potentials with hashes */
        "NaCl\n-44.85\n" LATTICE "Na_sv/9f3a1 Cl/abc ! x\n1 1\nDirect\n0 0 0\n.5 .5 .5\n",
        /* a scale for each axis, which Cartesian places take as well; velocities behind */
        "x\n5.64 5.64 5.64\n" LATTICE "Na Cl # x\n1 1\nCart\n0 0 0\n.5 .5 .5\n\n0 0 0\n",
        /* version 4 with pymatgen's comment; Windows */
        "Na1 Cl1\r\n5.64\r\n" LATTICE "1 1\r\nDirect\r\n0 0 0\r\n.5 .5 .5\r\n",
        "\xef\xbb\xbfNa Cl\n5.64\n" LATTICE "1 1\nSelective dynamics\nDirect\n"
        "0 0 0 T T T\n.5 .5 .5 F F F\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct structure s = read_one("NaCl.vasp", texts[i], 0);
        assert_rock_salt(&s, 2);
        structure_done(&s);
    }
    /* Cartesian places are scaled by axis before the cell is inverted */
    struct structure s =
        read_one("x.vasp", "x\n2 3 4\n1 0 0\n0 1 0\n0 0 1\nNa\n1\nCartesian\n.5 .25 .125\n", 0);
    assert_near(s.frac[0][0], 0.5, 1e-15);
    assert_near(s.frac[0][2], 0.125, 1e-15);
    assert_near(s.lattice[2][2], 4, 0);
    structure_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_habits__cif),
        cmocka_unit_test(test_habits__the_frame_ase_writes),
        cmocka_unit_test(test_habits__lines_of_extended_xyz),
        cmocka_unit_test(test_habits__poscar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
