// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "dbus/sdbus_compat.h"
#include "loop/event_loop.h"

#include <functional>

namespace vfiobind::bus {

/// Drives a bus connection from the event loop, as sd_bus_attach_event(3) does for a plain sd_bus. Calls
/// `gone` once when the bus hangs up.
class Pump {
public:
    Pump(EventLoop& loop, sdbus::IConnection& connection, std::function<void()> gone);

private:
    void prepare();
    void process();
    void hangUp(const sdbus::Error& error);

    sdbus::IConnection& connection_;
    std::function<void()> gone_;
    EventSource io_;
    EventSource timeout_;
};

} // namespace vfiobind::bus
