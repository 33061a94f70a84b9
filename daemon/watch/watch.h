// SPDX-License-Identifier: LGPL-2.1-or-later
/// Sets the driver_override of new devices before the kernel chooses a driver for them.
#pragma once

#include "rules/override_rules.h"
#include "sysfs/sysfs.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace vfiobind::watch {

/// The kernel announces a new device (KOBJ_ADD), and then matches it with the drivers that are loaded
/// (doc/kernel.md 4). Only an override that is set in between keeps a native driver off. That time can be
/// less than a millisecond: udev's rules set the same override, and often too late.
///
/// So a thread waits on each processor, with a realtime priority above that of the kernel's threads that find
/// devices. The event wakes the thread on the processor where the kernel works. That thread preempts the
/// kernel's thread at the next possible point, which comes before the matching (device_add() takes a mutex
/// after the event), and yields the processor when the override is set. The threads on the other processors
/// do the same, so that the kernel does not go on elsewhere meanwhile.
class Watch {
public:
    explicit Watch(Sysfs& sysfs) : sysfs_(sysfs) {}

    /// Follows these rules from now on. Starts the threads with the first rule. Throws std::system_error if a
    /// thread cannot be started.
    void follow(std::vector<OverrideRule> rules);

private:
    using Rules = std::shared_ptr<const std::vector<OverrideRule>>;
    void startThreads();
    void run(unsigned processor);
    void come(const Address& address);

    Sysfs& sysfs_;
    std::atomic<Rules> rules_ = std::make_shared<const std::vector<OverrideRule>>();
    std::vector<std::jthread> threads_;
};

} // namespace vfiobind::watch
