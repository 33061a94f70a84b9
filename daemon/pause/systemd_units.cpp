// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pause/systemd_units.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <fmt/format.h>
#include <string_view>
#include <utility>
#include <vector>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

constexpr auto systemdInterface = "org.freedesktop.systemd1.Manager";
/// How long systemd may take for one job; shorter than systemd's own DefaultTimeoutStopSec=, which is 90 s.
constexpr auto jobLimit = 60s;

/// A unit as ListUnitsByNames returns it: name, description, load state, active state, and six more.
using Listed = sdbus::Struct<std::string, std::string, std::string, std::string, std::string, std::string,
                             sdbus::ObjectPath, std::uint32_t, std::string, sdbus::ObjectPath>;
/// A process as GetUnitProcesses returns it: control group, number, command line.
using Process = sdbus::Struct<std::string, std::uint32_t, std::string>;

bool isRunning(std::string_view activeState) {
    constexpr std::array<std::string_view, 3> running{"active", "reloading", "activating"};
    return std::ranges::find(running, activeState) != running.end();
}

} // namespace

/// A job of systemd's that is waited for.
struct SystemdUnits::Job {
    std::string path; ///< empty until systemd has said it
    Done done;        ///< empty once it is called
    EventSource limit;
};

SystemdUnits::SystemdUnits(EventLoop& loop, sdbus::IConnection& systemBus) :
    loop_(loop), systemd_(sdbus::createProxy(systemBus, bus::BusName{"org.freedesktop.systemd1"},
                                             sdbus::ObjectPath{"/org/freedesktop/systemd1"})) {
    systemd_->uponSignal("JobRemoved")
        .onInterface(systemdInterface)
        .call([this](std::uint32_t, const sdbus::ObjectPath& job, const std::string&,
                     const std::string& result) { jobEnded(job, result); });
    bus::finishRegistration(*systemd_);
    // Without Subscribe systemd sends no JobRemoved. The error of a second Subscribe means nothing.
    systemd_->callMethodAsync("Subscribe").onInterface(systemdInterface).uponReplyInvoke([](bus::AsyncError) {
    });
}

SystemdUnits::~SystemdUnits() = default;

void SystemdUnits::look(const std::string& name, Looked looked) {
    systemd_->callMethodAsync("ListUnitsByNames")
        .onInterface(systemdInterface)
        .withArguments(std::vector<std::string>{name})
        .uponReplyInvoke([this, looked = std::move(looked)](bus::AsyncError error,
                                                            const std::vector<Listed>& units) {
            if (error)
                return looked(std::unexpected(error->getMessage()));
            if (units.empty())
                return looked(UnitStatus{});
            const auto& unit = units.front();
            UnitStatus status{.id = std::get<0>(unit), .runs = isRunning(std::get<3>(unit)), .processes = {}};
            if (!status.runs)
                return looked(std::move(status));
            findProcesses(std::move(status), looked);
        });
}

void SystemdUnits::findProcesses(UnitStatus status, Looked looked) {
    const auto id = status.id;
    systemd_->callMethodAsync("GetUnitProcesses")
        .onInterface(systemdInterface)
        .withArguments(id)
        .uponReplyInvoke([status = std::move(status), looked = std::move(looked)](
                             bus::AsyncError error, const std::vector<Process>& processes) {
            if (error)
                return looked(std::unexpected(error->getMessage()));
            auto found = status;
            for (const auto& process : processes)
                found.processes.insert(std::get<1>(process));
            looked(std::move(found));
        });
}

void SystemdUnits::stop(const std::string& id, Done done) {
    ask("StopUnit", id, std::move(done));
}

void SystemdUnits::start(const std::string& id, Done done) {
    // ResetFailedUnit is an error for a unit that has not failed; ignore it, since StartUnit reports all that
    // matters.
    systemd_->callMethodAsync("ResetFailedUnit")
        .onInterface(systemdInterface)
        .withArguments(id)
        .uponReplyInvoke([this, id, done = std::move(done)](bus::AsyncError) { ask("StartUnit", id, done); });
}

void SystemdUnits::ask(const char* member, const std::string& id, Done done) {
    const auto job = std::make_shared<Job>();
    job->done = std::move(done);
    job->limit = loop_.timer(jobLimit, [this, job] {
        finish(job,
               std::unexpected(fmt::format("systemd has not ended its job within {} s", jobLimit.count())));
    });
    systemd_->callMethodAsync(member)
        .onInterface(systemdInterface)
        .withArguments(id, std::string("replace"))
        .uponReplyInvoke([this, job](bus::AsyncError error, const sdbus::ObjectPath& path) {
            if (error)
                return finish(job, std::unexpected(error->getMessage()));
            if (!job->done) // the limit was reached
                return;
            job->path = path;
            jobs_.insert_or_assign(path, job);
        });
}

void SystemdUnits::jobEnded(const std::string& path, const std::string& result) {
    const auto found = jobs_.find(path);
    if (found == jobs_.end())
        return;
    const auto job = found->second;
    if (result == "done")
        finish(job, {});
    else
        finish(job, std::unexpected(fmt::format("the result of systemd's job is \"{}\"", result)));
}

void SystemdUnits::finish(const std::shared_ptr<Job>& job, const std::expected<void, std::string>& result) {
    jobs_.erase(job->path);
    job->limit.reset(); // the timer's handler holds the job, too
    if (const auto done = std::exchange(job->done, nullptr))
        done(result);
}

} // namespace vfiobind
