// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a scenario does to the machine, and looks at; each step leaves a line in the transcript.
#pragma once

#include "plan/plan.h"
#include "transaction/transaction.h"
#include "twin/description.h"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vfiobind::twin {

/// Devices with drivers and overrides, VF switches, and what else a scenario might leave behind.
using State = std::map<std::string, std::string>;

class Script {
public:
    Script(Sysfs& sysfs, Roles cast) : roles(std::move(cast)), sysfs_(sysfs) {}

    const Roles roles;

    // ---- raw writes; each prints path, data and errno
    int write(const std::string& path, std::string_view data);
    int setOverride(const std::string& address, std::string_view value);
    int bind(const std::string& driver, const std::string& address);
    int unbind(const std::string& driver, const std::string& address);
    /// From whatever driver it has; prints that there is none.
    int unbind(const std::string& address);
    int probe(const std::string& address);
    int newId(const std::string& driver, std::string_view line);
    int removeId(const std::string& driver, std::string_view line);
    int numVfs(std::string_view count);
    int vfAutoprobe(std::string_view value);
    int remove(const std::string& address);
    int rescan();
    /// Override, unbind, bind by name.
    void toVfio(const std::string& address);
    /// Clears the override, unbinds, lets the kernel choose.
    void toNative(const std::string& address);

    // ---- looks
    /// Driver link, override, group with members, VFIO's nodes.
    void look(const std::string& address);
    void look(const std::vector<std::string>& addresses);
    void read(const std::string& path);
    void link(const std::string& path);
    void list(const std::string& path);
    void say(const std::string& line) { transcript_.push_back(line); }

    // ---- transactions
    struct Options {
        Method method = Method::driverOverride;
        std::vector<std::string> allow{};
        std::map<std::string, std::string> native{}; ///< the drivers to give devices back to
        std::set<std::string> driverless{};
        std::string driver = "auto";
        /// Somebody else's act before this write of the transaction, 0 the first.
        std::size_t interruptAt = SIZE_MAX;
        std::function<void()> interruption{};
        /// The process dies before this write; then the journal that it left is recovered from.
        std::size_t cutOffAt = SIZE_MAX;
    };
    /// Plans the group of the device and carries the plan out, as a worker does.
    void bindGroup(const std::string& address);
    void bindGroup(const std::string& address, const Options& options);
    void releaseGroup(const std::string& address);
    void releaseGroup(const std::string& address, const Options& options);

    std::string driverOf(const std::string& address) const;
    std::string groupOf(const std::string& address) const;
    std::string idsOf(const std::string& address, char separator = ' ') const;
    static std::string device(const std::string& address, const std::string& file = {});

    // ---- the frame
    State state() const;
    /// Undoes by hand what differs from the state; each difference leaves a line that begins with `left
    /// behind`, or with `NOT RESTORED` where the undoing failed.
    void restore(const State& before);
    std::vector<std::string> takeTranscript() { return std::exchange(transcript_, {}); }

private:
    void carryOutPlan(const std::string& address, Action action, const Options& options);
    void repair(const State& before, const State& now);

    Sysfs& sysfs_;
    std::vector<std::string> transcript_;
    std::set<std::pair<std::string, std::string>> dynamicIds_; ///< driver, vendor and device of every new_id
};

} // namespace vfiobind::twin
