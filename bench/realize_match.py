#!/usr/bin/python3
"""Match rate and RMSE of the pairs that `bench realize --pairs FILE` wrote.

pymatgen's StructureMatcher with the settings of the literature (ltol 0.3, stol 0.5,
angle_tol 10); RMSE is normalised by (V/N)^(1/3) and averaged over the matched pairs.
usage: realize_match.py FILE [FILE...]"""
import re
import sys
import warnings

warnings.filterwarnings("ignore")
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

BINS = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (6, 8), (9, 999)]
GEOMETRY = {0: "none", 1: "template", 2: "random"}


def frames(path):
    with open(path) as file:
        while line := file.readline():
            n = int(line)
            head = file.readline()
            keys = {k: a or b for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', head)}
            rows = [file.readline().split() for _ in range(n)]
            cell = [float(x) for x in keys["Lattice"].split()]
            yield keys, Structure(Lattice(cell), [r[0] for r in rows],
                                  [[float(x) for x in r[1:4]] for r in rows],
                                  coords_are_cartesian=True)


def line(name, rows):
    matched = [rms for _, _, rms in rows if rms is not None]
    mean = sum(matched) / len(matched) if matched else float("nan")
    if rows:
        print(f"  {name:14s} {len(rows):5d} targets  match {100 * len(matched) / len(rows):6.2f} %"
              f"  RMSE {mean:.4f}")


def report(path):
    matcher = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10)
    pairs = {}
    for keys, structure in frames(path):
        pairs.setdefault(int(keys["target"]), {})[keys["role"]] = (keys, structure)
    rows = []
    for pair in pairs.values():
        keys, truth = pair["truth"]
        rms = matcher.get_rms_dist(truth, pair["made"][1]) if "made" in pair else None
        rows.append((int(keys["dof"]), int(keys["geometry"]), rms[0] if rms else None))
    print(path)
    line("all", rows)
    for low, high in BINS:
        name = f"dof {low}" if low == high else f"dof {low}+" if high > 99 else f"dof {low}-{high}"
        line(name, [r for r in rows if low <= r[0] <= high])
    for code, name in GEOMETRY.items():
        line(name, [r for r in rows if r[1] == code])
    return rows


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        report(argument)
