// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"
#include "rules/rule_files.h"

#include <functional>

namespace vfiobind {

/// Keeps the files by which udev and modprobe know the policy in step with the core: rules that keep native drivers off,
/// names and access of nodes, module options. A file is written when its text changed, and removed with its rule.
class UdevFiles {
public:
    struct Actions {
        /// udevd looks at its rules every three seconds only (measured: of two devices plugged within a second after a
        /// change the rules missed both), so it is told.
        std::function<void()> rulesChanged;
        /// The node is there already, and its name or access changed.
        std::function<void(unsigned group)> nodeChanged;
    };
    UdevFiles(Modules& modules, Actions actions, std::string root = {}) :
        modules_(modules), actions_(std::move(actions)), files_(std::move(root)) {}

    /// Call it when the core has changed. An import file is there before its group is bound: the word to go comes in a
    /// later turn of the event loop than the rule or the device.
    void sync(const Core& core);

private:
    RuleTexts texts(const Core& core);
    Modules& modules_;
    Actions actions_;
    RuleFiles files_;
    RuleTexts last_;
    bool first_ = true;
    std::vector<std::string> told_; ///< complaints, so that each is made once
};

/// Has the kernel send `change` for the group's node, so that udev applies its rules again. The node has no driver and
/// its uevent file takes no device lock: writing it does not block (drivers/base/core.c, uevent_store).
void announceNode(Sysfs& sysfs, unsigned group);

} // namespace vfiobind
