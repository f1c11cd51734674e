#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# setup_debian.sh [GROUP…]: everything outside the repository that vecstore needs, on Debian 12 and
# 13 and on Ubuntu 24.04 and later. Groups: build (default), test, lint, fuzz, fresh.
#
# Idempotent and quiet: packages are installed only when dpkg says that they are missing, libraries
# that the distribution does not package are made once, below .deps/:
#
#   .deps/faiss/libfaiss_c.a, include/   the C API of FAISS, where the packaged libfaiss-dev has the
#                                        headers but not the symbols (Debian 12). It is compiled from
#                                        the distribution's own source package of exactly the
#                                        installed version. Debian 13 packages libfaiss_c.a.
#   libyyjson-dev, libfaiss-dev          where they are not packaged (yyjson: Debian 12; both: Ubuntu
#                                        24.04): the packages of a later release of the same
#                                        distribution, installed with dpkg. They depend on nothing
#                                        newer than what is there.
#
# Both use a private apt root (own source list, lists and cache, below .deps/apt): nothing below
# /etc/apt and none of the system's lists change. Its archives and keys are the machine's own.
# shellcheck disable=SC2016  # apt's $(SITE) and the $0 of an inner shell are meant literally
set -euo pipefail
# shellcheck source=tools/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
ROOT=$(root_of)
DEPS=${VECSTORE_DEPS_DIR:-$ROOT/.deps}
APT=$DEPS/apt

# ---------------------------------------------------------------- which packages

packages_of() {
    case $1 in
    build)
        # g++: the C++ runtime behind FAISS, and its C API where we compile it. curl: the demo.
        printf '%s\n' gcc g++ libc6-dev cmake ninja-build pkg-config git ca-certificates curl \
            libcurl4-openssl-dev libmicrohttpd-dev libzstd-dev zlib1g-dev liblz4-dev \
            libsnappy-dev libbrotli-dev libroaring-dev libsqlite3-dev libssl-dev \
            libopenblas-dev
        ;;
    test)
        printf '%s\n' python3 python3-venv
        # The aarch64 kernels, cross-compiled and emulated.
        [ "$(dpkg --print-architecture)" = arm64 ] ||
            printf '%s\n' gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
        ;;
    lint) printf '%s\n' clang clang-format clang-tidy shellcheck ;;
    fuzz) printf '%s\n' clang ;;
    fresh) printf '%s\n' debootstrap ;;
    *) die "unknown package group '$1': build, test, lint, fuzz or fresh" ;;
    esac
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_of() {
    local p
    for p in "$@"; do
        # Newer releases provide pkg-config by pkgconf; a provided package counts.
        is_installed "$p" || { [ "$p" = pkg-config ] && is_installed pkgconf; } || printf '%s\n' "$p"
    done
}

is_packaged() {
    case $(apt-cache -q policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p') in
    '' | '(none)') return 1 ;;
    esac
}

# ---------------------------------------------------------------- installing

lists_update() {
    as_root apt-get -q update
}

# The machine's lists are refreshed at most once a day by us, and again when an install fails.
packages_install() {
    local stamp=$DEPS/lists-updated
    if [ -z "$(find "$stamp" -mtime -1 2>/dev/null)" ]; then
        lists_update
        touch "$stamp"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@" || {
        lists_update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
    }
}

packages() {
    local missing
    # shellcheck disable=SC2046  # one word per package is wanted
    missing=$(missing_of $(for g in "$@"; do packages_of "$g"; done | sort -u))
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086
        step "packages ($(echo "$missing" | wc -l) to install)" packages_install $missing
    fi
}

# ---------------------------------------------------------------- the private apt root

# site|release|component of every archive of this distribution that the machine is configured for.
archives() {
    apt-get indextargets --format '$(SITE)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' \
        "Origin: $1" 2>/dev/null | sort -u
}

keyrings() {
    local k
    for k in /usr/share/keyrings/debian-archive-*.gpg /usr/share/keyrings/ubuntu-archive-*.gpg; do
        case $k in
        *removed* | *'*'*) ;;
        *) printf '%s\n' "$k" ;;
        esac
    done | paste -sd, -
}

