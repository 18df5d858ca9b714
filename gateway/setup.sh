#!/bin/sh
# Installs the Debian packages that Sluice is built from, with --boards those that
# boards/ is cross-built with, and with --tests those and what its tests use.
# Packages that are there are left alone, so a second run does nothing and asks
# no network.
set -eu

packages="build-essential cmake ninja-build pkg-config dpkg-dev ca-certificates bzip2 xz-utils
    libuv1-dev libssl-dev libcjson-dev libyaml-dev libsqlite3-dev libpcre2-dev libcurl4-openssl-dev libseccomp-dev
    libwslay-dev libpaho-mqtt-dev mosquitto-clients"
case "${1:-}" in --boards | --tests)
    packages="$packages gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf gcc-mipsel-linux-gnu gcc-riscv64-linux-gnu
        libc6-dev-riscv64-cross musl-tools"
    ;;
esac
[ "${1:-}" = --tests ] && packages="$packages libcmocka-dev python3-paho-mqtt openssl mosquitto
    clang libclang-rt-14-dev clang-format clang-tidy curl procps python3 tzdata chromium faketime
    autoconf automake libtool g++ qemu-user-static qemu-system-arm debootstrap openssh-client dropbear-bin
    e2fsprogs dosfstools fdisk cpio iproute2 nftables"

missing=
for package in $packages; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done
# A Node.js of any origin will do; Debian's own is installed only where there is none.
if [ "${1:-}" = --tests ] && ! command -v npm > /dev/null; then
    missing="$missing nodejs npm"
fi
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || {
        echo "setup: these packages are missing and only root can install them:$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "setup: installing$missing"
$as_root apt-get -qq update
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing > /dev/null
# Debian starts a mosquitto of its own when it is installed; the tests start theirs.
