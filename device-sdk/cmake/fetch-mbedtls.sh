#!/bin/sh
# Fetches and unpacks the source of mbedTLS from Debian's source package.
#
#   fetch-mbedtls.sh FOLDER    leaves FOLDER/mbedtls-VERSION; does nothing if it is there
#
# The release that carries it is newer than Debian 12.
set -eu

version=3.6.6
sha256=8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a
suite=trixie

tools=$(cd "$(dirname "$0")" && pwd)
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
    SUITE=$suite sh "$tools/fetch-debian.sh" source "$PWD/fetched" mbedtls || fail "Debian's source package cannot be fetched"
    [ -f "fetched/$tarball" ] || { rm -rf fetched && fail "$suite no longer carries mbedTLS $version"; }
    mv "fetched/$tarball" .
    rm -r fetched
fi
echo "$sha256  $tarball" | sha256sum --check --quiet || fail "$tarball is not the expected one"
mkdir -p unpacking
tar -xf "$tarball" -C unpacking
mv "unpacking/mbedtls-$version" .
rmdir unpacking
