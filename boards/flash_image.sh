# Part of boards/flash: the targets that are the image of a card, or a disk.
#
# debugfs reads and writes the ext4 file system where it lies in the image. Of its
# errors nothing is read, for it ends with 0 whatever happens: image_check reads
# back what was to be written, and has e2fsck look at the whole.
# shellcheck shell=sh disable=SC2154,SC2034 # boards/flash sets and reads the rest

ask_file_system() {
    debugfs -R "$1" "$file_system" 2> /dev/null
}

image_has() {
    ask_file_system "stat $1" | grep -q '^Inode:'
}

image_read() {
    ask_file_system "cat $1"
}

image_link() {
    ask_file_system "stat $1" | sed -n 's/^Fast link dest: "\(.*\)"$/\1/p'
}

# Sets file_system to the only partition with a Linux system on it, for debugfs.
find_file_system() {
    table=$(sfdisk --dump "$target" 2> /dev/null | sed -n 's/.*[^0-9]\([0-9]*\) : start= *\([0-9]*\),.*/\1 \2/p')
    found=0
    for entry in $(echo "${table:-0 0}" | tr ' ' :); do
        number=${entry%:*}
        [ -z "$partition" ] || [ "$partition" = "$number" ] || continue
        file_system="$target?offset=$((${entry#*:} * 512))"
        image_has /etc/passwd || continue
        found=$((found + 1)) chosen=$number where=$file_system
    done
    case $found in
    0) fail "$target holds no Linux system on an ext4 file system${partition:+ in partition $partition}" ;;
    1) partition=${chosen#0} file_system=$where ;;
    *) fail "$target holds more than one Linux system: choose by --partition" ;;
    esac
}

image_inspect() {
    [ -w "$target" ] || fail "$target cannot be written by this user"
    ! grep -qsxF "$(readlink -f "$target")" /sys/block/loop*/loop/backing_file || fail "$target is in use as a loop device"
    for program in sfdisk debugfs e2fsck; do
        command -v $program > /dev/null || fail "$program is not installed; Debian has it in e2fsprogs and fdisk"
    done
    case $target in *\?*) fail "the name of the image may have no '?' in it" ;; esac
    target=$(cd "$(dirname "$target")" && pwd)/$(basename "$target")
    find_file_system
    kind=image
    inspect_files
}

check_room() {
    need=$(du -sk "$work/tree" | cut -f1)
    room=$(ask_file_system stats | awk -F: '/^Free blocks/ { free = $2 } /^Block size/ { size = $2 } END { print int(free * size / 1024) }')
    [ "$room" -gt $((need + 256)) ] || fail "there are $room KB free on the system's partition, and $need KB are needed"
}

# Commands for debugfs. What there is of the name goes first: debugfs overwrites nothing.
image_commands() {
    (cd "$work/tree" && find . -mindepth 1 -type d | sort | cut -c2-) | while read -r folder; do
        image_has "$folder" || echo "mkdir $folder" # for one that is there, debugfs would make an inode without a name
    done
    tree_files | while read -r file; do
        echo "rm /$file"
        if [ -L "$work/tree/$file" ]; then
            echo "symlink /$file $(readlink "$work/tree/$file")"
            continue
        fi
        echo "write $file /$file"
        echo "set_inode_field /$file mode 0100$(stat -c %a "$work/tree/$file")"
        echo "set_inode_field /$file uid 0"
        echo "set_inode_field /$file gid 0"
    done
}

image_prepare() {
    check_room
    status=0
    e2fsck -fp "$file_system" > "$work/e2fsck.log" 2>&1 || status=$?
    [ $status -lt 4 ] || { cat "$work/e2fsck.log" >&2 && fail "the system's file system is damaged or in use: nothing was written"; }
}

image_put() {
    image_commands > "$work/commands"
    (cd "$work/tree" && debugfs -w -f "$work/commands" "$file_system") > "$work/debugfs.log" 2>&1
    sync "$target"
}

image_check() {
    e2fsck -fn "$file_system" > "$work/e2fsck.log" 2>&1 || echo "the file system, of which e2fsck says: $(cat "$work/e2fsck.log")"
    check_files
}

# ---- a disk ----

# in_use NUMBER NAME: whether the disk or partition of that major:minor is mounted, swapped to, or part of something.
in_use() {
    grep -q " $1 " /proc/self/mountinfo && return
    grep -q -- " - [^ ]* /dev/$2 " /proc/self/mountinfo && return
    grep -q "^/dev/$2[[:space:]]" /proc/swaps && return
    [ -n "$(ls "/sys/dev/block/$1/holders" 2> /dev/null)" ]
}

disk_inspect() {
    target=$(readlink -f "$target")
    node=${target##*/}
    sys=/sys/class/block/$node
    [ -d "$sys" ] || fail "$target is no disk of this machine"
    [ ! -e "$sys/partition" ] || fail "$target is a partition; name the disk that it is on"
    case $(readlink -f "$sys") in
    */usb[0-9]* | */mmc_host/* | */block/loop*) ;;
    *) [ "$(cat "$sys/removable")" = 1 ] || fail "$target is neither an SD card nor a disk that can be removed: it may be this machine's own" ;;
    esac
    for part in "$sys" "$sys/$node"*; do
        [ -e "$part/dev" ] || continue
        ! in_use "$(cat "$part/dev")" "${part##*/}" || fail "${part##*/} is in use by this machine: unmount it first"
    done
    image_inspect
}
