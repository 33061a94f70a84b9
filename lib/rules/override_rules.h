// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which devices get a `driver_override` as they come, before a native driver can have them: the policy as it
/// can be applied to one device alone.
#pragma once

#include "config/policy.h"
#include "sysfs/sysfs.h"
#include "topology/device.h"

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vfiobind {

/// What driver "auto" means for a device that is not here yet. Subsystem and class are zero where the
/// selector does not tell them.
using AutomaticDriver = std::function<std::string(const Ids&)>;

/// A device that stands here, or stood here, and is to be handed over.
struct TakenDevice {
    Device device;
    std::string driver;
};

/// One device, or a kind of devices. The first that fits decides.
struct OverrideRule {
    std::string rule; ///< the configuration's rule; empty for a device that is listed by itself
    Selector selector;
    std::string driver; ///< empty: it is left alone
    std::string
        groupDriver; ///< for other members of its group, which is taken whole; empty: they are left alone
    /// Of a rule with `members`: its endpoints that are known. With another one in the group nothing is set;
    /// udev, which sees one device at a time, is not told of the rule.
    std::optional<std::vector<Selector>> known = {};
    bool operator==(const OverrideRule&) const = default;
};

struct OverrideRules {
    std::vector<OverrideRule> rules;
    std::vector<std::string> leftOut; ///< what could not be given to udev safely, one sentence each
};

/// `left` are devices without a driver that the guards have refused; they are passed over by address and ids,
/// whatever selector fits. `taken` are members of groups that the guards have let go: those that no selector
/// reaches (a group is taken whole) are listed by address and ids. No selector is there for a rule whose
/// verdict depends on more than the one device and its group: with `count`, with `method = "new-id"` (which
/// is to do without overrides), and with `sriov-vfs` (which names the PF, and means its VFs); nor for a rule
/// with `when = "asked"`, whose devices are nobody's business until then.
OverrideRules overrideRules(const Policy& policy, const std::vector<TakenDevice>& taken,
                            const std::vector<Device>& left, const AutomaticDriver& automatic);

/// For vfio-bind-watch, and back. Empty where there are none; the error is a sentence.
std::string overridesToJson(const std::vector<OverrideRule>& rules);
std::expected<std::vector<OverrideRule>, std::string> overridesFromJson(std::string_view text);

struct NewDeviceOverrides {
    std::vector<std::pair<Address, std::string>> set; ///< devices and the drivers that they now wait for
    /// Devices that waited for a driver, until one that their rule does not know came into their group.
    std::vector<Address> takenBack;
    std::vector<SysError> errors;
};

/// A device has come: it and the members of its group that are there already get their override, where they
/// have neither a driver nor an override and are no bridges. What has a driver may be in use: the guards look
/// before it is taken. Where it is one that a rule with `members` does not know, what waits by that rule in
/// its group waits no longer: the functions of a card are told of one by one, and the first is alone at its
/// time. The kernel matches drivers some time after it has told of a device (doc/kernel.md 4): within it,
/// this keeps off a native driver that is loaded. A write takes the device's lock on Linux 6.1 and may block:
/// for workers only.
NewDeviceOverrides overrideNewDevice(Sysfs& sysfs, const std::vector<OverrideRule>& rules,
                                     const Address& address);

} // namespace vfiobind
