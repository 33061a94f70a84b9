// SPDX-License-Identifier: LGPL-2.1-or-later
/// bind and release.
#include "commands.h"
#include "job_tracker.h"
#include "json.h"
#include "output.h"
#include "text.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vfiobind::ctl {

namespace {

class Change {
public:
    Change(Client& client, const Options& options) :
        client_(client), options_(options), style_(Style::forStdout()) {}

    ExitCode run();

private:
    void take(const BusEvent& event);
    void showSteps();
    void wait();
    std::string errorOf(const JobEnd& end);
    void report(const JobEnd& end, const std::string& error);
    ExitCode finish();
    ExitCode leave(const std::vector<std::string>& jobs);

    Client& client_;
    const Options& options_;
    Style style_;
    JobTracker tracker_;
    bool daemonGone_ = false;
};

void Change::take(const BusEvent& event) {
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

void Change::showSteps() {
    if (options_.json)
        return;
    for (const std::string& line : tracker_.takeLines())
        printLine(printable(line));
}

void Change::wait() {
    client_.pump([this] {
        showSteps();
        return tracker_.finished() || daemonGone_;
    });
    if (!tracker_.finished())
        throw DaemonGone(
            fmt::format("vfio-bindd went away while {} ran. The kernel may go on with it, and the daemon "
                        "takes it up again when it is back: see 'vfio-bindctl status'",
                        fmt::join(tracker_.pending(), ", ")));
}

std::string Change::errorOf(const JobEnd& end) {
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

void Change::report(const JobEnd& end, const std::string& error) {
    const std::string name = groupName(end.job.group);
    if (end.result == "done") {
        const std::string what = options_.command == Command::bind ? "bound" : "released";
        printLine(fmt::format("{}: {}", printable(name), style_.paint(Colour::green, what)));
    } else if (end.result == "rolled-back") {
        complain(fmt::format("{}: failed, and everything is as it was before: {}", name, error));
    } else {
        complain(fmt::format("{}: {}: {}", name, end.result, error));
    }
}

ExitCode Change::finish() {
    const std::vector<JobEnd> ends = tracker_.ends();
    std::vector<std::string> errors;
    for (const JobEnd& end : ends)
        errors.push_back(errorOf(end));
    if (options_.json)
        printLine(jobsJson(options_.target, ends, errors));
    else
        for (std::size_t i = 0; i < ends.size(); ++i)
            report(ends[i], errors[i]);
    const bool done = std::ranges::all_of(ends, [](const JobEnd& end) { return end.result == "done"; });
    return done ? ExitCode::done : ExitCode::failed;
}

/// --no-wait: what is known of the jobs now. One that is over already has only its path.
ExitCode Change::leave(const std::vector<std::string>& jobs) {
    if (options_.json) {
        for (const auto& [path, job] : client_.snapshot().jobs)
            tracker_.update(job);
        printLine(jobsJson(options_.target, tracker_.ends(), {}));
        return ExitCode::done;
    }
    for (const std::string& job : jobs)
        printLine(printable(groupName(job)));
    return ExitCode::done;
}

ExitCode Change::run() {
    // Before the call: a short job can be over before its reply is read.
    client_.subscribe([this](const BusEvent& event) { take(event); });
    const CallOptions options = callOptions(options_);
    const std::vector<std::string> jobs = options_.command == Command::bind
                                              ? client_.bind(options_.target, options)
                                              : client_.release(options_.target, options);
    tracker_.await(jobs);
    if (jobs.empty() && !options_.json) {
        printLine(fmt::format("Nothing to do: {} is as wanted.", printable(options_.target)));
        return ExitCode::done;
    }
    if (options_.noWait)
        return leave(jobs);
    wait();
    return finish();
}

} // namespace

ExitCode runChange(Client& client, const Options& options) {
    return Change(client, options).run();
}

} // namespace vfiobind::ctl
