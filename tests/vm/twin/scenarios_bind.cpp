// SPDX-License-Identifier: LGPL-2.1-or-later
// driver_override, bind, unbind, drivers_probe.
#include "twin/scenarios.h"

namespace vfiobind::twin {

namespace {

using namespace std::string_view_literals;

void overrideForms(Script& s) {
    const auto path = Script::device(s.roles.twinA, "driver_override");
    s.read(path);
    for (const auto value : {"vfio-pci"sv, "\n"sv, "vfio-pci\n"sv, "vfio-pci\nmore"sv, "\nvfio-pci"sv,
                             "a\0b"sv, "\0a"sv, " vfio-pci "sv, "none"sv, "(null)"sv, "no such driver"sv}) {
        s.write(path, value);
        s.read(path);
    }
    for (const std::size_t size : {4093U, 4094U, 4095U, 4096U, 5000U}) {
        s.write(path, std::string(size, 'd'));
        s.read(path);
    }
    s.write(path, "\n");
    s.look(s.roles.twinA);
}

/// Writing an override neither unbinds, loads nor probes (doc/kernel.md 1).
void overrideMovesNothing(Script& s) {
    const auto& nic = s.roles.twinA;
    s.setOverride(nic, "vfio-pci");
    s.look(nic);
    s.unbind(nic);
    s.look(nic);
    s.setOverride(nic, "\n");
    s.look(nic);
    s.probe(nic);
    s.toVfio(nic);
    s.setOverride(nic, "\n");
    s.look(nic);
    s.setOverride(nic, "none");
    s.look(nic);
    s.toNative(nic);
}

/// case 28, 30
void foreignOverride(Script& s) {
    const auto& nic = s.roles.twinA;
    const auto native = s.driverOf(nic);
    s.setOverride(nic, "none");
    s.unbind(nic);
    s.bind("vfio-pci", nic);
    s.bind(native, nic);
    s.probe(nic);
    s.look(nic);
    s.setOverride(nic, "vfio-pci");
    s.bind(native, nic);
    s.probe(nic);
    s.look(nic);
    s.toNative(nic);
}

void wrongDriverNames(Script& s) {
    const auto& nic = s.roles.twinA;
    const auto native = s.driverOf(nic);
    s.unbind(nic);
    for (const auto* name : {"vfio_pci", "VFIO-PCI", "no-such-driver", "pcieport"}) {
        s.setOverride(nic, name);
        s.bind("vfio-pci", nic);
        s.bind(name, nic);
        s.probe(nic);
        s.look(nic);
    }
    s.setOverride(nic, "\n");
    s.bind("pcieport", nic);
    s.bind(s.driverOf(s.roles.pf), nic);
    s.bind(native, nic);
    s.look(nic);
}

void doubleBind(Script& s) {
    const auto& nic = s.roles.twinA;
    const auto native = s.driverOf(nic);
    s.bind(native, nic);
    s.bind("vfio-pci", nic);
    s.setOverride(nic, "vfio-pci");
    s.bind("vfio-pci", nic);
    s.bind(native, nic);
    s.toVfio(nic);
    s.bind("vfio-pci", nic);
    s.bind(native, nic);
    s.setOverride(nic, "\n");
    s.bind("vfio-pci", nic);
    s.bind(native, nic);
    s.look(nic);
    s.toNative(nic);
}

void wrongUnbind(Script& s) {
    const auto& nic = s.roles.twinA;
    const auto native = s.driverOf(nic);
    s.unbind("vfio-pci", nic);
    s.unbind("pcieport", nic);
    s.unbind(native, "0000:ff:1f.7");
    s.unbind(native, s.roles.audio);
    s.look(nic);
    s.unbind(native, nic);
    s.unbind(native, nic);
    s.write(Script::device(nic, "driver/unbind"), nic);
    s.look(nic);
    s.probe(nic);
    s.write(Script::device(nic, "driver/unbind"), nic);
    s.probe(nic);
    s.look(nic);
}

void spelling(Script& s) {
    const auto& nic = s.roles.twinA;
    const auto native = s.driverOf(nic);
    s.setOverride(nic, "vfio-pci");
    s.unbind(nic);
    for (const auto& text : {nic.substr(5), ' ' + nic, nic + ' ', nic.substr(0, nic.size() - 1), nic + "0",
                             nic + "\n\n", std::string("../") + nic, std::string("\n")}) {
        s.bind("vfio-pci", text);
        s.unbind("vfio-pci", text);
        s.probe(text);
    }
    s.bind("vfio-pci", nic + '\n');
    s.look(nic);
    s.unbind("vfio-pci", nic + '\n');
    s.setOverride(nic, "\n");
    s.probe(nic + '\n');
    s.bind(native, nic + std::string("\0\0", 2));
    s.look(nic);
}

void withoutIds(Script& s) {
    const auto& nic = s.roles.twinA;
    s.unbind(nic);
    s.bind("vfio-pci", nic);
    s.look(nic);
    s.probe(nic);
    s.look(nic);
}

void probeAnswers(Script& s) {
    s.probe("0000:ff:1f.7");
    s.probe(s.roles.twinA);
    s.probe(s.roles.hostBridge);
    s.probe(s.roles.bridge);
    s.look({s.roles.twinA, s.roles.hostBridge, s.roles.bridge});
    s.toVfio(s.roles.twinA);
    s.probe(s.roles.twinA);
    s.setOverride(s.roles.twinA, "\n");
    s.probe(s.roles.twinA);
    s.look(s.roles.twinA);
    s.toNative(s.roles.twinA);
}

void driverless(Script& s) {
    const auto& host = s.roles.hostBridge;
    s.bind("vfio-pci", host);
    s.setOverride(host, "vfio-pci");
    s.bind("vfio-pci", host);
    s.look(host);
    s.setOverride(host, "\n");
    s.unbind("vfio-pci", host);
    s.look(host);
    s.probe(host);
    s.look(host);
}

/// doc/kernel.md 6: header type 1
void bridgeToVfio(Script& s) {
    const auto& bridge = s.roles.bridge;
    s.look(bridge);
    s.setOverride(bridge, "vfio-pci");
    s.bind("vfio-pci", bridge);
    s.probe(bridge);
    s.look(bridge);
    s.setOverride(bridge, "\n");
    s.bind("pcieport", bridge);
    s.look({bridge, s.roles.nicA, s.roles.nicB});
    s.setOverride(s.roles.rootPort, "vfio-pci");
    s.bind("vfio-pci", s.roles.rootPort);
    s.bind("pcieport", s.roles.rootPort);
    s.look(s.roles.rootPort);
    s.setOverride(s.roles.rootPort, "\n");
}

void partialGroup(Script& s) {
    const auto& r = s.roles;
    s.toVfio(r.display);
    s.look({r.display, r.audio});
    s.toVfio(r.audio);
    s.look({r.display, r.audio});
    s.toNative(r.display);
    s.look({r.display, r.audio});
    s.toNative(r.audio);
    s.look({r.display, r.audio});
}

void conventionalPair(Script& s) {
    const auto& r = s.roles;
    s.toVfio(r.nicB);
    s.look({r.bridge, r.nicA, r.nicB});
    s.toVfio(r.nicA);
    s.look({r.bridge, r.nicA, r.nicB});
    s.toNative(r.nicB);
    s.toNative(r.nicA);
    s.look({r.bridge, r.nicA, r.nicB});
}

/// Nodes come and go with their devices, whatever numbers they get.
void nodes(Script& s) {
    const auto& r = s.roles;
    for (const auto& address : {r.twinA, r.twinB, r.nicA})
        s.toVfio(address);
    s.look({r.twinA, r.twinB, r.nicA});
    s.toNative(r.twinB);
    s.toVfio(r.nicB);
    s.toVfio(r.twinB);
    s.look({r.twinA, r.twinB, r.nicA, r.nicB});
    for (const auto& address : {r.twinA, r.twinB, r.nicA, r.nicB})
        s.toNative(address);
}

} // namespace

std::vector<Play> bindScenarios() {
    return {
        {"forms of driver_override, unset reads (null) (case 29)", overrideForms},
        {"an override moves nothing by itself", overrideMovesNothing},
        {"a foreign override none (case 28, 30)", foreignOverride},
        {"wrong driver names (case 18)", wrongDriverNames},
        {"double bind", doubleBind},
        {"unbind of the wrong driver, unbind twice", wrongUnbind},
        {"spellings of an address (case 52)", spelling},
        {"vfio-pci without override and ids", withoutIds},
        {"what drivers_probe answers (case 30)", probeAnswers},
        {"a device that no native driver is for (case 4)", driverless},
        {"bridges and vfio-pci (case 2)", bridgeToVfio},
        {"a card half bound (case 1)", partialGroup},
        {"two NICs behind a conventional bridge (case 2)", conventionalPair},
        {"numbers of VFIO's nodes", nodes},
    };
}

} // namespace vfiobind::twin
