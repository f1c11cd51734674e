#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fresh_debian.sh [12|13]… [--user] [--dir DIR] [--keep] [--command 'COMMAND']…
#
# Proves the promise of the README: on a minimal Debian with git and a shell and nothing else, a clone
# builds, shows its demo and passes its tests. Makes the system with debootstrap (variant minbase) in
# a scratch folder, clones HEAD into it, and runs `./dev demo` and `./dev test` there, as root or,
# with --user, as an ordinary user with sudo. Prints the time of each. Needs root, about 4 GB of disk
# for each release, and the network.
#
#   --dir DIR       scratch folder (default build/fresh); the base systems in it are used again
#   --keep          leave the system with the clone there, to look at a failure
#   --command C     run C instead of the two README commands; may be given more than once
#   --worktree      copy the working tree instead of cloning HEAD, to try what is not committed yet
#
# The mirror is the one that this machine's apt uses. The chroot shares the machine's network and
# resolv.conf. Settings of the package index and of extra certificate authorities that are in the
# environment or in pip's configuration are handed on, so that it works behind a proxy.
# shellcheck disable=SC2016,SC2317  # inner shells expand; functions are called through step
set -euo pipefail
# shellcheck source=tools/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
ROOT=$(root_of)
scratch=$ROOT/build/fresh
releases=()
commands=()
as_user=no
keep=no
worktree=no
arguments=("$@")

while [ $# -gt 0 ]; do
    case $1 in
    12 | 13) releases+=("$1") ;;
    --user) as_user=yes ;;
    --keep) keep=yes ;;
    --worktree) worktree=yes ;;
    --dir | --command)
        [ $# -gt 1 ] || die "$1 needs a value"
        if [ "$1" = --dir ]; then scratch=$2; else commands+=("$2"); fi
        shift
        ;;
    *) die "unknown argument '$1': fresh_debian.sh [12|13] [--user] [--dir DIR] [--keep] [--worktree] [--command C]" ;;
    esac
    shift
