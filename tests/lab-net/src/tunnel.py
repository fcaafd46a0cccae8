"""Joins two namespaces by a tunnel without Ethernet: what enters a TUN device here leaves one over there.

usage: tunnel.py NAME-HERE NAME-THERE NAMESPACE-OF-THERE SECONDS
"""

import ctypes
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
CLONE_NEWNET = 0x40000000


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def main():
    here, there, namespace, seconds = sys.argv[1:5]
    ends = [tun(here)]
    other = os.open(namespace, os.O_RDONLY)
    if ctypes.CDLL(None).setns(other, CLONE_NEWNET) != 0:
        sys.exit("the other namespace cannot be entered")
    ends.append(tun(there))
    print("ready", flush=True)
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        ready, _, _ = select.select(ends, [], [], 0.2)
        for end in ready:
            try:
                for _ in range(64):
                    os.write(ends[1 - ends.index(end)], os.read(end, 65536))
            except BlockingIOError:
                pass
            except OSError:
                # The other end is not up yet.
                pass


main()
