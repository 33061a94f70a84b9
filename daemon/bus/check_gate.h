// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "bus/callers.h"
#include "core.h"

#include <chrono>
#include <deque>
#include <memory>

namespace vfiobind::bus {

/// Refuses the Checks of a user who has too many unanswered, before anything of them is read: anybody can
/// send them without end, and what others ask for stands behind them. The refusal takes its time, since the
/// bus lets a connection have 128 calls unanswered (dbus-daemon(1)), and so it sends no more meanwhile.
/// Checks of a sender that is not known yet pass; Callers limits them.
class CheckGate {
public:
    /// Throws sdbus::Error.
    CheckGate(EventLoop& loop, sdbus::IConnection& connection, const Core& core, const Callers& callers);
    CheckGate(const CheckGate&) = delete;
    CheckGate& operator=(const CheckGate&) = delete;

private:
    using Clock = std::chrono::steady_clock;
    struct Unref {
        void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
        void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
    };
    struct Refusal {
        Clock::time_point due;
        std::unique_ptr<sd_bus_message, Unref> message;
    };
    static int hear(sd_bus_message* message, void* self, sd_bus_error* error);
    bool refuse(sd_bus_message* call);
    void sendLater();
    void sendDue();

    EventLoop& loop_;
    const Core& core_;
    const Callers& callers_;
    std::deque<Refusal> refusals_; ///< not sent yet, the oldest first
    EventSource next_;
    std::unique_ptr<sd_bus_slot, Unref> filter_;
};

} // namespace vfiobind::bus
