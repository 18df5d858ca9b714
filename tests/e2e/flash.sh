#!/bin/sh
# boards/flash makes a device of a card's image, of a disk, of a system's tree and of a running board: what it wrote
# publishes to the gateway as that device. What it must not touch it refuses, and --dry-run touches nothing.
. "$ROOT/tests/e2e/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
need debootstrap debugfs sfdisk mkfs.vfat dropbearkey ssh python3
[ "$(id -u)" = 0 ] || skip "only root can make a Debian system"

# Debian as it is on a board, for this machine's processor; made once.
SYSTEM=$ROOT/.cache/debian-board
if [ ! -d "$SYSTEM" ]; then
    mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2> /dev/null | head -n 1)
    mkdir -p "$ROOT/.cache"
    made=$(mktemp -d "$SYSTEM.XXXXXX")
    # shellcheck disable=SC2086 # no mirror: debootstrap's own
    debootstrap --variant=minbase --include=systemd,sudo,dropbear-bin bookworm "$made" $mirror > "$DIR/debootstrap.log" 2>&1 ||
        { rm -rf "$made"; skip "there is no Debian to be had: $(tail -n 1 "$DIR/debootstrap.log")"; }
    rm -rf "$made"/var/cache/apt "$made"/var/lib/apt/lists "$made"/usr/share/doc "$made"/usr/share/man \
        "$made"/usr/share/locale
    chmod 755 "$made"
    mv -T "$made" "$SYSTEM"
fi

make_pki
cat > "$DIR/serverless.yml" << END
gateway:
  listen: {mqtt: "127.0.0.1:0", mqtts: "127.0.0.1:0"}
  anonymous: [mqtt]
  tls: {certificate: pki/gateway.crt, key: pki/gateway.key, clientCa: pki/ca.crt, crl: pki/ca.crl}
  access:
    - {who: "device:*", publish: ["farm/%c/#"]}
    - {who: anonymous, subscribe: ["farm/#"]}
END
start_gateway
# shellcheck disable=SC2046 # a list of options
subscribe telemetry $(plain) -t 'farm/#'

# The board's sensors are one file, so that its telemetry is known; [gateway] of a profile is not taken over.
cat > "$DIR/profile.conf" << END
[gateway]
host = another.example
[sensors]
hwmon = no
iio = no
thermal = no
power = no
proc = no
[sampling]
interval = 1s
flush = 1s
[file level]
path = /etc/level
decimals = 0
END
flash() {
    sh "$ROOT/boards/flash" --gateway 127.0.0.1 --port "$MQTTS" --pki "$DIR/pki" --sluice "$BUILD/bin/sluice" \
        --agent "$BUILD/bin/sluice-agent" --profile "$DIR/profile.conf" "$@" > "$DIR/flash.log" 2>&1
}
refuses() {
    sentence=$1
    shift
    ! flash "$@" || fail "flash $* was done"
    grep -q -- "$sentence" "$DIR/flash.log" || fail "flash $* does not say '$sentence': $(cat "$DIR/flash.log")"
}
# publishes DEVICE LEVEL ROOT-FOLDER: the agent in the system there, as its service runs it.
publishes() {
    [ "$(stat -c '%a %u' "$3/etc/sluice/device.key")" = "600 0" ] || fail "the key of $1 is not root's alone"
    systemctl --root="$3" is-enabled sluice-agent > /dev/null || fail "the service of $1 is not enabled"
    chroot "$3" systemd-analyze verify sluice-agent.service || fail "the service of $1 is not right"
    echo "$2" > "$3/etc/level"
    chroot "$3" /usr/bin/sluice-agent --config /etc/sluice/agent.conf --once 2> "$DIR/agent.log" ||
        fail "the agent of $1: $(cat "$DIR/agent.log")"
    wait_for "^got farm/$1/telemetry .*\"level\":$2[,}]" "$DIR/telemetry.log" "$SUBSCRIBER"
}

