#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Do the specification of the netlink interface, include/crowdshare.yaml, and its header,
include/uapi/linux/crowdshare.h, agree? In both directions: what one has and the other lacks, and
what both have but differently, fails. The compiler is asked what the header means; its kernel-doc
is held against the types in the specification. That the comparison finds something is proven on
copies that were broken on purpose.

	spec.py [--schema FILE]		needs gcc and python3-yaml; no kernel module, no privilege

With python3-jsonschema the specification is also validated against the kernel's own schema, if
that is found: FILE, or Documentation/netlink of an unpacked kernel source under /usr/src or in
$CS_KERNEL_SOURCE. KTAP on standard output; exit status 0, or 1 if something failed.
"""
import argparse
import copy
import glob
import os
import re
import subprocess
import sys
import tempfile

import yaml

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
SPEC = os.path.join(TOP, "include", "crowdshare.yaml")
HEADER = os.path.join(TOP, "include", "uapi", "linux", "crowdshare.h")
HELPERS = re.compile(r"_(MAX|H)$|^CROWDSHARE_DROP_IS_TX")

# What a check in the specification has to be, told by a constant.
LIMITS = {
	("dev", "seen-max", "max"): "seen-max-limit",
	("dev", "lifetime-max", "max"): "lifetime-limit",
	("dev", "address", "exact-len"): "addr-len",
	("peer", "lladdr", "exact-len"): "lladdr-len",
	("key", "lladdr", "exact-len"): "lladdr-len",
	("key", "secret", "exact-len"): "key-len",
	("contract", "lladdr", "exact-len"): "lladdr-len",
	("seen", "digest", "exact-len"): "digest-len",
}


def c_name(text):
	return text.upper().replace("-", "_")


def run(command, **kwargs):
	return subprocess.run(command, check=True, capture_output=True, text=True, **kwargs).stdout


class Header:
	"""What the header says, by way of the compiler."""

	def __init__(self, path):
		with open(path, encoding="utf-8") as file:
			self.text = file.read()
		self.cpp = [os.environ.get("CC", "gcc"), "-D__UAPI__",
			    "-I" + os.path.join(TOP, "include", "uapi"),
			    "-I" + os.path.join(TOP, "include")]
		self.path = path
		self.enums = self.read_enums()
		self.defines = self.read_defines()
		self.evaluate()

	def preprocess(self, *options):
		return run(self.cpp + ["-E", *options, self.path])

	def read_enums(self):
		"""enum name -> names of its values, in order; the drop list is expanded by then"""
		text = re.sub(r"^#.*$", "", self.preprocess(), flags=re.M)
		enums = {}
		for name, body in re.findall(r"enum\s+(\w+)\s*{([^}]*)}", text):
			if name.startswith("crowdshare_"):
				names = [part.split("=")[0].strip() for part in body.split(",")]
				enums[name] = [n for n in names if n and not n.startswith("__")]
		return enums

	def read_defines(self):
		names = re.findall(r"^#define (CROWDSHARE_\w+)", self.preprocess("-dM"), re.M)
		return [n for n in names if not HELPERS.search(n)]

	def evaluate(self):
		"""Let a program print the values of all names, the struct and the drop list."""
		names = [n for values in self.enums.values() for n in values]
		lines = ['#include <stddef.h>', '#include <stdio.h>', f'#include "{self.path}"',
			 "#define DROP(class, name, string, text) "
			 'printf("drop %s %s %s\\n", #name, string, text);',
			 "#define PRINT(x) _Generic((x), char *: print_s, default: print_n)",
			 "static void print_s(const char *n, const char *s)"
			 '{ printf("value %s %s\\n", n, s); }',
			 "static void print_n(const char *n, long long v)"
			 '{ printf("value %s %lld\\n", n, v); }',
			 "int main(void) {", "struct crowdshare_seen_entry *e = NULL; (void)e;"]
		lines += [f'PRINT({n})("{n}", {n});' for n in names + self.defines]
		lines += ['printf("struct %zu %zu %zu %zu %zu\\n", sizeof(*e), '
			  "offsetof(struct crowdshare_seen_entry, digest), sizeof(e->digest), "
			  "offsetof(struct crowdshare_seen_entry, left), sizeof(e->left));",
			  "CS_DROP_LIST(DROP)", "return 0; }"]
		self.values, self.drops, self.struct = {}, {}, None
		for line in self.compile_and_run("\n".join(lines)).splitlines():
			kind, rest = line.split(" ", 1)
			if kind == "value":
				name, value = rest.split(" ", 1)
				self.values[name] = int(value) if value.lstrip("-").isdigit() else value
			elif kind == "drop":
				name, string, text = rest.split(" ", 2)
				self.drops[name] = (string, text)
			else:
				self.struct = [int(n) for n in rest.split()]

	def compile_and_run(self, source):
		with tempfile.TemporaryDirectory() as folder:
			path = os.path.join(folder, "values.c")
			with open(path, "w", encoding="utf-8") as file:
				file.write(source)
			program = os.path.join(folder, "values")
			run(self.cpp + ["-Wno-int-conversion", "-w", "-o", program, path])
			return run([program])

	def documented_type(self, name):
		"""First words of the kernel-doc of an attribute, such as 'u32' or '6 bytes'."""
		match = re.search(rf"@{name}: (u32|u64|string|flag|nest|binary|\d+ bytes)\b", self.text)
		return match and match.group(1)


def spec_enum(family, definition):
	"""C names and values of an enum of the specification."""
	prefix = definition.get("name-prefix", f"{family}-{definition['name']}-")
	names, value = {}, definition.get("value-start", 0)
	for entry in definition["entries"]:
		entry = {"name": entry} if isinstance(entry, str) else entry
		value = entry.get("value", value)
		names[c_name(prefix + entry["name"])] = value
		value += 1
	return names


def numbered(items, prefix):
	"""C names and values of attributes or commands, which are counted from 1."""
	names, value = {c_name(prefix) + "UNSPEC": 0}, 1
	for item in items:
		value = item.get("value", value)
		names[c_name(prefix + item["name"])] = value
		value += 1
	return names


def spec_enums(spec):
	"""All enums that the specification means: name -> {value name: value}"""
	family = spec["name"]
	enums = {}
	for definition in spec["definitions"]:
		if definition["type"] == "enum":
			name = definition.get("enum-name", f"{family}-{definition['name']}")
			enums[name.replace("-", "_")] = spec_enum(family, definition)
	for space in spec["attribute-sets"]:
		name = space.get("enum-name", f"{family}-a-{space['name']}")
		prefix = space.get("name-prefix", f"{family}-a-{space['name']}-")
		enums[name.replace("-", "_")] = numbered(space["attributes"], prefix)
	operations = spec["operations"]
	enums[operations.get("enum-name", "").replace("-", "_")] = \
		numbered(operations["list"], operations.get("name-prefix", f"{family}-cmd-"))
	return enums


def compare_names(what, spec, header):
	"""Differences between two dictionaries of names and values."""
	for name in sorted(spec.keys() - header.keys()):
		yield f"{what}: {name} is in the specification only"
	for name in sorted(header.keys() - spec.keys()):
		yield f"{what}: {name} is in the header only"
	for name in sorted(spec.keys() & header.keys()):
		if spec[name] != header[name]:
			yield f"{what}: {name} is {spec[name]} in the specification, " \
			      f"{header[name]} in the header"


def check_enums(spec, header):
	enums = spec_enums(spec)
	for name in sorted(enums.keys() - header.enums.keys()):
		yield f"enum {name} is in the specification only"
	for name in sorted(header.enums.keys() - enums.keys()):
		yield f"enum {name} is in the header only"
	for name in sorted(enums.keys() & header.enums.keys()):
		values = {n: header.values[n] for n in header.enums[name]}
		yield from compare_names(f"enum {name}", enums[name], values)


def check_constants(spec, header):
	family = spec["name"]
	names = {c_name(f"{family}-{d['name']}"): d["value"] for d in spec["definitions"]
		 if d["type"] == "const"}
	names[c_name(spec["c-family-name"])] = family
	names[c_name(spec["c-version-name"])] = spec["version"]
	for group in spec["mcast-groups"]["list"]:
		names[c_name(group["c-define-name"])] = group["name"]
	yield from compare_names("constants", names, {n: header.values[n] for n in header.defines})


def check_struct(spec, header):
	struct = next((d for d in spec["definitions"] if d["type"] == "struct"), None)
	if not struct:
		yield "struct crowdshare_seen_entry is in the header only"
		return
	sizes = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
	layout, offset = [], 0
	for member in struct["members"]:
		size = member["len"] if member["type"] == "binary" else sizes[member["type"]]
		layout += [offset, size]
		offset += size
	if [offset] + layout != header.struct:
		yield f"struct {struct['name']}: size and members {[offset] + layout} in the " \
		      f"specification, {header.struct} in the header"
	for space in spec["attribute-sets"]:
		for attr in space["attributes"]:
			if "struct" in attr and attr["checks"]["min-len"] != header.struct[0]:
				yield f"{attr['name']}: min-len is not the size of its struct"


def check_types(spec, header):
	"""Types and lengths against the header's kernel-doc."""
	family = spec["name"]
	for space in spec["attribute-sets"]:
		prefix = space.get("name-prefix", f"{family}-a-{space['name']}-")
		for attr in space["attributes"]:
			if attr["type"] == "pad":
				continue
			name = c_name(prefix + attr["name"])
			length = attr.get("checks", {}).get("exact-len")
			mine = f"{length} bytes" if length else attr["type"]
			theirs = header.documented_type(name)
			# what only comes out has no check of its length
			if attr["type"] == "binary" and not length and theirs and "bytes" in theirs:
				mine = theirs
			if mine != theirs:
				yield f"{name} is {mine} in the specification, {theirs} in the header"


