// SPDX-License-Identifier: LGPL-2.1-or-later
#include "watch/watch.h"

#include "sysfs/uevent_filter.h"

#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <latch>
#include <libudev.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string_view>
#include <system_error>

namespace vfiobind::watch {
namespace {

struct Unref {
    void operator()(udev* context) const { udev_unref(context); }
    void operator()(udev_monitor* monitor) const { udev_monitor_unref(monitor); }
    void operator()(udev_device* device) const { udev_device_unref(device); }
};
using Monitor = std::unique_ptr<udev_monitor, Unref>;

[[noreturn]] void fail(int code, const std::string& what) {
    throw std::system_error(code, std::generic_category(), what);
}

void check(int code, const char* what) {
    if (code < 0)
        fail(-code, what);
}

Monitor listen() {
    const std::unique_ptr<udev, Unref> context(udev_new());
    if (!context)
        fail(errno, "udev_new");
    Monitor monitor(udev_monitor_new_from_netlink(context.get(), "kernel"));
    if (!monitor)
        fail(errno, "udev_monitor_new_from_netlink");
    check(udev_monitor_filter_add_match_subsystem_devtype(monitor.get(), "pci", nullptr),
          "udev_monitor_filter_add_match");
    check(udev_monitor_enable_receiving(monitor.get()), "udev_monitor_enable_receiving");
    // Filter the events, since this program preempts all others and must not be woken for nothing.
    if (const auto done = hearOnlyOf(udev_monitor_get_fd(monitor.get()), {"pci"}, "add"); !done)
        fmt::print(stderr, "each of the kernel's uevents is looked at: {}\n", done.error().str());
    return monitor;
}

std::vector<unsigned> processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        fail(errno, "sched_getaffinity");
    std::vector<unsigned> numbers;
    for (unsigned i = 0; i < CPU_SETSIZE; ++i)
        if (CPU_ISSET(i, &set))
            numbers.push_back(i);
    return numbers;
}

void stayOn(unsigned processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (const int code = pthread_setaffinity_np(pthread_self(), sizeof set, &set); code != 0)
        fail(code, fmt::format("pthread_setaffinity_np for processor {}", processor));
}

} // namespace

void Watch::follow(std::vector<OverrideRule> rules) {
    const bool any = !rules.empty();
    rules_.store(std::make_shared<const std::vector<OverrideRule>>(std::move(rules)));
    if (any && threads_.empty())
        startThreads();
}

void Watch::startThreads() {
    for (const auto processor : processors())
        threads_.emplace_back([this, processor] { run(processor); });
}

void Watch::run(unsigned processor) {
    try {
        stayOn(processor);
        const auto monitor = listen();
        // Run once without effect: code and memory that were never used before would be too slow at the first
        // event.
        if (const auto devices = sysfs_.list("/sys/bus/pci/devices"); devices && !devices->empty())
            if (const auto address = Address::parse(devices->front()))
                overrideNewDevice(sysfs_, {}, *address);
        for (;;) {
            pollfd polled{.fd = udev_monitor_get_fd(monitor.get()), .events = POLLIN, .revents = 0};
            if (poll(&polled, 1, -1) < 0 && errno != EINTR)
                fail(errno, "poll");
            for (;;) {
                errno = 0;
                const std::unique_ptr<udev_device, Unref> event(udev_monitor_receive_device(monitor.get()));
                if (!event && errno != ENOBUFS)
                    break;
                if (!event) {
                    fmt::print(stderr,
                               "uevents were lost (ENOBUFS): a native driver may have taken a device\n");
                    continue;
                }
                const char* action = udev_device_get_action(event.get());
                const char* name = udev_device_get_sysname(event.get());
                if (action == nullptr || name == nullptr || std::string_view(action) != "add")
                    continue;
                if (const auto address = Address::parse(name))
                    come(*address);
            }
        }
    } catch (const std::exception& error) {
        // systemd starts the program again.
        fmt::print(stderr, "the watch on processor {} has ended: {}\n", processor, error.what());
        std::_Exit(EXIT_FAILURE);
    }
}

void Watch::come(const Address& address) {
    const auto rules = rules_.load();
    const auto result = overrideNewDevice(sysfs_, *rules, address);
    for (const auto& [device, driver] : result.set)
        fmt::print(stderr, "{} has come: driver_override is {}\n", device.str(), driver);
    for (const auto& error : result.errors)
        fmt::print(stderr, "{} has come, and a native driver may take it first: {}\n", address.str(),
                   error.str());
}

} // namespace vfiobind::watch
