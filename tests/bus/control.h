// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a test does to the fake machine: one command a line on standard input, each answered by one line on
/// standard output, `ok`, `ok JSON` or `error SENTENCE`.
///
///     hotplug {JSON}              a device comes (machine_file.h)
///     unplug ADDRESS              it is torn out
///     swap {JSON}                 another takes its slot before anybody has looked
///     vfs ADDRESS N               the administrator writes N to sriov_numvfs
///     late-links                  functions that come are linked with their PF only at ...
///     link-functions              ... this
///     echo PATH DATA              another program writes to a file, and may hang; DATA `(newline)` is one
///     put PATH TEXT               a file is there that no kernel made
///     hold PID GROUP [UID]        a VM opens /dev/vfio/GROUP, of root or of that user
///     end PID                     it ends
///     fail N ERRNO [TIMES]        the Nth write of the daemon's workers from now (0: the next) fails
///     fail-at TEXT ERRNO [TIMES]  the next writes fail whose `PATH <- DATA` holds TEXT
///     hang N | hang-at TEXT       it does not return ...
///     finish-hang                 ... until now; refused when nothing hangs yet
///     kill N | kill-after N       the worker dies just before or after it
///     vanish N                    its device goes just before it
///     writes                      all writes since the start or `clear-writes`, and how each ended
///     clear-writes
///     state                       driver and override of every device
///     modules                     the modules of vfio that are loaded
///     violations                  what the event loop did that it must not do
///     install-module {DRIVER}     modprobe knows a module that it did not know (machine_file.h)
///     overflow                    uevents were lost
///     no-processes | processes    no worker can be started, or one can again
///     no-index                    which modules serve a device cannot be told any more
///     silent-workers | workers    a worker hangs before it tells anything, or works again
///     dying-workers N             the next N workers die before they tell anything
///     looks                       how many workers were started that look at a group
///     hotplug-at-word {JSON}      a device comes once a worker has got the word to go, before it goes on
///     no-udev | udev              udev tells of nothing, as when udevd is stopped, or does again
///     restart                     the daemon ends and another starts; the kernel and its workers stay
///     lose-store                  systemd forgets the daemon's ends of leases
///     stored-leases               how many of them it has
///     settle                      answered when nothing is left to do but to wait for the kernel or for
///     calls
#pragma once

#include "fake/fake_kernel.h"
#include "loop/event_loop.h"

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace vfiobind {

class Control {
public:
    struct Hooks {
        std::function<void()> kernelMoved; ///< after each command
        std::function<bool()> idle;        ///< for settle
        std::function<void()> restart;
        std::function<void()> loseStore;
        std::function<std::size_t()> storedLeases;
        std::function<void(bool)> noProcesses;
        std::function<void()> noIndex;
        std::function<void(bool)> silentWorkers;
        std::function<void(unsigned)> dyingWorkers;
        std::function<unsigned()> looks;
        std::function<void(std::function<void()>)> atWord; ///< before the next worker goes on
        std::function<void(bool)> udevRuns;
        std::function<void()> overflow;
        std::function<std::vector<std::string>()> violations;
        std::function<void()> hungUp; ///< standard input was closed
    };
    Control(EventLoop& loop, FakeKernel& kernel, Hooks hooks);

private:
    void receive();
    void handle(const std::string& line);
    nlohmann::json run(const std::string& command, const std::string& rest);
    bool fault(const std::string& command, const std::string& rest);
    void answerWhenSettled();
    static void answer(const std::string& line);

    EventLoop& loop_;
    FakeKernel& kernel_;
    Hooks hooks_;
    std::string pending_;
    EventSource input_;
    EventSource settling_;
};

} // namespace vfiobind
