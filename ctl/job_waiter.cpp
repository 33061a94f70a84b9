// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job_waiter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vfiobind::ctl {

JobWaiter::JobWaiter(Client& client) : client_(client) {
    client_.subscribe(Client::Topic::jobs, [this](const BusEvent& event) { take(event); });
}

void JobWaiter::take(const BusEvent& event) {
    switch (event.kind) {
    case BusEvent::Kind::added:
    case BusEvent::Kind::changed:
        if (const auto found = event.interfaces.find(bus::InterfaceName{jobInterface});
            found != event.interfaces.end()) {
            JobState job = tracker_.known(event.path);
            job.objectPath = event.path;
            takeOver(found->second, job);
            tracker_.update(job);
        }
        break;
    case BusEvent::Kind::jobRemoved:
        tracker_.removed(event.path, event.group, event.result);
        break;
    case BusEvent::Kind::daemonGone:
        daemonGone_ = true;
        break;
    case BusEvent::Kind::removed:    // a job's object goes with JobRemoved
    case BusEvent::Kind::daemonBack: // it comes to the bus for this very call
        break;
    }
}

void JobWaiter::wait(const std::function<void()>& showSteps) {
    client_.pump([&] {
        showSteps();
        return tracker_.finished() || daemonGone_;
    });
    if (!tracker_.finished())
        throw DaemonGone(
            fmt::format("vfio-bindd went away while {} ran. The kernel may go on with it, and the daemon "
                        "takes it up again when it is back: see 'vfio-bindctl status'",
                        fmt::join(tracker_.pending(), ", ")));
}

std::string JobWaiter::errorOf(const JobEnd& end) {
    if (end.result == "done")
        return {};
    if (end.result == "stuck")
        return fmt::format(
            "a step hangs in the kernel, and the job goes on by itself when the kernel lets go: "
            "see 'vfio-bindctl show {}'",
            groupName(end.job.group));
    const auto error = client_.lastError(end.job.group);
    if (!error)
        return "the group is no longer there";
    return error->empty() ? "the daemon gave no reason; its log has the steps" : *error;
}

} // namespace vfiobind::ctl