# boots ROOT-FOLDER: whether systemd can be process 1 of the system there, beside this machine's; what makes the system
# a container is read-only. It is gone when the process BOOTED is told to end, as unshare itself heeds only KILL.
boots() {
    # shellcheck disable=SC2016 # expanded where it runs
    (unshare --mount --pid --fork --kill-child --cgroup --uts --ipc sh -eu -c '
        mount --bind "$1" "$1"
        mount -t proc proc "$1/proc"
        mount --bind "$1/proc/sys" "$1/proc/sys"
        mount -o remount,bind,ro "$1/proc/sys"
        mount -t sysfs -o ro sysfs "$1/sys"
        mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
        for folder in run tmp dev; do
            mount -t tmpfs -o mode=755 tmpfs "$1/$folder"
        done
        for device in null zero full random urandom tty; do
            touch "$1/dev/$device"
            mount --bind "/dev/$device" "$1/dev/$device"
        done
        mount --make-rshared "$1" # systemd lends a service its key by a mount
        touch "$1/boots"
        exec chroot "$1" env -i container=test /lib/systemd/systemd' boot "$1" > "$DIR/boot.log" 2>&1 &
    inner=$!
    trap 'kill -KILL "$inner"' TERM
    wait "$inner") &
    BOOTED=$!
    started "$BOOTED"
    until [ -e "$1/boots" ]; do
        kill -0 "$BOOTED" 2> /dev/null || return 1
        sleep 0.1
    done
}

# ---- a card's image ----

# The first partition is for the firmware, as on a Raspberry Pi.
OFFSET=$((34816 * 512))
truncate -s 200M "$DIR/card.img"
printf 'label: dos\n, 16M, c\n, , L\n' | sfdisk -q "$DIR/card.img"
mkfs.vfat --offset=2048 "$DIR/card.img" 16384 > "$DIR/mkfs.log" 2>&1
mke2fs -q -t ext4 -d "$SYSTEM" -E offset=$OFFSET "$DIR/card.img" 180M
head -c $OFFSET "$DIR/card.img" > "$DIR/firmware"
sum=$(cksum < "$DIR/card.img")

flash --name shed --dry-run "$DIR/card.img" || fail "--dry-run"
for line in 'partition 2: Debian GNU/Linux 12' '/usr/bin/sluice-agent -rwxr-xr-x' '/etc/sluice/device.key' \
    '^host = 127.0.0.1' '^client_id = shed' '^path = /etc/level'; do
    grep -q "$line" "$DIR/flash.log" || fail "--dry-run does not show '$line': $(cat "$DIR/flash.log")"
done
! grep -q another.example "$DIR/flash.log" || fail "the profile's gateway was taken over"
echo n | refuses "nothing was written" --name shed "$DIR/card.img"
refuses "nothing was written" --name shed "$DIR/card.img" < /dev/null
[ "$(cksum < "$DIR/card.img")" = "$sum" ] || fail "the image was changed though nobody said yes"
[ ! -e "$DIR/pki/shed.key" ] || fail "a key was issued though nobody said yes"

echo y | flash --name shed "$DIR/card.img" || fail "flash: $(cat "$DIR/flash.log")"
mkdir "$DIR/card"
debugfs -R "rdump / $DIR/card" "$DIR/card.img?offset=$OFFSET" > "$DIR/rdump.log" 2>&1
publishes shed 11 "$DIR/card"
head -c $OFFSET "$DIR/card.img" | cmp -s - "$DIR/firmware" || fail "something was written before the system's partition"

# It needed no root, and nothing of this tree but three files.
mkdir -p "$DIR/nobody/boards" "$DIR/nobody/device-sdk/agent" "$DIR/nobody/pki"
cp "$ROOT/boards/flash" "$ROOT/boards/flash_image.sh" "$DIR/nobody/boards"
cp "$ROOT/device-sdk/agent/sluice-agent.service" "$DIR/nobody/device-sdk/agent"
cp "$BUILD/bin/sluice" "$BUILD/bin/sluice-agent" "$DIR/nobody"
"$DIR/nobody/sluice" pki init "$DIR/nobody/pki" > "$DIR/pki.log"
chown -R 65534:65534 "$DIR/nobody" "$DIR/card.img"
setpriv --reuid 65534 --regid 65534 --clear-groups sh "$DIR/nobody/boards/flash" --name shed --gateway other.example \
    --pki "$DIR/nobody/pki" --sluice "$DIR/nobody/sluice" --agent "$DIR/nobody/sluice-agent" --yes "$DIR/card.img" \
    > "$DIR/flash.log" 2>&1 || fail "without root: $(cat "$DIR/flash.log")"
debugfs -R "cat /etc/sluice/device.key" "$DIR/card.img?offset=$OFFSET" 2> "$DIR/cat.log" |
    cmp - "$DIR/nobody/pki/shed.key" || fail "nobody's key is not on the card"
