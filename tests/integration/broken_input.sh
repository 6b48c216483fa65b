#!/bin/bash
# Is bad input data, not death? A deliberately broken set through `run`: the good structures are used, every bad
# one is reported with its file and reason, exit status 3. A wrong configuration: exit 2, line, column, nearest key.
. "$(dirname "$0")/../support/campaign.sh"

set_=$folder/set
mkdir "$set_"
cp "$folder/data.extxyz" "$set_/good.extxyz"
cat >"$set_/truncated.cif" <<'X'
data_cut
_cell_length_a 4.2
_cell_length_b 4.2
_cell_leng
X
cat >"$set_/nan.vasp" <<'X'
NaCl
1.0
4 0 0
0 4 0
0 0 4
Na Cl
1 1
Direct
0 0 0
nan 0.5 0.5
X
cat >"$set_/overlap.vasp" <<'X'
NaCl
1.0
4 0 0
0 4 0
0 0 4
Na Cl
1 1
Direct
0 0 0
0.001 0 0
X
cat >"$set_/unknown.extxyz" <<'X'
1
Lattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 id=unobtainium
Qq 0 0 0
X
: >"$set_/empty.cif"
{ echo 1; head -c 10000000 /dev/zero | tr '\0' x; echo; echo "Na 0 0 0"; } >"$set_/longline.extxyz"
head -c 20000 /dev/urandom >"$set_/junk.cif"

"$wyckmill" run "$root/configs/demo.yaml" --store "$folder/store" --out "$folder/out" "${small[@]}" -S data="$set_" \
    >"$folder/stdout" 2>"$folder/log"
rc=$?
[ $rc = 3 ] || fail "exit status $rc, want 3"
[ "$(ids "$folder/out" | wc -l)" -gt 5 ] || fail "the good structures gave no candidates"
for bad in truncated.cif nan.vasp overlap.vasp unknown.extxyz empty.cif longline.extxyz junk.cif; do
    grep -q "$bad" "$folder/out/rejected.json" || fail "$bad is not reported"
done
grep -A6 overlap.vasp "$folder/out/rejected.json" | grep -q '"reason"' || fail "no reason"
! grep -q good.extxyz "$folder/out/rejected.json" || fail "a good structure is reported"

grep -q '^Left out, by reason' "$folder/out/dataset-report.txt" || fail "no page about the data"
grep -q '"accepted": [1-9]' "$folder/out/dataset-report.json" || fail "no report about the data"
grep -q '"reason": "atom N: unknown element' "$folder/out/dataset-report.json" || fail "reasons are not counted"

printf 'name: x\ndata: [demo]\ndenoiser:\n  stepz: 5\n' >"$folder/wrong.yaml"
"$wyckmill" run "$folder/wrong.yaml" --store "$folder/store" 2>"$folder/log"
rc=$?
[ $rc = 2 ] || fail "exit status $rc for a wrong key, want 2"
grep -q "wrong.yaml:4:" "$folder/log" && grep -q "'denoiser.steps'" "$folder/log" || fail "no line, column or nearest key"
printf 'data: [demo]\nseed: blue\n' >"$folder/wrong.yaml"
"$wyckmill" run "$folder/wrong.yaml" --store "$folder/store" 2>"$folder/log"
[ $? = 2 ] && grep -q "wrong.yaml:2:" "$folder/log" || fail "a wrong type is not refused with its line"
echo "7 broken files reported, good ones used"
