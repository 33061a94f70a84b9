// SPDX-License-Identifier: LGPL-2.1-or-later
/// sd-event(3) with owners: a source lives as long as its handle, and no exception reaches C.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <systemd/sd-event.h>

namespace vfiobind {

/// One event source. Destroying it disarms it, also from within its own callback.
class EventSource {
public:
    EventSource() = default;
    explicit operator bool() const { return source_ != nullptr; }
    sd_event_source* raw() const { return source_.get(); }
    void reset() { *this = {}; }

private:
    friend class EventLoop;
    struct Drop {
        void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
    };
    struct Callback;
    std::shared_ptr<Callback> callback_;
    std::unique_ptr<sd_event_source, Drop> source_; ///< destroyed before `callback_`
};

/// The daemon's one loop. All functions throw std::system_error if the source cannot be made.
class EventLoop {
public:
    EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop();

    using Handler = std::function<void()>;

    [[nodiscard]] EventSource io(int fd, std::uint32_t events, Handler handler);
    /// Calls once, after the time.
    [[nodiscard]] EventSource timer(std::chrono::microseconds after, Handler handler);
    /// Calls once, when the child process has ended, and reaps it.
    [[nodiscard]] EventSource child(int pid, Handler handler);
    /// Blocks the signal for the process; it comes as an event.
    [[nodiscard]] EventSource signal(int number, Handler handler);
    /// Calls once, in the next turn of the loop.
    [[nodiscard]] EventSource soon(Handler handler);
    /// Has the source call this each time before the loop waits (sd_event_source_set_prepare(3)).
    void beforeWaiting(EventSource& source, Handler handler);
    /// Calls after each turn in which another source was dispatched.
    [[nodiscard]] EventSource afterEach(Handler handler);

    /// Keeps systemd's watchdog content, where the service has one (sd_event_set_watchdog(3)).
    void watchdog();
    int run();
    void exit(int code);
    sd_event* raw() const { return event_; }

private:
    template <typename Add>
    EventSource make(Handler handler, Add add);
    sd_event* event_ = nullptr;
};

} // namespace vfiobind
