#!/usr/bin/env bash
# What `make` needs on a fresh machine. tools/setup.sh python|octave|node|clients
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

# .venv with the package (editable) and the developers' tools; .venv/ready tells make that it is done.
python() {
    local python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { say "$python is older than 3.10; set PYTHON to a newer one"; exit 1; }
    # The tests run the CUDA kernels on the processor, compiled as C++.
    command -v g++ >/dev/null || command -v clang++ >/dev/null || administer apt-get install --yes --no-install-recommends g++
    "$python" -c 'import ensurepip' 2>/dev/null || administer apt-get install --yes --no-install-recommends python3-venv
    "$python" -m venv .venv
    say "installing the package and its tools into .venv"
    # Compiling every file that may never be imported takes longer than all the rest.
    .venv/bin/python -m pip install --no-compile --quiet --disable-pip-version-check --editable '.[dev]'
    touch .venv/ready
}

# Octave with its sockets, and gnuplot, with which it draws without a screen, for the tests of the MATLAB client;
# .venv/octave remembers that they were found.
octave() {
    [ -e .venv/octave ] && return
    if ! sockets || ! command -v gnuplot >/dev/null; then
        say "installing octave, octave-instrument-control and gnuplot-nox"
        administer apt-get update --quiet --quiet
        administer apt-get install --quiet --quiet --yes --no-install-recommends \
            octave octave-instrument-control gnuplot-nox fonts-freefont-otf ghostscript
        sockets || { say "octave is here, but 'pkg load instrument-control' fails"; exit 1; }
    fi
    touch .venv/octave
}

sockets() { command -v octave-cli >/dev/null && octave-cli --no-gui --no-history --eval 'pkg load instrument-control' >/dev/null 2>&1; }

# Libraries of the JavaScript client, for its tests; without npm these are skipped and say so. .venv/node remembers.
node() {
    local client=bindings/grpc/node
    [ .venv/node -nt $client/package.json ] && [ -d $client/node_modules ] && return
    command -v npm >/dev/null || { say "no npm here, so the tests of the JavaScript client are skipped; Node 18 or later has it"; return; }
    say "installing the JavaScript client's libraries"
    npm install --prefix $client --silent --no-audit --no-fund --no-package-lock
    touch .venv/node
}

# What the C++, Go, Java and Rust clients are built with, for their tests; elsewhere than on Debian and the like these are
# skipped and say so.
clients() {
    local packages=(
        make protobuf-compiler protobuf-compiler-grpc
        g++ pkg-config libgrpc++-dev nlohmann-json3-dev
        golang-go golang-google-grpc-dev golang-google-protobuf-dev golang-github-golang-protobuf-1-5-dev
        protoc-gen-go-1-5 protoc-gen-go-grpc
        default-jdk-headless protobuf-compiler-grpc-java-plugin libgrpc-java libprotobuf-java libnetty-java
        libperfmark-java libgoogle-gson-java
    )
    # The Rust client is built where there is a cargo, which is much to install for it alone.
    command -v cargo >/dev/null && packages+=(
        librust-prost-dev librust-prost-build-dev librust-tokio-dev librust-h2-dev librust-http-dev librust-uuid-dev
        librust-serde-json-dev
    )
    node
    [ -e .venv/clients ] && return
    command -v apt-get >/dev/null || { say "no apt-get here, so the tests of the C++, Go and Java clients are skipped"; return; }
    if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
        say "installing what the C++, Go and Java clients are built with"
        administer apt-get update --quiet --quiet
        administer apt-get install --quiet --quiet --yes --no-install-recommends "${packages[@]}" >/dev/null
    fi
    touch .venv/clients
}

# Run a Debian package command as root, or say in words what a person has to install.
administer() {
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here. Please install Python's venv module, GNU Octave (7 or later) and its instrument-control package, then try again"
        exit 1
    elif [ "$(id -u)" = 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
    else
        command -v sudo >/dev/null || { say "not root and no sudo. Please run as root: $*"; exit 1; }
        sudo DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

"$1"
