// SPDX-License-Identifier: LGPL-2.1-or-later
#include "early/group_work.h"

#include "guard/storage.h"
#include "transaction/transaction.h"

#include <thread>

namespace vfiobind::early {
namespace {

TransactionHooks hooksFor(const Sysfs& sysfs) {
    return {.before = [](const Step&) {},
            .after = [](const Step&, const SysResult<void>&) {},
            .pause = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); },
            .inUse = [&sysfs](const Address& device) { return storageUse(sysfs, device); }};
}

std::string carryOutAgain(Sysfs& sysfs, const GroupPlan& plan, JournalStore& journals) {
    if (!plan.blocked())
        return carryOut(sysfs, plan, journals, hooksFor(sysfs)).str();
    return "blocked after an earlier transaction was resolved: " + str(plan.blockers);
}

} // namespace

std::string carryOutGroup(Sysfs& sysfs, const GroupPlan& plan, const std::string& stateDirectory,
                          const std::function<GroupPlan()>& planAgain) {
    if (const auto lock = lockGroup(stateDirectory + "/lock", plan.group); !lock)
        return lock.error().str();
    FileJournalStore journals(stateDirectory);
    const auto left = journals.load(plan.group);
    if (!left || left->group != plan.group)
        return carryOut(sysfs, plan, journals, hooksFor(sysfs)).str();
    const auto outcome = recover(sysfs, *left, journals, hooksFor(sysfs));
    if (outcome.result == Outcome::Result::failed || !outcome.differences.empty())
        return "an earlier transaction was cut off and cannot be resolved: " + outcome.str();
    auto result = carryOutAgain(sysfs, planAgain(), journals);
    for (const auto& warning : outcome.warnings)
        result += "; " + warning;
    return result;
}

bool isDone(std::string_view outcome) {
    return outcome == "done" || outcome.starts_with("done; ");
}

} // namespace vfiobind::early