def check_limits(spec, _header):
	"""Limits in the specification against its own constants and enums."""
	constants = {d["name"]: d["value"] for d in spec["definitions"] if d["type"] == "const"}
	enums = {d["name"]: d for d in spec["definitions"] if d["type"] == "enum"}
	spaces = {s["name"]: {a["name"]: a for a in s["attributes"]}
		  for s in spec["attribute-sets"]}
	for (space, attr, check), constant in LIMITS.items():
		value = spaces.get(space, {}).get(attr, {}).get("checks", {}).get(check)
		if value != constants.get(constant):
			yield f"{space} {attr}: {check} {value} is not {constant}"
	for space, attrs in spaces.items():
		for attr in attrs.values():
			limit = attr.get("checks", {}).get("max")
			if "enum" not in attr or limit is None:
				continue
			last = max(spec_enum(spec["name"], enums[attr["enum"]]).values())
			if limit != last:
				yield f"{space} {attr['name']}: max {limit} is not the last value " \
				      f"of enum {attr['enum']}, {last}"


def check_drops(spec, header):
	"""Names and texts of the drop reasons."""
	enum = next((d for d in spec["definitions"] if d["name"] == "drop"), {"entries": []})
	for entry in enum["entries"]:
		name, text = entry["name"].replace("-", "_"), entry["doc"].rstrip(".")
		if name == "none":
			continue
		string, theirs = header.drops.get(name.upper(), (None, None))
		if string != name:
			yield f"drop {name}: its name is {string} in the header"
		elif text.lower() != theirs.lower():
			yield f"drop {name}: '{text}' in the specification, '{theirs}' in the header"


