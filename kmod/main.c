// SPDX-License-Identifier: GPL-2.0
/*
 * CrowdSharing: carries messages over networks that nobody planned.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <net/rtnetlink.h>

#include "burst.h"
#include "device.h"
#include "ingress.h"
#include "netlink.h"
#include "spread.h"
#include "verify.h"

static ushort ethertype = CS_ETHERTYPE;
module_param(ethertype, ushort, 0444);
MODULE_PARM_DESC(ethertype, "EtherType of the frames, 0x600 or more (default 0x88b5)");

unsigned int cs_clock_allowance = 300;
module_param_named(clock_allowance, cs_clock_allowance, uint, 0444);
MODULE_PARM_DESC(clock_allowance, "seconds by which clocks may differ (default 300)");

static int __init cs_init(void)
{
	int err;

	if (ethertype < ETH_P_802_3_MIN) {
		pr_err("crowdshare: ethertype %#x is below 0x600, that is a length\n", ethertype);
		return -EINVAL;
	}
	if (cs_clock_allowance > 86400) {
		pr_err("crowdshare: clock_allowance %u is more than a day\n", cs_clock_allowance);
		return -EINVAL;
	}
	cs_ethertype = cpu_to_be16(ethertype);
	err = cs_verify_init();
	if (err)
		return err;
	err = cs_spread_init();
	if (err)
		goto err_verify;
	err = cs_burst_init();
	if (err)
		goto err_spread;
	err = cs_netlink_register();
	if (err)
		goto err_burst;
	err = cs_device_register();
	if (err)
		goto err_netlink;
	return 0;

err_netlink:
	cs_netlink_unregister();
err_burst:
	cs_burst_exit();
err_spread:
	cs_spread_exit();
err_verify:
	cs_verify_exit();
	return err;
}

static void __exit cs_exit(void)
{
	cs_device_unregister();
	cs_netlink_unregister();
	/* peers and keys are freed by callbacks of this module */
	rcu_barrier();
	cs_burst_exit();
	cs_spread_exit();
	cs_verify_exit();
}

module_init(cs_init);
module_exit(cs_exit);

MODULE_DESCRIPTION("CrowdSharing: every message crosses each link at most once");
MODULE_LICENSE("GPL");
MODULE_ALIAS_RTNL_LINK("crowdshare");
MODULE_ALIAS_GENL_FAMILY("crowdshare");
