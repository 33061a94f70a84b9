// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "pci/address.h"

#include <chrono>
#include <functional>
#include <libudev.h>
#include <memory>
#include <vector>

namespace vfiobind::watch {

/// Hears the kernel's uevents of PCI devices that come.
class Listener {
public:
    /// `pause` is called between tries where waiting or reading fails. Throws std::system_error if the socket
    /// cannot be had.
    explicit Listener(std::function<void(std::chrono::milliseconds)> pause);

    /// Waits for events and returns the devices that have come, in order. Says on standard error that events
    /// were lost. Where waiting or reading fails, tries again after growing pauses, since this program
    /// preempts all others; throws std::system_error if it goes on failing.
    std::vector<Address> next();
    /// The netlink socket.
    int descriptor() const { return udev_monitor_get_fd(monitor_.get()); }

private:
    struct Unref {
        void operator()(udev_monitor* monitor) const { udev_monitor_unref(monitor); }
    };
    /// Returns 0, or the error of a wait that was no wait.
    int await() const;
    /// Returns 0, or the error of a read that was none.
    int read(std::vector<Address>& come) const;

    std::function<void(std::chrono::milliseconds)> pause_;
    std::unique_ptr<udev_monitor, Unref> monitor_;
};

} // namespace vfiobind::watch
