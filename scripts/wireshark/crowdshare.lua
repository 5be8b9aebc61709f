-- SPDX-License-Identifier: GPL-2.0
--
-- CrowdSharing dissector for Wireshark and tshark: decodes the frames that the crowdshare module
-- sends (include/crowdshare/wire.h) and verifies their digests and tags.
--
-- Installing: copy this file to ~/.local/lib/wireshark/plugins/ (for all users: the directory
-- "Global Lua Plugins" of Help > About > Folders). Or without installing anything:
--
--	tshark -X lua_script:scripts/wireshark/crowdshare.lua -r link.pcap
--	tcpdump -i cs0 -w - | wireshark -X lua_script:scripts/wireshark/crowdshare.lua -k -i -
-- (From 4.2 on Wireshark loads no Lua scripts when it is run as root.)
--
-- What it does beyond decoding: computes the SHA-512 of each message (once, however many copies a
-- capture holds), tells which frame carried a message first and the how-manieth copy a frame is,
-- and, given keys, verifies the tags. Frames that the module would drop carry an expert info.
--
-- Useful filters:
--
--	crowdshare.msg.digest_status == "Bad"		altered on the way, or forged
--	crowdshare.link.tag_status == "Bad"		none of the keys made this tag
--	crowdshare.msg.repeat_of			one sender sent a message twice
--	crowdshare.msg.copy > 1				copies beyond the first
--	crowdshare.msg.digest[0:4] == 1f:3a:00:42	the way of one message
--	crowdshare.msg.chunk_id == ... && crowdshare.msg.index == 3
--	crowdshare.link.hops_left == 0			at the end of its way
--	_ws.expert && crowdshare			whatever is wrong
--
--	tshark ... -T fields -e frame.number -e eth.src -e crowdshare.msg.digest \
--		-e crowdshare.msg.copy -e crowdshare.msg.digest_status
--
-- Preferences (Edit > Preferences > Protocols > CrowdSharing, or tshark -o NAME:VALUE):
--
--	crowdshare.ethertypes:0x88b5		EtherTypes, where the module's parameter was changed
--	crowdshare.verify_digest:TRUE		FALSE: faster on large captures
--	crowdshare.keys:HEX,HEX			keys (64 hex digits) to verify tags with; ID:HEX limits
--						a key to one key_id, MAC/ID:HEX to one sender, too
--
-- Runs on Lua 5.2 (Debian 12), where 64-bit integers don't exist and numbers are halved for the
-- sums, and on Lua 5.3 and 5.4.

local HEADER_LINK = 32
local HEADER_MESSAGE = 120
local DIGEST = 64
local TAG_INPUT_LINK = 16
local VERSION = 1
local TYPE_MESSAGE = 1
local HOPS_UNLIMITED = 255
local KEY_NONE = 0
-- Seconds beyond this (the year 9999) are no time that can be shown.
local TIME_LIMIT = 253402300799
-- What is kept of computed digests, in bytes of messages, before starting afresh.
local MEMO_LIMIT = 64 * 1024 * 1024

local STATUS_BAD, STATUS_GOOD, STATUS_UNVERIFIED, STATUS_ABSENT = 0, 1, 2, 3
local STATUS_NAMES = {
	[STATUS_BAD] = "Bad",
	[STATUS_GOOD] = "Good",
	[STATUS_UNVERIFIED] = "Unverified",
	[STATUS_ABSENT] = "Not present",
}

--
-- SHA-512 and BLAKE2s.  Wireshark's Lua has no library for them.
--

-- 64-bit numbers as pairs: high half, low half.
local SHA512_INIT = {
	0x6a09e667, 0xf3bcc908, 0xbb67ae85, 0x84caa73b, 0x3c6ef372, 0xfe94f82b, 0xa54ff53a, 0x5f1d36f1,
	0x510e527f, 0xade682d1, 0x9b05688c, 0x2b3e6c1f, 0x1f83d9ab, 0xfb41bd6b, 0x5be0cd19, 0x137e2179,
}

