"""Encoding and decoding of real crystals against pymatgen's StructureMatcher and spglib.

usage: round_trip.py CRYSTAL_TOOL STRIDE [--figures] DATA_FILE...   (exit 77: a library or the data are missing)

Every STRIDE-th structure x of the files is encoded at symprec 0.1 and decoded to y. The bars, per file:
  accepted   at least 99.8 % are encoded
  group      the space group is the column's (spacegroup=) for at least 99.7 % of those
  match      StructureMatcher finds y to be x, for all; mean RMSE below 0.005 (V/N)^(1/3)
  moved      no atom is further than symprec from where it was, once the crystals lie over each other
             (mean of the shifts zero, lattice strain divided out), by two measures:
             - of the matcher: y laid over x;
             - of spglib: x taken into the standard cell by the transformation that spglib gives,
               against the standard cell with its symmetry made exact.
  hand       in the 65 groups without mirrors, inversions and glides y is laid over x by a rotation; the matcher
             takes mirror images for the same, so its transformation is looked at
Where a group is not the column's, what spglib says at other tolerances is printed. The Materials Project
calls spglib as pymatgen does, with an angle tolerance of 5 degrees; we leave angles to symprec.
--figures: measured and printed, not judged (data sets of other origin). Only the matches are.
"""
import io
import os
import subprocess
import sys
import time
import warnings
from multiprocessing import Pool

warnings.simplefilter("ignore")
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the processes are enough
try:
    import ase.io
    import numpy as np
    import spglib
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

SYMPREC = 0.1
PROCESSES = 2
ACCEPTED, SAME_GROUP, RMSE = 0.998, 0.997, 0.005
# Sohncke groups: only in these a crystal differs from its mirror image
ONE_HAND = [range(1, 2), range(3, 6), range(16, 25), range(75, 81), range(89, 99), range(143, 147), range(149, 156),
            range(168, 174), range(177, 183), range(195, 200), range(207, 215)]


def read_frames(text):
    """(id, spacegroup, lattice, symbols, frac) of every frame; the reader is ASE's, not ours."""
    return [(a.info["id"], a.info.get("spacegroup"), a.cell[:], a.get_chemical_symbols(), a.arrays["frac"],
             a.get_atomic_numbers()) for a in ase.io.iread(io.StringIO(text), index=":", format="extxyz")]


def moved_spglib(lattice, frac, numbers):
    """(largest distance of an atom from the standard cell's, group), both of spglib; None: no symmetry."""
    found = spglib.get_symmetry_dataset((lattice, frac, numbers), symprec=SYMPREC)
    if not found:
        return None
    standard, types = found["std_lattice"], found["std_types"]
    at = frac @ found["transformation_matrix"].T + found["origin_shift"]
    shifts = np.array(np.meshgrid(*3 * [[-1, 0, 1]])).reshape(3, -1).T
    moves = []
    for x, number in zip(at, numbers):
        d = found["std_positions"][types == number] - x
        d -= np.round(d)
        # the standard cell may be skew: look at the adjoining cells as well
        all_moves = ((d[:, None, :] + shifts[None]) @ standard).reshape(-1, 3)
        moves.append(all_moves[np.linalg.norm(all_moves, axis=1).argmin()])
    moves = np.array(moves) - np.mean(moves, axis=0)
    return np.linalg.norm(moves, axis=1).max(), found["number"]


def primitive(structure, symprec):
    """Its primitive cell, no atom moved."""
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    lattice, frac, numbers = spglib.standardize_cell(cell, to_primitive=True, no_idealize=True, symprec=symprec)
    return Structure(lattice, numbers, frac)


def match(x, y):
    """(how, RMSE, largest distance, atoms compared of x and y), lengths in (V/N)^(1/3).

    The matcher first looks for smaller cells, where atoms may be off by 0.25 Angstrom. For a crystal with a
    translation that holds only nearly (a tilted perovskite, say) it may do so in the one setting and not in
    the other, and then compares cells of different sizes. Then it is given y's primitive cell (exact: y has
    its symmetry to rounding) and, only if that has another size than x, x's, and must take them as they are."""
    matcher, plain = StructureMatcher(), StructureMatcher(primitive_cell=False)
    fit = matcher.get_rms_dist(x, y)
    if fit:
        return "as it is", float(fit[0]), float(fit[1]), None
    sizes = tuple(len(matcher._get_reduced_structure(s)) for s in (x, y))
    small = primitive(y, 1e-3)
    fit = plain.get_rms_dist(x, small)
    if fit:
        return "with y's primitive cell", float(fit[0]), float(fit[1]), sizes
    fit = plain.get_rms_dist(primitive(x, SYMPREC), small)
    return ("with both primitive cells", float(fit[0]), float(fit[1]), sizes) if fit else None


def same_hand(x, y):
    """Does the best transformation of y into x keep the hand? None: none found."""
    y = primitive(y, 1e-3)
    if len(x) != len(y):
        x = primitive(x, SYMPREC)
    found = StructureMatcher(primitive_cell=False).get_transformation(x, y)
    if not found:
        return None
    return bool(np.linalg.det(x.lattice.matrix) * np.linalg.det(found[0] @ y.lattice.matrix) > 0)


def examine(pair):
    """One structure: what it is and what became of it. Runs in the pool."""
    (name, column, lattice, symbols, frac, numbers), decoded = pair
    x, y = Structure(lattice, symbols, frac), Structure(*decoded[2:5])
    fit = match(x, y)
    one_hand = any(decoded[1] in groups for groups in ONE_HAND)
    size = (x.volume / len(x)) ** (1 / 3)
    return {"id": name, "column": column, "group": decoded[1], "atoms": len(x), "decoded": len(y), "match": fit,
            "moved": fit[2] * size if fit else None, "spglib": moved_spglib(lattice, frac, numbers),
            "hand": same_hand(x, y) if one_hand else None, "one_hand": one_hand}


