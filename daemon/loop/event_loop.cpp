// SPDX-License-Identifier: LGPL-2.1-or-later
#include "loop/event_loop.h"

#include "loop/check.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <sys/wait.h>
#include <system_error>

namespace vfiobind {

struct EventSource::Callback : std::enable_shared_from_this<Callback> {
    EventLoop::Handler handler;
    EventLoop::Handler prepare;

    static int call(void* data) { return run(data, &Callback::handler); }

    /// An error in one event is logged and does not end the daemon.
    static int run(void* data, EventLoop::Handler Callback::* which) {
        // Keep the callback alive here: the handler may destroy its own source.
        const auto self = static_cast<Callback*>(data)->shared_from_this();
        try {
            (self.get()->*which)();
        } catch (const std::exception& error) {
            spdlog::error("an event could not be handled: {}", error.what());
        }
        return 0;
    }
    static int onIo(sd_event_source*, int, std::uint32_t, void* data) { return call(data); }
    static int onTime(sd_event_source*, std::uint64_t, void* data) { return call(data); }
    static int onSignal(sd_event_source*, const signalfd_siginfo*, void* data) { return call(data); }
    static int onChild(sd_event_source*, const siginfo_t*, void* data) { return call(data); }
    static int onPlain(sd_event_source*, void* data) { return call(data); }
    static int onPrepare(sd_event_source*, void* data) { return run(data, &Callback::prepare); }
};

namespace {

void block(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    check(-pthread_sigmask(SIG_BLOCK, &set, nullptr), "pthread_sigmask");
}

} // namespace

EventLoop::EventLoop() {
    check(sd_event_default(&event_), "sd_event_default");
    block(SIGCHLD); // sd_event_add_child(3) wants it so
}

EventLoop::~EventLoop() {
    sd_event_unref(event_);
}

template <typename Add>
EventSource EventLoop::make(Handler handler, Add add) {
    EventSource made;
    made.callback_ = std::make_shared<EventSource::Callback>();
    made.callback_->handler = std::move(handler);
    sd_event_source* source = nullptr;
    check(add(&source, made.callback_.get()), "sd_event_add");
    made.source_.reset(source);
    return made;
}

EventSource EventLoop::io(int fd, std::uint32_t events, Handler handler) {
    return make(std::move(handler), [&](auto** source, void* data) {
        return sd_event_add_io(event_, source, fd, events, EventSource::Callback::onIo, data);
    });
}

EventSource EventLoop::timer(std::chrono::microseconds after, Handler handler) {
    return make(std::move(handler), [&](auto** source, void* data) {
        return sd_event_add_time_relative(event_, source, CLOCK_MONOTONIC,
                                          static_cast<std::uint64_t>(after.count()), 0,
                                          EventSource::Callback::onTime, data);
    });
}

EventSource EventLoop::child(int pid, Handler handler) {
    return make(std::move(handler), [&](auto** source, void* data) {
        return sd_event_add_child(event_, source, pid, WEXITED, EventSource::Callback::onChild, data);
    });
}

EventSource EventLoop::signal(int number, Handler handler) {
    block(number);
    return make(std::move(handler), [&](auto** source, void* data) {
        return sd_event_add_signal(event_, source, number, EventSource::Callback::onSignal, data);
    });
}

EventSource EventLoop::soon(Handler handler) {
    return make(std::move(handler), [&](auto** source, void* data) {
        return sd_event_add_defer(event_, source, EventSource::Callback::onPlain, data);
    });
}

EventSource EventLoop::afterEach(Handler handler) {
    return make(std::move(handler), [&](auto** source, void* data) {
        return sd_event_add_post(event_, source, EventSource::Callback::onPlain, data);
    });
}

void EventLoop::beforeWaiting(EventSource& source, Handler handler) {
    source.callback_->prepare = std::move(handler);
    check(sd_event_source_set_prepare(source.raw(), EventSource::Callback::onPrepare),
          "sd_event_source_set_prepare");
}

void EventLoop::watchdog() {
    check(sd_event_set_watchdog(event_, 1), "sd_event_set_watchdog");
}

int EventLoop::run() {
    const int code = sd_event_loop(event_);
    check(code, "sd_event_loop");
    return code;
}

void EventLoop::exit(int code) {
    sd_event_exit(event_, code);
}

} // namespace vfiobind
