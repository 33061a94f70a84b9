// SPDX-License-Identifier: LGPL-2.1-or-later
#include "loop/clock_watch.h"

#include <cerrno>
#include <cstdint>
#include <limits>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind {

ClockWatch::ClockWatch(EventLoop& loop, std::function<void()> moved) :
    fd_(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)), moved_(std::move(moved)) {
    if (fd_ < 0)
        throw std::system_error(errno, std::generic_category(), "timerfd_create");
    arm();
    event_ = loop.io(fd_, EPOLLIN, [this] { read(); });
}

ClockWatch::~ClockWatch() {
    event_.reset();
    close(fd_);
}

void ClockWatch::arm() const {
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<time_t>::max();
    if (timerfd_settime(fd_, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) != 0)
        throw std::system_error(errno, std::generic_category(), "timerfd_settime");
}

void ClockWatch::read() const {
    std::uint64_t rung = 0;
    const bool cancelled = ::read(fd_, &rung, sizeof rung) < 0 && errno == ECANCELED;
    arm();
    if (cancelled)
        moved_();
}

} // namespace vfiobind
