// SPDX-License-Identifier: LGPL-2.1-or-later
/// Keeps copies of the daemon's ends of leases, as systemd does, while no daemon is there.
#pragma once

#include "lease/lease_store.h"

#include <map>
#include <unistd.h>
#include <utility>

namespace vfiobind {

class FakeLeaseStore final : public LeaseStore {
public:
    FakeLeaseStore() = default;
    FakeLeaseStore(const FakeLeaseStore&) = delete;
    FakeLeaseStore& operator=(const FakeLeaseStore&) = delete;
    ~FakeLeaseStore() override { lose(); }

    void keep(std::uint64_t pipe, int fd, std::function<void()> kept) override {
        drop(pipe);
        kept_.emplace(pipe, dup(fd));
        if (answers)
            kept();
        else
            waiting = std::move(kept);
    }
    void drop(std::uint64_t pipe) override {
        if (const auto found = kept_.extract(pipe); !found.empty())
            close(found.mapped());
    }
    std::vector<Descriptor> takeKept() override {
        std::vector<Descriptor> taken;
        for (const auto& [pipe, fd] : kept_)
            taken.emplace_back(dup(fd));
        return taken;
    }
    void lose() {
        for (const auto& [pipe, fd] : std::exchange(kept_, {}))
            close(fd);
    }
    std::size_t size() const { return kept_.size(); }

    bool answers = true;           ///< at once; else when `waiting` is called
    std::function<void()> waiting; ///< the last answer that was held back

private:
    std::map<std::uint64_t, int> kept_;
};

} // namespace vfiobind
