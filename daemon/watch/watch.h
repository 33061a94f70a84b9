// SPDX-License-Identifier: LGPL-2.1-or-later
/// Gives devices their driver_override before the kernel chooses a driver for them.
#pragma once

#include "rules/override_rules.h"
#include "sysfs/sysfs.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace vfiobind::watch {

/// The kernel tells of a new device (KOBJ_ADD) and goes on to match it with the drivers that are loaded. A
/// native driver is kept off only by an override that is set in between, which can be less than a
/// millisecond: udev's rules say the same and often come too late.
///
/// So a thread waits on each processor, with a realtime priority above that of the kernel's threads that find
/// devices. The event wakes the one on the very processor where the kernel works, which takes the processor
/// from it at the next point where it can be preempted; such a point comes before the matching (device_add()
/// takes a mutex after the event). The thread gives the processor back when the override is set. The others
/// do the same, so that the kernel does not go on elsewhere in the meantime.
class Watch {
public:
    explicit Watch(Sysfs& sysfs) : sysfs_(sysfs) {}

    /// From now on by these rules; the threads come with the first of them. Throws std::system_error where a
    /// thread cannot listen.
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
