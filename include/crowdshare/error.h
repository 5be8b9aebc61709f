/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What went wrong, in words that a person can act on.
 */
#ifndef _CROWDSHARE_ERROR_H
#define _CROWDSHARE_ERROR_H

/**
 * struct cs_error - the reason of a failure
 * @text: one line without a line end; empty: nothing went wrong
 */
struct cs_error {
	char text[512];
};

/**
 * cs_error_set() - say why something failed
 * @error: gets the text; may be NULL
 * @rc: negative errno, which the caller is going to return
 * @format: of the text, as for printf
 *
 * Return: @rc, so that a function can end with "return cs_error_set(...)".
 */
__attribute__((format(printf, 3, 4)))
int cs_error_set(struct cs_error *error, int rc, const char *format, ...);

#endif /* _CROWDSHARE_ERROR_H */
