// SPDX-License-Identifier: LGPL-2.1-or-later
/// bind and release.
#include "commands.h"
#include "job_waiter.h"
#include "json.h"
#include "output.h"
#include "text.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind::ctl {

namespace {

class Change {
public:
    Change(Client& client, const Options& options) :
        client_(client), options_(options), style_(Style::forStdout()) {}

    ExitCode run();

private:
    std::vector<std::string> call();
    ExitCode sayNothingToDo() const;
    void showSteps(JobTracker& jobs) const;
    void report(const JobEnd& end, const std::string& error) const;
    ExitCode finish(JobWaiter& jobs) const;
    ExitCode start();

    Client& client_;
    const Options& options_;
    Style style_;
};

ExitCode Change::sayNothingToDo() const {
    printLine(fmt::format("Nothing to do: {} is as wanted.", printable(options_.target)));
    return ExitCode::done;
}

void Change::showSteps(JobTracker& jobs) const {
    if (options_.json)
        return;
    for (const std::string& line : jobs.takeLines())
        printLine(printable(line));
}

void Change::report(const JobEnd& end, const std::string& error) const {
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

ExitCode Change::finish(JobWaiter& jobs) const {
    const std::vector<JobEnd> ends = jobs.tracker().ends();
    std::vector<std::string> errors;
    for (const JobEnd& end : ends)
        errors.push_back(jobs.errorOf(end));
    if (options_.json)
        printLine(jobsJson(options_.target, ends, errors));
    else
        for (std::size_t i = 0; i < ends.size(); ++i)
            report(ends[i], errors[i]);
    const bool done = std::ranges::all_of(ends, [](const JobEnd& end) { return end.result == "done"; });
    return done ? ExitCode::done : ExitCode::failed;
}

std::vector<std::string> Change::call() {
    const CallOptions options = callOptions(options_);
    return options_.command == Command::bind ? client_.bind(options_.target, options)
                                             : client_.release(options_.target, options);
}

/// --no-wait: what is known of the jobs by now. One that is over already may have only its path.
ExitCode Change::start() {
    if (options_.json) {
        JobWaiter jobs(client_);
        jobs.tracker().await(call());
        client_.takePending(); // the jobs were announced before the answer
        printLine(jobsJson(options_.target, jobs.tracker().ends(), {}));
        return ExitCode::done;
    }
    const auto jobs = call();
    if (jobs.empty())
        return sayNothingToDo();
    for (const std::string& job : jobs)
        printLine(printable(groupName(job)));
    return ExitCode::done;
}

ExitCode Change::run() {
    if (options_.noWait)
        return start();
    JobWaiter jobs(client_);
    const auto paths = call();
    jobs.tracker().await(paths);
    if (paths.empty() && !options_.json)
        return sayNothingToDo();
    jobs.wait([&] { showSteps(jobs.tracker()); });
    return finish(jobs);
}

} // namespace

ExitCode runChange(Client& client, const Options& options) {
    return Change(client, options).run();
}

} // namespace vfiobind::ctl
