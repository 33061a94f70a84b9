// SPDX-License-Identifier: LGPL-2.1-or-later
/// Events of PCI devices and VFIO nodes: from the kernel, and from udev after its rules have run.
#pragma once

#include "loop/event_loop.h"
#include "machine/event_origin.h"
#include "pci/address.h"
#include "sysfs/retries.h"

#include <functional>
#include <libudev.h>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

namespace vfiobind {

class UdevMonitor {
public:
    struct Handlers {
        std::function<void(const Address&, EventOrigin)> device;
        std::function<void(unsigned group)> node; ///< a /dev/vfio node is ready, or gone
        std::function<void()> overflow;           ///< events were lost (ENOBUFS): read everything again
        std::function<void()> deaf; ///< events cannot be read any more; it was logged, and tried again
    };
    /// Throws std::system_error when the netlink sockets cannot be had.
    UdevMonitor(EventLoop& loop, Handlers handlers);

private:
    struct Unref {
        void operator()(udev* u) const { udev_unref(u); }
        void operator()(udev_monitor* m) const { udev_monitor_unref(m); }
    };
    struct Source {
        std::unique_ptr<udev_monitor, Unref> monitor;
        EventSource event;
        Retries retries;
        EventSource again; ///< when reading is tried again after a failure
    };
    void open(EventLoop& loop, Source& source, EventOrigin origin);
    void receive(EventLoop& loop, Source& source, EventOrigin origin);
    struct Heard {
        std::set<std::pair<Address, EventOrigin>> devices;
        std::set<unsigned> nodes;
        bool lost = false; ///< events were lost
        int error = 0;     ///< reading failed
    };
    static Heard drain(udev_monitor* monitor, EventOrigin origin);
    void failed(EventLoop& loop, Source& source, int error);

    Handlers handlers_;
    std::unique_ptr<udev, Unref> udev_;
    Source kernel_;
    Source settled_;
};

/// Returns the origin of an event with this action from this source.
EventOrigin originOf(EventOrigin source, std::string_view action);

} // namespace vfiobind
