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
        client_(client), options_(options), style_(Style::forStdout()), jobs_(client) {}

    ExitCode run();

private:
    void showSteps();
    void report(const JobEnd& end, const std::string& error);
    ExitCode finish();
    ExitCode leave(const std::vector<std::string>& jobs);

    Client& client_;
    const Options& options_;
    Style style_;
    JobWaiter jobs_;
};

void Change::showSteps() {
    if (options_.json)
        return;
    for (const std::string& line : jobs_.tracker().takeLines())
        printLine(printable(line));
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
    const std::vector<JobEnd> ends = jobs_.tracker().ends();
    std::vector<std::string> errors;
    for (const JobEnd& end : ends)
        errors.push_back(jobs_.errorOf(end));
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
            jobs_.tracker().update(job);
        printLine(jobsJson(options_.target, jobs_.tracker().ends(), {}));
        return ExitCode::done;
    }
    for (const std::string& job : jobs)
        printLine(printable(groupName(job)));
    return ExitCode::done;
}

ExitCode Change::run() {
    const CallOptions options = callOptions(options_);
    const std::vector<std::string> jobs = options_.command == Command::bind
                                              ? client_.bind(options_.target, options)
                                              : client_.release(options_.target, options);
    jobs_.tracker().await(jobs);
    if (jobs.empty() && !options_.json) {
        printLine(fmt::format("Nothing to do: {} is as wanted.", printable(options_.target)));
        return ExitCode::done;
    }
    if (options_.noWait)
        return leave(jobs);
    jobs_.wait([this] { showSteps(); });
    return finish();
}

} // namespace

ExitCode runChange(Client& client, const Options& options) {
    return Change(client, options).run();
}

} // namespace vfiobind::ctl
