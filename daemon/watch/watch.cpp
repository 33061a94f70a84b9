// SPDX-License-Identifier: LGPL-2.1-or-later
#include "watch/watch.h"

#include "watch/listener.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <system_error>

namespace vfiobind::watch {
namespace {

[[noreturn]] void fail(int code, const std::string& what) {
    throw std::system_error(code, std::generic_category(), what);
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
        Listener listener([](std::chrono::milliseconds pause) { std::this_thread::sleep_for(pause); });
        // Run once without effect: code and memory that were never used before would be too slow at the first
        // event.
        if (const auto devices = sysfs_.list("/sys/bus/pci/devices"); devices && !devices->empty())
            if (const auto address = Address::parse(devices->front()))
                overrideNewDevice(sysfs_, {}, *address);
        for (;;)
            for (const auto& address : listener.next())
                come(address);
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
    for (const auto& device : result.takenBack)
        fmt::print(stderr, "{} has come, which its group's rule does not know: {} keeps no driver_override\n",
                   address.str(), device.str());
    for (const auto& error : result.errors)
        fmt::print(stderr, "{} has come, and a native driver may take it first: {}\n", address.str(),
                   error.str());
}

} // namespace vfiobind::watch