def used_attributes(operation):
	for kind in ("do", "dump"):
		for part in operation.get(kind, {}).values():
			yield from part["attributes"]
	yield from operation.get("event", {}).get("attributes", [])


def check_references(spec, _header):
	"""Everything that the specification names is there."""
	spaces = {s["name"]: {a["name"] for a in s["attributes"]} for s in spec["attribute-sets"]}
	names = {d["name"] for d in spec["definitions"]}
	operations = {o["name"] for o in spec["operations"]["list"]}
	groups = {g["name"] for g in spec["mcast-groups"]["list"]}
	for operation in spec["operations"]["list"]:
		name = operation["name"]
		attrs = spaces.get(operation.get("attribute-set"), set())
		for attr in used_attributes(operation):
			if attr not in attrs:
				yield f"{name}: there is no attribute {attr}"
		if "notify" in operation and operation["notify"] not in operations:
			yield f"{name}: there is no operation {operation['notify']}"
		if "mcgrp" in operation and operation["mcgrp"] not in groups:
			yield f"{name}: there is no group {operation['mcgrp']}"
		if not {"do", "dump", "notify", "event"} & operation.keys():
			yield f"{name}: neither asked nor told"
	for space in spec["attribute-sets"]:
		for attr in space["attributes"]:
			for key, known in (("enum", names), ("struct", names),
					   ("nested-attributes", spaces)):
				if key in attr and attr[key] not in known:
					yield f"{attr['name']}: there is no {key} {attr[key]}"


CHECKS = {
	"commands, attributes and enums": check_enums,
	"constants, family and group": check_constants,
	"struct of an entry": check_struct,
	"types of attributes": check_types,
	"limits": check_limits,
	"drop reasons": check_drops,
	"references": check_references,
}


def differences(spec, header):
	for check in CHECKS.values():
		yield from check(spec, header)


def find(items, name):
	return next(item for item in items if item["name"] == name)


def attribute(spec, space, name):
	return find(find(spec["attribute-sets"], space)["attributes"], name)


def break_spec():
	"""Ways to break a specification: what, and a function that does it to a copy."""
	def drop_attribute(s):
		find(s["attribute-sets"], "port")["attributes"].pop(4)

	def swap_commands(s):
		ops = s["operations"]["list"]
		ops[0], ops[1] = ops[1], ops[0]

	def drop_command(s):
		s["operations"]["list"].pop()

	def rename_reason(s):
		find(s["definitions"], "drop")["entries"][5]["name"] = "nonsense"

	def reword_reason(s):
		find(s["definitions"], "drop")["entries"][5]["doc"] = "Nonsense."

	def drop_reason(s):
		find(s["definitions"], "drop")["entries"].pop(3)

	def change_constant(s):
		find(s["definitions"], "seen-max-default")["value"] = 1

	def change_type(s):
		attribute(s, "stats", "rx-bytes")["type"] = "u32"

	def change_length(s):
		attribute(s, "key", "secret")["checks"]["exact-len"] = 16

	def change_limit(s):
		attribute(s, "port", "echo")["checks"]["max"] = 1

	def change_struct(s):
		find(s["definitions"], "seen-entry")["members"][1]["type"] = "u64"

	def misspell(s):
		find(s["operations"]["list"], "key-new")["do"]["request"]["attributes"][0] = "prt"

	def rename_group(s):
		s["mcast-groups"]["list"][0]["name"] = "happenings"

	return {f.__name__.replace("_", " "): f for f in (
		drop_attribute, swap_commands, drop_command, rename_reason, reword_reason,
		drop_reason, change_constant, change_type, change_length, change_limit,
		change_struct, misspell, rename_group)}


