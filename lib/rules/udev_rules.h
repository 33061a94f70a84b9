// SPDX-License-Identifier: LGPL-2.1-or-later
/// The policy as udev can apply it: static rules that keep native drivers off. Text only; nothing here
/// touches a file.
#pragma once

#include "config/policy.h"
#include "rules/override_rules.h"

#include <string>
#include <vector>

namespace vfiobind {

inline constexpr std::string_view udevRulesFile = "/run/udev/rules.d/10-vfio-bind.rules";

/// What may stand between udev's quotes as it is: neither a quote nor a pattern's or a substitution's sign.
/// The configuration's own rules for names are narrower; a driver's name can also come over D-Bus.
bool udevSafe(std::string_view text);

/// The rules for udev(7): what overrideRules() tells, for devices that have neither a driver nor an override.
/// udev applies them before it loads a module for a device. Empty where there is nothing to say: no file
/// then. `serials`: some rule names a serial number, so that udev has each device's read before its event is
/// told on.
std::string udevRules(const std::vector<OverrideRule>& overrides, bool serials = false);

/// Whether a rule of the policy names a serial number.
bool namesSerials(const Policy& policy);

} // namespace vfiobind
