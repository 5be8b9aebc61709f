#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks the vectors of the formats, without the library: an implementation of its own.

	selftests/vectors/check.py [-v]

Written after include/crowdshare/FORMATS.md, with Python's standard library and the openssl command:
RSA-OAEP and Ed25519 by `openssl pkeyutl`, AES by `openssl enc` (GCM as AES-CTR with GHASH on top, as
NIST SP 800-38D has it), HKDF by hmac. KTAP on standard output.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = os.path.join(HERE, "keys")


def openssl(*args, data=b""):
    return subprocess.run(["openssl", *args], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=True).stdout


# --- RFC 5869 ---

def hkdf(secret, info, length):
    prk = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info.encode() + bytes([n]), hashlib.sha256).digest()
        out += block
        n += 1
    return out[:length]


# --- NIST SP 800-38D, on the AES of the openssl command ---

def aes_block(key, block, decrypt=False):
    return openssl("enc", "-aes-256-ecb", "-nopad", "-K", key.hex(), *(["-d"] if decrypt else []),
                   data=block)


def ghash(h, data):
    h = int.from_bytes(h, "big")
    y = 0
    for i in range(0, len(data), 16):
        x = y ^ int.from_bytes(data[i:i + 16], "big")
        y, v = 0, h
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                y ^= v
            v = v >> 1 ^ (0xe1 << 120 if v & 1 else 0)
    return y.to_bytes(16, "big")


def pad(data):
    return data + bytes(-len(data) % 16)


def gcm_tag(key, nonce, aad, sealed):
    lengths = struct.pack(">QQ", 8 * len(aad), 8 * len(sealed))
    s = ghash(aes_block(key, bytes(16)), pad(aad) + pad(sealed) + lengths)
    mask = aes_block(key, nonce + b"\0\0\0\1")
    return bytes(a ^ b for a, b in zip(s, mask))


def gcm_open(key, nonce, aad, sealed):
    """The plain bytes, or None."""
    sealed, tag = sealed[:-16], sealed[-16:]
    if gcm_tag(key, nonce, aad, sealed) != tag:
        return None
    if not sealed:
        return b""
    return openssl("enc", "-aes-256-ctr", "-nopad", "-K", key.hex(), "-iv",
                   (nonce + b"\0\0\0\2").hex(), data=sealed)


# --- RFC 8949, what is used of it ---

def cbor(data, at=0):
    """The item at a place, and where the next one begins."""
    kind, value = data[at] >> 5, data[at] & 31
    at += 1
    if value >= 24:
        size = 1 << value - 24
        assert value < 28
        value = int.from_bytes(data[at:at + size], "big")
        assert value >= (24 if size == 1 else 1 << 4 * size), "not the shortest form"
        at += size
    if kind == 0:
        return value, at
    if kind in (2, 3):
        content = bytes(data[at:at + value])
        assert len(content) == value
        return content if kind == 2 else content.decode(), at + value
    assert kind == 4
    items = []
    for _ in range(value):
        item, at = cbor(data, at)
        items.append(item)
    return items, at


# --- GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 ---

EXP, LOG = [1], {1: 0}
for _i in range(1, 255):
    _x = EXP[-1] << 1
    EXP.append(_x ^ 0x11d if _x & 0x100 else _x)
    LOG[EXP[-1]] = _i


def mul(a, b):
    return EXP[(LOG[a] + LOG[b]) % 255] if a and b else 0


def inv(a):
    return EXP[-LOG[a] % 255]


def row(k, i):
    """Coefficients of slice i."""
    if i < k:
        return [int(j == i) for j in range(k)]
    return [inv(i ^ j) for j in range(k)]


def combine(coefficients, slices):
    out = bytearray(len(slices[0]))
    for c, data in zip(coefficients, slices):
        if c:
            for at, byte in enumerate(data):
                out[at] ^= mul(c, byte)
    return bytes(out)


