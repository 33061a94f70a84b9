// SPDX-License-Identifier: LGPL-2.1-or-later
/// Collects what changed. Every part of the daemon records its changes here; the bus, udev's files and the
/// status line read them once a turn of the event loop.
#pragma once

#include "pci/address.h"

#include <set>
#include <utility>

namespace vfiobind {

struct Changes {
    std::set<Address> devices;
    std::set<unsigned> groups;
    std::set<unsigned> jobs; ///< by their groups
    bool jobList = false;
    bool manager = false; ///< anything else of the root object
    bool wanted = false;  ///< what rules want, or a device in a group that they want
};

class ChangeLog {
public:
    void device(const Address& address) { changes_.devices.insert(address); }
    void group(unsigned number) { changes_.groups.insert(number); }
    /// The job of the group.
    void job(unsigned group) { changes_.jobs.insert(group); }
    void jobList() { changes_.jobList = true; }
    void manager() { changes_.manager = true; }
    void wanted() { changes_.wanted = true; }

    Changes take() { return std::exchange(changes_, {}); }

private:
    Changes changes_;
};

} // namespace vfiobind
