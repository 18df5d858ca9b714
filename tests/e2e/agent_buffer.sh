#!/bin/sh
# The agent publishes the mean of what an IIO device has put into its buffer, and waits for the first of it. A directory
# tree is the board's sysfs, a FIFO the device.
. "$ROOT/tests/e2e/lib.sh"
need mosquitto_sub

make_pki shed
configure_clients
start_gateway
device=$DIR/sys/bus/iio/devices/iio:device0
mkdir -p "$device/scan_elements" "$device/buffer" "$DIR/dev"
echo adxl355 > "$device/name"
echo 0.5 > "$device/in_accel_scale"
echo 0 > "$device/scan_elements/in_accel_x_en"
echo 0 > "$device/scan_elements/in_accel_x_index"
echo 'be:s16/16>>0' > "$device/scan_elements/in_accel_x_type"
echo 0 > "$device/buffer/enable"
echo 1 > "$device/buffer/length"
mkfifo "$DIR/dev/iio:device0"
exec 3<> "$DIR/dev/iio:device0"
cat > "$DIR/agent.conf" << END
$(agent_gateway shed)
topic = t/shed

[sensors]
root = $DIR
proc = no

[buffer shake]
device = adxl355
END
subscribe all $(plain) -t 't/#'
all=$SUBSCRIBER
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --once 2> "$DIR/agent.log" &
agent=$!
started "$agent"
wait_until grep -q 1 "$device/buffer/enable"
printf '\000\012\377\376\000\007' >&3 # 10, -2, 7
wait "$agent" || fail "the agent ended with status $?"
wait_for '^got t/shed 0 0 {"time":[0-9.]*,"shake_accel_x":2.5}$' "$DIR/all.log" "$all"
[ "$(cat "$device/buffer/enable")" = 0 ] || fail "the device was left running"

sed -i 's/adxl355/adxl356/' "$DIR/agent.conf"
status=0
"$BUILD/bin/sluice-agent" --config "$DIR/agent.conf" --once 2> "$DIR/agent.log" || status=$?
[ "$status" = 1 ] || fail "status $status, not 1, without the device: its driver may be loaded later"
grep -q "\[buffer shake\]: no IIO device is called 'adxl356' and has scan elements" "$DIR/agent.log" ||
    fail "the device that is missing is not named"
stop_gateway
