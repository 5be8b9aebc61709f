# SPDX-License-Identifier: GPL-2.0
"""Runs tshark with the dissector, and counts results in KTAP."""
import os
import shutil
import subprocess
import sys

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
        for text in (self.out, self.err):
            at = text.find("Lua")
            if at >= 0 and ("Error" in text[at:at + 30] or "rror during" in text[at:at + 40]):
                return text[at:at + 300].split("\n")[0]
        return None


def run(path, *options):
    """tshark on a capture, without the user's own settings and plugins."""
    home = os.path.join(os.path.dirname(path), "home")
    os.makedirs(home, exist_ok=True)
    env = dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, TZ="UTC", LC_ALL="C.UTF-8")
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
