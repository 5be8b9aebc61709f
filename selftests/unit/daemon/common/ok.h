/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A call that has to succeed, and names "error" as where its reason goes.
 */
#ifndef SELFTESTS_UNIT_DAEMON_OK_H
#define SELFTESTS_UNIT_DAEMON_OK_H

#include "lib/error.h"

#define OK(call) do { \
	struct cs_error error_ = { "" }; \
	struct cs_error *error = &error_; \
	if (call) \
		fail_msg("%s: %s", #call, error_.text); \
} while (0)

#endif /* SELFTESTS_UNIT_DAEMON_OK_H */
