"""Answers SYNs wrongly; for the far namespace of the lab.

usage: forger.py CARD MODE SECONDS, where MODE is right, cookie, address, port, truncated, fragment, or hold

hold keeps the right answers until a second has passed without a question, and
then sends them all together.
"""

import ctypes
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


class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("parts", ctypes.POINTER(Part)),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_int),
        ("sent", ctypes.c_uint32),
    ]


class Volley:
    """Frames that sendmmsg(2) takes together: one call of this language for a thousand frames."""

    def __init__(self, frames):
        self.frames = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
        self.parts = [Part(ctypes.addressof(frame), len(frame)) for frame in self.frames]
        self.messages = (Message * len(frames))()
        for message, part in zip(self.messages, self.parts):
            message.parts, message.part_count = ctypes.pointer(part), 1
        self.send_all = ctypes.CDLL(None).sendmmsg

    def send(self, wire):
        return max(0, self.send_all(wire.fileno(), self.messages, len(self.messages), 0))


def main():
    card, mode, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    # All protocols: one that asks for IP alone comes after the rules that make addresses dead.
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((card, 3))
    wire.settimeout(0.2)
    until = time.monotonic() + seconds
    sent = 0
    held, heard = [], time.monotonic()
    if mode == "hold":
        wire.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
    print("ready", flush=True)
    while time.monotonic() < until:
        if held and time.monotonic() - heard > 1:
            for first in range(0, len(held), 1000):
                sent += Volley(held[first : first + 1000]).send(wire)
                # As fast as a ring of moderate size is emptied: what is lost there is another matter.
                time.sleep(0.01)
            held = []
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
        if mode == "hold":
            held.append(answers["right"]())
            heard = time.monotonic()
            continue
        wire.send(answers[mode]())
        sent += 1
    print(sent, flush=True)


main()
