#!/bin/sh
# Boots an emulated 64-bit ARM board that is a device of a gateway: Debian's kernel, a
# system of busybox alone, and in it what boards/flash writes onto any board.
#
#   boot.sh --name NAME --gateway HOST [OPTION...]    as for boards/flash, without a target
#
# The board reaches this machine as 10.0.2.2, and the network through it. Its console
# is standard output; Ctrl-C switches it off, and nothing is left of it but what was
# issued for it. Kernel and busybox are fetched once into .cache/. Nobody needs to be
# root.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
debian=$root/.cache/debian-arm64-boot
kernel_name='linux-image-6.1.0-*-cloud-arm64'
# In the order in which they need one another.
modules="virtio virtio_ring virtio_mmio failover net_failover virtio_net"

fail() {
    echo "boot: $1" >&2
    exit 1
}
for program in qemu-system-aarch64 cpio; do
    command -v $program > /dev/null || fail "$program is not installed; Debian has it in qemu-system-arm and cpio"
done

work=$(mktemp -d)
board=''
end() {
    status=$?
    [ -z "$board" ] || { kill "$board" 2> /dev/null && wait "$board"; } || true
    rm -rf "$work"
    exit $status
}
trap end EXIT
trap 'exit 1' HUP INT TERM

# The system, but for the agent: $work/system.
make_system() {
    cd "$work"
    mkdir -p system/bin system/sbin system/usr/bin system/usr/lib system/usr/sbin system/etc/init.d system/lib/modules \
        system/proc system/sys system/dev system/tmp
    cp "$debian/bin/busybox" system/bin
    ln -s busybox system/bin/sh
    ln -s ../bin/busybox system/sbin/init
    for module in $modules; do
        find "$debian/lib/modules" -name "$module.ko" -exec cp {} system/lib/modules \;
    done
    echo 'PRETTY_NAME="an emulated board"' > system/usr/lib/os-release
    echo 'nameserver 10.0.2.3' > system/etc/resolv.conf
    cat > system/etc/inittab << 'END'
::sysinit:/etc/init.d/boot
::respawn:/etc/init.d/agent
END
    cat > system/etc/init.d/boot << END
#!/bin/sh
/bin/busybox --install -s
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
for module in $modules; do
    insmod /lib/modules/\$module.ko
done
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
END
    cat > system/etc/init.d/agent << 'END'
#!/bin/sh
/usr/bin/sluice-agent --config /etc/sluice/agent.conf
sleep 5
END
    chmod 755 system/etc/init.d/boot system/etc/init.d/agent
}

sh "$root/device-sdk/cmake/fetch-debian.sh" arm64 "$debian" "$kernel_name" busybox-static
(make_system)
sh "$root/boards/flash" --board qemu-arm64 --yes "$@" "$work/system"
[ -f "$work/system/usr/bin/sluice-agent" ] || exit 0 # --dry-run
(cd "$work/system" && find . | cpio --quiet --create --format=newc --owner=+0:+0 > "$work/initramfs")
qemu-system-aarch64 -M virt -cpu cortex-a53 -m 256 -nodefaults -nographic -no-reboot -serial stdio \
    -kernel "$debian"/boot/vmlinuz-* -initrd "$work/initramfs" \
    -append "console=ttyAMA0 rdinit=/sbin/init panic=-1 quiet" \
    -netdev user,id=network -device virtio-net-device,netdev=network < /dev/null &
board=$!
wait "$board"
