/* Structure types of the textbooks: groups, occupied positions and free parameters as given by
 * Wyckoff, Crystal Structures (1963-1971), Wells, Structural Inorganic Chemistry (1984), and
 * Mueller, Inorganic Structural Chemistry (2006); standard settings, origin choice 2, hexagonal
 * axes. One row per type, one row per family of element choices. */
#include "workers/crystal/demo_types.h"

#include <math.h>
#include <stddef.h>

enum { A, B, C, D };

#define FIXED {0, 0, 0} /* position without free coordinates: nothing to say */

/* Spinel AB2X4: both bond lengths fix a and u (Hill, Craig, Gibbs, Phys. Chem. Minerals 4, 317,
 * 1979, eq. 5). */
static void spinel(const double r[DEMO_ROLES], double cell[6], double (*at)[3])
{
    double tetrahedral = r[A] + r[C], octahedral = r[B] + r[C];
    cell[0] = 8 / (3 * sqrt(3)) * tetrahedral + 8.0 / 3 * octahedral;
    for (int k = 0; k < 3; k++)
        at[2][k] = 1.0 / 8 + tetrahedral / (sqrt(3) * cell[0]);
}

/* Delafossite ABX2: linear X-A-X along c, edge-sharing BX6 layers flattened to a = 1.5 d. */
static void delafossite(const double r[DEMO_ROLES], double cell[6], double (*at)[3])
{
    double linear = r[A] + r[C], octahedral = r[B] + r[C];
    cell[0] = 1.5 * octahedral;
    double height = sqrt(octahedral * octahedral - cell[0] * cell[0] / 3);
    cell[2] = 6 * (linear + height);
    at[2][2] = linear / cell[2];
}

/* alpha-NaFeO2 ABX2: layers of AX6 and BX6 octahedra share their triangles of X; the stiffer B
 * layer has the larger say in a. */
static void layered_oxide(const double r[DEMO_ROLES], double cell[6], double (*at)[3])
{
    double a_bond = r[A] + r[C], b_bond = r[B] + r[C];
    cell[0] = sqrt(2) * (0.3 * a_bond + 0.7 * b_bond);
    double a_height = sqrt(a_bond * a_bond - cell[0] * cell[0] / 3);
    double b_height = sqrt(b_bond * b_bond - cell[0] * cell[0] / 3);
    cell[2] = 6 * (a_height + b_height);
    at[2][2] = 1.0 / 3 - b_height / cell[2];
}

/* K2PtCl6 A2BX6: A touches its twelve X (a / sqrt8), the octahedra stand free. */
static void hexachloroplatinate(const double r[DEMO_ROLES], double cell[6], double (*at)[3])
{
    cell[0] = sqrt(8) * (r[A] + r[C]);
    at[2][0] = (r[B] + r[C]) / cell[0];
}

/* Elpasolite A2BCX6: octahedra of B and C share corners along the axes. */
static void elpasolite(const double r[DEMO_ROLES], double cell[6], double (*at)[3])
{
    double b_bond = r[B] + r[D], c_bond = r[C] + r[D];
    cell[0] = 2 * (b_bond + c_bond);
    at[3][0] = c_bond / cell[0];
}

/* Calcite ABX3: rigid CO3, the rest follows from the A-X contact in a cell of fixed shape. */
static void calcite(const double r[DEMO_ROLES], double cell[6], double (*at)[3])
{
    const double ratio = 3.4; /* c/a */
    double bond = r[A] + r[C], triangle = 1.28;
    /* A at 0, X at (x, 0, 1/4): its nearest image is (x - 2/3, -1/3, 1/4 - 1/3). With x = t/a:
     * (t^2 - t a + a^2 / 3) + (ratio a / 12)^2 = bond^2. */
    double k = 1.0 / 3 + ratio * ratio / 144;
    cell[0] = (triangle + sqrt(triangle * triangle -
                               4 * k * (triangle * triangle - bond * bond))) / (2 * k);
    cell[2] = ratio * cell[0];
    at[2][0] = triangle / cell[0];
}

