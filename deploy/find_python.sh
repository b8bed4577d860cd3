#!/bin/sh
# Prints the Python that the virtual environment is made of: $PYTHON if it is set, else the first of 3.11 or newer on
# the path; or the system's own of the same version, if that is much faster. Pythons that were compiled by hand often
# lack the optimizations that distributions turn on, and then the services need a tenth more processor time.
set -eu

say() { printf '%s\n' "$*" >&2; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

makes_environments() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

version_of() { "$1" -c 'import sys; print(*sys.version_info[:2])'; }

# The best of several times, because the machine may be busy.
nanoseconds_of() {
    "$1" -c '
from time import perf_counter_ns

class Point:
    def __init__(self, x):
        self.x = x

    def moved(self, by):
        return Point(self.x + by)

def timed():
    began = perf_counter_ns()
    point, seen = Point(0), {}
    for number in range(2000):
        point = point.moved(number)
        seen[str(number % 50)] = point.x
    return perf_counter_ns() - began

print(min(timed() for _ in range(100)))'
}

is_much_faster() { [ $(($(nanoseconds_of "$1") * 5)) -lt $(($(nanoseconds_of "$2") * 4)) ]; }

first_on_path() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        path=$(command -v "$candidate" 2>/dev/null) || continue
        if is_new_enough "$path"; then
            printf '%s' "$path"
            return
        fi
    done
    say "Callplane needs Python 3.11 or newer; the first python3 here is: $(python3 --version 2>&1 || true)"
    say "Install one, or name it: make PYTHON=/path/to/python3.11 ..."
    exit 1
}

found=$(first_on_path)
if [ -z "${PYTHON:-}" ]; then
    for system in ${SYSTEM_PYTHONS:-/usr/bin/python3 /usr/local/bin/python3}; do
        if [ -x "$system" ] && [ "$system" != "$found" ] && makes_environments "$system" &&
            [ "$(version_of "$system")" = "$(version_of "$found")" ] && is_much_faster "$system" "$found"; then
            found=$system
        fi
    done
fi
printf '%s\n' "$found"
