# SPDX-License-Identifier: GPL-2.0
"""Checks what the dissector shows against values computed here; see dissector.sh."""
import hashlib
import ipaddress
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import frames
from frames import ABSENT, BAD, GOOD, UNVERIFIED, frame
from tshark import (SCRIPT, Ktap, compare, expected, experts_of, fields, keys_option, need, run,
                    show)

NOW = 1795000000
KEY_A, KEY_B = hashlib.sha256(b"a").digest(), hashlib.sha256(b"b").digest()
MAC_A, MAC_B = bytes.fromhex("020000000001"), bytes.fromhex("02000000000b")


class Case:
    """A frame, what the dissector is to say of it beyond its plain fields."""

    def __init__(self, name, data, digest=GOOD, tag=ABSENT, experts=(), **more):
        self.name, self.data, self.experts = name, data, experts
        self.want = {"msg.digest_status": digest, "link.tag_status": tag}
        self.want.update(more)


def one_wrong_bit(data, at):
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)


def sound_cases():
    yield Case("plain", frame())
    yield Case("no payload", frame(b""))
    yield Case("default frame", frame(bytes(i % 256 for i in range(1234))))
    yield Case("largest payload", frame(b"\xa5" * 65535))
    for size in (54, 55, 56, 71, 72, 73, 183, 184, 199, 200, 201):
        # Around the ends of SHA-512 blocks: 56 bytes of header are hashed, too.
        yield Case("payload of %d" % size, frame(b"\x80" * size))
    for hops in (0, 1, 255):
        yield Case("hops_left %d" % hops, frame(hops_left=hops))
    yield Case("contract", frame(contract=0xFEDCBA98))
    yield Case("highest numbers", frame(contract=0xFFFFFFFF, port=65535, chunk_length=0xFFFFFFFF,
                                        index=65534, k=65535, n=65535))
    yield Case("counter", frame(counter=0xFFFFFFFFFFFFFFFE), experts=["counter"])
    yield Case("address of a wired node",
               frame(destination=ipaddress.IPv6Address("2001:db8::7").packed))
    yield Case("to one peer", frame(target=MAC_B))
    yield Case("good tag", frame(key=KEY_A), tag=GOOD)
    yield Case("good tag, all of the header used",
               frame(key=KEY_B, source=MAC_B, key_id=255, hops_left=0, contract=1 << 31,
                     counter=1 << 63), tag=GOOD, experts=["counter"])


def wrong_cases():
    good = frame(b"x" * 100, key=KEY_A)
    yield Case("payload altered", one_wrong_bit(good, len(good) - 1), BAD, GOOD, ["digest"])
    yield Case("destination altered", one_wrong_bit(good, 14 + 96), BAD, GOOD, ["digest"])
    yield Case("digest altered", one_wrong_bit(good, 14 + 32 + 63), BAD, BAD, ["digest", "tag"])
    yield Case("digest of another message", frame(b"forged", digest=good[46:110]), BAD,
               experts=["digest"])
    yield Case("tag altered", one_wrong_bit(good, 14 + 31), GOOD, BAD, ["tag"])
    yield Case("hops_left altered", one_wrong_bit(good, 14 + 2), GOOD, BAD, ["tag"])
    yield Case("source altered", one_wrong_bit(good, 11), GOOD, BAD, ["tag"])
    yield Case("unknown key", frame(key=bytes(32)), tag=BAD, experts=["tag"])
    yield Case("tag without key id", frame(tag=b"t" * 16), experts=["tag_unkeyed"])
    yield Case("key id without tag", frame(key_id=3), tag=BAD, experts=["tag", "tag_zero"])
    yield Case("flags", frame(flags=0x8001), experts=["flags"])
    yield Case("index is n", frame(index=24, k=24, n=24), experts=["index"])
    yield Case("k above n", frame(k=25, n=24), experts=["k"])
    yield Case("k is 0", frame(k=0), experts=["k"])
    yield Case("n is 0", frame(index=0, k=0, n=0), experts=["index", "k"])
    yield Case("one byte after the end", frame() + b"\0", experts=["trailing"])
    yield Case("many bytes after the end", frame() + b"!" * 1000, experts=["trailing"])
    yield Case("length too small", frame(b"abcdef", length=4), BAD,
               experts=["digest", "trailing"])
    yield Case("expired", frame(expiry=NOW - 1), experts=["expired"])
    yield Case("expires now", frame(expiry=NOW))
    yield Case("expiry 0", frame(expiry=0), experts=["expired"])
    yield Case("expiry in the year 9999", frame(expiry=253402300799))
    for expiry in (253402300800, 1 << 32 << 31, (1 << 64) - 1):
        yield Case("expiry %d" % expiry, frame(expiry=expiry), experts=["expiry"],
                   **{"msg.expiry": "", "msg.time_left": ""})