done
[ ${#releases[@]} -gt 0 ] || releases=(12 13)
[ ${#commands[@]} -gt 0 ] || commands=('./dev demo' './dev test')
[ "$(id -u)" -eq 0 ] || exec sudo -- "$0" "${arguments[@]}"
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)

codename() {
    case $1 in
    12) echo bookworm ;;
    13) echo trixie ;;
    esac
}

# The archive of Debian that apt uses here, without security and updates.
mirror() {
    local site
    site=$(apt-get indextargets --format '$(SITE)|$(RELEASE)' 'Created-By: Packages' 'Origin: Debian' |
        awk -F'|' '$2 !~ /-/ { print $1; exit }')
    [ -n "$site" ] || die "apt knows no Debian archive on this machine: run 'apt-get update' first"
    printf '%s\n' "$site"
}

# ---------------------------------------------------------------- the system

system="" # the chroot in use, for the exit handler
child=""  # the namespace in use

# Mounts are made in the namespace of in_system only: nothing is mounted where this runs.
finish() {
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    if [ -n "$system" ] && [ "$keep" = no ]; then
        rm -rf --one-file-system "$system"
    fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

make_base() {
    local base=$1 name=$2
    # It mounts proc and sys; in a namespace of its own they go away with it, even when it is killed.
    unshare --mount debootstrap --variant=minbase --include="$3" "$name" "$base.new" "$(mirror)"
    rm -f "$base.new"/var/cache/apt/archives/*.deb
    mv "$base.new" "$base"
}

make_system() {
    local base=$1
    rm -rf --one-file-system "$system"
    cp -a "$base" "$system"
    cp -L /etc/resolv.conf "$system/etc/resolv.conf"
    if [ "$as_user" = yes ]; then
        chroot "$system" useradd --create-home --shell /bin/bash newcomer
        echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >"$system/etc/sudoers.d/newcomer"
        printf '127.0.0.1 localhost %s\n' "$(hostname)" >"$system/etc/hosts" # sudo looks its host up
    fi
}

# A proxy with its own certificate authority: only what this machine itself was told to use.
hand_on_network_settings() {
    local bundle name
    bundle=${PIP_CERT:-${SSL_CERT_FILE:-}}
    if [ -n "$bundle" ] && [ -f "$bundle" ]; then
        cp -L "$bundle" "$system/etc/vecstore-ca.crt"
    fi
    : >"$system/etc/vecstore-network"
    if [ -f "$system/etc/vecstore-ca.crt" ]; then
        for name in PIP_CERT SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO; do
            echo "$name=/etc/vecstore-ca.crt"
        done >>"$system/etc/vecstore-network"
    fi
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL \
        PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_DEFAULT_TIMEOUT; do
        [ -z "${!name:-}" ] || echo "$name=${!name}"
    done >>"$system/etc/vecstore-network"
}

copy_source() {
    local home=$1
    if [ "$worktree" = yes ]; then
        mkdir -p "$system$home/vecstore"
        (cd "$ROOT" && git ls-files -z --cached --others --exclude-standard |
            xargs -0 sh -c 'for f; do [ ! -f "$f" ] || printf "%s\0" "$f"; done' sh |
            tar --null -T - -cf -) | tar -xf - -C "$system$home/vecstore"
        git -C "$system$home/vecstore" init -q
    else
        git clone -q --no-hardlinks "$ROOT" "$system$home/vecstore"
    fi
    if [ "$as_user" = yes ]; then
        chroot "$system" chown -R newcomer: "$home/vecstore"
    fi
}

# in_system USER HOME COMMAND: with a login's environment and the settings above, nothing else. In
# mount and process namespaces of its own: whatever happens, mounts and servers end with it.
in_system() {
    local user=$1 home=$2 command=$3 settings=()
    mapfile -t settings <"$system/etc/vecstore-network"
    exec unshare --mount --pid --fork --kill-child bash -c '
        set -e
        system=$1 user=$2
        shift 2
        mount -t proc proc "$system/proc"
        mount --rbind /sys "$system/sys"
        mount --rbind /dev "$system/dev"
        # No exec: this shell is process 1 of the namespace and takes all others with it. A program
        # that changes its user would lose the signal that --kill-child arranges.
        chroot "$system" setpriv --reuid "$user" --regid "$user" --init-groups "$@" || exit $?' \
        in_system "$system" "$user" env -i HOME="$home" USER="$user" TERM=dumb LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${settings[@]}" \
        /bin/bash -c "cd '$home/vecstore' && $command"
}

# ---------------------------------------------------------------- the proof

table=''
status=0
for release in "${releases[@]}"; do
    name=$(codename "$release")
    packages=git
    user=root home=/root
    if [ "$as_user" = yes ]; then
        packages=git,sudo
        user=newcomer home=/home/newcomer
    fi
    base=$scratch/base-$name-$user
    system=$scratch/run-$name-$user
    rm -rf --one-file-system "$base.new"
    [ -d "$base" ] || step "minimal Debian $release" make_base "$base" "$name" "$packages"
    step "Debian $release: system" make_system "$base"
    hand_on_network_settings
    step "Debian $release: clone" copy_source "$home"
    for command in "${commands[@]}"; do
        say "Debian $release, $user: $command"
        start=$(now_ms)
        # In the background, because a shell that waits for a foreground command heeds no signal.
        in_system "$user" "$home" "$command" </dev/null &
        child=$!
        if wait "$child"; then
            result=passed
        else
            result=FAILED
            status=1
        fi
        child=""
        table+=$(printf '  Debian %s  %-8s %-16s %s  %s' "$release" "$user" "$command" "$result" \
            "$(seconds_since "$start")")$'\n'
    done
    [ "$keep" = yes ] || rm -rf --one-file-system "$system"
    system=""
done
printf '%s' "$table"
exit "$status"
