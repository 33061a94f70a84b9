// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fake/scenarios.h"

#include "fake/scenario_machines.h"

#include <stdexcept>

namespace vfiobind {

using namespace scenariomachines;

namespace {

Address at(const std::string& text) {
    return Address::parse(text).value();
}

Wanted binding(std::vector<std::string> allow = {}) {
    return {.action = Action::bind, .rule = "r", .allow = std::move(allow), .by = "a test", .blockers = {}};
}

Wanted releasing() {
    return {.action = Action::release, .rule = "r", .allow = {}, .by = "a test", .blockers = {}};
}

Wanted bindingByNewId() {
    auto wanted = binding();
    wanted.method = Method::newId;
    return wanted;
}

std::map<std::string, std::string> all(const std::vector<std::string>& addresses,
                                       const std::string& driver = "vfio-pci") {
    std::map<std::string, std::string> found;
    for (const auto& address : addresses)
        found[address] = driver;
    return found;
}

const std::map<std::string, std::string> cardNative{{fn0, "nouveau"}, {fn1, "snd_hda_intel"}};

std::vector<Scenario> bindScenarios() {
    return {
        {"bind a graphics card and its audio (case 32)", card, 1, binding(), {}, all({fn0, fn1})},
        {"bind a card of four functions, one without a driver (case 1)",
         [] { return cardOfFour(false); },
         1,
         binding(),
         {},
         all({fn0, fn1, fn2, fn3})},
        {"bind two NICs behind a conventional bridge (case 2)",
         behindConventionalBridge,
         5,
         binding(),
         {},
         all({nicA, nicB})},
        {"bind what is half bound already (case 16)",
         [] {
             auto kernel = withDrivers();
             addCard(kernel, "vfio-pci", "snd_hda_intel");
             return kernel;
         },
         1,
         binding(),
         {},
         all({fn0, fn1})},
        {"bind a card whose native drivers are not loaded (case 58)",
         [] {
             auto kernel = card();
             kernel.unloadModule("nouveau");
             kernel.unloadModule("snd_hda_intel");
             return kernel;
         },
         1,
         binding(),
         {},
         all({fn0, fn1})},
        {"bind over somebody's override none, allowed (case 28)",
         [] {
             auto kernel = withDrivers();
             addCard(kernel, "", "", "none");
             return kernel;
         },
         1,
         binding({"foreign-driver-override"}),
         {},
         all({fn0, fn1})},
        {"bind over an override that names the native driver, allowed (case 28)",
         [] {
             auto kernel = withDrivers();
             addCard(kernel, "nouveau", "snd_hda_intel");
             kernel.addDevice({.address = fn2,
                               .ids = "8086:10d3",
                               .classCode = 0x020000,
                               .group = 1,
                               .driver = "e1000e",
                               .driverOverride = "e1000e"});
             return kernel;
         },
         1,
         binding({"foreign-driver-override"}),
         {},
         all({fn0, fn1, fn2})},
        {"bind when overridden early but taken by the native driver before (case 20)",
         [] {
             auto kernel = card();
             for (const auto& address : {fn0, fn1})
                 if (!kernel.writeAsOther("/sys/bus/pci/devices/" + address + "/driver_override", "vfio-pci"))
                     throw std::logic_error("no driver_override");
             return kernel;
         },
         1,
         binding(),
         {},
         all({fn0, fn1})},
        {"bind one of three twins (case 59)", twins, 10, binding(), {}, all({"0000:01:00.0"})},
        {"bind one of three twins by new_id (case 59)",
         twins,
         10,
         bindingByNewId(),
         {},
         all({"0000:01:00.0"})},
        {"bind a card by new_id", card, 1, bindingByNewId(), {}, all({fn0, fn1})},
        {"bind one VF, native driver on it",
         [] { return virtualFunctions(true); },
         0,
         binding(),
         {},
         all({"0000:07:10.0"})},
        {"bind one VF, kept off native drivers (case 26)",
         [] { return virtualFunctions(false); },
         0,
         binding(),
         {},
         all({"0000:07:10.0"})},
        {"bind to the variant driver (cases 17, 18)",
         withVariant,
         4,
         binding(),
         {.automatic = {{at(fn0), "mlx5_vfio_pci"}}, .native = {}, .driverless = {}, .missing = {}},
         all({fn0}, "mlx5_vfio_pci")},
        {"bind an NVSwitch, class 0680 with header type 0 (case 3)",
         [] {
             auto kernel = withDrivers();
             kernel.addDevice({.address = fn0, .ids = "10de:1af1", .classCode = 0x068000, .group = 6});
             return kernel;
         },
         6,
         binding(),
         {},
         all({fn0})},
        {"bind an A100 beside its root port and a host bridge (case 4)",
         [] { return listed("epyc-a100-hostbridge"); },
         44,
         binding(),
         {},
         all({"0000:41:00.0"})},
    };
}

std::vector<Scenario> releaseScenarios() {
    return {
        {"release a card, the kernel chooses the drivers", boundCard, 1, releasing(), {}, cardNative},
        {"release a card to the drivers that it had",
         boundCard,
         1,
         releasing(),
         {.automatic = {},
          .native = {{at(fn0), "nouveau"}, {at(fn1), "snd_hda_intel"}},
          .driverless = {},
          .missing = {}},
         cardNative},
        {"release a card of four functions, one of which no driver is for",
         [] { return cardOfFour(true); },
         1,
         releasing(),
         {.automatic = {}, .native = {}, .driverless = {at(fn3)}, .missing = {}},
         {{fn0, "nouveau"}, {fn1, "snd_hda_intel"}, {fn2, "xhci_hcd"}, {fn3, ""}}},
        {"release what was bound without an override",
         [] {
             auto kernel = withDrivers();
             addCard(kernel, "vfio-pci", "vfio-pci");
             return kernel;
         },
         1,
         releasing(),
         {},
         cardNative},
        {"release what is half released, overrides left",
         [] {
             auto kernel = withDrivers();
             addCard(kernel, "vfio-pci", "snd_hda_intel", "vfio-pci");
             return kernel;
         },
         1,
         releasing(),
         {},
         cardNative},
        {"release a variant driver's device",
         [] {
             FakeKernel kernel;
             kernel.addVfioPci();
             kernel.addDriver({.name = "mlx5_core", .module = "mlx5_core", .ids = {"15b3:"}});
             kernel.addDriver({.name = "mlx5_vfio_pci",
                               .module = "mlx5_vfio_pci",
                               .overrideOnlyIds = {"15b3:101e"},
                               .managedDma = true,
                               .vfio = true});
             kernel.addDevice({.address = fn0,
                               .ids = "15b3:101e",
                               .classCode = 0x020000,
                               .group = 4,
                               .driver = "mlx5_vfio_pci",
                               .driverOverride = "mlx5_vfio_pci"});
             return kernel;
         },
         4,
         releasing(),
         {},
         all({fn0}, "mlx5_core")},
        {"release a variant driver's device, whatever that is called",
         [] {
             FakeKernel kernel;
             kernel.addVfioPci();
             kernel.addDriver({.name = "mlx5_core", .module = "mlx5_core", .ids = {"15b3:"}});
             kernel.addDriver({.name = "cardpass", .module = "cardpass", .managedDma = true, .vfio = true});
             kernel.addDevice({.address = fn0,
                               .ids = "15b3:101e",
                               .classCode = 0x020000,
                               .group = 4,
                               .driver = "cardpass",
                               .driverOverride = "cardpass"});
             return kernel;
         },
         4,
         releasing(),
         {},
         all({fn0}, "mlx5_core")},
    };
}

/// The group of a listed machine that has the most members to move, at least two.
void addListed(std::vector<Scenario>& table, const std::string& name) {
    const auto kernel = listed(name);
    const auto topology = Topology::read(kernel).value();
    const auto drivers = readDrivers(kernel).value();
    GroupPlan widest;
    for (const auto& [group, members] : topology.groups()) {
        auto plan = planGroup(group, binding(), topology, drivers);
        if (!plan.blocked() && plan.members.size() > widest.members.size())
            widest = std::move(plan);
    }
    if (widest.members.size() < 2)
        throw std::logic_error(name + " has no group of two or more that can be bound");
    Scenario scenario{name + ": bind the widest group, " + std::to_string(widest.group),
                      [name] { return listed(name); },
                      widest.group,
                      binding(),
                      {},
                      {}};
    for (const auto& member : widest.members)
        scenario.end[member.device.str()] = "vfio-pci";
    table.push_back(std::move(scenario));
}

} // namespace

const std::vector<Scenario>& scenarios() {
    static const std::vector<Scenario> table = [] {
        auto found = bindScenarios();
        for (auto& scenario : releaseScenarios())
            found.push_back(std::move(scenario));
        for (const auto* name :
             {"fm2-a88x", "gigabyte-b550-chipset-gpu", "haswell-b85-pci-bridge", "intel-z370-dual-gpu",
              "intel-z690-tb4-vmd", "laptop-mx150", "power9-multidomain", "skylake-server-sriov",
              "x370-dual-rx580", "x570-aorus"})
            addListed(found, name);
        for (auto& scenario : found) { // groups of VFs are numbered by the kernel
            if (scenario.end.contains("0000:07:10.0") && scenario.group == 0) {
                const auto kernel = scenario.machine();
                scenario.group = *readDevice(kernel, at("0000:07:10.0"))->group;
            }
        }
        return found;
    }();
    return table;
}

GroupPlan planOf(const Scenario& scenario, const Sysfs& sysfs) {
    auto topology = Topology::read(sysfs).value();
    auto drivers = scenario.drivers;
    drivers.registered = readDrivers(sysfs).value().registered;
    if (const auto* group = topology.findGroup(scenario.group))
        for (const auto& address : std::set<Address>(group->members))
            if (auto held = readDriverOverride(sysfs, address))
                topology.setOverride(address, *held);
    return planGroup(scenario.group, scenario.wanted, topology, drivers);
}

Outcome carryOut(const Scenario& scenario, Sysfs& sysfs, JournalStore& journals) {
    const auto plan = planOf(scenario, sysfs);
    if (plan.blocked())
        throw std::logic_error(scenario.name + " is blocked: " + plan.str());
    return carryOut(sysfs, plan, journals,
                    {.before = {}, .after = {}, .pause = [](std::chrono::milliseconds) {}});
}

} // namespace vfiobind
