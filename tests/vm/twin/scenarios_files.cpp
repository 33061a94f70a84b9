// SPDX-License-Identifier: LGPL-2.1-or-later
// What files there are, what is in them, and with which errno they are refused.
#include "twin/scenarios.h"

#include <fmt/format.h>

namespace vfiobind::twin {

namespace {

const std::string vfioPci = "/sys/bus/pci/drivers/vfio-pci";

std::vector<std::string> everybody(const Roles& roles) {
    return {roles.display, roles.audio, roles.twinA,      roles.twinB,   roles.bridge,
            roles.nicA,    roles.pf,    roles.hostBridge, roles.rootPort};
}

void identity(Script& s) {
    for (const auto& address : everybody(s.roles)) {
        for (const auto* name : {"", "driver", "iommu_group", "subsystem", "physfn"})
            s.link(Script::device(address, name));
        for (const auto* name : {"vendor", "device", "subsystem_vendor", "subsystem_device", "class",
                                 "modalias", "uevent", "boot_vga", "numa_node", "reset_method",
                                 "sriov_totalvfs", "sriov_numvfs", "sriov_drivers_autoprobe"})
            s.read(Script::device(address, name));
        s.look(address);
    }
}

void refusals(Script& s) {
    const auto& nic = s.roles.twinA;
    for (const auto& path : {Script::device(nic), Script::device(nic, "nosuch"),
                             Script::device(nic, "remove"), Script::device(nic, "rescan"),
                             Script::device("0000:ff:1f.7", "vendor"), vfioPci + "/bind", vfioPci + "/new_id",
                             std::string("/sys/bus/pci/drivers_probe"), Script::device(nic, "vendor/deeper")})
        s.read(path);
    for (const auto& path :
         {Script::device(nic), Script::device(nic, "nosuch"), Script::device(nic, "vendor"),
          Script::device(nic, "modalias"), Script::device("0000:ff:1f.7", "driver_override"),
          std::string("/sys/bus/pci/drivers/nosuch/bind"),
          Script::device(s.roles.hostBridge, "driver/unbind"),
          Script::device(nic, "iommu_group/type/deeper")})
        s.write(path, "x");
    for (const auto& path : {Script::device(nic, "vendor"), Script::device(nic, "nosuch")}) {
        s.link(path);
        s.list(path);
    }
    s.link("/sys/bus/pci/drivers");
}

void nothingWritten(Script& s) {
    const auto& nic = s.roles.twinA;
    for (const auto& path : {Script::device(nic, "driver_override"), vfioPci + "/bind", vfioPci + "/unbind",
                             vfioPci + "/new_id", vfioPci + "/remove_id",
                             std::string("/sys/bus/pci/drivers_probe"), std::string("/sys/bus/pci/rescan"),
                             Script::device(s.roles.pf, "sriov_numvfs"), Script::device(nic, "vendor")})
        s.write(path, "");
    s.look(nic);
}

void groups(Script& s) {
    for (const auto& address : everybody(s.roles)) {
        const std::string group = "/sys/kernel/iommu_groups/" + s.groupOf(address);
        s.list(group);
        s.list(group + "/devices");
        s.read(group + "/type");
        s.read(group + "/name");
        s.read(group + "/reserved_regions");
        s.link(group + "/devices/" + address);
    }
    s.list("/sys/kernel/iommu_groups");
    s.list("/sys/class/iommu");
}

void driverDirectory(Script& s) {
    s.list(vfioPci);
    s.link(vfioPci + "/module");
    s.list("/sys/bus/pci");
    s.toVfio(s.roles.twinA);
    s.list(vfioPci);
    s.link(vfioPci + '/' + s.roles.twinA);
    s.link(Script::device(s.roles.twinA, "driver"));
    s.read(Script::device(s.roles.twinA, "uevent"));
    s.list("/dev/vfio");
    s.list("/sys/class/vfio");
    s.toNative(s.roles.twinA);
    s.list("/dev/vfio");
    s.list("/sys/class/vfio");
}

void vfioModule(Script& s) {
    const std::string parameters = "/sys/module/vfio_pci/parameters";
    s.list(parameters);
    for (const auto* name :
         {"disable_denylist", "disable_idle_d3", "disable_vga", "enable_sriov", "nointxmask", "ids"}) {
        s.read(parameters + '/' + name);
        s.write(parameters + '/' + name, "N");
    }
    for (const auto* value : {"maybe", "\n", "2", "on", "off", "0"})
        s.write(parameters + "/enable_sriov", value);
    s.read(parameters + "/enable_sriov");
    s.write(parameters + "/enable_sriov", "N\n");
    s.read("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    s.read("/sys/module/vfio_pci/initstate");
    s.list("/sys/module/vfio_pci/drivers");
    s.link("/sys/module/vfio_pci/drivers/pci:vfio-pci");
}

void resetMethods(Script& s) {
    const auto path = Script::device(s.roles.twinA, "reset_method");
    s.read(path);
    for (const auto* value : {"nonsense", "flr", "bus", "flr bus", "flr,bus", "flr nonsense", "bus flr", "\n",
                              "default", " ", "default bus", "default\n"}) {
        s.write(path, value);
        s.read(path);
    }
    s.read(Script::device(s.roles.hostBridge, "reset_method"));
}

void switches(Script& s) {
    for (const auto* value : {"x", "-1", "2x", "0", "0x0"}) {
        s.write("/sys/bus/pci/rescan", value);
        s.write(Script::device(s.roles.twinA, "remove"), value);
        s.write(Script::device(s.roles.twinA, "rescan"), value);
    }
    s.look(s.roles.twinA);
    for (const auto* value : {"x", "0", "maybe", "01", "1\n"}) {
        s.write("/sys/bus/pci/drivers_autoprobe", value);
        s.read("/sys/bus/pci/drivers_autoprobe");
    }
    for (const auto* value : {"x", "2", "off", "on", "n\n", "1\n"}) {
        s.vfAutoprobe(value);
        s.read(Script::device(s.roles.pf, "sriov_drivers_autoprobe"));
    }
    for (const auto* value : {"change", "change\n", "nonsense", "chang"})
        s.write(Script::device(s.roles.twinB, "uevent"), value);
}

} // namespace

std::vector<Play> fileScenarios() {
    return {
        {"what devices say of themselves", identity},
        {"files that refuse", refusals},
        {"a write of nothing does nothing", nothingWritten},
        {"groups and what is in them", groups},
        {"a driver's directory and VFIO's nodes, bound and not", driverDirectory},
        {"vfio-pci's parameters", vfioModule},
        {"reset_method", resetMethods},
        {"switches and numbers", switches},
    };
}

} // namespace vfiobind::twin
