// SPDX-License-Identifier: LGPL-2.1-or-later
#include "early/early.h"

#include "config/config.h"
#include "early/group_work.h"
#include "early/parallel.h"
#include "early/serials.h"
#include "guard/claimed.h"
#include "guard/guard.h"
#include "rules/initramfs.h"
#include "rules/module_options.h"
#include "rules/node_imports.h"
#include "rules/rule_files.h"
#include "rules/udev_rules.h"
#include "sysfs/write_file.h"
#include "transaction/journal.h"
#include "transaction/virtual_functions.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ranges>
#include <set>
#include <sys/stat.h>
#include <sys/utsname.h>

namespace vfiobind::early {
namespace {

using namespace std::chrono_literals;

// A bare `modprobe` would be busybox's in an initramfs, which knows neither softdep nor options of
// /run/modprobe.d (doc/kernel.md 35).
constexpr auto modprobe = "/sbin/modprobe";

/// Whether modprobe would have nothing to do, as when the initramfs has loaded the module. One that is built
/// in has no such file (kernel/module/sysfs.c).
bool isLive(const Sysfs& sysfs, std::string module) {
    std::ranges::replace(module, '-', '_');
    const auto state = sysfs.read("/sys/module/" + module + "/initstate", 16);
    return state && *state == "live";
}

} // namespace

std::string Early::automatic(const Ids& ids) {
    if (!variants_) {
        utsname names{};
        uname(&names);
        auto variants = VariantModules::ofFile(fmt::format("/lib/modules/{}/modules.alias", names.release));
        if (!variants)
            fail(fmt::format("devices of driver \"auto\" get vfio-pci: {}", variants.error().str()));
        variants_ = variants ? std::move(*variants) : VariantModules("");
    }
    return variants_->of(ids);
}

/// Reads the policy and the machine. Returns false if either cannot be used.
bool Early::look() {
    auto policy = loadPolicy(options_.config, readHostFacts({}, options_.inInitramfs));
    if (policy && !policy->standsBack.empty())
        report_.lines.push_back(
            fmt::format("nothing is done: the kernel command line says {}", policy->standsBack));
    if (policy && namesSerials(*policy) && !options_.dryRun)
        for (const auto& error : keepSerials(sysfs_))
            fail(error.str());
    if (policy && policy->rules.empty()) { // do not delay the boot by reading the machine
        policy_ = std::move(*policy);
        return true;
    }
    auto topology = Topology::read(sysfs_);
    if (!topology) {
        fail(topology.error().str());
        return false;
    }
    topology_ = std::move(*topology);
    const auto errors = policy ? contradictions(*policy, topology_) : policy.error();
    if (!errors.empty()) {
        fail("no rules are in force: " + str(errors));
        return false;
    }
    policy_ = std::move(*policy);
    resolution_ = resolve(policy_, topology_);
    for (const auto& blocker : resolution_.ungrouped)
        fail(blocker.str());
    return true;
}

void Early::loadModules() {
    std::set<std::string> modules;
    for (const auto& [group, wanted] : resolution_.groups)
        for (const auto* device : topology_.endpoints(group))
            modules.insert(wanted.driver == "auto" ? automatic(device->ids) : wanted.driver);
    for (const auto& rule : policy_.rules)
        if (rule.when == When::always)
            modules.insert(rule.driver == "auto" ? "vfio-pci" : rule.driver); // for what is plugged in later
    if (modules.empty())
        return;
    modules.insert("vfio_iommu_type1");
    std::erase_if(modules, [this](const std::string& module) { return isLive(sysfs_, module); });
    if (modules.empty())
        return;
    std::vector<std::string> command{modprobe, "-a"};
    command.insert(command.end(), modules.begin(), modules.end());
    if (options_.dryRun)
        report_.lines.push_back(fmt::format("would run {}", fmt::join(command, " ")));
    else if (auto error = runProgram(command, options_.limit); !error.empty())
        fail(std::move(error));
}

/// Makes virtual functions for physical functions that have their driver already, built in or loaded in the
/// initramfs. For the others the daemon makes them once the driver is there.
void Early::createVirtualFunctions() {
    std::vector<std::function<std::string()>> tasks;
    std::vector<Address> devices;
    const AutoprobeFiles autoprobes(options_.stateDirectory + "/sriov");
    for (const auto& [address, order] : resolution_.virtualFunctions) {
        const auto* device = topology_.find(address);
        // Where a worker was killed while sriov_drivers_autoprobe was off, the call puts it on again.
        const bool all = device->virtualFunctions.size() == order.count && !autoprobes.load(address);
        if (device->driver.empty() || all)
            continue;
        if (options_.dryRun) {
            report_.lines.push_back(fmt::format("would make {} virtual functions of {} ({})", order.count,
                                                address.str(), order.by));
            continue;
        }
        devices.push_back(address);
        tasks.emplace_back([this, address, order, group = device->group] {
            // Held until the process ends. What an earlier worker has left is resolved by the call itself.
            if (const auto lock = lockForDevice(options_.stateDirectory + "/lock", address, group); !lock)
                return lock.error().str();
            const auto made = vfiobind::createVirtualFunctions(
                sysfs_, address, order, AutoprobeFiles(options_.stateDirectory + "/sriov"),
                [](const std::string&, const std::string&) {});
            return made ? std::string("done") : made.error();
        });
    }
    if (tasks.empty())
        return;
    const auto results = runInParallel(tasks, options_.limit);
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i] && *results[i] == "done")
            report_.lines.push_back(fmt::format("{}: its virtual functions are there", devices[i].str()));
        else
            fail(fmt::format("{}: its virtual functions are not made: {}", devices[i].str(),
                             results[i]
                                 ? *results[i]
                                 : std::string("a write has not come back in time; it hangs in the kernel")));
    }
    if (auto topology = Topology::read(sysfs_)) {
        topology_ = std::move(*topology);
        resolution_ = resolve(policy_, topology_);
    } else {
        fail(topology.error().str());
    }
}

