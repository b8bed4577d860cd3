#!/bin/sh
# Makes .venv from requirements.lock: `deploy/setup.sh FOLDER`. Needs Python 3.11 or newer and nothing else.
set -eu
venv=$1

say() { printf '%s\n' "$*" >&2; }

if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(deploy/find_python.sh)
    say "setup: virtual environment from $("$python" --version) ($python)"
    if ! "$python" -m venv --clear "$venv" 2>"$venv.log"; then
        cat "$venv.log" >&2
        say "This Python cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv"
        exit 1
    fi
    rm -f "$venv.log"
fi

by_pip() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes --no-deps --only-binary=:all: -r "$1"
}

# uv unpacks and compiles ten times as fast, but knows nothing of an index that pip was told to use.
by_uv() {
    ! "$venv/bin/python" -m pip config list | grep -q 'index' || return 1
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock >"$venv/uv.lock"
    by_pip "$venv/uv.lock" &&
        "$venv/bin/uv" pip install --quiet --no-cache --no-config --compile-bytecode --python "$venv/bin/python" \
            --require-hashes --no-deps --only-binary :all: -r requirements.lock
}

say "setup: installing the locked dependencies (once; a few minutes on a slow line)"
by_uv || by_pip requirements.lock

# Generated code is importable wherever this Python runs.
packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$(pwd)/protos/gen" >"$packages/callplane-protos.pth"
