#!/bin/sh
# Fetches and unpacks the source of mbedTLS from Debian's source package.
#
#   fetch-mbedtls.sh FOLDER    leaves FOLDER/mbedtls-VERSION; does nothing if it is there
#
# The release that carries it is newer than Debian 12, so apt runs with a root
# of its own in FOLDER: this machine's sources and lists stay as they are. The
# entry is made from the machine's own debian.sources, so its mirror is used.
set -eu

version=3.6.6
sha256=8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a
suite=trixie

folder=$1
mkdir -p "$folder"
cd "$folder"
[ -d "mbedtls-$version" ] && exit 0

fail() {
    echo "fetch-mbedtls: $1. With an unpacked mbedTLS 3.6 at hand, configure with -DSLUICE_MBEDTLS_SOURCE=DIR; with 3.6 installed, with -DSLUICE_MBEDTLS=system." >&2
    exit 1
}

tarball=mbedtls_$version.orig.tar.bz2
if [ ! -f "$tarball" ]; then
    sources=/etc/apt/sources.list.d/debian.sources
    if [ -f "$sources" ]; then
        mirror=$(sed -n 's/^URIs: *//p' "$sources" | head -n 1)
    else
        mirror=$(sed -n 's/^deb \(\[[^]]*\] *\)\{0,1\}\([^ ]*\).*/\2/p' /etc/apt/sources.list | head -n 1)
    fi
    [ -n "$mirror" ] || fail "this machine's apt has no Debian mirror configured"
    mkdir -p apt/sources apt/lists/partial apt/cache/archives/partial
    cat > apt/sources/mbedtls.sources <<END
Types: deb-src
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    set -- -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$PWD/apt/sources" \
        -o Dir::State::Lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User=root
    apt-get "$@" update || fail "apt-get update for $suite failed"
    apt-get "$@" source --download-only mbedtls || fail "apt-get source mbedtls failed"
    [ -f "$tarball" ] || fail "$suite no longer carries mbedTLS $version"
    rm -rf apt mbedtls_*.debian.tar.xz mbedtls_*.dsc
fi
echo "$sha256  $tarball" | sha256sum --check --quiet || fail "$tarball is not the expected one"
mkdir -p unpacking
tar -xf "$tarball" -C unpacking
mv "unpacking/mbedtls-$version" .
rmdir unpacking