# private_apt LIST COMMAND…: apt-get that sees only DEPS/apt/LIST.list.
private_apt() {
    local list=$1
    shift
    mkdir -p "$APT/parts" "$APT/lists/partial" "$APT/cache/archives/partial"
    apt-get -q -o Dir::Etc::SourceList="$APT/$list.list" -o Dir::Etc::SourceParts="$APT/parts" \
        -o Dir::State::Lists="$APT/lists" -o Dir::Cache="$APT/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

origin_name() {
    case $ID in
    ubuntu) echo Ubuntu ;;
    *) echo Debian ;;
    esac
}

need_archives() {
    [ -n "$(archives "$(origin_name)")" ] || lists_update
    [ -n "$(archives "$(origin_name)")" ] ||
        die "apt knows no $(origin_name) archive on this machine: check /etc/apt/sources.list"
}

# ---------------------------------------------------------------- FAISS C API

library_dir() {
    printf '/usr/lib/%s\n' "$(gcc -dumpmachine)"
}

# Does the packaged library have the C symbols? Asked of the library, not guessed from the release.
faiss_has_c_symbols() {
    local lib dir
    dir=$(library_dir)
    for lib in "$dir/libfaiss_c.a" "$dir/libfaiss_c.so" "$dir/libfaiss.a" "$dir/libfaiss.so"; do
        [ -e "$lib" ] || continue
        # No early exit in the pipe: nm would die of SIGPIPE and pipefail would report it.
        if [ "$(nm -g --defined-only "$lib" 2>/dev/null | grep -c ' faiss_index_factory$' || true)" != 0 ] ||
            [ "$(nm -D --defined-only "$lib" 2>/dev/null | grep -c ' faiss_index_factory$' || true)" != 0 ]; then
            return 0
        fi
    done
    return 1
}

faiss_source() {
    local site release component version
    need_archives
    mkdir -p "$APT" "$DEPS/faiss/src"
    archives "$(origin_name)" | while IFS='|' read -r site release component; do
        echo "deb-src [signed-by=$(keyrings)] $site $release $component"
    done >"$APT/source.list"
    private_apt source update
    version=$(dpkg-query -W -f '${source:Version}' libfaiss-dev)
    cd "$DEPS/faiss/src"
    private_apt source source --only-source "faiss=$version"
}