def groups_by_tolerance(frame):
    _, _, lattice, _, frac, numbers = frame
    groups = []
    for symprec in (0.01, 0.05, 0.08, 0.1, 0.12, 0.2):
        found = spglib.get_symmetry_dataset((lattice, frac, numbers), symprec=symprec)
        groups.append("%g: %s" % (symprec, found["number"] if found else "none"))
    found = spglib.get_symmetry_dataset((lattice, frac, numbers), symprec=SYMPREC, angle_tolerance=5)
    return "%s; %g and 5 degrees: %s" % (", ".join(groups), SYMPREC, found["number"] if found else "none")


def quantiles(values):
    return ", ".join("%s %.4f" % (name, np.quantile(values, q)) for name, q in
                     [("median", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("99.9 %", 0.999), ("max", 1)])


def judge(data, stride, bars, pool):
    """Prints the figures of one file; returns the failures."""
    began = time.monotonic()
    text = subprocess.run(["zstd", "-dcqf", data], capture_output=True, text=True, check=True).stdout
    given = read_frames(text)[::stride]
    run = subprocess.run([TOOL, "decode", str(stride), data], capture_output=True, text=True)
    decoded = {frame[0]: frame for frame in read_frames(run.stdout)}
    refused = run.stderr.splitlines()
    pairs = [(frame, decoded[frame[0]]) for frame in given if frame[0] in decoded]
    results = list(pool.imap_unordered(examine, pairs, chunksize=16))
    by_name = {frame[0]: frame for frame in given}
    failures = []

    def bar(holds, *what):
        if not holds:
            failures.append(" ".join(str(w) for w in what))

    n, accepted = len(given), len(pairs)
    with_column = [r for r in results if r["column"] is not None]
    others = [r for r in with_column if r["group"] != r["column"]]
    matched = [r for r in results if r["match"]]
    print("%s: %d structures, every %d." % (data.split("/")[-1], n, stride))
    print("  accepted %d of %d (%.3f %%)" % (accepted, n, 100 * accepted / n))
    for line in refused:
        print("    refused", line)
    bar(n == accepted + len(refused), "structures lost:", n, accepted, len(refused))
    bar(not bars or accepted >= ACCEPTED * n, "accepted", accepted, "of", n)
    if with_column:
        same = len(with_column) - len(others)
        print("  group as the column's %d of %d (%.3f %%)" % (same, len(with_column), 100 * same / len(with_column)))
        for r in sorted(others, key=lambda r: r["id"]):
            print("    %s: ours %s, column %s; spglib here at %s"
                  % (r["id"], r["group"], r["column"], groups_by_tolerance(by_name[r["id"]])))
        bar(not bars or same >= SAME_GROUP * len(with_column), "group", same, "of", len(with_column))
    for r in results:
        bar(r["spglib"] and r["spglib"][1] == r["group"], r["id"], "ours", r["group"], "spglib's", r["spglib"])
    print("  matched %d of %d" % (len(matched), accepted))
    for how in sorted({r["match"][0] for r in matched}):
        so = [r for r in matched if r["match"][0] == how]
        print("    %d %s" % (len(so), how))
        for r in [r for r in so if r["match"][3]]:
            print("      %s: of x and y (%d and %d atoms) the matcher would compare %d and %d"
                  % (r["id"], r["atoms"], r["decoded"], *r["match"][3]))
    for r in results:
        bar(r["match"], r["id"], "is not matched")
    rmse = [r["match"][1] for r in matched]
    print("  RMSE mean %.6f, max %.6f (V/N)^(1/3)" % (np.mean(rmse), max(rmse)))
    bar(not bars or np.mean(rmse) < RMSE, "mean RMSE", np.mean(rmse))
    for name, values in [("matcher", {r["id"]: r["moved"] for r in matched}),
                         ("spglib", {r["id"]: r["spglib"][0] for r in results if r["spglib"]})]:
        print("  moved by, Angstrom (%s): %s" % (name, quantiles(list(values.values()))))
        for who in sorted(values, key=values.get)[-5:]:
            if values[who] > SYMPREC / 2:
                print("    %s %.4f" % (who, values[who]))
        for who, far in values.items():
            bar(not bars or far <= SYMPREC, who, "has an atom moved by", far, "(%s)" % name)
    hands = [r for r in results if r["one_hand"]]
    print("  in groups of one hand %d, of the same hand %d" % (len(hands), sum(bool(r["hand"]) for r in hands)))
    for r in hands:
        bar(r["hand"], r["id"], "group", r["group"], "mirrored" if r["hand"] is not None else "hand not found")
    print("  %.0f s" % (time.monotonic() - began), flush=True)
    return failures


if __name__ == "__main__":
    TOOL, STRIDE, FILES = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    bars = "--figures" not in FILES
    files = [f for f in FILES if f != "--figures"]
    failures, ran = [], 0
    with Pool(PROCESSES) as pool:
        for data in files:
            try:
                open(data, "rb").close()
            except OSError as missing:
                print("skipped:", missing)
                continue
            failures += judge(data, STRIDE, bars, pool)
            ran += 1
    for failure in failures[:100]:
        print("FAILED", failure)
    print(len(failures), "failures")
    sys.exit(77 if not ran else 1 if failures else 0)
