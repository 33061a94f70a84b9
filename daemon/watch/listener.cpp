// SPDX-License-Identifier: LGPL-2.1-or-later
#include "watch/listener.h"

#include "sysfs/retries.h"
#include "sysfs/uevent_filter.h"

#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <poll.h>
#include <string_view>
#include <system_error>
#include <utility>

namespace vfiobind::watch {
namespace {

struct UnrefUdev {
    void operator()(udev* context) const { udev_unref(context); }
    void operator()(udev_device* device) const { udev_device_unref(device); }
};

[[noreturn]] void failListening(int code, const std::string& what) {
    throw std::system_error(code, std::generic_category(), what);
}

void checkListening(int code, const char* what) {
    if (code < 0)
        failListening(-code, what);
}

} // namespace

Listener::Listener(std::function<void(std::chrono::milliseconds)> pause) : pause_(std::move(pause)) {
    const std::unique_ptr<udev, UnrefUdev> context(udev_new());
    if (!context)
        failListening(errno, "udev_new");
    monitor_.reset(udev_monitor_new_from_netlink(context.get(), "kernel"));
    if (!monitor_)
        failListening(errno, "udev_monitor_new_from_netlink");
    checkListening(udev_monitor_filter_add_match_subsystem_devtype(monitor_.get(), "pci", nullptr),
                   "udev_monitor_filter_add_match");
    checkListening(udev_monitor_enable_receiving(monitor_.get()), "udev_monitor_enable_receiving");
    // Filter the events, since this program preempts all others and must not be woken for nothing.
    if (const auto done = hearOnlyOf(descriptor(), {"pci"}, "add"); !done)
        fmt::print(stderr, "each of the kernel's uevents is looked at: {}\n", done.error().str());
}

int Listener::await() const {
    pollfd polled{.fd = descriptor(), .events = POLLIN, .revents = 0};
    if (poll(&polled, 1, -1) < 0)
        return errno == EINTR ? 0 : errno;
    if ((polled.revents & POLLNVAL) != 0)
        return EBADF;
    return (polled.revents & (POLLIN | POLLERR)) != 0 ? 0 : EPIPE; // an error is read (socket(7))
}

int Listener::read(std::vector<Address>& come) const {
    bool any = false;
    for (;;) {
        errno = 0;
        const std::unique_ptr<udev_device, UnrefUdev> event(udev_monitor_receive_device(monitor_.get()));
        if (!event && errno == ENOBUFS) {
            fmt::print(stderr, "uevents were lost (ENOBUFS): a native driver may have taken a device\n");
            any = true;
            continue;
        }
        if (!event)
            return any || errno == EAGAIN || errno == EINTR ? 0 : errno;
        any = true;
        const char* action = udev_device_get_action(event.get());
        const char* name = udev_device_get_sysname(event.get());
        if (action == nullptr || name == nullptr || std::string_view(action) != "add")
            continue;
        if (const auto address = Address::parse(name))
            come.push_back(*address);
    }
}

std::vector<Address> Listener::next() {
    std::vector<Address> come;
    Retries retries;
    while (come.empty()) {
        int error = await();
        if (error == 0)
            error = read(come);
        if (error == 0) {
            retries.worked();
            continue;
        }
        const auto pause = retries.failed();
        if (!pause)
            failListening(error, "hearing of new devices fails again and again");
        if (retries.isFirst())
            fmt::print(stderr, "hearing of new devices fails, and is tried again: {}\n",
                       std::generic_category().message(error));
        pause_(*pause);
    }
    return come;
}

} // namespace vfiobind::watch
