// SPDX-License-Identifier: GPL-2.0
/*
 * QR codes on a terminal: dark on light whatever its colours are, two rows of modules in each line
 * of characters, so that modules are about as wide as they are high.
 */
#include <stdlib.h>
#include <string.h>

#include <qrencode.h>

#include "cli/qr.h"

#define QUIET	4	/* light modules around, as the standard wants */
#define BEGIN	"\033[30;107m"
#define END	"\033[0m\n"

static int is_dark(const QRcode *code, int x, int y)
{
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return 0;
	return code->data[y * code->width + x] & 1;
}

/**
 * qr_text() - a QR code, as it is printed
 * @content: what it says
 * @columns: set to the width that it takes
 *
 * Return: the text, to be freed; NULL if there is too much of @content, or no memory.
 */
char *qr_text(const char *content, unsigned int *columns)
{
	static const char *const blocks[] = { " ", "\342\226\200", "\342\226\204", "\342\226\210" };
	QRcode *code = QRcode_encodeString8bit(content, 0, QR_ECLEVEL_L);
	char *text, *p;
	int x, y, width;

	if (!code)
		return NULL;
	width = code->width + 2 * QUIET;
	text = malloc((width + 1) / 2 * (3 * width + sizeof(BEGIN) + sizeof(END)) + 1);
	p = text;
	for (y = -QUIET; text && y < code->width + QUIET; y += 2) {
		p = stpcpy(p, BEGIN);
		for (x = -QUIET; x < code->width + QUIET; x++)
			p = stpcpy(p, blocks[is_dark(code, x, y) | is_dark(code, x, y + 1) << 1]);
		p = stpcpy(p, END);
	}
	*columns = width;
	QRcode_free(code);
	return text;
}
