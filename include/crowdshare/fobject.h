/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libcrowdshare: what a fobject is made of; FORMATS.md has the bytes.
 */
#ifndef _CROWDSHARE_FOBJECT_H
#define _CROWDSHARE_FOBJECT_H

#include <crowdshare/wire.h>

#define CS_OBJECT_ID_LEN	16
#define CS_NAME_MAX		255	/* bytes of a name */
#define CS_PATH_MAX		4095	/* bytes of a path in a directory */
#define CS_DEPTH_MAX		64	/* names of a path */
#define CS_MANIFEST_MAX		(16 << 20)

#define CS_PUBLIC_LEN		32	/* Ed25519 */
#define CS_SIGNATURE_LEN	64
#define CS_ACCOUNT_MAX		64

/**
 * enum cs_kind - what a fobject holds
 * @CS_KIND_FILE: a file
 * @CS_KIND_DIRECTORY: a directory with all that is in it
 * @CS_KIND_VIA: messages to be sent on
 */
enum cs_kind {
	CS_KIND_FILE,
	CS_KIND_DIRECTORY,
	CS_KIND_VIA,
};

#endif /* _CROWDSHARE_FOBJECT_H */
