"""Do ASE and pymatgen read what we write, and we what they write?

usage: formats_python.py CRYSTAL_TOOL CIF_JUDGE STRIDE DATA_FILE...   (exit 77: a library or the data are missing)

DATA_FILE is extended XYZ (every STRIDE-th structure is used) or an archive of CIFs.
  ours        one crystal per space group, and the structures encoded and decoded, as CIF, extended XYZ and POSCAR,
              read by ASE and pymatgen (pymatgen reads no extended XYZ): the same cell and atoms; the group stated in a
              CIF is the one that spglib finds in it
  theirs      the structures written by ASE (extended XYZ, CIF, POSCAR direct, Cartesian and of VASP 4) and pymatgen
              (CIF without and with symmetry, POSCAR with selective dynamics), read by us: the same cell and atoms
  CIFs        read by us, ASE and pymatgen: the same cell and atoms
CIF_JUDGE (see test_cif_judge.c) gets the CIFs of every twentieth structure, whoever wrote them, and changes them.
"""
import io
import os
import subprocess
import sys
import tempfile
import time
import warnings
from multiprocessing import Pool

warnings.simplefilter("ignore")
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the processes are enough
try:
    import ase.io
    import numpy as np
    import spglib
    from pymatgen.core import Structure
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.io.cif import CifParser, CifWriter
    from pymatgen.io.vasp import Poscar
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

PROCESSES, CHUNK, JUDGED = 2, 25, 20
# Angstrom and degrees: ours have 10 and more decimals; the others' five, and thirds cut off there
OURS, THEIRS, SYMMETRIC = 1e-4, 2e-3, 0.01


def run(*arguments):
    """Output; whatever went wrong is raised, since nothing here may be refused."""
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("%s: exit %d: %s" % (arguments[:3], done.returncode, (done.stdout + done.stderr)[-500:]))
    return done.stdout


def to_pymatgen(atoms):
    if "frac" in atoms.arrays:
        return Structure(atoms.cell[:], atoms.get_chemical_symbols(), atoms.arrays["frac"])
    return AseAtomsAdaptor.get_structure(atoms)


def frames(text):
    """extXYZ frames as (id, pymatgen structure)."""
    return [(a.info["id"], to_pymatgen(a)) for a in ase.io.iread(io.StringIO(text), index=":", format="extxyz")]


def same_atoms(a, b, tolerance):
    """The same cell and atoms, whatever their order: every atom of one has one of the other near it."""
    if len(a) != len(b) or not np.allclose(a.lattice.parameters, b.lattice.parameters, atol=tolerance, rtol=0):
        return False
    if sorted(a.atomic_numbers) != sorted(b.atomic_numbers):
        return False
    for number in set(a.atomic_numbers):
        x = a.frac_coords[np.array(a.atomic_numbers) == number]
        y = b.frac_coords[np.array(b.atomic_numbers) == number]
        d = x[:, None, :] - y[None]
        d = np.linalg.norm((d - np.round(d)) @ b.lattice.matrix, axis=2)
        if max(d.min(axis=0).max(), d.min(axis=1).max()) > tolerance:
            return False
    return True


def group_of(structure, symprec):
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=symprec)
    return found["number"] if found else 0


def ours(task):
    """Files of one structure written by us; its extXYZ is the reference. Runs in the pool."""
    base, symprec, reference = task
    failures = []
    parser = CifParser(base + ".cif")
    stated = int(parser.as_dict().popitem()[1]["_symmetry_Int_Tables_number"])
    read = {"pymatgen cif": parser.get_structures(primitive=False)[0],
            "ASE cif": to_pymatgen(ase.io.read(base + ".cif")),
            "ASE extxyz": AseAtomsAdaptor.get_structure(ase.io.read(base + ".extxyz")),
            "ASE vasp": to_pymatgen(ase.io.read(base + ".vasp")),
            "pymatgen vasp": Poscar.from_file(base + ".vasp").structure}
    for reader, structure in read.items():
        # pymatgen makes thirds of coordinates in CIFs that differ from them by less than 1e-4
        rounded = 1e-4 * max(reference.lattice.abc) if reader == "pymatgen cif" else 0
        if not same_atoms(structure, reference, OURS + rounded):
            failures.append("%s read by %s" % (base, reader))
    found = group_of(read["pymatgen cif"], symprec)
    if found != stated:
        failures.append("%s states group %d, spglib finds %d" % (base, stated, found))
    return failures


def write_all(folder, name, structure):
    """By ASE and pymatgen; returns what must be read back, by the file's stem."""
    atoms = AseAtomsAdaptor.get_atoms(structure)
    base = os.path.join(folder, name)
    ase.io.write(base + "+ase-xyz.extxyz", atoms)
    ase.io.write(base + "+ase.cif", atoms)
    ase.io.write(base + "+direct.vasp", atoms, vasp5=True, direct=True)
    ase.io.write(base + "+cartesian.vasp", atoms, vasp5=True)
    ase.io.write(base + "+version4.vasp", atoms, vasp5=False)
    CifWriter(structure).write_file(base + "+pmg.cif")
    # with symmetry pymatgen writes this cell. It is not asked to read it: its operations may say "x+453/905",
    # and then it takes the images of a site on a mirror for two atoms
    CifWriter(structure, symprec=SYMMETRIC).write_file(base + "+pmg-sym.cif")
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    lattice, frac, numbers = spglib.refine_cell(cell, symprec=SYMMETRIC, angle_tolerance=5)
    selective = [[True, False, True]] * len(structure)
    Poscar(structure, selective_dynamics=selective).write_file(base + "+selective.vasp")
    wanted = {name + "+" + kind: structure for kind in
              ("ase-xyz", "ase", "direct", "cartesian", "version4", "pmg", "selective")}
    wanted[name + "+pmg-sym"] = Structure(lattice, numbers, frac)
    return wanted