def check_cases(ktap, folder, name, cases):
    cases = list(cases)
    capture = frames.Capture(os.path.join(folder, "cases.pcap"))
    for i, case in enumerate(cases):
        capture.add(case.data, NOW)
    capture.write()
    faults, rows = show(capture.path, *keys_option(KEY_A.hex(), KEY_B.hex()))
    if len(rows) != len(cases):
        faults.append("%d rows of %d frames" % (len(rows), len(cases)))
    for case, row in zip(cases, rows):
        # Some cases are alike on purpose; copies have their own test.
        experts = set(case.experts) | (experts_of(row) & {"repeated"})
        faults += compare(case.name, row, {**expected(case.data, NOW), **case.want}, experts)
    ktap.result("%s: %d frames" % (name, len(cases)), faults)


def check_expiry(ktap, folder):
    """Absolute time, as text: Wireshark's notation."""
    capture = frames.Capture(os.path.join(folder, "expiry.pcap"))
    times = [0, 1, 1234567890, 1800000000, 4294967295, 4294967296, 253402300799]
    for when in times:
        capture.add(frame(expiry=when))
    capture.write()
    faults, rows = show(capture.path)
    for when, row in zip(times, rows):
        t = time.gmtime(when)
        old = time.strftime("%b %e, %Y %H:%M:%S.000000000 UTC", t)
        new = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", t)
        if row["msg.expiry"] not in (old, new, new.replace(".000000000", "")):
            faults.append("expiry %d is shown as %s" % (when, row["msg.expiry"]))
    ktap.result("expiry as absolute time", faults)


def check_unknown(ktap, folder):
    """Of another version nothing is known but the version; of another type the link header."""
    capture = frames.Capture(os.path.join(folder, "unknown.pcap"))
    for version in (0, 2, 255):
        capture.add(frame(version=version))
    for kind in (0, 2, 255):
        capture.add(frame(type=kind, contract=77))
    capture.write()
    faults, rows = show(capture.path)
    for version, row in zip((0, 2, 255), rows):
        faults += compare("version %d" % version, row,
                          {"link.version": str(version), "link.type": "", "msg.digest": ""},
                          ["version"])
    for kind, row in zip((0, 2, 255), rows[3:]):
        faults += compare("type %d" % kind, row,
                          {"link.type": str(kind), "link.contract": "77", "msg.digest": "",
                           "link.tag": "0" * 32}, ["type"])
    if len(rows) != 6:
        faults.append("%d rows of 6 frames" % len(rows))
    ktap.result("unknown versions and types", faults)


def check_lengths(ktap, folder, snap):
    """Every length of a frame: truncated on the wire, or by the capture."""
    whole = frame(b"p" * 40, key=KEY_A)
    capture = frames.Capture(os.path.join(folder, "lengths.pcap"))
    for length in range(14, len(whole)):
        if snap:
            capture.add(whole, snap=length)
        else:
            capture.add(whole[:length])
    capture.write()
    faults, rows = show(capture.path, *keys_option(KEY_A.hex()))
    if len(rows) != len(whole) - 14:
        faults.append("%d rows of %d frames" % (len(rows), len(whole) - 14))
    for length, row in zip(range(14, len(whole)), rows):
        want = dict.fromkeys(frames.LAYOUT, "")
        want.update(expected(whole[:length], NOW))
        after = length - 14
        want["msg.digest_status"] = UNVERIFIED if after >= 96 else ""
        want["link.tag_status"] = GOOD if after >= 96 else ""
        if length == 14 and not row["expert.truncated"]:
            continue    # Wireshark gives an empty frame to nobody
        row["expert.repeated"] = ""     # it is the same message again and again
        faults += compare("%d bytes" % length, row, want, ["cut" if snap else "truncated"])
    ktap.result("captures cut at every length" if snap else "frames truncated at every length",
                faults)


