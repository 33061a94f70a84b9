// SPDX-License-Identifier: LGPL-2.1-or-later
/// Keeps the daemon's ends of leases when the daemon ends.
#pragma once

#include "sysfs/descriptor.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace vfiobind {

class LeaseStore {
public:
    virtual ~LeaseStore() = default;
    /// Keeps a copy of the pipe's read end. Calls back once the store has it.
    virtual void keep(std::uint64_t pipe, int fd, std::function<void()> kept) = 0;
    /// Forgets the pipe.
    virtual void drop(std::uint64_t pipe) = 0;
    /// Returns what an earlier run left. Call it once, at the start.
    virtual std::vector<Descriptor> takeKept() = 0;
};

/// Keeps nothing: without a service manager leases live as long as the daemon.
class NoLeaseStore final : public LeaseStore {
public:
    void keep(std::uint64_t, int, std::function<void()> kept) override { kept(); }
    void drop(std::uint64_t) override {}
    std::vector<Descriptor> takeKept() override { return {}; }
};

} // namespace vfiobind
