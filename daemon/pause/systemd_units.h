// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "dbus/sdbus_compat.h"
#include "loop/event_loop.h"
#include "pause/units.h"

#include <map>
#include <memory>

namespace vfiobind {

/// Units over systemd's D-Bus API (org.freedesktop.systemd1(5)). Nothing blocks. A job that systemd does not
/// end within a minute is an error.
class SystemdUnits final : public Units {
public:
    SystemdUnits(EventLoop& loop, sdbus::IConnection& systemBus);
    SystemdUnits(const SystemdUnits&) = delete;
    SystemdUnits& operator=(const SystemdUnits&) = delete;
    ~SystemdUnits() override;

    void look(const std::string& name, Looked looked) override;
    void stop(const std::string& id, Done done) override;
    void start(const std::string& id, Done done) override;

private:
    struct Job;
    void findProcesses(UnitStatus status, Looked looked);
    void ask(const char* member, const std::string& id, Done done);
    void jobEnded(const std::string& path, const std::string& result);
    void finish(const std::shared_ptr<Job>& job, const std::expected<void, std::string>& result);

    EventLoop& loop_;
    std::unique_ptr<sdbus::IProxy> systemd_;
    std::map<std::string, std::shared_ptr<Job>> jobs_; ///< by systemd's object path
};

} // namespace vfiobind