/// Judges one group as it is now, by the guards and the plan.
GroupPlan Early::judgeGroup(unsigned group, Wanted wanted, Action action) {
    wanted.action = action;
    for (const auto* device : topology_.endpoints(group)) {
        const auto address = device->address;
        const auto best = drivers_.resolve(automatic(device->ids));
        drivers_.automatic[address] = drivers_.registered.contains(best) ? best : "vfio-pci";
        if (auto held = readDriverOverride(sysfs_, address))
            topology_.setOverride(address, std::move(*held));
    }
    auto found = inspect(host_, topology_, group, action);
    if (action == Action::bind && !options_.dryRun) {
        const auto claimed = claimedDisks(sysfs_, topology_, group, wanted.allow);
        found.blockers.insert(found.blockers.end(), claimed.begin(), claimed.end());
    }
    return planGroup(group, wanted, topology_, drivers_, found.blockers);
}

/// Judges every group that a rule wants, by the guards and the plan.
std::vector<GroupWork> Early::judge(Action action) {
    if (auto drivers = readDrivers(sysfs_))
        drivers_.registered = std::move(drivers->registered);
    else
        fail(drivers.error().str());
    if (options_.dryRun)
        for (const auto& rule : policy_.rules)
            drivers_.registered.insert(rule.driver == "auto" ? "vfio-pci" : rule.driver); // would be loaded
    std::vector<GroupWork> work;
    for (const auto& [group, wanted] : resolution_.groups) {
        work.push_back({judgeGroup(group, wanted, action)});
        for (const auto& blocker : work.back().plan.blocked() ? work.back().plan.blockers : Blockers{})
            fail(fmt::format("group {} ({}) is blocked: {}", group, wanted.by, blocker.str()));
    }
    return work;
}

/// Writes the files before the first bind, since udev must know the nodes' names and access when it sees them
/// (case 54).
void Early::writeFiles(const std::vector<GroupWork>& work) {
    std::vector<TakenDevice> taken;
    std::vector<Device> left;
    for (const auto& group : work)
        for (const auto* device : topology_.endpoints(group.plan.group)) {
            const auto target = std::ranges::find(group.plan.members, device->address, &MemberPlan::device);
            if (group.plan.blocked())
                left.push_back(*device);
            else if (group.plan.method == Method::driverOverride)
                taken.push_back({*device, target == group.plan.members.end() ? device->driver : target->to});
        }
    auto overrides = overrideRules(policy_, taken, left, [this](const Ids& ids) { return automatic(ids); });
    for (auto& sentence : overrides.leftOut)
        fail(std::move(sentence));
    auto rules = udevRules(overrides.rules, namesSerials(policy_));
    if (options_.dryRun) {
        report_.lines.push_back(fmt::format("{}:\n{}", udevRulesFile, rules));
        return;
    }
    const auto change = RuleFiles().apply({.udevRules = std::move(rules),
                                           .overrides = overridesToJson(overrides.rules),
                                           .nodeImports = nodeImports(policy_, topology_, resolution_),
                                           .moduleOptions = moduleOptionLines(policy_.modules)});
    for (const auto& error : change.errors)
        fail(error.str());
}