/* clang-format off */
const struct demo_type demo_types[] = {
    /* ---- elements ---- */
    {.name = "fcc", .spacegroup = 225, .sites = {{'a', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "bcc", .spacegroup = 229, .sites = {{'a', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "hcp", .spacegroup = 194, .c = 1.6, .sites = {{'c', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "dhcp", .spacegroup = 194, .c = 3.22, .sites = {{'a', A, FIXED}, {'c', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "diamond", .spacegroup = 227, .sites = {{'a', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "polonium", .spacegroup = 221, .sites = {{'a', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "white-tin", .spacegroup = 141, .c = 0.546, .sites = {{'a', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "indium", .spacegroup = 139, .c = 1.521, .sites = {{'a', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "grey-arsenic", .spacegroup = 166, .c = 2.65, .sites = {{'c', A, {0, 0, 0.231}}}, .bonds = {{A, A, 1}}},
    {.name = "mercury", .spacegroup = 166, .c = 1.937, .sites = {{'a', A, FIXED}}, .bonds = {{A, A, 1}}},
    {.name = "grey-selenium", .spacegroup = 152, .c = 1.2, .sites = {{'a', A, {0.24, 0, 1.0 / 3}}}, .bonds = {{A, A, 1}}},
    {.name = "alpha-uranium", .spacegroup = 63, .b = 2.057, .c = 1.736, .sites = {{'c', A, {0, 0.1025, 0.25}}}, .bonds = {{A, A, 1}}},

    /* ---- AX ---- */
    {.name = "rock-salt", .spacegroup = 225, .sites = {{'a', A, FIXED}, {'b', B, FIXED}}, .coordination = {6, 6}, .bonds = {{A, B, 1}}},
    {.name = "CsCl", .spacegroup = 221, .sites = {{'a', A, FIXED}, {'b', B, FIXED}}, .coordination = {8, 8}, .bonds = {{A, B, 1}}},
    {.name = "zinc-blende", .spacegroup = 216, .sites = {{'a', A, FIXED}, {'c', B, FIXED}}, .coordination = {4, 4}, .bonds = {{A, B, 1}}},
    {.name = "wurtzite", .spacegroup = 186, .c = 1.62, .sites = {{'b', A, {1.0 / 3, 2.0 / 3, 0}}, {'b', B, {1.0 / 3, 2.0 / 3, 0.378}}},
     .coordination = {4, 4}, .bonds = {{A, B, 1}}},
    {.name = "NiAs", .spacegroup = 194, .c = 1.42, .sites = {{'a', A, FIXED}, {'c', B, FIXED}}, .coordination = {6, 6}, .bonds = {{A, B, 1}}},
    {.name = "PtS", .spacegroup = 131, .c = 1.76, .sites = {{'c', A, FIXED}, {'e', B, FIXED}}, .coordination = {4, 4}, .bonds = {{A, B, 1}}},
    {.name = "litharge", .spacegroup = 129, .c = 1.26, .sites = {{'a', B, FIXED}, {'c', A, {0.25, 0.25, 0.237}}},
     .coordination = {4, 4}, .bonds = {{A, B, 1}}},
    {.name = "FeSi", .spacegroup = 198, .sites = {{'a', A, {0.137, 0.137, 0.137}}, {'a', B, {0.842, 0.842, 0.842}}}, .bonds = {{A, B, 1}}},
    {.name = "MnP", .spacegroup = 62, .b = 0.603, .c = 1.126,
     .sites = {{'c', A, {0.005, 0.25, 0.197}}, {'c', B, {0.188, 0.25, 0.569}}}, .bonds = {{A, B, 1}}},
    {.name = "CrB", .spacegroup = 63, .b = 2.75, .c = 1.1,
     .sites = {{'c', A, {0, 0.139, 0.25}}, {'c', B, {0, 0.428, 0.25}}}, .bonds = {{A, B, 1}}},
    {.name = "TlI", .spacegroup = 63, .b = 2.83, .c = 1.147,
     .sites = {{'c', A, {0, 0.392, 0.25}}, {'c', B, {0, 0.133, 0.25}}}, .coordination = {7, 7}, .bonds = {{A, B, 1}}},
    {.name = "NaTl", .spacegroup = 227, .sites = {{'a', A, FIXED}, {'b', B, FIXED}}, .bonds = {{A, B, 1}, {B, B, 1}}},
    {.name = "CuAu", .spacegroup = 123, .c = 1.33, .sites = {{'a', A, FIXED}, {'d', B, FIXED}}, .bonds = {{A, B, 1}}},

    /* ---- AX2, A2X ---- */
    {.name = "fluorite", .spacegroup = 225, .sites = {{'a', A, FIXED}, {'c', B, FIXED}}, .coordination = {8, 4}, .bonds = {{A, B, 1}}},
    {.name = "antifluorite", .spacegroup = 225, .sites = {{'a', B, FIXED}, {'c', A, FIXED}}, .coordination = {4, 8}, .bonds = {{A, B, 1}}},
    {.name = "rutile", .spacegroup = 136, .c = 0.65, .sites = {{'a', A, FIXED}, {'f', B, {0.305, 0.305, 0}}},
     .coordination = {6, 3}, .bonds = {{A, B, 1}}},
    {.name = "anatase", .spacegroup = 141, .c = 2.514, .sites = {{'a', A, FIXED}, {'e', B, {0, 0.25, 0.0831}}},
     .coordination = {6, 3}, .bonds = {{A, B, 1}}},
    {.name = "alpha-PbO2", .spacegroup = 60, .b = 1.2, .c = 1.1,
     .sites = {{'c', A, {0, 0.178, 0.25}}, {'d', B, {0.276, 0.41, 0.425}}}, .coordination = {6, 3}, .bonds = {{A, B, 1}}},
    {.name = "baddeleyite", .spacegroup = 14, .b = 1.012, .c = 1.033, .beta = 99.2,
     .sites = {{'e', A, {0.275, 0.04, 0.208}}, {'e', B, {0.07, 0.332, 0.345}}, {'e', B, {0.45, 0.757, 0.479}}},
     .coordination = {7, 3}, .bonds = {{A, B, 1}}},
    {.name = "CdI2", .spacegroup = 164, .c = 1.62, .sites = {{'a', A, FIXED}, {'d', B, {1.0 / 3, 2.0 / 3, 0.25}}},
     .coordination = {6, 3}, .bonds = {{A, B, 1}}},
    {.name = "CdCl2", .spacegroup = 166, .c = 4.8, .sites = {{'a', A, FIXED}, {'c', B, {0, 0, 0.2525}}},
     .coordination = {6, 3}, .bonds = {{A, B, 1}}},
    {.name = "MoS2", .spacegroup = 194, .c = 3.89, .sites = {{'c', A, FIXED}, {'f', B, {1.0 / 3, 2.0 / 3, 0.621}}},
     .coordination = {6, 3}, .bonds = {{A, B, 1}}},
    {.name = "cotunnite", .spacegroup = 62, .b = 0.6, .c = 1.19,
     .sites = {{'c', A, {0.247, 0.25, 0.115}}, {'c', B, {0.142, 0.25, 0.428}}, {'c', B, {0.025, 0.25, 0.834}}},
     .coordination = {9, 4}, .bonds = {{A, B, 1}}},
    {.name = "cuprite", .spacegroup = 224, .sites = {{'a', B, FIXED}, {'b', A, FIXED}}, .coordination = {2, 4}, .bonds = {{A, B, 1}}},
    {.name = "quartz", .spacegroup = 154, .c = 1.1,
     .sites = {{'a', A, {0.47, 0, 2.0 / 3}}, {'c', B, {0.4135, 0.2669, 0.7858}}}, .coordination = {4, 2}, .bonds = {{A, B, 1}}},
    {.name = "AlB2", .spacegroup = 191, .c = 1.06, .sites = {{'a', A, FIXED}, {'d', B, FIXED}}, .bonds = {{A, B, 1}, {B, B, 1}}},
    {.name = "MgCu2", .spacegroup = 227, .sites = {{'a', A, FIXED}, {'d', B, FIXED}}, .bonds = {{A, B, 1}, {B, B, 1}, {A, A, 1}},
     .limit = LIMIT_RATIO, .limit_low = 1.05, .limit_high = 1.55},
    {.name = "MgZn2", .spacegroup = 194, .c = 1.63,
     .sites = {{'a', B, FIXED}, {'f', A, {1.0 / 3, 2.0 / 3, 0.062}}, {'h', B, {0.83, 1.66, 0.25}}}, .bonds = {{A, B, 1}, {B, B, 1}, {A, A, 1}},
     .limit = LIMIT_RATIO, .limit_low = 1.05, .limit_high = 1.55},
    {.name = "MoSi2", .spacegroup = 139, .c = 2.45, .sites = {{'a', A, FIXED}, {'e', B, {0, 0, 0.3335}}}, .bonds = {{A, B, 1}}},
    {.name = "CuAl2", .spacegroup = 140, .c = 0.80, .sites = {{'a', A, FIXED}, {'h', B, {0.16, 0.66, 0}}}, .bonds = {{A, B, 1}}},

    /* ---- AX3, A3X, A2X3 ---- */
    {.name = "ReO3", .spacegroup = 221, .sites = {{'a', A, FIXED}, {'d', B, FIXED}}, .coordination = {6, 2}, .bonds = {{A, B, 1}}},
    {.name = "UCl3", .spacegroup = 176, .c = 0.58, .sites = {{'c', A, FIXED}, {'h', B, {0.388, 0.302, 0.25}}},
     .coordination = {9, 3}, .bonds = {{A, B, 1}}},
    {.name = "BiI3", .spacegroup = 148, .c = 2.77, .sites = {{'c', A, {0, 0, 0.167}}, {'f', B, {0.335, 0.335, 0.082}}},
     .coordination = {6, 2}, .bonds = {{A, B, 1}}},
    {.name = "AlCl3", .spacegroup = 12, .b = 1.728, .c = 0.93, .beta = 110,
     .sites = {{'g', A, {0, 0.167, 0}}, {'i', B, {0.215, 0, 0.237}}, {'j', B, {0.239, 0.177, 0.767}}},
     .coordination = {6, 2}, .bonds = {{A, B, 1}}},
    {.name = "corundum", .spacegroup = 167, .c = 2.73, .sites = {{'c', A, {0, 0, 0.352}}, {'e', B, {0.306, 0, 0.25}}},
     .coordination = {6, 4}, .bonds = {{A, B, 1}}},
    {.name = "A-La2O3", .spacegroup = 164, .c = 1.557,
     .sites = {{'a', B, FIXED}, {'d', A, {1.0 / 3, 2.0 / 3, 0.2454}}, {'d', B, {1.0 / 3, 2.0 / 3, 0.6471}}}, .coordination = {7, 4}, .bonds = {{A, B, 1}}},
    {.name = "bixbyite", .spacegroup = 206,
     .sites = {{'b', A, FIXED}, {'d', A, {0.968, 0, 0.25}}, {'e', B, {0.391, 0.152, 0.38}}}, .coordination = {6, 4}, .bonds = {{A, B, 1}}},
    {.name = "tetradymite", .spacegroup = 166, .c = 6.95,
     .sites = {{'a', B, FIXED}, {'c', A, {0, 0, 0.4}}, {'c', B, {0, 0, 0.2117}}}, .bonds = {{A, B, 1}}},
    {.name = "Cr3Si", .spacegroup = 223, .sites = {{'a', A, FIXED}, {'c', B, FIXED}}, .bonds = {{A, B, 3}, {B, B, 1}}},
    {.name = "Cu3Au", .spacegroup = 221, .sites = {{'a', A, FIXED}, {'c', B, FIXED}}, .bonds = {{A, B, 1}, {B, B, 1}}},
    {.name = "Ni3Sn", .spacegroup = 194, .c = 0.8, .sites = {{'c', A, FIXED}, {'h', B, {0.84, 1.68, 0.25}}}, .bonds = {{A, B, 1}, {B, B, 1}}},
    {.name = "TiAl3", .spacegroup = 139, .c = 2.23, .sites = {{'a', A, FIXED}, {'b', B, FIXED}, {'d', B, FIXED}}, .bonds = {{A, B, 1}, {B, B, 1}}},
    {.name = "Li3Bi", .spacegroup = 225, .sites = {{'a', B, FIXED}, {'b', A, FIXED}, {'c', A, FIXED}}, .bonds = {{A, B, 1}}},
    {.name = "Na3As", .spacegroup = 194, .c = 1.77, .sites = {{'b', A, FIXED}, {'c', B, FIXED}, {'f', A, {1.0 / 3, 2.0 / 3, 0.583}}}, .bonds = {{A, B, 1}}},
    {.name = "CaCu5", .spacegroup = 191, .c = 0.80, .sites = {{'a', A, FIXED}, {'c', B, FIXED}, {'g', B, FIXED}}, .bonds = {{A, B, 1}, {B, B, 1}}},
    {.name = "CaB6", .spacegroup = 221, .sites = {{'a', A, FIXED}, {'f', B, {0.203, 0.5, 0.5}}}, .bonds = {{A, B, 1}, {B, B, 3}}},

    /* ---- three elements ---- */
    {.name = "perovskite", .spacegroup = 221, .sites = {{'a', B, FIXED}, {'b', A, FIXED}, {'d', C, FIXED}}, .coordination = {12, 6, 6},
     .bonds = {{A, C, 1}, {B, C, 2}}, .limit = LIMIT_TOLERANCE, .limit_low = 0.95, .limit_high = 1.04},
    {.name = "tetragonal-perovskite", .spacegroup = 99, .c = 1.05,
     .sites = {{'a', A, {0, 0, 0}}, {'b', B, {0.5, 0.5, 0.535}}, {'b', C, {0.5, 0.5, 0.1}}, {'c', C, {0.5, 0, 0.61}}},
     .coordination = {12, 6, 6}, .bonds = {{A, C, 1}, {B, C, 2}},
     .limit = LIMIT_TOLERANCE, .limit_low = 0.985, .limit_high = 1.09},
    {.name = "GdFeO3", .spacegroup = 62, .b = 1.385, .c = 0.965,
     .sites = {{'b', B, FIXED}, {'c', A, {0.045, 0.25, 0.989}}, {'c', C, {0.475, 0.25, 0.085}}, {'d', C, {0.293, 0.043, 0.706}}},
     .coordination = {9, 6, 4}, .bonds = {{B, C, 1}}, .limit = LIMIT_TOLERANCE, .limit_low = 0.80, .limit_high = 0.89},
    {.name = "LaAlO3", .spacegroup = 167, .c = 2.44, .sites = {{'a', A, FIXED}, {'b', B, FIXED}, {'e', C, {0.54, 0, 0.25}}},
     .coordination = {12, 6, 6}, .bonds = {{B, C, 1}}, .limit = LIMIT_TOLERANCE, .limit_low = 0.90, .limit_high = 1.01},
    {.name = "tilted-perovskite", .spacegroup = 140, .c = 1.42,
     .sites = {{'a', C, FIXED}, {'b', A, FIXED}, {'c', B, FIXED}, {'h', C, {0.285, 0.785, 0}}}, .coordination = {12, 6, 6},
     .bonds = {{B, C, 1}}, .limit = LIMIT_TOLERANCE, .limit_low = 0.91, .limit_high = 0.97},
    {.name = "LiNbO3", .spacegroup = 161, .c = 2.69,
     .sites = {{'a', A, {0, 0, 0.281}}, {'a', B, {0, 0, 0}}, {'b', C, {0.048, 0.343, 0.0647}}},
     .coordination = {6, 6, 4}, .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "ilmenite", .spacegroup = 148, .c = 2.77,
     .sites = {{'c', A, {0, 0, 0.355}}, {'c', B, {0, 0, 0.146}}, {'f', C, {0.317, 0.023, 0.245}}},
     .coordination = {6, 6, 4}, .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "spinel", .spacegroup = 227, .sites = {{'a', A, FIXED}, {'d', B, FIXED}, {'e', C, {0.2625, 0.2625, 0.2625}}}, .coordination = {4, 6, 4},
     .shape = spinel},
    {.name = "delafossite", .spacegroup = 166, .sites = {{'a', A, FIXED}, {'b', B, FIXED}, {'c', C, FIXED}}, .coordination = {2, 6, 4},
     .shape = delafossite},
    {.name = "NaFeO2", .spacegroup = 166, .sites = {{'b', A, FIXED}, {'a', B, FIXED}, {'c', C, FIXED}}, .coordination = {6, 6, 6},
     .shape = layered_oxide},
    {.name = "chalcopyrite", .spacegroup = 122, .c = 1.97, .sites = {{'a', A, FIXED}, {'b', B, FIXED}, {'d', C, {0.255, 0.25, 0.125}}},
     .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "half-Heusler", .spacegroup = 216, .sites = {{'a', C, FIXED}, {'b', A, FIXED}, {'c', B, FIXED}},
     .bonds = {{A, B, 1}, {B, C, 1}}},
    {.name = "Heusler", .spacegroup = 225, .sites = {{'a', B, FIXED}, {'b', C, FIXED}, {'c', A, FIXED}}, .bonds = {{A, B, 1}, {A, C, 1}}},
    {.name = "ThCr2Si2", .spacegroup = 139, .c = 2.5, .sites = {{'a', A, FIXED}, {'d', B, FIXED}, {'e', C, {0, 0, 0.375}}},
     .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "BaFe2As2", .spacegroup = 139, .c = 3.1, .sites = {{'a', A, FIXED}, {'d', B, FIXED}, {'e', C, {0, 0, 0.36}}},
     .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "CaAl2Si2", .spacegroup = 164, .c = 1.66, .sites = {{'a', A, FIXED}, {'d', B, {1.0 / 3, 2.0 / 3, 0.63}}, {'d', C, {1.0 / 3, 2.0 / 3, 0.26}}},
     .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "PbFCl", .spacegroup = 129, .c = 1.76, .sites = {{'a', B, FIXED}, {'c', A, {0.25, 0.25, 0.2}}, {'c', C, {0.25, 0.25, 0.65}}},
     .coordination = {9, 4, 6}, .bonds = {{A, B, 1}, {A, C, 1}}},
    {.name = "LiFeAs", .spacegroup = 129, .c = 1.68, .sites = {{'b', B, FIXED}, {'c', A, {0.25, 0.25, 0.846}}, {'c', C, {0.25, 0.25, 0.2635}}},
     .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "La2O2S", .spacegroup = 164, .c = 1.717, .sites = {{'a', C, FIXED}, {'d', A, {1.0 / 3, 2.0 / 3, 0.28}}, {'d', B, {1.0 / 3, 2.0 / 3, 0.63}}},
     .coordination = {7, 4, 6}, .bonds = {{A, B, 1}, {A, C, 1}}},
    {.name = "K2NiF4", .spacegroup = 139, .c = 3.26,
     .sites = {{'a', B, FIXED}, {'c', C, FIXED}, {'e', A, {0, 0, 0.353}}, {'e', C, {0, 0, 0.155}}}, .coordination = {9, 6, 6},
     .bonds = {{B, C, 2}, {A, C, 1}}, .limit = LIMIT_TOLERANCE, .limit_low = 0.84, .limit_high = 1.05},
    {.name = "Sr3Ti2O7", .spacegroup = 139, .c = 5.22,
     .sites = {{'a', C, FIXED}, {'b', A, FIXED}, {'e', A, {0, 0, 0.3145}}, {'e', B, {0, 0, 0.0978}}, {'e', C, {0, 0, 0.194}},
               {'g', C, {0, 0.5, 0.0955}}},
     .coordination = {12, 6, 6}, .bonds = {{B, C, 2}, {A, C, 1}},
     .limit = LIMIT_TOLERANCE, .limit_low = 0.92, .limit_high = 1.03},
    {.name = "pyrochlore", .spacegroup = 227, .sites = {{'b', C, FIXED}, {'c', B, FIXED}, {'d', A, FIXED}, {'f', C, {0.335, 0.125, 0.125}}},
     .coordination = {8, 6, 4}, .bonds = {{B, C, 2}, {A, C, 1}}, .limit = LIMIT_RATIO, .limit_low = 1.4, .limit_high = 1.75},
    {.name = "K2PtCl6", .spacegroup = 225, .sites = {{'a', B, FIXED}, {'c', A, FIXED}, {'e', C, {0.24, 0, 0}}}, .coordination = {12, 6, 6},
     .shape = hexachloroplatinate},
    {.name = "calcite", .spacegroup = 167, .sites = {{'b', A, FIXED}, {'a', B, FIXED}, {'e', C, {0.257, 0, 0.25}}}, .coordination = {6, 3, 3},
     .shape = calcite},
    {.name = "zircon", .spacegroup = 141, .c = 0.905, .sites = {{'a', A, FIXED}, {'b', B, FIXED}, {'h', C, {0, 0.066, 0.195}}},
     .coordination = {8, 4, 3}, .bonds = {{A, C, 2}, {B, C, 1}}},
    {.name = "scheelite", .spacegroup = 88, .c = 2.17, .sites = {{'a', B, FIXED}, {'b', A, FIXED}, {'f', C, {0.15, 0.009, 0.211}}},
     .coordination = {8, 4, 3}, .bonds = {{A, C, 2}, {B, C, 1}}},
    {.name = "wolframite", .spacegroup = 13, .b = 1.22, .c = 1.057, .beta = 90.8,
     .sites = {{'e', B, {0, 0.18, 0.25}}, {'f', A, {0.5, 0.68, 0.25}}, {'g', C, {0.22, 0.11, 0.93}}, {'g', C, {0.26, 0.38, 0.4}}},
     .coordination = {6, 6, 3}, .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "olivine", .spacegroup = 62, .b = 0.585, .c = 0.465,
     .sites = {{'a', A, FIXED}, {'c', A, {0.2774, 0.25, 0.9915}}, {'c', B, {0.094, 0.25, 0.4262}}, {'c', C, {0.0913, 0.25, 0.7657}},
               {'c', C, {0.4474, 0.25, 0.2215}}, {'d', C, {0.1628, 0.0332, 0.2777}}},
     .coordination = {6, 4, 4}, .bonds = {{A, C, 2}, {B, C, 1}}},
    {.name = "garnet", .spacegroup = 230, .sites = {{'a', B, FIXED}, {'c', A, FIXED}, {'d', B, FIXED}, {'h', C, {-0.0306, 0.0512, 0.15}}},
     .coordination = {8, 6, 4}, .bonds = {{A, C, 1}, {B, C, 1}}},
    {.name = "antiperovskite", .spacegroup = 221, .sites = {{'a', B, FIXED}, {'b', C, FIXED}, {'d', A, FIXED}}, .coordination = {6, 6, 8},
     .bonds = {{A, B, 1}}},

    /* ---- four elements ---- */
    {.name = "silicate-garnet", .spacegroup = 230, .sites = {{'a', B, FIXED}, {'c', A, FIXED}, {'d', C, FIXED}, {'h', D, {-0.035, 0.047, 0.152}}},
     .coordination = {8, 6, 4, 4}, .bonds = {{A, D, 1}, {B, D, 1}, {C, D, 1}}},
    {.name = "elpasolite", .spacegroup = 225, .sites = {{'b', B, FIXED}, {'c', A, FIXED}, {'a', C, FIXED}, {'e', D, {0.25, 0, 0}}},
     .coordination = {12, 6, 6, 6}, .shape = elpasolite, .limit = LIMIT_TOLERANCE, .limit_low = 0.95, .limit_high = 1.04},
    {.name = "ZrCuSiAs", .spacegroup = 129, .c = 2.17,
     .sites = {{'a', D, FIXED}, {'b', B, FIXED}, {'c', A, {0.25, 0.25, 0.1415}}, {'c', C, {0.25, 0.25, 0.6512}}}, .bonds = {{A, D, 1}, {B, C, 1}}},
    {.name = "triphylite", .spacegroup = 62, .b = 0.585, .c = 0.46,
     .sites = {{'a', A, FIXED}, {'c', B, {0.281, 0.25, 0.978}}, {'c', C, {0.095, 0.25, 0.42}}, {'c', D, {0.096, 0.25, 0.746}},
               {'c', D, {0.454, 0.25, 0.211}}, {'d', D, {0.165, 0.043, 0.281}}},
     .coordination = {6, 6, 4, 4}, .bonds = {{A, D, 1}, {B, D, 1}, {C, D, 1}}},
    {0},
};

#define EARTHS "La Ce Pr Nd Sm Gd Tb Dy Ho Er Tm Yb Lu"
#define EARTHS_HEAVY "Gd Tb Dy Ho Er Tm Yb Lu"
#define TETRAVALENT_OXIDES "Ti V Cr Mn Ge Nb Mo Ru Rh Sn Te Ta W Re Os Ir Pt Pb"

const struct demo_choice demo_choices[] = {
    /* ---- elements, in the phases they are known in ---- */
    {"fcc", RADIUS_METALLIC, 1, {{"Al Ca Sr Fe Co Ni Cu Rh Pd Ag La Ce Yb Ir Pt Au Tl Pb Ac Th", 0}}},
    {"bcc", RADIUS_METALLIC, 0.97, {{"Li Na K Rb Cs Ca Sr Ba Ti V Cr Fe Zr Nb Mo Hf Ta W Eu U", 0}}},
    {"hcp", RADIUS_METALLIC, 1, {{"Be Mg Sc Ti Co Zn Y Zr Tc Ru Cd Gd Tb Dy Ho Er Tm Lu Hf Re Os Tl", 0}}},
    {"dhcp", RADIUS_METALLIC, 1, {{"La Ce Pr Nd Pm Am Cm Bk Cf", 0}}},
    {"diamond", RADIUS_COVALENT, 1, {{"C Si Ge Sn", 0}}},
    {"polonium", RADIUS_METALLIC, 1, {{"Po", 0}}},
    {"white-tin", RADIUS_METALLIC, 0.95, {{"Sn", 0}}},
    {"indium", RADIUS_METALLIC, 0.98, {{"In", 0}}},
    {"grey-arsenic", RADIUS_COVALENT, 1.04, {{"As Sb Bi", 0}}},
    {"mercury", RADIUS_METALLIC, 0.97, {{"Hg", 0}}},
    {"grey-selenium", RADIUS_COVALENT, 1, {{"Se Te", 0}}},
    {"alpha-uranium", RADIUS_METALLIC, 0.9, {{"U", 0}}},

    /* ---- AX ---- */
    {"rock-salt", RADIUS_IONIC, 1, {{"Li Na K Rb Cs", 1}, {"F Cl Br I", -1}}},
    {"rock-salt", RADIUS_IONIC, 1, {{"Ag", 1}, {"F Cl Br", -1}}},
    {"rock-salt", RADIUS_IONIC, 1, {{"Mg Ca Sr Ba Mn Fe Co Ni Cd Eu Pb Sn", 2}, {"O S Se Te", -2}}},
    {"rock-salt", RADIUS_IONIC, 1.04, {{"Sc Y La Ce Pr Nd Sm Gd Dy Ho Er Yb Lu", 3}, {"N", -3}}},
    {"rock-salt", RADIUS_IONIC, 0.945, {{"Y La Ce Pr Nd Sm Gd Dy Er Lu", 3}, {"P As Sb", -3}}},
    {"rock-salt", RADIUS_IONIC, 1, {{"Ti V Cr U", 3}, {"N", -3}}},
    {"rock-salt", RADIUS_METALLIC, 0.98, {{"Ti Zr Hf V Nb Ta Th U", 0}, {"C", 0}}},
    {"CsCl", RADIUS_IONIC, 1, {{"Cs Rb Tl", 1}, {"Cl Br I", -1}}},
    {"CsCl", RADIUS_METALLIC, 0.97, {{"Y La Pr Nd Sm Gd Dy Ho Er Tm", 0}, {"Ag Cu Au Zn Mg", 0}}},
    {"CsCl", RADIUS_METALLIC, 0.97, {{"Ti Zr Hf", 0}, {"Fe Co Ni Ru", 0}}},
    {"CsCl", RADIUS_METALLIC, 0.97, {{"Al Ga", 0}, {"Fe Co Ni Pd", 0}}},
    {"CsCl", RADIUS_METALLIC, 0.97, {{"Li", 0}, {"Ag Hg Tl Pd", 0}}},
    {"zinc-blende", RADIUS_COVALENT, 1, {{"B Al Ga In", 3}, {"N P As Sb", -3}}},
    {"zinc-blende", RADIUS_COVALENT, 1.02, {{"Be Mg Mn Zn Cd Hg", 2}, {"S Se Te", -2}}},
    {"zinc-blende", RADIUS_COVALENT, 1, {{"Cu Ag", 1}, {"Cl Br I", -1}}},
    {"zinc-blende", RADIUS_COVALENT, 1, {{"Si", 4}, {"C", -4}}},
    {"wurtzite", RADIUS_COVALENT, 1, {{"B Al Ga In", 3}, {"N P As", -3}}},
    {"wurtzite", RADIUS_COVALENT, 1.03, {{"Be Mg Mn Zn Cd", 2}, {"O S Se Te", -2}}},
    {"wurtzite", RADIUS_COVALENT, 1, {{"Cu Ag", 1}, {"Cl Br I", -1}}},
    {"wurtzite", RADIUS_COVALENT, 1, {{"Si", 4}, {"C", -4}}},
    {"NiAs", RADIUS_COVALENT, 1.03, {{"Ti V Cr Mn Fe Co Ni", 0}, {"S Se Te", 0}}},
    {"NiAs", RADIUS_COVALENT, 1, {{"Mn Fe Co Ni Pd Pt", 0}, {"As Sb Bi Sn", 0}}},
    {"PtS", RADIUS_IONIC, 0.95, {{"Pd Pt", 2}, {"O S Se", -2}}},
    {"litharge", RADIUS_IONIC, 1, {{"Pb Sn", 2}, {"O", -2}}},
    {"FeSi", RADIUS_COVALENT, 0.945, {{"Cr Mn Fe Co Rh Re Ru Os", 0}, {"Si Ge", 0}}},
    {"FeSi", RADIUS_COVALENT, 1, {{"Pd Pt Ni", 0}, {"Al Ga", 0}}},
    {"MnP", RADIUS_COVALENT, 0.935, {{"Cr Mn Fe Co V", 0}, {"P As", 0}}},
    {"CrB", RADIUS_METALLIC, 0.97, {{"Y La Ce Pr Nd Gd Dy Er", 0}, {"Ni Ga Au", 0}}},
    {"CrB", RADIUS_METALLIC, 0.97, {{"Ca Sr Ba", 0}, {"Si Ge Sn", 0}}},
    {"TlI", RADIUS_IONIC, 0.905, {{"Tl", 1}, {"Br I", -1}}},
    {"NaTl", RADIUS_METALLIC, 0.92, {{"Li Na", 0}, {"Al Ga In Tl Zn Cd", 0}}},
    {"CuAu", RADIUS_METALLIC, 1, {{"Cu Fe Co Ni Mn Cr", 0}, {"Au Pt Pd", 0}}},
    {"CuAu", RADIUS_METALLIC, 1, {{"Ti Mn Mg", 0}, {"Al Ga In", 0}}},

    /* ---- AX2, A2X ---- */
    {"fluorite", RADIUS_IONIC, 1, {{"Ca Sr Ba Cd Hg Pb Eu", 2}, {"F Cl", -1}}},
    {"fluorite", RADIUS_IONIC, 1, {{"Zr Hf Ce Pr Tb Th U Np Pu Am Pa Po", 4}, {"O", -2}}},
    {"antifluorite", RADIUS_IONIC, 1, {{"Li Na K Rb", 1}, {"O S Se Te", -2}}},
    {"antifluorite", RADIUS_COVALENT, 1, {{"Mg", 2}, {"Si Ge Sn", -4}}},
    {"antifluorite", RADIUS_COVALENT, 1, {{"Be", 2}, {"C", -4}}},
    {"rutile", RADIUS_IONIC, 1, {{"Si " TETRAVALENT_OXIDES, 4}, {"O", -2}}},
    {"rutile", RADIUS_IONIC, 1, {{"Mg V Cr Mn Fe Co Ni Cu Zn Pd", 2}, {"F", -1}}},
    {"anatase", RADIUS_IONIC, 1, {{"Ti V Nb Mo Sn Zr Hf", 4}, {"O", -2}}},
    {"alpha-PbO2", RADIUS_IONIC, 1, {{"Ti Mn Ge Zr Hf Sn Re Pb Ir", 4}, {"O", -2}}},
    {"alpha-PbO2", RADIUS_IONIC, 1, {{"Mg Mn Fe Co Ni Zn", 2}, {"F", -1}}},
    {"baddeleyite", RADIUS_IONIC, 0.96, {{"Zr Hf Ti Sn Ce", 4}, {"O", -2}}},
    {"CdI2", RADIUS_IONIC, 0.96, {{"Mg Ca V Mn Fe Co Ni Zn Cd Pb Ge", 2}, {"Br I", -1}}},
    {"CdI2", RADIUS_IONIC, 1, {{"Ti V", 2}, {"Cl", -1}}},
    {"CdI2", RADIUS_IONIC, 1, {{"Ti Zr Hf V Nb Ta Sn Ni Co", 4}, {"S Se Te", -2}}},
    {"CdI2", RADIUS_IONIC, 1, {{"Pt Ir", 4}, {"S Se", -2}}},
    {"CdCl2", RADIUS_IONIC, 0.955, {{"Mg Mn Fe Co Ni Zn Cd", 2}, {"Cl Br", -1}}},
    {"MoS2", RADIUS_IONIC, 0.97, {{"Nb Ta", 4}, {"S Se Te", -2}}},
    {"MoS2", RADIUS_IONIC, 0.97, {{"Mo W", 4}, {"S Se", -2}}},
    {"cotunnite", RADIUS_IONIC, 0.935, {{"Ca Sr Ba Pb Eu Sm", 2}, {"F Cl Br", -1}}},
    {"cuprite", RADIUS_IONIC, 1, {{"Cu Ag", 1}, {"O S", -2}}},
    {"quartz", RADIUS_IONIC, 1, {{"Si Ge", 4}, {"O", -2}}},
    {"quartz", RADIUS_IONIC, 1, {{"Be", 2}, {"F", -1}}},
    {"AlB2", RADIUS_COVALENT, 1.05, {{"Mg Al Sc Y Ti Zr Hf V Nb Ta Cr Mn Mo", 0}, {"B", 0}}},
    {"AlB2", RADIUS_METALLIC, 0.93, {{"Y La Ce Pr Nd Gd Tb Dy Er", 0}, {"Ga Hg", 0}}},
    {"MgCu2", RADIUS_METALLIC, 0.95, {{"Y La Ce Pr Nd Gd Tb Dy Ho Er", 0}, {"Al Fe Co Ni Ru", 0}}},
    {"MgCu2", RADIUS_METALLIC, 0.95, {{"Ca Zr Hf Sc", 0}, {"Al Co Ni Ir Pt", 0}}},
    {"MgZn2", RADIUS_METALLIC, 0.955, {{"Ca Sr Y Sc Ti Zr Hf Nb Ta Mg", 0}, {"Zn Cr Mn Fe Re Os", 0}}},
    {"MoSi2", RADIUS_METALLIC, 1.04, {{"Mo W Re Cr", 0}, {"Si Ge", 0}}},
    {"CuAl2", RADIUS_METALLIC, 0.95, {{"Cu Mn Fe Co Ni Pd Rh", 0}, {"Al Sn In", 0}}},

    /* ---- AX3, A3X, A2X3 ---- */
    {"ReO3", RADIUS_IONIC, 1, {{"Re W Mo", 6}, {"O", -2}}},
    {"ReO3", RADIUS_IONIC, 1, {{"Al Sc Ti V Cr Fe Ga In", 3}, {"F", -1}}},
    {"UCl3", RADIUS_IONIC, 1, {{"La Ce Pr Nd Sm Gd Ac U", 3}, {"Cl Br", -1}}},
    {"BiI3", RADIUS_IONIC, 0.95, {{"Sc Ti V Cr Fe Y Sb Bi", 3}, {"Cl Br I", -1}}},
    {"AlCl3", RADIUS_IONIC, 0.955, {{"Al Cr Y Dy Ho Er Tm Yb Lu Rh Ir Mo", 3}, {"Cl", -1}}},
    {"AlCl3", RADIUS_IONIC, 0.955, {{"Cr Y Rh Ir Lu", 3}, {"Br", -1}}},
    {"corundum", RADIUS_IONIC, 0.975, {{"Al Sc Ti V Cr Mn Fe Co Ni Ga Rh In Tl", 3}, {"O", -2}}},
    {"A-La2O3", RADIUS_IONIC, 0.955, {{"La Ce Pr Nd Pm Sm Ac", 3}, {"O", -2}}},
    {"bixbyite", RADIUS_IONIC, 1, {{"Sc Mn Y In Tl Sm " EARTHS_HEAVY, 3}, {"O", -2}}},
    {"tetradymite", RADIUS_COVALENT, 1.08, {{"Sb Bi In", 0}, {"S Se Te", 0}}},
    {"Cr3Si", RADIUS_METALLIC, 1.01, {{"Si Ge Al Ga Sn Pt Ir Rh", 0}, {"V Nb Cr Mo Ti Ta", 0}}},
    {"Cu3Au", RADIUS_METALLIC, 1, {{"Al Ga Ge Si Mn Fe", 0}, {"Ni Pt", 0}}},
    {"Cu3Au", RADIUS_METALLIC, 1, {{"Au Pd Pt", 0}, {"Cu", 0}}},
    {"Cu3Au", RADIUS_METALLIC, 1, {{"Ti Zr Hf Sc Y Nb", 0}, {"Pd Pt Rh Ir", 0}}},
    {"Cu3Au", RADIUS_METALLIC, 1, {{"La Ce Pr Nd Sm Gd Dy Er", 0}, {"In Sn Pd", 0}}},
    {"Ni3Sn", RADIUS_METALLIC, 0.97, {{"Sn In Ga Al", 0}, {"Ni Ti Mn Co", 0}}},
    {"TiAl3", RADIUS_METALLIC, 0.945, {{"Ti V Nb Ta Zr Hf", 0}, {"Al Ga", 0}}},
    {"Li3Bi", RADIUS_COVALENT, 1.05, {{"Li Na K Rb Cs", 1}, {"Sb Bi", -3}}},
    {"Na3As", RADIUS_COVALENT, 1.05, {{"Li Na K Rb", 1}, {"P As Sb Bi", -3}}},
    {"CaCu5", RADIUS_METALLIC, 0.98, {{"Ca Y La Ce Pr Nd Sm Gd Dy Ho Er", 0}, {"Co Ni Cu", 0}}},
    {"CaB6", RADIUS_COVALENT, 1.06, {{"Ca Sr Ba Y La Ce Pr Nd Sm Eu Gd Tb Dy Ho Th Yb", 0}, {"B", 0}}},

    /* ---- three elements ---- */
    {"perovskite", RADIUS_IONIC, 1, {{"Ca Sr Ba Pb Eu", 2}, {"Ti V Cr Mn Co Ge Zr Nb Mo Tc Ru Rh Sn Hf Ir Ce Pr Th U", 4}, {"O", -2}}},
    {"perovskite", RADIUS_IONIC, 1, {{"Ca Sr Ba", 2}, {"Fe", 4}, {"O", -2}}},
    {"perovskite", RADIUS_IONIC, 1, {{"La Ce Pr Nd", 3}, {"Al Cr Fe Co Ni Ga Rh", 3}, {"O", -2}}},
    {"perovskite", RADIUS_IONIC, 1, {{"Na K Rb Ag", 1}, {"Nb Ta W", 5}, {"O", -2}}},
    {"perovskite", RADIUS_IONIC, 1, {{"Na K Rb Cs Tl", 1}, {"Mg Ca Mn Fe Co Ni Zn Cd Hg Sr Ge Sn Pb Eu", 2}, {"F Cl Br I", -1}}},
    {"tetragonal-perovskite", RADIUS_IONIC, 0.89, {{"Ca Sr Ba Pb", 2}, {"Ti V Mn Co Ge Zr Nb Mo Ru Sn Hf", 4}, {"O", -2}}},
    {"tetragonal-perovskite", RADIUS_IONIC, 0.89, {{"K Rb Na", 1}, {"Nb Ta", 5}, {"O", -2}}},
    {"tetragonal-perovskite", RADIUS_IONIC, 0.89, {{"K Rb Cs", 1}, {"Mn Fe Co Ni Zn Ge", 2}, {"F Cl", -1}}},
    {"GdFeO3", RADIUS_IONIC, 1, {{"Y La Pr Nd Sm Gd Dy Ho Er Lu", 3}, {"Al Sc Cr Fe Co Ni Ga In Rh", 3}, {"O", -2}}},
    {"GdFeO3", RADIUS_IONIC, 1, {{"Ca Sr Cd", 2}, {"Ti Zr Hf Sn Ru Mn Ge Ce", 4}, {"O", -2}}},
    {"GdFeO3", RADIUS_IONIC, 1, {{"Ca Sr Ba", 2}, {"Zr Hf Sn", 4}, {"S Se", -2}}},
    {"GdFeO3", RADIUS_IONIC, 1, {{"Na", 1}, {"Mg Mn Fe Co Ni Zn", 2}, {"F", -1}}},
    {"LaAlO3", RADIUS_IONIC, 1, {{"La Ce Pr Nd", 3}, {"Al Co Ni Ga Cu", 3}, {"O", -2}}},
    {"LaAlO3", RADIUS_IONIC, 1, {{"Ba Sr Pb", 2}, {"Zr Hf Sn Ce Ru Mo", 4}, {"O", -2}}},
    {"tilted-perovskite", RADIUS_IONIC, 1, {{"Ca Sr Ba Pb Eu", 2}, {"Ti Zr Hf Sn Ru Rh Mo Tc Nb", 4}, {"O", -2}}},
    {"tilted-perovskite", RADIUS_IONIC, 1, {{"K Rb", 1}, {"Mn Cd Ca", 2}, {"F Cl", -1}}},
    {"LiNbO3", RADIUS_IONIC, 0.955, {{"Li Na Ag", 1}, {"Nb Ta", 5}, {"O", -2}}},
    {"LiNbO3", RADIUS_IONIC, 0.955, {{"Mg Mn Fe Zn Cd", 2}, {"Ti Sn Ge", 4}, {"O", -2}}},
    {"ilmenite", RADIUS_IONIC, 0.955, {{"Mg Mn Co Ni Zn Cd", 2}, {"Ti Ge Sn Ir Rh", 4}, {"O", -2}}},
    {"ilmenite", RADIUS_IONIC, 0.955, {{"Fe", 2}, {"Ti Ge Sn", 4}, {"O", -2}}},
    {"ilmenite", RADIUS_IONIC, 0.955, {{"Li Na Ag", 1}, {"Nb Sb V Ta", 5}, {"O", -2}}},
    {"spinel", RADIUS_IONIC, 1, {{"Mg Zn Cd", 2}, {"Al Ti V Cr Mn Fe Co Ga In", 3}, {"O", -2}}},
    {"spinel", RADIUS_IONIC, 1, {{"Mn Co Ni Cu", 2}, {"Al Cr V Ga Rh", 3}, {"O", -2}}},
    {"spinel", RADIUS_IONIC, 1, {{"Fe", 2}, {"Al Cr V Ga Rh", 3}, {"O", -2}}},
    {"spinel", RADIUS_IONIC, 1, {{"Mg Mn Zn Cd", 2}, {"Sc Cr In Y Er Lu", 3}, {"S Se", -2}}},
    {"spinel", RADIUS_IONIC, 1, {{"Fe Co Cu", 2}, {"Cr In Rh", 3}, {"S", -2}}},
    {"spinel", RADIUS_IONIC, 1, {{"Si Ge Ti Sn", 4}, {"Mg Co Zn Ni", 2}, {"O", -2}}},
    {"spinel", RADIUS_IONIC, 1, {{"Mo W", 6}, {"Na Li Ag", 1}, {"O", -2}}},
    {"delafossite", RADIUS_IONIC, 1, {{"Cu Ag", 1}, {"Al Ga In Sc Cr Fe Rh Y La Pr Nd", 3}, {"O", -2}}},
    {"NaFeO2", RADIUS_IONIC, 0.975, {{"Li Na K", 1}, {"Al Sc Ti V Cr Mn Fe Co Ni In", 3}, {"O", -2}}},
    {"NaFeO2", RADIUS_IONIC, 0.975, {{"Li Na K", 1}, {"Sc Cr In Y Er Lu", 3}, {"S Se", -2}}},
    {"chalcopyrite", RADIUS_COVALENT, 1, {{"Cu Ag", 1}, {"Al Ga In", 3}, {"S Se Te", -2}}},
    {"chalcopyrite", RADIUS_COVALENT, 1, {{"Mg Zn Cd", 2}, {"Si Ge Sn", 4}, {"P As Sb", -3}}},
    {"half-Heusler", RADIUS_COVALENT, 0.95, {{"Ti Zr Hf", 0}, {"Ni Pd Pt", 0}, {"Sn Ge", 0}}},
    {"half-Heusler", RADIUS_COVALENT, 0.95, {{"Ti Zr Hf", 0}, {"Co Rh Ir", 0}, {"Sb As", 0}}},
    {"half-Heusler", RADIUS_COVALENT, 0.95, {{"V Nb Ta", 0}, {"Fe Ru", 0}, {"Sb", 0}}},
    {"half-Heusler", RADIUS_COVALENT, 0.95, {{"V Nb Ta", 0}, {"Co Rh Ir", 0}, {"Sn Ge", 0}}},
    {"half-Heusler", RADIUS_COVALENT, 0.95, {{"Sc Y Gd Dy Ho Er Lu", 0}, {"Ni Pd Pt", 0}, {"Sb Bi", 0}}},
    {"half-Heusler", RADIUS_COVALENT, 0.98, {{"Li", 0}, {"Mg Zn Cd", 0}, {"N P As Sb", 0}}},
    {"Heusler", RADIUS_METALLIC, 0.97, {{"Fe Co Ni Cu Ru", 0}, {"Ti V Mn Zr", 0}, {"Al Ga Si Ge Sn", 0}}},
    {"ThCr2Si2", RADIUS_METALLIC, 1.02, {{"Ca Sr Y La Ce Pr Nd Gd Dy Er Yb", 0}, {"Mn Co Ni Cu Ru", 0}, {"Si Ge", 0}}},
    {"BaFe2As2", RADIUS_COVALENT, 0.98, {{"Ca Sr Ba Eu", 0}, {"Mn Fe Co Ni", 0}, {"P As Sb", 0}}},
    {"CaAl2Si2", RADIUS_COVALENT, 1.02, {{"Ca Sr Ba Eu Yb", 0}, {"Mg Mn Zn Cd", 0}, {"P As Sb", 0}}},
    {"PbFCl", RADIUS_IONIC, 0.965, {{"Ca Sr Ba Pb Eu", 2}, {"F", -1}, {"Cl Br I", -1}}},
    {"PbFCl", RADIUS_IONIC, 0.965, {{"Bi La Ce Pr Nd Sm Gd Dy Ho Er Y", 3}, {"O", -2}, {"Cl Br I", -1}}},
    {"LiFeAs", RADIUS_COVALENT, 1.07, {{"Li Na K", 0}, {"Mn Zn Mg", 0}, {"P As Sb Bi", 0}}},
    {"La2O2S", RADIUS_IONIC, 1, {{"Y " EARTHS, 3}, {"O", -2}, {"S Se", -2}}},
    {"K2NiF4", RADIUS_IONIC, 0.955, {{"Ca Sr Ba", 2}, {"Ti Mn Zr Mo Tc Ru Rh Sn Hf Ir", 4}, {"O", -2}}},
    {"K2NiF4", RADIUS_IONIC, 0.955, {{"K Rb Cs", 1}, {"Mg Mn Fe Co Ni Cu Zn Cd", 2}, {"F Cl", -1}}},
    {"K2NiF4", RADIUS_IONIC, 0.955, {{"La Pr Nd Sm Gd", 3}, {"Ni Cu Co Zn", 2}, {"O", -2}}},
    {"Sr3Ti2O7", RADIUS_IONIC, 0.935, {{"Ca Sr Ba", 2}, {"Ti Mn Ru Ir Sn Zr Hf Tc", 4}, {"O", -2}}},
    {"pyrochlore", RADIUS_IONIC, 0.97, {{"Y La Ce Pr Nd Sm Gd Dy Ho Er Yb Lu", 3}, {"Ti Zr Hf Sn Ge Ru Ir Mo", 4}, {"O", -2}}},
    {"pyrochlore", RADIUS_IONIC, 0.97, {{"Ca Cd Pb Hg", 2}, {"Nb Ta Sb", 5}, {"O", -2}}},
    {"K2PtCl6", RADIUS_IONIC, 1, {{"K Rb Cs", 1}, {"Pt Sn Te Ti Zr Os", 4}, {"Cl Br", -1}}},
    {"K2PtCl6", RADIUS_IONIC, 1, {{"K Rb Cs Tl", 1}, {"Si Ge Ti Mn Cr", 4}, {"F", -1}}},
    {"calcite", RADIUS_IONIC, 1, {{"Mg Ca Mn Fe Co Zn Cd", 2}, {"C", 4}, {"O", -2}}},
    {"calcite", RADIUS_IONIC, 1, {{"Li Na", 1}, {"N", 5}, {"O", -2}}},
    {"zircon", RADIUS_IONIC, 1, {{"Zr Hf Th Ce", 4}, {"Si Ge", 4}, {"O", -2}}},
    {"zircon", RADIUS_IONIC, 1, {{"U", 4}, {"Si", 4}, {"O", -2}}},
    {"zircon", RADIUS_IONIC, 1, {{"Sc Y La Ce Pr Nd Sm Gd Tb Dy Er Yb Lu", 3}, {"P V As", 5}, {"O", -2}}},
    {"scheelite", RADIUS_IONIC, 1, {{"Ca Sr Ba Pb Cd Eu", 2}, {"W Mo", 6}, {"O", -2}}},
    {"scheelite", RADIUS_IONIC, 1, {{"Na K Rb Ag", 1}, {"Re Tc I", 7}, {"O", -2}}},
    {"scheelite", RADIUS_IONIC, 1, {{"Y Gd Dy Ho Er Tm Yb Lu", 3}, {"Li", 1}, {"F", -1}}},
    {"wolframite", RADIUS_IONIC, 0.935, {{"Mg Mn Fe Co Ni Zn Cd", 2}, {"W Mo", 6}, {"O", -2}}},
    {"olivine", RADIUS_IONIC, 1, {{"Mg Mn Fe Co Ni Ca", 2}, {"Si", 4}, {"O", -2}}},
    {"olivine", RADIUS_IONIC, 1, {{"Mg Mn Co Ca", 2}, {"Ge", 4}, {"O", -2}}},
    {"garnet", RADIUS_IONIC, 0.945, {{"Y Gd Dy Ho Er Yb Lu", 3}, {"Al Ga Fe", 3}, {"O", -2}}},
    {"antiperovskite", RADIUS_IONIC, 0.905, {{"Li Na", 1}, {"O S", -2}, {"Cl Br I", -1}}},
    {"antiperovskite", RADIUS_IONIC, 1, {{"Mg Ca Sr", 2}, {"N", -3}, {"P As Sb", -3}}},
    {"antiperovskite", RADIUS_METALLIC, 0.97, {{"Ti Mn Fe Co Ni", 0}, {"C", 0}, {"Al Ga In Sn Zn", 0}}},

    /* ---- four elements ---- */
    {"silicate-garnet", RADIUS_IONIC, 1, {{"Mg Ca Mn Fe", 2}, {"Al Cr", 3}, {"Si Ge", 4}, {"O", -2}}},
    {"elpasolite", RADIUS_IONIC, 0.97, {{"K Rb Cs", 1}, {"Li Na K", 1}, {"Al Sc Cr In Y La Bi", 3}, {"F Cl", -1}}},
    {"elpasolite", RADIUS_IONIC, 0.97, {{"Sr Ba", 2}, {"Mg Mn Co Ni Zn Ca", 2}, {"W Mo Te", 6}, {"O", -2}}},
    {"elpasolite", RADIUS_IONIC, 0.97, {{"Sr Ba", 2}, {"Y La Gd Sc In Cr", 3}, {"Nb Ta Sb", 5}, {"O", -2}}},
    {"ZrCuSiAs", RADIUS_COVALENT, 0.915, {{"La Ce Nd Sm", 0}, {"Mn Zn Fe Co", 0}, {"P As Sb", 0}, {"O", 0}}},
    {"ZrCuSiAs", RADIUS_COVALENT, 0.915, {{"La Bi Nd", 0}, {"Cu Ag", 0}, {"S Se Te", 0}, {"O", 0}}},
    {"triphylite", RADIUS_IONIC, 1, {{"Li Na", 1}, {"Mg Mn Fe Co Ni", 2}, {"P", 5}, {"O", -2}}},
    {"triphylite", RADIUS_IONIC, 1, {{"Mg Mn Fe Co", 2}, {"Ca", 2}, {"Si Ge", 4}, {"O", -2}}},
    {0},
};
/* clang-format on */
