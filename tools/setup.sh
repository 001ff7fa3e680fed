#!/bin/sh
# Everything that a fresh Debian machine needs before `make` can work: called by the Makefile, safe to repeat.
# usage: tools/setup.sh runtime|dev
set -eu
what=$1
python=${PYTHON:-python3}
say() { printf '%s\n' "setup: $*" >&2; }
skipped() { printf '\n!!! SKIPPED: %s\n\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

debian() { # install packages; the list of packages is fetched once
    missing=
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    say "installing$missing"
    # shellcheck disable=SC2086
    as_root sh -c "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing" >/dev/null
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or later is needed; $("$python" --version) is what \$PYTHON names"
    exit 1
}

# --- the virtual environment -----------------------------------------------------------------------
if [ ! -x .venv/bin/python ]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        debian python3-venv || true
    fi
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv .venv
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip .venv # the system's pip installs into it
    else
        say "Python has neither venv nor pip: as root, apt-get install python3-venv"
        exit 1
    fi
fi
if [ -x .venv/bin/pip ]; then pip=".venv/bin/python -m pip"; else pip="$python -m pip --python .venv/bin/python"; fi
stamp=.venv/.$what-$(cat "requirements/$what.txt" pyproject.toml | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
    say "installing the pinned requirements ($what)"
    $pip install --quiet --disable-pip-version-check --require-hashes -r "requirements/$what.txt"
    $pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    touch "$stamp"
fi

# --- the account of the embedded database ----------------------------------------------------------
if [ "$(id -u)" = 0 ] && ! id throughline >/dev/null 2>&1; then
    say "making the account throughline: PostgreSQL does not run as root"
    useradd --system --no-create-home --shell /usr/sbin/nologin throughline
fi

# --- what only the tests need ----------------------------------------------------------------------
if [ "$what" = dev ]; then
    debian chromium fonts-noto-cjk || skipped "Chromium and its fonts can't be installed without root: the browser tests will not run"
fi
