// SPDX-License-Identifier: LGPL-2.1-or-later
/// A lease: a group belongs to somebody for as long as a descriptor is open.
#pragma once

#include "intent/ledger.h"
#include "pci/address.h"
#include "pci/ids.h"

#include <cstdint>
#include <expected>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace vfiobind {

/// One call of Acquire. The caller holds the write end of a pipe, the daemon the read end: the pipe hangs up
/// when the last copy of the write end is closed (pipe(7)).
struct Lease {
    std::uint64_t pipe = 0; ///< inode number of the pipe (fstat(2)): identifies the lease
    uid_t uid = 0;
    std::string what;            ///< shown to root and to the lease's own user; see checkWhat()
    std::uint64_t sinceUsec = 0; ///< CLOCK_REALTIME
    std::set<unsigned> groups;
    bool operator==(const Lease&) const = default;
};

/// What is recorded of a group with leases. Stays after the last lease has ended, until the group is given
/// back.
struct LeasedGroup {
    std::map<Address, Ids> members; ///< as they were when the first lease was authorised
    Request request;                ///< how the group is bound
    bool boundBefore = false;       ///< bound before the first lease, so it stays bound after the last
    bool overruled = false;         ///< a Release took the group in spite of its leases
    bool operator==(const LeasedGroup&) const = default;
};

/// All that is stored of leases.
struct LeaseRecord {
    std::map<std::uint64_t, Lease> leases; ///< by pipe
    std::map<unsigned, LeasedGroup> groups;
    bool operator==(const LeaseRecord&) const = default;
};

/// How many leases there can be, so that nobody takes all of the store's places.
struct LeaseLimits {
    unsigned perUserAndGroup = 16;
    unsigned perUser = 64;
    unsigned all = 1024; ///< FileDescriptorStoreMax= of the unit
};

std::string toJson(const LeaseRecord& record);
/// The error is a sentence; the file is untrusted input.
std::expected<LeaseRecord, std::string> leaseRecordFrom(std::string_view text);

} // namespace vfiobind
