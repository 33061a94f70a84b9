// SPDX-License-Identifier: LGPL-2.1-or-later
/// systemd's descriptor store (FileDescriptorStoreMax=, systemd.service(5)).
#pragma once

#include "lease/lease_store.h"
#include "loop/event_loop.h"

#include <map>

namespace vfiobind {

/// Without a service manager ($NOTIFY_SOCKET is not set) nothing is kept.
class SystemdLeaseStore final : public LeaseStore {
public:
    explicit SystemdLeaseStore(EventLoop& loop);
    SystemdLeaseStore(const SystemdLeaseStore&) = delete;
    SystemdLeaseStore& operator=(const SystemdLeaseStore&) = delete;
    ~SystemdLeaseStore() override;
    /// FDSTORE=1, then BARRIER=1 (sd_notify(3)). Calls back when systemd has handled both, or when that takes
    /// longer than sd_notify_barrier(3) would be given; the loop goes on meanwhile.
    void keep(std::uint64_t pipe, int fd, std::function<void()> kept) override;
    void drop(std::uint64_t pipe) override;
    std::vector<Descriptor> takeKept() override;

private:
    struct Barrier;
    void awaitManager(std::function<void()> passed);
    void end(std::uint64_t barrier);

    EventLoop& loop_;
    std::map<std::uint64_t, Barrier> barriers_;
    std::uint64_t lastBarrier_ = 0;
};

} // namespace vfiobind
