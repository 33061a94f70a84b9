// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transaction/transaction.h"

#include "transaction/step_runner.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <sys/types.h>
#include <unistd.h>

namespace vfiobind {
namespace {

/// new_id's line, as narrow as the kernel can match: ids, subsystem, class and mask
/// (drivers/pci/pci-driver.c, new_id_store).
std::string dynamicIdLine(const Ids& ids) {
    return fmt::format("{:04x} {:04x} {:04x} {:04x} {:06x} ffffff", ids.vendor, ids.device,
                       ids.subsystemVendor, ids.subsystemDevice, ids.classCode);
}

class Transaction {
public:
    Transaction(Sysfs& sysfs, const GroupPlan& plan, JournalStore& journals, const TransactionHooks& hooks) :
        sysfs_(sysfs), plan_(plan), journals_(journals), hooks_(hooks),
        steps_(sysfs, journal_, journals, hooks) {}

    Outcome run() {
        if (auto found = lookAround(); !found)
            return {Outcome::Result::failed, found.error(), {}};
        if (auto result = go(); !result)
            return undo(result.error());
        Outcome outcome;
        if (plan_.action == Action::release)
            outcome.warnings = takeBackConsoles(steps_, journal_);
        if (auto removed = journals_.remove(plan_.group); !removed)
            outcome.error = StepError{{}, removed.error()};
        return outcome;
    }

private:
    StepRunner::Result lookAround();
    StepRunner::Result go();
    StepRunner::Result bindByNewId(const MemberPlan& member);
    StepRunner::Result noteAlreadyThere(const MemberPlan& member);
    StepRunner::Result lockDynamicIds(const MemberPlan& member);
    bool moves(const MemberPlan& member) const;
    Outcome undo(const StepError& error);

