#!/usr/bin/env bash
# What `make` needs on a fresh machine. tools/setup.sh python|octave|node|clients|csharp
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

# What the C++, C#, Go, Java and Rust clients are built with, for their tests; elsewhere than on Debian and the like these
# are skipped and say so.
clients() {
    node
    command -v apt-get >/dev/null || { say "no apt-get here, so the tests of the C++, C#, Go and Java clients are skipped"; return; }
    compilers
    tools/setup.sh csharp || say "some of it is not to be had, so the C# client is not compiled in its tests"
}

compilers() {
    local packages=(
        make protobuf-compiler protobuf-compiler-grpc
        g++ pkg-config libgrpc++-dev libprotoc-dev nlohmann-json3-dev
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
    [ .venv/clients -nt tools/setup.sh ] && return
    if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
        say "installing what the C++, Go and Java clients are built with"
        administer apt-get update --quiet --quiet
        administer apt-get install --quiet --quiet --yes --no-install-recommends "${packages[@]}" >/dev/null
    fi
    touch .venv/clients
}

# .NET for the tests of the C# client, which no registry here has as such: npm packages of programs bring along its runtime
# and its compiler, and Debian's sources have Google.Protobuf and grpc_csharp_plugin. .venv/csharp/ready remembers.
csharp() {
    local place=$PWD/.venv/csharp debian=/etc/apt/sources.list.d/debian.sources
    [ "$place/ready" -nt tools/setup.sh ] && return
    if [ "$(uname -sm)" != "Linux x86_64" ] || [ ! -e $debian ] || ! command -v npm >/dev/null; then
        say "no Debian on x86-64 with npm here, so the C# client is not compiled in its tests"
        return
    fi
    say "getting .NET, and the sources of Google.Protobuf and grpc_csharp_plugin, for the C# client"
    rm -rf "$place"
    mkdir -p "$place"/{runtime,roslyn,protobuf,grpc,apt/parts,apt/lists/partial,apt/archives/partial}
    unpack_from_npm @azure/mcp-linux-x64@0.0.21 "$place/runtime"
    unpack_from_npm @typespec/http-client-csharp@1.0.0-alpha.20260918.2 "$place/roslyn"
    # The system's lists stay as they are.
    sed 's/^Types:.*/Types: deb-src/' $debian >"$place/apt/parts/debian.sources"
    unpack_from_debian protobuf "$place/protobuf" 'protobuf-*/csharp/src/Google.Protobuf'
    unpack_from_debian grpc "$place/grpc" 'grpc-*/src/compiler' 'grpc-*/include'
    g++ -std=c++17 -I "$place/grpc" -I "$place/grpc/include" "$place"/grpc/src/compiler/csharp_{plugin,generator}.cc \
        -o "$place/grpc_csharp_plugin" -lprotoc -lprotobuf
    rm -rf "$place/grpc" "$place/apt"
    touch "$place/ready"
}

# unpack_from_npm PACKAGE FOLDER
unpack_from_npm() {
    npm pack --silent --pack-destination "$2" "$1" >/dev/null
    tar --extract --gzip --strip-components=1 --directory "$2" --file "$2"/*.tgz
    rm "$2"/*.tgz
}

# unpack_from_debian SOURCE_PACKAGE FOLDER PATTERNS... of what to take out of its archive
unpack_from_debian() {
    local package=$1 folder=$2 apt=${2%/*}/apt options
    shift 2
    options=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt/parts" -o "Dir::State::Lists=$apt/lists"
        -o "Dir::Cache=$apt" -o APT::Sandbox::User=)
    [ -e "$apt/updated" ] || apt-get "${options[@]}" update --quiet --quiet
    touch "$apt/updated"
    (cd "$apt" && apt-get "${options[@]}" source --quiet --quiet --tar-only "$package")
    tar --extract --strip-components=1 --directory "$folder" --file "$apt/$package"_*.orig.tar.* --wildcards "$@"
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
