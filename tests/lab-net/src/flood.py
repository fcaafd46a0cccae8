"""Floods with lies, a million a second and more; for the far namespace of the lab. Prints how many it sent, and in how many seconds.

usage: flood.py CARD SECONDS PACKETS_A_SECOND HOLDER

Waits for a SYN, and sends one SYN-ACK that proves nothing over and over: by frames that the kernel repeats (BPF_PROG_RUN with
BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18 and later), which cost a tenth of a system call each. The program is held by HOLDER, a card
that nothing uses: so it is not registered anew for each run.
"""

import ctypes
import os
import socket
import struct
import sys
import time

PROG_LOAD, PROG_RUN, LINK_CREATE = 5, 10, 28
XDP, ATTACH_XDP, LIVE_FRAMES = 6, 37, 2
REDIRECT = 23
SYSCALL = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = libc.syscall(SYSCALL, command, buffer, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def lie(syn):
    """A SYN-ACK to this SYN that acknowledges a number nobody sent."""
    near, far = syn[26:30], syn[30:34]
    near_port, far_port, sequence = struct.unpack("!HHI", syn[34:42])
    tcp = struct.pack("!HHIIBBHHH", far_port, near_port, 7, (sequence + 2) & 0xFFFFFFFF, 0x50, 0x12, 1000, 0, 0)
    pseudo = far + near + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, far, near)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return syn[6:12] + syn[0:6] + b"\x08\x00" + ip + tcp


def first_syn(card):
    # All protocols: one that asks for IP alone comes after the rules that make addresses dead.
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
        wire.bind((card, 3))
        wire.settimeout(30)
        while True:
            frame, where = wire.recvfrom(200)
            is_tcp = len(frame) >= 54 and frame[12:14] == b"\x08\x00" and frame[23] == 6
            if is_tcp and where[2] != socket.PACKET_OUTGOING and frame[47] & 0x3F == 2:
                return frame


def load(card):
    """A program that sends each frame out of `card`."""
    instructions = b"".join(
        struct.pack("<BBhi", *row)
        for row in [(0xB7, 1, 0, socket.if_nametoindex(card)), (0xB7, 2, 0, 0), (0x85, 0, 0, REDIRECT), (0x95, 0, 0, 0)]
    )
    code = ctypes.create_string_buffer(instructions, len(instructions))
    words = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack("<IIQQ", XDP, len(instructions) // 8, ctypes.addressof(code), ctypes.addressof(words))
    return bpf(PROG_LOAD, attributes.ljust(72, b"\0"))


def main():
    # One processor, always the same: what arrives can then be left to the others.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    card, seconds, rate, holder = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    program = load(card)
    link = bpf(LINK_CREATE, struct.pack("<IIII", program, socket.if_nametoindex(holder), ATTACH_XDP, 0))
    print("ready", flush=True)
    frame = lie(first_syn(card))
    data = ctypes.create_string_buffer(frame, len(frame))
    chunk = rate // 1000

    def run():
        bpf(
            PROG_RUN,
            struct.pack("<IIIIQQIIIIQQIII", program, 0, len(frame), 0, ctypes.addressof(data), 0, chunk, 0, 0, 0, 0, 0, LIVE_FRAMES, 0, 64).ljust(80, b"\0"),
        )

    began = time.monotonic()
    sent = 0
    while (now := time.monotonic() - began) < seconds:
        if sent <= now * rate:
            run()
            sent += chunk
        else:
            time.sleep(0.0002)
    os.close(link)
    print(sent, now, flush=True)


main()
