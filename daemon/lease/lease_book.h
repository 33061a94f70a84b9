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

    /// Restores what an earlier run left. Takes the pipes from the store, and a pipe that the store lost from
    /// a process that holds its other end. A lease whose pipe neither has is ended and its groups are in
    /// owed(), without a call of Ended. If the file cannot be read, returns the reason and counts the record
    /// as empty.
    std::expected<void, std::string> load();
    /// Forgets members that are not in their group any more, and groups that have none left.
    void prune(const Topology& topology);

    /// Returns a sentence if the user may have no further lease on the groups.
    std::expected<void, std::string> checkRoom(uid_t uid, const std::set<unsigned>& groups) const;

    /// Gets the write end of the lease's pipe, which is the lease.
    using Granted = std::function<void(SysResult<Descriptor> lease)>;
    /// Records a lease, puts its pipe into the store, then calls back with the lease. `groups` says how each
    /// group is bound; for a group that is leased already, what the first lease said stays. On an error,
    /// keeps no record.
    void grant(uid_t uid, std::string what, const std::map<unsigned, LeasedGroup>& groups, Granted granted);

    /// Returns the leases on a group, the oldest first.
    std::vector<const Lease*> leasesOn(unsigned group) const;
    bool isLeased(unsigned group) const;
    /// Returns nullptr if the group is neither leased nor owed.
    const LeasedGroup* find(unsigned group) const;
    /// Returns the groups whose last lease has ended and that are not settled yet.
    std::set<unsigned> owed() const;

    /// Call it when the group was given back, or stays bound for another reason. Does nothing if the group is
    /// leased.
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
