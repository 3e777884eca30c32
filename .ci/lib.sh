# For the scripts beside it, which source it: names of what they build, where it
# goes, how a tool is found, and steps that say how long they took.
#
# A script that sources it is in the root of the repository from then on, and stops
# at its first failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What the README's test command needs beyond `cargo test`, and every other build
# of the same tests needs too.
TEST_FLAGS=()
TEST_COMMAND="cargo test${TEST_FLAGS[*]:+ ${TEST_FLAGS[*]}}"

# Packages, the benches of operations, and tests that checkers run.
LIBRARY=memring
CLI=memring-cli
BRIDGE=memring-bridge
RIVALS=memring-rivals
INSTRUCTIONS=memring-instructions
MICRO=(-p memring-micro --bench micro)
HOSTILE=(--test crash hostile)
REPLAY=(--test api replay)

# The minimum Rust version is stated in the manifest, and nowhere else.
MSRV=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)

# Tools write below one directory, whatever they build.
target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
export CARGO_TARGET_DIR=$target
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
# Nothing here is built a second time with a change.
export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
export PATH=$target/tools/bin:$PATH

# A cargo command, by the name of its package, if it is not there yet. It is built
# without optimisation: it starts others, and that is all.
tool() {
    if ! command -v "$1" >/dev/null; then
        CARGO_TARGET_DIR=$target/tools cargo install "$1" --locked --debug --root "$target/tools"
    fi
}

toolchain() {
    if ! rustup toolchain list | grep "^$1-" >/dev/null; then
        rustup toolchain install "$1" --profile minimal
    fi
}

# A command, by the name of its Debian package.
system_package() {
    if ! command -v "$1" >/dev/null; then
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -yq "$1"
    fi
}

# The steps so far, of the script that was started and of those it calls; it tells
# them when it ends.
times=
if [[ -z ${MEMRING_CI_TIMES:-} ]]; then
    times=$(mktemp)
    export MEMRING_CI_TIMES=$times
fi
running=
beside=()
trap ending EXIT

# Seconds of all children of a process that it has waited for, and of theirs.
processor_seconds() {
    awk -v ticks="$(getconf CLK_TCK)" '{ print ($16 + $17) / ticks }' "/proc/$1/stat"
}

# step NAME COMMAND...: runs it, and says how long it took, and how much of the
# processors: other work on the machine changes the former more than the latter.
step() {
    running=$1
    shift
    local began=$EPOCHREALTIME used figures
    used=$(mktemp)
    printf '\n=== %s\n' "$running"
    # In a shell of its own, which waits for nothing else.
    (
        "$@"
        processor_seconds "$BASHPID" >"$used"
    )
    figures=$(awk -v b="$began" -v e="$EPOCHREALTIME" -v u="$(<"$used")" \
        'BEGIN { printf "%7.1f | %13.1f", e - b, u }')
    rm "$used"
    printf -- '--- %s: %s s (of processors: %s s)\n' "$running" $(tr '|' ' ' <<<"$figures")
    printf '| %-46s | %s |\n' "$running" "$figures" >>"$MEMRING_CI_TIMES"
    running=
}

# beside COMMAND...: runs it beside what follows, for commands that keep one
# processor busy. What it prints comes at `join`, which fails if it did.
beside() {
    local log
    log=$(mktemp)
    ("$@") >"$log" 2>&1 </dev/null &
    beside+=("$!:$log:$*")
}

join() {
    local entry process log command failed=()
    for entry in "${beside[@]}"; do
        IFS=: read -r process log command <<<"$entry"
        wait "$process" || failed+=("$command")
        cat "$log"
        rm "$log"
    done
    beside=()
    if [[ ${#failed[@]} -gt 0 ]]; then
        running=${failed[*]}
        return 1
    fi
}

ending() {
    local code=$?
    wait
    if [[ $code -ne 0 && -n $running ]]; then
        printf '\nFAILED: %s\n' "$running"
    fi
    if [[ -n $times ]]; then
        printf '\n| %-46s | seconds | of processors |\n|---|---|---|\n' "step"
        cat "$times"
        rm "$times"
        printf '| %-46s | %7.1f | %13.1f |\n' "all" "$SECONDS" "$(processor_seconds $$)"
    fi
    exit "$code"
}
