#!/usr/bin/env bash
# The wheel of this tree in an empty environment, and in a folder that has packages of our names: what a stranger gets.
# The Python to use may be given: tests/wheel.sh python3.13
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$root/build"
"$root/.venv/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work" "$root"
"${1:-$root/.venv/bin/python}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" \
    "$(echo "$work"/textmill-*.whl)[pipelines]"
mkdir -p "$work/home/data/raw/mine"
cd "$work/home"
for package in model tokenizer pipelines; do
    mkdir "$package"
    echo "raise SystemExit('$package of the working folder was imported')" >"$package/__init__.py"
done
cp "$root/sample/raw/web/notebook.warc.gz" "$root/sample/raw/web/gazette.warc.gz" data/raw/mine
textmill=$work/venv/bin/textmill
"$textmill" --version
"$textmill" init
"$textmill" curate --workers 2
"$textmill" report
"$textmill" why https://en.quillop.example/en/notes/testing-the-till >why.txt
grep -q '^curate  *1 piece' why.txt || { cat why.txt; exit 1; }
"$textmill" train --alone 2>error.txt && { echo "train should have asked for its extra"; exit 1; }
grep -q "textmill\[model\]" error.txt || { cat error.txt; exit 1; }
echo "the wheel works: $(ls "$work" | grep whl)"