local SHA512_K = {
	0x428a2f98, 0xd728ae22, 0x71374491, 0x23ef65cd, 0xb5c0fbcf, 0xec4d3b2f, 0xe9b5dba5, 0x8189dbbc,
	0x3956c25b, 0xf348b538, 0x59f111f1, 0xb605d019, 0x923f82a4, 0xaf194f9b, 0xab1c5ed5, 0xda6d8118,
	0xd807aa98, 0xa3030242, 0x12835b01, 0x45706fbe, 0x243185be, 0x4ee4b28c, 0x550c7dc3, 0xd5ffb4e2,
	0x72be5d74, 0xf27b896f, 0x80deb1fe, 0x3b1696b1, 0x9bdc06a7, 0x25c71235, 0xc19bf174, 0xcf692694,
	0xe49b69c1, 0x9ef14ad2, 0xefbe4786, 0x384f25e3, 0x0fc19dc6, 0x8b8cd5b5, 0x240ca1cc, 0x77ac9c65,
	0x2de92c6f, 0x592b0275, 0x4a7484aa, 0x6ea6e483, 0x5cb0a9dc, 0xbd41fbd4, 0x76f988da, 0x831153b5,
	0x983e5152, 0xee66dfab, 0xa831c66d, 0x2db43210, 0xb00327c8, 0x98fb213f, 0xbf597fc7, 0xbeef0ee4,
	0xc6e00bf3, 0x3da88fc2, 0xd5a79147, 0x930aa725, 0x06ca6351, 0xe003826f, 0x14292967, 0x0a0e6e70,
	0x27b70a85, 0x46d22ffc, 0x2e1b2138, 0x5c26c926, 0x4d2c6dfc, 0x5ac42aed, 0x53380d13, 0x9d95b3df,
	0x650a7354, 0x8baf63de, 0x766a0abb, 0x3c77b2a8, 0x81c2c92e, 0x47edaee6, 0x92722c85, 0x1482353b,
	0xa2bfe8a1, 0x4cf10364, 0xa81a664b, 0xbc423001, 0xc24b8b70, 0xd0f89791, 0xc76c51a3, 0x0654be30,
	0xd192e819, 0xd6ef5218, 0xd6990624, 0x5565a910, 0xf40e3585, 0x5771202a, 0x106aa070, 0x32bbd1b8,
	0x19a4c116, 0xb8d2d0c8, 0x1e376c08, 0x5141ab53, 0x2748774c, 0xdf8eeb99, 0x34b0bcb5, 0xe19b48a8,
	0x391c0cb3, 0xc5c95a63, 0x4ed8aa4a, 0xe3418acb, 0x5b9cca4f, 0x7763e373, 0x682e6ff3, 0xd6b2b8a3,
	0x748f82ee, 0x5defb2fc, 0x78a5636f, 0x43172f60, 0x84c87814, 0xa1f0ab72, 0x8cc70208, 0x1a6439ec,
	0x90befffa, 0x23631e28, 0xa4506ceb, 0xde82bde9, 0xbef9a3f7, 0xb2c67915, 0xc67178f2, 0xe372532b,
	0xca273ece, 0xea26619c, 0xd186b8c7, 0x21c0c207, 0xeada7dd6, 0xcde0eb1e, 0xf57d4f7f, 0xee6ed178,
	0x06f067aa, 0x72176fba, 0x0a637dc5, 0xa2c898a6, 0x113f9804, 0xbef90dae, 0x1b710b35, 0x131c471b,
	0x28db77f5, 0x23047d84, 0x32caab7b, 0x40c72493, 0x3c9ebe0a, 0x15c9bebc, 0x431d67c4, 0x9c100d4c,
	0x4cc5d4be, 0xcb3e42b6, 0x597f299c, 0xfc657e2a, 0x5fcb6fab, 0x3ad6faec, 0x6c44198c, 0x4a475817,
}

-- Lua 5.2 has functions for 32-bit integers. Later versions have operators on 64-bit ones, which
-- 5.2 can't even parse: hence they stand in strings.

