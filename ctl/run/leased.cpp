// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/leased.h"

#include "commands.h"
#include "job_waiter.h"
#include "output.h"
#include "pci/lease_text.h"
#include "run/command.h"
#include "run/environment.h"
#include "run/own_place.h"
#include "sysfs/real_sysfs.h"
#include "text.h"

#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string_view>
#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace vfiobind::ctl {
namespace {

/// What checks of all targets have found.
struct Checked {
    std::vector<std::string> faults;  ///< a sentence for each blocker of a target that cannot be had
    std::vector<std::string> stopped; ///< units that are stopped for a bind
};

/// Checks all targets before the first is acquired: a mistyped name is to bind nothing. Throws sdbus::Error
/// for a target that is not there. What is to be stopped may be all that stands against a bind, so Acquire
/// has the word there.
Checked checkAll(Client& client, const Options& options) {
    constexpr std::string_view stop = "stop ";
    Checked checked;
    for (const auto& target : options.targets) {
        const auto check = client.check(target, callOptions(options));
        bool stops = false;
        for (const auto& step : check.steps)
            if (step.starts_with(stop)) {
                checked.stopped.push_back(step.substr(stop.size()));
                stops = true;
            }
        if (!check.possible && !stops)
            for (const auto& blocker : check.blockers)
                checked.faults.push_back(fmt::format("{}: {}", blocker.code, blocker.sentence));
    }
    return checked;
}

/// Says so if this process would end with one of the units.
void warnOfOwnEnd(const std::vector<std::string>& stopped) {
    if (stopped.empty())
        return;
    if (const auto unit = endsWithIt(ownPlace(), stopped))
        complain(endingSentence(*unit, ownCommandLine(), geteuid()));
}

/// The leases of all targets, once their jobs have ended well.
class Leases {
public:
    Leases(Client& client, const Options& options) : options_(options), jobs_(client) {
        std::vector<std::string> all;
        for (const auto& target : options.targets) {
            auto acquired = client.acquire(target, acquireOptions());
            leases_.push_back(std::move(acquired.lease));
            all.insert(all.end(), acquired.jobs.begin(), acquired.jobs.end());
        }
        jobs_.tracker().await(all);
    }

    /// The error says which groups could not be bound, a line each.
    std::expected<void, std::string> wait() {
        jobs_.wait([] {});
        std::vector<std::string> faults;
        for (const auto& end : jobs_.tracker().ends())
            if (const auto error = jobs_.errorOf(end); !error.empty())
                faults.push_back(fmt::format("{}: {}: {}", groupName(end.job.group), end.result, error));
        if (!faults.empty())
            return std::unexpected(fmt::format("{}", fmt::join(faults, "\n")));
        return {};
    }

private:
    CallOptions acquireOptions() const {
        auto result = callOptions(options_);
        if (!options_.what.empty())
            result.emplace("what", sdbus::Variant{options_.what});
        else if (!options_.words.empty())
            result.emplace("what", sdbus::Variant{shortened(baseName(options_.words.front()))});
        return result;
    }

    /// A command's name that cannot be a `what` is left out rather than refused.
    static std::string shortened(std::string_view name) {
        auto text = printable(name.substr(0, maxWhat));
        return text.size() <= maxWhat ? text : std::string();
    }

    const Options& options_;
    JobWaiter jobs_;
    std::vector<Descriptor> leases_;
};

ExitCode fail(const std::string& sentence) {
    complain(sentence);
    return ExitCode::notAcquired;
}

ExitCode run(Client& client, const Options& options) {
    const RealSysfs here;
    const auto checked = checkAll(client, options);
    if (!checked.faults.empty())
        return fail(fmt::format("{}", fmt::join(checked.faults, "\n")));
    warnOfOwnEnd(checked.stopped);
    Leases leases(client, options);
    if (const auto had = leases.wait(); !had)
        return fail(had.error());
    Resolved had;
    for (const auto& target : options.targets) {
        const auto one = client.resolve(target);
        had.groups.insert(had.groups.end(), one.groups.begin(), one.groups.end());
        had.devices.insert(had.devices.end(), one.devices.begin(), one.devices.end());
    }
    const auto snapshot = client.snapshot();
    const auto environment = leaseEnvironment(snapshot, touchedBy(snapshot, had), here);
    if (!environment)
        return fail(environment.error().sentence);
    const HandedOn signals; // until now they end this program, and the leases with it
    return static_cast<ExitCode>(runCommand(options.words, *environment, signals));
}

/// To systemd, where it has started us (Type=notify).
void tellStatus(const std::string& sentence, bool ready) {
    sd_notify(0, fmt::format("{}STATUS={}", ready ? "READY=1\n" : "", sentence).c_str());
}

ExitCode holdUntilEnded(Client& client, const Options& options) {
    const auto checked = checkAll(client, options);
    if (!checked.faults.empty()) {
        tellStatus(fmt::format("{}", fmt::join(checked.faults, "; ")), false);
        return fail(fmt::format("{}", fmt::join(checked.faults, "\n")));
    }
    warnOfOwnEnd(checked.stopped);
    Leases leases(client, options);
    if (const auto had = leases.wait(); !had) {
        tellStatus(had.error(), false);
        return fail(had.error());
    }
    const HandedOn signals; // until now they end this program, and the leases with it
    const auto sentence = fmt::format("{}: bound until this ends", fmt::join(options.targets, ", "));
    tellStatus(sentence, true);
    printLine(printable(sentence));
    int signal = 0;
    while (signal != SIGTERM && signal != SIGINT && signal != SIGHUP)
        signal = sigwaitinfo(&signals.signals(), nullptr);
    sd_notify(0, "STOPPING=1");
    return ExitCode::done;
}

ExitCode hold(Client& client, const Options& options) {
    try {
        return holdUntilEnded(client, options);
    } catch (const sdbus::Error& error) {
        tellStatus(error.getMessage(), false);
        throw;
    } catch (const DaemonGone& error) {
        tellStatus(error.what(), false);
        throw;
    }
}

} // namespace

ExitCode runLeased(Client& client, const Options& options) {
    return options.command == Command::run ? run(client, options) : hold(client, options);
}

} // namespace vfiobind::ctl
