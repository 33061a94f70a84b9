// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/holder_watch.h"

#include "sysfs/descriptor.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vfiobind {

struct HolderWatch::Process {
    Descriptor pidfd;
    EventSource ended; ///< dropped before the descriptor is closed
};

HolderWatch::HolderWatch(EventLoop& loop, const std::set<unsigned>& processes,
                         std::chrono::milliseconds atMost, std::function<void()> letGo) {
    const auto called = std::make_shared<bool>(false);
    const auto once = [called, letGo = std::move(letGo)] {
        if (!std::exchange(*called, true))
            letGo();
    };
    for (const auto process : processes) {
        // glibc 2.36 declares pidfd_open(2) without C linkage.
        const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
        if (pidfd < 0)
            continue; // it has ended, and the time below is not long
        processes_.push_back(std::make_shared<Process>(Descriptor(pidfd), EventSource{}));
        processes_.back()->ended = loop.io(pidfd, EPOLLIN, once);
    }
    limit_ = loop.timer(atMost, once);
}

} // namespace vfiobind
