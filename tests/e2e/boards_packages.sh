#!/bin/sh
# What cpack makes for each board: a package that dpkg installs, upgrades without touching the configuration and
# purges without touching the key, and OpenWrt's archive with a service for procd. No package holds a key.
. "$ROOT/tests/e2e/lib.sh"
need cpack dpkg-deb deb-systemd-helper qemu-mipsel-static
umask 027 # as on some builder's machine

# package BOARD: makes it in $DIR/BOARD.
package() {
    cpack --config "$BUILD/boards/$1/CPackConfig.cmake" -B "$DIR/$1" > "$DIR/cpack.log" 2>&1 || fail "cpack for $1"
}

# all_can_read LISTING: as tar shows what a package holds. The agent has a user of its own.
all_can_read() {
    ! grep -v '^[d-]rwxr-xr-x \|^-rw-r--r-- ' "$1" || fail "not everybody can read these, or more than the owner can write"
}

# is_for BOARD ARCHITECTURE: the package of Debian for it, with a stripped program and no key in it.
is_for() {
    package "$1"
    deb=$DIR/$1/sluice-agent_0.1.0_$1.deb
    [ "$(dpkg-deb --field "$deb" Package Architecture)" = "Package: sluice-agent
Architecture: $2" ] || fail "$1: $(dpkg-deb --field "$deb")"
    dpkg-deb --contents "$deb" > "$DIR/contents"
    all_can_read "$DIR/contents"
    dpkg-deb --extract "$deb" "$DIR/$1/tree"
    (cd "$DIR/$1/tree" && find . ! -type d | LC_ALL=C sort) > "$DIR/files"
    expect_lines "$DIR/files" ./etc/sluice/agent.conf ./usr/bin/sluice-agent \
        ./usr/lib/systemd/system/sluice-agent.service ./usr/share/doc/sluice-agent/copyright
    [ "$(wc -c < "$DIR/$1/tree/usr/bin/sluice-agent")" -lt "$(wc -c < "$BUILD/boards/$1/bin/sluice-agent")" ] ||
        fail "the program for $1 is not stripped"
}

# debian COMMAND...: dpkg on a root folder of its own, whatever this machine is.
debian() {
    dpkg --root="$DIR/root" --force-architecture --force-script-chrootless --force-not-root --force-confold "$@" \
        > "$DIR/dpkg.log" 2>&1 < /dev/null || fail "dpkg $*"
}

dpkg_keeps_what_is_the_owners() {
    mkdir -p "$DIR/root/var/lib/dpkg/info" "$DIR/root/var/lib/dpkg/updates" "$DIR/root/etc/sluice"
    : > "$DIR/root/var/lib/dpkg/status"
    wanted=$DIR/root/etc/systemd/system/multi-user.target.wants/sluice-agent.service
    debian --install "$DIR/beaglebone/sluice-agent_0.1.0_beaglebone.deb"
    [ -L "$wanted" ] || fail "the service does not begin with the system"
    echo key > "$DIR/root/etc/sluice/device.key"
    sed -i 's/^host = .*/host = mine/' "$DIR/root/etc/sluice/agent.conf"
    debian --install "$DIR/raspberrypi-armhf/sluice-agent_0.1.0_raspberrypi-armhf.deb"
    grep -qx 'host = mine' "$DIR/root/etc/sluice/agent.conf" || fail "an upgrade has replaced the configuration"
    debian --remove sluice-agent
    [ -f "$DIR/root/etc/sluice/agent.conf" ] || fail "the configuration is gone without a purge"
    debian --purge sluice-agent
    [ ! -e "$DIR/root/etc/sluice/agent.conf" ] && [ ! -L "$wanted" ] || fail "a purge leaves the configuration or the service"
    [ -f "$DIR/root/etc/sluice/device.key" ] || fail "the key is gone"
}

# rc.common, as far as the service's script asks of it: what procd is told, one line for each call.
procd_starts_what_is_in_the_archive() {
    package openwrt
    mkdir "$DIR/router"
    tar -tvzf "$DIR/openwrt/sluice-agent_0.1.0_openwrt.tar.gz" > "$DIR/contents"
    all_can_read "$DIR/contents"
    tar -xzof "$DIR/openwrt/sluice-agent_0.1.0_openwrt.tar.gz" -C "$DIR/router"
    [ -z "$(find "$DIR/router" -name '*.key' -o -path '*/etc/sluice/*')" ] || fail "a key, or the owner's configuration"
    (
        procd_open_instance() { :; }
        procd_set_param() { echo "$@"; }
        procd_close_instance() { echo closed; }
        . "$DIR/router/etc/init.d/sluice-agent"
        [ "$USE_PROCD" = 1 ] && start_service
        # shellcheck disable=SC2153 # the script's
        printf '%s\n' "/etc/rc.d/S$START""sluice-agent" "/etc/rc.d/K$STOP""sluice-agent" > "$DIR/enabled"
    ) > "$DIR/procd"
    grep -qx 'command /usr/bin/sluice-agent --config /etc/sluice/agent.conf' "$DIR/procd" || fail "$(cat "$DIR/procd")"
    grep -qx closed "$DIR/procd" || fail "the instance is left open"
    for path in $(cat "$DIR/enabled") /etc/sluice/ $(cd "$DIR/router" && find etc lib usr/bin -type f -printf '/%p '); do
        grep -qxF "$path" "$DIR/router/lib/upgrade/keep.d/sluice-agent" || fail "an upgrade of the system forgets $path"
    done
    qemu-mipsel-static -cpu 24Kc "$DIR/router/usr/bin/sluice-agent" --list \
        --config "$DIR/router/usr/share/sluice-agent/agent.conf" > "$DIR/list" || fail "the agent ends with status $?"
    grep -q '^load1 ' "$DIR/list" || fail "the agent finds no sensors: $(cat "$DIR/list")"
}

is_for raspberrypi-arm64 arm64
is_for raspberrypi-armhf armhf
is_for beaglebone armhf
is_for visionfive riscv64
is_for qemu-arm64 arm64
dpkg_keeps_what_is_the_owners
procd_starts_what_is_in_the_archive
