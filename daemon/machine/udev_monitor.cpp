// SPDX-License-Identifier: LGPL-2.1-or-later
#include "machine/udev_monitor.h"

#include "loop/check.h"
#include "sysfs/uevent_filter.h"

#include <cerrno>
#include <charconv>
#include <optional>
#include <spdlog/spdlog.h>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>

namespace vfiobind {
namespace {

/// Room for a storm of some ten thousand events (doc/kernel.md 23). More than net.core.rmem_max needs
/// CAP_NET_ADMIN. Without that capability the kernel grants less, and an overflow is handled.
constexpr int bufferSize = 16 << 20;

/// Runs `handle` and logs its exception, so that the events which came with this one are handled too.
void eachByItself(const auto& handle) {
    try {
        handle();
    } catch (const std::exception& error) {
        spdlog::error("an event could not be handled: {}", error.what());
    }
}

std::optional<unsigned> groupOfNode(std::string_view name) {
    unsigned group = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), group);
    return error == std::errc{} && end == name.data() + name.size() ? std::optional(group) : std::nullopt;
}

} // namespace

EventOrigin originOf(EventOrigin source, std::string_view action) {
    const bool ofDriver = action == "bind" || action == "unbind"; // really_probe() in drivers/base/dd.c
    return source == EventOrigin::kernel && ofDriver ? EventOrigin::driver : source;
}

UdevMonitor::UdevMonitor(EventLoop& loop, Handlers handlers) :
    handlers_(std::move(handlers)), udev_(udev_new()) {
    if (!udev_)
        throw std::system_error(errno, std::generic_category(), "udev_new");
    open(loop, kernel_, EventOrigin::kernel);
    open(loop, settled_, EventOrigin::udev);
}

void UdevMonitor::open(EventLoop& loop, Source& source, EventOrigin origin) {
    auto* monitor =
        udev_monitor_new_from_netlink(udev_.get(), origin == EventOrigin::kernel ? "kernel" : "udev");
    if (monitor == nullptr)
        throw std::system_error(errno, std::generic_category(), "udev_monitor_new_from_netlink");
    source.monitor.reset(monitor);
    check(udev_monitor_filter_add_match_subsystem_devtype(monitor, "pci", nullptr),
          "udev_monitor_filter_add_match");
    check(udev_monitor_filter_add_match_subsystem_devtype(monitor, "vfio", nullptr),
          "udev_monitor_filter_add_match");
    if (udev_monitor_set_receive_buffer_size(monitor, bufferSize) < 0) {
        // Without CAP_NET_ADMIN net.core.rmem_max is the limit.
        const int fd = udev_monitor_get_fd(monitor);
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bufferSize, sizeof bufferSize) != 0)
            spdlog::debug("the buffer for uevents keeps its size");
    }
    check(udev_monitor_enable_receiving(monitor), "udev_monitor_enable_receiving");
    if (origin == EventOrigin::kernel)
        if (const auto done = hearOnlyOf(udev_monitor_get_fd(monitor), {"pci", "vfio"}); !done)
            spdlog::warn("each of the kernel's uevents is looked at: {}", done.error().str());
    source.event = loop.io(udev_monitor_get_fd(monitor), EPOLLIN,
                           [this, &loop, &source, origin] { receive(loop, source, origin); });
}

/// Handles several events of one device as one: a handler reads how the device is now, whichever event it
/// gets.
void UdevMonitor::receive(EventLoop& loop, Source& source, EventOrigin origin) {
    const auto heard = drain(source.monitor.get(), origin);
    if (heard.error == 0)
        source.retries.worked();
    else
        failed(loop, source, heard.error);
    if (heard.lost) {
        spdlog::warn("uevents were lost (ENOBUFS); all devices are read again");
        eachByItself([&] { handlers_.overflow(); });
    }
    for (const auto& [address, from] : heard.devices)
        eachByItself([&] { handlers_.device(address, from); });
    for (const auto group : heard.nodes)
        eachByItself([&] { handlers_.node(group); });
}

/// Without a pause a socket that fails would be read again at once, and without end.
void UdevMonitor::failed(EventLoop& loop, Source& source, int error) {
    const auto what = std::generic_category().message(error);
    const auto pause = source.retries.failed();
    sd_event_source_set_enabled(source.event.raw(), SD_EVENT_OFF);
    if (!pause) {
        spdlog::critical("uevents cannot be read: {}", what);
        return handlers_.deaf();
    }
    if (source.retries.isFirst())
        spdlog::error("uevents cannot be read, and it is tried again: {}", what);
    source.again = loop.timer(*pause, [this, &source] {
        sd_event_source_set_enabled(source.event.raw(), SD_EVENT_ON);
        handlers_.overflow(); // what came meanwhile may be lost
    });
}

UdevMonitor::Heard UdevMonitor::drain(udev_monitor* monitor, EventOrigin origin) {
    Heard heard;
    for (;;) {
        errno = 0;
        const std::unique_ptr<udev_device, decltype(&udev_device_unref)> device(
            udev_monitor_receive_device(monitor), udev_device_unref);
        if (!device && errno == ENOBUFS) {
            heard.lost = true;
            continue;
        }
        if (!device) {
            const bool any = heard.lost || !heard.devices.empty() || !heard.nodes.empty();
            heard.error = any || errno == EAGAIN || errno == EINTR ? 0 : errno;
            return heard;
        }
        const char* subsystem = udev_device_get_subsystem(device.get());
        const char* name = udev_device_get_sysname(device.get());
        if (subsystem == nullptr || name == nullptr)
            continue;
        const char* action = udev_device_get_action(device.get());
        if (std::string_view(subsystem) == "vfio") {
            if (const auto group = groupOfNode(name))
                heard.nodes.insert(*group);
        } else if (const auto address = Address::parse(name)) {
            heard.devices.emplace(*address, originOf(origin, action != nullptr ? action : ""));
        }
    }
}

} // namespace vfiobind
