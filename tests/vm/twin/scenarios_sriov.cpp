// SPDX-License-Identifier: LGPL-2.1-or-later
// VFs coming and going. Native drivers are kept off them: an emulated NVMe VF that has no queues is given up
// by its driver a moment later, which is the device's doing and no kernel's.
#include "twin/scenarios.h"

namespace vfiobind::twin {

namespace {

void lookAtVfs(Script& s) {
    s.read(Script::device(s.roles.pf, "sriov_numvfs"));
    s.link(Script::device(s.roles.pf, "virtfn0"));
    s.link(Script::device(s.roles.pf, "virtfn1"));
    s.look({s.roles.pf, s.roles.vf0, s.roles.vf1});
}

void numbers(Script& s) {
    s.vfAutoprobe("0");
    for (const auto* value : {"x", "-1", "", "9999", "70000", "1x", "0", "0x2", "02", "+2", "3", "2\n"}) {
        s.numVfs(value);
        s.read(Script::device(s.roles.pf, "sriov_numvfs"));
    }
    lookAtVfs(s);
    s.numVfs("0");
    lookAtVfs(s);
    s.vfAutoprobe("1");
}

/// case 26
void autoprobeOff(Script& s) {
    const auto& r = s.roles;
    s.vfAutoprobe("0");
    s.numVfs("2");
    lookAtVfs(s);
    for (const auto* name : {"vendor", "device", "class", "modalias", "uevent", "subsystem_vendor",
                             "subsystem_device", "sriov_numvfs", "sriov_totalvfs"})
        s.read(Script::device(r.vf0, name));
    s.link(Script::device(r.vf0));
    s.link(Script::device(r.vf0, "physfn"));
    s.probe(r.vf0);
    s.bind(s.driverOf(r.pf), r.vf0);
    s.bind("vfio-pci", r.vf0);
    s.look(r.vf0);
    s.setOverride(r.vf0, "vfio-pci");
    s.probe(r.vf0);
    s.setOverride(r.vf1, "vfio-pci");
    s.bind("vfio-pci", r.vf1);
    lookAtVfs(s);
    s.setOverride(r.vf0, "\n");
    s.unbind("vfio-pci", r.vf0);
    s.probe(r.vf0);
    s.look(r.vf0);
    s.numVfs("0");
    lookAtVfs(s);
    s.vfAutoprobe("1");
}

void newIdForVfs(Script& s) {
    const auto& r = s.roles;
    s.vfAutoprobe("0");
    s.numVfs("2");
    const auto ids = s.idsOf(r.vf0);
    s.newId("vfio-pci", ids);
    lookAtVfs(s);
    s.removeId("vfio-pci", ids);
    s.numVfs("0");
    s.vfAutoprobe("1");
}

/// case 24
void pfWithVfs(Script& s) {
    const auto& r = s.roles;
    const auto native = s.driverOf(r.pf);
    s.vfAutoprobe("0");
    s.numVfs("2");
    s.setOverride(r.vf0, "vfio-pci");
    s.bind("vfio-pci", r.vf0);
    s.setOverride(r.pf, "vfio-pci");
    s.unbind(native, r.pf);
    lookAtVfs(s);
    s.bind("vfio-pci", r.pf);
    s.probe(r.pf);
    s.numVfs("0");
    s.numVfs("2");
    s.numVfs("3");
    lookAtVfs(s);
    s.setOverride(r.pf, "\n");
    s.bind(native, r.pf);
    lookAtVfs(s);
    s.numVfs("0");
    s.vfAutoprobe("1");
    lookAtVfs(s);
}

void pfWithoutDriver(Script& s) {
    const auto& r = s.roles;
    const auto native = s.driverOf(r.pf);
    s.unbind(native, r.pf);
    for (const auto* value : {"0", "2", "9999", "x"})
        s.numVfs(value);
    s.setOverride(r.pf, "vfio-pci");
    s.bind("vfio-pci", r.pf);
    for (const auto* value : {"0", "2", "9999", "x"})
        s.numVfs(value);
    s.look(r.pf);
    s.setOverride(r.pf, "\n");
    s.unbind("vfio-pci", r.pf);
    s.bind(native, r.pf);
    s.look(r.pf);
}

/// doc/kernel.md 10: user space owns the PF, so its VFs do not go to native drivers by themselves.
void pfOnVfio(Script& s) {
    const auto& r = s.roles;
    const auto native = s.driverOf(r.pf);
    const std::string enable = "/sys/module/vfio_pci/parameters/enable_sriov";
    s.write(enable, "Y");
    s.toVfio(r.pf);
    s.numVfs("2");
    lookAtVfs(s);
    s.numVfs("3");
    s.unbind("vfio-pci", r.vf0);
    s.setOverride(r.vf0, "\n");
    s.look(r.vf0);
    s.numVfs("0");
    lookAtVfs(s);
    s.vfAutoprobe("0");
    s.numVfs("2");
    lookAtVfs(s);
    s.setOverride(r.pf, "\n");
    s.unbind("vfio-pci", r.pf);
    lookAtVfs(s);
    s.bind(native, r.pf);
    s.vfAutoprobe("1");
    s.write(enable, "N");
}

/// Groups of VFs have the lowest free numbers, and what is free depends on what is gone.
void groupNumbers(Script& s) {
    const auto& r = s.roles;
    s.vfAutoprobe("0");
    s.remove(r.twinA);
    s.numVfs("2");
    lookAtVfs(s);
    s.rescan();
    s.look({r.twinA, r.twinB});
    s.numVfs("0");
    s.remove(r.twinA);
    s.remove(r.twinB);
    s.rescan();
    s.look({r.twinA, r.twinB});
    s.vfAutoprobe("1");
}

} // namespace

std::vector<Play> sriovScenarios() {
    return {
        {"numbers of VFs", numbers},
        {"VFs with autoprobe 0 (case 26)", autoprobeOff},
        {"new_id and VFs with autoprobe 0", newIdForVfs},
        {"a PF with VFs and vfio-pci (case 24)", pfWithVfs},
        {"VFs of a PF without a driver that makes them", pfWithoutDriver},
        {"VFs of a PF on vfio-pci (case 25)", pfOnVfio},
        {"group numbers of VFs (case 14)", groupNumbers},
    };
}

} // namespace vfiobind::twin