/// Runs in the group's own process.
GroupPlan Early::planAgain(const GroupPlan& plan) {
    const auto members = topology_.groups().at(plan.group).members;
    for (const auto& address : members)
        topology_.refresh(sysfs_, address);
    host_.again();
    return judgeGroup(plan.group, resolution_.groups.at(plan.group), plan.action);
}

void Early::carryOutAll(const std::vector<GroupWork>& work) {
    std::vector<std::function<std::string()>> tasks;
    std::vector<unsigned> groups;
    for (const auto& group : work) {
        if (!group.takes())
            continue;
        if (options_.dryRun) {
            report_.lines.push_back(group.plan.str());
            continue;
        }
        groups.push_back(group.plan.group);
        tasks.emplace_back([this, &group] {
            return carryOutGroup(sysfs_, group.plan, options_.stateDirectory,
                                 [this, &group] { return planAgain(group.plan); });
        });
    }
    const auto results = runInParallel(tasks, options_.limit);
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (results[i] && isDone(*results[i]))
            report_.lines.push_back(fmt::format("group {}: {}", groups[i], *results[i]));
        else
            fail(fmt::format("group {}: {}", groups[i],
                             results[i]
                                 ? *results[i]
                                 : std::string("has not come back in time; it, or an earlier run, hangs "
                                               "in the kernel")));
    }
}

Report Early::run() {
    if (!options_.dryRun)
        mkdir(options_.stateDirectory.c_str(),
              0755); // that it cannot be made shows with the first file in it
    if (options_.inInitramfs)
        if (auto marked =
                writeFileAtomically(options_.stateDirectory + std::string(ranInInitramfs), "", 0644);
            !marked)
            fail(marked.error().str());
    if (!look()) {
        // Remove the rules, since those of an initramfs with an older configuration would stay.
        if (!options_.dryRun)
            for (const auto& error : RuleFiles().apply({}).errors)
                fail(error.str());
        return std::move(report_);
    }
    if (!options_.dryRun) // modprobe reads the options
        for (const auto& error : RuleFiles().applyModuleOptions(moduleOptionLines(policy_.modules)).errors)
            fail(error.str());
    loadModules();
    createVirtualFunctions();
    const auto work = judge(Action::bind);
    writeFiles(work);
    carryOutAll(work);
    return std::move(report_);
}

Report Early::giveBack() {
    for (const auto& error : RuleFiles().apply({}).errors)
        fail(error.str());
    if (!look())
        return std::move(report_);
    // The native modules first, so that each device finds its driver when it is let go.
    std::vector<std::string> command{modprobe, "-a", "-q"};
    for (const auto& [group, wanted] : resolution_.groups)
        for (const auto* device : topology_.endpoints(group)) {
            command.push_back(device->ids.modalias());
            drivers_.driverless.insert(
                device->address); // without a driver of its own it still is to be let go
        }
    if (auto error = runProgram(command, options_.limit); !error.empty())
        report_.lines.push_back(
            std::move(error)); // not a failure here: a device can be without a native module
    carryOutAll(judge(Action::release));
    return std::move(report_);
}

std::vector<std::string> Early::neededModules() {
    auto facts = readHostFacts();
    // The image is for boots to come, whatever this one was told.
    std::erase_if(facts.commandLine, [](const std::string& word) { return word.starts_with("vfio_bind="); });
    auto policy = loadPolicy(options_.config, facts);
    if (!policy) {
        fail(str(policy.error()));
        return {};
    }
    const auto always = [](const Rule& rule) { return rule.when == When::always; };
    if (std::ranges::none_of(policy->rules, always))
        return {};
    std::set<std::string> modules{"vfio_iommu_type1", "vfio-pci"};
    for (const auto& rule : policy->rules)
        if (always(rule) && rule.driver != "auto")
            modules.insert(rule.driver);
    // An image can be built where /sys is not mounted, or is another machine's: variant drivers are loaded
    // later then.
    if (const auto topology = Topology::read(sysfs_))
        for (const auto& [group, wanted] : resolve(*policy, *topology).groups)
            for (const auto* device : topology->endpoints(group))
                if (wanted.driver == "auto")
                    modules.insert(automatic(device->ids));
    return {modules.begin(), modules.end()};
}

void Early::readSerials() {
    const auto policy = loadPolicy(options_.config, readHostFacts({}, options_.inInitramfs));
    if (!policy || !namesSerials(*policy)) // what is wrong with it is told when the rules are
        return;
    for (const auto& error : keepSerials(sysfs_))
        fail(error.str());
}

} // namespace vfiobind::early
