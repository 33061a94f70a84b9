// SPDX-License-Identifier: LGPL-2.1-or-later
/// Waits for the jobs of calls, over the bus.
#pragma once

#include "client.h"
#include "job_tracker.h"

#include <functional>
#include <string>
#include <vector>

namespace vfiobind::ctl {

class JobWaiter {
public:
    /// Subscribes to what the daemon tells. To be made before the call: a short job can be over before its
    /// reply is read.
    explicit JobWaiter(Client& client);
    JobWaiter(const JobWaiter&) = delete;
    JobWaiter& operator=(const JobWaiter&) = delete;

    JobTracker& tracker() { return tracker_; }
    /// Waits until all jobs of tracker() have ended, or hang; `showSteps` is called whenever some have gone
    /// on. Throws DaemonGone, and sdbus::Error when the bus goes away.
    void wait(const std::function<void()>& showSteps);
    /// Why the job did not go well, a sentence; empty where it did.
    std::string errorOf(const JobEnd& end);

private:
    void take(const BusEvent& event);

    Client& client_;
    JobTracker tracker_;
    bool daemonGone_ = false;
};

} // namespace vfiobind::ctl
