/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QR codes on a terminal. See qr.c.
 */
#ifndef CROWDSHARE_QR_H
#define CROWDSHARE_QR_H

char *qr_text(const char *content, unsigned int *columns);

#endif /* CROWDSHARE_QR_H */
