"""Are the CIFs of a campaign read by others as we meant them? argv: the program and
run_small.sh. Every CIF is read by ASE and by pymatgen, both agree on the atoms, and spglib finds the
space group that the file states. Exit 77 (skip) without these packages."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import warnings

try:
    import ase.io
    import spglib
    from pymatgen.core import Structure
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)
warnings.simplefilter("ignore")

program, script = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
with tempfile.TemporaryDirectory(prefix="wyckmill-test-") as folder:
    out = os.path.join(folder, "out")
    subprocess.run(["bash", script, program, os.path.join(folder, "store"), out], check=True)
    files = sorted(glob.glob(os.path.join(out, "cif", "*.cif")))
    assert len(files) > 5, f"only {len(files)} CIFs"
    frames = ase.io.read(os.path.join(out, "candidates.extxyz"), ":")
    assert len(frames) == len(files)
    for name, frame in zip(files, frames):
        text = open(name).read()
        stated = int(re.search(r"^_(?:space_group_IT_number|symmetry_Int_Tables_number)\s+(\d+)", text, re.M).group(1))
        atoms = ase.io.read(name)
        structure = Structure.from_file(name)
        cell = (atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers)
        found = spglib.get_symmetry_dataset(cell, symprec=0.01)["number"]
        assert found == stated, f"{name}: states group {stated}, spglib finds {found}"
        assert len(structure) == len(atoms), f"{name}: ASE reads {len(atoms)} atoms, pymatgen {len(structure)}"
        assert structure.composition.reduced_formula == Structure(
            frame.cell[:], list(frame.symbols), frame.get_scaled_positions()
        ).composition.reduced_formula, f"{name}: another formula than its extXYZ frame"
        assert structure.get_space_group_info(0.01)[1] == stated, f"{name}: pymatgen finds another group"
print(len(files), "CIFs read by ASE and pymatgen, space groups as stated")
