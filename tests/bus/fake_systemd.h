// SPDX-License-Identifier: LGPL-2.1-or-later
/// systemd's part of the talk about units, on a thread of its own.
#pragma once

#include "dbus/sdbus_compat.h"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vfiobind::bustest {

class FakeSystemd {
public:
    explicit FakeSystemd(std::set<std::string> running);
    ~FakeSystemd();
    FakeSystemd(const FakeSystemd&) = delete;
    FakeSystemd& operator=(const FakeSystemd&) = delete;

    /// From now on the jobs that stop units do not end before finishStops().
    void holdStops();
    void finishStops();
    /// Waits until there were so many of `stop gdm.service`, `start gdm.service`; gives all.
    std::vector<std::string> jobs(std::size_t count);
    bool runs(const std::string& unit) const;

private:
    class Manager;
    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<Manager> manager_;
};

} // namespace vfiobind::bustest
