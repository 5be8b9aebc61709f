# SPDX-License-Identifier: GPL-2.0
"""Checks the dissector on what the real module sent; see module-captures.sh and capture.sh."""
import json
import os
import sys

import frames
from frames import GOOD
from tshark import Ktap, compare, expected, keys_option, need, show

HOPS = {"link-ab": 5, "link-bc": 4, "cs0-c": 4}
MESSAGE = slice(14 + 32, None)


def load(folder):
    """Messages sent, keys, {name: records}; says what is missing and ends if anything is."""
    try:
        with open(os.path.join(folder, "send.json"), encoding="utf-8") as f:
            sent = json.load(f)["messages"]
        with open(os.path.join(folder, "keys"), encoding="utf-8") as f:
            keys = f.read().split()
        return sent, keys, {name: frames.read_pcap(os.path.join(folder, name + ".pcap"))
                            for name in HOPS}
    except (OSError, ValueError, KeyError) as error:
        print("KTAP version 1\n1..1\n# %s: %s\nnot ok 1 captures in %s" %
              (type(error).__name__, error, folder))
        sys.exit(1)


def check_capture(ktap, path, records, sent, keys, hops):
    """Every frame, every field; digests and tags good, no message twice, nothing to remark."""
    faults, rows = show(path, *keys_option(*keys))
    if not len(rows) == len(records) == sent:
        faults.append("%d messages sent, %d frames captured, %d decoded" %
                      (sent, len(records), len(rows)))
    secrets = {}
    for key in keys:
        mac, _, secret = key.replace(":", "").partition("/")
        secrets[bytes.fromhex(mac)] = bytes.fromhex(secret[1:])
    for number, ((when, data), row) in enumerate(zip(records, rows), 1):
        label, after, source = "frame %d" % number, data[14:], data[6:12]
        want = expected(data, when)
        want.update({"msg.digest_status": GOOD, "link.tag_status": GOOD, "msg.copy": "1",
                     "link.hops_left": str(hops), "link.key_id": "7", "msg.first_frame": ""})
        faults += compare(label, row, want, [])
        if not frames.digest_is_right(after):
            faults.append(label + ": digest is wrong")
        if frames.tag(secrets[source], after, source, after[32:96]) != after[16:32]:
            faults.append(label + ": tag is wrong")
    ktap.result("%s: %d frames" % (os.path.basename(path), len(records)), faults)


def main():
    need("tshark")
    folder = sys.argv[1]
    sent, keys, captures = load(folder)
    ktap = Ktap(len(HOPS) + 2)
    for name, hops in HOPS.items():
        check_capture(ktap, os.path.join(folder, name + ".pcap"), captures[name], sent, keys, hops)

    faults = []
    link, delivered = ([data for _, data in captures[name]] for name in ("link-bc", "cs0-c"))
    if sorted(link) != sorted(delivered):
        faults.append("%d frames on the link, %d on cs0, %d the same" %
                      (len(link), len(delivered), len(set(link) & set(delivered))))
    ktap.result("cs0 shows the frames of the link", faults)

    first, second = ({data[MESSAGE] for _, data in captures[name]}
                     for name in ("link-ab", "link-bc"))
    ktap.result("both links carried the same messages",
                [] if first == second else ["%d and %d, %d the same" %
                                            (len(first), len(second), len(first & second))])
    return ktap.end()


sys.exit(main())