# Compiles c_api/*.cpp against the packaged C++ headers, so that both agree.
faiss_compile() {
    local source out=$DEPS/faiss api file
    source=$(echo "$out"/src/faiss-*/)
    [ -d "$source/c_api" ] || die "the source package of FAISS has no c_api folder: $source"
    api=$out/src/api
    rm -rf "$api" "$out/obj" "$out/include"
    mkdir -p "$out/obj" "$out/include/faiss"
    cp -r "$source/c_api" "$api"
    rm -rf "$api/gpu"
    (cd "$api" && find . -name '*.cpp') | while read -r file; do
        printf '%s\0%s\0' "$api/$file" "$out/obj/$(printf '%s' "${file#./}" | tr / _).o"
    done | xargs -0 -n 2 -P "$(nproc)" sh -c \
        'g++ -std=c++17 -O2 -fPIC -fopenmp -I"$0" -c "$1" -o "$2"' "$api"
    ar rcs "$out/libfaiss_c.a.new" "$out"/obj/*.o
    mkdir -p "$out/include/faiss/c_api"
    (cd "$api" && find . -name '*.h' -print0 | xargs -0 cp --parents -t "$out/include/faiss/c_api")
    mv "$out/libfaiss_c.a.new" "$out/libfaiss_c.a"
    dpkg-query -W -f '${Version}\n' libfaiss-dev >"$out/version"
    rm -rf "$out/obj" "$out/src"
}

faiss_c_api() {
    local have
    have=$(cat "$DEPS/faiss/version" 2>/dev/null || true)
    if [ -n "$have" ] && [ "$have" = "$(dpkg-query -W -f '${Version}' libfaiss-dev)" ] &&
        [ -f "$DEPS/faiss/libfaiss_c.a" ]; then
        return 0
    fi
    if faiss_has_c_symbols; then
        rm -rf "$DEPS/faiss" # an older release's, before an upgrade
        return 0
    fi
    packages_dpkg_dev
    step "FAISS C API: source package" faiss_source
    step "FAISS C API: compile" faiss_compile
}

# apt-get source unpacks with dpkg-source.
packages_dpkg_dev() {
    local missing
    missing=$(missing_of dpkg-dev)
    [ -z "$missing" ] || step "packages (dpkg-dev)" packages_install dpkg-dev
}

# ---------------------------------------------------------------- packages of a later release

later_release() {
    case $ID:$VERSION_CODENAME in
    debian:bookworm) echo trixie ;;
    ubuntu:noble) echo resolute ;;
    *) die "$1 is not packaged for $PRETTY_NAME: install it by hand, then run this again" ;;
    esac
}

# later_install RELEASE PACKAGE…: every package by name; what they depend on has to be there.
later_install() {
    local release=$1 site component=main
    shift
    need_archives
    site=$(archives "$(origin_name)" | awk -F'|' -v r="$VERSION_CODENAME" '$2 == r { print $1; exit }')
    [ -n "$site" ] || die "no archive of $PRETTY_NAME is configured"
    [ "$ID" != ubuntu ] || component='main universe'
    # The keys of Debian 13 are in every debian-archive-keyring since 2023.3+deb12u2.
    [ "$ID" != debian ] || ls /usr/share/keyrings/debian-archive-trixie-*.gpg >/dev/null 2>&1 ||
        packages_install debian-archive-keyring
    mkdir -p "$APT" "$DEPS/later"
    echo "deb [signed-by=$(keyrings)] $site $release $component" >"$APT/later.list"
    private_apt later update
    cd "$DEPS/later"
    rm -f ./*.deb
    private_apt later download "$@"
    as_root dpkg -i ./*.deb
    rm -rf "$DEPS/later" "$APT/lists"
}

# package_or_later PACKAGE [LIBRARY-PACKAGE]: from this release where it has the package.
package_or_later() {
    local release
    if is_installed "$1"; then
        return 0
    fi
    is_packaged gcc || step "package lists" lists_update
    if is_packaged "$1"; then
        step "packages ($1)" packages_install "$1"
    else
        release=$(later_release "$1")
        step "$1 from $release" later_install "$release" "$@"
    fi
}

# ---------------------------------------------------------------- clang's runtimes

# The sanitizer and fuzzer runtimes are packaged per major version, which the release decides.
clang_runtime() {
    local major missing
    major=$(clang -dumpversion | cut -d. -f1)
    # llvm-N has the symbolizer, without which reports name no lines.
    missing=$(missing_of "libclang-rt-$major-dev" "llvm-$major")
    # shellcheck disable=SC2086
    [ -z "$missing" ] || step "packages (runtimes of clang $major)" packages_install $missing
}

# ---------------------------------------------------------------- main

[ -r /etc/os-release ] || die "no /etc/os-release: set-up knows Debian and Ubuntu only"
# shellcheck disable=SC1091
. /etc/os-release
case $ID:${VERSION_CODENAME:-} in
debian:bookworm | debian:trixie | debian:forky | debian:sid | ubuntu:*) ;;
*)
    die "set-up knows Debian 12 and 13 and Ubuntu 24.04, this is ${PRETTY_NAME:-unknown}." \
        "Install the packages that tools/setup_debian.sh lists, then set VECSTORE_NO_SETUP=1"
    ;;
esac

mkdir -p "$DEPS"
[ $# -gt 0 ] || set -- build
packages "$@"
for group in "$@"; do
    case $group in
    build)
        package_or_later libyyjson-dev libyyjson0
        package_or_later libfaiss-dev
        faiss_c_api
        ;;
    fuzz | lint) clang_runtime ;;
    esac
done