    Sysfs& sysfs_;
    const GroupPlan& plan_;
    JournalStore& journals_;
    Journal journal_;
    const TransactionHooks& hooks_;
    StepRunner steps_;
    bool byNewId_ = false;
    std::optional<Descriptor> dynamicIds_; ///< the lock, from the first look to the end
};

/// Reads what every member has now; the plan may be older than this moment.
StepRunner::Result Transaction::lookAround() {
    journal_.group = plan_.group;
    journal_.action = plan_.action;
    journal_.rule = plan_.rule;
    journal_.by = plan_.by;
    stampWithThisProcess(journal_);
    byNewId_ = plan_.method == Method::newId && plan_.action == Action::bind;
    for (const auto& console : plan_.consoles)
        if (plan_.action == Action::release || steps_.isBoundConsole(console))
            journal_.consoles.push_back(console);
    for (const auto& member : plan_.members) {
        const auto device = readDevice(sysfs_, member.device);
        if (!device || device->ids != member.ids)
            return std::unexpected(StepError{
                {Step::Kind::verify, member.device, {}},
                {"the device is not there any more; read", devicePath(member.device, "modalias"), ENODEV}});
        auto held = readDriverOverride(sysfs_, member.device);
        if (!held && held.error().code == ENOENT && plan_.action == Action::bind)
            byNewId_ = true; // a kernel without driver_override
        else if (!held && held.error().code != ENOENT)
            return std::unexpected(StepError{{Step::Kind::driverOverride, member.device, {}}, held.error()});
        journal_.members.push_back(
            {.device = member.device,
             .ids = member.ids,
             .driver = device->driver,
             .vfio = device->onVfio(),
             .override = held ? held->value : std::string{},
             .toDriver = member.to,
             .toOverride = byNewId_ ? (held ? held->value : std::string{}) : member.override,
             .driverExpected = member.driverExpected});
        if (byNewId_)
            if (auto noted = noteAlreadyThere(member); !noted)
                return noted;
    }
    return {};
}

/// Waits for a while: another such transaction is soon over, or hangs.
StepRunner::Result Transaction::lockDynamicIds(const MemberPlan& member) {
    constexpr auto pause = std::chrono::milliseconds(50);
    constexpr int attempts = 200;
    for (int attempt = 1; !dynamicIds_; ++attempt) {
        auto lock = journals_.tryLockDynamicIds();
        if (lock)
            dynamicIds_.emplace(std::move(*lock));
        else if (lock.error().code != EWOULDBLOCK || attempt == attempts)
            return std::unexpected(StepError{{Step::Kind::newId, member.device, member.to}, lock.error()});
        else if (hooks_.pause)
            hooks_.pause(pause);
    }
    return {};
}

StepRunner::Result Transaction::noteAlreadyThere(const MemberPlan& member) {
    if (auto locked = lockDynamicIds(member); !locked)
        return locked;
    const auto topology = Topology::read(sysfs_);
    if (!topology)
        return std::unexpected(StepError{{Step::Kind::newId, member.device, member.to}, topology.error()});
    for (const auto& [address, device] : topology->devices())
        if (device.ids == member.ids && device.driver == member.to)
            journal_.alreadyThere.push_back(address);
    return {};
}

bool Transaction::moves(const MemberPlan& member) const {
    const auto driver = steps_.driverOf(member.device);
    return member.to.empty() ? driver == member.from : driver != member.to;
}

StepRunner::Result Transaction::bindByNewId(const MemberPlan& member) {
    const auto line = dynamicIdLine(member.ids);
    const std::pair entry{member.to, line};
    if (std::ranges::find(journal_.dynamicIds, entry) == journal_.dynamicIds.end())
        journal_.dynamicIds.push_back(entry); // saved with the step's own record, before the write
    return steps_.newId(member.device, member.to, line);
}

StepRunner::Result Transaction::go() {
    for (const auto& member : journal_.members)
        if (member.override != member.toOverride)
            if (auto result = steps_.setOverride(member.device, member.toOverride); !result)
                return result;
    if (plan_.action == Action::bind)
        for (const auto& console : journal_.consoles)
            if (auto result = steps_.letGo(console); !result)
                return result;
    std::vector<const MemberPlan*> moving;
    for (const auto& member : plan_.members) {
        if (!moves(member))
            continue;
        moving.push_back(&member);
        if (const auto driver = steps_.driverOf(member.device); !driver.empty())
            if (auto result = steps_.unbind(member.device, driver); !result)
                return result;
    }
    for (const auto* member : moving) {
        const auto result = member->to.empty() ? steps_.probe(member->device)
                            : byNewId_         ? bindByNewId(*member)
                                               : steps_.bind(member->device, member->to);
        if (!result)
            return result;
    }
    if (auto errors = takeBackDynamicIds(sysfs_, steps_, journal_); !errors.empty())
        return std::unexpected(errors.front());
    for (const auto& member : plan_.members)
        if (auto result = steps_.verify(member); !result)
            return result;
    return {};
}

Outcome Transaction::undo(const StepError& error) {
    Outcome outcome{Outcome::Result::failed, error, {}};
    if (steps_.wrote()) {
        outcome.result = Outcome::Result::rolledBack;
        outcome.differences = restore(sysfs_, steps_, journal_);
        if (journal_.action == Action::bind)
            outcome.warnings = takeBackConsoles(steps_, journal_);
    }
    if (!outcome.differences.empty()) {
        outcome.result = Outcome::Result::failed; // the journal stays until it is resolved
        return outcome;
    }
    if (auto removed = journals_.remove(plan_.group); !removed)
        outcome.differences.push_back(removed.error().str());
    return outcome;
}

bool arrived(const Sysfs& sysfs, const StepRunner& steps, const JournalMember& member) {
    const auto driver = steps.driverOf(member.device);
    const bool driverRight = !member.toDriver.empty()
                                 ? driver == member.toDriver
                                 : driver != member.driver && (!driver.empty() || !member.driverExpected);
    const auto held = readDriverOverride(sysfs, member.device);
    return driverRight && (!held || held->value == member.toOverride);
}

} // namespace

std::string Outcome::resultName() const {
    switch (result) {
    case Result::done:
        return "done";
    case Result::rolledBack:
        return "rolled-back";
    case Result::failed:
        break;
    }
    return "failed";
}

std::string Outcome::str() const {
    std::string text = resultName();
    if (error)
        text += ": " + error->str();
    for (const auto& sentence : differences)
        text += "; " + sentence;
    for (const auto& sentence : warnings)
        text += "; " + sentence;
    return text;
}

Outcome carryOut(Sysfs& sysfs, const GroupPlan& plan, JournalStore& journals, const TransactionHooks& hooks) {
    if (plan.nothingToDo())
        return {};
    return Transaction(sysfs, plan, journals, hooks).run();
}

Outcome recover(Sysfs& sysfs, const Journal& left, JournalStore& journals, const TransactionHooks& hooks) {
    Journal journal = left;
    stampWithThisProcess(journal);
    StepRunner steps(sysfs, journal, journals, hooks);
    const bool all = std::ranges::all_of(journal.members, [&](const auto& m) {
        const auto device = readDevice(sysfs, m.device);
        return !device || device->ids != m.ids || arrived(sysfs, steps, m);
    });
    Outcome outcome{all ? Outcome::Result::done : Outcome::Result::rolledBack, {}, {}};
    if (all) {
        for (const auto& error : takeBackDynamicIds(sysfs, steps, journal))
            outcome.differences.push_back(error.str());
    } else {
        outcome.differences = restore(sysfs, steps, journal);
    }
    if ((journal.action == Action::release) == all)
        outcome.warnings = takeBackConsoles(steps, journal);
    if (!outcome.differences.empty()) {
        outcome.result = Outcome::Result::failed;
        return outcome;
    }
    if (auto removed = journals.remove(journal.group); !removed)
        outcome.differences.push_back(removed.error().str());
    return outcome;
}

} // namespace vfiobind
