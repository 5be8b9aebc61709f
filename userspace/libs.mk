# SPDX-License-Identifier: GPL-2.0
#
# What is linked with the daemon's objects, by the names of pkg-config: for the daemon itself and for
# its benchmarks.

daemon-libs := libevent libevent_openssl libssl libcrypto libmnl libnl-route-3.0 lmdb sqlite3 \
	       libcbor libconfig jansson libisal
daemon-ldlibs := $(shell $(PKG_CONFIG) --libs $(daemon-libs)) -lm
# libcurl is loaded by who needs it
daemon-cppflags := $(shell $(PKG_CONFIG) --cflags $(daemon-libs) libcurl)
