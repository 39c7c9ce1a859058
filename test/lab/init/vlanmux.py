#!/usr/bin/env python3
"""vlanmux.py TRUNK VID NAME: an 802.1Q device in user space, for kernels without one. Makes a TAP device NAME; what is
written to it leaves TRUNK tagged with VID, and what arrives there with this tag comes out of it without. Ends when the
TAP device is deleted. Prints "ready" when it is there."""
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_AUXDATA = 263, 1, 8
ETH_P_ALL, PACKET_OUTGOING, TP_STATUS_VLAN_VALID = 3, 4, 0x10

trunk, vid, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
tap = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack('16sH', name.encode(), IFF_TAP_NO_PI))
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
raw.bind((trunk, 0))
raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
# Promiscuous: guests' addresses are not the trunk's.
raw.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack('iHH8s', socket.if_nametoindex(trunk), 1, 0, b''))
poll = select.epoll()
poll.register(raw, select.EPOLLIN)
poll.register(tap, select.EPOLLIN)
print('ready', flush=True)


def from_trunk():
    data, ancillary, _, address = raw.recvmsg(65535, 64)
    if address[2] == PACKET_OUTGOING:
        return
    for level, kind, content in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = struct.unpack('IIIHHHH', content[:20])
            if status & TP_STATUS_VLAN_VALID and tci & 0xFFF == vid:
                try:
                    os.write(tap, data)
                except OSError:
                    pass  # the device is down: the frame is lost, as on metal


def from_tap():
    try:
        data = os.read(tap, 65535)
    except OSError:
        sys.exit(0)  # deleted
    try:
        raw.send(data[:12] + struct.pack('!HH', 0x8100, vid) + data[12:])
    except OSError:
        pass  # the trunk is down


while True:
    for fd, _ in poll.poll():
        if fd == tap:
            from_tap()
        else:
            try:
                from_trunk()
            except OSError:
                pass  # the trunk went down or came up
