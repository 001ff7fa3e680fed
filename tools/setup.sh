#!/bin/sh
# Everything that a fresh Debian machine needs before `make` can work: called by the Makefile, safe to repeat.
# usage: tools/setup.sh runtime|dev
set -eu
what=$1
python=${PYTHON:-python3}
say() { printf '%s\n' "setup: $*" >&2; }
skipped() { printf '\n!!! SKIPPED: %s\n\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

debian() { # install packages that are missing; 1 if that is not possible here
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || return 1
    missing=
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    say "installing the Debian packages$missing"
    # shellcheck disable=SC2086
    as_root sh -c "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing" >/dev/null
}

command -v "$python" >/dev/null || debian python3 || stop "there is no $python: install Python 3.11 or later"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "Python 3.11 or later is needed; $("$python" --version) is what \$PYTHON names"

# --- the virtual environment -----------------------------------------------------------------------
# Its scripts hold absolute paths, so one that was moved with its clone starts anew.
made_in=$(cat .venv/.made-in 2>/dev/null || printf '%s' "$PWD")
if [ "$made_in" != "$PWD" ] || ! .venv/bin/python -c '' 2>/dev/null; then
    rm -rf .venv
    "$python" -c 'import ensurepip' 2>/dev/null || debian python3-venv || true
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv .venv
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip .venv # the system's pip installs into it
    else
        stop "Python has neither venv nor pip, and this account may not install them: as root, apt-get install python3-venv"
    fi
fi
printf '%s' "$PWD" >.venv/.made-in
if .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null 2>&1; then
    pip=".venv/bin/python -m pip"
else
    pip="$python -m pip --python .venv/bin/python"
fi
stamp=.venv/.$what-$(cat "requirements/$what.txt" pyproject.toml | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
    say "installing the pinned requirements ($what)"
    $pip install --quiet --disable-pip-version-check --require-hashes -r "requirements/$what.txt"
    $pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    touch "$stamp"
fi

# --- the account of the embedded database ----------------------------------------------------------
account=${THROUGHLINE_POSTGRES_ACCOUNT:-throughline}
if [ "$(id -u)" = 0 ] && ! id "$account" >/dev/null 2>&1; then
    command -v useradd >/dev/null || debian passwd || stop "useradd is missing: make the account $account yourself"
    say "making the account $account: PostgreSQL does not run as root"
    useradd --system --no-create-home --shell /usr/sbin/nologin "$account"
fi

# --- Chinese letters for PDFs ------------------------------------------------------------------------
if [ ! -e .venv/.fonts ]; then
    # Any font of typeset.FAMILIES will do; one that is there already is enough.
    if PYTHONPATH=src .venv/bin/python -c 'from throughline.kernel import typeset; typeset.chinese_family()' >/dev/null 2>&1 ||
        debian fonts-noto-cjk; then
        touch .venv/.fonts
    else
        skipped "no font with Chinese characters, and this account can't install fonts-noto-cjk: there will be no PDF statements"
    fi
fi

# --- what only the tests need ----------------------------------------------------------------------
if [ "$what" = dev ] && ! command -v chromium >/dev/null; then
    debian chromium fonts-noto-cjk ||
        skipped "Chromium and its Chinese fonts can't be installed by this account: the browser tests will not run"
fi

# An SMSC that we did not write, for the SMPP session to be tried against.
peer=tests/messaging_smpp/peer
if [ "$what" = dev ]; then
    stamp=$peer/node_modules/.made-$(sha256sum <"$peer/package-lock.json" | cut -c1-16)
    if [ ! -e "$stamp" ]; then
        if { command -v node >/dev/null && command -v npm >/dev/null; } || debian nodejs npm; then
            say "installing the SMSC of the tests"
            { npm ci --prefix "$peer" --ignore-scripts --no-audit --no-fund --silent && touch "$stamp"; } ||
                skipped "npm could not install the SMSC of the tests: the SMPP session will not be tried against it"
        else
            skipped "node and npm can't be installed by this account: the SMPP session will not be tried against a foreign SMSC"
        fi
    fi
fi
