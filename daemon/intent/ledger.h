// SPDX-License-Identifier: LGPL-2.1-or-later
/// What outlives the daemon until a reboot: the requests over D-Bus, and the groups that the daemon owns.
#pragma once

#include "plan/wanted.h"
#include "sysfs/sysfs.h"

#include <map>
#include <optional>
#include <string>

namespace vfiobind {

/// A bind or release that was asked for over D-Bus.
struct Request {
    Action action = Action::bind;
    std::string driver = "auto";
    Method method = Method::driverOverride;
    std::vector<std::string> allow;
    std::string rule; ///< the rule whose options the request uses, if any
    std::string by;
    bool operator==(const Request&) const = default;
};

/// What the daemon knows of a group that it has bound, or has found bound as a rule wants.
struct Owned {
    std::string rule;
    std::map<Address, std::string> native; ///< the driver each member was taken from; empty for none
    bool operator==(const Owned&) const = default;
};

/// One group's entry. Group numbers can change when a card changes its slot, so the members' identities tell
/// whether the group is still the same (case 14).
struct LedgerEntry {
    std::map<Address, Ids> members;
    std::optional<Request> request;
    std::optional<Owned> owned;
    bool operator==(const LedgerEntry&) const = default;
};

class Ledger {
public:
    /// `file` is such as `/run/vfio-bind/ledger.json`; an empty name keeps the ledger in memory.
    explicit Ledger(std::string file) : file_(std::move(file)) {}

    /// Reads what an earlier run left. If the file cannot be read, returns the reason and the ledger is
    /// empty.
    std::expected<void, std::string> load();
    /// Forgets members that are not in their group any more, and entries that have none left.
    void prune(const Topology& topology);

    const LedgerEntry* find(unsigned group) const;
    const std::map<unsigned, LedgerEntry>& entries() const { return entries_; }

    /// Changes entries and writes the file atomically. Call these before the kernel is touched. On an error,
    /// no entry is changed.
    SysResult<void> setRequests(const Topology& topology,
                                const std::map<unsigned, std::optional<Request>>& requests);
    SysResult<void> setOwned(unsigned group, const Topology& topology, std::optional<Owned> owned);
    /// A reload of a changed configuration ends every release that was asked for (org.vfiobind1(5)).
    SysResult<void> dropReleases();

private:
    LedgerEntry entryNow(unsigned group, const Topology& topology) const;
    void put(unsigned group, std::optional<LedgerEntry> entry);
    SysResult<void> replace(const std::map<unsigned, LedgerEntry>& changed);
    SysResult<void> save();

    std::string file_;
    std::map<unsigned, LedgerEntry> entries_;
    std::map<unsigned, std::string> lines_; ///< the file's, of entries that have not changed
};

} // namespace vfiobind
