// SPDX-License-Identifier: LGPL-2.1-or-later
/// Runs a scenario's transaction with a fault somewhere in it, and says what the promise of design.md means
/// for how it may end: everything as wanted, or everything as it was, or a list of exactly what differs.
#pragma once

#include "fake/kernel_seam.h"
#include "fake/scenarios.h"

#include <gtest/gtest.h>
#include <optional>
#include <set>
#include <string>

namespace vfiobind {

using State = std::map<std::string, std::string>;

/// The kernel as a process sees it that waits in D state: a write that hangs returns in the end. `whileHung`
/// runs before, as the rest of the world goes on.
class WaitingSysfs final : public KernelSeam {
public:
    WaitingSysfs(FakeKernel& kernel, std::function<void()> whileHung) :
        KernelSeam(kernel), whileHung_(std::move(whileHung)) {}

    SysResult<void> write(const std::string& path, std::string_view data) override {
        try {
            return kernel_.write(path, data);
        } catch (const FakeKernel::Hung&) {
            whileHung_();
            return {};
        }
    }

private:
    std::function<void()> whileHung_;
};

/// A journal on a full disk: the nth change and those after it fail.
class FullJournalStore final : public JournalStore {
public:
    explicit FullJournalStore(std::size_t room) : room_(room) {}
    SysResult<void> save(const Journal& journal) override {
        return full() ? SysResult<void>(std::unexpected(SysError{"write", "/run/vfio-bind/journal", ENOSPC}))
                      : kept.save(journal);
    }
    SysResult<void> remove(unsigned group) override { return kept.remove(group); }
    SysResult<std::vector<std::string>> consoles(unsigned group) const override {
        return kept.consoles(group);
    }
    SysResult<void> saveConsoles(unsigned group, const std::vector<std::string>& names) override {
        return full() ? SysResult<void>(std::unexpected(SysError{"write", "/run/vfio-bind/journal", ENOSPC}))
                      : kept.saveConsoles(group, names);
    }
    bool wasFull() const { return wasFull_; }
    MemoryJournalStore kept;

private:
    bool full() {
        if (room_ == 0)
            return wasFull_ = true;
        --room_;
        return false;
    }
    std::size_t room_;
    bool wasFull_ = false;
};

inline const TransactionHooks noHooks{.before = {}, .after = {}, .pause = [](std::chrono::milliseconds) {}};

/// A scenario made ready for being run again and again.
class Trial {
public:
    explicit Trial(const Scenario& scenario, FakeVersion version = FakeVersion::v6_1) :
        start_(scenario.machine()) {
        start_.version = version;
        if (version == FakeVersion::v6_12)
            start_.unsetOverrideReads = "";
        plan_ = planOf(scenario, start_);
        before_ = start_.state();
        auto kernel = start_;
        MemoryJournalStore journals;
        if (carryOut(kernel, plan_, journals, noHooks).result != Outcome::Result::done)
            throw std::logic_error(scenario.name + " fails without a fault");
        wanted_ = kernel.state();
        writes_ = kernel.writes().size();
    }

    const FakeKernel& start() const { return start_; }
    const GroupPlan& plan() const { return plan_; }
    std::size_t writes() const { return writes_; }

    bool asBefore(const FakeKernel& kernel) const { return same(kernel, before_); }
    bool asWanted(const FakeKernel& kernel) const { return same(kernel, wanted_); }

    /// What is to hold when a transaction has come to an outcome, whatever happened in it.
    testing::AssertionResult keptItsPromise(const FakeKernel& kernel, const Outcome& outcome,
                                            const std::map<unsigned, Journal>& journals) const {
        const bool journalLeft = !journals.empty();
        const auto wrong = [&](const std::string& what) {
            return testing::AssertionFailure() << what << "\noutcome: " << outcome.str() << "\nmachine:\n"
                                               << differing(kernel, before_) << history(kernel);
        };
        if (outcome.result == Outcome::Result::done)
            return !asWanted(kernel) ? wrong("'done', but not all is as wanted")
                   : journalLeft     ? wrong("'done', but the journal was left")
                                     : testing::AssertionSuccess();
        if (outcome.differences.empty())
            return !asBefore(kernel) ? wrong("differs from before, and does not say so")
                   : journalLeft     ? wrong("nothing differs, but the journal was left")
                                     : testing::AssertionSuccess();
        if (outcome.result != Outcome::Result::failed)
            return wrong("something differs, and the result is not 'failed'");
        if (!journalLeft)
            return wrong("something differs, and no journal is left to mend it by");
        for (const auto& key : differingKeys(kernel, before_))
            if (!named(outcome, key))
                return wrong("the outcome does not name " + key);
        // Whether a dynamic id is there cannot be read: a failed remove_id is told, needed or not.
        if (asBefore(kernel) && !named(outcome, " new_id "))
            return wrong("nothing differs, but the outcome says so");
        return testing::AssertionSuccess();
    }

    /// The writes of a run, for messages.
    static std::string history(const FakeKernel& kernel) {
        std::string text = "writes:\n";
        for (const auto& write : kernel.writes())
            text += "  " + write.str() + '\n';
        return text;
    }

private:
    /// Devices that have vanished are nobody's fault.
    static std::set<std::string> differingKeys(const FakeKernel& kernel, const State& other) {
        std::set<std::string> keys;
        const auto now = kernel.state();
        for (const auto& [key, value] : now)
            if (const auto it = other.find(key); it == other.end() || it->second != value)
                keys.insert(key);
        for (const auto& [key, value] : other)
            if (!now.contains(key) && (key.find(' ') != std::string::npos || kernel.present(key)))
                keys.insert(key);
        return keys;
    }
    static bool same(const FakeKernel& kernel, const State& other) {
        return differingKeys(kernel, other).empty();
    }

    static std::string differing(const FakeKernel& kernel, const State& other) {
        std::string text;
        const auto now = kernel.state();
        for (const auto& key : differingKeys(kernel, other))
            text += "  " + key + ": now " + (now.contains(key) ? now.at(key) : "gone") + ", was " +
                    (other.contains(key) ? other.at(key) : "not there") + '\n';
        return text;
    }

    static bool named(const Outcome& outcome, const std::string& key) {
        // `vfio-pci new_id 8086:10d3` is named by the remove_id that failed, a device by its address.
        const std::string word = key.find(" new_id ") == std::string::npos ? key : "remove_id";
        for (const auto& difference : outcome.differences)
            if (difference.find(word) != std::string::npos)
                return true;
        return false;
    }

    FakeKernel start_;
    GroupPlan plan_;
    State before_, wanted_;
    std::size_t writes_ = 0;
};

/// Counts what was tried, for all tests of this binary.
inline std::size_t faultCases = 0;

} // namespace vfiobind
