"""Do ASE, pymatgen, csv and pandas read what `wyckmill convert` writes, does it read what they write, and do all
formats of one run agree?

usage: convert.py WYCKMILL   (exit 77: a library is missing)
"""
import csv
import json
import os
import subprocess
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")
try:
    import ase.io
    import numpy as np
    import pandas
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.cif import CifParser, CifWriter
    from pymatgen.io.vasp import Poscar
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

WYCKMILL = os.path.abspath(sys.argv[1])
failures = []


def check(good, *what):
    if not good:
        failures.append(" ".join(str(w) for w in what))


def convert(*arguments):
    done = subprocess.run([WYCKMILL, "convert", *arguments], capture_output=True, text=True)
    check(done.returncode == 0, "convert", arguments, done.returncode, done.stderr[-500:])
    return done.stdout


def same(a, b, exact=False):
    """The same cell and atoms, whatever their order."""
    if len(a) != len(b) or not np.allclose(a.lattice.parameters, b.lattice.parameters, atol=1e-6):
        return False
    if exact:
        return np.array_equal(a.frac_coords, b.frac_coords) and np.array_equal(a.lattice.matrix, b.lattice.matrix)
    for element in a.composition.elements:
        x = [s.frac_coords for s in a if s.specie == element]
        y = [s.frac_coords for s in b if s.specie == element]
        if len(x) != len(y) or a.lattice.get_all_distances(x, y).min(axis=1).max() > 1e-6:
            return False
    return True


def crystals():
    """Rock salt, perovskite, rutile, a triclinic heap without symmetry: with awkward numbers."""
    heap = Lattice.from_parameters(5.1, 6.2, 7.3, 81, 95, 103)
    return {
        "salt": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        "mp 2,\"x\"": Structure.from_spacegroup("Pm-3m", Lattice.cubic(4.01), ["Ba", "Ti", "O"],
                                                [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]),
        "rutile": Structure.from_spacegroup("P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"],
                                            [[0, 0, 0], [0.305, 0.305, 0]]),
        "heap": Structure(heap, ["Fe", "O", "O", "H"],
                          [[1 / 3, 2 / 7, -0.1], [0.7, 0.71, 0.55], [0.1, 0.9, 1.4], [0.4, 0.55, 0.8]]),
    }


def frames(path):
    return {a.info["id"]: Structure(a.cell[:], a.get_chemical_symbols(), a.arrays["frac"])
            for a in ase.io.iread(path, index=":")}


def written_by_pymatgen(given):
    """as_dict in an array and CDVAE's table: read, with numbers and ids."""
    with open("in.json", "w") as file:
        json.dump([dict(s.as_dict(), id=name, gap=i / 3, missing=float("nan"))
                   for i, (name, s) in enumerate(given.items())], file)
    table = pandas.DataFrame([dict(material_id=name, gap=i / 3, formula=s.composition.reduced_formula,
                                   elements=[str(e) for e in s.composition.elements], cif=str(CifWriter(s)))
                              for i, (name, s) in enumerate(given.items())])
    table.to_csv("in.csv")
    for source in ("in.json", "in.csv"):
        convert(source, "-o", "out.extxyz")
        atoms = list(ase.io.iread("out.extxyz", index=":"))
        check([a.info["gap"] for a in atoms] == [i / 3 for i in range(len(given))], source, "gap")
        check([a.info["id"] for a in atoms] == list(given), source, "ids", [a.info["id"] for a in atoms])
        for name, found in frames("out.extxyz").items():
            check(len(found) == len(given[name]), source, name)
            check(source == "in.csv" or same(found, given[name]), source, name, "is another crystal")


def read_by_others(given, *options):
    """One run's formats, read by ASE and pymatgen: one crystal. Returns it, by id."""
    for ending in ("extxyz", "cif", "csv", "json"):
        convert("in.json", "-o", "out." + ending, *options)
    for ending in ("cif", "vasp"):
        convert("in.json", "-o", "dir/", "--to", ending, *options)
    reference = frames("out.extxyz")
    check(list(reference) == list(given), options, "ids", list(reference))
    with open("out.json") as file:
        for entry in json.load(file):
            structure = Structure.from_dict(entry)
            check(same(structure, reference[entry["id"]]), options, entry["id"], "JSON differs")
            if not options:
                check(same(structure, given[entry["id"]], exact=True), entry["id"], "JSON loses digits")
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    read = pandas.read_csv("out.csv")
    check(list(read["id"]) == list(given), options, "pandas: ids", list(read["id"]))
    check(list(read["gap"]) == [float(r["gap"]) for r in rows] == [i / 3 for i in range(len(given))], options,
          "pandas: gap", list(read["gap"]))
    for row in rows:
        structure = CifParser.from_string(row["cif"]).get_structures(primitive=False)[0]
        check(same(structure, reference[row["id"]]), options, row["id"], "CSV differs")
    for name, block in zip(given, CifParser("out.cif").get_structures(primitive=False)):
        check(same(block, reference[name]), options, name, "CIF differs")
    for name in given:
        path = os.path.join("dir", "".join(c if c.isalnum() else "_" for c in name))
        check(same(Structure.from_file(path + ".cif"), reference[name]), options, name, "its CIF differs")
        check(same(Poscar.from_file(path + ".vasp").structure, reference[name]), options, name, "POSCAR differs")
    return reference


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    given = crystals()
    written_by_pymatgen(given)
    plain = read_by_others(given)
    conventional = read_by_others(given, "--symmetrize")
    primitive = read_by_others(given, "--primitive")
    for name, structure in given.items():
        check(same(plain[name], structure), name, "is not what was read")
        group = structure.get_space_group_info()[1]
        for other in (conventional, primitive):
            check(other[name].get_space_group_info()[1] == group, name, "changed its group", group)
    check(len(conventional["salt"]) == 8 and len(primitive["salt"]) == 2, "atoms of rock salt")
for failure in failures[:40]:
    print("FAILED", failure)
print(len(failures), "failures")
sys.exit(1 if failures else 0)
