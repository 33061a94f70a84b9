// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"
#include "rules/rule_files.h"
#include "rules/udev_rules.h"

#include <functional>
#include <utility>

namespace vfiobind {

/// Keeps the files for udev and modprobe in step with the core: rules that keep native drivers off, names and
/// access of nodes, module options. Writes a file when its text has changed, and removes it with its rule.
class UdevFiles {
public:
    struct Actions {
        /// Makes udevd read its rules at once: by itself it checks every three seconds at most (systemd's
        /// src/udev/udevd.c).
        std::function<void()> rulesChanged;
        /// vfio-bind-watch has something to do, and had nothing before.
        std::function<void()> overridesCame;
    };
    UdevFiles(Modules& modules, Actions actions, std::string root = {}) :
        modules_(modules), actions_(std::move(actions)), files_(std::move(root)) {}

    /// Call it after each turn of the event loop, after the core's changes were taken. So an import file
    /// exists before its group is bound: the word to go comes in a later turn than the rule or the device.
    void sync(const Core& core);

private:
    RuleTexts texts(const Core& core);
    void note(const TakenDevice& taken);
    Modules& modules_;
    Actions actions_;
    RuleFiles files_;
    RuleTexts last_;
    /// Members of groups that the daemon had bound: when a card is plugged in again, the ids and drivers of
    /// all of its functions are known.
    std::vector<TakenDevice> taken_;
    Policy policy_; ///< that taken_ belongs to
    bool first_ = true;
    bool overridesThere_ = false;
    std::pair<std::uint64_t, std::uint64_t> seen_; ///< revisions of the core and of the modules
    std::vector<std::string> told_; ///< complaints that were logged, so that each is logged once
};

} // namespace vfiobind
