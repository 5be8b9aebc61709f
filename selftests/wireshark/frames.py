# SPDX-License-Identifier: GPL-2.0
"""Frames and captures for the dissector's tests.

Packs and parses frames by its own reading of include/crowdshare/wire.h, with Python's hashlib for
the sums, so that it can judge the dissector.
"""
import hashlib
import struct

ETHERTYPE = 0x88B5
BROADCAST = b"\xff" * 6
BAD, GOOD, UNVERIFIED, ABSENT = "0", "1", "2", "3"

# name -> (offset after the Ethernet header, size); the payload follows at 152.
LAYOUT = {
    "link.version": (0, 1), "link.type": (1, 1), "link.hops_left": (2, 1),
    "link.key_id": (3, 1), "link.contract": (4, 4), "link.counter": (8, 8),
    "link.tag": (16, 16), "msg.digest": (32, 64), "msg.destination": (96, 16),
    "msg.expiry_seconds": (112, 8), "msg.port": (120, 2), "msg.length": (122, 2),
    "msg.chunk_id": (124, 16), "msg.chunk_length": (140, 4), "msg.index": (144, 2),
    "msg.k": (146, 2), "msg.n": (148, 2), "msg.flags": (150, 2),
}
HEADERS = 152


def tag(key, link, source, digest):
    return hashlib.blake2s(link[:16] + source + digest, key=key, digest_size=16).digest()


def frame(payload=b"payload", source=b"\x02\0\0\0\0\x01", target=BROADCAST, key=None, **fields):
    """A frame with a valid digest, and a valid tag if there is a key; fields override."""
    f = dict(version=1, type=1, hops_left=254, key_id=1 if key else 0, contract=0, counter=0,
             destination=bytes.fromhex("fd00") + bytes(13) + b"\1", expiry=1800000000, port=7,
             length=len(payload), chunk_id=bytes(range(16)), chunk_length=1000, index=2, k=24,
             n=24, flags=0)
    f.update(fields)
    message = struct.pack(">16sQHH16sIHHHH", f["destination"], f["expiry"], f["port"],
                          f["length"], f["chunk_id"], f["chunk_length"], f["index"], f["k"],
                          f["n"], f["flags"]) + payload
    digest = f.get("digest", hashlib.sha512(message).digest())
    link = struct.pack(">BBBBIQ", f["version"], f["type"], f["hops_left"], f["key_id"],
                       f["contract"], f["counter"])
    link += f.get("tag", tag(key, link, source, digest) if key else bytes(16))
    return target + source + struct.pack(">H", ETHERTYPE) + link + digest + message


def numeric(name, raw):
    """The value as tshark prints it with -T fields."""
    if name in ("link.tag", "msg.digest", "msg.chunk_id"):
        return raw.hex()
    if name == "msg.flags":
        return "0x%04x" % int.from_bytes(raw, "big")
    return str(int.from_bytes(raw, "big"))


def digest_is_right(after):
    """Of the bytes after the Ethernet header, all there: does the digest match?"""
    length = int.from_bytes(after[122:124], "big")
    return hashlib.sha512(after[96:HEADERS + length]).digest() == after[32:96]


class Capture:
    """A pcap file in the making."""

    def __init__(self, path):
        self.path = path
        self.records = []

    def add(self, data, when=1795000000, snap=None):
        """Returns the number that the frame will have."""
        self.records.append(struct.pack("<IIII", when, 0, len(data[:snap]), len(data)) +
                            data[:snap])
        return len(self.records)

    def write(self):
        with open(self.path, "wb") as f:
            f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
            f.write(b"".join(self.records))


def read_pcap(path):
    """(seconds, frame) of each record of a pcap file of Ethernet."""
    with open(path, "rb") as f:
        data = f.read()
    order = {0xA1B2C3D4: "<", 0xA1B23C4D: "<"}.get(struct.unpack_from("<I", data)[0], ">")
    if struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != 1:
        raise ValueError("%s is not a capture of Ethernet" % path)
    at, records = 24, []
    while at < len(data):
        seconds, _, captured, length = struct.unpack_from(order + "IIII", data, at)
        if captured != length:
            raise ValueError("%s has frames cut short" % path)
        records.append((seconds, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return records
