// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fake_uevents.h"

#include "machine/udev_monitor.h"

#include <charconv>

namespace vfiobind {

FakeUevents::FakeUevents(EventLoop& loop, FakeKernel& kernel, std::function<Core&()> core) :
    loop_(loop), core_(std::move(core)) {
    kernel.onUevent = [this](const FakeUevent& event) {
        queue_.push_back({event.action, event.subsystem, event.devpath, EventOrigin::kernel});
        schedule();
    };
}

void FakeUevents::schedule() {
    if (!next_ && !queue_.empty())
        next_ = loop_.soon([this] { deliver(); });
}

void FakeUevents::deliver() {
    next_.reset();
    const auto count = queue_.size(); // udev's answers to these come in the next round
    for (std::size_t i = 0; i < count; ++i) {
        const auto event = queue_.front();
        queue_.pop_front();
        if (event.origin == EventOrigin::kernel && udevRuns)
            queue_.push_back({event.action, event.subsystem, event.devpath, EventOrigin::udev});
        hand(event);
    }
    schedule();
}

void FakeUevents::hand(const Event& event) {
    const auto name = baseName(event.devpath);
    if (event.subsystem == "pci") {
        core_().deviceEvent(*Address::parse(name), originOf(event.origin, event.action));
    } else if (event.subsystem == "vfio") {
        unsigned group = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), group).ec == std::errc{})
            core_().nodeEvent(group);
    }
}

} // namespace vfiobind