debugfs -R "stat /etc/sluice/device.key" "$DIR/card.img?offset=$OFFSET" 2> "$DIR/cat.log" |
    grep -q '^User: *0 ' || fail "the key on the card is not root's"

# A second time there is nothing but a new key; the old one is no longer good.
refuses "'shed' has a key already" --name shed --yes "$DIR/card.img"
flash --name shed --renew --yes "$DIR/card.img" || fail "--renew: $(cat "$DIR/flash.log")"
"$BUILD/bin/sluice" reload --config "$DIR/serverless.yml" > "$DIR/reload.log"
! chroot "$DIR/card" /usr/bin/sluice-agent --config /etc/sluice/agent.conf --once --linger 1s 2> "$DIR/agent.log" ||
    fail "the key that was replaced is still good"

# ---- what is refused ----

truncate -s 8M "$DIR/blank.img"
refuses "holds no Linux system" --name barn --yes "$DIR/blank.img"
refuses "no Linux system.* in partition 1" --name barn --partition 1 --yes "$DIR/card.img"
printf '\177ELF\002\001\001\0\0\0\0\0\0\0\0\0\002\0\267\0' > "$DIR/arm64"
refuses "the agent is for arm64, and the system on .* for" --name barn --agent "$DIR/arm64" --yes "$DIR/card.img"
refuses "the port has an option of its own" --gateway gateway.example:8883 --name barn --yes "$DIR/card.img"
flash --gateway fd00::7 --name barn --dry-run "$DIR/card.img" || fail "an IPv6 address: $(cat "$DIR/flash.log")"
refuses "'65536' is not allowed" --port 65536 --name barn --yes "$DIR/card.img"
printf '[sampling]\ninterval = often\n[watch level]\n' > "$DIR/wrong.conf"
refuses "takes no such configuration: nothing was written" --profile "$DIR/wrong.conf" --name barn --yes "$DIR/card.img"
grep -q "agent.conf:11: interval: " "$DIR/flash.log" && grep -q "neither 'above' nor" "$DIR/flash.log" ||
    fail "a wrong profile is not named: $(cat "$DIR/flash.log")"
refuses "is the system of this machine" --name barn --dry-run /
cat "$BUILD/bin/sluice-agent" /dev/zero | head -c 100M > "$DIR/large"
refuses "KB are needed" --name barn --agent "$DIR/large" --yes "$DIR/card.img"
for disk in $(lsblk --noheadings --nodeps --paths --output NAME,TYPE 2> /dev/null | sed -n 's/ *disk$//p'); do
    ! lsblk --noheadings --output MOUNTPOINT "$disk" | grep -qx / ||
        refuses "may be this machine's own\|in use by this machine" --name barn --dry-run "$disk"
done
[ ! -e "$DIR/pki/barn.key" ] || fail "a key was issued for what was refused"

# What the card does not take is found when it is read back.
mkdir "$DIR/bin"
# shellcheck disable=SC2016 # expanded where it runs
printf '#!/bin/sh\n[ "$1" = -w ] || exec %s "$@"\n' "$(command -v debugfs)" > "$DIR/bin/debugfs"
chmod 755 "$DIR/bin/debugfs"
(PATH=$DIR/bin:$PATH refuses "not as it should be on .*/card.img: etc/sluice/agent.conf" --name cave --yes "$DIR/card.img")

# ---- a disk ----

# attach ARGUMENT...: sets LOOP to a disk that is there until its descriptor 9 is closed, however the test ends.
attach() {
    LOOP=$(losetup --find --show "$@" 2> "$DIR/losetup.log") || return 1
    exec 9< "$LOOP"
    losetup --detach "$LOOP"
}
mkdir "$DIR/disk"
if attach "$DIR/card.img"; then
    refuses "in use as a loop device" --name barn --yes "$DIR/card.img"
    flash --name barn --yes "$LOOP" || fail "a disk: $(cat "$DIR/flash.log")"
    exec 9<&-
    debugfs -R "cat /etc/sluice/device.key" "$DIR/card.img?offset=$OFFSET" 2> "$DIR/cat.log" |
        cmp - "$DIR/pki/barn.key" || fail "the disk has another key"
    if attach --offset $OFFSET "$DIR/card.img" && mount "$LOOP" "$DIR/disk" 2> "$DIR/mount.log"; then
        refuses "in use by this machine: unmount it first" --name cellar --yes "$LOOP"
        umount "$DIR/disk"
    else
        echo "this machine cannot mount: a mounted disk was not tried"
    fi
    exec 9<&-