local function sha512_pad(text)
	local zeros = (111 - #text) % 128
	local high = math.floor(#text / 0x20000000)

	return text .. "\128" .. string.rep("\0", zeros + 8) ..
		string.char(math.floor(high / 0x1000000) % 256, math.floor(high / 0x10000) % 256,
			math.floor(high / 0x100) % 256, high % 256) ..
		string.char(math.floor(#text / 0x200000) % 256, math.floor(#text / 0x2000) % 256,
			math.floor(#text / 0x20) % 256, #text * 8 % 256)
end

local SHA512_NATIVE = [[
	local INIT, K, pad = ...
	local unpack = string.unpack
	local k, init = {}, {}

	for i = 1, 80 do
		k[i] = K[2 * i - 1] << 32 | K[2 * i]
	end
	for i = 1, 8 do
		init[i] = INIT[2 * i - 1] << 32 | INIT[2 * i]
	end

	local function block(w, s)
		for i = 17, 80 do
			local x, y = w[i - 15], w[i - 2]

			w[i] = w[i - 16] + w[i - 7] +
				((x >> 1 | x << 63) ~ (x >> 8 | x << 56) ~ x >> 7) +
				((y >> 19 | y << 45) ~ (y >> 61 | y << 3) ~ y >> 6)
		end

		local a, b, c, d, e, f, g, h = s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]

		for i = 1, 80 do
			local t = h + k[i] + w[i] + (g ~ (e & (f ~ g))) +
				((e >> 14 | e << 50) ~ (e >> 18 | e << 46) ~ (e >> 41 | e << 23))

			h, g, f, e = g, f, e, d + t
			t = t + ((a & b) ~ (c & (a ~ b))) +
				((a >> 28 | a << 36) ~ (a >> 34 | a << 30) ~ (a >> 39 | a << 25))
			d, c, b, a = c, b, a, t
		end

		s[1], s[2], s[3], s[4] = s[1] + a, s[2] + b, s[3] + c, s[4] + d
		s[5], s[6], s[7], s[8] = s[5] + e, s[6] + f, s[7] + g, s[8] + h
	end

	return function(text)
		local s = {table.unpack(init)}

		text = pad(text)
		for at = 1, #text, 128 do
			block({unpack(">i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8", text, at)}, s)
		end
		return string.pack(">i8i8i8i8i8i8i8i8", table.unpack(s))
	end
]]

-- sha512_schedule(hi, lo): the message schedule from its first 16 words, in halves.
local function sha512_schedule(hi, lo)
	local bxor, rshift, lshift = bit32.bxor, bit32.rshift, bit32.lshift

	for i = 17, 80 do
		local xh, xl, yh, yl = hi[i - 15], lo[i - 15], hi[i - 2], lo[i - 2]
		local low = lo[i - 16] + lo[i - 7] +
			bxor(rshift(xl, 1), lshift(xh, 31), rshift(xl, 8), lshift(xh, 24),
				rshift(xl, 7), lshift(xh, 25)) +
			bxor(rshift(yl, 19), lshift(yh, 13), rshift(yh, 29), lshift(yl, 3),
				rshift(yl, 6), lshift(yh, 26))
		local rest = low % 0x100000000

		lo[i] = rest
		hi[i] = (hi[i - 16] + hi[i - 7] + (low - rest) / 0x100000000 +
			bxor(rshift(xh, 1), lshift(xl, 31), rshift(xh, 8), lshift(xl, 24),
				rshift(xh, 7)) +
			bxor(rshift(yh, 19), lshift(yl, 13), rshift(yl, 29), lshift(yh, 3),
				rshift(yh, 6))) % 0x100000000
	end
end

-- sha512_block(hi, lo, s): takes one block into the state s.
local function sha512_block(hi, lo, s)
	local band, bxor, rshift, lshift = bit32.band, bit32.bxor, bit32.rshift, bit32.lshift
	local ah, al, bh, bl, ch, cl, dh, dl = s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]
	local eh, el, fh, fl, gh, gl, hh, hl = s[9], s[10], s[11], s[12], s[13], s[14], s[15], s[16]

	sha512_schedule(hi, lo)
	for i = 1, 80 do
		local low = hl + SHA512_K[2 * i] + lo[i] + bxor(gl, band(el, bxor(fl, gl))) +
			bxor(rshift(el, 14), lshift(eh, 18), rshift(el, 18), lshift(eh, 14),
				rshift(eh, 9), lshift(el, 23))
		local tl = low % 0x100000000
		local th = hh + SHA512_K[2 * i - 1] + hi[i] + (low - tl) / 0x100000000 +
			bxor(gh, band(eh, bxor(fh, gh))) +
			bxor(rshift(eh, 14), lshift(el, 18), rshift(eh, 18), lshift(el, 14),
				rshift(el, 9), lshift(eh, 23))

		hh, hl, gh, gl, fh, fl = gh, gl, fh, fl, eh, el
		low = dl + tl
		el = low % 0x100000000
		eh = (dh + th + (low - el) / 0x100000000) % 0x100000000

		low = tl + bxor(band(al, bl), band(cl, bxor(al, bl))) +
			bxor(rshift(al, 28), lshift(ah, 4), rshift(ah, 2), lshift(al, 30),
				rshift(ah, 7), lshift(al, 25))
		tl = low % 0x100000000
		th = (th + (low - tl) / 0x100000000 + bxor(band(ah, bh), band(ch, bxor(ah, bh))) +
			bxor(rshift(ah, 28), lshift(al, 4), rshift(al, 2), lshift(ah, 30),
				rshift(al, 7), lshift(ah, 25))) % 0x100000000
		dh, dl, ch, cl, bh, bl, ah, al = ch, cl, bh, bl, ah, al, th, tl
	end

	local sum = {ah, al, bh, bl, ch, cl, dh, dl, eh, el, fh, fl, gh, gl, hh, hl}

	for i = 16, 2, -2 do
		local low = s[i] + sum[i]

		s[i] = low % 0x100000000
		s[i - 1] = (s[i - 1] + sum[i - 1] + (low - s[i]) / 0x100000000) % 0x100000000
	end
end

local function sha512_halves(text)
	local s, hi, lo, out = {}, {}, {}, {}

	for i = 1, 16 do
		s[i] = SHA512_INIT[i]
	end
	text = sha512_pad(text)
	for at = 1, #text, 128 do
		for i = 1, 16 do
			local a, b, c, d, e, f, g, h = text:byte(at + 8 * i - 8, at + 8 * i - 1)

			hi[i] = ((a * 256 + b) * 256 + c) * 256 + d
			lo[i] = ((e * 256 + f) * 256 + g) * 256 + h
		end
		sha512_block(hi, lo, s)
	end
	for i = 1, 16 do
		out[i] = string.char(bit32.rshift(s[i], 24), bit32.extract(s[i], 16, 8),
			bit32.extract(s[i], 8, 8), bit32.extract(s[i], 0, 8))
	end
	return table.concat(out)
end

-- sha512(text): the digest as a string of 64 bytes; nil on a Lua that can't compute it (5.1).
local sha512, bxor, rrotate
local compile = loadstring or load
local native = compile(SHA512_NATIVE)

if native then
	sha512 = native(SHA512_INIT, SHA512_K, sha512_pad)
	bxor = compile("local a, b = ... return a ~ b")
	rrotate = compile("local a, n = ... return (a >> n | a << (32 - n)) & 0xffffffff")
elseif bit32 then
	sha512 = sha512_halves
	bxor, rrotate = bit32.bxor, bit32.rrotate
end

local BLAKE2S_INIT = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

local BLAKE2S_SIGMA = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
}

-- The words that each of the eight steps of a round mixes: four columns, four diagonals.
local BLAKE2S_STEPS = {
	{1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}, {4, 8, 12, 16},
	{1, 6, 11, 16}, {2, 7, 12, 13}, {3, 8, 9, 14}, {4, 5, 10, 15},
}

local function blake2s_block(h, text, at, count, last)
	local v, m = {}, {}

	for i = 1, 8 do
		v[i], v[i + 8] = h[i], BLAKE2S_INIT[i]
	end
	v[13] = bxor(v[13], count)
	if last then
		v[15] = bxor(v[15], 0xffffffff)
	end
	for i = 0, 15 do
		local a, b, c, d = text:byte(at + 4 * i, at + 4 * i + 3)

		m[i] = ((d * 256 + c) * 256 + b) * 256 + a
	end
	for _, sigma in ipairs(BLAKE2S_SIGMA) do
		for i, step in ipairs(BLAKE2S_STEPS) do
			local a, b, c, d = v[step[1]], v[step[2]], v[step[3]], v[step[4]]

			a = (a + b + m[sigma[2 * i - 1]]) % 0x100000000
			d = rrotate(bxor(d, a), 16)
			c = (c + d) % 0x100000000
			b = rrotate(bxor(b, c), 12)
			a = (a + b + m[sigma[2 * i]]) % 0x100000000
			d = rrotate(bxor(d, a), 8)
			c = (c + d) % 0x100000000
			b = rrotate(bxor(b, c), 7)
			v[step[1]], v[step[2]], v[step[3]], v[step[4]] = a, b, c, d
		end
	end
	for i = 1, 8 do
		h[i] = bxor(bxor(h[i], v[i]), v[i + 8])
	end
end

-- blake2s(key, text): 16 bytes of keyed BLAKE2s, for a key of 32 bytes and a text of at least one.
local function blake2s(key, text)
	local h, out = {}, {}
	local count = 64 + #text

	for i = 1, 8 do
		h[i] = BLAKE2S_INIT[i]
	end
	h[1] = bxor(h[1], 0x01010000 + 32 * 256 + 16)
	text = key .. string.rep("\0", 32) .. text .. string.rep("\0", -#text % 64)
	for at = 1, #text, 64 do
		local last = at + 64 > #text

		blake2s_block(h, text, at, last and count or at + 63, last)
	end
	for i = 1, 4 do
		local word = h[i]

		for _ = 1, 4 do
			out[#out + 1] = string.char(word % 256)
			word = (word - word % 256) / 256
		end
	end
	return table.concat(out)
end

--
-- The protocol.
--

local crowdshare = Proto("crowdshare", "CrowdSharing")
local prefs = crowdshare.prefs

prefs.ethertypes = Pref.range("EtherTypes", "0x88b5", "EtherTypes of CrowdSharing frames", 0xffff)
prefs.verify_digest = Pref.bool("Verify digests", true, "Compute the SHA-512 of each message")
prefs.keys = Pref.string("Keys", "", "Keys to verify tags with, separated by commas: " ..
	"64 hexadecimal digits, ID:HEX or MAC/ID:HEX")

local link = {
	header = ProtoField.none("crowdshare.link", "Link header"),
	version = ProtoField.uint8("crowdshare.link.version", "Version"),
	type = ProtoField.uint8("crowdshare.link.type", "Type", base.DEC,
		{[TYPE_MESSAGE] = "message"}),
	hops_left = ProtoField.uint8("crowdshare.link.hops_left", "Hops left"),
	key_id = ProtoField.uint8("crowdshare.link.key_id", "Key id"),
	contract = ProtoField.uint32("crowdshare.link.contract", "Contract"),
	counter = ProtoField.uint64("crowdshare.link.counter", "Counter"),
	tag = ProtoField.bytes("crowdshare.link.tag", "Tag"),
	tag_status = ProtoField.uint8("crowdshare.link.tag_status", "Tag status", base.DEC,
		STATUS_NAMES),
}

local msg = {
	message = ProtoField.none("crowdshare.msg", "Message"),
	digest = ProtoField.bytes("crowdshare.msg.digest", "Digest"),
	destination = ProtoField.ipv6("crowdshare.msg.destination", "Destination"),
	expiry = ProtoField.absolute_time("crowdshare.msg.expiry", "Expiry", base.UTC),
	expiry_seconds = ProtoField.uint64("crowdshare.msg.expiry_seconds", "Expiry in Unix seconds"),
	port = ProtoField.uint16("crowdshare.msg.port", "Port"),
	length = ProtoField.uint16("crowdshare.msg.length", "Length"),
	chunk_id = ProtoField.bytes("crowdshare.msg.chunk_id", "Chunk id"),
	chunk_length = ProtoField.uint32("crowdshare.msg.chunk_length", "Chunk length"),
	index = ProtoField.uint16("crowdshare.msg.index", "Slice index"),
	k = ProtoField.uint16("crowdshare.msg.k", "k, slices that suffice"),
	n = ProtoField.uint16("crowdshare.msg.n", "n, slices of the chunk"),
	flags = ProtoField.uint16("crowdshare.msg.flags", "Flags", base.HEX),
	payload = ProtoField.bytes("crowdshare.msg.payload", "Payload"),
	digest_status = ProtoField.uint8("crowdshare.msg.digest_status", "Digest status", base.DEC,
		STATUS_NAMES),
	digest_computed = ProtoField.string("crowdshare.msg.digest_computed", "Computed digest"),
	time_left = ProtoField.relative_time("crowdshare.msg.time_left", "Time left at capture"),
	first_frame = ProtoField.framenum("crowdshare.msg.first_frame", "First seen in frame"),
	repeat_of = ProtoField.framenum("crowdshare.msg.repeat_of", "Sent before by this sender in frame"),
	copy = ProtoField.uint32("crowdshare.msg.copy", "Copy in this capture"),
}

local trailing = ProtoField.bytes("crowdshare.trailing", "Trailing bytes")
local undecoded = ProtoField.bytes("crowdshare.undecoded", "Not decoded")

local function all_fields()
	local fields = {trailing, undecoded}

	for _, set in ipairs({link, msg}) do
		for _, field in pairs(set) do
			fields[#fields + 1] = field
		end
	end
	return fields
end
crowdshare.fields = all_fields()

local function warning(name, text, group, severity)
	return ProtoExpert.new("crowdshare." .. name, text, group or expert.group.PROTOCOL,
		severity or expert.severity.WARN)
end

local ei = {
	truncated = warning("expert.truncated", "Frame shorter than its headers and payload",
		expert.group.MALFORMED, expert.severity.ERROR),
	cut = warning("expert.cut", "Capture has only the beginning of the frame",
		expert.group.UNDECODED, expert.severity.NOTE),
	trailing = warning("expert.trailing", "Bytes after the end of the message",
		expert.group.MALFORMED),
	version = warning("expert.version", "Version of the link header not known"),
	type = warning("expert.type", "Type of the link header not known"),
	counter = warning("expert.counter", "Reserved counter not zero", nil, expert.severity.NOTE),
	flags = warning("expert.flags", "Reserved flags not zero"),
	index = warning("expert.index", "Slice index is not below n"),
	k = warning("expert.k", "k is not 1 to n"),
	expiry = warning("expert.expiry", "Expiry is not a time that can be shown"),
	expired = warning("expert.expired", "Message had expired when it was captured"),
	digest = warning("expert.digest", "SHA-512 of the message is not its digest",
		expert.group.CHECKSUM, expert.severity.ERROR),
	tag = warning("expert.tag", "No key that was given makes this tag",
		expert.group.CHECKSUM, expert.severity.ERROR),
	tag_unkeyed = warning("expert.tag_unkeyed", "Tag without a key id",
		nil, expert.severity.NOTE),
	tag_zero = warning("expert.tag_zero", "Key id without a tag"),
	repeated = warning("expert.repeated", "Sender sends this message again",
		expert.group.SEQUENCE, expert.severity.NOTE),
}

local function all_experts()
	local experts = {}

	for _, one in pairs(ei) do
		experts[#experts + 1] = one
	end
	return experts
end
crowdshare.experts = all_experts()

local eth_src = Field.new("eth.src")
-- The link whose source the tag covers is the innermost one: there may be a tunnel around it.
local function source_mac()
	local all = {eth_src()}

	if #all == 0 then
		return nil
	end
	return all[#all].range:raw()
end

local function hex(bytes, count)
	return (bytes:sub(1, count or #bytes):gsub(".", function(char)
		return string.format("%02x", char:byte())
	end))
end

local function unhex(text)
	return (text:gsub("..", function(pair)
		return string.char(tonumber(pair, 16))
	end))
end

--
-- What is remembered of a capture.
--

local memo, memo_size	-- message without digest -> its SHA-512
local first_frames	-- digest -> frame that had it first
local copies		-- digest -> copies so far
local sent		-- source MAC, as text, and digest -> frame
local frames		-- frame -> what the first pass found out: first_frame, copy, repeat_of
local keys = {}		-- {mac or nil, id or nil, key}
local keys_parsed, ethertypes_registered

local function forget()
	memo, memo_size = {}, 0
	first_frames, copies, sent, frames = {}, {}, {}, {}
end

local function digest_of(body)
	local digest = memo[body]

	if not digest then
		digest = sha512(body)
		memo_size = memo_size + #body
		if memo_size > MEMO_LIMIT then
			memo, memo_size = {}, #body
		end
		memo[body] = digest
	end
	return digest
end

-- history(pinfo, digest, genuine): where else in the capture this digest stands. A forged copy is
-- told where the real one is, but isn't counted.
local function history(pinfo, digest, genuine)
	local known = frames[pinfo.number]

	if known or pinfo.visited then
		return known or {}
	end
	known = {first_frame = first_frames[digest]}
	frames[pinfo.number] = known
	if not genuine then
		return known
	end
	first_frames[digest] = first_frames[digest] or pinfo.number
	copies[digest] = (copies[digest] or 0) + 1
	known.copy = copies[digest]

	-- The field eth.src may be missing in the first pass.
	local copy = tostring(pinfo.dl_src) .. digest

	known.repeat_of = sent[copy]
	sent[copy] = pinfo.number
	return known
end

--
-- Preferences.
--

local function parse_key(item)
	local mac, rest = item:match("^(.-)/(.*)$")
	local id, key = (rest or item):match("^(%d+):(%x+)$")

	if not id and not mac then
		key = item:match("^%x+$")
	end
	if mac then
		mac = mac:gsub("[:-]", "")
		if not mac:match("^%x+$") or #mac ~= 12 then
			return nil
		end
		mac = unhex(mac)
	end
	id = tonumber(id)
	if not key or #key ~= 64 or id and (id < 1 or id > 255) then
		return nil
	end
	return {mac = mac, id = id, key = unhex(key)}
end

local function parse_keys(text)
	local bad = 0

	if text == keys_parsed then
		return
	end
	keys_parsed = text
	keys = {}
	for item in text:gmatch("[^,%s]+") do
		local key = parse_key(item)

		if key then
			keys[#keys + 1] = key
		else
			bad = bad + 1
		end
	end
	if bad > 0 then
		report_failure(string.format("crowdshare.keys: %d of the keys not understood; a key " ..
			"is 64 hexadecimal digits, ID:HEX or MAC/ID:HEX with ID from 1 to 255", bad))
	end
end

local function register(ethertypes)
	local ethertype = DissectorTable.get("ethertype")

	if ethertypes == ethertypes_registered then
		return
	end
	if ethertypes_registered and ethertypes_registered ~= "" then
		ethertype:remove(ethertypes_registered, crowdshare)
	end
	if ethertypes ~= "" then
		ethertype:add(ethertypes, crowdshare)
	end
	ethertypes_registered = ethertypes
end

function crowdshare.prefs_changed()
	register(prefs.ethertypes)
	parse_keys(prefs.keys)
end

function crowdshare.init()
	forget()
	parse_keys(prefs.keys)
end

--
-- Digest and tag.
--

-- tag_check(header, digest): status, and which of the keys given made it.
local function tag_check(tvb, digest)
	local id, tag = tvb(3, 1):uint(), tvb:raw(TAG_INPUT_LINK, 16)
	local source = source_mac()
	local tried = false

	if id == KEY_NONE then
		return STATUS_ABSENT
	elseif not source or not bxor then
		return STATUS_UNVERIFIED
	end
	for number, key in ipairs(keys) do
		if (key.id or id) == id and (key.mac or source) == source then
			tried = true
			if blake2s(key.key, tvb:raw(0, TAG_INPUT_LINK) .. source .. digest) == tag then
				return STATUS_GOOD, number
			end
		end
	end
	return tried and STATUS_BAD or STATUS_UNVERIFIED
end

local function show_tag(item, tvb, range, digest)
	local id, zero = tvb(3, 1):uint(), range:raw() == string.rep("\0", 16)
	local status, number = tag_check(tvb, digest)

	item:append_text(" [" .. STATUS_NAMES[status]:lower() .. "]")
	item:add(link.tag_status, range, status):set_generated()
	if status == STATUS_GOOD then
		item:add(range, string.format("Made by key %d of the preference", number))
			:set_generated()
	elseif status == STATUS_BAD then
		item:add_proto_expert_info(ei.tag)
	end
	if id == KEY_NONE and not zero then
		item:add_proto_expert_info(ei.tag_unkeyed)
	elseif id ~= KEY_NONE and zero then
		item:add_proto_expert_info(ei.tag_zero)
	end
	return status
end

local function digest_check(tvb, digest, length)
	local at, size = HEADER_LINK + DIGEST, HEADER_MESSAGE - DIGEST + length

	if not prefs.verify_digest or not sha512 or at + size > tvb:captured_len() then
		return STATUS_UNVERIFIED
	end
	local computed = digest_of(tvb:raw(at, size))
	return computed == digest and STATUS_GOOD or STATUS_BAD, computed
end

local function show_digest(item, range, status, computed, past)
	item:append_text(" [" .. STATUS_NAMES[status]:lower() .. "]")
	item:add(msg.digest_status, range, status):set_generated()
	if status == STATUS_BAD then
		item:add(msg.digest_computed, range, hex(computed)):set_generated()
		item:add_proto_expert_info(ei.digest)
	end
	if past.first_frame then
		item:add(msg.first_frame, range, past.first_frame):set_generated()
	end
	if past.copy then
		item:add(msg.copy, range, past.copy):set_generated()
	end
	if past.repeat_of then
		item:add(msg.repeat_of, range, past.repeat_of):set_generated()
		item:add_proto_expert_info(ei.repeated, "Sender sent this message before, in frame " ..
			past.repeat_of .. ": a repair, or against the rule")
	end
end

--
-- Fields.
--

-- Time as a person says it.
local function duration(seconds)
	if seconds < 120 then
		return string.format("%d s", seconds)
	elseif seconds < 7200 then
		return string.format("%d min %d s", math.floor(seconds / 60), seconds % 60)
	elseif seconds < 172800 then
		return string.format("%d h %d min", math.floor(seconds / 3600),
			math.floor(seconds / 60) % 60)
	end
	return string.format("%d days", math.floor(seconds / 86400))
end

local function add_expiry(tree, range, pinfo)
	local seconds = range:uint64():tonumber()
	local item

	if seconds > TIME_LIMIT then
		item = tree:add(msg.expiry_seconds, range)
		item:add_proto_expert_info(ei.expiry)
		return
	end
	item = tree:add(msg.expiry, range, NSTime.new(seconds, 0))
	item:add(msg.expiry_seconds, range)

	local now = math.floor(pinfo.abs_ts)
	if now <= 0 then
		return
	end
	item:add(msg.time_left, range, NSTime.new(seconds - now, 0)):set_generated()
	if seconds >= now then
		item:append_text(" (" .. duration(seconds - now) .. " after this frame)")
	else
		item:append_text(" (" .. duration(now - seconds) .. " before this frame)")
		item:add_proto_expert_info(ei.expired)
	end
end

local function add_hops(tree, range)
	local item = tree:add(link.hops_left, range)

	if range:uint() == HOPS_UNLIMITED then
		item:append_text(" (unlimited)")
	elseif range:uint() == 0 then
		item:append_text(" (is not relayed)")
	end
end

-- add_or_none(field): shows 0 as none.
local function add_or_none(field)
	return function(tree, range)
		local item = tree:add(field, range)

		if range:uint() == 0 then
			item:append_text(" (none)")
		end
	end
end

-- add_checked(field, ok, info): ok says of a number whether it is as it must be.
local function add_checked(field, ok, info)
	return function(tree, range)
		local item = tree:add(field, range)

		if not ok(range:uint64():tonumber()) then
			item:add_proto_expert_info(info)
		end
	end
end

local function is(value)
	return function(number)
		return number == value
	end
end

-- {size, field or function that adds it}, in the order of the wire.
local LINK_LAYOUT = {
	{1, add_checked(link.version, is(VERSION), ei.version)},
	{1, add_checked(link.type, is(TYPE_MESSAGE), ei.type)},
	{1, add_hops},
	{1, add_or_none(link.key_id)},
	{4, add_or_none(link.contract)},
	{8, add_checked(link.counter, is(0), ei.counter)},
}

local MESSAGE_LAYOUT = {
	{16, msg.destination},
	{8, add_expiry},
	{2, msg.port},
	{2, msg.length},
	{16, msg.chunk_id},
	{4, msg.chunk_length},
}

-- Of a message whose headers aren't all there; otherwise add_slice() adds and judges these.
local SHORT_LAYOUT = {{2, msg.index}, {2, msg.k}, {2, msg.n}, {2, msg.flags}}
for i, entry in ipairs(MESSAGE_LAYOUT) do
	table.insert(SHORT_LAYOUT, i, entry)
end

-- add_layout(tree, tvb, at, layout, pinfo): adds what was captured; where it ended.
local function add_layout(tree, tvb, at, layout, pinfo)
	for _, entry in ipairs(layout) do
		local size, field = entry[1], entry[2]

		if at + size > tvb:captured_len() then
			return at
		end
		if type(field) == "function" then
			field(tree, tvb(at, size), pinfo)
		else
			tree:add(field, tvb(at, size))
		end
		at = at + size
	end
	return at
end

-- add_slice(tree, tvb, at): index, k, n and flags, which are judged together.
local function add_slice(tree, tvb, at)
	local items, values = {}, {}

	for i, field in ipairs({msg.index, msg.k, msg.n, msg.flags}) do
		local range = tvb(at + 2 * i - 2, 2)

		items[i], values[i] = tree:add(field, range), range:uint()
	end
	local index, k, n, flags = values[1], values[2], values[3], values[4]

	if index >= n then
		items[1]:add_proto_expert_info(ei.index)
	end
	if k < 1 or k > n then
		items[2]:add_proto_expert_info(ei.k)
	end
	if flags ~= 0 then
		items[4]:add_proto_expert_info(ei.flags)
	end
	return index, k, n
end

--
-- The frame.
--

-- ends_early(item, tvb, needed): the frame is too short, or the capture of it is.
local function ends_early(item, tvb, needed)
	local reported = tvb:reported_len()

	if reported < needed then
		item:add_proto_expert_info(ei.truncated, string.format(
			"Frame truncated: %d bytes after the Ethernet header, %d expected", reported, needed))
		return "truncated"
	elseif tvb:captured_len() < needed then
		item:add_proto_expert_info(ei.cut)
		return "capture cut short"
	end
	return nil
end

local function hops_text(hops)
	return hops == HOPS_UNLIMITED and "hops unlimited" or "hops " .. hops
end

-- dissect_payload(tree, tvb, length): payload and what follows it.
local function dissect_payload(tree, tvb, length)
	local at = HEADER_LINK + HEADER_MESSAGE
	local here = math.min(length, tvb:captured_len() - at)

	if here > 0 then
		tree:add(msg.payload, tvb(at, here))
	end
	at = at + length
	if tvb:captured_len() > at then
		local rest = tvb:captured_len() - at

		tree:add(trailing, tvb(at, rest)):add_proto_expert_info(ei.trailing,
			string.format("%d bytes after the end of the message", rest))
		return rest
	end
	return 0
end

-- show_info(...): the line of the packet list.
local function show_info(pinfo, tvb, slice, notes)
	local at = HEADER_LINK + DIGEST

	pinfo.cols.info:set(string.format(
		"Message %s… slice %d/%d of chunk %s… → %s, %s, %d bytes%s",
		hex(tvb:raw(HEADER_LINK, 4)), slice.index + 1, slice.n, hex(tvb:raw(at + 28, 4)),
		tostring(tvb(at, 16):ipv6()), hops_text(tvb(2, 1):uint()), tvb(at + 26, 2):uint(),
		#notes > 0 and " [" .. table.concat(notes, ", ") .. "]" or ""))
end

-- dissect_short(...): a message whose headers aren't all there; what there is of it.
local function dissect_short(root, message, tvb, pinfo, digest_item)
	local at = HEADER_LINK + DIGEST

	if digest_item then
		show_digest(digest_item, tvb(HEADER_LINK, DIGEST), STATUS_UNVERIFIED, nil, {})
		at = add_layout(message, tvb, at, SHORT_LAYOUT, pinfo)
	else
		at = math.min(HEADER_LINK, tvb:captured_len())
	end
	if tvb:captured_len() > at then
		message:add(undecoded, tvb(at, tvb:captured_len() - at))
	end
	pinfo.cols.info:set("Message, " .. ends_early(root, tvb, HEADER_LINK + HEADER_MESSAGE))
end

local function dissect_message(root, message, tvb, pinfo, tag_item)
	local captured = tvb:captured_len()
	local digest, digest_item

	if captured >= HEADER_LINK + DIGEST then
		digest = tvb:raw(HEADER_LINK, DIGEST)
		digest_item = message:add(msg.digest, tvb(HEADER_LINK, DIGEST))
		show_tag(tag_item, tvb, tvb(TAG_INPUT_LINK, 16), digest)
	end
	if captured < HEADER_LINK + HEADER_MESSAGE then
		dissect_short(root, message, tvb, pinfo, digest_item)
		return
	end

	local at = add_layout(message, tvb, HEADER_LINK + DIGEST, MESSAGE_LAYOUT, pinfo)
	local slice = {}
	local notes = {}
	local length = tvb(HEADER_LINK + DIGEST + 26, 2):uint()

	slice.index, slice.k, slice.n = add_slice(message, tvb, at)

	local rest = dissect_payload(message, tvb, length)
	local short = ends_early(root, tvb, HEADER_LINK + HEADER_MESSAGE + length)
	local status, computed = digest_check(tvb, digest, length)
	local past = history(pinfo, digest, status ~= STATUS_BAD and short ~= "truncated")

	show_digest(digest_item, tvb(HEADER_LINK, DIGEST), status, computed, past)
	notes[#notes + 1] = short
	if rest > 0 then
		notes[#notes + 1] = rest .. " trailing bytes"
	end
	if status == STATUS_BAD then
		notes[#notes + 1] = "WRONG DIGEST"
	elseif (past.copy or 1) > 1 then
		notes[#notes + 1] = "copy " .. past.copy .. " of frame " .. past.first_frame
	end
	show_info(pinfo, tvb, slice, notes)
end

local function dissect_link(root, tvb, pinfo)
	local tree = root:add(link.header, tvb(0, math.min(HEADER_LINK, tvb:captured_len())))
	local at = add_layout(tree, tvb, 0, LINK_LAYOUT, pinfo)

	if tvb:captured_len() < HEADER_LINK then
		if tvb:captured_len() > at then
			tree:add(undecoded, tvb(at))
		end
		return nil
	end
	return tree:add(link.tag, tvb(at, 16))
end

function crowdshare.dissector(tvb, pinfo, tree)
	local captured = tvb:captured_len()

	pinfo.cols.protocol:set("CrowdSharing")
	if captured == 0 then
		pinfo.cols.info:set("Empty frame, " .. ends_early(tree:add(crowdshare), tvb, HEADER_LINK))
		return 0
	end

	local root = tree:add(crowdshare, tvb())
	local version = tvb(0, 1):uint()

	if version ~= VERSION then
		root:add(link.version, tvb(0, 1)):add_proto_expert_info(ei.version)
		if captured > 1 then
			root:add(undecoded, tvb(1))
		end
		pinfo.cols.info:set("Unknown version " .. version)
		return captured
	end

	local tag_item = dissect_link(root, tvb, pinfo)
	if not tag_item then
		pinfo.cols.info:set("Link header, " .. ends_early(root, tvb, HEADER_LINK))
	elseif tvb(1, 1):uint() ~= TYPE_MESSAGE then
		pinfo.cols.info:set("Unknown type " .. tvb(1, 1):uint())
		if captured > HEADER_LINK then
			root:add(undecoded, tvb(HEADER_LINK))
		end
	elseif captured == HEADER_LINK then
		pinfo.cols.info:set("Message, " .. ends_early(root, tvb, HEADER_LINK + HEADER_MESSAGE))
	else
		local message = root:add(msg.message, tvb(HEADER_LINK))

		dissect_message(root, message, tvb, pinfo, tag_item)
	end
	return captured
end

forget()
register(prefs.ethertypes)
