// SPDX-License-Identifier: LGPL-2.1-or-later
/// Where the kernel's command line comes from.
#pragma once

#include "modules/kernel_words.h"
#include "sysfs/sysfs.h"

#include <string>

namespace vfiobind::ctl {

/// `take it out of /etc/default/grub:2, then update-grub`: the places that have the parameter, and the
/// command that puts a change in force on this system. `what` is it, or a part of it.
std::string howToTakeOut(const Sysfs& sysfs, const KernelWord& word, const std::string& what = "it");

} // namespace vfiobind::ctl
