// SPDX-License-Identifier: LGPL-2.1-or-later
/// The book of leases: who holds which groups, kept over restarts of the daemon.
#pragma once

#include "lease/lease.h"
#include "lease/lease_store.h"
#include "loop/event_loop.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

#include <functional>
#include <string>
#include <vector>

namespace vfiobind {

class LeaseBook {
public:
    /// A lease on the group has ended. After the last one the group is owed to its native drivers until
    /// settle().
    using Ended = std::function<void(unsigned group, bool last)>;

    /// `file` is such as `/run/vfio-bind/leases.json`; empty keeps the record in memory.
    LeaseBook(EventLoop& loop, LeaseStore& store, std::string file, LeaseLimits limits = {});
    LeaseBook(const LeaseBook&) = delete;
    LeaseBook& operator=(const LeaseBook&) = delete;
    ~LeaseBook();

    void onEnded(Ended ended) { ended_ = std::move(ended); }

    /// Takes up what an earlier run left: from the store, and where that lost a pipe, from a process that
    /// holds its other end. What neither has is ended, and owed(); nobody is called. Says of a file that
    /// cannot be read why; it counts as empty.
    std::expected<void, std::string> load();
    /// Forgets members that are not in their group any more, and groups that have none left.
    void prune(const Topology& topology);

    /// A sentence where the user may have no further lease on the groups.
    std::expected<void, std::string> checkRoom(uid_t uid, const std::set<unsigned>& groups) const;

    /// The write end is the new lease.
    using Granted = std::function<void(SysResult<Descriptor> lease)>;
    /// Writes the lease down, has it stored, and calls back with it. `groups` says how each is bound; of a
    /// group that is leased already, what the first lease said stays. With an error nothing is remembered.
    void grant(uid_t uid, std::string what, const std::map<unsigned, LeasedGroup>& groups, Granted granted);

    /// The leases on a group, the oldest first.
    std::vector<const Lease*> leasesOn(unsigned group) const;
    bool isLeased(unsigned group) const;
    /// Null where the group is neither leased nor owed.
    const LeasedGroup* find(unsigned group) const;
    /// Groups whose last lease has ended, and which are not settled.
    std::set<unsigned> owed() const;

    /// The group was given back, or stays bound for another's sake. Does nothing where it is leased.
    void settle(unsigned group);
    /// A Release takes the group in spite of its leases, or has failed to; the next grant() ends that.
    SysResult<void> overrule(unsigned group, bool overruled);

private:
    struct Held;
    void hold(std::uint64_t pipe, Descriptor end);
    void endLease(std::uint64_t pipe);
    void noteEnd(const Lease& lease);
    void saveOrWarn();
    SysResult<void> save() const;

    EventLoop& loop_;
    LeaseStore& store_;
    std::string file_;
    LeaseLimits limits_;
    Ended ended_;
    LeaseRecord record_;
    std::map<std::uint64_t, Held> held_;
};

/// `uid 1000 since 2026-11-30 08:15:00 (VM win11)`, for the blocker `leased` and the log. Local time.
std::string describe(const Lease& lease, bool withWhat);

} // namespace vfiobind
