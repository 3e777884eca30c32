# Commands that people need. `just --list` shows them.

# Unit, process and crash tests, examples, doctests
test:
    cargo test

# Format, lints, documentation, tests: a few minutes
check:
    .ci/fast

# Everything that must hold before a change goes in
all:
    .ci/run

# Every interleaving of the models, by loom
models:
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release -p memring --lib models

# Mistakes that a fast test must find; WORD chooses some
mutants *WORD:
    tests/mutants/run {{ WORD }}

# How fast rings are on this machine, as a page
bench:
    cargo run --release -p memring-cli -- bench --html target/bench.html

# memring beside its rivals, as a page: an hour
rivals:
    cargo run --release -p memring-rivals -- --html target/rivals.html

# Install the command, its manual pages and its completions, for this user
install:
    cargo install --locked --path cli
    memring manual --dir ~/.local/share

# Make the manual pages and completions that are checked in
manual:
    rm -rf cli/manual
    cargo run -p memring-cli -- manual --dir cli/manual

# Licences, advisories and sources of all dependencies
deny:
    cargo deny --workspace check --hide-inclusion-graph
    cargo deny --manifest-path fuzz/Cargo.toml --workspace check --hide-inclusion-graph

# Whether the version fits the changes of the interface since REV, or since the last release
semver REV="":
    cargo semver-checks -p memring {{ if REV == "" { "" } else { "--baseline-rev " + REV } }}