# Ways to break a header: what, a pattern, and what comes in its place.
BREAK_HEADER = {
	"new command": (r"(\tCROWDSHARE_CMD_STATS_GET,\n)", r"\1\tCROWDSHARE_CMD_STATS_DEL,\n"),
	"new attribute": (r"(\tCROWDSHARE_A_KEY_SECRET,\n)", r"\1\tCROWDSHARE_A_KEY_AGE,\n"),
	"renamed value": (r"CROWDSHARE_ECHO_NEVER,", "CROWDSHARE_ECHO_NOT,"),
	"new constant": (r"(#define CROWDSHARE_ADDR_LEN\s+16\n)",
			 r"\1#define CROWDSHARE_FOO_LEN 3\n"),
	"other version": (r"(CROWDSHARE_GENL_VERSION\s+)1", r"\g<1>2"),
}


def find_schemas(option):
	if option:
		return [option]
	found = []
	for folder in [os.environ.get("CS_KERNEL_SOURCE", ""), *sorted(glob.glob("/usr/src/*"))]:
		path = os.path.join(folder, "Documentation", "netlink", "genetlink-legacy.yaml")
		if folder and os.path.exists(path):
			found.append(path)
	return found


def validate(spec, option):
	"""Against the kernel's schema; a list of errors, or a string why that can't be done."""
	try:
		import jsonschema  # pylint: disable=import-outside-toplevel
	except ImportError:
		return "python3-jsonschema is not installed"
	schemas = find_schemas(option)
	if not schemas:
		return "no kernel source with Documentation/netlink/genetlink-legacy.yaml"
	with open(schemas[-1], encoding="utf-8") as file:
		schema = yaml.safe_load(file.read().replace("%YAML 1.2\n", ""))
	validator = jsonschema.Draft7Validator(schema)
	return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
		for e in validator.iter_errors(spec)]


class Ktap:
	def __init__(self):
		self.results = []

	def result(self, ok, name, problems=()):
		for problem in problems:
			print(f"# {problem}")
		self.results.append(ok)
		print(f"{'ok' if ok else 'not ok'} {len(self.results)} {name}")

	def skip(self, name, why):
		self.results.append(True)
		print(f"ok {len(self.results)} {name} # SKIP {why}")


def broken_header(text, pattern, new):
	"""The header as a temporary file with one thing changed; it still finds the others."""
	changed, count = re.subn(pattern, new, text, count=1)
	assert count == 1, f"the header has nothing like {pattern}"
	with tempfile.NamedTemporaryFile("w", suffix=".h", encoding="utf-8") as file:
		file.write(changed)
		file.flush()
		return Header(file.name)


def main():
	parser = argparse.ArgumentParser(description="specification against header")
	parser.add_argument("--schema", help="genetlink-legacy.yaml of a kernel source")
	option = parser.parse_args().schema
	broken_specs, ktap = break_spec(), Ktap()

	print("KTAP version 1")
	print(f"1..{1 + len(CHECKS) + len(broken_specs) + len(BREAK_HEADER)}")
	with open(SPEC, encoding="utf-8") as file:
		spec = yaml.safe_load(file)
	header = Header(HEADER)

	errors = validate(spec, option)
	if isinstance(errors, str):
		ktap.skip("the kernel's schema", errors)
	else:
		ktap.result(not errors, "the kernel's schema", errors)
	for name, check in CHECKS.items():
		problems = list(check(spec, header))
		ktap.result(not problems, name, problems)
	for name, damage in broken_specs.items():
		damaged = copy.deepcopy(spec)
		damage(damaged)
		ktap.result(any(differences(damaged, header)), f"broken specification: {name}")
	for name, (pattern, new) in BREAK_HEADER.items():
		damaged = broken_header(header.text, pattern, new)
		ktap.result(any(differences(spec, damaged)), f"broken header: {name}")
	failed = ktap.results.count(False)
	print(f"# Totals: pass:{len(ktap.results) - failed} fail:{failed}")
	return 1 if failed else 0


if __name__ == "__main__":
	sys.exit(main())