def restore(k, have):
    """The chunk out of {index: slice} with k of them, by Gauss and Jordan."""
    rows = [(row(k, i), bytearray(have[i])) for i in list(have)[:k]]
    for column in range(k):
        pivot = next(r for r in range(column, k) if rows[r][0][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        factor = inv(rows[column][0][column])
        rows[column] = ([mul(factor, c) for c in rows[column][0]],
                        bytearray(mul(factor, b) for b in rows[column][1]))
        for r in range(k):
            f = rows[r][0][column]
            if r == column or not f:
                continue
            rows[r] = ([a ^ mul(f, b) for a, b in zip(rows[r][0], rows[column][0])],
                       bytearray(a ^ mul(f, b) for a, b in zip(rows[r][1], rows[column][1])))
    return b"".join(bytes(data) for _, data in rows)


# --- the formats ---

class Keys:
    """Of an object, from the content secret or, for a provider, the transport secret."""

    def __init__(self, content=None, transport=None):
        self.transport = transport or hkdf(content, "crowdshare v1 transport", 32)
        self.content = content and hkdf(content, "crowdshare v1 content", 32)
        self.object = hkdf(self.transport, "crowdshare v1 object", 16)
        self.chunk_id = hkdf(self.transport, "crowdshare v1 chunk id", 32)
        self.slice = hkdf(self.transport, "crowdshare v1 slice", 32)

    def number(self, chunk_id):
        block = aes_block(self.chunk_id, chunk_id, decrypt=True)
        return int.from_bytes(block[8:], "big") if block[:8] == bytes(8) else None

    def mac(self, number, message):
        nonce = struct.pack(">QHH", number, message.index, 0)
        aad = struct.pack(">IHH", message.chunk_length, message.k, message.n) + message.slice
        return gcm_tag(self.slice, nonce, aad, b"")

    def open(self, number, last, chunk):
        end = struct.pack(">QB", number, last)
        return gcm_open(self.content, struct.pack(">Q3xB", number, last), self.object + end, chunk)


class Message:
    def __init__(self, data):
        (self.digest, self.destination, self.expiry, self.port, length, self.chunk_id,
         self.chunk_length, self.index, self.k, self.n, flags) = \
            struct.unpack(">64s16sQHH16sIHHHH", data[:120])
        assert hashlib.sha512(data[64:]).digest() == self.digest
        assert flags == 0 and length == len(data) - 120
        self.slice, self.mac = data[120:-16], data[-16:]
        assert len(self.slice) == -(-self.chunk_length // self.k)


def open_envelope(chunk, key, label):
    """The secret and the body, or None."""
    pem = os.path.join(KEYS, key + ".pem")
    try:
        secret = openssl("pkeyutl", "-decrypt", "-inkey", pem, "-pkeyopt", "rsa_padding_mode:oaep",
                         "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256",
                         "-pkeyopt", "rsa_oaep_label:" + label.encode().hex(), data=chunk[:384])
    except subprocess.CalledProcessError:
        return None
    body = gcm_open(hkdf(secret, "crowdshare v1 envelope", 32), bytes(12), chunk[:384], chunk[384:])
    assert body is not None
    fields, end = cbor(body)
    assert not body[end:].strip(b"\0")
    return secret, fields


def check_signature(public, data, signature):
    with tempfile.TemporaryDirectory() as work:
        paths = [os.path.join(work, name) for name in ("key", "data", "signature")]
        der = bytes.fromhex("302a300506032b6570032100") + public
        for path, content in zip(paths, (der, data, signature)):
            with open(path, "wb") as file:
                file.write(content)
        openssl("pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths[0], "-rawin",
                "-in", paths[1], "-sigfile", paths[2])


def check_card(v):
    lines = v["text"].split("\n")
    assert lines[-1] == ""
    del lines[-1]
    assert lines[0] == "crowdshare card 1"
    assert lines[1] == "role " + v["role"]
    assert ipaddress.IPv6Address(lines[2].split(" ", 1)[1]) == ipaddress.IPv6Address(v["address"])
    assert lines[3] == "port %d" % v["port"] and lines[4] == "key rsa %d" % v["bits"]
    der = base64.b64decode("".join(lines[5:-2]), validate=True)
    assert der.hex() == v["key"]
    assert der == openssl("pkey", "-in", os.path.join(KEYS, "recipient.pem"), "-pubout", "-outform",
                          "DER")
    assert all(len(line) == 64 for line in lines[5:-3])
    fingerprint = hashlib.sha256(der).hexdigest()
    assert fingerprint == v["fingerprint"]
    assert lines[-2] == "fingerprint " + " ".join(fingerprint[i:i + 4] for i in range(0, 64, 4))
    before = "".join(line + "\n" for line in lines[:-1])
    assert lines[-1] == "check " + hashlib.sha256(before.encode()).hexdigest()[:16]


def check_sender_card(v):
    lines = v["text"].split("\n")
    der = bytes.fromhex(v["key"])
    fingerprint = hashlib.sha256(der).hexdigest()
    assert lines[:3] == ["crowdshare card 1", "role sender", "key ed25519"] and len(lines) == 7
    assert base64.b64decode(lines[3], validate=True) == der
    assert der == openssl("pkey", "-in", os.path.join(KEYS, "ed25519.pem"), "-pubout", "-outform",
                          "DER")
    assert lines[4] == "fingerprint " + " ".join(fingerprint[i:i + 4] for i in range(0, 64, 4))
    assert fingerprint == v["fingerprint"] and lines[6] == ""
    before = "".join(line + "\n" for line in lines[:5])
    assert lines[5] == "check " + hashlib.sha256(before.encode()).hexdigest()[:16]


def check_vouch(v, keys, recipient, sender):
    data = bytes.fromhex(v["vouch"])
    fields, end = cbor(data)
    version, ingest, of, to, name, by, created, signature = fields
    assert end == len(data) and version == 1
    assert ingest.hex() == v["ingest"] and of.hex() == v["object"] and of == keys.object
    assert to.hex() == recipient["fingerprint"] and by.hex() == sender["fingerprint"]
    assert [name, created] == [v["name"], v["time"]]
    # the array of the first 7 fields: another head, and no signature
    assert data[0] == 0x88
    signed = b"crowdshare vouch v1\0" + b"\x87" + data[1:-len(signature) - 2]
    check_signature(ingest, signed, signature)


def check_keys(v):
    keys = Keys(content=bytes.fromhex(v["content_secret"]))
    assert keys.transport.hex() == v["transport_secret"]
    assert keys.content.hex() == v["content_key"]
    assert keys.object.hex() == v["object"]
    assert keys.chunk_id.hex() == v["chunk_id_key"]
    assert keys.slice.hex() == v["slice_key"]
    return keys


def check_chunk_ids(keys, vectors):
    for v in vectors:
        assert aes_block(keys.chunk_id, struct.pack(">QQ", 0, v["number"])).hex() == v["id"]
        assert keys.number(bytes.fromhex(v["id"])) == v["number"]


def check_chunks(keys, vectors):
    for v in vectors:
        chunk = bytes.fromhex(v["chunk"])
        assert keys.open(v["number"], v["last"], chunk).hex() == v["segment"]
        assert keys.open(v["number"], not v["last"], chunk) is None
        assert keys.open(v["number"] + 1, v["last"], chunk) is None


def check_erasure(vectors):
    for v in vectors:
        k, n, chunk = v["k"], v["n"], bytes.fromhex(v["chunk"])
        slices = [bytes.fromhex(s) for s in v["slices"]]
        length = len(chunk) // k
        parts = [chunk[i:i + length] for i in range(0, len(chunk), length)]
        assert len(slices) == n
        for i in range(n):
            assert combine(row(k, i), parts) == slices[i]
        if k < 50:
            assert restore(k, dict(list(enumerate(slices))[-k:])) == chunk


def check_terms(v):
    chunk = bytes.fromhex(v["envelope"])
    assert open_envelope(chunk, "recipient", "crowdshare v1 provider") is None
    assert open_envelope(chunk, "provider", "crowdshare v1 recipient") is None
    _, fields = open_envelope(chunk, "provider", "crowdshare v1 provider")
    (version, transport, recipient, created, expiry, max_price, account, sender, signature) = fields
    assert version == 1 and transport.hex() == v["transport_secret"]
    assert recipient.hex() == v["recipient"] and sender.hex() == v["sender"]
    assert [created, expiry, max_price, account] == [v[key] for key in
                                                     ("created", "expiry", "max_price", "account")]
    signed = bytes.fromhex(v["signed"])
    context = b"crowdshare terms v1\0"
    assert signed.startswith(context) and signature.hex() == v["signature"]
    assert cbor(signed[len(context):])[0] == fields[:-1]
    check_signature(sender, signed, signature)


def check_object(v):
    """From messages, those of the chunk itself lost as far as can be, and a private key."""
    chunks = {}
    for message in map(Message, map(bytes.fromhex, v["messages"])):
        assert message.destination == ipaddress.IPv6Address("2001:db8::7").packed
        assert message.port == 7475
        key = message.chunk_id, message.chunk_length, message.k, message.n
        chunks.setdefault(key, {})[message.index] = message
    envelope = transport = None
    for (chunk_id, length, k, n), messages in chunks.items():
        assert len(messages) == n
        if k > 1 or length < 384:
            continue
        for message in messages.values():
            chunk = restore(1, {message.index: message.slice})
            mine = open_envelope(chunk, "recipient", "crowdshare v1 recipient")
            his = open_envelope(chunk, "provider", "crowdshare v1 provider")
            assert mine is None or his is None
            if mine:
                envelope = mine
                assert Keys(content=mine[0]).number(chunk_id) == 0
            if his:
                transport = his[1][1]
                assert Keys(transport=transport).number(chunk_id) == 1
    assert envelope[0].hex() == v["content_secret"]
    keys = Keys(content=envelope[0])
    assert transport == keys.transport
    version, kind, name, size, segment, created, expiry = envelope[1]
    assert version == 1 and kind == (v["kind"] == "directory") and name.decode() == v["name"]
    assert created < expiry
    content = {}
    for (chunk_id, length, k, n), messages in chunks.items():
        number = keys.number(chunk_id)
        for message in list(messages.values())[::7]:
            assert keys.mac(number, message) == message.mac
            assert message.expiry == expiry
        if number < 2:
            continue
        # the last k of them
        chunk = restore(k, {i: messages[i].slice for i in range(n - k, n)})[:length]
        last = keys.open(number, 1, chunk)
        content[number] = last if last is not None else keys.open(number, 0, chunk)
        assert (last is not None) == (number == len(chunks) - 1)
        assert len(content[number]) == segment or last is not None
    check_content(b"".join(content[n] for n in sorted(content)), v)


def check_content(content, v):
    length = int.from_bytes(content[-4:], "big")
    manifest, end = cbor(content[-4 - length:-4])
    assert end == length and manifest[0] == 1
    at = 0
    for entry, file in zip(manifest[1], v["files"]):
        assert entry[1].decode() == file["path"]
        if entry[0]:
            assert len(entry) == 5
            continue
        kind, path, mode, mtime, nsec, size, sha512, sha256 = entry
        data = content[at:at + size]
        at += size
        assert data.decode() == file["text"]
        assert mode == 0o644 and mtime == 1799999000 and nsec == 123456789
        assert hashlib.sha512(data).digest() == sha512
        assert hashlib.sha256(data).digest() == sha256
    assert len(manifest[1]) == len(v["files"]) and at == len(content) - 4 - length


def main():
    with open(os.path.join(HERE, "fobject.json"), encoding="ascii") as file:
        v = json.load(file)
    keys = check_keys(v["keys"])
    checks = [
        ("card", lambda: check_card(v["card"])),
        ("sender's card", lambda: check_sender_card(v["sender_card"])),
        ("vouching", lambda: check_vouch(v["vouch"], keys, v["card"], v["sender_card"])),
        ("keys", lambda: check_keys(v["keys"])),
        ("chunk ids", lambda: check_chunk_ids(keys, v["chunk_ids"])),
        ("chunks", lambda: check_chunks(keys, v["chunks"])),
        ("slices", lambda: check_erasure(v["erasure"])),
        ("provider's envelope", lambda: check_terms(v["terms"])),
        ("file", lambda: check_object(v["file"])),
        ("directory", lambda: check_object(v["directory"])),
    ]
    failed = 0
    print("KTAP version 1\n1..%d" % len(checks))
    for number, (name, check) in enumerate(checks, 1):
        try:
            check()
            print("ok %d vectors: %s, by another implementation" % (number, name))
        except Exception as error:  # pylint: disable=broad-except
            if "-v" in sys.argv:
                raise
            failed += 1
            print("# %s: %s" % (type(error).__name__, error))
            print("not ok %d vectors: %s" % (number, name))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
