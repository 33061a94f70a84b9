// SPDX-License-Identifier: LGPL-2.1-or-later
// Devices removed by hand and found again.
#include "twin/scenarios.h"

namespace vfiobind::twin {

namespace {

/// case 42
void removeAndRescan(Script& s) {
    const auto& nic = s.roles.twinA;
    for (int i = 0; i < 2; ++i) {
        s.remove(nic);
        s.look(nic);
        s.read(Script::device(nic, "vendor"));
        s.write(Script::device(nic, "driver_override"), "vfio-pci");
        s.bind("vfio-pci", nic);
        s.unbind("vfio-pci", nic);
        s.probe(nic);
        s.remove(nic);
        s.rescan();
        s.look(nic);
    }
    s.write(Script::device(nic, "rescan"), "1");
    s.look(nic);
}

void removeBound(Script& s) {
    const auto& nic = s.roles.twinA;
    s.toVfio(nic);
    s.look(nic);
    s.remove(nic);
    s.look(nic);
    s.list("/dev/vfio");
    s.rescan();
    s.look(nic);
}

/// Both functions at once, the first alone on its bus as it comes: its reset_method is as it was at boot.
void findAgain(Script& s) {
    s.remove(s.roles.audio);
    s.remove(s.roles.display);
    s.rescan();
    s.look({s.roles.display, s.roles.audio});
    s.read(Script::device(s.roles.display, "reset_method"));
}

void removeCard(Script& s) {
    const auto& r = s.roles;
    s.remove(r.display);
    s.look({r.display, r.audio});
    s.remove(r.audio);
    s.look(r.audio);
    s.rescan();
    s.look({r.display, r.audio});
    s.remove(r.audio);
    s.rescan();
    s.look({r.display, r.audio});
    s.remove(r.display);
    s.rescan();
    s.look({r.display, r.audio});
    s.read(Script::device(r.display, "reset_method"));
    findAgain(s);
}

void removeBridge(Script& s) {
    const auto& r = s.roles;
    s.toVfio(r.nicA);
    s.remove(r.bridge);
    s.look({r.bridge, r.nicA, r.nicB});
    s.rescan();
    s.look({r.bridge, r.nicA, r.nicB});
    s.remove(r.nicB);
    s.write(Script::device(r.bridge, "rescan"), "1");
    s.look({r.bridge, r.nicA, r.nicB});
}

/// pci_bus_add_device attaches whatever drivers_autoprobe says (doc/kernel.md 4).
void withoutAutoprobe(Script& s) {
    const auto& r = s.roles;
    const auto ids = s.idsOf(r.twinB);
    s.write("/sys/bus/pci/drivers_autoprobe", "0");
    s.remove(r.twinA);
    s.rescan();
    s.look(r.twinA);
    s.unbind(r.twinB);
    s.newId("vfio-pci", ids);
    s.look(r.twinB);
    s.removeId("vfio-pci", ids);
    s.unbind("vfio-pci", r.twinB);
    s.probe(r.twinB);
    s.look(r.twinB);
    s.write("/sys/bus/pci/drivers_autoprobe", "1");
}

void dynamicIdForNewcomer(Script& s) {
    const auto& r = s.roles;
    const auto ids = s.idsOf(r.twinA);
    s.newId("vfio-pci", ids);
    s.remove(r.twinA);
    s.rescan();
    s.look({r.twinA, r.twinB});
    s.removeId("vfio-pci", ids);
}

/// The native driver leaves its VFs, and with the PF found again new ones are a BUG() in Linux 6.1.
void removePfWithVfs(Script& s) {
    const auto& r = s.roles;
    s.vfAutoprobe("0");
    s.numVfs("2");
    s.setOverride(r.vf0, "vfio-pci");
    s.bind("vfio-pci", r.vf0);
    s.remove(r.pf);
    s.look({r.pf, r.vf0, r.vf1});
    s.remove(r.vf0); // there is no such file: they stay until the next boot
    s.rescan();
    s.look({r.pf, r.vf0, r.vf1});
    s.read(Script::device(r.pf, "sriov_numvfs"));
    s.read(Script::device(r.pf, "sriov_drivers_autoprobe"));
}

} // namespace

std::vector<Play> hotplugScenarios() {
    return {
        {"remove and rescan (case 42)", removeAndRescan},
        {"remove a device on vfio-pci", removeBound},
        {"remove a card, function by function (case 15)", removeCard},
        {"remove a bridge with what is behind it", removeBridge},
        {"drivers_autoprobe 0", withoutAutoprobe},
        {"a dynamic id and a device that is found again", dynamicIdForNewcomer},
        {.name = "remove a PF with VFs", .run = removePfWithVfs, .wrecks = true},
    };
}

} // namespace vfiobind::twin
