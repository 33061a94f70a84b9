// SPDX-License-Identifier: LGPL-2.1-or-later
// Dynamic ids catch every device that they fit.
#include "transaction/transaction.h"

#include "fake/machine.h"
#include "fake/scenarios.h"

#include <algorithm>
#include <cerrno>

namespace vfiobind::transaction_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::string oneTwin = "0000:01:00.0";
const std::string otherTwin = "0000:00:04.0"; // in another group

const Scenario& byNewId() {
    return *std::ranges::find(scenarios(), "bind one of three twins by new_id (case 59)", &Scenario::name);
}

/// Somebody has the lock so many times that it is asked for.
class BusyJournalStore final : public JournalStore {
public:
    explicit BusyJournalStore(int times) : times_(times) {}
    SysResult<void> save(const Journal& journal) override { return kept_.save(journal); }
    SysResult<void> remove(unsigned group) override { return kept_.remove(group); }
    SysResult<std::vector<std::string>> consoles(unsigned group) const override {
        return kept_.consoles(group);
    }
    SysResult<void> saveConsoles(unsigned group, const std::vector<std::string>& names) override {
        return kept_.saveConsoles(group, names);
    }
    SysResult<Descriptor> tryLockDynamicIds() override {
        if (times_-- > 0)
            return std::unexpected(SysError{"flock", "/run/vfio-bind/lock/dynamic-ids.lock", EWOULDBLOCK});
        return Descriptor(-1);
    }

private:
    int times_;
    MemoryJournalStore kept_;
};

TEST(DynamicIds, ATwinThatAnotherGroupHasBoundMeanwhileStaysThere) {
    auto kernel = byNewId().machine();
    MemoryJournalStore journals;
    const TransactionHooks hooks{.before =
                                     [&](const Step& step) {
                                         if (step.kind == Step::Kind::newId)
                                             fakemachine::toVfio(kernel, otherTwin);
                                     },
                                 .after = {},
                                 .pause = {}};
    EXPECT_EQ(carryOut(kernel, planOf(byNewId(), kernel), journals, hooks).str(), "done");
    EXPECT_EQ(kernel.driverOf(oneTwin), "vfio-pci");
    EXPECT_EQ(kernel.driverOf(otherTwin), "vfio-pci");
}

TEST(DynamicIds, TransactionsThatUseThemComeOneAfterAnother) {
    auto kernel = byNewId().machine();
    BusyJournalStore journals(3);
    int pauses = 0;
    const TransactionHooks hooks{
        .before = {}, .after = {}, .pause = [&](std::chrono::milliseconds) { ++pauses; }};
    EXPECT_EQ(carryOut(kernel, planOf(byNewId(), kernel), journals, hooks).str(), "done");
    EXPECT_EQ(pauses, 3);
    EXPECT_EQ(kernel.driverOf(oneTwin), "vfio-pci");
}

TEST(DynamicIds, OneThatHangsIsNotWaitedForWithoutEnd) {
    auto kernel = byNewId().machine();
    BusyJournalStore journals(1'000'000);
    const TransactionHooks hooks{.before = {}, .after = {}, .pause = [](std::chrono::milliseconds) {}};
    kernel.clearWrites();
    EXPECT_THAT(carryOut(kernel, planOf(byNewId(), kernel), journals, hooks).str(),
                testing::AllOf(testing::StartsWith("failed"), HasSubstr("dynamic-ids.lock: EAGAIN")));
    EXPECT_THAT(kernel.writes(), IsEmpty());
}

} // namespace
} // namespace vfiobind::transaction_test
