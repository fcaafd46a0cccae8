"""Answers SYNs wrongly, or floods; for the far namespace of the lab.

usage: forger.py CARD MODE SECONDS, where MODE is right, cookie, address, port, truncated, fragment, or flood
"""

import socket
import struct
import sys
import time


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn_ack(macs, source, target, ports, acknowledged, fragment=0):
    tcp = struct.pack("!HHIIBBHHH", ports[0], ports[1], 7, acknowledged, 0x50, 0x12, 1000, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, fragment, 64, 6, 0, source, target)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return macs + b"\x08\x00" + ip + tcp


def main():
    card, mode, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    # All protocols: one that asks for IP alone comes after the rules that make addresses dead.
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((card, 3))
    wire.settimeout(0.2)
    until = time.monotonic() + seconds
    sent = 0
    print("ready", flush=True)
    while time.monotonic() < until:
        try:
            frame, where = wire.recvfrom(200)
        except socket.timeout:
            continue
        if where[2] == socket.PACKET_OUTGOING or len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6 or frame[47] & 0x3F != 2:
            continue
        macs = frame[6:12] + frame[0:6]
        near, far = frame[26:30], frame[30:34]
        near_port, far_port, sequence = struct.unpack("!HHI", frame[34:42])
        right = (sequence + 1) & 0xFFFFFFFF
        neighbour = far[:3] + bytes([far[3] ^ 1])
        answers = {
            "right": lambda: syn_ack(macs, far, near, (far_port, near_port), right),
            "cookie": lambda: syn_ack(macs, far, near, (far_port, near_port), (right + 1) & 0xFFFFFFFF),
            "address": lambda: syn_ack(macs, neighbour, near, (far_port, near_port), right),
            "port": lambda: syn_ack(macs, far, near, (far_port ^ 1, near_port), right),
            "truncated": lambda: syn_ack(macs, far, near, (far_port, near_port), right)[:44],
            "fragment": lambda: syn_ack(macs, far, near, (far_port, near_port), right, 0x2000 | 1),
        }
        if mode in answers:
            wire.send(answers[mode]())
            sent += 1
            continue
        lie = syn_ack(macs, far, near, (far_port, near_port), (right + 1) & 0xFFFFFFFF)
        while time.monotonic() < until:
            for _ in range(1000):
                try:
                    wire.send(lie)
                    sent += 1
                except OSError:
                    pass
    print(sent, flush=True)


main()
