# SPDX-License-Identifier: GPL-2.0
"""Runs tshark with the dissector, and counts results in KTAP."""
import ipaddress
import os
import re
import shutil
import subprocess
import sys

import frames

HERE = os.path.dirname(os.path.abspath(__file__))
# To try the tests on a dissector that was broken on purpose.
SCRIPT = os.environ.get("CS_DISSECTOR",
                        os.path.join(HERE, "../../scripts/wireshark/crowdshare.lua"))
# To try them with another tshark than the system's.
TSHARK = os.environ.get("CS_TSHARK", "tshark")
SKIP = 4

EXPERTS = ["truncated", "cut", "trailing", "version", "type", "counter", "flags", "index", "k",
           "expiry", "expired", "digest", "tag", "tag_unkeyed", "tag_zero", "repeated"]


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def wrong(self):
        """What went wrong in tshark or in Lua, or None."""
        if self.status:
            return "tshark ended with %d: %s" % (self.status, self.err.strip()[-300:])
        found = re.search("Lua Error.*|Error during loading(.|\n)*", self.out + self.err)
        return found.group()[:300] if found else None


def run(path, *options):
    """tshark on a capture, without the user's own settings and plugins."""
    env = dict(os.environ, HOME="/nonexistent", XDG_CONFIG_HOME="/nonexistent", TZ="UTC",
               LC_ALL="C.UTF-8")
    done = subprocess.run([TSHARK, "-n", "-X", "lua_script:" + SCRIPT, "-r", path, *options],
                          env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False)
    err = "".join(line + "\n" for line in done.stderr.split("\n")
                  if line and not line.startswith("Running as user"))
    return Result(done.returncode, done.stdout, err)


def fields(path, names, *options):
    """(error or None, one {name: value} per frame); names without 'crowdshare.' in front."""
    args = ["-T", "fields", "-E", "separator=/t", "-E", "aggregator=|"]
    for name in names:
        args += ["-e", name if name.startswith(("_", "frame", "eth")) else "crowdshare." + name]
    result = run(path, *args, *options)
    rows = [dict(zip(names, line.split("\t"))) for line in result.out.split("\n")[:-1]]
    return result.wrong(), rows


EXPERT_NAMES = ["expert." + name for name in EXPERTS]
NAMES = list(frames.LAYOUT) + ["msg.expiry", "msg.payload", "msg.digest_status",
                               "link.tag_status", "msg.time_left", "msg.first_frame",
                               "msg.copy", "msg.repeat_of", "trailing"] + EXPERT_NAMES


def expected(data, when):
    """Of a whole frame of version and type 1: name -> value, by our own reading of the bytes."""
    after = data[14:]
    want = {}
    for name, (at, size) in frames.LAYOUT.items():
        if at + size <= len(after):
            want[name] = frames.numeric(name, after[at:at + size])
    if "msg.destination" in want:
        want["msg.destination"] = str(ipaddress.IPv6Address(after[96:112]))
    if "msg.expiry_seconds" in want and int(want["msg.expiry_seconds"]) <= 253402300799:
        want["msg.time_left"] = "%d.000000000" % (int(want["msg.expiry_seconds"]) - when)
    if "msg.length" in want:
        end = frames.HEADERS + int(want["msg.length"])
        want["msg.payload"] = after[frames.HEADERS:end].hex()
        want["trailing"] = after[end:].hex()
    return want


def same(name, got, want):
    if name == "msg.destination" and got and want:
        # ::0.1.0.0 is ::1:0
        return ipaddress.IPv6Address(got) == ipaddress.IPv6Address(want)
    return got == want


def experts_of(row):
    return {name[7:] for name in EXPERT_NAMES if row.get(name)}


def compare(label, row, want, experts=None):
    """Faults: fields that aren't as wanted, expert infos that are missing or not wanted."""
    faults = ["%s: %s is %r, not %r" % (label, name, row.get(name), value)
              for name, value in want.items() if not same(name, row.get(name), value)]
    if experts is not None and experts_of(row) != set(experts):
        faults.append("%s: expert infos %s, not %s" %
                      (label, sorted(experts_of(row)), sorted(experts)))
    return faults


def show(path, *options):
    """(faults of tshark and Lua, rows of a capture with all fields)."""
    error, rows = fields(path, NAMES, *options)
    return [error] if error else [], rows


def keys_option(*keys):
    return ("-o", "crowdshare.keys:" + ",".join(keys))


class Ktap:
    def __init__(self, plan):
        self.plan, self.count, self.failed = plan, 0, 0
        print("KTAP version 1\n1..%d" % plan, flush=True)

    def result(self, name, faults, note=""):
        """faults: what was wrong, one line each; nothing: passed."""
        self.count += 1
        for fault in faults[:8]:
            print("# " + fault)
        if len(faults) > 8:
            print("# and %d more" % (len(faults) - 8))
        self.failed += bool(faults)
        print("%s %d %s%s" % ("not ok" if faults else "ok", self.count, name,
                              " # " + note if note else ""), flush=True)

    def end(self):
        if self.count != self.plan:
            print("# %d tests ran, %d planned" % (self.count, self.plan))
            self.failed += 1
        print("# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:0 error:0" %
              (self.count - self.failed, self.failed))
        return 1 if self.failed else 0


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            print("KTAP version 1\n1..0 # SKIP %s is not installed" % program)
            sys.exit(SKIP)
