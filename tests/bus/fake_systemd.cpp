// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fake_systemd.h"

#include "Systemd-adaptor.h"

#include <chrono>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace vfiobind::bustest {
namespace {

using Listed = sdbus::Struct<std::string, std::string, std::string, std::string, std::string, std::string,
                             sdbus::ObjectPath, std::uint32_t, std::string, sdbus::ObjectPath>;
using Process = sdbus::Struct<std::string, std::uint32_t, std::string>;

} // namespace

class FakeSystemd::Manager final
    : public sdbus::AdaptorInterfaces<org::freedesktop::systemd1::Manager_adaptor> {
public:
    Manager(sdbus::IConnection& connection, std::set<std::string> running) :
        AdaptorInterfaces(connection, sdbus::ObjectPath{"/org/freedesktop/systemd1"}),
        running_(std::move(running)) {
        registerAdaptor();
    }
    ~Manager() { unregisterAdaptor(); }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;

    void holdStops() {
        const std::lock_guard lock(mutex_);
        held_ = true;
    }
    /// Emits without the lock: a call that comes meanwhile has the connection's lock and waits for ours.
    void finishStops() {
        std::unique_lock lock(mutex_);
        held_ = false;
        const auto finished = std::exchange(heldJobs_, {});
        lock.unlock();
        for (const auto& [number, unit] : finished)
            emitJobRemoved(number, jobPath(number), unit, "done");
    }
    std::vector<std::string> jobs(std::size_t count) {
        std::unique_lock lock(mutex_);
        if (!moved_.wait_for(lock, std::chrono::seconds(30), [&] { return jobs_.size() >= count; }))
            throw std::runtime_error("waited in vain for systemd to be asked");
        return jobs_;
    }
    bool runs(const std::string& unit) {
        const std::lock_guard lock(mutex_);
        return running_.contains(unit);
    }

private:
    static sdbus::ObjectPath jobPath(std::uint32_t number) {
        return sdbus::ObjectPath{fmt::format("/org/freedesktop/systemd1/job/{}", number)};
    }

    void Subscribe() override {}
    void ResetFailedUnit(const std::string&) override {}
    std::vector<Listed> ListUnitsByNames(const std::vector<std::string>& names) override {
        const std::lock_guard lock(mutex_);
        std::vector<Listed> list;
        for (const auto& name : names)
            list.emplace_back(name, "", "loaded", running_.contains(name) ? "active" : "inactive", "", "",
                              sdbus::ObjectPath{"/"}, 0U, "", sdbus::ObjectPath{"/"});
        return list;
    }
    std::vector<Process> GetUnitProcesses(const std::string&) override { return {}; }
    using Answer = sdbus::Result<sdbus::ObjectPath>;
    void StopUnit(Answer&& answer, std::string name, std::string) override { job("stop", name, answer); }
    void StartUnit(Answer&& answer, std::string name, std::string) override { job("start", name, answer); }

    /// A job's end is told after its path.
    void job(const std::string& verb, const std::string& unit, const Answer& answer) {
        const std::lock_guard lock(mutex_);
        if (verb == "stop")
            running_.erase(unit);
        else
            running_.insert(unit);
        jobs_.push_back(verb + ' ' + unit);
        moved_.notify_all();
        const auto number = static_cast<std::uint32_t>(jobs_.size());
        answer.returnResults(jobPath(number));
        if (verb == "stop" && held_)
            heldJobs_.emplace_back(number, unit);
        else
            emitJobRemoved(number, jobPath(number), unit, "done");
    }

    std::mutex mutex_;
    std::condition_variable moved_;
    std::set<std::string> running_;
    std::vector<std::string> jobs_;
    bool held_ = false;
    std::vector<std::pair<std::uint32_t, std::string>> heldJobs_;
};

FakeSystemd::FakeSystemd(std::set<std::string> running) : connection_(bus::openSessionBus()) {
    manager_ = std::make_unique<Manager>(*connection_, std::move(running));
    connection_->requestName(bus::BusName{"org.freedesktop.systemd1"});
    connection_->enterEventLoopAsync();
}

FakeSystemd::~FakeSystemd() {
    connection_->leaveEventLoop();
}

void FakeSystemd::holdStops() {
    manager_->holdStops();
}

void FakeSystemd::finishStops() {
    manager_->finishStops();
}

std::vector<std::string> FakeSystemd::jobs(std::size_t count) {
    return manager_->jobs(count);
}

bool FakeSystemd::runs(const std::string& unit) const {
    return manager_->runs(unit);
}

} // namespace vfiobind::bustest
