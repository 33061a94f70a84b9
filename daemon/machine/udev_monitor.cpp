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
    kernel_ = open(loop, EventOrigin::kernel);
    settled_ = open(loop, EventOrigin::udev);
}

UdevMonitor::Source UdevMonitor::open(EventLoop& loop, EventOrigin origin) {
    Source source;
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
    source.event =
        loop.io(udev_monitor_get_fd(monitor), EPOLLIN, [this, monitor, origin] { receive(monitor, origin); });
    return source;
}

/// Handles several events of one device as one: a handler reads how the device is now, whichever event it
/// gets.
void UdevMonitor::receive(udev_monitor* monitor, EventOrigin origin) {
    std::set<std::pair<Address, EventOrigin>> devices;
    std::set<unsigned> nodes;
    drain(monitor, origin, devices, nodes);
    for (const auto& [address, from] : devices)
        eachByItself([&] { handlers_.device(address, from); });
    for (const auto group : nodes)
        eachByItself([&] { handlers_.node(group); });
}

void UdevMonitor::drain(udev_monitor* monitor, EventOrigin origin,
                        std::set<std::pair<Address, EventOrigin>>& devices, std::set<unsigned>& nodes) const {
    for (;;) {
        errno = 0;
        auto* device = udev_monitor_receive_device(monitor);
        if (device == nullptr) {
            if (errno == ENOBUFS) {
                spdlog::warn("uevents were lost (ENOBUFS); all devices are read again");
                handlers_.overflow();
                continue;
            }
            return;
        }
        const std::unique_ptr<udev_device, decltype(&udev_device_unref)> owner(device, udev_device_unref);
        const char* subsystem = udev_device_get_subsystem(device);
        const char* name = udev_device_get_sysname(device);
        if (subsystem == nullptr || name == nullptr)
            continue;
        const char* action = udev_device_get_action(device);
        if (std::string_view(subsystem) == "vfio") {
            if (const auto group = groupOfNode(name))
                nodes.insert(*group);
        } else if (const auto address = Address::parse(name)) {
            devices.emplace(*address, originOf(origin, action != nullptr ? action : ""));
        }
    }
}

} // namespace vfiobind