def theirs(crystals):
    """A few structures through all their writers and our readers. Runs in the pool."""
    failures, wanted = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, structure in crystals:
            wanted.update(write_all(folder, name, structure))
        read = {name.split(":")[0]: structure for name, structure in frames(run(TOOL, "convert", folder))}
    for name, structure in wanted.items():
        if name not in read:
            failures.append("%s is not read" % name)
        elif not same_atoms(read[name], structure, 2 * SYMMETRIC if name.endswith("sym") else THEIRS):
            failures.append("%s is not what was written" % name)
    return failures


def cif(task):
    """One CIF of an archive, read by us, ASE and pymatgen. Runs in the pool."""
    path, structure = task
    failures = []
    for reader, other in [("pymatgen", Structure.from_file(path)), ("ASE", to_pymatgen(ase.io.read(path)))]:
        if not same_atoms(structure, other, OURS):
            failures.append("%s: we differ from %s" % (path, reader))
    return failures


class Report:
    """Counts, failures and seconds of one part."""
    failures = []

    def __init__(self, what):
        self.what, self.began = what, time.monotonic()

    def done(self, n, results):
        failed = [f for failures in results for f in failures]
        Report.failures += failed
        print("%s: %d, %d failures, %.1f s" % (self.what, n, len(failed), time.monotonic() - self.began), flush=True)


def read_cifs(archive, pool):
    report = Report(os.path.basename(archive) + " read by us, ASE and pymatgen")
    with tempfile.TemporaryDirectory() as folder:
        run("tar", "xf", archive, "-C", folder)
        paths = {f[:-4]: os.path.join(at, f) for at, _, files in os.walk(folder) for f in files if f.endswith(".cif")}
        read = frames(run(TOOL, "convert", archive))
        results = pool.map(cif, [(paths[name], structure) for name, structure in read], chunksize=5)
        if len(read) != len(paths):
            results.append(["%d CIFs, %d read" % (len(paths), len(read))])
        report.done(len(paths), results)


def structures(data, stride, pool):
    given = frames(run(TOOL, "convert", data))[::stride]
    with tempfile.TemporaryDirectory() as folder:
        report = Report(os.path.basename(data) + " written by us (5 readings each)")
        decoded = frames(run(TOOL, "decode", stride, data))
        run(TOOL, "write", stride, folder, data)
        results = pool.map(ours, [(os.path.join(folder, name), 0.01, s) for name, s in decoded], chunksize=5)
        if not (len(given) == len(decoded) == len(os.listdir(folder)) // 3):
            results.append(["structures lost: %d, %d, %d" % (len(given), len(decoded), len(os.listdir(folder)))])
        report.done(len(decoded), results)
        report = Report(os.path.basename(data) + " written by ASE and pymatgen (8 files each)")
        chunks = [given[i:i + CHUNK] for i in range(0, len(given), CHUNK)]
        report.done(len(given), pool.map(theirs, chunks, chunksize=1))
        report = Report("CIFs for libcif's judgement")
        for name, structure in given[::JUDGED]:
            write_all(folder, name, structure)
        kept = {name for name, _ in given[::JUDGED]}
        for file in os.listdir(folder):
            if not file.endswith(".cif") or file[:-4].split("+")[0] not in kept:
                os.remove(os.path.join(folder, file))
        n = len(os.listdir(folder))
        print(run(JUDGE, 5 * n, folder), end="")
        report.done(n, [])


def examples(pool):
    report = Report("one crystal of each group, written by us (5 readings each)")
    with tempfile.TemporaryDirectory() as folder:
        run(TOOL, "examples", folder)
        tasks = []
        for number in range(1, 231):
            base = os.path.join(folder, "%03d" % number)
            tasks.append((base, 1e-3, to_pymatgen(ase.io.read(base + ".extxyz"))))
        report.done(len(tasks), pool.map(ours, tasks, chunksize=5))


if __name__ == "__main__":
    TOOL, JUDGE, STRIDE = sys.argv[1], sys.argv[2], int(sys.argv[3])
    files = [f for f in sys.argv[4:] if os.access(f, os.R_OK)]
    for missing in sorted(set(sys.argv[4:]) - set(files)):
        print("not there:", missing)
    with Pool(PROCESSES) as pool:
        examples(pool)
        for data in files:
            if ".tar" in data:
                read_cifs(data, pool)
            else:
                structures(data, STRIDE, pool)
    for failure in Report.failures[:40]:
        print("FAILED", failure)
    print(len(Report.failures), "failures")
    sys.exit(1 if Report.failures else 0 if files else 77)
