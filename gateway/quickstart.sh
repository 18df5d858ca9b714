#!/bin/sh
# Sluice on this machine in one command: installs what is missing, builds, makes
# certificates, runs the gateway with two example functions and the agent on this
# machine's own sensors, and shows what arrives and what the functions answer.
#
#   sh gateway/quickstart.sh                 until Ctrl-C
#   sh gateway/quickstart.sh --for SECONDS   ends by itself; its last line is JSON
#
# Everything it makes is in build/; nothing is installed but Debian packages.
set -eu

seconds=
case "${1:-}" in
"") ;;
--for)
    case "${2:-}" in
    "" | *[!0-9]* | 0*) echo "quickstart: --for wants a number of seconds from 1 on" >&2; exit 2 ;;
    esac
    seconds=$2
    ;;
*) echo "usage: sh gateway/quickstart.sh [--for SECONDS]" >&2; exit 2 ;;
esac

cd "$(dirname "$0")/.."
sh gateway/setup.sh
[ -f build/CMakeCache.txt ] || cmake -S . -B build -G Ninja > /dev/null
echo "quickstart: building"
cmake --build build --target sluice sluice-agent native threshold summary > build/quickstart-build.log 2>&1 ||
    { cat build/quickstart-build.log; exit 1; }
bin=$PWD/build/bin

folder=$PWD/build/quickstart
mkdir -p "$folder"
cd "$folder"
device=$(hostname | tr -c 'A-Za-z0-9\n' '-')
[ -f pki/ca.key ] || "$bin/sluice" pki init pki > /dev/null
[ -f pki/ca.crl ] || "$bin/sluice" pki renew pki > /dev/null
[ -f pki/gateway.key ] ||
    "$bin/sluice" pki issue pki gateway --server --host localhost --host 127.0.0.1 > /dev/null
[ -f "pki/$device.key" ] || "$bin/sluice" pki issue pki "$device" > /dev/null
ln -sfn ../handlers handlers
# The system chooses the ports, so that this runs beside whatever runs already; each run starts empty.
sed -e 's/127.0.0.1:1883/127.0.0.1:0/' -e 's/0.0.0.0:8883/127.0.0.1:0/' \
    ../../handlers/examples/serverless.yml > serverless.yml
rm -rf data
: > gateway.log

gateway= subscriber= agent= sleeper=
# Ends process $1 with signal $2 and waits for it.
end() {
    [ -n "$1" ] || return 0
    kill "-$2" "$1" 2> /dev/null || true
    wait "$1" 2> /dev/null || true
}
finish() {
    trap '' INT TERM HUP
    trap - EXIT
    end "$sleeper" TERM
    end "$agent" TERM
    end "$gateway" TERM
    end "$subscriber" TERM
}
trap 'status=$?; finish; exit $status' EXIT
stopped=
trap 'stopped=1' INT TERM HUP

# A Ctrl-C reaches a whole session; these have their own, and end in order when they are told.
setsid "$bin/sluice" run > gateway.out 2>> gateway.log &
gateway=$!
until grep -q 'sluice is ready' gateway.log; do
    kill -0 "$gateway" 2> /dev/null || { cat gateway.log >&2; exit 1; }
    sleep 0.1
done
mqtt=$(sed -n 's/^INFO mqtt listens on .*:\([0-9]*\)$/\1/p' gateway.log)
mqtts=$(sed -n 's/^INFO mqtts listens on .*:\([0-9]*\)$/\1/p' gateway.log)

cat << END

The gateway takes devices on port $mqtts (mutual TLS) and subscribers of this machine on port $mqtt.
Subscribe with any MQTT client, for example:

    mosquitto_sub -h 127.0.0.1 -p $mqtt -v -t 'farm/#'

What follows is just that: each sample of the agent, and what the functions answer
(farm/$device/alerts when the processor is busy, farm/summary every 5 seconds).

END
setsid mosquitto_sub -h 127.0.0.1 -p "$mqtt" -q 1 -v -t 'farm/#' &
subscriber=$!
setsid "$bin/sluice-agent" --host 127.0.0.1 --port "$mqtts" --client-id "$device" --interval 1s --flush 2s \
    --ca pki/ca.crt --certificate "pki/$device.crt" --key "pki/$device.key" --stats agent.json 2> agent.log &
agent=$!

if [ -n "$seconds" ]; then
    sleep "$seconds" &
else
    sleep 2147483647 &
fi
sleeper=$!
wait "$sleeper" || true
[ -n "$stopped" ] && echo
kill -0 "$gateway" 2> /dev/null || { echo "quickstart: the gateway ended by itself" >&2; cat gateway.log >&2; exit 1; }
finish

value() {
    sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" "$1" | tail -n 1
}
cat agent.log >&2
[ -n "$seconds" ] || exit 0
published=$(value agent.json samples_published)
acknowledged=$(value agent.json samples_acknowledged)
stored=$(value gateway.out stored)
# Lost is what was acknowledged and not stored, and what a queue took and no longer accounts for.
unstored=$((acknowledged > stored ? acknowledged - stored : 0))
unaccounted=$(($(value gateway.out accepted) - $(value gateway.out invoked) - $(value gateway.out queued) - \
    $(value gateway.out deadLetters) - $(value gateway.out sentOn) - $(value gateway.out discarded)))
printf '{"published":%d,"acknowledged":%d,"stored":%d,"invoked":%d,"results":%d,"lost":%d}\n' \
    "$published" "$acknowledged" "$stored" "$(value gateway.out invoked)" "$(value gateway.out results)" \
    $((unstored + unaccounted))