def check_around(ktap, folder):
    """The same frame behind VLAN tags and inside a VXLAN tunnel: the inner source is the one."""
    plain = frame(b"tagged", source=MAC_A, key=KEY_A)
    vlan = plain[:12] + bytes.fromhex("81000005") + plain[12:]
    qinq = plain[:12] + bytes.fromhex("88a8000681000005") + plain[12:]
    udp = bytes.fromhex("d00012b5") + (16 + len(plain)).to_bytes(2, "big") + bytes(2)
    vxlan = bytes.fromhex("0800000000002a00")
    ip = bytes.fromhex("4500") + (36 + len(plain)).to_bytes(2, "big") + \
        bytes.fromhex("00000000401100000a0000010a000002")
    tunnel = MAC_A + MAC_B + b"\x08\x00" + ip + udp + vxlan + plain
    capture = frames.Capture(os.path.join(folder, "around.pcap"))
    for data in (vlan, qinq, tunnel):
        capture.add(data)
    capture.write()
    faults, rows = show(capture.path, *keys_option(KEY_A.hex()))
    if len(rows) != 3:
        faults.append("%d rows of 3 frames" % len(rows))
    for label, row in zip(("VLAN", "QinQ", "VXLAN"), rows):
        faults += compare(label, row, {**expected(plain, NOW), "msg.digest_status": GOOD,
                                       "link.tag_status": GOOD})
    ktap.result("VLAN, QinQ, VXLAN", faults)


def check_copies(ktap, folder):
    """Copies: who had it first, the how-manieth, and who said it twice."""
    first = frame(b"one", source=MAC_A)
    other = frame(b"one", source=MAC_B, hops_left=253)
    forged = frame(b"two", source=MAC_B, digest=first[46:110])
    capture = frames.Capture(os.path.join(folder, "copies.pcap"))
    plan = [  # frame, first_frame, copy, repeat_of
        (frame(b"two", source=MAC_B, digest=first[46:110]), "", "", ""),
        (first, "", "1", ""), (frame(b"else"), "", "1", ""), (other, "2", "2", ""),
        (forged, "2", "", ""), (first, "2", "3", "2"), (other, "2", "4", "4")]
    for data, *_ in plan:
        capture.add(data)
    capture.write()
    for options in ((), ("-2",)):
        faults, rows = show(capture.path, *options)
        if len(rows) != len(plan):
            faults.append("%d rows of %d frames" % (len(rows), len(plan)))
        for i, ((_, first_frame, copy, repeat), row) in enumerate(zip(plan, rows)):
            faults += compare("frame %d" % (i + 1), row, {
                "msg.first_frame": first_frame, "msg.copy": copy, "msg.repeat_of": repeat})
        ktap.result("copies" + (" in two passes" if options else ""), faults)


def check_preferences(ktap, folder):
    plain, other = frame(key=KEY_A, source=MAC_A), frame()[:12] + b"\x88\xb6" + frame()[14:]
    capture = frames.Capture(os.path.join(folder, "preferences.pcap"))
    for data in (plain, other, one_wrong_bit(plain, len(plain) - 1)):
        capture.add(data)
    capture.write()

    def look(name, options, column, want):
        faults, rows = show(capture.path, *options)
        got = [row[column] for row in rows]
        if got != want:
            faults.append("%s: %s are %s, not %s" % (name, column, got, want))
        ktap.result("preference " + name, faults)

    look("default", (), "msg.digest_status", [GOOD, "", BAD])
    look("ethertypes, another", ("-o", "crowdshare.ethertypes:0x88b6"), "msg.digest_status",
         ["", GOOD, ""])
    look("ethertypes, two", ("-o", "crowdshare.ethertypes:0x88b5,0x88b6"), "msg.digest_status",
         [GOOD, GOOD, BAD])
    look("verify_digest off", ("-o", "crowdshare.verify_digest:FALSE"), "msg.digest_status",
         [UNVERIFIED, "", UNVERIFIED])
    look("keys, none", (), "link.tag_status", [UNVERIFIED, "", UNVERIFIED])
    for key, want in (("1:", GOOD), ("2:", UNVERIFIED), ("02:00:00:00:00:01/1:", GOOD),
                      ("02-00-00-00-00-0b/1:", UNVERIFIED)):
        look("keys " + (key or "plain"), keys_option(key +
                                                     KEY_A.hex()), "link.tag_status",
             [want, "", want])
    for text in ("00", "1:zz", "256:" + KEY_A.hex(), "0:" + KEY_A.hex(), KEY_A.hex() + "0",
                 "02:00/1:" + KEY_A.hex(), "/" + KEY_A.hex()):
        result = run(capture.path, *keys_option(text, KEY_A.hex()))
        if "crowdshare.keys: 1 of the keys not understood" not in result.err:
            ktap.result("wrong key " + text[:20], ["no complaint: " + result.err])
            break
    else:
        ktap.result("wrong keys are named", [])


