// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel of the crowdshared whose memory is measured: as the real one (userspace/daemon/
 * kernel.c), with its sockets, its watch over interfaces and its ring for frames, but for the
 * module, whose part a fake in memory plays (selftests/system/fakekernel.c). So it takes a network
 * namespace and CAP_NET_RAW in it, but no module.
 */
#include <stdlib.h>

#include "daemon/kernel_real.h"
#include "fakekernel.h"

static struct kernel_real real;
static struct kernel_ops ops;
static const struct kernel_ops *fake_ops;

static int start(struct kernel *kernel, const struct kernel_events *events, void *data,
		 struct cs_error *error)
{
	int rc = fake_ops->start(kernel, events, data, error);

	real.events = events;
	real.data = data;
	return rc ? rc : kernel_watch_start(&real, error);
}

static void stop(struct kernel *kernel)
{
	kernel_ring_close(&real);
	kernel_watch_close(&real);
	kernel_rtnl_close(&real.rtnl);
	free(real.nl.request);
	free(real.nl.reply);
	free(real.ntf.request);
	free(real.ntf.reply);
	fake_ops->stop(kernel);
}

/* A socket of the module's family has these, whether there is a module or not. */
static bool buffers(struct cs_nl *nl)
{
	nl->request = malloc(CS_NL_REQUEST_SIZE);
	nl->reply = malloc(CS_NL_REQUEST_SIZE);
	return nl->request && nl->reply;
}

struct kernel *kernel_open(struct event_base *base, struct cs_error *error)
{
	struct kernel *kernel = fake_open();

	real.base = base;
	fake_ops = kernel->ops;
	ops = *fake_ops;
	ops.start = start;
	ops.stop = stop;
	kernel->ops = &ops;
	if (buffers(&real.nl) && buffers(&real.ntf) && !kernel_rtnl_open(&real.rtnl, error) &&
	    !kernel_watch_open(&real, error) && !kernel_ring_open(&real, error))
		return kernel;
	stop(kernel);
	return NULL;
}
