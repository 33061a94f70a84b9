// SPDX-License-Identifier: LGPL-2.1-or-later
// new_id and remove_id (new_id_store, remove_id_store in drivers/pci/pci-driver.c).
#include "twin/scenarios.h"

namespace vfiobind::twin {

namespace {

const std::string absent = "1af4 7ffe"; ///< ids that no device has

void forms(Script& s) {
    for (const auto* line :
         {"", "\n", "1af4", "hello", "1af4:7ffe", "1af4,7ffe", "-1af4 7ffe", "0x1af4 0x7ffe",
          "  1af4\t7ffd\n", "1af4 7ffc hello", "1af4 7ffb 1 2 3 4 5", "1af4 7ffa 1 2 3 4 0 9",
          "100001af4 7ff9", "11af4 7ff8", "1af4 7ff7 ffffffff ffffffff 20000 ff0000"})
        s.newId("vfio-pci", line);
    for (const auto* line :
         {"", "\n", "1af4", "hello", "1af4:7ffe", "-1af4 7ffe", "1af4 7ffe", "1af4 7ffd", "0x1af4 0x7ffc",
          "1af4 7ffb", "1af4 7ffa", "1af4 7ff9", "11af4 7ff8", "1af4 7ff8", "1af4 7ff7",
          "1af4 7ff7 ffffffff ffffffff 30000 ff0000", "1af4 7ff7 ffffffff ffffffff 20000 ff0000"})
        s.removeId("vfio-pci", line);
}

void duplicates(Script& s) {
    s.newId("vfio-pci", absent);
    s.newId("vfio-pci", absent);
    s.newId("vfio-pci", absent + " 1 2");
    s.newId("vfio-pci", absent + " ffffffff ffffffff 0 0 0");
    s.removeId("vfio-pci", absent);
    s.removeId("vfio-pci", absent);
    s.removeId("vfio-pci", absent);
    s.newId("vfio-pci", absent + " 1 2 030000 ffffff");
    s.newId("vfio-pci", absent);
    s.newId("vfio-pci", absent + " 1 2 030000 ffffff");
    s.newId("vfio-pci", absent + " 1 2");
    for (int i = 0; i < 4; ++i)
        s.removeId("vfio-pci", absent);
}

void removing(Script& s) {
    s.removeId("vfio-pci", absent);
    s.removeId(s.driverOf(s.roles.twinA), s.idsOf(s.roles.twinA));
    s.newId("vfio-pci", absent + " 1 2");
    s.removeId("vfio-pci", absent + " 1 3");
    s.removeId("vfio-pci", absent + " 1 2");
    s.newId("vfio-pci", absent + " 1 2");
    s.removeId("vfio-pci", absent);
    s.newId("vfio-pci", absent);
    s.removeId("vfio-pci", absent + " 1 2");
    s.removeId("vfio-pci", absent);
}

/// It binds every match that has no driver, and no other (doc/kernel.md 5).
void catches(Script& s) {
    const auto& r = s.roles;
    const auto ids = s.idsOf(r.twinA);
    s.newId("vfio-pci", ids);
    s.look({r.twinA, r.twinB});
    s.removeId("vfio-pci", ids);
    s.unbind(r.twinA);
    s.unbind(r.twinB);
    s.newId("vfio-pci", ids);
    s.look({r.twinA, r.twinB});
    s.removeId("vfio-pci", ids);
    s.look({r.twinA, r.twinB});
    s.toNative(r.twinA);
    s.toNative(r.twinB);
    s.look({r.twinA, r.twinB});
}

void overrideBeforeIds(Script& s) {
    const auto& r = s.roles;
    const auto ids = s.idsOf(r.twinA);
    const auto native = s.driverOf(r.twinA);
    s.setOverride(r.twinA, "none");
    s.setOverride(r.twinB, native);
    s.unbind(r.twinA);
    s.unbind(r.twinB);
    s.newId("vfio-pci", ids);
    s.look({r.twinA, r.twinB});
    s.bind("vfio-pci", r.twinA);
    s.bind("vfio-pci", r.twinB);
    s.probe(r.twinB);
    s.setOverride(r.twinA, "\n");
    s.bind("vfio-pci", r.twinA);
    s.look({r.twinA, r.twinB});
    s.removeId("vfio-pci", ids);
    s.toNative(r.twinA);
    s.setOverride(r.twinB, "\n");
    s.look({r.twinA, r.twinB});
}

/// Both match: the driver that was registered first has it.
void whoWins(Script& s) {
    const auto& nic = s.roles.twinA;
    const auto ids = s.idsOf(nic);
    s.newId("vfio-pci", ids);
    s.unbind(nic);
    s.look(nic);
    s.probe(nic);
    s.look(nic);
    s.unbind(nic);
    s.bind("vfio-pci", nic);
    s.look(nic);
    s.removeId("vfio-pci", ids);
    s.unbind(nic);
    s.bind("vfio-pci", nic);
    s.probe(nic);
    s.look(nic);
}

void narrowIds(Script& s) {
    const auto& nic = s.roles.twinA;
    const auto ids = s.idsOf(nic);
    s.unbind(nic);
    for (const char* more :
         {" 1 2", " ffffffff ffffffff 030000 ff0000", " ffffffff ffffffff 020000 ff0000"}) {
        s.newId("vfio-pci", ids + more);
        s.look(nic);
    }
    s.unbind(nic);
    s.removeId("vfio-pci", ids);
    s.removeId("vfio-pci", ids);
    s.removeId("vfio-pci", ids);
    s.removeId("vfio-pci", ids);
    s.probe(nic);
}

void nativeTable(Script& s) {
    const auto native = s.driverOf(s.roles.twinA);
    s.newId(native, s.idsOf(s.roles.twinA));
    s.newId(s.driverOf(s.roles.audio), s.idsOf(s.roles.audio));
    s.newId("pcieport", s.idsOf(s.roles.bridge));
    s.look(s.roles.bridge);
    s.removeId("pcieport", s.idsOf(s.roles.bridge));
}

/// A bridge that vfio refuses, and a driver that a dynamic id brings to nothing: the write says ok all the
/// same.
void idOfBridge(Script& s) {
    const auto ids = s.idsOf(s.roles.bridge);
    s.newId("vfio-pci", ids);
    s.look(s.roles.bridge);
    s.bind("vfio-pci", s.roles.bridge);
    s.probe(s.roles.bridge);
    s.removeId("vfio-pci", ids);
    s.bind("vfio-pci", s.roles.bridge);
    s.look(s.roles.bridge);
}

} // namespace

std::vector<Play> idScenarios() {
    return {
        {"forms of new_id and remove_id", forms},
        {"duplicate new_id", duplicates},
        {"remove_id of what is absent, and of what is narrower", removing},
        {"new_id catches what has no driver (case 59)", catches},
        {"an override comes before ids", overrideBeforeIds},
        {"native driver and dynamic id, both match", whoWins},
        {"narrow ids", narrowIds},
        {"new_id of what the driver knows already", nativeTable},
        {"new_id of a bridge", idOfBridge},
    };
}

} // namespace vfiobind::twin
