#!/bin/sh
# What pipework does to attach one container to a bridge, as `ip` commands, in the same order and each a program of its own.
#
#     pipework.sh UPLINK PID ADDRESS/LEN GATEWAY [arping]
#
# Finding the container (docker inspect, the search of the control groups) is not in it, nor are the questions to tools
# for other kinds of uplinks: it is told the process. So the original takes longer.
set -eu
uplink=$1 pid=$2 address=$3 gateway=$4 announce=${5-}
inside=eth1
outside=v${inside}pl$pid

[ -d "/sys/class/net/$uplink/bridge" ]
mkdir -p /var/run/netns
rm -f "/var/run/netns/$pid"
ln -s "/proc/$pid/ns/net" "/var/run/netns/$pid"

mtu=$(ip link show "$uplink" | awk '{ for (i = 1; i < NF; i++) if ($i == "mtu") print $(i + 1) }')
if ip link show "$outside" >/dev/null 2>&1; then
    ip link delete "$outside"
fi
ip link add name "$outside" mtu "$mtu" type veth peer name "g$outside" mtu "$mtu"
ip link set "$outside" master "$uplink"
ip link set "$outside" up

ip link set "g$outside" netns "$pid"
ip netns exec "$pid" ip link set "g$outside" name "$inside"
ip netns exec "$pid" ip -4 address add "$address" brd + dev "$inside"
ip netns exec "$pid" ip -4 route delete default >/dev/null 2>&1 || true
ip netns exec "$pid" ip link set "$inside" up
if ip netns exec "$pid" ip -4 route get "$gateway" | grep -q via; then
    ip netns exec "$pid" ip -4 route add "$gateway/32" dev "$inside"
fi
ip netns exec "$pid" ip -4 route replace default via "$gateway"
if [ -n "$announce" ]; then
    ip netns exec "$pid" arping -c 1 -A -I "$inside" "${address%/*}" >/dev/null 2>&1 || true
fi
rm -f "/var/run/netns/$pid"
