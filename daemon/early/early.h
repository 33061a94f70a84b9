// SPDX-License-Identifier: LGPL-2.1-or-later
/// What happens before udev and without a bus: writes the policy's files, loads modules, and binds groups.
#pragma once

#include "config/policy.h"
#include "guard/host_look.h"
#include "plan/plan.h"
#include "plan/wanted.h"
#include "rules/module_aliases.h"
#include "sysfs/sysfs.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind::early {

struct Options {
    std::string config = "/etc/vfio-bind.toml";
    std::string stateDirectory = "/run/vfio-bind";
    std::chrono::seconds limit{20}; ///< for the modules, the virtual functions, and all groups together, each
    bool dryRun = false;
    /// It leaves a mark, since the image's configuration may be older than the machine's, and knows of the
    /// machine what the image has of it.
    bool inInitramfs = false;
};

/// A line for the log, by what it is about.
struct Report {
    std::vector<std::string> lines;    ///< what was done
    std::vector<std::string> failures; ///< what was not, and why
};

/// How one group is to be bound, as the guards and the plan see it now.
struct GroupWork {
    GroupPlan plan;
    bool takes() const { return !plan.nothingToDo() && !plan.blocked(); }
};

class Early {
public:
    Early(Sysfs& sysfs, Options options) : sysfs_(sysfs), host_(sysfs), options_(std::move(options)) {}

    /// Runs all steps. Nothing is fatal: what cannot be done is in the report.
    Report run();
    /// Releases what was bound and removes the rules, for an initramfs whose root file system does not
    /// appear.
    Report giveBack();
    /// Returns the modules that an initramfs needs for the policy on this machine; empty if the policy asks
    /// for no device.
    std::vector<std::string> neededModules();
    /// Reads the serial numbers of all devices, if a rule names one, for the programs that cannot.
    void readSerials();
    const std::vector<std::string>& failures() const { return report_.failures; }

private:
    bool look();
    void loadModules();
    void createVirtualFunctions();
    void writeFiles(const std::vector<GroupWork>& work);
    std::vector<GroupWork> judge(Action action);
    GroupPlan judgeGroup(unsigned group, Wanted wanted, Action action);
    GroupPlan planAgain(const GroupPlan& plan);
    void carryOutAll(const std::vector<GroupWork>& work);
    std::string automatic(const Ids& ids);
    void fail(std::string sentence) { report_.failures.push_back(std::move(sentence)); }

    Sysfs& sysfs_;
    HostLook host_;
    Options options_;
    Report report_;
    Policy policy_;
    Topology topology_;
    Drivers drivers_;
    Resolution resolution_;
    std::optional<VariantModules> variants_;
};

} // namespace vfiobind::early
