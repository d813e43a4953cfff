#!/usr/bin/env bash
# Runs a Python script with the packages of tools/requirements-NAME.txt: tools/venv.sh NAME [--or-skip] SCRIPT ARGUMENTS...
#
# They are installed into .venv-NAME on the first call. Where that cannot be done (no venv, no network) it fails; with
# --or-skip the script is skipped, loudly, and `make check` says so again at its end. What the script itself finds wrong
# is always a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
shift
venv=.venv-$name
wanted=tools/requirements-$name.txt
log=target/$name-install.log
skips=target/skips
mkdir -p target "$skips"
rm -f "$skips/$name"
or_skip=
if [ "$1" = --or-skip ]; then
    or_skip=yes
    shift
fi
script=$1

give_up() {
    if [ -z "$or_skip" ]; then
        echo "$script cannot run: $1" >&2
        exit 1
    fi
    echo "$script was SKIPPED: $1" | tee "$skips/$name"
    exit 0
}

install() {
    "${PYTHON:-python3}" -m venv --clear "$venv" &&
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps -r "$wanted" &&
        { [ "$name" != torch ] || "$venv/bin/python" tools/torch_without_cuda.py; } &&
        cp "$wanted" "$venv/installed.txt"
}

"${PYTHON:-python3}" -c 'import venv, ensurepip' 2>/dev/null ||
    give_up "python3 has no venv or no pip (hint: apt-get install python3 python3-venv)"
if ! cmp -s "$wanted" "$venv/installed.txt"; then
    echo "installing the packages of $wanted into $venv, once"
    if ! install >"$log" 2>&1; then
        tail -n 5 "$log"
        give_up "the packages of $wanted could not be installed (hint: read $log; is there a network?)"
    fi
fi
"$venv/bin/python" "$@"
