// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/pump.h"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>

namespace vfiobind::bus {

Pump::Pump(EventLoop& loop, sdbus::IConnection& connection, std::function<void()> gone) :
    connection_(connection), gone_(std::move(gone)) {
    io_ = loop.io(connection.getEventLoopPollData().fd, EPOLLIN, [this] { process(); });
    timeout_ = loop.timer(std::chrono::microseconds{0}, [this] { process(); });
    loop.beforeWaiting(io_, [this] { prepare(); });
}

/// Sets what to wait for, which changes with every message: room to send if messages are queued, a time for
/// replies that are due, and no time at all if messages have been read already.
void Pump::prepare() {
    try {
        const auto data = connection_.getEventLoopPollData();
        sd_event_source_set_io_events(io_.raw(), static_cast<std::uint32_t>(data.events));
        const auto deadline = deadlineOf(data);
        if (deadline)
            sd_event_source_set_time(timeout_.raw(), *deadline);
        sd_event_source_set_enabled(timeout_.raw(), deadline ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
    } catch (const sdbus::Error& error) {
        hangUp(error);
    }
}

/// Handles some messages: a caller who sends without end holds up neither workers nor timers.
void Pump::process() {
    constexpr int most = 32;
    try {
        for (int i = 0; i < most && processPending(connection_); ++i) {
        }
    } catch (const sdbus::Error& error) {
        hangUp(error);
    }
}

void Pump::hangUp(const sdbus::Error& error) {
    if (!gone_)
        return;
    spdlog::error("the bus is gone: {}", error.getMessage());
    sd_event_source_set_enabled(io_.raw(), SD_EVENT_OFF);
    sd_event_source_set_enabled(timeout_.raw(), SD_EVENT_OFF);
    std::exchange(gone_, nullptr)();
}

} // namespace vfiobind::bus
