// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/work.h"

#include "guard/claimed.h"
#include "guard/display.h"
#include "guard/guard.h"
#include "guard/look.h"
#include "guard/storage.h"
#include "transaction/virtual_functions.h"

#include <algorithm>
#include <fmt/format.h>
#include <thread>

namespace vfiobind {
namespace {

using Send = std::function<void(const WorkMessage&)>;

Finished finished(const Outcome& outcome) {
    return {outcome.resultName(), outcome.error ? outcome.error->str() : std::string{}, outcome.differences,
            outcome.warnings};
}

/// Reads the group's devices and their overrides anew, since the daemon's picture may be out of date. An
/// override that cannot be read may be another program's.
Blockers lookAgain(const Sysfs& sysfs, Topology& topology, unsigned group, const Send& send) {
    Blockers unreadable;
    const auto* found = topology.findGroup(group);
    if (found == nullptr)
        return unreadable;
    const auto members = found->members;
    for (const auto& address : members) {
        topology.refresh(sysfs, address);
        const auto* device = topology.find(address);
        if (device == nullptr || !device->endpoint())
            continue;
        if (auto value = readDriverOverride(sysfs, address)) {
            send(OverrideRead{address, value->value});
            topology.setOverride(address, std::move(*value));
        } else if (!isGone(value.error())) {
            unreadable.push_back(cannotTell("foreign-driver-override", address,
                                            address.str() + " has the driver_override of another program",
                                            value.error()));
        }
    }
    return unreadable;
}

TransactionHooks hooksFor(const Sysfs& sysfs, const Send& send) {
    return {.before = [&send](const Step& step) { send(StepBegun{step.str()}); },
            .after =
                [&send](const Step&, const SysResult<void>& result) {
                    send(StepEnded{result ? "done" : result.error().str()});
                },
            .pause = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); },
            .inUse = [&sysfs](const Address& device) { return storageUse(sysfs, device); }};
}

Verdict verdictOn(const GroupPlan& plan, std::vector<Holder> holders, const Topology& topology) {
    Verdict verdict{.nothingToDo = plan.nothingToDo(),
                    .blockers = plan.blockers,
                    .overridden = plan.overridden,
                    .steps = plan.nothingToDo() ? std::vector<std::string>{} : plan.steps(),
                    .holders = std::move(holders)};
    for (const auto* device : topology.endpoints(plan.group))
        if (!device->onVfio())
            verdict.drivers[device->address] = device->driver;
    return verdict;
}

void tellOverrides(const Sysfs& sysfs, const GroupPlan& plan, const Send& send) {
    for (const auto& member : plan.members)
        if (const auto value = readDriverOverride(sysfs, member.device))
            send(OverrideRead{member.device, value->value});
}

/// Tells of a device that came to the group after somebody was authorised for the others; empty for none.
/// Devices that are gone are the transaction's to deal with.
std::string groupGrew(const Sysfs& sysfs, const WorkOrder& order) {
    if (order.authorised.empty())
        return {};
    const auto names = listIfThere(sysfs, fmt::format("/sys/kernel/iommu_groups/{}/devices", order.group));
    if (!names)
        return fmt::format("what is in group {} now cannot be told: {}", order.group, names.error().str());
    for (const auto& name : *names) {
        const auto address = Address::parse(name);
        const auto device = address ? readDevice(sysfs, *address) : std::nullopt;
        if (!device || !device->endpoint())
            continue;
        const auto known = order.authorised.find(*address);
        if (known == order.authorised.end() || known->second != device->ids)
            return fmt::format("{} ({}) has come to group {} since this was asked for; ask again",
                               address->str(), device->ids.str(), order.group);
    }
    return {};
}

struct Examined {
    std::vector<Holder> holders;
    GroupPlan plan;
};

/// The consoles that a bind is to let go of, or a release to take back. The rule or the caller must have
/// taken `console` on themselves.
std::vector<std::string> consolesOf(const Sysfs& sysfs, const WorkOrder& order, const Topology& topology,
                                    Blockers& blockers) {
    if (order.wanted.action == Action::release)
        return order.consoles;
    if (std::ranges::find(order.wanted.allow, "console") == order.wanted.allow.end())
        return {};
    std::vector<Address> displays;
    for (const auto* device : topology.endpoints(order.group))
        displays.push_back(device->address);
    auto consoles = consolesOn(sysfs, displays);
    if (consoles)
        return std::move(*consoles);
    blockers.push_back(
        {"console",
         {},
         fmt::format("which consoles group {} shows cannot be told: {}", order.group, consoles.error().str()),
         false});
    return {};
}

/// `first` may be long before the first write; `last` is right before it, and asks what an answer is not to
/// be had of for a look alone.
enum class Look { first, last };