else
    echo "this machine has no loop devices: a disk was not tried"
fi

# A file system that e2fsck does not mend by itself.
debugfs -w -R "clri /usr/share" "$DIR/card.img?offset=$OFFSET" > "$DIR/clri.log" 2>&1
refuses "damaged or in use: nothing was written" --name stable --yes "$DIR/card.img"

# ---- a tree ----

rm -rf "$DIR/card"
cp -a "$SYSTEM" "$DIR/board"
flash --name attic --yes "$DIR/board" || fail "a folder: $(cat "$DIR/flash.log")"
publishes attic 12 "$DIR/board"
[ ! -e "$DIR/board/etc/systemd/system/sluice-agent.service.d" ] || fail "the service has groups that the system has not"
mkdir "$DIR/trap"
ln -s /etc "$DIR/trap/etc"
refuses "leads out of" --name roof --yes "$DIR/trap"

# Neither a link among its folders nor one in place of a file leads what is written out of it.
mkdir "$DIR/outside"
echo ours > "$DIR/ours"
mv "$DIR/board/etc/sluice" "$DIR/sluice"
ln -s "$DIR/outside" "$DIR/board/etc/sluice"
refuses "leads out of" --name roof --yes "$DIR/board"
rm "$DIR/board/etc/sluice"
mv "$DIR/sluice" "$DIR/board/etc/sluice"
ln -s "$DIR/ours" "$DIR/board/usr/bin/sluice-agent.new"
ln -sfn "$DIR/outside" "$DIR/board/etc/sluice/agent.conf"
ln -sf "$DIR/ours" "$DIR/board/etc/sluice/device.key"
flash --name attic --renew --yes "$DIR/board" || fail "a folder with links: $(cat "$DIR/flash.log")"
[ "$(cat "$DIR/ours")" = ours ] && [ -z "$(ls "$DIR/outside")" ] || fail "a link led out of the tree"
publishes attic 15 "$DIR/board"

# ---- a running board, whose ssh server is this machine's in that tree ----

ssh-keygen -q -t ed25519 -N '' -f "$DIR/id"
chroot "$DIR/board" dropbearkey -t ed25519 -f /etc/hostkey > "$DIR/hostkey.log" 2>&1
chroot "$DIR/board" groupadd gpio
chroot "$DIR/board" useradd --create-home --shell /bin/sh pi
for home in root home/pi; do
    mkdir -p "$DIR/board/$home/.ssh"
    cp "$DIR/id.pub" "$DIR/board/$home/.ssh/authorized_keys"
done
chroot "$DIR/board" chown -R pi: /home/pi
# shellcheck disable=SC2016 # expanded where it runs
unshare --mount sh -eu -c '
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts" # sudo wants terminals
    exec python3 "$2" "$3" chroot "$1" /usr/sbin/dropbear -i -r /etc/hostkey' \
    sshd "$DIR/board" "$ROOT/tests/e2e/inetd.py" "$DIR/port" > "$DIR/sshd.log" 2>&1 &
SSHD=$!
started "$SSHD"
wait_until test -s "$DIR/port"
cat > "$DIR/ssh.conf" << END
Host board
  HostName 127.0.0.1
  Port $(cat "$DIR/port")
  IdentityFile $DIR/id
  IdentitiesOnly yes
  UserKnownHostsFile $DIR/known_hosts
  StrictHostKeyChecking accept-new
  BatchMode yes
