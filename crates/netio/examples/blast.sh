#!/bin/sh
# Run as `unshare -n sh blast.sh PROGRAM ARGUMENTS...`: a second namespace answers for 10.0.0.0/10 (DARK=1: drops it).
set -eu
ip link set lo up
unshare -n sleep 120 &
far=$!
trap 'kill $far' EXIT
sleep 0.3
ip link add near type veth peer name far netns $far
far() { nsenter --net=/proc/$far/ns/net "$@"; }
ip address add 192.0.2.1/24 dev near
ip link set near up
far ip link set lo up
far ip link set far up
far ip address add 192.0.2.2/24 dev far
if [ "${DARK:-0}" = 1 ]; then
    far ip route add blackhole 10.0.0.0/10
else
    far ip route add local 10.0.0.0/10 dev lo
fi
ip route add default via 192.0.2.2
"$@"