Examined examine(HostLook& host, const Sysfs& sysfs, const WorkOrder& order, Topology& topology,
                 const Send& send, Look look) {
    const auto unreadable = lookAgain(sysfs, topology, order.group, send);
    auto found = inspect(host, topology, order.group, order.wanted.action);
    if (order.wanted.action == Action::bind)
        found.blockers.insert(found.blockers.end(), unreadable.begin(), unreadable.end());
    if (order.wanted.action == Action::bind && look == Look::last) {
        const auto claimed = claimedDisks(sysfs, topology, order.group, order.wanted.allow);
        found.blockers.insert(found.blockers.end(), claimed.begin(), claimed.end());
    }
    auto consoles = consolesOf(sysfs, order, topology, found.blockers);
    auto plan = planGroup(order.group, order.wanted, topology, order.drivers, found.blockers);
    plan.consoles = plan.nothingToDo() ? std::vector<std::string>{} : std::move(consoles);
    return {.holders = std::move(found.holders), .plan = std::move(plan)};
}

void examineAndCarryOut(Sysfs& sysfs, const WorkOrder& order, Topology topology, JournalStore& journals,
                        const Send& send, const std::function<bool()>& mayGo) {
    HostLook host(sysfs);
    if (!judge(host, sysfs, order, topology, send))
        return;
    if (!mayGo())
        return send(Finished{"done", {}, {}});
    host.again();
    carryOutJudged(host, sysfs, order, topology, journals, send);
}

void resolve(Sysfs& sysfs, const Journal& journal, JournalStore& journals, const Send& send) {
    auto told = finished(recover(sysfs, journal, journals, hooksFor(sysfs, send)));
    if (told.result == "rolled-back" && told.error.empty())
        told.error = "the worker was cut off before its transaction was through; what it had done is undone";
    send(told);
}

void survey(const Sysfs& sysfs, const WorkOrder& order, const Send& send) {
    for (const auto& address : order.devices)
        if (const auto value = readDriverOverride(sysfs, address))
            send(OverrideRead{address, value->value});
    send(Finished{"done", {}, {}});
}

void createVfs(Sysfs& sysfs, const WorkOrder& order, const Send& send) {
    const auto made = createVirtualFunctions(sysfs, order.devices.front(), order.virtualFunctions,
                                             AutoprobeFiles(order.stateDirectory + "/sriov"),
                                             [&send](const std::string& step, const std::string& result) {
                                                 send(StepBegun{step});
                                                 send(StepEnded{result});
                                             });
    send(made ? Finished{"done", {}, {}} : Finished{"failed", made.error(), {}});
}

} // namespace

bool judge(HostLook& host, const Sysfs& sysfs, const WorkOrder& order, Topology& topology, const Send& send) {
    auto before = examine(host, sysfs, order, topology, send, Look::first);
    const bool stop =
        order.kind == WorkOrder::Kind::examine || before.plan.nothingToDo() || before.plan.blocked();
    send(verdictOn(before.plan, std::move(before.holders), topology));
    if (stop)
        send(Finished{"done", {}, {}});
    return !stop;
}

void carryOutJudged(HostLook& host, Sysfs& sysfs, const WorkOrder& order, Topology& topology,
                    JournalStore& journals, const Send& send) {
    if (!order.journal.members.empty()) {
        const auto left = recover(sysfs, order.journal, journals, hooksFor(sysfs, send));
        if (left.result == Outcome::Result::failed)
            return send(finished(left)); // a new journal would forget what the old one knows
        host.again();
    }
    // Look again: the word to go comes after all groups of the call have been judged, and a disk may have
    // been mounted since.
    const auto plan = examine(host, sysfs, order, topology, send, Look::last).plan;
    auto refusal = plan.blocked() ? str(plan.blockers) : groupGrew(sysfs, order);
    if (!refusal.empty())
        return send(Finished{"failed", "refused right before the first write: " + refusal, {}});
    const auto outcome = carryOut(sysfs, plan, journals, hooksFor(sysfs, send));
    tellOverrides(sysfs, plan, send);
    send(finished(outcome));
}

std::vector<std::unique_ptr<Work>>
Executor::startBatch(std::vector<WorkOrder> orders, const Topology& topology, const GroupListener& listener) {
    std::vector<std::unique_ptr<Work>> works;
    for (auto& order : orders) {
        const auto group = order.group;
        works.push_back(start(std::move(order), topology, [listener, group](WorkMessage message) {
            listener(group, std::move(message));
        }));
    }
    return works;
}

void work(Sysfs& sysfs, const WorkOrder& order, const Topology& topology, JournalStore& journals,
          const Send& send, const std::function<bool()>& mayGo) {
    switch (order.kind) {
    case WorkOrder::Kind::survey:
        return survey(sysfs, order, send);
    case WorkOrder::Kind::holders:
        send(Verdict{.holders = holders(sysfs, topology, order.group)});
        return send(Finished{"done", {}, {}});
    case WorkOrder::Kind::createVfs:
        return createVfs(sysfs, order, send);
    case WorkOrder::Kind::recover:
        return resolve(sysfs, order.journal, journals, send);
    case WorkOrder::Kind::examine:
    case WorkOrder::Kind::carryOut:
        return examineAndCarryOut(sysfs, order, topology, journals, send, mayGo);
    }
}

} // namespace vfiobind
