#!/bin/sh
# Known holes in what we depend on. What the advisory service does not answer for is said loudly: silence is no proof.
set -eu
file=requirements/runtime.txt
found=0
answer=$(.venv/bin/pip-audit --progress-spinner off --timeout 10 --disable-pip --require-hashes -r "$file" 2>&1) || found=1
skipped() { printf '\n!!! SKIPPED: %s\n\n' "$*" >&2; }

if [ "$found" = 0 ]; then
    pinned=$(grep -c '^[a-zA-Z0-9].*==' "$file")
    unasked=$(printf '%s\n' "$answer" | grep -c 'could not be audited' || true)
    if [ "$unasked" -gt 0 ]; then
        skipped "the advisory service does not know $unasked of $pinned packages; they were not audited"
    fi
    echo "pip-audit: no known vulnerability in $((pinned - unasked)) of $pinned packages"
    exit 0
fi
case $answer in
    *"known vulnerabilit"*) ;; # the answer came, and it is bad
    *[Cc]onnect* | *"resolve"* | *"timed out"* | *"Max retries"* | *"SSLError"* | *"ServiceError"* | *"HTTPError"*)
        skipped "pip-audit could not reach the advisory service"
        exit 0 ;;
esac
printf '%s\n' "$answer" >&2
exit 1
