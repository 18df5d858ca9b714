#!/bin/sh
# Fetches Debian packages of any architecture and unpacks them into a folder, or the
# archives of sources.
#
#   fetch-debian.sh ARCHITECTURE FOLDER PACKAGE...    does nothing if FOLDER is there
#   fetch-debian.sh source FOLDER PACKAGE...          the archives of their sources, as their authors released them
#
# Only what is named is fetched, not what it depends on; of a name with a `*` in it
# the newest package, as for kernels, whose names have their version. apt runs with
# a root of its own beside FOLDER: this machine's architectures, sources and lists
# stay as they are, nothing is installed, and nobody needs to be root. The mirror is
# that of the machine's own sources; the release is Debian 12, or $SUITE.
set -eu

suite=${SUITE:-bookworm}

[ $# -ge 3 ] || { echo "usage: fetch-debian.sh ARCHITECTURE FOLDER PACKAGE..." >&2; exit 2; }
architecture=$1 folder=$2
shift 2
[ -d "$folder" ] && exit 0

work=
types=deb
if [ "$architecture" = source ]; then
    types=deb-src architecture=$(dpkg --print-architecture)
fi
fail() {
    echo "fetch-debian: $1" >&2
    exit 1
}
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

sources=/etc/apt/sources.list.d/debian.sources
if [ -f "$sources" ]; then
    mirror=$(sed -n 's/^URIs: *//p' "$sources" | head -n 1)
else
    mirror=$(sed -n 's/^deb \(\[[^]]*\] *\)\{0,1\}\([^ ]*\).*/\2/p' /etc/apt/sources.list | head -n 1)
fi
[ -n "$mirror" ] || fail "this machine's apt has no Debian mirror configured"

mkdir -p "$(dirname "$folder")"
folder=$(cd "$(dirname "$folder")" && pwd)/$(basename "$folder") # apt takes relative paths for its own
work=$(mktemp -d "$folder.XXXXXX")
mkdir -p "$work/apt/sources" "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/tree"
: > "$work/apt/status"
cat > "$work/apt/sources/debian.sources" <<END
Types: $types
URIs: $mirror
Suites: $suite
Components: main
Architectures: $architecture
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
apt() {
    program=$1
    shift
    "$program" -qq -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
        -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/apt/sources" \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::State::status="$work/apt/status" \
        -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root "$@"
}
# names PATTERN...: the packages that are meant.
names() {
    for pattern in "$@"; do
        name=$(apt apt-cache pkgnames "${pattern%%\**}" | sort -V | while read -r name; do
            # shellcheck disable=SC2254 # a pattern it is
            case $name in $pattern) echo "$name" ;; esac
        done | tail -n 1)
        echo "${name:-$pattern}"
    done
}
apt apt-get update || fail "apt-get update for $architecture failed"
if [ $types = deb ]; then
    # shellcheck disable=SC2046 # a list of names
    (cd "$work" && apt apt-get download $(names "$@")) || fail "Debian has not all of these for $architecture: $*"
    for package in "$work"/*.deb; do
        dpkg-deb --extract "$package" "$work/tree"
    done
else
    (cd "$work" && apt apt-get source --download-only "$@") || fail "Debian has not all of these sources: $*"
    mv "$work"/*.orig.tar.?z* "$work/tree"
fi
mv -T "$work/tree" "$folder" 2> /dev/null || [ -d "$folder" ] || fail "cannot write $folder" # another one was faster
