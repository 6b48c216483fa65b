"""Do ASE and pymatgen read what we write, and we what they write?

usage: formats_python.py CRYSTAL_TOOL DATA_FILE...   (exit 77: a library or the data are missing)
"""
import os
import subprocess
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")
try:
    import ase.io
    import numpy as np
    import spglib
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.io.cif import CifParser, CifWriter
    from pymatgen.io.vasp import Poscar
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

TOOL, DATA = sys.argv[1], sys.argv[2:]
failures = []


def check(good, *what):
    if not good:
        failures.append(" ".join(str(w) for w in what))


def run(*arguments):
    done = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True)
    check(done.returncode == 0, arguments[0], done.returncode, done.stderr[-500:])
    return done.stdout


def frames(text):
    """extXYZ frames as pymatgen structures, by id."""
    path = os.path.join(folder, "frames.extxyz")
    with open(path, "w") as file:
        file.write(text)
    return {a.info["id"]: to_pymatgen(a) for a in ase.io.iread(path, index=":")}


def to_pymatgen(atoms):
    if "frac" in atoms.arrays:
        return Structure(atoms.cell[:], atoms.get_chemical_symbols(), atoms.arrays["frac"])
    return AseAtomsAdaptor.get_structure(atoms)


def same_atoms(a, b, tolerance):
    """The same cell and atoms, whatever their order."""
    if len(a) != len(b) or not np.allclose(a.lattice.parameters, b.lattice.parameters, atol=1e-4):
        return False
    for element in a.composition.elements:
        x = np.array([s.frac_coords for s in a if s.specie == element])
        y = np.array([s.frac_coords for s in b if s.specie == element])
        if len(x) != len(y) or a.lattice.get_all_distances(x, y).min(axis=1).max() > tolerance:
            return False
    return True


def group_of(structure, symprec):
    cell = (structure.lattice.matrix, structure.frac_coords, [s.specie.Z for s in structure])
    found = spglib.get_symmetry_dataset(cell, symprec=symprec)
    return found["number"] if found else 0


def examples_of_every_group():
    """Written by us, one crystal per group; the extXYZ is the reference of the three."""
    run("examples", folder)
    for number in range(1, 231):
        path = os.path.join(folder, "%03d." % number)
        reference = to_pymatgen(ase.io.read(path + "extxyz"))
        for reader, structure in [
            ("pymatgen cif", Structure.from_file(path + "cif")),
            ("ASE cif", to_pymatgen(ase.io.read(path + "cif"))),
            ("ASE vasp", to_pymatgen(ase.io.read(path + "vasp"))),
            ("pymatgen vasp", Poscar.from_file(path + "vasp").structure),
        ]:
            check(same_atoms(structure, reference, 1e-4), "group", number, "read by", reader)
        check(group_of(reference, 1e-3) == number, "group", number, "is", group_of(reference, 1e-3))


def real_crystals(data, stride):
    """Encoding and decoding keep the crystal; our CIFs state the group that spglib finds."""
    given, decoded = frames(run("convert", data)), frames(run("decode", stride, data))
    matcher = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10)
    plain_matcher = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10, primitive_cell=False)
    worst, total = 0, 0
    for name, structure in decoded.items():
        fit = matcher.get_rms_dist(given[name], structure)
        if not fit:  # the matcher misses some supercells; their primitive cells it does compare
            primitives = [s.get_primitive_structure() for s in (given[name], structure)]
            fit = plain_matcher.get_rms_dist(*primitives)
        check(fit is not None, name, "does not match after decoding")
        if fit:
            worst, total = max(worst, fit[1]), total + fit[0]
    print("%d decoded crystals match, mean RMSE %.6f, largest shift %.4f (V/N)^(1/3)"
          % (len(decoded), total / len(decoded), worst))
    check(total / len(decoded) < 0.005, "mean RMSE", total / len(decoded))
    cifs = os.path.join(folder, "cif")
    os.makedirs(cifs)
    run("cif", stride, cifs, data)
    check(len(os.listdir(cifs)) == len(decoded), "CIFs written:", len(os.listdir(cifs)))
    for name in os.listdir(cifs):
        path = os.path.join(cifs, name)
        stated = int(CifParser(path).as_dict().popitem()[1]["_symmetry_Int_Tables_number"])
        structure = Structure.from_file(path)
        check(group_of(structure, 0.01) == stated, name, "states", stated, "is",
              group_of(structure, 0.01))
        check(same_atoms(structure, to_pymatgen(ase.io.read(path)), 1e-3), name,
              "differs between ASE and pymatgen")
        check(same_atoms(structure, decoded[name[:-4]], 1e-3), name, "is not the crystal")
    return [(n, given[n]) for n in decoded]


def written_by_others(crystals):
    """Files of ASE and pymatgen, read by us."""
    for name, structure in crystals:
        atoms = AseAtomsAdaptor.get_atoms(structure)
        base = os.path.join(folder, "others-" + name)
        files = {}

        def path(suffix):
            files[suffix] = base + suffix
            return files[suffix]

        ase.io.write(path("-xyz.extxyz"), atoms)
        ase.io.write(path("-ase.cif"), atoms)
        ase.io.write(path("-direct.vasp"), atoms, vasp5=True, direct=True)
        ase.io.write(path("-cartesian.vasp"), atoms, vasp5=True)
        ase.io.write(path("-version4.vasp"), atoms, vasp5=False)
        CifWriter(structure).write_file(path("-pmg.cif"))
        CifWriter(structure, symprec=0.01).write_file(path("-pmg-sym.cif"))
        selective = [[True, False, True]] * len(structure)
        Poscar(structure, selective_dynamics=selective).write_file(path("-selective.vasp"))
        read = frames(run("convert", *files.values()))
        check(len(read) == len(files), name, "files read:", sorted(read))
        matcher = StructureMatcher(ltol=0.01, stol=0.01, angle_tol=1)
        for found, ours in read.items():
            # ASE's CIF has five decimals, pymatgen's symmetric one another cell
            check(matcher.fit(structure, ours), found, "is not what was written")
            if "sym" not in found:
                check(len(ours) == len(structure), found, "has", len(ours), "atoms")
        for file in files.values():
            os.remove(file)


with tempfile.TemporaryDirectory() as folder:
    examples_of_every_group()
    for data in DATA:
        if os.access(data, os.R_OK):
            crystals = real_crystals(data, 5)
            written_by_others(crystals[::2])
        else:
            print("no", data)
for failure in failures[:40]:
    print("FAILED", failure)
print(len(failures), "failures")
sys.exit(1 if failures else 0)
