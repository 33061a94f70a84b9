// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "fixture.h"
#include "sysfs/descriptor.h"

#include <fcntl.h>
#include <optional>
#include <string>

namespace vfiobind::bustest {

class LeaseFixture : public BusTest {
protected:
    /// Whoever holds the descriptor has the lease.
    using Lease = std::optional<Descriptor>;

    /// Waits for the jobs, too.
    Lease acquire(const std::string& target, const Options& options = {}) {
        const auto [lease, jobs] = client().manager().Acquire(target, options);
        for (const auto& job : jobs)
            EXPECT_EQ(client().resultOf(job), "done");
        return Descriptor(fcntl(lease.get(), F_DUPFD_CLOEXEC, 3));
    }
    Refusal acquireRefusal(const std::string& target, const Options& options = {}) {
        return refusalOf([&] { (void)client().manager().Acquire(target, options); });
    }
    Refusal releaseRefusal(const std::string& target, const Options& options = {}) {
        return refusalOf([&] { client().release(target, options); });
    }
    std::size_t leasesOn(unsigned group) { return client().group(group, "Leases").size(); }
    void waitForNative(unsigned group) { client().waitForState(group, "native"); }
    void configureCard(const std::string& more) {
        configure("[[bind]]\nname = \"card\"\ndevices = [\"" + std::string(gpu) + "\"]\n" + more);
    }
};

} // namespace vfiobind::bustest