def check_info(ktap, folder):
    """The line of the packet list, and the same in JSON."""
    data = frame(b"z" * 1234, index=2, n=24, k=24, chunk_id=bytes.fromhex("ab12cd34") * 4)
    cases = [
        (data, "Message %s… slice 3/24 of chunk ab12cd34… → fd00::1, hops 254, 1234 bytes" %
         data[46:50].hex()),
        (data[:2 + 14] + b"\xff" + data[17:], "Message %s… slice 3/24 of chunk ab12cd34… → "
         "fd00::1, hops unlimited, 1234 bytes [copy 2 of frame 1]" % data[46:50].hex()),
        (one_wrong_bit(data, 300), "Message %s… slice 3/24 of chunk ab12cd34… → fd00::1, "
         "hops 254, 1234 bytes [WRONG DIGEST]" % data[46:50].hex()),
        (data[:400], "Message %s… slice 3/24 of chunk ab12cd34… → fd00::1, hops 254, "
         "1234 bytes [truncated]" % data[46:50].hex()),
        (data[:60], "Message, truncated"),
        (frame(version=9), "Unknown version 9"), (frame(type=9), "Unknown type 9")]
    capture = frames.Capture(os.path.join(folder, "info.pcap"))
    for one, _ in cases:
        capture.add(one)
    capture.write()
    faults, rows = [], []
    error, rows = fields(capture.path, ["_ws.col.Info", "_ws.col.Protocol"])
    faults += [error] if error else []
    for (_, want), row in zip(cases, rows):
        got = row["_ws.col.Info"]
        if got != want:
            faults.append("%r, not %r" % (got, want))
    if len(rows) != len(cases):
        faults.append("%d rows of %d frames" % (len(rows), len(cases)))
    ktap.result("line of the packet list", faults)

    result = run(capture.path, "-T", "json", "-c", "1")
    faults = [result.wrong()] if result.wrong() else []
    layer = json.loads(result.out)[0]["_source"]["layers"]["crowdshare"]
    if layer["crowdshare.link"]["crowdshare.link.hops_left"] != "254" or \
            layer["crowdshare.msg"]["crowdshare.msg.destination"] != "fd00::1":
        faults.append("fields are not where they belong")
    ktap.result("JSON", faults)


def check_filters(ktap, folder):
    """The filters of the head comment."""
    good = frame(b"1", source=MAC_A, key=KEY_A)
    capture = frames.Capture(os.path.join(folder, "filters.pcap"))
    for data in (good, one_wrong_bit(good, len(good) - 1), one_wrong_bit(good, 31 + 14),
                 frame(b"2", hops_left=0, index=3, chunk_id=b"c" * 16), good):
        capture.add(data)
    capture.write()
    faults = []
    for text, want in (
            ('crowdshare.msg.digest_status == "Bad"', [2]),
            ('crowdshare.link.tag_status == "Bad"', [3]),
            ("crowdshare.msg.repeat_of", [3, 5]), ("crowdshare.msg.copy > 1", [3, 5]),
            ("crowdshare.msg.digest[0:4] == " + good[46:50].hex(":"), [1, 2, 3, 5]),
            ("crowdshare.msg.chunk_id == " + (b"c" * 16).hex(":") +
             " && crowdshare.msg.index == 3", [4]),
            ("crowdshare.link.hops_left == 0", [4]),
            ("_ws.expert && crowdshare", [2, 3, 5])):
        error, rows = fields(capture.path, ["frame.number"], "-Y", text, *keys_option(KEY_A.hex()))
        got = [int(row["frame.number"]) for row in rows]
        if error or got != want:
            faults.append("%s: %s" % (text, error or "frames %s, not %s" % (got, want)))
    ktap.result("filters", faults)


