#!/bin/sh
# Buildroot and Yocto build what their recipes take of the tree, with the options that they give, and no network; the
# service for Busybox' init starts the agent and stops it. Neither build system is here: what is theirs is played.
. "$ROOT/tests/e2e/lib.sh"
need cmake ninja make start-stop-daemon
mbedtls=$(sed -n 's/^SLUICE_MBEDTLS_SOURCE:PATH=//p' "$BUILD/CMakeCache.txt")
[ -n "$mbedtls" ] || mbedtls=$(echo "$ROOT"/.cache/mbedtls-3.6*/)
recipe=$(echo "$ROOT"/boards/yocto/recipes-sluice/sluice-agent/sluice-agent_*.bb)
buildroot=$ROOT/boards/buildroot

# One Mbed TLS, with one checksum, wherever it is fetched.
they_fetch_what_cmake_fetches() {
    fetch=$ROOT/device-sdk/cmake/fetch-mbedtls.sh
    version=$(sed -n 's/^version=//p' "$fetch") sum=$(sed -n 's/^sha256=//p' "$fetch")
    grep -qx "MBEDTLS = \"mbedtls-$version\"" "$recipe" && grep -q "sha256sum\] = \"$sum\"" "$recipe" ||
        fail "Yocto's Mbed TLS is not $version of $fetch"
    grep -qx "SLUICE_MBEDTLS_VERSION = $version" "$buildroot/package/sluice-mbedtls/sluice-mbedtls.mk" &&
        grep -qx "sha256  $sum  mbedtls-$version.tar.bz2" "$buildroot/package/sluice-mbedtls/sluice-mbedtls.hash" ||
        fail "Buildroot's Mbed TLS is not $version of $fetch"
}

# builds_with OPTIONS...: in a folder with what Yocto's SRC_URI names and nothing else.
builds_with() {
    mkdir -p "$DIR/tree"
    for path in $(sed -n 's,^ *file://\([^;]*\);subdir=sluice.*,\1,p' "$recipe"); do
        cp -r "$ROOT/$path" "$DIR/tree/"
    done
    cmake -S "$DIR/tree" -B "$DIR/build" -G Ninja -DCMAKE_INSTALL_PREFIX=/usr "$@" > "$DIR/cmake.log" 2>&1 ||
        fail "it is not configured with $*"
    cmake --build "$DIR/build" --parallel 2 > "$DIR/build.log" 2>&1 || fail "it does not build with $*"
    DESTDIR=$DIR/root cmake --install "$DIR/build" > "$DIR/install.log" || fail "it does not install"
    "$DIR/root/usr/bin/sluice-agent" --help > "$DIR/help" || fail "the agent ends with status $?"
}

both_give_the_same_options() {
    cat > "$DIR/Makefile" << END
BR2_EXTERNAL_SLUICE_PATH = $buildroot
SLUICE_MBEDTLS_DIR = $mbedtls
include \$(BR2_EXTERNAL_SLUICE_PATH)/external.mk
options: ; @echo \$(SLUICE_AGENT_CONF_OPTS)
END
    options=$(make -s -f "$DIR/Makefile" options)
    [ "$(sed -n 's/^EXTRA_OECMAKE = "\(.*\)"/\1/p' "$recipe" | sed "s,\${S}/\${MBEDTLS},$mbedtls,")" = "$options" ] ||
        fail "Yocto gives other options than Buildroot: $options"
    # shellcheck disable=SC2086 # a list of words
    builds_with $options
}

# The script, with its files in $DIR and a logger of ours.
init_starts_and_stops_the_agent() {
    make_pki board
    mkdir "$DIR/etc" "$DIR/run" "$DIR/bin"
    printf '#!/bin/sh\ncat >> "%s/logged"\n' "$DIR" > "$DIR/bin/logger"
    chmod +x "$DIR/bin/logger"
    sed "s,/etc/sluice,$DIR/etc,; s,/var/run,$DIR/run,; s,/usr/bin,$DIR/root/usr/bin," \
        "$buildroot/package/sluice-agent/S60sluice-agent" > "$DIR/service"
    printf '[gateway]\nhost = gateway.invalid\nca = %s/ca.crt\ncertificate = %s/board.crt\nkey = %s/device.key\n' \
        "$DIR/pki" "$DIR/pki" "$DIR/etc" > "$DIR/etc/agent.conf"
    PATH=$DIR/bin:$PATH sh "$DIR/service" start
    [ ! -e "$DIR/run/sluice-agent.pid" ] || fail "it starts without a key"
    cp "$DIR/pki/board.key" "$DIR/etc/device.key"
    PATH=$DIR/bin:$PATH sh "$DIR/service" start
    wait_until test -s "$DIR/run/sluice-agent.pid"
    agent=$(cat "$DIR/run/sluice-agent.pid")
    started "$agent"
    wait_until grep -qs gateway.invalid "$DIR/logged"
    [ "$(cat "/proc/$agent/comm")" = sluice-agent ] || fail "the service's process is $(cat "/proc/$agent/comm")"
    PATH=$DIR/bin:$PATH sh "$DIR/service" start || fail "a second start is an error"
    started "$(cat "$DIR/run/sluice-agent.pid")"
    [ "$(find /proc -maxdepth 2 -name exe -lname "$DIR/root/*" 2> /dev/null)" = "/proc/$agent/exe" ] ||
        fail "a second start runs a second agent"
    PATH=$DIR/bin:$PATH sh "$DIR/service" stop
    [ ! -e "/proc/$agent" ] || fail "the agent has not ended"
}

# After a crash the number in the file may be another process's.
init_stops_nothing_else() {
    sleep 1000 &
    other=$!
    started "$other"
    echo "$other" > "$DIR/run/sluice-agent.pid"
    PATH=$DIR/bin:$PATH sh "$DIR/service" stop || fail "there is nothing to stop, and that is an error"
    kill -0 "$other" || fail "another process was ended"
    [ ! -e "$DIR/run/sluice-agent.pid" ] || fail "the number of another process stays"
}

they_fetch_what_cmake_fetches
both_give_the_same_options
init_starts_and_stops_the_agent
init_stops_nothing_else
