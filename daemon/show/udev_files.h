// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"
#include "rules/rule_files.h"
#include "rules/udev_rules.h"

#include <functional>
#include <utility>

namespace vfiobind {

/// Keeps the files by which udev and modprobe know the policy in step with the core: rules that keep native
/// drivers off, names and access of nodes, module options. A file is written when its text changed, and
/// removed with its rule.
class UdevFiles {
public:
    struct Actions {
        /// udevd looks whether its rules changed every three seconds at most (src/udev/udevd.c), so it is
        /// told.
        std::function<void()> rulesChanged;
        /// There is something that vfio-bind-watch is to do, and was not before.
        std::function<void()> overridesCame;
    };
    UdevFiles(Modules& modules, Actions actions, std::string root = {}) :
        modules_(modules), actions_(std::move(actions)), files_(std::move(root)) {}

    /// Call it after each turn of the event loop, when the core's changes were taken. An import file is there
    /// before its group is bound: the word to go comes in a later turn of the event loop than the rule or the
    /// device.
    void sync(const Core& core);

private:
    RuleTexts texts(const Core& core);
    void note(const TakenDevice& taken);
    Modules& modules_;
    Actions actions_;
    RuleFiles files_;
    RuleTexts last_;
    /// Members of groups that were ours: when a card is plugged in again, all of its functions are known. By
    /// address and ids.
    std::vector<TakenDevice> taken_;
    Policy policy_; ///< that taken_ belongs to
    bool first_ = true;
    bool overridesThere_ = false;
    std::pair<std::uint64_t, std::uint64_t> seen_; ///< revisions of the core and of the modules
    std::vector<std::string> told_;                ///< complaints, so that each is made once
};

} // namespace vfiobind