def damage(data, rng):
    """Some bytes altered, cut out, put in; some at the places that steer the dissector."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(5)
        at = rng.randrange(14, len(out)) if len(out) > 14 else 14
        if kind == 0 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 1 and len(out) > 166:
            at = 14 + rng.choice([0, 1, 2, 3, 112, 115, 122, 123, 144, 148])
            out[at] = rng.choice([0, 1, 127, 128, 255])
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at:at + rng.randrange(1, 30)]
        else:
            out[at:at] = rng.randbytes(rng.randrange(1, 30))
    return bytes(out)


def check_damaged(ktap, folder, count):
    seed = int(os.environ.get("CS_SEED", time.time()))
    rng = random.Random(seed)
    capture = frames.Capture(os.path.join(folder, "damaged.pcap"))
    made = []
    for i in range(count):
        data = frame(rng.randbytes(rng.randrange(200)), key=rng.choice([None, KEY_A]))
        if i % 5:   # some stay whole: damage seldom leaves a digest right
            data = damage(data, rng)
        snap = rng.choice([None, None, None, rng.randrange(14, 400)])
        capture.add(data, snap=snap)
        made.append(data[:snap] if snap and snap < len(data) else data)
    capture.write()
    faults, rows = show(capture.path, *keys_option(KEY_A.hex()))
    if len(rows) != count:
        faults.append("%d rows of %d frames" % (len(rows), count))
    statuses = {BAD: 0, GOOD: 0}
    for number, (data, row) in enumerate(zip(made, rows), 1):
        after = data[14:]
        if len(after) < frames.HEADERS or after[0] != 1 or after[1] != 1 or \
                len(after) < frames.HEADERS + int.from_bytes(after[122:124], "big"):
            continue
        want = expected(data, NOW)
        want["msg.digest_status"] = GOOD if frames.digest_is_right(after) else BAD
        statuses[want["msg.digest_status"]] += 1
        faults += compare("frame %d" % number, row, want)
    if min(statuses.values()) < count / 50:
        faults.append("too few frames of each kind: %s" % statuses)
    result = run(capture.path, "-V", *keys_option(KEY_A.hex()))
    faults += [result.wrong()] if result.wrong() else []
    ktap.result("%d damaged frames" % count, faults, "seed %d" % seed)


def check_sums(ktap, folder, lua):
    """The sums alone, on the Lua of older and newer Wiresharks, at all lengths up to 300."""
    if not shutil.which(lua):
        ktap.result("sums in " + lua, [], "SKIP not installed")
        return
    with open(SCRIPT, encoding="utf-8") as f:
        source = f.read()
    end = source.index("--\n-- The protocol.")
    path = os.path.join(folder, "sums.lua")
    with open(path, "w", encoding="utf-8") as f:
        f.write(source[:end] + """
for length = 0, 300 do
	local text = {}
	for i = 1, length do
		text[i] = string.char((i * i + 7 * length) % 256)
	end
	text = table.concat(text)
	local sums = {sha512(text), length > 0 and blake2s(sha512(text):sub(1, 32), text) or ""}
	print((table.concat(sums):gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end)))
end
""")
    done = subprocess.run([lua, path], capture_output=True, text=True, check=False)
    faults = [done.stderr] if done.returncode else []
    lines = done.stdout.split("\n")[:-1]
    if len(lines) != 301:
        faults.append("%d lines" % len(lines))
    for length, line in enumerate(lines):
        text = bytes((i * i + 7 * length) % 256 for i in range(1, length + 1))
        digest = hashlib.sha512(text)
        want = digest.hexdigest()
        if length:
            want += hashlib.blake2s(text, key=digest.digest()[:32], digest_size=16).hexdigest()
        if line != want:
            faults.append("length %d: %s, not %s" % (length, line, want))
    ktap.result("sums in " + lua, faults)


def main():
    need("tshark")
    ktap = Ktap(25)
    with tempfile.TemporaryDirectory(prefix="cs-dissector.") as folder:
        check_sums(ktap, folder, "lua5.2")
        check_sums(ktap, folder, "lua5.4")
        check_cases(ktap, folder, "sound frames", sound_cases())
        check_cases(ktap, folder, "wrong frames", wrong_cases())
        check_expiry(ktap, folder)
        check_unknown(ktap, folder)
        check_lengths(ktap, folder, snap=False)
        check_lengths(ktap, folder, snap=True)
        check_around(ktap, folder)
        check_copies(ktap, folder)
        check_preferences(ktap, folder)
        check_info(ktap, folder)
        check_filters(ktap, folder)
        check_damaged(ktap, folder, 2000)
    return ktap.end()


sys.exit(main())