END
# The board has booted with systemd; its systemctl tells what it is asked for.
mkdir -p "$DIR/board/run/systemd/system"
mv "$DIR/board/usr/bin/systemctl" "$DIR/systemctl"
printf '#!/bin/sh\necho "$@" >> /systemctl.log\n' > "$DIR/board/usr/bin/systemctl"
chmod 755 "$DIR/board/usr/bin/systemctl"
refuses "neither root nor may it use sudo" --name cellar --ssh "ssh -F $DIR/ssh.conf" --yes pi@board
refuses "cannot be reached over ssh" --name cellar --ssh "ssh -F $DIR/ssh.conf" --yes ann@board
flash --name cellar --ssh "ssh -F $DIR/ssh.conf" --dry-run root@board || fail "--dry-run over ssh: $(cat "$DIR/flash.log")"
grep -q '^client_id = attic' "$DIR/board/etc/sluice/agent.conf" || fail "--dry-run changed the board"
echo y | flash --name cellar --ssh "ssh -F $DIR/ssh.conf" root@board || fail "over ssh: $(cat "$DIR/flash.log")"
expect_lines "$DIR/board/systemctl.log" daemon-reload 'restart sluice-agent'
# Where this machine cannot run the agent, the board itself checks the configuration, before the service begins.
: > "$DIR/board/systemctl.log"
printf '#!/bin/sh\nexit 1\n' > "$DIR/bin/env"
chmod 755 "$DIR/bin/env"
(PATH=$DIR/bin:$PATH refuses "has not taken it all" --profile "$DIR/wrong.conf" --name cellar --renew \
    --ssh "ssh -F $DIR/ssh.conf" --yes root@board)
grep -q "interval: " "$DIR/flash.log" || fail "the board does not name what is wrong: $(cat "$DIR/flash.log")"
[ ! -s "$DIR/board/systemctl.log" ] || fail "a service that cannot start was started"
echo 'pi ALL=(ALL) NOPASSWD: ALL' > "$DIR/board/etc/sudoers.d/pi"
flash --name cellar --renew --ssh "ssh -F $DIR/ssh.conf" --yes pi@board || fail "with sudo: $(cat "$DIR/flash.log")"
cmp "$DIR/pki/cellar.key" "$DIR/board/etc/sluice/device.key" || fail "the board has another key"
mv "$DIR/systemctl" "$DIR/board/usr/bin/systemctl"
publishes cellar 13 "$DIR/board"
if boots "$DIR/board"; then
    echo 14 > "$DIR/board/etc/level"
    (wait_for '^got farm/cellar/telemetry .*"level":14' "$DIR/telemetry.log" "$SUBSCRIBER") || {
        journalctl --no-pager --root="$DIR/board" --unit=sluice-agent
        fail "the service that starts at boot does not publish"
    }
    kill "$BOOTED"
    wait "$BOOTED" || true
else
    echo "this machine lets no second systemd run: the service was not started by one"
fi
grep -q '^SupplementaryGroups=gpio *$' "$DIR"/board/etc/systemd/system/sluice-agent.service.d/* || fail "the service may not use the pins"

# ---- a router's tree ----

mkdir -p "$DIR/router/bin" "$DIR/router/etc/init.d"
printf '\177ELF\001\001\001\0\0\0\0\0\0\0\0\0\002\0\010\0' > "$DIR/router/bin/busybox"
touch "$DIR/router/etc/rc.common"
flash --name router --agent "$DIR/router/bin/busybox" --yes "$DIR/router" || fail "a router: $(cat "$DIR/flash.log")"
cmp "$ROOT/boards/openwrt/sluice-agent.init" "$DIR/router/etc/rc.d/S95sluice-agent" || fail "procd does not start the agent"
(cd "$DIR/router" && find . ! -type d ! -path './etc/sluice/*' ! -name busybox ! -name rc.common | cut -c2-) > "$DIR/written"
grep -qx /etc/rc.d/K10sluice-agent "$DIR/written" || fail "the router got $(cat "$DIR/written")"
! grep -vxFf "$ROOT/boards/openwrt/sysupgrade.keep" "$DIR/written" || fail "an upgrade of the router's system forgets these"
cmp "$ROOT/boards/openwrt/sysupgrade.keep" "$DIR/router/lib/upgrade/keep.d/sluice-agent" || fail "nothing says what to keep"
[ ! -e "$DIR/router/usr/lib/systemd" ] || fail "the router got a service for systemd"

# One that is full leaves nothing half written, and is no "ready".
if mount -t tmpfs -o size=64k tmpfs "$DIR/disk" 2> "$DIR/mount.log"; then
    cp -a "$DIR/router/bin" "$DIR/disk"
    head -c 100K /dev/zero | cat "$DIR/router/bin/busybox" - > "$DIR/large"
    refuses "has not taken it all.*--renew" --name full --agent "$DIR/large" --yes "$DIR/disk"
    [ -z "$(find "$DIR/disk" -name '*.new')" ] || fail "what is half written stays"
    umount "$DIR/disk"
else
    echo "this machine cannot mount: a full tree was not tried"
fi
stop_gateway
